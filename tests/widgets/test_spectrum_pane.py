"""SpectrumPane: what it hands to the browser; without one."""

from __future__ import annotations

import numpy as np
import pytest
from bokeh.events import SelectionGeometry

from edsnb.errors import InputError
from edsnb.widgets.figures.spectrum_pane import COMPONENTS, SpectrumPane

ENERGY = 0.2 + 0.01 * np.arange(1000)
PEAK = np.exp(-0.5 * ((ENERGY - 6.4) / 0.06) ** 2)
COUNTS = np.random.default_rng(1).poisson(2 + 100 * PEAK)


def shown(pane: SpectrumPane, **options) -> SpectrumPane:
    pane.show(
        ENERGY, {"counts": COUNTS}, model=2 + 100 * PEAK, background=np.full(1000, 2.0),
        components={"Fe_K": 100 * PEAK, "O_K": np.zeros(1000)}, residuals=(COUNTS - 2 - 100 * PEAK) / 10,
        lines=[(6.4, "Fe Kα", 1.0), (0.52, "O Kα", 0.5)], title="R0C0", **options,
    )  # fmt: skip
    return pane


def visible(pane: SpectrumPane) -> list[str]:
    """Return the columns of the curves that are drawn."""
    curves = [*pane._series, *pane._models, pane._background]
    return [renderer.glyph.y for renderer in curves if renderer.visible]


def test_all_curves_go_in_one_source_of_single_precision():
    pane = shown(SpectrumPane(residuals=True))
    assert visible(pane) == ["counts0", "model0", "background"]
    data = pane.source.data
    assert {name: column.dtype for name, column in data.items()} == dict.fromkeys(data, np.dtype(np.float32))
    np.testing.assert_array_equal(data["counts0"], COUNTS)
    np.testing.assert_allclose(data["kev"], ENERGY, rtol=1e-6)
    assert pane.title.text == "R0C0"


def test_components_stand_on_the_background_and_leave_out_what_is_nothing():
    components = shown(SpectrumPane()).components.data
    assert len(components["x"]) == 2
    assert components["x"][1].size == 0
    assert 5.9 < components["x"][0].min() < components["x"][0].max() < 6.9
    assert components["y"][0].max() == pytest.approx(102.0)
    assert [*zip(components["dash"], components["colour"], strict=True)] == list(COMPONENTS[:2])


@pytest.mark.parametrize(("scale", "height"), [("linear", 100.0), ("sqrt", 10.0), ("log", 2.0)])
def test_scales(scale, height):
    pane = SpectrumPane()
    pane.scale(scale)
    pane.show(ENERGY, {"counts": np.full(1000, 100)}, components={"Fe_K": 90 * PEAK}, background=np.full(1000, 10.0))
    assert pane.source.data["counts0"][0] == pytest.approx(height)
    assert pane.source.data["raw_counts0"][0] == 100
    assert pane.components.data["y"][0].max() == pytest.approx(height)
    assert pane.plot.y_range.end > height
    before = pane.plot.yaxis[0].ticker
    pane.scale("linear" if scale != "linear" else "log")
    assert pane.plot.yaxis[0].ticker is not before
    with pytest.raises(InputError, match="scale 'cubic'"):
        pane.scale("cubic")


def test_the_energies_in_view_stay_when_spectra_change():
    pane = shown(SpectrumPane())
    assert (pane.x_range.start, pane.x_range.end) == pytest.approx((0.195, 10.195))
    pane.look_at(5.0, 7.0)
    assert pane.labels.data["name"] == ["Fe Kα"]
    pane.show(ENERGY, {"counts": 3 * COUNTS}, lines=[(6.4, "Fe Kα", 1.0)])
    assert (pane.x_range.start, pane.x_range.end) == (5.0, 7.0)
    assert pane.plot.y_range.end == pytest.approx(1.06 * 3 * COUNTS[ENERGY > 5].max())
    pane.look_at(8.0, 9.0)
    assert pane.plot.y_range.end < 50
    pane.show(ENERGY[:500], {"counts": COUNTS[:500]})
    assert pane.x_range.end == pytest.approx(5.195)


def test_names_too_many_for_the_place_leave_out_the_lightest():
    pane = SpectrumPane(width=300)
    lines = [(6.0 + 0.01 * k, f"X{k} K", float(k)) for k in range(60)]
    pane.show(ENERGY, {"counts": COUNTS}, lines=lines)
    names = pane.labels.data["name"]
    assert 3 < len(names) < 20
    assert "X59 K" in names
    assert "X0 K" not in names
    per_px = (pane.x_range.end - pane.x_range.start) / (300 - 106)
    assert (np.diff(pane.labels.data["place"]) > 13.9 * per_px).all()


def test_curves_come_and_go():
    pane = shown(SpectrumPane(residuals=True))
    pane.show(ENERGY, {f"chip {k}": COUNTS for k in range(4)})
    assert visible(pane) == ["counts0", "counts1", "counts2", "counts3"]
    assert [item.label.value for item in pane.plot.legend[0].items] == [f"chip {k}" for k in range(4)]
    assert np.isnan(pane.source.data["residuals"]).all()
    shown(pane)
    assert visible(pane) == ["counts0", "model0", "background"]
    assert pane._columns.data["name"] == ["counts", "model", "background", "residual"]
    pane.show(ENERGY, {"a": COUNTS}, model={"stored": PEAK, "trial": 2 * PEAK}, colours={"a": "#123456"})
    assert visible(pane) == ["counts0", "model0", "model1"]
    assert pane._series[0].glyph.line_color == "#123456"


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
@pytest.mark.parametrize("values", [np.zeros(5), np.full(5, np.nan), np.array([1.0, np.nan, 0.0, 2.0, 1.0])])
def test_nothing_to_see_breaks_nothing(scale, values):
    pane = SpectrumPane(residuals=True)
    pane.scale(scale)
    pane.show(
        ENERGY[:5], {"counts": values}, residuals=values, model=values, background=values, components={"X": values}
    )
    assert np.isfinite([pane.plot.y_range.start, pane.plot.y_range.end]).all()
    pane.show(np.empty(0), {})
    pane.show(ENERGY[:1], {"one": values[:1]})
    assert pane.plot.y_range.end > pane.plot.y_range.start


def test_a_window_drawn_with_the_mouse():
    told: list[tuple[float, float]] = []
    pane = shown(SpectrumPane(on_window=lambda low, high: told.append((low, high))))

    def drawn(x0: float, x1: float, final: bool) -> None:
        place = {"type": "rect", "x0": x0, "x1": x1, "y0": 0.0, "y1": 1.0}
        pane.plot._trigger_event(SelectionGeometry(pane.plot, geometry=place, final=final))

    drawn(6.7, 6.1, False)
    drawn(6.7, 6.1, True)
    assert told == [(6.1, 6.7)]
    pane.window(6.1, 6.7)
    assert (pane._band.left, pane._band.right, pane._band.visible) == (6.1, 6.7, True)
    pane.window(None, None)
    assert not pane._band.visible

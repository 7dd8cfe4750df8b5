"""The summary picture, checked by what it holds; how it looks is for people to judge."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage
from edsnb.pipeline import Analysis, analyse
from edsnb.plots.summary import draw_summary, summary_figure
from tests.simulated import RECIPE, analysed, empty, small, stored_only


def masks() -> dict[str, Array]:
    y, x = np.mgrid[:64, :64]
    return {
        "film": (y > 10) & (y < 28),
        "substrate": (y - 48) ** 2 + (x - 20) ** 2 < 100,
        "dot": (y == 40) & (x == 50),
        "nothing": y < 0,
    }


def no_survey() -> SpectrumImage:
    return replace(small().image, surveys={}, pixel_nm=None)


KINDS: dict[str, Any] = {
    "grid": analysed,
    "overlapping": lambda: analyse(small().image, replace(RECIPE, chip=20, stride=9, crop=(2, 60, 7, 64))),
    "regions": lambda: analyse(small().image, RECIPE, regions=masks()),
    "nowhere": lambda: analyse(small().image, RECIPE, regions={"nothing": np.zeros((64, 64), bool)}),
    "stored": lambda: analyse(stored_only(), RECIPE),
    "empty": lambda: analyse(empty(), RECIPE),
    "one": lambda: analyse(small().image, replace(RECIPE, elements=("O",)), regions=np.ones((64, 64), bool)),
    "narrow, no survey": lambda: analyse(no_survey(), replace(RECIPE, chip=8, crop=(0, 64, 9, 17))),
    "no background": lambda: analyse(small().image, replace(RECIPE, chip=64, background="none")),
}


def rendered(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Figure) -> list[Text]:
    """Return every text that is seen: ticks beyond the end of an axis are not."""
    found = list(figure.texts)
    for axes in figure.findobj(Axes):
        found += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found += [t.label2 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found += [axis.get_offset_text()]
    return [t for t in found if t.get_visible() and t.get_text().strip()]


def titled(figure: Figure, start: str) -> list[Axes]:
    return [a for a in figure.axes if any(a.get_title(loc).startswith(start) for loc in ("left", "center"))]


def names_of_lines(axes: Axes) -> list[Text]:
    return [t for t in axes.texts if t.get_rotation() == 90]


def test_a_file_is_written(tmp_path: Path):
    draw_summary(KINDS["empty"](), tmp_path / "summary.png")
    data = (tmp_path / "summary.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 20_000


@pytest.mark.parametrize("kind", KINDS)
def test_picture(kind: str):
    # All checks of a kind in one test: it is the drawing that takes long.
    analysis = KINDS[kind]()
    figure = rendered(summary_figure(analysis))
    readable(figure)
    every_family_is_named_in_every_fit(kind, analysis, figure)
    maps_have_bars_and_scales(kind, analysis, figure)
    good = np.isfinite(analysis.quantification.atomic).all(axis=1).sum()
    assert f"{good} of {len(analysis.spectra)} spectra quantified with family k" in figure.texts[-1].get_text()


def readable(figure: Figure) -> None:
    """Check that no text is cut off by the picture's edge, or lies on another."""
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(figure)]
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= -1, text
    for (text, box), (other, another) in combinations(boxes, 2):
        common = Bbox.intersection(box, another)
        assert common is None or min(common.width, common.height) < 2, f"{text!r} on {other!r}"


def every_family_is_named_in_every_fit(kind: str, analysis: Analysis, figure: Figure) -> None:
    fits = [a for a in figure.axes if "fit: " in a.get_title()]
    assert len(fits) == {"empty": 0, "nowhere": 0, "one": 1, "no background": 1}.get(kind, 2)
    for axes in fits:
        assert sorted(t.get_text() for t in names_of_lines(axes)) == sorted(f.name for f in analysis.fit.families)
        assert axes.get_ylabel().startswith("X-rays per channel")
    if fits:
        assert sum(a.get_xlabel() == "energy (keV)" for a in figure.axes) == len(fits)
        assert sum(a.get_ylabel() == "residual / σ" for a in figure.axes) == len(fits)


def maps_have_bars_and_scales(kind: str, analysis: Analysis, figure: Figure) -> None:
    bars = [a for a in figure.findobj(Axes) if a.get_ylabel() == "at%"]
    maps = 0 if kind == "stored" else len(analysis.quantification.elements)
    assert len(bars) == maps
    scales = [t.get_text() for t in texts(figure) if t.get_text().endswith((" nm", " µm", "pixel size unknown"))]
    assert len(scales) == (maps + 1 if maps else 0)
    assert all((s == "pixel size unknown") == (kind == "narrow, no survey") for s in scales)


def test_maps_show_the_numbers():
    figure = summary_figure(analysed())
    for k, element in enumerate(analysed().quantification.elements):
        (axes,) = titled(figure, f"{element} (")
        (shown,) = axes.images
        np.testing.assert_array_equal(shown.get_array(), analysed().quantification.atomic[:, k].reshape(4, 4))
        assert shown.get_extent() == [-0.5, 63.5, 63.5, -0.5]
    (survey,) = titled(figure, "HAADF, 16 chips of 16 px")
    np.testing.assert_array_equal(survey.images[0].get_array(), small().image.surveys["HAADF"].image)


def test_overlapping_chips_are_drawn_about_their_middles():
    analysis = KINDS["overlapping"]()
    figure = summary_figure(analysis)
    assert titled(figure, "HAADF, 25 chips of 20 px, stride 9 px")
    (axes,) = titled(figure, "O (")
    (shown,) = axes.images
    assert shown.get_array().shape == (5, 5)
    left, right, bottom, top = shown.get_extent()
    assert analysis.spectra.regions is not None
    middles = analysis.spectra.regions.boxes[:, 2:].mean(axis=1).reshape(5, 5)[0] - 0.5
    cells = np.linspace(left, right, 6)
    np.testing.assert_allclose([(a + b) / 2 for a, b in pairwise(cells)], middles)
    assert (bottom - top) / 5 == (right - left) / 5 == 9


def test_regions_are_drawn_where_they_are():
    analysis = KINDS["regions"]()
    figure = summary_figure(analysis)
    (survey,) = titled(figure, "HAADF, 4 regions")
    assert {t.get_text() for t in survey.texts} >= {"film", "substrate", "dot"}
    (axes,) = titled(figure, "Sr (")
    (shown,) = axes.images
    left, right, bottom, top = (int(v + 0.5) for v in shown.get_extent())
    picture = np.full((64, 64), np.nan)
    picture[top:bottom, left:right] = shown.get_array().filled(np.nan)
    at_sr = dict(zip(analysis.spectra.names, analysis.quantification.atomic[:, 2], strict=True))
    for name, mask in masks().items():
        assert (picture[mask] == at_sr[name]).all() or np.isnan(picture[mask]).all() & np.isnan(at_sr[name])
    assert np.isnan(picture[~(masks()["film"] | masks()["substrate"] | masks()["dot"])]).all()


def test_a_difference_of_nothing_is_not_blown_up():
    analysis = KINDS["one"]()
    (axes,) = titled(summary_figure(analysis), "O (")
    assert axes.images[0].get_clim() == (99.0, 100.0)


def test_typical_and_worst_are_quantified_ones():
    analysis = analyse(small().image, replace(RECIPE, chip=4))
    quant, figure = analysis.quantification, summary_figure(analysis)
    good = quant.status == 0
    assert 0 < good.sum() < len(good)
    worst = analysis.spectra.names[np.flatnonzero(good)[analysis.fit.chi2[good].argmax()]]
    assert titled(figure, f"worst fit: {worst}, ")
    (typical,) = titled(figure, "typical fit: ")
    name = typical.get_title().split()[2].rstrip(",")
    below = (analysis.fit.chi2[good] < analysis.fit.chi2[analysis.spectra.names.index(name)]).mean()
    assert 0.4 < below < 0.6


def test_names_stand_in_the_order_of_their_energies():
    (axes,) = titled(summary_figure(analysed()), "worst fit")
    energies = {f.name: f.alpha_kev for f in analysed().fit.families}
    places = {t.get_text(): t.get_position()[0] for t in names_of_lines(axes)}
    assert sorted(places, key=places.__getitem__) == sorted(energies, key=energies.__getitem__)
    # A line that stands alone is named right above itself.
    assert places["Sr_K"] == pytest.approx(energies["Sr_K"])


def test_a_long_name_is_shortened():
    figure = summary_figure(replace(analysed(), image=replace(small().image, source=f"folder/{'x' * 300}.emd")))
    readable(rendered(figure))
    assert figure.texts[0].get_text().startswith("xxx")


def test_words_are_no_path():
    assert summary_figure(analysed()).texts[0].get_text().startswith("simulation of LFO/STO, seed 3: ")

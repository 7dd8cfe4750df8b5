"""FitExplorer without a browser: what is in its tables and figures, and that nothing breaks it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bokeh.document import Document

from edsnb.core.fitting.window import window_intensities
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, Regions, chip
from edsnb.errors import InputError
from edsnb.pipeline import analyse
from edsnb.state.fits.state import LOWEST, FitState
from edsnb.widgets.fits.explorer import FitExplorer
from edsnb.widgets.fits.tables import differences_frame, lines_frame, ranking_frame
from tests.simulated import RECIPE, analysed, empty, small, stored_only


def built(explorer: FitExplorer) -> FitExplorer:
    """Show a widget to nobody."""
    explorer.__panel__().get_root(Document())
    return explorer


def open_all_tabs(explorer: FitExplorer) -> None:
    for number in range(6):
        explorer._tabs.view.active = number


def test_lines_as_they_are_read():
    frame = lines_frame(FitState(analysed()).rows()).set_index("Line")
    iron, strontium, copper = (frame.loc[name] for name in ("Fe K", "Sr K", "Cu K"))
    quant = analysed().quantification
    assert iron["at%"] == f"{quant.atomic[0, 1]:.2f}"
    assert iron["k"].startswith(f"{quant.kfactors.factors['Fe_K']:.3f} ± ")
    assert (iron["Use"], iron["Upper limit"]) == ("quantified", "")
    assert strontium["at%"].startswith("≤ 0.")
    assert strontium["Upper limit"].startswith("≤ ")
    assert (copper["Use"], copper["at%"], copper["k"]) == ("deconvolution only", "–", "–")


def test_differences_as_they_are_read():
    state = FitState(analysed(), chip=0, other=15)
    frame = differences_frame(state.differences(), "R0C0", "R3C3", independent=True).set_index("Element")
    row = state.differences()[0]
    assert frame.loc["La", "Difference (at%)"] == f"{row.difference:+.2f} ± {row.sd:.2f}"
    assert frame.loc["La", "in sd"] == f"{row.difference / row.sd:+.1f}"
    assert list(differences_frame((), "a", "b", independent=False).dtypes.astype(str)) == ["str"] * 4


def test_ranking_as_it_is_read():
    state = FitState(analysed(), rank_kind="at%", rank_part="Sr")
    frame = ranking_frame(state)
    assert list(frame.columns) == ["Chip", "Sr at%", "X-rays", "Status", "χ²"]
    assert frame["Chip"][0] == state.name_of(int(state.order[0]))
    assert frame["Sr at%"][0] == f"{analysed().quantification.atomic[:, 2].max():.3f}"
    state.rank_kind = "status"
    assert ranking_frame(state)["status"][0] == "OK"


def test_map_spectrum_words_and_tables_follow_the_chip():
    explorer = built(FitExplorer(analysed(), kind="at%", part="Fe"))
    state = explorer.state
    state.chip = 9
    assert explorer._spectrum.title.text.startswith("R2C1: ")
    assert explorer.summary.startswith("R2C1 (y 32:48, x 16:32 px): ")
    assert explorer.place.startswith(f"{state.place + 1} of 16 by chi-square")
    fitted = analysed().fit
    drawn = explorer._spectrum.source.data["raw_counts0"]
    np.testing.assert_array_equal(drawn, fitted.spectra.counts[9, fitted.channels])
    assert explorer._map.figure.title.text == "Fe at%"
    state.kind = "residual"
    assert explorer._map.figure.title.text == "La L residual"
    low, high = explorer._map.limits
    assert low == -high
    state.components = False
    assert explorer._spectrum.components.data["x"] == []
    state.together = 4
    assert len(explorer._spectrum.source.data["kev"]) == (fitted.channels.stop - fitted.channels.start) // 4
    # Residuals of means scatter as those of single channels do.
    assert np.nanstd(explorer._spectrum.source.data["residuals"]) == pytest.approx(1.0, abs=0.4)


def test_taps_and_what_lies_under_the_pointer():
    explorer = built(FitExplorer(analysed(), kind="at%", part="Fe"))
    explorer._tapped(20.0, 40.0, frozenset())
    assert explorer.state.name_of(explorer.state.chip) == "R1C2"
    explorer._tapped(60.0, 2.0, frozenset({"shift"}))
    assert explorer.state.name_of(explorer.state.other) == "R3C0"
    explorer._hovered(20.0, 40.0)
    assert explorer.pointed.startswith("R1C2: Fe at% ")
    explorer._hovered(None, None)
    assert explorer.pointed.startswith("Click")


@pytest.mark.parametrize(
    "source",
    [
        lambda: analysed(),
        lambda: analysed().quantification,
        lambda: analysed().fit,
        lambda: quantify(window_intensities(chip(small().image, ChipGrid(16)), ["La", "Fe", "O"])),
        lambda: analyse(empty(), RECIPE),
        lambda: analyse(small().image, replace(RECIPE, chip=64)),
        lambda: analyse(small().image, replace(RECIPE, chip=1, crop=(0, 2, 0, 2))),
        lambda: analyse(stored_only(), RECIPE),
        lambda: analyse(small().image, RECIPE, regions=Regions.from_labels(small().truth.labels)),
    ],
    ids=["analysis", "quantification", "fit", "windows", "empty", "one chip", "pixels", "stored", "regions"],
)
def test_whatever_is_looked_at_can_be_walked_through(source):
    explorer = built(FitExplorer(source()))
    state = explorer.state
    open_all_tabs(explorer)
    for kind in state.param.kind.objects:
        state.kind = kind
        state.rank_kind = kind
    for scale in ("linear", "log", "sqrt"):
        state.scale = scale
    state.worse()
    state.step("down")
    state.other = 0
    explorer._tabs.view.active = 2
    assert explorer.summary
    assert "edsnb.FitExplorer(" in explorer.code()
    on_a_map = state.result.regions is not None
    assert (explorer._map.pane.visible, explorer._list.visible) == (on_a_map, not on_a_map)


def test_a_list_in_place_of_the_map():
    explorer = built(FitExplorer(analyse(stored_only(), RECIPE), rank_kind="X-rays"))
    assert explorer._list.value["Chip"][0] == "Summed"
    explorer.state.rank_order = LOWEST
    assert explorer._list.value["Chip"].tolist()[-1] == "Summed"
    assert not explorer._map.pane.visible


def test_apply_shows_the_new_fit_everywhere():
    explorer = built(FitExplorer(analysed()))
    open_all_tabs(explorer)
    state = explorer.state
    state.trial.elements.add("Mn")
    state.wait()
    assert "trial" in explorer._spectrum._columns.data["name"]
    state.apply()
    state.wait()
    assert "Mn_K" in [family.name for family in state.result.fit.families]
    assert "trial" not in explorer._spectrum._columns.data["name"]
    explorer._tabs.view.active = 0
    state.kind, state.part = "at%", "Mn"
    assert explorer._map.figure.title.text == "Mn at%"
    state.undo()
    assert state.part != "Mn"


def test_two_widgets_share_a_state_and_two_states_do_not():
    state = FitState(analysed())
    one, two = built(FitExplorer(state=state)), built(FitExplorer(state=state))
    other = built(FitExplorer(analysed()))
    state.chip = 7
    assert one._spectrum.title.text == two._spectrum.title.text
    assert one._spectrum.title.text.startswith("R1C3")
    assert other._spectrum.title.text.startswith("R0C0")


def test_what_cannot_be_shown_is_said():
    with pytest.raises(InputError, match="an Analysis, a Quantification or a FitResult can be looked at, not NoneType"):
        FitExplorer()
    with pytest.raises(InputError, match="no chip 'R8C0'"):
        FitExplorer(analysed(), chip="R8C0")


def test_as_an_ipywidget():
    assert FitExplorer(analysed()).as_ipywidget().render_bundle

"""The pages of a CompareView: each follows the state from when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import panel as pn
import panel_material_ui as pmui

from edsnb.state.compare.phasing import PhasesFound
from edsnb.state.compare.state import MOST, CompareState
from edsnb.widgets.compare.controls import colour_controls
from edsnb.widgets.compare.export import export_controls
from edsnb.widgets.compare.maps import MapRows
from edsnb.widgets.compare.phases import PhaseEditor, PhaseMap
from edsnb.widgets.compare.plots import AgreementPlots, BarPlot
from edsnb.widgets.compare.tables import TABLE_STYLE, notes_html, statistics_html
from edsnb.widgets.parts.code_view import code_block
from edsnb.widgets.parts.room import Room
from edsnb.widgets.parts.texts import PLAIN, LiveText, live_text
from edsnb.widgets.parts.ties import follow, tie


class MapsPage:
    """Maps of both methods and their difference; bars for spectra that have no place on a map."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        self.maps = MapRows(MOST, on_tap=self._tap, on_box=self._box)
        self.bars = BarPlot()
        self._said = live_text("")
        files = export_controls(state, self._said.put)
        self.view = pn.Column(
            Room(self.maps.resize), self.maps.pane, self.bars.pane, pn.FlexBox(colour_controls(state), files),
            self._said, sizing_mode="stretch_width",
        )  # fmt: skip
        state.param.watch(self._draw, ["comparison", "shown", "together", "everything"])
        state.param.watch(self._select, "selected")
        self._draw()

    def _draw(self, *_: object) -> None:
        state = self.state
        if state.comparison is None:
            return
        self.maps.pane.visible, self.bars.pane.visible = state.frame is not None, state.frame is None
        if state.frame is not None:
            self.maps.show(
                state.comparison, state.frame, state.shown, pixel_nm=state.pixel_nm, together=state.together,
                everything=state.everything,
            )  # fmt: skip
        self._select()

    def _select(self, *_: object) -> None:
        state, numbers = self.state, self.state.numbers()
        if state.frame is not None:
            self.maps.select(numbers)
        elif state.comparison is not None and numbers:
            self.bars.show(state.comparison, numbers[-1], state.shown)

    def _tap(self, y: float, x: float, add: bool) -> None:
        self.state.select_at(y, x, add=add)

    def _box(self, y0: float, y1: float, x0: float, x1: float, add: bool) -> None:
        self.state.select_box(y0, y1, x0, x1, add=add)


class AgreementPage:
    """Plots of agreement of one element, and the table of all."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        self.plots = AgreementPlots(self._choose)
        self._table = _html()
        element = pmui.RadioButtonGroup(label="Element", options=[], size="small", margin=(4, 6), sx=PLAIN)
        tie(element, state, "element")
        offered = follow(element, options=lambda: [e for e in state.param["element"].objects if e])
        state.param.watch(offered, "element", what="objects")
        self.view = pn.Column(
            Room(lambda width, _: self.plots.resize(width)), element, self.plots.pane, self._table,
            sizing_mode="stretch_width",
        )  # fmt: skip
        state.param.watch(self._draw, ["element", "comparison"])
        state.phases.param.watch(self._draw, "found")
        state.param.watch(lambda *_: self.plots.select(state.numbers()), "selected")
        self._draw()

    def _draw(self, *_: object) -> None:
        state = self.state
        if state.comparison is None or state.element not in state.comparison.elements:
            return
        self.plots.show(state.comparison, state.element, state.phases.found.phases)
        self.plots.select(state.numbers())
        self._table.value = statistics_html(state)

    def _choose(self, numbers: Sequence[int], add: bool) -> None:
        if self.state.comparison is not None:
            self.state.select([self.state.comparison.names[k] for k in numbers], add=add)


class PhasesPage:
    """The map of phases beside what tells them."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        self.map = PhaseMap(state)
        problem = _problem(state, _no_phases)
        self.view = pn.Column(
            problem, pn.FlexBox(self.map.pane, PhaseEditor(state).view, gap="16px"), sizing_mode="stretch_width"
        )
        state.param.watch(self._draw, "comparison")
        state.phases.param.watch(self._draw, "found")
        state.param.watch(lambda *_: self.map.select(state.selected), "selected")
        self._draw()

    def _draw(self, *_: object) -> None:
        state = self.state
        found = state.phases.found.phases
        self.map.pane.visible = found is not None and state.frame is not None
        if found is not None and state.frame is not None:
            self.map.show(found, state.pixel_nm)
            self.map.select(state.selected)


def stoichiometry_page(state: CompareState) -> pn.viewable.Viewable:
    """Return phases beside their formulas."""
    table = _html()

    def draw(*_: object) -> None:
        found = state.phases.found.table
        table.value = TABLE_STYLE + found.to_html() if found is not None else ""

    state.phases.param.watch(draw, "found")
    draw()
    return pn.Column(_problem(state, _no_table), table, sizing_mode="stretch_width")


def notes_page(state: CompareState) -> pn.viewable.Viewable:
    """Return what a reader should know, and the chips that disagree most."""
    text = _html()

    def draw(*_: object) -> None:
        text.value = notes_html(state) if state.comparison is not None else ""

    state.param.watch(draw, "comparison")
    draw()
    return pn.Column(text, sizing_mode="stretch_width")


def code_page(state: CompareState) -> pn.viewable.Viewable:
    """Return the code that repeats what is shown."""
    text = pn.widgets.TextInput(value="")

    def draw(*_: object) -> None:
        text.value = state.code()

    state.param.watch(draw, ["comparison", "shown", "together", "everything"])
    state.phases.param.watch(draw, "found")
    draw()
    return code_block("Python that repeats this", text.param.value)


def _html() -> pn.widgets.StaticText:
    """Return a place for a table."""
    return pn.widgets.StaticText(value="", sizing_mode="stretch_width", margin=(6, 6))


def _problem(state: CompareState, say: Callable[[PhasesFound], str]) -> LiveText:
    """Return a line that says what is missing, and is not there while nothing is."""
    return live_text(pn.bind(say, state.phases.param.found))


def _no_phases(found: PhasesFound) -> str:
    """Say why there are no phases."""
    return found.problem if found.phases is None else ""


def _no_table(found: PhasesFound) -> str:
    """Say why there is no table."""
    return found.problem

"""Two methods side by side: maps and their difference, agreement, phases, stoichiometry, the chip that is clicked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.core.comparison.drawing import Rule
from edsnb.core.comparison.phases import Phases
from edsnb.errors import InputError
from edsnb.state.comparing import MOST, CompareState
from edsnb.state.methods import Given
from edsnb.state.phasing import PhasesFound
from edsnb.widgets.code_view import code_block
from edsnb.widgets.compare_chip import ChipPanel
from edsnb.widgets.compare_controls import PLAIN, colour_controls, pair_controls
from edsnb.widgets.compare_export import export_controls
from edsnb.widgets.compare_maps import MapRows
from edsnb.widgets.compare_phases import PhaseEditor, PhaseMap
from edsnb.widgets.compare_plots import AgreementPlots, BarPlot
from edsnb.widgets.compare_tables import TABLE_STYLE, notes_html, statistics_html
from edsnb.widgets.ties import follow, tie
from edsnb.widgets.viewer import EdsnbViewer, live_text, session_loop, spoken, work_bar

_PAGES = ("Maps", "Agreement", "Phases", "Stoichiometry", "Notes", "Code")


class CompareView(EdsnbViewer):
    """Compare two methods on one map.

    Parameters
    ----------
    first, second, others
        What can be compared: an `Analysis`, a `Quantification`, a `Composition` (Velox's log, maps, tables); a `Recipe`
        or the name of an engine (``hyperspy-lstsq``) for the chips of the first analysis; a source such as
        ``velox-log`` or ``velox:FOLDER`` (`edsnb.io.compositions`). The others can be chosen too.
    phases
        {phase: formula}, such as ``{"STO": "SrTiO3", "LFO": "LaFeO3"}``.
    rules
        {phase: rule}, or phases that were found before; see `edsnb.find_phases`.
    pixel_nm
        Size of a pixel, where no analysis says it.
    state
        A `CompareState` that others use too, instead of all these.
    local
        Whether whoever looks works on this computer: only then may files be named by their path.
    width
        Pixels for figures that stand side by side.
    params
        Of the state: ``quantity``, ``elements``, ``renormalise``, ``tolerance_px``, ``together``, ``everything``.

    Raises
    ------
    InputError
        Something is nothing that can be compared.
    """

    def __init__(
        self,
        first: Given | None = None,
        second: Given | None = None,
        *others: Given,
        phases: Mapping[str, str] | None = None,
        rules: Mapping[str, Rule] | Phases | None = None,
        pixel_nm: float | None = None,
        state: CompareState | None = None,
        local: bool = True,
        width: int = 1040,
        **params: Any,
    ) -> None:
        if state is None:
            state = CompareState(
                first, second, *others, phases=phases, rules=rules, pixel_nm=pixel_nm, deliver=session_loop(), **params
            )
        elif first is not None:
            raise InputError("give either a state or what to compare, not both: the state knows what it compares.")
        self._local, self._width = local, width
        super().__init__(state=state)

    def build(self) -> pn.viewable.Viewable:
        """Return controls, pages and the chip that is selected."""
        state = self.state
        self.maps = MapRows(MOST, width=self._width, on_tap=self._tap, on_box=self._box)
        self.bars = BarPlot()
        self.agreement = AgreementPlots(self._choose, width=self._width)
        self.phase_map = PhaseMap(state)
        self.chip = ChipPanel(state)
        self._said = live_text("")
        self._statistics = _html()
        self._stoichiometry = _html()
        self._worst = _html()
        problem = live_text(state.param.problem, styles={"font-size": "15px"}, margin=(12, 8))
        state.param.watch(follow(problem, visible=lambda: bool(state.problem)), "problem")
        self._pages = pmui.Tabs(*self._tabs(), sizing_mode="stretch_width", dynamic=False)
        self._below = pn.Column(self.chip.view, sizing_mode="stretch_width")
        self._watch()
        return pn.Column(
            pair_controls(state, local=self._local), work_bar(state.comparing),
            live_text(state.param.message, styles={"font-size": "13px"}), problem, self._pages, self._below,
            sizing_mode="stretch_width", max_width=self._width + 60,
        )  # fmt: skip

    def show_page(self, name: str) -> None:
        """Show one of the pages: Maps, Agreement, Phases, Stoichiometry, Notes or Code."""
        self._pages.active = _PAGES.index(name)

    def _tabs(self) -> list[tuple[str, pn.viewable.Viewable]]:
        state = self.state
        element = pmui.RadioButtonGroup(label="Element", options=[], size="small", margin=(4, 6), sx=PLAIN)
        tie(element, state, "element")
        state.param.watch(
            follow(element, options=lambda: [e for e in state.param["element"].objects if e]), "element", what="objects"
        )
        self._map_area = pn.Column(self.maps.pane)
        maps = pn.Column(
            self._map_area, self.bars.pane, pn.FlexBox(colour_controls(state), export_controls(state, self._say)),
            self._said,
        )  # fmt: skip
        agreement = pn.Column(element, self.agreement.pane, self._statistics, sizing_mode="stretch_width")
        phases = pn.Column(
            live_text(pn.bind(_no_phases, state.phases.param.found)),
            pn.FlexBox(self.phase_map.pane, PhaseEditor(state).view, gap="16px"), sizing_mode="stretch_width",
        )  # fmt: skip
        table = pn.Column(
            live_text(pn.bind(_no_table, state.phases.param.found)), self._stoichiometry,
            sizing_mode="stretch_width",
        )  # fmt: skip
        notes = pn.Column(self._worst, sizing_mode="stretch_width")
        self._code = pn.widgets.TextInput(value="")
        code = code_block("Python that repeats this", self._code.param.value)
        return list(zip(_PAGES, (maps, agreement, phases, table, notes, code), strict=True))

    def _watch(self) -> None:
        state = self.state
        state.param.watch(self._redraw, ["comparison", "shown", "together", "everything"])
        state.param.watch(self._draw_agreement, ["element", "comparison"])
        state.param.watch(self._draw_phases, ["comparison"])
        state.phases.param.watch(self._draw_phases, ["found"])
        state.param.watch(self._select, ["selected"])
        self._redraw()
        self._draw_agreement()
        self._draw_phases()
        self._select()

    def _redraw(self, *_: object) -> None:
        state = self.state
        there = state.comparison is not None
        self._pages.visible = self._below.visible = there
        if not there:
            return
        self._map_area.visible = state.frame is not None
        self.bars.pane.visible = state.frame is None
        if state.frame is not None:
            self.maps.show(
                state.comparison, state.frame, state.shown, pixel_nm=state.pixel_nm, together=state.together,
                everything=state.everything,
            )  # fmt: skip
        self._worst.value = notes_html(state)
        self._select()
        self._tell_code()

    def _draw_agreement(self, *_: object) -> None:
        state = self.state
        if state.comparison is None or state.element not in state.comparison.elements:
            return
        self.agreement.show(state.comparison, state.element, state.phases.found.phases)
        self.agreement.select(state.numbers())
        self._statistics.value = statistics_html(state)

    def _draw_phases(self, *_: object) -> None:
        state = self.state
        found = state.phases.found
        drawable = found.phases is not None and state.frame is not None
        self.phase_map.pane.visible = drawable
        if drawable:
            self.phase_map.show(found.phases, state.pixel_nm)
            self.phase_map.select(state.selected)
        self._stoichiometry.value = TABLE_STYLE + found.table.to_html() if found.table is not None else ""
        self._draw_agreement()
        self._tell_code()

    def _select(self, *_: object) -> None:
        numbers = self.state.numbers()
        self.maps.select(numbers)
        self.agreement.select(numbers)
        self.phase_map.select(self.state.selected)
        if self.state.comparison is not None and self.state.frame is None and numbers:
            self.bars.show(self.state.comparison, numbers[-1], self.state.shown)

    def _tell_code(self) -> None:
        self._code.value = self.state.code()

    def _tap(self, y: float, x: float, add: bool) -> None:
        self.state.select_at(y, x, add=add)

    def _box(self, y0: float, y1: float, x0: float, x1: float, add: bool) -> None:
        self.state.select_box(y0, y1, x0, x1, add=add)

    def _choose(self, numbers: Any, add: bool) -> None:
        if self.state.comparison is not None:
            self.state.select([self.state.comparison.names[k] for k in numbers], add=add)

    def _say(self, text: str) -> None:
        self._said.value = spoken(text)


def _no_phases(found: PhasesFound) -> str:
    """Say why there are no phases."""
    return found.problem if found.phases is None else ""


def _no_table(found: PhasesFound) -> str:
    """Say why there is no table."""
    return found.problem


def _html() -> pn.widgets.StaticText:
    """Return a place for a table."""
    return pn.widgets.StaticText(value="", sizing_mode="stretch_width", margin=(6, 6))

"""Two methods side by side: maps and their difference, agreement, phases, stoichiometry, the chip that is clicked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn

from edsnb.core.comparison.drawing import Rule
from edsnb.core.comparison.phases import Phases
from edsnb.errors import InputError
from edsnb.state.compare.methods import Given
from edsnb.state.compare.state import CompareState
from edsnb.widgets.compare.chip import ChipPanel
from edsnb.widgets.compare.controls import pair_controls
from edsnb.widgets.compare.pages import AgreementPage, MapsPage, PhasesPage, code_page, notes_page, stoichiometry_page
from edsnb.widgets.parts.lazy_tabs import lazy_tabs
from edsnb.widgets.parts.texts import WorkBar, live_text
from edsnb.widgets.parts.ties import follow
from edsnb.widgets.viewer import EdsnbViewer, session_loop


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
        **params: Any,
    ) -> None:
        if state is None:
            state = CompareState(
                first,
                second,
                *others,
                phases=phases,
                rules=rules,
                pixel_nm=pixel_nm,
                local=local,
                **params,
            )
        elif first is not None:
            raise InputError("give either a state or what to compare, not both: the state knows what it compares.")
        state.deliver_to(session_loop())
        self._local = local
        super().__init__(state=state)

    def build(self) -> pn.viewable.Viewable:
        """Return controls, pages and the chip that is selected."""
        state = self.state
        problem = live_text(state.param.problem, styles={"font-size": "15px"}, margin=(12, 8))
        state.param.watch(follow(problem, visible=lambda: bool(state.problem)), "problem")
        tabs = self._make_tabs()
        chip = pn.Column(ChipPanel(state).view, sizing_mode="stretch_width")
        for part in (tabs, chip):
            state.param.watch(follow(part, visible=lambda: state.comparison is not None), "comparison")
        return pn.Column(
            pair_controls(state, local=self._local), WorkBar(state.comparing),
            live_text(state.param.message, styles={"font-size": "13px"}), problem, tabs, chip,
            sizing_mode="stretch_width",
        )  # fmt: skip

    def _make_tabs(self) -> pn.viewable.Viewable:
        """Return the pages."""
        state = self.state
        pages: dict[str, Callable[[], Any]] = {
            "Maps": lambda: MapsPage(state).view,
            "Agreement": lambda: AgreementPage(state).view,
            "Phases": lambda: PhasesPage(state).view,
            "Stoichiometry": lambda: stoichiometry_page(state),
            "Notes": lambda: notes_page(state),
            "Code": lambda: code_page(state),
        }
        return lazy_tabs(pages, sizing_mode="stretch_width")

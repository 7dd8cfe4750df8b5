"""Choosing elements: typed, in the periodic table, or from what the search found in the spectrum."""

from __future__ import annotations

from os import PathLike
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.core.fitting.candidates import LEFT_OUT
from edsnb.core.fitting.suggest import Suggestion, Suggestions
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.errors import InputError
from edsnb.state.elements.periodic import BY_SYMBOL
from edsnb.state.elements.state import ElementState, Role
from edsnb.widgets.elements.views import ChosenElements, ElementTable, FoundElements
from edsnb.widgets.parts.texts import WorkBar, live_text
from edsnb.widgets.viewer import EdsnbViewer, session_loop

_ROLES = {Role.QUANTIFIED: "quantified", Role.DECONVOLVED: "deconvolved", Role.OFF: "off", Role.NO_LINE: "none"}
"""How the scripts call them."""


class ElementPicker(EdsnbViewer):
    """Which elements are fitted, which of them are quantified, and by which line.

    Parameters
    ----------
    source
        A map or spectra, whose file's elements are chosen to begin with, or the path of the file; or an `ElementState`
        that others use too.

    Raises
    ------
    InputError
        The source is none of these.
    """

    def __init__(
        self, source: SpectrumImage | Spectra | ElementState | str | PathLike[str] | None = None, **params: Any
    ) -> None:
        state = source if isinstance(source, ElementState) else ElementState()
        state.work.deliver_to(session_loop())
        if isinstance(source, SpectrumImage | Spectra):
            state.load(source)
        elif isinstance(source, str | PathLike):
            state.open(source)
        elif source is not None and state is not source:
            raise InputError(f"elements are chosen for a map, spectra or the path of a file, not {source!r}.")
        super().__init__(state=state, **params)

    def build(self) -> pn.viewable.Viewable:
        """Return the table, and what is chosen beside it, or beneath it where there is no room."""
        state = self.state
        self._table = ElementTable(self._do, cells=self._cells())
        self._chosen = ChosenElements(self._do, rows=self._rows())
        self._found = FoundElements(self._do, rows=self._suggestions())
        state.param.watch(self._redraw, ["elements", "deconvolve", "lines", "energy", "beam_kev", "suggestions"])
        look = pmui.Button(
            label="Suggest elements from the peaks", variant="outlined", size="small", margin=(12, 0, 4, 0),
            on_click=lambda _: state.suggest(), disabled=state.work.param.running,
        )  # fmt: skip
        state.param.watch(self._search, "data")
        self._search()
        told = pn.bind(_told, state.param.suggestions, state.work.param.message)
        return pn.FlexBox(
            _part(self._table, _line(state.param.message)),
            _part(self._chosen, look, WorkBar(state.work), _line(told), self._found),
            sizing_mode="stretch_width", gap="16px",
        )  # fmt: skip

    def _do(self, what: str, symbol: str, *values: Any) -> None:
        """Do what the hand did."""
        state = self.state
        actions = {
            **{"add": state.add, "toggle": state.toggle, "remove": state.remove},
            **{"line": state.set_line, "deconvolve": state.set_deconvolve},
            "accept": lambda symbol, quantify: state.add(symbol, quantify=quantify),
        }
        actions[what](symbol, *values)

    def _search(self, *_: Any) -> None:
        """Look for further elements in data that were not searched yet."""
        if self.state.data is not None and self.state.suggestions is None and not self.state.work.running:
            self.state.suggest()

    def _redraw(self, *_: Any) -> None:
        self._table.cells, self._chosen.rows, self._found.rows = self._cells(), self._rows(), self._suggestions()

    def _cells(self) -> dict[str, list[str]]:
        state = self.state
        sigmas = {s.element: _sigma(s) for s, clear in state.suggested() if clear}
        return {
            s: [_ROLES[state.role(s)], sigmas.get(s, ""), ", ".join(state.line_labels(s).values())] for s in BY_SYMBOL
        }

    def _rows(self) -> list[list[Any]]:
        state = self.state
        return [
            [s, BY_SYMBOL[s].name, s in state.lines, state.lines.get(s, ""), [*map(list, state.line_labels(s).items())]]
            for s in (*state.elements, *state.deconvolve)
        ]

    def _suggestions(self) -> list[list[Any]]:
        rows = []
        for s, clear in self.state.suggested():
            line = self.state.line_labels(s.element).get(s.family, f"{s.energy_kev:.2f} keV")
            rows.append([s.element, line, _sigma(s), _note(s), clear])
        return rows


def _sigma(suggestion: Suggestion) -> str:
    return f"{suggestion.significance:.0f} σ"


def _note(suggestion: Suggestion) -> str:
    """Return what speaks against a suggestion."""
    rivals = f"{' or '.join(suggestion.rivals)} would explain it nearly as well." if suggestion.rivals else ""
    note = f"{suggestion.note[:1].upper()}{suggestion.note[1:]}." if suggestion.note else ""
    return f"{rivals} {note}".strip()


def _told(suggestions: Suggestions | None, message: str) -> str:
    """Say what the search looked at and what it left out, or why it found nothing."""
    if message or suggestions is None:
        return message
    low, high = suggestions.energy_kev
    seen = f"{suggestions.counts:,.0f} X-rays, {low:.2g} to {high:.3g} keV"
    if suggestions.calibration is None:
        return f"{seen}: too few to look for elements."
    beside = f"Beside {', '.join(suggestions.chosen)}: " if suggestions.chosen else ""
    n = len(suggestions)
    found = f"{n} element{'s' if n > 1 else ''}" if n else "no further element" if beside else "No element"
    return f"{beside}{found} above {suggestions.significance:g} σ in {seen}. Not looked for: {', '.join(LEFT_OUT)}."


def _line(text: Any) -> pn.viewable.Viewable:
    return live_text(text, margin=(6, 0), styles={"font-size": "13px"})


def _part(*views: pn.viewable.Viewable) -> pn.Column:
    """Return views beneath each other, which take their share of a line's width, and a line each where it is narrow."""
    return pn.Column(*views, min_width=300, sizing_mode="stretch_width", styles={"flex": "1 1 300px"})

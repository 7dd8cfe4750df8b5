"""Choosing elements: typed, in the periodic table, or from what the search found in the spectrum."""

from __future__ import annotations

from typing import Any

import panel as pn

from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.state.elements import ElementState, Role
from edsnb.state.periodic import BY_SYMBOL
from edsnb.widgets.element_views import ChosenElements, ElementTable
from edsnb.widgets.viewer import EdsnbViewer, live_text

_ROLES = {Role.QUANTIFIED: "quantified", Role.DECONVOLVED: "deconvolved", Role.OFF: "off", Role.NO_LINE: "none"}
"""How the scripts call them."""


class ElementPicker(EdsnbViewer):
    """Which elements are fitted, which of them are quantified, and by which line.

    Parameters
    ----------
    source
        A map or spectra, whose file's elements are chosen to begin with; or an `ElementState` that others use too.
    """

    def __init__(self, source: SpectrumImage | Spectra | ElementState | None = None, **params: Any) -> None:
        state = source if isinstance(source, ElementState) else ElementState()
        if isinstance(source, SpectrumImage | Spectra):
            state.load(source)
        super().__init__(state=state, **params)

    def build(self) -> pn.viewable.Viewable:
        """Return the table, and what is chosen beside it, or beneath it where there is no room."""
        state = self.state
        self._table = ElementTable(self._do, cells=self._cells())
        self._chosen = ChosenElements(self._do, rows=self._rows())
        state.param.watch(self._redraw, ["elements", "deconvolve", "lines", "energy", "beam_kev"])
        said = live_text(state.param.message, margin=(6, 0), styles={"font-size": "13px"})
        return pn.FlexBox(_part(self._table, said), _part(self._chosen), sizing_mode="stretch_width", gap="16px")

    def _do(self, what: str, symbol: str, *values: Any) -> None:
        """Do what the hand did."""
        state = self.state
        actions = {
            **{"add": state.add, "toggle": state.toggle, "remove": state.remove},
            **{"line": state.set_line, "deconvolve": state.set_deconvolve},
        }
        actions[what](symbol, *values)

    def _redraw(self, *_: Any) -> None:
        self._table.cells, self._chosen.rows = self._cells(), self._rows()

    def _cells(self) -> dict[str, list[str]]:
        state = self.state
        return {s: [_ROLES[state.role(s)], "", ", ".join(state.line_labels(s).values())] for s in BY_SYMBOL}

    def _rows(self) -> list[list[Any]]:
        state = self.state
        return [
            [s, BY_SYMBOL[s].name, s in state.lines, state.lines.get(s, ""), [*map(list, state.line_labels(s).items())]]
            for s in (*state.elements, *state.deconvolve)
        ]


def _part(*views: pn.viewable.Viewable) -> pn.Column:
    """Return views beneath each other, which take their share of a line's width, and a line each where it is narrow."""
    return pn.Column(*views, min_width=300, sizing_mode="stretch_width", styles={"flex": "1 1 300px"})

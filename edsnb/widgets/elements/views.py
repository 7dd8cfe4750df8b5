"""The three light parts of the element picker: table, chosen elements, suggestions; each one model, not 118 buttons.

They draw what their parameters say, in `edsnb/widgets/scripts`, and send what the hand does as a short list.
The colours follow the page's text, so that light and dark pages need no telling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from edsnb.state.elements.periodic import ELEMENTS
from edsnb.widgets.scripts import script


class _View(JSComponent):
    """A part of the picker; `on_do` is called with what the hand does, such as ``["toggle", "La"]``."""

    _stylesheets: ClassVar[list[str]] = [script("elements.css")]

    def __init__(self, on_do: Callable[..., object], **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": 0, **params})
        self._on_do = on_do

    def _handle_msg(self, data: Any) -> None:
        self._on_do(*data)


class ElementTable(_View):
    """The field that elements are typed into, the periodic table and its legend."""

    places = param.List(
        default=[[e.z, e.symbol, e.name, e.row, e.column] for e in ELEMENTS], doc="Where each element stands."
    )
    cells = param.Dict(default={}, doc="{symbol: [quantified, deconvolved, off or none; significance; lines]}.")

    _esm = script("dom.js") + script("element_table.js")


class ChosenElements(_View):
    """The chosen elements with their lines."""

    rows = param.List(default=[], doc="[symbol, name, quantified, family, [[family, label], ...]] of each.")

    _esm = script("dom.js") + script("element_chosen.js")


class FoundElements(_View):
    """Suggestions with what speaks against them."""

    rows = param.List(default=[], doc="[symbol, line, significance, note, whether it is clear] of each.")

    _esm = script("dom.js") + script("element_found.js")

"""How much room a widget has: its figures follow the window, a notebook's cell, a folded side bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from edsnb.widgets.scripts import script
from edsnb.widgets.viewer import session_loop

_LAPTOP = (1232, 800)
"""Width and height for which all is made before the browser has told its own."""
_LITTLE_PX = 32
"""So much more room is not worth a new layout."""


class Room(JSComponent):
    """Calls `fit(width, height)` with the width of the place in which it lies and the height of the window, in pixels.

    It is not drawn. `fit` is called at once with those of a laptop, less what stands `beside`, and again whenever they
    become others.
    """

    room = param.List(default=list(_LAPTOP), item_type=int)

    _esm = script("room.js")
    _stylesheets: ClassVar[list[str]] = []

    def __init__(self, fit: Callable[[int, int], object], *, beside: int = 0, **params: Any) -> None:
        super().__init__(**{"height": 0, "margin": 0, "sizing_mode": "stretch_width", **params})
        self.room = [_LAPTOP[0] - beside, _LAPTOP[1]]
        self._fit, self._fitted = fit, tuple(self.room)
        # What changes while a page is being loaded is lost.
        self._deliver = session_loop()
        fit(*self._fitted)
        self.param.watch(self._told, "room")

    def _told(self, event: param.parameterized.Event) -> None:
        more = [new - old for new, old in zip(event.new, self._fitted, strict=True)]
        if min(more) < 0 or max(more) >= _LITTLE_PX:
            self._fitted = tuple(event.new)
            self._deliver(self._fit_again)

    def _fit_again(self) -> None:
        # One message, one layout.
        with pn.io.hold():
            self._fit(*self._fitted)

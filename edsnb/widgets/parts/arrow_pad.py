"""Arrows to go from one chip to the next: four buttons, which take arrow keys too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from edsnb.widgets.scripts import script


class ArrowPad(JSComponent):
    """Calls `on_step` with ``up``, ``down``, ``left`` or ``right``."""

    label = param.String(default="Go to a neighbouring chip", doc="What screen readers call the group.")
    noun = param.String(default="Chip", doc="What lies up, down, left and right.")

    _esm = script("arrow_pad.js")
    _stylesheets: ClassVar[list[str]] = [script("arrow_pad.css")]

    def __init__(self, on_step: Callable[[str], object], **params: Any) -> None:
        super().__init__(**{"width": 150, "height": 40, "margin": (8, 4), **params})
        self._on_step = on_step

    def _handle_msg(self, data: Any) -> None:
        self._on_step(str(data))

"""Arrows to go from one chip to the next: four buttons, which take arrow keys too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

_SCRIPTS = Path(__file__).with_name("scripts")


class ArrowPad(JSComponent):
    """Calls `on_step` with ``up``, ``down``, ``left`` or ``right``."""

    label = param.String(default="Go to a neighbouring chip", doc="What screen readers call the group.")
    noun = param.String(default="Chip", doc="What lies up, down, left and right.")

    _esm = (_SCRIPTS / "arrow_pad.js").read_text(encoding="utf-8")
    _stylesheets: ClassVar[list[str]] = [(_SCRIPTS / "arrow_pad.css").read_text(encoding="utf-8")]

    def __init__(self, on_step: Callable[[str], object], **params: Any) -> None:
        super().__init__(**{"width": 150, "height": 40, "margin": (8, 4), **params})
        self._on_step = on_step

    def _handle_msg(self, data: Any) -> None:
        self._on_step(str(data))

"""Lines of text that change with every step of a slider."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from edsnb.widgets.scripts import script


class StatusLines(JSComponent):
    """Texts below each other, read out by screen readers; empty ones take no room.

    A `live_text` makes Bokeh lay out the whole page whenever it changes, which takes longer than drawing two maps.
    """

    lines = param.List(default=[], item_type=str)
    first_is_hover = param.Boolean(default=False, doc="Whether the first line follows the mouse, and is not read out.")

    _esm = script("status_lines.js")
    _stylesheets: ClassVar[list[str]] = [script("status_lines.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (2, 8), **params})

    @classmethod
    def of(cls, sources: list[tuple[param.Parameterized, str]], **params: Any) -> StatusLines:
        """Return lines that follow texts, each a parameter of an object by its name."""
        made = cls(lines=[str(getattr(source, name)) for source, name in sources], **params)
        for number, (source, name) in enumerate(sources):
            source.param.watch(partial(made._follow, number), name)
        return made

    def _follow(self, number: int, event: param.parameterized.Event) -> None:
        self.put(number, str(event.new))

    def put(self, number: int, text: str) -> None:
        """Change one line."""
        if self.lines[number] != text:
            self.lines = [*self.lines[:number], text, *self.lines[number + 1 :]]

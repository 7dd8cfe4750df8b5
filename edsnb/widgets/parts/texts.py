"""Lines of text that change, and the line that says how far long work is."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from edsnb.state.work import Work
from edsnb.widgets.scripts import script

_STYLES = {"font-size": "13px"}
PLAIN = {"textTransform": "none", "& .MuiToggleButton-root": {"textTransform": "none"}}
"""Words on buttons as they are written, not in capitals."""


class _Told(JSComponent):
    """Shows what Python says; what the browser sends back of it is dropped, as it may be older."""

    def _process_events(self, events: dict[str, Any]) -> None:
        pass


class LiveText(_Told):
    """Texts below each other, read out by screen readers; empty ones take no room.

    Not Panel's own text, at whose change Bokeh lays out the whole page, which takes longer than drawing two maps; nor a
    pane, which sends its style sheets' addresses with each change.
    """

    lines = param.List(default=[], item_type=str, allow_refs=True)
    first_is_hover = param.Boolean(default=False, doc="Whether the first line follows the mouse, and is not read out.")

    _esm = script("texts.js")
    _stylesheets: ClassVar[list[str]] = [script("texts.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (2, 8), "styles": _STYLES, **params})

    @classmethod
    def of(cls, sources: list[tuple[param.Parameterized, str]], **params: Any) -> LiveText:
        """Return lines that follow texts, each a parameter of an object by its name."""
        made = cls(lines=[str(getattr(source, name)) for source, name in sources], **params)
        for number, (source, name) in enumerate(sources):
            source.param.watch(partial(made._follow, number), name)
        return made

    def _follow(self, number: int, event: param.parameterized.Event) -> None:
        self.put(str(event.new), number)

    def put(self, text: str, number: int = 0) -> None:
        """Change one line."""
        if self.lines[number] != text:
            self.lines = [*self.lines[:number], text, *self.lines[number + 1 :]]


def live_text(text: Any, **params: Any) -> LiveText:
    """Return a line of text, fixed or following a parameter or bound function."""
    lines = [text] if isinstance(text, str) else pn.bind(lambda value: [str(value)], text)
    return LiveText(lines=lines, **params)


class WorkBar(_Told):
    """Says what a `Work` is doing and how far it is, with a button to cancel it; hidden when idle.

    Work that is soon done does not show it: what stands below would jump.
    """

    running = param.Boolean(default=False, allow_refs=True)
    what = param.String(default="", allow_refs=True)
    share = param.Number(default=0.0, allow_refs=True, doc="How much is done, from 0 to 1.")

    _esm = script("work_bar.js")
    _stylesheets: ClassVar[list[str]] = [script("work_bar.css"), script("button.css")]

    def __init__(self, work: Work, **params: Any) -> None:
        follows = {
            "running": work.param.running,
            "what": work.param.what,
            "share": pn.bind(_share, work.param.done, work.param.total),
        }
        super().__init__(**{"sizing_mode": "stretch_width", "margin": (0, 4), **follows, **params})
        self._cancel = work.cancel

    def _handle_msg(self, _: Any) -> None:
        self._cancel()


def _share(done: int, total: int) -> float:
    return min(1.0, done / total) if total else 0.0

"""What all widgets have in common: display, the event loop of their session, and a bar for long work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import panel as pn
import param

from edsnb.state.work import Deliver, at_once
from edsnb.widgets.setup import setup

BLUE, ORANGE = "#0072B2", "#E69F00"
"""Okabe & Ito's blue, edsnb's own colour, and their orange, with which all that is selected is drawn."""

_PAUSE_MS = 120


class EdsnbViewer(pn.viewable.Viewer):
    """A widget over one state: works in a notebook cell, in a page and in a served app.

    A subclass makes `state` in its ``__init__``, builds its layout in `build`, and hands each `Work` of its state to
    `session_loop`. In a served app a viewer belongs to one session: make it in the function that is served.
    """

    state = param.Parameter(constant=True, doc="The state that is shown; without Panel, for scripts.")

    def __init__(self, **params: Any) -> None:
        setup()
        super().__init__(**params)
        self._view: pn.viewable.Viewable | None = None

    def build(self) -> pn.viewable.Viewable:
        """Return the layout; called once, when the widget is first shown."""
        raise NotImplementedError

    def __panel__(self) -> pn.viewable.Viewable:
        if self._view is None:
            self._view = self.build()
        return self._view

    def as_ipywidget(self) -> Any:
        """Return the widget as an ipywidget, to stand beside others in an ``ipywidgets.HBox``."""
        from edsnb.widgets.parts.ipywidget import ipywidget_of

        return ipywidget_of(self.__panel__())

    def code(self) -> str:
        """Return Python that repeats what the widget shows."""
        return str(self.state.code())


def session_loop() -> Deliver:
    """Return what calls a function on the event loop of this session or notebook, from any thread.

    In a served app that is Bokeh's next tick, which holds the document's lock; in a notebook the kernel's loop; without
    either, as in a script, a plain call.
    """
    try:
        soon = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        return at_once
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        return soon
    # From the loop's own thread: Panel now and then puts another list of what is to be done into the document, and what
    # a thread adds to the old one is lost.
    return lambda function: _quietly(soon, partial(_next_tick, document, function))


def _quietly(soon: Callable[[Callable[[], None]], object], function: Callable[[], None]) -> None:
    """Call a function soon; not at all where the server has ended."""
    with suppress(RuntimeError):
        soon(function)


def _next_tick(document: Any, function: Callable[[], None]) -> None:
    """Call a function at the document's next tick; not at all where its browser is gone meanwhile.

    While the page is still loading it waits for that to end: Panel drops what changes after the browser has fetched the
    document and before it reports that it is loaded.
    """
    if document.session_context is not None and not document.session_context.destroyed:
        document.add_next_tick_callback(partial(pn.state.onload, function))


def later(function: Callable[[], None], pause_ms: int = _PAUSE_MS) -> None:
    """Call a function on the event loop when what was drawn before has reached the screen; at once without a loop.

    For words and tables beside figures: to lay them out keeps the browser from drawing.
    """
    document = pn.state.curdoc
    if document is not None and document.session_context is not None:
        document.add_timeout_callback(function, pause_ms)
        return
    try:
        asyncio.get_running_loop().call_later(pause_ms / 1000, function)
    except RuntimeError:
        function()


def push(*panes: pn.viewable.Viewable) -> None:
    """Send changes made directly to Bokeh models in `panes`; in a served app Bokeh does that by itself."""
    pn.io.push_notebook(*panes)

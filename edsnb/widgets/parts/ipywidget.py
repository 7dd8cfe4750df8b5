"""A widget as an ipywidget that fetches nothing from a network."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from bokeh.document import Document
from bokeh.document.events import ModelChangedEvent
from bokeh.model.util import collect_models
from bokeh.models.ui import UIElement
from jupyter_bokeh.widgets import BokehModel
from panel.io.notebook import patch_inline_stylesheets
from panel.viewable import Viewable

from edsnb.widgets.notebook import inline_styles
from edsnb.widgets.viewer import session_loop


class OfflineModel(BokehModel):  # type: ignore[misc]
    """An ipywidget of a Bokeh model whose style sheets are always sent as text, not as addresses of a CDN."""

    _inlining = False

    def __init__(self, model: Any, **params: Any) -> None:
        self._deliver = session_loop()
        super().__init__(model, **params)

    def _sync_model(self, model: Any, content: Any, buffers: Any) -> None:
        # Where a notebook showed ipywidgets before edsnb's, the kernel answers all of them on another thread.
        answer = partial(super()._sync_model, model, content, buffers)
        if threading.current_thread() is threading.main_thread():
            answer()
        else:
            self._deliver(answer)

    def _document_patched(self, event: Any) -> None:
        if self._inlining:
            # What is added is sent whole, with the text of its style sheets.
            return
        if isinstance(event, ModelChangedEvent):
            self._inlining = True
            try:
                if event.attr == "stylesheets" and isinstance(event.model, UIElement):
                    patch_inline_stylesheets(event.model)
                    event.new = event.model.stylesheets
                else:
                    inline_styles(collect_models(event.new))
            finally:
                self._inlining = False
        super()._document_patched(event)


def ipywidget_of(view: Viewable) -> OfflineModel:
    """Return a view as an ipywidget."""
    root = view.get_root(Document())
    inline_styles(root.references())
    return OfflineModel(root, combine_events=True)

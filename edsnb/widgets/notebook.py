"""What a Jupyter notebook needs so that its widgets miss nothing: order in what is told both ways, and no echo."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models.ui import UIElement
from IPython import get_ipython
from IPython.display import publish_display_data
from panel.io.notebook import LOAD_MIME, patch_inline_stylesheets
from pyviz_comms import JupyterComm

from edsnb.widgets.scripts import mends


def prepare_notebook() -> None:
    """Prepare the page and the kernel; outside a notebook do nothing."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return
    text = mends("page.js", "notebook.js")
    publish_display_data({LOAD_MIME: text, "application/javascript": text})
    _one_thread(kernel)
    pn.state._comm_manager.server_comm = KeepingComm
    hooks: list[Any] = pn.viewable.Viewable._preprocessing_hooks
    hooks.append(_with_styles)


def _with_styles(viewable: Any, root: Any, changed: Any, old_models: Any) -> None:
    """Send a widget that is displayed with its styles; a hook of Panel's. Of what is added later Panel takes care."""
    if changed is viewable or old_models is None:
        inline_styles(root.references())


def inline_styles(models: Any) -> None:
    """Put the text of style sheets in the place of their addresses.

    Panel does so too, but after the models have become a document's, which then looks for all its models at each of
    them: a widget of some fifty parts was displayed seconds later.
    """
    for model in models:
        if isinstance(model, UIElement):
            patch_inline_stylesheets(model)


class KeepingComm(JupyterComm):  # type: ignore[misc]
    """A connection to the page that keeps what is sent before the page has opened it, in order.

    Panel itself tries each of those messages again some time later, when newer ones may have gone before it: work that
    has ended since the widget was displayed would be shown as still under way.
    """

    def __init__(self, *args: Any, **params: Any) -> None:
        super().__init__(*args, **params)
        self._comm = self._kept = _Kept()

    def init(self) -> None:
        """Open the connection: the page asks for it, and once more each time that it is loaded."""
        super().init()
        for message in self._kept.messages:
            self.comm.send(*message)
        self._kept.messages.clear()


class _Kept:
    """Stands for a connection that is not open yet."""

    def __init__(self) -> None:
        self.messages: list[tuple[Any, Any, Any]] = []

    def send(self, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        self.messages.append((data, metadata, buffers))

    def close(self) -> None:
        self.messages.clear()


def _one_thread(kernel: Any) -> None:
    """Answer widgets on the kernel's main thread only, as all front ends but JupyterLab from 4.4 on do by themselves.

    That one asks an ipykernel from 7 on for a thread (a subshell) for the messages of each widget. There they overtake
    what opens the widget's connection while a cell is still running, and are lost ("No such comm"); Panel's page then
    waits for an answer, and says nothing more. Later ones change the widget's models while the main thread does.
    https://github.com/jupyterlab/jupyterlab/issues/19719
    """

    async def none(socket: Any, ident: Any, parent: Any) -> None:
        kernel.session.send(socket, "create_subshell_reply", {"status": "ok", "subshell_id": None}, parent, ident)

    kernel.control_handlers["create_subshell_request"] = none

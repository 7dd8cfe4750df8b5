"""What a Jupyter notebook needs so that its widgets miss nothing: order in what the browser tells, and no echo."""

from __future__ import annotations

from typing import Any

from IPython import get_ipython
from IPython.display import publish_display_data
from panel.io.notebook import LOAD_MIME

from edsnb.widgets.scripts import script


def prepare_notebook() -> None:
    """Prepare the page and the kernel; outside a notebook do nothing."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return
    end_echo = script("no_echo.js")
    publish_display_data({LOAD_MIME: end_echo, "application/javascript": end_echo})
    _one_thread(kernel)


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

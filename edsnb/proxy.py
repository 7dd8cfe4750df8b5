"""The Workbench inside JupyterLab: a tile in its launcher, and ``?urlpath=edsnb`` on Binder."""

from __future__ import annotations

import sys
from typing import Any


def workbench() -> dict[str, Any]:
    """Return how jupyter-server-proxy starts ``edsnb serve`` on the folder that Jupyter was started in.

    Jupyter has let the user in already, and only its proxy can reach the port: pages of any host may talk to it.
    """
    serve = [sys.executable, "-m", "edsnb", "serve", "--port", "{port}", "--allow-origin", "*", "."]
    return {
        "command": serve,
        "timeout": 60,
        "new_browser_tab": True,
        "launcher_entry": {"title": "edsnb Workbench", "category": "Notebook"},
    }

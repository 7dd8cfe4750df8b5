"""JupyterLab's launcher and Binder start the Workbench with a command that the command line takes."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

from edsnb.cli import _parser


def test_entry_point_starts_the_server():
    (found,) = [e for e in entry_points(group="jupyter_serverproxy_servers") if e.name == "edsnb"]
    made = found.load()()
    python, flag, module, *arguments = made["command"]
    assert (python, flag, module) == (sys.executable, "-m", "edsnb")
    options = _parser().parse_args([text.replace("{port}", "5099") for text in arguments])
    assert options.port == 5099
    assert made["launcher_entry"]["title"] == "edsnb Workbench"

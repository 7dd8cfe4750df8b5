"""A real browser: served apps, a real JupyterLab, screenshots.

Chromium is Debian's, never Playwright's own: EDSNB_BROWSER names another executable. Screenshots go to
EDSNB_SCREENSHOTS, ``results/screenshots`` by default, to be opened and judged.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
SHOTS = Path(os.environ.get("EDSNB_SCREENSHOTS", Path(__file__).parents[2] / "results" / "screenshots"))
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
_PANELS_OWN = "reading 'rowManager'"
"""Panel's tables scroll back in the next frame after a change, also where they were taken away meanwhile."""
IDLE = "window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser's tests last: Playwright leaves an event loop behind that never turns again."""
    here = Path(__file__).parent
    items.sort(key=lambda item: here in item.path.parents)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Take an installed Chromium or Chrome."""
    named = os.environ.get("EDSNB_BROWSER")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail("no browser found: install one (apt-get install chromium), or name it in EDSNB_BROWSER.")
    return {"executable_path": found, "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """Return a page of a laptop's size that notes what goes wrong in it."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    foreign: list[str] = []
    page.add_init_script("Error.stackTraceLimit = 60")
    page.on("pageerror", lambda error: wrong.append(f"{error}\n{error.stack}"))
    page.on("request", lambda r: foreign.append(r.url) if not _is_local(r.url) else None)
    yield page
    ours = [text for text in wrong if _PANELS_OWN not in text]
    assert not ours, "errors in the page:\n" + "\n".join(ours)
    assert foreign == [], "addresses that the page fetched from elsewhere"


def _is_local(url: str) -> bool:
    return url.startswith(("data:", "blob:", "http://localhost", "ws://localhost", "http://127.0.0.1", "about:"))


@pytest.fixture
def shot(page: Page) -> Callable[[str], Path]:
    """Return a function that takes a screenshot of the page under a name."""

    def take(name: str, *, full_page: bool = True) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        page.screenshot(path=path, full_page=full_page)
        return path

    return take


@pytest.fixture
def serve(page: Page) -> Iterator[Callable[..., Page]]:
    """Return a function that serves ``app()`` (called anew for each session) and opens it in the page."""
    import panel as pn

    def start(app: Callable[[], object], *, query: str = "", wait: bool = True) -> Page:
        port = free_port()
        pn.serve(
            {"app": app}, port=port, address="127.0.0.1", threaded=True, show=False, verbose=False,
            websocket_origin=f"localhost:{port}", check_unused_sessions=500, unused_session_lifetime=1000,
        )  # fmt: skip
        until(lambda: listens(port))
        page.goto(f"http://localhost:{port}/app{query}")
        if wait:
            settle(page)
        return page

    yield start
    # What a server that ends had still to send would be a warning later.
    page.goto("about:blank")
    page.wait_for_timeout(300)
    pn.state.kill_all_servers()


def settle(page: Page) -> None:
    """Wait until all that is on the page has been drawn."""
    page.wait_for_function(IDLE, timeout=PATIENCE_MS)
    page.wait_for_timeout(300)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until a condition about Python's side holds; show it where it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab over a folder."""

    url: str
    folder: Path

    def run(self, page: Page, cells: list[str], name: str = "test") -> Page:
        """Open a new notebook of these cells in the page, run all, and wait for the last of them."""
        path = self.folder / f"{name}.ipynb"
        path.write_text(json.dumps(_notebook(cells)), encoding="utf-8")
        page.goto(f"{self.url}/lab/workspaces/{name}/tree/{path.name}?reset")
        page.wait_for_function("window.jupyterapp && jupyterapp.shell.currentWidget?.sessionContext?.isReady")
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(
            "n => [...jupyterapp.shell.currentWidget.content.widgets].filter(c => c.model.type === 'code')"
            ".every(c => c.model.executionCount) && jupyterapp.shell.currentWidget.sessionContext.session"
            ".kernel.status === 'idle'",
            arg=len(cells),
        )
        return page


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start a real JupyterLab on an empty folder, with an empty configuration."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("jupyter")
    port = free_port()
    folders = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    folders |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "w"), "JUPYTERLAB_SETTINGS_DIR": str(home / "s")}
    root = str(Path(__file__).parents[2])
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"),
        *("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"),
        *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"),
    ]
    with (home / "log.txt").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **folders, "PYTHONPATH": root}, cwd=folder, stdout=log, stderr=log
        )
        try:
            until(lambda: listens(port) or server.poll() is not None, 60)
            assert server.poll() is None, (home / "log.txt").read_text(encoding="utf-8")
            yield Lab(f"http://localhost:{port}", folder)
        finally:
            server.terminate()
            server.wait(20)


def _notebook(cells: list[str]) -> dict[str, object]:
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

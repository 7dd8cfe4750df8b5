"""Take the pictures of README and the guide from the current Workbench: ``python docs/screenshots.py``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import edsnb

HERE = Path(__file__).parent
TABS = {"Chips": ("workbench", 1150), "Fit": ("fit", 1000), "Composition": ("composition", 720)}
"""Tab of the Workbench, the name of its picture, and how high that is."""
SHOWN = "?file=example.emd&chip=15&crop=0:500,0:500&at=R8C20"
IDLE = "window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)"


def main() -> None:
    """Serve the built-in example, open each tab, take its picture."""
    browser = os.environ.get("EDSNB_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no browser found: install chromium, or name one in EDSNB_BROWSER.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "edsnb", "serve", str(edsnb.example()), "--port", str(port)])
    try:
        with sync_playwright() as play:
            opened = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"])
            page = opened.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(120_000)
            _wait_for(port)
            page.goto(f"http://localhost:{port}/{SHOWN}")
            page.get_by_text("chips in").wait_for()
            for tab, (name, height) in TABS.items():
                page.set_viewport_size({"width": 1440, "height": height})
                _shoot(page, tab, HERE / f"{name}.png")
    finally:
        server.terminate()
        server.wait(20)


def _shoot(page: Page, tab: str, path: Path) -> None:
    """Open a tab and take its picture once all is drawn."""
    page.get_by_role("tab", name=tab, exact=True).click()
    page.wait_for_timeout(5000)
    page.wait_for_function(IDLE)
    page.wait_for_timeout(1000)
    page.screenshot(path=path)


def _wait_for(port: int) -> None:
    """Wait until the server listens."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("the server did not start.")


if __name__ == "__main__":
    main()

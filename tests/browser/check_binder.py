"""Binder without Docker: its environment from its own files in a clean folder, and both doors in a browser.

Not part of the usual tests, as it installs everything anew: ``make test-binder``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import free_port, listens, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def binder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Do what repo2docker does: check out, install the requirements, run postBuild, start Jupyter by ``start``."""
    home, checkout = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("image") / "edsnb"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    wanted = (checkout / "binder" / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert wanted == ".".join(map(str, sys.version_info[:2])), f"Binder has Python {wanted}; run this with the same"
    subprocess.run([sys.executable, "-m", "venv", str(home / "env")], check=True)
    bin_folder = home / "env" / "bin"
    env = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    env.pop("PYTHONPATH", None)

    def run(*command: str) -> None:
        began = time.monotonic()
        subprocess.run(command, cwd=checkout, env=env, check=True)
        print(f"{' '.join(command[:3])}: {time.monotonic() - began:.0f} s")

    run(str(bin_folder / "pip"), "install", "--quiet", "--require-hashes", "-r", "binder/requirements.txt")
    run("./binder/postBuild")
    port = free_port()
    lab = ["./binder/start", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root"]
    options = ["--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen([*lab, *options], cwd=checkout, env=env)
    try:
        until(lambda: listens(port), 60)
        yield f"http://localhost:{port}"
    finally:
        server.terminate()
        server.wait(20)


def test_first_notebook(page: Page, binder: str, shot):
    page.goto(f"{binder}/lab/tree/notebooks/01_open_and_chip.ipynb")
    page.wait_for_function("window.jupyterapp && jupyterapp.shell.currentWidget?.sessionContext?.isReady")
    began = time.monotonic()
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.get_by_role("slider").first.wait_for()
    print(f"notebook 01, first slider after {time.monotonic() - began:.0f} s")
    shot("binder-notebook", full_page=False)


def test_workbench(page: Page, binder: str, shot):
    began = time.monotonic()
    page.goto(f"{binder}/edsnb/")
    expect(page.get_by_text("example.emd").first).to_be_visible()
    print(f"Workbench after {time.monotonic() - began:.0f} s")
    shot("binder-workbench", full_page=False)

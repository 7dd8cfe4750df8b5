"""A server that is used for long keeps nothing of those who have left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, settle, until
from tests.browser.figures import place, titles
from tests.served import Served, serving

VISITS = ((8, 80), (22, 210), (20, 210))
"""Files opened and clicks made in each visit: 50 and 500 in all."""
MOST_GROWTH_MB = 50.0
"""Of the server's memory after the first visit, which fills what is kept once for all."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, example) -> Path:
    """Return a folder of two maps."""
    made = tmp_path_factory.mktemp("many")
    for k in range(2):
        shutil.copy(example, made / f"{k}.emd")
    return made


def visit(browser: Browser, server: Served, openings: int, clicks: int) -> None:
    """Open files one after the other, look at everything, click at chips, and leave."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url)
    for k in range(openings):
        open_file(page, f"{k % 2}.emd")
    for name in ("Chips", "Elements", "Fit", "Composition"):
        page.get_by_role("tab", name=name, exact=True).first.click()
        settle(page)
    click_about(page, clicks)
    assert server.health()["sessions"] == 1
    context.close()
    server.until_sessions(0)


def open_file(page: Page, name: str) -> None:
    page.get_by_role("tab", name="File", exact=True).first.click()
    field = page.get_by_role("combobox", name="File")
    field.fill(name)
    field.press("Enter")
    expect(page.get_by_text(f"{name} · 64 × 64 px")).to_be_visible()
    expect(page.get_by_text("16 chips in ")).to_be_visible()


def click_about(page: Page, clicks: int) -> None:
    """Click at one chip after the other in the composition, without waiting for what follows."""
    until(lambda: "La (at%)" in titles(page))
    la = titles(page).index("La (at%)")
    for k in range(clicks):
        page.mouse.click(*place(page, la, 8 + 16 * (k // 4 % 4), 8 + 16 * (k % 4)))
    settle(page)


def test_nothing_is_left_behind(browser: Browser, folder):
    with serving(folder, "--linger", "0.5") as server:
        used = []
        for openings, clicks in VISITS:
            visit(browser, server, openings, clicks)
            found = server.health()
            assert (found["sessions"], found["maps"]) == (0, 0)
            used.append(found["memory_mb"])
    if used[0] is None:
        pytest.skip("this system does not tell how much memory a process takes")
    assert max(used[1:]) - used[0] < MOST_GROWTH_MB, used

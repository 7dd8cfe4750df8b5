"""The Workbench in a browser: its tabs, links, and the table of its composition."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settle
from tests.served import Served

LONG = {"file": "film.emd", "chip": 8, "engine": "hyperspy"}
"""A link to what takes HyperSpy tens of seconds."""


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).first.click()


def opened(page: Page, server: Served, **query: object) -> Page:
    """Open a link and wait for the run."""
    page.goto(f"{server.url}?{urlencode(query)}")
    expect(page.get_by_text(" chips in ")).to_be_visible()
    settle(page)
    return page


def chip_row(page: Page, chip: str) -> Locator:
    cell = page.locator(".tabulator-cell[tabulator-field='chip']", has_text=re.compile(f"^{chip}$"))
    return page.locator(".tabulator-row", has=cell)


def said_of(page: Page, chip: str, more: str = "") -> None:
    expect(page.get_by_text(re.compile(f"^{chip}: O .*{more}"))).to_be_visible()

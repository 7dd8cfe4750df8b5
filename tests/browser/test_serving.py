"""Several people at one ``edsnb serve``: long fits, closed browsers, files sent and files that vanish, sign-in."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.bench import LONG, chip_row, opened, said_of, tab
from tests.browser.conftest import PATIENCE_MS, settle, until
from tests.served import Served, serving

MOST_WAIT_S = 2.0
"""For an answer of the server while two people fit with HyperSpy, which leaves Python to others rarely."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, example) -> Path:
    """Return a folder of two maps: a single one would be opened without being asked for."""
    made = tmp_path_factory.mktemp("shared")
    for name in ("film.emd", "other.emd"):
        shutil.copy(example, made / name)
    return made


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder, "--linger", "1", "--upload", "5") as running:
        yield running


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a browser of another person."""
    contexts = []

    def come() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    yield come
    for context in contexts:
        context.close()


def test_two_people_do_not_disturb_each_other(page: Page, visitor, server: Served):
    server.until_sessions(0)
    other = visitor()
    opened(page, server, file="film.emd", tab="composition")
    opened(other, server, file="film.emd", tab="composition", chip=32)
    found = server.health()
    assert (found["sessions"], found["maps"]) == (2, 1)
    chip_row(other, "R1C1").click()
    said_of(other, "R1C1")
    said_of(page, "R2C2")
    expect(page.get_by_text("16 chips in ")).to_be_visible()
    assert "chip=" not in page.url
    other.context.close()
    server.until_sessions(1)
    chip_row(page, "R0C3").click()
    said_of(page, "R0C3")
    page.goto("about:blank")
    server.until_sessions(0)
    until(lambda: server.health()["maps"] == 0)


def test_two_long_fits_at_once_end_while_the_server_answers(page: Page, visitor, server: Served):
    other = visitor()
    for one in (page, other):
        one.goto(f"{server.url}?file=film.emd&chip=16&engine=hyperspy&tab=code")
    until(lambda: server.health()["works"] == 2)
    slowest = 0.0
    while server.health()["works"]:
        began = time.monotonic()
        assert server.health()["status"] == "ok"
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < MOST_WAIT_S
    for one in (page, other):
        expect(one.get_by_text("16 chips in ")).to_be_visible()


def test_a_browser_closed_in_the_middle_of_a_fit(visitor, server: Served):
    server.until_sessions(0)
    before = server.health()["memory_mb"]
    page = visitor()
    page.goto(f"{server.url}?file=film.emd&chip=4&engine={LONG['engine']}")
    expect(page.get_by_text(re.compile(r"Fitting the chips \.\.\. [1-9]\d* %"))).to_be_visible()
    page.context.close()
    server.until_sessions(0, 20)
    # 256 chips would take HyperSpy more than a minute.
    until(lambda: server.health()["works"] == 0, 20)
    # What is left in circles is collected a few seconds later.
    until(lambda: server.health()["maps"] == 0)
    if before is not None:
        until(lambda: server.health()["memory_mb"] < before + 50)


def test_files_are_sent(page: Page, server: Served, folder, tmp_path):
    page.goto(server.url)
    field = page.locator("input[type=file]")
    (tmp_path / "large.emd").write_bytes(b"x" * 5_100_000)
    field.set_input_files(tmp_path / "large.emd")
    expect(page.get_by_text("large.emd has 5.1 MB; up to 5 MB can be taken.")).to_be_visible()
    (tmp_path / "notes.docx").write_bytes(b"words")
    field.set_input_files(tmp_path / "notes.docx")
    expect(page.get_by_text("notes.docx: files that can be opened end in .emd")).to_be_visible()
    (tmp_path / "words.emd").write_bytes(b"words")
    field.set_input_files(tmp_path / "words.emd")
    expect(page.get_by_text("words.emd is not an .emd file")).to_be_visible()
    shutil.copy(folder / "film.emd", tmp_path / "mine.emd")
    field.set_input_files(tmp_path / "mine.emd")
    expect(page.get_by_text("16 chips in ")).to_be_visible()
    expect(page.get_by_text("words.emd is not an .emd file")).to_be_hidden()
    expect(page.get_by_text("mine.emd · 64 × 64 px")).to_be_visible()
    assert "file=" not in page.url
    tab(page, "File")
    expect(page.get_by_text("mine.emd has arrived, checksum right.")).to_be_visible()


def test_a_file_that_vanishes_while_it_is_open(page: Page, server: Served, folder):
    shutil.copy(folder / "film.emd", folder / "gone.emd")
    opened(page, server, file="gone.emd", chip=32)
    (folder / "gone.emd").unlink()
    slider = page.get_by_role("slider", name="Chip size (px)")
    slider.focus()
    slider.press("ArrowLeft")
    expect(page).to_have_url(re.compile("chip=31"))
    expect(page.get_by_text("4 chips in ")).to_be_visible()
    tab(page, "Composition")
    said_of(page, "R1C1")
    page.reload()
    expect(page.get_by_text("'gone.emd' is not among the files that may be opened here")).to_be_visible()
    tab(page, "File")
    expect(page.get_by_text("2 files to choose from.")).to_be_visible()


def test_signing_in(page: Page, folder, tmp_path, shot):
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"anna": "secret word"}), encoding="utf-8")
    with serving(folder, "--auth", users, "--linger", "1") as server:
        page.goto(f"{server.url}?file=film.emd&chip=32")
        for password in ("wrong", "secret word"):
            page.get_by_label("Name").fill("anna")
            page.get_by_label("Password").fill(password)
            if password == "wrong":
                shot("sign-in")
            page.get_by_role("button", name="Sign in").click()
            if password == "wrong":
                expect(page.get_by_role("alert")).to_contain_text("Invalid username or password")
                assert server.health()["sessions"] == 0
        expect(page.get_by_text("Run again after each change")).to_be_visible()
        settle(page)
        page.goto("about:blank")
        server.until_sessions(0)

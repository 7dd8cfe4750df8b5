"""The real ``edsnb serve`` and a real browser: from a file to its composition, links, every tab."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from edsnb.recipe import Recipe
from tests.browser.bench import LONG, chip_row, opened, said_of, tab
from tests.browser.conftest import settle, until
from tests.browser.figures import click, columns, ratio, titles
from tests.served import Served, serving

TABS = ("File", "Chips", "Elements", "Fit", "Composition", "Compare", "Code")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, example) -> Path:
    """Return a folder with the example, a copy, a file that does not open, and links that lead out of it."""
    place = tmp_path_factory.mktemp("served")
    made = place / "inside"
    (made / "day 1").mkdir(parents=True)
    shutil.copy(example, made / "film.emd")
    shutil.copy(example, made / "day 1" / "other.emd")
    shutil.copy(example, place / "secret.emd")
    (made / "broken.emd").write_bytes(b"not at all")
    try:
        (made / "link.emd").symlink_to(place / "secret.emd")
        (made / "up").symlink_to(place, target_is_directory=True)
    except OSError:
        pass  # Without links these names lead nowhere, which is refused alike.
    return made


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder, "--linger", "1") as running:
        yield running


def is_tidy(page: Page) -> None:
    """Nothing scrolls sideways."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room


def figure(page: Page, title: str) -> int:
    """Wait for a figure of this title; return its number."""
    until(lambda: title in titles(page), 60)
    settle(page)
    return titles(page).index(title)


def choose_file(page: Page, name: str) -> None:
    field = page.get_by_role("combobox", name="File")
    field.click()
    field.fill(name)
    page.get_by_role("option", name=name).click()


def test_from_a_file_to_its_composition(page: Page, server: Served):
    page.goto(server.url)
    expect(page.get_by_text("3 files to choose from.")).to_be_visible()
    choose_file(page, "film.emd")
    expect(page.get_by_text("16 chips in ")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?file=film\.emd"))
    tab(page, "Composition")
    said_of(page, "R2C2", r"La .* ± .*at%")
    maps_and_table_are_linked(page)
    page.get_by_role("button", name="wt%").click()
    said_of(page, "R0C3", "wt%")
    figure(page, "La (wt%)")
    sorts_and_filters(page)
    is_tidy(page)
    tab(page, "Code")
    expect(page.get_by_text('edsnb.analyse("film.emd", recipe)')).to_be_visible()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()


def maps_and_table_are_linked(page: Page) -> None:
    """See a click on a map select a row, and a click on a row outline a chip on every map."""
    maps = [figure(page, f"{element} (at%)") for element in ("La", "O")]
    assert ratio(page, maps[0], 60) == pytest.approx(1.0, abs=0.01)
    click(page, maps[0], 20, 40)
    said_of(page, "R1C2")
    expect(page.locator(".tabulator-selected .tabulator-cell[tabulator-field='chip']")).to_have_text("R1C2")
    click(page, maps[1], 40, 40, "Shift")
    expect(page.get_by_text("(and 1 more selected)")).to_be_visible()
    for number in maps:
        until(lambda number=number: len(columns(page, number, "Segment")[-1]["x0"]) == 8)
    chip_row(page, "R0C3").click()
    said_of(page, "R0C3")
    for number in maps:
        until(lambda number=number: min(columns(page, number, "Segment")[-1]["x0"], default=0) > 90)
    expect(page).to_have_url(re.compile("at=R0C3"))


def sorts_and_filters(page: Page) -> None:
    """Sort the table by X-rays, both ways, and leave only the chip that has most."""
    head = page.locator(".tabulator-col[tabulator-field='counts']").first
    cells = page.locator(".tabulator-row .tabulator-cell[tabulator-field='counts']")

    def numbers() -> list[int]:
        return [int(text.replace(",", "")) for text in cells.all_inner_texts()]

    unsorted = numbers()
    head.locator(".tabulator-col-title").click()
    until(lambda: numbers() == sorted(unsorted))
    head.locator(".tabulator-col-title").click()
    until(lambda: numbers() == sorted(unsorted, reverse=True))
    head.locator("input").fill(str(max(unsorted)))
    head.locator("input").press("Enter")
    until(lambda: numbers() == [max(unsorted)])


def test_a_run_tells_how_far_it_is_and_can_be_cancelled(page: Page, server: Served, tmp_path):
    page.goto(f"{server.url}?{urlencode(LONG)}&tab=code")
    expect(page.get_by_text(re.compile(r"Fitting the chips \.\.\. [1-9]\d* %"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Fitting the chips: cancelled.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Fitting the chips \.\.\."))).to_be_hidden()
    until(lambda: server.health()["works"] == 0)
    (tmp_path / "mine.toml").write_text("chip = 64\nelements = ['La', 'O']\n", encoding="utf-8")
    page.locator("input[type=file][accept='.toml']").first.set_input_files(tmp_path / "mine.toml")
    expect(page.get_by_text("Settings of mine.toml are loaded.")).to_be_visible()
    expect(page.get_by_text("1 chips in ")).to_be_visible()
    expect(page.get_by_text("cancelled")).to_be_hidden()


def test_results_and_recipe_are_taken_along(page: Page, server: Served, tmp_path):
    opened(page, server, file="film.emd", tab="code", chip=32)
    with page.expect_download() as got:
        page.get_by_role("button", name="Save").click()
    got.value.save_as(tmp_path / "recipe.toml")
    assert Recipe.from_toml(tmp_path / "recipe.toml").chip == 32
    tab(page, "Composition")
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Make a ZIP").click()
    with page.expect_download() as got:
        page.get_by_role("button", name=re.compile("Download film.zip")).click()
    got.value.save_as(tmp_path / "film.zip")
    with zipfile.ZipFile(tmp_path / "film.zip") as archive:
        assert {"film/chips.csv", "film/recipe.toml", "film/summary.png"} <= set(archive.namelist())


def test_settings_survive_a_reload(page: Page, server: Served):
    opened(page, server, file="day 1/other.emd", tab="composition", chip=32)
    film, density = (page.get_by_role("textbox", name=name) for name in ("Film (nm)", "Density (g/cm³)"))
    film.fill("40")
    film.press("Enter")
    expect(page.get_by_text("both are needed")).to_be_visible()
    density.fill("6")
    density.press("Enter")
    expect(page.get_by_text("both are needed")).to_be_hidden()
    expect(page).to_have_url(re.compile("density_g_cm3=6"))
    chip_row(page, "R0C1").click()
    said_of(page, "R0C1")
    expect(page).to_have_url(re.compile("at=R0C1"))
    page.reload()
    expect(page.get_by_text("4 chips in ")).to_be_visible()
    said_of(page, "R0C1")
    expect(film).to_have_value("40")
    expect(page.get_by_role("tab", name="Composition")).to_have_attribute("aria-selected", "true")
    tab(page, "Code")
    expect(page.get_by_text("thickness_nm=40.0")).to_be_visible()


@pytest.mark.parametrize("name", ["../../etc/passwd", "link.emd", "up/secret.emd", "../secret.emd"])
def test_links_that_lead_outside_are_refused(page: Page, server: Served, name):
    page.goto(f"{server.url}?{urlencode({'file': name})}")
    expect(page.get_by_text("is not among the files that may be opened here")).to_be_visible()
    expect(page.get_by_text("No file is open.")).to_be_visible()


def test_links_that_say_nonsense(page: Page, server: Served):
    bad = '<img src=x onerror="window.broken=1">'
    opened(page, server, file="film.emd", chip="x", crop=bad, tab=bad, at=bad, kfactors="/etc/passwd")
    for text in ("The link's chip is left out", "The link's crop is left out", "The link's kfactors is left out"):
        expect(page.get_by_text(text)).to_be_visible()
    page.goto(f"{server.url}?{urlencode({'file': bad})}")
    expect(page.get_by_text("is not among the files that may be opened here")).to_be_visible()
    assert page.evaluate("window.broken") is None
    assert page.locator("img[src=x]").count() == 0


def test_a_file_that_does_not_open_is_said(page: Page, server: Served):
    page.goto(f"{server.url}?file=broken.emd")
    expect(page.get_by_text("broken.emd is not an .emd file")).to_be_visible()
    choose_file(page, "film.emd")
    expect(page.get_by_text("16 chips in ")).to_be_visible()
    expect(page.get_by_text("broken.emd is not an .emd file")).to_be_hidden()


def test_explorers_share_what_is_set(page: Page, server: Served):
    opened(page, server, file="film.emd")
    slider = page.get_by_role("slider", name="Chip size (px)")
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("9 chips in ")).to_be_visible()
    expect(page).to_have_url(re.compile("chip=17"))
    tab(page, "Fit")
    expect(page.get_by_text(re.compile(r"^R2C2 \(y 34:51, "))).to_be_visible()
    tab(page, "Elements")
    page.get_by_role("gridcell", name=re.compile("^Lanthanum")).click()
    expect(page).to_have_url(re.compile("deconvolve=.*La"))
    tab(page, "Composition")
    until(lambda: "La (at%)" not in titles(page) and "O (at%)" in titles(page), 60)


def test_looks(page: Page, server: Served, shot):
    """Every tab on a laptop, two on a wide screen, two in the dark."""
    opened(page, server, file="film.emd", chip=8)

    def look(name: str, at: str) -> None:
        tab(page, name)
        page.wait_for_timeout(300)
        expect(page.get_by_text("One moment").locator("visible=true")).to_have_count(0)
        settle(page)
        page.wait_for_timeout(500)
        is_tidy(page)
        shot(f"workbench-{name.lower()}-{at}", full_page=False)

    for name in TABS:
        look(name, "1280")
    page.set_viewport_size({"width": 1920, "height": 1080})
    for name in ("Chips", "Composition"):
        look(name, "1920")
    page.get_by_role("button", name="Toggle theme").click()
    look("Composition", "1920-dark")
    page.set_viewport_size({"width": 1280, "height": 800})
    look("Fit", "1280-dark")


def test_in_jupyterlab(page: Page, lab, folder, shot):
    shutil.copy(folder / "film.emd", lab.folder / "film.emd")
    lab.run(page, ["import edsnb", 'edsnb.Workbench("film.emd", chip=32)'], "workbench")
    expect(page.get_by_text("4 chips in ")).to_be_visible()
    tab(page, "Composition")
    said_of(page, "R1C1")
    chip_row(page, "R0C1").click()
    said_of(page, "R0C1")
    shot("workbench-lab", full_page=False)
    tab(page, "Code")
    expect(page.get_by_text("chip=32,")).to_be_visible()

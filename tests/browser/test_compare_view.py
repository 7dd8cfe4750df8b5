"""CompareView in a real browser: served and in JupyterLab."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from functools import cache

import panel as pn
import pytest
from playwright.sync_api import Page, expect

from edsnb.pipeline import Analysis, analyse
from edsnb.widgets.compare.view import CompareView
from edsnb.widgets.parts.page import make_page
from tests.browser.conftest import settle, until
from tests.browser.figures import click, columns, drag, place, ratio, titles
from tests.helpers import real_file
from tests.simulated import RECIPE, small

PHASES = {"STO": "SrTiO3", "LFO": "LaFeO3"}
MOST = 6
"""Elements side by side, in three rows of maps."""


@cache
def recipes() -> tuple[Analysis, Analysis]:
    """Return the small map in 64 chips by two backgrounds."""
    first = replace(RECIPE, chip=8)
    return tuple(analyse(small().image, r) for r in (first, replace(first, background="polynomial")))


def soon(condition) -> None:
    """Wait for what is drawn after a fit: long where others work on the computer too."""
    until(condition, 120)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("menuitem", name=option, exact=True).click()


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    settle(page)


def element(page: Page, name: str) -> None:
    """Choose an element of the agreement; not that of the maps, whose button takes it away."""
    page.get_by_role("group").get_by_role("button", name=name, exact=True).click()


def download(page: Page) -> None:
    """Click the button once the maps fit the page: Playwright takes the column that holds it for one above it."""
    settle(page)
    page.wait_for_timeout(2000)
    button = page.get_by_role("button", name="Download")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.fixture
def view(serve):
    """Serve a comparison of the small map; return the view of the newest session."""
    made: list[CompareView] = []

    def start(*given, query="", **options):
        def app():
            made.append(CompareView(*given, **options))
            return make_page(made[-1], dark_theme=True) if "dark" in pn.state.session_args else made[-1]

        serve(app, query=query)
        return made[-1]

    return start


def test_maps_and_the_chip_that_is_clicked(page: Page, view):
    state = view(*recipes(), phases=PHASES).state
    soon(lambda: titles(page)[:5] == ["La", "Fe", "Sr", "Ti", "O"])
    soon(lambda: ratio(page, 1, 60) == pytest.approx(1.0, abs=0.02))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    click(page, 1, 12, 30)
    soon(lambda: state.selected == ("R1C3",))
    expect(page.get_by_text("R1C3: ")).to_be_visible()
    expect(page.get_by_role("row", name="La")).to_contain_text(f"{state.comparison.first[11, 0]:.2f}")
    assert len(columns(page, 2, "Segment")[0]["x0"]) == 4
    click(page, MOST, 40, 30, "Shift")
    soon(lambda: state.selected == ("R1C3", "R5C3"))
    expect(page.get_by_text("(of 2 selected, the last)")).to_be_visible()
    page.mouse.move(*place(page, 0, 61, 61))
    number = state.comparison.names.index("R7C7")
    expect(page.get_by_text(f"R7C7, La: first {state.comparison.first[number, 0]:.2f}")).to_be_visible()
    chip = page.get_by_label("Chip", exact=True)
    chip.fill("R2C2")
    chip.press("Enter")
    soon(lambda: state.selected == ("R2C2",))
    chip.fill("R99")
    chip.press("Enter")
    expect(page.get_by_text("There is no chip 'R99'")).to_be_visible()


def test_zoom_is_linked(page: Page, view):
    view(*recipes())
    soon(lambda: titles(page)[:5] == ["La", "Fe", "Sr", "Ti", "O"])
    settle(page)
    before = [place(page, k, 60, 60)[0] - place(page, k, 0, 0)[0] for k in (0, MOST + 2)]
    page.mouse.move(*place(page, 0, 30, 30))
    page.mouse.wheel(0, -200)
    soon(lambda: place(page, 0, 60, 60)[0] - place(page, 0, 0, 0)[0] > 1.2 * before[0])
    settle(page)
    after = [place(page, k, 60, 60)[0] - place(page, k, 0, 0)[0] for k in (0, MOST + 2)]
    assert after[0] / before[0] == pytest.approx(after[1] / before[1], rel=0.01)


def test_choosing_methods_values_and_elements(page: Page, view):
    state = view(*recipes()).state
    choose(page, "Second", "net windows")
    soon(lambda: state.comparison is not None and state.comparison.methods[1] == "net windows")
    page.get_by_role("button", name="counts").click()
    soon(lambda: state.comparison is not None and state.comparison.quantity == "counts")
    soon(lambda: titles(page)[:6] == ["La", "Fe", "Sr", "Ti", "O", "Cu"])
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="wt%").click()
    soon(lambda: state.comparison is not None and state.comparison.quantity == "weight")
    page.get_by_role("button", name="Fe", exact=True).locator("svg").click()
    soon(lambda: titles(page)[:2] == ["La", "Sr"])
    choose(page, "Second", state.first)
    expect(page.get_by_text("First and second are the same: choose another one.")).to_be_visible()
    choose(page, "Second", "net windows")
    soon(lambda: state.comparison is not None)
    expect(page.get_by_text("First and second are the same")).to_be_hidden()


def test_what_cannot_be_read_is_said(page: Page, view, tmp_path):
    state = view(*recipes()).state
    page.get_by_role("button", name="More methods").click()
    page.get_by_role("button", name="Velox or a table by path").click()
    field = page.get_by_label("Path")
    field.fill(str(tmp_path / "nothing"))
    page.get_by_role("button", name="Add", exact=True).first.click()
    expect(page.get_by_text("does not exist; check the name")).to_be_visible()
    choose(page, "Second", "edsnb 2")
    soon(lambda: state.comparison is not None)
    page.get_by_role("button", name="Tables from this computer").click()
    (tmp_path / "empty.csv").write_text("nothing,of,use\n1,2,3\n")
    page.set_input_files("input[type=file]", tmp_path / "empty.csv")
    expect(page.get_by_text("holds no table of composition")).to_be_visible()
    choose(page, "Second", "edsnb 2")
    soon(lambda: state.comparison is not None)


def test_agreement(page: Page, view):
    state = view(*recipes(), phases=PHASES).state
    soon(lambda: state.phases.found.table is not None)
    tab(page, "Agreement")
    element(page, "O")
    soon(lambda: "O: one against the other" in titles(page))
    expect(page.get_by_role("columnheader", name="concordance")).to_be_visible()
    k = state.comparison.column("O")
    number = state.comparison.names.index("R6C6")
    at = titles(page).index("O: one against the other")
    click(page, at, state.comparison.first[number, k], state.comparison.second[number, k])
    soon(lambda: len(state.selected) == 1 and state.selected != ("R4C4",))
    chosen = state.numbers()[0]
    assert abs(state.comparison.first[chosen, k] - state.comparison.first[number, k]) < 0.2


def test_phases_by_hand_and_stoichiometry(page: Page, view):
    state = view(*recipes(), phases=PHASES).state
    soon(lambda: state.phases.found.table is not None)
    tab(page, "Phases")
    rule = page.get_by_label("Rule or markers").first
    rule.fill("Sr >")
    rule.press("Enter")
    expect(page.get_by_text("rule 'Sr >': invalid syntax", exact=False)).to_be_visible()
    rule.fill("Sr, Ti")
    rule.press("Enter")
    expect(page.get_by_text("rule 'Sr > 5 and Ti > 5'")).to_be_visible()
    at = titles(page).index("Phases")
    before = int(state.phases.found.phases.mask("LFO").sum())
    drag(page, at, (42, 2), (62, 20))
    soon(lambda: len(state.selected) > 3)
    choose(page, "Selected chips", "LFO")
    page.get_by_role("button", name="Add to phase").click()
    added = len(state.selected)
    soon(lambda: int(state.phases.found.phases.mask("LFO").sum()) == before + added)
    expect(page.get_by_text(f"LFO: {before + added} chips")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    soon(lambda: int(state.phases.found.phases.mask("LFO").sum()) == before)
    tab(page, "Stoichiometry")
    expect(page.get_by_role("columnheader", name="normalised (at%)")).to_have_count(2)
    expect(page.get_by_role("cell", name="SrTiO3")).to_be_visible()


def test_everything_can_be_saved(page: Page, view, tmp_path):
    view(*recipes(), phases=PHASES)
    soon(lambda: titles(page)[:1] == ["La"])
    with page.expect_download() as png:
        download(page)
    assert png.value.suggested_filename == "maps.png"
    png.value.save_as(tmp_path / "maps.png")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")
    choose(page, "Save", "Everything (ZIP)")
    with page.expect_download() as archive:
        download(page)
    archive.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as files:
        names = set(files.namelist())
        table = files.read("stoichiometry.md").decode()
    figures = {f"{name}.{form}" for name in ("maps", "agreement", "phases", "fit") for form in ("png", "svg")}
    tables = {
        f"{n}.{f}" for n in ("chips", "statistics", "stoichiometry", "worst") for f in ("csv", "html", "tex", "md")
    }
    assert names == figures | tables | {"comparison.py", "readme.txt"}
    assert "SrTiO3" in table


def test_spectra_without_a_map(page: Page, view, shot):
    state = view(analyse(real_file("EDS-STO.emd")), "velox-log").state
    soon(lambda: "Summed" in titles(page))
    bars = columns(page, titles(page).index("Summed"), "VBar")[0]["value"]
    assert bars[1::2] == pytest.approx(state.comparison.second[0].tolist())
    expect(page.get_by_role("row", name="Ti")).to_contain_text("24.56 ± 3.23")
    settle(page)
    shot("compare-log")


@pytest.mark.parametrize("theme", ["", "?dark=1"])
def test_looks(page: Page, view, shot, theme):
    page.set_viewport_size({"width": 1280, "height": 1250})
    state = view(*recipes(), phases=PHASES, query=theme).state
    soon(lambda: state.phases.found.table is not None and titles(page)[:1] == ["La"])
    for name in ("Maps", "Agreement", "Phases", "Stoichiometry"):
        tab(page, name)
        # The page is made when its tab is first looked at.
        page.wait_for_timeout(2500)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(f"compare-{name.lower()}{'-dark' if theme else ''}")


LAB = [
    "import edsnb\nfrom dataclasses import replace\nfrom tests.simulated import RECIPE, analysed",
    "view = edsnb.CompareView(analysed(), replace(RECIPE, background='polynomial'), phases={'STO': 'SrTiO3'})",
]


@pytest.mark.parametrize(("name", "shown"), [("compare-lab", "view"), ("compare-ipywidget", "view.as_ipywidget()")])
def test_in_jupyterlab(page: Page, lab, shot, name, shown):
    lab.run(page, [*LAB, shown], name)
    soon(lambda: titles(page)[:5] == ["La", "Fe", "Sr", "Ti", "O"])
    # The maps are made to fit the cell once that is known.
    page.wait_for_timeout(3000)
    click(page, 1, 20, 36)
    expect(page.get_by_text("R1C2: ")).to_be_visible()
    page.get_by_role("button", name="wt%").click()
    expect(page.get_by_text("Values in wt%")).to_be_visible()
    page.get_by_role("tab", name="Agreement").click()
    element(page, "Sr")
    soon(lambda: "Sr: one against the other" in titles(page))
    shot(name, full_page=False)

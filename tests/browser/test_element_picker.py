"""The element picker with mouse and keyboard, in a served app and in JupyterLab."""

from __future__ import annotations

from dataclasses import replace

import panel as pn
import pytest
from playwright.sync_api import Locator, Page, expect

from edsnb.core.image import ElementSetting
from edsnb.widgets.elements.picker import ElementPicker
from edsnb.widgets.parts.page import make_page
from tests.browser.conftest import settle, until
from tests.simulated import small


def cell(page: Page, name: str) -> Locator:
    return page.get_by_role("gridcell", name=name)


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Add elements")


def matches(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Elements that match")


@pytest.fixture
def picker(serve):
    """Serve a picker of 340 px, as in a side bar."""
    made: list[ElementPicker] = []

    def app():
        made.append(ElementPicker())
        made[-1].state.choose(("Sr", "Ti", "O"), ("Cu",))
        dark = "dark" in pn.state.session_args
        width = int(pn.state.session_args.get("width", [b"340"])[0])
        return make_page(pn.Column(made[-1], width=width), dark_theme=dark)

    def start(query=""):
        serve(app, query=query)
        return made[-1]

    return start


def test_search(page: Page, picker):
    state = picker().state
    field(page).press_sequentially("lanth")
    expect(matches(page).get_by_role("option")).to_have_text(["LaLanthanumnot chosen"])
    field(page).press("Enter")
    until(lambda: state.elements == ("Sr", "Ti", "O", "La"))
    expect(page.get_by_text("La: quantified by Lα 4.65 keV.")).to_be_visible()
    expect(field(page)).to_have_value("")
    field(page).press_sequentially("C, f")
    expect(matches(page).get_by_role("option")).to_have_count(5)
    field(page).press("ArrowDown")
    field(page).press("ArrowDown")
    expect(matches(page).get_by_role("option", name="Iron", selected=True)).to_be_visible()
    field(page).press("Enter")
    until(lambda: state.elements == ("Sr", "Ti", "O", "La", "C", "Fe"))
    field(page).press_sequentially("iro")
    matches(page).get_by_role("option", name="Iron").click()
    expect(page.get_by_text("Fe is chosen already.")).to_be_visible()
    field(page).press_sequentially("zz")
    field(page).press("Enter")
    expect(page.get_by_text("'zz' names no element, or several")).to_be_visible()
    field(page).press_sequentially("tin")
    field(page).press("Escape")
    expect(matches(page).get_by_role("option")).to_have_count(0)


def test_table_by_mouse(page: Page, picker):
    state = picker().state
    for role in ("quantified", "deconvolution only", "not chosen"):
        cell(page, "Iron").click()
        expect(cell(page, f"Iron, 26, {role}")).to_be_visible()
    expect(cell(page, "Iron, 26, not chosen, Kα 6.40 keV, Lα 0.70 keV")).to_be_visible()
    cell(page, "Hydrogen").click(force=True)
    expect(page.get_by_text("H has no X-ray line that could be fitted.")).to_be_visible()
    assert state.elements == ("Sr", "Ti", "O")
    state.energy = (1.0, 20.0)
    expect(cell(page, "Oxygen, 8, no line in range")).to_be_visible()
    expect(page.get_by_role("rowheader")).to_have_text(["Sr", "Ti", "Cu"])


def test_table_by_keyboard(page: Page, picker):
    state = picker().state
    field(page).focus()
    page.keyboard.press("Tab")
    expect(cell(page, "Hydrogen")).to_be_focused()
    moves = {"ArrowRight": "Helium", "ArrowDown": "Neon", "ArrowLeft": "Fluorine", "ArrowUp": "Fluorine", "z": "Zinc"}
    for key, name in (moves | {"c": "Carbon", "d": "Cadmium"}).items():
        page.keyboard.press(key)
        expect(cell(page, name)).to_be_focused()
    page.keyboard.press("Enter")
    until(lambda: state.role("Cd").value == "quantified")
    page.keyboard.press("Space")
    until(lambda: state.role("Cd").value == "deconvolution only")
    expect(cell(page, "Cadmium, 48, deconvolution only")).to_be_focused()
    page.keyboard.press("Delete")
    until(lambda: state.role("Cd").value == "not chosen")
    page.wait_for_timeout(1000)
    page.keyboard.type("la")
    expect(cell(page, "Lanthanum")).to_be_focused()


def test_chosen_elements(page: Page, picker):
    state = picker().state
    expect(page.get_by_role("rowheader")).to_have_text(["Sr", "Ti", "O", "Cu"])
    page.get_by_label("Line of Sr").focus()
    page.get_by_label("Line of Sr").select_option("Lα 1.81 keV")
    until(lambda: state.lines["Sr"] == "Sr_L")
    expect(page.get_by_label("Line of Sr")).to_be_focused()
    expect(page.get_by_label("Line of O")).to_be_disabled()
    page.get_by_label("Ti for deconvolution only").check()
    until(lambda: state.deconvolve == ("Ti", "Cu"))
    expect(page.get_by_label("Line of Ti")).to_have_count(0)
    expect(page.get_by_label("Ti for deconvolution only")).to_be_focused()
    page.get_by_label("Cu for deconvolution only").uncheck()
    until(lambda: state.elements == ("Sr", "O", "Cu"))
    for symbol in ("Sr", "O", "Cu", "Ti"):
        page.get_by_role("button", name=f"Remove {symbol}").click()
    expect(page.get_by_text("No element is quantified: choose at least one.")).to_be_visible()
    expect(page.get_by_text("No element is chosen yet")).to_be_visible()


def test_suggestions(page: Page, serve, shot):
    """The search begins by itself when the picker is opened, and its chips are pressed by hand."""
    made: list[ElementPicker] = []

    def app():
        made.append(ElementPicker(replace(small().image, elements=(ElementSetting("La"), ElementSetting("Sr")))))
        return pn.Column(made[-1], width=360)

    serve(app)
    state = made[-1].state
    found = page.get_by_role("list", name="Suggested elements")
    expect(found.get_by_role("button", name="Quantify Ti")).to_be_visible()
    expect(cell(page, "Titanium, 22, not chosen, suggested,")).to_be_visible()
    settle(page)
    shot("picker-suggestions")
    found.get_by_role("button", name="Quantify Ti").click()
    until(lambda: state.elements == ("La", "Sr", "Ti"))
    found.get_by_role("button", name="Deconvolve Cu").click()
    until(lambda: state.deconvolve == ("Cu",))
    expect(found.get_by_role("button", name="Quantify Ti")).to_have_count(0)
    state.param.watch(lambda event: made.append(event.new), "suggestions")
    page.get_by_role("button", name="Suggest elements from the peaks").click()
    until(lambda: made[-1] is state.suggestions)
    assert state.suggestions.chosen == ("La", "Sr", "Ti", "Cu")


@pytest.mark.parametrize(
    ("name", "query"),
    [("picker-320", "?width=320"), ("picker-420-dark", "?width=420&dark=1"), ("picker-700", "?width=700")],
)
def test_looks(page: Page, picker, shot, name, query):
    picker(query)
    expect(cell(page, "Strontium, 38, quantified")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    overflowing = page.get_by_role("gridcell").evaluate_all(
        "all => all.filter(c => c.lastChild.getBoundingClientRect().width > c.getBoundingClientRect().width)"
        ".map(c => c.dataset.symbol)"
    )
    assert overflowing == []
    settle(page)
    shot(name)


@pytest.mark.parametrize(("name", "shown"), [("picker-lab", "picker"), ("picker-ipywidget", "picker.as_ipywidget()")])
def test_in_jupyterlab(page: Page, lab, shot, name, shown):
    cells = ["import edsnb", "picker = edsnb.ElementPicker(); picker.state.choose(['Sr', 'Ti', 'O'])", shown]
    lab.run(page, cells, name)
    cell(page, "Lanthanum").click()
    expect(cell(page, "Lanthanum, 57, quantified")).to_be_visible()
    expect(page.get_by_text("La: quantified by Lα 4.65 keV.")).to_be_visible()
    # Letters, Enter and arrows are commands of the notebook elsewhere: two d delete a cell.
    page.keyboard.type("dd")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Tb: quantified by Lα 6.27 keV.")).to_be_visible()
    page.get_by_label("Line of Sr").select_option("Lα 1.81 keV")
    expect(page.get_by_text("Sr: quantified by Lα 1.81 keV.")).to_be_visible()
    field(page).press_sequentially("add")
    field(page).press("Escape")
    field(page).fill("iron")
    field(page).press("Enter")
    expect(page.get_by_text("Fe: quantified by Kα 6.40 keV.")).to_be_visible()
    assert page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length") == 3
    shot(name, full_page=False)

"""ChipExplorer in a real browser: served and in JupyterLab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from edsnb.state.drawing import HELP, TOOLS
from edsnb.widgets.chip_explorer import ChipExplorer
from tests.browser.conftest import settle, until
from tests.browser.figures import click, columns, drag, ratio, wait_for_tool
from tests.simulated import small

LEFT, RIGHT, STRIP, SPECTRUM = range(4)
"""Figures in the order in which they stand."""


def test_chips_and_selection(page: Page, serve, shot):
    made: list[ChipExplorer] = []

    def app():
        made.append(ChipExplorer(small().image, chip=8))
        return made[-1]

    serve(app)
    state = made[-1].state
    until(lambda: state.pictures.right is not None and state.precision.prediction is not None, 60)
    expect(page.get_by_text("8 x 8 = 64 chips of 8 px")).to_be_visible()
    expect(page.get_by_text("Predicted sd (at%) of a chip of 8 px: O ")).to_be_visible()
    assert ratio(page, LEFT, 60) == pytest.approx(1.0, abs=0.01)
    assert len(columns(page, LEFT, "Segment")[0]["x0"]) == 18
    slider = page.get_by_role("slider", name="Chip size (px)")
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("7 x 7 = 49 chips of 9 px")).to_be_visible()
    expect(page.get_by_text("dropped 1 px at the bottom")).to_be_visible()
    expect(page.get_by_text("Predicted sd (at%) of a chip of 9 px: O ")).to_be_visible()
    until(lambda: len(columns(page, RIGHT, "Segment")[0]["x0"]) == 16)
    click(page, LEFT, 12, 30)
    expect(page.get_by_text("Selected: R1C3 (y 9:18, x 27:36 px")).to_be_visible()
    click(page, RIGHT, 40, 30, "Shift")
    expect(page.get_by_text("2 selected: R1C3, R4C3")).to_be_visible()
    until(lambda: len(columns(page, LEFT, "Segment")[4]["x0"]) == 8)
    page.get_by_role("button", name="Chip right").click()
    expect(page.get_by_text("Selected: R4C4")).to_be_visible()
    row = page.get_by_role("spinbutton", name="Row")
    row.fill("0")
    row.press("Enter")
    expect(page.get_by_text("Selected: R0C4")).to_be_visible()
    row.fill("2")
    row.press("Enter")
    expect(page.get_by_text("Selected: R2C4")).to_be_visible()
    size = page.get_by_role("spinbutton", name="Chip size (px)")
    size.fill("100")
    size.press("Enter")
    expect(page.get_by_text("A chip of 100 px does not fit")).to_be_visible()
    expect(size).to_have_value("64")
    settle(page)
    shot("chip-explorer-test")


def choose(page: Page, label: str, option: str) -> None:
    """Choose from a list."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("menuitem", name=option, exact=True).click()


ACTIVE = {
    **{"Select": "PanTool", "Polygon": "PanTool", "Box": "BoxSelectTool", "Lasso": "LassoSelectTool"},
    **{"Brush": "FreehandDrawTool", "Corners": "PointDrawTool"},
}


def take(page: Page, tool: str) -> None:
    """Take a tool, and wait until it is in the hand."""
    choose(page, "Mouse", tool)
    expect(page.get_by_text(HELP[TOOLS[tool]])).to_be_visible()
    for number in (LEFT, RIGHT):
        wait_for_tool(page, number, ACTIVE[tool])


def test_drawing(page: Page, serve, shot):
    made: list[ChipExplorer] = []

    def app():
        made.append(ChipExplorer(small().image, chip=16))
        return made[-1]

    serve(app)
    state = made[-1].state
    until(lambda: state.pictures.right is not None, 60)
    page.get_by_role("tab", name="Regions").click()
    take(page, "Box")
    drag(page, LEFT, (10, 5), (20, 25))
    until(lambda: state.drawn.names == ["region 1"])
    until(lambda: state.use == "both")
    assert state.drawn.areas[0].mask.sum() == pytest.approx(11 * 21, abs=32)
    take(page, "Polygon")
    for corner in ((40, 10), (40, 50), (60, 30)):
        click(page, RIGHT, *corner)
    until(lambda: len(state.drawing.draft) == 3)
    page.get_by_role("button", name="Close polygon").click()
    until(lambda: state.drawn.names == ["region 1", "region 2"])
    assert state.drawn.areas[1].mask.sum() == pytest.approx(0.5 * 40 * 20, rel=0.15)
    take(page, "Lasso")
    drag(page, LEFT, (30, 40), (30, 60), (38, 60), (38, 40))
    until(lambda: len(state.drawn.areas) == 3)
    take(page, "Brush")
    choose(page, "Draw into", "region 1")
    page.get_by_role("checkbox", name="Take pixels away").check()
    before = int(state.drawn.areas[0].mask.sum())
    drag(page, RIGHT, (15, 5), (15, 15))
    until(lambda: state.drawn.areas[0].mask.sum() < before)
    page.get_by_role("button", name="Undo").click()
    until(lambda: state.drawn.areas[0].mask.sum() == before)
    take(page, "Corners")
    drag(page, LEFT, (10, 5), (4, 5))
    until(lambda: state.drawn.areas[0].mask.sum() > before)
    name = page.get_by_role("textbox", name="Name")
    name.fill("film")
    name.press("Enter")
    until(lambda: state.drawn.names[0] == "film")
    page.get_by_role("checkbox", name="Take pixels away").uncheck()
    choose(page, "Draw into", "a new region")
    choose(page, "Threshold on", "EDS map, right")
    until(lambda: state.drawing.inside is not None)
    page.get_by_role("button", name="Take these pixels").click()
    until(lambda: len(state.drawn.areas) == 4)
    settle(page)
    shot("chip-explorer-regions")
    take(page, "Select")
    click(page, LEFT, 12, 10)
    expect(page.get_by_text("Selected: film")).to_be_visible()
    choose(page, "Draw into", "film")
    page.get_by_role("button", name="Delete").click()
    until(lambda: "film" not in state.drawn.names)
    drag(page, SPECTRUM, (100, 4), (100, 6))
    until(lambda: state.pictures.kind == "window")
    exec(made[-1].code(), {"image": small().image})

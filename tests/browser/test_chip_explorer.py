"""ChipExplorer in a real browser: served and in JupyterLab."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import panel as pn
import pytest
from playwright.sync_api import Page, expect

import edsnb
from edsnb.state.chips.drawing import HELP, TOOLS
from edsnb.widgets.chips.explorer import ChipExplorer
from edsnb.widgets.parts.page import make_page
from tests.browser.conftest import settle, until
from tests.browser.figures import click, columns, drag, ratio, titles, wait_for_tool
from tests.helpers import real_file
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
    until(lambda: ratio(page, LEFT, 60) == pytest.approx(1.0, abs=0.01))
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
    # While it closes it lies over the page and takes the mouse.
    expect(page.get_by_role("menuitem", name=option, exact=True)).to_have_count(0)


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


def test_drawing(page: Page, serve, shot, tmp_path, monkeypatch):
    made: list[ChipExplorer] = []

    def app():
        made.append(ChipExplorer(small().image, chip=16))
        return made[-1]

    serve(app)
    state = made[-1].state
    until(lambda: state.pictures.right is not None, 60)
    page.get_by_role("tab", name="Regions").click()
    take(page, "Box")
    settle(page)
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
    labels = np.zeros((64, 64), np.uint8)
    labels[50:, :20] = 2
    np.save(tmp_path / "grains.npy", labels)
    page.locator("input[type=file]").set_input_files(tmp_path / "grains.npy")
    until(lambda: "grains 2" in state.drawn.names)
    expect(page.get_by_text("1 region from grains.npy.")).to_be_visible()
    monkeypatch.chdir(tmp_path)
    found = {"image": small().image}
    exec(made[-1].code(), found)
    assert "grains 2" in found["drawn"].names


def dark_app() -> object:
    return make_page(ChipExplorer(small().image, chip=8), dark_theme=True)


def test_dark(page: Page, serve, shot):
    serve(dark_app)
    expect(page.get_by_text("Predicted sd (at%) of a chip of 8 px: O ")).to_be_visible()
    until(lambda: titles(page)[RIGHT].startswith("X-rays"))
    settle(page)
    shot("chip-explorer-dark")


def test_pictures_and_two_tabs(page: Page, serve, shot):
    made: list[ChipExplorer] = []

    def app():
        made.append(ChipExplorer(small().image, chip=8))
        return made[-1]

    serve(app)
    state = made[-1].state
    until(lambda: titles(page)[RIGHT].startswith("X-rays, 0.2"))
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("8 x 8 = 64 chips of 8 px")).to_be_visible()
    drag(page, SPECTRUM, (100, 4.0), (100, 6.0))
    until(lambda: state.pictures.kind == "window")
    low, high = state.pictures.window
    assert (low, high) == pytest.approx((4.0, 6.0), abs=0.1)
    until(lambda: titles(page)[RIGHT] == f"X-rays, {low:.4g}–{high:.4g} keV")
    drawn = np.reshape(columns(page, RIGHT, "Image")[0]["image"][0], (64, 64))
    np.testing.assert_array_equal(drawn, small().image.counts_map(low, high))
    choose(page, "EDS map", "Elements as colours")
    until(lambda: titles(page)[RIGHT] == "O, Ti, Fe; kernel 5 px", 60)
    settle(page)
    shot("chip-explorer-colours")
    assert made[0].state.pictures.kind == "mix"
    assert made[1].state.pictures.kind == "counts"
    assert titles(other)[RIGHT].startswith("X-rays, 0.2")


BAD = {
    "72-counts": lambda: edsnb.open(real_file("velox_v11_SI_16x16.emd")),
    "no-image": lambda: replace(small().image, surveys={}, maps=()),
    "no-elements": lambda: replace(small().image, elements=()),
    "no-map": lambda: edsnb.open(real_file("EDS-STO.emd")),
}
SAID = {
    "72-counts": "chips of 4 px",
    "no-image": "The file has no image of the specimen.",
    "no-elements": "no element is chosen",
    "no-map": "EDS-STO.emd holds no map to cut into chips",
}


def test_bad_input(page: Page, serve, shot):
    def app():
        return ChipExplorer(BAD[pn.state.session_args["what"][0].decode()](), chip=4)

    serve(app, query="?what=72-counts")
    for name, said in SAID.items():
        page.goto(page.url.split("?")[0] + f"?what={name}")
        expect(page.get_by_text(said).first).to_be_visible()
        slider = page.get_by_role("slider", name="Chip size (px)")
        slider.focus()
        slider.press("ArrowRight")
        if name != "no-map":
            expect(page.get_by_text("chips of 5 px").first).to_be_visible()
        settle(page)
        shot(f"chip-explorer-{name}")


def test_in_jupyterlab(page: Page, lab, example, shot):
    """The file is opened while the widget is displayed: what is found then must reach the page."""
    shutil.copy(example, lab.folder / "chips.emd")
    lab.run(page, ["import edsnb", 'edsnb.ChipExplorer("chips.emd", chip=8)'], "chip-explorer-lab")
    slider = page.get_by_role("slider", name="Chip size (px)")
    slider.wait_for()
    until(lambda: len(columns(page, LEFT, "Segment")[0]["x0"]) == 18)
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text("7 x 7 = 49 chips of 9 px")).to_be_visible()
    until(lambda: len(columns(page, LEFT, "Segment")[0]["x0"]) == 16)
    click(page, LEFT, 12, 30)
    expect(page.get_by_text("Selected: R1C3 (y 9:18, x 27:36 px")).to_be_visible()
    click(page, LEFT, 40, 30, "Shift")
    expect(page.get_by_text("2 selected: R1C3, R4C3")).to_be_visible()
    until(lambda: len(columns(page, LEFT, "Segment")[4]["x0"]) == 8)
    until(lambda: np.isfinite(columns(page, SPECTRUM, "Step")[0].get("counts1", [np.nan])).all())
    # As many widgets at once as a socket of Jupyter lets through only without their library.
    page.get_by_role("tab", name="Regions").click()
    take(page, "Box")
    drag(page, LEFT, (10, 5), (20, 25))
    expect(page.get_by_text("1 drawn region of")).to_be_visible()
    shot("chip-explorer-lab", full_page=False)

"""FitExplorer in a real browser: served and in JupyterLab."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from edsnb.widgets.fits.explorer import FitExplorer
from edsnb.widgets.parts.page import make_page
from tests.browser.conftest import settle, until
from tests.browser.figures import click, columns, drag, place, ratio
from tests.simulated import analysed

MAP, STRIP, SPECTRUM, RESIDUAL = range(4)
"""Figures in the order in which they stand."""


def drawn(page: Page, column: str) -> np.ndarray:
    """Return what the browser has of a curve of the spectrum."""
    return np.array(columns(page, SPECTRUM, "Step")[0][column], float)


def counts_of(chip: int) -> np.ndarray:
    fitted = analysed().fit
    return fitted.spectra.counts[chip, fitted.channels].astype(float)


def shows(page: Page, chip: int) -> None:
    """Wait until the browser has the spectrum and the words of a chip."""
    until(lambda: np.array_equal(drawn(page, "raw_counts0"), counts_of(chip)))
    expect(page.get_by_text(f"{analysed().spectra.names[chip]} (y ")).to_be_visible()


def is_narrow(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_chip_is_chosen(page: Page, serve, shot):
    made: list[FitExplorer] = []

    def app():
        made.append(FitExplorer(analysed(), kind="at%", part="Fe"))
        return made[-1]

    serve(app)
    state = made[-1].state
    shows(page, 0)
    assert ratio(page, MAP, 60) == pytest.approx(1.0, abs=0.01)
    assert is_narrow(page)
    page.mouse.move(*place(page, MAP, 20, 40))
    expect(page.get_by_text("R1C2: Fe at% ")).to_be_visible()
    click(page, MAP, 20, 40)
    shows(page, 6)
    click(page, MAP, 60, 3, "Shift")
    until(lambda: state.name_of(state.other) == "R3C0")
    until(lambda: len(columns(page, MAP, "Segment")[-1]["x0"]) == 8)
    until(lambda: np.array_equal(drawn(page, "raw_counts1"), counts_of(12)))
    page.get_by_role("button", name="Chip left").click()
    shows(page, 5)
    page.keyboard.press("ArrowDown")
    shows(page, 9)
    page.keyboard.press("ArrowUp")
    shows(page, 5)
    field = page.get_by_role("textbox", name="Chip", exact=True)
    field.fill("r0c3")
    field.press("Enter")
    shows(page, 3)
    field.fill("R9C9")
    field.press("Enter")
    expect(page.get_by_text("No chip 'R9C9'")).to_be_visible()
    expect(field).to_have_value("R0C3")
    page.get_by_role("button", name="Next worst").click()
    worse = int(state.order[int(np.flatnonzero(state.order == 3)[0]) + 1])
    shows(page, worse)
    settle(page)
    shot("fit-explorer")


def test_spectrum(page: Page, serve, shot):
    serve(lambda: FitExplorer(analysed(), chip=5))
    shows(page, 5)
    assert drawn(page, "counts0") == pytest.approx(np.sqrt(counts_of(5)), rel=1e-5)
    page.get_by_role("button", name="log", exact=True).click()
    until(lambda: drawn(page, "counts0").max() == pytest.approx(np.log10(counts_of(5).max()), rel=1e-5))
    settle(page)
    shot("fit-explorer-log")
    page.mouse.move(*place(page, SPECTRUM, 1.0, 6.4))
    expect(page.get_by_text("6.40")).to_be_visible()
    expect(page.get_by_text("residual ", exact=False).last).to_be_visible()
    everywhere = len(columns(page, STRIP, "Text")[0]["name"])
    drag(page, SPECTRUM, (1.0, 4.2), (1.5, 5.6))
    until(lambda: 0 < len(columns(page, STRIP, "Text")[0]["name"]) < everywhere)
    named = set(columns(page, STRIP, "Text")[0]["name"])
    assert {"La Lα", "La Lβ"} <= named <= {"La Lα", "La Lβ", "Ti Kα", "Ti Kβ"}
    page.get_by_role("button", name="Chip right").click()
    shows(page, 6)
    low, high = (place(page, RESIDUAL, 0.0, kev)[0] for kev in (4.2, 5.6))
    # The same part of the axis fills the frame for the other chip.
    assert high - low > 400
    settle(page)
    shot("fit-explorer-zoomed")


def test_another_fit(page: Page, serve, shot):
    made: list[FitExplorer] = []

    def app():
        made.append(FitExplorer(analysed(), chip=6))
        return made[-1]

    serve(app)
    state = made[-1].state
    page.get_by_role("tab", name="Another fit").click()
    expect(page.get_by_text("Change a setting: this chip is fitted anew at once")).to_be_visible()
    page.get_by_role("combobox", name="Background").click()
    page.get_by_role("menuitem", name="polynomial", exact=True).click()
    expect(page.get_by_text("Trial on R1C2 (other background): reduced χ² ")).to_be_visible()
    until(lambda: np.isfinite(columns(page, SPECTRUM, "Line")[-1].get("model1", [np.nan])).all())
    order = page.get_by_role("textbox", name="Order")
    order.fill("3")
    order.press("Enter")
    expect(page.get_by_text("Trial on R1C2 (other background, order)")).to_be_visible()
    settle(page)
    shot("fit-explorer-trial")
    page.get_by_role("button", name="Apply to all 16 chips").click()
    expect(page.get_by_text("All 16 chips were fitted anew.")).to_be_visible()
    assert state.result.recipe.order == 3
    page.get_by_role("button", name="Undo: back to the stored fit").click()
    until(lambda: not state.undoable)
    expect(page.get_by_text("Back to the stored fit.")).to_be_visible()


def test_tables(page: Page, serve, shot):
    made: list[FitExplorer] = []

    def app():
        made.append(FitExplorer(analysed(), chip=6))
        return made[-1]

    serve(app)
    state = made[-1].state
    row = page.locator(".tabulator-row").filter(has_text="Fe K")
    expect(row.get_by_text(f"{analysed().quantification.atomic[6, 1]:.2f}", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Worst chips").click()
    worst = analysed().spectra.names[int(state.order[1])]
    page.locator(".tabulator-row").filter(has_text=worst).click()
    shows(page, int(state.order[1]))
    settle(page)
    shot("fit-explorer-worst")
    page.get_by_role("tab", name="Two chips").click()
    other = page.get_by_role("textbox", name="Compare with chip")
    other.fill("R3C3")
    other.press("Enter")
    expect(page.get_by_text(f"R3C3 minus {worst}")).to_be_visible()
    expect(page.get_by_text("Difference (at%)")).to_be_visible()
    settle(page)
    shot("fit-explorer-two")
    page.get_by_role("tab", name="Code").click()
    expect(page.get_by_text("edsnb.FitExplorer(analysis, chip=")).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 900})
    settle(page)
    assert is_narrow(page)


def test_dark(page: Page, serve, shot):

    serve(lambda: make_page(FitExplorer(analysed(), chip=5), dark_theme=True))
    shows(page, 5)
    settle(page)
    shot("fit-explorer-dark")


@pytest.mark.parametrize(
    ("name", "shown"), [("fit-explorer-lab", "explorer"), ("fit-explorer-ipywidget", "explorer.as_ipywidget()")]
)
def test_in_jupyterlab(page: Page, lab, shot, name, shown):
    cells = [
        "import edsnb; from tests.simulated import analysed; explorer = edsnb.FitExplorer(analysed())",
        shown,
    ]
    lab.run(page, cells, name)
    button = page.get_by_role("button", name="Chip right")
    button.wait_for()
    button.click()
    expect(page.get_by_text("R0C1 (y 0:16, x 16:32 px)")).to_be_visible()
    button.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("R1C1 (y 16:32, x 16:32 px)")).to_be_visible()
    if shown == "explorer":
        until(lambda: np.array_equal(drawn(page, "raw_counts0"), counts_of(5)))
        page.get_by_role("tab", name="Another fit").click()
        page.get_by_role("combobox", name="Background").click()
        page.get_by_role("menuitem", name="none", exact=True).click()
        expect(page.get_by_text("Trial on R1C1 (other background)")).to_be_visible()
    settle_in_lab(page)
    shot(name, full_page=False)


def settle_in_lab(page: Page) -> None:
    """Give the last drawing time to end: Lab's documents are never idle."""
    page.wait_for_timeout(1500)

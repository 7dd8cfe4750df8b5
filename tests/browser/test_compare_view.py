"""CompareView in a real browser: maps, agreement, phases, spectra without a map."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from playwright.sync_api import Page, expect

from edsnb.pipeline import Analysis, analyse
from edsnb.widgets.compare.view import CompareView
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


@pytest.fixture
def view(serve):
    """Serve a comparison of the small map; return the view of the newest session."""
    made: list[CompareView] = []

    def start(*given, **options):
        def app():
            made.append(CompareView(*given, **options))
            return made[-1]

        serve(app)
        return made[-1]

    return start


def test_maps_and_the_chip_that_is_clicked(page: Page, view):
    state = view(*recipes(), phases=PHASES).state
    soon(lambda: titles(page)[:5] == ["La", "Fe", "Sr", "Ti", "O"])
    assert ratio(page, 1, 60) == pytest.approx(1.0, abs=0.02)
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


def test_spectra_without_a_map(page: Page, view, shot):
    state = view(analyse(real_file("EDS-STO.emd")), "velox-log").state
    soon(lambda: "Summed" in titles(page))
    bars = columns(page, titles(page).index("Summed"), "VBar")[0]["value"]
    assert bars[1::2] == pytest.approx(state.comparison.second[0].tolist())
    expect(page.get_by_role("row", name="Ti")).to_contain_text("24.56 ± 3.23")
    settle(page)
    shot("compare-log")

"""The element picker with mouse and keyboard, in a served app and in JupyterLab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect


def cell(page: Page, name: str):
    return page.get_by_role("gridcell", name=name)


@pytest.mark.parametrize(("name", "shown"), [("picker-lab", "picker"), ("picker-ipywidget", "picker.as_ipywidget()")])
def test_in_jupyterlab(page: Page, lab, shot, name, shown):
    cells = ["import edsnb", "picker = edsnb.ElementPicker(); picker.state.choose(['Sr', 'Ti', 'O'])", shown]
    lab.run(page, cells, name)
    cell(page, "Lanthanum").click()
    expect(cell(page, "Lanthanum, 57, quantified")).to_be_visible()
    expect(page.get_by_text("La: quantified by Lα 4.65 keV.")).to_be_visible()
    page.get_by_label("Line of Sr").select_option("Lα 1.81 keV")
    expect(page.get_by_text("Sr: quantified by Lα 1.81 keV.")).to_be_visible()
    page.get_by_role("combobox", name="Add elements").fill("iron")
    page.get_by_role("combobox", name="Add elements").press("Enter")
    expect(page.get_by_text("Fe: quantified by Kα 6.40 keV.")).to_be_visible()
    shot(name, full_page=False)

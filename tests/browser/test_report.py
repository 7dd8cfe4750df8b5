"""The report in a browser: one file, nothing fetched, nothing wider than the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from edsnb.demo import published_case
from edsnb.report.write import page_of


def test_report(page: Page, shot, example: Path, tmp_path: Path):
    """What is asked for from `page` also tells that no error and no request beyond the file came up."""
    case = published_case(example, chip=8, engine="hyperspy-lstsq")
    path = page_of(case.save(tmp_path / "report"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # Served as a page of its own, so that the file's place gives it nothing.
    page.route("http://localhost/report", lambda route: route.fulfill(path=path, content_type="text/html"))
    page.goto("http://localhost/report")
    expect(page.get_by_role("heading", level=1)).to_have_text("The published comparison on a simulated film")
    expect(page.get_by_text("Simulation, no measurement; not from Velox: window integration")).to_be_visible()
    assert [url for url in asked if not url.startswith("data:")] == ["http://localhost/report"]
    loaded = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 300)")
    assert loaded
    assert all(loaded)
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    wider = "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth + 1).length"
    assert page.evaluate(wider) == 0
    page.get_by_role("link", name="Phases and stoichiometry").click()
    expect(page.get_by_role("heading", name="Phases and stoichiometry")).to_be_in_viewport()
    page.get_by_text("Recipe of edsnb").click()
    expect(page.get_by_text("elements = [").first).to_be_visible()
    page.evaluate("window.scrollTo(0, 0)")
    shot("report")

"""The machinery below every widget, in a served app and in JupyterLab: controls, direct data, long work."""

from __future__ import annotations

import threading
from functools import partial

import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure
from playwright.sync_api import Page, expect

from edsnb.state.work import Work
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.setup import setup
from edsnb.widgets.viewer import session_loop
from tests.browser.conftest import settle, until
from tests.browser.figures import FIND
from tests.browser.toy import Toy

TITLES = (
    "() => { const all = []; const walk = v => { if (v.model?.title?.text) all.push(v.model.title.text);"
    " for (const c of v.children?.() ?? []) walk(c) };"
    " for (const v of Object.values(Bokeh.index)) walk(v); return all }"
)


def slide(page: Page, name: str, steps: int) -> None:
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    for _ in range(steps):
        slider.press("ArrowRight")


def test_served(page: Page, serve, shot):
    made: list[Toy] = []

    def app():
        made.append(Toy())
        return made[-1]

    serve(app)
    slide(page, "Size (px)", 3)
    until(lambda: made[-1].state.size == 7)
    page.wait_for_function(f"() => ({TITLES})().includes('7 points')")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Counting ...")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Counting: cancelled.")).to_be_visible()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Answer: 42")).to_be_visible()
    settle(page)
    shot("toy-served")


def test_work_that_ends_while_the_page_loads_is_shown(page: Page, serve):
    """Panel drops changes between the page's request for the document and its report that it is loaded."""
    ends = range(0, 3000, 50)

    def app():
        buttons = [pmui.Button(label="waiting") for _ in ends]
        for button, after_ms in zip(buttons, ends, strict=True):
            work = Work(deliver=session_loop())
            request = ("", lambda _: "done", partial(setattr, button, "label"))
            threading.Timer(after_ms / 1000, work.start, request).start()
        return pn.Column(*buttons)

    serve(app)
    page.wait_for_timeout(ends[-1] + 1000)
    expect(page.get_by_role("button", name="done")).to_have_count(len(ends))


def test_sizes_that_change_together_are_laid_out_once(page: Page, serve):
    """Bokeh lays the whole page out at each change of a size."""

    def app():
        setup()
        plots = [figure(frame_width=80, frame_height=60) for _ in range(12)]

        def widen(_: object) -> None:
            with pn.io.hold():
                for plot in plots:
                    plot.update(frame_width=100, frame_height=70)

        return pn.Column(pmui.Button(label="widen", on_click=widen), pn.Row(*map(FigurePane, plots)))

    serve(app)
    page.evaluate(
        "() => { const View = Bokeh.require('models/layouts/layout_dom').LayoutDOMView.prototype; window.laid_out = 0;"
        " const update = View.update_layout;"
        " View.update_layout = function () { if (!this.is_managed) laid_out++; update.call(this) } }"
    )
    page.get_by_role("button", name="widen").click()
    until(lambda: page.evaluate("laid_out") > 0)
    settle(page)
    page.wait_for_timeout(500)
    widths = "() => { " + FIND + " return figures.map(view => view.frame.bbox.width) }"
    assert page.evaluate(widths) == [100] * 12
    assert page.evaluate("laid_out") <= 3


def test_a_change_around_the_first_drawing_is_shown(page: Page, serve):
    """Panel's page misses what comes after React has drawn a widget, and before React lets it listen."""
    ends = range(1, 600, 10)

    def app():
        setup()
        place = pn.Column()

        def fill(_: object) -> None:
            buttons = [pmui.Button(label="made", disabled=True) for _ in ends]
            place.objects = buttons
            for button, after_ms in zip(buttons, ends, strict=True):
                pn.state.curdoc.add_timeout_callback(partial(setattr, button, "disabled", False), after_ms)

        return pn.Column(pmui.Button(label="fill", on_click=fill), place)

    serve(app)
    for _ in range(3):
        page.get_by_role("button", name="fill").click()
        page.wait_for_timeout(ends[-1] + 1000)
        expect(page.get_by_role("button", name="made", disabled=False)).to_have_count(len(ends))


def test_what_is_hidden_is_drawn_when_it_is_shown(page: Page, serve):
    """What changes in a hidden tab is laid out and drawn when it is looked at, not before."""

    def app():
        setup()
        plot = figure(frame_width=80, frame_height=60, background_fill_color="#ff0000", toolbar_location=None)
        box = pn.Column(FigurePane(plot))

        def change(_: object) -> None:
            with pn.io.hold():
                plot.update(background_fill_color="#0000ff", frame_width=120)

        return pn.Column(
            pmui.Button(label="hide", on_click=lambda _: setattr(box, "visible", not box.visible)),
            pmui.Button(label="change", on_click=change),
            box,
        )

    def press(name: str) -> None:
        page.get_by_role("button", name=name).click()
        page.wait_for_timeout(600)

    seen = (
        f"() => {{ {FIND} const view = figures[0]; const {{x, y}} = view.frame.bbox; const ratio = devicePixelRatio;"
        " const context = view.canvas_view.primary.canvas.getContext('2d');"
        " return [view.frame.bbox.width, ...context.getImageData((x + 9) * ratio, (y + 9) * ratio, 1, 1).data] }"
    )
    serve(app)
    assert page.evaluate(seen) == [80, 255, 0, 0, 255]
    press("hide")
    press("change")
    assert page.evaluate(seen)[1:] == [255, 0, 0, 255], "nobody looks"
    press("hide")
    assert page.evaluate(seen) == [120, 0, 0, 255, 255]


def test_the_first_click_on_what_has_just_come_is_heard(page: Page, serve):
    """Bokeh sends what came from the server back with its first event, which fails for a button of React."""
    clicks: list[object] = []

    def app():
        setup()
        place = pn.Column()

        def make(_: object) -> None:
            place.append(pmui.Button(label="made", on_click=clicks.append))

        return pn.Column(pmui.Button(label="make", on_click=make), place)

    serve(app)
    for n in range(3):
        page.get_by_role("button", name="make").click()
        page.get_by_role("button", name="made").nth(n).click()
        until(lambda n=n: len(clicks) == n + 1, 10)


def test_a_page_with_what_is_hidden_from_the_start_is_loaded(page: Page, serve):
    """Panel keeps what Python sends until the page has drawn all its figures."""

    def app():
        setup()
        said = pmui.Button(label="waiting")
        work = Work(deliver=session_loop())
        work.start("", lambda _: "done", partial(setattr, said, "label"))
        return pn.Column(said, pn.Column(FigurePane(figure(frame_width=80, frame_height=60)), visible=False))

    serve(app)
    expect(page.get_by_role("button", name="done")).to_be_visible()

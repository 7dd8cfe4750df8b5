"""Where a place on a Bokeh figure lies in the page, and what the figure holds."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

FIND = """
const figures = [];
const walk = view => {
  if (view.model?.type === 'Figure') figures.push(view);
  for (const child of view.children?.() ?? []) walk(child);
};
for (const view of Object.values(Bokeh.index)) walk(view);
"""
_PLACE = (
    "([number, y, x]) => {" + FIND + "const view = figures[number];"
    "const canvas = view.canvas_view.el, scale = view.model.tags[0] ?? 1;"
    "const find = () => { const box = canvas.getBoundingClientRect(); return [box.left + view.frame.x_scale.compute("
    "x * scale), box.top + view.frame.y_scale.compute(y * scale)] };"
    # The mouse reaches only what is in the window, and under nothing else there.
    "const [left, top] = find(); let hit = document.elementFromPoint(left, top);"
    "let inner; while ((inner = hit?.shadowRoot?.elementFromPoint(left, top)) && inner !== hit) hit = inner;"
    "for (; hit && hit !== canvas; hit = hit.parentNode ?? hit.host);"
    "if (!hit) canvas.scrollIntoView({block: 'center', behavior: 'instant'}); return find() }"
)


def place(page: Page, number: int, y: float, x: float) -> tuple[float, float]:
    """Return where a point of the `number`-th figure lies in the window, scrolled there; for maps in their pixels."""
    left, top = page.evaluate(_PLACE, [number, y, x])
    return left, top


def click(page: Page, number: int, y: float, x: float, *keys: str) -> None:
    """Click at a point of a figure, with keys held down."""
    for key in keys:
        page.keyboard.down(key)
    page.mouse.click(*place(page, number, y, x))
    for key in keys:
        page.keyboard.up(key)
    # Two clicks that follow at once would be a double click.
    page.wait_for_timeout(400)


def drag(page: Page, number: int, *points: tuple[float, float]) -> None:
    """Drag the mouse along points of a figure."""
    page.mouse.move(*place(page, number, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, number, *point), steps=5)
    page.mouse.up()


def titles(page: Page) -> list[str]:
    """Return the titles of all figures, in the order in which they are counted here."""
    return page.evaluate("() => {" + FIND + "return figures.map(view => view.model.title?.text ?? '') }")


def ratio(page: Page, number: int, length: float) -> float:
    """Return the height of a pixel of the map over its width on the screen, measured over a length in pixels."""
    (x0, y0), (x1, y1) = (place(page, number, k, k) for k in (0.0, length))
    return (y1 - y0) / (x1 - x0)


def columns(page: Page, number: int, glyph: str) -> list[dict[str, Any]]:
    """Return the data of all glyphs of a kind in a figure, as lists."""
    script = (
        "([number, glyph]) => {" + FIND + "return figures[number].model.renderers.filter(r => r.glyph.type === glyph)"
        ".map(r => Object.fromEntries([...new Map(Object.entries(r.data_source.data))]"
        ".map(([k, v]) => [k, Array.from(v)]))) }"
    )
    return page.evaluate(script, [number, glyph])


def wait_for_tool(page: Page, number: int, kind: str) -> None:
    """Wait until a tool of a kind, such as ``LassoSelectTool``, is active in a figure."""
    script = (
        "([number, kind]) => {" + FIND + "const {active_drag, active_multi} = figures[number].model.toolbar;"
        "return [active_drag?.type, active_multi?.type].includes(kind) }"
    )
    page.wait_for_function(script, arg=[number, kind])

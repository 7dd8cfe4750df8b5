"""What the maps of a comparison have in common: outlines of the selected chips, clicks and boxes, a scale bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.events import SelectionGeometry, Tap
from bokeh.models import BoxSelectTool, ColumnDataSource, MetricLength, ScaleBar, WheelZoomTool
from bokeh.plotting import figure

from edsnb.core.comparison.frame import Frame
from edsnb.plots.raster import label_lines
from edsnb.widgets.viewer import ORANGE

Placed = Callable[[float, float, bool], object]
"""Called with y, x in the unit of the axes, and whether a key for adding is held down."""
Boxed = Callable[[float, float, float, float, bool], object]
"""Called with y0, y1, x0, x1 in the unit of the axes, and whether they are added."""


def image_source() -> ColumnDataSource:
    """Return a source for an image that is not there yet."""
    return ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})


def outline_source() -> ColumnDataSource:
    """Return a source for outlines, of which there are none yet."""
    return ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})


def draw_outlines(plot: figure, source: ColumnDataSource) -> None:
    """Draw outlines as all that is selected is drawn."""
    ends: Any = {name: name for name in ("x0", "y0", "x1", "y1")}
    plot.segment(**ends, source=source, line_color="black", line_alpha=0.6, line_width=5, line_cap="square")
    plot.segment(**ends, source=source, line_color=ORANGE, line_width=3, line_cap="square")


def outlines(frame: Frame, numbers: Sequence[int], scale: float) -> dict[str, Any]:
    """Return the outlines of some regions on axes of which a pixel is `scale`."""
    rows, columns = frame.numbers.shape
    y0, y1, x0, x1 = (scale * end for end in frame.extent)
    lines, _ = label_lines(frame.only(numbers).astype(np.int64))
    placed = (lines + 0.5) * np.array([(y1 - y0) / rows, (x1 - x0) / columns] * 2) + np.array([y0, x0, y0, x0])
    return {name: placed[:, i] for i, name in enumerate(("y0", "x0", "y1", "x1"))}


def add_tools(plot: figure, on_tap: Placed, on_box: Boxed) -> BoxSelectTool:
    """Let the wheel zoom, a click and a box select; return the tool of the box."""
    wheel, box = WheelZoomTool(), BoxSelectTool(renderers=[], description="Select chips with a box")
    plot.add_tools(wheel, box)
    plot.toolbar.active_scroll = wheel

    def tapped(event: Tap) -> None:
        if event.x is not None and event.y is not None:
            held = event.modifiers or {}
            on_tap(event.y, event.x, bool(held.get("shift") or held.get("ctrl") or held.get("meta")))

    def boxed(event: SelectionGeometry) -> None:
        place = event.geometry or {}
        if event.final and place.get("type") == "rect":
            y0, y1 = sorted((place["y0"], place["y1"]))
            x0, x1 = sorted((place["x0"], place["x1"]))
            on_box(y0, y1, x0, x1, getattr(event, "mode", "replace") == "append")

    plot.on_event(Tap, tapped)
    plot.on_event(SelectionGeometry, boxed)
    return box


def add_scale_bar(plot: figure, *, size: int) -> ScaleBar:
    """Return a scale bar with letters of `size` px in the lower left corner of a plot."""
    bar = ScaleBar(
        range=plot.x_range, unit="nm", dimensional=MetricLength(), location="bottom_left", bar_length=0.3,
        background_fill_color="#000000", background_fill_alpha=0.5, border_line_color=None, bar_line_color="white",
        bar_line_width=2, label_text_color="white", label_text_font_size=f"{size}px", margin=3, padding=3,
        label_standoff=2,
    )  # fmt: skip
    plot.add_layout(bar)
    return bar

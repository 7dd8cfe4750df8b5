"""Where the mouse is on a map, told to Python no more often than it can follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure

from edsnb.widgets.scripts import script

Hovered = Callable[[float | None, float | None], object]
"""Called with y and x in pixels of the map; None where the mouse has left it."""

_FEWEST_MS = 60
"""Least time between two reports of where the mouse is."""
_HOVER = script("map_hover.js").replace("PAUSE", str(_FEWEST_MS))
_LEAVE = "window.clearTimeout(source.__later); source.data = {y: [NaN], x: [NaN]};"


def tell_hover(plot: figure, on_hover: Hovered) -> None:
    """Call a function with the place of the mouse; the figure's first tag is the length of a pixel on its axes."""
    mouse = ColumnDataSource({"y": [np.nan], "x": [np.nan]}, name="mouse")
    args = {"source": mouse, "frame": plot}
    plot.js_on_event("mousemove", CustomJS(args=args, code=_HOVER))
    plot.js_on_event("mouseleave", CustomJS(args=args, code=_LEAVE))

    def moved(_attr: str, _old: object, new: Mapping[str, Sequence[float | None]]) -> None:
        y, x = new["y"][0], new["x"][0]
        if y is None or x is None or not np.isfinite([y, x]).all():
            on_hover(None, None)
        else:
            on_hover(float(y), float(x))

    mouse.on_change("data", moved)

"""Drawing with the mouse on a `MapPane`: box, lasso, polygon, brush, corners that can be dragged, pixels in a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.events import DoubleTap, SelectionGeometry
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    FreehandDrawTool,
    LassoSelectTool,
    LinearColorMapper,
    PanTool,
    PointDrawTool,
    Tool,
)

from edsnb.state.chips.drawing import DrawingState
from edsnb.widgets.figures.map_pane import MapPane
from edsnb.widgets.viewer import ORANGE

_BAND = ("#00000000", "#E69F00A0")
"""Outside and inside of a band of values: nothing, and orange that lets the picture through."""


class MapTools:
    """The tools of a `DrawingState` on one map; which one is in the hand is the state's."""

    def __init__(self, pane: MapPane, state: DrawingState) -> None:
        self.pane, self.state = pane, state
        plot = pane.figure
        none: dict[str, Any] = {"x": [], "y": []}
        self._draft = ColumnDataSource(dict(none))
        self._corners = ColumnDataSource({**none, "step": []})
        self._strokes = ColumnDataSource({"xs": [], "ys": []})
        self._band = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        veil = LinearColorMapper(_BAND, low=0, high=1)
        place = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        plot.image(**place, source=self._band, color_mapper=veil)
        plot.line("x", "y", source=self._draft, line_color=ORANGE, line_width=2, line_dash="dashed")
        plot.scatter("x", "y", source=self._draft, size=7, color=ORANGE, line_color="black")
        dots = plot.scatter("x", "y", source=self._corners, size=10, color="white", line_color="black", marker="square")
        stroke = plot.multi_line("xs", "ys", source=self._strokes, line_color=ORANGE, line_width=6, line_alpha=0.5)
        pan = next(tool for tool in plot.toolbar.tools if isinstance(tool, PanTool))
        self._drag: dict[str, Tool] = {
            "box": BoxSelectTool(renderers=[], visible=False),
            "lasso": LassoSelectTool(renderers=[], visible=False),
        }
        self._several: dict[str, Tool] = {
            "brush": FreehandDrawTool(renderers=[stroke], num_objects=1, visible=False),
            "corners": PointDrawTool(renderers=[dots], add=False, visible=False),
        }
        plot.add_tools(*self._drag.values(), *self._several.values())
        plot.toolbar.active_drag = pan
        self._pan = pan
        self._busy = False
        plot.on_event(SelectionGeometry, self._selected)
        plot.on_event(DoubleTap, lambda _: state.close() if state.tool == "polygon" else None)
        self._strokes.on_change("data", self._painted)
        self._corners.on_change("data", self._moved)
        state.param.watch(self._take, "tool")
        state.param.watch(lambda *_: self.draw(), ["draft", "inside", "tool"])
        state.drawn.param.watch(lambda *_: self.draw(), ["areas", "current"])
        self.draw()

    def draw(self) -> None:
        """Draw the unfinished polygon, the corners that can be moved, the pixels in the band."""
        scale = self.pane.scale
        y, x = scale * np.array(self.state.draft, float).reshape(-1, 2).T
        found = self.state.corners() if self.state.tool == "corners" else {}
        points = [(step, *corner) for step, corners in found.items() for corner in corners]
        inside = self.state.inside
        self._busy = True
        try:
            self._replace(self._draft, {"x": x, "y": y})
            steps, ys, xs = (list(column) for column in zip(*points, strict=True)) if points else ([], [], [])
            self._replace(self._corners, {"x": scale * np.array(xs), "y": scale * np.array(ys), "step": steps})
            self._draw_band(inside)
        finally:
            self._busy = False
        self.pane.push()

    def _draw_band(self, inside: Any) -> None:
        if inside is None:
            if self._band.data["image"]:
                self._band.data = {name: [] for name in self._band.data}
            return
        scale, (ny, nx) = self.pane.scale, inside.shape
        place = {"x": [-0.5 * scale], "y": [-0.5 * scale], "dw": [nx * scale], "dh": [ny * scale]}
        self._band.data = {"image": [inside.astype(np.uint8)], **place}

    @staticmethod
    def _replace(source: ColumnDataSource, data: Mapping[str, Any]) -> None:
        """Send data only where it is other than before."""
        if any(len(source.data[k]) or len(data[k]) for k in data):
            source.data = dict(data)

    def _take(self, *_: object) -> None:
        """Put the state's tool into the hand."""
        bar, tool = self.pane.figure.toolbar, self.state.tool
        if tool in self._several:
            bar.active_drag = None
            bar.active_multi = self._several[tool]
        else:
            bar.active_multi = None
            bar.active_drag = self._drag.get(tool, self._pan)
        self.pane.push()

    def _selected(self, event: SelectionGeometry) -> None:
        """Hand on a box or a lasso."""
        place: Mapping[str, Any] = event.geometry or {}
        if not event.final or self.state.tool not in self._drag:
            return
        if place.get("type") == "rect":
            x0, x1, y0, y1 = (place[name] for name in ("x0", "x1", "y0", "y1"))
            corners = [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
        elif place.get("type") == "poly":
            corners = list(zip(place["y"], place["x"], strict=True))
        else:
            return
        if len(corners) > 2:
            self.state.shape([self.pane.pixel(float(y), float(x)) for y, x in corners])

    def _painted(self, _attr: str, _old: object, new: Mapping[str, Sequence[Sequence[float]]]) -> None:
        """Hand on a stroke of the brush, and take it off the map."""
        if not len(new["xs"]):
            return
        path = [self.pane.pixel(float(y), float(x)) for y, x in zip(new["ys"][-1], new["xs"][-1], strict=True)]
        self._strokes.data = {"xs": [], "ys": []}
        self.pane.push()
        if path:
            self.state.shape(path)

    def _moved(self, _attr: str, _old: object, new: Mapping[str, Sequence[float]]) -> None:
        """Hand on corners that were dragged."""
        if self._busy or not len(new["x"]):
            return
        corners: dict[int, list[tuple[float, float]]] = {}
        for step, y, x in zip(new["step"], new["y"], new["x"], strict=True):
            corners.setdefault(int(step), []).append(self.pane.pixel(float(y), float(x)))
        self.state.move_corners(corners)

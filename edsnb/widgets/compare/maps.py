"""Maps of a comparison in three rows, a column for each element: one part of the map, one colour range, one hover."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import MouseLeave
from bokeh.layouts import column as bokeh_column
from bokeh.layouts import gridplot
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    Div,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.frame import Frame
from edsnb.core.events import Array
from edsnb.plots.compared import difference_limits, unit_of, value_limits
from edsnb.plots.diverging import diverging
from edsnb.plots.elements import scale_of
from edsnb.plots.phases import NO_DATA
from edsnb.widgets.compare.figures import (
    Boxed,
    Placed,
    add_scale_bar,
    add_tools,
    draw_outlines,
    image_source,
    outline_source,
    outlines,
)
from edsnb.widgets.figures.colour_bars import number
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.viewer import push

_LABEL, _GAP, _TOOLS, _LETTER = 46, 6, 40, 7
_WIDEST, _HIGHEST, _LOWEST = 360, 0.24, 10
"""Widest and lowest map, px; the highest as a share of the window, in which three stand above each other."""
_NARROWEST = 84
"""Narrowest frame, px, which the numbers of a colour bar fill; a narrower map stands in its middle."""
_NUMBERS = 3
"""Of a colour bar."""
_MOST_CELLS = 256
"""Cells along a side that are sent; of more, every second or third is."""
_HINT = "Point at a map to read a chip; click to select it, with Shift or Ctrl to add it."
_READ = """
const [y0, y1, x0, x1, rows, columns] = figure.tags.slice(1, 7);
const r = Math.floor((cb_obj.y - y0) / (y1 - y0) * rows), c = Math.floor((cb_obj.x - x0) / (x1 - x0) * columns);
const cells = frame.data.cell;
const n = r >= 0 && r < rows && c >= 0 && c < columns ? cells[r * columns + c] : -1;
if (!(n >= 0)) { readout.text = hint; return; }
const [k, element, unit, digits] = figure.tags.slice(7);
const of = name => values.data[name + k][n];
const num = v => Number.isFinite(v) ? v.toFixed(digits) : "no value";
const err = v => Number.isFinite(v) ? " ± " + v.toFixed(digits) : "";
const d = of("first") - of("second");
readout.text = `${values.data.name[n]}, ${element}: first ${num(of("first"))}${err(of("first_sd"))}, second `
  + `${num(of("second"))}${err(of("second_sd"))}, difference ${d > 0 ? "+" : ""}${num(d)} ${unit}`;
"""


class MapRows:
    """Up to `most` columns of maps; show `pane`. Call all methods on the event loop of the session."""

    def __init__(self, most: int, *, on_tap: Placed, on_box: Boxed) -> None:
        self._on_tap, self._on_box = on_tap, on_box
        self._room, self._columns = (1000, 800), 1
        self.frame: Frame | None = None
        self.x_range, self.y_range = Range1d(-0.5, 0.5), Range1d(0.5, -0.5)
        self.readout = Div(text=_HINT, render_as_text=True, width=900, height=20, styles={"font-size": "13px"})
        self._frame_source = ColumnDataSource({"cell": []})
        self._values = ColumnDataSource({"name": []})
        self._outline = outline_source()
        self._spans = Span(dimension="width", line_dash="dotted"), Span(dimension="height", line_dash="dotted")
        self._images = [[image_source() for _ in range(most)] for _ in range(3)]
        self._mappers = [LinearColorMapper(Cividis256, low=0.0, high=1.0, nan_color=NO_DATA) for _ in range(most)]
        self._differences = [LinearColorMapper(diverging(), low=-1.0, high=1.0, nan_color=NO_DATA) for _ in range(most)]
        self._bars: list[tuple[ColorBar, ColorBar]] = []
        self.figures = [[self._figure(row, column) for column in range(most)] for row in range(3)]
        for column in range(most):
            self._bars.append(self._colour_bars(column))
        self._bar = add_scale_bar(self.figures[0][0], size=10)
        self._scale = 1.0
        self._extent: tuple[float, ...] = (-0.5, 0.5, -0.5, 0.5)
        grid = gridplot(self.figures, toolbar_location="right", merge_tools=True, toolbar_options={"logo": None})
        grid.spacing = 6
        grid.toolbar.active_drag = None
        self.pane = FigurePane(bokeh_column(grid, self.readout), sizing_mode="fixed", margin=0)

    def show(
        self,
        comparison: Comparison,
        frame: Frame,
        elements: Sequence[str],
        *,
        pixel_nm: float | None = None,
        together: bool = False,
        everything: bool = False,
    ) -> None:
        """Draw these elements; arguments as `edsnb.plots.comparison.maps_figure`."""
        values = value_limits(comparison, elements, together=together, everything=everything)
        differences = difference_limits(comparison, elements, together=together, everything=everything)
        with pn.io.hold():
            self._place(frame, len(elements), pixel_nm)
            self._send_values(comparison, elements)
            for k, element in enumerate(elements):
                self._column(k, comparison, frame, element)
                for bar, (low, high) in zip(self._bars[k], (values[element], differences[element]), strict=True):
                    bar.color_mapper.update(low=low, high=high)
                    number(bar, _NUMBERS)
            for row, text in zip(self.figures, (*comparison.methods, "first − second"), strict=True):
                row[0].yaxis.axis_label = _two_lines(text, max(row[0].frame_height // _LETTER, 6))
        push(self.pane)

    def resize(self, width: int, height: int) -> None:
        """Fit the maps into so many pixels, in a window so high."""
        self._room = width, height
        if self.frame is not None:
            self._size()
            push(self.pane)

    def select(self, numbers: Sequence[int]) -> None:
        """Outline some of the regions in orange."""
        if self.frame is None:
            return
        self._outline.data = outlines(self.frame, numbers, self._scale)
        push(self.pane)

    def _figure(self, row: int, column: int) -> figure:
        plot = figure(
            tools="pan,reset", toolbar_location=None, x_range=self.x_range, y_range=self.y_range,
            frame_width=100, frame_height=100, min_border=0, min_border_bottom=6, background_fill_color=NO_DATA,
            min_border_left=_LABEL if column == 0 else 0,
            title="" if row == 0 else None,
        )  # fmt: skip
        add_tools(
            plot,
            lambda y, x, add: self._on_tap(y / self._scale, x / self._scale, add),
            self._boxed,
        )
        plot.add_tools(CrosshairTool(overlay=self._spans))
        plot.toolbar.active_drag = None
        plot.grid.visible = False
        plot.axis.major_tick_line_color = plot.axis.minor_tick_line_color = None
        plot.axis.ticker = []
        plot.axis.axis_line_color = None
        plot.xaxis.visible = False
        plot.yaxis.visible = column == 0
        plot.yaxis.axis_label_text_font_style = "normal"
        plot.yaxis.axis_label_text_font_size = "12px"
        if row == 0:
            plot.title.align = "center"
        mapper = self._differences[column] if row == 2 else self._mappers[column]
        plot.image("image", "x", "y", "dw", "dh", source=self._images[row][column], color_mapper=mapper)
        draw_outlines(plot, self._outline)
        plot.visible = False
        self._listen(plot)
        return plot

    def _listen(self, plot: figure) -> None:
        plot.tags = [1.0, 0.0, 1.0, 0.0, 1.0, 0, 0, 0, "", "", 2]
        args = {"figure": plot, "frame": self._frame_source, "values": self._values, "readout": self.readout}
        plot.js_on_event("mousemove", CustomJS(args={**args, "hint": _HINT}, code=_READ))
        plot.js_on_event(
            MouseLeave, CustomJS(args={"readout": self.readout, "hint": _HINT}, code="readout.text = hint;")
        )

    def _boxed(self, y0: float, y1: float, x0: float, x1: float, add: bool) -> None:
        k = self._scale
        self._on_box(y0 / k, y1 / k, x0 / k, x1 / k, add)

    def _colour_bars(self, column: int) -> tuple[ColorBar, ColorBar]:
        bars = []
        for row, mapper in ((1, self._mappers[column]), (2, self._differences[column])):
            bar = ColorBar(
                color_mapper=mapper, height=8, padding=2, margin=2, title="",
                title_text_font_size="11px", title_standoff=2, label_standoff=3, major_label_text_font_size="11px",
                background_fill_alpha=0.0, title_text_font_style="normal",
            )  # fmt: skip
            number(bar, _NUMBERS)
            self.figures[row][column].add_layout(bar, "below")
            bars.append(bar)
        return bars[0], bars[1]

    def _place(self, frame: Frame, columns: int, pixel_nm: float | None) -> None:
        """Give the figures their size, and the axes their ends where the map is another than before."""
        known = bool(pixel_nm) and frame.unit == "px"
        y0, y1, x0, x1 = frame.extent
        unit, self._scale = scale_of((round(y1 - y0), round(x1 - x0)), pixel_nm if known else None)
        self._extent = tuple(self._scale * end for end in frame.extent)
        self._columns = max(columns, 1)
        self._size()
        self.frame = frame
        self._bar.visible = known
        if known:
            self._bar.unit = unit

    def _size(self) -> None:
        """Make the maps as large as so many of them can stand beside and above each other."""
        y0, y1, x0, x1 = self._extent
        ratio, (width, height) = (y1 - y0) / (x1 - x0), self._room
        wide = min(_WIDEST, (width - _LABEL - _TOOLS) // self._columns - _GAP)
        high = round(wide * ratio)
        if high > _HIGHEST * height:
            high, wide = round(_HIGHEST * height), round(_HIGHEST * height / ratio)
        framed = max(wide, _NARROWEST)
        spare = 0.5 * (framed - wide) * (x1 - x0) / max(wide, 1)
        x0, x1 = x0 - spare, x1 + spare
        if (self.y_range.reset_start, self.x_range.reset_start, self.x_range.reset_end) != (y1, x0, x1):
            self.x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
            self.y_range.update(start=y1, end=y0, reset_start=y1, reset_end=y0)
        for row in self.figures:
            for k, plot in enumerate(row):
                shown = {"frame_width": framed, "frame_height": max(high, _LOWEST)}
                plot.update(visible=k < self._columns, **shown)

    def _send_values(self, comparison: Comparison, elements: Sequence[str]) -> None:
        """Send what the readout reads."""
        data: dict[str, Any] = {"name": list(comparison.names)}
        tables = {"first": comparison.first, "second": comparison.second}
        tables |= {"first_sd": comparison.first_sd, "second_sd": comparison.second_sd}
        for k, element in enumerate(elements):
            column = comparison.column(element)
            data |= {f"{name}{k}": table[:, column].astype(np.float32) for name, table in tables.items()}
        self._values.data = data
        if self.frame is not None:
            self._frame_source.data = {"cell": self.frame.numbers.ravel().astype(np.int32)}

    def _column(self, k: int, comparison: Comparison, frame: Frame, element: str) -> None:
        """Draw one element."""
        column, unit = comparison.column(element), unit_of(comparison)
        tables = comparison.first, comparison.second, comparison.difference
        for i, table in enumerate(tables):
            self._images[i][k].data = _image(frame.paint(table[:, column]), self._extent)
        digits = 0 if comparison.quantity == "counts" else 2
        for row in self.figures:
            row[k].tags = [self._scale, *self._extent, *frame.numbers.shape, k, element, unit, digits]
        self.figures[0][k].title.text = element
        self._bars[k][0].title = unit
        self._bars[k][1].title = unit


def _two_lines(text: str, room: int) -> str:
    """Return a text in at most two lines of so many letters."""
    lines = textwrap.wrap(text, room)
    return "\n".join(lines if len(lines) <= 2 else [lines[0], f"{lines[1][: room - 1]}…"])


def _image(values: Array, extent: tuple[float, ...]) -> dict[str, list[Any]]:
    """Return an image at its place, thinned to what a small map can show."""
    step = -(-max(values.shape) // _MOST_CELLS)
    y0, y1, x0, x1 = extent
    return {
        "image": [np.ascontiguousarray(values[::step, ::step], np.float32)],
        **{"x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]},
    }

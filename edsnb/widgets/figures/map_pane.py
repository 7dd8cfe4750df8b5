"""One map with all that belongs to it: colour bar, scale bar, chips, the selected ones, the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    Legend,
    LegendItem,
    LinearColorMapper,
    MetricLength,
    Range1d,
    ResetTool,
    ScaleBar,
    WheelZoomTool,
)
from bokeh.palettes import Cividis256, Greys256, RdBu11, Viridis256, interp_palette
from bokeh.plotting import figure

from edsnb.core.events import Array
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.plots.colours import MIX, thinned
from edsnb.plots.elements import Limits, find_limits, scale_of
from edsnb.plots.raster import grid_lines, region_lines
from edsnb.widgets.figures.colour_bars import number
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.figures.map_hover import Hovered, tell_hover
from edsnb.widgets.viewer import ORANGE, push

Tapped = Callable[[float, float, frozenset[str]], object]
"""Called with y and x in pixels of the map, and the keys held down (``shift``, ``ctrl``, ``alt``)."""

_PALETTES = {
    "cividis": Cividis256,
    "grey": Greys256,
    "RdBu": tuple(interp_palette(RdBu11, 256)),
    "viridis": Viridis256,
}
"""Colours from low to high; RdBu, from blue to red, for values about zero."""
_NO_LINES = np.empty((0, 4))
_SMALLEST_FRAME = 60
MARGINS, BARE_MARGINS = (60, 84, 30, 50), (4, 56, 22, 6)
"""Room on the left, on the right, above and below the frame, px: for axes, colour bar and its numbers, title and tools;
and the same without axes and tools."""
_NO_DATA = "#8a8a8a"
_NUMBERS = 5
"""Of a colour bar."""
_TICKS_PX = (36, 28)
"""Least room of an axis for each of its numbers, along x and along y."""
_SPARSE_PX = 16
"""Lines of a grid so many screen pixels apart, or more, are drawn in full."""


class MapPane:
    """A map on axes in real units, square pixels, row 0 on top; show `pane`.

    Places are given and told in pixels of the map, where pixel (0, 0) is centred on (0, 0). All methods must be called
    on the event loop of the session. `width` is that of the frame's longer side; without `axes` there are no tools
    either, as for one of many small maps.
    """

    def __init__(
        self, title: str, *, width: int = 380, axes: bool = True, on_tap: Tapped | None = None,
        on_hover: Hovered | None = None,
    ) -> None:  # fmt: skip
        self._axes, self._margins = axes, MARGINS if axes else BARE_MARGINS
        left, right, above, below = self._margins
        self.figure = figure(
            title=title, tools="pan,box_zoom", toolbar_location="above" if axes else None, x_range=Range1d(0, 1),
            y_range=Range1d(1, 0), frame_width=width, frame_height=width, background_fill_color=_NO_DATA,
            min_border_left=left, min_border_right=right, min_border_top=above, min_border_bottom=below,
        )  # fmt: skip
        self._width = width
        self._shape: tuple[int, int] = (0, 0)
        self._pixel_nm: float | None = None
        self._scale = 1.0
        self._percentiles = (1.0, 99.0)
        self._image: Array | None = None
        self._palette = "cividis"
        self._limits: Limits = None
        self._layers: dict[str, tuple[Array, Any]] = {}
        self._regions: Regions | None = None
        self._make_tools()
        self._make_image()
        self._make_lines()
        if on_tap is not None:
            self.figure.on_event(Tap, lambda event: self._tapped(event, on_tap))
        if on_hover is not None:
            tell_hover(self.figure, on_hover)
        self.pane = FigurePane(self.figure)
        self.raster((1, 1))

    def raster(self, shape: tuple[int, int], pixel_nm: float | None = None) -> None:
        """Fit axes, frame and scale bar to a map of (ny, nx) pixels, where it is another than before."""
        if (shape, pixel_nm) == (self._shape, self._pixel_nm):
            return
        self._shape, self._pixel_nm = shape, pixel_nm
        ny, nx = shape
        unit, self._scale = scale_of(shape, pixel_nm)
        per_pixel, wide, high = self._frame()
        # Where the frame is wider than the map is, so are the axes: pixels stay square.
        spare_x, spare_y = wide / per_pixel - nx, high / per_pixel - ny
        ends_x = np.array([-0.5 - spare_x / 2, nx - 0.5 + spare_x / 2]) * self._scale
        ends_y = np.array([ny - 0.5 + spare_y / 2, -0.5 - spare_y / 2]) * self._scale
        plot = self.figure
        with pn.io.hold():
            plot.tags = [self._scale]
            self._size(wide, high)
            plot.xaxis.axis_label, plot.yaxis.axis_label = f"x ({unit})", f"y ({unit}), row 0 on top"
            if pixel_nm is not None:
                self._bar_of_length.unit = unit
            for axis, (start, end) in ((plot.x_range, ends_x.tolist()), (plot.y_range, ends_y.tolist())):
                axis.update(start=start, end=end, reset_start=start, reset_end=end)
            for name in self._layers:
                self._send(name)
            self._show_axes(True)
        self.push()

    def resize(self, width: int) -> None:
        """Give the frame's longer side another length; what is in view stays."""
        if width == self._width:
            return
        axes = self.figure.x_range, self.figure.y_range
        seen = [[(end - a.reset_start) / (a.reset_end - a.reset_start) for end in (a.start, a.end)] for a in axes]
        self._width = width
        shape, self._shape = self._shape, (0, 0)
        with pn.io.hold():
            self.raster(shape, self._pixel_nm)
            for axis, (start, end) in zip(axes, seen, strict=True):
                whole = axis.reset_end - axis.reset_start
                axis.update(start=axis.reset_start + start * whole, end=axis.reset_start + end * whole)
        self.push()

    def _frame(self) -> tuple[float, int, int]:
        """Return screen pixels per pixel of the map, and width and height of the frame."""
        ny, nx = self._shape
        per_pixel = self._width / max(ny, nx)
        return per_pixel, max(round(nx * per_pixel), _SMALLEST_FRAME), max(round(ny * per_pixel), _SMALLEST_FRAME)

    def _size(self, wide: int, high: int) -> None:
        left, right, above, below = self._margins
        self.figure.update(frame_width=wide, frame_height=high)
        for axis, length, apart in ((self.figure.xaxis, wide, _TICKS_PX[0]), (self.figure.yaxis, high, _TICKS_PX[1])):
            axis.ticker.desired_num_ticks = min(max(length // apart, 1), 6)
        # A narrower or a wider place would squeeze or stretch the frame, and with it the pixels.
        self.figure.update(width=wide + left + right, height=high + above + below, sizing_mode="fixed")

    def show(
        self,
        image: Array,
        unit: str,
        *,
        pixel_nm: float | None = None,
        extent_px: tuple[float, float, float, float] | None = None,
        limits: Limits = None,
        cmap: str = "cividis",
        title: str | None = None,
        aligned: bool = True,
    ) -> None:
        """Draw an image.

        Parameters
        ----------
        image
            (ny, nx) values; (ny, nx, 4) uint8 for colours that are drawn as they are.
        unit
            Of the values, for the colour bar.
        pixel_nm
            Size of a pixel of the map.
        extent_px
            Where the image lies on the map: y0, y1, x0, x1 in pixels of the map, ends excluded. None: it is the map.
        limits
            Values drawn in the first and last colour; None for the lowest and highest, ``percentile`` for those of
            `contrast`, ``symmetric`` about zero.
        cmap
            cividis, viridis, grey, or RdBu for values about zero.
        aligned
            False for an image that does not lie on the map: it is drawn without axes and chips, in the same frame.
        """
        if aligned and extent_px is None:
            self.raster(image.shape[:2], pixel_nm)
        drawn, _ = thinned(image)
        coloured = image.ndim == 3
        self._image, self._limits = (None if coloured else image), limits
        y0, y1, x0, x1 = extent_px or ((0, *image.shape[:1], 0, *image.shape[1:2]) if aligned else self._fitted(image))
        place = {"y": [(y0 - 0.5) * self._scale], "x": [(x0 - 0.5) * self._scale]}
        place |= {"dh": [(y1 - y0) * self._scale], "dw": [(x1 - x0) * self._scale]}
        with pn.io.hold():
            if coloured:
                pixels = np.ascontiguousarray(drawn, np.uint8).view(np.uint32)[:, :, 0]
                self._colours.data = {"image": [pixels], **place}
            else:
                if self._palette != cmap:
                    self._palette, self._mapper.palette = cmap, _palette(cmap)
                self._rescale()
                self._source.data = {"image": [np.asarray(drawn, np.float32)], **place}
                self.legend({})
            self._glyphs["image"].visible, self._glyphs["colours"].visible = not coloured, coloured
            self._bar.update(visible=not coloured, title=unit)
            if title is not None:
                self.figure.title.text = title
            self._show_axes(aligned)
        self.push()

    def legend(self, colours: Mapping[str, str]) -> None:
        """Say which colour stands for what, beside an image in colours."""
        if [item.label.value for item in self._legend.items] == list(colours):
            return
        for square, colour in zip(self._squares, colours.values(), strict=False):
            square.glyph.fill_color = colour
        self._legend.items = [
            LegendItem(label=name, renderers=[square]) for name, square in zip(colours, self._squares, strict=False)
        ]
        self._legend.visible = bool(colours)
        self.push()

    def contrast(self, low: float, high: float) -> None:
        """Draw the values at two percentiles in the first and last colour; for images shown with ``percentile``."""
        self._percentiles = (low, high)
        if self._image is not None:
            self._rescale()
            self.push()

    @property
    def limits(self) -> tuple[float, float]:
        """The values drawn in the first and last colour."""
        return float(self._mapper.low), float(self._mapper.high)

    def regions(self, regions: Regions | ChipGrid | None, colours: Sequence[str] | None = None) -> None:
        """Draw the outlines of chips or regions; None removes them. `colours` gives one to each region."""
        self._regions = regions if isinstance(regions, Regions) else None
        grid = regions if isinstance(regions, ChipGrid) else regions.grid if regions is not None else None
        if grid is not None:
            self.grid(grid)
            self.areas(None)
        else:
            self.grid(None)
            self.areas(self._regions, colours)

    def grid(self, grid: ChipGrid | None) -> None:
        """Draw the lines of a chip grid; None removes them."""
        if grid is not None:
            # Fainter where lines are so dense that they would hide the picture.
            between = min(grid.step, grid.size) * self._width / max(self._shape)
            strength = round(8 * min(max(between / _SPARSE_PX, 0.25), 1.0)) / 8
            self._chips[0].glyph.line_alpha, self._chips[1].glyph.line_alpha = 0.35 * strength, 0.8 * strength
        self._draw("grid", grid_lines(grid, self._shape) if grid is not None else _NO_LINES)

    def areas(self, regions: Regions | None, colours: Sequence[str] | None = None) -> None:
        """Draw the outlines of irregular regions, each in its own colour; None removes them."""
        lines, whose = region_lines(regions) if regions is not None else (_NO_LINES, np.empty(0, int))
        self._draw("areas", lines, [colours[k] for k in whose] if colours else "#FFFFFF")

    def select(self, chosen: Iterable[int], regions: Regions | None = None) -> None:
        """Outline some of the regions in orange; `regions` where they are not those last drawn."""
        found = regions or self._regions
        lines = region_lines(found, list(chosen))[0] if found is not None else _NO_LINES
        self._draw("selected", lines)

    def link(self, other: MapPane) -> None:
        """Let both show the same part of the map from now on."""
        other.figure.x_range, other.figure.y_range = self.figure.x_range, self.figure.y_range
        other._bar_of_length.range = self.figure.x_range

    def pixel(self, y: float, x: float) -> tuple[float, float]:
        """Return a place on the axes in pixels of the map."""
        return y / self._scale, x / self._scale

    @property
    def scale(self) -> float:
        """Length of a pixel on the axes."""
        return self._scale

    def push(self) -> None:
        """Send what has changed; in a served app Bokeh does that by itself."""
        push(self.pane)

    def _make_tools(self) -> None:
        # Not in the tool bar, which is too short for it; it is always on.
        wheel = WheelZoomTool(visible=False)
        self.figure.add_tools(wheel, ResetTool())
        self.figure.toolbar.active_scroll = wheel
        self.figure.toolbar.logo = None
        self.figure.title.text_font_size = "12px"
        self.figure.grid.visible = False

    def _make_image(self) -> None:
        plot = self.figure
        self._mapper = LinearColorMapper(_palette("cividis"), low=0.0, high=1.0, nan_color=_NO_DATA)
        empty: dict[str, list[Any]] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
        self._source, self._colours = ColumnDataSource(dict(empty)), ColumnDataSource(dict(empty))
        place = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        self._glyphs = {
            "image": plot.image(**place, source=self._source, color_mapper=self._mapper),
            "colours": plot.image_rgba(**place, source=self._colours),
        }
        self._bar = ColorBar(
            color_mapper=self._mapper, width=12, title="value", padding=4, major_label_text_font_size="11px",
            title_text_font_size="12px", title_text_font_style="normal",
        )  # fmt: skip
        number(self._bar, _NUMBERS)
        plot.add_layout(self._bar, "right")
        self._squares = [plot.scatter([], [], marker="square", size=12, line_color=None) for _ in MIX]
        self._legend = Legend(items=[], visible=False, border_line_color=None, background_fill_alpha=0.0)
        plot.add_layout(self._legend, "right")
        letters, room = ("12px", 5) if self._axes else ("10px", 3)
        self._bar_of_length = ScaleBar(
            range=plot.x_range, unit="nm", dimensional=MetricLength(), location="bottom_left", bar_length=0.2,
            background_fill_color="#000000", background_fill_alpha=0.55, border_line_color=None, bar_line_color="white",
            bar_line_width=3, label_text_color="white", label_text_font_size=letters, margin=room, padding=room,
        )  # fmt: skip
        plot.add_layout(self._bar_of_length)

    def _make_lines(self) -> None:
        ends = {"x0": "x0", "y0": "y0", "x1": "x1", "y1": "y1"}
        empty: dict[str, list[float]] = {"x0": [], "y0": [], "x1": [], "y1": []}
        self._lines = {name: ColumnDataSource({**empty, "colour": []}) for name in ("grid", "areas", "selected")}
        # Each line twice: a dark one beneath keeps it visible on light ground.
        styles = [
            ("grid", "#000000", 0.35, 2), ("grid", "#FFFFFF", 0.8, 1),
            ("areas", "#000000", 0.6, 4), ("areas", "colour", 1.0, 2),
            ("selected", "#000000", 0.6, 5), ("selected", ORANGE, 1.0, 3),
        ]  # fmt: skip
        self._chips = [
            self.figure.segment(
                **ends, source=self._lines[name], line_color=colour, line_alpha=alpha, line_width=width,
                line_cap="butt" if name == "grid" else "square",
            )
            for name, colour, alpha, width in styles
        ]  # fmt: skip

    def _tapped(self, event: Tap, on_tap: Tapped) -> None:
        if event.x is None or event.y is None:
            return
        held = event.modifiers or {}
        on_tap(*self.pixel(event.y, event.x), frozenset(key for key, down in held.items() if down))

    def _fitted(self, image: Array) -> tuple[float, float, float, float]:
        """Return the largest place inside the map's that has the image's proportions."""
        (ny, nx), (height, width) = self._shape, image.shape[:2]
        share = min(ny / height, nx / width)
        y, x = 0.5 * (ny - share * height), 0.5 * (nx - share * width)
        return y, ny - y, x, nx - x

    def _show_axes(self, aligned: bool) -> None:
        """Show what holds of the map alone: axes, scale bar, chips."""
        self.figure.axis.visible = aligned and self._axes
        self._bar_of_length.visible = aligned and self._pixel_nm is not None
        for glyph in self._chips:
            glyph.visible = aligned

    def _draw(self, name: str, lines: Array, colours: Any = "") -> None:
        """Put lines (m, 4) in pixels into a layer."""
        before, same = self._layers.get(name, (_NO_LINES, ""))
        if np.array_equal(lines, before) and (same == colours or not len(lines)):
            return
        self._layers[name] = (lines, colours)
        self._send(name)
        self.push()

    def _send(self, name: str) -> None:
        """Send the lines of a layer."""
        lines, colours = self._layers[name]
        y0, x0, y1, x1 = np.asarray(self._scale * lines.T, np.float32)
        named = [colours] * len(x0) if isinstance(colours, str) else list(colours)
        self._lines[name].data = {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "colour": named}

    def _rescale(self) -> None:
        """Give the colours their limits."""
        if self._image is not None:
            low, high = find_limits(self._image, self._limits, self._percentiles)
            self._mapper.update(low=low, high=high)
            number(self._bar, _NUMBERS)


def _palette(name: str) -> tuple[str, ...]:
    """Return the colours of a palette, from low to high."""
    if name not in _PALETTES:
        raise InputError(f"no palette {name!r}; choose one of {', '.join(_PALETTES)}.")
    return _PALETTES[name]

"""A spectrum with its model, background and components, residuals beneath, and the names of its lines above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, product

import numpy as np
import panel as pn
from bokeh.events import MouseMove, RangesUpdate, SelectionGeometry
from bokeh.layouts import column
from bokeh.models import (
    BoxAnnotation,
    BoxSelectTool,
    ColumnDataSource,
    CustomJS,
    Div,
    GlyphRenderer,
    LegendItem,
    Range1d,
)

from edsnb.core.events import Array
from edsnb.plots.spectra import choose_names, floor_of, heights, inside, limits, outline, pull_limit
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.figures.spectrum_figures import (
    COUNTS_GREY,
    LEFT_PX,
    READ,
    RIGHT_PX,
    CountAxis,
    counts_plot,
    name_strip,
    residual_plot,
)
from edsnb.widgets.setup import setup
from edsnb.widgets.viewer import BLUE, ORANGE, push

Line = tuple[float, str, float]
"""Energy in keV, name as it is written, weight: of names that crowd the lightest are left out."""

VERMILION = "#D55E00"
SERIES = (COUNTS_GREY, ORANGE, BLUE, "#009E73", "#CC79A7", "#56B4E9", VERMILION)
"""Colours of spectra drawn over each other (Okabe & Ito), the first in grey under its model."""
MODELS = (BLUE, ORANGE, "#009E73")
COMPONENTS = tuple(product(("solid", "dashed", "dotted"), ("#009E73", "#CC79A7", "#56B4E9", "#E69F00")))
"""Dash and colour of components, one pair an element."""
_NAME_PX, _FURTHEST_PX = 14, 56
"""Room that the upright name of a line needs, and how far it may stand from its line."""


class SpectrumPane:
    """One or several spectra over energy, drawn from one data source; the energies in view stay when they change.

    Parameters
    ----------
    width, height
        Of the whole, and of the spectrum alone, in pixels.
    residuals
        Draw residuals in standard deviations beneath, on the same energy axis.
    on_window
        Called with (low, high) in keV when a window is drawn with the mouse.
    """

    def __init__(
        self,
        *,
        width: int = 640,
        height: int = 300,
        residuals: bool = False,
        on_window: Callable[[float, float], object] | None = None,
    ) -> None:
        setup()
        self._frame = width - LEFT_PX - RIGHT_PX
        self._scale, self._floor, self._extent = "linear", 0.5, (0.0, 1.0)
        self._curves: dict[str, Array] = {"kev": np.empty(0)}
        self._outlines: list[tuple[Array, Array]] = []
        self._lines: list[tuple[Line, str]] = []
        self._styles: dict[str, tuple[str, str]] = {}
        self.x_range = Range1d(0.0, 1.0)
        self.source = ColumnDataSource({"kev": np.empty(0, np.float32)})
        self.components = ColumnDataSource({"x": [], "y": [], "colour": [], "dash": []})
        self.labels = ColumnDataSource({"kev": [], "place": [], "name": [], "colour": []})
        self.strip, self.title = name_strip(self._frame, self.x_range, self.labels)
        self.plot = counts_plot(self._frame, height, self.x_range, last=not residuals)
        self.residual = residual_plot(self._frame, self.x_range, self.source) if residuals else None
        self._axis = CountAxis(self.plot.yaxis[0])
        self._draw()
        # Escaped, as names may come from a file.
        self.readout = Div(text="Point at the spectrum to read a channel.", render_as_text=True, width=width, height=20)
        self.readout.styles = {"font-size": "12px", "margin-left": "8px"}
        self._listen(on_window)
        rows = [self.strip, self.plot, *([self.residual] if self.residual else []), self.readout]
        self.pane = FigurePane(column(rows, spacing=0), sizing_mode="fixed")

    def show(
        self,
        energy_kev: Array,
        spectra: Mapping[str, Array],
        *,
        model: Array | Mapping[str, Array] | None = None,
        background: Array | None = None,
        components: Mapping[str, Array] | None = None,
        residuals: Array | None = None,
        lines: Sequence[Line] = (),
        title: str = "",
        colours: Mapping[str, str] | None = None,
    ) -> None:
        """Draw spectra and what was fitted to them; all arrays are (E',), on `energy_kev`, NaN where there is nothing.

        Parameters
        ----------
        energy_kev
            (E',) evenly spaced energies.
        spectra
            Counts by name, drawn as steps; the first in grey.
        model
            The model, or several by name.
        background
            Drawn dashed; components stand on top of it.
        components
            Counts of each part of the model by name; those of one element (up to ``_`` or a blank) share a colour.
        residuals
            (Counts - model) / standard deviation.
        lines
            Names above their energies, in the colour of their element.
        title
            Above all.
        colours
            Colours of spectra by name, where the usual ones are not wanted.
        """
        models = {} if model is None else dict(model) if isinstance(model, Mapping) else {"model": model}
        parts = dict(components or {})
        self._floor = floor_of([*spectra.values()])
        self._curves = {"kev": np.asarray(energy_kev, np.float64)}
        self._curves |= {f"counts{i}": np.asarray(y) for i, y in enumerate(spectra.values())}
        self._curves |= {f"model{i}": np.asarray(y) for i, y in enumerate(models.values())}
        for name, values in (("background", background), ("residuals", residuals)):
            if values is not None:
                self._curves[name] = np.asarray(values)
        self._restyle([*parts, *(name for _, name, _ in lines)])
        self._outlines = [outline(y, background) for y in parts.values()]
        self._lines = [(line, self._style(line[1])[1]) for line in sorted(lines)]
        with pn.io.hold():
            self._stretch()
            self._name_curves(list(spectra), list(models), colours or {})
            self._send()
            self._send_components([self._style(name) for name in parts])
            self._fit_height()
            self._name_lines()
            self.title.text = title
        push(self.pane)

    def resize(self, width: int, height: int) -> None:
        """Give the whole another width, and the spectrum alone another height, in pixels."""
        with pn.io.hold():
            self._frame = width - LEFT_PX - RIGHT_PX
            for plot in filter(None, (self.strip, self.plot, self.residual)):
                plot.frame_width = self._frame
            self.plot.height, self.readout.width = height, width
            self._name_lines()
        push(self.pane)

    def scale(self, scale: str) -> None:
        """Draw counts on a ``linear``, ``sqrt`` or ``log`` scale; InputError for another one."""
        heights(0.0, scale)
        self._scale = scale
        with pn.io.hold():
            self._axis.show(scale)
            self._send()
            shown = self.components.data
            self._send_components(list(zip(shown["dash"], shown["colour"], strict=True)))
            self._fit_height()
        push(self.pane)

    def window(self, low_kev: float | None, high_kev: float | None) -> None:
        """Mark an energy window; None for none."""
        self._band.update(left=low_kev, right=high_kev, visible=low_kev is not None)
        push(self.pane)

    def look_at(self, low_kev: float, high_kev: float) -> None:
        """Show these energies."""
        with pn.io.hold():
            self.x_range.update(start=low_kev, end=high_kev)
        self._zoomed()

    def _draw(self) -> None:
        """Draw what is always there, from the lowest up: marked window, hairlines, components, background."""
        self._band = BoxAnnotation(fill_color=ORANGE, fill_alpha=0.18, visible=False)
        self.plot.add_layout(self._band)
        self.plot.vspan("kev", source=self.labels, line_color="colour", line_alpha=0.35)
        self._series: list[GlyphRenderer] = []
        self._models: list[GlyphRenderer] = []
        # All that is usual now: a notebook does not draw curves that are made when it stands already.
        self._make_curves(len(SERIES), len(MODELS))
        self._background = self._curve("background", VERMILION, "dashed")
        self.plot.multi_line("x", "y", source=self.components, line_color="colour", line_dash="dash", line_width=1.5)

    def _make_curves(self, spectra: int, models: int) -> None:
        """Make as many curves as are needed; until they are used they look at the one column there always is."""
        for k in range(len(self._series), spectra):
            self._series.append(self.plot.step("kev", "kev", source=self.source, mode="center", visible=False))
            # Under the models.
            self.plot.renderers.insert(1 + k, self.plot.renderers.pop())
        for k in range(len(self._models), models):
            self._models.append(self._curve("kev", MODELS[k % len(MODELS)], "solid"))

    def _curve(self, name: str, colour: str, dash: str) -> GlyphRenderer:
        return self.plot.line(
            "kev", name, source=self.source, line_color=colour, line_dash=dash, line_width=1.5, visible=False
        )

    def _listen(self, on_window: Callable[[float, float], object] | None) -> None:
        self._columns = ColumnDataSource({"column": [], "name": [], "unit": []})
        read = CustomJS(args={"source": self.source, "names": self._columns, "readout": self.readout}, code=READ)
        for plot in filter(None, (self.plot, self.residual)):
            plot.js_on_event(MouseMove, read)
        self.plot.on_event(RangesUpdate, lambda _: self._zoomed())
        if on_window is None:
            return
        # Without renderers it selects nothing, but still tells where it was drawn.
        tool = BoxSelectTool(dimensions="width", renderers=[], description="Choose an energy window")
        self.plot.add_tools(tool)
        self.plot.toolbar.active_drag = tool

        def selected(event: SelectionGeometry) -> None:
            place = event.geometry or {}
            if event.final and place.get("type") == "rect":
                on_window(*sorted((float(place["x0"]), float(place["x1"]))))

        self.plot.on_event(SelectionGeometry, selected)

    def _zoomed(self) -> None:
        with pn.io.hold():
            self._fit_height()
            self._name_lines()
        push(self.pane)

    def _stretch(self) -> None:
        """Show all energies where they are others than before."""
        energy = self._curves["kev"]
        half = 0.5 * (energy[1] - energy[0]) if len(energy) > 1 else 0.5
        low, high = (float(energy[0] - half), float(energy[-1] + half)) if len(energy) else (0.0, 1.0)
        if (low, high) != self._extent:
            self._extent = (low, high)
            self.x_range.update(start=low, end=high, reset_start=low, reset_end=high, bounds=(low, high))

    def _name_curves(self, spectra: list[str], models: list[str], colours: Mapping[str, str]) -> None:
        """Name as many curves as are needed, and say which columns the readout reads."""
        self._make_curves(len(spectra), len(models))
        for curves, kind, needed in ((self._series, "counts", len(spectra)), (self._models, "model", len(models))):
            for k, curve in enumerate(curves[:needed]):
                curve.glyph.y = f"{kind}{k}"
        for k, name in enumerate(spectra):
            self._series[k].glyph.line_color = colours.get(name, SERIES[k % len(SERIES)])
        drawn = [*zip(spectra, self._series, strict=False), *zip(models, self._models, strict=False)]
        if "background" in self._curves:
            drawn.append(("background", self._background))
        shown = {renderer for _, renderer in drawn}
        for renderer in (*self._series, *self._models, self._background):
            renderer.visible = renderer in shown
        legend = self.plot.legend[0]
        if [[renderer] for _, renderer in drawn] != [item.renderers for item in legend.items]:
            legend.items = [LegendItem(label={"value": name}, renderers=[renderer]) for name, renderer in drawn]
        # New models make Bokeh search the whole document, which takes longer than all the rest: names alone do not.
        for item, (name, _) in zip(legend.items, drawn, strict=True):
            if item.label.value != name:
                item.label = {"value": name}
        read = [(f"raw_{renderer.glyph.y}", name, "") for name, renderer in drawn]
        if "residuals" in self._curves:
            read.append(("residuals", "residual", " σ"))
        self._columns.data = {key: [row[i] for row in read] for i, key in enumerate(("column", "name", "unit"))}

    def _restyle(self, names: Sequence[str]) -> None:
        """Give each element a style, in the order in which they come; the same one as long as they stay the same."""
        elements = list(dict.fromkeys(map(_element, names)))
        if elements != list(self._styles):
            self._styles = dict(zip(elements, cycle(COMPONENTS), strict=False))

    def _style(self, name: str) -> tuple[str, str]:
        return self._styles[_element(name)]

    def _send(self) -> None:
        """Send all curves at once: as drawn, and as they are for the readout."""
        # Renderers that are not shown look for their columns all the same.
        nothing = np.full(len(self._curves["kev"]), np.nan, np.float32)
        spare = [renderer.glyph.y for renderer in (*self._series, *self._models, self._background)]
        data = dict.fromkeys([*spare, *(["residuals"] if self.residual else [])], nothing)
        for name, values in self._curves.items():
            if name in ("kev", "residuals"):
                data[name] = values.astype(np.float32)
            else:
                data[name] = heights(values, self._scale, self._floor)
                data[f"raw_{name}"] = values.astype(np.float32)
        self.source.data = data

    def _send_components(self, styles: Sequence[tuple[str, str]]) -> None:
        energy = np.append(self._curves["kev"], np.nan).astype(np.float32)
        self.components.data = {
            "x": [energy[channels] for channels, _ in self._outlines],
            "y": [heights(counts, self._scale, self._floor) for _, counts in self._outlines],
            "colour": [colour for _, colour in styles],
            "dash": [dash for dash, _ in styles],
        }

    def _fit_height(self) -> None:
        """Let what is in view of the curves fill the picture."""
        seen = inside(self._curves["kev"], self.x_range.start, self.x_range.end)
        curves = [y[seen] for name, y in self._curves.items() if name not in ("kev", "residuals")]
        low, high = limits(curves, self._scale, self._floor)
        self.plot.y_range.update(start=low, end=high, reset_start=low, reset_end=high)
        if self.residual is not None:
            most = pull_limit(self._curves.get("residuals", np.empty(0))[seen])
            self.residual.y_range.update(start=-most, end=most)

    def _name_lines(self) -> None:
        """Write the names of the lines in view, as many as there is room for, side by side."""
        low, high = self.x_range.start, self.x_range.end
        seen = [(line, colour) for line, colour in self._lines if low <= line[0] <= high]
        per_px = (high - low) / self._frame
        step, peaks = _NAME_PX * per_px, np.array([line[0] for line, _ in seen])
        chosen, places = choose_names(
            peaks, [line[2] for line, _ in seen], step, low + 0.5 * step, high - 0.5 * step, _FURTHEST_PX * per_px
        )
        kept = [seen[k] for k in chosen.tolist()]
        self.labels.data = {
            "kev": peaks[chosen],
            "place": places,
            "name": [line[1] for line, _ in kept],
            "colour": [colour for _, colour in kept],
        }


def _element(name: str) -> str:
    """Return the element of ``Fe_K`` or ``Fe Kα``."""
    return name.replace("_", " ").split(" ", 1)[0]

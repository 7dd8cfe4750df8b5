"""Agreement of two methods in one element, and bars of spectra that have no place on a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import SelectionGeometry, Tap
from bokeh.layouts import row as bokeh_row
from bokeh.models import BoxSelectTool, ColumnDataSource, FactorRange, Range1d, Span, WheelZoomTool, Whisker
from bokeh.plotting import figure

from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.phases import Phases
from edsnb.plots.agreement import groups_of
from edsnb.plots.compared import Points, points, unit_of
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.viewer import BLUE, ORANGE, push

Chosen = Callable[[Sequence[int], bool], object]
"""Called with rows of the comparison and whether they are added to the selection."""
_LIMITS = "#D55E00"
_LEAST, _WIDEST = 340, 620
"""Width of a plot, px."""
_NEAR = 0.03
"""Share of an axis within which a click means the nearest point."""


class AgreementPlots:
    """One method against the other, and their difference against their mean; show `pane`."""

    def __init__(self, on_choose: Chosen) -> None:
        self._on_choose = on_choose
        self._points: Points | None = None
        self.source = ColumnDataSource(
            {name: [] for name in ("first", "second", "mean", "difference", "colour", "group")}
        )
        self._chosen = ColumnDataSource(
            {n: [] for n in ("first", "second", "mean", "difference", "f0", "f1", "s0", "s1", "d0", "d1")}
        )
        self.identity, self.bland = self._plot("second", "first"), self._plot("mean", "difference")
        self._line = ColumnDataSource({"x": [0.0, 1.0], "y": [0.0, 1.0]})
        self.identity.line("x", "y", source=self._line, line_color="#808080", line_width=1.5, level="underlay")
        self._bias = [Span(dimension="width", line_color=_LIMITS, line_dash=d) for d in ("solid", "dashed", "dashed")]
        for span in (Span(location=0, dimension="width", line_color="#808080"), *self._bias):
            self.bland.add_layout(span)
        self._errors()
        self.pane = FigurePane(bokeh_row(self.identity, self.bland, spacing=16), sizing_mode="fixed")

    def resize(self, width: int) -> None:
        """Fit both plots into so many pixels."""
        side = max(min((width - 40) // 2, _WIDEST), _LEAST)
        for plot in (self.identity, self.bland):
            plot.update(width=side, height=side - 80)
        push(self.pane)

    def show(self, comparison: Comparison, element: str, phases: Phases | None) -> None:
        """Draw one element; the chips of each phase in its colour."""
        drawn, found = points(comparison, element), comparison.by_element[element]
        self._points = drawn
        colour = np.full(len(comparison), "", object)
        group = np.full(len(comparison), "", object)
        for name, (mask, of_group) in groups_of(comparison, phases).items():
            colour[mask], group[mask] = of_group, name
        unit, (first, second) = unit_of(comparison), comparison.methods
        with pn.io.hold():
            self.source.data = {
                "first": drawn.first, "second": drawn.second, "mean": drawn.mean, "difference": drawn.difference,
                "colour": colour.tolist(), "group": group.tolist(),
            }  # fmt: skip
            size = 7 if len(comparison) < 200 else 4
            for plot in (self.identity, self.bland):
                plot.renderers[0].glyph.size = size
            low, high = drawn.identity
            self._line.data = {"x": [low, high], "y": [low, high]}
            _axes(self.identity, drawn.identity, drawn.identity, f"{second} ({unit})", f"{first} ({unit})")
            _axes(self.bland, drawn.means, drawn.differences, f"mean of both ({unit})", f"first − second ({unit})")
            self.identity.title.text = f"{element}: one against the other"
            self.bland.title.text = f"{element}: difference against mean"
            for span, value in zip(self._bias, (found.bias, found.lower, found.upper), strict=True):
                span.location = float(value) if np.isfinite(value) else None
                span.visible = bool(np.isfinite(value))
        push(self.pane)

    def select(self, numbers: Sequence[int]) -> None:
        """Mark some chips in orange, with one standard deviation either way."""
        if self._points is None:
            return
        p, k = self._points, np.asarray(numbers, int)
        f, s, sf, ss = (np.asarray(v)[k] for v in (p.first, p.second, p.sd_first, p.sd_second))
        sd = np.hypot(sf, ss)
        self._chosen.data = {
            **{"first": f, "second": s, "mean": p.mean[k], "difference": f - s},
            **{"f0": f - sf, "f1": f + sf, "s0": s - ss, "s1": s + ss, "d0": f - s - sd, "d1": f - s + sd},
        }
        push(self.pane)

    def _plot(self, x: str, y: str) -> figure:
        plot = figure(
            width=_LEAST, height=_LEAST - 80, tools="pan,box_zoom,reset", title=" ",
            x_range=Range1d(0, 1), y_range=Range1d(0, 1),
        )  # fmt: skip
        wheel = WheelZoomTool()
        plot.add_tools(wheel, BoxSelectTool(renderers=[], description="Select chips with a box"))
        plot.toolbar.active_scroll = wheel
        plot.toolbar.logo = None
        plot.scatter(x, y, source=self.source, size=5, fill_color="colour", line_color=None, fill_alpha=0.6)
        plot.scatter(x, y, source=self._chosen, size=10, fill_color=None, line_color=ORANGE, line_width=3)

        def tapped(event: Tap) -> None:
            number = self._nearest(plot, x, y, event.x, event.y)
            if number is not None:
                self._on_choose([number], bool((event.modifiers or {}).get("shift")))

        def boxed(event: SelectionGeometry) -> None:
            place = event.geometry or {}
            if event.final and place.get("type") == "rect" and self._points is not None:
                inside = np.ones(len(self._points.first), bool)
                for name, axis in ((x, "x"), (y, "y")):
                    values = np.asarray(getattr(self._points, name))
                    low, high = sorted((place[f"{axis}0"], place[f"{axis}1"]))
                    inside &= (values >= low) & (values <= high)
                self._on_choose(np.flatnonzero(inside).tolist(), False)

        plot.on_event(Tap, tapped)
        plot.on_event(SelectionGeometry, boxed)
        return plot

    def _errors(self) -> None:
        """Draw the errors of the selected chips."""
        for plot, base, ends, dimension in (
            (self.identity, "second", "f", "height"), (self.identity, "first", "s", "width"),
            (self.bland, "mean", "d", "height"),
        ):  # fmt: skip
            plot.add_layout(
                Whisker(base=base, lower=f"{ends}0", upper=f"{ends}1", dimension=dimension, source=self._chosen,
                        line_color=ORANGE, line_width=2, upper_head=None, lower_head=None)
            )  # fmt: skip

    def _nearest(self, plot: figure, x: str, y: str, at_x: float | None, at_y: float | None) -> int | None:
        """Return the point that a click means; None where none is near."""
        if self._points is None or at_x is None or at_y is None:
            return None
        wide, high = plot.x_range.end - plot.x_range.start, plot.y_range.end - plot.y_range.start
        dx = (np.asarray(getattr(self._points, x)) - at_x) / wide
        dy = (np.asarray(getattr(self._points, y)) - at_y) / high
        apart = np.where(np.isfinite(dx + dy), np.hypot(dx, dy), np.inf)
        return int(apart.argmin()) if apart.size and apart.min() < _NEAR else None


def _axes(plot: figure, x: tuple[float, float], y: tuple[float, float], x_label: str, y_label: str) -> None:
    """Give a figure its axes."""
    for axis, (low, high) in ((plot.x_range, x), (plot.y_range, y)):
        axis.update(start=low, end=high, reset_start=low, reset_end=high)
    plot.xaxis.axis_label, plot.yaxis.axis_label = x_label, y_label


class BarPlot:
    """Both methods' values of one spectrum side by side, with their standard deviations; show `pane`."""

    def __init__(self) -> None:
        self.source = ColumnDataSource({name: [] for name in ("x", "value", "low", "high", "colour", "method")})
        self.figure = figure(
            width=760, height=340, x_range=FactorRange(), tools="save,reset", toolbar_location=None, title=" ",
        )  # fmt: skip
        self.figure.vbar(
            "x", top="value", width=0.9, source=self.source, fill_color="colour", line_color=None, legend_group="method"
        )
        self.figure.add_layout(
            Whisker(base="x", lower="low", upper="high", source=self.source, line_width=2, line_color="#808080")
        )
        self.figure.xgrid.visible = False
        self.figure.legend[0].update(orientation="horizontal", location="top_right", border_line_color=None)
        self.pane = FigurePane(self.figure, sizing_mode="fixed")

    def show(self, comparison: Comparison, row: int, elements: Sequence[str]) -> None:
        """Draw one spectrum."""
        data: Mapping[str, list[Any]] = {name: [] for name in self.source.data}
        sides = (comparison.first, comparison.first_sd), (comparison.second, comparison.second_sd)
        for element in elements:
            k = comparison.column(element)
            for order, (method, (values, sds)) in enumerate(zip(comparison.methods, sides, strict=True)):
                value, sd = float(values[row, k]), float(sds[row, k])
                data["x"].append((element, ("first", "second")[order]))
                data["value"].append(value)
                data["low"].append(value - sd)
                data["high"].append(value + sd)
                data["colour"].append((BLUE, ORANGE)[order])
                data["method"].append(method)
        top = np.nanmax([*data["high"], *data["value"], 1.0])
        with pn.io.hold():
            self.figure.x_range.factors = data["x"]
            self.figure.y_range = Range1d(0, 1.15 * float(top))
            self.figure.yaxis.axis_label = unit_of(comparison)
            self.figure.title.text = comparison.names[row]
            self.source.data = dict(data)
        push(self.pane)

"""The figures of a `SpectrumPane`: names of the lines, spectrum, residuals, one above the other on one energy axis."""

from __future__ import annotations

from math import pi
from typing import Any

from bokeh.core.properties import value
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJSTicker,
    CustomJSTickFormatter,
    Label,
    Legend,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from edsnb.widgets.viewer import BLUE

COUNTS_GREY = "#8A8A8A"
TITLE_GREY = "#808080"
"""Can be read on light and on dark pages."""
LEFT_PX, RIGHT_PX = 66, 40
"""Room for the axis on the left and the tools on the right."""
_STRIP_PX, _RESIDUAL_PX = 84, 140
_FONT = "Roboto, Helvetica, Arial, sans-serif"
"""That of the page; what is drawn on a figure does not follow it."""

_TICKS = """
const {start, end} = cb_data;
const up = v => scale == "log" ? Math.log10(v) : scale == "sqrt" ? Math.sqrt(v) : v;
const nice = (v, down) => {
  if (!(v > 0)) return 0;
  const p = 10 ** Math.floor(Math.log10(v)), m = v / p;
  return p * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
};
const out = [];
if (scale == "log" && end - start > 1.5) {
  const step = Math.max(1, Math.round((end - start) / 6));
  for (let k = Math.ceil(start); k <= end; k += step) out.push(k);
} else if (scale == "log") {
  for (let k = Math.floor(start); k <= end; k++)
    for (const m of [1, 2, 5]) { const t = k + Math.log10(m); if (t >= start && t <= end) out.push(t); }
} else if (scale == "sqrt") {
  const low = Math.max(start, 0);
  for (let i = 0; i <= 5; i++) {
    const exact = (low + (end - low) * i / 5) ** 2;
    const gap = 2 * Math.max(Math.sqrt(exact), end / 5) * (end - low) / 5;
    const unit = 10 ** Math.floor(Math.log10(Math.max(gap, 1e-9)));
    const t = up(Math.round(exact / unit) * unit);
    if (t >= start && t <= end && !out.some(o => Math.abs(o - t) < (end - start) / 12)) out.push(t);
  }
}
return out;
"""
_MINOR = """
if (scale != "log" || cb_data.end - cb_data.start > 8) return [];
const out = [];
for (let k = Math.floor(cb_data.start); k <= cb_data.end; k++)
  for (let m = 2; m < 10; m++) out.push(k + Math.log10(m));
return out.filter(t => t >= cb_data.start && t <= cb_data.end);
"""
_TICK_TEXT = """
const v = scale == "log" ? 10 ** tick : tick * tick;
if (v >= 1e6) return (v / 1e6).toPrecision(3).replace(/\\.?0+$/, "") + " M";
return v >= 1 ? Math.round(v).toLocaleString("en-US") : String(+v.toPrecision(2));
"""
READ = """
const data = source.data, energy = data.kev;
if (!energy || energy.length < 2) return;
const i = Math.round((cb_obj.x - energy[0]) / (energy[energy.length - 1] - energy[0]) * (energy.length - 1));
if (!(i >= 0 && i < energy.length)) return;
const parts = [energy[i].toFixed(3) + " keV"];
const {column, name, unit} = names.data;
for (let k = 0; k < column.length; k++) {
  const v = data[column[k]][i];
  if (Number.isFinite(v)) parts.push(`${name[k]} ${Number.isInteger(v) ? v : +v.toPrecision(4)}${unit[k]}`);
}
const text = parts.join("  ·  ");
// Set the element itself: a change of the model would lay out the whole page anew.
const view = (cb_context?.index ?? window.Bokeh?.index)?.find_one(readout);
if (view?.markup_el) view.markup_el.textContent = text; else readout.text = text;
"""
"""Says in a line below what the channel under the pointer holds; runs in the browser alone."""


def name_strip(frame_px: int, x_range: Range1d, labels: ColumnDataSource) -> tuple[Any, Label]:
    """Return the strip with names of lines (columns ``kev``, ``place``, ``name``, ``colour``), and the title on it."""
    strip = _figure(frame_px, _STRIP_PX, x_range, Range1d(0, 1), toolbar_location=None)
    strip.axis.visible = False
    strip.grid.visible = False
    # Not a title, for which the browser lays out all figures anew each time it changes.
    title = Label(
        x=0, y=_STRIP_PX - 6, x_units="screen", y_units="screen", text="", text_font_size="13px",
        text_font=_FONT, text_baseline="top", text_color=TITLE_GREY,
    )  # fmt: skip
    strip.add_layout(title)
    strip.segment("kev", 0, "place", 0.17, source=labels, line_color="colour")
    strip.text(
        "place", 0.21, "name", source=labels, text_color="colour", angle=pi / 2, text_font_size="12px",
        text_font=value(_FONT), text_baseline="middle",
    )  # fmt: skip
    return strip, title


def counts_plot(frame_px: int, height_px: int, x_range: Range1d, *, last: bool) -> Any:
    """Return the figure of the spectrum, with tools that zoom in energy; `last`: it carries the energy axis."""
    plot = _figure(
        frame_px, height_px, x_range, Range1d(0, 1), toolbar_location="right",
        tools="xpan,xbox_zoom,xwheel_zoom,reset,save",
    )  # fmt: skip
    plot.toolbar.active_drag = plot.tools[1]
    plot.xaxis.axis_label = "energy (keV)"
    plot.xaxis.visible = last
    legend = Legend(
        location="top_right", click_policy="hide", label_text_font_size="11px", background_fill_alpha=0.6,
        border_line_color=None, padding=4, spacing=0, glyph_height=14,
    )  # fmt: skip
    plot.add_layout(legend)
    return plot


def residual_plot(frame_px: int, x_range: Range1d, source: ColumnDataSource) -> Any:
    """Return the figure of residuals in standard deviations: columns ``kev``, ``residuals``."""
    plot = _figure(frame_px, _RESIDUAL_PX, x_range, Range1d(-5, 5), toolbar_location=None)
    plot.step("kev", "residuals", source=source, mode="center", line_color=COUNTS_GREY)
    plot.add_layout(Span(location=0, dimension="width", line_color=BLUE))
    plot.add_layout(BoxAnnotation(bottom=-3, top=3, fill_color=BLUE, fill_alpha=0.07))
    plot.yaxis.axis_label = "resid. (σ)"
    plot.yaxis.ticker.desired_num_ticks = 3
    plot.xaxis.axis_label = "energy (keV)"
    return plot


class CountAxis:
    """The vertical axis of a spectrum, whose ticks say counts on every scale."""

    def __init__(self, axis: Any) -> None:
        self._axis = axis
        axis.formatter.use_scientific = False
        self._kinds = {"linear": (axis.ticker, axis.formatter)}
        for scale in ("sqrt", "log"):
            named = f"const scale = '{scale}';\n"
            ticker = CustomJSTicker(major_code=named + _TICKS, minor_code=named + _MINOR)
            self._kinds[scale] = ticker, CustomJSTickFormatter(code=named + _TICK_TEXT)
        self.show("linear")

    def show(self, scale: str) -> None:
        """Label the axis for heights on this scale."""
        ticker, formatter = self._kinds[scale]
        kind = {"sqrt": ", square-root scale", "log": ", log scale"}.get(scale, "")
        self._axis.update(ticker=ticker, formatter=formatter, axis_label=f"X-rays per channel{kind}")


def _figure(frame_px: int, height_px: int, x_range: Range1d, y_range: Range1d, **options: Any) -> Any:
    """Return a figure whose frame lies exactly below and above the others'."""
    made = figure(
        frame_width=frame_px, height=height_px, x_range=x_range, y_range=y_range, min_border_left=LEFT_PX,
        min_border_right=4, min_border_top=0, min_border_bottom=0, output_backend="canvas",
        **{"tools": "", **options},
    )  # fmt: skip
    made.outline_line_color = None
    made.toolbar.logo = None
    return made

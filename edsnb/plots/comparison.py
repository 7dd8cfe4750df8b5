"""Figures of a comparison for print: maps of both methods and their difference, agreement, phases, the fit of a chip.

Each ``draw_...`` writes one file, PNG, SVG or PDF by its ending; each ``..._figure`` returns the matplotlib figure.
They need no display and can be drawn in any thread.

>>> from edsnb.plots.comparison import draw_maps                                          # doctest: +SKIP
>>> draw_maps(comparison, ["La", "Fe", "O"], "maps.svg", pixel_nm=image.pixel_nm)         # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.frame import Frame, frame_of
from edsnb.core.comparison.phases import Phases
from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.errors import InputError
from edsnb.plots.agreement import agreement_figure
from edsnb.plots.compared import difference_limits, shown_elements, unit_of, value_limits
from edsnb.plots.diverging import diverging
from edsnb.plots.fits import fit_figure
from edsnb.plots.page import axes_at, paper, write_figure
from edsnb.plots.phases import NO_DATA, draw_scale, phases_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import Locator

WIDTH = 7.2
"""Inches: two columns of a journal."""
_WIDEST = 1.75
"""Largest width of one map, so that a single element does not fill the page."""
_LEFT, _TOP, _GAP, _BELOW = 0.3, 0.3, 0.09, 0.1
_BAR, _UNDER_BAR = 0.08, 0.36
"""Height of a colour bar, and of its numbers and unit below it."""
_BARS = 2.4
"""Height of a plot of bars."""

__all__ = [
    "agreement_figure", "bars_figure", "draw_agreement", "draw_bars", "draw_fit", "draw_maps", "draw_phases",
    "fit_figure", "maps_figure", "phases_figure",
]  # fmt: skip


def draw_maps(
    comparison: Comparison,
    elements: Sequence[str] | None,
    path: str | PathLike[str],
    *,
    pixel_nm: float | None = None,
    together: bool = False,
    everything: bool = False,
) -> None:
    """Write `maps_figure`, or `bars_figure` where nobody knows where the regions lie."""
    if not is_drawable(comparison):
        draw_bars(comparison, elements, path)
        return
    figure = maps_figure(comparison, elements, pixel_nm=pixel_nm, together=together, everything=everything)
    write_figure(figure, Path(path))


def draw_bars(comparison: Comparison, elements: Sequence[str] | None, path: str | PathLike[str]) -> None:
    """Write `bars_figure`."""
    write_figure(bars_figure(comparison, elements), Path(path))


def draw_agreement(
    comparison: Comparison,
    elements: Sequence[str] | None,
    path: str | PathLike[str],
    *,
    phases: Phases | None = None,
) -> None:
    """Write `edsnb.plots.agreement.agreement_figure`."""
    write_figure(agreement_figure(comparison, elements, phases=phases), Path(path))


def draw_phases(phases: Phases, path: str | PathLike[str], *, pixel_nm: float | None = None) -> None:
    """Write `edsnb.plots.phases.phases_figure`."""
    write_figure(phases_figure(phases, pixel_nm=pixel_nm), Path(path))


def draw_fit(fits: FitResult | Mapping[str, FitResult], chip: str, path: str | PathLike[str]) -> None:
    """Write `edsnb.plots.fits.fit_figure`."""
    write_figure(fit_figure(fits, chip), Path(path))


def is_drawable(comparison: Comparison) -> bool:
    """Tell whether the regions can be drawn as a map: their places, or rows and columns, are known."""
    try:
        frame_of(comparison.names, comparison.regions)
    except InputError:
        return False
    return True


def maps_figure(
    comparison: Comparison,
    elements: Sequence[str] | None = None,
    *,
    pixel_nm: float | None = None,
    together: bool = False,
    everything: bool = False,
) -> Figure:
    """Return maps in three rows, first, second and difference, a column for each element.

    Parameters
    ----------
    comparison
        What was compared.
    elements
        Columns, in this order; None for all.
    pixel_nm
        Size of a pixel, for the scale bar; None: it is in pixels.
    together
        One colour range for all elements instead of one for each.
    everything
        Colours from the lowest to the highest value instead of the 1st to the 99th percentile.

    Raises
    ------
    ElementError
        An element was not compared.
    InputError
        Nobody knows where the regions lie.
    """
    from matplotlib.figure import Figure

    chosen = shown_elements(comparison, elements)
    frame = frame_of(comparison.names, comparison.regions)
    values = value_limits(comparison, chosen, together=together, everything=everything)
    differences = difference_limits(comparison, chosen, together=together, everything=everything)
    y0, y1, x0, x1 = frame.extent
    wide = min(_WIDEST, (WIDTH - _LEFT - 0.12) / len(chosen) - _GAP)
    high = wide * float(np.clip((y1 - y0) / (x1 - x0), 0.15, 3.0))
    rows = [_TOP, _TOP + high + _GAP, _TOP + 2 * (high + _GAP) + _BAR + _UNDER_BAR + _BELOW]
    height = rows[2] + high + _BELOW + _BAR + _UNDER_BAR
    with paper():
        figure = Figure(figsize=(_LEFT + len(chosen) * (wide + _GAP) + 0.12, height))
        for k, element in enumerate(chosen):
            left = _LEFT + k * (wide + _GAP)
            column = comparison.column(element)
            shown = [comparison.first, comparison.second, comparison.difference]
            drawn = [
                _map(axes_at(figure, left, rows[i], wide, high), frame, table[:, column], limits, i == 2)
                for i, (table, limits) in enumerate(
                    zip(shown, (values[element], values[element], differences[element]), strict=True)
                )
            ]
            drawn[0].axes.set_title(element)
            unit = unit_of(comparison)
            _bar(figure, drawn[1], (left, rows[1] + high + _BELOW, wide), unit)
            _bar(figure, drawn[2], (left, rows[2] + high + _BELOW, wide), f"difference, {unit}")
            if k == 0:
                draw_scale(drawn[0].axes, frame, pixel_nm)
                _name_rows(drawn, comparison, high)
    return figure


def _map(axes: Axes, frame: Frame, values: Array, limits: tuple[float, float], difference: bool) -> AxesImage:
    """Draw one map."""
    from matplotlib.colors import ListedColormap

    y0, y1, x0, x1 = frame.extent
    colours = ListedColormap(diverging(), "difference") if difference else "cividis"
    shown = axes.imshow(
        frame.paint(values), cmap=colours, vmin=limits[0], vmax=limits[1], extent=(x0, x1, y1, y0),
        interpolation="nearest",
    )  # fmt: skip
    axes.set_facecolor(NO_DATA)
    axes.set_xticks([])
    axes.set_yticks([])
    return shown


def _bar(figure: Figure, shown: AxesImage, place: tuple[float, float, float], unit: str) -> None:
    """Draw a colour bar below a map, its ends marked where values lie beyond them."""
    left, top, wide = place
    data: Array = np.ma.compressed(np.ma.asarray(shown.get_array()))
    data = data[np.isfinite(data)]
    low, high = shown.get_clim()
    slack = 1e-9 * (high - low)
    beyond = bool(data.size and data.min() < low - slack), bool(data.size and data.max() > high + slack)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    axes = axes_at(figure, left + 0.07 * wide, top, 0.86 * wide, _BAR)
    shown.set_cmap(shown.cmap.with_extremes(bad=NO_DATA))
    bar = figure.colorbar(shown, cax=axes, orientation="horizontal", extend=extend, extendfrac=0.04)
    bar.outline.set_linewidth(0.4)  # type: ignore[operator]
    bar.locator = _few_ticks()
    bar.update_ticks()
    bar.ax.tick_params(length=2, pad=1.5)
    bar.set_label(unit, labelpad=1.5)


def _few_ticks() -> Locator:
    """Return what places three or four numbers along a colour bar."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3)


def _name_rows(drawn: Sequence[AxesImage], comparison: Comparison, high: float) -> None:
    """Write what each row is at its left side, in as many lines as it needs."""
    import textwrap

    room = max(int(high / 0.055), 12)
    for shown, text in zip(drawn, (*comparison.methods, "first − second"), strict=True):
        lines = textwrap.wrap(text, room)[:2]
        shown.axes.set_ylabel("\n".join(lines), fontsize=7 if len(lines) == 1 else 6, labelpad=3)


def bars_figure(comparison: Comparison, elements: Sequence[str] | None = None) -> Figure:
    """Return bars of both methods for each spectrum that has no place on a map, with their standard deviations."""
    from matplotlib.figure import Figure

    chosen = shown_elements(comparison, elements)
    shown = min(len(comparison), 8)
    with paper():
        figure = Figure(figsize=(min(WIDTH, 2.2 + 0.55 * len(chosen) * shown), _BARS + 0.5), layout="constrained")
        panels = figure.subplots(1, shown, squeeze=False, sharey=True)[0]
        for i, axes in enumerate(panels):
            _bars(axes, comparison, i, chosen)
        panels[0].set_ylabel(unit_of(comparison))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)
        if shown < len(comparison):
            panels[-1].annotate(f"and {len(comparison) - shown} more", (1, -0.25), xycoords="axes fraction", ha="right")
    return figure


def _bars(axes: Axes, comparison: Comparison, row: int, elements: Sequence[str]) -> None:
    """Draw both methods' values of one spectrum side by side."""
    columns = [comparison.column(element) for element in elements]
    place = np.arange(len(columns))
    both = (comparison.first, comparison.first_sd), (comparison.second, comparison.second_sd)
    for shift, colour, method, (values, sd) in zip(
        (-0.2, 0.2), ("#0072B2", "#E69F00"), comparison.methods, both, strict=True
    ):
        error = np.nan_to_num(sd[row, columns])
        axes.bar(place + shift, values[row, columns], 0.38, color=colour, label=method)
        known = error > 0
        axes.errorbar(
            place[known] + shift, values[row, columns][known], error[known], fmt="none", ecolor="black", lw=0.8,
            capsize=1.5,
        )  # fmt: skip
    axes.set_xticks(place, elements)
    axes.set_title(comparison.names[row])
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.08)

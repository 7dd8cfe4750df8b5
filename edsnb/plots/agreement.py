"""Agreement of two methods as figures: one against the other, and their difference against their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.phases import Phases
from edsnb.core.events import Array
from edsnb.plots.compared import Points, points, shown_elements, spread_sd, unit_of
from edsnb.plots.page import axes_at, paper
from edsnb.plots.phases import NONE, phase_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edsnb.core.comparison.agreement import Agreement

ALL_CHIPS = "#0072B2"
_OTHERS = "#9a9a9a"
_PANEL, _LEFT, _GAP, _TOP, _BETWEEN, _BELOW = 1.75, 0.5, 0.5, 0.28, 0.5, 0.45
_LEGEND = 0.25
_FEW = 3000
"""More points are drawn as one picture inside an SVG, which would else take long to open."""
_LABEL = 27
"""Letters of a method's name that an axis has room for beside the unit."""


def groups_of(comparison: Comparison, phases: Phases | None) -> dict[str, tuple[Array, str]]:
    """Return chips (n,) bool and colour of each group: the phases that were found, and what is in none."""
    everything = np.ones(len(comparison), bool)
    if phases is None:
        return {"all chips": (everything, ALL_CHIPS)}
    here = phases.on(comparison.compositions[0])
    masks = {name: mask[comparison.rows[0]] for name, mask in here.masks.items()}
    colours = phase_colours(phases)
    groups = {name: (mask, colours[name]) for name, mask in masks.items() if mask.any()}
    rest = ~np.any([*masks.values(), np.zeros(len(comparison), bool)], axis=0)
    # What is in no phase lies below the others.
    return {**({NONE: (rest, _OTHERS)} if rest.any() else {}), **groups}


def agreement_figure(
    comparison: Comparison, elements: Sequence[str] | None = None, *, phases: Phases | None = None
) -> Figure:
    """Return plots of agreement, a column for each element.

    Above: the first method against the second, with the line on which they agree, and a cross of one typical standard
    deviation. Below: their difference against their mean (Bland & Altman), with the bias and the limits of agreement.

    Parameters
    ----------
    comparison, elements
        What to draw; None for all elements.
    phases
        Chips are coloured by their phase.
    """
    from matplotlib.figure import Figure

    chosen = shown_elements(comparison, elements)
    groups = groups_of(comparison, phases)
    columns = min(len(chosen), 2 if len(chosen) == 4 else 3)
    rows = -(-len(chosen) // columns)
    block = _TOP + 2 * _PANEL + _BETWEEN + _BELOW
    head = _LEGEND if len(groups) > 1 else 0.0
    with paper():
        figure = Figure(figsize=(_LEFT + columns * (_PANEL + _GAP) - _GAP + 0.12, head + rows * block))
        for k, element in enumerate(chosen):
            row, column = divmod(k, columns)
            left, top = _LEFT + column * (_PANEL + _GAP), head + row * block + _TOP
            drawn, found = points(comparison, element), comparison.by_element[element]
            upper = axes_at(figure, left, top, _PANEL, _PANEL)
            lower = axes_at(figure, left, top + _PANEL + _BETWEEN, _PANEL, _PANEL)
            _identity(upper, drawn, found, groups, comparison)
            _bland_altman(lower, drawn, found, groups, comparison)
            upper.set_title(element, fontweight="bold")
            if k == 0 and len(groups) > 1:
                handles, labels = upper.get_legend_handles_labels()
                figure.legend(handles, labels, loc="upper left", ncols=len(groups), frameon=False, markerscale=2)
    return figure


def _identity(
    axes: Axes, drawn: Points, found: Agreement, groups: Mapping[str, tuple[Array, str]], comparison: Comparison
) -> None:
    """Draw the first method against the second."""
    first, second = comparison.methods
    unit = unit_of(comparison)
    axes.plot(drawn.identity, drawn.identity, color="black", lw=0.7, zorder=1)
    _scatter(axes, drawn.second, drawn.first, groups)
    _typical(axes, spread_sd(drawn.sd_second), spread_sd(drawn.sd_first), drawn.identity)
    axes.set_xlim(drawn.identity)
    axes.set_ylim(drawn.identity)
    axes.set_aspect("equal")
    axes.set_xlabel(f"{_short(second, first)} ({unit})")
    axes.set_ylabel(f"{_short(first, second)} ({unit})", labelpad=2)
    axes.locator_params(nbins=5)
    _say(axes, f"ratio {found.ratio:.3f}\nconcordance {found.concordance:.3f}")


def _bland_altman(
    axes: Axes, drawn: Points, found: Agreement, groups: Mapping[str, tuple[Array, str]], comparison: Comparison
) -> None:
    """Draw the difference against the mean."""
    unit = unit_of(comparison)
    axes.axhline(0.0, color="black", lw=0.5, zorder=1)
    _scatter(axes, drawn.mean, drawn.difference, groups)
    for value, style in ((found.bias, "-"), (found.lower, "--"), (found.upper, "--")):
        if np.isfinite(value):
            axes.axhline(value, color="#D55E00", lw=0.9, ls=style, zorder=3)
    axes.set_xlim(drawn.means)
    axes.set_ylim(drawn.differences)
    axes.set_xlabel(f"mean of both ({unit})")
    axes.set_ylabel(f"first − second ({unit})", labelpad=2)
    axes.locator_params(nbins=5)
    said = f"bias {found.bias:+z.2f} ± {found.bias_se:.2f}"
    if np.isfinite(found.lower):
        said += f"\nlimits {found.lower:+z.2f}, {found.upper:+z.2f}"
    _say(axes, said)


def _scatter(axes: Axes, x: Array, y: Array, groups: Mapping[str, tuple[Array, str]]) -> None:
    """Draw the chips of each group; smaller and clearer where they are many."""
    n = len(x)
    size, alpha = (10.0, 0.9) if n < 100 else (4.0, 0.6) if n < _FEW else (1.5, 0.4)
    for name, (mask, colour) in groups.items():
        axes.scatter(
            x[mask], y[mask], s=size, color=colour, alpha=alpha, lw=0, label=name, zorder=2, rasterized=n > _FEW
        )


def _typical(axes: Axes, sd_x: float, sd_y: float, ends: tuple[float, float]) -> None:
    """Draw a cross of one standard deviation either way into the lower right corner, where both are known."""
    if not np.isfinite([sd_x, sd_y]).any():
        return
    wide = ends[1] - ends[0]
    x, y = ends[1] - 0.06 * wide - np.nan_to_num(sd_x), ends[0] + 0.06 * wide + np.nan_to_num(sd_y)
    axes.errorbar(x, y, np.nan_to_num(sd_y), np.nan_to_num(sd_x), color="black", lw=0.8, capsize=1.2, zorder=4)


def _say(axes: Axes, text: str) -> None:
    """Write numbers into the upper left corner, with the minus sign that the axes have."""
    axes.text(
        0.03, 0.97, text.replace("-", "−"), transform=axes.transAxes, va="top", fontsize=6, zorder=5,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip


def _short(method: str, other: str) -> str:
    """Return a method's name, short enough for an axis: without what stands in brackets, if that tells it apart."""
    if len(method) <= _LABEL:
        return method
    bare, _, added = method.partition(" (")
    return bare if added and len(bare) <= _LABEL and not other.startswith(bare) else f"{method[: _LABEL - 1]}…"

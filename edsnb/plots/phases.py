"""A map of phases with its legend, and the scale bar of small maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.comparison.frame import Frame, frame_of
from edsnb.core.comparison.phases import Phases
from edsnb.core.counted import counted
from edsnb.plots.colours import OKABE_ITO, length_unit, rgb
from edsnb.plots.page import axes_at, paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edsnb.core.events import Array

NO_DATA = "#cfcfcf"
"""Colour of chips without a value."""
_STEPS = (1, 2, 5)
_MAP = 3.2
_LEGEND = 2.6
LEFT_OUT = {"vacuum": "#3d3d3d", "border": "#8f8f8f", "ambiguous": "#b9b2a3"}
"""Colours of chips that were left out, and why."""
WHY = {"vacuum": "vacuum", "border": "next to another phase", "ambiguous": "two phases' rules hold"}
NONE = "no phase"


def phase_colours(phases: Phases) -> dict[str, str]:
    """Return a colour for each phase, then for what was left out; orange is kept for what is selected."""
    kept = OKABE_ITO[1:]
    colours = {name: kept[k % len(kept)] for k, name in enumerate(phases.masks)}
    colours |= {WHY[why]: LEFT_OUT[why] for why, mask in phases.left_out.items() if why in WHY and mask.any()}
    return {**colours, NONE: NO_DATA}


def phase_groups(phases: Phases) -> dict[str, Array]:
    """Return the chips (n,) bool of each entry of the legend, in the order of `phase_colours`; each chip in one."""
    groups = dict(phases.masks)
    taken = np.any([*groups.values(), np.zeros(len(phases), bool)], axis=0)
    for why, mask in phases.left_out.items():
        if why in WHY and mask.any():
            groups[WHY[why]] = mask & ~taken
            taken = taken | mask
    return {**groups, NONE: ~taken}


def phase_picture(phases: Phases, frame: Frame) -> Array:
    """Return the phases in their colours (rows, columns, 4) uint8; clear where there is no region."""
    table = np.zeros((len(phases) + 1, 4), np.uint8)
    colours = phase_colours(phases)
    for name, mask in phase_groups(phases).items():
        table[:-1][mask] = (*rgb(colours[name]), 255)
    return table[frame.numbers]


def phases_figure(phases: Phases, *, pixel_nm: float | None = None) -> Figure:
    """Return the map of phases with a legend that says how many chips each has.

    Raises
    ------
    InputError
        Nobody knows where the regions lie.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    frame = frame_of(phases.names, phases.regions)
    y0, y1, x0, x1 = frame.extent
    ratio = float(np.clip((y1 - y0) / (x1 - x0), 0.15, 3.0))
    wide, high = (_MAP, _MAP * ratio) if ratio <= 1 else (_MAP / ratio, _MAP)
    colours = phase_colours(phases)
    with paper():
        figure = Figure(figsize=(wide + _LEGEND, max(high, 1.2) + 0.3))
        axes = axes_at(figure, 0.12, 0.15, wide, high)
        axes.imshow(phase_picture(phases, frame), extent=(x0, x1, y1, y0), interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        draw_scale(axes, frame, pixel_nm)
        entries = [
            Patch(
                facecolor=colours[name], edgecolor="black", lw=0.4, label=f"{name}: {counted(int(mask.sum()), 'chip')}"
            )
            for name, mask in phase_groups(phases).items()
            if mask.any() or name in phases.masks
        ]
        axes.legend(
            handles=entries, loc="upper left", bbox_to_anchor=(1.03, 1.0), frameon=False, borderaxespad=0, fontsize=7.5
        )
    return figure


def draw_scale(axes: Axes, frame: Frame, pixel_nm: float | None) -> None:
    """Draw a scale bar into the lower left corner of a map: white, edged in black to show on every colour."""
    import matplotlib.patheffects as effects

    y0, y1, x0, x1 = frame.extent
    length, text = scale_length(x1 - x0, pixel_nm, frame.unit)
    edge = [effects.withStroke(linewidth=1.6, foreground="black")]
    x, y = x0 + 0.06 * (x1 - x0), y1 - 0.07 * (y1 - y0)
    axes.plot([x, x + length], [y, y], color="black", lw=3.0, solid_capstyle="butt")
    axes.plot([x, x + length], [y, y], color="white", lw=1.8, solid_capstyle="butt")
    axes.text(
        x + length / 2, y - 0.035 * (y1 - y0), text, color="white", fontsize=6.5, ha="center", va="bottom",
        path_effects=edge,
    )  # fmt: skip
    axes.set_xlim(x0, x1)
    axes.set_ylim(y1, y0)


def scale_length(wide: float, pixel_nm: float | None, unit: str = "px") -> tuple[float, str]:
    """Return the length of a scale bar, in the unit of a map that is `wide`, and what is written at it."""
    known = bool(pixel_nm) and unit == "px"
    name, per_nm = length_unit(wide * float(pixel_nm or 1.0)) if known else (unit, 1.0)
    of_unit = float(pixel_nm or 1.0) * per_nm if known else 1.0
    target = 0.35 * wide * of_unit
    power = 10.0 ** np.floor(np.log10(target))
    length = max(step * power for step in _STEPS if step * power <= target * (1 + 1e-9))
    return float(length / of_unit), f"{length:g} {name}"

"""Pixel maps as a picture: at% of each element above its standard deviation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.plots.summary import scale_bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edsnb.core.events import Array
    from edsnb.core.maps import PixelMaps
    from edsnb.pipeline import Analysis

_PANEL_INCH = 3.4
_NO_DATA = "#dddddd"


def draw_maps(analysis: Analysis, path: Path) -> None:
    """Draw the pixel maps of an analysis into a PNG."""
    if analysis.maps is None:
        raise ValueError("the analysis has no pixel maps; its recipe needs a pixel_kernel")
    maps_figure(analysis.maps).savefig(path, dpi=110, metadata={"Software": None})


def maps_figure(maps: PixelMaps) -> Figure:
    """Return a figure with two rows: at% of each element, and its standard deviation."""
    from matplotlib.figure import Figure

    columns = len(maps.elements)
    ny, nx = maps.counts.shape
    height = _PANEL_INCH * min(max(ny / nx, 0.3), 2.0)
    figure = Figure(figsize=(_PANEL_INCH * columns + 0.4, 2 * height + 1.4), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    for k, element in enumerate(maps.elements):
        for row, (values, label) in enumerate(((maps.atomic[k], "at%"), (maps.sd_atomic[k], "sd, at%"))):
            low, high = _limits(values, from_zero=row == 1)
            axis = axes[row, k]
            shown = axis.imshow(values, cmap="cividis", vmin=low, vmax=high, interpolation="nearest")
            figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.04, label=label)
            axis.set_title(element if row == 0 else f"{element}, standard deviation", fontsize=10)
            axis.set_facecolor(_NO_DATA)
            scale_bar(axis, maps.pixel_nm)
    figure.suptitle(maps.describe(), fontsize=9, x=0.01, ha="left", wrap=True)
    return figure


def _limits(values: Array, *, from_zero: bool) -> tuple[float, float]:
    """Return colour limits that a few outliers do not stretch."""
    found = values[np.isfinite(values)]
    if not found.size:
        return 0.0, 1.0
    low, high = np.percentile(found, (1, 99))
    low = 0.0 if from_zero else min(low, 0.0) if low < 1.0 else low
    return float(low), float(max(high, low + 1e-6))

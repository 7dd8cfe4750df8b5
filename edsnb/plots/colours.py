"""Colours, colour limits, units of length, and images made small enough for a screen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edsnb.core.events import Array

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
"""Okabe & Ito's colours, told apart by all kinds of colour vision; the first is kept for what is selected."""
MIX = ("#FF3B30", "#34C759", "#3478F6", "#FFD60A", "#00D5E0", "#FF5CF4")
"""Colours of elements that are added up to one picture: light, so that they show on black."""
_LARGEST = 1024
"""Pixels along a side that a screen can show; larger pictures are averaged to no more than this."""

_FLAT = 1e-6
"""Values that differ by a smaller share than this differ by rounding alone."""


def colour_limits(image: Array, percentiles: tuple[float, float] = (0.0, 100.0)) -> tuple[float, float]:
    """Return the values at two percentiles of an image, the second above the first; (0, 1) where nothing is finite."""
    found = np.asarray(image)[np.isfinite(image)]
    if not found.size:
        return 0.0, 1.0
    low, high = np.percentile(found.astype(np.float64), percentiles).tolist()
    return (low, high) if high > low and not is_flat(low, high) else (low, low + (abs(low) * _FLAT or 1.0))


def is_flat(low: float, high: float) -> bool:
    """Tell whether limits are those of an image that has the same value everywhere, but for rounding."""
    return high - low <= 1.01 * _FLAT * abs(low)


def symmetric_limits(image: Array, percentile: float = 100.0) -> tuple[float, float]:
    """Return limits that lie evenly about zero, at a percentile of the image's absolute values."""
    _, high = colour_limits(np.abs(image), (0.0, percentile))
    return -high, high


def length_unit(field_nm: float) -> tuple[str, float]:
    """Return the unit in which a field is told, and how many of it a nanometre is."""
    if field_nm >= 2e6:
        return "mm", 1e-6
    return ("µm", 1e-3) if field_nm >= 2e3 else ("nm", 1.0)


def thinned(image: Array) -> tuple[Array, int]:
    """Return an image of at most 1,024 pixels a side, blocks of pixels averaged, and how many pixels a block is wide.

    Rows and columns beyond the last whole block are averaged among themselves.
    """
    step = -(-max(image.shape[:2]) // _LARGEST)
    if step == 1:
        return image, 1
    values = np.asarray(image, np.float64)
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], step)
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        widths = np.diff(np.append(starts, values.shape[axis])).reshape(shape)
        values = np.add.reduceat(values, starts, axis) / widths
    return values.astype(np.float32), step


def mix(maps: Sequence[Array], colours: Sequence[str], percentiles: tuple[float, float] = (1.0, 99.0)) -> Array:
    """Return maps (ny, nx) added up in their colours: (ny, nx, 4) uint8, each from black to its colour.

    Each map's own percentiles are black and full colour; NaN is black.
    """
    total = np.zeros((*np.shape(maps[0]), 3))
    for values, colour in zip(maps, colours, strict=True):
        low, high = colour_limits(values, percentiles)
        share = np.nan_to_num(np.clip((values - low) / (high - low), 0.0, 1.0))
        total += share[:, :, None] * np.array(rgb(colour))
    levels = np.rint(np.clip(total, 0, 255)).astype(np.uint8)
    return np.concatenate([levels, np.full((*levels.shape[:2], 1), 255, np.uint8)], axis=2)


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue (0 to 255) of a colour written as ``#0072B2``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

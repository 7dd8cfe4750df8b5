"""What a picture of a spectrum needs besides the spectrum: scales, limits, places for the names of its lines.

Glossary
--------
scale : how counts become heights: ``linear``, ``sqrt`` (every height has the same counting error) or ``log``.
floor : counts drawn at the foot of a logarithmic picture, as those of nothing cannot be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array
from edsnb.errors import InputError

SCALES = ("linear", "sqrt", "log")
_HEADROOM = 1.06
"""Height of the picture over its highest point."""
_PULLS = 5.0, 30.0
"""Least and most that a picture of residuals shows."""
_PART = 1e-3
"""Channels with less than this share of a component's highest are not part of its outline."""


def heights(counts: ArrayLike, scale: str, floor: float = 0.5) -> Array:
    """Return the heights (float32) at which counts are drawn on a scale; NaN stays NaN.

    On a logarithmic scale a height is log10 of the counts, `floor` at least; on that of square roots, of 0 at least.
    """
    values = np.asarray(counts, np.float64)
    if scale == "linear":
        return values.astype(np.float32)
    if scale == "sqrt":
        return np.sqrt(np.maximum(values, 0.0)).astype(np.float32)
    if scale == "log":
        return np.log10(np.maximum(values, floor)).astype(np.float32)
    raise InputError(f"scale {scale!r} is unknown; choose one of {', '.join(SCALES)}.")


def floor_of(curves: Sequence[Array]) -> float:
    """Return the foot of a logarithmic picture: half of what is nearly the least that these curves hold."""
    positive = np.concatenate([np.asarray(curve, np.float64).ravel() for curve in curves] or [np.empty(0)])
    positive = positive[positive > 0]
    # Half of the least number there is would be zero.
    return max(float(0.5 * np.percentile(positive, 1)), float(np.finfo(float).tiny)) if positive.size else 0.5


def limits(curves: Sequence[Array], scale: str, floor: float = 0.5) -> tuple[float, float]:
    """Return the lowest and highest height of a picture of these curves; none of them need hold a number."""
    tops = [np.nanmax(curve) for curve in curves if curve.size and np.isfinite(curve).any()]
    top = float(max([*tops, 10.0 * floor if scale == "log" else 1.0]))
    if scale == "log":
        low, high = np.log10(floor), np.log10(top)
        return float(low), float(low + _HEADROOM * (high - low))
    return 0.0, _HEADROOM * float(heights(top, scale))


def pull_limit(residuals: Array) -> float:
    """Return how far up and down a picture of residuals in standard deviations reaches."""
    found = np.abs(residuals[np.isfinite(residuals)])
    return float(np.clip(1.1 * found.max(), _PULLS[0], _PULLS[1])) if found.size else _PULLS[0]


def inside(energy_kev: Array, low: float, high: float) -> slice:
    """Return the channels between two energies; all of them where there are none."""
    first, stop = np.searchsorted(energy_kev, [low, high])
    return slice(int(first), int(stop)) if stop > first else slice(None)


def outline(component: Array, beneath: Array | None = None) -> tuple[Array, Array]:
    """Return where a component is more than nothing, and its counts there, on top of `beneath`.

    Returns
    -------
    (m,) indices of channels and (m,) counts; a gap has a channel of -1 and counts of NaN. Both are empty where the
    component is nothing.
    """
    values = np.asarray(component, np.float64)
    top = np.nanmax(values) if np.isfinite(values).any() else 0.0
    there = np.flatnonzero(values > _PART * top) if top > 0 else np.empty(0, int)
    gaps = np.flatnonzero(np.diff(there) > 1) + 1
    counts = values[there] if beneath is None else values[there] + np.asarray(beneath, np.float64)[there]
    return np.insert(there, gaps, -1), np.insert(counts, gaps, np.nan)


def place_names(peaks: ArrayLike, step: float, low: float, high: float) -> Array:
    """Return places for names beside `peaks` (ascending), at least a `step` apart and as near as can be.

    The sum of squared shifts is the least that keeps them apart (isotonic regression); names that would leave
    [low, high] are pushed in.
    """
    from scipy.optimize import isotonic_regression

    where = np.asarray(peaks, np.float64)
    if not where.size:
        return where
    steps = step * np.arange(len(where))
    found = isotonic_regression(where - steps).x
    return np.asarray(np.clip(found, low, max(high - steps[-1], low)) + steps)


def choose_names(
    peaks: ArrayLike, weights: ArrayLike, step: float, low: float, high: float, furthest: float
) -> tuple[Array, Array]:
    """Return which of the names beside `peaks` (ascending) are written, and their places.

    Where names stand so close that one would be further than `furthest` from its peak, the lightest of that group is
    left out, until they fit. Other arguments are those of `place_names`.
    """
    where, heavy = np.asarray(peaks, np.float64), np.asarray(weights, np.float64)
    kept = np.arange(len(where))
    while True:
        places = place_names(where[kept], step, low, high)
        shift = np.abs(places - where[kept])
        if not kept.size or shift.max() <= furthest:
            return kept, places
        # The names that push each other stand a step apart.
        groups = np.cumsum(np.diff(places, prepend=-np.inf) > 1.001 * step)
        crowd = np.flatnonzero(groups == groups[int(np.argmax(shift))])
        if crowd.size == 1:
            return kept, places
        kept = np.delete(kept, crowd[int(np.argmin(heavy[kept[crowd]]))])


def together(counts: ArrayLike, width: int) -> Array:
    """Return the mean of each `width` channels (last axis); an incomplete last group is left out."""
    values = np.asarray(counts, np.float64)
    groups = values.shape[-1] // width
    return values[..., : groups * width].reshape(*values.shape[:-1], groups, width).mean(axis=-1)

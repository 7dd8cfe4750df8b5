"""Which region of one composition is which of the other.

Names alone are not trusted where positions are known: ``R0C0`` of two grids can be two places. Regions that hold the
same pixels match, whatever they are called; only where one side does not know its positions do names decide.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from edsnb.core.events import Array
from edsnb.core.regions import Regions
from edsnb.errors import InputError


class Place(NamedTuple):
    """Regions to be matched, and whose they are."""

    owner: str
    names: tuple[str, ...]
    regions: Regions | None


class Matched(NamedTuple):
    """Pairs of regions, in the order of the first."""

    first: Array
    """(m,) rows of the first."""
    second: Array
    """(m,) rows of the second."""
    by: str
    """``name`` (and, where it is known, position) or ``position``."""
    apart_px: float
    """Largest distance between two edges of a pair, pixels; NaN where positions are not known."""


def match(first: Place, second: Place, tolerance_px: float = 0.0) -> Matched:
    """Pair the regions of two compositions.

    Parameters
    ----------
    first, second
        Regions, and whose they are.
    tolerance_px
        Regions whose bounding boxes are no further apart than this, edge by edge, match too; each only once, the
        nearest first. At 0, only regions of the same pixels do.

    Raises
    ------
    InputError
        The rasters differ, or there is no pair; the message says why.
    """
    if not tolerance_px >= 0:
        raise InputError(f"tolerance_px must be a number of pixels from 0 up; found {tolerance_px}.")
    for place in (first, second):
        if place.regions is not None and len(place.regions) != len(place.names):
            raise InputError(f"{place.owner}: {len(place.names)} names for {len(place.regions)} regions.")
    if first.regions is None or second.regions is None:
        return _by_name(first, second)
    if first.regions.shape != second.regions.shape:
        rasters = [f"{p.owner}: {s[0]} x {s[1]}" for p, s in ((p, _raster(p)) for p in (first, second))]
        raise InputError(
            f"the regions lie on maps of different rasters ({', '.join(rasters)} pixels), so no chip of one is a chip "
            "of the other. Compare results of one map, or without regions to go by their names."
        )
    return _by_position(first, second, first.regions, second.regions, tolerance_px)


def _raster(place: Place) -> tuple[int, int]:
    """Return the raster of regions that are there."""
    return (0, 0) if place.regions is None else place.regions.shape


def _by_name(first: Place, second: Place) -> Matched:
    """Pair regions of the same name."""
    at = {name: i for i, name in enumerate(second.names)}
    pairs = [(i, at[name]) for i, name in enumerate(first.names) if name in at]
    if not pairs:
        raise InputError(
            f"{first.owner} and {second.owner} have no region in common: names of the first are {_some(first.names)}, "
            f"of the second {_some(second.names)}, and positions are not known on both sides."
        )
    rows = np.array(pairs, np.int64)
    return Matched(rows[:, 0], rows[:, 1], "name", np.nan)


def _by_position(first: Place, second: Place, one: Regions, two: Regions, tolerance_px: float) -> Matched:
    """Pair regions of the same pixels, then those whose boxes nearly coincide."""
    partner = _same_pixels(one, two)
    near = _near_boxes(one, two, partner, tolerance_px) if tolerance_px > 0 else {}
    pairs = sorted((partner | near).items())
    if not pairs:
        raise _nothing_in_common(first, second, one, two)
    rows = np.array(pairs, np.int64)
    named = all(first.names[i] == second.names[j] for i, j in pairs)
    apart = np.abs(one.boxes[rows[:, 0]] - two.boxes[rows[:, 1]]).max() if near else 0.0
    return Matched(rows[:, 0], rows[:, 1], "name" if named else "position", float(apart))


def _same_pixels(one: Regions, two: Regions) -> dict[int, int]:
    """Return the partner of each region of `one` that has one of the same pixels; of several, that of its name."""
    keys, others = _keys(one), _keys(two)
    at: dict[bytes, list[int]] = {}
    for j, key in enumerate(others):
        at.setdefault(key, []).append(j)
    named = {(key, two.names[j]): j for j, key in enumerate(others)}
    partner = {i: named[key, one.names[i]] for i, key in enumerate(keys) if key and (key, one.names[i]) in named}
    free = set(range(len(two))) - set(partner.values())
    for i, key in enumerate(keys):
        left = [j for j in at.get(key, []) if j in free]
        if key and i not in partner and left:
            partner[i] = left[0]
            free.discard(left[0])
    return partner


def _keys(regions: Regions) -> list[bytes]:
    """Return the pixels of each region, sorted, as bytes; empty for an empty region."""
    ends = regions.indptr.tolist()
    return [np.sort(regions.pixels[a:b]).tobytes() for a, b in pairwise(ends)]


def _near_boxes(one: Regions, two: Regions, partner: dict[int, int], tolerance_px: float) -> dict[int, int]:
    """Return the partners of regions left over whose boxes lie within the tolerance, the nearest first."""
    left = np.array([i for i in range(len(one)) if i not in partner and one.sizes[i]], np.int64)
    free = np.array(sorted({j for j in range(len(two)) if two.sizes[j]} - set(partner.values())), np.int64)
    if not left.size or not free.size:
        return {}
    apart, nearest = _nearest(one.boxes[left], two.boxes[free])
    found: dict[int, int] = {}
    for i in np.argsort(apart, kind="stable"):
        j = int(free[nearest[i]])
        if apart[i] <= tolerance_px and j not in found.values():
            found[int(left[i])] = j
    return found


def _nearest(boxes: Array, others: Array) -> tuple[Array, Array]:
    """Return how far the nearest of the other boxes is from each (n,), largest difference of an edge, and which."""
    from scipy.spatial import KDTree

    apart, which = KDTree(others).query(boxes, p=np.inf)
    return np.asarray(apart), np.asarray(which)


def _nothing_in_common(first: Place, second: Place, one: Regions, two: Regions) -> InputError:
    """Return the error for regions that share no place, with how far they are apart."""
    names = len(set(first.names) & set(second.names))
    trap = f" {names} names are the same, but stand for other places." if names else ""
    near = ""
    full, others = one.sizes > 0, two.sizes > 0
    if full.any() and others.any():
        apart = _nearest(one.boxes[full], two.boxes[others])[0].min()
        near = f" The nearest boxes differ by {apart:g} px: tolerance_px={max(apart, 1):g} would pair them."
    return InputError(
        f"no chip of {first.owner} ({_shape(one)}) has the pixels of one of {second.owner} ({_shape(two)}).{trap} "
        f"Cut both by the same grid.{near}"
    )


def _shape(regions: Regions) -> str:
    """Say what the regions are."""
    return f"{len(regions)} regions" if regions.grid is None else regions.grid.describe(regions.shape)


def _some(names: tuple[str, ...]) -> str:
    """Return the first names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "none"

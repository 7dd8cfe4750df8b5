"""Irregular regions: pixels inside a polygon, along a brush stroke, between two values of a picture, of a label image.

All places are (y, x) in pixel units, where pixel (0, 0) is centred on (0, 0). A mask is a boolean image (ny, nx).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Regions, Spectra, chip
from edsnb.errors import CancelledError, InputError

Corners = Sequence[tuple[float, float]]
_BLOCK = 200
"""Regions summed between two reports of progress."""


def polygon_mask(corners: Corners, shape: tuple[int, int]) -> Array:
    """Return the pixels whose centres lie inside a polygon."""
    return Regions.from_polygons({"polygon": corners}, shape).mask(0)


def stroke_mask(path: Corners, radius: float, shape: tuple[int, int]) -> Array:
    """Return the pixels whose centres lie no farther than `radius` from a path; a path of one point is a disc."""
    points = np.asarray(path, float).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all() or not radius > 0:
        raise InputError(
            f"a brush of radius {radius} px along {len(points)} points cannot be: give points and a width."
        )
    mask = np.zeros(shape, bool)
    ends = [(points[0], points[0]), *pairwise(points)]
    for start, stop in ends:
        low = np.maximum(np.floor(np.minimum(start, stop) - radius).astype(int), 0)
        high = np.minimum(np.ceil(np.maximum(start, stop) + radius).astype(int) + 1, shape)
        if (low >= high).any():
            continue
        y, x = np.mgrid[low[0] : high[0], low[1] : high[1]]
        along = stop - start
        length = float(along @ along)
        # The nearest point of the piece, as a share of its length.
        share = np.clip(((y - start[0]) * along[0] + (x - start[1]) * along[1]) / length, 0, 1) if length else 0.0
        gap = (y - start[0] - share * along[0]) ** 2 + (x - start[1] - share * along[1]) ** 2
        mask[low[0] : high[0], low[1] : high[1]] |= gap <= radius**2
    return mask


def between(picture: Array, low: float, high: float) -> Array:
    """Return the pixels of a picture (ny, nx) with low <= value <= high; NaN never is."""
    with np.errstate(invalid="ignore"):
        return (picture >= low) & (picture <= high)


def label_masks(labels: Array, *, zero_outside: bool = True) -> dict[int, Array]:
    """Return a mask for each label of an image of integers or booleans (ny, nx); negative labels are outside.

    `zero_outside` leaves 0 out too, which most programs write where there is no label.
    """
    image = np.asarray(labels)
    if image.ndim != 2 or not (image.dtype == bool or np.issubdtype(image.dtype, np.integer)):
        raise InputError(f"a label image must be a 2-D array of whole numbers; found {image.ndim}-D {image.dtype}.")
    first = 1 if zero_outside or image.dtype == bool else 0
    return {int(k): image == k for k in np.unique(image) if k >= first}


def subset(regions: Regions, chosen: Sequence[int]) -> Regions:
    """Return some of the regions, in the order asked for."""
    numbers = np.asarray(chosen, np.int64)
    sizes = regions.sizes[numbers]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    # Each pixel's place in its new region, moved to where that region stood.
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes) + np.repeat(regions.indptr[numbers], sizes)
    return Regions(regions.shape, tuple(regions.names[k] for k in numbers), starts, regions.pixels[within])


def sums(picture: Array, regions: Regions) -> Array:
    """Return the sum of a picture (ny, nx) over each region (n,)."""
    values = np.append(picture.ravel()[regions.pixels].astype(np.float64), 0.0)
    # The sum from one start to the next; of a region without pixels that would be its neighbour's first.
    return np.where(regions.sizes > 0, np.add.reduceat(values, regions.indptr[:-1]), 0.0)


def chip_in_blocks(image: SpectrumImage, regions: Regions, progress: Progress) -> Spectra:
    """Return what `edsnb.chip` does, summed in blocks of regions between which `progress` is told (done, total).

    Raises
    ------
    CancelledError
        `progress` returned False.
    """
    parts = []
    for first in range(0, len(regions), _BLOCK):
        if progress(first, len(regions)) is False:
            raise CancelledError(f"summing was stopped after {first} of {len(regions)} regions.")
        parts.append(chip(image, subset(regions, range(first, min(first + _BLOCK, len(regions))))))
    if not parts:
        return chip(image, regions)
    return replace(parts[0], counts=np.concatenate([p.counts for p in parts]), names=regions.names, regions=regions)


def spaced(path: Corners, gap: float) -> list[tuple[float, float]]:
    """Return a path without points nearer than `gap` to the one kept before; its ends stay."""
    kept: list[tuple[float, float]] = []
    for k, (y, x) in enumerate(path):
        if not kept or k == len(path) - 1 or (y - kept[-1][0]) ** 2 + (x - kept[-1][1]) ** 2 >= gap**2:
            kept.append((float(y), float(x)))
    return kept


def join(*parts: Regions) -> Regions:
    """Return the regions of several, of one map, as one; names must differ, and a grid among them is one no more.

    A single one is returned as it is.
    """
    kept = [part for part in parts if len(part)]
    if not kept:
        raise InputError("there is no region to join: give at least one.")
    if len(kept) == 1:
        return kept[0]
    if len(shapes := {part.shape for part in kept}) > 1:
        raise InputError(f"regions of maps of unlike shapes {sorted(shapes)} cannot be joined.")
    sizes = np.concatenate([part.sizes for part in kept])
    return Regions(
        kept[0].shape,
        tuple(name for part in kept for name in part.names),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.concatenate([part.pixels for part in kept]),
    )

"""X-ray events sorted by pixel, and the loops that sum them.

Glossary
--------
P : number of pixels, row by row (flat index ``y * nx + x``).
E : number of energy channels.
N : number of stored entries.

A map of 512 x 512 pixels and 4,096 channels is 2 GB as a dense cube of uint16, but its 31 million
X-rays are 62 MB as a list of channels. Nothing in edsnb ever builds the cube.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edsnb.errors import InputError

Array = NDArray[Any]
_PARTS = 4
"""Parts of a map for each core: pixels differ in X-rays, and a core that is done early takes another part."""
_LANES = 8
"""Columns are added in eights: whole vector registers, without a rest to be added one by one, are a fifth faster."""


def frozen(array: Array) -> Array:
    """Return `array` as a read-only view, so that a frozen record really is one."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def smallest_unsigned(largest: int) -> np.dtype[Any]:
    """Return the smallest unsigned integer type that holds `largest`."""
    return np.min_scalar_type(max(int(largest), 0))


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """X-ray events in compressed sparse row order: one row a pixel.

    The entries of pixel p are ``channel[indptr[p]:indptr[p + 1]]``. A channel may stand more than
    once in a pixel; the sum counts.
    """

    indptr: Array
    """(P + 1,) int64, where each pixel's entries start."""
    channel: Array
    """(N,) uint16 or uint32, the energy channel of each entry."""
    count: Array | None
    """(N,) X-rays of each entry (unsigned, or float for data that is not whole counts);
    None where every entry is one X-ray."""
    channels: int
    """E, the number of energy channels."""

    def __post_init__(self) -> None:
        """Check that the arrays belong together, and freeze them."""
        if self.indptr.ndim != 1 or len(self.indptr) < 1 or int(self.indptr[-1]) != len(self.channel):
            raise InputError(
                f"events: indptr must end at the number of entries ({len(self.channel)}); "
                f"found shape {self.indptr.shape}. Build Events with Events.from_dense or edsnb.open."
            )
        if self.count is not None and self.count.shape != self.channel.shape:
            raise InputError(
                f"events: count has shape {self.count.shape}, channel has {self.channel.shape}; they must match."
            )
        # The compiled loops check no bounds: these two lines keep them inside their arrays.
        if self.indptr[0] != 0 or (np.diff(self.indptr.astype(np.int64)) < 0).any():
            raise InputError("events: indptr must begin at 0 and never fall. Build Events with Events.from_dense.")
        if self.channel.size and not 0 <= self.channel.min() <= self.channel.max() < self.channels:
            raise InputError(
                f"events: channels {self.channel.min()} to {self.channel.max()} on an axis of {self.channels} "
                "channels, which are numbered from 0."
            )
        object.__setattr__(self, "indptr", frozen(self.indptr.astype(np.int64, copy=False)))
        object.__setattr__(self, "channel", frozen(self.channel))
        if self.count is not None:
            object.__setattr__(self, "count", frozen(self.count))

    @property
    def pixels(self) -> int:
        """P, the number of pixels."""
        return len(self.indptr) - 1

    def total(self) -> float:
        """Return the number of X-rays of all pixels and channels."""
        return float(len(self.channel) if self.count is None else self.count.sum(dtype=np.float64))

    @classmethod
    def from_dense(cls, cube: Array) -> Events:
        """Make events from a dense array of counts (P, E); whole numbers are stored as such."""
        cube = np.asarray(cube)
        if cube.ndim != 2:
            raise InputError(f"events are made from a 2-D array (pixels, channels); found {cube.ndim}-D. Reshape it.")
        rows, columns = np.nonzero(cube)
        values = cube[rows, columns]
        if not np.isfinite(values).all():
            raise InputError("the spectrum image holds NaN or infinite counts; mask or repair them before opening it.")
        if values.size and values.min() < 0:
            raise InputError(
                f"the spectrum image holds negative counts (lowest {values.min():g}); EDS counts cannot be negative. "
                "Open the raw data, before any background subtraction."
            )
        if np.array_equal(values, np.rint(values)):
            values = values.astype(smallest_unsigned(int(values.max(initial=0))))
        indptr = np.zeros(cube.shape[0] + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=cube.shape[0]), out=indptr[1:])
        return cls(indptr, columns.astype(smallest_unsigned(max(cube.shape[1] - 1, 65535))), values, cube.shape[1])

    def to_dense(self, pixels: slice = slice(None)) -> Array:
        """Return the counts of `pixels` as a dense array (P', E): for small maps, exports and tests."""
        start, stop = _range_of(self, pixels)
        low, high = self.indptr[start], self.indptr[stop]
        rows = np.repeat(np.arange(stop - start), np.diff(self.indptr[start : stop + 1]))
        count = None if self.count is None else self.count[low:high]
        flat = np.bincount(rows * self.channels + self.channel[low:high], count, (stop - start) * self.channels)
        return flat.reshape(stop - start, self.channels).astype(_sum_type(self))


def sum_regions(events: Events, indptr: Array, pixels: Array) -> Array:
    """Sum the spectra of the pixels of each region.

    Parameters
    ----------
    events
        X-rays of P pixels and E channels.
    indptr, pixels
        Regions in compressed form: region r holds ``pixels[indptr[r]:indptr[r + 1]]``, flat indices.

    Returns
    -------
    (n, E) uint32 for whole counts (uint64 where a sum could pass 2**32), else float64.
    """
    out = np.zeros((len(indptr) - 1, events.channels), _sum_type(events))
    _sum_regions(events.indptr, events.channel, _count_of(events), events.count is None, indptr, pixels, out)
    return out


def sum_channels(events: Events, weights: Array, pixels: slice = slice(None), out: Array | None = None) -> Array:
    """Return, for every pixel, the sum of ``weights[channel]`` over its X-rays.

    Parameters
    ----------
    weights
        (E, m) or (E,): one column a map. A column of ones inside an energy window and zeros
        outside gives the counts in that window.
    pixels
        P' pixels that follow one another; all by default.
    out
        (P', m) to write the sums into, float64 or float32; they are made in double precision all the same.

    Returns
    -------
    (P', m) or (P',) float64, or `out`.
    """
    if np.ndim(weights) not in (1, 2) or len(weights) != events.channels:
        raise InputError(
            f"weights must have one row a channel; found {np.shape(weights)} for {events.channels} channels."
        )
    start, stop = _range_of(events, pixels)
    columns = 1 if np.ndim(weights) == 1 else np.shape(weights)[1]
    table = np.zeros((events.channels, -(-columns // _LANES) * _LANES))
    table[:, :columns] = np.reshape(weights, (events.channels, columns))
    sums = np.empty((stop - start, columns)) if out is None else out
    if sums.shape != (stop - start, columns):
        raise InputError(f"out has shape {sums.shape}, the sums have {(stop - start, columns)}.")
    count, ones = _count_of(events), events.count is None

    def work(part: tuple[int, int]) -> None:
        low, high = part
        _sum_channels(events.indptr[start + low : start + high + 1], events.channel, count, ones, table, sums[low:high])

    edges = np.linspace(0, len(sums), _PARTS * (os.cpu_count() or 1) + 1).astype(int).tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, pairwise(edges)))
    return sums[:, 0] if np.ndim(weights) == 1 else sums


def _range_of(events: Events, pixels: slice) -> tuple[int, int]:
    """Return the first pixel of a slice, and the one after its last."""
    start, stop, step = pixels.indices(events.pixels)
    if step != 1:
        raise InputError(f"pixels must follow one another: a slice with step 1, not {step}.")
    return start, max(start, stop)


def _count_of(events: Events) -> Array:
    """Return the counts (a dummy of one where all are 1)."""
    return np.ones(1, np.uint8) if events.count is None else events.count


def _sum_type(events: Events) -> np.dtype[Any]:
    """Return the type of sums of the counts: whole where they are, wide enough for all of them together."""
    if events.count is not None and not np.issubdtype(events.count.dtype, np.integer):
        return np.dtype(np.float64)
    return np.dtype(np.uint32 if events.total() < 2**32 else np.uint64)


@numba.njit(cache=True, nogil=True)
def _sum_regions(indptr, channel, count, ones, region_indptr, pixels, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for r in range(len(region_indptr) - 1):
        row = out[r]
        for i in range(region_indptr[r], region_indptr[r + 1]):
            p = pixels[i]
            for j in range(indptr[p], indptr[p + 1]):
                row[channel[j]] += 1 if ones else count[j]


@numba.njit(cache=True, nogil=True)
def _sum_channels(indptr, channel, count, ones, table, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    columns, kept = table.shape[1], out.shape[1]
    total = np.zeros(columns)  # of its own, so that the compiler may add several columns at once
    for p in range(len(indptr) - 1):
        total[:] = 0.0
        for j in range(indptr[p], indptr[p + 1]):
            row = table[channel[j]]
            if ones:
                for m in range(columns):
                    total[m] += row[m]
            else:
                for m in range(columns):
                    total[m] += count[j] * row[m]
        for m in range(kept):
            out[p, m] = total[m]

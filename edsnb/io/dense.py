"""Dense counts, in memory or lazy, into events: a bounded block of pixels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from edsnb.core.events import Array, Events
from edsnb.io.files import Progress, Ticker

BLOCK_BYTES = 64_000_000
"""Dense bytes held at once."""


def dense_events(data: Any, *, progress: Progress | None = None) -> Events:
    """Return counts by pixel as events.

    Parameters
    ----------
    data
        (P, E): anything that slices along its first axis into something `numpy.asarray` takes (NumPy, dask, h5py) or
        that has `todense` (sparse).
    progress
        Called as ``progress(done, total)`` in pixels; returning False cancels.

    Raises
    ------
    InputError
        The values cannot be counts: negative, infinite or NaN.
    """
    pixels, channels = data.shape
    step = max(1, BLOCK_BYTES // max(1, np.dtype(data.dtype).itemsize * channels))
    tick = Ticker(progress, pixels)
    parts = []
    for start in range(0, pixels, step):
        block = data[start : start + step]
        parts.append(Events.from_dense(np.asarray(block.todense() if hasattr(block, "todense") else block)))
        tick(min(step, pixels - start))
    return joined(parts, channels)


def joined(parts: list[Events], channels: int) -> Events:
    """Return the events of consecutive runs of pixels as one."""
    counts: list[Array] = [part.count for part in parts if part.count is not None]
    starts = np.cumsum([0, *(len(part.channel) for part in parts)])
    indptr = [part.indptr[1:] + start for part, start in zip(parts, starts, strict=False)]
    empty = np.zeros(0, np.uint16)
    channel = np.concatenate([part.channel for part in parts] or [empty])
    return Events(np.concatenate([[0], *indptr]), channel, np.concatenate(counts or [empty]), channels)

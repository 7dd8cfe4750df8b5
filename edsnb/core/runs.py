"""Label images and masks as runs: short enough to stand in a text file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edsnb.core.events import Array


def to_runs(labels: Array) -> list[tuple[int, int]]:
    """Return an image of whole numbers (or of True and False) as (value, length) runs, row by row."""
    flat = labels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat.astype(np.int64))) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    return list(zip(flat[starts].tolist(), lengths.tolist(), strict=True))


def from_runs(runs: Sequence[Sequence[int]], shape: Sequence[int]) -> Array:
    """Return the image (int64) that `to_runs` gave; raise ValueError where the runs do not fill `shape`."""
    value, length = np.asarray(runs, np.int64).reshape(-1, 2).T
    return np.repeat(value, length).reshape([int(n) for n in shape])

"""PychipClassifier's files: the image, and the X-rays of every pixel under it as a dense cube [y, x, E].

A map of 512 x 512 pixels and 4,096 channels would be a cube of 1 to 2 GB. So the channels that were fitted are summed
in groups, by default as many as keep the file below `BUDGET`, and the cube is written row by row, never held in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edsnb.core.events import Array, Events, smallest_unsigned
from edsnb.errors import CancelledError
from edsnb.io.fewshot.chips import Chips
from edsnb.io.fewshot.formats import Format
from edsnb.io.fewshot.tables import png, write_index
from edsnb.io.files import Progress

BUDGET = 450_000_000
"""Bytes that ``eds.npy`` does not pass unless a bin is asked for."""


def write_pychipclassifier(chips: Chips, folder: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Write ``haadf.png`` (8 bits, cropped to whole chips), ``eds.npy`` on the same pixels, and ``support.json``."""
    patches = chips.require_patches(Format.PYCHIPCLASSIFIER)
    _, (rows, columns) = patches.require_grid("export: pychipclassifier", touching=True)
    inside = folder / "pychipclassifier"
    inside.mkdir()
    y0, y1, x0, x1 = patches.covered()
    (inside / "haadf.png").write_bytes(png(np.ascontiguousarray(patches.grey()[y0:y1, x0:x1])))
    made = _write_cube(chips, inside, (y0, y1, x0, x1), progress)
    if chips.labels:
        text = json.dumps({label: list(names) for label, names in chips.labels.items()}, indent=2, ensure_ascii=False)
        (inside / "support.json").write_text(text + "\n", encoding="utf-8", newline="")
    write_index(chips, inside, ["haadf.png"] * len(chips))
    return {"chips_genesis": columns, "rows": rows, "bits": 8, "limits": patches.limits(), "eds": made}


def _write_cube(
    chips: Chips, folder: Path, part: tuple[int, int, int, int], progress: Progress | None
) -> dict[str, Any]:
    """Write ``eds.npy`` and the energies of its channels."""
    image, channels = chips.analysis.image, chips.analysis.fit.channels
    events, axis = image.require_events(), image.energy
    y0, y1, x0, x1 = part
    area, number = (y1 - y0) * (x1 - x0), channels.stop - channels.start
    total = 2 * (y1 - y0)
    # One byte a value to begin with; where a value needs more, the bins must be wider, so that it is looked at again.
    width = chips.energy_bin or max(1, -(-area * number // BUDGET))
    width = min(width, number)
    while True:
        rows = _Rows(events, image.shape[1], part, channels.start, width, number // width)
        dtype = _type_of(rows, events, progress, total)
        size = area * rows.bins * dtype.itemsize
        if chips.energy_bin is not None or size <= BUDGET or width >= number:
            break
        width = min(-(-width * size // BUDGET), number)
    with (folder / "eds.npy").open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False,
                  "shape": (y1 - y0, x1 - x0, rows.bins)}  # fmt: skip
        np.lib.format.write_array_header_1_0(file, header)
        for k, y in enumerate(range(y0, y1)):
            file.write(rows.counts(y).astype(dtype).tobytes())
            _tell(progress, y1 - y0 + k + 1, total)
    first = channels.start + 0.5 * (width - 1)
    energies = axis.offset_kev + axis.scale_kev * (first + width * np.arange(rows.bins))
    np.save(folder / "energy_kev.npy", energies)
    return {
        "channels_in_one": width,
        "bin_ev": round(1e3 * axis.scale_kev * width, 6),
        "shape": [y1 - y0, x1 - x0, rows.bins],
        "dtype": str(dtype),
        "energy_kev": [float(energies[0]), float(energies[-1])],
        "channels_left_out": number - rows.bins * width,
    }


class _Rows:
    """The X-rays of one row of pixels after another, channels summed in groups."""

    def __init__(
        self, events: Events, nx: int, part: tuple[int, int, int, int], first: int, width: int, bins: int
    ) -> None:
        self.part, self.bins = part, bins
        self._events, self._nx, self._first, self._width = events, nx, first, width

    def counts(self, y: int) -> Array:
        """Return the X-rays of the row's pixels (width, bins)."""
        events, (_, _, x0, x1) = self._events, self.part
        indptr = events.indptr[y * self._nx + x0 : y * self._nx + x1 + 1]
        held = slice(int(indptr[0]), int(indptr[-1]))
        group = (events.channel[held].astype(np.int64) - self._first) // self._width
        inside = (group >= 0) & (group < self.bins)
        pixel = np.repeat(np.arange(x1 - x0), np.diff(indptr))
        flat = pixel[inside] * self.bins + group[inside]
        weights = None if events.count is None else events.count[held][inside]
        return np.bincount(flat, weights, (x1 - x0) * self.bins).reshape(x1 - x0, self.bins)


def _type_of(rows: _Rows, events: Events, progress: Progress | None, total: int) -> np.dtype[Any]:
    """Return the smallest type that holds every value of a cube."""
    if events.count is not None and not np.issubdtype(events.count.dtype, np.integer):
        return np.dtype(np.float32)
    largest, (y0, y1, _, _) = 0, rows.part
    for k, y in enumerate(range(y0, y1)):
        largest = max(largest, int(rows.counts(y).max(initial=0)))
        _tell(progress, k + 1, total)
    return smallest_unsigned(largest)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    """Report progress; raise CancelledError where it says to stop."""
    if progress is not None and progress(done, total) is False:
        raise CancelledError(f"the export was stopped after {done} of {total} rows; nothing was kept.")

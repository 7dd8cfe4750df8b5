"""The compressed map that Velox keeps beside the event streams, and that is all a reduced file has left.

The layout is not published; it was found by comparing maps with the streams in the same files, where it
gives the same counts. A header of ``16 + n`` bytes (n: uint64 at byte 8, and its last byte is 2, the bytes of
a count), then for each row, for each channel, a block: its length in bytes (uint16) and the counts of the row's
pixels in that channel. A count is a uint16; a 0 is followed by one byte, the number of further zeros. An
empty block stands for a row of zeros. All numbers are little-endian.

Everything is checked on the way: a block that does not fill its row, or bytes left over, and the map is not used.
"""

from __future__ import annotations

import h5py
import numba
import numpy as np

from edsnb.core.events import Events

HEADER = 16


def read_cube(dataset: h5py.Dataset, shape: tuple[int, int], bins: int) -> Events | None:
    """Return the X-rays of a compressed map, None where its layout is not the one known.

    Parameters
    ----------
    dataset
        ``/Data/SpectrumImage/<id>/Data``, (N, 1) uint8.
    shape
        (ny, nx) of the raster.
    bins
        E, the number of channels.
    """
    if dataset.dtype != np.uint8 or dataset.size < HEADER:
        return None
    data = dataset[()].reshape(-1)
    start = HEADER + int(data[8:HEADER].view("<u8")[0])
    if start > len(data) or data[start - 1] != 2:
        return None
    entries = np.zeros(shape[0] * shape[1], np.int64)
    if not _count_entries(data, start, shape[1], bins, entries):
        return None
    indptr = np.concatenate([[0], np.cumsum(entries)])
    channel, count = np.empty(indptr[-1], np.uint16), np.empty(indptr[-1], np.uint16)
    _fill_entries(data, start, shape[1], bins, indptr[:-1].copy(), channel, count)
    return Events(indptr, channel, count, bins)


@numba.njit(cache=True, nogil=True)
def _count_entries(data, start, nx, bins, entries):  # type: ignore[no-untyped-def]  # pragma: no cover
    at = start
    for row in range(len(entries) // nx):
        for _ in range(bins):
            if at + 2 > len(data):
                return False
            size = data[at] + 256 * data[at + 1]
            at += 2
            end = at + size
            if end > len(data):
                return False
            column = 0
            while at < end:
                if end - at < 2 or column >= nx:
                    return False
                if data[at] == 0 and data[at + 1] == 0:
                    if end - at < 3:
                        return False
                    column += 1 + data[at + 2]
                    at += 3
                else:
                    entries[row * nx + column] += 1
                    column += 1
                    at += 2
            if size > 0 and column != nx:
                return False
    return at == len(data)


@numba.njit(cache=True, nogil=True)
def _fill_entries(data, start, nx, bins, position, channel, count):  # type: ignore[no-untyped-def]  # pragma: no cover
    at = start
    for row in range(len(position) // nx):
        for c in range(bins):
            end = at + 2 + data[at] + 256 * data[at + 1]
            at += 2
            pixel = row * nx
            while at < end:
                value = data[at] + 256 * data[at + 1]
                if value == 0:
                    pixel += 1 + data[at + 2]
                    at += 3
                else:
                    channel[position[pixel]] = c
                    count[position[pixel]] = value
                    position[pixel] += 1
                    pixel += 1
                    at += 2

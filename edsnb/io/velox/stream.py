"""Velox event streams, decoded straight into X-rays sorted by pixel.

Glossary
--------
word : one uint16 of a stream: the channel of an X-ray, or a marker.
marker : 65535, the end of a pixel. Pixels follow row by row, frame after frame.
stream : the words of one detector segment. A map is the sum of all its segments.
raster : (ny, nx) and the number of frames. A stream has ny * nx * frames markers; in some files
    the last one is missing, so that is what a raster is checked by.

Decoding takes three passes, each in blocks, so that memory stays bounded: count the markers (which
settles the raster), locate the rows (which gives the X-rays of each pixel), place the X-rays. The
last pass takes a row of many frames at once, because the X-rays of a pixel then stay in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO

import h5py
import numba
import numpy as np

from edsnb.core.events import Array, Events
from edsnb.errors import FileFormatError
from edsnb.io.files import Ticker

MARKER = 65535
BLOCK = 2**20
"""Words per block while scanning: small enough for the second-level cache."""
GROUP = 2**24
"""Words held at once while placing X-rays (32 MB)."""
WORKERS = min(4, os.cpu_count() or 1)
PASSES = 3
"""Times each word is read, for progress."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The words of one detector segment, wherever they lie in the file."""

    name: str
    """The segment, such as ``SuperXG21``."""
    dataset: h5py.Dataset
    """(N, 1) uint16."""
    file: FileIO | None = None
    """The file itself, where the words can be read without HDF5's bookkeeping (six times faster)."""
    runs: Array | None = None
    """(m, 2) first word and byte address of each stretch of words that is contiguous in the file."""

    def __len__(self) -> int:
        """Return N, the number of words."""
        return int(self.dataset.shape[0])

    def read(self, start: int, out: Array) -> None:
        """Copy ``len(out)`` words from word `start` on into `out`."""
        if self.file is None or self.runs is None:
            out[:] = self.dataset[start : start + len(out)].reshape(-1)
            return
        stop, bounds = start + len(out), self.runs[:, 0]
        first, last = np.searchsorted(bounds, [start, stop - 1], side="right") - 1
        for run in range(first, last + 1):
            begin = max(start, int(bounds[run]))
            end = min(stop, int(bounds[run + 1])) if run + 1 < len(bounds) else stop
            self.file.seek(int(self.runs[run, 1]) + 2 * (begin - int(bounds[run])))
            if self.file.readinto(out[begin - start : end - start].view(np.uint8).data) != 2 * (end - begin):
                raise FileFormatError(f"{self.file.name} ends inside the X-rays of {self.name}; copy it again.")

    def blocks(self, stop: int) -> Iterator[tuple[int, Array]]:
        """Yield (first word, words) of the stream up to word `stop`; the array is reused."""
        buffer = np.empty(min(BLOCK, max(stop, 1)), np.uint16)
        for start in range(0, stop, BLOCK):
            words = buffer[: min(BLOCK, stop - start)]
            self.read(start, words)
            yield start, words


def open_stream(name: str, dataset: h5py.Dataset, file: FileIO | None) -> Stream:
    """Return a stream that reads around HDF5 where that is safe, else through it.

    Safe means: plain little-endian words in uncompressed chunks, and a first and last chunk that read the same
    both ways.
    """
    if dataset.dtype.kind != "u" or dataset.dtype.itemsize != 2:
        raise FileFormatError(
            f"the event stream of {name} holds {dataset.dtype}, edsnb reads uint16. Please report this file."
        )
    runs = None if file is None else _contiguous_runs(dataset)
    if runs is None:
        return Stream(name, dataset)
    stream = Stream(name, dataset, file, runs)
    words = np.empty(min(len(stream), dataset.chunks[0]), np.uint16)
    for start in (0, len(stream) - len(words)):
        stream.read(start, words)
        if not np.array_equal(words, dataset[start : start + len(words)].reshape(-1)):
            return Stream(name, dataset)
    return stream


def _contiguous_runs(dataset: h5py.Dataset) -> Array | None:
    """Return where the words of an uncompressed chunked dataset lie in the file, None where that is not plain."""
    create = dataset.id.get_create_plist()
    plain = (
        dataset.chunks is not None
        and dataset.size > 0
        and dataset.dtype.isnative
        and np.little_endian
        and create.get_nfilters() == 0
        and dataset.file.userblock_size == 0
        and hasattr(dataset.id, "chunk_iter")
    )
    if not plain:
        return None
    found: list[tuple[int, int]] = []
    dataset.id.chunk_iter(lambda chunk: found.append((chunk.chunk_offset[0], chunk.byte_offset)))
    chunks = np.array(sorted(found), np.int64).reshape(-1, 2)
    size = dataset.chunks[0]
    if not np.array_equal(chunks[:, 0], np.arange(0, dataset.shape[0], size)):
        return None
    breaks = np.flatnonzero(np.diff(chunks[:, 1]) != 2 * size) + 1
    return chunks[np.concatenate([[0], breaks])]


def count_markers(stream: Stream, bins: int, tick: Ticker) -> int:
    """Return the number of pixel markers, or raise where a word is neither a marker nor a channel below `bins`."""
    markers = 0
    for _, words in stream.blocks(len(stream)):
        highest = int((words + np.uint16(1)).max()) - 1  # markers wrap round to 0, so they do not count here
        if highest >= bins:
            raise FileFormatError(
                f"the event stream of {stream.name} holds channel {highest}, the file gives {bins} channels: it is "
                "damaged or of a kind edsnb does not know. Please report this file."
            )
        markers += int(np.count_nonzero(words == MARKER))
        tick(len(words))
    return markers


def decode(
    streams: Sequence[Stream], shape: tuple[int, int], keep: Array, bins: int, tick: Ticker
) -> tuple[Events, Array]:
    """Sort the X-rays of all streams by pixel.

    Parameters
    ----------
    streams
        Segments, already checked by `count_markers`.
    shape
        (ny, nx) of the raster.
    keep
        (frames,) bool, which frames to sum.
    bins
        E, the number of channels.

    Returns
    -------
    events
        X-rays of ny * nx pixels, segments and frames summed.
    spectra
        (segments, E) int64, X-rays of the frames kept in each segment.
    """
    counts = np.zeros(shape[0] * shape[1], np.int64)
    rows = [_locate_rows(stream, shape, keep, counts, tick) for stream in streams]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    position, channel = indptr[:-1].copy(), np.empty(indptr[-1], np.uint16)
    spectra = np.zeros((len(streams), MARKER + 1), np.int64)
    buffer = np.empty(min(GROUP, max(map(len, streams))), np.uint16)
    with ThreadPoolExecutor(WORKERS) as pool:
        for stream, starts, spectrum in zip(streams, rows, spectra, strict=True):
            _place(stream, starts, keep, buffer, position.reshape(shape), channel, spectrum, pool, tick)
    return Events(indptr, channel, None, bins), spectra[:, :bins]


def _locate_rows(stream: Stream, shape: tuple[int, int], keep: Array, counts: Array, tick: Ticker) -> Array:
    """Add the X-rays of each pixel to `counts`; return the first word of each row, (frames * ny + 1,) int64."""
    rows = np.full(len(keep) * shape[0] + 1, len(stream), np.int64)
    rows[0] = 0
    where = np.empty(BLOCK + 1, np.int32)
    state = np.array([0, -1])
    for start, words in stream.blocks(len(stream)):
        _locate(words, start, where, state, keep, shape[1], counts, rows)
        tick(len(words))
    marker, last = state
    # The last marker may be missing: what follows the last one found then belongs to the next pixel.
    if marker < len(keep) * len(counts) and keep[marker // len(counts)]:
        counts[marker % len(counts)] += len(stream) - last - 1
    return rows


def _place(
    stream: Stream,
    starts: Array,
    keep: Array,
    buffer: Array,
    position: Array,
    channel: Array,
    spectrum: Array,
    pool: ThreadPoolExecutor,
    tick: Ticker,
) -> None:
    """Write the channels of one stream's X-rays to their pixels, advancing `position`, and count the spectrum."""
    ny = len(position)
    begins, ends = starts[:-1].reshape(-1, ny), starts[1:].reshape(-1, ny)
    for frames, row, stop in _groups(begins, ends, np.flatnonzero(keep)):
        low, high = begins[frames, row], ends[frames, stop - 1]
        offsets = np.concatenate([[0], np.cumsum(high - low)])
        words = buffer[: offsets[-1]] if offsets[-1] <= len(buffer) else np.empty(offsets[-1], np.uint16)
        for first, begin, end in zip(low, offsets[:-1], offsets[1:], strict=True):
            stream.read(int(first), words[begin:end])
        shift = (offsets[:-1] - low)[:, None]
        rows = np.s_[frames, row:stop]
        _share_rows(words, begins[rows] + shift, ends[rows] + shift, position[row:stop], channel, pool)
        _add_histogram(words, spectrum)
        tick(len(words))


def _share_rows(
    words: Array, begins: Array, ends: Array, position: Array, channel: Array, pool: ThreadPoolExecutor
) -> None:
    """Run `_place_rows` in several threads: rows share no pixel, so the threads write to different places."""
    edges = np.linspace(0, len(position), min(WORKERS, len(position)) + 1).astype(int)
    jobs = []
    for part in map(slice, edges[:-1], edges[1:]):
        bounds = np.ascontiguousarray(begins[:, part]), np.ascontiguousarray(ends[:, part])
        jobs.append(pool.submit(_place_rows, words, *bounds, position[part], channel))
    for job in jobs:
        job.result()


def _groups(begins: Array, ends: Array, frames: Array) -> Iterator[tuple[Array, int, int]]:
    """Yield (frames, first row, last row + 1) whose words fit in `GROUP`: many frames, or rows of a large one."""
    ny = begins.shape[1]
    group: list[int] = []
    held = 0
    for frame in frames:
        size = int(ends[frame, -1] - begins[frame, 0])
        if group and held + size > GROUP:
            yield np.array(group), 0, ny
            group, held = [], 0
        if size <= GROUP:
            group.append(int(frame))
            held += size
            continue
        row = 0
        while row < ny:
            stop = int(np.searchsorted(ends[frame], begins[frame, row] + GROUP, side="right"))
            stop = max(stop, row + 1)
            yield np.array([frame]), row, stop
            row = stop
    if group:
        yield np.array(group), 0, ny


@numba.njit(cache=True, nogil=True)
def _locate(words, start, where, state, keep, nx, counts, rows):  # type: ignore[no-untyped-def]  # pragma: no cover
    # First all markers of the block, without a branch to mispredict, then one step a pixel.
    found = 0
    for i in range(len(words)):
        where[found] = i
        found += words[i] == MARKER
    marker, last = state[0], state[1]
    pixel = marker % len(counts)
    frame = marker // len(counts)
    column = pixel % nx
    row = marker // nx
    for j in range(found):
        if frame == len(keep):
            break
        at = start + where[j]
        if keep[frame]:
            counts[pixel] += at - last - 1
        last = at
        marker += 1
        pixel += 1
        column += 1
        if column == nx:
            column = 0
            row += 1
            rows[row] = at + 1
            if pixel == len(counts):
                pixel = 0
                frame += 1
    state[0], state[1] = marker, last


@numba.njit(cache=True, nogil=True)
def _place_rows(words, begins, ends, position, channel):  # type: ignore[no-untyped-def]  # pragma: no cover
    frames, rows = begins.shape
    for row in range(rows):
        for frame in range(frames):
            i = begins[frame, row]
            end = ends[frame, row]
            for column in range(position.shape[1]):
                at = position[row, column]
                while i < end and words[i] != MARKER:
                    channel[at] = words[i]
                    at += 1
                    i += 1
                i += 1
                position[row, column] = at


@numba.njit(cache=True, nogil=True)
def _add_histogram(words, spectrum):  # type: ignore[no-untyped-def]  # pragma: no cover
    for word in words:
        spectrum[word] += 1

"""Random numbers for simulations: the same for a seed on every machine, whatever the order they are drawn in.

Number i of a stream is SplitMix64's mixing function of ``key + (i + 1) * gamma`` (Steele, Lea & Flood, OOPSLA 2014),
so it depends on the key and i alone: on no state, no library's generator and no number of threads. All of it is
64-bit integer arithmetic. Rounding in the last bit of an exponential, which may differ between machines, could move
an X-ray by one channel or a count by one; over 31 million X-rays the chance is below one in a million.
"""

from __future__ import annotations

from enum import IntEnum, auto

import numba
import numpy as np
from scipy.special import ndtri

from edsnb.core.events import Array
from edsnb.errors import InputError

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1
_PIECE = 500.0
"""Larger Poisson means are drawn in pieces, where exp(-mean) is still well above the smallest float."""


class Stream(IntEnum):
    """What a stream of numbers is for: each use has its own."""

    COUNTS = auto()
    CHANNELS = auto()
    FRAMES = auto()
    SURFACE = auto()
    INTERFACE = auto()
    THICKNESS = auto()
    CURTAINS = auto()
    IMAGE = auto()
    SPECTRA = auto()
    LINES = auto()


def key_of(seed: int, stream: Stream) -> np.uint64:
    """Return the key of one stream of a seed."""
    if not 0 <= seed <= _MASK:
        raise InputError(f"seed {seed} cannot be used: give a whole number from 0 to 2**64 - 1.")
    return np.uint64(_mix_integer((_mix_integer(seed) + stream * int(GAMMA)) & _MASK))


def uniforms(key: np.uint64, n: int, *, start: int = 0) -> Array:
    """Return n numbers of a stream from number `start` on, uniform in [0, 1)."""
    out = np.empty(n)
    _uniforms(key, start, out)
    return out


def normals(key: np.uint64, n: int, *, start: int = 0) -> Array:
    """Return n standard normal numbers of a stream from number `start` on."""
    # Half a step off 0, where the normal quantile is infinite.
    return np.asarray(ndtri(uniforms(key, n, start=start) + 2.0**-54))


def poisson(means: Array, key: np.uint64) -> Array:
    """Return Poisson numbers of the given means, int64 of the same shape."""
    means = np.ascontiguousarray(means, np.float64)
    if not (np.isfinite(means).all() and means.min(initial=0.0) >= 0):
        raise InputError("Poisson means must be finite and not negative.")
    out = np.empty(means.size, np.int64)
    _poisson(means.ravel(), key, out)
    return out.reshape(means.shape)


def draw_channels(numbers: Array, spectra: Array, key: np.uint64) -> tuple[Array, Array]:
    """Draw the channel of every X-ray of every pixel.

    Parameters
    ----------
    numbers
        (P, m) X-rays that each of m components sends from each pixel.
    spectra
        (m, E) relative counts per channel of each component; E up to 65,535.

    Returns
    -------
    indptr (P + 1,) int64, channel (N,) uint16: events in the order of `edsnb.core.events.Events`, those of a pixel
    component after component.
    """
    spectra = np.asarray(spectra, np.float64)
    cumulative = np.cumsum(spectra, axis=1)
    cumulative /= cumulative[:, -1:]
    cells = 1 << (spectra.shape[1] - 1).bit_length() + 1
    starts = np.arange(cells) / cells
    guide = np.stack([np.searchsorted(row, starts, side="right") for row in cumulative]).astype(np.uint16)
    indptr = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum(numbers.sum(axis=1), out=indptr[1:])
    channel = np.empty(indptr[-1], np.uint16)
    _draw_channels(numbers, cumulative, guide, key, channel)
    return indptr, channel


def _mix_integer(x: int) -> int:
    """Return SplitMix64's mixing function of a Python integer."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


@numba.njit(cache=True, nogil=True)
def bits(key, index):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return 64 random bits: number `index` of a stream (inside numba kernels)."""
    x = key + (np.uint64(index) + np.uint64(1)) * GAMMA
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _uniform(key, index):  # type: ignore[no-untyped-def]  # pragma: no cover
    return np.float64(bits(key, index) >> np.uint64(11)) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def _uniforms(key, start, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(out)):
        out[i] = _uniform(key, start + i)


@numba.njit(cache=True, nogil=True)
def _poisson(means, key, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(means)):
        pieces = int(means[i] // _PIECE) + 1
        mean = means[i] / pieces
        total = 0
        for piece in range(pieces):
            # Pieces after the first take their numbers from far beyond the last element's.
            u = _uniform(key, i + (piece << 40))
            probability = np.exp(-mean)
            cumulative = probability
            k = 0
            while u >= cumulative and (k < mean or probability > 1e-18):
                k += 1
                probability *= mean / k
                cumulative += probability
            total += k
        out[i] = total


@numba.njit(cache=True, nogil=True)
def _draw_channels(numbers, cumulative, guide, key, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    cells = guide.shape[1]
    i = 0
    for p in range(numbers.shape[0]):
        for m in range(numbers.shape[1]):
            for _ in range(numbers[p, m]):
                u = _uniform(key, i)
                c = guide[m, int(u * cells)]
                while cumulative[m, c] <= u:
                    c += 1
                out[i] = c
                i += 1

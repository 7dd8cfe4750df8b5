"""Spatial kernels: maps summed over the neighbours of each pixel.

Kernels are separable: the same weights down the columns and along the rows, r to each side. At the edge of the map only
the pixels inside it are summed, so that every X-ray counts as often as there are kernels that hold it.
"""

from __future__ import annotations

import numba
import numpy as np

from edsnb.core.events import Array
from edsnb.errors import InputError

SHAPES = ("box", "gaussian")
_REACH = 4.0
"""Standard deviations at which a Gaussian ends."""
_SD_OF_FWHM = 1.0 / np.sqrt(8.0 * np.log(2.0))


def kernel_weights(kernel: float, shape: str = "box") -> Array:
    """Return a kernel along one axis (2 r + 1,).

    Parameters
    ----------
    kernel
        Edge of the box in pixels, an odd number; or full width at half maximum of the Gaussian.
    shape
        ``box`` (ones), or ``gaussian``, scaled so that weights and squared weights have the same sum: counts summed
        with them spread as plain counts do, and their number is that of the pixels that count.

    Raises
    ------
    InputError
        No such shape or size.
    """
    if shape not in SHAPES:
        raise InputError(f"kernel shape {shape!r} is unknown; choose one of {', '.join(SHAPES)}.")
    if not (np.isfinite(kernel) and kernel >= 1) or (shape == "box" and kernel % 2 != 1):
        odd = ", and a box's edge is an odd number, so that the pixel is its centre" if shape == "box" else ""
        raise InputError(f"a kernel of {kernel} pixels cannot be: it is at least 1{odd}.")
    if shape == "box":
        return np.ones(int(kernel))
    sd = kernel * _SD_OF_FWHM
    reach = int(np.ceil(_REACH * sd))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    return weights * weights.sum() / (weights**2).sum()


def sum_kernel(maps: Array, across: Array, out: Array, rows: slice = slice(None)) -> None:
    """Sum maps over the kernel around each pixel of some rows.

    Parameters
    ----------
    maps
        (ny, nx, m) float32: m maps, those of a pixel side by side, so that all are summed at once.
    across
        (2 r + 1,) weights along one axis.
    out
        (ny, nx, m) float32, written where `rows` are.
    """
    ny, nx, m = maps.shape
    low, high, _ = rows.indices(ny)
    _sum_kernel(maps.reshape(ny, nx * m), np.array(across, np.float64), m, low, high, out.reshape(ny, nx * m))


@numba.njit(cache=True, nogil=True)
def _sum_kernel(maps, across, m, low, high, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    ny, length = maps.shape
    r = len(across) // 2
    padded = np.zeros(length + 2 * r * m)  # a row summed down the columns, with nothing beside the map
    column = padded[r * m : r * m + length]
    total = np.zeros(length)
    for y in range(low, high):
        column[:] = 0.0
        for j in range(max(0, r - y), min(2 * r + 1, ny + r - y)):
            weight, row = across[j], maps[y + j - r]
            for i in range(length):
                column[i] += weight * row[i]
        total[:] = 0.0
        for j in range(2 * r + 1):
            weight, beside = across[j], padded[j * m : j * m + length]
            for i in range(length):
                total[i] += weight * beside[i]
        out[y] = total

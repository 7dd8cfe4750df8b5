"""Which region owns a pixel, and values of regions painted onto their pixels."""

from __future__ import annotations

import numpy as np

from edsnb.core.events import Array
from edsnb.core.regions import ChipGrid, Regions


def owners(regions: Regions) -> Array:
    """Return the number of the region each pixel belongs to (ny, nx) int32, -1 outside.

    Where chips of a grid overlap it is the one whose centre is nearest; of other regions the first.
    """
    if regions.grid is None:
        return np.asarray(regions.labels())
    ny, nx = regions.shape
    rows, columns = regions.grid.counts_in(regions.shape)
    y0, _, x0, _ = regions.grid.crop_in(regions.shape)
    row = _nearest(np.arange(ny) - y0 - regions.grid.origin[0], regions.grid, rows)
    column = _nearest(np.arange(nx) - x0 - regions.grid.origin[1], regions.grid, columns)
    number = row[:, None] * columns + column
    return np.where((row[:, None] >= 0) & (column >= 0), number, -1).astype(np.int32)


def _nearest(offset: Array, grid: ChipGrid, count: int) -> Array:
    """Return the row or column of chips for pixels at some distance from the first chip's corner; -1 outside."""
    # Twice the distance from the first chip's centre, which keeps halves of pixels whole.
    cell = np.clip((2 * offset - grid.size + 1 + grid.step) // (2 * grid.step), 0, count - 1)
    inside = (offset >= cell * grid.step) & (offset < cell * grid.step + grid.size)
    return np.where(inside, cell, -1)


def owner_at(regions: Regions, y: float, x: float) -> int | None:
    """Return the number of the region at a point, None where there is none; as `owners`, for a single pixel."""
    row, column = round(y), round(x)
    ny, nx = regions.shape
    if not (0 <= row < ny and 0 <= column < nx):
        return None
    if regions.grid is None:
        found = np.flatnonzero(regions.pixels == row * nx + column)
        return int(np.searchsorted(regions.indptr, found[0], "right")) - 1 if len(found) else None
    rows, columns = regions.grid.counts_in(regions.shape)
    y0, _, x0, _ = regions.grid.crop_in(regions.shape)
    r = int(_nearest(np.array(row - y0 - regions.grid.origin[0]), regions.grid, rows))
    c = int(_nearest(np.array(column - x0 - regions.grid.origin[1]), regions.grid, columns))
    return r * columns + c if r >= 0 and c >= 0 else None


def paint(values: Array, regions: Regions) -> Array:
    """Return one value a region (n,) on the pixels of that region (ny, nx) float32, NaN outside; as `owners`."""
    table = np.append(np.asarray(values, np.float32), np.float32(np.nan))
    return table[owners(regions)]


def nearest_chip(grid: ChipGrid, shape: tuple[int, int], y: float, x: float) -> int:
    """Return the number of the chip nearest to a point, which need not lie in one."""
    y0, _, x0, _ = grid.crop_in(shape)
    rows, columns = grid.counts_in(shape)
    half = 0.5 * (grid.size - 1)
    row = round((y - y0 - grid.origin[0] - half) / grid.step)
    column = round((x - x0 - grid.origin[1] - half) / grid.step)
    return min(max(row, 0), rows - 1) * columns + min(max(column, 0), columns - 1)

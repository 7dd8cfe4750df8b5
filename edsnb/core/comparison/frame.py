"""Where the values of regions are drawn: which region each cell of a picture belongs to, and where the cells lie.

A cell is a chip of a grid, or a pixel of the map where regions are irregular. Places are (y, x) in pixels of the map,
pixel (0, 0) centred on (0, 0); in chips where only names such as ``R0C1`` say where regions lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edsnb.core.comparison.images import image_of
from edsnb.core.events import Array, frozen
from edsnb.core.regions import Regions


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Cells of a picture and the regions they stand for."""

    numbers: Array
    """(rows, columns) number of the region in each cell, -1 for none."""
    extent: tuple[float, float, float, float]
    """y0, y1, x0, x1 of the outer edges of the cells."""
    unit: str
    """What `extent` is in: ``px`` or ``chips``."""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "numbers", frozen(self.numbers))

    def paint(self, values: Array) -> Array:
        """Return one value a region (n,) on the cells (rows, columns), NaN where there is no region."""
        return np.append(np.asarray(values, np.float64), np.nan)[self.numbers]

    def at(self, y: float, x: float) -> int | None:
        """Return the region at a place; None where there is none."""
        row, column = self._cell(y, x)
        rows, columns = self.numbers.shape
        if not (0 <= row < rows and 0 <= column < columns) or self.numbers[row, column] < 0:
            return None
        return int(self.numbers[row, column])

    def inside(self, y0: float, y1: float, x0: float, x1: float) -> tuple[int, ...]:
        """Return the regions that have a cell whose middle lies in a box, each once, row by row."""
        top, bottom, left, right = self.extent
        rows, columns = self.numbers.shape
        y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        found = self.numbers[np.ix_((y >= y0) & (y <= y1), (x >= x0) & (x <= x1))].ravel()
        return tuple(dict.fromkeys(found[found >= 0].tolist()))

    def only(self, chosen: Iterable[int]) -> Array:
        """Return `numbers` with all other regions left out."""
        return np.where(np.isin(self.numbers, list(chosen)), self.numbers, -1)

    def _cell(self, y: float, x: float) -> tuple[int, int]:
        """Return row and column of the cell at a place."""
        y0, y1, x0, x1 = self.extent
        rows, columns = self.numbers.shape
        return int(np.floor((y - y0) / (y1 - y0) * rows)), int(np.floor((x - x0) / (x1 - x0) * columns))


def frame_of(names: tuple[str, ...], regions: Regions | None) -> Frame:
    """Return where regions are drawn: chips of a grid as cells, others on their pixels.

    Overlapping chips become cells of the stride's size about their middles; of other overlapping regions the first is
    drawn.

    Raises
    ------
    InputError
        Nobody knows where the regions lie.
    """
    numbers = image_of(np.arange(len(names)), names, regions, -1)
    rows, columns = numbers.shape
    if regions is None:
        return Frame(numbers, (-0.5, rows - 0.5, -0.5, columns - 0.5), "chips")
    if regions.grid is None or regions.cells is None:
        return _cropped(numbers)
    grid = regions.grid
    y0, _, x0, _ = grid.crop_in(regions.shape)
    shift = 0.5 * (grid.size - grid.step) - 0.5
    top, left = y0 + grid.origin[0] + shift, x0 + grid.origin[1] + shift
    return Frame(numbers, (top, top + rows * grid.step, left, left + columns * grid.step), "px")


def _cropped(numbers: Array) -> Frame:
    """Return the part of a map's pixels that holds all regions; all of it where they are empty."""
    there = numbers >= 0
    ends = []
    for axis in (1, 0):
        held = np.flatnonzero(there.any(axis=axis))
        ends.append((int(held[0]), int(held[-1]) + 1) if held.size else (0, numbers.shape[1 - axis]))
    (y0, y1), (x0, x1) = ends
    return Frame(numbers[y0:y1, x0:x1], (y0 - 0.5, y1 - 0.5, x0 - 0.5, x1 - 0.5), "px")

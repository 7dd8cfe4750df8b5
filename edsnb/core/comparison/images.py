"""Values of regions as images, and images as values of regions."""

from __future__ import annotations

import re

import numpy as np

from edsnb.core.events import Array
from edsnb.core.regions import Regions
from edsnb.errors import InputError

_CHIP = re.compile(r"R(\d+)C(\d+)")


def cells_of(names: tuple[str, ...], regions: Regions | None) -> Array | None:
    """Return the row and column (n, 2) of chips of a grid; without regions, as their names ``R{row}C{col}`` say.

    None for what is no grid.
    """
    if regions is not None:
        return regions.cells
    found = [_CHIP.fullmatch(name) for name in names]
    cells = [(int(match[1]), int(match[2])) for match in found if match is not None]
    return np.array(cells, np.int64) if cells and len(cells) == len(names) else None


def grid_shape(names: tuple[str, ...], regions: Regions | None) -> tuple[int, int] | None:
    """Return (rows, columns) of the chip grid; None for what is no grid."""
    if regions is not None and regions.grid is not None:
        return regions.grid.counts_in(regions.shape)
    cells = cells_of(names, regions)
    if cells is None or not len(cells):
        return None
    return int(cells[:, 0].max()) + 1, int(cells[:, 1].max()) + 1


def image_of(values: Array, names: tuple[str, ...], regions: Regions | None, outside: float = np.nan) -> Array:
    """Return values (n,) of regions as an image: (rows, columns) of a chip grid, else on the map's pixels (ny, nx).

    Parameters
    ----------
    values
        One for each region.
    names, regions
        The regions. Without `regions`, names such as ``R0C1`` tell row and column.
    outside
        What stands where there is no region.

    Raises
    ------
    InputError
        Nobody knows where the regions lie.
    """
    values = np.asarray(values)
    cells, shape = cells_of(names, regions), grid_shape(names, regions)
    if cells is not None and shape is not None:
        image = np.full(shape, outside, np.result_type(values, type(outside)))
        image[cells[:, 0], cells[:, 1]] = values
        return image
    if regions is None:
        raise InputError(
            f"no map can be drawn: nobody knows where the regions {', '.join(names[:4])} lie. Names such as R0C1 or "
            "regions on the map's pixels would say."
        )
    return np.append(values, outside)[regions.labels()]


def mean_over(image: Array, regions: Regions) -> Array:
    """Return the mean of an image (ny, nx) over each region (n,); NaN for an empty one."""
    if image.shape != regions.shape:
        raise InputError(
            f"an image of {' x '.join(map(str, image.shape))} pixels cannot be laid on regions of a map of "
            f"{regions.shape[0]} x {regions.shape[1]}. Give one on the map's own raster."
        )
    owner = np.repeat(np.arange(len(regions)), regions.sizes)
    sums = np.bincount(owner, np.asarray(image, np.float64).ravel()[regions.pixels], minlength=len(regions))
    return np.divide(sums, regions.sizes, out=np.full(len(regions), np.nan), where=regions.sizes > 0)


def select(regions: Regions, rows: Array) -> Regions:
    """Return some of the regions, in the order of `rows`."""
    parts = [regions.pixels[regions.indptr[r] : regions.indptr[r + 1]] for r in rows.tolist()]
    return Regions(
        shape=regions.shape,
        names=tuple(regions.names[r] for r in rows.tolist()),
        indptr=np.cumsum([0, *map(len, parts)]),
        pixels=np.concatenate([np.zeros(0, np.int64), *parts]),
        cells=None if regions.cells is None else regions.cells[rows],
        grid=regions.grid,
    )

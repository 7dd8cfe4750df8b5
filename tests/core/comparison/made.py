"""Compositions with numbers by hand: records for tests of what compares them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.regions import ChipGrid, Regions


def made(
    method: str,
    elements: Sequence[str],
    values,
    sd=None,
    *,
    names=None,
    regions: Regions | None = None,
    grid: ChipGrid | None = None,
    shape: tuple[int, int] = (64, 64),
    quantity: str = "atomic",
    **other,
) -> Composition:
    """Return a composition of one quantity; names are R0C0, R0C1, ... or those of the regions."""
    array = np.atleast_2d(np.asarray(values, float))
    if grid is not None:
        regions = grid.regions(shape)
    if names is None:
        names = regions.names if regions is not None else tuple(f"R0C{i}" for i in range(len(array)))
    sds = {} if sd is None else {quantity: np.broadcast_to(np.asarray(sd, float), array.shape)}
    return Composition(method, tuple(names), tuple(elements), {quantity: array}, sds, regions, **other)


def film(rows: int = 4, columns: int = 5, film_rows: int = 2, noise: float = 0.0, **other) -> Composition:
    """Return chips of LaFeO3 above SrTiO3, 10 pixels each, on a map of the same size."""
    grid = ChipGrid(10)
    shape = (10 * rows, 10 * columns)
    values = np.tile([0.0, 0.0, 20.0, 20.0, 60.0], (rows * columns, 1))
    values[: film_rows * columns] = [20.0, 20.0, 0.0, 0.0, 60.0]
    values += noise * np.random.default_rng(7).normal(size=values.shape)
    return made("edsnb", ("La", "Fe", "Sr", "Ti", "O"), values, 0.3, grid=grid, shape=shape, **other)

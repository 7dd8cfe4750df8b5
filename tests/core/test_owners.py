"""Which region owns a pixel, and values painted onto pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.owners import nearest_chip, owner_at, owners, paint
from edsnb.core.regions import ChipGrid, Regions

SHAPE = (23, 31)
grids = st.builds(
    ChipGrid,
    st.integers(1, 9),
    st.one_of(st.none(), st.just((2, 20, 3, 30))),
    st.one_of(st.none(), st.integers(1, 12)),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
)


def by_hand(regions: Regions, grid: ChipGrid) -> np.ndarray:
    """Ask every chip for every pixel: the nearest centre of those that hold it, the first of equals."""
    out = np.full(regions.shape, -1)
    best = np.full(regions.shape, np.inf)
    y0, _, x0, _ = grid.crop_in(regions.shape)
    for number, (row, column) in enumerate(regions.cells.tolist()):
        y, x = np.mgrid[: regions.shape[0], : regions.shape[1]]
        gap = np.maximum(
            np.abs(y - y0 - grid.origin[0] - row * grid.step - 0.5 * (grid.size - 1)),
            np.abs(x - x0 - grid.origin[1] - column * grid.step - 0.5 * (grid.size - 1)),
        )
        nearer = regions.mask(number) & (gap < best)
        out[nearer], best[nearer] = number, gap[nearer]
    return out


@given(grids)
def test_owner_is_a_nearest_chip_that_holds_the_pixel(grid):
    regions = grid.regions(SHAPE)
    found, slow = owners(regions), by_hand(regions, grid)
    np.testing.assert_array_equal(found < 0, slow < 0)
    for number in np.unique(found[found >= 0]):
        assert regions.mask(int(number))[found == number].all()
    if grid.step >= grid.size:
        np.testing.assert_array_equal(found, slow)


@given(grids, st.integers(0, 22), st.integers(0, 30))
def test_owner_of_one_pixel(grid, y, x):
    regions = grid.regions(SHAPE)
    number = owners(regions)[y, x]
    assert owner_at(regions, y + 0.3, x - 0.3) == (number if number >= 0 else None)
    if number >= 0 and grid.step >= grid.size:
        assert nearest_chip(grid, SHAPE, y, x) == number


def test_first_of_irregular_regions_owns():
    masks = {"a": np.zeros(SHAPE, bool), "b": np.zeros(SHAPE, bool)}
    masks["a"][:5], masks["b"][3:9] = True, True
    regions = Regions.from_masks(masks)
    assert [owner_at(regions, y, 0) for y in (0, 4, 5, 8, 9, -1, 99)] == [0, 0, 1, 1, None, None, None]
    np.testing.assert_array_equal(owners(regions)[:10, 0], [0] * 5 + [1] * 4 + [-1])


def test_paint():
    painted = paint(np.array([1.5, 2.5, np.nan]), ChipGrid(7, None, 9).regions((7, 25)))
    assert painted.dtype == np.float32
    np.testing.assert_array_equal(painted[0], [1.5] * 7 + [np.nan] * 2 + [2.5] * 7 + [np.nan] * 9)


@pytest.mark.parametrize(("place", "number"), [((-9, -9), 0), ((99, 99), 8), ((3, 99), 2), ((4, 14), 1), ((30, 4), 6)])
def test_nearest_chip(place, number):
    assert nearest_chip(ChipGrid(10), (35, 35), *place) == number

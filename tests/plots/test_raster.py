"""Lines around chips and regions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edsnb.core.regions import ChipGrid, Regions
from edsnb.plots.raster import box_lines, grid_lines, label_lines, region_lines

SHAPE = (20, 30)


def edges_of(lines: np.ndarray) -> set[tuple[float, float, float, float]]:
    """Cut lines along pixels' edges into pieces of one pixel."""
    pieces = set()
    for y0, x0, y1, x1 in lines:
        if y0 == y1:
            pieces |= {(y0, x, y0, x + 1) for x in np.arange(x0, x1)}
        else:
            assert x0 == x1
            pieces |= {(y, x0, y + 1, x0) for y in np.arange(y0, y1)}
    return pieces


def between_unlike(labels: np.ndarray) -> set[tuple[float, float, float, float]]:
    """Look at every pair of neighbours, those beyond the border outside."""
    padded = np.pad(np.maximum(labels, -1), 1, constant_values=-1)
    found = set()
    for y in range(padded.shape[0] - 1):
        for x in range(padded.shape[1] - 1):
            if padded[y, x] != padded[y + 1, x]:
                found.add((y - 0.5, x - 1.5, y - 0.5, x - 0.5))
            if padded[y, x] != padded[y, x + 1]:
                found.add((y - 1.5, x - 0.5, y - 0.5, x - 0.5))
    return found


@given(arrays(np.int32, (5, 6), elements=st.integers(-2, 2)))
def test_lines_run_between_unlike_labels(labels):
    lines, whose = label_lines(labels)
    assert edges_of(lines) == between_unlike(labels)
    assert len(lines) == len(whose)
    assert set(whose.tolist()) <= set(labels[labels >= 0].tolist())


def test_grid_of_many_chips_is_few_lines():
    lines = grid_lines(ChipGrid(10), (512, 512))
    assert len(lines) == 2 * 52
    np.testing.assert_array_equal(lines[0], [-0.5, -0.5, -0.5, 509.5])


@given(st.integers(1, 7), st.integers(1, 12), st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_grid_lines_outline_every_chip(size, stride, origin):
    grid = ChipGrid(size, (1, 18, 2, 29), stride, origin)
    drawn = edges_of(grid_lines(grid, SHAPE))
    wanted = edges_of(box_lines(grid.regions(SHAPE).boxes - 0.5))
    assert wanted <= drawn
    if stride > size:
        assert wanted == drawn


def test_outlines_of_regions():
    masks = {name: np.zeros(SHAPE, bool) for name in ("box", "ell", "none")}
    masks["box"][2:5, 3:9] = True
    masks["ell"][10:14, 10:12] = True
    masks["ell"][13, 10:18] = True
    regions = Regions.from_masks(masks)
    lines, whose = region_lines(regions)
    for number, mask in enumerate(masks.values()):
        assert edges_of(lines[whose == number]) == between_unlike(np.where(mask, 0, -1))
    assert len(lines[whose == 0]) == 4
    chosen, of = region_lines(regions, [1])
    assert set(of.tolist()) == {1}
    assert edges_of(chosen) == edges_of(lines[whose == 1])


def test_very_many_regions_are_outlined_at_once():
    labels = np.arange(100).reshape(10, 10)
    lines, whose = region_lines(Regions.from_labels(labels))
    assert edges_of(lines) == between_unlike(labels)
    assert set(whose.tolist()) <= set(range(100))

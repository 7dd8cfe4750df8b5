"""Irregular regions: polygons, strokes, bands of values, label images, joined and summed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.areas import (
    between,
    chip_in_blocks,
    join,
    label_masks,
    polygon_mask,
    spaced,
    stroke_mask,
    subset,
    sums,
)
from edsnb.core.regions import ChipGrid, Regions, chip
from edsnb.errors import CancelledError, InputError
from tests.simulated import small

SHAPE = (20, 30)
places = st.tuples(st.floats(-5, 25), st.floats(-5, 35))


@given(st.lists(places, min_size=1, max_size=4), st.floats(0.4, 8))
def test_stroke_holds_what_is_near_the_path(path, radius):
    """Slow twin: the distance of every pixel to many points along the path."""
    dense = np.concatenate([np.linspace(a, b, 400) for a, b in itertools.pairwise(path)] or [np.array(path)])
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    gap = np.hypot(y[..., None] - dense[:, 0], x[..., None] - dense[:, 1]).min(axis=-1)
    mask = stroke_mask(path, radius, SHAPE)
    np.testing.assert_array_equal(mask[np.abs(gap - radius) > 0.2], gap[np.abs(gap - radius) > 0.2] < radius)


def test_stroke_needs_points_and_a_width():
    for path, radius in (([], 3.0), ([(1, 1)], 0.0), ([(np.nan, 1)], 2.0)):
        with pytest.raises(InputError, match="give points and a width"):
            stroke_mask(path, radius, SHAPE)


def test_polygon_holds_pixel_centres():
    assert polygon_mask([(0, 0), (0, 3), (2, 3), (2, 0)], SHAPE).sum() == 12


def test_band_has_no_nan():
    picture = np.array([[1.0, np.nan, 3.0]])
    np.testing.assert_array_equal(between(picture, 1.0, 3.0), [[True, False, True]])


def test_labels():
    labels = np.array([[0, 1], [-2, 7]])
    assert {k: m.sum() for k, m in label_masks(labels).items()} == {1: 1, 7: 1}
    assert set(label_masks(labels, zero_outside=False)) == {0, 1, 7}
    assert set(label_masks(labels > 0, zero_outside=False)) == {1}
    with pytest.raises(InputError, match="whole numbers"):
        label_masks(labels * 0.5)


def test_join_and_subset():
    grid = ChipGrid(10).regions(SHAPE)
    other = Regions.from_masks({"a": polygon_mask([(0, 0), (0, 3), (2, 3), (2, 0)], SHAPE)})
    both = join(grid, other)
    assert both.names == (*grid.names, "a")
    assert both.grid is None
    np.testing.assert_array_equal(both.mask("a"), other.mask("a"))
    np.testing.assert_array_equal(both.mask("R1C2"), grid.mask("R1C2"))
    assert join(grid) is grid
    part = subset(both, [6, 2])
    assert part.names == ("a", "R0C2")
    np.testing.assert_array_equal(part.mask(0), other.mask(0))
    np.testing.assert_array_equal(part.mask(1), grid.mask(2))
    assert len(subset(both, [])) == 0
    with pytest.raises(InputError, match="no region to join"):
        join()
    with pytest.raises(InputError, match="unlike shapes"):
        join(grid, ChipGrid(2).regions((4, 4)))
    with pytest.raises(InputError, match="unique"):
        join(grid, grid)


def test_sums_over_regions():
    picture = np.random.default_rng(1).random(SHAPE)
    masks = {"a": picture > 0.5, "none": picture > 2, "b": picture < 0.2, "none at the end": picture > 2}
    np.testing.assert_allclose(sums(picture, Regions.from_masks(masks)), [picture[m].sum() for m in masks.values()])


def test_chips_in_blocks_are_chips():
    image, told = small().image, []
    regions = ChipGrid(4).regions(image.shape)
    blocks = chip_in_blocks(image, regions, lambda done, total: told.append((done, total)))
    whole = chip(image, regions)
    np.testing.assert_array_equal(blocks.counts, whole.counts)
    assert (blocks.names, blocks.regions) == (whole.names, regions)
    assert told == [(0, 256), (200, 256)]
    with pytest.raises(CancelledError, match="after 0 of 256"):
        chip_in_blocks(image, regions, lambda done, total: False)


def test_spaced_paths():
    path = [(0.0, 0.1 * k) for k in range(101)]
    kept = spaced(path, 1.0)
    assert (kept[0], kept[-1]) == (path[0], path[-1])
    assert 10 <= len(kept) <= 12
    assert spaced([], 1.0) == []

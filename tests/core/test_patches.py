"""Patches: cut where the chips lie, drawn with one contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.image import SpectrumImage, Survey
from edsnb.core.patches import Patches, cut
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError, NoMapError
from tests.simulated import small, stored_only

GRID = ChipGrid(size=10, crop=(2, 63, 5, 56))
"""6 rows and 5 columns, with a remainder below and on the right."""


def image() -> SpectrumImage:
    return small().image


def haadf() -> np.ndarray:
    return image().surveys["HAADF"].image


def odd() -> Regions:
    """Return an L, a single pixel, nothing, and a full rectangle."""
    ell = np.zeros((64, 64), bool)
    ell[10:20, 5:8] = ell[17:20, 5:15] = True
    dot = np.zeros_like(ell)
    dot[40, 50] = True
    box = np.zeros_like(ell)
    box[30:34, 20:29] = True
    return Regions.from_masks({"ell": ell, "dot": dot, "nothing": np.zeros_like(ell), "box": box})


def test_chips_are_cut_where_they_lie():
    regions = GRID.regions((64, 64))
    patches = cut(image(), regions)
    assert (len(patches), patches.name, patches.whole) == (30, "HAADF", True)
    for k, (row, col) in enumerate(regions.cells.tolist()):
        y, x = 2 + 10 * row, 5 + 10 * col
        assert patches.boxes[k].tolist() == [y, x, 10, 10]
        np.testing.assert_array_equal(patches.values(k), haadf()[y : y + 10, x : x + 10])
        assert patches.mask(k).all()
    assert patches.covered() == (2, 62, 5, 55)
    values, masks = patches.stack()
    assert values.shape == masks.shape == (30, 10, 10)
    assert masks.all()
    np.testing.assert_array_equal(values[7], patches.values(7))


def test_irregular_regions_have_boxes_and_masks():
    patches = cut(image(), odd())
    assert not patches.whole
    assert patches.boxes.tolist() == [[10, 5, 10, 10], [40, 50, 1, 1], [0, 0, 0, 0], [30, 20, 4, 9]]
    assert [int(patches.mask(k).sum()) for k in range(4)] == odd().sizes.tolist()
    assert patches.mask(0)[0].tolist() == [True] * 3 + [False] * 7
    assert patches.values(2).shape == patches.mask(2).shape == (0, 0)
    values, masks = patches.stack()
    assert values.shape == (4, 10, 10)
    np.testing.assert_array_equal(values[3, :4, :9], patches.values(3))
    assert np.isnan(values[3, 4:]).all()
    assert np.isnan(values[3, :, 9:]).all()
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), odd().sizes)
    assert patches.covered() == (10, 41, 5, 51)


def test_one_contrast_for_all_chips():
    regions = GRID.regions((64, 64))
    patches = cut(image(), regions)
    inside = haadf()[2:62, 5:55]
    assert patches.limits(16) == (inside.min(), inside.max())
    np.testing.assert_allclose(patches.limits(8), np.percentile(inside.astype(float), (0.1, 99.9)))
    for bits, top in ((8, 255), (16, 65535)):
        low, high = patches.limits(bits)
        grey = patches.grey(bits)
        assert grey.dtype == f"uint{bits}"
        expected = np.clip((haadf().astype(float) - low) / (high - low), 0, 1) * top
        assert np.abs(grey - expected).max() <= 0.5 + 1e-9
    # What a reader computes back from the 16-bit levels is the value, within half a level.
    low, high = patches.limits(16)
    back = low + patches.grey(16)[2:62, 5:55] / 65535 * (high - low)
    assert np.abs(back - inside).max() <= 0.51 * (high - low) / 65535


def test_a_hot_pixel_does_not_take_the_contrast():
    hot = haadf().copy()
    hot[30, 30] = 1e9
    patches = cut(replace(image(), surveys={"HAADF": Survey("HAADF", hot)}), GRID.regions((64, 64)))
    assert patches.limits(8)[1] < 1e5
    assert patches.limits(16)[1] == np.float32(1e9)
    assert patches.grey()[30, 30] == 255


def test_flat_and_broken_pictures():
    regions = ChipGrid(16).regions((64, 64))
    flat = np.full((64, 64), 7.0, np.float32)
    patches = cut(replace(image(), surveys={"HAADF": Survey("HAADF", flat)}), regions)
    assert patches.limits() == (7.0, 8.0)
    assert not patches.grey().any()
    nothing = cut(replace(image(), surveys={"HAADF": Survey("HAADF", np.full_like(flat, np.nan))}), regions)
    assert nothing.limits() == (0.0, 1.0)
    assert not nothing.grey(16).any()


def test_without_haadf_the_x_rays_are_the_picture():
    regions = ChipGrid(16).regions((64, 64))
    patches = cut(replace(image(), surveys={}), regions)
    assert patches.name == "X-ray counts"
    np.testing.assert_array_equal(patches.picture, image().counts_map())
    other = cut(replace(image(), surveys={"BF": Survey("BF", haadf())}), regions)
    assert other.name == "BF"


def test_grids_that_a_consumer_needs():
    grid, (rows, columns) = cut(image(), GRID.regions((64, 64))).require_grid("it", touching=True)
    assert (grid, rows, columns) == (GRID, 6, 5)
    overlapping = cut(image(), ChipGrid(10, stride=5).regions((64, 64)))
    assert overlapping.require_grid("it")[1] == (11, 11)
    with pytest.raises(InputError, match=r"it cuts its chips itself.*10 px and stride 5 px"):
        overlapping.require_grid("it", touching=True)
    with pytest.raises(InputError, match="it needs square chips on a grid; these are 4 regions"):
        cut(image(), odd()).require_grid("it")


def test_misuse():
    with pytest.raises(InputError, match="made for a map of 32 x 32 pixels, this one has 64 x 64"):
        cut(image(), ChipGrid(16).regions((32, 32)))
    with pytest.raises(NoMapError):
        cut(replace(stored_only(), shape=(64, 64)), ChipGrid(16).regions((64, 64)))
    nothing = Regions.from_masks({"nothing": np.zeros((64, 64), bool)})
    with pytest.raises(InputError, match="no region holds a pixel"):
        cut(image(), nothing).covered()
    patches: Patches = cut(image(), GRID.regions((64, 64)))
    with pytest.raises(ValueError, match="read-only"):
        patches.picture[0, 0] = 1.0

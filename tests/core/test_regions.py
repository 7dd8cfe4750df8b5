"""Chips and regions: which pixels, under which name, and every X-ray once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage
from edsnb.core.regions import ChipGrid, Regions, Spectra, as_regions, chip
from edsnb.errors import InputError, NoMapError
from tests.oracles import contains, grid_masks, masked_sums
from tests.strategies import cubes, grids, label_images, spectrum_image

PUBLISHED = [(512, 64, 8), (512, 10, 51), (512, 15, 34), (500, 20, 25), (512, 12, 42), (500, 15, 33)]
"""Edge of the crop, of a chip, and chips a side, as published."""


@pytest.mark.parametrize(("edge", "size", "side"), PUBLISHED)
def test_published_grids(edge, size, side):
    grid = ChipGrid(size, (0, edge, 0, edge))
    left = edge - side * size
    assert grid.counts_in((512, 512)) == (side, side)
    assert grid.remainder_in((512, 512)) == (left, left)
    said = grid.describe((512, 512))
    assert said.startswith(f"{side} x {side} = {side * side} chips of {size} px")
    assert said.endswith(f"; dropped {left} px at the bottom, {left} px at the right") is bool(left)
    regions = grid.regions((512, 512))
    assert len(regions) == side * side
    assert regions.names[:2] == ("R0C0", "R0C1")
    assert regions.names[side] == "R1C0"
    assert regions.names[-1] == f"R{side - 1}C{side - 1}"
    assert regions.boxes[-1].tolist() == [side * size - size, side * size] * 2


def test_grid_by_hand():
    # Crop 9 high, 13 wide, origin (1, 2): 8 x 11 for chips of 3 every 4: corners y 3, 7; x 7, 11, 15.
    grid = ChipGrid(3, crop=(2, 11, 5, 18), stride=4, origin=(1, 2))
    regions = grid.regions((20, 30))
    assert grid.counts_in((20, 30)) == (2, 3)
    assert grid.remainder_in((20, 30)) == (1, 0)
    assert (
        grid.describe((20, 30)) == "2 x 3 = 6 chips of 3 px, stride 4 px; dropped 1 px at the bottom, 0 px at the right"
    )
    assert regions.names == ("R0C0", "R0C1", "R0C2", "R1C0", "R1C1", "R1C2")
    assert regions.boxes[:, [0, 2]].tolist() == [[3, 7], [3, 11], [3, 15], [7, 7], [7, 11], [7, 15]]
    assert regions.boxes[4].tolist() == [7, 10, 11, 14]
    assert regions.cells is not None
    assert regions.cells.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert regions.sizes.tolist() == [9] * 6
    assert regions.grid is grid
    assert np.argwhere(regions.mask("R1C1")).min(axis=0).tolist() == [7, 11]
    assert regions.mask("R1C1").sum() == 9


def test_overlapping_chips_each_count_their_own_pixels():
    cube = np.zeros((1, 4, 1), int)
    cube[0, :, 0] = [1, 10, 100, 1000]
    wide = np.repeat(cube, 2, axis=0)
    spectra = chip(spectrum_image(wide), ChipGrid(2, stride=1))
    assert spectra.names == ("R0C0", "R0C1", "R0C2")
    assert spectra.counts.tolist() == [[22], [220], [2200]]
    # In a label image the first chip wins an overlap.
    assert spectra.regions is not None
    assert spectra.regions.labels()[0].tolist() == [0, 0, 1, 2]


@settings(max_examples=80)
@given(st.data())
def test_chips_against_cutting_by_hand(data):
    cube = data.draw(cubes())
    grid = data.draw(grids(cube.shape[:2]))
    spectra = chip(spectrum_image(cube), grid)
    masks = grid_masks(grid, cube.shape[:2])
    assert spectra.names == tuple(masks)
    np.testing.assert_array_equal(spectra.counts, masked_sums(cube, list(masks.values())))
    for name, mask in masks.items():
        np.testing.assert_array_equal(spectra.regions.mask(name), mask)


@settings(max_examples=60)
@given(st.data())
def test_chips_side_by_side_conserve_the_counts_of_what_they_cover(data):
    cube = data.draw(cubes())
    size = data.draw(st.integers(1, min(cube.shape[:2])))
    grid = ChipGrid(size)
    rows, columns = grid.counts_in(cube.shape[:2])
    covered = cube[: rows * size, : columns * size].astype(float)
    spectra = chip(spectrum_image(cube), grid)
    np.testing.assert_array_equal(spectra.counts.sum(axis=0), covered.sum(axis=(0, 1)))
    # The remainder is what is missing, and less than one chip each way.
    down, right = grid.remainder_in(cube.shape[:2])
    assert (rows * size + down, columns * size + right) == cube.shape[:2]
    assert max(down, right) < size


@settings(max_examples=60)
@given(st.data())
def test_transposed_map_gives_transposed_chips(data):
    cube = data.draw(cubes())
    grid = data.draw(grids(cube.shape[:2]))
    crop = None if grid.crop is None else (*grid.crop[2:], *grid.crop[:2])
    turned = ChipGrid(grid.size, crop, grid.stride, grid.origin[::-1])
    direct = chip(spectrum_image(cube), grid)
    other = chip(spectrum_image(np.ascontiguousarray(cube.transpose(1, 0, 2))), turned)
    rows, columns = grid.counts_in(cube.shape[:2])
    assert turned.counts_in(cube.shape[1::-1]) == (columns, rows)
    np.testing.assert_array_equal(
        direct.counts.reshape(rows, columns, -1), other.counts.reshape(columns, rows, -1).transpose(1, 0, 2)
    )


@settings(max_examples=60)
@given(st.data())
def test_label_images_against_the_dense_cube(data):
    cube = data.draw(cubes())
    labels = data.draw(label_images(cube.shape[:2]))
    found = sorted(set(labels[labels >= 0].tolist()))
    spectra = chip(spectrum_image(cube), labels)
    assert spectra.names == tuple(f"label {k}" for k in found)
    np.testing.assert_array_equal(spectra.counts, masked_sums(cube, [labels == k for k in found]))
    # Numbered from 0, the label image comes back.
    expected = np.full(labels.shape, -1)
    for number, label in enumerate(found):
        expected[labels == label] = number
    np.testing.assert_array_equal(spectra.regions.labels(), expected)


@settings(max_examples=40)
@given(st.data())
def test_masks_may_overlap_and_be_empty(data):
    cube = data.draw(cubes())
    masks = {f"m{i}": data.draw(label_images(cube.shape[:2])) > 1 for i in range(3)}
    spectra = chip(spectrum_image(cube), masks)
    assert spectra.names == ("m0", "m1", "m2")
    np.testing.assert_array_equal(spectra.counts, masked_sums(cube, list(masks.values())))
    for mask, box in zip(masks.values(), spectra.regions.boxes.tolist(), strict=True):
        where = np.argwhere(mask)
        low, high = (where.min(axis=0), where.max(axis=0) + 1) if len(where) else ([-1, -1], [-1, -1])
        assert box == [low[0], high[0], low[1], high[1]]


def test_label_names():
    labels = np.array([[7, -1], [2, 7]], np.int16)
    assert Regions.from_labels(labels).names == ("label 2", "label 7")
    assert Regions.from_labels(labels, ["film", "substrate"]).names == ("film", "substrate")
    assert Regions.from_labels(labels, {7: "substrate", 9: "not there"}).names == ("label 2", "substrate")
    assert Regions.from_labels(np.array([[0, 3]], np.uint8)).names == ("label 0", "label 3")
    assert len(Regions.from_labels(np.full((2, 2), -1))) == 0


def test_one_mask_is_one_region():
    cube = np.arange(8).reshape(2, 2, 2)
    spectra = chip(spectrum_image(cube), np.array([[True, False], [False, True]]))
    assert spectra.names == ("mask",)
    assert spectra.counts.tolist() == [[0 + 6, 1 + 7]]


def test_polygon_by_hand():
    # Corners between the pixels: y from 0.5 to 3.5 at the left, down to a point at (2, 4.5) on the right.
    # The upper edge runs y = 0.5 + 1.5 (x + 0.5) / 5, the lower one mirrors it at y = 2:
    #   x 0, 1: 0.65, 0.95 -> rows 1 to 3; x 2, 3, 4: 1.25, 1.55, 1.85 -> row 2 alone
    kite = [(0.5, -0.5), (3.5, -0.5), (2.0, 4.5)]
    mask = Regions.from_polygons({"kite": kite}, (5, 6)).mask("kite")
    assert mask.astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    # Corners are (y, x), not (x, y).
    tall = Regions.from_polygons({"kite": [(x, y) for y, x in kite]}, (6, 5)).mask("kite")
    np.testing.assert_array_equal(tall, mask.T)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 7))
def test_polygons_hold_the_pixels_whose_centres_they_contain(seed, corners):
    rng = np.random.default_rng(seed)
    polygon = [(float(y), float(x)) for y, x in rng.uniform(-2, 9, (corners, 2))]
    mask = Regions.from_polygons({"p": polygon}, (8, 7)).mask("p")
    expected = [[contains(polygon, y, x) for x in range(7)] for y in range(8)]
    np.testing.assert_array_equal(mask, expected)


def test_polygons_may_overlap_and_lie_outside():
    square = [(0.5, 0.5), (0.5, 2.5), (2.5, 2.5), (2.5, 0.5)]
    away = [(90, 90), (90, 95), (95, 95)]
    regions = Regions.from_polygons({"a": square, "b": square, "away": away}, (4, 4))
    assert regions.sizes.tolist() == [4, 4, 0]
    assert regions.boxes.tolist() == [[1, 3, 1, 3], [1, 3, 1, 3], [-1] * 4]


@pytest.mark.parametrize("corners", [[(0, 0), (1, 1)], [(0, 0, 0)] * 3, [], [(0, 0), (1,), (2, 2)]])
def test_polygons_need_three_corners(corners):
    with pytest.raises(InputError, match=r"polygon 'p' needs at least three \(y, x\) corners"):
        Regions.from_polygons({"p": corners}, (4, 4))


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        ((0, 41, 0, 50), "crop y 0:41, x 0:50 does not lie inside the map of 40 x 50"),
        ((0, 40, 0, 51), "does not lie inside"),
        ((-1, 40, 0, 50), "does not lie inside"),
        ((10, 10, 0, 50), "does not lie inside"),
        ((20, 10, 0, 50), "does not lie inside"),
        ((0, 16, 0, 50), r"a chip of 17 pixels does not fit: .* leaves 16 pixels .* up to 16"),
        ((0, 40, 33, 49), "leaves 16 pixels"),
        ((0, 40, 0), r"crop must be \(y0, y1, x0, x1\)"),
    ],
)
def test_crops_that_do_not_fit_are_refused(crop, message):
    with pytest.raises(InputError, match=message):
        ChipGrid(17, crop).regions((40, 50))


def test_chips_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"a chip of 41 pixels does not fit"):
        ChipGrid(41).counts_in((40, 50))
    with pytest.raises(InputError, match=r"leaves 35 pixels after the origin \(5, 0\)"):
        ChipGrid(36, origin=(5, 0)).remainder_in((40, 50))
    assert ChipGrid(40).counts_in((40, 50)) == (1, 1)


@pytest.mark.parametrize("settings_", [{"size": 0}, {"size": 5, "stride": 0}, {"size": 5, "origin": (0, -1)}])
def test_grids_that_cannot_be_are_refused(settings_):
    with pytest.raises(InputError, match="chip grid"):
        ChipGrid(**settings_)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Regions.from_labels(np.zeros((2, 2))), "2-D array of integers; found 2-D float64"),
        (lambda: Regions.from_labels(np.zeros(4, int)), "found 1-D int64"),
        (lambda: Regions.from_labels(np.array([[0, 1]]), ["one"]), "has 2 labels, 1 names"),
        (lambda: Regions.from_labels(np.array([[0, 1]]), ["a", "a"]), "must be unique; found a"),
        (lambda: Regions.from_masks({}), "of one shape; found none"),
        (lambda: Regions.from_masks({"a": np.ones((2, 2), bool), "b": np.ones((2, 3), bool)}), "of one shape"),
        (lambda: Regions.from_masks({"a": np.ones((2, 2))}), "must be boolean"),
        (lambda: Regions((2, 2), ("a",), np.array([0, 1, 2]), np.array([0, 1])), "1 names for 2 regions"),
        (lambda: Regions((2, 2), ("a",), np.array([0, 1]), np.array([4])), "outside the map of 2 x 2"),
        (lambda: Regions((2, 2), ("a",), np.array([0, 1]), np.array([-1])), "outside the map of 2 x 2"),
        (lambda: Regions((2, 2), ("a",), np.array([0, 2]), np.array([1])), "must end at the number of pixels"),
        (lambda: Regions.from_masks({"a": np.ones((2, 2), bool)}).mask("b"), "no region 'b'"),
        (lambda: Regions.from_masks({"a": np.ones((2, 2), bool)}).mask(1), "no region 1"),
        (lambda: Regions.from_masks({"a": np.ones((2, 2), bool)}).mask(-1), "no region -1"),
    ],
)
def test_regions_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_regions_of_another_raster_are_refused():
    message = "made for a map of 3 x 2 pixels, this one has 2 x 3"
    for regions in (np.zeros((3, 2), int), np.zeros((3, 2), bool), {"a": np.zeros((3, 2), bool)}):
        with pytest.raises(InputError, match=message):
            as_regions(regions, (2, 3))
    with pytest.raises(InputError, match=message):
        chip(spectrum_image(np.zeros((2, 3, 1), int)), Regions.from_labels(np.zeros((3, 2), int)))


def test_spectra_carry_what_the_map_knows():
    acquisition, elements = Acquisition(beam_kev=200.0), (ElementSetting("Fe", "K"),)
    cube = np.ones((4, 4, 3), int)
    image = spectrum_image(cube, acquisition=acquisition, elements=elements, source="m.emd", digest="d1")
    spectra = chip(image, ChipGrid(2))
    assert len(spectra) == 4
    assert spectra.energy is image.energy
    assert (spectra.acquisition, spectra.elements) == (acquisition, elements)
    assert (spectra.source, spectra.digest) == ("m.emd", "d1")
    with pytest.raises(NoMapError):
        chip(SpectrumImage((0, 0), EnergyAxis(3, 0.1), None), ChipGrid(2))
    with pytest.raises(InputError, match=r"counts of shape \(2, 3\) for 1 names and 3 channels"):
        Spectra(np.ones((2, 3)), EnergyAxis(3, 0.1), ("a",))

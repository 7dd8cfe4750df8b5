"""Which chip of one grid is which of the other: names are not trusted where positions are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.matching import Place, match
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from tests.oracles import grid_masks
from tests.strategies import grids

SHAPE = (40, 50)


def place(grid: ChipGrid, owner: str = "edsnb", shape=SHAPE) -> Place:
    regions = grid.regions(shape)
    return Place(owner, regions.names, regions)


def pairs(found) -> list[tuple[int, int]]:
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_identical_grids_match_by_name():
    found = match(place(ChipGrid(10)), place(ChipGrid(10), "Velox"))
    assert pairs(found) == [(i, i) for i in range(20)]
    assert (found.by, found.apart_px) == ("name", 0)


def test_the_same_names_at_other_places_do_not_match():
    """R0C0 of the crop is R1C1 of the whole map."""
    found = match(place(ChipGrid(10)), place(ChipGrid(10, crop=(10, 40, 10, 50)), "Velox"))
    whole, crop = ChipGrid(10).regions(SHAPE).names, ChipGrid(10, crop=(10, 40, 10, 50)).regions(SHAPE).names
    named = [(whole[i], crop[j]) for i, j in pairs(found)]
    assert named[:2] == [("R1C1", "R0C0"), ("R1C2", "R0C1")]
    assert len(named) == 12
    assert found.by == "position"


def test_overlap_in_part():
    """Chips of a stride: every other one is a chip of the grid beside."""
    found = match(place(ChipGrid(10, stride=5)), place(ChipGrid(10)))
    assert len(found.first) == 20
    assert match(place(ChipGrid(10)), place(ChipGrid(10, crop=(0, 20, 0, 50)))).first.tolist() == list(range(10))


def test_nothing_in_common_tells_why():
    with pytest.raises(InputError) as caught:
        match(place(ChipGrid(10)), place(ChipGrid(10, origin=(3, 0)), "Velox"))
    text = str(caught.value)
    assert "15 names are the same, but stand for other places" in text
    assert "The nearest boxes differ by 3 px: tolerance_px=3 would pair them" in text
    assert "3 x 5 = 15 chips of 10 px" in text


def test_tolerance_pairs_the_nearest():
    first, second = place(ChipGrid(10)), place(ChipGrid(10, origin=(3, 0)), "Velox")
    found = match(first, second, 3)
    assert pairs(found) == [(i, i) for i in range(15)]
    assert found.apart_px == 3
    with pytest.raises(InputError, match="differ by 3 px"):
        match(first, second, 2.5)


def test_tolerance_uses_each_region_once():
    """Two boxes near one: the nearer takes it."""
    masks = {name: np.zeros(SHAPE, bool) for name in ("a", "b")}
    masks["a"][0:10, 0:10], masks["b"][0:10, 2:12] = True, True
    one, two = Regions.from_masks(masks), Regions.from_masks({"hand": np.roll(masks["b"], 1, axis=1)})
    found = match(Place("x", one.names, one), Place("y", two.names, two), 5)
    assert pairs(found) == [(1, 0)]
    assert found.apart_px == 1


def test_irregular_regions_match_by_their_pixels():
    disc = np.hypot(*np.mgrid[-20:20, -20:30]) < 9
    square = np.zeros(SHAPE, bool)
    square[12:29, 12:29] = True
    one = Regions.from_masks({"disc": disc, "rest": ~disc})
    two = Regions.from_masks({"outside": ~disc, "square": square})
    assert one.boxes[0].tolist() == two.boxes[1].tolist(), "the boxes alone would match"
    found = match(Place("x", one.names, one), Place("y", two.names, two))
    assert pairs(found) == [(1, 0)]
    assert found.by == "position"


def test_of_regions_with_the_same_pixels_the_name_decides():
    mask = np.zeros(SHAPE, bool)
    mask[:5] = True
    one = Regions.from_masks({"a": mask, "b": mask, "c": mask})
    two = Regions.from_masks({"b": mask, "x": mask})
    found = match(Place("x", one.names, one), Place("y", two.names, two))
    assert pairs(found) == [(0, 1), (1, 0)]


def test_other_rasters_are_refused():
    with pytest.raises(InputError, match=r"different rasters \(edsnb: 40 x 50, Velox: 20 x 50 pixels\)"):
        match(place(ChipGrid(10)), place(ChipGrid(10), "Velox", (20, 50)))


def test_names_decide_where_positions_are_not_known():
    log = Place("Velox", ("R0C1", "Area 7", "R0C0"), None)
    found = match(place(ChipGrid(10)), log)
    assert pairs(found) == [(0, 2), (1, 0)]
    assert found.by == "name"
    assert np.isnan(found.apart_px)
    with pytest.raises(InputError, match=r"no region in common: names of the first are R0C0, R0C1, R0C2 and 17 more"):
        match(place(ChipGrid(10)), Place("Velox", ("Area 1",), None))


def test_misuse():
    with pytest.raises(InputError, match="tolerance_px must be"):
        match(place(ChipGrid(10)), place(ChipGrid(10)), float("nan"))
    regions = ChipGrid(10).regions(SHAPE)
    with pytest.raises(InputError, match="19 names for 20 regions"):
        match(Place("edsnb", regions.names[1:], regions), place(ChipGrid(10)))


@given(grids((7, 9)), grids((7, 9)), st.booleans())
@settings(max_examples=60)
def test_any_two_grids_match_where_masks_are_the_same(one, two, empty):
    """The slow twin compares every mask with every other."""
    first, second = place(one, shape=(7, 9)), place(two, "other", (7, 9))
    masks, others = grid_masks(one, (7, 9)), grid_masks(two, (7, 9))
    expected = [(a, b) for a, m in masks.items() for b, o in others.items() if (m == o).all()]
    if not expected:
        with pytest.raises(InputError, match="no chip of edsnb"):
            match(first, second)
        return
    found = match(first, second, 0.0 if empty else 1e-9)
    assert [(first.names[i], second.names[j]) for i, j in pairs(found)] == expected
    assert (found.by == "name") == all(a == b for a, b in expected)

"""What chips are called: three namings there and back, folders that every system takes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.io.fewshot.names import (
    Naming,
    check_complete,
    check_folders,
    file_name,
    find_chips,
    in_order,
    safe_name,
    stems,
)

REGIONS = ChipGrid(size=4).regions((14, 50))
"""3 rows and 12 columns."""


def test_names_by_hand():
    assert file_name(Naming.GUI, row=2, col=11) == "cropX_11_Y_2.jpg"
    assert file_name(Naming.MANUSCRIPT, row=2, col=11) == "otsu_image_03_12.png"
    assert file_name(Naming.CLASSIFIER, row=2, col=11) == "R2C11.png"
    assert file_name(Naming.MANUSCRIPT, row=99, col=0) == "otsu_image_100_01.png"


def test_orders():
    cells = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    by_column, by_row = [0, 2, 4, 1, 3, 5], [0, 1, 2, 3, 4, 5]
    assert in_order(Naming.GUI, cells) == in_order(Naming.CLASSIFIER, np.array(cells)) == by_column
    assert in_order(Naming.MANUSCRIPT, cells) == by_row


@pytest.mark.parametrize("naming", Naming)
@pytest.mark.parametrize("folder", ["", "./static/username/query/all_chips/", ".\\query\\all_queries\\", "C:\\R0C0\\"])
@pytest.mark.parametrize("ending", [True, False])
def test_chips_are_found_again(naming: Naming, folder: str, ending: bool):
    names = [folder + file_name(naming, *cell) for cell in REGIONS.cells.tolist()]
    if not ending:
        names = [re.sub(r"\.(jpg|png)$", "", name) for name in names]
    # In the order of a file: sorted as text, from behind.
    order = sorted(range(len(names)), key=names.__getitem__, reverse=True)
    assert order != list(range(len(names)))
    assert find_chips([names[k] for k in order], REGIONS) == order
    check_complete(order, REGIONS)


@given(st.integers(0, 10**4), st.integers(0, 10**4))
def test_no_two_chips_share_a_name(row: int, col: int):
    for naming in Naming:
        others = {file_name(naming, row, col + 1), file_name(naming, row + 1, col), file_name(naming, col + 1, row)}
        assert file_name(naming, row, col) not in others


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["R0C0", "R3C0"], r"R3C0 is no chip of the grid of 3 rows and 12 columns \(R0C0 to R2C11\)"),
        (["R0C0", "r0c1"], "r0c1 is no chip"),
        (["R0C1", "a/R0C1.png"], "R0C1 is named more than once"),
        (["R0C1", "cropX_0_Y_1.jpg"], "named in several ways at once .*1 like cropX_0_Y_0.jpg, 1 like R0C0.png"),
        (["otsu_image_00_01.png"], "otsu_image_00_01.png is no chip"),
        (["otsu_image_01_13.png"], "otsu_image_01_13.png is no chip"),
        (["cropX_2_Y_11.jpg"], "is no chip"),
        ([f"R{k}C50" for k in range(9)], r"R0C50, R1C50, R2C50, R3C50, R4C50 \.\.\. \(9 in all\) are no chip"),
        (["film"], "film is no chip"),
    ],
)
def test_foreign_and_double_names(names: list[str], message: str):
    with pytest.raises(InputError, match=message):
        find_chips(names, REGIONS)


def test_missing_chips():
    with pytest.raises(InputError, match=r"34 of 36 chips are missing: R0C1, R0C2, .*\(34 in all\)"):
        check_complete([0, 35], REGIONS)


def test_irregular_regions_by_name_or_file():
    regions = Regions.from_masks({name: np.eye(3, dtype=bool) for name in ("film/top", "Film top", "α (1)", "...")})
    assert stems(regions) == ["0000_film_top", "0001_Film_top", "0002_α_1", "0003_region"]
    assert find_chips(["x/0002_α_1.png", "film/top", "0001_Film_top", "..."], regions) == [2, 0, 1, 3]
    with pytest.raises(InputError, match="R0C0 is no chip of the 4 regions film/top, Film top"):
        find_chips(["R0C0"], regions)
    assert stems(REGIONS) == list(REGIONS.names)


def test_safe_names():
    assert safe_name("LFO/STO, seed 3", "map") == "LFO_STO_seed_3"
    assert safe_name("..", "map") == safe_name("", "map") == "map"


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a\\b", "..", "a:b", "a*", "end.", " lead", "trail ", "con", "LPT1", "nul.txt", "tab\t"]
)
def test_classes_that_cannot_be_folders(name: str):
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        check_folders(["film", name])


def test_classes_that_some_systems_take_for_one():
    check_folders(["film", "SrTiO3 (substrate)", "été", "7"])
    with pytest.raises(InputError, match="'film' and 'Film' would share a folder"):
        check_folders(["film", "Film"])

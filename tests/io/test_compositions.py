"""Sources of a composition by one line of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edsnb.core.comparison.composition import Composition
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import ChipGrid
from edsnb.errors import FileFormatError, InputError
from edsnb.io.compositions import open_composition
from edsnb.io.opening import open_file
from tests.io.velox.test_maps import SHAPE, image_of, random_maps
from tests.io.velox_tables import exports
from tests.io.velox_tables.exports import PLAIN, add_log, log_table, truth

MADE = truth(2, 3)
LOG = log_table("S", [(8, "O", "K", 60.0, 1, 30.0, 1, 0.1), (38, "Sr", "K", 40.0, 1, 70.0, 1, 0.1)])


@pytest.fixture
def image(tmp_path: Path) -> SpectrumImage:
    return image_of("Integration", *random_maps(), **{"source": str(add_log(tmp_path / "map.emd", LOG))})


def test_exported_tables(tmp_path: Path, image: SpectrumImage) -> None:
    folder = exports.batches(MADE, tmp_path / "velox export", 3)
    found = open_composition(f"velox:{folder}", regions=MADE.regions)
    np.testing.assert_array_equal(found.values["atomic"], MADE.atomic)
    assert found.method == "Velox (exported tables)"
    grid = truth(3, 4)
    found = open_composition(f"velox: {exports.batches(grid, tmp_path / 'b', 4)}", image, ChipGrid(2))
    assert found.regions is not None
    assert found.regions.grid == ChipGrid(2)
    np.testing.assert_array_equal(found.values["weight"], grid.weight)


def test_a_table_made_by_hand_and_options(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "mine.csv", exports.wide_table(MADE, range(6), lambda e: (e,), errors=False))
    found = open_composition(f"table:{path}", regions=MADE.regions, quantity="atomic")
    assert found.method == "table mine.csv"
    assert open_composition(f"table:{path}", quantity="atomic", method="by hand").method == "by hand"


@pytest.mark.parametrize("text", ["velox", "velox-log", "velox-log:", " Velox "])
def test_the_log_of_the_opened_file(text: str, image: SpectrumImage) -> None:
    found = open_composition(text, image, ChipGrid(2))
    assert found.method == "Velox (experiment log)"
    assert found.names == ("S",)
    assert found.source == image.source


def test_the_log_of_another_file(image: SpectrumImage) -> None:
    assert open_composition(f"velox-log:{image.source}").elements == ("O", "Sr")


def test_maps_of_another_raster_are_refused_before_anything_is_cut(
    monkeypatch: pytest.MonkeyPatch, example: Path
) -> None:
    """A chip size that fits one of the maps alone must not be what is complained of."""
    opened = open_file(example)
    monkeypatch.setattr("edsnb.io.compositions.open_file", lambda _: image_of("Integration", *random_maps()))
    with pytest.raises(
        InputError, match=rf"have {SHAPE[0]} x {SHAPE[1]} pixels, the opened map 64 x 64\. Only maps of"
    ):
        open_composition("velox-maps:other.emd", opened, ChipGrid(32))
    assert open_composition("velox-maps:other.emd", None, ChipGrid(2)).elements == ("O", "Ti", "Sr")


def test_a_file_that_cannot_hold_a_log(tmp_path: Path, image: SpectrumImage) -> None:
    other = tmp_path / "map.bcf"
    other.write_bytes(b"AAMVHFSS" * 10)
    with pytest.raises(FileFormatError, match=r"map\.bcf is no HDF5 file, so it holds no experiment log"):
        open_composition(f"velox-log:{other}", image)


def test_maps(image: SpectrumImage, example: Path) -> None:
    found = open_composition("velox-maps", image, ChipGrid(2), elements=["O"])
    assert isinstance(found, Composition)
    assert set(found.values) == {"counts"}
    with pytest.raises(FileFormatError, match="holds no element maps"):
        open_composition(f"velox-maps:{example}", image, ChipGrid(2))


@pytest.mark.parametrize("text", ["", "Velox tables", "hyperspy", "table:", "table", "velox:", "velox-maps:"])
def test_sources_that_are_not_understood(text: str) -> None:
    with pytest.raises(InputError, match=r"is not understood: give velox:PATH"):
        open_composition(text)


def test_a_bare_path_is_told_how_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"If it is a file, say velox:{tmp_path} or table:"):
        open_composition(str(tmp_path))


def test_what_is_missing_is_said(image: SpectrumImage) -> None:
    with pytest.raises(InputError, match=r"stands for the opened file, but none is open. Name it: velox-log:FILE.emd"):
        open_composition("velox-log")
    with pytest.raises(InputError, match="velox-maps needs the regions"):
        open_composition("velox-maps", image)
    with pytest.raises(InputError, match=r"velox-maps:FILE\.emd"):
        open_composition("velox-maps", regions=ChipGrid(2))
    with pytest.raises(InputError, match="a log takes no options; found quantity"):
        open_composition("velox", image, quantity="atomic")
    with pytest.raises(InputError, match="the regions need a map"):
        open_composition("table:x.csv", regions=ChipGrid(2))

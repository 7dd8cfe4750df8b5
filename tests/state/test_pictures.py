"""Pictures of a map: what is shown on the left and on the right, and the code that makes it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edsnb
from edsnb.core.image import StoredMap
from edsnb.state.chips.pictures import COUNTS, PictureState
from edsnb.state.chips.state import ChipState
from edsnb.state.elements.models import ModelSettings, family_marks, line_marks
from tests.simulated import small


@pytest.fixture
def state(coarse: ChipState) -> ChipState:
    return coarse


def test_first_pictures(state):
    pictures = state.pictures
    assert (pictures.left.title, pictures.left.unit) == ("HAADF", "intensity")
    np.testing.assert_array_equal(pictures.left.image, small().image.haadf.image)
    low, high = state.elements.energy
    np.testing.assert_array_equal(pictures.right.image, small().image.counts_map(low, high))
    assert pictures.counts is not None


def test_energy_window(state):
    pictures = state.pictures
    pictures.set_window(6.8, 6.2)
    state.wait()
    assert (pictures.kind, pictures.window) == ("window", (6.2, 6.8))
    assert pictures.right.title == "X-rays, 6.2–6.8 keV"
    np.testing.assert_array_equal(pictures.right.image, small().image.counts_map(6.2, 6.8))
    before = pictures.right
    pictures.set_window(39.0, 90.0)
    state.wait()
    assert pictures.window == (39.0, pytest.approx(small().image.energy.range_kev[1]))
    pictures.window = (3.0001, 3.0002)
    state.wait()
    assert "holds no channel" in pictures.message
    pictures.kind = "counts"
    state.wait()
    assert pictures.message == ""
    assert pictures.right is not before


def test_fitted_line(state):
    pictures = state.pictures
    pictures.kind = "line"
    state.wait()
    assert pictures.line == "O"
    maps = pictures.maps
    np.testing.assert_array_equal(pictures.right.image, maps.map("O")[0])
    assert (pictures.right.unit, pictures.right.title) == ("at%", "O, kernel 5 px")
    pictures.line = "Sr_L"
    assert pictures.maps is maps, "no new fit for another line"
    assert (pictures.right.unit, pictures.right.title) == ("X-rays", "Sr L, kernel 5 px")
    pictures.kernel = 8
    state.wait()
    assert pictures.maps.kernel_px == 7.0
    state.elements.choose(["Ti", "Sr"])
    state.wait()
    assert pictures.maps.elements == ("Ti", "Sr")
    assert pictures.line in pictures.line_names().values()


def test_fitted_line_is_that_of_pixel_maps(state):
    state.pictures.param.update(kind="line", line="Fe_K")
    state.wait()
    settings = ModelSettings.of(state.elements)
    maps = edsnb.pixel_maps(small().image, settings.quantify(small().image), kernel=5)
    np.testing.assert_array_equal(state.pictures.right.image, maps.map("Fe_K")[0])


def test_mix_of_elements(state):
    pictures = state.pictures
    pictures.kind = "mix"
    state.wait()
    assert list(pictures.right.mixed) == ["O", "Ti", "Fe"]
    pictures.mix = ["Sr", "La_L"]
    assert list(pictures.right.mixed) == ["Sr", "La_L"]
    assert pictures.right.picture is None
    pictures.mix = list(pictures.line_names().values())
    assert len(pictures.right.mixed) == 6
    assert "No more than 6" in pictures.message
    pictures.mix = []
    assert "Choose at least one" in pictures.message
    assert len(pictures.right.mixed) == 6, "the last picture stays"


def test_no_elements_no_fitted_maps(state):
    state.elements.choose([])
    state.pictures.kind = "line"
    state.wait()
    assert "No fitted maps: no element is chosen" in state.pictures.message
    state.pictures.kind = "counts"
    state.wait()
    assert state.pictures.message == ""


def test_maps_stored_in_the_file(state):
    image = small().image
    stored = StoredMap("Fe", np.ones(image.shape, np.float32), "atomic_fraction", "Quant", "Fe")
    other = StoredMap("Fe", np.zeros((2, 2), np.float32), "counts", "Net")
    state.image = replace(image, maps=(other, stored, stored))
    state.wait()
    names = state.pictures.param["survey"].objects
    assert names == ["HAADF", "stored: Fe (Quant) 1", "stored: Fe (Quant) 2"]
    state.pictures.survey = names[2]
    assert state.pictures.left.picture.code() == "image.maps[2].image"
    assert state.pictures.left.unit == "at. fraction"


def test_left_without_an_image():
    image = replace(small().image, surveys={})
    state = ChipState(image)
    state.wait()
    assert state.pictures.survey == COUNTS
    np.testing.assert_array_equal(state.pictures.left.image, state.pictures.counts)
    state.elements.energy = (5.0, 8.0)
    state.wait()
    np.testing.assert_array_equal(state.pictures.left.image, image.counts_map(5.0, 8.0))


def test_a_late_answer_for_another_map_is_dropped(state):
    pictures: PictureState = state.pictures
    pictures.set_window(1.0, 2.0)
    state.image = None
    state.wait()
    assert (pictures.left, pictures.right, pictures.counts) == (None, None, None)


def test_marks_of_lines(state):
    marks = {name: kev for kev, name, _ in line_marks(state.elements)}
    assert marks["Fe Kα"] == pytest.approx(6.40, abs=0.01)
    assert marks["Fe Kβ"] == pytest.approx(7.06, abs=0.01)
    assert marks["La Lβ"] == pytest.approx(5.04, abs=0.01)
    assert "O Kβ" not in marks
    state.elements.energy = (1.0, 6.5)
    assert {"Fe Kβ", "O Kα"}.isdisjoint(name for _, name, _ in line_marks(state.elements))


@pytest.mark.parametrize("symbol", ["C", "Si", "Fe", "La", "Au", "U"])
def test_every_family_has_a_mark(symbol):
    from edsnb.core.fitting.lines import xraylib_family

    for shell in "KLM":
        family = xraylib_family(symbol, shell)
        if family is not None:
            assert all(0 < weight <= 1 for _, _, weight in family_marks(family))
            assert all(name.startswith(f"{symbol} {shell}") for _, name, _ in family_marks(family))

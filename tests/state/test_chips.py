"""ChipState: the grid as it is asked for and as it fits, selection, spectra, counts, prediction, code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edsnb
from edsnb.core.events import Events
from edsnb.core.image import Survey
from edsnb.recipe import Recipe
from edsnb.state.chips.cuts import Cut, fitting, grid_of
from edsnb.state.chips.state import ChipState
from tests.oracles import grid_masks, masked_sums
from tests.simulated import empty, small, stored_only

SHAPE = (64, 64)
pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def state() -> ChipState:
    made = ChipState(small().image, size=8)
    made.wait()
    return made


def dense() -> np.ndarray:
    image = small().image
    return image.require_events().to_dense().reshape(*image.shape, -1)


@pytest.mark.parametrize(
    ("asked", "got", "said"),
    [
        (Cut(8), (8, None, (0, 0), (0, 64, 0, 64)), ""),
        (Cut(100), (64, None, (0, 0), (0, 64, 0, 64)), "A chip of 100 px does not fit: the crop leaves 64 px"),
        (Cut(8, 3, (2, 1), (4, 30, 5, 40)), (8, 3, (2, 1), (4, 30, 5, 40)), ""),
        (Cut(8, crop=(-5, 90, 10, 20)), (8, None, (0, 0), (0, 64, 10, 20)), "crop was moved into the map of 64 x 64"),
        (Cut(8, crop=(70, 80, 64, 64)), (1, None, (0, 0), (63, 64, 63, 64)), "A chip of 8 px does not fit"),
        (Cut(20, origin=(60, 3)), (4, None, (60, 3), (0, 64, 0, 64)), "so it is 4 px now"),
        (Cut(20, origin=(99, -3)), (1, None, (63, 0), (0, 64, 0, 64)), "origin was moved into the crop"),
        (Cut(0, 0), (1, 1, (0, 0), (0, 64, 0, 64)), "stride is 1 px now"),
        (Cut(8, 900), (8, 64, (0, 0), (0, 64, 0, 64)), "stride is 64 px now"),
    ],
)
def test_cut_is_made_to_fit(asked, got, said):
    cut, notes = fitting(asked, SHAPE)
    assert (cut.size, cut.stride, cut.origin, cut.crop) == got
    assert said in " ".join(notes)
    assert bool(said) == bool(notes)
    grid_of(cut, SHAPE).regions(SHAPE)


def test_whole_map_is_no_crop():
    cut, _ = fitting(Cut(8), SHAPE)
    assert grid_of(cut, SHAPE) == edsnb.ChipGrid(8)


def test_grid_follows_the_sliders(state):
    state.size = 10
    assert (state.stride, state.grid) == (10, edsnb.ChipGrid(10))
    assert state.summary.startswith("6 x 6 = 36 chips of 10 px (20 nm); dropped 4 px at the bottom, 4 px at the right")
    state.side_by_side = False
    state.stride = 5
    assert state.grid == edsnb.ChipGrid(10, None, 5)
    state.param.update(crop_y=(10, 40), crop_x=(0, 33), origin_y=2, origin_x=1)
    assert state.grid == edsnb.ChipGrid(10, (10, 40, 0, 33), 5, (2, 1))
    assert len(state.regions) == 4 * 5
    assert state.message == ""


def test_slider_beyond_the_crop_clamps_and_says_so(state):
    state.crop_y = (10, 22)
    assert (state.size, state.grid.crop) == (8, (10, 22, 0, 64))
    state.size = 40
    assert state.size == 12
    assert "A chip of 40 px does not fit: the crop leaves 12 px" in state.message
    state.crop_y = (0, 64)
    assert state.message == ""
    state.crop_x = (60, 900)
    assert state.crop_x == (60, 64)
    assert state.size == 4


def test_selected_spectra_are_the_sums_of_their_pixels(state):
    state.select(20, 30)
    state.select(40, 30, add=True)
    assert state.spectra.names == ("R2C3", "R5C3")
    masks = grid_masks(edsnb.ChipGrid(8), SHAPE)
    np.testing.assert_array_equal(state.spectra.counts, masked_sums(dense(), [masks["R2C3"], masks["R5C3"]]))
    state.wait()
    np.testing.assert_array_equal(state.all_spectra.counts, masked_sums(dense(), list(masks.values())))
    assert state.all_spectra.names == state.regions.names


def test_counts_are_those_of_the_fitted_range(state):
    low, high = state.elements.energy
    inside = small().image.energy.channels(low, high)
    masks = grid_masks(edsnb.ChipGrid(8), SHAPE)
    np.testing.assert_allclose(state.chip_counts, masked_sums(dense(), list(masks.values()))[:, inside].sum(axis=1))
    assert f"mean {state.chip_counts.mean():,.0f} X-rays a chip" in state.summary
    state.elements.energy = (4.0, 8.0)
    state.wait()
    inside = small().image.energy.channels(4.0, 8.0)
    np.testing.assert_allclose(state.chip_counts, masked_sums(dense(), list(masks.values()))[:, inside].sum(axis=1))


def test_selection_stays_in_place_when_the_size_changes(state):
    state.select(20, 30)
    state.size = 5
    assert state.chosen.startswith("Selected: R4C5 (y 20:25, x 25:30 px")
    state.size = 8
    assert state.chosen.startswith("Selected: R2C3")


def test_selection_in_the_remainder_goes_to_the_nearest_chip(state):
    state.select(63, 63)
    state.size = 10
    assert state.cell == (5, 5)


def test_second_shift_click_takes_a_chip_away(state):
    state.select(20, 30)
    state.select(40, 30, add=True)
    state.select(20, 30, add=True)
    assert state.spectra.names == ("R5C3",)
    state.select(40, 30, add=True)
    assert state.spectra.names == ("R5C3",), "the last one stays"


def test_click_beside_the_chips_changes_nothing_but_says_so(state):
    state.crop_y = (0, 32)
    before = state.selected
    state.select(50, 10)
    assert state.selected == before
    assert state.message == "There is no chip at y 50, x 10 px."


def test_selection_moves_by_keys_and_stops_at_the_edge(state):
    state.go_to(0, 0)
    assert state.cell == (0, 0)
    state.move(-1, 0)
    state.move(0, 1)
    assert state.cell == (0, 1)
    state.go_to(99, 99)
    assert state.cell == (7, 7)
    state.select_named("R3C4")
    assert state.cell == (3, 4)
    state.select_named("R99C99")
    assert state.message == "There is no chip R99C99."
    assert state.cell == (3, 4)


def test_many_x_rays_are_summed_in_the_background(state, monkeypatch):
    monkeypatch.setattr("edsnb.state.chips.state._AT_ONCE", 10)
    state.size = 9
    state.select(20, 30)
    state.wait()
    assert state.spectra.names == ("R2C3",)
    np.testing.assert_array_equal(state.spectra.counts[0], dense()[18:27, 27:36].sum(axis=(0, 1)))


def test_prediction_scales_with_the_size(state):
    advice = state.precision.prediction
    alone = edsnb.advise(small().image, ["O", "Ti", "Fe", "Sr", "La", "C", "Cu"], deconvolve=["C", "Cu"])
    np.testing.assert_allclose(advice.sd_pixel, alone.sd_pixel, rtol=0.02)
    assert state.expected.startswith("Predicted sd (at%) of a chip of 8 px: O ")
    assert f"O {advice.sd_pixel[0] / 8:.2f}" in state.expected
    state.size = 16
    assert state.precision.prediction is advice, "no new fit for another size"
    assert f"of a chip of 16 px: O {advice.sd_pixel[0] / 16:.2f}" in state.expected


def test_prediction_follows_the_crop_and_the_elements(state):
    whole = state.precision.prediction
    state.crop_y = (40, 64)
    state.wait()
    assert state.precision.prediction.region == "the crop"
    assert state.precision.prediction.atomic[4] < whole.atomic[4] - 1, "no lanthanum below the film"
    state.elements.choose(["Ti", "Sr"])
    state.wait()
    assert state.precision.prediction.elements == ("Ti", "Sr")
    state.elements.choose([])
    assert state.precision.prediction is None
    assert "choose at least one" in state.expected


def test_drawn_regions_beside_the_grid_and_instead_of_it(state):
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    assert state.use == "both"
    assert len(state.regions) == 65
    state.select(10, 10)
    assert state.spectra.names == ("region 1",)
    np.testing.assert_array_equal(state.spectra.counts[0], dense()[0:21, 0:21].sum(axis=(0, 1)))
    assert "1 drawn region of 441 px" in state.summary
    state.use = "drawn"
    assert state.regions.names == ("region 1",)
    assert "chips" not in state.summary
    assert "of a region of 441 px" in state.expected
    state.drawn.delete("region 1")
    assert state.regions is None
    assert (state.spectra, state.selected) == (None, ())
    assert state.summary == "no region is drawn yet"
    state.use = "grid"
    assert len(state.regions) == 64


def test_a_region_called_like_a_chip_keeps_its_own_name_apart(state):
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    state.drawn.rename("region 1", "R0C0")
    assert "R0C0 (drawn)" in state.regions.names


def test_mouse_is_told_where_it_is(state):
    state.hover(20, 30)
    assert state.pointed.startswith("R2C3: y 16:24, x 24:32 px, ")
    assert "y 20, x 30 px (40, 60 nm)" in state.pointed
    assert f"HAADF {small().image.haadf.image[20, 30]:.5g}" in state.pointed
    state.crop_y = (0, 32)
    state.hover(50, 30)
    assert state.pointed.startswith("no chip here")
    for place in ((None, None), (-3, 4), (20, 64)):
        state.hover(*place)
        assert state.pointed.startswith("Point at a map")


def test_recipe_repeats_the_chips(state):
    state.param.update(size=9, side_by_side=False, stride=5, origin_y=1, crop_y=(3, 60))
    recipe = state.recipe()
    assert (recipe.chip, recipe.stride, recipe.origin, recipe.crop) == (9, 5, (1, 0), (3, 60, 0, 64))
    assert recipe.elements == ("O", "Ti", "Fe", "Sr", "La")
    assert recipe.deconvolve == ("C", "Cu")
    again = ChipState(small().image, recipe=recipe)
    assert again.recipe() == recipe
    assert again.grid == state.grid
    again.wait()


def test_code_repeats_the_state(example):
    state = ChipState(edsnb.open(example), size=12)
    state.wait()
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    state.drawn.current = "region 1"
    state.drawn.remove = True
    state.drawn.brush([(5, 5), (9, 9)])
    state.drawn.param.update(current="a new region", remove=False)
    state.drawing.side = "left"
    state.drawing.band = (9000.0, 20000.0)
    state.drawing.take_band()
    state.select(10, 2)
    state.select(40, 30, add=True)
    state.pictures.set_window(4.4, 4.8)
    state.wait()
    names = run(state, "regions").names
    assert names == state.regions.names
    np.testing.assert_array_equal(run(state, "regions").pixels, state.regions.pixels)
    np.testing.assert_array_equal(run(state, "shown"), state.spectra.counts)
    np.testing.assert_allclose(run(state, "picture"), state.pictures.right.image)
    assert run(state, "recipe") == state.recipe()
    state.together = "sum"
    assert run(state, "shown").shape == (1, 4096)
    state.pictures.param.update(kind="line", line="Fe")
    state.wait()
    np.testing.assert_allclose(run(state, "picture"), state.pictures.right.image, rtol=1e-4, atol=1e-3)
    state.use = "drawn"
    assert run(state, "regions").names == ("region 1", "region 2")


def run(state: ChipState, name: str):
    """Run the state's code, and return what it made."""
    made: dict[str, object] = {}
    exec(state.code(), made)
    return made[name]


def test_map_without_a_file_is_named_in_the_code(state):
    made: dict[str, object] = {"image": small().image}
    exec(state.code(), made)
    np.testing.assert_array_equal(made["shown"], state.spectra.counts)


def test_another_map_takes_the_place_of_the_first(state):
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    image = small().image
    events = image.require_events()
    half = events.indptr[: 32 * 64 + 1]
    smaller = replace(
        image, shape=(32, 64), surveys={}, events=Events(half, events.channel[: half[-1]], None, events.channels)
    )
    state.size = 40
    state.image = smaller
    state.wait()
    assert (state.drawn.areas, state.size, state.crop_y) == ((), 32, (0, 32))
    assert "A chip of 40 px does not fit" in state.message
    assert state.regions.shape == (32, 64)
    assert state.pictures.left.title == "X-ray counts"
    assert state.pictures.note == "The file has no image of the specimen."
    assert state.chip_counts.shape == (2,)


@pytest.mark.parametrize("image", [None, stored_only()])
def test_without_a_map_it_says_so_and_goes_on(image):
    state = ChipState(image)
    assert state.grid is None
    assert "No map is open" in state.message if image is None else "holds no map to cut into chips" in state.message
    state.size = 5
    state.select(3, 3)
    state.move(1, 0)
    state.hover(3, 3)
    state.drawing.tool = "polygon"
    state.tapped(3, 3)
    assert "edsnb.open" in state.code()
    with pytest.raises(edsnb.EdsnbError, match="open a map first"):
        state.recipe()
    state.image = small().image
    state.wait()
    assert len(state.regions) == 12 * 12


def test_empty_map():
    state = ChipState(empty(), size=16)
    state.wait()
    assert len(state.regions) == 16
    assert state.chip_counts.sum() == 0
    assert state.expected.startswith("No prediction: ")


def test_map_of_one_pixel():
    image = small().image
    events = image.require_events()
    first = events.indptr[:2]
    one = Events(first, events.channel[: first[-1]], None, events.channels)
    state = ChipState(replace(image, shape=(1, 1), surveys={}, events=one))
    state.wait()
    assert (state.size, state.regions.names) == (1, ("R0C0",))
    state.pictures.kind = "line"
    state.wait()
    assert state.pictures.message or state.pictures.work.message or state.pictures.right is not None
    state.move(1, 1)
    assert state.cell == (0, 0)


def test_too_many_chips_are_not_held(state, monkeypatch):
    monkeypatch.setattr("edsnb.state.chips.cutting._MOST_CHIPS", 1000)
    state.size = 1
    assert state.regions is None
    assert "4,096 chips are too many to hold" in state.message
    state.select(3, 3)
    state.move(1, 0)
    state.size = 4
    assert len(state.regions) == 256


def test_files_that_fail_to_open_are_told(tmp_path, example):
    state = ChipState()
    broken = tmp_path / "broken.emd"
    broken.write_bytes(b"no HDF5")
    state.open(broken)
    state.wait()
    assert "broken.emd" in state.message
    state.open(example)
    state.wait()
    assert len(state.regions) == 16
    assert state.message == ""


def test_elements_of_another_state_are_used():
    from edsnb.state.elements.state import ElementState

    elements = ElementState()
    elements.load(small().image)
    elements.choose(["Fe", "O"])
    state = ChipState(small().image, elements=elements)
    state.wait()
    assert state.precision.prediction.elements == ("Fe", "O")
    assert state.recipe().elements == ("Fe", "O")


def test_survey_of_another_raster():
    image = small().image
    survey = Survey("overview", np.zeros((30, 50), np.float32), 10.0)
    fine = Survey("fine", np.ones((128, 128), np.float32), image.pixel_nm / 2)
    state = ChipState(replace(image, surveys={**image.surveys, "overview": survey, "fine": fine}))
    state.pictures.survey = "overview"
    assert not state.pictures.left.aligned
    assert "where the map lies in it is not known" in state.pictures.note
    state.pictures.survey = "fine"
    assert state.pictures.left.extent == (0, 64, 0, 64)
    assert "taken to be the same field" in state.pictures.note
    state.drawing.side = "left"
    assert state.drawing.inside is None
    assert "cannot be thresholded" in state.drawing.message
    state.pictures.survey = "HAADF"
    assert state.pictures.note == ""
    state.wait()


def test_recipe_of_lines_alone():
    state = ChipState(small().image, recipe=Recipe(lines=("Fe_L", "O_K"), chip=20, energy=(0.3, 9.0)))
    assert state.elements.elements == ("Fe", "O")
    assert state.elements.lines["Fe"] == "Fe_L"
    assert state.elements.energy == (0.3, 9.0)
    assert state.size == 20
    state.wait()

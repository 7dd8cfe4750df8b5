"""Drawing regions without a mouse: every tool, steps that add and take away, undo, label images, corners as text."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edsnb.state.chips.drawing import HELP, TOOLS, parse_corners
from edsnb.state.chips.drawn import COLOURS, NEW, DrawnState
from edsnb.state.chips.state import ChipState

SHAPE = (64, 64)
SQUARE = [(10, 10), (10, 20), (20, 20), (20, 10)]


@pytest.fixture
def drawn() -> DrawnState:
    return DrawnState(SHAPE)


@pytest.fixture
def state(coarse: ChipState) -> ChipState:
    return coarse


def size(drawn: DrawnState, number: int = 0) -> int:
    return int(drawn.areas[number].mask.sum())


def test_each_drawing_makes_a_region_of_its_own(drawn):
    drawn.polygon(SQUARE)
    drawn.brush([(40, 40)])
    assert drawn.names == ["region 1", "region 2"]
    assert [area.colour for area in drawn.areas] == list(COLOURS[:2])
    assert size(drawn) == 121
    assert drawn.regions().names == ("region 1", "region 2")
    assert drawn.message == f"region 2: {size(drawn, 1)} px."


def test_region_is_added_to_and_taken_away_from(drawn):
    drawn.polygon(SQUARE)
    drawn.current = "region 1"
    drawn.polygon([(10, 30), (10, 40), (20, 40), (20, 30)])
    assert (size(drawn), len(drawn.areas)) == (242, 1)
    drawn.remove = True
    drawn.polygon(SQUARE)
    assert size(drawn) == 121
    drawn.polygon([(0, 0), (0, 63), (63, 63), (63, 0)])
    assert size(drawn) == 121
    assert "delete it instead" in drawn.message
    drawn.undo()
    assert size(drawn) == 242
    drawn.undo()
    drawn.undo()
    assert drawn.areas == ()
    drawn.undo()
    assert drawn.message == "There is nothing to undo."


def test_taking_away_needs_a_region(drawn):
    drawn.remove = True
    drawn.polygon(SQUARE)
    assert drawn.areas == ()
    assert drawn.message == "Choose the region to take pixels away from."


@pytest.mark.parametrize("corners", [[(1, 1), (2, 2)], [(100, 100), (100, 110), (110, 110)]])
def test_nothing_is_drawn_of_no_pixels(drawn, corners):
    drawn.polygon(corners)
    assert drawn.areas == ()
    assert drawn.message


def test_names_and_colours(drawn):
    drawn.polygon(SQUARE)
    drawn.current = "region 1"
    drawn.rename("region 1", " film ")
    assert (drawn.names, drawn.current) == (["film"], "film")
    drawn.current = NEW
    drawn.polygon(SQUARE)
    assert drawn.names == ["film", "region 1"]
    for name in ("film", "", NEW):
        drawn.rename("region 1", name)
        assert drawn.names == ["film", "region 1"]
        assert "cannot be a name" in drawn.message
    drawn.recolour("film", "#123456")
    assert drawn.areas[0].colour == "#123456"
    drawn.current = "film"
    drawn.delete("film")
    assert (drawn.names, drawn.current) == (["region 1"], NEW)
    drawn.delete("nobody")
    drawn.rename("nobody", "x")
    drawn.recolour("nobody", "#000000")
    assert drawn.names == ["region 1"]


def test_corners_are_moved(drawn):
    drawn.polygon(SQUARE)
    drawn.set_corners("region 1", 0, [(10, 10), (10, 30), (20, 30), (20, 10)])
    assert size(drawn) == 231
    drawn.set_corners("region 1", 0, [(10, 10)])
    assert size(drawn) == 231
    assert "at least three" in drawn.message
    drawn.set_corners("region 1", 7, SQUARE)
    assert "no polygon 7" in drawn.message


def label_file(folder, name: str, labels: np.ndarray):
    path = folder / name
    if name.endswith(".npy"):
        np.save(path, labels)
    else:
        Image.fromarray(labels).save(path)
    return path


@pytest.mark.parametrize("name", ["l.npy", "l.tif", "l.tiff", "l.png"])
def test_label_images(drawn, tmp_path, name):
    labels = np.zeros(SHAPE, np.uint8)
    labels[:5], labels[10:20] = 1, 7
    drawn.import_labels(label_file(tmp_path, name, labels))
    assert drawn.names == ["l 1", "l 7"]
    assert (size(drawn), size(drawn, 1)) == (5 * 64, 10 * 64)
    drawn.zero_outside = False
    drawn.import_labels(tmp_path / name, shown_as="l.npy")
    assert drawn.names == ["l 1", "l 7", "l 0", "l 1 2", "l 7 2"]
    assert "zero_outside=False" in "\n".join(drawn.code())


def test_label_images_that_cannot_be_used(drawn, tmp_path):
    cases = {
        "other.npy": (np.ones((3, 4), int), "3 x 4 pixels, the map 64 x 64"),
        "float.npy": (np.full(SHAPE, 0.5), "one whole number a pixel"),
        "cube.npy": (np.ones((3, 64, 64), int), "3 x 64 x 64 values"),
        "empty.npy": (np.zeros(SHAPE, int), "has 0 labels"),
        "many.npy": (np.arange(64 * 64).reshape(SHAPE), "4095 labels"),
        "rgb.png": (np.ones((64, 64, 3), np.uint8), "64 x 64 x 3 values"),
    }
    for name, (labels, said) in cases.items():
        drawn.import_labels(label_file(tmp_path, name, labels))
        assert said in drawn.message, name
    drawn.import_labels(tmp_path / "absent.npy")
    assert "does not exist" in drawn.message
    for name in ("broken.npy", "broken.png", "text.txt"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        drawn.import_labels(tmp_path / name)
        assert name in drawn.message
    assert drawn.areas == ()


def test_booleans_are_one_label(drawn, tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[3:5, 3:5] = True
    drawn.zero_outside = False
    drawn.import_labels(label_file(tmp_path, "m.npy", mask))
    assert (drawn.names, size(drawn)) == (["m 1"], 4)


def test_polygon_by_clicks(state):
    state.drawing.tool = "polygon"
    for y, x in [(10, 10), (10, 20), (20, 20)]:
        state.tapped(y, x)
    state.tapped(30, 30)
    state.drawing.back()
    state.tapped(20, 20.3)
    assert len(state.drawing.draft) == 3, "the second click of a double click is no corner"
    state.drawing.close()
    assert state.drawing.draft == ()
    assert size(state.drawn) == 66
    state.tapped(1, 1)
    state.drawing.close()
    assert "needs three corners" in state.drawing.message
    state.drawing.tool = "select"
    assert state.drawing.draft == ()
    state.tapped(60, 60)
    assert state.cell == (3, 3)


def test_other_tools_do_not_select(state):
    before = state.selected
    for tool in set(TOOLS.values()) - {"select", "polygon"}:
        state.drawing.tool = tool
        assert state.drawing.message == HELP[tool]
        state.tapped(1, 1)
    assert state.selected == before


def test_threshold_brush(state):
    drawing, counts = state.drawing, state.pictures.right.image
    drawing.tool = "brush"
    state.drawn.radius = 6.0
    drawing.side = "right"
    assert drawing.limits == (counts.min(), counts.max())
    assert drawing.band[0] == np.median(counts)
    drawing.band = (100.0, 150.0)
    np.testing.assert_array_equal(drawing.inside, (counts >= 100) & (counts <= 150))
    drawing.shape([(20, 10), (20, 50)])
    y, x = np.mgrid[:64, :64]
    near = np.hypot(y - 20, x - np.clip(x, 10, 50)) <= 6
    np.testing.assert_array_equal(state.drawn.areas[0].mask, drawing.inside & near)
    drawing.take_band()
    np.testing.assert_array_equal(state.drawn.areas[1].mask, drawing.inside)
    drawing.side = "off"
    assert drawing.inside is None
    drawing.take_band()
    assert "Choose the picture" in drawing.message


def test_mix_cannot_be_thresholded(state):
    state.pictures.kind = "mix"
    state.wait()
    state.drawing.side = "right"
    assert state.drawing.inside is None
    assert "cannot be thresholded" in state.drawing.message


def test_lasso_keeps_few_corners(state):
    state.drawing.tool = "lasso"
    circle = [(30 + 10 * np.sin(a), 30 + 10 * np.cos(a)) for a in np.linspace(0, 6.2, 2000)]
    state.drawing.shape(circle)
    assert len(state.drawn.areas[0].steps[0].shape.corners) < 100
    assert size(state.drawn) == pytest.approx(np.pi * 100, rel=0.05)


def test_corners_as_text(state):
    drawing = state.drawing
    drawing.type_corners("10 10; 10 20; 20,20; 20 10;")
    assert size(state.drawn) == 121
    state.drawn.current = "region 1"
    assert drawing.corner_text == "10 10; 10 20; 20 20; 20 10"
    assert drawing.corners() == {0: tuple(map(tuple, np.array(SQUARE, float)))}
    drawing.type_corners("10 10; 10 30; 20 30; 20 10")
    assert size(state.drawn) == 231
    drawing.move_corners(drawing.corners())
    assert state.drawn.message == "region 1: corners moved.", "nothing moved, nothing changed"
    for text in ("", "1 2; 3 4", "a b; c d; e f", "1; 2; 3"):
        drawing.type_corners(text)
        assert "not understood" in drawing.message
    assert parse_corners("0 1;2 3;4 5") == [(0, 1), (2, 3), (4, 5)]

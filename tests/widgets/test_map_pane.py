"""MapPane without a browser: what its figure holds."""

from __future__ import annotations

import numpy as np
import pytest
from bokeh.events import Tap

from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.widgets.figures.map_pane import MapPane
from edsnb.widgets.setup import setup

IMAGE = np.arange(12.0, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def pane() -> MapPane:
    setup()
    return MapPane("a map", width=200)


def frame(pane: MapPane) -> tuple[float, float]:
    """Return how many pixels of the screen a pixel of the map is high and wide."""
    plot = pane.figure
    high = plot.frame_height / abs(plot.y_range.end - plot.y_range.start)
    return high * pane.scale, plot.frame_width / (plot.x_range.end - plot.x_range.start) * pane.scale


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (1, 1), (1, 300), (50, 10), (2000, 1000)])
@pytest.mark.parametrize("pixel_nm", [None, 0.25, 11.8])
def test_pixels_are_square_on_any_map(pane, shape, pixel_nm):
    pane.show(np.zeros(shape, np.float32), "X-rays", pixel_nm=pixel_nm)
    high, wide = frame(pane)
    assert high == pytest.approx(wide, rel=1e-6)
    assert pane.figure.y_range.start > pane.figure.y_range.end, "row 0 on top"
    assert max(pane.figure.frame_height, pane.figure.frame_width) == 200


def test_axes_tell_their_unit(pane):
    pane.show(IMAGE, "X-rays", pixel_nm=0.5, title="counts")
    assert pane.figure.xaxis.axis_label == "x (nm)"
    assert pane.figure.yaxis.axis_label == "y (nm), row 0 on top"
    assert (pane.figure.x_range.start, pane.figure.x_range.end) == (-0.25, 1.75)
    assert pane._bar_of_length.visible
    assert pane._bar.title == "X-rays"
    assert pane.figure.title.text == "counts"
    pane.show(IMAGE, "at%")
    assert pane.figure.xaxis.axis_label == "x (px)"
    assert not pane._bar_of_length.visible


def test_limits(pane):
    pane.show(IMAGE, "X-rays")
    assert pane.limits == (0.0, 11.0)
    pane.show(IMAGE, "X-rays", limits="percentile")
    pane.contrast(0, 50)
    assert pane.limits == (0.0, 5.5)
    pane.show(IMAGE - 6, "difference", limits="symmetric", cmap="RdBu")
    assert pane.limits[0] == -pane.limits[1]


def test_one_number_beside_a_map_of_one_value(pane):
    pane.show(np.full((3, 4), 100.0), "at%")
    assert pane._bar.ticker.ticks == [100.0]
    pane.show(IMAGE, "at%")
    assert pane._bar.ticker.desired_num_ticks == 5
    pane.show(IMAGE, "X-rays", limits=(2.0, 3.0))
    assert pane.limits == (2.0, 3.0)
    with pytest.raises(InputError, match="no palette 'jet'; choose one of cividis"):
        pane.show(IMAGE, "X-rays", cmap="jet")


def test_colours_with_legend(pane):
    pane.show(IMAGE, "X-rays")
    pane.show(np.zeros((3, 4, 4), np.uint8), "")
    pane.legend({"Fe": "#FF0000", "O": "#00FF00"})
    assert [item.label.value for item in pane._legend.items] == ["Fe", "O"]
    assert [item.renderers[0].glyph.fill_color for item in pane._legend.items] == ["#FF0000", "#00FF00"]
    assert pane._legend.visible
    assert not pane._bar.visible
    pane.show(IMAGE, "X-rays")
    assert not pane._legend.visible
    assert pane._bar.visible


def test_chips_and_the_selected_ones(pane):
    pane.show(np.zeros((20, 30), np.float32), "X-rays", pixel_nm=0.5)
    regions = ChipGrid(10).regions((20, 30))
    pane.regions(regions)
    assert len(pane._lines["grid"].data["x0"]) == 3 + 4
    np.testing.assert_allclose(max(pane._lines["grid"].data["x1"]), 14.75)
    pane.select([0, 5])
    assert len(pane._lines["selected"].data["x0"]) == 8
    assert pane._chips[-1].glyph.line_color == "#E69F00"
    assert pane._chips[-1].glyph.line_width == 3
    pane.show(np.zeros((20, 30), np.float32), "X-rays", pixel_nm=None)
    np.testing.assert_allclose(max(pane._lines["grid"].data["x1"]), 29.5)
    masks = {"a": np.zeros((20, 30), bool)}
    masks["a"][3:5, 3:9] = True
    pane.regions(Regions.from_masks(masks), ["#112233"])
    assert len(pane._lines["grid"].data["x0"]) == 0
    assert list(pane._lines["areas"].data["colour"]) == ["#112233"] * 4
    pane.select([])
    pane.regions(None)
    assert all(len(lines.data["x0"]) == 0 for lines in pane._lines.values())


def test_thousands_of_chips_are_few_glyphs(pane):
    pane.show(np.zeros((512, 512), np.float32), "X-rays")
    pane.grid(ChipGrid(10))
    assert len(pane._lines["grid"].data["x0"]) == 104


def test_image_that_is_not_on_the_map(pane):
    pane.show(np.zeros((20, 30), np.float32), "X-rays", pixel_nm=0.5)
    pane.regions(ChipGrid(10).regions((20, 30)))
    pane.show(np.zeros((100, 50), np.float32), "intensity", pixel_nm=0.5, aligned=False)
    assert not any(axis.visible for axis in pane.figure.axis)
    assert not any(glyph.visible for glyph in pane._chips)
    assert not pane._bar_of_length.visible
    place = pane._source.data
    assert (place["dh"], place["dw"]) == ([10.0], [5.0])
    high, wide = frame(pane)
    assert high == pytest.approx(wide)
    pane.show(np.zeros((20, 30), np.float32), "X-rays", pixel_nm=0.5)
    assert all(glyph.visible for glyph in pane._chips)


def test_finer_image_of_the_same_field(pane):
    pane.raster((20, 30), 0.5)
    pane.show(np.zeros((40, 60), np.float32), "intensity", pixel_nm=0.5, extent_px=(0, 20, 0, 30))
    place = pane._source.data
    assert (place["y"], place["dh"], place["dw"]) == ([-0.25], [10.0], [15.0])
    assert pane.figure.x_range.end == 14.75


def test_huge_images_are_sent_small(pane):
    pane.show(np.zeros((3000, 1500), np.float32), "intensity")
    assert pane._source.data["image"][0].shape == (1000, 500)


def test_clicks_are_told_in_pixels_of_the_map():
    setup()
    told = []
    pane = MapPane("a map", on_tap=lambda *place: told.append(place))
    pane.show(IMAGE, "X-rays", pixel_nm=0.5)
    pane.figure._trigger_event(Tap(pane.figure, x=1.0, y=0.5, modifiers={"shift": True, "ctrl": False, "alt": False}))
    pane.figure._trigger_event(Tap(pane.figure, x=None, y=None))
    assert told == [(1.0, 2.0, frozenset({"shift"}))]


def test_mouse_is_told_and_that_it_has_left():
    setup()
    told = []
    pane = MapPane("a map", on_hover=lambda *place: told.append(place))
    mouse = pane.figure.select_one({"name": "mouse"})
    mouse.data = {"y": [3], "x": [4]}
    mouse.data = {"y": [float("nan")], "x": [float("nan")]}
    mouse.data = {"y": [None], "x": [None]}
    assert told == [(3.0, 4.0), (None, None), (None, None)]


def test_linked_maps_show_the_same_part():
    setup()
    left, right = MapPane("left"), MapPane("right")
    left.link(right)
    left.show(IMAGE, "X-rays", pixel_nm=0.5)
    right.show(IMAGE, "X-rays", pixel_nm=0.5)
    assert right.figure.x_range is left.figure.x_range
    left.figure.y_range.update(start=1.0, end=0.5)
    right.show(IMAGE + 1, "X-rays", pixel_nm=0.5)
    assert (right.figure.y_range.start, right.figure.y_range.end) == (1.0, 0.5), "a new picture keeps the part shown"

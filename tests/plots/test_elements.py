"""Maps and chips as HoloViews elements: their data, axes and limits."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest

from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.plots.elements import find_limits, map_element, outline_element, region_element, scale_of

IMAGE = np.arange(12.0).reshape(3, 4)


def test_image_lies_on_real_units_with_row_0_first():
    element = map_element(IMAGE, "X-rays", title="counts", pixel_nm=0.5)
    assert [(d.name, d.unit) for d in element.kdims] == [("x", "nm"), ("y", "nm")]
    np.testing.assert_allclose(element.dimension_values("x", expanded=False), [0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(element.dimension_values("y", expanded=False), [0, 0.5, 1.0])
    np.testing.assert_array_equal(element.dimension_values("value", flat=False), IMAGE)
    assert element[1.5, 0.0] == IMAGE[0, 3]


def test_drawn_figure_has_square_pixels_colour_bar_and_scale_bar():
    figure = hv.render(map_element(IMAGE, "X-rays", pixel_nm=0.5, limits=(2.0, 9.0)))
    assert figure.y_range.start > figure.y_range.end
    kinds = {type(model).__name__ for model in figure.references()}
    assert {"ColorBar", "ScaleBar", "Image"} <= kinds
    mapper = figure.select_one({"name": "color_mapper"}) or figure.renderers[0].glyph.color_mapper
    assert (mapper.low, mapper.high) == (2.0, 9.0)
    without = hv.render(map_element(IMAGE, "X-rays"))
    assert "ScaleBar" not in {type(model).__name__ for model in without.references()}


@pytest.mark.parametrize(
    ("shape", "pixel_nm", "unit", "scale"),
    [((9, 5), None, "px", 1.0), ((512, 512), 0.25, "nm", 0.25), ((512, 9), 8.0, "µm", 0.008), ((9, 9), 1e6, "mm", 1.0)],
)
def test_unit_of_the_axes(shape, pixel_nm, unit, scale):
    assert scale_of(shape, pixel_nm) == (unit, pytest.approx(scale))


def test_limits():
    image = np.array([[-4.0, np.nan, 0.0, 2.0]])
    assert find_limits(image, None) == (-4.0, 2.0)
    assert find_limits(image, "symmetric", (0, 100)) == (-4.0, 4.0)
    assert find_limits(image, "percentile", (50, 100)) == (0.0, 2.0)
    assert find_limits(image, (1.0, 3.0)) == (1.0, 3.0)
    with pytest.raises(InputError, match="'often' are unknown"):
        find_limits(image, "often")


def test_chips_and_outlines_lie_on_the_map():
    grid = ChipGrid(2)
    lines = region_element(grid, (4, 6), pixel_nm=0.5)
    values = np.stack([lines.dimension_values(k) for k in range(4)], axis=1)
    np.testing.assert_allclose(values[:, 0].min(), -0.25)
    np.testing.assert_allclose(values[:, 2].max(), 2.75)
    assert len(lines) == 3 + 4
    assert len(region_element(grid.regions((4, 6)))) == 7
    masks = {"a": np.zeros((4, 6), bool)}
    masks["a"][1:3, 2:4] = True
    assert len(region_element(Regions.from_masks(masks))) == 4
    chosen = outline_element(grid.regions((4, 6)), [5])
    assert chosen.opts.get("style").kwargs["color"] == "#E69F00"
    assert (chosen.dimension_values("x").min(), chosen.dimension_values("y").min()) == (3.5, 1.5)
    with pytest.raises(InputError, match="needs the map's shape"):
        region_element(grid)
    hv.render(map_element(np.zeros((4, 6)), "at%") * lines * chosen)

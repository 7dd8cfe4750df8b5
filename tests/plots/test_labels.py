"""The picture of predicted classes, checked by what it holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edsnb.core.labels import Labels
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.plots.labels import class_colours, draw_labels, labels_figure
from tests.simulated import small


def labels(classes: int = 3, grid: ChipGrid | None = None) -> Labels:
    regions = (grid or ChipGrid(size=10, crop=(2, 63, 5, 56))).regions((64, 64))
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), len(regions))
    prediction = probabilities.argmax(axis=1)
    prediction[4] = -1
    return Labels(regions, tuple(f"class {k}" for k in range(classes)), probabilities, prediction, "a/result.csv")


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def test_classes_stand_where_the_chips_are():
    made = labels()
    figure = drawn(labels_figure(made, small().image))
    left, right = figure.axes[:2]
    for axes in (left, right):
        np.testing.assert_array_equal(axes.images[0].get_array(), small().image.surveys["HAADF"].image)
        assert axes.images[1].get_extent() == [4.5, 54.5, 61.5, 1.5]
        assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 63.5), (63.5, -0.5))
    painted = left.images[1].get_array()
    colours = class_colours(3)
    for k, (row, col) in enumerate(made.regions.cells.tolist()):
        if k == 4:
            assert painted[row, col, 3] == 0
        else:
            np.testing.assert_allclose(painted[row, col, :3], colours[made.prediction[k]])
    shown = right.images[1].get_array()
    np.testing.assert_allclose(shown.filled(np.nan).ravel(), made.margin)
    words = [text.get_text() for text in left.get_legend().get_texts()]
    counts = [int((made.prediction == k).sum()) for k in range(3)]
    assert words == [*(f"class {k}: {n}" for k, n in enumerate(counts)), "no prediction: 1"]
    assert figure.texts[0].get_text() == "result.csv: 30 chips"


@pytest.mark.parametrize("count", [1, 7, 8, 20, 21, 40])
def test_colours_of_classes_differ(count: int):
    colours = class_colours(count)
    assert colours.shape == (count, 3)
    assert len(np.unique(colours.round(6), axis=0)) == count


def test_a_file_is_written(tmp_path: Path):
    draw_labels(labels(25, ChipGrid(4)), replace(small().image, surveys={}, pixel_nm=None), tmp_path / "labels.png")
    assert (tmp_path / "labels.png").read_bytes().startswith(b"\x89PNG")


def test_overlapping_and_irregular_chips():
    drawn(labels_figure(labels(grid=ChipGrid(20, stride=10)), small().image))
    masks = {"disc": np.hypot(*(np.mgrid[:64, :64] - 30)) < 8, "nothing": np.zeros((64, 64), bool)}
    made = Labels(Regions.from_masks(masks), ("a" * 50, "b"), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
    figure = drawn(labels_figure(made, small().image))
    painted = figure.axes[0].images[1].get_array()
    assert (painted[:, :, 3] > 0).sum() == masks["disc"].sum()
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "a" * 23 + "…: 1"


def test_another_map():
    with pytest.raises(InputError, match="belong to a map of 64 x 64 pixels, this one has 32 x 32"):
        labels_figure(labels(), replace(small().image, shape=(32, 32), events=None))

"""Labels: what a model said of the chips, on the map."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edsnb.core.labels import Labels
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError

REGIONS = ChipGrid(size=10, crop=(0, 30, 4, 24)).regions((40, 40))
"""3 rows and 2 columns."""
CLASSES = ("film", "gold", "NA")
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.3, 0.35, 0.35], [1.0, 0.0, 0.0], [0.1, 0.3, 0.6], [np.nan] * 3, [0.2, 0.5, 0.3]]
)
PREDICTION = np.array([0, 1, 0, 2, -1, 0])


def labels() -> Labels:
    return Labels(REGIONS, CLASSES, PROBABILITIES, PREDICTION, "result.csv")


def test_margin_and_map():
    made = labels()
    assert len(made) == 6
    assert made.names == REGIONS.names
    assert made.predicted == ("film", "gold", "film", "NA", None, "film")
    # The last one was predicted against its probabilities.
    np.testing.assert_allclose(made.margin, [0.5, 0.0, 1.0, 0.3, np.nan, -0.3], atol=1e-12)
    assert made.uncertain(3) == ("R2C1", "R0C1", "R1C1")
    assert made.map().tolist() == [[0, 1], [0, 2], [-1, 0]]
    pixels = made.pixel_map()
    assert pixels.shape == (40, 40)
    assert pixels[0, 4] == 0
    assert pixels[0, 14] == 1
    assert pixels[29, 4] == -1
    assert (pixels[:, :4] == -1).all()
    assert (pixels[30:] == -1).all()
    assert (pixels[10:20, 14:24] == 2).all()


def test_table():
    frame = labels().to_frame()
    assert list(frame.columns) == [
        "chip", "row", "col", "y0", "x0", "height", "width", "prediction", "margin", "p_film", "p_gold", "p_NA"
    ]  # fmt: skip
    assert frame.loc[3, ["chip", "row", "col", "y0", "x0", "height", "width"]].tolist() == [
        "R1C1",
        1,
        1,
        10,
        14,
        10,
        10,
    ]
    assert pd.isna(frame.loc[4, "prediction"])
    np.testing.assert_array_equal(frame["p_gold"], PROBABILITIES[:, 1])


def test_one_class_and_irregular_regions():
    masks = {"a": np.eye(5, dtype=bool), "b": np.zeros((5, 5), bool)}
    made = Labels(Regions.from_masks(masks), ("only",), np.ones((2, 1)), np.array([0, 0]))
    assert made.margin.tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match=r"2 regions that are no grid have no rows; use pixel_map"):
        made.map()
    assert made.pixel_map().tolist() == (np.eye(5) - 1).astype(int).tolist()
    frame = made.to_frame()
    assert frame["row"].isna().all()
    assert frame[["height", "width"]].to_numpy().tolist() == [[5, 5], [0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("film", "film", "gold")}, "each must stand there once"),
        ({"classes": ()}, "classes none"),
        ({"probabilities": PROBABILITIES[:5]}, r"\(5, 3\).*for 6 regions and 3 classes"),
        ({"prediction": np.array([0, 1, 0, 3, -1, 0])}, "-1 to 3 of 3 classes"),
    ],
)
def test_what_cannot_be(change: dict, message: str):
    values = {"regions": REGIONS, "classes": CLASSES, "probabilities": PROBABILITIES, "prediction": PREDICTION}
    with pytest.raises(InputError, match=message):
        Labels(**{**values, **change})

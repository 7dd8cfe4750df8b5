"""The record of a simulation's truth survives as JSON, and nothing else is taken for one."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from edsnb.core.simulation.simulate import simulate
from edsnb.core.simulation.truth import Truth
from edsnb.errors import FileFormatError

TRUTH = simulate(size=24, frames=2, counts=5, seed=3).truth


def test_json_gives_the_same_truth_back():
    text = json.dumps(TRUTH.to_dict())
    again = Truth.from_dict(json.loads(text))
    np.testing.assert_array_equal(again.labels, TRUTH.labels)
    for name in Truth.__slots__:
        if name != "labels":
            assert getattr(again, name) == getattr(TRUTH, name), name
    assert json.dumps(again.to_dict()) == text


def test_runs_are_those_of_the_label_map():
    runs = TRUTH.to_dict()["labels"]["runs"]
    slow = [value for value, length in runs for _ in range(length)]
    assert slow == TRUTH.labels.ravel().tolist()
    assert all(a[0] != b[0] for a, b in pairwise(runs))


@pytest.mark.parametrize("change", [{"format": 2}, {"labels": {"shape": [2, 2], "runs": [[0, 3]]}}, {"instrument": 1}])
def test_damaged_truth_is_refused(change):
    with pytest.raises(FileFormatError, match="truth"):
        Truth.from_dict({**TRUTH.to_dict(), **change})


def test_incomplete_truth_is_refused():
    values = TRUTH.to_dict()
    del values["k_factors"]
    with pytest.raises(FileFormatError, match="k_factors"):
        Truth.from_dict(values)

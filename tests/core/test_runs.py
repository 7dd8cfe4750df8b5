"""Images as runs and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edsnb.core.runs import from_runs, to_runs


def test_runs_by_hand():
    assert to_runs(np.array([[0, 0, 1], [1, 1, 0]])) == [(0, 2), (1, 3), (0, 1)]
    assert to_runs(np.array([[True, False]])) == [(True, 1), (False, 1)]


@given(
    hnp.arrays(
        st.sampled_from((np.uint8, np.int64)), hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 3)
    )
)
@settings(max_examples=60)
def test_there_and_back(image):
    np.testing.assert_array_equal(from_runs(to_runs(image), image.shape), image)


def test_runs_that_do_not_fill_the_image():
    with pytest.raises(ValueError, match="reshape"):
        from_runs([(1, 3)], (2, 2))

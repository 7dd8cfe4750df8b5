"""Errors of factors: found where they are, refuted where they are not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.factor_errors import ROUNDING, factor_errors


def spread(shares: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """Return errors of shares (percent) by the slow way: the derivative of each by each factor."""
    out = np.zeros(len(shares))
    for i in range(len(shares)):
        for j in range(len(shares)):
            slope = shares[i] * ((i == j) - shares[j] / 100)
            out[i] += (slope * relative[j]) ** 2
    return np.sqrt(out)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), elements=st.integers(3, 6))
def test_relative_errors_come_back(seed: int, elements: int) -> None:
    rng = np.random.default_rng(seed)
    relative = rng.uniform(0.01, 0.2, elements)
    shares = [100 * rng.dirichlet(np.full(elements, 2.0)) for _ in range(12)]
    found = factor_errors(shares, [spread(s, relative) for s in shares])
    assert found is not None
    np.testing.assert_allclose(found[0], relative, rtol=1e-4, atol=1e-6)
    assert found[1] < 1e-4


def test_errors_of_counting_are_not_taken_for_those_of_factors() -> None:
    rng = np.random.default_rng(4)
    shares = [100 * rng.dirichlet([5, 3, 2]) for _ in range(8)]
    errors = [spread(s, 1 / np.sqrt(20 * s * n)) for s, n in zip(shares, range(1, 9), strict=True)]
    found = factor_errors(shares, errors)
    assert found is not None
    assert found[1] > ROUNDING


def test_too_little_to_tell() -> None:
    assert factor_errors([[60.0, 30.0, 10.0]], [[1.0, 1.0, 1.0]]) is None
    assert factor_errors([[100.0], [100.0]], [[1.0], [1.0]]) is None
    assert factor_errors([[60.0, 30.0, np.nan]] * 3, [[1.0, 1.0, 1.0]] * 3) is None
    assert factor_errors([[60.0, 40.0], [50.0, 50.0]], [[1.0, 1.0]] * 2) is None
    assert factor_errors([], []) is None

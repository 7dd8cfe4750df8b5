"""Clusters of chips: against the best of all partitions, and whatever the order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.clusters import cluster, cluster_name
from edsnb.errors import InputError


def within(values: np.ndarray, numbers) -> float:
    """Return the sum of squared distances from the means of clusters."""
    numbers = np.asarray(numbers)
    return sum(((values[numbers == k] - values[numbers == k].mean(axis=0)) ** 2).sum() for k in np.unique(numbers))


def test_three_phases_the_largest_first():
    rng = np.random.default_rng(5)
    centres = np.repeat([[20.0, 0, 60], [0, 20, 60], [50, 50, 0]], [5, 9, 2], axis=0)
    got = cluster(centres + rng.normal(0, 0.3, centres.shape), 3)
    assert got.tolist() == [1] * 5 + [0] * 9 + [2] * 2


def test_the_same_every_time():
    values = np.random.default_rng(1).uniform(0, 50, (60, 4))
    np.testing.assert_array_equal(cluster(values, 5), cluster(values.copy(), 5))


def test_chips_without_values_are_in_none():
    values = np.array([[1.0, 1], [np.nan, 1], [9, 9], [1, 1.1], [np.inf, 0]])
    assert cluster(values, 2).tolist() == [0, -1, 1, 0, -1]


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=30)
def test_as_tight_as_the_best_partition(seed, number):
    """The slow twin tries all partitions of seven rows."""
    values = np.random.default_rng(seed).normal(0, 1, (7, 2))
    best = min(within(values, p) for p in itertools.product(range(number), repeat=7))
    got = cluster(values, number)
    assert set(got.tolist()) == set(range(number))
    assert within(values, got) <= best * 1.15 + 1e-12
    sizes = np.bincount(got)
    assert (np.diff(sizes) <= 0).all()


@given(st.integers(0, 10**6), st.integers(1, 4))
@settings(max_examples=50)
def test_every_chip_is_nearest_its_own_mean(seed, number):
    values = np.random.default_rng(seed).integers(0, 5, (20, 2)).astype(float)
    number = min(number, len(np.unique(values, axis=0)))
    got = cluster(values, number)
    means = np.array([values[got == k].mean(axis=0) for k in range(number)])
    squared = ((values[:, None] - means) ** 2).sum(axis=2)
    assert (squared[np.arange(20), got] <= squared.min(axis=1) + 1e-9).all()


@pytest.mark.parametrize("number", [0, 3])
def test_too_many_or_none(number):
    with pytest.raises(InputError, match=f"{number} clusters were asked for, but there are 2 different compositions"):
        cluster(np.array([[1.0], [1.0], [2.0], [np.nan]]), number)


def test_all_nan():
    with pytest.raises(InputError, match=r"0 different compositions among 3 chips \(3 without a value\)"):
        cluster(np.full((3, 2), np.nan), 1)


def test_names():
    assert cluster_name(("La", "Fe", "Cu", "O"), np.array([19.6, 20.4, 0.9, 59.1])) == "La20Fe20O59"
    assert cluster_name(("La",), np.array([0.2])) == "nothing"

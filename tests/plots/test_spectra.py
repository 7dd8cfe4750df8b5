"""Scales, limits, outlines and places of names: against what they must be, channel by channel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from edsnb.errors import InputError
from edsnb.plots.spectra import (
    choose_names,
    floor_of,
    heights,
    inside,
    limits,
    outline,
    place_names,
    pull_limit,
    together,
)


def test_heights_by_hand():
    counts = np.array([-2.0, 0.0, 0.25, 9.0, 1000.0, np.nan])
    assert heights(counts, "linear").tolist()[:5] == counts.tolist()[:5]
    assert heights(counts, "sqrt").tolist()[:5] == pytest.approx([0.0, 0.0, 0.5, 3.0, math.sqrt(1000)])
    assert heights(counts, "log").tolist()[:5] == pytest.approx([math.log10(0.5)] * 3 + [math.log10(9), 3.0], rel=1e-6)
    for scale in ("linear", "sqrt", "log"):
        found = heights(counts, scale)
        assert found.dtype == np.float32
        assert np.isnan(found[5])
    with pytest.raises(InputError, match="scale 'cubic' is unknown; choose one of linear, sqrt, log"):
        heights(counts, "cubic")


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1e7) | st.just(float("nan"))))
def test_every_point_lies_in_the_picture(scale, counts):
    floor = floor_of([counts])
    low, high = limits([counts], scale, floor)
    drawn = heights(counts, scale, floor)
    drawn = drawn[np.isfinite(drawn)]
    assert high > low
    assert ((drawn >= low - 1e-6 * abs(low)) & (drawn <= high + 1e-6 * abs(high))).all()


def test_limits_where_there_is_nothing():
    assert floor_of([]) == floor_of([np.zeros(4)]) == 0.5
    assert limits([], "linear") == (0.0, 1.06)
    low, high = limits([np.full(3, np.nan)], "log")
    assert low == pytest.approx(math.log10(0.5))
    assert high > low


def test_the_floor_lies_below_whole_counts_and_means():
    assert floor_of([np.array([0, 1, 5, 100])]) == pytest.approx(0.5, rel=0.1)
    assert floor_of([np.full(1000, 0.125)]) == pytest.approx(0.0625)


def test_pulls():
    assert pull_limit(np.array([np.nan, 0.3])) == 5.0
    assert pull_limit(np.array([-12.0, 3.0])) == pytest.approx(13.2)
    assert pull_limit(np.array([1e4])) == 30.0
    assert pull_limit(np.empty(0)) == 5.0


def test_channels_in_view():
    energy = np.array([0.2, 0.4, 0.6, 0.8])
    assert inside(energy, 0.3, 0.7) == slice(1, 3)
    assert inside(energy, 2.0, 3.0) == slice(None)


def test_outline_channel_by_channel():
    component = np.array([0.0, 5.0, 100.0, 3.0, 0.01, 0.0, 0.4, 0.0])
    beneath = np.arange(8.0)
    channels, counts = outline(component, beneath)
    expected = [k for k in range(8) if component[k] > 0.1]
    assert [k for k in channels.tolist() if k >= 0] == expected
    assert [c for c in counts.tolist() if c == c] == [component[k] + beneath[k] for k in expected]
    assert channels.tolist() == [1, 2, 3, -1, 6]
    assert np.isnan(counts[3])
    assert outline(component)[1].tolist()[:3] == [5.0, 100.0, 3.0]


@pytest.mark.parametrize("nothing", [np.zeros(5), np.full(5, np.nan), -np.ones(5)])
def test_outline_of_nothing(nothing):
    channels, counts = outline(nothing)
    assert channels.size == counts.size == 0


def test_means_of_channels():
    counts = np.arange(11.0)
    found = together(counts, 3)
    assert found.tolist() == [sum(counts[k : k + 3]) / 3 for k in (0, 3, 6)]
    assert together(np.stack([counts, 2 * counts]), 4).shape == (2, 2)


PEAKS = st.lists(st.floats(0.3, 19.5), max_size=15).map(sorted)


@given(PEAKS, st.floats(0.01, 1.0))
def test_names_never_collide_and_stay_in_order(peaks, step):
    places = place_names(peaks, step, 0.0, 20.0)
    assert (np.diff(places) >= step * (1 - 1e-9)).all()
    assert (places >= -1e-9).all()
    if len(peaks) * step < 20:
        assert (places <= 20 + 1e-9).all()


@pytest.mark.parametrize("seed", range(4))
def test_names_stand_as_near_as_can_be(seed):
    """As an optimiser that knows nothing of isotonic regression finds it."""
    peaks = np.sort(np.random.default_rng(seed).uniform(4, 8, 5))
    step = 0.7
    found = minimize(
        lambda places: ((places - peaks) ** 2).sum(), np.linspace(2, 10, 5), method="SLSQP",
        constraints={"type": "ineq", "fun": lambda places: np.diff(places) - step},
    )  # fmt: skip
    assert place_names(peaks, step, 0.0, 20.0) == pytest.approx(found.x, abs=1e-3)


@given(PEAKS, st.integers(0, 10))
def test_of_crowded_names_the_lightest_go(peaks, seed):
    weights = np.random.default_rng(seed).permutation(len(peaks)).astype(float)
    kept, places = choose_names(peaks, weights, 0.5, 0.0, 20.0, 1.0)
    assert len(kept) == len(places)
    assert (np.diff(places) >= 0.5 * (1 - 1e-9)).all()
    shift = np.abs(places - np.asarray(peaks)[kept])
    assert (shift <= 1.0).all()
    if len(peaks):
        assert int(np.argmax(weights)) in kept


def test_names_that_have_room_all_stay():
    kept, places = choose_names([1.0, 5.0, 9.0], [0.0, 0.0, 0.0], 0.5, 0.0, 10.0, 1.0)
    assert kept.tolist() == [0, 1, 2]
    assert places.tolist() == [1.0, 5.0, 9.0]

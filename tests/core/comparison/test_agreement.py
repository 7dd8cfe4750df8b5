"""Bias, limits of agreement, concordance: against published numbers, slow twins, and what must hold for any."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from edsnb.core.comparison.agreement import Agreement, agreement
from edsnb.errors import InputError

# Peak flow of 17 people by two meters: table 1 of Bland & Altman, Lancet 327 (1986) 307.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
FLIPPED = ("bias", "lower", "upper", "bias_low", "bias_high")
SAME = ("n", "sd", "rms", "bias_se", "limits_se", "pearson", "concordance", "z_rms")


def found(first, second, z=None, **options) -> Agreement:
    a, b = np.asarray(first, float), np.asarray(second, float)
    return agreement(a, b, np.full(len(a), np.nan) if z is None else np.asarray(z, float), **options)


def test_published_example():
    """Bias -2.1 (interval -22.0 to 17.8), sd 38.8, standard errors 9.4 and 16.3, r = 0.94."""
    got = found(WRIGHT, MINI)
    assert got.n == 17
    assert got.bias == pytest.approx(-2.1, abs=0.05)
    assert got.sd == pytest.approx(38.8, abs=0.05)
    assert got.bias_se == pytest.approx(9.4, abs=0.05)
    assert (got.bias_low, got.bias_high) == pytest.approx((-22.0, 17.8), abs=0.1)
    assert got.limits_se == pytest.approx(16.3, abs=0.05)
    assert got.pearson == pytest.approx(0.94, abs=0.005)
    assert (got.lower, got.upper) == pytest.approx((-2.12 - 1.96 * 38.77, -2.12 + 1.96 * 38.77), abs=0.05)


def test_numbers_by_hand():
    """Differences 1, 3 and -1: bias 1, sd 2; means 4 and 3; s11 = 14/3, s22 = 2, s12 = (4 + 3 - 1)/3 = 2."""
    got = found([2, 7, 3], [1, 4, 4], [0.5, 1.5, np.nan])
    assert (got.n, got.bias, got.sd) == (3, 1.0, 2.0)
    assert got.bias_se == pytest.approx(2 / math.sqrt(3))
    assert (got.lower, got.upper) == pytest.approx((1 - 3.92, 1 + 3.92))
    assert got.limits_se == pytest.approx(2.0)
    assert got.rms == pytest.approx(math.sqrt(11 / 3))
    assert got.ratio == pytest.approx(4 / 3)
    assert got.z_rms == pytest.approx(math.sqrt(1.25))
    s11, s22, s12 = 14 / 3, 2, 2
    assert got.pearson == pytest.approx(s12 / math.sqrt(s11 * s22))
    assert got.slope == pytest.approx(math.sqrt(s11 / s22))
    assert got.concordance == pytest.approx(2 * s12 / (s11 + s22 + 1))


def test_slow_twins():
    rng = np.random.default_rng(11)
    a = rng.normal(20, 3, 41)
    b = 0.8 * a + rng.normal(1, 0.5, 41)
    got = found(a, b, confidence=0.9)
    d = a - b
    assert got.pearson == pytest.approx(stats.pearsonr(a, b).statistic)
    assert (got.bias_low, got.bias_high) == pytest.approx(stats.t.interval(0.9, 40, d.mean(), stats.sem(d)))
    # Lin's definition: 1 minus the mean squared distance from the line of identity over that of independent values.
    apart = np.mean([(x - y) ** 2 for x, y in zip(a, b, strict=True)])
    independent = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    assert got.concordance == pytest.approx(1 - apart / independent)


def test_concordance_knows_what_correlation_does_not():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    got = found(a, 2 * a)
    assert got.pearson == pytest.approx(1)
    assert got.slope == pytest.approx(0.5)
    assert got.concordance < 0.7


@pytest.mark.parametrize(
    ("first", "second", "n"), [([], [], 0), ([np.nan, 1.0], [2.0, np.nan], 0), ([3.0, np.nan], [2.0, 1.0], 1)]
)
def test_too_few_chips(first, second, n):
    got = asdict(found(first, second))
    assert got.pop("n") == n
    known = {name for name, value in got.items() if math.isfinite(value)}
    assert known == (set() if n == 0 else {"bias", "rms", "mean_first", "mean_second", "ratio"})


def test_values_that_do_not_vary():
    got = found([5.0, 5.0, 5.0], [4.0, 4.0, 4.0])
    assert (got.bias, got.sd, got.concordance) == (1.0, 0.0, 0.0)
    assert math.isnan(got.pearson)
    assert math.isnan(got.slope)
    assert math.isnan(found([5.0, 5.0], [5.0, 5.0]).concordance)
    assert math.isnan(found([5.0, 6.0], [0.0, 0.0]).ratio)


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 95, math.nan])
def test_confidence_that_cannot_be(confidence):
    with pytest.raises(InputError, match="confidence must lie between 0 and 1"):
        found([1.0], [2.0], confidence=confidence)


values = hnp.arrays(float, st.integers(0, 12), elements=st.floats(-100, 100, allow_subnormal=False) | st.just(np.nan))


@given(values, st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_swapping_turns_the_sign(a, seed):
    rng = np.random.default_rng(seed)
    b = rng.permutation(a) + rng.normal(0, 3, len(a))
    z = (a - b) / 3
    one, other = found(a, b, z), found(b, a, -z)
    assert one.bias == pytest.approx(-other.bias, nan_ok=True)
    assert (one.lower, one.upper) == pytest.approx((-other.upper, -other.lower), nan_ok=True)
    assert (one.bias_low, one.bias_high) == pytest.approx((-other.bias_high, -other.bias_low), nan_ok=True)
    assert one.slope * other.slope == pytest.approx(1) or math.isnan(one.slope)
    for name in SAME:
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True), name


@given(values, st.floats(0.01, 100), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_units_and_order_do_not_matter(a, unit, random):
    b = np.roll(a, 1)
    order = list(range(len(a)))
    random.shuffle(order)
    one, other = found(a, b), found(unit * a[order], unit * b[order])
    for name in ("bias", "sd", "rms", "lower", "mean_first"):
        expected = unit * getattr(one, name)
        assert getattr(other, name) == pytest.approx(expected, nan_ok=True, abs=1e-7), name
    assert -1 <= (0 if math.isnan(one.pearson) else one.pearson) <= 1
    assert math.isnan(one.concordance) or abs(one.concordance) <= 1 + 1e-12


@given(values)
@settings(max_examples=60)
def test_a_method_agrees_with_itself(a):
    got = found(a, a)
    if got.n:
        assert (got.bias, got.rms) == (0, 0)
    if got.n > 1:
        assert (got.sd, got.limits_se) == (0, 0)
        assert got.concordance == pytest.approx(1) or math.isnan(got.concordance)

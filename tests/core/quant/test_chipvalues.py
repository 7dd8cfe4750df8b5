"""Values of chips by name, rankings and histograms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edsnb.core.fitting.fit import Status
from edsnb.core.quant.chipvalues import chip_values, histogram, kinds, ranked
from edsnb.core.quant.quantify import quantify
from edsnb.errors import InputError
from tests.fits import fitted

FIT = fitted(["La_L", "Fe_K", "Cu_K"], [[100.0, 400.0, 30.0], [50.0, 800.0, 20.0], [0.0, 0.0, 0.0]])
QUANT = quantify(FIT, deconvolve=["Cu"])


def test_each_kind_is_the_array_it_names():
    for kind, expected in {
        "at%": QUANT.atomic, "sd of at%": QUANT.sd_atomic, "wt%": QUANT.weight, "sd of wt%": QUANT.sd_weight,
        "detection limit": QUANT.detection_limit,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(chip_values(FIT, QUANT, kind, "Fe").values, expected[:, 1])
    np.testing.assert_array_equal(chip_values(FIT, QUANT, "intensity", "Cu_K").values, FIT.intensities[:, 2])
    np.testing.assert_array_equal(chip_values(FIT, None, "sd of intensity", "Fe_K").values, FIT.sd[:, 1])
    np.testing.assert_array_equal(chip_values(FIT, None, "chi-square").values, FIT.chi2)
    np.testing.assert_array_equal(chip_values(FIT, None, "X-rays").values, [0, 0, 0])
    assert chip_values(FIT, QUANT, "status").values.tolist() == [0, 0, Status.NOTHING_FOUND]
    assert chip_values(FIT, None, "status").values.tolist() == [0, 0, 0]


def test_labels_and_units():
    found = chip_values(FIT, QUANT, "at%", "Fe")
    assert (found.label, found.unit) == ("Fe at%", "at%")
    found = chip_values(FIT, QUANT, "residual", "Fe_K")
    assert (found.label, found.unit) == ("Fe K residual", "σ")


def test_all_kinds_that_are_told_can_be_had():
    for quant in (QUANT, None):
        for kind, parts in kinds(FIT, quant).items():
            for part in parts:
                assert chip_values(FIT, quant, kind, part).values.shape == (3,)
    assert "at%" not in kinds(FIT, None)


def test_what_there_is_not():
    with pytest.raises(InputError, match="no values called 'beauty'"):
        chip_values(FIT, QUANT, "beauty")
    with pytest.raises(InputError, match="that of La, Fe"):
        chip_values(FIT, QUANT, "at%", "Cu")
    with pytest.raises(InputError, match="no values called 'at%'"):
        chip_values(FIT, None, "at%", "Fe")


@given(
    arrays(float, st.integers(0, 30), elements=st.floats(-9, 9) | st.just(float("nan"))), st.booleans(), st.booleans()
)
def test_ranking_against_sorting_by_hand(values, lowest, absolute):
    keys = [abs(v) if absolute else v for v in values]
    known = sorted((k for k in keys if k == k), reverse=not lowest)
    order = ranked(values, lowest=lowest, absolute=absolute)
    assert sorted(order) == list(range(len(values)))
    assert [keys[i] for i in order[: len(known)]] == known
    assert all(keys[i] != keys[i] for i in order[len(known) :])


@given(arrays(float, st.integers(0, 50), elements=st.floats(-1e4, 1e18) | st.just(float("nan"))))
@example(np.array([5e-324, 0.0]))
@example(np.full(3, 1e18))
def test_every_known_value_is_in_the_histogram_or_above_it(values):
    counts, edges, above = histogram(values, bins=7)
    assert counts.sum() + above == np.isfinite(values).sum()
    assert not len(edges) or len(edges) == 8


def test_outliers_do_not_hide_the_others():
    _, edges, above = histogram(np.concatenate([np.linspace(0.9, 1.1, 999), [50.0]]))
    assert edges[-1] < 1.2
    assert above == 1

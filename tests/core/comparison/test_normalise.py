"""Bringing percentages to the same elements, with their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.normalise import covariance_of, renormalised, sum_note
from edsnb.core.quant.quantify import quantify
from edsnb.errors import ElementError, InputError
from tests.core.comparison.made import made
from tests.fits import fitted

LINES = ["La_L", "Fe_K", "O_K", "Cu_K"]


def counted(seed: int = 3):
    """Return a fit of four spectra whose counts are correlated."""
    rng = np.random.default_rng(seed)
    counts = rng.uniform(500, 5000, (4, 4))
    root = rng.normal(0, 12, (4, 4, 4))
    return fitted(LINES, counts, covariance=root @ root.transpose(0, 2, 1))


def test_values_by_hand():
    velox = made("Velox", ("La", "Fe", "O", "Cu"), [[10.0, 10.0, 30.0, 50.0]], [[1.0, 0.0, 0.0, 9.0]])
    got = renormalised(velox, ("La", "Fe", "O"))
    np.testing.assert_allclose(got.values["atomic"], [[20, 20, 60]])
    # x = 100 La / (La + Fe + O): d x / d La = 100 (1/50 - 10/50²) = 1.6; for the others -100 La_i / 50².
    np.testing.assert_allclose(got.sd["atomic"], [[1.6, 0.4, 1.2]])
    assert got.elements == ("La", "Fe", "O")
    assert "as if those of its elements were independent" in got.notes[-1]
    assert got.normalisation.startswith("La + Fe + O = 100 %")


def test_as_if_only_these_had_been_quantified():
    """The quotient of a quotient is a quotient: values and errors are those of a quantification of fewer elements."""
    fit = counted()
    every = Composition.of(quantify(fit))
    fewer = quantify(fit, ["Fe_K", "La_L", "O_K"], deconvolve=["Cu"])
    got = renormalised(every, ("Fe", "La", "O"))
    np.testing.assert_allclose(got.values["atomic"], fewer.atomic)
    np.testing.assert_allclose(got.sd["atomic"], fewer.sd_atomic)
    weight = renormalised(every, ("Fe", "La", "O"), "weight")
    np.testing.assert_allclose(weight.values["weight"], fewer.weight)
    np.testing.assert_allclose(weight.sd["weight"], fewer.sd_weight)
    assert got.notes == every.notes
    assert got.families == ("Fe_K", "La_L", "O_K")


def test_covariance_is_that_of_the_numbers_at_hand():
    quant = quantify(counted())
    every = Composition.of(quant)
    covariance, known = covariance_of(every)
    assert known
    np.testing.assert_array_equal(covariance, quant.atomic_covariance)
    covariance, known = covariance_of(renormalised(every, ("Fe", "O")))
    assert not known
    np.testing.assert_allclose(np.einsum("nkk->nk", covariance), renormalised(every, ("Fe", "O")).sd["atomic"] ** 2)


def test_what_shares_100_already_keeps_its_errors():
    velox = made("Velox", ("La", "Fe", "O"), [[19.8, 20.3, 60.0]], [[1.0, 2.0, 3.0]])
    got = renormalised(velox, ("O", "La", "Fe"))
    np.testing.assert_allclose(got.values["atomic"], [[60 / 1.001, 19.8 / 1.001, 20.3 / 1.001]])
    np.testing.assert_allclose(got.sd["atomic"], [[3, 1, 2]])
    assert got.notes == ()


@pytest.mark.parametrize("row", [[np.nan, 20, 60], [0, 0, 0], [-5, 1, 2], [np.inf, 1, 1]])
def test_rows_that_cannot_be_normalised(row):
    got = renormalised(made("Velox", ("La", "Fe", "O"), [row, [10, 10, 20]], 1.0), ("La", "Fe", "O"))
    assert np.isnan(got.values["atomic"][0]).all()
    assert np.isnan(got.sd["atomic"][0]).all()
    np.testing.assert_allclose(got.values["atomic"][1], [25, 25, 50])
    assert np.isfinite(got.sd["atomic"][1]).all()


def test_unknown_errors_stay_unknown():
    got = renormalised(made("Velox", ("La", "Fe", "O"), [[10, 10, 20]]), ("La", "O"))
    assert np.isnan(got.sd["atomic"]).all()
    assert got.notes == ()


def test_misuse():
    velox = made("Velox", ("La", "O"), [[40, 60]])
    with pytest.raises(ElementError, match="Velox has no Fe; it has La, O"):
        renormalised(velox, ("La", "Fe"))
    with pytest.raises(InputError, match="name each once; found La, La"):
        renormalised(velox, ("La", "La"))
    with pytest.raises(InputError, match="name each once; found none"):
        renormalised(velox, ())
    with pytest.raises(InputError, match="counts cannot be normalised"):
        renormalised(made("Velox", ("La", "O"), [[40, 60]], quantity="counts"), ("La",), "counts")
    with pytest.raises(InputError, match="Velox has no wt%; it has at%"):
        renormalised(velox, ("La", "O"), "weight")


def test_sums_off_100_are_told():
    assert sum_note(made("Velox", ("La", "O"), [[40, 60], [40.2, 60.2], [np.nan, np.nan]])) == ()
    (note,) = sum_note(made("Velox", ("La", "O"), [[40, 55], [40, 60], [50, 60], [np.nan, np.nan]]))
    assert note.startswith("at% of Velox do not add up to 100 in 2 of 3 regions (95.0 to 110.0)")
    assert sum_note(made("Velox", ("La",), [[7.0]], quantity="counts"), "counts") == ()


@given(st.permutations(range(4)), st.integers(0, 100))
@settings(max_examples=60)
def test_order_of_elements_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    values, sd = rng.uniform(1, 50, (3, 4)), rng.uniform(0, 2, (3, 4))
    names = ("La", "Fe", "Sr", "O")
    one = renormalised(made("a", names, values, sd), ("La", "Sr", "O"))
    other = renormalised(made("a", [names[i] for i in order], values[:, order], sd[:, order]), ("La", "Sr", "O"))
    np.testing.assert_allclose(one.values["atomic"], other.values["atomic"])
    np.testing.assert_allclose(one.sd["atomic"], other.sd["atomic"])
    np.testing.assert_allclose(one.values["atomic"].sum(axis=1), 100)

"""At% or wt%: conversion by hand, and the check beside a known composition."""

from __future__ import annotations

import numpy as np
import pytest

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.units import check_unit, converted
from edsnb.errors import InputError

ELEMENTS = ("Sr", "Ti", "O")
STO = np.array([[20.0, 20.0, 60.0], [25.0, 15.0, 60.0]])


def composition(method: str = "edsnb", names: tuple[str, ...] = ("a", "b"), elements=ELEMENTS, **values) -> Composition:
    return Composition(method, names, elements, values, {})


def test_strontium_titanate_by_hand() -> None:
    """SrTiO3: 87.62 + 47.867 + 3 * 15.999 = 183.484 g/mol."""
    weight = converted(STO[0], ELEMENTS, "weight")
    np.testing.assert_allclose(weight, [47.754, 26.088, 26.159], atol=2e-3)
    np.testing.assert_allclose(converted(weight, ELEMENTS, "atomic"), STO[0], rtol=1e-12)
    np.testing.assert_allclose(converted(STO / 2, ELEMENTS, "weight").sum(axis=1), 50)
    assert np.isnan(converted(np.zeros(3), ELEMENTS, "weight")).all()


def test_right_units_pass() -> None:
    own = composition(atomic=STO, weight=converted(STO, ELEMENTS, "weight"))
    said = check_unit(composition("table", atomic=STO + 1.0), own)
    assert said.startswith("the unit was checked beside edsnb: at% lie 0.")
    said = check_unit(composition("table", weight=own.values["weight"], atomic=STO), own)
    assert said.count("the unit was checked") == 2


@pytest.mark.parametrize("own_quantity", ["atomic", "weight"])
def test_exchanged_units_are_refused(own_quantity: str) -> None:
    values = {"atomic": STO, "weight": converted(STO, ELEMENTS, "weight")}
    own = composition(**{own_quantity: values[own_quantity]})
    with pytest.raises(InputError, match=r"called at% looks like wt%: over 2 regions.*quantity='weight'"):
        check_unit(composition("table", atomic=values["weight"]), own)
    with pytest.raises(InputError, match=r"called wt% looks like at%"):
        check_unit(composition("table", weight=values["atomic"]), own)


def test_other_elements_in_the_sum_do_not_matter() -> None:
    """The table's O, Ti and Sr share 80 % with copper."""
    own = composition(atomic=STO)
    wrong = np.column_stack([0.8 * converted(STO, ELEMENTS, "weight"), np.full(2, 20.0)])
    with pytest.raises(InputError, match="looks like wt%"):
        check_unit(composition("table", elements=(*ELEMENTS, "Cu"), atomic=wrong), own)


def test_a_table_that_is_only_biased_passes() -> None:
    """Half the strontium is lost, as k-factors of the wrong convention do: that is no exchange of units."""
    biased = STO * [0.6, 1, 1]
    own = composition(atomic=STO)
    assert "the unit was checked" in check_unit(composition("table", atomic=biased), own)


def test_what_cannot_be_told() -> None:
    own = composition(atomic=STO)
    assert "too little in common" in check_unit(composition("t", names=("x", "y"), atomic=STO), own)
    assert "too little in common" in check_unit(composition("t", elements=("La", "Fe", "O"), atomic=STO), own)
    assert "no unit to check" in check_unit(composition("t", counts=STO), own)
    alike = composition(elements=("Fe", "Co", "Ni"), atomic=STO)
    assert "cannot tell them apart" in check_unit(composition("t", elements=("Fe", "Co", "Ni"), atomic=STO), alike)
    assert "cannot tell them apart" in check_unit(composition("t", atomic=STO * np.nan), own)
    with pytest.raises(InputError, match="neither at% nor wt%"):
        check_unit(composition("t", atomic=STO), composition(counts=STO))

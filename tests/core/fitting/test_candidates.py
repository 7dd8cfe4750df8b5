"""Candidates: which elements are looked for, and in which proportion their families may stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import nnls

from edsnb.core.fitting.candidates import CREDIT, LEFT_OUT, NOTES, candidates, cone
from edsnb.core.fitting.lines import atomic_number, xraylib_family
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.ktheory import is_known
from edsnb.errors import ElementError

RANGE = (0.2, 20.0)
EVERY = candidates(None, RANGE, 200.0, xraylib_family)


def test_all_elements_with_a_line_but_those_left_out():
    assert [atomic_number(e) for e in EVERY] == sorted(atomic_number(e) for e in EVERY)
    assert not set(LEFT_OUT) & set(EVERY)
    assert {"C", "N", "O", "F", "Na", "Fe", "La", "W", "Pb", "U", "Ar"} <= set(EVERY)
    # Their lines lie below the range.
    assert not {"Li", "Be", "B"} & set(EVERY)
    # What is neither left out nor without a line is there.
    assert len(EVERY) == 92 - 13 - 2


def test_who_is_named_is_looked_for():
    assert list(candidates(["Tc", "Xe", "B"], RANGE, 200.0, xraylib_family)) == ["Tc", "Xe"]
    with pytest.raises(ElementError, match="Zz"):
        candidates(["Zz"], RANGE, 200.0, xraylib_family)


def test_families_come_hard_to_soft_and_only_those_in_range():
    assert [f.name for f in EVERY["Nb"].families] == ["Nb_K", "Nb_L"]
    assert [f.name for f in EVERY["Ba"].families] == ["Ba_L", "Ba_M"]
    low = candidates(["Nb", "Ba"], (0.2, 8.0), 200.0, xraylib_family)
    assert [f.name for f in low["Nb"].families] == ["Nb_L"]
    slow = candidates(["Nb"], RANGE, 15.0, xraylib_family)
    assert [f.name for f in slow["Nb"].families] == ["Nb_L"]


@pytest.mark.parametrize("element", EVERY)
def test_theory_lies_inside_the_cone(element):
    """What theory says of the families is a non-negative sum of the edges; a line that stands alone is not."""
    found = EVERY[element]
    names = [f.name for f in found.families]
    assert found.edges.shape[1] == len(names)
    assert found.edges.min() >= 0
    np.testing.assert_array_equal(found.edges[:, 0], 1.0)
    if not all(is_known(name, 200.0) for name in names):
        return
    factors = KFactors.theory(names, beam_kev=200.0).factors
    expected = np.array([1.0 / factors[name] for name in names])
    assert nnls(found.edges.T / expected[:, None], np.ones(len(names)))[1] < 1e-9
    for alone in np.eye(len(names))[1:]:
        assert nnls(found.edges.T / expected[:, None], alone)[1] > 0.2


def test_a_hard_line_stands_alone_only_where_the_soft_one_may_be_absorbed():
    """Fe K may come without Fe L, 0.7 keV; Nb K not without Nb L, 2.2 keV; in bulk specimens it may."""
    hard = np.array([1.0, 0.0])
    assert nnls(EVERY["Fe"].edges.T, hard)[1] < 1e-9
    assert nnls(EVERY["Nb"].edges.T, hard)[1] > 0.1
    bulk = candidates(["Nb", "Fe"], RANGE, 30.0, xraylib_family)
    assert nnls(bulk["Nb"].edges.T, hard)[1] < 1e-9


@pytest.mark.parametrize("element", ["Fe", "Cu", "Sn", "Ba", "Nd"])
def test_bulk_specimens_may_show_less_of_hard_lines(element):
    families = EVERY[element].families
    highest = []
    for beam in (200.0, 30.0):
        k = KFactors.theory([f.name for f in families], beam_kev=beam).factors
        expected = k[families[0].name] / k[families[1].name]
        highest.append(cone(families, beam)[:, 1].max() / expected)
    assert highest[1] == pytest.approx(2.5 * highest[0])


def test_without_theory_there_are_wide_bounds():
    """Yields of L shells are known from Z = 16 on, those of M shells from Z = 35 on."""
    families = tuple(xraylib_family("Kr", shell) for shell in ("K", "L"))
    known = cone(families, 200.0)
    unknown = cone((families[0], replace(families[1], element="Si")), 200.0)
    assert unknown.tolist() == [[1.0, 0.0], [1.0, 10.0]]
    assert known.tolist() != unknown.tolist()


def test_beam_energy_that_nobody_knows_is_a_usual_one():
    a, b = (candidates(["Nb"], RANGE, beam, xraylib_family)["Nb"].edges for beam in (None, 200.0))
    np.testing.assert_array_equal(a, b)


def test_credit_and_notes_speak_of_elements():
    for table in (CREDIT, NOTES):
        assert all(atomic_number(element) for element in table)
    assert all(0 < credit < 1 for credit in CREDIT.values())
    assert CREDIT["Xe"] < CREDIT["Eu"] < CREDIT["Ce"]
    assert "Fe" not in CREDIT
    assert not set(CREDIT) & set(LEFT_OUT)

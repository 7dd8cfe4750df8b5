"""Continuum: the terms by their formulae, self-absorption by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edsnb.core.fitting.background import (
    BENDS,
    MASS_THICKNESSES,
    POWERS,
    discriminated,
    physical_terms,
    polynomial_terms,
    tilted_terms,
)
from edsnb.core.fitting.detector import efficiency, mass_attenuation

ENERGY = np.linspace(0.2, 20.0, 991)
STO = {"Sr": 0.4775, "Ti": 0.2609, "O": 0.2616}


def at(kev: float) -> int:
    """Return the channel at an energy."""
    return int(np.argmin(np.abs(ENERGY - kev)))


@pytest.mark.parametrize("absorber", [None, {}, STO])
@pytest.mark.parametrize("beam_kev", [None, 200.0, 15.0])
def test_terms_are_not_negative_and_have_a_mean_of_one(absorber, beam_kev):
    terms = physical_terms(ENERGY, beam_kev, absorber=absorber, take_off_deg=18.0)
    assert terms.shape == (991, len(POWERS) * (len(MASS_THICKNESSES) if absorber else 1))
    assert terms.min() >= 0
    np.testing.assert_allclose(terms.mean(axis=0), 1.0)
    below = slice(None) if beam_kev != 15.0 else ENERGY < 15.0
    assert (terms[below] > 0).all()
    if beam_kev == 15.0:
        assert not terms[ENERGY >= 15.0].any()


def test_unabsorbed_terms_by_their_formula():
    terms = physical_terms(ENERGY, 30.0)
    for column, power in enumerate(POWERS):
        ratio = terms[:, column] / (efficiency(ENERGY) * ENERGY**-power * (30.0 - ENERGY) / 30.0)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    # The first terms of an absorbing specimen are these.
    np.testing.assert_array_equal(physical_terms(ENERGY, 30.0, absorber=STO)[:, : len(POWERS)], terms)


def test_self_absorption_by_hand():
    """Oxygen, 30 degrees, 1.5 keV: mu = 1548.8 cm2/g, path 3097.5 cm2/g.

    1e-4 g/cm2: x = 0.30975, (1 - exp(-x)) / x = 0.85995. 1e-3 g/cm2: x = 3.0975, 0.30826.
    """
    assert MASS_THICKNESSES == (0.0, 1e-4, 1e-3)
    terms = physical_terms(ENERGY, None, absorber={"O": 1.0}, take_off_deg=30.0)
    n = len(POWERS)
    for block, expected in ((1, 0.85995), (2, 0.30826)):
        for power in range(n):
            # At 20 keV next to nothing is absorbed: x = 2 mu t.
            x = 2 * float(mass_attenuation({"O": 1.0}, 20.0)) * MASS_THICKNESSES[block]
            far = -math.expm1(-x) / x
            ratio = terms[:, block * n + power] / terms[:, power]
            assert ratio[at(1.5)] / ratio[at(20.0)] == pytest.approx(expected / far, rel=1e-4)


def test_absorption_has_the_edge_of_the_specimen():
    terms = physical_terms(ENERGY, 200.0, absorber={"O": 1.0}, take_off_deg=18.0)
    ratio = terms[:, -1] / terms[:, len(POWERS) - 1]
    # Far into the absorbing limit it falls as 1 / mu, which the edge raises by exp(2.74) = 15.
    assert ratio[at(0.52)] / ratio[at(0.56)] == pytest.approx(15, rel=0.2)


def test_a_grazing_path_is_a_long_one():
    """Twice the path is twice the thickness."""
    grazing = physical_terms(ENERGY, None, absorber={"O": 10.0}, take_off_deg=90.0)
    steep = physical_terms(ENERGY, None, absorber={"O": 5.0}, take_off_deg=30.0)
    np.testing.assert_allclose(grazing, steep, rtol=1e-9)


def test_nothing_above_the_beam_energy_is_no_number_without_meaning():
    assert not physical_terms(ENERGY[500:], 5.0).any()
    assert not tilted_terms(np.zeros(991), ENERGY).any()


def test_discriminator_by_hand():
    """Half of the pulses at the threshold, Phi(1) = 0.841345 one width (40 eV) above it, all of them far above."""
    terms = physical_terms(ENERGY, 200.0)
    passed = discriminated(terms, ENERGY, 0.28)
    share = passed / terms
    share /= share[at(10.0)]
    np.testing.assert_allclose(share[at(0.28)], 0.5, rtol=1e-6)
    np.testing.assert_allclose(share[at(0.32)], 0.841345, rtol=1e-5)
    np.testing.assert_allclose(share[at(0.24)], 0.158655, rtol=1e-5)
    np.testing.assert_allclose(share[at(1.0) :], 1.0, rtol=1e-9)
    np.testing.assert_allclose(passed.mean(axis=0), 1.0)
    assert discriminated(terms, ENERGY, 0.0) is terms


def test_tilted_terms():
    continuum = physical_terms(ENERGY, 200.0)[:, 1] * 37.0
    terms = tilted_terms(continuum, ENERGY)
    assert terms.shape == (len(ENERGY), BENDS)
    np.testing.assert_allclose(terms.mean(axis=0), 1.0)
    assert terms.min() >= 0
    # The continuum is a sum of them in which none is missing; so is one that falls or rises by twice as much.
    x = np.log(ENERGY / ENERGY[0]) / np.log(ENERGY[-1] / ENERGY[0])
    for wanted in (continuum, continuum * (1 - 0.8 * x), continuum * (0.2 + x), continuum * (1 + x**2)):
        coefficients = np.linalg.lstsq(terms, wanted, rcond=None)[0]
        np.testing.assert_allclose(terms @ coefficients, wanted, rtol=1e-9)
        assert coefficients.min() > 0.05 * coefficients.max()


def test_terms_stay_finite_at_and_below_zero():
    energy = np.linspace(-0.2, 1.0, 300)
    terms = physical_terms(energy, 200.0, absorber=STO, take_off_deg=18.0)
    assert np.isfinite(terms).all()
    assert np.isfinite(tilted_terms(terms[:, 4], energy)).all()


def test_one_channel():
    assert physical_terms(np.array([6.4]), 200.0, absorber=STO).tolist() == [[1.0] * 9]
    assert polynomial_terms(1, 2).shape == (1, 3)

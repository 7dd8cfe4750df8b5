"""Detector efficiency, escape of Si K X-rays, and the attenuation behind both."""

import math

import numpy as np
import pytest
import xraylib

from edsnb.core.fitting.detector import SI_KA_KEV, efficiency, escape_fraction, mass_attenuation


@pytest.mark.parametrize("energy_kev", [0.1, 0.525, 1.74, 1.85, 6.4, 14.1, 60.0])
def test_equals_the_four_layers_one_by_one(energy_kev):
    silicon = 2.33 * xraylib.CS_Total(14, energy_kev)
    aluminium = 2.6989 * xraylib.CS_Total(13, energy_kev)
    oxygen = xraylib.CS_Total(8, energy_kev)
    through = math.exp(-silicon * 13.9e-7) * math.exp(-aluminium * 35.1e-7) * math.exp(-oxygen * 5e-6)
    assert float(efficiency(energy_kev)) == pytest.approx(through * (1 - math.exp(-silicon * 0.0433)), rel=1e-5)


def test_keeps_the_shape_and_stays_between_0_and_1():
    energies = np.geomspace(0.01, 1000, 600).reshape(20, 30)
    energies.flags.writeable = False
    values = efficiency(energies)
    assert values.shape == (20, 30)
    assert ((values > 0) & (values < 1)).all()
    assert efficiency([]).shape == (0,)


def test_is_constant_where_there_is_no_table():
    np.testing.assert_array_equal(efficiency([-1, 0, 0.05]), efficiency([0.1] * 3))
    assert efficiency(2000) == efficiency(800)


def test_is_dimmer_above_the_aluminium_and_silicon_edges():
    below, above = efficiency([1.55, 1.83]), efficiency([1.57, 1.85])
    assert (above < below).all()


@pytest.mark.parametrize("symbol", ["C", "O", "Si", "Ti", "Sr", "La", "Au"])
def test_attenuation_equals_the_table_energy_by_energy(symbol):
    """Straight lines between nodes are good to 1e-4, up to the edges from either side."""
    z = xraylib.SymbolToAtomicNumber(symbol)
    energies = np.concatenate([np.random.default_rng(z).uniform(0.1, 25, 3000), np.geomspace(0.1, 800, 500)[1:-1]])
    twin = [xraylib.CS_Total(z, e) for e in energies.tolist()]
    np.testing.assert_allclose(mass_attenuation({symbol: 1.0}, energies), twin, rtol=1e-4)


def test_edges_are_sharp():
    """Silicon's jumps tenfold within a tenth of an electronvolt."""
    low, high = mass_attenuation({"Si": 1.0}, [1.8389, 1.8391])
    assert high / low == pytest.approx(10.3, abs=0.1)
    energies = np.linspace(1.8389, 1.8391, 201)
    steps = np.diff(np.log(mass_attenuation({"Si": 1.0}, energies)))
    assert (np.abs(steps) > 0.01).sum() <= 2


def test_attenuation_of_a_compound_is_the_sum_by_weight():
    energies = np.array([[0.3, 0.6], [4.9, 5.1]])
    parts = 0.4775 * mass_attenuation({"Sr": 1.0}, energies) + 0.5225 * mass_attenuation({"Ti": 1.0}, energies)
    np.testing.assert_allclose(mass_attenuation({"Sr": 0.4775, "Ti": 0.5225}, energies), parts, rtol=1e-12)
    assert mass_attenuation({}, energies).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_array_equal(mass_attenuation({"Ti": 1.0}, [0.0, 1e4]), mass_attenuation({"Ti": 1.0}, [0.1, 800]))


def test_escape_by_hand():
    """Ti Ka: mu = 326.65, mu(Si Ka) = 358.91 cm2/g; w = 0.05037 and r = 10.37 of Si K.

    0.5 * 0.05037 * 9.37 / 10.37 * (1 - ln(1 + 0.91010) / 0.91010) = 0.0227564 * (1 - 0.711080) = 0.0065748.
    """
    assert float(escape_fraction(4.5089)) == pytest.approx(0.0065748, rel=1e-4)


def test_escape_is_zero_below_the_edge_of_silicon():
    assert escape_fraction([0.05, 0.525, 1.740, 1.838]).tolist() == [0.0] * 4
    assert float(escape_fraction(1.840)) > 0.01


def test_escape_has_the_magnitude_of_the_literature():
    """From 1.8 % for P K down to some 0.01 % for Zn K (Goldstein et al., Scanning Electron Microscopy, ch. 16)."""
    phosphorus, titanium, iron, strontium = escape_fraction([2.01, 4.51, 6.40, 14.1])
    assert 0.014 < phosphorus < 0.02
    assert 0.005 < titanium < 0.01
    assert 0.002 < iron < 0.005
    assert strontium < 0.001
    assert (np.diff(escape_fraction(np.linspace(1.85, 40, 200))) < 0).all()
    assert escape_fraction(np.ones((2, 3))).shape == (2, 3)
    assert pytest.approx(xraylib.LineEnergy(14, xraylib.KA_LINE), abs=1e-3) == SI_KA_KEV

"""Detector efficiency."""

import math

import numpy as np
import pytest
import xraylib

from edsnb.core.detector import efficiency


@pytest.mark.parametrize("energy_kev", [0.1, 0.525, 1.74, 1.85, 6.4, 14.1, 60.0])
def test_equals_the_three_layers_one_by_one(energy_kev):
    silicon = 2.33 * xraylib.CS_Total(14, energy_kev)
    aluminium = 2.6989 * xraylib.CS_Total(13, energy_kev)
    through = math.exp(-silicon * 20e-7) * math.exp(-aluminium * 33e-7)
    assert float(efficiency(energy_kev)) == pytest.approx(through * (1 - math.exp(-silicon * 0.0437)), rel=1e-5)


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

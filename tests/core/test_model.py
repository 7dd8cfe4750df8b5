"""The design matrix: one column a family, background terms behind."""

from __future__ import annotations

import numpy as np
import pytest

from edsnb.core.detector import efficiency
from edsnb.core.image import EnergyAxis
from edsnb.core.lines import LineFamily
from edsnb.core.model import ModelSpec, design, detected_weights
from edsnb.core.peaks import Response, line_shapes
from edsnb.errors import InputError

AXIS = EnergyAxis(1000, 0.02, -0.1)
CHANNELS = AXIS.channels(0.2, 18.0)
LOW = LineFamily("X", "L", (0.5, 0.9), (0.75, 0.25), (True, False), "made up")
HIGH = LineFamily("X", "K", (10.0, 11.0, 30.0), (0.5, 0.3, 0.2), (True, True, False), "made up")
RESPONSE = Response(AXIS, 130.0)


def test_detected_weights_are_emitted_shares_times_efficiency():
    seen = efficiency(np.array([0.5, 0.9]))
    assert seen[0] < seen[1]
    expected = np.array([0.75 * seen[0], 0.25 * seen[1]])
    np.testing.assert_allclose(detected_weights(LOW), expected / expected.sum())
    assert detected_weights(HIGH).sum() == pytest.approx(1.0)


def test_columns_are_counts_per_channel_of_one_count_of_the_family():
    model = design(ModelSpec((LOW, HIGH), CHANNELS, 200.0), RESPONSE)
    assert model.columns.shape == (CHANNELS.stop - CHANNELS.start, 2 + 4)
    # The line at 30 keV lies outside, yet belongs to the family's counts.
    outside = detected_weights(HIGH)[2]
    np.testing.assert_allclose(model.columns[:, :2].sum(axis=0), [1.0, 1 - outside], atol=1e-6)
    for column, family in enumerate((LOW, HIGH)):
        shape = line_shapes(RESPONSE, CHANNELS, family.energies_kev, detected_weights(family))
        np.testing.assert_array_equal(model.columns[:, column], shape)


def test_alpha_fractions_are_those_of_the_detected_counts():
    model = design(ModelSpec((LOW, HIGH), CHANNELS), RESPONSE)
    seen = efficiency(np.array([10.0, 11.0, 30.0])) * [0.5, 0.3, 0.2]
    low = efficiency(np.array([0.5, 0.9])) * [0.75, 0.25]
    np.testing.assert_allclose(model.alpha_fractions, [low[0] / low.sum(), seen[:2].sum() / seen.sum()])
    assert model.alpha_fractions[0] < LOW.alpha_fraction


def test_physical_background_by_its_formula():
    model = design(ModelSpec((LOW,), CHANNELS, 15.0), RESPONSE)
    terms = model.columns[:, 1:]
    energy = AXIS.centres_kev[CHANNELS]
    np.testing.assert_allclose(terms.mean(axis=0), 1.0)
    below = energy < 15.0
    assert not terms[~below].any()
    assert (terms[below] > 0).all()
    shape = efficiency(energy) * (15.0 - energy) / 15.0
    for power in range(4):
        ratio = terms[below, power] / (shape[below] * energy[below] ** -power)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert model.nonnegative.all()
    # Without a beam energy nothing ends it.
    endless = design(ModelSpec((LOW,), CHANNELS), RESPONSE).columns[:, 1:]
    np.testing.assert_allclose(endless[:, 0] / efficiency(energy), endless[0, 0] / efficiency(energy)[0])


def test_physical_background_stays_finite_at_zero_energy():
    model = design(ModelSpec((LOW,), slice(0, 1000), 200.0), RESPONSE)
    assert np.isfinite(model.columns).all()


@pytest.mark.parametrize("order", [0, 1, 6])
def test_polynomial_background_spans_all_polynomials(order):
    model = design(ModelSpec((LOW,), CHANNELS, background="polynomial", order=order), RESPONSE)
    terms = model.columns[:, 1:]
    assert terms.shape[1] == order + 1
    energy = AXIS.centres_kev[CHANNELS]
    wanted = (energy - 3.3) ** order - 7
    found = terms @ np.linalg.lstsq(terms, wanted, rcond=None)[0]
    np.testing.assert_allclose(found, wanted, atol=1e-9 * np.abs(wanted).max())
    assert model.nonnegative.tolist() == [True] + [False] * (order + 1)


def test_no_background():
    model = design(ModelSpec((LOW, HIGH), CHANNELS, background="none"), RESPONSE)
    assert model.columns.shape[1] == 2
    assert model.nonnegative.tolist() == [True, True]


def test_background_alone():
    model = design(ModelSpec((), CHANNELS, 200.0), RESPONSE)
    assert model.columns.shape[1] == 4
    assert model.alpha_fractions.shape == (0,)


def test_the_calibrated_axis_moves_peaks_and_background():
    moved = Response(EnergyAxis(1000, 0.02, -0.06), 130.0)
    there, here = (design(ModelSpec((HIGH,), CHANNELS, 200.0), r).columns for r in (moved, RESPONSE))
    # 40 eV up in energy is two channels down for the same line.
    np.testing.assert_allclose(there[:-2, 0], here[2:, 0], atol=1e-12)
    ratio = there[:-2, 2] / here[2:, 2]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"background": "spline"}, "background 'spline' is unknown; choose one of physical, polynomial, none"),
        ({"background": "polynomial", "order": 13}, "polynomial order 13 cannot be used; choose 0 to 12"),
        ({"background": "polynomial", "order": -1}, "polynomial order -1"),
        ({"families": (), "background": "none"}, "has nothing to fit"),
    ],
)
def test_models_that_cannot_be_fitted_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ModelSpec(**{"families": (LOW,), "channels": CHANNELS, **options})

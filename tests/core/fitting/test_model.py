"""The design matrix: one column a family, background terms behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.fitting.background import POWERS, discriminated, physical_terms
from edsnb.core.fitting.detector import efficiency, escape_fraction
from edsnb.core.fitting.lines import LineFamily, families_in
from edsnb.core.fitting.model import ModelSpec, design, detected_lines, detected_weights, pile_up_column
from edsnb.core.fitting.peaks import Response, line_shapes
from edsnb.core.image import EnergyAxis
from edsnb.errors import InputError
from tests.oracles import piled_up

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
    assert model.columns.shape == (CHANNELS.stop - CHANNELS.start, 2 + 3)
    # The line at 30 keV and its escape lie outside, yet belong to the family's counts.
    outside = detected_weights(HIGH)[2]
    np.testing.assert_allclose(model.columns[:, :2].sum(axis=0), [1.0, 1 - outside], atol=1e-6)
    for column, family in enumerate((LOW, HIGH)):
        shape = line_shapes(RESPONSE, CHANNELS, *detected_lines(family))
        np.testing.assert_array_equal(model.columns[:, column], shape)


def test_escape_peaks_lie_1740_ev_below_their_lines_and_take_from_them():
    energies, counts = detected_lines(HIGH)
    weights, escaped = detected_weights(HIGH), escape_fraction([10.0, 11.0, 30.0])
    np.testing.assert_allclose(energies, [10.0, 11.0, 30.0, 8.26, 9.26, 28.26])
    np.testing.assert_allclose(counts, [*(weights * (1 - escaped)), *(weights * escaped)])
    assert counts.sum() == pytest.approx(1.0)
    # X-rays below the K edge of silicon make no Si K vacancy.
    np.testing.assert_array_equal(detected_lines(LOW), [[0.5, 0.9], detected_weights(LOW)])


def test_escape_peak_stands_in_the_column():
    """Ti K: 0.66 % of Ka about 2.77 keV, where no titanium line is."""
    (titanium,) = families_in(["Ti"], (1.0, 18.0))
    column = design(ModelSpec((titanium,), CHANNELS, background="none"), RESPONSE).columns[:, 0]
    energy = AXIS.centres_kev[CHANNELS]
    near = np.abs(energy - (4.5089 - 1.740)) < 0.15
    assert energy[near][column[near].argmax()] == pytest.approx(2.769, abs=0.015)
    share = column[near].sum() / design_alpha(titanium)
    assert share == pytest.approx(0.0065748, rel=0.02)


def design_alpha(family: LineFamily) -> float:
    """Return the share of a family's detected counts in its alpha line, worked out alone."""
    counts = np.array(family.weights) * efficiency(family.energies_kev)
    return float(counts[np.array(family.alpha)].sum() / counts.sum())


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
    assert POWERS == (0.0, 1.0, 2.0)
    for power in range(3):
        ratio = terms[below, power] / (shape[below] * energy[below] ** -power)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert model.nonnegative.all()
    # Without a beam energy nothing ends it.
    endless = design(ModelSpec((LOW,), CHANNELS), RESPONSE).columns[:, 1:]
    np.testing.assert_allclose(endless[:, 0] / efficiency(energy), endless[0, 0] / efficiency(energy)[0])


def test_physical_background_of_an_absorbing_specimen_behind_a_discriminator():
    specimen = {"Sr": 0.5, "O": 0.5}
    spec = ModelSpec((LOW,), CHANNELS, 200.0, take_off_deg=18.0, absorber=specimen, threshold_kev=0.25)
    energy = AXIS.centres_kev[CHANNELS]
    terms = physical_terms(energy, 200.0, absorber=specimen, take_off_deg=18.0)
    model = design(spec, RESPONSE)
    np.testing.assert_array_equal(model.columns[:, 1:], discriminated(terms, energy, 0.25))
    assert model.nonnegative.all()
    # Of use to the physical continuum alone.
    for background in ("polynomial", "none"):
        plain = ModelSpec((LOW,), CHANNELS, 200.0, background)
        other = replace(plain, take_off_deg=18.0, absorber=specimen, threshold_kev=0.25)
        np.testing.assert_array_equal(design(other, RESPONSE).columns, design(plain, RESPONSE).columns)


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
    assert model.columns.shape[1] == 3
    assert model.alpha_fractions.shape == (0,)


def test_the_calibrated_axis_moves_peaks_and_background():
    moved = Response(EnergyAxis(1000, 0.02, -0.06), 130.0)
    there, here = (design(ModelSpec((HIGH,), CHANNELS, 200.0), r).columns for r in (moved, RESPONSE))
    # 40 eV up in energy is two channels down for the same line.
    np.testing.assert_allclose(there[:-2, 0], here[2:, 0], atol=1e-12)
    ratio = there[:-2, 2] / here[2:, 2]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_bow_moves_the_peaks():
    bowed = design(ModelSpec((HIGH,), CHANNELS, background="none"), replace(RESPONSE, bow_ev=40.0)).columns[:, 0]
    straight = design(ModelSpec((HIGH,), CHANNELS, background="none"), RESPONSE).columns[:, 0]
    # 40 eV at 10 keV are two channels.
    np.testing.assert_allclose(bowed[480:510], straight[478:508], atol=5e-4 * straight.max())


SMALL = EnergyAxis(60, 0.11, -0.3)


@pytest.mark.parametrize("offset_kev", [0.0, -0.3, -0.25, 0.17])
def test_pile_up_against_all_pairs(offset_kev):
    """Half a channel of offset too: a pair's energy then lies between two channels."""
    axis = replace(SMALL, offset_kev=offset_kev)
    counts = np.random.default_rng(3).poisson(4.0, 60)
    channels = slice(5, 50)
    column = pile_up_column(counts, axis, channels)
    twin = piled_up(counts, axis, channels)
    np.testing.assert_allclose(column, twin / twin.sum(), atol=1e-12)
    assert column.sum() == pytest.approx(1.0)
    assert column.min() >= 0


def test_pile_up_of_two_lines():
    """1.0 and 2.5 keV make 2.0, 3.5 and 5.0 keV, in proportion 1 : 2 : 1 for equal lines."""
    axis = EnergyAxis(700, 0.01, -0.2)
    counts = np.zeros(700)
    counts[[120, 270]] = 50
    column = pile_up_column(counts, axis, slice(40, 700))
    assert np.flatnonzero(column > 1e-12).tolist() == [220 - 40, 370 - 40, 520 - 40]
    np.testing.assert_allclose(column[[180, 330, 480]], [0.25, 0.5, 0.25])


def test_pile_up_takes_no_noise_and_nothing_from_outside_the_range():
    counts = np.random.default_rng(3).poisson(4.0, 60).astype(float)
    clean = pile_up_column(counts, SMALL, slice(5, 50))
    counts[:5], counts[50:] = 1e6, np.nan
    np.testing.assert_array_equal(pile_up_column(counts, SMALL, slice(5, 50)), clean)
    assert not pile_up_column(np.zeros(60), SMALL, slice(5, 50)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"background": "spline"}, "background 'spline' is unknown; choose one of physical, polynomial, none"),
        ({"background": "polynomial", "order": 13}, "polynomial order 13 cannot be used; choose 0 to 12"),
        ({"background": "polynomial", "order": -1}, "polynomial order -1"),
        ({"families": (), "background": "none"}, "has nothing to fit"),
        ({"take_off_deg": 0.0}, "a take-off angle of 0 degrees cannot be"),
        ({"take_off_deg": float("nan")}, "a take-off angle of nan degrees"),
    ],
)
def test_models_that_cannot_be_fitted_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ModelSpec(**{"families": (LOW,), "channels": CHANNELS, **options})

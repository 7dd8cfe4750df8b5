"""What a fit leaves over: against sums done one by one, and against what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.fitting.fit import fit
from edsnb.core.fitting.residuals import largest_misfit, line_residuals, modelled, parts, residuals
from edsnb.core.fitting.window import window_intensities
from edsnb.core.regions import ChipGrid, Spectra, chip
from tests.flat import ELEMENTS, RANGE, flat_map


@pytest.fixture(scope="module")
def fitted():
    image, _ = flat_map(6, 8, 2000.0, seed=5)
    spectra = chip(image, ChipGrid(2))
    counts = np.array(spectra.counts)
    counts[4] = 0
    return fit(replace(spectra, counts=counts), ELEMENTS, energy=RANGE, calibration=False)


def test_residuals_one_by_one(fitted):
    found = residuals(fitted, 2)
    model = fitted.model(2)
    for e in range(0, len(found), 37):
        counts = fitted.spectra.counts[2, fitted.channels.start + e]
        assert found[e] == pytest.approx((counts - model[e]) / max(model[e], 1.0) ** 0.5)


def test_residuals_of_a_true_model_scatter_by_one(fitted):
    rich = fitted.model(2) > 5
    assert np.std(residuals(fitted, 2)[rich]) == pytest.approx(1.0, abs=0.2)


def test_lines_one_by_one(fitted):
    found = line_residuals(fitted)
    for k in range(len(fitted.families)):
        column = fitted.columns[:, k]
        peak = [e for e in range(len(column)) if column[e] > 0.5 * column.max()]
        counts = sum(int(fitted.spectra.counts[7, fitted.channels.start + e]) for e in peak)
        expected = sum(float(fitted.model(7)[e]) for e in peak)
        assert found[7, k] == pytest.approx((counts - expected) / max(expected, 1.0) ** 0.5)


def test_a_hidden_line_shows_at_the_line_it_hides_under(fitted):
    spectra, column = fitted.spectra, fitted.column("Fe_K")
    counts = np.array(spectra.counts, np.int64)
    extra = np.round(300 * fitted.columns[:, column]).astype(int)
    counts[0, fitted.channels] += np.roll(extra, 8)
    found = line_residuals(fit(replace(spectra, counts=counts), ELEMENTS, energy=RANGE, calibration=False))
    assert abs(found[0, column]) > 3 > abs(found[1:, column][np.isfinite(found[1:, column])]).max()


@pytest.mark.parametrize(("share", "sign"), [(1.0, 1), (-0.8, -1)])
def test_the_largest_misfit_one_by_one(fitted, share, sign):
    """A line that nobody named, or one that is missing where the model has it."""
    spectra, column = fitted.spectra, fitted.columns[:, fitted.column("Fe_K")]
    counts = np.array(spectra.counts, np.float64)
    extra = np.roll(column, 60) if sign > 0 else column
    counts[1, fitted.channels] = np.maximum(fitted.model(1) + share * fitted.intensities[1].max() * extra, 0)
    changed = replace(fitted, spectra=replace(spectra, counts=counts))
    energy, sigma = largest_misfit(changed, 1)
    first = spectra.energy.offset_kev + spectra.energy.scale_kev * fitted.channels.start
    expected = first + spectra.energy.scale_kev * int(np.argmax(extra))
    assert energy == pytest.approx(expected, abs=0.03)
    # By hand: the window about that place, as wide as Fiori & Newbury have a line there.
    width = (130.0**2 + 2.5 * (1e3 * energy - 5898.7)) ** 0.5 / 1e3
    half = round(width / 2 / spectra.energy.scale_kev)
    at = round((energy - first) / spectra.energy.scale_kev)
    window = range(at - half, at + half + 1)
    found = sum(counts[1, fitted.channels.start + e] for e in window)
    modelled_counts = sum(fitted.model(1)[e] for e in window)
    assert sigma == pytest.approx((found - modelled_counts) / modelled_counts**0.5, rel=1e-6)
    assert sign * sigma > 6


def test_a_true_model_is_missed_by_chance_alone(fitted):
    departures = [largest_misfit(fitted, k) for k in range(len(fitted))]
    assert [found is None for found in departures] == [k == 4 for k in range(len(fitted))]
    assert max(abs(found[1]) for found in departures if found is not None) < 6


def test_where_there_is_no_model(fitted):
    assert modelled(fitted).tolist() == [k != 4 for k in range(len(fitted))]
    assert np.isnan(residuals(fitted, 4)).all()
    assert np.isnan(line_residuals(fitted)[4]).all()
    assert parts(fitted, 4) == {}
    window = window_intensities(fitted.spectra, ELEMENTS, energy=RANGE, calibration=False)
    assert not modelled(window).any()
    assert np.isnan(residuals(window, 0)).all()
    assert np.isnan(line_residuals(window)).all()


def test_parts_and_background_are_the_model(fitted):
    found = parts(fitted, 3)
    assert all(values.sum() > 0 for values in found.values())
    np.testing.assert_allclose(sum(found.values()) + fitted.background_model(3), fitted.model(3))


def test_one_spectrum_alone(fitted):
    one: Spectra = fitted.spectra.only(5)
    assert one.names == (fitted.spectra.names[5],)
    np.testing.assert_array_equal(one.counts[0], fitted.spectra.counts[5])
    np.testing.assert_array_equal(one.regions.mask(0), fitted.spectra.regions.mask(5))
    assert replace(fitted.spectra, regions=None).only(5).regions is None

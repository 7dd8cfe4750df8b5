"""Simulated emission: by hand, against Monte-Carlo, and against the model of a fit where they must agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from edsnb.core.fitting.lines import xraylib_family
from edsnb.core.fitting.model import ModelSpec, design
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.simulation.emission import (
    IDEAL,
    Instrument,
    bremsstrahlung,
    emission,
    emitted_families,
    noise_peak,
    weight_fractions,
)
from edsnb.errors import ElementError, KFactorError

STO = {"Sr": 1.0, "Ti": 1.0, "O": 3.0}
SMALL = EnergyAxis(1024, 0.02, -0.25)


def test_intensities_worked_by_hand():
    families = emitted_families(STO, Instrument())
    k = dict.fromkeys(families, 1.0) | {"Sr_K": 4.0, "O_K": 0.5}
    found = emission(STO, families, k, Instrument()).intensities
    # Formula weight 87.62 + 47.867 + 3 * 15.999 = 183.484 g/mol.
    assert found["Sr_K"] == pytest.approx(87.62 / 183.484 / 4, rel=1e-4)
    assert found["Ti_K"] == pytest.approx(47.867 / 183.484, rel=1e-4)
    assert found["O_K"] == pytest.approx(47.997 / 183.484 / 0.5, rel=1e-4)
    assert set(found) == {"Sr_K", "Sr_L", "Ti_K", "Ti_L", "O_K"}


def test_peak_with_tail_equals_monte_carlo():
    instrument = Instrument(stated=SMALL, tail=0.3, tail_slope_ev=150.0)
    (family,) = emitted_families(["O"], instrument).values()
    rng = np.random.default_rng(5)
    n, energy = 400_000, family.energies_kev[0]
    assert set(family.energies_kev) == {energy}
    sigma = np.sqrt(128.0**2 + 2.5 * (1e3 * energy - 5898.7)) / 2.354820 / 1e3
    drawn = energy + rng.normal(0, sigma, n) - np.where(rng.random(n) < 0.3, rng.exponential(0.150, n), 0)
    axis = instrument.energy
    channel = np.floor((drawn - axis.offset_kev) / axis.scale_kev + 0.5).astype(int)
    found = np.bincount(channel[channel >= 0], minlength=axis.size)
    expected = n * family.columns
    seen = expected > 20
    chi2 = ((found - expected) ** 2 / np.maximum(expected, 1e-9))[seen].sum()
    assert abs(chi2 - seen.sum()) < 5 * np.sqrt(2 * seen.sum())


def test_true_axis_is_not_the_stated_one():
    instrument = Instrument(offset_error_ev=-12.0, gain_error=0.002)
    assert instrument.energy.offset_kev == pytest.approx(-0.262)
    assert instrument.energy.scale_kev == pytest.approx(0.01002)
    family = emitted_families(["Sr"], instrument)["Sr_K"]
    peak = int(np.argmax(family.columns))
    assert instrument.energy.centres_kev[peak] == pytest.approx(14.14, abs=0.02)
    assert instrument.stated.centres_kev[peak] == pytest.approx(14.14 + 0.012 - 0.028, abs=0.02)


def test_shares_are_the_tables_moved_by_a_few_percent():
    elements = ["La", "Fe", "Sr", "Ti", "Ba", "Pb"]
    moved, table = emitted_families(elements, Instrument()), emitted_families(elements, IDEAL)
    ratios = [np.log(np.divide(moved[n].shares, table[n].shares)) for n in table if len(table[n].shares) > 3]
    spread = np.concatenate([r - r.mean() for r in ratios]).std()
    assert 0.025 < spread < 0.045
    for family in moved.values():
        assert sum(family.shares) == pytest.approx(1)
        assert family.columns.sum() <= 1 + 1e-9


def test_shares_do_not_depend_on_other_elements():
    alone, together = (emitted_families(e, Instrument())["Fe_K"] for e in (["Fe"], ["La", "Fe", "O"]))
    assert alone.shares == together.shares


def test_ideal_emission_is_the_models_own():
    families = emitted_families(["La", "Fe", "O"], IDEAL)
    table = [xraylib_family(*name.split("_")) for name in families]
    spec = ModelSpec(tuple(f for f in table if f), slice(0, IDEAL.stated.size), 200.0, "none")
    columns = design(spec, Response(IDEAL.stated))
    np.testing.assert_allclose(np.stack([f.columns for f in families.values()], axis=1), columns.columns, atol=1e-9)
    np.testing.assert_allclose([f.alpha_fraction for f in families.values()], columns.alpha_fractions, rtol=1e-12)


def test_bremsstrahlung_is_no_member_of_a_fits_background():
    instrument = Instrument()
    found = bremsstrahlung(weight_fractions(STO), instrument)
    channels = instrument.stated.channels(0.2, 20.0)
    terms = design(ModelSpec((), channels, 200.0), Response(instrument.energy)).columns
    _, distance = nnls(terms, found[channels])
    assert 0.01 < distance / np.linalg.norm(found[channels]) < 0.3


def test_bremsstrahlung_has_the_edge_of_the_elements_and_a_plausible_share():
    instrument = Instrument()
    families = emitted_families(STO, instrument)
    k = KFactors.theory(families, beam_kev=200.0).factors
    made = emission(STO, families, k, instrument)
    assert 0.08 < made.background.sum() / made.spectrum.sum() < 0.2
    energy = instrument.energy.centres_kev
    below, above = (float(np.interp(e, energy, made.background)) for e in (0.48, 0.62))
    bare = bremsstrahlung({"Ar": 1.0}, instrument)
    # More drops across the oxygen edge than in an element without one there.
    assert above / below < np.interp(0.62, energy, bare) / np.interp(0.48, energy, bare) - 0.1


def test_noise_peak_lies_below_begin_energy():
    instrument = Instrument()
    peak = noise_peak(instrument)
    assert peak.sum() == pytest.approx(1, abs=1e-6)
    assert peak[instrument.stated.centres_kev > instrument.begin_energy_kev].sum() < 1e-6


def test_missing_k_factor_is_named():
    families = emitted_families(["Fe"], Instrument())
    with pytest.raises(KFactorError, match="Fe_L"):
        emission({"Fe": 1.0}, families, {"Fe_K": 1.3}, Instrument())


def test_unknown_element():
    with pytest.raises(ElementError, match="Xx"):
        emitted_families(["Xx"], Instrument())

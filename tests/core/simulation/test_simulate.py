"""Simulated maps and spectra: Poisson statistics, and that the truth is what was simulated."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import ChipGrid, chip
from edsnb.core.simulation.emission import IDEAL, Instrument, emission, emitted_families, noise_peak
from edsnb.core.simulation.phantom import Contaminant, FilmSystem, Phase
from edsnb.core.simulation.simulate import NOISE_PER_PIXEL, simulate, simulate_spectra
from edsnb.errors import InputError, KFactorError

MADE = simulate(size=96, frames=4, counts=200, seed=11)
IMAGE, TRUTH = MADE.image, MADE.truth
EVENTS = IMAGE.require_events()
PER_PIXEL = np.diff(EVENTS.indptr).reshape(IMAGE.shape)


def phase_sum(name: str) -> np.ndarray:
    """Sum the spectra of a phase."""
    return chip(IMAGE, {name: TRUTH.labels == TRUTH.names.index(name)}).counts[0].astype(float)


def test_mean_counts_are_those_asked_for():
    material = TRUTH.labels > 0
    n = PER_PIXEL[material].sum()
    assert abs(n - 200 * (1 + NOISE_PER_PIXEL) * material.sum()) < 5 * np.sqrt(n)


def test_every_phase_has_its_expected_counts():
    for name, expected in TRUTH.expected.items():
        mean = sum(value for content, value in expected.items() if content != "pixels")
        assert abs(phase_sum(name).sum() - mean) < 5 * np.sqrt(mean)
        assert expected["pixels"] == (TRUTH.labels == TRUTH.names.index(name)).sum()


def test_contaminants_are_weaker_in_vacuum():
    def per_pixel(*names: str) -> float:
        held = [TRUTH.expected[name] for name in names]
        return sum(e["Cu_K"] for e in held) / sum(e["pixels"] for e in held)

    assert per_pixel("vacuum") == pytest.approx(0.15 * per_pixel("LaFeO3", "SrTiO3"))


def test_pixels_are_poisson():
    # Neighbours in the substrate have all but the same mean: half their squared difference is the variance.
    rows = PER_PIXEL[55:].astype(float)
    ratio = ((rows[:, 1:] - rows[:, :-1]) ** 2).mean() / 2 / rows.mean()
    pairs = rows[:, 1:].size
    assert abs(ratio - 1) < 5 * np.sqrt(3 / pairs) + 0.01


def test_channels_are_poisson():
    # The substrate's spectrum against the one expected, from the record of the truth alone.
    expected = np.zeros(EVENTS.channels)
    families = emitted_families(["Sr", "Ti", "O", "Cu", "C"], TRUTH.instrument)
    for atomic in ({"Sr": 1.0, "Ti": 1.0, "O": 3.0}, {"Cu": 1.0}, {"C": 1.0}):
        made = emission(atomic, families, TRUTH.k_factors, TRUTH.instrument)
        first = next(iter(made.intensities))
        expected += made.spectrum * TRUTH.expected["SrTiO3"][first] / made.intensities[first]
    expected += noise_peak(TRUTH.instrument) * TRUTH.expected["SrTiO3"]["noise"]
    found = phase_sum("SrTiO3")
    seen = expected > 10
    chi2 = ((found - expected) ** 2 / np.maximum(expected, 1e-9))[seen].sum()
    assert abs(chi2 - seen.sum()) < 5 * np.sqrt(2 * seen.sum())


def test_truth_gives_its_composition_back():
    for name in ("LaFeO3", "SrTiO3"):
        expected = TRUTH.expected[name]
        lines = [line for line in TRUTH.lines if line in expected]
        moles = [TRUTH.k_factors[line] * expected[line] / atomic_weight(line.split("_")[0]) for line in lines]
        found = dict(zip((line.split("_")[0] for line in lines), 100 * np.array(moles) / sum(moles), strict=True))
        assert found == pytest.approx(TRUTH.phases[name])


def test_events_hold_the_intensities_of_the_truth():
    # An unweighted projection of the film's spectrum onto the truth's own columns, without any fit of edsnb's.
    families = emitted_families(["La", "Fe", "O", "Cu", "C"], TRUTH.instrument)
    made = emission({"La": 1.0, "Fe": 1.0, "O": 3.0}, families, TRUTH.k_factors, TRUTH.instrument)
    others = [made.background, noise_peak(TRUTH.instrument)]
    columns = np.stack([*(f.columns for f in families.values()), *others], axis=1)
    found, *_ = np.linalg.lstsq(columns, phase_sum("LaFeO3"), rcond=None)
    pseudo = np.linalg.pinv(columns)
    sd = np.sqrt((pseudo**2 * phase_sum("LaFeO3")).sum(axis=1))
    for name, value, error in zip(families, found, sd, strict=False):
        # The contaminants' own continuum is left out of the columns: a hundredth of the film's.
        assert abs(value - TRUTH.expected["LaFeO3"][name]) < 5 * error + 0.002 * value, name


def test_a_seed_gives_the_same_map():
    again, other = (simulate(size=96, frames=4, counts=200, seed=s).image for s in (11, 12))
    assert again.digest == IMAGE.digest
    assert other.digest != IMAGE.digest


def test_emission_does_not_depend_on_the_seed():
    assert simulate(size=16, frames=1, counts=5, seed=1).truth.shares == TRUTH.shares


def test_image_is_what_velox_would_have_stored():
    assert IMAGE.shape == (96, 96)
    assert IMAGE.energy == Instrument().stated
    assert {e.symbol: (e.family, e.quantify) for e in IMAGE.elements} == {
        "C": ("K", False),
        "O": ("K", True),
        "Ti": ("K", True),
        "Fe": ("K", True),
        "Cu": ("K", False),
        "Sr": ("K", True),
        "La": ("L", True),
    }
    assert IMAGE.haadf is not None
    np.testing.assert_allclose(IMAGE.haadf.image, MADE.haadf_frames.mean(axis=0), rtol=1e-6)
    assert IMAGE.segments[0].counts.sum() == EVENTS.total()
    assert IMAGE.acquisition.beam_kev == 200
    assert IMAGE.acquisition.take_off_deg == 18


def test_axis_and_width_are_off_as_recorded():
    axis = TRUTH.to_dict()["true_energy"]
    stated = TRUTH.instrument.stated
    spectrum, channels = phase_sum("SrTiO3"), np.arange(1419, 1459)
    centre = np.average(channels, weights=spectrum[channels])
    # Sr Ka (mean 14.142 keV) lies where the truth's axis says, not where the file says, 13 eV away.
    assert axis["offset_kev"] + axis["scale_kev"] * centre == pytest.approx(14.142, abs=0.003)
    assert stated.offset_kev + stated.scale_kev * centre == pytest.approx(14.129, abs=0.003)
    assert axis["offset_kev"] - stated.offset_kev == pytest.approx(0.006)


def test_other_film_systems_are_rows_of_data():
    gan = FilmSystem(
        "GaN/AlN",
        Phase("GaN", (("Ga", 1), ("N", 1)), 6.15),
        Phase("AlN", (("Al", 1), ("N", 1)), 3.26),
        (Contaminant("Cu", 0.03, 0.1),),
        ("Ga_K", "Al_K", "N_K"),
    )
    truth = simulate(size=16, frames=1, counts=50, system=gan).truth
    assert truth.phases["AlN"] == pytest.approx({"Al": 50, "N": 50})
    assert truth.expected["AlN"]["Al_K"] > 0
    assert "Ga_K" not in truth.expected["AlN"]


def test_given_k_factors_are_used():
    families = emitted_families([*"OC", "La", "Fe", "Sr", "Ti", "Cu"], Instrument())
    k = KFactors(dict.fromkeys(families, 2.0), source="test")
    truth = simulate(size=16, frames=1, counts=50, k_factors=k).truth
    assert truth.k_factors == k.factors
    ratio = truth.expected["SrTiO3"]["Sr_K"] / truth.expected["SrTiO3"]["Ti_K"]
    assert ratio == pytest.approx(87.62 / 47.867, rel=1e-4)
    with pytest.raises(KFactorError, match="family"):
        simulate(size=16, frames=1, k_factors=k.with_convention("alpha"))
    with pytest.raises(KFactorError, match="La_L"):
        simulate(size=16, frames=1, k_factors=KFactors({"O_K": 1.0}))


@pytest.mark.parametrize(
    "options", [{"counts": 0}, {"counts": float("nan")}, {"size": 3}, {"frames": 0}, {"seed": -1}, {"system": "x"}]
)
def test_simulations_that_cannot_be(options):
    with pytest.raises(InputError):
        simulate(**{"size": 16, "frames": 1, "counts": 10, **options})


def test_truth_is_json():
    text = json.dumps(TRUTH.to_dict())
    assert json.loads(text)["k_convention"] == "family"
    assert len(text) < 20_000


def test_spectra_are_poisson_around_the_expected_intensities():
    n = 3000
    spectra, expected = simulate_spectra(
        {"La_L": 3.0, "O_K": 1.0}, n, 500, seed=2, instrument=IDEAL, background_share=0.1
    )
    assert expected["La_L"] / expected["O_K"] == pytest.approx(3)
    assert sum(expected.values()) == pytest.approx(0.9 * 500, rel=1e-3)
    totals = spectra.counts.sum(axis=1)
    assert abs(totals.mean() - 500) < 5 * np.sqrt(500 / n)
    assert abs(totals.var() / 500 - 1) < 5 * np.sqrt(2 / n)
    assert spectra.energy == IDEAL.stated


def test_spectra_of_a_composition_have_its_intensities():
    _, found = simulate_spectra({"Sr": 1, "Ti": 1, "O": 3}, 1, 1000)
    sto = TRUTH.expected["SrTiO3"]
    assert found["Sr_K"] / found["O_K"] == pytest.approx(sto["Sr_K"] / sto["O_K"])


def test_spectra_with_a_given_background():
    flat = np.ones(IDEAL.stated.size)
    spectra, _ = simulate_spectra({"O_K": 1.0}, 20, 5000, instrument=IDEAL, background=flat, background_share=0.5)
    above = spectra.counts[:, IDEAL.stated.channels(2.0, 20.0)]
    assert above.mean() == pytest.approx(2500 / IDEAL.stated.size, rel=0.02)


def test_one_seed_one_set_of_spectra():
    first, again, other = (simulate_spectra({"Fe": 1.0}, 2, 300, seed=s)[0].counts for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ({}, {}),
        ({"Fe": -1.0}, {}),
        ({"Fe": 1.0}, {"n": 0}),
        ({"Fe": 1.0}, {"counts": -5}),
        ({"Fe_M": 1.0}, {}),
        ({"Fe": 1.0}, {"background": np.ones(3)}),
        ({"Fe": 1.0}, {"background_share": 1.0}),
        ({"Fe": 1.0}, {"background": np.zeros(4096)}),
    ],
)
def test_spectra_that_cannot_be(content, options):
    with pytest.raises(InputError):
        simulate_spectra(content, **{"n": 1, "counts": 100, **options})


def test_chips_know_their_phase():
    regions = ChipGrid(16).regions(IMAGE.shape)
    pure, mostly = TRUTH.phase_of(regions), TRUTH.phase_of(regions, purity=0.6)
    for region, phase in enumerate(pure):
        held = set(TRUTH.labels[regions.mask(region)].tolist())
        assert (phase is None) == (len(held) > 1)
        assert phase is None or held == {TRUTH.names.index(phase)}
    assert pure[0] is None
    assert pure[-1] == "SrTiO3"
    assert mostly.count(None) < pure.count(None)

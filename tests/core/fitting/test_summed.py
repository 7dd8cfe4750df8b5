"""What is learnt once from the sum: threshold, pile-up, proportions of subshells, continuum of single spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edsnb.core.fitting.background import BENDS, POWERS, physical_terms, tilted_terms
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.fit import fit
from edsnb.core.fitting.lines import LineFamily, families_in
from edsnb.core.fitting.model import ModelSpec, design, detected_weights
from edsnb.core.fitting.peaks import Response
from edsnb.core.fitting.solve import solve
from edsnb.core.fitting.summed import Prepared, prepare
from edsnb.core.image import Acquisition, EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import Spectra

AXIS = EnergyAxis(2048, 0.01, -0.2)
RANGE = (0.2, 20.0)
CHANNELS = AXIS.channels(*RANGE)
ELEMENTS = ("La", "Fe", "O", "Cu", "C")
STRAIGHT = Calibration(Response(AXIS, 130.0), message="given")


@cache
def spec(*elements: str, background: str = "physical") -> ModelSpec:
    families = families_in(elements or ELEMENTS, RANGE, beam_kev=200.0)
    return ModelSpec(families, CHANNELS, 200.0, background, take_off_deg=18.0)


def mean_spectrum(
    made_of: ModelSpec, counts: float, intensities: Mapping[str, float] | None = None, share: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected spectrum (E,) of the model's own terms, and the counts of its families (F,).

    Families are alike but for those in `intensities`; `share` of the counts is continuum.
    """
    columns, families = design(made_of, STRAIGHT.response).columns, made_of.families
    relative = np.array([(intensities or {}).get(family.name, 1.0) for family in families])
    peaks = columns[:, : len(families)] @ relative
    shape = [1.0, -0.8, 0.1] if made_of.background == "polynomial" else [0.3, 0.5, 0.3]
    continuum = columns[:, len(families) : len(families) + 3] @ shape
    scale = counts * (1 - share) / peaks.sum()
    out = np.zeros(AXIS.size)
    out[CHANNELS] = scale * peaks + counts * share * continuum / continuum.sum()
    return out, scale * relative


def drawn(mean: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean)


def fitted(total: np.ndarray, prepared: Prepared) -> tuple[np.ndarray, float]:
    """Return the counts of each family (F,) and the reduced chi-square of the sum itself."""
    found = solve(np.asarray(total, float)[None, CHANNELS], prepared.design.columns, prepared.design.nonnegative)
    return found.coefficients[0, : len(prepared.spec.families)], float(found.chi2[0])


def subshells(family: LineFamily) -> dict[str, float]:
    """Return the share of each subshell in a family's detected counts; Ll and Ln stand apart."""
    out: dict[str, float] = {}
    for name, share in zip(family.transitions, detected_weights(family), strict=True):
        group = "M1" if name in ("L2M1", "L3M1") else name[:2]
        out[group] = out.get(group, 0.0) + share
    return out


def moved(made_of: ModelSpec, name: str, factors: Mapping[str, float]) -> ModelSpec:
    """Return the spec with the subshells of one family in other proportions."""

    def turned(family: LineFamily) -> LineFamily:
        if family.name != name:
            return family
        groups = ["M1" if t in ("L2M1", "L3M1") else t[:2] for t in family.transitions]
        weights = np.array([w * factors.get(g, 1.0) for g, w in zip(groups, family.weights, strict=True)])
        return replace(family, weights=tuple(weights / weights.sum()))

    return replace(made_of, families=tuple(turned(family) for family in made_of.families))


def test_single_spectra_get_the_continuum_of_the_sum_and_its_tilts():
    mean, _ = mean_spectrum(spec(), 1e6)
    prepared = prepare(drawn(mean), AXIS, spec(), calibration=STRAIGHT)
    families = len(spec().families)
    assert prepared.notes == ()
    assert prepared.calibration is STRAIGHT
    assert prepared.design.columns.shape == (len(mean[CHANNELS]), families + BENDS)
    assert prepared.design.nonnegative.all()
    assert prepared.design.columns.min() >= 0
    energy = AXIS.centres_kev[CHANNELS]
    # The first term is the continuum times (1 - x)^2, which is 0 in the last channel alone.
    x = np.log(energy / energy[0]) / np.log(energy[-1] / energy[0])
    continuum = prepared.design.columns[:-1, families] / (1 - x[:-1]) ** 2
    wanted = tilted_terms(np.append(continuum, continuum[-1]), energy)
    found = prepared.design.columns[1:-1, families:] / wanted[1:-1]
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=1e-9)
    # It is the one that was put in.
    true = physical_terms(energy, 200.0)[:, :3] @ [0.3, 0.5, 0.3]
    ratio = (continuum / true[:-1])[energy[:-1] > 0.25]
    np.testing.assert_allclose(ratio / ratio.mean(), 1.0, atol=0.05)
    # Peaks are the families' own.
    plain = design(spec(), STRAIGHT.response).columns[:, :families]
    np.testing.assert_array_equal(prepared.design.columns[:, :families], plain)


def test_the_absorber_is_what_the_fit_finds():
    mean, _ = mean_spectrum(spec("Sr", "Ti", "O"), 1e6, {"Sr_K": 0.4, "Ti_K": 1.0, "O_K": 1.2})
    absorber = prepare(drawn(mean), AXIS, spec("Sr", "Ti", "O"), calibration=STRAIGHT).spec.absorber
    k = KFactors.theory(["Sr_K", "Ti_K", "O_K"], beam_kev=200.0).factors
    mass = {"Sr": 0.4 * k["Sr_K"], "Ti": k["Ti_K"], "O": 1.2 * k["O_K"]}
    assert absorber == pytest.approx({e: m / sum(mass.values()) for e, m in mass.items()}, rel=0.02)


@pytest.mark.parametrize("counts", [0, 1, 499])
def test_too_few_counts_fall_back_to_the_plain_terms(counts):
    y = np.zeros(AXIS.size)
    y[700 : 700 + counts] = 1
    prepared = prepare(y, AXIS, spec(), fwhm_mn_ev=133.0, refine=True)
    assert prepared.notes == ()
    assert prepared.spec == spec()
    assert f"only {counts} X-rays" in prepared.calibration.message
    np.testing.assert_array_equal(prepared.design.columns, design(spec(), Response(AXIS, 133.0)).columns)
    assert prepared.design.columns.shape[1] == len(spec().families) + len(POWERS)


def test_no_continuum_at_all_leaves_the_plain_terms():
    mean, _ = mean_spectrum(spec(), 1e5, share=0.0)
    prepared = prepare(np.round(mean), AXIS, spec(), calibration=STRAIGHT)
    assert prepared.design.columns.shape[1] == len(spec().families) + 3
    assert np.isfinite(prepared.design.columns).all()
    assert prepared.design.columns.any(axis=0).all()


@pytest.mark.parametrize("background", ["polynomial", "none"])
def test_other_backgrounds_stay_what_they_are(background):
    mean, _ = mean_spectrum(spec(), 1e6)
    prepared = prepare(drawn(mean), AXIS, spec(background=background), calibration=STRAIGHT)
    assert prepared.spec == spec(background=background)
    np.testing.assert_array_equal(
        prepared.design.columns, design(spec(background=background), STRAIGHT.response).columns
    )
    assert prepared.notes == ()


def test_calibration_on_off_and_given():
    true = Response(EnergyAxis(AXIS.size, AXIS.scale_kev, AXIS.offset_kev + 0.012), 134.0)
    columns = design(spec(), true).columns
    y = np.zeros(AXIS.size)
    y[CHANNELS] = columns @ [*[8e4] * len(spec().families), 20, 40, 20]
    on, off = (prepare(y, AXIS, spec(), calibration=switch, fwhm_mn_ev=131.0) for switch in (True, False))
    assert on.calibration.offset_change_ev == pytest.approx(12, abs=0.3)
    assert on.calibration.response.fwhm_mn_ev == pytest.approx(134, abs=0.3)
    assert off.calibration == Calibration(Response(AXIS, 131.0))
    given = prepare(y, AXIS, spec(), calibration=on.calibration, fwhm_mn_ev=131.0)
    np.testing.assert_allclose(given.design.columns, on.design.columns)
    assert fitted(y, on)[1] < 0.1 < 10 < fitted(y, off)[1]


@pytest.mark.parametrize("threshold_kev", [0.2, 0.25, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_discriminator_is_found_when_there_is_one(threshold_kev, seed):
    mean, _ = mean_spectrum(replace(spec(), threshold_kev=threshold_kev), 1e6)
    prepared = prepare(drawn(mean, seed), AXIS, spec(), calibration=STRAIGHT)
    assert prepared.spec.threshold_kev == pytest.approx(threshold_kev, abs=0.051)
    assert prepared.notes[0].startswith("the background falls off below about 0.")
    # Single spectra see it too.
    continuum = prepared.design.columns[:, len(spec().families) + 1]
    assert continuum[0] < 0.7 * continuum.max()
    assert fitted(drawn(mean, seed), prepared)[1] < 1.15


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("counts", [1e4, 1e6])
def test_neither_discriminator_nor_pile_up_is_made_up(counts, seed):
    mean, _ = mean_spectrum(spec(), counts)
    prepared = prepare(drawn(mean, seed), AXIS, spec(), calibration=STRAIGHT)
    assert prepared.notes == ()
    assert prepared.spec.threshold_kev == 0.0
    assert prepared.design.columns.shape[1] == len(spec().families) + 3


def piled(mean: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw X-rays one by one, and count some of them together with the next one, at the sum of the energies."""
    rng = np.random.default_rng(seed)
    channels = rng.choice(len(mean), round(mean.sum()), p=mean / mean.sum())
    pairs = round(share * len(channels))
    energies = AXIS.centres_kev[channels]
    energies = np.concatenate([energies[2 * pairs :], energies[:pairs] + energies[pairs : 2 * pairs]])
    seen = np.round((energies - AXIS.offset_kev) / AXIS.scale_kev).astype(int)
    return np.bincount(seen[seen < len(mean)], minlength=len(mean))


@pytest.mark.parametrize("background", ["physical", "polynomial"])
def test_pile_up_is_found_when_there_is_some(background):
    here = spec(background=background)
    mean, true = mean_spectrum(here, 1e6)
    y = piled(mean, 0.008, 5)
    prepared = prepare(y, AXIS, here, calibration=STRAIGHT)
    families = len(here.families)
    note = next(note for note in prepared.notes if note.startswith("pile-up makes"))
    # 0.8 pairs for 100 X-rays are 0.81 % of what is then counted.
    assert float(note.split()[2]) == pytest.approx(0.81, abs=0.2)
    column = prepared.design.columns[:, families]
    assert column.sum() == pytest.approx(1.0)
    assert column.min() >= 0
    assert prepared.design.nonnegative[families]
    assert prepared.design.columns.shape[1] == families + 1 + (here.order + 1 if background == "polynomial" else 3)
    found, chi2 = fitted(y, prepared)
    assert chi2 < 1.15
    # Each family loses 1.6 % of its X-rays to pairs, and no more.
    assert found == pytest.approx(0.984 * true, rel=0.02)


def test_pile_up_is_not_believed_where_it_stands_for_missing_elements():
    """Counts that are the same everywhere, of which pairs would explain a third: no detector lets that through."""
    for background in ("physical", "polynomial", "none"):
        prepared = prepare(np.full(AXIS.size, 50), AXIS, spec(background=background), calibration=STRAIGHT)
        assert not [note for note in prepared.notes if note.startswith("pile-up")]


@pytest.mark.parametrize("factors", [{"L2": 1.3, "L1": 0.7}, {"L2": 0.7, "L1": 1.3}])
def test_refine_finds_other_proportions_on_the_sum(factors):
    """La L with subshells that differ by 30 %: chi-square shows them, and refined they are found."""
    true = moved(spec(), "La_L", factors)
    mean, counts = mean_spectrum(true, 1e6)
    y = drawn(mean, 2)
    refined, plain = (prepare(y, AXIS, spec(), calibration=STRAIGHT, refine=r) for r in (True, False))
    assert fitted(y, refined)[1] < 1.15 < 1.3 < fitted(y, plain)[1]
    assert plain.spec.families == spec().families
    family = refined.spec.families[0]
    wanted, table = subshells(true.families[0]), subshells(spec().families[0])
    for group in ("L1", "L2", "L3"):
        assert subshells(family)[group] == pytest.approx(wanted[group], abs=0.012)
    assert abs(wanted["L2"] - table["L2"]) > 0.05
    assert sum(family.weights) == pytest.approx(1.0)
    assert sorted(family.transitions) == sorted(spec().families[0].transitions)
    assert family.table.endswith(", proportions found on the sum")
    assert refined.notes == ("proportions found on the sum: La_L, La_M, Fe_L, Cu_L",)
    # Energies and alpha lines keep their places.
    alpha = dict(zip(spec().families[0].transitions, spec().families[0].alpha, strict=True))
    assert dict(zip(family.transitions, family.alpha, strict=True)) == alpha
    assert fitted(y, refined)[0][0] == pytest.approx(counts[0], rel=0.015)
    assert refined.design.alpha_fractions[0] == pytest.approx(
        design(true, STRAIGHT.response).alpha_fractions[0], abs=0.012
    )


def test_refine_keeps_the_tables_proportions_where_the_sum_says_so():
    """On the expected spectrum itself nothing moves."""
    mean, counts = mean_spectrum(spec("Sr", "Ti", "O", "Cu", "C"), 1e6)
    prepared = prepare(mean, AXIS, spec("Sr", "Ti", "O", "Cu", "C"), calibration=STRAIGHT, refine=True)
    for found, table in zip(prepared.spec.families, spec("Sr", "Ti", "O", "Cu", "C").families, strict=True):
        assert subshells(found) == pytest.approx(subshells(table), abs=1e-3)
    np.testing.assert_allclose(fitted(mean, prepared)[0], counts, rtol=1e-3)


def test_refine_leaves_families_with_few_counts_and_k_lines_alone():
    mean, counts = mean_spectrum(moved(spec(), "Cu_L", {"L2": 1.5}), 1e6, {"Cu_L": 0.012})
    assert 1000 < counts[-2] < 1900
    found = prepare(drawn(mean), AXIS, spec(), calibration=STRAIGHT, refine=True).spec.families
    kept = [f.name for f, table in zip(found, spec().families, strict=True) if f == table]
    assert kept == ["Fe_K", "O_K", "Cu_K", "Cu_L", "C_K"]


def test_refine_holds_on_to_the_table_where_nothing_can_be_told():
    """Counts that belong to another element cannot make a subshell vanish, nor its alpha line."""
    mean, _ = mean_spectrum(spec("Mn", "Cr"), 2e5, {"Mn_K": 0.01, "Mn_L": 0.02, "Cr_K": 0.01})
    family = prepare(mean, AXIS, spec("Mn"), calibration=STRAIGHT, refine=True).spec.families[-1]
    assert family.name == "Mn_L"
    assert min(family.weights) > 0
    assert family.alpha_kev == pytest.approx(spec("Mn").families[-1].alpha_kev)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.6])
def test_refine_does_not_ruin_oxygen_beside_titanium(factor):
    """Ti Ll and Ln, 0.4 keV, whose proportion bonding changes: O K stays within 1 %, and is no worse than without."""
    here = spec("Sr", "Ti", "O")
    mean, counts = mean_spectrum(moved(here, "Ti_L", {"M1": factor}), 1e6, {"O_K": 2.0, "Ti_L": 0.5})
    errors = []
    for refine in (True, False):
        found, _ = fitted(mean, prepare(mean, AXIS, here, calibration=STRAIGHT, refine=refine))
        errors.append(abs(found[-1] / counts[-1] - 1))
    assert here.families[-1].name == "O_K"
    assert errors[0] < 0.01
    assert errors[0] <= errors[1] + 1e-4
    if factor != 1.0:
        assert errors[1] > 2 * errors[0]


def l1_against_l3(family: LineFamily) -> float:
    """Return the counts of L1 lines over those of La."""
    weights = detected_weights(family)
    l1, alpha = ([t.startswith(name) for t in family.transitions] for name in ("L1", "L3M5"))
    return float(weights[l1].sum() / weights[alpha].sum())


@pytest.mark.parametrize("factors", [{"L2": 1.3}, {"M1": 2.0, "L1": 0.5}, {"L1": 0.1}])
def test_refine_leaves_l1_under_a_light_line_with_l3(factors):
    """Ti L1 lies under O K: its lines stand to La as the table has it, whatever else moves."""
    here = spec("Sr", "Ti", "O")
    mean, _ = mean_spectrum(moved(here, "Ti_L", factors), 1e6, {"O_K": 2.0, "Ti_L": 0.5})
    found = prepare(mean, AXIS, here, calibration=STRAIGHT, refine=True).spec.families
    titanium, table = (next(f for f in families if f.name == "Ti_L") for families in (found, here.families))
    assert titanium != table
    assert l1_against_l3(titanium) == pytest.approx(l1_against_l3(table), rel=1e-9)
    assert sorted(titanium.transitions) == sorted(table.transitions)


def test_refine_finds_l1_where_it_stands_alone():
    """Ni L1, 0.95 keV, of which real spectra show a tenth of what the table has."""
    here = spec("Ni", "O", "C")
    mean, _ = mean_spectrum(moved(here, "Ni_L", {"L1": 0.1}), 1e6)
    found = prepare(mean, AXIS, here, calibration=STRAIGHT, refine=True).spec.families
    nickel, table = (next(f for f in families if f.name == "Ni_L") for families in (found, here.families))
    assert l1_against_l3(nickel) < 0.4 * l1_against_l3(table)


@pytest.mark.parametrize(("counts", "n"), [(1_000, 700), (10_000, 400)])
def test_errors_cover_the_truth_with_the_continuum_of_the_sum(counts, n):
    """Calibrated and condensed on the sum of miscalibrated spectra; every family well above its detection limit."""
    mean, true = mean_spectrum(spec(), counts, {"Cu_L": 0.5, "C_K": 0.7})
    stated = EnergyAxis(AXIS.size, AXIS.scale_kev * 0.9995, AXIS.offset_kev - 0.006)
    y = np.random.default_rng(counts).poisson(mean, (n, AXIS.size))
    spectra = Spectra(y, stated, tuple(f"s{i}" for i in range(n)), Acquisition(beam_kev=200.0, take_off_deg=18.0))
    found = fit(spectra, ELEMENTS, energy=RANGE)
    assert found.settings["notes"] == []
    assert found.background.shape[1] == 3
    pulls = (found.intensities - true) / found.sd
    assert 0.95 < pulls.std() < 1.05
    np.testing.assert_array_less(np.abs(pulls.std(axis=0) - 1), 0.12)
    np.testing.assert_array_less(np.abs(pulls.mean(axis=0)), 0.35)
    assert abs(pulls.mean()) < 0.1
    assert found.chi2.mean() == pytest.approx(1.0, abs=0.03)


def test_inputs_are_not_touched():
    y = drawn(mean_spectrum(spec(), 1e5)[0]).astype(np.uint32)
    y.flags.writeable = False
    here = spec()
    prepared = prepare(y, AXIS, here, refine=True)
    assert here.absorber == {}
    assert prepared.spec.absorber
    again = prepare(y.astype(float), AXIS, here, refine=True)
    np.testing.assert_array_equal(again.design.columns, prepared.design.columns)

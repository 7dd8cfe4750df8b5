"""Suggestions: what is in a spectrum is found, what is not is not, and overlaps are told apart by all families."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import edsnb
from edsnb.core.fitting.calibrate import calibrate
from edsnb.core.fitting.candidates import LEFT_OUT, candidates
from edsnb.core.fitting.fit import model_spec
from edsnb.core.fitting.lines import families_in, xraylib_family
from edsnb.core.fitting.peaks import Response
from edsnb.core.fitting.scene import make_scene
from edsnb.core.fitting.search import backward, distrust, forward, gains, is_absent, look, losses
from edsnb.core.fitting.suggest import Suggestions, find_lines
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.core.image import EnergyAxis, Segment
from edsnb.core.regions import Spectra
from edsnb.core.simulation.emission import IDEAL, Instrument
from edsnb.core.simulation.simulate import simulate_spectra
from edsnb.errors import ElementError, InputError, NoMapError
from tests.simulated import small, stored_only

BENT = Instrument(offset_error_ev=15.0, gain_error=1e-3, fwhm_mn_ev=137.0)
"""Miscalibrated, with a tail and shares of lines that are not the table's."""


@cache
def drawn(counts: float, seed: int = 0, instrument: Instrument = BENT, **content: float) -> Spectra:
    return simulate_spectra(content, 1, counts, seed=seed, instrument=instrument)[0]


def family_spectrum(counts: float, seed: int = 0, **intensities: float) -> Spectra:
    """Return a spectrum of families in any proportion."""
    return simulate_spectra(intensities, 1, counts, seed=seed, instrument=BENT)[0]


SPECIMENS = {
    "strontium titanate with niobium": {"Sr": 20, "Ti": 20, "O": 60, "Nb": 1},
    "barium beside titanium": {"Ba": 20, "Ti": 20, "O": 60, "Zr": 1.5},
    "molybdenum sulphide": {"Mo": 33, "S": 66, "Cu": 3},
    "lead and sulphur": {"Pb": 50, "S": 50, "C": 100},
    "iron and cobalt": {"Fe": 70, "Co": 5, "Si": 5},
    "zinc oxide": {"Zn": 50, "O": 50, "Al": 2},
    "superalloy": {"Ni": 55, "Cr": 18, "Fe": 18, "Nb": 3, "Mo": 2, "Ti": 2, "Al": 2},
    "gallium nitride": {"Ga": 50, "N": 50, "In": 2, "Al": 2},
    "glass": {"Si": 27, "O": 60, "Na": 6, "Ca": 4, "K": 2},
    "rare earths": {"La": 15, "Nd": 5, "Fe": 20, "O": 60},
    "gold and palladium": {"Au": 40, "Pd": 30, "C": 300},
    "hafnia": {"Hf": 30, "O": 60, "W": 3, "Ti": 5},
}


@pytest.mark.parametrize("name", SPECIMENS)
def test_from_nothing_all_elements_are_found_and_no_other(name):
    """100,000 X-rays, a miscalibrated axis, other shares of lines than the table's."""
    content = SPECIMENS[name]
    found = find_lines(drawn(1e5, **content))
    assert set(found.elements) == set(content)
    assert found.calibration is not None
    assert found.calibration.offset_change_ev == pytest.approx(15.0, abs=3.0)


@pytest.mark.parametrize("counts", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("name", ["strontium titanate with niobium", "superalloy", "gold and palladium"])
def test_nothing_is_suggested_beside_what_is_there(name, counts):
    found = find_lines(drawn(counts, 1, **SPECIMENS[name]), list(SPECIMENS[name]))
    assert found.elements == ()
    assert found.chosen == tuple(SPECIMENS[name])
    assert not found.weaker or max(s.significance for s in found.weaker) < 7.2


@pytest.mark.parametrize("name", ["barium beside titanium", "lead and sulphur", "zinc oxide"])
def test_the_one_that_is_missing_is_the_one_suggested(name):
    content = SPECIMENS[name]
    for missing in content:
        found = find_lines(drawn(1e5, **content), [element for element in content if element != missing])
        assert found.elements == (missing,)


def test_few_counts_make_no_elements():
    """From noise alone, in 10 spectra of 300 and 3,000 X-rays, nothing is suggested that is not there."""
    for counts in (300, 3000):
        for seed in range(5):
            found = find_lines(drawn(counts, seed, Fe=1, O=1, C=0.5), ["Fe", "O", "C"])
            assert found.elements == ()


def test_intensities_and_errors_are_true():
    """Indium L in spectra of a simulated oxide: counts within their errors."""
    pulls = []
    for seed in range(12):
        spectra, true = simulate_spectra({"Zn": 40, "O": 55, "In": 5}, 1, 5e4, seed=seed, instrument=IDEAL)
        found = find_lines(spectra, ["Zn"], energy=(0.7, 20.0), among=["In", "Sn", "Cd"], calibration=False)
        assert found.elements == ("In",)
        indium = found.found[0]
        assert indium.family == "In_L"
        pulls.append((indium.intensity - true["In_L"]) / indium.sd)
    assert abs(np.mean(pulls)) < 1.2
    assert 0.2 < np.std(pulls) < 1.6


def test_significance_grows_as_the_root_of_the_counts():
    found = [find_lines(drawn(c, 3, IDEAL, Sr=20, Ti=20, O=60, Nb=2), ["Sr", "Ti", "O"]) for c in (2e4, 2e5)]
    ratio = found[1].found[0].significance / found[0].found[0].significance
    assert ratio == pytest.approx(np.sqrt(10), rel=0.3)


def test_a_weak_line_does_not_stand_for_an_element_whose_strong_one_is_absent():
    """Counts at Mo L without Mo K are sulphur's, or none's; with Mo K they are molybdenum's."""
    lone = family_spectrum(2e5, Fe_K=1.0, Fe_L=0.4, Mo_L=0.05)
    both = family_spectrum(2e5, Fe_K=1.0, Fe_L=0.4, Mo_L=0.05, Mo_K=0.014)
    assert "Mo" not in find_lines(lone, ["Fe"]).elements
    assert find_lines(both, ["Fe"]).elements == ("Mo",)


def test_misfit_makes_no_element():
    """Fe L in other proportions than the table's, Ti K wider: half a million X-rays of misfit suggest nothing."""
    wrong = replace(BENT, line_spread=0.1, tail=0.04)
    content = {"Ti": 30.0, "Fe": 30.0, "O": 60.0}
    for seed in (0, 1):
        assert find_lines(drawn(5e5, seed, wrong, **content), list(content)).elements == ()


def test_rivals_are_named_where_the_spectrum_cannot_tell():
    """A few counts of aluminium might be thulium's M line: the usual element is suggested, with its rivals."""
    spectra = drawn(3000, 5, Zn=50, O=50, Al=3)
    found = {s.element: s for s in find_lines(spectra, ["Zn", "O"])}
    assert set(found) == {"Al"}
    assert set(found["Al"].rivals) & {"Tm", "Yb", "Br", "Er"}
    assert "holder" in found["Al"].note
    clear = {s.element: s for s in find_lines(drawn(1e6, 5, Zn=50, O=50, Al=30), ["Zn", "O"])}
    assert clear["Al"].rivals == ()


def test_unlikely_elements_need_more_or_to_be_named():
    assert not set(LEFT_OUT) & set(candidates(None, (0.2, 20.0), 200.0, xraylib_family))
    spectra = drawn(1e5, Si=50, O=50, Tc=5, Ar=5)
    found = find_lines(spectra, ["Si", "O"])
    assert "Tc" not in found.elements
    assert "Tc" in find_lines(spectra, ["Si", "O"], among=["Tc", "Ar"]).elements
    argon = next(s for s in find_lines(spectra, ["Si", "O", "Tc"]) if s.element == "Ar")
    assert argon.needed == pytest.approx(5.0 / 0.6)
    assert argon.significance > argon.needed
    assert "milling" in argon.note


def test_ranges_and_other_elements_narrow_the_search():
    content = SPECIMENS["superalloy"]
    spectra = drawn(1e5, **content)
    assert set(find_lines(spectra, energy=(4.0, 9.0)).elements) == {"Ni", "Cr", "Fe", "Ti"}
    found = find_lines(spectra, ["Ni", "Cr", "Fe"], among=["Ti", "Mo", "V"])
    assert set(found.elements) == {"Ti", "Mo"}
    assert set(found.looked_for or ()) == {"Ti", "Mo", "V"}
    assert "Looked for: Ti, Mo, V." in found.describe() or "Looked for: Ti, V, Mo." in found.describe()
    assert find_lines(spectra, ["Ni", "Cr", "Fe"], among=[]).elements == ()


def test_a_higher_demand_finds_less_but_tells_of_it():
    spectra = drawn(2e4, 7, **SPECIMENS["superalloy"])
    many = find_lines(spectra, ["Ni", "Cr", "Fe"])
    weakest = many.found[-1]
    few = find_lines(spectra, ["Ni", "Cr", "Fe"], significance=1.2 * weakest.significance)
    assert set(few.elements) == set(many.elements) - {weakest.element}
    assert weakest.element in [s.element for s in few.weaker]
    assert all(s.significance < s.needed for s in few.weaker)
    assert all(s.significance >= s.needed for s in few)


def test_the_sum_of_spectra_and_a_map_are_searched_alike():
    image, truth = small().image, small().truth
    labels = np.where(truth.labels == 1, 0, 1)
    parts = edsnb.chip(image, labels)
    whole, summed = find_lines(image, ["La", "Fe", "O"]), find_lines(parts, ["La", "Fe", "O"])
    assert whole == replace(summed, calibration=whole.calibration)
    assert set(whole.elements) == {"Sr", "Ti", "Cu", "C"}
    assert [s.significance for s in whole] == sorted((s.significance for s in whole), reverse=True)
    with pytest.raises(NoMapError):
        find_lines(stored_only(), ["La"])


def test_the_same_spectrum_gives_the_same_answer_and_stays_as_it_was():
    spectra = drawn(3e4, 2, **SPECIMENS["hafnia"])
    before = spectra.counts.copy()
    assert not spectra.counts.flags.writeable
    assert find_lines(spectra) == find_lines(spectra)
    np.testing.assert_array_equal(spectra.counts, before)


def test_bad_rows_and_negative_channels_are_no_error():
    spectra = drawn(3e4, 2, Fe=1, O=1)
    counts = np.repeat(spectra.counts.astype(float), 2, axis=0)
    counts[1] = np.nan
    bad = replace(spectra, counts=counts, names=("good", "bad"))
    assert find_lines(bad, ["Fe"]).elements == find_lines(spectra, ["Fe"]).elements == ("O",)
    assert find_lines(replace(spectra, counts=spectra.counts - 0.01), ["Fe"]).elements == ("O",)


@pytest.mark.parametrize("counts", [0, 1, 19])
def test_next_to_no_counts_say_so(counts):
    spectra = drawn(1e4, Fe=1, O=1)
    empty = np.zeros_like(spectra.counts)
    empty[0, 1000] = counts
    found = find_lines(replace(spectra, counts=empty), ["Fe"])
    assert len(found) == 0
    assert found.calibration is None
    assert "fewer than 20 X-rays" in found.describe()
    assert found.to_frame().empty


def test_few_counts_keep_the_files_axis():
    found = find_lines(drawn(300, 4, Fe=1, O=1))
    assert {"Fe"} <= set(found.elements) <= {"Fe", "O"}
    assert found.calibration is not None
    assert not found.calibration.applied


def test_calibration_may_be_given_or_left_out():
    spectra = drawn(1e5, **SPECIMENS["iron and cobalt"])
    spec = model_spec(spectra, ["Fe", "Co", "Si"])
    given = calibrate(spectra.counts[0], spectra.energy, spec)
    found = find_lines(spectra, ["Fe"], calibration=given)
    assert found.calibration is given
    assert set(found.elements) == {"Co", "Si"}
    left = find_lines(spectra, ["Fe"], calibration=False)
    assert left.calibration is not None
    assert left.calibration.response.energy == spectra.energy


def test_segments_on_axes_of_their_own_are_one_detector():
    """Two segments 40 eV apart: peaks of their sum are too wide for one, and no element is made of that."""
    instruments = [replace(BENT, offset_error_ev=error) for error in (-20.0, 20.0)]
    content = {"Sr": 20.0, "Ti": 20.0, "O": 60.0}
    halves = [drawn(2e5, k, instrument, **content) for k, instrument in enumerate(instruments)]
    segments = tuple(Segment(f"s{k}", half.energy, half.counts[0].astype(float)) for k, half in enumerate(halves))
    both = replace(halves[0], counts=halves[0].counts + halves[1].counts, segments=segments)
    found = find_lines(both, list(content))
    assert found.calibration is not None
    assert len(found.calibration.response.parts) == 2
    assert found.elements == ()


def test_misuse_is_refused_in_one_line():
    spectra = drawn(1e4, Fe=1, O=1)
    with pytest.raises(ElementError, match="must be a list of symbols"):
        find_lines(spectra, "Fe")
    with pytest.raises(ElementError, match="unknown element 'Zz'"):
        find_lines(spectra, ["Zz"])
    with pytest.raises(ElementError, match="unknown element 'Qq'"):
        find_lines(spectra, ["Fe"], among=["Qq"])
    with pytest.raises(ElementError, match="H has no line"):
        find_lines(spectra, ["H"])
    with pytest.raises(ElementError, match="stand twice: Fe"):
        find_lines(spectra, ["Fe", "Fe"])
    with pytest.raises(InputError, match="energy range"):
        find_lines(spectra, ["Fe"], energy=(30.0, 20.0))
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="significance"):
            find_lines(spectra, ["Fe"], significance=wrong)


def test_what_is_told_can_be_read():
    found = find_lines(drawn(1e5, **SPECIMENS["superalloy"]), ["Ni", "Cr", "Fe"])
    assert isinstance(found, Suggestions)
    assert len(found) == len(found.elements) == 4
    text = found.describe()
    assert "beside Ni, Cr, Fe:" in text
    assert "Nb (Nb_" in text
    assert "Not looked for: Ne, Tc" in text
    frame = found.to_frame()
    assert list(frame.element[frame.found]) == list(found.elements)
    molybdenum = frame.set_index("element").loc["Mo"]
    assert molybdenum.families == "Mo_K, Mo_L"
    assert molybdenum.family in ("Mo_K", "Mo_L")
    assert molybdenum.energy_keV in (pytest.approx(17.44, abs=0.05), pytest.approx(2.29, abs=0.02))
    assert molybdenum.significance > 5
    assert 0 < molybdenum.sd < molybdenum.intensity
    assert 0.5 < found.deviance < 1.3
    nothing = find_lines(drawn(1e4, 1, Fe=1, O=1), ["Fe", "O"])
    assert "nothing else is significant by 5 standard deviations" in nothing.describe()
    assert list(nothing.to_frame().columns) == list(frame.columns)


@pytest.fixture
def one_thread():
    """Small matrices are slowed down by threads of their own, as in `find_lines`."""
    with ONE_BLAS_THREAD:
        yield


def scene(spectra: Spectra, *chosen: str):
    """Return the scene of a spectrum on its true axis."""
    axis = spectra.energy
    every = candidates(None, (0.2, 20.0), 200.0, xraylib_family)
    instrument = IDEAL
    return make_scene(
        spectra.counts[0], Response(axis, instrument.fwhm_mn_ev), axis.channels(0.2, 20.0), chosen, every,
        beam_kev=200.0, take_off_deg=18.0,
    )  # fmt: skip


IRON = {"Fe": 60.0, "O": 60.0, "Nb": 3.0}


def test_channels_are_added_together_without_loss():
    spectra = drawn(1e5, 0, IDEAL, **IRON)
    here = scene(spectra)
    inside = spectra.energy.channels(0.2, 20.0)
    assert here.y.sum() == spectra.counts[0][inside].sum()
    assert len(here.y) < 0.5 * (inside.stop - inside.start)
    assert here.energy_kev[0] == pytest.approx(0.2, abs=0.01)
    assert (np.diff(here.energy_kev) > 0).all()
    # Columns hold one count each.
    np.testing.assert_allclose(here.families["Fe"].sum(axis=0), 1.0, atol=0.01)
    edges = here.candidates["Fe"].edges
    np.testing.assert_allclose(here.cones["Fe"], here.families["Fe"] @ edges.T)
    assert [f.name for f in families_in(["Fe"], (0.2, 20.0))] == ["Fe_K", "Fe_L"]


@pytest.mark.usefixtures("one_thread")
def test_gains_and_losses_are_those_of_fits_of_their_own():
    """What one more element explains, and what is lost without it: nearly what two fits differ by.

    Its slack may stay behind, and explain some of what is lost.
    """
    here = scene(drawn(1e5, 0, IDEAL, **IRON), "Fe")
    without, with_it = look(here, ("O",)), look(here, ("O", "Nb"))
    truth = without.held.objective - with_it.held.objective
    others, gain, evidence = gains(without)
    assert others[int(np.argmax(gain))] == "Nb"
    assert gain.max() == pytest.approx(truth, rel=0.15)
    assert 0.75 * truth < losses(with_it)[1] < 1.1 * truth
    peak = here.energy_kev[int(np.argmax(evidence[others.index("Nb")]))]
    assert min(abs(peak - line) for line in (2.166, 16.58)) < 0.1


@pytest.mark.usefixtures("one_thread")
def test_an_element_leaves_when_its_strong_family_is_missing():
    here = scene(drawn(1e5, 0, IDEAL, **IRON), "Fe", "O")
    true = look(here, ("Nb",))
    assert not is_absent(true, "Nb")
    spectra = simulate_spectra({"Fe_K": 6e4, "Fe_L": 2e4, "Nb_L": 4e3}, 1, 1e5, instrument=IDEAL)[0]
    false = look(scene(spectra, "Fe"), ("Nb",))
    assert is_absent(false, "Nb")
    assert backward(false, 5.0).found == ()
    assert "Nb" not in forward(look(scene(spectra, "Fe"), ()), 5.0).found


@pytest.mark.usefixtures("one_thread")
def test_misfit_takes_trust_away_where_it_is():
    """A dip that no model has, at 3 keV: there, and not at 8 keV, counting statistics cannot be trusted."""
    spectra = drawn(1e6, 0, IDEAL, Fe=60, O=60)
    fine = distrust(look(scene(spectra, "Fe", "O"), ()))
    assert fine.min() > 0.15
    counts = spectra.counts.copy()
    centres = spectra.energy.centres_kev
    counts[0] = np.round(counts[0] * (1 - 0.6 * np.exp(-(((centres - 3.0) / 0.06) ** 2) / 2)))
    here = scene(replace(spectra, counts=counts), "Fe", "O")
    trust = distrust(look(here, ()))
    assert np.interp(3.0, here.energy_kev, trust) < 0.05
    assert np.interp(8.0, here.energy_kev, trust) > 0.3


def test_a_narrow_axis_with_wide_channels_is_searched_too():
    axis = EnergyAxis(256, 0.04, 0.0)
    spectra = simulate_spectra({"Fe": 1, "Co": 1}, 1, 1e5, instrument=replace(IDEAL, stated=axis))[0]
    assert set(find_lines(spectra, ["Fe"]).elements) == {"Co"}

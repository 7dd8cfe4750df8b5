"""FitState: which chip, what is shown of it, rankings, trials, other engines; without a browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edsnb
from edsnb.core.fitting.fit import FitResult, Status, fit
from edsnb.core.fitting.residuals import line_residuals
from edsnb.core.fitting.window import window_intensities
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.dose import quantify_zeta
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, Regions, chip
from edsnb.errors import InputError
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe
from edsnb.state.fits.engines import EngineResult
from edsnb.state.fits.state import LOWEST, FitState
from edsnb.state.fits.trials import ANEW, BY_HAND, KEPT, OF_FILE
from tests.simulated import RECIPE, analysed, empty, small, stored_only


@pytest.fixture
def state() -> FitState:
    return FitState(analysed())


def with_vacuum() -> Analysis:
    """Return the small map in chips of 4 px: those of the first row have too few X-rays."""
    return analyse(small().image, replace(RECIPE, chip=4))


# What can be looked at


def test_every_record_can_be_looked_at():
    analysis = analysed()
    for source in (analysis, analysis.quantification, analysis.fit):
        state = FitState(source)
        assert state.result.names == analysis.spectra.names
        assert np.isfinite(state.picture().residuals).all()
    assert FitState(analysis).result.image is analysis.image
    assert FitState(analysis.fit).kind == "chi-square"
    assert FitState(analysis).kind == "at%"


def test_what_is_no_result_is_refused():
    with pytest.raises(InputError, match=r"not str: give what edsnb\.analyse"):
        FitState("map.emd")
    with pytest.raises(InputError, match="the chips were cut from a map of 64 x 64"):
        FitState(analysed().fit, replace(small().image, shape=(0, 0), events=None))
    energy = analysed().spectra.energy
    nothing = replace(analysed().spectra, counts=np.zeros((0, energy.size), np.uint32), names=(), regions=None)
    with pytest.raises(InputError, match="no spectrum"):
        FitState(replace(analysed().fit, spectra=nothing))


def test_chip_by_name_or_number():
    assert FitState(analysed(), chip="R2C1").chip == 9
    assert FitState(analysed(), chip=9, other="R0C3").other == 3
    with pytest.raises(InputError, match="no chip 'R9C9': there are 16"):
        FitState(analysed(), chip="R9C9")


def test_a_chip_beyond_the_last_is_clamped_and_said(state: FitState):
    state.chip = 99
    assert state.chip == 15
    assert state.message == "There is no chip 99: they are numbered 0 to 15."
    state.chip = -3
    assert state.chip == 0
    state.other = 400
    assert state.other == 15


def test_typed_chips(state: FitState):
    assert state.number_typed(" r1c2 ") == 6
    assert state.number_typed("11") == 11
    state.chip = 4
    assert state.number_typed("R7C7") == 4
    assert "No chip 'R7C7': they are R0C0 to R3C3" in state.message


def test_points_of_the_map(state: FitState):
    state.choose_at(20.0, 40.0)
    assert state.name_of(state.chip) == "R1C2"
    state.choose_at(63.4, 0.0, compare=True)
    assert (state.name_of(state.chip), state.name_of(state.other)) == ("R1C2", "R3C0")
    state.choose_at(200.0, 3.0)
    assert (state.name_of(state.chip), state.message) == ("R1C2", "No chip there.")


def test_steps(state: FitState):
    for direction, name in (("down", "R1C0"), ("right", "R1C1"), ("up", "R0C1"), ("left", "R0C0")):
        state.step(direction)
        assert state.name_of(state.chip) == name
    state.step("up")
    assert (state.name_of(state.chip), state.message) == ("R0C0", "R0C0 lies at the edge of the grid.")


def test_regions_that_are_no_grid():
    masks = Regions.from_masks({"film": small().truth.labels == 1, "substrate": small().truth.labels == 2})
    state = FitState(analyse(small().image, RECIPE, regions=masks))
    state.step("right")
    assert state.name_of(state.chip) == "substrate"
    state.step("down")
    assert state.name_of(state.chip) == "substrate"
    state.choose_at(10.0, 30.0)
    assert state.name_of(state.chip) == "film"
    assert "regions=regions" in state.code()


def test_stored_spectra_without_regions():
    state = FitState(analyse(stored_only(), RECIPE))
    state.choose_at(1.0, 1.0)
    assert state.message == "No chip there."
    state.step("down")
    assert state.name_of(state.chip) == "film"
    assert "px)" not in state.describe()
    assert not state.overlapping()


# The map, rankings, histogram


def test_values_of_the_map_follow_kind_and_part(state: FitState):
    state.kind, state.part = "wt%", "Fe"
    np.testing.assert_array_equal(state.values.values, analysed().quantification.weight[:, 1])
    state.kind = "intensity"
    assert state.part == "La_L"
    np.testing.assert_array_equal(state.values.values, analysed().fit.intensities[:, 0])
    state.kind = "status"
    assert state.part == ""
    assert (state.values.values == 0).all()


def test_what_is_said_of_a_chip_under_the_pointer(state: FitState):
    quant = analysed().quantification
    state.kind, state.part = "at%", "Fe"
    assert state.said(5) == f"R1C1: Fe at% {quant.atomic[5, 1]:.2f} ± {quant.sd_atomic[5, 1]:.2f}"
    state.kind = "chi-square"
    assert state.said(5) == f"R1C1: chi-square {quant.fit.chi2[5]:.4g}"
    state.kind = "status"
    assert state.said(5) == "R1C1: fitted."
    empty_state = FitState(with_vacuum(), kind="at%", part="O")
    assert empty_state.said(0) == "R0C0: O at% – (fitted, but none of the quantified lines was found)"


def test_worst_first(state: FitState):
    chi2 = analysed().fit.chi2
    assert list(state.order) == sorted(range(16), key=lambda k: -chi2[k])
    state.chip = int(np.argmax(chi2))
    assert state.place == 0
    state.worse()
    assert state.chip == int(np.argsort(-chi2)[1])
    state.worse(-1)
    assert state.place == 0
    state.worse(-5)
    assert state.place == 0
    state.worse(500)
    assert state.place == 15
    state.rank_order = LOWEST
    assert state.place == 0


@pytest.mark.parametrize("kind", ["at%", "sd of at%"])
def test_ranked_by_an_element(state: FitState, kind: str):
    state.rank_kind, state.rank_part = kind, "Sr"
    quant = analysed().quantification
    values = (quant.atomic if kind == "at%" else quant.sd_atomic)[:, quant.elements.index("Sr")]
    assert values[state.order].tolist() == sorted(values, reverse=True)


def test_ranked_by_a_residual_takes_both_signs(state: FitState):
    state.rank_kind, state.rank_part = "residual", "Ti_K"
    values = np.abs(line_residuals(analysed().fit)[:, analysed().fit.column("Ti_K")])
    assert values[state.order].tolist() == sorted(values, reverse=True)


def test_chips_without_a_result_come_last_and_are_counted():
    state = FitState(with_vacuum(), rank_kind="at%", rank_part="O")
    bad = np.flatnonzero(np.isnan(state.result.quantification.atomic[:, 0]))
    assert len(bad) > 3
    assert set(state.order[-len(bad) :].tolist()) == set(bad.tolist())
    assert state.statuses()[Status.NOTHING_FOUND] == len(bad)
    assert sum(state.statuses().values()) == 256


def test_histogram_marks_the_chip(state: FitState):
    counts, edges, beyond = state.histogram()
    assert counts.sum() + beyond == 16
    assert len(edges) == len(counts) + 1
    assert state.said_of_chi2().startswith(f"R0C0: reduced χ² {analysed().fit.chi2[0]:.3f}")
    window = FitState(window_intensities(chip(small().image, ChipGrid(32)), ["La", "Fe", "O"]))
    assert window.said_of_chi2().startswith("No chip has a χ²")


# One chip


def test_the_picture_is_the_fit(state: FitState):
    found, fitted = state.picture(), analysed().fit
    np.testing.assert_array_equal(found.spectra["counts"], fitted.spectra.counts[0, fitted.channels])
    np.testing.assert_array_equal(found.models["model"], fitted.model(0))
    np.testing.assert_allclose(sum(found.components.values()) + found.background, fitted.model(0))
    assert found.title.startswith("R0C0: 23,621 X-rays, reduced χ² 1.01")
    axis = fitted.calibration.response.energy
    assert found.energy_kev == pytest.approx(axis.centres_kev[fitted.channels])
    names = [name for _, name, _ in found.lines]
    assert {"Fe Kα", "Fe Kβ", "O Kα", "La Lα"} <= set(names)
    at = {name: kev for kev, name, _ in found.lines}
    assert at["Fe Kα"] == pytest.approx(6.40, abs=0.03)


def test_two_chips(state: FitState):
    state.other = 15
    assert list(state.picture().spectra) == ["counts of R0C0", "counts of R3C3"]
    quant = analysed().quantification
    row = state.differences()[1]
    assert row.difference == pytest.approx(quant.atomic[15, 1] - quant.atomic[0, 1])
    assert row.sd == pytest.approx(np.hypot(quant.sd_atomic[15, 1], quant.sd_atomic[0, 1]))
    assert not state.overlapping()
    state.other = None
    assert state.differences() == ()
    assert list(state.picture().spectra) == ["counts"]


def test_overlapping_chips_are_told():
    state = FitState(analyse(small().image, replace(RECIPE, chip=32, stride=16)), other=1)
    assert state.overlapping()
    state.other = 2
    assert not state.overlapping()


def test_absent_elements_have_a_limit(state: FitState):
    rows = {row.family: row for row in state.rows()}
    strontium = rows["Sr_K"]
    assert not strontium.found
    assert strontium.limit == pytest.approx(
        strontium.counts + 1.645**2 / 2 + 1.645 * (strontium.sd**2 + 1.645**2 / 4) ** 0.5
    )
    assert 0 < strontium.atomic_limit < 1


@pytest.mark.parametrize("size", [4, 64])
def test_bad_chips_are_told_and_break_nothing(size: int):
    bad = FitState(with_vacuum() if size == 4 else analyse(empty(), replace(RECIPE, chip=16)))
    assert bad.status in (Status.NOTHING_FOUND, Status.EMPTY)
    assert bad.status.sentence in bad.describe()
    picture = bad.picture()
    assert len(picture.spectra["counts"]) == len(picture.energy_kev)
    for kind in bad.param.kind.objects:
        bad.kind = kind
        bad.said(0)
    assert all(np.isnan(row.atomic) for row in bad.rows())
    bad.step("right")
    bad.worse()
    bad.histogram()
    bad.code()


def test_singular_chips():
    fitted: FitResult = analysed().fit
    status = fitted.status.copy()
    status[3] = Status.SINGULAR
    lost = {name: getattr(fitted, name).copy() for name in ("intensities", "covariance", "chi2", "background")}
    for values in lost.values():
        values[3] = np.nan
    state = FitState(quantify(replace(fitted, status=status, **lost), deconvolve=["Cu", "C"]), chip=3)
    assert "SINGULAR: these lines cannot be told apart" in state.describe()
    assert state.picture().models == {}
    assert state.picture().components == {}
    assert state.picture().background is None


def test_an_engine_without_a_model():
    spectra = chip(small().image, ChipGrid(16))
    state = FitState(quantify(window_intensities(spectra, RECIPE.elements, energy=(0.2, 18.0))))
    picture = state.picture()
    assert (picture.models, picture.components, picture.background) == ({}, {}, None)
    assert np.isnan(picture.residuals).all()
    assert "no χ²" in state.describe()
    assert state.recipe.engine == "window"


# Another fit


def changed_trial(state: FitState) -> FitResult:
    state.wait()
    assert state.trial.message == ""
    found: FitResult = state.trial.result.fit
    return found


def test_nothing_is_tried_before_something_is_changed(state: FitState):
    assert (state.trial.changed, state.trial.result, state.trial.message) == ((), None, "")
    assert "Change a setting" in state.said_of_trial()
    state.apply()
    assert "no trial to apply" in state.message


@pytest.mark.parametrize("calibration", [KEPT, ANEW])
def test_a_trial_is_that_row_of_a_fit_of_all(state: FitState, calibration: str):
    state.chip = 6
    state.trial.background = "polynomial"
    state.trial.order = 4
    state.trial.calibration = calibration
    found = changed_trial(state)
    assert state.trial.changed[:2] == ("background", "order")
    calibrate = True if calibration == ANEW else analysed().fit.calibration
    again = analyse(small().image, replace(RECIPE, background="polynomial", order=4, calibrate=calibrate))
    sd = again.fit.sd[6]
    assert found.intensities[0] == pytest.approx(again.fit.intensities[6], abs=2e-3 * sd.max())
    assert found.chi2[0] == pytest.approx(again.fit.chi2[6], rel=1e-5)
    rows = {row.element: row for row in state.trial.rows()}
    assert rows["O"].second == pytest.approx(again.quantification.atomic[6, 4], abs=2e-3)
    assert rows["O"].first == analysed().quantification.atomic[6, 4]
    assert "stored" in state.said_of_trial()


def test_the_picture_shows_the_trial_beside_the_stored_fit(state: FitState):
    state.trial.background = "polynomial"
    found = changed_trial(state)
    picture = state.picture()
    assert list(picture.models) == ["stored model", "trial"]
    np.testing.assert_allclose(picture.models["trial"], found.model(0))
    np.testing.assert_allclose(picture.models["stored model"], analysed().fit.model(0))
    assert "(trial" in picture.title
    state.trial.reset()
    assert list(state.picture().models) == ["model"]
    assert state.trial.changed == ()


def test_another_range(state: FitState):
    state.trial.elements.energy = (0.25, 16.0)
    found = changed_trial(state)
    assert found.channels != analysed().fit.channels
    picture = state.picture()
    assert len(picture.models["trial"]) == len(picture.models["stored model"]) == len(picture.energy_kev)
    assert np.isnan(picture.models["trial"][0])
    assert np.isfinite(picture.models["stored model"]).all()
    assert state.trial.changed == ("energy",)


def test_other_elements_and_lines(state: FitState):
    state.trial.elements.add("Mn")
    found = changed_trial(state)
    assert "Mn_K" in [family.name for family in found.families]
    assert "Mn" in state.trial.result.quantification.elements
    state.trial.elements.set_line("Sr", "L")
    assert changed_trial(state)
    assert "Sr_L" in state.trial.result.quantification.families
    state.trial.elements.choose(())
    assert state.trial.result is None
    assert "elements" in state.trial.message
    state.trial.reset()
    assert state.trial.message == ""


def test_calibrations(state: FitState):
    kept = analysed().fit.calibration
    assert kept is not None
    assert state.trial.calibration == KEPT
    assert state.trial.offset_ev == pytest.approx(kept.offset_change_ev)
    state.trial.calibration = OF_FILE
    assert changed_trial(state).calibration.applied is False
    state.trial.calibration = ANEW
    again = changed_trial(state).calibration
    assert again.response.energy.offset_kev == pytest.approx(kept.response.energy.offset_kev, abs=1e-5)
    state.trial.calibration = BY_HAND
    state.trial.width_ev = 150.0
    by_hand = changed_trial(state)
    assert by_hand.calibration.response.fwhm_mn_ev == 150.0
    assert by_hand.calibration.response.energy.offset_kev == pytest.approx(kept.response.energy.offset_kev, abs=1e-9)
    assert by_hand.chi2[0] > analysed().fit.chi2[0]
    assert state.trial.changed == ("calibrate",)


def test_the_trial_follows_the_chip(state: FitState):
    state.trial.background = "polynomial"
    changed_trial(state)
    state.chip = 9
    assert state.trial.result is None
    found = changed_trial(state)
    assert found.spectra.names == ("R2C1",)
    assert state.trial.rows()[0].first == analysed().quantification.atomic[9, 0]


def test_what_cannot_be_fitted_is_said(state: FitState):
    state.trial.background = "polynomial"
    changed_trial(state)
    state.trial.elements.energy = (3.0, 3.1)
    state.wait()
    assert state.trial.result is None
    assert state.trial.message
    assert state.said_of_trial() == state.trial.message


def test_settings_that_fail_in_the_fit_leave_no_old_result(state: FitState):
    table = KFactors({"La_L": 1.6, "Fe_K": 1.3, "Sr_K": 4.3, "Ti_K": 1.2, "O_K": 1.1}, source="a table")
    state = FitState(quantify(analysed().fit, kfactors=table, deconvolve=["Cu", "C"]))
    state.trial.background = "polynomial"
    changed_trial(state)
    state.trial.elements.add("Mn")
    state.wait()
    assert state.trial.result is None
    assert "no k-factor for Mn_K in a table" in state.trial.message


def test_apply_and_undo(state: FitState):
    state.trial.elements.add("Mn")
    changed_trial(state)
    tried = state.trial.result.quantification.atomic[0]
    state.apply()
    state.wait()
    assert state.message == "All 16 chips were fitted anew. The stored fit can be brought back."
    assert state.undoable
    assert "Mn" in state.result.quantification.elements
    assert state.result.quantification.atomic[0] == pytest.approx(tried, abs=2e-3)
    assert "Mn" in state.param.part.objects
    assert (state.trial.changed, state.trial.result) == ((), None)
    assert state.analysis is not None
    assert state.analysis.recipe.elements == ("La", "Fe", "Sr", "Ti", "O", "Mn")
    state.undo()
    assert state.result is state.stored
    assert not state.undoable
    assert "Mn" not in state.param.part.objects


def test_apply_can_be_cancelled(state: FitState):
    state.trial.background = "polynomial"
    changed_trial(state)
    state.apply()
    state.work.cancel()
    state.work.wait()
    assert state.result is state.stored
    assert "cancelled" in state.work.message


def test_a_trial_can_be_adopted_from_a_recipe(state: FitState):
    state.trial.adopt(
        replace(RECIPE, background="none", energy=(0.25, 18.0), calibrate=False, elements=("La", "Fe", "O"))
    )
    found = changed_trial(state)
    assert set(state.trial.changed) == {"elements", "lines", "energy", "background", "calibrate"}
    assert found.background.shape[1] == 0


def test_another_result_keeps_the_chip_by_name(state: FitState):
    state.chip = 6
    state.load(analyse(small().image, replace(RECIPE, chip=8)))
    assert state.name_of(state.chip) == "R1C2"
    assert len(state.order) == 64
    state.chip = 60
    state.load(analysed())
    assert state.chip == 15


# Results of other records, refitted and told as code


def records() -> dict[str, object]:
    spectra = chip(small().image, ChipGrid(16))
    elements = (*RECIPE.elements, *RECIPE.deconvolve)
    fitted = fit(spectra, elements, energy=(0.25, 19.0), background="polynomial", order=5, refine=True)
    film = Absorption(thickness_nm=tuple(np.linspace(20, 60, 16)), density_g_cm3=5.0)
    zeta = KFactors({"La_L": 900.0, "Fe_K": 800.0, "Sr_K": 2000.0, "Ti_K": 700.0, "O_K": 600.0}, kind="zeta")
    lines = list(zeta.factors)
    return {
        "quantification": quantify(fitted, deconvolve=["Cu", "C"]),
        "thickness of each chip": quantify(fitted, deconvolve=["Cu", "C"], absorption=film),
        "one thickness": quantify(fitted, deconvolve=["C"], absorption=Absorption(50.0, 5.1)),
        "dose by hand": quantify_zeta(fitted, zeta, lines, dose_e=np.linspace(1e9, 2e9, 16), deconvolve=["Cu", "C"]),
        "fit": fitted,
    }


@pytest.mark.parametrize("name", list(records()))
def test_a_refit_of_one_chip_is_quantified_as_all_were(name: str):
    source = records()[name]
    state = FitState(source, chip=7)
    quant = state.result.quantification
    state.trial.background = "physical"
    changed_trial(state)
    tried = state.trial.result
    state.apply()
    state.wait()
    again = state.result
    assert tried.fit.intensities[0] == pytest.approx(again.fit.intensities[7], abs=2e-3 * again.fit.sd[7].max())
    if quant is None:
        assert again.quantification is None
        return
    assert tried.quantification.atomic[0] == pytest.approx(again.quantification.atomic[7], abs=5e-3)
    assert again.quantification.elements == quant.elements
    # A background that changes little changes the composition little: film, k-factors and dose are the same.
    assert again.quantification.atomic[7] == pytest.approx(quant.atomic[7], abs=2.0)
    assert again.quantification.correction[7] == pytest.approx(quant.correction[7], rel=0.05)
    if state.stored.dose is not None:
        np.testing.assert_array_equal(again.dose.dose_e, state.stored.dose.dose_e)


def run_code(code: str) -> dict[str, object]:
    """Run code with the state itself in the place of the widget over it."""
    space: dict[str, object] = {"image": small().image, "FitState": FitState}
    exec(code.replace("edsnb.FitExplorer", "FitState").replace("explorer.state.", "explorer."), space)
    return space


def test_code_repeats_result_and_view(example: Path):
    image = edsnb.open(example)
    state = FitState(analyse(image, RECIPE), chip="R2C1", other="R0C0", kind="residual", part="Fe_K")
    state.scale, state.together, state.components = "log", 4, False
    state.rank_kind, state.rank_part = "sd of at%", "O"
    again = run_code(state.code())["explorer"]
    assert isinstance(again, FitState)
    np.testing.assert_array_equal(again.result.quantification.atomic, state.result.quantification.atomic)
    np.testing.assert_array_equal(again.values.values, state.values.values)
    np.testing.assert_array_equal(again.order, state.order)
    for name in ("chip", "other", "kind", "part", "rank_kind", "rank_part", "scale", "together", "components"):
        assert getattr(again, name) == getattr(state, name)


def test_code_repeats_a_calibration_by_hand_that_was_applied_and_a_trial(example: Path):
    state = FitState(analyse(edsnb.open(example), RECIPE), chip=3)
    state.trial.calibration = BY_HAND
    state.trial.offset_ev = 2.0
    state.apply()
    state.wait()
    state.trial.background = "polynomial"
    changed_trial(state)
    again = run_code(state.code())["explorer"]
    assert isinstance(again, FitState)
    np.testing.assert_array_equal(again.result.fit.intensities, state.result.fit.intensities)
    np.testing.assert_allclose(changed_trial(again).intensities, state.trial.result.fit.intensities)


@pytest.mark.parametrize("name", ["quantification", "one thickness", "fit"])
def test_code_repeats_other_records(name: str, example: Path):
    state = FitState(records()[name])
    again = run_code(state.code())["explorer"]
    assert isinstance(again, FitState)
    assert again.result.fit.families == state.result.fit.families
    np.testing.assert_allclose(again.result.fit.intensities, state.result.fit.intensities)
    if state.result.quantification is not None:
        np.testing.assert_allclose(again.result.quantification.atomic, state.result.quantification.atomic)


@pytest.mark.parametrize("name", ["thickness of each chip", "dose by hand"])
def test_code_says_what_a_recipe_cannot_hold(name: str):
    assert "# Not in the recipe: the" in FitState(records()[name]).code()


def test_recipe_as_a_file_repeats_the_numbers(state: FitState, tmp_path: Path):
    state.trial.calibration = OF_FILE
    state.apply()
    state.wait()
    path = tmp_path / "recipe.toml"
    path.write_text(state.recipe.to_toml(), encoding="utf-8")
    again = analyse(small().image, Recipe.from_toml(path))
    np.testing.assert_array_equal(again.quantification.atomic, state.result.quantification.atomic)


# Other engines


def test_net_windows_beside_the_fit(state: FitState, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edsnb.state.fits.engines.ENGINES", {"edsnb": "edsnb", "net windows": "window"})
    state.chip = 5
    assert state.engines.rows().keys() == {"edsnb"}
    state.engines.compare()
    state.wait()
    assert list(state.engines.results) == ["net windows"]
    rows = state.engines.rows()
    assert [row.family for row in rows["net windows"]] == [row.family for row in rows["edsnb"]]
    quant = state.result.quantification
    found = state.engines.results["net windows"].found.quantification
    difference = state.engines.differences()["net windows"][0]
    assert difference.difference == pytest.approx(found.atomic[0, 0] - quant.atomic[5, 0])
    assert np.isnan(state.engines.chi2()["net windows"])
    assert state.engines.chi2()["edsnb"] == quant.fit.chi2[5]
    state.chip = 6
    assert state.engines.results == {}


def test_edsnb_beside_another_engine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edsnb.state.fits.engines.ENGINES", {"edsnb": "edsnb", "net windows": "window"})
    analysis = analyse(small().image, replace(RECIPE, engine="window"))
    state = FitState(analysis, chip=5)
    assert state.engines.stored_name == "net windows"
    state.engines.compare()
    state.wait()
    found: EngineResult = state.engines.results["edsnb"]
    assert found.message == ""
    stored = analysed()
    assert found.found.quantification.atomic[0] == pytest.approx(stored.quantification.atomic[5], abs=0.1)


def test_what_an_engine_cannot_do_is_said(state: FitState, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> FitResult:
        raise InputError("this engine is on strike.")

    monkeypatch.setattr("edsnb.state.fits.engines.ENGINES", {"net windows": "window"})
    monkeypatch.setattr("edsnb.state.fits.engines.window_intensities", refuse)
    state.engines.compare()
    state.wait()
    assert state.engines.results["net windows"].found is None
    assert "net windows: this engine is on strike." in state.engines.describe()
    assert state.engines.rows().keys() == {"edsnb"}


def test_hyperspy_on_one_chip(monkeypatch: pytest.MonkeyPatch):
    state = FitState(analysed(), chip=0)
    monkeypatch.setattr("edsnb.state.fits.engines.ENGINES", {"HyperSpy, default": "hyperspy"})
    state.engines.calibrated = True
    state.engines.compare()
    state.wait()
    found = state.engines.results["HyperSpy, default"]
    assert found.message == ""
    assert found.found.fit.engine == "hyperspy"
    assert found.found.quantification.atomic[0, 1] == pytest.approx(20.0, abs=2.0)
    calibration = analysed().fit.calibration
    assert found.found.fit.settings["resolution_ev"] == pytest.approx(calibration.response.fwhm_mn_ev)
    state.engines.calibrated = False
    assert state.engines.results == {}

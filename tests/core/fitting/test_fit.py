"""From spectra to family intensities: what is chosen, what is found, what becomes of bad spectra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import Events
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.fit import FitResult, Status, default_range, fit, model_spec
from edsnb.core.fitting.lines import LineFamily, families_in
from edsnb.core.fitting.model import ModelSpec, design
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage
from edsnb.core.regions import ChipGrid, Spectra, chip
from edsnb.errors import CancelledError, ElementError, InputError

AXIS = EnergyAxis(1000, 0.02, -0.1)
ACQUISITION = Acquisition(beam_kev=200.0, resolution_ev=133.0)
ELEMENTS = ("La", "Fe", "O", "Cu")
TRUE = {"La_L": 4000.0, "La_M": 5000.0, "Fe_K": 3500.0, "Fe_L": 2500.0, "O_K": 6000.0, "Cu_K": 3000.0, "Cu_L": 800.0}
FAMILIES = tuple(TRUE)
RANGE = (0.2, 18.0)


def expected(scale: float = 1.0, response: Response | None = None) -> np.ndarray:
    """Return the mean spectrum (E,) of a film with these family counts and 2,000 counts of bremsstrahlung."""
    spec = ModelSpec(families_in(ELEMENTS, RANGE, beam_kev=200.0), AXIS.channels(*RANGE), 200.0)
    assert tuple(f.name for f in spec.families) == FAMILIES
    out = np.zeros(AXIS.size)
    columns = design(spec, response or Response(AXIS, 133.0)).columns
    out[spec.channels] = columns @ [*TRUE.values(), 0.5, 0.8, 0.4]
    return scale * out


def spectra_of(counts: np.ndarray, **other: object) -> Spectra:
    return Spectra(counts, AXIS, tuple(f"R0C{i}" for i in range(len(counts))), ACQUISITION, **other)


@pytest.fixture(scope="module")
def spectra() -> Spectra:
    """Return six spectra from rich to poor, among them an empty one (the fourth)."""
    scale = np.array([1.0, 0.5, 0.2, 0.0, 0.05, 1.0])[:, None]
    return spectra_of(np.random.default_rng(4).poisson(scale * expected()).astype(np.uint32))


@pytest.fixture(scope="module")
def result(spectra: Spectra) -> FitResult:
    return fit(spectra, ELEMENTS, energy=RANGE)


def test_families_of_the_elements_come_back(result):
    assert tuple(f.name for f in result.families) == FAMILIES
    assert len(result) == 6
    assert result.intensities.shape == (6, 7)
    assert result.covariance.shape == (6, 7, 7)
    assert result.background.shape == (6, 3)
    full = [0, 1, 2, 4, 5]
    scale = np.array([1.0, 0.5, 0.2, 0.05, 1.0])[:, None]
    pulls = (result.intensities[full] - scale * list(TRUE.values())) / result.sd[full]
    assert np.abs(pulls).max() < 4
    assert result.status.tolist() == [0, 0, 0, Status.EMPTY, 0, 0]
    assert result.chi2[full] == pytest.approx(1.0, abs=0.25)
    assert result.engine == "edsnb"


def test_empty_spectrum_is_a_row_of_nan_with_a_status(result):
    for values in (result.intensities, result.covariance, result.sd, result.chi2, result.deviance, result.background):
        assert np.isnan(values[3]).all()
        assert np.isfinite(values[[0, 1, 2, 4, 5]]).all()
    assert np.isnan(result.model(3)).all()


def test_model_and_background_are_what_was_fitted(result):
    coefficients = np.concatenate([result.intensities, result.background], axis=1)
    np.testing.assert_allclose(result.model(), coefficients @ result.columns.T)
    np.testing.assert_allclose(result.model(2), coefficients[2] @ result.columns.T)
    np.testing.assert_allclose(result.model(np.array([4, 0])), coefficients[[4, 0]] @ result.columns.T)
    np.testing.assert_allclose(result.background_model(slice(0, 2)), result.background[:2] @ result.columns[:, 7:].T)
    peaks = result.columns[:, :7] @ result.intensities[0]
    np.testing.assert_allclose(result.model(0) - result.background_model(0), peaks, atol=1e-9)
    counts = result.spectra.counts[0, result.channels]
    assert result.model(0).sum() == pytest.approx(counts.sum(), rel=1e-3)
    assert 1000 < result.background_model(0).sum() < 3000


def test_sd_is_the_root_of_the_covariances_diagonal(result):
    np.testing.assert_allclose(result.sd[0] ** 2, np.diag(result.covariance[0]))
    # About that of as many counts, and never below.
    assert (result.sd[0] > 0.95 * np.sqrt(result.intensities[0])).all()


def test_columns_by_name(result):
    assert result.column("Fe_Ka") == result.column("Fe_K") == 2
    assert result.column("La_Ma") == 1
    with pytest.raises(ElementError, match=r"line Ti_Ka was not fitted; fitted families are La_L, La_M, Fe_K"):
        result.column("Ti_Ka")
    with pytest.raises(ElementError, match="is not understood"):
        result.column("Ti")


def test_arrays_of_the_result_are_read_only(result):
    for name in ("intensities", "covariance", "chi2", "status", "columns", "background", "deviance", "alpha_fractions"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(result, name)[0] = 0


def test_an_intensity_counts_the_lines_outside_the_range_too(spectra):
    """Cut off Fe Kb, Cu K b and the higher half of La L: the families' counts stay what they are."""
    cut = fit(spectra, ("La", "Fe", "O"), energy=(0.2, 6.8), calibration=False)
    iron = cut.column("Fe_K")
    assert cut.columns[:, iron].sum() == pytest.approx(cut.alpha_fractions[iron], abs=0.01)
    for name in ("La_L", "Fe_K", "O_K"):
        column = cut.column(name)
        assert cut.intensities[0, column] == pytest.approx(TRUE[name], abs=4 * cut.sd[0, column])


def test_elements_may_be_left_to_the_file(spectra):
    from_file = replace(spectra, elements=(ElementSetting("Fe", "K"), ElementSetting("O", None, False)))
    assert [f.name for f in fit(from_file, energy=RANGE, calibration=False).families] == ["Fe_K", "Fe_L", "O_K"]
    with pytest.raises(ElementError, match="no elements to fit: the file has none selected"):
        fit(spectra)
    with pytest.raises(ElementError, match="no elements to fit"):
        fit(from_file, [])


@pytest.mark.parametrize(
    ("elements", "energy", "message"),
    [
        (["Fe", "Xx"], RANGE, "unknown element 'Xx'"),
        (["Fe", "Fe"], RANGE, "elements stand twice: Fe"),
        (["O", "Fe"], (3.0, 18.0), r"O has no line between 3 and 18 keV \(its families: O_K at 0\.525 keV\)"),
        (["Fe"], (7.5, 12.0), "Fe has no line between"),
        ("Fe", RANGE, r"elements must be a list of symbols, such as \['Sr', 'Ti'\]; found 'Fe'"),
        ("CO", RANGE, "must be a list of symbols"),
    ],
)
def test_elements_that_cannot_be_fitted_are_named(spectra, elements, energy, message):
    with pytest.raises(ElementError, match=message):
        fit(spectra, elements, energy=energy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"energy": (30.0, 40.0)}, "energy range 30 to 40 keV holds no channel"),
        ({"energy": (5.0, 5.0)}, "holds no channel"),
        ({"background": "linear"}, "background 'linear' is unknown; choose one of physical, polynomial, none"),
        ({"background": "polynomial", "order": 20}, "polynomial order 20 cannot be used"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(spectra, options, message):
    with pytest.raises(InputError, match=message):
        fit(spectra, ELEMENTS, **options)


@pytest.mark.parametrize(
    ("acquisition", "axis", "low_high"),
    [
        (Acquisition(), AXIS, (0.2, 19.88)),
        (Acquisition(begin_energy_kev=0.115), AXIS, (0.2, 19.88)),
        (Acquisition(begin_energy_kev=0.33), AXIS, (0.33, 19.88)),
        (Acquisition(beam_kev=15.0), AXIS, (0.2, 15.0)),
        (Acquisition(beam_kev=200.0), EnergyAxis(4096, 0.01, -0.25), (0.2, 20.0)),
        (Acquisition(), EnergyAxis(500, 0.02, 0.5), (0.5, 10.48)),
    ],
)
def test_range_by_default(acquisition, axis, low_high):
    """0.2 to 20 keV, above the noise peak, below the beam energy, inside the axis."""
    one = Spectra(np.ones((1, axis.size)), axis, ("a",), acquisition)
    assert default_range(one) == pytest.approx(low_high)
    channels = model_spec(one, ["Fe"]).channels
    inside = (axis.centres_kev >= low_high[0] - 1e-9) & (axis.centres_kev <= low_high[1] + 1e-9)
    assert (channels.start, channels.stop) == (np.flatnonzero(inside)[0], np.flatnonzero(inside)[-1] + 1)


def test_families_above_the_beam_energy_are_not_fitted(spectra):
    slow = replace(spectra, acquisition=Acquisition(beam_kev=5.0))
    assert [f.name for f in model_spec(slow, ["Fe", "La"]).families] == ["Fe_L", "La_L", "La_M"]


def test_settings_are_recorded(result):
    assert result.settings["energy_kev"] == pytest.approx([0.2, 18.0])
    assert result.settings["background"] == "physical"
    assert result.settings["weights"] == "Poisson, from the model"
    assert str(result.settings["table"]).startswith("xraylib ")
    assert result.settings["calibration"]["applied"] is True
    assert (result.channels.start, result.channels.stop) == (15, 906)
    assert result.columns.shape == (891, 10)


def test_what_the_sum_showed_is_recorded(spectra, result):
    assert result.settings["notes"] == []
    found = fit(spectra, ELEMENTS, energy=RANGE, refine=True)
    assert found.settings["notes"] == ["proportions found on the sum: La_L, La_M, Fe_L, Cu_L"]
    assert found.settings["table"] == result.settings["table"]
    lanthanum = found.families[found.column("La_L")]
    assert lanthanum.table == f"{result.settings['table']}, proportions found on the sum"
    assert lanthanum != result.families[result.column("La_L")]
    assert found.families[found.column("Fe_K")] == result.families[result.column("Fe_K")]


@pytest.mark.parametrize("take_off_deg", [None, 0.0, -12.0, 400.0])
def test_take_off_angle_unknown_or_impossible(spectra, result, take_off_deg):
    """Self-absorption of the continuum is then that of an upright path; intensities hardly feel it."""
    acquisition = replace(ACQUISITION, take_off_deg=take_off_deg)
    assert model_spec(replace(spectra, acquisition=acquisition), ELEMENTS).take_off_deg == 90.0
    low = replace(spectra, acquisition=replace(ACQUISITION, take_off_deg=18.0))
    assert model_spec(low, ELEMENTS).take_off_deg == 18.0
    found = fit(low, ELEMENTS, energy=RANGE)
    assert np.nanmax(np.abs(found.intensities - result.intensities) / result.sd) < 0.5


def test_beam_energy_unknown(spectra, result):
    found = fit(replace(spectra, acquisition=Acquisition(resolution_ev=133.0)), ELEMENTS, energy=RANGE)
    assert found.status.tolist() == result.status.tolist()
    assert np.nanmax(np.abs(found.intensities - result.intensities) / result.sd) < 0.5


@pytest.mark.parametrize("background", ["physical", "polynomial", "none"])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_range_that_begins_high(spectra, background, weighted):
    """From 6.1 keV: no low lines to calibrate on, no discriminator, few counts."""
    found = fit(spectra, ["Fe", "Cu"], energy=(6.1, 18.0), background=background, order=2, weighted=weighted)
    # Where counts are few (the fifth), a free polynomial meets zero and may not settle.
    assert found.status[[0, 1, 2, 3, 5]].tolist() == [0, 0, 0, Status.EMPTY, 0]
    assert np.isfinite(found.intensities[4]).all()
    iron = found.column("Fe_K")
    allowed = 4 * found.sd[0, iron] + (0.05 * TRUE["Fe_K"] if background == "none" else 0.0)
    assert found.intensities[0, iron] == pytest.approx(TRUE["Fe_K"], abs=allowed)


@pytest.mark.parametrize("background", ["physical", "polynomial", "none"])
@pytest.mark.parametrize("counts", [1, 5, 60, 490, 600])
def test_few_counts_give_numbers_all_the_same(background, counts):
    mean = expected()[15:906]
    y = np.zeros((1, 1000), np.uint32)
    y[0, 15:906] = np.random.default_rng(counts).multinomial(counts, mean / mean.sum())
    found = fit(spectra_of(y), ELEMENTS, energy=RANGE, background=background, order=3, refine=True)
    assert found.status[0] in (Status.OK, Status.NOT_CONVERGED)
    assert np.isfinite(found.intensities).all()
    assert found.intensities.min() >= 0
    assert found.settings["calibration"]["applied"] is (counts >= 500)
    if counts > 50 and background != "none":
        assert found.model(0).sum() == pytest.approx(counts, rel=0.01)


def test_elements_none_of_which_is_there(spectra):
    found = fit(spectra, ["Ga", "Ge"], energy=(9.2, 18.0))
    assert found.status.tolist() == [0, 0, 0, Status.EMPTY, 0, 0]
    assert (found.intensities[0] < 5 * found.sd[0]).all()


def test_unweighted(spectra, result):
    plain = fit(spectra, ELEMENTS, energy=RANGE, weighted=False)
    assert plain.settings["weights"] == "none"
    full = [0, 1, 2, 4, 5]
    np.testing.assert_array_less(np.abs(plain.intensities - result.intensities)[full], 4 * plain.sd[full])
    # Weights help every line, the ones between few counts most.
    assert (result.sd[full] <= 1.001 * plain.sd[full]).all()
    assert plain.sd[0, result.column("Cu_K")] > 1.1 * result.sd[0, result.column("Cu_K")]


def test_polynomial_background(spectra):
    found = fit(spectra, ["La", "Fe", "Cu"], energy=(2.0, 18.0), background="polynomial", order=3, calibration=False)
    assert found.background.shape == (6, 4)
    assert found.settings["background"] == "polynomial of order 3"
    assert (found.background[0] < 0).any()
    iron = found.column("Fe_K")
    assert found.intensities[0, iron] == pytest.approx(TRUE["Fe_K"], abs=5 * found.sd[0, iron])


def test_no_background(spectra, result):
    found = fit(spectra, ELEMENTS, energy=RANGE, background="none", calibration=False)
    assert found.background.shape == (6, 0)
    assert not found.background_model(0).any()
    np.testing.assert_allclose(found.model(0), found.columns @ found.intensities[0])
    # Bremsstrahlung is then taken for X-rays of the lines, and chi-square shows it.
    assert found.intensities[0].sum() > result.intensities[0].sum()
    assert found.chi2[0] > 2 * result.chi2[0]


def test_calibration_on_off_and_given():
    """Counts drawn 25 eV off and 8 eV wider than the file says."""
    true = Response(EnergyAxis(1000, 0.02, -0.075), 141.0)
    spectra = spectra_of(np.random.default_rng(8).poisson(expected(1.0, true), (4, 1000)))
    on = fit(spectra, ELEMENTS, energy=RANGE)
    assert on.settings["calibration"]["offset_change_ev"] == pytest.approx(25, abs=1.5)
    assert on.settings["calibration"]["fwhm_mn_ev"] == pytest.approx(141, abs=1.5)
    off = fit(spectra, ELEMENTS, energy=RANGE, calibration=False)
    assert off.settings["calibration"]["applied"] is False
    assert off.settings["calibration"]["fwhm_mn_ev"] == 133.0
    assert off.settings["calibration"]["message"] == "the file's calibration was used"
    given = fit(spectra, ELEMENTS, energy=RANGE, calibration=Calibration(true, applied=True, message="given"))
    assert given.settings["calibration"]["message"] == "given"
    assert on.chi2 == pytest.approx(given.chi2, rel=0.02)
    assert on.chi2.max() < 1.2 < 1.5 < off.chi2.min()
    np.testing.assert_allclose(on.intensities, given.intensities, rtol=0.05)
    # The fitted range is that of the file's axis in each case.
    assert on.channels == off.channels == given.channels


def test_width_is_nominal_where_the_file_gives_none(spectra):
    unknown = replace(spectra, acquisition=Acquisition(beam_kev=200.0))
    assert fit(unknown, ELEMENTS, calibration=False).settings["calibration"]["fwhm_mn_ev"] == 130.0


def test_a_table_of_ones_own(spectra):
    def table(element: str, shell: str) -> LineFamily | None:
        return LineFamily(element, "K", (6.4, 7.06), (0.5, 0.5), (True, False), "mine") if shell == "K" else None

    found = fit(spectra, ["Fe"], table=table, calibration=False)
    assert found.settings["table"] == "mine"
    assert found.alpha_fractions == pytest.approx([0.5], abs=0.01)


def test_families_that_cannot_be_told_apart(spectra):
    """Two elements with one and the same line: no numbers, a status, no crash."""

    def table(element: str, shell: str) -> LineFamily | None:
        energy = {"Fe": 6.4, "Mn": 6.4, "O": 0.525}[element]
        return LineFamily(element, "K", (energy,), (1.0,), (True,), "made up") if shell == "K" else None

    found = fit(spectra, ["Fe", "Mn", "O"], table=table, calibration=False)
    assert found.status.tolist() == [3, 3, 3, Status.EMPTY, 3, 3]
    for values in (found.intensities, found.covariance, found.chi2, found.deviance, found.background):
        assert np.isnan(values).all()
    assert "cannot be told apart" in Status.SINGULAR.sentence


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_spectrum_that_is_not_finite_fails_alone(spectra, result, bad):
    counts = spectra.counts.astype(float)
    counts[1, 400] = bad
    counts[2, [2, 950]] = bad  # outside the fitted range, below and above: does no harm
    found = fit(replace(spectra, counts=counts), ELEMENTS, energy=RANGE)
    assert found.status.tolist() == [0, Status.FAILED, 0, Status.EMPTY, 0, 0]
    assert np.isnan(found.intensities[1]).all()
    full = [0, 2, 4, 5]
    # The calibration lacks that spectrum's counts; no more than that.
    np.testing.assert_array_less(np.abs(found.intensities - result.intensities)[full], 0.2 * result.sd[full])


def test_all_spectra_empty_or_none_at_all():
    found = fit(spectra_of(np.zeros((3, 1000), np.uint32)), ELEMENTS)
    assert found.status.tolist() == [Status.EMPTY] * 3
    assert np.isnan(found.intensities).all()
    assert "only 0 X-rays" in found.settings["calibration"]["message"]
    assert fit(spectra_of(np.zeros((0, 1000))), ELEMENTS).intensities.shape == (0, 7)


def test_noise_below_the_range_does_not_make_a_spectrum_full(spectra):
    counts = np.zeros((1, 1000), np.uint32)
    counts[0, :10] = 100_000
    noisy = replace(spectra_of(counts), acquisition=Acquisition(begin_energy_kev=0.12))
    assert fit(noisy, ELEMENTS).status.tolist() == [Status.EMPTY]


def test_every_status_has_a_sentence():
    sentences = {status.sentence for status in Status}
    assert len(sentences) == len(Status)
    assert all(len(sentence) > 5 for sentence in sentences)


@settings(max_examples=6)
@given(order=st.permutations(range(4)), rows=st.permutations(range(6)))
def test_order_of_elements_and_spectra_does_not_matter(spectra, result, order, rows):
    turned = replace(spectra, counts=spectra.counts[rows], names=tuple(spectra.names[i] for i in rows))
    found = fit(turned, [ELEMENTS[i] for i in order], energy=RANGE)
    assert found.status.tolist() == result.status[rows].tolist()
    for family in FAMILIES:
        here, there = found.column(family), result.column(family)
        apart = np.abs(found.intensities[:, here] - result.intensities[rows, there])
        assert not (apart > 0.01 * result.sd[rows, there]).any()
        assert found.alpha_fractions[here] == pytest.approx(result.alpha_fractions[there])


@pytest.mark.parametrize("factor", [2, 10])
def test_scaling_the_counts_scales_the_intensities(spectra, result, factor):
    calibration = Calibration(Response(AXIS, 133.0))
    once = fit(spectra, ELEMENTS, energy=RANGE, calibration=calibration)
    more = fit(replace(spectra, counts=factor * spectra.counts), ELEMENTS, energy=RANGE, calibration=calibration)
    full = [0, 1, 2, 4, 5]
    apart = np.abs(more.intensities / factor - once.intensities)
    assert (apart[full] < 3e-3 * once.sd[full]).all()
    np.testing.assert_allclose(more.sd[full] / np.sqrt(factor), once.sd[full], rtol=0.01)


def test_from_a_map_to_intensities():
    """Events of 6 x 8 pixels, cut into chips of 3, with a remainder: as many counts as the dense cube."""
    cube = np.random.default_rng(12).poisson(0.02 * expected(), (48, 1000))
    image = SpectrumImage((6, 8), AXIS, Events.from_dense(cube), ACQUISITION)
    found = fit(chip(image, ChipGrid(3)), ELEMENTS, energy=RANGE)
    assert found.spectra.names == ("R0C0", "R0C1", "R1C0", "R1C1")
    true = 9 * 0.02 * np.array(list(TRUE.values()))
    assert (np.abs(found.intensities - true) < 4.5 * found.sd).all()


def test_progress_is_told_and_can_stop(spectra):
    told: list[tuple[int, int]] = []
    fit(spectra, ELEMENTS, calibration=False, progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]
    with pytest.raises(CancelledError, match="stopped after 5 of 5"):
        fit(spectra, ELEMENTS, calibration=False, progress=lambda done, total: False)

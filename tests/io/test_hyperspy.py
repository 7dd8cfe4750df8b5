"""HyperSpy signals, eXSpy's line table and the reference engine.

One import of HyperSpy takes seconds: all of it is in this file, on eight chips at most.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.events import Events
from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.lines import LineFamily
from edsnb.core.fitting.peaks import Response, line_shapes
from edsnb.core.fitting.solve import solve
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage
from edsnb.core.regions import ChipGrid, Regions, Spectra, chip
from edsnb.errors import CancelledError, ElementError, InputError, NoMapError
from edsnb.io import dense
from edsnb.io import hyperspy as bridge
from edsnb.io.hyperspy import exspy_family, from_signal, quiet, spectra_to_signal, to_signal
from edsnb.io.hyperspy_engine import RECIPES, fit_hyperspy

AXIS = EnergyAxis(1024, 0.01, -0.1)
ACQUISITION = Acquisition(
    beam_kev=200.0,
    take_off_deg=21.5,
    azimuth_deg=45.0,
    tilt_deg=-3.0,
    live_time_s=60.0,
    real_time_s=72.0,
    current_pa=150.0,
    resolution_ev=133.0,
)
ELEMENTS = ["Sr", "Fe", "O"]
RANGE = (0.2, 9.5)
TRUE = {"Sr_L": 5000.0, "Fe_K": 3000.0, "Fe_L": 4000.0, "O_K": 9000.0}


def family(name: str) -> LineFamily:
    found = exspy_family(*name.split("_"))
    assert found is not None
    return found


def expected_counts(axis: EnergyAxis = AXIS, width_ev: float = 133.0) -> np.ndarray:
    response = Response(axis, width_ev)
    peaks = sum(
        counts * line_shapes(response, slice(0, axis.size), family(name).energies_kev, family(name).weights)
        for name, counts in TRUE.items()
    )
    return peaks + 8 * np.exp(-np.maximum(axis.centres_kev, 0) / 5)


@pytest.fixture(scope="module")
def spectra() -> Spectra:
    """Five Poisson spectra from rich to poor, and an empty one in their midst."""
    share = np.array([1.0, 0.6, 0.3, 0.0, 0.1, 0.05])[:, None]
    counts = np.random.default_rng(3).poisson(expected_counts() * share).astype(np.uint32)
    return Spectra(counts, AXIS, tuple(f"R0C{i}" for i in range(6)), ACQUISITION, source="made.emd")


@pytest.fixture(scope="module")
def fits(spectra):
    return {recipe: fit_hyperspy(spectra, ELEMENTS, RANGE, recipe=recipe) for recipe in RECIPES}


def small_map(rate: float = 0.02) -> SpectrumImage:
    cube = np.random.default_rng(5).poisson(rate, (12, 64))
    return SpectrumImage(
        (3, 4),
        EnergyAxis(64, 0.01, -0.2),
        Events.from_dense(cube),
        ACQUISITION,
        pixel_nm=1.25,
        elements=(ElementSetting("Sr", "K"), ElementSetting("O", "K")),
        source="map.emd",
    )


@pytest.mark.parametrize(("name", "alpha"), [("La_L", 0.497), ("Sr_K", 0.870), ("Ti_K", 0.895), ("Fe_K", 0.887)])
def test_alpha_fractions_of_the_published_elements(name, alpha):
    found = family(name)
    assert found.alpha_fraction == pytest.approx(alpha, abs=6e-4)
    assert sum(found.weights) == pytest.approx(1.0, abs=1e-12)
    assert found.name == name
    assert found.table.startswith("eXSpy ")


def test_family_takes_energies_and_weights_from_exspy():
    found = family("Fe_L")
    # eXSpy: La 0.7045 (1), Lb3 0.792 (0.02448), Ll 0.6152 (0.3086), Ln 0.6282 (0.12525)
    assert found.energies_kev[found.alpha.index(True)] == pytest.approx(0.7045)
    assert sum(found.alpha) == 1
    assert 0.3086 * found.alpha_fraction in [pytest.approx(w, rel=1e-3) for w in found.weights]


def test_families_that_exspy_does_not_list():
    assert exspy_family("O", "L") is None
    assert exspy_family("Pu", "L") is None
    assert family("Rn_M").alpha_fraction == 0.0
    with pytest.raises(ElementError, match="unknown element 'Xx'"):
        exspy_family("Xx", "K")


def test_to_signal_holds_every_count_and_the_metadata():
    image = small_map()
    signal = to_signal(image)
    assert type(signal).__name__ == "EDSTEMSpectrum"
    assert signal.data.dtype == np.uint8
    assert signal.data.shape == (3, 4, 64)
    np.testing.assert_array_equal(signal.data.reshape(12, 64), image.require_events().to_dense())
    x, y, energy = (signal.axes_manager[name] for name in ("x", "y", "X-ray energy"))
    assert (x.size, y.size, x.scale, y.units) == (4, 3, 1.25, "nm")
    assert (energy.scale, energy.offset, energy.units, energy.is_binned) == (0.01, -0.2, "keV", True)
    tem = signal.metadata.Acquisition_instrument.TEM
    assert (tem.beam_energy, tem.beam_current, tem.Stage.tilt_alpha) == (200.0, 0.15, -3.0)
    eds = tem.Detector.EDS
    assert (eds.elevation_angle, eds.azimuth_angle, eds.energy_resolution_MnKa) == (21.5, 45.0, 133.0)
    assert eds.live_time == pytest.approx(60.0 / 12)
    assert list(signal.metadata.Sample.elements) == ["O", "Sr"]
    with quiet():
        assert signal.sum().metadata.Acquisition_instrument.TEM.Detector.EDS.live_time == pytest.approx(60.0)


def test_to_signal_widens_the_type_only_as_far_as_needed():
    # Channel 5 stands 300 times in pixel 1, one X-ray each: more than uint8 holds.
    events = Events(np.array([0, 0, 300]), np.full(300, 5, np.uint16), None, 8)
    signal = to_signal(SpectrumImage((1, 2), EnergyAxis(8, 0.1), events))
    assert signal.data.dtype == np.uint16
    assert signal.data[0, 1, 5] == signal.data.sum() == 300


def test_to_signal_keeps_counts_that_are_not_whole():
    events = Events.from_dense(np.array([[0.0, 1.5], [0.25, 0.0]]))
    signal = to_signal(SpectrumImage((2, 1), EnergyAxis(2, 0.1), events))
    np.testing.assert_array_equal(signal.data[:, 0], [[0.0, 1.5], [0.25, 0.0]])


def test_to_signal_refuses_what_is_too_large(monkeypatch):
    monkeypatch.setattr(bridge, "LARGEST_SIGNAL_BYTES", 700)
    with pytest.raises(InputError, match=r"3 x 4 pixels and 64 channels takes 0\.0 GB.*chips first"):
        to_signal(small_map())
    with pytest.raises(NoMapError, match="holds no spectrum image"):
        to_signal(SpectrumImage((0, 0), EnergyAxis(8, 0.1), None))


def test_spectra_to_signal_is_one_row_of_chips():
    spectra = chip(small_map(), ChipGrid(2))
    signal = spectra_to_signal(spectra, lines=["Sr_Ka"])
    assert signal.axes_manager.navigation_shape == (2,)
    np.testing.assert_array_equal(signal.data, spectra.counts)
    # A chip of 2 x 2 of 12 pixels: a third of the time.
    assert signal.metadata.Acquisition_instrument.TEM.Detector.EDS.live_time == pytest.approx(20.0)
    assert list(signal.metadata.Sample.xray_lines) == ["Sr_Ka"]
    assert list(spectra_to_signal(spectra, elements=["Ti", "La"]).metadata.Sample.elements) == ["La", "Ti"]
    with pytest.raises(ElementError, match="'Q'"):
        spectra_to_signal(spectra, elements=["Q"])


def test_chips_of_unequal_size_have_no_common_live_time():
    spectra = chip(small_map(), Regions.from_labels(np.array([[0, 0, 0, 1]] * 3)))
    eds = spectra_to_signal(spectra).metadata.Acquisition_instrument.TEM.Detector.EDS
    assert not eds.has_item("live_time")


@pytest.mark.parametrize("lazy", [False, True])
def test_a_map_comes_back_from_hyperspy_as_it_went(lazy, monkeypatch):
    # Five of the twelve pixels at once.
    monkeypatch.setattr(dense, "BLOCK_BYTES", 5 * 64)
    image = small_map()
    signal = to_signal(image)
    with quiet():
        back = from_signal(signal.as_lazy() if lazy else signal)
    np.testing.assert_array_equal(back.require_events().to_dense(), image.require_events().to_dense())
    assert (back.shape, back.energy, back.pixel_nm) == (image.shape, image.energy, image.pixel_nm)
    assert back.acquisition == image.acquisition
    assert {e.symbol for e in back.elements} == {"Sr", "O"}
    assert back.source == "map.emd"
    assert back.digest == from_signal(signal).digest != from_signal(to_signal(small_map(0.03))).digest


def test_signals_of_other_kinds_come_in():
    hs = bridge.libraries()[0].api

    counts = np.array([[3, 0, 7, 1], [0, 0, 2, 4]])
    row = hs.signals.Signal1D(counts)
    with pytest.raises(InputError, match="axis in keV or eV"):
        from_signal(row)
    row.axes_manager[-1].units, row.axes_manager[-1].scale, row.axes_manager[-1].offset = "eV", 10.0, -480.0
    row.axes_manager[0].units, row.axes_manager[0].scale = "µm", 0.5
    line = from_signal(row)
    assert (line.shape, line.pixel_nm, line.energy) == ((1, 2), 500.0, EnergyAxis(4, 0.01, -0.48))
    np.testing.assert_array_equal(line.require_events().to_dense(), counts)
    assert line.acquisition == Acquisition()
    point = from_signal(row.inav[0])
    assert point.events is None
    assert point.spectra is not None
    np.testing.assert_array_equal(point.spectra.counts, counts[:1])
    with pytest.raises(InputError, match="no EDS map"):
        from_signal(hs.signals.Signal1D(np.zeros((1, 2, 3, 4))))
    with pytest.raises(InputError, match="negative counts"):
        from_signal(row * -1)


def test_sem_metadata_and_chosen_lines_are_read():
    _, exspy = bridge.libraries()
    with quiet():
        signal = exspy.signals.EDSSEMSpectrum(np.ones((2, 2, 8), np.uint8))
        signal.axes_manager[-1].units = "keV"
        signal.set_microscope_parameters(beam_energy=15.0, live_time=0.5, elevation_angle=40.0)
        signal.add_lines(["Cu_La"])
        image = from_signal(signal)
    assert (image.acquisition.beam_kev, image.acquisition.take_off_deg) == (15.0, 40.0)
    assert image.acquisition.live_time_s == 2.0
    assert image.elements == (ElementSetting("Cu", "L"),)


def test_default_recipe_is_hyperspys_own_multifit(spectra, fits):
    """The slow, obvious twin: what a HyperSpy user types, on the chips that are not empty."""
    full = [0, 1, 2, 4, 5]
    some = replace(spectra, counts=spectra.counts[full], names=tuple(spectra.names[i] for i in full))
    with quiet():
        signal = spectra_to_signal(some, elements=ELEMENTS).isig[30:961]
        model = signal.create_model()
        model.multifit(show_progressbar=False)
    fit = fits["default"]
    for column, found in enumerate(fit.families):
        area = model[found.alpha_line].A.map
        scale = 1 / found.alpha_fraction
        np.testing.assert_allclose(fit.intensities[full, column], area["values"] * scale, rtol=1e-9)
        np.testing.assert_allclose(fit.sd[full, column], area["std"] * scale, rtol=1e-6)
    np.testing.assert_allclose(fit.model(full), model.as_signal(show_progressbar=False).data, atol=1e-6)


def test_recipes_find_the_family_counts_that_went_in(fits):
    for recipe, fit in fits.items():
        assert [f.name for f in fit.families] == list(TRUE)
        np.testing.assert_allclose(fit.intensities[0], list(TRUE.values()), rtol=0.03, err_msg=recipe)
        assert fit.engine == "hyperspy"
        np.testing.assert_allclose(fit.alpha_fractions, [0.670, 0.887, 0.686, 1.0], atol=6e-4)
        assert fit.chi2[0] == pytest.approx(1.0, abs=0.25)
        assert fit.deviance[0] == pytest.approx(1.0, abs=0.25)
        assert fit.settings["recipe"] == recipe


def test_empty_chip_is_a_row_of_nan_with_a_status(fits):
    for fit in fits.values():
        assert fit.status.tolist() == [0, 0, 0, Status.EMPTY, 0, 0]
        assert np.isnan(fit.intensities[3]).all()
        assert np.isnan([fit.chi2[3], fit.deviance[3]]).all()
        assert np.isfinite(fit.intensities[[0, 1, 2, 4, 5]]).all()


def test_uncertainties_are_there_or_said_to_be_missing(fits):
    assert np.isnan(fits["lstsq"].covariance).all()
    assert fits["lstsq"].settings["uncertainties"] == "none"
    for recipe in ("default", "published"):
        fit = fits[recipe]
        covariance = fit.covariance[0]
        np.testing.assert_allclose(covariance, covariance.T, rtol=1e-6, atol=1e-6)
        # Of an unweighted fit of y = A c: residual variance times (A'A)^-1.
        counts = fit.spectra.counts[0, fit.channels].astype(float)
        variance = ((counts - fit.model(0)) ** 2).sum() / (len(counts) - fit.columns.shape[1])
        inverse = np.linalg.inv(fit.columns.T @ fit.columns)[:4, :4]
        np.testing.assert_allclose(covariance, variance * inverse, rtol=1e-3, atol=1e-2)


def test_same_columns_without_weights_give_the_same_numbers(spectra, fits):
    fit = fits["lstsq"]
    full = [0, 1, 2, 4, 5]
    counts = spectra.counts[full, fit.channels].astype(float)
    solution = np.linalg.lstsq(fit.columns, counts.T, rcond=None)[0].T
    np.testing.assert_allclose(fit.intensities[full], solution[:, :4], rtol=1e-6)
    np.testing.assert_allclose(fit.model(full), solution @ fit.columns.T, atol=1e-5)


def test_both_engines_agree_on_the_same_columns_without_weights(spectra, fits):
    """The project's own solver on HyperSpy's columns, polynomial in keV and all."""
    fit = fits["lstsq"]
    full = [0, 1, 2, 4, 5]
    free = np.zeros(fit.columns.shape[1], bool)
    own = solve(spectra.counts[full, fit.channels], fit.columns, free, poisson=False)
    np.testing.assert_allclose(own.coefficients[:, : len(fit.families)], fit.intensities[full], rtol=1e-6)
    np.testing.assert_allclose(own.coefficients @ fit.columns.T, fit.model(full), atol=1e-5)


def test_columns_hold_one_count_of_the_family(fits):
    fit = fits["lstsq"]
    high = RANGE[1]
    for column, found in enumerate(fit.families):
        inside = sum(w for w, e in zip(found.weights, found.energies_kev, strict=True) if RANGE[0] + 0.1 < e < high)
        assert fit.columns[:, column].sum() == pytest.approx(inside, rel=2e-3)


def test_lines_outside_the_range_belong_to_the_intensity(spectra):
    """Cut off Fe Kb: the family's counts stay what they are."""
    fit = fit_hyperspy(spectra, ELEMENTS, (0.2, 6.8), recipe="lstsq")
    fe = fit.column("Fe_Ka")
    assert fit.columns[:, fe].sum() == pytest.approx(0.887, abs=0.01)
    np.testing.assert_allclose(fit.intensities[0], list(TRUE.values()), rtol=0.04)


def test_families_can_be_named(spectra):
    fit = fit_hyperspy(spectra, ELEMENTS, (3.0, 9.5), recipe="lstsq", families=["Fe_K"])
    assert [f.name for f in fit.families] == ["Fe_K"]
    np.testing.assert_allclose(fit.intensities[0], [3000], rtol=0.03)
    with pytest.raises(ElementError, match=r"alpha line of O_K does not lie between 3 and 9.5 keV"):
        fit_hyperspy(spectra, ELEMENTS, (3.0, 9.5), families=["O_K"])
    with pytest.raises(ElementError, match=r"cannot fit the family Rn_M"):
        fit_hyperspy(spectra, ELEMENTS, RANGE, families=["Rn_M"])


def test_a_calibrated_response_replaces_the_nominal_axis(spectra):
    """Counts drawn 30 eV off and 10 eV wider: only the calibrated model fits them."""
    shifted = replace(AXIS, offset_kev=AXIS.offset_kev + 0.03)
    counts = np.rint(expected_counts(shifted, 143.0)).astype(np.uint32)[None]
    one = replace(spectra, counts=counts, names=("sum",))
    nominal = fit_hyperspy(one, ELEMENTS, RANGE, recipe="lstsq")
    calibrated = fit_hyperspy(one, ELEMENTS, RANGE, recipe="lstsq", response=Response(shifted, 143.0))
    assert calibrated.chi2[0] < 0.5 < 10 < nominal.chi2[0]
    assert calibrated.spectra is one
    assert calibrated.settings["resolution_ev"] == 143.0
    np.testing.assert_allclose(calibrated.intensities[0], list(TRUE.values()), rtol=0.02)


def test_published_recipe_keeps_line_areas_at_or_above_zero(spectra):
    counts = np.random.default_rng(9).poisson(np.full((1, 1024), 4.0)).astype(np.uint32)
    flat = replace(spectra, counts=counts, names=("flat",))
    free = fit_hyperspy(flat, ["Cu", "O"], RANGE)
    bounded = fit_hyperspy(flat, ["Cu", "O"], RANGE, recipe="published")
    assert free.intensities.min() < 0
    assert bounded.intensities.min() == 0
    assert bounded.settings["bounded"] is True


def test_one_bad_chip_does_not_stop_the_run(spectra, fits, monkeypatch):
    exspy_model = type(spectra_to_signal(spectra, elements=["O"]).create_model())
    fit_one = exspy_model.fit

    def failing(self, *args, **kwargs):
        if self.axes_manager.indices == (1,):
            raise ValueError("made to fail")
        return fit_one(self, *args, **kwargs)

    monkeypatch.setattr(exspy_model, "fit", failing)
    fit = fit_hyperspy(spectra, ELEMENTS, RANGE)
    assert fit.status.tolist() == [0, Status.FAILED, 0, Status.EMPTY, 0, 0]
    assert np.isnan(fit.intensities[1]).all()
    others = [0, 2, 4, 5]
    np.testing.assert_allclose(fit.intensities[others], fits["default"].intensities[others], rtol=1e-4)


def test_chip_with_nan_counts_fails_alone(spectra, fits):
    counts = spectra.counts.astype(float)
    counts[2, 400] = np.nan
    fit = fit_hyperspy(replace(spectra, counts=counts), ELEMENTS, RANGE, recipe="lstsq")
    assert fit.status.tolist() == [0, 0, Status.FAILED, Status.EMPTY, 0, 0]
    np.testing.assert_allclose(fit.intensities[[0, 1, 4]], fits["lstsq"].intensities[[0, 1, 4]], rtol=1e-9)


def test_fit_that_has_not_settled_says_so(spectra, monkeypatch):
    monkeypatch.setitem(RECIPES, "default", {"maxfev": 5})
    fit = fit_hyperspy(spectra, ["O"], RANGE)
    assert set(fit.status[[0, 1, 2, 4, 5]].tolist()) == {Status.NOT_CONVERGED}


def test_progress_is_told_and_can_stop(spectra):
    told: list[tuple[int, int]] = []
    fit_hyperspy(spectra, ["O"], RANGE, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 5) for done in range(6)]
    with pytest.raises(CancelledError, match="stopped after 0 of 5"):
        fit_hyperspy(spectra, ["O"], RANGE, progress=lambda done, total: False)


def test_an_unknown_beam_energy_leaves_no_line_out(spectra):
    unknown = replace(spectra, acquisition=Acquisition())
    fit = fit_hyperspy(unknown, ["Fe"], RANGE, recipe="lstsq")
    assert [f.name for f in fit.families] == ["Fe_K", "Fe_L"]
    assert fit.settings["resolution_ev"] == 130.0


@pytest.mark.parametrize(
    ("elements", "energy", "recipe", "message"),
    [
        (["O", "Xx"], RANGE, "default", "unknown element 'Xx'"),
        (["O", "O"], RANGE, "default", "O. Name each element once"),
        (["O", "Li"], RANGE, "default", "Li has no X-ray line"),
        (["Fe", "O"], (3.0, 9.5), "default", "O has no alpha line between 3 and 9.5 keV"),
        (["O"], RANGE, "best", "'best' is unknown; choose one of default, published, lstsq"),
        (["O"], (0.5, 0.56), "lstsq", "channels cannot carry"),
    ],
)
def test_misuse_is_refused(spectra, elements, energy, recipe, message):
    with pytest.raises(InputError, match=message):
        fit_hyperspy(spectra, elements, energy, recipe=recipe)

"""The reference engine: HyperSpy's EDSTEMModel, fitted by its `multifit`, told as a FitResult.

HyperSpy names a family after its alpha line and fits that line's area; the other lines follow at eXSpy's fixed
weights ("twins"), as far as they lie in the fitted range. Here S is the sum of all weights of a family, alpha
being 1: an intensity is the fitted alpha area times S, so it counts the lines outside the range too, and the
alpha fraction is 1 / S. HyperSpy knows no detector efficiency.

HyperSpy's least squares are unweighted, and its uncertainties take the mean residual variance for that of every
channel. Under a peak the variance is larger than that: on simulated spectra the intensities scatter 2 to 7 times more
than these uncertainties say. They are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult, Status
from edsnb.core.fitting.lines import SHELLS, LineFamily, parse_line
from edsnb.core.fitting.peaks import Response
from edsnb.core.fitting.solve import Progress
from edsnb.core.regions import Spectra
from edsnb.errors import CancelledError, ElementError, InputError
from edsnb.io.hyperspy import exspy_family, libraries, quiet, spectra_to_signal

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "published": {"bounded": True},
    "lstsq": {"optimizer": "lstsq"},
}
"""What each recipe hands to `multifit`. All use the model of `create_model()`: a polynomial background of order 6
and every family of the elements. Bounded, HyperSpy's `lm` is mpfit, with line areas at or above 0."""
_REPORTS = 20
"""Most calls of `multifit`, each followed by a progress report. Each call steps through all chips: more cost time."""
_FLOOR = 1e-3
"""Smallest model value in chi-square and deviance, as a share of the mean counts, as in `edsnb.core.fitting.solve`."""
_FAILURES = (ValueError, ArithmeticError, RuntimeError)
"""What HyperSpy and the optimizers under it raise for a spectrum they cannot fit."""


def fit_hyperspy(
    spectra: Spectra,
    elements: Sequence[str],
    energy: tuple[float, float],
    *,
    recipe: str = "default",
    families: Sequence[str] | None = None,
    response: Response | None = None,
    progress: Progress | None = None,
) -> FitResult:
    """Fit every spectrum with HyperSpy.

    Parameters
    ----------
    spectra
        n spectra.
    elements
        Symbols of the elements in the model.
    energy
        Fitted range, keV.
    recipe
        ``default``: `multifit()`. ``published``: `multifit(bounded=True)`. ``lstsq``:
        `multifit(optimizer="lstsq")`, which gives no uncertainties (the covariance is NaN).
    families
        Families to fit, such as ``La_L``. None: every one whose alpha line lies in the range, as HyperSpy chooses.
    response
        Calibrated energy axis and width at Mn Ka; None for those of `spectra` (130 eV where it has no width).
    progress
        Told (done, total); returning False raises CancelledError.

    Returns
    -------
    FitResult
        Line weights are eXSpy's; chi-square (Pearson, model variance) and deviance are computed here, the same way
        for all recipes.

    Raises
    ------
    ElementError
        An element is unknown, stands twice, or has no alpha line in the range.
    InputError
        Unknown recipe, or too few channels for the model.
    """
    if recipe not in RECIPES:
        raise InputError(f"HyperSpy recipe {recipe!r} is unknown; choose one of {', '.join(RECIPES)}.")
    channels = spectra.energy.channels(*energy)
    counts = np.asarray(spectra.counts[:, channels], np.float64)
    status = np.full(len(spectra), Status.OK, np.uint8)
    status[counts.sum(axis=1) == 0] = Status.EMPTY
    status[~np.isfinite(counts).all(axis=1)] = Status.FAILED
    with quiet():
        model = _build(spectra, channels, elements, families, response, status)
        fitted = _fitted_families(model, elements, families, energy)
        coefficients, covariance = _multifit(model, fitted, recipe, status, progress)
        columns = _columns(model, fitted)
    bad = ~np.isfinite(coefficients).all(axis=1) & (status <= Status.NOT_CONVERGED)
    status[bad] = Status.FAILED
    lost = status > Status.NOT_CONVERGED
    coefficients[lost], covariance[lost] = np.nan, np.nan
    chi2, deviance = _goodness(counts, coefficients, columns)
    return FitResult(
        spectra=spectra,
        families=fitted,
        intensities=coefficients[:, : len(fitted)],
        covariance=covariance,
        chi2=chi2,
        status=status,
        alpha_fractions=np.array([family.alpha_fraction for family in fitted]),
        channels=channels,
        columns=columns,
        background=coefficients[:, len(fitted) :],
        deviance=deviance,
        engine="hyperspy",
        settings=_settings(model, recipe, energy, columns.shape[1] - len(fitted) - 1),
    )


def _build(
    spectra: Spectra,
    channels: slice,
    elements: Sequence[str],
    families: Sequence[str] | None,
    response: Response | None,
    status: Array,
) -> Any:
    """Return the EDSTEMModel of the fitted channels; spectra that will not be fitted are all zero in it."""
    double = sorted({e for e in elements if list(elements).count(e) > 1})
    if double:
        raise ElementError(f"elements stand twice: {', '.join(double)}. Name each element once.")
    for element in elements:
        if all(exspy_family(element, shell) is None for shell in SHELLS):
            raise ElementError(f"{element} has no X-ray line in eXSpy's table: leave it out of HyperSpy's fit.")
    usable = (status == Status.OK)[:, None]
    prepared = replace(spectra, counts=np.where(usable, spectra.counts, 0))
    if response is not None:
        acquisition = replace(spectra.acquisition, resolution_ev=response.fwhm_mn_ev)
        prepared = replace(prepared, energy=response.energy, acquisition=acquisition)
    signal = spectra_to_signal(prepared, elements=elements).isig[channels]
    if spectra.acquisition.beam_kev is None:
        # The model asks for a beam energy, but only to leave out lines above it.
        signal.set_microscope_parameters(beam_energy=2 * prepared.energy.range_kev[1])
    if families is None:
        return signal.create_model()
    model = signal.create_model(auto_add_lines=False)
    model.add_family_lines([family.alpha_line for family in map(_known_family, families)])
    return model


def _known_family(name: str) -> LineFamily:
    """Return eXSpy's family of this name, or raise where HyperSpy has no alpha line to hang it on."""
    family = exspy_family(*parse_line(name))
    if family is None or not any(family.alpha):
        raise ElementError(f"HyperSpy cannot fit the family {name}: eXSpy's table has no alpha line for it.")
    return family


def _fitted_families(
    model: Any, elements: Sequence[str], families: Sequence[str] | None, energy: tuple[float, float]
) -> tuple[LineFamily, ...]:
    """Return the families in the model: as asked for, else by element and shell; raise where one is missing."""
    there = {component.name for component in model.xray_lines}
    within = f"between {energy[0]:g} and {energy[1]:g} keV. Leave it out or widen the energy range."
    if families is not None:
        asked = tuple(dict.fromkeys(map(_known_family, families)))
        missing = [family.name for family in asked if family.alpha_line not in there]
        if missing:
            raise ElementError(f"the alpha line of {', '.join(missing)} does not lie {within}")
        return asked
    every = [exspy_family(element, shell) for element in elements for shell in SHELLS]
    found = tuple(family for family in every if family is not None and family.alpha_line in there)
    missing = [element for element in elements if element not in {family.element for family in found}]
    if missing:
        raise ElementError(f"{', '.join(missing)} has no alpha line {within}")
    return found


@dataclass(slots=True, eq=False)
class _Record:
    """What is only known in the moment after each fit: whether it converged, and its covariance."""

    places: Array
    """(F,) place of each family's alpha area among the free parameters."""
    converged: Array
    covariance: Array

    def __call__(self, model: Any) -> None:
        """Read the model just after a fit."""
        chip = model.axes_manager.indices[0]
        output = model.fit_output
        self.converged[chip] = bool(output.success)
        matrix = output.get("covar")
        if matrix is not None:
            # The optimizers' covariance is for a variance of 1: HyperSpy scales it with the residual variance.
            free = len(model.axis.axis) - len(matrix)
            self.covariance[chip] = matrix[np.ix_(self.places, self.places)] * model.chisq.data[chip] / free


def _multifit(
    model: Any, families: tuple[LineFamily, ...], recipe: str, status: Array, progress: Progress | None
) -> tuple[Array, Array]:
    """Fit the chips whose status is OK; return coefficients (n, F + B) and covariance (n, F, F), and set `status`."""
    areas = [model[family.alpha_line].A for family in families]
    terms = list(model.background_components[0].parameters)
    free = [parameter for component in model.active_components for parameter in component.free_parameters]
    if len(free) > len(model.axis.axis):
        raise InputError(
            f"{len(model.axis.axis)} channels cannot carry {len(free)} free parameters; widen the energy range."
        )
    places = np.array([next(i for i, p in enumerate(free) if p is area) for area in areas])
    n, f = len(status), len(families)
    record = _Record(places, np.zeros(n, bool), np.full((n, f, f), np.nan))
    chips = np.flatnonzero(status == Status.OK)
    _report(progress, 0, len(chips))
    if recipe == "lstsq":
        model.multifit(show_progressbar=False, **RECIPES[recipe])
        _report(progress, len(chips), len(chips))
    else:
        model.events.fitted.connect(record, {"obj": "model"})
        done = 0
        for block in np.array_split(chips, max(min(_REPORTS, len(chips)), 1)):
            _fit_block(model, block, RECIPES[recipe], status)
            done += len(block)
            _report(progress, done, len(chips))
        status[(status == Status.OK) & ~record.converged] = Status.NOT_CONVERGED
    scale = np.array([1 / family.alpha_fraction for family in families])
    intensities = np.stack([area.map["values"] for area in areas], axis=-1) * scale
    background = np.stack([term.map["values"] for term in terms], axis=-1)
    return np.concatenate([intensities, background], axis=1), record.covariance * np.outer(scale, scale)


def _fit_block(model: Any, chips: Array, options: dict[str, Any], status: Array) -> None:
    """Run `multifit` on some chips; where it raises, on each alone, so that only the culprit fails."""
    mask = np.ones(len(status), bool)
    mask[chips] = False
    try:
        model.multifit(mask=mask, show_progressbar=False, **options)
    except _FAILURES:
        if len(chips) == 1:
            status[chips] = Status.FAILED
            return
        for chip in chips:
            _fit_block(model, np.array([chip]), options, status)


def _report(progress: Progress | None, done: int, total: int) -> None:
    """Tell the caller how far the fit is, and stop where it says so."""
    if progress is not None and progress(done, total) is False:
        raise CancelledError(f"HyperSpy fit stopped after {done} of {total} spectra; nothing was kept.")


def _columns(model: Any, families: tuple[LineFamily, ...]) -> Array:
    """Evaluate HyperSpy's own components (E', F + B): counts per channel for one count, then for each term."""
    energy, width = model.axis.axis, model.axis.scale
    columns = []
    for family in families:
        alpha = model[family.alpha_line].A
        alpha.value = 1.0
        lines = [c for c in model if not c.isbackground and (c.A is alpha or c.A.twin is alpha)]
        columns.append(sum(line.function(energy) for line in lines) * width * family.alpha_fraction)
    background = model.background_components[0]
    for term in background.parameters:
        for parameter in background.parameters:
            parameter.value = float(parameter is term)
        columns.append(background.function(energy) * width)
    out = np.stack([np.broadcast_to(column, energy.shape) for column in columns], axis=1)
    if not np.isfinite(out).all():
        raise InputError("HyperSpy cannot draw every line: the width at Mn Ka is too small for the lowest energies.")
    return out


def _goodness(counts: Array, coefficients: Array, columns: Array) -> tuple[Array, Array]:
    """Return Pearson's reduced chi-square and the Poisson deviance per channel (n,); NaN without coefficients."""
    floor = np.maximum(_FLOOR * counts.mean(axis=1, keepdims=True), 1e-12)
    model = np.maximum(coefficients @ columns.T, floor)
    free = max(columns.shape[0] - columns.shape[1], 1)
    ratio = np.where(counts > 0, counts / model, 1.0)
    deviance = 2 * (counts * np.log(ratio) - counts + model).mean(axis=1)
    return ((counts - model) ** 2 / model).sum(axis=1) / free, deviance


def _settings(model: Any, recipe: str, energy: tuple[float, float], order: int) -> dict[str, object]:
    """Return how the fit was made, for the provenance record."""
    hyperspy, exspy = libraries()
    options = RECIPES[recipe]
    bounded = bool(options.get("bounded", False))
    eds = model.signal.metadata.Acquisition_instrument.TEM.Detector.EDS
    return {
        "recipe": recipe,
        "hyperspy": hyperspy.__version__,
        "exspy": exspy.__version__,
        "optimizer": "lm (mpfit)" if bounded else options.get("optimizer", "lm"),
        "bounded": bounded,
        "background": f"polynomial of order {order}",
        "weights": "none",
        "uncertainties": "none" if recipe == "lstsq" else "residual variance, 0 for a line held at its bound",
        "table": f"eXSpy {exspy.__version__}",
        "energy_kev": [float(e) for e in energy],
        "resolution_ev": float(eds.energy_resolution_MnKa),
        "chi2": "Pearson with the model's variance, computed by edsnb",
    }

"""What a fit leaves over, channel by channel and line by line, in standard deviations of the model's counts."""

from __future__ import annotations

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.peaks import Response, fwhm_ev

_LEAST = 1.0
"""Least variance of a channel, counts: where less is expected a single X-ray would stand out as a misfit."""
_IN_PEAK = 0.5
"""Channels with more than this share of a line's highest belong to its peak: its full width at half maximum."""


def modelled(fit: FitResult) -> Array:
    """Return which spectra (n,) have a model of their whole spectrum: none of an engine that sums up windows."""
    return np.asarray(np.isfinite(fit.chi2))


def residuals(fit: FitResult, index: int) -> Array:
    """Return (counts - model) / standard deviation of one spectrum in each fitted channel (E',); NaN if no model."""
    if not modelled(fit)[index]:
        return np.full(fit.channels.stop - fit.channels.start, np.nan)
    expected = fit.model(index)
    return np.asarray((fit.spectra.counts[index, fit.channels] - expected) / np.sqrt(np.maximum(expected, _LEAST)))


def line_residuals(fit: FitResult) -> Array:
    """Return what is left over in the peak of each family (n, F), in standard deviations; NaN without a model.

    Counts and model are summed over the full width at half maximum of the family's strongest lines.
    """
    columns = fit.columns[:, : len(fit.families)]
    peaks = (columns > _IN_PEAK * columns.max(axis=0)).astype(np.float64)
    known = modelled(fit)
    out = np.full((len(fit), len(fit.families)), np.nan)
    expected = np.concatenate([fit.intensities, fit.background], axis=1)[known] @ (fit.columns.T @ peaks)
    counts = fit.spectra.counts[known, fit.channels].astype(np.float64) @ peaks
    out[known] = (counts - expected) / np.sqrt(np.maximum(expected, _LEAST))
    return out


def largest_misfit(fit: FitResult, index: int) -> tuple[float, float] | None:
    """Return where one spectrum departs most from its model, and how far; None without a model.

    Counts and model are summed over windows as wide as a line's full width at half maximum there, as a line that was
    not fitted would fill one.

    Returns
    -------
    Energy in keV, on the calibrated axis, and (counts - model) / standard deviation: positive where counts are left
    over.
    """
    if not modelled(fit)[index]:
        return None
    response = response_of(fit)
    axis = response.energy
    energy = axis.offset_kev + axis.scale_kev * np.arange(fit.channels.start, fit.channels.stop)
    half = np.maximum(np.rint(fwhm_ev(energy, response.fwhm_mn_ev) / 2e3 / axis.scale_kev), 0).astype(int)
    channel = np.arange(energy.size)
    first, end = np.maximum(channel - half, 0), np.minimum(channel + half + 1, energy.size)
    sums = (np.append(0.0, np.cumsum(y)) for y in (fit.spectra.counts[index, fit.channels], fit.model(index)))
    counts, expected = (total[end] - total[first] for total in sums)
    departure = (counts - expected) / np.sqrt(np.maximum(expected, _LEAST))
    most = int(np.argmax(np.abs(departure)))
    return float(energy[most]), float(departure[most])


def response_of(fit: FitResult) -> Response:
    """Return the detector response of a fit; the file's axis where it tells none."""
    return fit.calibration.response if fit.calibration is not None else Response(fit.spectra.energy)


def parts(fit: FitResult, index: int) -> dict[str, Array]:
    """Return what each family contributes to one spectrum's model, {family: (E',) counts}, without those at zero."""
    amounts = fit.intensities[index]
    return {
        family.name: fit.columns[:, k] * amounts[k]
        for k, family in enumerate(fit.families)
        if np.isfinite(amounts[k]) and amounts[k] > 0
    }

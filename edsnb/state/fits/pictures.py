"""What is drawn of one chip: spectra, models, components, residuals and the names of lines, on one energy axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.peaks import Response
from edsnb.core.fitting.residuals import modelled, parts, residuals, response_of
from edsnb.state.elements.models import Mark, family_marks
from edsnb.state.fits.fitted import Fitted


@dataclass(frozen=True, slots=True, eq=False)
class FitPicture:
    """Curves over E' channels; NaN where one has no value."""

    title: str
    energy_kev: Array
    """(E',) calibrated energies, those of the fit and of the trial together."""
    spectra: Mapping[str, Array]
    """Counts by name: the chip's, and those of the one it is compared with."""
    models: Mapping[str, Array]
    """The model, and that of the trial; none where a fit has no model."""
    background: Array | None
    components: Mapping[str, Array]
    """What each family contributes to the model that the residuals are of."""
    residuals: Array
    """In standard deviations; of the trial where there is one."""
    lines: tuple[Mark, ...]
    """Energy in keV as seen on this axis, name, weight: how far its counts rise above their error."""


def picture(found: Fitted, index: int, *, other: int | None = None, trial: Fitted | None = None) -> FitPicture:
    """Return what is drawn of chip `index`, with the spectrum of another one and a trial fit."""
    fit, tried = found.fit, trial.fit if trial is not None else None
    channels = fit.channels if tried is None else _union(fit.channels, tried.channels)
    shown, row = (fit, index) if tried is None else (tried, 0)
    response = response_of(fit)
    axis = response.energy
    energy = axis.offset_kev + axis.scale_kev * np.arange(channels.start, channels.stop)
    counts = fit.spectra.counts
    spectra = {"counts": counts[index, channels]}
    if other is not None and other != index:
        spectra = {f"counts of {found.names[k]}": counts[k, channels] for k in (index, other)}
    models = {"model": _on(channels, fit, fit.model(index))} if modelled(fit)[index] else {}
    if tried is not None and modelled(tried)[0]:
        models = {
            **({"stored model": models["model"]} if models else {}),
            "trial": _on(channels, tried, tried.model(0)),
        }
    has_background = bool(modelled(shown)[row]) and shown.background.shape[1] > 0
    return FitPicture(
        title=_title(found, index, trial),
        energy_kev=energy,
        spectra=spectra,
        models=models,
        background=_on(channels, shown, shown.background_model(row)) if has_background else None,
        components={name: _on(channels, shown, values) for name, values in parts(shown, row).items()}
        if modelled(shown)[row]
        else {},
        residuals=_on(channels, shown, residuals(shown, row)),
        lines=_lines(shown, row, response),
    )


def _title(found: Fitted, index: int, trial: Fitted | None) -> str:
    """Say which chip this is, and how well the model fits."""
    fit = found.fit
    counts = fit.spectra.counts[index, fit.channels].sum()
    chi2 = f", reduced χ² {fit.chi2[index]:.2f}" if np.isfinite(fit.chi2[index]) else ""
    tried = f" (trial {trial.fit.chi2[0]:.2f})" if trial is not None and np.isfinite(trial.fit.chi2[0]) else ""
    return f"{found.names[index]}: {counts:,.0f} X-rays{chi2}{tried}"


def _union(one: slice, two: slice) -> slice:
    return slice(min(one.start, two.start), max(one.stop, two.stop))


def _on(channels: slice, fit: FitResult, values: Array) -> Array:
    """Return values (E'') over the channels of a fit on wider ones (E'), NaN outside."""
    out = np.full(channels.stop - channels.start, np.nan)
    out[fit.channels.start - channels.start : fit.channels.stop - channels.start] = values
    return out


def _lines(fit: FitResult, index: int, response: Response) -> tuple[Mark, ...]:
    """Return the alpha and beta lines of the fitted families that lie in the fitted channels."""
    axis = response.energy
    low, high = (axis.offset_kev + axis.scale_kev * c for c in (fit.channels.start, fit.channels.stop - 1))
    rise = np.nan_to_num(fit.intensities[index] / np.maximum(fit.sd[index], 1e-9))
    found = []
    for family, weight in zip(fit.families, rise.tolist(), strict=True):
        for kev, name, share in family_marks(family):
            seen = float(response.seen_at_kev(kev))
            if low <= seen <= high:
                found.append((seen, name, weight * share))
    return tuple(sorted(found))

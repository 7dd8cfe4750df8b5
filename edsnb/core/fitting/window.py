"""Net counts in windows: the classical estimate, for comparison with a fit.

A window of one full width at half maximum to either side of the alpha line is summed; the mean of two narrow
windows beside it, as a straight line beneath, is taken off. What the window holds of the family is known from the
peak shape, so the net counts are scaled to the whole family. Overlapping lines are not told apart: that is what
fits are for (Williams & Carter, Transmission Electron Microscopy, 2009, ch. 35.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.fit import FitResult, Status, model_spec
from edsnb.core.fitting.lines import LineTable, xraylib_family
from edsnb.core.fitting.model import ModelSpec, design, detected_weights
from edsnb.core.fitting.peaks import Response, fwhm_ev
from edsnb.core.fitting.summed import prepare
from edsnb.core.regions import Spectra

_HALF_WIDTH = 1.0
"""Half the window, in widths of the peak."""
_BESIDE = (1.6, 2.2)
"""Where the windows beside it begin and end, in widths of the peak from the line."""


def window_intensities(
    spectra: Spectra,
    elements: Iterable[str] | None = None,
    *,
    energy: tuple[float, float] | None = None,
    calibration: bool | Calibration = True,
    table: LineTable = xraylib_family,
) -> FitResult:
    """Return net window counts of each family, scaled to the whole family.

    Parameters are those of `edsnb.fit`. Families are independent, so the covariance is diagonal; it is that of the
    counts in the three windows.

    Returns
    -------
    FitResult with engine ``window``. There is no model of the whole spectrum: chi-square and deviance are NaN.
    """
    spec = model_spec(spectra, elements, energy=energy, table=table)
    total = spectra.counts.sum(axis=0, dtype=np.float64)
    prepared = prepare(
        total, spectra.energy, spec, calibration=calibration, fwhm_mn_ev=spectra.acquisition.resolution_ev
    )
    response = prepared.calibration.response
    made = design(replace(spec, background="none"), response)
    counts = spectra.counts[:, spec.channels].astype(np.float64)
    net, variance = _net_counts(counts, made.columns, spec, response)
    empty = counts.sum(axis=1) <= 0
    net[empty] = variance[empty] = np.nan
    nothing = np.full(len(counts), np.nan)
    return FitResult(
        spectra=spectra,
        families=spec.families,
        intensities=net,
        covariance=variance[:, :, None] * np.eye(len(spec.families)),
        chi2=nothing,
        status=np.where(empty, Status.EMPTY, Status.OK).astype(np.uint8),
        alpha_fractions=made.alpha_fractions,
        channels=spec.channels,
        columns=made.columns,
        background=np.empty((len(counts), 0)),
        deviance=nothing,
        engine="window",
        settings={
            "energy_kev": [float(e) for e in spec.centres_kev(response)[[0, -1]]],
            "background": "straight line between the windows beside each peak",
            "weights": "none",
            "table": spec.families[0].table,
            "calibration": prepared.calibration.to_dict(),
            "notes": ["overlapping lines are not told apart"],
        },
    )


def _net_counts(counts: Array, columns: Array, spec: ModelSpec, response: Response) -> tuple[Array, Array]:
    """Return the net counts (n, F) of each family, scaled to the whole of it, and their variances."""
    net, variance = np.empty((2, len(counts), len(spec.families)))
    for k, family in enumerate(spec.families):
        strongest = family.energies_kev[int(np.argmax(detected_weights(family)))]
        inside, beside = _windows(spec, response, strongest)
        held = columns[inside, k].sum() - columns[beside, k].mean() * inside.sum()
        scale = inside.sum() / max(int(beside.sum()), 1)
        peak, under = counts[:, inside].sum(axis=1), counts[:, beside].sum(axis=1)
        net[:, k] = (peak - scale * under) / held
        variance[:, k] = (peak + scale**2 * under) / held**2
    return net, variance


def _windows(spec: ModelSpec, response: Response, line_kev: float) -> tuple[Array, Array]:
    """Return which fitted channels (E',) lie in the window of a line, and which in those beside it."""
    distance = np.abs(spec.centres_kev(response) - response.seen_at_kev(line_kev))
    width = float(fwhm_ev(line_kev, response.fwhm_mn_ev)) / 1e3
    return distance <= _HALF_WIDTH * width, (distance >= _BESIDE[0] * width) & (distance <= _BESIDE[1] * width)

"""Fits that never were made: records for tests of what comes after."""

from __future__ import annotations

import numpy as np

from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.lines import parse_line, xraylib_family
from edsnb.core.image import Acquisition, EnergyAxis
from edsnb.core.regions import Spectra


def fitted(
    names,
    intensities,
    *,
    covariance=None,
    alpha=None,
    status=None,
    beam_kev=200.0,
    elements=(),
    acquisition=None,
) -> FitResult:
    """Return a fit of n spectra with these family counts (n, F), as if it had been made."""
    counts = np.atleast_2d(np.asarray(intensities, float))
    n, width = counts.shape
    if covariance is None:
        # Poisson, but never so uncertain that a count is taken for noise.
        covariance = np.einsum("nf,fg->nfg", np.minimum(np.abs(counts), (0.3 * counts) ** 2), np.eye(width))
    families = tuple(xraylib_family(*parse_line(name)) for name in names)
    fractions = [f.alpha_fraction for f in families] if alpha is None else [alpha[f.name] for f in families]
    spectra = Spectra(
        np.zeros((n, 4), np.uint32),
        EnergyAxis(4, 0.01),
        tuple(f"R0C{i}" for i in range(n)),
        acquisition=acquisition or Acquisition(beam_kev=beam_kev),
        elements=elements,
    )
    return FitResult(
        spectra=spectra,
        families=families,
        intensities=counts,
        covariance=np.broadcast_to(covariance, (n, width, width)),
        chi2=np.ones(n),
        status=np.zeros(n, np.uint8) if status is None else np.asarray(status, np.uint8),
        alpha_fractions=np.array(fractions),
        channels=slice(0, 4),
        columns=np.zeros((4, width)),
        background=np.zeros((n, 0)),
        deviance=np.ones(n),
    )

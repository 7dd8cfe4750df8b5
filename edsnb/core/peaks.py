"""Peak shape: how one X-ray line spreads over the channels.

A line is a Gaussian, with a small share moved into an exponential low-energy tail (incomplete charge
collection), integrated over each channel rather than sampled at its centre.

FWHM(E)^2 = FWHM_Mn^2 + 2.5 eV (E - E_Mn)   (Fiori & Newbury, SEM/1978/I, 401)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr

from edsnb.core.events import Array
from edsnb.core.image import EnergyAxis

MN_KA_EV = 5898.7
"""Energy of Mn Ka, the reference line of detector resolution (Fiori & Newbury 1978)."""
FWHM_SLOPE_EV = 2.5
"""Growth of the squared width with energy: the statistics of charge creation in silicon."""
NOMINAL_FWHM_EV = 130.0
"""Width at Mn Ka that is assumed where a file gives none."""
_NARROWEST_EV = 20.0
_SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
_REACH = 7.0
"""Gaussians are evaluated out to this many sigma, tails to as many slopes."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the detector makes of a line: calibrated energy axis, width and tail."""

    energy: EnergyAxis
    fwhm_mn_ev: float = NOMINAL_FWHM_EV
    """Full width at half maximum at Mn Ka."""
    tail: float = 0.0
    """Share of a peak's counts that lies in its low-energy tail."""
    tail_slope_ev: float = 60.0
    """Decay length of the tail."""


def fwhm_ev(energy_kev: Array | float, fwhm_mn_ev: float) -> Array:
    """Return the full width at half maximum in eV at `energy_kev` (Fiori & Newbury 1978)."""
    squared = fwhm_mn_ev**2 + FWHM_SLOPE_EV * (np.asarray(energy_kev) * 1e3 - MN_KA_EV)
    return np.sqrt(np.maximum(squared, _NARROWEST_EV**2))


def line_shapes(response: Response, channels: slice, energies_kev: ArrayLike, weights: ArrayLike) -> Array:
    """Return the counts per channel of a sum of lines of the given weights.

    Parameters
    ----------
    channels
        Channels to evaluate, E' of them.
    energies_kev, weights
        Energy and counts of each line.

    Returns
    -------
    (E',) float64; its sum falls short of the weights' by what lies outside the channels.
    """
    axis = response.energy
    out = np.zeros(channels.stop - channels.start)
    first_edge = axis.offset_kev + axis.scale_kev * (channels.start - 0.5)
    centres, heights = np.asarray(energies_kev, float), np.asarray(weights, float)
    sigmas = fwhm_ev(centres, response.fwhm_mn_ev) * _SIGMA_PER_FWHM / 1e3
    slope = response.tail_slope_ev / 1e3
    for energy, weight, sigma in zip(centres.tolist(), heights.tolist(), sigmas.tolist(), strict=True):
        below = energy - _REACH * (sigma + (slope if response.tail else 0.0))
        start = max(0, int((below - first_edge) / axis.scale_kev))
        stop = min(len(out), int((energy + _REACH * sigma - first_edge) / axis.scale_kev) + 2)
        if start >= stop:
            continue
        edges = first_edge + axis.scale_kev * np.arange(start, stop + 1)
        out[start:stop] += weight * np.diff(_cumulative(edges - energy, sigma, response.tail, slope))
    return out


def _cumulative(x: Array, sigma: float, tail: float, slope: float) -> Array:
    """Return the share of a peak at 0 that lies below x (all in keV)."""
    z = x / sigma
    gaussian = ndtr(z)
    if not tail:
        return gaussian
    # A Gaussian convolved with an exponential towards lower energies; in logarithms, where exp would overflow.
    ratio = sigma / slope
    return gaussian + tail * np.exp(x / slope + ratio**2 / 2 + log_ndtr(-z - ratio))

"""Peak shape: how one X-ray line spreads over the channels.

A line is a Gaussian, with a small share moved into an exponential low-energy tail (incomplete charge
collection), integrated over each channel rather than sampled at its centre.

FWHM(E)^2 = FWHM_Mn^2 + 2.5 eV (E - E_Mn)   (Fiori & Newbury, SEM/1978/I, 401)

The energy axis is straight to about a part in a thousand only: pulse processors bend it a little, which a bow,
zero at 0 and 20 keV, describes to second order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array
from edsnb.core.image import EnergyAxis

MN_KA_EV = 5898.7
"""Energy of Mn Ka, the reference line of detector resolution (Fiori & Newbury 1978)."""
FWHM_SLOPE_EV = 2.5
"""Growth of the squared width with energy: the statistics of charge creation in silicon."""
NOMINAL_FWHM_EV = 130.0
"""Width at Mn Ka that is assumed where a file gives none."""
_NARROWEST_EV = 20.0
_BOW_KEV = 20.0
_SQRT2 = math.sqrt(2.0)
_SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))
_REACH, _TAIL_REACH = 7.0, 9.0
"""Lines are evaluated out to so many sigma, and down to so many slopes of the tail more."""

Lines = tuple[Array, Array]
"""Energies in keV and counts of a family's lines, escapes among them."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the detector makes of a line: calibrated energy axis, width and tail."""

    energy: EnergyAxis
    fwhm_mn_ev: float = NOMINAL_FWHM_EV
    """Full width at half maximum at Mn Ka."""
    tail: float = 0.0
    """Share of a peak's counts that lies in its low-energy tail."""
    tail_slope_ev: float = 80.0
    """Decay length of the tail."""
    bow_ev: float = 0.0
    """How far peaks at 10 keV lie above a straight energy axis through 0 and 20 keV."""
    parts: tuple[tuple[float, Response], ...] = ()
    """Detector segments with an axis of their own: share of the counts and response of each; else empty."""

    def seen_at_kev(self, energy_kev: ArrayLike) -> Array:
        """Return where on the axis a line of true energy `energy_kev` is seen, keV."""
        true = np.asarray(energy_kev, float)
        return true + self.bow_ev * 1e-3 * 4 * true * (_BOW_KEV - true) / _BOW_KEV**2


def added_together(response: Response, first: int, together: int, size: int) -> Response:
    """Return the response of `size` channels of `together` old ones each, counted from the old channel `first`."""
    axis = response.energy
    offset = axis.offset_kev + axis.scale_kev * (first + (together - 1) / 2)
    parts = tuple((share, added_together(part, first, together, size)) for share, part in response.parts)
    return replace(response, energy=EnergyAxis(size, together * axis.scale_kev, offset), parts=parts)


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
    return peak_columns(response, channels, [(np.asarray(energies_kev, float), np.asarray(weights, float))])[:, 0]


def peak_columns(response: Response, channels: slice, families: Sequence[Lines]) -> Array:
    """Return the counts per channel of each family (E', F), given the energies and counts of its lines."""
    if response.parts:
        return np.sum([share * peak_columns(part, channels, families) for share, part in response.parts], axis=0)
    columns = np.zeros((len(families), channels.stop - channels.start))
    if not families:
        return columns.T
    true, weights = (np.concatenate([family[k] for family in families]) for k in (0, 1))
    owners = np.repeat(np.arange(len(families)), [len(family[0]) for family in families])
    axis = response.energy
    sigmas = fwhm_ev(true, response.fwhm_mn_ev) * _SIGMA_PER_FWHM / 1e3
    first_edge = axis.offset_kev + axis.scale_kev * (channels.start - 0.5)
    slope = response.tail_slope_ev / 1e3
    seen = response.seen_at_kev(true)
    _add_lines(seen, weights, sigmas, owners, response.tail, slope, first_edge, axis.scale_kev, columns)
    return columns.T


@numba.njit(cache=True, nogil=True)
def _add_lines(energies, weights, sigmas, owners, tail, slope, first_edge, scale, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in range(len(energies)):
        energy, sigma, column = energies[i], sigmas[i], out[owners[i]]
        # A Gaussian convolved with an exponential towards lower energies.
        ratio = sigma / slope
        below = _REACH * sigma + (_TAIL_REACH * slope if tail > 0.0 else 0.0)
        start = max(0, math.floor((energy - below - first_edge) / scale))
        stop = min(len(column), math.floor((energy + _REACH * sigma - first_edge) / scale) + 2)
        last = 0.0
        for edge in range(start, stop + 1):
            x = first_edge + scale * edge - energy
            # Share of the peak below this edge; the error functions are settled beyond their reach.
            z = x / sigma
            share = 0.5 * math.erfc(-z / _SQRT2) if z > -_REACH else 0.0
            if tail > 0.0:
                part = 0.5 * math.erfc((z + ratio) / _SQRT2) if z + ratio > -_REACH else 1.0
                share += tail * part * math.exp(x / slope + 0.5 * ratio**2)
            if edge > start:
                column[edge - 1] += weights[i] * (share - last)
            last = share

"""The continuum under the peaks, as columns of counts per channel.

physical
    Bremsstrahlung as the detector sees it: ``efficiency(E) E^-m (E0 - E)/E0`` (Kramers, Phil. Mag. 46 (1923) 836,
    with its power left free), times the self-absorption ``(1 - exp(-x))/x``, ``x = mu(E) rho t / sin(take-off)``, of a
    few mass thicknesses of the specimen, times the pulse discriminator, which loses counts near the noise peak.
    Coefficients are non-negative, so it cannot dip below zero or eat a peak. The summed spectrum is fitted with all of
    these terms; single chips with the continuum found there, tilted and bent either way.
polynomial
    As in the published HyperSpy recipe; free coefficients.
none
    Peaks alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr

from edsnb.core.events import Array
from edsnb.core.fitting.detector import efficiency, mass_attenuation

BACKGROUNDS = ("physical", "polynomial", "none")
POWERS = (0.0, 1.0, 2.0)
"""Powers m of the bremsstrahlung."""
MASS_THICKNESSES = (0.0, 1e-4, 1e-3)
"""Mass thicknesses of the absorbing specimen, g/cm2: thin film, thick film, bulk nearby."""
BENDS = 3
"""Terms by which the continuum of a chip may differ from that of the sum: tilt and curvature over log energy."""
THRESHOLDS_KEV = (0.15, 0.2, 0.25, 0.3)
"""Discriminator thresholds tried on the summed spectrum."""
_THRESHOLD_WIDTH_KEV = 0.04
_LOWEST_KEV = 0.05


def polynomial_terms(channels: int, order: int) -> Array:
    """Return Legendre polynomials over the fitted channels (E', order + 1)."""
    return np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, channels), order)


def physical_terms(
    energy_kev: Array,
    beam_kev: float | None,
    *,
    absorber: Mapping[str, float] | None = None,
    take_off_deg: float = 90.0,
) -> Array:
    """Return the terms of the physical continuum (E', B), each with a mean of 1.

    Parameters
    ----------
    energy_kev
        (E',) centres of the channels.
    beam_kev
        Where bremsstrahlung ends; None for far above the range.
    absorber
        Weight fractions of the specimen, for self-absorption; None for none.
    take_off_deg
        Elevation of the detector.
    """
    energy = np.maximum(energy_kev, _LOWEST_KEV)
    end = np.inf if beam_kev is None else beam_kev
    shape = efficiency(energy) * np.clip(1.0 - energy / end, 0.0, None)
    seen = [np.ones_like(energy)]
    if absorber:
        path = mass_attenuation(absorber, energy) / np.sin(np.deg2rad(take_off_deg))
        seen += [-np.expm1(-path * t) / (path * t) for t in MASS_THICKNESSES if t]
    return _mean_one(np.stack([shape * energy**-power * absorbed for absorbed in seen for power in POWERS], axis=1))


def discriminated(terms: Array, energy_kev: Array, threshold_kev: float) -> Array:
    """Return background terms (E', B) behind a discriminator that passes half of the pulses at `threshold_kev`.

    A threshold of 0 stands for none.
    """
    if not threshold_kev:
        return terms
    return _mean_one(terms * ndtr((energy_kev - threshold_kev) / _THRESHOLD_WIDTH_KEV)[:, None])


def tilted_terms(continuum: Array, energy_kev: Array) -> Array:
    """Return a continuum (E',) that may tilt and bend, as terms (E', BENDS), each with a mean of 1.

    The continuum times the Bernstein polynomials of degree 2 over log energy. None of them is negative, and they add up
    to the continuum itself: a chip whose continuum is that of the sum lies well inside of what non-negative
    coefficients reach. At the edge of it, half of the chips would be held there, and their lines would pay for it.
    """
    depth = np.log(np.maximum(energy_kev, _LOWEST_KEV))
    x = (depth - depth[0]) / max(depth[-1] - depth[0], 1e-9)
    return _mean_one(continuum[:, None] * np.stack([(1 - x) ** 2, 2 * x * (1 - x), x**2], axis=1))


def _mean_one(terms: Array) -> Array:
    """Return terms (E', B) scaled to a mean of 1; those that are nowhere above zero stay so."""
    mean = terms.mean(axis=0)
    return terms / np.where(mean > 0, mean, 1.0)

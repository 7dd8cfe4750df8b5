"""From counts to composition: the propagation that all methods of quantification share.

Counts I_i become masses ``m_i = p_i F_i`` with ``p_i = k_i I_i`` and the correction F for absorption (1 without it);
``wt%_i = 100 m_i / sum_j m_j`` and ``at%_i = 100 (m_i/A_i) / sum_j (m_j/A_j)``. Both are shares
``x_i = f_i m_i / sum_j f_j m_j``, whose derivative is ``dx_i/dm_j = (delta_ij - x_i) f_j / sum``. Covariances are
propagated to first order through every step: from the counts, and apart from them from the k-factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult, Status
from edsnb.core.fitting.lines import LineFamily, atomic_weight
from edsnb.core.quant.absorption import Corrected, Film, correct
from edsnb.core.quant.kfactors import Convention, KFactors
from edsnb.core.quant.limits import limit_counts
from edsnb.errors import KFactorError

DETECTED = 3.0
"""A line counts as detected above this many standard deviations; a spectrum in which no quantified line is detected
is not quantified."""


@dataclass(frozen=True, slots=True, eq=False)
class Masses:
    """Masses of K elements in n spectra, in the unit of k times counts times scale; NaN where status says why."""

    values: Array
    """(n, K)."""
    covariance: Array
    """(n, K, K) from counting statistics."""
    covariance_k: Array | None
    """(n, K, K) from the k-factors; None where the error of one is not known."""
    limits: Array
    """(n, K) mass of each element at its detection limit."""
    correction: Array
    """(n, K) for absorption; 1 without it."""
    status: Array
    """(n,) Status values, uint8."""

    def shares(self, factors: Array) -> tuple[Array, Array, Array | None]:
        """Return ``100 f_i m_i / sum_j f_j m_j`` (n, K) and its covariances from counting and from k."""
        usable = np.asarray(np.isfinite(self.values).all(axis=1))
        percent, covariance = shares(self.values, self.covariance, factors, usable)
        if self.covariance_k is None:
            return percent, covariance, None
        return percent, covariance, shares(self.values, self.covariance_k, factors, usable)[1]

    def limit_shares(self, factors: Array) -> Array:
        """Return each element's share at its detection limit (n, K), the other elements being as they are."""
        parts, limits = self.values * factors, self.limits * factors
        others = np.maximum(parts.sum(axis=1, keepdims=True) - parts, 0.0)
        return np.asarray(100 * limits / (others + limits))


def masses_of(
    fit: FitResult,
    families: list[LineFamily],
    used: KFactors,
    *,
    scale: Array | float = 1.0,
    film: Film | None = None,
    mass_thickness: Array | None = None,
) -> Masses:
    """Return the masses that counts stand for.

    Parameters
    ----------
    fit, families, used
        The fit, the family that quantifies each element, and their k-factors.
    scale
        Mass for each count and unit of k: (n, 1), or one number.
    film, mass_thickness
        To correct for absorption; see `edsnb.core.quant.absorption.correct`.
    """
    columns = [fit.column(family.name) for family in families]
    k = np.array([used.factors[family.name] for family in families])
    counts, covariance = line_counts(fit, columns, used.convention)
    per_count = np.broadcast_to(k * scale, counts.shape)
    status = _status(fit, counts, covariance, (k, k / weights_of(families)))
    found = _corrected(counts * per_count, _usable(status), film, mass_thickness)
    status[_usable(status) & ~found.settled] = Status.TOO_THICK
    alone = np.where(_usable(status)[:, None, None], found.slope, np.nan)
    slope = alone * per_count[:, None, :]
    sd = np.array([used.sd.get(family.name, np.nan) for family in families])
    by_k = None
    if np.isfinite(sd).all():
        by_k = _propagated(alone, (counts * per_count * sd / k)[:, :, None] ** 2 * np.eye(len(k)))
    limits = limit_counts(fit, columns) * (fit.alpha_fractions[columns] if used.convention == "alpha" else 1.0)
    return Masses(
        values=np.where(_usable(status)[:, None], found.masses, np.nan),
        covariance=_propagated(slope, covariance),
        covariance_k=by_k,
        limits=limits * per_count * found.factors,
        correction=found.factors,
        status=status,
    )


def shares(counts: Array, covariance: Array, factors: Array, usable: Array) -> tuple[Array, Array]:
    """Return ``100 f_i I_i / sum_j f_j I_j`` (n, K) and its covariance (n, K, K), exact to first order.

    Rows that are not `usable` are NaN.
    """
    parts = counts[usable] * factors
    total = parts.sum(axis=1)[:, None]
    fractions = parts / total
    slope = (np.eye(len(factors)) - fractions[:, :, None]) * (factors / total)[:, None, :]
    percent, spread = np.full(counts.shape, np.nan), np.full(covariance.shape, np.nan)
    percent[usable] = 100 * fractions
    spread[usable] = 1e4 * _propagated(slope, covariance[usable])
    return percent, spread


def line_counts(fit: FitResult, columns: list[int], convention: Convention) -> tuple[Array, Array]:
    """Return the counts (n, K) that k-factors of this convention go with, and their covariance (n, K, K)."""
    counts = fit.intensities[:, columns]
    covariance = fit.covariance[:, columns][:, :, columns]
    if convention == "family":
        return counts, covariance
    alpha = fit.alpha_fractions[columns]
    if not (alpha > 0).all():
        without = ", ".join(fit.families[c].name for c, a in zip(columns, alpha, strict=True) if not a > 0)
        raise KFactorError(
            f"alpha k-factors cannot be used for {without}: no alpha line in {fit.families[columns[0]].table}. "
            "Use family k-factors or other lines."
        )
    return counts * alpha, covariance * np.outer(alpha, alpha)


def weights_of(families: list[LineFamily]) -> Array:
    """Return the atomic weight of each family's element (K,)."""
    return np.array([atomic_weight(family.element) for family in families])


def _usable(status: Array) -> Array:
    """Return which spectra (n,) are quantified."""
    return np.isin(status, (Status.OK, Status.NOT_CONVERGED))


def _status(fit: FitResult, counts: Array, covariance: Array, factors: tuple[Array, ...]) -> Array:
    """Return the status of each spectrum: that of the fit, or NOTHING_FOUND."""
    status = np.array(fit.status, np.uint8)
    status[_usable(status) & ~np.isfinite(counts).all(axis=1)] = Status.FAILED
    # An unconstrained fit can give a sum below zero: shares of it mean nothing.
    found = np.all([(counts * f).sum(axis=1) > 0 for f in factors], axis=0)
    # Nor do shares of what may be noise alone, as in vacuum. An engine without uncertainties cannot tell (NaN).
    sd = np.sqrt(np.einsum("nii->ni", covariance))
    found &= ~(counts < DETECTED * sd).all(axis=1)
    status[_usable(status) & ~found] = Status.NOTHING_FOUND
    return status


def _corrected(parts: Array, rows: Array, film: Film | None, mass_thickness: Array | None) -> Corrected:
    """Return the masses of the usable `rows`, corrected for absorption if there is a film."""
    n, width = parts.shape
    if film is None:
        eye = np.broadcast_to(np.eye(width), (n, width, width))
        return Corrected(parts, np.ones(parts.shape), eye, np.ones(n, bool))
    found = correct(parts[rows], film, None if mass_thickness is None else mass_thickness[rows])
    masses, factors = np.full((n, width), np.nan), np.ones((n, width))
    slope, settled = np.full((n, width, width), np.nan), np.zeros(n, bool)
    masses[rows], slope[rows], settled[rows] = found.masses, found.slope, found.settled
    factors[rows] = np.where(found.settled[:, None], found.factors, np.nan)
    return Corrected(masses, factors, slope, settled)


def _propagated(slope: Array, covariance: Array) -> Array:
    """Return ``J C J'`` of each spectrum (n, K, K)."""
    return np.asarray(slope @ covariance @ slope.transpose(0, 2, 1))

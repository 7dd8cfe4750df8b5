"""Detection limits: how many counts a line needs before it is more than noise.

A line that is absent is still fitted with some counts, whose standard deviation sd0 follows from the Fisher
information of the spectrum without it: background, and all lines that overlap with it. Counts above ``3 sd0`` are
taken as a detection: the critical level of Currie (Anal. Chem. 40 (1968) 586) with 3 in place of 1.645, which is
the 3-sigma detection limit of X-ray microanalysis and of IUPAC. Noise alone passes it in 1 of 740 spectra, in about
1 of 100 where only a few counts lie under the line, as their distribution is skew; an element that lies just at it is
found in half of them.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.solve import inverse_information, pair_products, smallest_model, unpack_symmetric
from edsnb.core.fitting.threads import ONE_BLAS_THREAD

SIGMAS = 3.0
"""Standard deviations of an absent line that count as a detection."""
ONE_SIDED_95 = 1.645
"""Standard deviations above which 5 % of a normal distribution lie."""
_BLOCK = 128
"""Spectra worked on together, which bounds the memory."""
_NOTHING = 1e-4
"""Channels in which a line has less than this share of its highest are as good as without it."""


def score_limit(counts: Array, sd: Array, z: float = ONE_SIDED_95) -> Array:
    """Return the upper limit of counts that were found with some standard deviation: ``I + z²/2 + z sqrt(sd² + z²/4)``.

    More counts than that would have given as few as were found in 5 % of all spectra only (z = 1.645). It is the upper
    end of Wilson's score interval for Poisson counts (J. Am. Stat. Assoc. 22 (1927) 209), whose variance is that of
    the limit itself: where nothing was found and sd is 0 it is z², not 0.
    """
    return np.asarray(counts + 0.5 * z**2 + z * np.sqrt(np.square(sd) + 0.25 * z**2))


def limit_counts(fit: FitResult, columns: list[int]) -> Array:
    """Return the counts (n, K) that the families in `columns` need to be detected; NaN where there is no model.

    A spectrum's other lines and its background are taken as fitted. The limit is that of a maximum-likelihood fit,
    whichever engine made `fit`.
    """
    coefficients = np.concatenate([fit.intensities, fit.background], axis=1)
    out = np.full((len(fit), len(columns)), np.nan)
    scale = np.linalg.norm(fit.columns, axis=0)
    if not (scale > 0).all():
        return out
    scaled = np.ascontiguousarray(fit.columns / scale)
    pairs = pair_products(scaled)
    usable = np.flatnonzero(np.isfinite(coefficients).all(axis=1))
    blocks = [usable[start : start + _BLOCK] for start in range(0, len(usable), _BLOCK)]

    def work(rows: Array) -> None:
        sd = _absent_sd(scaled, pairs, coefficients[rows] * scale, columns, len(fit.families))
        out[rows] = SIGMAS * sd / scale[columns]

    with ONE_BLAS_THREAD, ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, blocks))
    return out


def _absent_sd(model: Array, pairs: Array, coefficients: Array, columns: list[int], families: int) -> Array:
    """Return sd0 (m, K) of each line if it were absent from spectra with these `coefficients` (m, p)."""
    spectra = coefficients @ model.T
    floor = smallest_model(spectra)
    weights = 1.0 / np.maximum(spectra, floor)
    full = weights @ pairs
    # Background terms that the fit holds at zero do not vary.
    held = coefficients == 0
    held[:, :families] = False
    out = np.empty((len(coefficients), len(columns)))
    for k, column in enumerate(columns):
        line = model[:, column]
        near = np.flatnonzero(line > _NOTHING * line.max())
        absent = spectra[:, near] - coefficients[:, column, None] * line[near]
        gained = 1.0 / np.maximum(absent, floor) - weights[:, near]
        information = unpack_symmetric(full + gained @ pairs[near], model.shape[1])
        out[:, k] = np.sqrt(inverse_information(information, held)[:, column, column])
    return out

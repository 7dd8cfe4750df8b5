"""Many small Poisson fits at once.

Every spectrum is y = A c + noise with the same columns A (E', p) and Poisson counts. Fisher scoring
(McCullagh & Nelder, Generalized Linear Models, 1989, ch. 2.5) repeats a weighted least-squares fit with
weights 1 / model until the maximum of the likelihood is reached; each step solves the normal equations of
all spectra at once under the non-negativity constraints. The covariance is the inverse Fisher information.

Weights come from the model, never from the counts: 1 / max(y, 1) is biased where counts are few.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from edsnb.core.events import Array
from edsnb.errors import CancelledError

Progress = Callable[[int, int], object]
"""Called with (done, total); returning False stops the work."""

_BLOCK = 128
"""Spectra solved together; blocks share the cores, and bound the memory."""
_ITERATIONS = 30
_SETTLED = 1e-3
"""A fit has settled when no coefficient moves by more than this share of its standard deviation, or when the
deviance, a squared distance in standard deviations, changes by less than its square."""
_FLOOR = 1e-3
"""Smallest model value, as a share of the spectrum's mean counts: keeps weights finite between the peaks."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Coefficients of n spectra."""

    coefficients: Array
    """(n, p)."""
    covariance: Array
    """(n, p, p); NaN where the columns cannot be told apart."""
    chi2: Array
    """(n,) Pearson chi-square over the degrees of freedom."""
    deviance: Array
    """(n,) Poisson deviance per channel."""
    settled: Array
    """(n,) bool, whether the last step was small."""


def solve(
    counts: Array,
    columns: Array,
    nonnegative: Array,
    *,
    poisson: bool = True,
    keep: int = 0,
    progress: Progress | None = None,
) -> Solution:
    """Fit every row of `counts` with the same columns.

    Parameters
    ----------
    counts
        (n, E') X-rays.
    columns
        (E', p) model for unit coefficients.
    nonnegative
        (p,) bool, coefficients that may not be negative.
    poisson
        Maximum likelihood for Poisson counts; False for plain least squares, unweighted, with the covariance
        that Poisson counts give such an estimate.
    keep
        The first `keep` columns (the line families) stay in the covariance even where the constraint holds them at
        zero: the standard deviation of an absent line is then that of its upper limit. Other terms held at
        zero are taken out, as they do not vary.
    progress
        Told (done, total) after each block; returning False raises CancelledError.

    Returns
    -------
    Solution
    """
    columns = np.ascontiguousarray(columns, np.float64)
    scale = np.linalg.norm(columns, axis=0)
    scale[scale == 0] = 1.0
    scaled = columns / scale
    pairs = pair_products(scaled)
    n, p = len(counts), columns.shape[1]
    out = Solution(np.zeros((n, p)), np.zeros((n, p, p)), np.zeros(n), np.zeros(n), np.zeros(n, bool))
    shape = np.asarray(counts, np.float64).sum(axis=0)
    shape /= max(shape.mean(), 1e-300)

    def work(block: slice) -> int:
        y = np.ascontiguousarray(counts[block], np.float64)
        fitted = (_poisson if poisson else _least_squares)(y, scaled, pairs, nonnegative, shape)
        coefficients, information, model, settled = fitted
        held = nonnegative & (coefficients <= 0)
        held[:, :keep] = False
        covariance = inverse_information(information, held)
        if not poisson:
            covariance = _sandwich(covariance, pairs, model, p)
        out.coefficients[block] = coefficients / scale
        out.covariance[block] = covariance / np.outer(scale, scale)
        out.settled[block] = settled
        free = np.maximum(y.shape[1] - p + held.sum(axis=1), 1)
        out.chi2[block] = ((y - model) ** 2 / model).sum(axis=1) / free
        out.deviance[block] = _deviance(y, model) / y.shape[1]
        return block.stop

    blocks = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]
    # One BLAS thread per block: several each would fight for the same cores (measured: 2.5 times slower).
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(work, blocks):
            if progress is not None and progress(done, n) is False:
                pool.shutdown(cancel_futures=True)
                raise CancelledError(f"the fit was stopped after {done} of {n} spectra; nothing was kept.")
    return out


Fitted = tuple[Array, Array, Array, Array]


def _least_squares(y: Array, columns: Array, pairs: Array, nonnegative: Array, _shape: Array) -> Fitted:
    """Return coefficients, normal matrices, model and flags of an unweighted fit."""
    information = np.repeat(unpack_symmetric(np.ones((1, y.shape[1])) @ pairs, columns.shape[1]), len(y), axis=0)
    coefficients = bounded(information, y @ columns, nonnegative)
    model = np.maximum(coefficients @ columns.T, smallest_model(y))
    return coefficients, information, model, np.ones(len(y), bool)


def _poisson(y: Array, columns: Array, pairs: Array, nonnegative: Array, shape: Array) -> Fitted:
    """Return coefficients, Fisher information, model and flags of the maximum-likelihood fit."""
    floor = smallest_model(y)
    # First weights: the mean spectrum at each spectrum's height, softened so that no channel dominates.
    model = y.mean(axis=1, keepdims=True) * (0.8 * shape + 0.2)
    coefficients = np.zeros((len(y), columns.shape[1]))
    deviance = np.full(len(y), np.inf)
    information = np.zeros((len(y), columns.shape[1], columns.shape[1]))
    settled = np.zeros(len(y), bool)
    active = np.arange(len(y))
    for _ in range(_ITERATIONS):
        weights = 1.0 / np.maximum(model[active], floor[active])
        step_information = unpack_symmetric(weights @ pairs, columns.shape[1])
        target = bounded(step_information, (weights * y[active]) @ columns, nonnegative)
        new, new_model, new_deviance = _descend(
            y[active], columns, coefficients[active], target, deviance[active], floor[active]
        )
        moved = np.abs(new - coefficients[active]) * np.sqrt(np.einsum("nii->ni", step_information))
        gained = deviance[active] - new_deviance
        coefficients[active], model[active], deviance[active] = new, new_model, new_deviance
        information[active] = step_information
        done = (moved.max(axis=1) < _SETTLED) | (np.abs(gained) < _SETTLED**2)
        settled[active[done]] = True
        active = active[~done]
        if not len(active):
            break
    return coefficients, information, np.maximum(model, floor), settled


def _descend(
    y: Array, columns: Array, old: Array, target: Array, deviance: Array, floor: Array
) -> tuple[Array, Array, Array]:
    """Step from `old` towards `target`, halving the step of spectra whose deviance would rise."""
    new = target
    model = np.maximum(new @ columns.T, floor)
    found = _deviance(y, model)
    for _ in range(6):
        worse = np.flatnonzero(found > deviance + 1e-9 * np.abs(deviance))
        if not len(worse):
            break
        new[worse] = 0.5 * (new[worse] + old[worse])
        model[worse] = np.maximum(new[worse] @ columns.T, floor[worse])
        found[worse] = _deviance(y[worse], model[worse])
    return new, model, found


def smallest_model(y: Array) -> Array:
    """Return the smallest model value of each spectrum (n, 1)."""
    return np.maximum(_FLOOR * y.mean(axis=1, keepdims=True), 1e-12)


def pair_products(columns: Array) -> Array:
    """Return the products of all pairs of columns (E', p (p + 1) / 2), so that one GEMM makes all normal matrices."""
    upper = np.triu_indices(columns.shape[1])
    return np.ascontiguousarray(columns[:, upper[0]] * columns[:, upper[1]])


def unpack_symmetric(packed: Array, p: int) -> Array:
    """Return symmetric matrices (n, p, p) from their packed upper triangles."""
    upper = np.triu_indices(p)
    out = np.empty((len(packed), p, p))
    out[:, upper[0], upper[1]] = packed
    out[:, upper[1], upper[0]] = packed
    return out


def _sandwich(bread: Array, pairs: Array, model: Array, p: int) -> Array:
    """Return the covariance of an unweighted estimate from Poisson counts: bread . meat . bread."""
    return bread @ unpack_symmetric(model @ pairs, p) @ bread


def inverse_information(information: Array, held: Array) -> Array:
    """Invert (n, p, p) without the held coefficients, whose rows become zero; NaN where it is singular."""
    p = information.shape[1]
    diagonal = np.sqrt(np.maximum(np.einsum("nii->ni", information), 1e-300))
    matrix = information / (diagonal[:, :, None] * diagonal[:, None, :])
    matrix = np.where(held[:, :, None] | held[:, None, :], np.eye(p), matrix)
    usable = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
    usable[usable] = np.linalg.cond(matrix[usable]) < 1e12
    out = np.full_like(matrix, np.nan)
    out[usable] = np.linalg.inv(matrix[usable]) / (diagonal[usable, :, None] * diagonal[usable, None, :])
    return np.where((held[:, :, None] | held[:, None, :]) & usable[:, None, None], 0.0, out)


def bounded(matrices: Array, vectors: Array, nonnegative: Array) -> Array:
    """Minimise c'Mc/2 - v'c for every spectrum under c >= 0 where `nonnegative` (n, p)."""
    out = np.zeros_like(vectors)
    # A read-only `nonnegative` would be another type to numba, and compile the kernel once more.
    _bounded_kernel(np.ascontiguousarray(matrices), np.ascontiguousarray(vectors), np.array(nonnegative, bool), out)
    return out


@numba.njit(cache=True, nogil=True)
def _deviance(y, model):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the Poisson deviance of each row."""
    out = np.zeros(y.shape[0])
    for i in range(y.shape[0]):
        total = 0.0
        for e in range(y.shape[1]):
            total += model[i, e] - y[i, e]
            if y[i, e] > 0.0:
                total += y[i, e] * np.log(y[i, e] / model[i, e])
        out[i] = 2.0 * total
    return out


@numba.njit(cache=True, nogil=True)
def _solve_passive(matrix, vector, passive, work, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Solve the passive part of matrix . out = vector by Cholesky; return whether it is positive definite."""
    index = np.flatnonzero(passive)
    m = len(index)
    out[:] = 0.0
    for i in range(m):
        for j in range(i + 1):
            total = matrix[index[i], index[j]]
            for k in range(j):
                total -= work[i, k] * work[j, k]
            if i == j:
                if total <= 1e-13 * matrix[index[i], index[i]]:
                    return False
                work[i, i] = np.sqrt(total)
            else:
                work[i, j] = total / work[j, j]
    for i in range(m):
        total = vector[index[i]]
        for k in range(i):
            total -= work[i, k] * out[index[k]]
        out[index[i]] = total / work[i, i]
    for i in range(m - 1, -1, -1):
        total = out[index[i]]
        for k in range(i + 1, m):
            total -= work[k, i] * out[index[k]]
        out[index[i]] = total / work[i, i]
    return True


@numba.njit(cache=True, nogil=True)
def _bounded_kernel(matrices, vectors, nonnegative, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Active-set method (Lawson & Hanson, Solving Least Squares Problems, 1974, ch. 23) on normal equations."""
    p = vectors.shape[1]
    for i in range(vectors.shape[0]):
        matrix, vector = matrices[i], vectors[i]
        work, trial = np.zeros((p, p)), np.zeros(p)
        solution = np.zeros(p)
        passive = np.diag(matrix) > 0.0
        # Start from all free, as nearly all lines are present; then repair.
        if _solve_passive(matrix, vector, passive, work, trial):
            for j in range(p):
                if nonnegative[j] and trial[j] <= 0.0:
                    passive[j] = False
        else:
            passive = ~nonnegative & passive
        for _ in range(6 * p):
            while _solve_passive(matrix, vector, passive, work, trial):
                step, blocked = 1.0, -1
                for j in range(p):
                    if passive[j] and nonnegative[j] and trial[j] < 0.0:
                        share = solution[j] / (solution[j] - trial[j])
                        if share < step:
                            step, blocked = share, j
                for j in range(p):
                    solution[j] += step * (trial[j] - solution[j])
                if blocked < 0:
                    break
                passive[blocked] = False
                solution[blocked] = 0.0
            gradient = vector - matrix @ solution
            best, enter = 1e-9, -1
            for j in range(p):
                if not passive[j] and nonnegative[j] and matrix[j, j] > 0.0:
                    pull = gradient[j] / np.sqrt(matrix[j, j])
                    if pull > best * (1.0 + abs(vector[j]) / np.sqrt(matrix[j, j])):
                        best, enter = pull / (1.0 + abs(vector[j]) / np.sqrt(matrix[j, j])), j
            if enter < 0:
                break
            passive[enter] = True
        out[i] = solution

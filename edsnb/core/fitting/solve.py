"""Many small Poisson fits at once.

Every spectrum is y = A c + noise with the same columns A (E', p) and Poisson counts. Fisher scoring
(McCullagh & Nelder, Generalized Linear Models, 1989, ch. 2.5) repeats a weighted least-squares fit with
weights 1 / model until the maximum of the likelihood is reached; each step solves the normal equations of
all spectra at once under the non-negativity constraints. The covariance is the inverse Fisher information.

Weights come from the model, never from the counts: 1 / max(y, 1) is biased where counts are few.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.errors import CancelledError

Progress = Callable[[int, int], object]
"""Called with (done, total); returning False stops the work."""

_BLOCK = 64
"""Spectra solved together; blocks share the cores, and bound the memory."""
_FEW = 8
"""Up to this many spectra are weighted one by one."""
_ITERATIONS = 100
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
    n, p = len(counts), columns.shape[1]
    out = Solution(np.zeros((n, p)), np.zeros((n, p, p)), np.zeros(n), np.zeros(n), np.zeros(n, bool))
    blocks = [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]

    def work(block: slice) -> int:
        y = np.ascontiguousarray(counts[block], np.float64)
        coefficients, information, model, settled = (_poisson if poisson else _least_squares)(y, problem)
        held = nonnegative & (coefficients <= 0)
        held[:, :keep] = False
        covariance = inverse_information(information, held)
        if not poisson:
            covariance = covariance @ problem.normal(model) @ covariance
        out.coefficients[block] = coefficients / scale
        out.covariance[block] = covariance / np.outer(scale, scale)
        out.settled[block] = settled
        free = np.maximum(y.shape[1] - p + held.sum(axis=1), 1)
        out.chi2[block] = ((y - model) ** 2 / model).sum(axis=1) / free
        out.deviance[block] = _weigh(y, model, np.empty_like(y), np.empty_like(y)) / y.shape[1]
        return block.stop

    with ONE_BLAS_THREAD, ThreadPoolExecutor(os.cpu_count()) as pool:
        problem = _problem(counts, scaled, np.asarray(nonnegative, bool))
        # A single block needs no other thread.
        for done in pool.map(work, blocks) if len(blocks) > 1 else map(work, blocks):
            if progress is not None and progress(done, n) is False:
                pool.shutdown(cancel_futures=True)
                raise CancelledError(f"the fit was stopped after {done} of {n} spectra; nothing was kept.")
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """What all spectra share."""

    columns: Array
    """(E', p), each of norm 1."""
    nonnegative: Array
    pairs: Array | None
    """(E', p (p + 1) / 2) from `pair_products`; None for few spectra, which are not worth it."""
    weights: Array
    """(E',) first weights for a spectrum of mean 1: the mean spectrum, softened so that no channel dominates."""
    information: Array
    """(p, p) normal matrix with these."""

    def normal(self, weights: Array) -> Array:
        """Return A' W A (n, p, p) for the weights (n, E') of each spectrum."""
        if self.pairs is None:
            return np.array([(self.columns.T * row) @ self.columns for row in weights])
        return unpack_symmetric(weights @ self.pairs, self.columns.shape[1])


def _problem(counts: Array, columns: Array, nonnegative: Array) -> _Problem:
    """Return what the spectra `counts` (n, E') share."""
    pairs = pair_products(columns) if len(counts) > _FEW else None
    total = np.asarray(counts.sum(axis=0), np.float64)
    weights = 1.0 / (0.8 * total / max(total.mean(), 1e-300) + 0.2)
    return _Problem(columns, nonnegative, pairs, weights, (columns.T * weights) @ columns)


Fitted = tuple[Array, Array, Array, Array]


def _least_squares(y: Array, problem: _Problem) -> Fitted:
    """Return coefficients, normal matrices, model and flags of an unweighted fit."""
    columns = problem.columns
    information = np.repeat((columns.T @ columns)[None], len(y), axis=0)
    coefficients = bounded(information, y @ columns, problem.nonnegative)
    model = np.maximum(coefficients @ columns.T, smallest_model(y))
    return coefficients, information, model, np.ones(len(y), bool)


def _poisson(y: Array, problem: _Problem) -> Fitted:
    """Return coefficients, Fisher information, model and flags of the maximum-likelihood fit."""
    columns, p = problem.columns, problem.columns.shape[1]
    out = np.empty((len(y), p)), np.empty((len(y), p, p)), np.empty_like(y), np.zeros(len(y), bool)
    active, floor = np.arange(len(y)), smallest_model(y)
    # The first weights are the same for all spectra, but for their height.
    height = np.maximum(y.mean(axis=1), 1e-12)[:, None]
    information = problem.information / height[:, :, None]
    vectors = (y @ (columns * problem.weights[:, None])) / height
    new, deviance = np.zeros((len(y), p)), np.full(len(y), np.inf)
    weights, ratio = np.empty_like(y), np.empty_like(y)
    for step in range(_ITERATIONS):
        if step:
            information, vectors = problem.normal(weights), ratio @ columns
        old, old_deviance, new = new, deviance, bounded(information, vectors, problem.nonnegative)
        model = np.maximum(new @ columns.T, floor)
        deviance = _weigh(y, model, weights, ratio)
        _step_back(y, problem, (old, old_deviance, floor), (new, model, deviance, weights, ratio))
        moved = np.abs(new - old) * np.sqrt(np.einsum("nii->ni", information))
        done = (moved.max(axis=1) < _SETTLED) | (np.abs(old_deviance - deviance) < _SETTLED**2)
        out[3][active[done]] = True
        if done.any() or step == _ITERATIONS - 1:
            done |= step == _ITERATIONS - 1
            for values, found in zip(out, (new, information, model), strict=False):
                values[active[done]] = found[done]
            left = ~done
            active, y, floor, new, deviance = active[left], y[left], floor[left], new[left], deviance[left]
            weights, ratio = weights[left], ratio[left]
        if not len(active):
            break
    return out


def _step_back(y: Array, problem: _Problem, old: tuple[Array, ...], new: tuple[Array, ...]) -> None:
    """Halve the step of spectra whose deviance rose, in place."""
    coefficients, model, deviance, weights, ratio = new
    for _ in range(6):
        worse = np.flatnonzero(deviance > old[1] + 1e-9 * np.abs(old[1]))
        if not len(worse):
            break
        coefficients[worse] = 0.5 * (coefficients[worse] + old[0][worse])
        model[worse] = np.maximum(coefficients[worse] @ problem.columns.T, old[2][worse])
        part = np.empty((2, len(worse), y.shape[1]))
        deviance[worse] = _weigh(y[worse], model[worse], *part)
        weights[worse], ratio[worse] = part


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
    out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]] = packed
    return out


def inverse_information(information: Array, held: Array) -> Array:
    """Invert (n, p, p) without the held coefficients, whose rows become zero; NaN where it is singular."""
    p = information.shape[1]
    diagonal = np.sqrt(np.maximum(np.einsum("nii->ni", information), 1e-300))
    matrix = information / (diagonal[:, :, None] * diagonal[:, None, :])
    matrix = np.where(held[:, :, None] | held[:, None, :], np.eye(p), matrix)
    usable = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
    usable[usable] = np.linalg.cond(matrix[usable], 1) < 1e12
    out = np.full_like(matrix, np.nan)
    out[usable] = np.linalg.inv(matrix[usable]) / (diagonal[usable, :, None] * diagonal[usable, None, :])
    return np.where((held[:, :, None] | held[:, None, :]) & usable[:, None, None], 0.0, out)


def bounded(matrices: Array, vectors: Array, nonnegative: Array) -> Array:
    """Minimise c'Mc/2 - v'c for every spectrum under c >= 0 where `nonnegative` (n, p)."""
    p = vectors.shape[1]
    out, passive = np.zeros_like(vectors), np.zeros(p, bool)
    index, work, trial = np.zeros(p, np.int64), np.zeros((p, p)), np.zeros(p)
    # A read-only `nonnegative` would be another type to numba, and compile the kernel once more.
    bounds = np.array(nonnegative, bool)
    matrices, vectors = np.ascontiguousarray(matrices), np.ascontiguousarray(vectors)
    _bounded_kernel(matrices, vectors, bounds, passive, index, work, trial, out)
    return out


def _weigh(y: Array, model: Array, weights: Array, ratio: Array) -> Array:
    """Return the Poisson deviance of each row, and write 1 / model and y / model."""
    logarithms = np.empty_like(y)
    _weights_kernel(y, model, weights, ratio, logarithms)
    # NumPy takes several logarithms at once where the processor can; numba takes them one by one.
    np.log(logarithms, out=logarithms)
    return 2.0 * (np.einsum("ne,ne->n", y, logarithms) + (model.sum(axis=1) - y.sum(axis=1)))


@numba.njit(cache=True, nogil=True)
def _weights_kernel(y, model, weights, ratio, positive):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write 1 / model, y / model, and the latter again with 1 where there are no counts."""
    for i in range(y.shape[0]):
        for e in range(y.shape[1]):
            weight = 1.0 / model[i, e]
            share = y[i, e] * weight
            weights[i, e], ratio[i, e] = weight, share
            positive[i, e] = share if share > 0.0 else 1.0


@numba.njit(cache=True, nogil=True)
def _solve_passive(matrix, vector, passive, index, work, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Solve the passive part of matrix . out = vector by Cholesky; return whether it is positive definite."""
    m = 0
    for i in range(len(vector)):
        out[i] = 0.0
        if passive[i]:
            index[m] = i
            m += 1
    for i in range(m):
        for j in range(i + 1):
            total = matrix[index[i], index[j]]
            for k in range(j):
                total -= work[i, k] * work[j, k]
            if i == j:
                if total <= 1e-13 * matrix[index[i], index[i]]:
                    return False
                work[i, i] = math.sqrt(total)
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
def _strongest_pull(matrix, vector, passive, nonnegative, solution):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the held coefficient that the gradient pulls up most, -1 where there is none."""
    best, enter = 1e-9, -1
    for j in range(len(vector)):
        if passive[j] or not nonnegative[j] or matrix[j, j] <= 0.0:
            continue
        gradient = vector[j]
        for k in range(len(vector)):
            gradient -= matrix[j, k] * solution[k]
        pull = gradient / (math.sqrt(matrix[j, j]) + abs(vector[j]))
        if pull > best:
            best, enter = pull, j
    return enter


@numba.njit(cache=True, nogil=True)
def _bounded_kernel(matrices, vectors, nonnegative, passive, index, work, trial, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Active-set method (Lawson & Hanson, Solving Least Squares Problems, 1974, ch. 23) on normal equations."""
    p = vectors.shape[1]
    for i in range(vectors.shape[0]):
        matrix, vector, solution = matrices[i], vectors[i], out[i]
        for j in range(p):
            solution[j] = 0.0
            passive[j] = matrix[j, j] > 0.0
        # Start from all free, as nearly all lines are present; then repair.
        free = _solve_passive(matrix, vector, passive, index, work, trial)
        for j in range(p):
            if nonnegative[j] and (not free or trial[j] <= 0.0):
                passive[j] = False
        for _ in range(6 * p):
            while _solve_passive(matrix, vector, passive, index, work, trial):
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
            enter = _strongest_pull(matrix, vector, passive, nonnegative, solution)
            if enter < 0:
                break
            passive[enter] = True

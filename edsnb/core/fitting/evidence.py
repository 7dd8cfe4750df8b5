"""What a spectrum says for and against a column of a model, when misfits of the others may give way.

A spectrum y (E',) is Poisson around ``A a + S s``: columns A with amounts a >= 0, and slack S, columns of misfit whose
amounts s have standard normal priors. What is minimised is the objective

    sum(trust * deviance) + s's,

with the share of counting statistics that each channel can be trusted with, ``trust`` <= 1 (one over the local
over-dispersion; quasi-likelihood, McCullagh & Nelder, Generalized Linear Models, 1989, ch. 9). Evidence for a column is
how much lower the objective becomes with it: a likelihood ratio, whose root counts standard deviations.

Near the best fit the objective is a quadratic form. Slack is eliminated from it once, for the columns of the model and
all that are not in it; each trial, with some columns and without others, is then a small bounded problem, whose
solution is put into the objective itself, as few counts are far from quadratic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import uniform_filter1d
from scipy.special import xlogy

from edsnb.core.events import Array
from edsnb.core.fitting.solve import bounded, inverse_information, smallest_model

_STEPS = 8
_SETTLED = 0.02
"""A fit has settled when the objective, a squared number of standard deviations, falls by less."""
_RIDGE = 1e-8
"""Relative addition to the diagonal, so that columns that are alike are no matter."""
_SMOOTHED = 5
_HALVINGS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The best fit."""

    amounts: Array
    """(p,) of the columns."""
    model: Array
    """(E',) counts."""
    objective: float


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """The objective near a model, as a quadratic form in the amounts of P columns, slack eliminated."""

    y: Array
    trust: Array
    columns: Array
    """(E', P), each of norm 1."""
    scale: Array
    """(P,) norms that the columns had."""
    slack: Array
    """(E', q)."""
    matrix: Array
    """(P + 1, P + 1) half the second derivative; the last row and column are zero, for a column that is none."""
    vector: Array
    """(P + 1,)."""
    response: Array
    """(q, P + 1) how slack answers to amounts: ``s = response[:, P] - response[:, :P] a``."""

    def model(self, amounts: Array) -> tuple[Array, Array]:
        """Return models (n, E') and slack (n, q) for amounts (n, P) of the scaled columns."""
        slack = self.response[:, -1] - amounts @ self.response[:, :-1].T
        model = amounts @ self.columns.T + slack @ self.slack.T
        return np.maximum(model, smallest_model(self.y[None])), slack

    def objective(self, model: Array, slack: Array) -> Array:
        """Return the objective (n,) of models (n, E') with slack (n, q)."""
        deviance = 2.0 * (model - self.y + xlogy(self.y, self.y / model)) @ self.trust
        return np.asarray(deviance + np.einsum("nq,nq->n", slack, slack))


def form(y: Array, columns: Array, slack: Array, trust: Array, model: Array) -> Form:
    """Return the quadratic form of the objective near `model`, by Fisher scoring.

    Parameters
    ----------
    y, trust, model
        (E',) counts, share of counting statistics to be trusted, and where to expand.
    columns, slack
        (E', P) and (E', q).
    """
    p, q = columns.shape[1], slack.shape[1]
    scale = np.linalg.norm(columns, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    joint = np.concatenate([columns / scale, slack, y[:, None]], axis=1)
    weighted = joint * np.sqrt(trust / model)[:, None]
    normal = weighted.T @ weighted  # of one array with itself, which BLAS does in half the time
    kept = np.r_[:p, p + q]  # columns and counts
    held = cho_factor(normal[p:-1, p:-1] + np.eye(q), lower=True)
    response = cho_solve(held, normal[p:-1, kept])
    reduced = normal[:p, kept] - normal[:p, p:-1] @ response
    matrix, vector = np.zeros((p + 1, p + 1)), np.zeros(p + 1)
    matrix[:p, :p], vector[:p] = reduced[:, :p], reduced[:, p]
    matrix[np.arange(p), np.arange(p)] *= 1.0 + _RIDGE
    return Form(y, trust, joint[:, :p], scale, joint[:, p : p + q], matrix, vector, response)


def fit_held(y: Array, columns: Array, slack: Array, trust: Array, start: Array | None = None) -> Held:
    """Return the best fit with these columns and slack, from the model `start` (E',) on; None for the data's own.

    Steps of Fisher scoring under the bounds, halved where the objective rises.
    """
    model = 0.8 * uniform_filter1d(y, _SMOOTHED) + 0.2 * y.mean() if start is None else start
    model = np.maximum(model, smallest_model(y[None])[0])
    everything = np.ones(columns.shape[1], bool)
    best, amounts, slacks = np.inf, np.zeros(columns.shape[1]), np.zeros(slack.shape[1])
    for _ in range(_STEPS):
        near = form(y, columns, slack, trust, model)
        step = bounded(near.matrix[None, :-1, :-1], near.vector[None, :-1], everything)
        models, moved = near.model(step)
        here = step[0], models[0], moved[0]
        for _ in range(_HALVINGS):
            objective = float(near.objective(here[1][None], here[2][None])[0])
            if objective <= best:
                break
            here = tuple(0.5 * (new + old) for new, old in zip(here, (amounts, model, slacks), strict=True))
        amounts, model, slacks = here
        if best - objective < _SETTLED:
            break
        best = objective
    return Held(amounts / near.scale, model, objective)


def tries(near: Form, sets: Sequence[Array]) -> tuple[Array, Array]:
    """Return the objective (n,) and amounts (n, P) of the scaled columns for n sets of column numbers.

    Each is one bounded step from the model of the form.
    """
    p = len(near.scale)
    index = np.full((len(sets), max(map(len, sets), default=0)), p)
    for row, members in zip(index, sets, strict=True):
        row[: len(members)] = members
    matrices = near.matrix[index[:, :, None], index[:, None, :]]
    found = bounded(matrices, near.vector[index], np.ones(index.shape[1], bool))
    amounts = np.zeros((len(sets), p + 1))
    np.put_along_axis(amounts, index, found, axis=1)
    return near.objective(*near.model(amounts[:, :-1])), amounts[:, :-1]


def freed(near: Form, members: Array, free: Array) -> tuple[Array, Array]:
    """Return the amounts (m,) of `members` if those in `free` may be negative, and their covariance (m, m); scaled."""
    sign = ~np.isin(members, free)
    matrix = near.matrix[np.ix_(members, members)]
    amounts = bounded(matrix[None], near.vector[members][None], sign)[0]
    covariance = inverse_information(matrix[None], (sign & (amounts <= 0))[None])[0]
    return amounts, covariance

"""Evidence: penalised fits and one-step trials beside general minimisers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import xlogy

from edsnb.core.fitting.evidence import fit_held, form, freed, tries

E = 120


def problem(seed, height=60.0):
    """Return counts, columns (three peaks and a slope), slack (a shift and a bend) and trust."""
    x = np.arange(E)
    peaks = [np.exp(-(((x - place) / 4.0) ** 2) / 2) / (4 * np.sqrt(2 * np.pi)) for place in (30, 38, 80)]
    columns = np.stack([*peaks, np.linspace(1.5, 0.5, E) / E], axis=1)
    amounts = np.array([20.0, 8.0, 0.0, 30.0]) * height
    slack = np.stack(
        [np.gradient(columns[:, 0]) * amounts[0] * 0.3, 0.05 * columns[:, 3] * amounts[3] * np.sin(x / 9)], 1
    )
    model = columns @ amounts + slack @ [0.7, -1.2]
    y = np.random.default_rng(seed).poisson(model).astype(float)
    trust = np.where(x < 60, 1.0, 0.5)
    return y, columns, slack, trust


def objective(parameters, y, columns, slack, trust):
    p = columns.shape[1]
    model = np.maximum(columns @ parameters[:p] + slack @ parameters[p:], 1e-3 * y.mean())
    deviance = 2 * (trust * (model - y + xlogy(y, y / model))).sum()
    return deviance + (parameters[p:] ** 2).sum()


def slow(y, columns, slack, trust, keep):
    """Return the least objective with the columns in `keep`, and where it lies, by a general minimiser."""
    p, q = len(keep), slack.shape[1]
    chosen = columns[:, keep] * y.sum()
    start = np.concatenate([np.full(p, 1.0 / p), np.zeros(q)])
    bounds = [(0, None)] * p + [(None, None)] * q
    found = minimize(
        objective, start, (y, chosen, slack, trust), bounds=bounds, method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000, "maxfun": 100000},
    )  # fmt: skip
    return found.fun, found.x[:p] * y.sum()


@pytest.mark.parametrize("height", [1.0, 60.0, 1000.0])
@pytest.mark.parametrize("seed", range(3))
def test_fits_are_those_of_a_general_minimiser(seed, height):
    y, columns, slack, trust = problem(seed, height)
    held = fit_held(y, columns, slack, trust)
    least, amounts = slow(y, columns, slack, trust, [0, 1, 2, 3])
    assert held.objective == pytest.approx(least, abs=0.03)
    np.testing.assert_allclose(held.amounts, amounts, atol=0.05 * np.sqrt(y.sum()))
    assert held.amounts.min() >= 0
    # From another start it comes to the same.
    again = fit_held(y, columns, slack, trust, np.full(E, y.mean()))
    assert again.objective == pytest.approx(held.objective, abs=0.03)


@pytest.mark.parametrize("height", [3.0, 60.0, 1000.0])
@pytest.mark.parametrize("seed", range(3))
def test_trials_in_one_step_are_near_full_fits(seed, height):
    """Without a column, and with one that was not in the model: the gain is that of fits of their own, to a tenth."""
    y, columns, slack, trust = problem(seed, height)
    held = fit_held(y, columns[:, [0, 2, 3]], slack, trust)
    ordered = columns[:, [0, 2, 3, 1]]
    near = form(y, ordered, slack, trust, held.model)
    found, amounts = tries(near, [np.array([0, 1, 2]), np.array([0, 1, 2, 3]), np.array([1, 2])])
    wanted = [slow(y, ordered, slack, trust, keep)[0] for keep in ([0, 1, 2], [0, 1, 2, 3], [1, 2])]
    assert found[0] == pytest.approx(wanted[0], abs=0.05)
    assert found[0] - found[1] == pytest.approx(wanted[0] - wanted[1], rel=0.1, abs=1.0)
    assert found[0] >= found[1]
    # Away from the model a step is not all of the way, and never says too little.
    assert found[2] >= wanted[2] - 0.05
    assert amounts.shape == (3, 4)
    assert amounts[0, 3] == amounts[2, 0] == 0.0
    assert amounts[1, 3] > 0


def test_slack_takes_evidence_away():
    """A peak that is only there because another one lies elsewhere is no peak once that may move."""
    x = np.arange(E)
    peak = [np.exp(-(((x - place) / 4.0) ** 2) / 2) for place in (40.0, 40.6, 44.0)]
    y = np.round(5000 * peak[1] + 50)
    columns = np.stack([peak[0], np.ones(E), peak[2]], axis=1)
    shift = (5000 * np.gradient(peak[0]))[:, None]
    gains = []
    for slack in (np.empty((E, 0)), shift):
        held = fit_held(y, columns[:, :2], slack, np.ones(E))
        found = tries(form(y, columns, slack, np.ones(E), held.model), [np.arange(2), np.arange(3)])[0]
        gains.append(found[0] - found[1])
    assert gains[0] > 100 * max(gains[1], 1.0)


def test_slack_is_eliminated_exactly():
    """The quadratic form is that of all columns together, minimised over slack; slack follows the amounts."""
    y, columns, slack, trust = problem(1)
    model = y + 3.0
    near = form(y, columns, slack, trust, model)
    everything = np.concatenate([columns / np.linalg.norm(columns, axis=0), slack], axis=1)
    full = (everything.T * (trust / model)) @ everything
    full[4:, 4:] += np.eye(2)
    vector = everything.T @ (trust / model * y)
    inverse = np.linalg.inv(full)
    np.testing.assert_allclose(np.linalg.inv(near.matrix[:4, :4]), inverse[:4, :4], rtol=1e-5)
    best = inverse @ vector
    np.testing.assert_allclose(np.linalg.solve(near.matrix[:4, :4], near.vector[:4]), best[:4], rtol=1e-5)
    found, amounts = near.model(best[None, :4])
    np.testing.assert_allclose(amounts[0], best[4:], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[0], np.maximum(everything @ best, 1e-3 * y.mean()), rtol=1e-4)


def test_freed_columns_may_be_negative_and_know_their_uncertainty():
    y, columns, slack, trust = problem(2)
    columns = columns.copy()
    y = np.maximum(y - 60 * columns[:, 2] * 4, 0.0)
    held = fit_held(y, columns, slack, trust)
    assert held.amounts[2] == 0.0
    near = form(y, columns, slack, trust, held.model)
    bound, _ = freed(near, np.arange(4), np.empty(0, int))
    free, covariance = freed(near, np.arange(4), np.array([2]))
    assert bound[2] == 0.0
    assert free[2] < 0.0
    np.testing.assert_allclose(covariance, np.linalg.inv(near.matrix[:4, :4]), rtol=1e-6)


@pytest.mark.parametrize("counts", [0.0, 1.0])
def test_next_to_no_counts_are_no_error(counts):
    y = np.zeros(E)
    y[50] = counts
    _, columns, slack, trust = problem(0)
    held = fit_held(y, columns, slack, trust)
    assert np.isfinite(held.objective)
    assert np.isfinite(held.amounts).all()
    near = form(y, columns, slack, trust, held.model)
    assert np.isfinite(tries(near, [np.arange(4)])[0]).all()
    assert tries(near, [])[0].shape == (0,)


def test_columns_that_are_alike_or_empty_are_no_matter():
    y, columns, slack, trust = problem(0)
    double = np.concatenate([columns, columns[:, :1], np.zeros((E, 1))], axis=1)
    once, twice = (fit_held(y, c, slack, trust) for c in (columns, double))
    assert twice.objective == pytest.approx(once.objective, abs=0.02)
    assert twice.amounts[0] + twice.amounts[4] == pytest.approx(once.amounts[0], rel=1e-3)

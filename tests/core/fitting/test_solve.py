"""The batched solver: against general optimizers one spectrum at a time, and its errors against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, nnls

from edsnb.core.events import frozen
from edsnb.core.fitting.lines import families_in
from edsnb.core.fitting.model import Design, ModelSpec, design
from edsnb.core.fitting.peaks import Response
from edsnb.core.fitting.solve import Solution, bounded, solve
from edsnb.core.image import EnergyAxis
from edsnb.errors import CancelledError
from tests.oracles import maximum_likelihood

AXIS = EnergyAxis(500, 0.02, -0.1)
SHARES = {"La_L": 8, "La_M": 10, "Fe_K": 8, "Fe_L": 8, "O_K": 12, "Cu_K": 6, "Cu_L": 3, "Ti_K": 0, "Ti_L": 0}
F = len(SHARES)
ABSENT = slice(7, 9)


@pytest.fixture(scope="module")
def model() -> Design:
    """Return the model of LaFeO3 on a copper grid, fitted with titanium too, which is not there."""
    families = families_in(["La", "Fe", "O", "Cu", "Ti"], (0.2, 9.8), beam_kev=200.0)
    assert [f.name for f in families] == list(SHARES)
    return design(ModelSpec(families, AXIS.channels(0.2, 9.8), 200.0), Response(AXIS, 130.0))


def truth(model: Design, counts: float) -> np.ndarray:
    """Coefficients (p,) of a spectrum of this many counts, a fifth of them bremsstrahlung."""
    c = np.array([*SHARES.values(), 0.01, 0.02, 0.005], float)
    return c * counts / (model.columns @ c).sum()


def drawn(model: Design, counts: float, n: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).poisson(model.columns @ truth(model, counts), (n, len(model.columns)))


def sd_of(solution: Solution) -> np.ndarray:
    return np.sqrt(np.diagonal(solution.covariance, axis1=1, axis2=2))


def mean_counts(solution: Solution, columns: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(solution.coefficients @ columns.T, 1e-3 * y.mean(axis=1, keepdims=True))


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.booleans())
def test_bounded_against_scipys_nnls(seed, p, all_bounded):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(p + 6, p)) * rng.uniform(0.1, 10, p)
    y = rng.normal(size=(3, p + 6))
    nonnegative = np.ones(p, bool) if all_bounded else rng.random(p) < 0.5
    found = bounded(np.repeat((columns.T @ columns)[None], 3, axis=0), y @ columns, nonnegative)
    for row, spectrum in zip(found, y, strict=True):
        if all_bounded:
            twin = nnls(columns, spectrum)[0]
        else:
            lower = np.where(nonnegative, 0.0, -np.inf)
            twin = lsq_linear(columns, spectrum, (lower, np.inf), method="bvls", tol=1e-14).x
        np.testing.assert_allclose(row, twin, atol=1e-7 * max(1, np.abs(twin).max()))
        assert (row[nonnegative] >= 0).all()


@pytest.mark.parametrize("counts", [300, 10_000])
def test_unweighted_against_scipys_nnls(model, counts):
    y = drawn(model, counts, 10)
    found = solve(y, model.columns, model.nonnegative, poisson=False).coefficients
    twin = np.array([nnls(model.columns, row.astype(float))[0] for row in y])
    np.testing.assert_allclose(found, twin, rtol=1e-6, atol=1e-9 * counts)
    assert (twin == 0).any()


def test_unweighted_with_a_polynomial_in_kev_against_lstsq(model):
    """HyperSpy's background: powers of the energy, which the normal equations must bear to 1e-6."""
    energy = AXIS.centres_kev[AXIS.channels(0.2, 9.8)]
    columns = np.concatenate([model.columns[:, :F], energy[:, None] ** np.arange(7)], axis=1)
    y = drawn(model, 20_000, 5)
    found = solve(y, columns, np.zeros(F + 7, bool), poisson=False)
    twin = np.linalg.lstsq(columns, y.T.astype(float), rcond=None)[0].T
    np.testing.assert_allclose(found.coefficients[:, :F], twin[:, :F], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.coefficients[:, F:], twin[:, F:], rtol=1e-6)
    assert np.isfinite(found.covariance).all()


@pytest.mark.parametrize("counts", [150, 1000, 30_000])
def test_poisson_against_a_general_optimizer(model, counts):
    y = drawn(model, counts, 4)
    found = solve(y, model.columns, model.nonnegative, keep=F)
    assert found.settled.all()
    for row, coefficients, sd in zip(y, found.coefficients, sd_of(found), strict=True):
        twin = maximum_likelihood(row, model.columns, model.nonnegative)
        np.testing.assert_array_less(np.abs(coefficients - twin)[:F] / sd[:F], 1e-2)
        assert np.sum(coefficients[F:] @ model.columns.T[F:]) == pytest.approx(
            np.sum(twin[F:] @ model.columns.T[F:]), abs=1e-2 * np.sqrt(counts)
        )


def test_poisson_with_a_free_background_against_a_general_optimizer(model):
    """A polynomial may bend below zero in its coefficients, though not in its sum."""
    legendre = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(model.columns)), 2)
    columns = np.concatenate([model.columns[:, :F], legendre], axis=1)
    nonnegative = np.arange(F + 3) < F
    y = np.random.default_rng(3).poisson(columns @ [*[900] * F, 20, -9, 3], (3, len(columns)))
    found = solve(y, columns, nonnegative, keep=F)
    assert (found.coefficients[:, F + 1] < 0).all()
    for row, coefficients, sd in zip(y, found.coefficients, sd_of(found), strict=True):
        twin = maximum_likelihood(row, columns, nonnegative)
        np.testing.assert_array_less(np.abs(coefficients - twin) / sd, 1e-2)


@pytest.mark.parametrize("counts", [30, 1000, 100_000])
def test_likeliest_model_has_as_many_counts_as_the_spectrum(model, counts):
    """Setting the derivative along c itself to zero gives sum(model) = sum(y), bounds or none: no bias of the sum."""
    y = drawn(model, counts, 50)
    y = y[y.sum(axis=1) > 0]
    found = solve(y, model.columns, model.nonnegative)
    total = (found.coefficients @ model.columns.T).sum(axis=1)
    np.testing.assert_allclose(total, y.sum(axis=1), rtol=2e-3)
    # Weights from the counts, 1 / max(y, 1), lose counts: that is why they are not used.
    if counts == 1000:
        weights = 1 / np.maximum(y, 1)
        from_data = [
            nnls(np.sqrt(w)[:, None] * model.columns, np.sqrt(w) * row)[0] for w, row in zip(weights, y, strict=True)
        ]
        assert (np.array(from_data) @ model.columns.T).sum() < 0.9 * y.sum()


def test_errors_cover_the_truth_at_ten_thousand_counts(model):
    true = truth(model, 10_000)[:F]
    found = solve(drawn(model, 10_000, 1500, seed=1), model.columns, model.nonnegative, keep=F)
    pulls = ((found.coefficients[:, :F] - true) / sd_of(found)[:, :F])[:, true > 0]
    assert 0.95 < pulls.std() < 1.05
    np.testing.assert_array_less(np.abs(pulls.std(axis=0) - 1), 0.08)
    assert abs(pulls.mean()) < 0.1
    assert np.mean(np.abs(pulls) < 1) == pytest.approx(0.683, abs=0.015)
    assert found.chi2.mean() == pytest.approx(1.0, abs=0.03)
    # Together too: the correlations are right.
    inverse = np.linalg.inv(found.covariance[:, :F, :F][:, true > 0][:, :, true > 0])
    offsets = (found.coefficients[:, :F] - true)[:, true > 0]
    distance = np.einsum("ni,nij,nj->n", offsets, inverse, offsets)
    assert distance.mean() == pytest.approx((true > 0).sum(), rel=0.08)


def test_no_bias_at_a_thousand_counts(model):
    true = truth(model, 1000)[:F]
    found = solve(drawn(model, 1000, 1500, seed=2), model.columns, model.nonnegative, keep=F)
    pulls = ((found.coefficients[:, :F] - true) / sd_of(found)[:, :F])[:, true > 0]
    np.testing.assert_array_less(np.abs(pulls.mean(axis=0)), 0.15)
    assert 0.9 < pulls.std() < 1.1
    assert found.settled.all()


def test_unweighted_errors_cover_the_truth(model):
    true = truth(model, 10_000)[:F]
    y = drawn(model, 10_000, 1000, seed=4)
    found = solve(y, model.columns, np.zeros(F + 3, bool), poisson=False, keep=F)
    pulls = (found.coefficients[:, :F] - true) / sd_of(found)[:, :F]
    np.testing.assert_array_less(np.abs(pulls.std(axis=0) - 1), 0.1)
    np.testing.assert_array_less(np.abs(pulls.mean(axis=0)), 0.12)
    # Weights pay: no line is found worse with them, Fe K at least a tenth better.
    weighted = solve(y, model.columns, np.zeros(F + 3, bool), keep=F)
    gain = sd_of(found)[:, :F].mean(axis=0) / sd_of(weighted)[:, :F].mean(axis=0)
    assert gain.min() > 0.99
    assert gain[2] > 1.1


def test_absent_element_is_not_negative_and_keeps_its_error(model):
    y = drawn(model, 10_000, 300)
    found = solve(y, model.columns, model.nonnegative, keep=F)
    titanium = found.coefficients[:, ABSENT]
    assert titanium.min() == 0
    assert 0.3 < (titanium == 0).mean() < 0.7
    sd = sd_of(found)[:, ABSENT]
    assert np.isfinite(sd).all()
    # Where the bound holds it, the sd is still that of a free line.
    held = titanium[:, 0] == 0
    assert sd[held, 0].mean() == pytest.approx(sd[~held, 0].mean(), rel=0.1)
    # Free, it scatters about zero as that sd says.
    free = solve(y, model.columns, np.arange(F + 3) >= F, keep=F).coefficients[:, ABSENT]
    np.testing.assert_allclose(free.std(axis=0), sd.mean(axis=0), rtol=0.15)


def test_covariance_is_the_inverse_information_without_the_terms_held_at_zero(model):
    y = drawn(model, 500, 20)
    found = solve(y, model.columns, model.nonnegative, keep=F)
    at = mean_counts(found, model.columns, y)
    for coefficients, covariance, weights in zip(found.coefficients, found.covariance, 1 / at, strict=True):
        kept = (np.arange(F + 3) < F) | (coefficients > 0)
        columns = model.columns[:, kept]
        twin = np.linalg.inv(columns.T @ (weights[:, None] * columns))
        scale = np.sqrt(np.diag(twin))
        np.testing.assert_allclose(
            covariance[np.ix_(kept, kept)] / scale, twin / scale, rtol=0, atol=1e-2 * scale.max()
        )
        assert not covariance[~kept].any()
        assert not covariance[:, ~kept].any()
    assert (found.coefficients[:, F:] == 0).any()


def test_unweighted_covariance_by_its_formula(model):
    y = drawn(model, 3000, 3)
    found = solve(y, model.columns, np.zeros(F + 3, bool), poisson=False)
    estimator = np.linalg.pinv(model.columns)
    for covariance, variance in zip(found.covariance, mean_counts(found, model.columns, y), strict=True):
        twin = (estimator * variance) @ estimator.T
        scale = np.sqrt(np.outer(np.diag(twin), np.diag(twin)))
        np.testing.assert_allclose(covariance / scale, twin / scale, atol=1e-6)


def test_chi_square_and_deviance_by_their_formulas(model):
    y = drawn(model, 2000, 3)
    found = solve(y, model.columns, model.nonnegative)
    for i, at in enumerate(mean_counts(found, model.columns, y)):
        used = (found.coefficients[i] > 0).sum()
        assert found.chi2[i] == pytest.approx(((y[i] - at) ** 2 / at).sum() / (len(at) - used), rel=1e-9)
        seen = y[i] > 0
        deviance = 2 * ((at - y[i]).sum() + (y[i][seen] * np.log(y[i][seen] / at[seen])).sum())
        assert found.deviance[i] == pytest.approx(deviance / len(at), rel=1e-9)


@pytest.mark.parametrize("poisson", [True, False])
def test_order_of_the_spectra_does_not_matter(model, poisson):
    """300 spectra in blocks of 64: forwards, backwards, alone."""
    y = drawn(model, 2000, 300)
    options = {"poisson": poisson, "keep": F}
    forwards = solve(y, model.columns, model.nonnegative, **options)
    backwards = solve(y[::-1], model.columns, model.nonnegative, **options)
    sd = sd_of(forwards)[:, :F]
    assert (np.abs(forwards.coefficients - backwards.coefficients[::-1])[:, :F] < 3e-3 * sd).all()
    np.testing.assert_allclose(forwards.chi2, backwards.chi2[::-1], rtol=1e-4)
    for i in (0, 63, 64, 299):
        alone = solve(y[i : i + 1], model.columns, model.nonnegative, **options)
        assert (np.abs(forwards.coefficients[i] - alone.coefficients[0])[:F] < 3e-3 * sd[i]).all()


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([0.5, 3.0, 40.0]), poisson=st.booleans())
def test_scaling_the_counts_scales_the_intensities(model, seed, factor, poisson):
    y = drawn(model, 3000, 4, seed)
    once = solve(y, model.columns, model.nonnegative, poisson=poisson, keep=F)
    more = solve(factor * y, model.columns, model.nonnegative, poisson=poisson, keep=F)
    sd = sd_of(once)
    assert (np.abs(more.coefficients / factor - once.coefficients)[:, :F] < 3e-3 * sd[:, :F]).all()
    np.testing.assert_allclose(sd_of(more)[:, :F] / np.sqrt(factor), sd[:, :F], rtol=1e-2)
    np.testing.assert_allclose(more.chi2 / factor, once.chi2, rtol=1e-3)


@settings(max_examples=10)
@given(order=st.permutations(range(F + 3)), poisson=st.booleans())
def test_permuting_the_columns_permutes_the_results(model, order, poisson):
    y = drawn(model, 3000, 4)
    direct = solve(y, model.columns, model.nonnegative, poisson=poisson, keep=F + 3)
    turned = solve(y, model.columns[:, order], model.nonnegative[order], poisson=poisson, keep=F + 3)
    sd = sd_of(direct)[:, order]
    assert (np.abs(turned.coefficients - direct.coefficients[:, order]) < 3e-3 * sd).all()
    inner = direct.covariance[:, order][:, :, order] / (sd[:, :, None] * sd[:, None, :])
    np.testing.assert_allclose(turned.covariance / (sd[:, :, None] * sd[:, None, :]), inner, atol=1e-2)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_rescaled_columns_rescale_the_coefficients(model, seed):
    """HyperSpy's polynomial has columns from 1 to 10^7: the unit of a column must not matter."""
    y = drawn(model, 3000, 3)
    unit = 10.0 ** np.random.default_rng(seed).uniform(-8, 8, F + 3)
    direct = solve(y, model.columns, model.nonnegative)
    scaled = solve(y, model.columns * unit, model.nonnegative)
    np.testing.assert_allclose(scaled.coefficients * unit, direct.coefficients, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(sd_of(scaled) * unit, sd_of(direct), rtol=1e-6)


@pytest.mark.parametrize("poisson", [True, False])
@pytest.mark.parametrize("bound", [True, False])
def test_columns_that_cannot_be_told_apart_have_no_covariance(model, poisson, bound):
    y = drawn(model, 3000, 5)
    double = np.concatenate([model.columns[:, :1], model.columns], axis=1)
    found = solve(y, double, np.full(F + 4, bound), poisson=poisson, keep=F + 1)
    assert np.isnan(found.covariance).all()
    assert found.coefficients.shape == (5, F + 4)
    nothing = np.concatenate([0 * model.columns[:, :1], model.columns], axis=1)
    found = solve(y, nothing, np.full(F + 4, bound), poisson=poisson, keep=F + 1)
    assert np.isnan(found.covariance).all()


def test_more_columns_than_channels(model):
    found = solve(drawn(model, 3000, 2)[:, :6], model.columns[:6], model.nonnegative, keep=F)
    assert np.isnan(found.covariance).all()


def odd_spectra(size: int) -> np.ndarray:
    rng = np.random.default_rng(11)
    single = np.zeros((3, size))
    single[[0, 1, 2], [5, 200, size - 1]] = [1, 1, 1e6]
    few = (rng.random((10, size)) < 0.01).astype(float)
    smooth = np.array([np.full(size, 1e9), np.full(size, 1e-6), np.arange(size) ** 3.0, np.arange(size)[::-1] ** 3.0])
    return np.concatenate([single, few, smooth])


@pytest.mark.parametrize("poisson", [True, False])
@pytest.mark.parametrize("bound", [True, False])
def test_odd_spectra_give_finite_numbers(model, poisson, bound):
    y = odd_spectra(len(model.columns))
    found = solve(y, model.columns, np.full(F + 3, bound), poisson=poisson, keep=F)
    for values in (found.coefficients, found.covariance, found.chi2, found.deviance):
        assert np.isfinite(values).all()
    if bound:
        assert found.coefficients.min() >= 0


def test_a_peak_that_the_model_lacks_does_no_harm_elsewhere(model):
    """A strong line of an element that was not named: the fit settles, and chi-square shows it."""
    y = drawn(model, 10_000, 20)
    wrong = y.copy()
    wrong[:, 100:103] += 300
    right, found = (solve(counts, model.columns, model.nonnegative, keep=F) for counts in (y, wrong))
    assert found.settled.all()
    assert (found.chi2 > 5 * right.chi2).all()
    iron = 2
    np.testing.assert_allclose(found.coefficients[:, iron], right.coefficients[:, iron], rtol=0.1)


def test_inputs_are_not_touched_and_may_be_read_only(model):
    y = drawn(model, 2000, 3).astype(np.uint32)
    kept = y.copy()
    found = solve(frozen(y), frozen(model.columns), frozen(model.nonnegative))
    np.testing.assert_array_equal(y, kept)
    np.testing.assert_array_equal(found.coefficients, solve(y, model.columns, model.nonnegative).coefficients)
    narrow = solve(y.astype(np.uint8), model.columns, model.nonnegative)
    np.testing.assert_array_equal(narrow.coefficients, found.coefficients)


def test_no_spectra(model):
    found = solve(np.zeros((0, len(model.columns))), model.columns, model.nonnegative, progress=lambda *told: 1 / 0)
    assert found.coefficients.shape == (0, F + 3)
    assert found.covariance.shape == (0, F + 3, F + 3)


def test_progress_is_told_and_can_stop(model):
    y = drawn(model, 500, 300)
    told: list[tuple[int, int]] = []
    solve(y, model.columns, model.nonnegative, progress=lambda done, total: told.append((done, total)))
    assert told == [(64, 300), (128, 300), (192, 300), (256, 300), (300, 300)]
    with pytest.raises(CancelledError, match="stopped after 256 of 300 spectra; nothing was kept"):
        solve(y, model.columns, model.nonnegative, progress=lambda done, total: done < 256)

"""Energy calibration from the summed spectrum: offset, gain, width at Mn Ka, low-energy tail and bow.

The likelihood of the summed spectrum is maximised over these together with all intensities, by Gauss-Newton
steps on the joint Fisher information. Each has a prior as wide as instruments really drift, so that a spectrum
which says nothing leaves the file's values in place, and a wrong element list cannot drag the axis away.
Channels that the model does not explain (elements not named) are weighted down (Huber, Ann. Math. Stat. 35
(1964) 73).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

from edsnb.core.events import Array
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.lines import xraylib_family
from edsnb.core.fitting.model import ModelSpec, background_columns, detected_lines
from edsnb.core.fitting.peaks import NOMINAL_FWHM_EV, Lines, Response, added_together, peak_columns
from edsnb.core.fitting.solve import bounded
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.core.image import EnergyAxis

FEWEST_COUNTS = 500
"""Below this many X-rays in the range the file's calibration is kept."""


class _Parameter(NamedTuple):
    """One calibration parameter: how far it may move from what the file says, and how it is varied."""

    name: str
    prior_sd: float
    limit: float
    step: float
    """For numerical derivatives."""
    lowest: float = -np.inf


_PARAMETERS = (
    _Parameter("offset", 20.0, 60.0, 0.5),  # eV
    _Parameter("gain", 2.5, 8.0, 0.02),  # parts in a thousand
    _Parameter("width", 8.0, 40.0, 0.5),  # eV at Mn Ka
    _Parameter("tail", 0.01, 0.08, 0.001, 0.0),  # share of a peak
    _Parameter("bow", 8.0, 40.0, 0.5),  # eV at 10 keV
)
_PRIOR_SD, _LIMIT, _DELTA, _LOWEST = (np.array([p[k] for p in _PARAMETERS]) for k in (1, 2, 3, 4))
_BOW = 4
_STRAIGHT_SD = np.where(np.arange(len(_PARAMETERS)) == _BOW, 1e-3, _PRIOR_SD)
"""Prior of an axis without bow."""
_USUAL = ("C", "O", "Al", "Si", "Fe", "Co", "Cu")
"""Film, oxide, detector and grid: found in nearly every spectrum, whether named or not."""
_STEPS = 25
_HEAVIEST = 1e8
"""Damping at which no step helps any more."""
_HUBER = 3.0
_NARROWEST_KEV = 0.01
"""Channels below this are added together, up to about this width."""
_SMOOTHED = 5
"""Channels averaged for the first weights."""
_GRID = [np.array([o, g, 0.0, 0.0, 0.0]) for o in (-36.0, -18.0, 0.0, 18.0, 36.0) for g in (-3.0, 0.0, 3.0)]
"""Offsets and gains tried first, so that the steps begin in the right valley."""


def calibrate(
    counts: Array,
    energy: EnergyAxis,
    spec: ModelSpec,
    *,
    fwhm_mn_ev: float | None = None,
    around: Calibration | None = None,
) -> Calibration:
    """Calibrate energy axis, peak width, tail and bow on one spectrum.

    Parameters
    ----------
    counts
        (E,) X-rays; the more the better, so the sum of all chips.
    energy
        The axis that the file states.
    spec
        Model with the main elements; a few missing ones do little harm.
    fwhm_mn_ev
        Width at Mn Ka that the file states; 130 eV where it states none.
    around
        A calibration found on the same stated axis, from which to begin; None to look far and wide.

    Returns
    -------
    Calibration. Where the counts are too few or no step helps, the file's values with a message saying so.
    """
    start = Response(energy, fwhm_mn_ev or NOMINAL_FWHM_EV)
    y = np.asarray(counts, np.float64)[spec.channels]
    if y.sum() < FEWEST_COUNTS or not spec.families:
        why = f"only {y.sum():.0f} X-rays (fewer than {FEWEST_COUNTS})" if spec.families else "no lines to go by"
        return Calibration(start, message=f"the file's calibration was kept: {why}")
    with ONE_BLAS_THREAD:
        problem = _problem(y, start, _with_usual(spec, start))
        theta, sd, settled = _search(problem, _GRID if around is None else [around.moved(start)])
        if abs(theta[_BOW]) >= _LIMIT[_BOW]:
            # The spectrum cannot tell a bow, as where one element gives most of it: a straight axis is still of use.
            free_sd = sd
            theta, sd, settled = _search(replace(problem, prior_sd=_STRAIGHT_SD), _GRID)
            sd = np.maximum(sd, free_sd)
        return _report(start, theta, sd, settled)


def _search(problem: _Problem, grid: list[Array]) -> tuple[Array, Array, bool]:
    """Return theta of the highest likelihood, searched from the best point of a grid; its sd; whether it settled."""
    weights = 1.0 / np.maximum(uniform_filter1d(problem.y, _SMOOTHED), 1.0)
    state = min((_evaluate(problem, theta, weights) for theta in grid), key=lambda tried: tried.loss)
    damping, settled, sd = 1e-3, False, problem.prior_sd
    for _ in range(_STEPS):
        weights = _robust(problem.y, state.fitted) / state.fitted
        state = _fitted(problem, state.theta, state.columns, weights)
        gradient, curvature = _derivatives(problem, state, weights)
        while damping < _HEAVIEST:
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), -gradient)
            moved = np.maximum(np.clip(state.theta + step, -_LIMIT, _LIMIT), _LOWEST)
            trial = _evaluate(problem, moved, weights)
            if trial.loss <= state.loss:
                break
            damping *= 8
        else:
            trial = state
        sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
        settled = damping >= _HEAVIEST or bool((np.abs(trial.theta - state.theta) < 0.02 * sd).all())
        state, damping = trial, max(damping / 8, 1e-6)
        if settled:
            break
    return state.theta, sd, settled


def _with_usual(spec: ModelSpec, start: Response) -> ModelSpec:
    """Return the spec with the elements that nearly every specimen holder adds, so that none of them bends the axis."""
    centres = spec.centres_kev(start)
    named = {family.element for family in spec.families}
    found = [xraylib_family(e, shell) for e in _USUAL if e not in named for shell in ("K", "L")]
    top = min(centres[-1], spec.beam_kev or np.inf)
    inside = [f for f in found if f is not None and centres[0] <= f.alpha_kev <= top]
    return replace(spec, families=(*spec.families, *inside))


def _report(start: Response, theta: Array, sd: Array, settled: bool) -> Calibration:
    """Return the calibration that `theta` stands for, or the start where it cannot be trusted."""
    at_limit = [p.name for p, t in zip(_PARAMETERS, theta, strict=True) if abs(t) >= p.limit]
    if at_limit or not settled:
        why = f"{' and '.join(at_limit)} ran into the physical limit" if at_limit else "it did not converge"
        return Calibration(start, message=f"the file's calibration was kept: {why}; check the element list")
    found = _respond(start, theta)
    message = (
        f"offset {theta[0]:+.2f} ± {sd[0]:.2f} eV, gain {theta[1] / 10:+.4f} ± {sd[1] / 10:.4f} %, "
        f"width {found.fwhm_mn_ev:.1f} ± {sd[2]:.1f} eV at Mn Ka, tail {found.tail * 100:.2f} ± {sd[3] * 100:.2f} %, "
        f"bow {theta[4]:+.1f} ± {sd[4]:.1f} eV at 10 keV"
    )
    offset, gain, width_sd, tail_sd, bow_sd = sd.tolist()
    return Calibration(
        found, float(theta[0]), offset, float(theta[1]) / 1e3, gain / 1e3, width_sd, tail_sd, bow_sd, True, message
    )


def _respond(start: Response, theta: Array) -> Response:
    """Return the response moved by `theta`: offset eV, gain 1e-3, width eV, tail share, bow eV."""
    offset, gain, width, tail, bow = theta.tolist()
    axis = start.energy
    energy = EnergyAxis(axis.size, axis.scale_kev * (1 + gain / 1e3), axis.offset_kev + offset / 1e3)
    return replace(start, energy=energy, fwhm_mn_ev=start.fwhm_mn_ev + width, tail=max(tail, 0.0), bow_ev=bow)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """What stays the same while the axis moves."""

    y: Array
    """(E'',) counts of the fitted channels, narrow ones added together."""
    start: Response
    first: int
    """First channel that is fitted."""
    together: int
    """Channels added together."""
    lines: list[Lines]
    background: Array
    free: Array
    """(F + B,) bool, coefficients that may be negative."""
    prior_sd: Array
    """(5,) how far each parameter is expected from what the file says."""

    def columns(self, theta: Array) -> Array:
        """Return peaks and background (E'', F + B) at `theta`."""
        response = added_together(_respond(self.start, theta), self.first, self.together, len(self.y))
        return np.concatenate([peak_columns(response, slice(0, len(self.y)), self.lines), self.background], axis=1)


def _problem(y: Array, start: Response, spec: ModelSpec) -> _Problem:
    """Return the problem with channels narrower than `_NARROWEST_KEV` added together: they say no more one by one."""
    together = min(max(1, round(_NARROWEST_KEV / start.energy.scale_kev)), len(y))
    size, first = len(y) // together, spec.channels.start
    background = background_columns(
        replace(spec, channels=slice(0, size)), added_together(start, first, together, size)
    )
    lines = [detected_lines(family) for family in spec.families]
    free = np.zeros(len(lines) + background.shape[1], bool)
    free[len(lines) :] = spec.background == "polynomial"
    added = y[: size * together].reshape(size, together).sum(axis=1)
    return _Problem(added, start, first, together, lines, background, free, _PRIOR_SD)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The best linear fit at one setting of the axis."""

    theta: Array
    columns: Array
    coefficients: Array
    fitted: Array
    loss: float


def _evaluate(problem: _Problem, theta: Array, weights: Array) -> _State:
    """Return the best fit at `theta` with the given channel weights (E'',)."""
    return _fitted(problem, theta, problem.columns(theta), weights)


def _fitted(problem: _Problem, theta: Array, columns: Array, weights: Array) -> _State:
    """Return the best fit with these columns, non-negative where it must be, and half its loss."""
    scale = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(scale > 0, scale, 1.0)
    weighted = scaled.T * weights
    solution = bounded((weighted @ scaled)[None], (weighted @ problem.y)[None], ~problem.free)[0]
    fitted = scaled @ solution
    loss = 0.5 * float((weights * (problem.y - fitted) ** 2).sum() + ((theta / problem.prior_sd) ** 2).sum())
    coefficients = solution / np.where(scale > 0, scale, 1.0)
    return _State(theta, columns, coefficients, np.maximum(fitted, 1e-3 * problem.y.mean()), loss)


def _robust(y: Array, fitted: Array) -> Array:
    """Return Huber's weights (E') over the squared overall scatter, where that exceeds counting statistics."""
    pull = np.abs(y - fitted) / np.sqrt(fitted)
    spread = max(1.0, float(np.median(pull)) / 0.6745)
    return np.minimum(1.0, _HUBER * spread / np.maximum(pull, 1e-12)) / spread**2


def _derivatives(problem: _Problem, state: _State, weights: Array) -> tuple[Array, Array]:
    """Return gradient and curvature of the loss over theta, with the intensities profiled out."""
    theta, present = state.theta, state.coefficients != 0
    # All lines as one family, with the counts found.
    energies = np.concatenate([energies for energies, _ in problem.lines])
    counts = np.concatenate([c * w for c, (_, w) in zip(state.coefficients, problem.lines, strict=False)])
    peaks = replace(problem, lines=[(energies[counts > 0], counts[counts > 0])], background=problem.background[:, :0])
    slopes = np.empty((len(problem.y), len(theta)))
    for k, delta in enumerate(_DELTA):
        up, down = theta.copy(), theta.copy()
        up[k] += delta
        down[k] = max(down[k] - delta, _LOWEST[k])
        slopes[:, k] = (peaks.columns(up) - peaks.columns(down))[:, 0] / (up[k] - down[k])
    columns = state.columns[:, present] / np.linalg.norm(state.columns[:, present], axis=0)
    inner = columns.T @ (weights[:, None] * columns)
    cross = columns.T @ (weights[:, None] * slopes)
    profiled = slopes.T @ (weights[:, None] * slopes) - cross.T @ np.linalg.lstsq(inner, cross, rcond=1e-12)[0]
    residual = weights * (problem.y - state.columns @ state.coefficients)
    expected = 1 / problem.prior_sd**2
    return theta * expected - slopes.T @ residual, profiled + np.diag(expected)

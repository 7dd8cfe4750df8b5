"""Energy calibration from the summed spectrum: offset, gain, width at Mn Ka and low-energy tail.

The likelihood of the summed spectrum is maximised over these four together with all intensities, by
Gauss-Newton steps on the joint Fisher information. Each has a prior as wide as instruments really drift,
so that a spectrum which says nothing leaves the file's values in place, and a wrong element list cannot
drag the axis away. Channels that the model does not explain (elements not named) are weighted down
(Huber, Ann. Math. Stat. 35 (1964) 73).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from edsnb.core.events import Array
from edsnb.core.image import EnergyAxis
from edsnb.core.model import ModelSpec, background_columns, detected_weights, peak_columns
from edsnb.core.peaks import NOMINAL_FWHM_EV, Response
from edsnb.core.solve import bounded

FEWEST_COUNTS = 500
"""Below this many X-rays in the range the file's calibration is kept."""
_PRIOR_SD = np.array([20.0, 2.5, 8.0, 0.01])
"""Prior: offset eV, gain 1e-3, width eV, tail share."""
_LIMIT = np.array([60.0, 8.0, 40.0, 0.06])
"""No parameter moves further than this from its prior."""
_DELTA = np.array([0.5, 0.02, 0.5, 0.001])
"""Steps for numerical derivatives."""
_STEPS = 25
_HUBER = 3.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The detector response a fit uses, and how it was found."""

    response: Response
    offset_change_ev: float = 0.0
    """Calibrated minus stated energy at channel 0."""
    offset_sd_ev: float = 0.0
    gain_change: float = 0.0
    """Relative change of the dispersion."""
    gain_sd: float = 0.0
    fwhm_sd_ev: float = 0.0
    tail_sd: float = 0.0
    applied: bool = False
    message: str = "the file's calibration was used"

    def to_dict(self) -> dict[str, object]:
        """Return all numbers, for the provenance record."""
        return {
            "applied": self.applied,
            "offset_kev": self.response.energy.offset_kev,
            "scale_kev": self.response.energy.scale_kev,
            "offset_change_ev": self.offset_change_ev,
            "offset_sd_ev": self.offset_sd_ev,
            "gain_change": self.gain_change,
            "gain_sd": self.gain_sd,
            "fwhm_mn_ev": self.response.fwhm_mn_ev,
            "fwhm_sd_ev": self.fwhm_sd_ev,
            "tail": self.response.tail,
            "tail_sd": self.tail_sd,
            "message": self.message,
        }


def calibrate(counts: Array, energy: EnergyAxis, spec: ModelSpec, *, fwhm_mn_ev: float | None = None) -> Calibration:
    """Calibrate the energy axis, the peak width and the tail on one spectrum.

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

    Returns
    -------
    Calibration. Where the counts are too few or no step helps, the file's values with a message saying so.
    """
    start = Response(energy, fwhm_mn_ev or NOMINAL_FWHM_EV)
    y = np.asarray(counts, np.float64)[spec.channels]
    if y.sum() < FEWEST_COUNTS or not spec.families:
        why = f"only {y.sum():.0f} X-rays (fewer than {FEWEST_COUNTS})" if spec.families else "no lines to go by"
        return Calibration(start, message=f"the file's calibration was kept: {why}")
    problem = _Problem(y, start, spec, [detected_weights(f) for f in spec.families], background_columns(spec, start))
    weights = 1.0 / np.maximum(uniform_filter1d(y, 5), 1.0)
    theta = _coarse(problem, weights)
    damping, settled = 1e-3, False
    for _ in range(_STEPS):
        state = _evaluate(problem, theta, weights)
        weights = _robust(y, state.fitted) / state.fitted
        state = _evaluate(problem, theta, weights)
        gradient, curvature = _derivatives(problem, theta, state, weights)
        while damping < 1e8:
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), -gradient)
            trial = np.clip(theta + step, -_LIMIT, _LIMIT)
            trial[3] = max(trial[3], 0.0)
            if _evaluate(problem, trial, weights).loss <= state.loss:
                break
            damping *= 8
        sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
        settled = damping >= 1e8 or bool((np.abs(trial - theta) < 0.02 * sd).all())
        theta, damping = trial, max(damping / 8, 1e-6)
        if settled:
            break
    return _report(start, theta, sd, settled)


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """What stays the same while the axis moves."""

    y: Array
    start: Response
    spec: ModelSpec
    weights: list[Array]
    background: Array


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The best linear fit at one setting of the axis."""

    columns: Array
    coefficients: Array
    fitted: Array
    loss: float


def _evaluate(problem: _Problem, theta: Array, weights: Array) -> _State:
    """Return the best non-negative fit at `theta` with the given channel weights (E',), and half its loss."""
    columns = np.concatenate([_peaks(problem, theta), problem.background], axis=1)
    scale = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(scale > 0, scale, 1.0)
    free = np.ones(columns.shape[1], bool)
    free[len(problem.weights) :] = problem.spec.background != "polynomial"
    weighted = scaled.T * weights
    solution = bounded((weighted @ scaled)[None], (weighted @ problem.y)[None], free)[0]
    fitted = scaled @ solution
    loss = 0.5 * float((weights * (problem.y - fitted) ** 2).sum() + ((theta / _PRIOR_SD) ** 2).sum())
    coefficients = solution / np.where(scale > 0, scale, 1.0)
    return _State(columns, coefficients, np.maximum(fitted, 1e-3 * problem.y.mean()), loss)


def _peaks(problem: _Problem, theta: Array) -> Array:
    """Return the peak columns at `theta`."""
    return peak_columns(problem.spec, _respond(problem.start, theta), problem.weights)


def _report(start: Response, theta: Array, sd: Array, settled: bool) -> Calibration:
    """Return the calibration that `theta` stands for, or the start where it cannot be trusted."""
    at_limit = [n for n, t, lim in zip(("offset", "gain", "width"), theta, _LIMIT, strict=False) if abs(t) >= lim]
    if at_limit or not settled:
        why = f"{' and '.join(at_limit)} ran into the physical limit" if at_limit else "it did not converge"
        return Calibration(start, message=f"the file's calibration was kept: {why}; check the element list")
    found = _respond(start, theta)
    message = (
        f"offset {theta[0]:+.2f} ± {sd[0]:.2f} eV, gain {theta[1] / 10:+.4f} ± {sd[1] / 10:.4f} %, "
        f"width {found.fwhm_mn_ev:.1f} ± {sd[2]:.1f} eV at Mn Ka, tail {found.tail * 100:.2f} ± {sd[3] * 100:.2f} %"
    )
    numbers = (float(theta[0]), float(sd[0]), float(theta[1]) / 1e3, float(sd[1]) / 1e3, float(sd[2]), float(sd[3]))
    return Calibration(found, *numbers, applied=True, message=message)


def _respond(start: Response, theta: Array) -> Response:
    """Return the response with offset (eV), gain (1e-3), width (eV) changed by `theta`, and its tail."""
    axis = start.energy
    energy = EnergyAxis(axis.size, axis.scale_kev * (1 + theta[1] / 1e3), axis.offset_kev + theta[0] / 1e3)
    return replace(start, energy=energy, fwhm_mn_ev=start.fwhm_mn_ev + float(theta[2]), tail=max(float(theta[3]), 0.0))


def _robust(y: Array, fitted: Array) -> Array:
    """Return Huber's weights (E') over the squared overall scatter, where that exceeds counting statistics."""
    pull = np.abs(y - fitted) / np.sqrt(fitted)
    spread = max(1.0, float(np.median(pull)) / 0.6745)
    return np.minimum(1.0, _HUBER * spread / np.maximum(pull, 1e-12)) / spread**2


def _derivatives(problem: _Problem, theta: Array, state: _State, weights: Array) -> tuple[Array, Array]:
    """Return gradient and curvature of the loss over `theta`, with the intensities profiled out."""
    families = len(problem.weights)
    slopes = np.empty((len(problem.y), len(theta)))
    for k, delta in enumerate(_DELTA):
        up, down = theta.copy(), theta.copy()
        up[k] += delta
        down[k] = down[k] - delta if k != 3 else max(down[k] - delta, 0.0)
        change = (_peaks(problem, up) - _peaks(problem, down)) @ state.coefficients[:families]
        slopes[:, k] = change / (up[k] - down[k])
    present = state.columns[:, state.coefficients != 0]
    present = present / np.linalg.norm(present, axis=0)
    inner = present.T @ (weights[:, None] * present)
    cross = present.T @ (weights[:, None] * slopes)
    profiled = slopes.T @ (weights[:, None] * slopes) - cross.T @ np.linalg.lstsq(inner, cross, rcond=1e-12)[0]
    residual = weights * (problem.y - state.columns @ state.coefficients)
    return theta / _PRIOR_SD**2 - slopes.T @ residual, profiled + np.diag(1 / _PRIOR_SD**2)


def _coarse(problem: _Problem, weights: Array) -> Array:
    """Return the best of a coarse grid of offsets and gains, so that the steps begin in the right valley."""
    grid = [np.array([o, g, 0.0, 0.0]) for o in (-36.0, -18.0, 0.0, 18.0, 36.0) for g in (-3.0, 0.0, 3.0)]
    return min(grid, key=lambda theta: _evaluate(problem, theta, weights).loss)

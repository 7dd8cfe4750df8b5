"""Slow and obvious twins of what the package does fast."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize

from edsnb.core.events import Events
from edsnb.core.image import EnergyAxis
from edsnb.core.regions import ChipGrid


def masked_sums(cube: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """Sum the dense cube (ny, nx, E) over each boolean mask (ny, nx): (n, E) float64."""
    exact = cube.astype(np.float64)
    return np.array([exact[mask].sum(axis=0) for mask in masks]).reshape(len(masks), cube.shape[2])


def grid_masks(grid: ChipGrid, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Cut the chips one after the other, as one would by hand: {name: mask}."""
    y0, y1, x0, x1 = grid.crop or (0, shape[0], 0, shape[1])
    step = grid.stride or grid.size
    masks = {}
    row, y = 0, y0 + grid.origin[0]
    while y + grid.size <= y1:
        column, x = 0, x0 + grid.origin[1]
        while x + grid.size <= x1:
            mask = np.zeros(shape, bool)
            mask[y : y + grid.size, x : x + grid.size] = True
            masks[f"R{row}C{column}"] = mask
            column, x = column + 1, x + step
        row, y = row + 1, y + step
    return masks


def weighted_counts(events: Events, weights: np.ndarray) -> np.ndarray:
    """Sum weights[channel] over every X-ray, one after the other: (P, m)."""
    out = np.zeros((events.pixels, weights.shape[1]))
    for pixel in range(events.pixels):
        for entry in range(events.indptr[pixel], events.indptr[pixel + 1]):
            times = 1 if events.count is None else events.count[entry]
            out[pixel] += times * weights[events.channel[entry]]
    return out


def contains(corners: Sequence[tuple[float, float]], y: float, x: float) -> bool:
    """Tell whether (y, x) lies inside a polygon: a ray to the right crosses its edges an odd number of times."""
    inside = False
    for (ya, xa), (yb, xb) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (ya > y) != (yb > y) and x < xa + (y - ya) / (yb - ya) * (xb - xa):
            inside = not inside
    return inside


def peak_counts(low: float, high: float, energy: float, sigma: float, tail: float, slope: float) -> float:
    """Integrate a Gaussian with an exponential low-energy tail from `low` to `high` by quadrature (any one unit).

    The tail is the Gaussian smeared over losses of probability exp(-loss / slope) / slope, loss by loss.
    """

    def density(x: float, loss: float) -> float:
        return math.exp(-(((x - energy + loss) / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))

    def gaussian(loss: float) -> float:
        return quad(density, low, high, args=(loss,), epsabs=1e-13)[0]

    def lost(loss: float) -> float:
        return math.exp(-loss / slope) / slope * gaussian(loss)

    near = max(energy - high, 0.0), max(energy - low, 0.0)
    total = (1 - tail) * gaussian(0.0)
    if tail:
        edges = sorted({0.0, max(near[0] - 8 * sigma, 0.0), *near, near[1] + 8 * sigma})
        total += tail * sum(quad(lost, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(edges))
    return total


def piled_up(counts: np.ndarray, energy: EnergyAxis, channels: slice) -> np.ndarray:
    """Add up the energies of all pairs of X-rays of the channels, one pair after the other: (E',).

    A pair between two channels is shared by them.
    """
    out = np.zeros(energy.size)
    for a in range(channels.start, channels.stop):
        for b in range(channels.start, channels.stop):
            pair_kev = energy.centres_kev[a] + energy.centres_kev[b]
            at = (pair_kev - energy.offset_kev) / energy.scale_kev
            for channel in (math.floor(at), math.floor(at) + 1):
                if 0 <= channel < energy.size:
                    out[channel] += counts[a] * counts[b] * max(0.0, 1 - abs(at - channel))
    return out[channels]


def maximum_likelihood(counts: np.ndarray, columns: np.ndarray, nonnegative: np.ndarray) -> np.ndarray:
    """Maximise the Poisson likelihood of one spectrum with a general optimizer (p,)."""
    scale = np.linalg.norm(columns, axis=0)
    scaled = columns / scale
    start = np.maximum(np.linalg.lstsq(scaled, counts, rcond=None)[0], 1.0)

    def loss(c: np.ndarray) -> tuple[float, np.ndarray]:
        model = np.maximum(scaled @ c, 1e-9)
        return float((model - counts * np.log(model)).sum()), scaled.T @ (1 - counts / model)

    bounds = [(0.0, None) if positive else (None, None) for positive in nonnegative]
    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x / scale

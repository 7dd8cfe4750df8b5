"""Chips of like composition, found without being told what to look for: k-means on at%."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edsnb.core.events import Array
from edsnb.errors import InputError

_STARTS = 30
"""Beginnings tried, of which the tightest clusters are kept. A fixed seed draws them: same chips, same clusters."""
_ROUNDS = 200
"""Most rounds of one try; k-means settles after about ten."""
_SEED = 20260101
_SHOWN = 1.0
"""at% below which an element is left out of a cluster's name."""


def cluster(values: Array, number: int) -> Array:
    """Return the cluster (n,) of each row, 0 for the largest; -1 for rows with a NaN.

    k-means (Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129) with beginnings far apart (Arthur & Vassilvitskii, 2007);
    distances are taken in the unit of the values, so elements that hardly vary hardly count.

    Parameters
    ----------
    values
        (n, K).
    number
        Of clusters.

    Raises
    ------
    InputError
        There are fewer different rows than clusters.
    """
    usable = np.isfinite(values).all(axis=1)
    rows = np.ascontiguousarray(values[usable], np.float64)
    different = len(np.unique(rows, axis=0)) if len(rows) else 0
    if number < 1 or different < number:
        raise InputError(
            f"{number} clusters were asked for, but there are {different} different compositions among {len(values)} "
            f"chips ({int((~usable).sum())} without a value). Ask for 1 to {different}."
        )
    generator = np.random.default_rng(_SEED)
    tries = [_settle(rows, _beginning(rows, number, generator)) for _ in range(_STARTS)]
    found = min(tries, key=lambda one: one[1])[0]
    sizes = np.bincount(found, minlength=number)
    # Of clusters as large as each other, the one that appears first comes first.
    first = np.array([np.flatnonzero(found == k)[0] for k in range(number)])
    rank = np.empty(number, np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(number)
    out = np.full(len(values), -1, np.int64)
    out[usable] = rank[found]
    return out


def cluster_name(elements: Sequence[str], mean: Array) -> str:
    """Return a cluster's mean composition as a formula in whole at%: ``La20Fe20O60``."""
    parts = [f"{e}{x:.0f}" for e, x in zip(elements, mean.tolist(), strict=True) if x >= _SHOWN]
    return "".join(parts) or "nothing"


def _beginning(rows: Array, number: int, generator: np.random.Generator) -> Array:
    """Return rows to begin with, each drawn in proportion to its squared distance from those before."""
    centres = [rows[generator.integers(len(rows))]]
    for _ in range(1, number):
        squared = np.min([((rows - centre) ** 2).sum(axis=1) for centre in centres], axis=0)
        centres.append(rows[generator.choice(len(rows), p=squared / squared.sum())])
    return np.array(centres)


def _settle(rows: Array, centres: Array) -> tuple[Array, float]:
    """Return the clusters that a beginning leads to (n,), and the sum of squared distances within them."""
    found = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        squared = ((rows[:, None, :] - centres) ** 2).sum(axis=2)
        now = squared.argmin(axis=1)
        for k in range(len(centres)):
            if not (now == k).any():
                # A cluster that lost all its chips takes the one that fits its own worst.
                alone = np.bincount(now, minlength=len(centres))[now] == 1
                now[np.where(alone, -1.0, squared[np.arange(len(rows)), now]).argmax()] = k
        centres = np.array([rows[now == k].mean(axis=0) for k in range(len(centres))])
        if (now == found).all():
            break
        found = now
    return found, float(((rows - centres[found]) ** 2).sum())

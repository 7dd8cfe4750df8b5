"""Errors that a program does not explain, and whether they are those of its k-factors.

If element i has the share c_i and its factor the relative error e_i, independent of the others, the shares
``c_i = k_i I_i / sum_j k_j I_j`` have the variance ``c_i² sum_j (delta_ij - c_j)² e_j²``, whatever the counts were.
One set of e_i for all tables, in at% as well as in wt%, is a strong claim: it can be checked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edsnb.core.events import Array

ROUNDING = 0.03
"""Percent by which the errors may be missed: tables are rounded to 0.01, shares as well as errors."""


LEAST_UPDATES = 3
"""Quantifications needed: one alone, in at% and wt%, agrees with some set of e_i whatever its errors are."""
UNKNOWN = "Velox does not say what its errors are, nor whether they are one standard deviation."


def factor_errors(shares: Sequence[Sequence[float]], errors: Sequence[Sequence[float]]) -> tuple[Array, float] | None:
    """Find relative errors of the factors that give all errors of several tables.

    Parameters
    ----------
    shares
        One (K,) array a table, in percent; at% and wt% of one spectrum are two tables.
    errors
        (K,) errors of each, in percent of the whole, as given.

    Returns
    -------
    The K relative errors (1 is 100 %) and the largest difference from an error given, in percent; None where there
    are fewer than two tables, or than three elements: of two, only the sum of their squares shows. Tables in which a
    value is missing are left out.
    """
    parts = [np.asarray(s, float) / 100 for s in shares]
    given = [np.asarray(e, float) / 100 for e in errors]
    usable = [(c, s) for c, s in zip(parts, given, strict=True) if np.isfinite([c, s]).all() and (s > 0).all()]
    if len(usable) < 2 or len(usable[0][0]) < 3:
        return None
    from scipy.optimize import nnls

    slopes = [(c[:, None] * (np.eye(len(c)) - c)) ** 2 for c, _ in usable]
    # Weighted so that rounding, which is the same for small and large errors, counts alike.
    system = np.concatenate([a / s[:, None] for a, (_, s) in zip(slopes, usable, strict=True)])
    squares, _ = nnls(system, np.concatenate([s for _, s in usable]))
    worst = max(np.abs(np.sqrt(a @ squares) - s).max() for a, (_, s) in zip(slopes, usable, strict=True))
    return np.sqrt(squares), float(100 * worst)


def describe_errors(
    elements: Sequence[str], shares: Sequence[Sequence[float]], errors: Sequence[Sequence[float]], updates: int
) -> str:
    """Say what Velox's errors are, as far as its log tells.

    Parameters
    ----------
    shares, errors
        As for `factor_errors`.
    updates
        How many quantifications, with ever more counts, the tables come from.
    """
    found = factor_errors(shares, errors) if updates >= LEAST_UPDATES else None
    if found is None:
        return UNKNOWN
    factors, worst = found
    if worst > ROUNDING:
        return f"{UNKNOWN} Errors of k-factors alone do not give them."
    named = ", ".join(f"{e} {100 * f:.1f} %" for e, f in zip(elements, factors, strict=True))
    return (
        f"{UNKNOWN} One set of relative errors of its factors ({named}) gives all errors of {updates} updates with "
        f"ever more counts, within {max(worst, 0.005):.2f} percent: they are not those of counting, and all regions "
        "share them."
    )

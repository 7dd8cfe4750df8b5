"""Is it at% or wt%? What the numbers themselves say."""

from __future__ import annotations

import numpy as np

from edsnb.core.comparison.composition import QUANTITIES, Composition
from edsnb.core.events import Array
from edsnb.core.fitting.lines import atomic_weight
from edsnb.errors import InputError

_FAR_BETTER = 3.0
"""How many times farther from the unit it is called than from the other one a table must be to be taken for it."""
_TELLS = 3.0
"""Percent by which at% and wt% must differ for a table to tell them apart."""
_OTHER = {"atomic": "weight", "weight": "atomic"}


def converted(percent: Array, elements: tuple[str, ...], to: str) -> Array:
    """Return wt% of at% (``to="weight"``) or at% of wt% (``to="atomic"``), (..., K), with the same sum."""
    weights = np.array([atomic_weight(element) for element in elements])
    parts = percent * weights if to == "weight" else percent / weights
    total = np.nansum(parts, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(parts / total * np.nansum(percent, axis=-1, keepdims=True))


def check_unit(table: Composition, own: Composition) -> str:
    """Say whether a table's at% (or wt%) are what they are called, beside another composition of the same regions.

    The elements that both have are normalised to 100 %; the distance is the median over regions of the root mean
    square difference. The table's unit is doubted where its numbers lie three times nearer to the other unit.

    Parameters
    ----------
    table
        What was read, with at% or wt%.
    own
        A composition whose unit is known, such as `Composition.of` edsnb's quantification.

    Returns
    -------
    A sentence for the notes: what was found, or why it cannot be told.

    Raises
    ------
    InputError
        The numbers are far nearer to the other unit.
    """
    elements = [e for e in table.elements if e in own.elements]
    names = [name for name in table.names if name in own.names]
    rows = [table.names.index(name) for name in names], [own.names.index(name) for name in names]
    if len(elements) < 2 or not names:
        return f"at% or wt%: {table.method} and {own.method} have too little in common to check the unit."
    said = []
    for quantity in ("atomic", "weight"):
        if quantity not in table.values:
            continue
        found = _normalised(table.values[quantity][rows[0]][:, [table.column(e) for e in elements]])
        known = _both(own, rows[1], elements)
        distance = {unit: _distance(found, values) for unit, values in known.items()}
        other = _OTHER[quantity]
        if not _distance(known["atomic"], known["weight"]) > _TELLS or np.isnan(distance[quantity]):
            said.append(f"at% or wt%: these elements cannot tell them apart beside {own.method}.")
            continue
        figures = f"{distance[quantity]:.1f} from its {QUANTITIES[quantity]}, {distance[other]:.1f} from its " \
                  f"{QUANTITIES[other]}"  # fmt: skip
        if distance[quantity] > _FAR_BETTER * distance[other] and distance[quantity] > _TELLS:
            raise InputError(
                f"{table.source or table.method}: what is called {QUANTITIES[quantity]} looks like "
                f"{QUANTITIES[other]}: over {len(names)} regions it lies {figures} of {own.method}. If it is, rename "
                f"the columns or say quantity={other!r}."
            )
        said.append(f"the unit was checked beside {own.method}: {QUANTITIES[quantity]} lie {figures}.")
    return " ".join(said) or f"{table.method} has counts alone: there is no unit to check."


def _both(own: Composition, rows: list[int], elements: list[str]) -> dict[str, Array]:
    """Return the known composition as at% and wt%, the one from the other where it has one alone."""
    columns = [own.column(element) for element in elements]
    found: dict[str, Array] = {}
    for quantity in _OTHER:
        if quantity in own.values:
            found[quantity] = _normalised(own.values[quantity][rows][:, columns])
    if not found:
        raise InputError(f"{own.method} has neither at% nor wt% to check a unit beside.")
    for quantity, other in _OTHER.items():
        if quantity not in found:
            found[quantity] = converted(found[other], tuple(elements), quantity)
    return found


def _normalised(values: Array) -> Array:
    """Return rows that sum to 100; NaN where a value is missing or nothing was found."""
    total = values.sum(axis=1, keepdims=True)
    return 100 * np.divide(values, total, out=np.full(values.shape, np.nan), where=total > 0)


def _distance(one: Array, other: Array) -> float:
    """Return the median over regions of the root mean square difference; NaN where no region is known in both."""
    rms = np.sqrt(np.mean((one - other) ** 2, axis=1))
    rms = rms[np.isfinite(rms)]
    return float(np.median(rms)) if rms.size else float("nan")

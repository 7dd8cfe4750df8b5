"""From the numbers of a table to percent: units that are declared, units that the sums show, sums that cannot be.

====================== ==============================================================================================
at% or wt% of a region what happens
====================== ==============================================================================================
sum within 99 to 101   taken as they are
sum 50 to 102          taken as they are, with a note: other elements share the 100 %
sum below 50           an error, unless `least_sum` is lower
sum above 102          an error
sum 0                  nothing was found: the region is not known (NaN), with a note
all cells empty        the region is not known (NaN)
====================== ==============================================================================================

A column without ``%`` (``Atomic Fraction``) holds percent where all sums lie in the range above, fractions of 1 where
all lie in a hundredth of it; a note says which. Where a heading says the one and the sums the other, that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, nan

import numpy as np

from edsnb.core.comparison.units import converted
from edsnb.errors import InputError
from edsnb.io.velox_tables.columns import NAMES
from edsnb.io.velox_tables.entries import Entry, Value

LEAST_SUM, LARGEST_SUM = 50.0, 102.0
"""Range of sums of at% or wt% that a region may have."""
SUM_TOLERANCE = 1.0
"""Percent by which a sum may miss 100 without a word: Velox rounds to 0.01, people to 0.1 or 1."""
_AGREE = 1.0
"""Median percent by which at% and wt% of one table may disagree: rounding to 1 % gives less."""
_SCALE = {"percent": 1.0, "share": 100.0}


def settle_units(entries: Sequence[Entry], quantity: str, least_sum: float, notes: list[str]) -> None:
    """Bring one quantity of a file's entries to percent.

    Raises
    ------
    InputError
        The unit is not clear, contradicts the sums, or a sum is out of range.
    """
    sums = {id(entry): _sum(entry, quantity) for entry in entries}
    found = [entry for entry in entries if isfinite(sums[id(entry)]) and sums[id(entry)] != 0]
    nothing = [entry for entry in entries if sums[id(entry)] == 0]
    units = {v.unit for entry in entries for (q, _), v in entry.values.items() if q == quantity and isfinite(v.value)}
    open_unit = _unit_of(found, sums, quantity, least_sum) if found and None in units else "percent"
    if found and None in units:
        word = "percent" if open_unit == "percent" else "fractions of 1, multiplied by 100"
        notes.append(
            f"{found[0].source.split(',')[0]}: {NAMES[quantity]} without a unit are {word}, as their sums show."
        )
    for entry in found:
        _convert(entry, quantity, open_unit)
        _check_sum(entry, quantity, _sum(entry, quantity), least_sum)
    for entry in nothing:
        _forget(entry, quantity)
        notes.append(f"{entry.label or entry.source}: all {NAMES[quantity]} are 0, so nothing is known of it.")


def check_pairs(entries: Sequence[Entry]) -> list[str]:
    """Return notes on whether at% and wt% of the same entries go together by the atomic weights.

    Raises
    ------
    InputError
        They are mixed up: what is called at% are wt%, and the other way round.
    """
    straight, crossed = [], []
    for entry in entries:
        atomic = {e: v.value for (q, e), v in entry.values.items() if q == "atomic" and isfinite(v.value)}
        weight = {e: v.value for (q, e), v in entry.values.items() if q == "weight" and isfinite(v.value)}
        elements = tuple(e for e in atomic if e in weight)
        if len(elements) < 2 or sum(atomic.values()) <= 0 or sum(weight.values()) <= 0:
            continue
        at, wt = (100 * np.array([v[e] for e in elements]) / sum(v[e] for e in elements) for v in (atomic, weight))
        straight.append(float(np.abs(converted(at, elements, "weight") - wt).max()))
        crossed.append(float(np.abs(converted(wt, elements, "weight") - at).max()))
    if not straight or np.median(straight) <= _AGREE:
        return []
    if np.median(crossed) <= _AGREE:
        raise InputError(
            f"{entries[0].source}: at% and wt% are mixed up: by the atomic weights, what is called at% are wt% and the "
            "other way round. Exchange the headings."
        )
    return [
        f"at% and wt% of the table do not go together: by the atomic weights they differ by {np.median(straight):.1f} "
        "wt% (median of the regions). One of them may have been corrected or normalised another way."
    ]


def _sum(entry: Entry, quantity: str) -> float:
    """Return the sum of an entry's values; NaN where there is none."""
    values = [v.value for (q, _), v in entry.values.items() if q == quantity and isfinite(v.value)]
    return sum(values) if values else nan


def _unit_of(entries: Sequence[Entry], sums: dict[int, float], quantity: str, least_sum: float) -> str:
    """Return the unit that all sums show."""
    kinds = {_shown(sums[id(entry)], least_sum) for entry in entries}
    if len(kinds) == 1 and None not in kinds:
        return str(kinds.pop())
    low, high = (f(sums[id(e)] for e in entries) for f in (min, max))
    raise InputError(
        f"{entries[0].source}: {NAMES[quantity]} without a unit sum to {low:.4g} to {high:.4g}, so they are neither "
        "clearly percent nor clearly fractions of 1. Write (%) or (0..1) into the headings."
    )


def _shown(total: float, least_sum: float) -> str | None:
    """Return the unit that a sum shows; None where it shows none."""
    fits = [unit for unit, scale in _SCALE.items() if least_sum <= total * scale <= LARGEST_SUM]
    return fits[0] if len(fits) == 1 else None


def _check_sum(entry: Entry, quantity: str, total: float, least_sum: float) -> None:
    """Raise where a sum cannot be."""
    if least_sum <= total <= LARGEST_SUM:
        return
    where = f"{entry.source}{f' ({entry.label})' if entry.label else ''}"
    name = NAMES[quantity]
    if least_sum <= 100 * total <= LARGEST_SUM:
        hint = "They look like fractions of 1: write (0..1) into the headings."
    elif least_sum <= total / 100 <= LARGEST_SUM:
        hint = "They look like percent that the headings call fractions of 1: write (%) into the headings."
    elif total > LARGEST_SUM:
        hint = f"More than {LARGEST_SUM:g} cannot be: look for a wrong column or a misplaced decimal sign."
    else:
        hint = f"Less than {least_sum:g} is too little to compare; if main elements were left out, say least_sum=..."
    raise InputError(f"{where}: {name} sum to {total:.4g}. {hint}")


def _convert(entry: Entry, quantity: str, open_unit: str) -> None:
    """Bring an entry's values to percent."""
    for key, value in list(entry.values.items()):
        if key[0] == quantity:
            scale = _SCALE[value.unit or open_unit]
            entry.values[key] = Value(value.value * scale, value.sd * scale, "percent")


def _forget(entry: Entry, quantity: str) -> None:
    for key, value in list(entry.values.items()):
        if key[0] == quantity:
            entry.values[key] = replace(value, value=nan, sd=nan, unit="percent")

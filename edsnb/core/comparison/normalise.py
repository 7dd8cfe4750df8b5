"""What shares the 100 %: the trap of comparing percentages, and the way out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edsnb.core.comparison.composition import QUANTITIES, Composition
from edsnb.core.events import Array
from edsnb.core.quant.composition import shares
from edsnb.core.quant.quantification import deviations
from edsnb.errors import InputError

SUM_TOLERANCE = 0.5
"""Percent by which a sum may miss 100 % before it is remarked upon: tables are rounded to a tenth or so."""
_ASSUMED = "errors went through the normalisation as if those of its elements were independent, which is not known."


def covariance_of(composition: Composition, quantity: str = "atomic") -> tuple[Array, bool]:
    """Return the covariance (n, K, K) of at% or wt%, and whether it is known or taken as that of independent errors.

    edsnb's own quantification knows it; a table of values and errors does not.
    """
    quant = composition.quantification
    if quant is not None and quantity in ("atomic", "weight"):
        values, covariance = {
            "atomic": (quant.atomic, quant.atomic_covariance),
            "weight": (quant.weight, quant.weight_covariance),
        }[quantity]
        # A composition made from a part of a quantification, or changed since, has errors of its own.
        if quant.elements == composition.elements and np.array_equal(values, composition.values[quantity], True):
            return covariance, True
    return composition.sd[quantity][:, :, None] ** 2 * np.eye(len(composition.elements)), False


def renormalised(composition: Composition, elements: Sequence[str], quantity: str = "atomic") -> Composition:
    """Return the composition with only these elements sharing the 100 %.

    The covariance goes through the quotient to first order. Where only standard deviations are known, errors of the
    elements are taken as independent, and a note says so; unless these elements share the 100 % already, in which case
    the errors stay as they are. A region in which one of the elements is not known is NaN.

    Raises
    ------
    ElementError
        An element is not there.
    InputError
        The quantity is not a percentage or is not there; no element is named, or one twice.
    """
    if quantity not in ("atomic", "weight"):
        raise InputError(f"{QUANTITIES.get(quantity, quantity)} cannot be normalised to 100 %: only at% and wt% can.")
    check_quantity(composition, quantity)
    chosen = tuple(elements)
    if not chosen or len(set(chosen)) != len(chosen):
        raise InputError(f"elements to share the 100 %: name each once; found {', '.join(chosen) or 'none'}.")
    columns = [composition.column(element) for element in chosen]
    covariance, known = covariance_of(composition, quantity)
    values = composition.values[quantity][:, columns]
    sums = values.sum(axis=1)
    usable = np.isfinite(sums) & (np.nan_to_num(sums) > 0)
    percent, spread = shares(values, covariance[:, columns][:, :, columns], np.ones(len(chosen)), usable)
    sd, notes = deviations(spread), composition.notes
    if not known and set(chosen) == set(composition.elements) and (np.abs(sums[usable] - 100) <= SUM_TOLERANCE).all():
        # They share the 100 % already: the errors given are those of the shares.
        sd = np.where(usable[:, None], composition.sd[quantity][:, columns], np.nan)
    elif not known and np.isfinite(sd).any():
        notes = (*notes, f"{composition.method}: {_ASSUMED}")
    return replace(
        composition,
        elements=chosen,
        values={quantity: percent},
        sd={quantity: sd},
        families=tuple(composition.families[c] for c in columns) if composition.families else (),
        normalisation=f"{' + '.join(chosen)} = 100 %, renormalised from: {composition.normalisation or 'not said'}",
        notes=notes,
    )


def check_quantity(composition: Composition, quantity: str) -> None:
    """Raise InputError where a composition does not have the quantity."""
    if quantity not in QUANTITIES:
        raise InputError(f"quantity={quantity!r} is unknown; choose {', '.join(QUANTITIES)}.")
    if quantity not in composition.values:
        there = ", ".join(QUANTITIES[name] for name in composition.values)
        say = " or ".join(f"'{name}'" for name in composition.values)
        raise InputError(
            f"{composition.method} has no {QUANTITIES[quantity]}; it has {there}. Compare that instead: quantity={say}."
        )


def sum_note(composition: Composition, quantity: str = "atomic") -> tuple[str, ...]:
    """Return a note where the percentages of a composition do not add up to 100, else none."""
    if quantity not in ("atomic", "weight"):
        return ()
    values = composition.values[quantity]
    sums = np.where(np.isnan(values), 0.0, values).sum(axis=1)[np.isfinite(values).any(axis=1)]
    off = sums[np.abs(sums - 100) > SUM_TOLERANCE]
    if not off.size:
        return ()
    return (
        f"{QUANTITIES[quantity]} of {composition.method} do not add up to 100 in {off.size} of {sums.size} regions "
        f"({off.min():.1f} to {off.max():.1f}): other elements share the 100 %, or some are missing.",
    )

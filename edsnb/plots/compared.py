"""What figures of a comparison share: colour limits, places, points and lines; numbers only, for any library.

Glossary
--------
value limits : of both methods together, so that equal colours are equal values. From the 1st to the 99th percentile
    unless all is asked for: a few chips in vacuum would else take all the contrast. From 0 where the low end is near.
difference limits : evenly about zero, at the 99th percentile of the absolute differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edsnb.core.comparison.compare import Comparison
from edsnb.core.events import Array
from edsnb.errors import InputError
from edsnb.plots.colours import colour_limits, symmetric_limits

Limits = dict[str, tuple[float, float]]
_NEAR_ZERO = 0.25
"""Share of the high end below which a low end is drawn as 0."""
_LEAST = 0.02
"""Least share of the values' range that the range of differences is: what is smaller is drawn as nearly white."""
_FOR_TEXT = 0.25
"""Share of the range of differences that is left free above them, for the numbers written there."""


def shown_elements(comparison: Comparison, elements: Sequence[str] | None) -> tuple[str, ...]:
    """Return the elements to draw, all of them for None; ElementError for one that was not compared."""
    chosen = comparison.elements if elements is None else tuple(dict.fromkeys(elements))
    for element in chosen:
        comparison.column(element)
    if not chosen:
        raise InputError(f"no element to draw: choose some of {', '.join(comparison.elements)}.")
    return chosen


def value_limits(
    comparison: Comparison, elements: Sequence[str], *, together: bool = False, everything: bool = False
) -> Limits:
    """Return the values drawn in the first and last colour, for each element.

    Parameters
    ----------
    comparison, elements
        What is drawn.
    together
        One range for all elements instead of one for each.
    everything
        From the lowest to the highest value instead of the percentiles.
    """
    groups = [tuple(elements)] if together else [(element,) for element in elements]
    limits: Limits = {}
    for group in groups:
        columns = [comparison.column(element) for element in group]
        values = np.concatenate([comparison.first[:, columns], comparison.second[:, columns]])
        low, high = colour_limits(values, (0.0, 100.0) if everything else (1.0, 99.0))
        limits |= dict.fromkeys(group, (0.0 if 0 < low < _NEAR_ZERO * high else low, high))
    return limits


def difference_limits(
    comparison: Comparison, elements: Sequence[str], *, together: bool = False, everything: bool = False
) -> Limits:
    """Return the differences drawn in the first and last colour, evenly about zero; arguments as `value_limits`."""
    values = value_limits(comparison, elements, together=together, everything=everything)
    percentile = 100.0 if everything else 99.0
    groups = [tuple(elements)] if together else [(element,) for element in elements]
    limits: Limits = {}
    for group in groups:
        columns = [comparison.column(element) for element in group]
        differences = comparison.difference[:, columns]
        high = symmetric_limits(differences, percentile)[1] if np.nan_to_num(differences).any() else 0.0
        least = _LEAST * max(values[e][1] - values[e][0] for e in group)
        limits |= dict.fromkeys(group, (-max(high, least), max(high, least)))
    return limits


class Points(NamedTuple):
    """One element's chips in plots of agreement; all (n,), NaN where a method has no value."""

    first: Array
    second: Array
    mean: Array
    difference: Array
    sd_first: Array
    sd_second: Array
    identity: tuple[float, float]
    """Ends of both axes of the plot of one method against the other."""
    means: tuple[float, float]
    """Ends of the axis of means."""
    differences: tuple[float, float]
    """Ends of the axis of differences; zero, bias and limits of agreement lie inside."""


def points(comparison: Comparison, element: str) -> Points:
    """Return what plots of agreement draw of one element."""
    k = comparison.column(element)
    first, second = comparison.first[:, k], comparison.second[:, k]
    difference, mean = first - second, 0.5 * (first + second)
    found = comparison.by_element[element]
    both = np.isfinite(difference)
    return Points(
        first=first,
        second=second,
        mean=mean,
        difference=difference,
        sd_first=comparison.first_sd[:, k],
        sd_second=comparison.second_sd[:, k],
        identity=_ends(np.concatenate([first[both], second[both]])),
        means=_ends(mean[both]),
        differences=_ends(np.concatenate([difference[both], [0.0, found.lower, found.upper]]), _FOR_TEXT),
    )


def _ends(values: Array, above: float = 0.06) -> tuple[float, float]:
    """Return the ends of an axis a little beyond the values, above them by this share of their range."""
    low, high = colour_limits(values)
    return low - 0.06 * (high - low), high + above * (high - low)


def spread_sd(sd: Array) -> float:
    """Return the typical standard deviation, NaN where none is known."""
    known = sd[np.isfinite(sd)]
    return float(np.median(known)) if known.size else float("nan")


def unit_of(comparison: Comparison) -> str:
    """Return the unit as axes and colour bars say it."""
    return "X-rays" if comparison.quantity == "counts" else comparison.unit

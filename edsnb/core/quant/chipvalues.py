"""One number a spectrum, of any kind that a fit or its quantification has: what maps of chips and rankings show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.residuals import line_residuals
from edsnb.core.quant.quantification import Quantification
from edsnb.errors import InputError

STATUS = "status"
CHI2 = "chi-square"


@dataclass(frozen=True, slots=True, eq=False)
class ChipValues:
    """One value of n spectra."""

    label: str
    """``Fe at%``, ``chi-square``."""
    unit: str
    """Of the values; empty for pure numbers."""
    values: Array
    """(n,); NaN where there is none."""

    def __post_init__(self) -> None:
        """Freeze the values."""
        object.__setattr__(self, "values", frozen(np.asarray(self.values, np.float64)))


_OF_ELEMENT: dict[str, tuple[str, Callable[[Quantification], Array]]] = {
    "at%": ("at%", lambda quant: quant.atomic),
    "sd of at%": ("at%", lambda quant: quant.sd_atomic),
    "wt%": ("wt%", lambda quant: quant.weight),
    "sd of wt%": ("wt%", lambda quant: quant.sd_weight),
    "detection limit": ("at%", lambda quant: quant.detection_limit),
}
_OF_FAMILY: dict[str, tuple[str, Callable[[FitResult], Array]]] = {
    "intensity": ("counts", lambda fit: fit.intensities),
    "sd of intensity": ("counts", lambda fit: fit.sd),
    "residual": ("σ", line_residuals),
}
_OF_ALL: dict[str, tuple[str, Callable[[FitResult, Quantification | None], Array]]] = {
    CHI2: ("", lambda fit, _: fit.chi2),
    "X-rays": ("counts", lambda fit, _: fit.spectra.counts[:, fit.channels].sum(axis=1)),
    STATUS: ("", lambda fit, quant: fit.status if quant is None else quant.status),
}


def kinds(fit: FitResult, quant: Quantification | None) -> dict[str, tuple[str, ...]]:
    """Return the kinds of values there are, and of which elements or families; ("",) for whole spectra."""
    families = tuple(family.name for family in fit.families)
    found = dict.fromkeys(_OF_ELEMENT, quant.elements) if quant is not None else {}
    return {**found, **dict.fromkeys(_OF_FAMILY, families), **dict.fromkeys(_OF_ALL, ("",))}


def chip_values(fit: FitResult, quant: Quantification | None, kind: str, part: str = "") -> ChipValues:
    """Return a value of each spectrum.

    Parameters
    ----------
    fit, quant
        A fit and its quantification; None where it was not quantified.
    kind
        at%, sd of at%, wt%, sd of wt% or detection limit of an element; intensity, sd of intensity or residual of a
        family; chi-square, X-rays or status.
    part
        Which element (``Fe``) or family (``Fe_K``).

    Raises
    ------
    InputError
        There is no such kind, or not of this part.
    """
    possible = kinds(fit, quant)
    if kind not in possible:
        raise InputError(f"no values called {kind!r}; there are {', '.join(possible)}.")
    if part not in possible[kind]:
        raise InputError(f"no {kind} of {part!r}; there is that of {', '.join(possible[kind]) or 'nothing'}.")
    if kind in _OF_ALL:
        unit, get = _OF_ALL[kind]
        return ChipValues(kind, unit, get(fit, quant))
    column = possible[kind].index(part)
    if kind in _OF_FAMILY:
        unit, of_family = _OF_FAMILY[kind]
        return ChipValues(f"{part.replace('_', ' ')} {kind}", unit, of_family(fit)[:, column])
    unit, of_element = _OF_ELEMENT[kind]
    if quant is None:
        raise InputError(f"{kind} needs a quantification, and there is only a fit: quantify it first.")
    return ChipValues(f"{part} {kind}", unit, of_element(quant)[:, column])


def ranked(values: Array, *, lowest: bool = False, absolute: bool = False) -> Array:
    """Return the numbers of the spectra (n,), those with the highest value first; those without a value at the end."""
    keys = np.abs(values) if absolute else np.asarray(values, np.float64)
    return np.argsort(np.where(np.isfinite(keys), keys if lowest else -keys, np.inf), kind="stable")


def histogram(values: Array, bins: int = 40, upto: float = 99.0) -> tuple[Array, Array, int]:
    """Return counts (bins,) and edges (bins + 1,) of a histogram, and how many values lie above its last edge.

    The last edge lies a little above the percentile `upto`, so that a few outliers do not hide the others.
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return np.zeros(0, int), np.zeros(0), 0
    low, high = float(known.min()), float(np.percentile(known, upto))
    high = min(high + 0.1 * (high - low), float(known.max()))
    # No narrower bins than numbers can tell apart.
    if high - low < 2 * bins * np.spacing(max(abs(low), abs(high))):
        low, high = low - 0.5 * max(1.0, abs(low)), high + 0.5 * max(1.0, abs(high))
    counts, edges = np.histogram(known, bins, (low, high))
    return counts, edges, int((known > edges[-1]).sum())

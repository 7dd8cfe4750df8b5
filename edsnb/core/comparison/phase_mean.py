"""One phase by one method: the mean over its chips, normalised over its formula's elements, with what it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.formula import expected_percent
from edsnb.core.comparison.normalise import covariance_of
from edsnb.core.events import Array, frozen
from edsnb.core.quant.composition import shares
from edsnb.core.quant.quantification import deviations

COLUMNS = ("summed", "summed_se", "normalised", "se_scatter", "se_counting", "sd_k", "expected", "error_percent")
"""What a result has for each element."""


@dataclass(frozen=True, slots=True, eq=False)
class PhaseResult:
    """One phase as one method found it in one sample: K elements of its formula; NaN for what is not known."""

    sample: str
    """Empty where there is only one."""
    phase: str
    formula: str
    method: str
    elements: tuple[str, ...]
    """K symbols, in the order of the formula."""
    chips: int
    """How many chips of the phase have values of all these elements."""
    summed: Array
    """(K,) mean at% over the chips."""
    summed_se: Array
    """(K,) its standard error from the scatter between chips."""
    normalised: Array
    """(K,) at% with these elements alone sharing the 100 %."""
    se_scatter: Array
    """(K,) standard error of `normalised` from the scatter between chips."""
    se_counting: Array
    """(K,) standard error of `normalised` from counting statistics alone."""
    sd_k: Array
    """(K,) standard deviation of `normalised` from the k-factors, which all chips share."""
    expected: Array
    """(K,) at% of the formula."""
    error_percent: Array
    """(K,) |normalised - expected| / expected * 100."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in COLUMNS:
            object.__setattr__(self, name, frozen(getattr(self, name)))


def phase_result(
    sample: str, phase: str, formula: str, method: str, composition: Composition, mask: Array
) -> PhaseResult:
    """Return what one method found of one phase."""
    expected = expected_percent(formula)
    values, counting, by_k = _columns(composition, tuple(expected))
    there = np.array([e in composition.elements for e in expected])
    rows = np.flatnonzero(mask & np.isfinite(values[:, there]).all(axis=1)) if there.any() else np.zeros(0, np.int64)
    n, width = len(rows), len(expected)
    mean = values[rows].mean(axis=0) if n else np.full(width, np.nan)
    scatter = np.atleast_2d(np.cov(values[rows], rowvar=False)) / n if n > 1 else np.full((width, width), np.nan)
    covariances = [scatter, counting[rows].sum(axis=0) / max(n, 1) ** 2]
    # All chips share the errors of k, so averaging leaves them as they are.
    covariances.append(by_k[rows].mean(axis=0) if n else scatter)
    usable = np.array([np.isfinite(mean).all() and mean.sum() > 0])
    through = [shares(mean[None], covariance[None], np.ones(width), usable) for covariance in covariances]
    wanted, normalised = np.array(list(expected.values())), through[0][0][0]
    errors = [deviations(covariance)[0] for _, covariance in through]
    return PhaseResult(
        sample=sample,
        phase=phase,
        formula=formula,
        method=method,
        elements=tuple(expected),
        chips=n,
        summed=mean,
        summed_se=deviations(scatter[None])[0],
        normalised=normalised,
        se_scatter=errors[0],
        se_counting=errors[1],
        sd_k=errors[2],
        expected=wanted,
        error_percent=off(normalised, wanted),
    )


def _columns(composition: Composition, elements: tuple[str, ...]) -> tuple[Array, Array, Array]:
    """Return at% (n, K) of these elements and its covariances from counting and from k; NaN for what is not known."""
    at = [composition.elements.index(e) if e in composition.elements else -1 for e in elements]
    counting, known = covariance_of(composition)
    quant = composition.quantification
    by_k = quant.atomic_covariance_k if known and quant is not None else None
    if by_k is None:
        by_k = np.full(counting.shape, np.nan)
    # The last column, to which -1 leads, stands for elements that are not there.
    values = np.pad(composition.values["atomic"], ((0, 0), (0, 1)), constant_values=np.nan)[:, at]
    wide = [np.pad(c, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)[:, at][:, :, at] for c in (counting, by_k)]
    return values, wide[0], wide[1]


def off(normalised: Array, expected: Array) -> Array:
    """Return the percent error (K,)."""
    return np.asarray(np.abs(normalised - expected) / expected * 100)

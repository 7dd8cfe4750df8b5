"""How well two methods agree in one element, over the chips both have.

Glossary
--------
bias : mean of the differences d = first - second.
limits of agreement : bias ± 1.96 sd(d), between which 95 % of the differences lie if they are normal (Bland & Altman,
    Lancet 327 (1986) 307); standard error of each limit sqrt(3 sd² / n), of the bias sd / sqrt(n).
concordance : 2 s12 / (s1² + s2² + (m1 - m2)²) with variances over n: 1 only on the line first = second (Lin,
    Biometrics 45 (1989) 255). Pearson's r is 1 on any rising line.
slope : reduced major axis, sign(r) s1 / s2, of first against second: it treats both alike, so swapping inverts it.
ratio : mean of the first over mean of the second. A wrong k-factor shows here.

The errors of bias and limits are those of the scatter between chips. They take the chips as independent, and know
nothing of what all chips share, such as errors of k-factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from edsnb.core.events import Array
from edsnb.errors import InputError

LIMITS = 1.96
"""Standard deviations from the bias to either limit of agreement."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement in one element, in the unit compared (at%, wt% or counts); NaN where chips are too few."""

    n: int
    """Chips in which both methods have a value."""
    bias: float
    """Mean difference, first - second."""
    bias_se: float
    bias_low: float
    """Lower end of the bias' confidence interval (Student's t)."""
    bias_high: float
    sd: float
    """Standard deviation of the differences (n - 1)."""
    lower: float
    """Lower limit of agreement."""
    upper: float
    limits_se: float
    """Standard error of either limit."""
    rms: float
    """Root mean square of the differences."""
    mean_first: float
    mean_second: float
    ratio: float
    """Mean of the first over mean of the second."""
    slope: float
    """Reduced major axis of the first against the second."""
    pearson: float
    concordance: float
    """Lin's concordance."""
    z_rms: float
    """Root mean square of z: about 1 where only independent counting noise tells the methods apart."""


def agreement(first: Array, second: Array, z: Array, confidence: float = 0.95) -> Agreement:
    """Return the agreement of two methods in one element.

    Parameters
    ----------
    first, second
        (n,) values; chips in which either is NaN do not count.
    z
        (n,) differences over their standard deviations, NaN where not known.
    confidence
        Of the interval of the bias.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, such as 0.95; found {confidence}.")
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    n = len(a)
    d = a - b
    bias, sd = _mean(d), _sd(d)
    se = sd / math.sqrt(n) if n else math.nan
    wide = float(stdtrit(n - 1, 0.5 + confidence / 2)) * se if n > 1 else math.nan
    mean_a, mean_b = _mean(a), _mean(b)
    slope, pearson, concordance = _lines(a, b)
    return Agreement(
        n=n,
        bias=bias,
        bias_se=se,
        bias_low=bias - wide,
        bias_high=bias + wide,
        sd=sd,
        lower=bias - LIMITS * sd,
        upper=bias + LIMITS * sd,
        limits_se=sd * math.sqrt(3 / n) if n else math.nan,
        rms=math.sqrt(_mean(d**2)),
        mean_first=mean_a,
        mean_second=mean_b,
        ratio=mean_a / mean_b if mean_b else math.nan,
        slope=slope,
        pearson=pearson,
        concordance=concordance,
        z_rms=math.sqrt(_mean(z[both & np.isfinite(z)] ** 2)),
    )


def _mean(values: Array) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean()) if len(values) else math.nan


def _sd(values: Array) -> float:
    """Return the standard deviation over n - 1, NaN below two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _lines(a: Array, b: Array) -> tuple[float, float, float]:
    """Return slope, Pearson's r and concordance; NaN where values do not vary."""
    if len(a) < 2:
        return math.nan, math.nan, math.nan
    da, db = a - a.mean(), b - b.mean()
    s_aa, s_bb, s_ab = float(da @ da) / len(a), float(db @ db) / len(a), float(da @ db) / len(a)
    apart = s_aa + s_bb + float(a.mean() - b.mean()) ** 2
    concordance = 2 * s_ab / apart if apart > 0 else math.nan
    # The product of the roots: the root of the product could fall to zero.
    spread = math.sqrt(s_aa) * math.sqrt(s_bb)
    if spread == 0:
        return math.nan, math.nan, concordance
    slope = math.copysign(math.sqrt(s_aa) / math.sqrt(s_bb), s_ab) if s_ab else math.nan
    return slope, max(-1.0, min(1.0, s_ab / spread)), concordance

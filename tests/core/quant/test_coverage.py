"""Are the uncertainties true? Thousands of chips whose truth is known, from 300 to 100,000 X-rays each.

The chips are drawn from the fit's own model (no tail, no miscalibration, the model's own continuum), so that counting
statistics alone is tested. A pull is (found - true) / sd; where the sd is true, pulls have mean 0 and standard
deviation 1. Two thousand chips tell both to 0.02.

Which sd: the one expected at the truth, from the Fisher information there. A chip's own sd follows from what was found
in it: one that by chance has fewer counts also states a smaller sd. Even for bare Poisson numbers N of mean m the pulls
(N - m) / sqrt(N) are therefore skewed, with mean -1 / (2 sqrt(m)): -0.1 at 25 counts. That is no error of the fit, and
no sd that comes from the chip alone is without it. So the scatter of every line that can be detected is tested with the
expected sd, and the chip's own sd where a line has enough counts for this to be small.

Which truth: `present` has all the lines that are fitted. In `absent` titanium is looked for in vain: its counts cannot
be negative, so they are too high on average, by 0.4 sd, and what overlaps with it pays for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from edsnb.core.fitting.fit import FitResult, Status, fit, model_spec
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.fitting.model import design
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import Acquisition, EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import Quantification, quantify
from edsnb.core.regions import Spectra

CHIPS = 2000
DOSES = (300, 1_000, 10_000, 100_000)
AXIS = EnergyAxis(2000, 0.01, 0.0)
ACQUISITION = Acquisition(beam_kev=200.0, resolution_ev=130.0)
PRESENT = {
    **{"La_L": 0.13, "La_M": 0.12, "Fe_K": 0.15, "Fe_L": 0.06, "Sr_K": 0.02, "Sr_L": 0.03, "Ti_K": 0.02, "Ti_L": 0.02},
    **{"O_K": 0.24, "Al_K": 0.004, "Cu_K": 0.06, "Cu_L": 0.02, "C_K": 0.03},
}
"""Share of each family in all X-rays; the rest is continuum. Aluminium is too weak to be detected at low doses."""
SHARES = {"present": PRESENT, "absent": PRESENT | {"Ti_K": 0.0, "Ti_L": 0.0}}
ELEMENTS = tuple(dict.fromkeys(name.split("_")[0] for name in PRESENT))
LINES = ("La_L", "Fe_K", "Sr_K", "Ti_K", "O_K", "Al_K")
CONTINUUM = (0.1, 0.6, 0.3)
"""Proportions of E^0, E^-1 and E^-2 in the continuum."""
DETECTED = 3.0
ENOUGH = 100
"""Counts at which -1 / (2 sqrt(N)) is 0.05."""
ONE_SIDED = 1.645
"""Standard deviations below which 95 % of a normal distribution lie."""


@dataclass(frozen=True)
class Drawn:
    """Chips of one dose, what was found, and what was to be expected."""

    fit: FitResult
    true: np.ndarray
    """(F,) true counts."""
    covariance: np.ndarray
    """(F, F) expected covariance of the fitted counts."""
    limit: np.ndarray
    """(F,) counts needed for detection: 3 sd of the line if it were absent."""

    @property
    def sd(self) -> np.ndarray:
        """(F,) expected sd of the fitted counts."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def names(self) -> list[str]:
        """The F families."""
        return [family.name for family in self.fit.families]


@cache
def drawn(dose: int, truth: str = "present") -> Drawn:
    """Draw the chips of one dose and fit them."""
    blank = Spectra(np.zeros((1, AXIS.size), np.uint8), AXIS, ("blank",), ACQUISITION)
    spec = model_spec(blank, ELEMENTS)
    columns = design(spec, Response(AXIS, 130.0)).columns
    true = dose * np.array([SHARES[truth][family.name] for family in spec.families])
    families = len(true)
    continuum = columns[:, families : families + len(CONTINUUM)] @ CONTINUUM
    continuum *= (dose - true.sum()) / continuum.sum()
    mean = np.zeros(AXIS.size)
    mean[spec.channels] = columns[:, :families] @ true + continuum
    counts = np.random.default_rng(dose).poisson(mean, (CHIPS, AXIS.size)).astype(np.uint32)
    names = tuple(f"chip {i}" for i in range(CHIPS))
    found = fit(Spectra(counts, AXIS, names, ACQUISITION), ELEMENTS, calibration=False)

    def covariance(expected: np.ndarray) -> np.ndarray:
        return np.linalg.inv(found.columns.T / expected @ found.columns)

    expected = mean[spec.channels]
    spread = covariance(expected)[:families, :families]
    absent = [expected - true[k] * columns[:, k] for k in range(families)]
    floor = 1e-3 * expected.mean()
    without = [np.sqrt(covariance(np.maximum(e, floor))[k, k]) for k, e in enumerate(absent)]
    return Drawn(found, true, spread, DETECTED * np.array(without))


@cache
def quantified(dose: int) -> Quantification:
    """Quantify the chips of one dose."""
    k = KFactors.theory(LINES, beam_kev=200.0)
    return quantify(drawn(dose).fit, LINES, kfactors=k, deconvolve=("Cu", "C"))


def true_atomic(dose: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the true at% (K,) and the expected sd of what is found (K,), to first order."""
    chips, factors = drawn(dose), quantified(dose).kfactors.factors
    columns = [chips.fit.column(line) for line in LINES]
    per_atom = np.array([factors[line] / atomic_weight(line.split("_")[0]) for line in LINES])
    parts = chips.true[columns] * per_atom
    shares = parts / parts.sum()
    slope = 100 * (np.eye(len(LINES)) - shares[:, None]) * per_atom / parts.sum()
    return 100 * shares, np.sqrt(np.diag(slope @ chips.covariance[np.ix_(columns, columns)] @ slope.T))


def check(pulls: np.ndarray, names: np.ndarray) -> None:
    """Fail naming every line whose pulls (n, m) are biased or scatter too much or too little."""
    found = zip(map(str, names), pulls.mean(axis=0), pulls.std(axis=0, ddof=1), strict=True)
    bad = [
        f"{name}: mean {mean:.3f}, sd {sd:.3f}"
        for name, mean, sd in found
        if abs(mean) >= 0.1 or not 0.95 <= sd <= 1.05
    ]
    assert not bad, bad


@pytest.mark.parametrize("dose", DOSES)
def test_intensities_scatter_as_expected(dose):
    chips = drawn(dose)
    seen = chips.true > chips.limit
    assert {"La_L", "Fe_K", "O_K", "Cu_K", "Sr_K", "Ti_K"} <= set(np.array(chips.names)[seen])
    check(((chips.fit.intensities - chips.true) / chips.sd)[:, seen], np.array(chips.names)[seen])


@pytest.mark.parametrize("dose", DOSES)
def test_compositions_scatter_as_expected(dose):
    chips = drawn(dose)
    true, sd = true_atomic(dose)
    seen = (chips.true > chips.limit)[[chips.fit.column(line) for line in LINES]]
    check(((quantified(dose).atomic - true) / sd)[:, seen], np.array(LINES)[seen])


@pytest.mark.parametrize("dose", DOSES)
def test_a_chips_own_sd_is_true_where_a_line_has_enough_counts(dose):
    chips, quant = drawn(dose), quantified(dose)
    enough = chips.true >= ENOUGH
    check(((chips.fit.intensities - chips.true) / chips.fit.sd)[:, enough], np.array(chips.names)[enough])
    enough = enough[[chips.fit.column(line) for line in LINES]]
    check(((quant.atomic - true_atomic(dose)[0]) / quant.sd_atomic)[:, enough], np.array(LINES)[enough])


def test_pulls_with_a_chips_own_sd_are_skewed_as_poisson_numbers_are():
    """Fe K at 300 X-rays: 45 counts, hardly any background."""
    chips = drawn(300)
    iron = chips.fit.column("Fe_K")
    own = (chips.fit.intensities[:, iron] - chips.true[iron]) / chips.fit.sd[:, iron]
    assert own.mean() == pytest.approx(-0.5 / np.sqrt(chips.true[iron]), abs=0.06)


@pytest.mark.parametrize("dose", DOSES)
def test_absent_lines_are_found_in_as_many_chips_as_noise_makes(dose):
    """An estimate that cannot be negative is 0 in half of the chips, and half a normal distribution in the others."""
    chips = drawn(dose, "absent")
    for name in ("Ti_K", "Ti_L"):
        column = chips.fit.column(name)
        found = chips.fit.intensities[:, column]
        assert (found >= 0).all()
        # One chip in 740 where numbers are normal. Where a single count of background is expected, 3 sd are 3.4 counts,
        # and Poisson numbers exceed that more often.
        assert (found > chips.limit[column]).mean() < {300: 0.03, 1_000: 0.015}.get(dose, 0.004)
        if dose >= 10_000:
            assert (found == 0).mean() == pytest.approx(0.5, abs=0.1)
            # max(0, z) of a normal z has mean 1 / sqrt(2 pi) and mean square 1 / 2.
            assert (found / chips.sd[column]).mean() == pytest.approx(0.399, abs=0.06)
            assert np.mean((found / chips.sd[column]) ** 2) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("dose", DOSES)
def test_an_absent_line_takes_no_more_from_its_neighbours_than_it_must(dose):
    """Its excess of 0.4 sd moves a line correlated with it by r by 0.4 r of that line's sd."""
    chips = drawn(dose, "absent")
    correlation = chips.covariance / np.outer(chips.sd, chips.sd)
    moved = 0.4 * sum(np.abs(correlation[chips.fit.column(name)]) for name in ("Ti_K", "Ti_L"))
    bias = ((chips.fit.intensities - chips.true) / chips.sd).mean(axis=0)
    seen = chips.true > chips.limit
    assert (np.abs(bias) < moved + 0.1)[seen].all(), dict(zip(chips.names, zip(bias, moved, strict=True), strict=True))


@pytest.mark.parametrize("truth", list(SHARES))
@pytest.mark.parametrize("dose", DOSES)
def test_upper_limits_hold(dose, truth):
    """The truth lies above the 95 % upper limit in 5 % of the chips, whether the line can be detected or not.

    The limit is the score limit: the L counts from which those found are 1.645 sd away, with the sd that belongs to L.
    """
    chips, z = drawn(dose, truth), ONE_SIDED
    limit = chips.fit.intensities + z**2 / 2 + z * np.sqrt(chips.fit.sd**2 + z**2 / 4)
    share = (chips.true > limit).mean(axis=0)
    assert share.max() < 0.07, dict(zip(chips.names, share, strict=True))


def test_upper_limits_with_the_sd_of_what_was_found_are_too_low_for_few_counts():
    """One count of aluminium at 300 X-rays: I + 1.645 sd fails far more often than the 5 % it promises."""
    chips = drawn(300)
    aluminium = chips.fit.column("Al_K")
    assert chips.true[aluminium] < chips.limit[aluminium]
    plain = chips.fit.intensities[:, aluminium] + ONE_SIDED * chips.fit.sd[:, aluminium]
    assert (chips.true[aluminium] > plain).mean() > 0.07


@pytest.mark.parametrize("dose", DOSES)
def test_nearly_all_chips_are_fitted(dose):
    status = drawn(dose).fit.status
    assert np.isin(status, (Status.OK, Status.NOT_CONVERGED)).all()
    assert (status == Status.OK).mean() > 0.97

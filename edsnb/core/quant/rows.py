"""The result of one spectrum, line by line; and the difference of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edsnb.core.fitting.fit import FitResult
from edsnb.core.quant.limits import score_limit
from edsnb.core.quant.quantification import Quantification

NAN = float("nan")
_DETECTED = 3.0
"""Standard deviations above which a line counts as found, as in the quantification."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line family in one spectrum; NaN where there is no number."""

    family: str
    """``Fe_K``."""
    element: str
    role: str
    """``quantified``, ``fitted only`` (the element takes no part in the 100 %), or ``not used`` (another line of the
    element quantifies it)."""
    energy_kev: float
    """Of the alpha line."""
    counts: float
    """Intensity: counts of the whole family."""
    sd: float
    limit: float
    """Upper limit of the counts (95 %, one-sided; `edsnb.core.quant.limits.score_limit`)."""
    found: bool
    """Whether the counts exceed three standard deviations."""
    atomic: float
    """at%; NaN for a family that does not quantify."""
    sd_atomic: float
    atomic_limit: float
    """at% that the upper limit stands for, the other elements being as they are."""
    weight: float
    """wt%."""
    sd_weight: float
    k: float
    """k-factor used; zeta-factor in kg/m2 for the zeta-factor method."""
    sd_k: float


def line_rows(fit: FitResult, quant: Quantification | None, index: int) -> tuple[LineRow, ...]:
    """Return the lines of one spectrum, in the order of the fit."""
    counts, sd = fit.intensities[index], fit.sd[index]
    limits = score_limit(counts, sd)
    by_element = _by_family(quant, index, dict(zip((f.name for f in fit.families), limits.tolist(), strict=True)))
    quantified = quant.elements if quant is not None else ()
    rows = []
    for k, family in enumerate(fit.families):
        role = "quantified" if family.name in by_element else "not used"
        if family.element not in quantified:
            role = "fitted only"
        rows.append(
            LineRow(
                family=family.name,
                element=family.element,
                role=role,
                energy_kev=family.alpha_kev,
                counts=float(counts[k]),
                sd=float(sd[k]),
                limit=float(limits[k]),
                found=bool(counts[k] > _DETECTED * sd[k]),
                **by_element.get(family.name, _NOTHING),
            )
        )
    return tuple(rows)


_NOTHING = dict.fromkeys(("atomic", "sd_atomic", "atomic_limit", "weight", "sd_weight", "k", "sd_k"), NAN)


def _by_family(quant: Quantification | None, index: int, limits: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return what each family that quantifies an element has besides its counts."""
    if quant is None:
        return {}
    per_count = quant.atoms_per_count * quant.correction[index]
    atoms = per_count * quant.fit.intensities[index][quant.columns]
    most = per_count * np.array([limits[name] for name in quant.families])
    shares = 100 * most / (np.maximum(atoms.sum() - atoms, 0.0) + most)
    # A spectrum that was not quantified has no at%, and no limit of one.
    shares = np.where(np.isfinite(quant.atomic[index]), shares, np.nan)
    sd_atomic, sd_weight = quant.sd_atomic[index], quant.sd_weight[index]
    return {
        name: {
            "atomic": float(quant.atomic[index, i]),
            "sd_atomic": float(sd_atomic[i]),
            "atomic_limit": float(shares[i]),
            "weight": float(quant.weight[index, i]),
            "sd_weight": float(sd_weight[i]),
            "k": quant.kfactors.factors[name],
            "sd_k": quant.kfactors.sd.get(name, NAN),
        }
        for i, name in enumerate(quant.families)
    }


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """at% of one element in two spectra, or by two fits; NaN where one of them has none."""

    element: str
    first: float
    sd_first: float
    second: float
    sd_second: float

    @property
    def difference(self) -> float:
        """Second minus first, at%."""
        return self.second - self.first

    @property
    def sd(self) -> float:
        """Standard deviation of the difference of independent spectra, at%."""
        return float(np.hypot(self.sd_first, self.sd_second))


def difference_rows(first: tuple[Quantification, int], second: tuple[Quantification, int]) -> tuple[DifferenceRow, ...]:
    """Return at% of every element of two quantified spectra (quantification, number), side by side."""
    found = [
        {e: (float(q.atomic[i, k]), float(q.sd_atomic[i, k])) for k, e in enumerate(q.elements)}
        for q, i in (first, second)
    ]
    elements = dict.fromkeys((*found[0], *found[1]))
    nothing = (NAN, NAN)
    return tuple(DifferenceRow(e, *found[0].get(e, nothing), *found[1].get(e, nothing)) for e in elements)

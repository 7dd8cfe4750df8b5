"""Composition of the regions of a map, whoever found it: all that a comparison needs to know.

edsnb's own `Quantification` becomes one by `Composition.of`; Velox's log, maps and tables, or a table compiled by hand,
become one when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.lines import parse_line, usual_family
from edsnb.core.quant.quantification import Quantification
from edsnb.core.regions import Regions
from edsnb.errors import ElementError, InputError

QUANTITIES = {"atomic": "at%", "weight": "wt%", "counts": "counts"}
"""What can be compared, and its unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """Values of K elements in n regions. NaN marks what is not known; no value stands without its sd, known or NaN."""

    method: str
    """Who found it, as it is shown: ``edsnb``, ``HyperSpy (published recipe)``, ``Velox (experiment log)``."""
    names: tuple[str, ...]
    """n names of regions, such as ``R0C1``."""
    elements: tuple[str, ...]
    """K symbols."""
    values: dict[str, Array]
    """{quantity: (n, K)}, at least one of `QUANTITIES`: at%, wt%, counts."""
    sd: dict[str, Array]
    """{quantity: (n, K)} standard deviations of `values`; NaN where nobody knows."""
    regions: Regions | None = None
    """Where the regions lie; None where that is not known, such as for spectra of a log."""
    families: tuple[str, ...] = ()
    """The family that quantified each element (``La_L``), empty where not known."""
    normalisation: str = ""
    """Which elements share the 100 %."""
    convention: str = ""
    """k-factors and what they belong to, one sentence."""
    source: str = ""
    """File, folder or map that the numbers come from."""
    quantification: Quantification | None = None
    """edsnb's record with spectra and fits, where there is one."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""

    def __post_init__(self) -> None:
        """Check the shapes and freeze the arrays."""
        shape = len(self.names), len(self.elements)
        if not self.values or set(self.values) - set(QUANTITIES):
            raise InputError(
                f"composition of {self.method}: quantities {', '.join(self.values) or 'none'}; known are "
                f"{', '.join(QUANTITIES)}."
            )
        if len(set(self.names)) != len(self.names) or len(set(self.elements)) != len(self.elements):
            raise InputError(f"composition of {self.method}: a region or an element stands twice.")
        unknown = {q: np.full(shape, np.nan) for q in self.values if q not in self.sd}
        for name, arrays in (("values", self.values), ("sd", {**self.sd, **unknown})):
            for quantity, array in arrays.items():
                if np.shape(array) != shape:
                    raise InputError(
                        f"composition of {self.method}: {quantity} has shape {np.shape(array)} for {shape[0]} regions "
                        f"and {shape[1]} elements."
                    )
            object.__setattr__(self, name, {q: frozen(np.asarray(a, np.float64)) for q, a in arrays.items()})

    def __len__(self) -> int:
        """Return n."""
        return len(self.names)

    def column(self, element: str) -> int:
        """Return the column of an element, or raise ElementError."""
        if element not in self.elements:
            raise ElementError(f"{self.method} has no {element}; it has {', '.join(self.elements)}.")
        return self.elements.index(element)

    @classmethod
    def of(cls, quant: Quantification, method: str = "edsnb") -> Composition:
        """Return edsnb's own quantification as a composition; its errors are those of counting statistics."""
        fit = quant.fit
        return cls(
            method=method,
            names=fit.spectra.names,
            elements=quant.elements,
            values={
                "atomic": quant.atomic,
                "weight": quant.weight,
                "counts": fit.intensities[:, quant.columns],
            },
            sd={"atomic": quant.sd_atomic, "weight": quant.sd_weight, "counts": fit.sd[:, quant.columns]},
            regions=fit.spectra.regions,
            families=quant.families,
            normalisation=quant.normalisation,
            convention=quant.describe(),
            source=fit.spectra.source,
            quantification=quant,
            notes=quant.notes,
        )

    @classmethod
    def of_fit(cls, fit: FitResult, families: Sequence[str] = (), method: str = "edsnb") -> Composition:
        """Return the counts of every fitted element, those that take no part in the 100 % among them.

        `families` names the family of an element (``La_L``) where several of its families were fitted; else it is the
        one selected in the file, or the usual one.
        """
        chosen = {parse_line(name)[0]: name for name in families}
        of_file = {e.symbol: f"{e.symbol}_{e.family}" for e in fit.spectra.elements}
        fitted = [family.name for family in fit.families]
        elements = tuple(dict.fromkeys(family.element for family in fit.families))
        names = []
        for element in elements:
            asked = [name for name in (chosen.get(element), of_file.get(element)) if name in fitted]
            names.append(asked[0] if asked else usual_family(element, fit.families).name)
        columns = [fit.column(str(name)) for name in names]
        return cls(
            method=method,
            names=fit.spectra.names,
            elements=elements,
            values={"counts": fit.intensities[:, columns]},
            sd={"counts": fit.sd[:, columns]},
            regions=fit.spectra.regions,
            families=tuple(str(name) for name in names),
            convention="Counts of all lines of each family.",
            source=fit.spectra.source,
        )


def as_composition(found: Composition | Quantification) -> Composition:
    """Return edsnb's quantification as a composition, a composition as it is; raise InputError for anything else."""
    if isinstance(found, Quantification):
        return Composition.of(found)
    if not isinstance(found, Composition):
        raise InputError(
            f"a Composition or a Quantification is needed, not {type(found).__name__}: give edsnb.quantify's result "
            "(analysis.quantification), or what a reader of Velox's numbers returned."
        )
    return found

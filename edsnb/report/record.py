"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.phases import Phases
from edsnb.core.comparison.stoichiometry import Stoichiometry
from edsnb.core.fitting.fit import FitResult
from edsnb.core.image import SpectrumImage
from edsnb.errors import InputError

if TYPE_CHECKING:
    from edsnb.pipeline import Analysis

SIMULATED = "Simulation, no measurement"
"""What stands on a report whose X-rays were simulated."""
STAND_IN = "simulated by edsnb"
"""What notes of a stand-in for Velox's tables say."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that a report shows."""

    comparisons: tuple[Comparison, ...]
    """One or several, the first side being the same in all of them."""
    stoichiometry: Stoichiometry | None = None
    phases: Phases | None = None
    image: SpectrumImage | None = None
    analyses: Mapping[str, Analysis] = field(default_factory=dict)
    """{method: analysis}: fits, recipes and provenance of what edsnb or HyperSpy fitted."""
    title: str = ""
    label: str = ""
    """Stands over everything, such as that it is simulated; empty for a measurement."""
    command: str = ""
    """What repeats the report on the command line."""
    notes: tuple[str, ...] = ()

    @property
    def compositions(self) -> tuple[Composition, ...]:
        """The first side, then the others."""
        return (self.comparisons[0].compositions[0], *(c.compositions[1] for c in self.comparisons))

    @property
    def prefix(self) -> str:
        """What names of files begin with."""
        return "simulated-" if self.label else ""

    @property
    def pixel_nm(self) -> float | None:
        """Size of a pixel, for scale bars."""
        return None if self.image is None else self.image.pixel_nm

    def phases_of(self, comparison: Comparison) -> Phases | None:
        """Return the phases, where they are known on the regions of a comparison."""
        if self.phases is None:
            return None
        try:
            self.phases.on(comparison.compositions[0])
        except InputError:
            return None
        return self.phases

    def numbered(self, name: str, k: int) -> str:
        """Return the name of a file of one comparison, numbered where there are several."""
        stem, dot, ending = name.partition(".")
        number = f"-{k + 1}" if len(self.comparisons) > 1 else ""
        return f"{self.prefix}{stem}{number}{dot}{ending}"

    def fit_of(self, composition: Composition) -> FitResult | None:
        """Return the fit behind a composition; None for what was read."""
        if composition.method in self.analyses:
            return self.analyses[composition.method].fit
        return None if composition.quantification is None else composition.quantification.fit


def title_of(comparisons: tuple[Comparison, ...], image: SpectrumImage | None) -> str:
    """Return the title of a report: methods, and the file's name."""
    others = " and ".join(c.methods[1] for c in comparisons)
    source = image.source if image is not None else comparisons[0].compositions[0].source
    name = Path(source).name if Path(source).suffix else source
    return f"{comparisons[0].methods[0]} beside {others}" + (f": {name}" if name else "")


def label_of(image: SpectrumImage | None, compositions: tuple[Composition, ...]) -> str:
    """Say what is simulated; empty where nothing is known to be."""
    said = [SIMULATED] if image is not None and "edsnb" in image.software.casefold() else []
    stand_ins = [c.method for c in compositions if any(STAND_IN in note.casefold() for note in c.notes)]
    said += [f"not from Velox: {' and '.join(stand_ins)}"] if stand_ins else []
    return "; ".join(said)


def shown_chips(comparison: Comparison, phases: Phases | None = None) -> dict[str, int]:
    """Return the chips whose fits are shown: of typical and of largest disagreement; rows of the comparison.

    Where there are phases these are chips of a phase: what disagrees most of all is mostly vacuum.
    """
    difference = comparison.difference
    known = np.isfinite(difference)
    rms = np.sqrt((np.where(known, difference, 0.0) ** 2).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    usable = known.any(axis=1)
    if phases is not None:
        masks = phases.on(comparison.compositions[0]).masks.values()
        inside = np.any([mask[comparison.rows[0]] for mask in masks], axis=0) & usable
        usable = inside if inside.any() else usable
    rows = np.flatnonzero(usable)
    order = rows[np.argsort(rms[rows], kind="stable")].tolist()
    if len(order) < 2:
        return {"only": order[0]} if order else {}
    return {"typical": order[(len(order) - 1) // 2], "worst": order[-1]}

"""What is fitted to a map's sum, as a widget's elements say it: the model of pixel maps and of predictions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from edsnb.core.fitting.fit import fit
from edsnb.core.fitting.lines import LineFamily
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, chip
from edsnb.errors import CancelledError, ElementError
from edsnb.state.elements.state import ElementState

_PATIENCE_S = 0.05
_BETA = {"KM3", "KM2", "L2M4", "L3N5", "M4N6"}
"""Transitions that are called beta."""
Mark = tuple[float, str, float]
"""Energy in keV, name (``Fe Kα``), share of its family."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Elements, lines and energy range of a fit: equal settings give equal fits."""

    elements: tuple[str, ...]
    deconvolve: tuple[str, ...]
    lines: tuple[str, ...]
    energy: tuple[float, float]
    """keV."""
    beam_kev: float | None = None

    @classmethod
    def of(cls, state: ElementState) -> ModelSettings:
        """Take the settings from what was chosen; ElementError where no element is quantified."""
        if not state.ready:
            raise ElementError("no element is chosen: choose at least one with a line in the energy range.")
        lines = tuple(state.lines[symbol] for symbol in state.elements)
        low, high = state.energy
        return cls(state.elements, state.deconvolve, lines, (low, high), state.beam_kev)

    def quantify(self, image: SpectrumImage, crop: tuple[int, int, int, int] | None = None) -> Quantification:
        """Fit and quantify the summed spectrum of a map, or of its crop (y0, y1, x0, x1)."""
        y0, y1, x0, x1 = ChipGrid(1, crop).crop_in(image.shape)
        mask = np.zeros(image.shape, bool)
        mask[y0:y1, x0:x1] = True
        summed = chip(image, {"the map" if crop is None else "the crop": mask})
        fitted = fit(summed, (*self.elements, *self.deconvolve), energy=self.energy)
        return quantify(fitted, self.lines, deconvolve=self.deconvolve, beam_kev=self.beam_kev)

    def code(self) -> list[str]:
        """Return Python that makes ``model`` of ``image`` as `quantify` does."""
        more = f", beam_kev={self.beam_kev!r}" if self.beam_kev is not None else ""
        return [
            'whole = edsnb.chip(image, {"the map": np.ones(image.shape, bool)})',
            f"fitted = edsnb.fit(whole, {(*self.elements, *self.deconvolve)!r}, energy={self.energy!r})",
            f"model = edsnb.quantify(fitted, {self.lines!r}, deconvolve={self.deconvolve!r}{more})",
        ]


def line_marks(state: ElementState) -> list[Mark]:
    """Return where the lines of all chosen elements lie: alpha and the strongest other line of each family."""
    low, high = state.energy
    marks = []
    for symbol in (*state.elements, *state.deconvolve):
        marks += [m for family in state.families(symbol) for m in family_marks(family) if low <= m[0] <= high]
    return sorted(marks)


def family_marks(family: LineFamily) -> list[Mark]:
    """Return a family's alpha line, and its strongest beta line; its strongest line where the table has neither."""
    name = f"{family.element} {family.shell}"
    others = [
        (kev, f"{name}β", weight)
        for kev, weight, transition in zip(family.energies_kev, family.weights, family.transitions, strict=False)
        if transition in _BETA
    ]
    marks = [(family.alpha_kev, f"{name}α", family.alpha_fraction)] if any(family.alpha) else []
    marks += [max(others, key=lambda mark: mark[2])] if others else []
    return marks or [(family.alpha_kev, name, 1.0)]


def settle(progress: Progress, seconds: float) -> None:
    """Wait until nothing newer has been asked for during some time; CancelledError where it has."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if progress(0, 0) is False:
            raise CancelledError("something newer was asked for.")
        time.sleep(min(_PATIENCE_S, seconds))

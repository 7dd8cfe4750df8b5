"""Fitting: spectra in, family intensities with covariance out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.lines import LineFamily, parse_line
from edsnb.core.regions import Spectra
from edsnb.errors import ElementError


class Status(IntEnum):
    """What became of one chip; every value but OK and NOT_CONVERGED has NaN for results."""

    OK = 0
    NOT_CONVERGED = 1
    EMPTY = 2
    SINGULAR = 3
    FAILED = 4
    NOTHING_FOUND = 5

    @property
    def sentence(self) -> str:
        """Say what the status means."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "fitted",
    Status.NOT_CONVERGED: "the fit had not settled after the last iteration: look at it before using it",
    Status.EMPTY: "no X-rays in the fitted energy range",
    Status.SINGULAR: "these lines cannot be told apart in this spectrum",
    Status.FAILED: "the fit failed",
    Status.NOTHING_FOUND: "fitted, but none of the quantified lines was found",
}


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Intensities of F line families in n spectra.

    An intensity is the whole family's counts: all its lines, also those outside the fitted range.
    """

    spectra: Spectra
    """The n spectra that were fitted."""
    families: tuple[LineFamily, ...]
    """The F families, in the order of the columns."""
    intensities: Array
    """(n, F) counts of each family; NaN where status says why."""
    covariance: Array
    """(n, F, F) covariance of the intensities, counts squared."""
    chi2: Array
    """(n,) reduced chi-square (Pearson) over the fitted channels."""
    status: Array
    """(n,) Status values, uint8."""
    alpha_fractions: Array
    """(F,) share of each family's detected counts that lies in its alpha line."""
    channels: slice
    """Channels that were fitted."""
    columns: Array
    """(E', F + B) the model: counts per channel for unit intensity of each family, then of each background term."""
    background: Array
    """(n, B) coefficients of the background terms."""
    deviance: Array
    """(n,) Poisson deviance per channel."""
    engine: str = "edsnb"
    settings: dict[str, object] = field(default_factory=dict)
    """How the fit was made: ranges, weights, background, calibration; for the provenance record."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        names = ("intensities", "covariance", "chi2", "status", "alpha_fractions", "columns", "background", "deviance")
        for name in names:
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        """Return n."""
        return len(self.spectra)

    @property
    def sd(self) -> Array:
        """(n, F) standard deviation of each intensity, counts."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def model(self, index: int | slice | Array = slice(None)) -> Array:
        """Return the fitted model of one or more spectra over the fitted channels, counts."""
        return self._coefficients(index) @ self.columns.T

    def background_model(self, index: int | slice | Array = slice(None)) -> Array:
        """Return the fitted background of one or more spectra over the fitted channels, counts."""
        return self.background[index] @ self.columns[:, len(self.families) :].T

    def column(self, line: str) -> int:
        """Return the column of the family that `line` names (``La_La`` or ``La_L``)."""
        element, shell = parse_line(line)
        for index, family in enumerate(self.families):
            if (family.element, family.shell) == (element, shell):
                return index
        fitted = ", ".join(f.name for f in self.families)
        raise ElementError(
            f"line {line} was not fitted; fitted families are {fitted}. "
            "Add its element to the fit, widen the energy range, or choose one of these."
        )

    def _coefficients(self, index: int | slice | Array) -> Array:
        """Return intensities and background coefficients side by side."""
        return np.concatenate([self.intensities[index], self.background[index]], axis=-1)

"""The record that quantification makes: at% and wt% with their errors, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.fit import FitResult, Status
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.kfactors import Convention, KFactors
from edsnb.core.quant.limits import SIGMAS

if TYPE_CHECKING:
    import pandas as pd

_ARRAYS = (
    *("atomic", "weight", "atomic_covariance", "weight_covariance", "status"),
    *("detection_limit", "correction", "atomic_covariance_k"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Quantification:
    """Composition of n spectra in K elements; the K share 100 %."""

    elements: tuple[str, ...]
    """K symbols, in the order of the columns."""
    families: tuple[str, ...]
    """The family that quantified each element (``La_L``)."""
    atomic: Array
    """(n, K) at%; NaN where status says why."""
    weight: Array
    """(n, K) wt%."""
    atomic_covariance: Array
    """(n, K, K) covariance of `atomic` from counting statistics alone, at%²; k is taken as exact."""
    weight_covariance: Array
    """(n, K, K) covariance of `weight` from counting statistics alone, wt%²."""
    detection_limit: Array
    """(n, K) at% that an element needs to be told from nothing (3 sd of an absent line; see `core.quant.limits`)."""
    correction: Array
    """(n, K) what absorption multiplied each element's counts by; 1 where it was not corrected for."""
    atomic_covariance_k: Array | None
    """(n, K, K) covariance of `atomic` from the errors of the k-factors alone, at%²; None where they are not known.
    All n spectra share these errors: averaging does not make them smaller."""
    status: Array
    """(n,) Status values, uint8: those of the fit, NOTHING_FOUND, and TOO_THICK."""
    kfactors: KFactors
    """The K k-factors used."""
    deconvolved: tuple[str, ...]
    """Elements that were fitted but take no part in the 100 %."""
    fit: FitResult
    """The fit that was quantified."""
    absorption: Absorption | None = None
    """What absorption was corrected for, with the take-off angle used; None without a correction, or where the film's
    mass was found from the dose."""
    method: str = "Cliff-Lorimer"
    notes: tuple[str, ...] = ()
    """What a reader should know."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in _ARRAYS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        """Return n."""
        return len(self.atomic)

    @property
    def sd_atomic(self) -> Array:
        """(n, K) standard deviation of `atomic` from counting statistics, at%."""
        return deviations(self.atomic_covariance)

    @property
    def sd_weight(self) -> Array:
        """(n, K) standard deviation of `weight` from counting statistics, wt%."""
        return deviations(self.weight_covariance)

    @property
    def sd_atomic_k(self) -> Array | None:
        """(n, K) standard deviation of `atomic` from the k-factors, at%, shared by all spectra; None if not known."""
        return None if self.atomic_covariance_k is None else deviations(self.atomic_covariance_k)

    @property
    def below_limit(self) -> Array:
        """(n, K) bool, whether an element lies below its detection limit: its at% is then no more than that limit."""
        return np.asarray(self.atomic < self.detection_limit)

    @property
    def convention(self) -> Convention:
        """What k-factors and intensities belong to: the whole family, or its alpha line."""
        return self.kfactors.convention

    @property
    def columns(self) -> list[int]:
        """K columns of the fit that quantified the elements."""
        return [self.fit.column(name) for name in self.families]

    @property
    def atoms_per_count(self) -> Array:
        """(K,) atoms that one fitted count of each family stands for, relative to each other: k / A.

        Absorption is not in it: see `correction`.
        """
        k = np.array([self.kfactors.factors[name] for name in self.families])
        alpha = self.fit.alpha_fractions[self.columns] if self.convention == "alpha" else 1.0
        return k * alpha / np.array([atomic_weight(element) for element in self.elements])

    @property
    def normalisation(self) -> str:
        """Say which elements share the 100 %, and which do not."""
        shared = f"{_listed(self.elements)} {'share' if len(self.elements) > 1 else 'has'} the 100 %"
        if not self.deconvolved:
            return f"{shared}."
        were = "were" if len(self.deconvolved) > 1 else "was"
        return f"{shared}; {_listed(self.deconvolved)} {were} fitted only to be told apart from them."

    def describe(self) -> str:
        """Say in a few sentences what the numbers are."""
        counts = {"family": "all lines of each family", "alpha": "the alpha line of each family alone"}
        factors = {"k": "k-factors", "zeta": "zeta-factors"}[self.kfactors.kind]
        exact = "those of the k-factors stand apart" if self.atomic_covariance_k is not None else "k is taken as exact"
        absorption = [] if self.absorption is None else [f"Absorption corrected for: {self.absorption.describe()}."]
        sentences = [
            f"{self.method} with {self.convention} {factors} ({self.kfactors.source}) and the counts of "
            f"{counts[self.convention]}: {', '.join(self.families)}.",
            self.normalisation,
            *absorption,
            f"Errors are one standard deviation of counting statistics; {exact}.",
            f"Detection limits are {SIGMAS:g} standard deviations of an absent line; what lies below is not detected.",
            *self.notes,
        ]
        return " ".join(sentences)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a spectrum as a pandas table.

        Columns: ``chip,row,col,y0,y1,x0,x1,pixels`` (missing where spectra have no grid or no regions); ``counts`` in
        the fitted channels; ``status``; ``chi2``; ``I_La_L,sd_I_La_L`` for each fitted family, in counts; ``at_La,
        sd_at_La,wt_La,sd_wt_La,dl_La`` for each quantified element, in percent (``dl``: detection limit, at%), with
        ``sdk_at_La`` where errors of k are known and ``abs_La`` where absorption was corrected for.
        """
        import pandas as pd

        fit, regions = self.fit, self.fit.spectra.regions
        columns: dict[str, object] = {"chip": fit.spectra.names}
        absent = pd.array([None] * len(self), dtype="Int64")
        places = {
            ("row", "col"): None if regions is None else regions.cells,
            ("y0", "y1", "x0", "x1"): None if regions is None else regions.boxes,
            ("pixels",): None if regions is None else regions.sizes[:, None],
        }
        for names, values in places.items():
            columns |= {name: absent if values is None else values[:, i] for i, name in enumerate(names)}
        columns["counts"] = fit.spectra.counts[:, fit.channels].sum(axis=1)
        columns["status"] = [Status(s).name.lower() for s in self.status.tolist()]
        columns["chi2"] = fit.chi2
        for i, family in enumerate(fit.families):
            columns |= {f"I_{family.name}": fit.intensities[:, i], f"sd_I_{family.name}": fit.sd[:, i]}
        table = self._by_element()
        for i, element in enumerate(self.elements):
            columns |= {f"{name}_{element}": values[:, i] for name, values in table.items()}
        return pd.DataFrame(columns)

    def _by_element(self) -> dict[str, Array]:
        """Return the table's columns (n, K) that each element has."""
        values = {"at": self.atomic, "sd_at": self.sd_atomic, "wt": self.weight, "sd_wt": self.sd_weight}
        values["dl"] = self.detection_limit
        if self.sd_atomic_k is not None:
            values["sdk_at"] = self.sd_atomic_k
        if not (self.correction == 1).all():
            values["abs"] = self.correction
        return values


def deviations(covariance: Array) -> Array:
    """Return standard deviations (n, K); rounding may leave a variance of zero a trifle below it."""
    return np.sqrt(np.maximum(np.einsum("nii->ni", covariance), 0))


def _listed(words: tuple[str, ...]) -> str:
    """Return words as a list in a sentence: ``La, Fe and O``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

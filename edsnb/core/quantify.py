"""Quantification: family intensities in, atomic and weight percent with covariance out.

Cliff-Lorimer: with counts I_i, k-factors k_i and atomic weights A_i of the K quantified elements,
``wt%_i = 100 k_i I_i / sum_j k_j I_j`` and ``at%_i = 100 (k_i/A_i) I_i / sum_j (k_j/A_j) I_j``.
Both are shares ``x_i = f_i I_i / sum_j f_j I_j``, whose derivative is ``dx_i/dI_j = (delta_ij - x_i) f_j / sum``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array, frozen
from edsnb.core.fit import FitResult, Status
from edsnb.core.kfactors import Convention, KFactors, check_convention
from edsnb.core.lines import LineFamily, atomic_number, atomic_weight, usual_family
from edsnb.errors import ElementError, InputError, KFactorError

if TYPE_CHECKING:
    import pandas as pd

if TYPE_CHECKING:
    import pandas as pd

DETECTED = 3.0
"""A line counts as detected above this many standard deviations; a spectrum in which no quantified line is detected
is not quantified."""


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
    status: Array
    """(n,) Status values, uint8: those of the fit, and NOTHING_FOUND."""
    kfactors: KFactors
    """The K k-factors used."""
    deconvolved: tuple[str, ...]
    """Elements that were fitted but take no part in the 100 %."""
    fit: FitResult
    """The fit that was quantified."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("atomic", "weight", "atomic_covariance", "weight_covariance", "status"):
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        """Return n."""
        return len(self.atomic)

    @property
    def sd_atomic(self) -> Array:
        """(n, K) standard deviation of `atomic`, at%."""
        return _sd(self.atomic_covariance)

    @property
    def sd_weight(self) -> Array:
        """(n, K) standard deviation of `weight`, wt%."""
        return _sd(self.weight_covariance)

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
        """(K,) atoms that one fitted count of each family stands for, relative to each other: k / A."""
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
        return (
            f"Cliff-Lorimer with {self.convention} k-factors ({self.kfactors.source}) and the counts of "
            f"{counts[self.convention]}: {', '.join(self.families)}. {self.normalisation} "
            "Errors are one standard deviation of counting statistics; k-factors are taken as exact."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a spectrum as a pandas table.

        Columns: ``chip,row,col,y0,y1,x0,x1,pixels`` (missing where spectra have no grid or no regions); ``counts`` in
        the fitted channels; ``status``; ``chi2``; ``I_La_L,sd_I_La_L`` for each fitted family, in counts; ``at_La,
        sd_at_La,wt_La,sd_wt_La`` for each quantified element, in percent.
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
        for i, element in enumerate(self.elements):
            columns |= {f"at_{element}": self.atomic[:, i], f"sd_at_{element}": self.sd_atomic[:, i]}
            columns |= {f"wt_{element}": self.weight[:, i], f"sd_wt_{element}": self.sd_weight[:, i]}
        return pd.DataFrame(columns)


def quantify(
    fit: FitResult,
    lines: Iterable[str] | None = None,
    *,
    kfactors: KFactors | str = "theory",
    convention: Convention | None = None,
    deconvolve: Iterable[str] = (),
    beam_kev: float | None = None,
) -> Quantification:
    """Turn fitted intensities into composition by Cliff-Lorimer.

    Parameters
    ----------
    fit
        From `edsnb.fit`.
    lines
        The line or family that quantifies each element (``La_La`` or ``La_L``). None: each fitted element's family as
        set in the vendor's software, else the usual one, without the elements set there as deconvolution only.
    kfactors
        ``theory``, or KFactors such as ``KFactors.from_velox("k.csv")``.
    convention
        What theoretical k-factors count as (``family`` by default). KFactors carry their own; naming another is an
        error.
    deconvolve
        Fitted elements to keep out of the 100 %.
    beam_kev
        Beam energy for theory; None for the one in the file.

    Returns
    -------
    Quantification of the same n spectra. Spectra without a fit, or in which no quantified line
    rises above its uncertainty (3 sd), as in vacuum, are NaN rows.

    Raises
    ------
    ElementError
        A line or element was not fitted.
    KFactorError
        A k-factor is missing or of another convention.
    InputError
        An element is asked for twice, or none is left; theory without a beam energy.
    """
    deconvolved = tuple(deconvolve)
    families = _families(fit, lines, deconvolved)
    names = tuple(family.name for family in families)
    used = _kfactors(fit, names, kfactors, convention, beam_kev)
    columns = [fit.column(name) for name in names]
    counts, covariance = _counts(fit, columns, used.convention)
    k = np.array([used.factors[name] for name in names])
    per_atom = k / np.array([atomic_weight(family.element) for family in families])

    fitted = np.isin(fit.status, (Status.OK, Status.NOT_CONVERGED)) & np.isfinite(counts).all(axis=1)
    # An unconstrained fit can give a sum below zero: shares of it mean nothing.
    found = ((counts * k).sum(axis=1) > 0) & ((counts * per_atom).sum(axis=1) > 0)
    # Nor do shares of what may be noise alone, as in vacuum. An engine without uncertainties cannot tell (NaN).
    sd = np.sqrt(np.einsum("nii->ni", covariance))
    found &= ~(counts < DETECTED * sd).all(axis=1)
    weight, weight_covariance = shares(counts, covariance, k, fitted & found)
    atomic, atomic_covariance = shares(counts, covariance, per_atom, fitted & found)
    return Quantification(
        elements=tuple(family.element for family in families),
        families=names,
        atomic=atomic,
        weight=weight,
        atomic_covariance=atomic_covariance,
        weight_covariance=weight_covariance,
        status=np.where(fitted & ~found, Status.NOTHING_FOUND, fit.status).astype(np.uint8),
        kfactors=used,
        deconvolved=tuple(e for e in _fitted_elements(fit) if e not in {f.element for f in families}),
        fit=fit,
    )


def pool(quant: Quantification, chosen: ArrayLike) -> tuple[Array, Array]:
    """Return the composition of several spectra together, from their summed counts.

    Fractions are never averaged where counts can be summed: a chip counts by its X-rays.

    Parameters
    ----------
    quant
        Quantification of n spectra.
    chosen
        (n,) bool, or indices.

    Returns
    -------
    (K,) at% and its (K,) standard deviation from counting statistics; NaN where nothing was chosen.
    """
    select, columns = np.asarray(chosen), quant.columns
    total = quant.fit.intensities[select][:, columns].sum(axis=0)[None]
    spread = quant.fit.covariance[select][:, columns][:, :, columns].sum(axis=0)[None]
    factors = quant.atoms_per_count
    atomic, atomic_covariance = shares(total, spread, factors, (total * factors).sum(axis=1) > 0)
    return atomic[0], _sd(atomic_covariance)[0]


def shares(counts: Array, covariance: Array, factors: Array, usable: Array) -> tuple[Array, Array]:
    """Return ``100 f_i I_i / sum_j f_j I_j`` (n, K) and its covariance (n, K, K), exact to first order.

    Rows that are not `usable` are NaN.
    """
    parts = counts[usable] * factors
    total = parts.sum(axis=1)[:, None]
    shares = parts / total
    slope = (np.eye(len(factors)) - shares[:, :, None]) * (factors / total)[:, None, :]
    percent, spread = np.full(counts.shape, np.nan), np.full(covariance.shape, np.nan)
    percent[usable] = 100 * shares
    spread[usable] = 1e4 * (slope @ covariance[usable] @ slope.transpose(0, 2, 1))
    return percent, spread


def _counts(fit: FitResult, columns: list[int], convention: Convention) -> tuple[Array, Array]:
    """Return the counts (n, K) that k-factors of this convention go with, and their covariance (n, K, K)."""
    counts = fit.intensities[:, columns]
    covariance = fit.covariance[:, columns][:, :, columns]
    if convention == "family":
        return counts, covariance
    alpha = fit.alpha_fractions[columns]
    if not (alpha > 0).all():
        without = ", ".join(fit.families[c].name for c, a in zip(columns, alpha, strict=True) if not a > 0)
        raise KFactorError(
            f"alpha k-factors cannot be used for {without}: no alpha line in {fit.families[columns[0]].table}. "
            "Use family k-factors or other lines."
        )
    return counts * alpha, covariance * np.outer(alpha, alpha)


def _families(fit: FitResult, lines: Iterable[str] | None, deconvolved: tuple[str, ...]) -> list[LineFamily]:
    """Return the family that quantifies each element."""
    fitted = _fitted_elements(fit)
    for symbol in deconvolved:
        atomic_number(symbol)
        if symbol not in fitted:
            raise ElementError(
                f"{symbol} is to be kept out of the 100 %, but it was not fitted; fitted are {', '.join(fitted)}. "
                "Add it to the elements of the fit or leave it out here."
            )
    if lines is None:
        families = [_default_family(fit, symbol) for symbol in _default_elements(fit) if symbol not in deconvolved]
    else:
        families = [fit.families[fit.column(line)] for line in lines]
    elements = [family.element for family in families]
    if double := sorted({e for e in elements if elements.count(e) > 1}):
        asked = ", ".join(family.name for family in families if family.element in double)
        raise InputError(f"{', '.join(double)} asked for more than once ({asked}): give one line for each element.")
    if both := sorted(set(elements) & set(deconvolved)):
        raise InputError(
            f"{', '.join(both)} cannot be quantified and only deconvolved at once: "
            "take it out of the lines or out of deconvolve."
        )
    if not families:
        raise InputError(
            f"no element is left to quantify; fitted are {', '.join(fitted)}, "
            f"of which {', '.join(deconvolved) or 'none'} only to deconvolve. Name lines, such as lines=['{fitted[0]}_"
            f"{usual_family(fitted[0], fit.families).shell}a']."
        )
    return families


def _fitted_elements(fit: FitResult) -> list[str]:
    """Return the fitted elements, in the order of the fit."""
    return list(dict.fromkeys(family.element for family in fit.families))


def _default_elements(fit: FitResult) -> list[str]:
    """Return the fitted elements without those set as deconvolution only in the vendor's software."""
    kept_out = {setting.symbol for setting in fit.spectra.elements if not setting.quantify}
    return [symbol for symbol in _fitted_elements(fit) if symbol not in kept_out]


def _default_family(fit: FitResult, symbol: str) -> LineFamily:
    """Return the family set for an element in the vendor's software if it was fitted, else the usual one."""
    shells = {setting.symbol: setting.family for setting in fit.spectra.elements}
    own = [f for f in fit.families if f.element == symbol and f.shell == shells.get(symbol)]
    return own[0] if own else usual_family(symbol, fit.families)


def _kfactors(
    fit: FitResult,
    names: tuple[str, ...],
    kfactors: KFactors | str,
    convention: Convention | None,
    beam_kev: float | None,
) -> KFactors:
    """Return the k-factors of these families, of the convention asked for."""
    if convention is not None:
        check_convention(convention)
    if isinstance(kfactors, KFactors):
        if convention not in (None, kfactors.convention):
            raise KFactorError(
                f"{convention} k-factors were asked for, but those of {kfactors.source} are {kfactors.convention} "
                f"k-factors. If they are really {convention}, say so: kfactors.with_convention('{convention}')."
            )
        return kfactors.for_families(names)
    if kfactors != "theory":
        raise InputError(
            f"kfactors={kfactors!r} is not understood: give 'theory' or KFactors, such as KFactors.from_velox('k.csv')."
        )
    beam_kev = fit.spectra.acquisition.beam_kev if beam_kev is None else beam_kev
    if beam_kev is None:
        raise InputError(
            "theoretical k-factors need the beam energy and the file does not say it: give it, such as beam_kev=200, "
            "or give k-factors."
        )
    return KFactors.theory(names, beam_kev=beam_kev, convention=convention or "family")


def _sd(covariance: Array) -> Array:
    """Return standard deviations (n, K); rounding may leave a variance of zero a trifle below it."""
    return np.sqrt(np.maximum(np.einsum("nii->ni", covariance), 0))


def _listed(words: tuple[str, ...]) -> str:
    """Return words as a list in a sentence: ``La, Fe and O``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

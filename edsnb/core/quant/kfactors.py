"""Cliff-Lorimer k-factors: from theory, from a table that Velox exported, or measured on a standard.

Glossary
--------
k : weight fractions follow from counts as ``C_i ∝ k_i I_i``; only ratios matter, so a table may be relative to
    any line.
zeta : a k-factor with a scale, kg/m2: electrons times mass thickness for each count of a pure element
    (Watanabe & Williams, J. Microsc. 221 (2006) 89). Only ratios matter to the composition; where the dose is
    known, the scale gives the mass thickness too (`edsnb.quantify_zeta`).
convention : whether a k belongs to the counts of the whole ``family`` (all lines of one shell) or to those of its
    ``alpha`` line alone. Family k with alpha counts make each element low by its alpha fraction (La L by half).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self, get_args

from numpy.typing import ArrayLike

from edsnb.core.fitting.lines import SHELLS, atomic_weight, parse_line
from edsnb.core.quant.ktables import read_toml, read_velox, write_toml
from edsnb.core.quant.ktheory import absolute_k, family_of, is_known, relative_sd
from edsnb.core.quant.standard import measured
from edsnb.errors import KFactorError

if TYPE_CHECKING:
    import pandas as pd

    from edsnb.core.quant.quantification import Quantification

Convention = Literal["family", "alpha"]
Kind = Literal["k", "zeta"]
_AVOGADRO = 6.02214076e23
_M2_PER_BARN = 1e-28


@dataclass(frozen=True, slots=True)
class KFactors:
    """k-factors by line family, with the convention they belong to."""

    factors: Mapping[str, float]
    """k of each family (weight fractions, relative to any line); keys are families (``La_L``), and lines
    (``La_La``) are taken as their family's name."""
    convention: Convention = "family"
    """Whether k goes with the counts of the whole family or of its alpha line alone."""
    source: str = "given by hand"
    """Where they come from, for the record."""
    beam_kev: float | None = None
    """Beam energy they hold for; None where it is not known."""
    sd: Mapping[str, float] = field(default_factory=dict)
    """Standard deviation of each k (absolute, in the unit of `factors`), as if they erred by themselves: the
    reference has one too. Families not in it have none known."""
    kind: Kind = "k"
    """``zeta`` where the values are zeta-factors in kg/m2."""

    def __post_init__(self) -> None:
        """Name families, refuse values that cannot be, and freeze the mappings."""
        check_convention(self.convention)
        if self.kind not in get_args(Kind):
            raise KFactorError(f"k-factors ({self.source}): kind {self.kind!r} is unknown; it is 'k' or 'zeta'.")
        factors = _by_family(self.factors)
        sd = _by_family(self.sd)
        wrong = [f"{name} = {k}" for name, k in factors.items() if not (math.isfinite(k) and k > 0)]
        wrong += [f"sd of {name} = {s}" for name, s in sd.items() if not (math.isfinite(s) and s >= 0)]
        if wrong:
            raise KFactorError(
                f"k-factors ({self.source}): {', '.join(wrong)}; k must be a positive number, its sd not negative."
            )
        if unknown := sorted(set(sd) - set(factors)):
            raise KFactorError(f"k-factors ({self.source}): sd given for {', '.join(unknown)}, which have no k.")
        object.__setattr__(self, "factors", MappingProxyType(factors))
        object.__setattr__(self, "sd", MappingProxyType(sd))

    def for_families(self, names: Iterable[str]) -> Self:
        """Return the k-factors of these families (or lines) only, in this order.

        Raises
        ------
        KFactorError
            One of them is not in the table.
        """
        wanted = ["_".join(parse_line(name)) for name in names]
        missing = [name for name in wanted if name not in self.factors]
        if missing:
            raise KFactorError(
                f"no k-factor for {', '.join(missing)} in {self.source}, which has {self._shown(missing)}. "
                "Choose lines that it has, add them to the table, or use kfactors='theory'."
            )
        return replace(
            self,
            factors={name: self.factors[name] for name in wanted},
            sd={name: self.sd[name] for name in wanted if name in self.sd},
        )

    def with_convention(self, convention: Convention) -> Self:
        """Return the same numbers, counted as k-factors of another convention; nothing is rescaled."""
        if convention == self.convention:
            return self
        return replace(self, convention=convention, source=f"{self.source}, counted as {convention} k-factors")

    def to_dict(self) -> dict[str, object]:
        """Return plain values for a table or a file; ``KFactors(**values)`` gives the record back."""
        return {
            "factors": dict(self.factors),
            "convention": self.convention,
            "source": self.source,
            "beam_kev": self.beam_kev,
            "sd": dict(self.sd),
            "kind": self.kind,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a family as a pandas table: ``family,k,sd,convention,source`` (``zeta`` for zeta-factors)."""
        import pandas as pd

        sd = [self.sd.get(name, math.nan) for name in self.factors]
        columns = {"family": list(self.factors), self.kind: list(self.factors.values()), "sd": sd}
        return pd.DataFrame({**columns, "convention": self.convention, "source": self.source})

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write everything as TOML, for `load`, for a recipe, and to be read.

        Raises
        ------
        OutputError
            The file exists and `overwrite` is False, its name does not end in .toml, or it cannot be written.
        """
        write_toml(self.to_dict(), Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote, or (any name that does not end in .toml) a table that Velox exported.

        Raises
        ------
        KFactorError
            The file cannot be read, or holds something else.
        """
        path = Path(path)
        if path.suffix.lower() != ".toml":
            return cls.from_velox(path)
        try:
            return cls(**read_toml(path))
        except (TypeError, AttributeError):
            raise KFactorError(
                f"k-factors {path}: expected factors, convention, source, beam_kev, sd and kind, as KFactors.save "
                "writes them."
            ) from None

    @classmethod
    def theory(
        cls,
        lines: Iterable[str],
        *,
        beam_kev: float,
        reference: str = "Si_K",
        convention: Convention = "family",
    ) -> Self:
        """Compute k-factors from cross-section, fluorescence yield and efficiency of a windowless detector.

        They are family k-factors, and those of Velox to 1 % for most lines; see `core.quant.ktheory` for formulae,
        agreement, and where the standard deviations come from.

        Parameters
        ----------
        lines
            Families or lines: ``La_L`` or ``La_La``.
        beam_kev
            Beam energy.
        reference
            Family whose k is 1.
        convention
            ``alpha`` counts the same numbers as alpha k-factors, without rescaling them.

        Raises
        ------
        KFactorError
            The beam cannot excite a line, or the formula does not hold for an element.
        """
        families = [family_of(name) for name in lines]
        unit = absolute_k(family_of(reference), beam_kev)
        factors = {family.name: absolute_k(family, beam_kev) / unit for family in families}
        sd = {family.name: factors[family.name] * relative_sd(family) for family in families}
        source = f"theory (Brown-Powell, {beam_kev:g} keV)"
        return cls(factors, source=source, beam_kev=beam_kev, sd=sd).with_convention(convention)

    @classmethod
    def from_velox(cls, path: str | Path, *, convention: Convention = "family") -> Self:
        """Read the k-factor table that Velox exports.

        Comma, semicolon or tab, decimal point or comma, UTF-8, UTF-16 or Windows-1252. Columns ``Line identifier``
        (``Sr-Ka1``) and ``K-factor``. The alpha line names its family; other lines count where it is absent.

        Raises
        ------
        KFactorError
            The file cannot be read, has no such columns, holds text where a number belongs, or gives one family two
            values; the message names the line.
        """
        path = Path(path)
        return cls(read_velox(path), convention, f"Velox table {path.name}")

    @classmethod
    def from_standard(
        cls,
        quant: Quantification,
        composition: Mapping[str, float],
        *,
        regions: ArrayLike | None = None,
        others: str | Iterable[str] | None = "theory",
    ) -> Self:
        """Measure k-factors on spectra of known composition, such as a substrate.

        Families of the standard's elements: ``k ∝ C / I`` from the summed counts (corrected for absorption where
        `quant` is), relative to the first element's, with a standard deviation from counting. Other families:
        theory times the geometric mean of measured over theoretical k; their standard deviation holds that of theory
        and that of the mean. Correlations between families are left out.

        Parameters
        ----------
        quant
            Quantification of the standard's spectra, or of more; its convention is kept, its k-factors do not matter.
        composition
            Atoms of each element: ``{"Sr": 1, "Ti": 1, "O": 3}``.
        regions
            (n,) bool, or indices: the spectra that are the standard. None: all.
        others
            ``theory``: all other fitted families, as far as theory knows them; a list of lines or families: these;
            None: the standard's elements alone.

        Raises
        ------
        ElementError
            An element of the standard was not fitted.
        KFactorError
            One was not found in the region, there are fewer than two, or theory cannot give a line that was named.
        """
        return cls(**measured(quant, composition, regions, others))

    @classmethod
    def from_cross_sections(
        cls,
        barns: Mapping[str, float],
        *,
        convention: Convention = "family",
        source: str = "given by hand",
        beam_kev: float | None = None,
    ) -> Self:
        """Return the zeta-factors of partial X-ray cross-sections: ``zeta = A / (N_A sigma)``.

        Parameters
        ----------
        barns
            Cross-section of each family for detected X-rays (ionisation, yield, solid angle and efficiency together),
            as eXSpy's ``cross_section`` method takes them.
        convention, source, beam_kev
            As in the record.
        """
        values = _by_family(barns)
        if wrong := [f"{name} = {b}" for name, b in values.items() if not (math.isfinite(b) and b > 0)]:
            raise KFactorError(f"cross-sections ({source}): {', '.join(wrong)}; they must be positive numbers.")
        zeta = {
            name: atomic_weight(name.split("_")[0]) * 1e-3 / (_AVOGADRO * b * _M2_PER_BARN)
            for name, b in values.items()
        }
        return cls(zeta, convention, f"cross-sections ({source})", beam_kev, kind="zeta")

    def _shown(self, missing: Iterable[str]) -> str:
        """Return some of the families in the table: those of the same elements, else the first ones."""
        elements = {name.split("_")[0] for name in missing}
        near = [name for name in self.factors if name.split("_")[0] in elements]
        shown = near or list(self.factors)[:12]
        rest = len(self.factors) - len(shown)
        return (", ".join(shown) or "none") + (f" and {rest} others" if rest else "")


def check_convention(convention: str) -> None:
    """Raise KFactorError for anything but ``family`` and ``alpha``."""
    if convention not in get_args(Convention):
        raise KFactorError(f"k-factor convention {convention!r} is unknown; it is 'family' or 'alpha'.")


def kfactor_table(elements: Iterable[str], beam_kev: float, lines: Iterable[str] | None = None) -> pd.DataFrame:
    """Return theoretical k-factors as a pandas table, one row a family.

    Columns: ``family``, ``alpha_kev`` and ``alpha_fraction`` (share of the family's emission in its alpha line), and
    those of `KFactors.to_frame`.

    Parameters
    ----------
    elements
        Symbols: all families that the beam excites and theory knows. Empty where only `lines` are wanted.
    beam_kev
        Beam energy.
    lines
        Families or lines to list instead.

    Raises
    ------
    ElementError
        An element or line is unknown.
    KFactorError
        No family is left, or theory cannot give a line that was named.
    """
    if lines is None:
        every = [f"{element}_{shell}" for element in elements for shell in SHELLS]
        names = [name for name in every if is_known(name, beam_kev)]
    else:
        names = list(lines)
    if not names:
        raise KFactorError(f"a beam of {beam_kev:g} keV excites no family of these elements that theory knows.")
    found = KFactors.theory(names, beam_kev=beam_kev)
    families = [family_of(name) for name in found.factors]
    table = found.to_frame()
    table.insert(1, "alpha_kev", [family.alpha_kev for family in families])
    table.insert(2, "alpha_fraction", [family.alpha_fraction for family in families])
    return table


def _by_family(values: Mapping[str, float]) -> dict[str, float]:
    """Return `values` with families for keys; raise where two keys mean the same family but differ."""
    out: dict[str, float] = {}
    for line, value in values.items():
        name = "_".join(parse_line(line))
        try:
            k = float(value)
        except (TypeError, ValueError):
            raise KFactorError(f"the k-factor of {line} is {value!r}; it must be a number.") from None
        if name in out and out[name] != k:
            raise KFactorError(f"two values for {name}: {out[name]:g} and {k:g} ({line}). Keep one.")
        out[name] = k
    return out

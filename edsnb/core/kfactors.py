"""Cliff-Lorimer k-factors: from theory, or from a table that Velox exported.

Glossary
--------
k : weight fractions follow from counts as ``C_i ∝ k_i I_i``; only ratios matter, so a table may be relative to
    any line.
convention : whether a k belongs to the counts of the whole ``family`` (all lines of one shell) or to those of its
    ``alpha`` line alone. Family k with alpha counts make each element low by its alpha fraction (La L by half).

Theory: ``k = A / (Q w eps)`` with atomic weight A; ionisation cross-section ``Q = n b ln(E0/Ec) / (E0 Ec)`` at the
beam energy E0 and the edge Ec (Powell, Rev. Mod. Phys. 48 (1976) 33, with the constants of Brown, Handbook of
Spectroscopy I (1974) 248); fluorescence yield ``w = x/(1+x)``; detector efficiency eps, averaged over the family's
lines in proportion to their emission, because family k go with the counts of all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Self, get_args

import numpy as np
import xraylib

from edsnb.core.detector import efficiency
from edsnb.core.lines import LineFamily, atomic_number, atomic_weight, parse_line, xraylib_family
from edsnb.core.tables import Row, number, read_table
from edsnb.errors import ElementError, InputError, KFactorError

Convention = Literal["family", "alpha"]


class _Shell(NamedTuple):
    """What theory needs to know of a shell."""

    electrons: float
    """n in Q."""
    b: tuple[float, float]
    """b = b[0] + b[1] Z in Q."""
    edge: int
    """xraylib's code of the edge Ec."""
    yields: tuple[float, float, float]
    """x = (a + b Z + c Z^3)^4 in the fluorescence yield."""
    valid: tuple[int, int]
    """Atomic numbers for which the yields hold."""


_THEORY = {
    # Brown (1974): Q ∝ C with C_K = 0.85 + 0.0047 Z; in Powell's form C is n b (7.92e-20 against 6.51e-20 cm2 keV2).
    # Yields: Bambynek et al., Rev. Mod. Phys. 44 (1972) 716.
    "K": _Shell(2, (0.52, 0.0029), xraylib.K_SHELL, (0.015, 0.0327, -0.64e-6), (4, 95)),
    # Brown (1974): C_L23 = 2.19 + 0.0098 Z, which is b for the 6 electrons of L2 and L3; here all 8 of the shell have
    # it. Yields: Colby, Adv. X-ray Anal. 11 (1968) 287, as in NIST's DTSA.
    "L": _Shell(8, (0.44, 0.0020), xraylib.L3_SHELL, (-0.11107, 0.01368, -0.21772e-6), (16, 95)),
    # 18 electrons with b = 1: no constants were found in the literature, nor a table to compare with. Yields: Colby;
    # NIST's DTSA has the last term with a minus, but only plus gives the yields measured (Au 0.026, U 0.06).
    "M": _Shell(18, (1.0, 0.0), xraylib.M5_SHELL, (-0.00036, 0.00386, 0.20101e-6), (35, 95)),
}
_COLUMNS = {
    "line": frozenset({"lineidentifier", "lineid", "line", "identifier", "xrayline"}),
    "k": frozenset({"kfactor", "kfactors", "k"}),
}
_GREEK = str.maketrans("αβγζη", "abgzn")


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
    """Standard deviation of k (absolute, in the unit of `factors`); families not in it have none known."""

    def __post_init__(self) -> None:
        """Name families, refuse values that cannot be, and freeze the mappings."""
        check_convention(self.convention)
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
        wanted = [_family_name(name) for name in names]
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
        }

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

        They are family k-factors. They agree with one published 200 kV table, to which the detector was fitted, to
        1 % for K lines (B to Ru) and 2 % for L lines (As to Au), worse for L lines of Mn to Ni. Other voltages and M
        lines are not validated.

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
        families = [_family(name) for name in lines]
        unit = absolute_k(_family(reference), beam_kev)
        factors = {family.name: absolute_k(family, beam_kev) / unit for family in families}
        return cls(factors, source=f"theory (Brown-Powell, {beam_kev:g} keV)", beam_kev=beam_kev).with_convention(
            convention
        )

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
        try:
            data = path.read_bytes()
        except OSError as error:
            raise KFactorError(
                f"k-factor table {path} cannot be read ({error.strerror or error}). Give the CSV that Velox exports."
            ) from error
        try:
            rows = read_table(data, _COLUMNS)
        except InputError as error:
            raise KFactorError(f"k-factor table {path}: {error}") from None
        factors = _unique(rows, path)
        if not factors:
            found = "no such columns" if data.strip() else "an empty file"
            raise KFactorError(
                f"k-factor table {path}: expected the columns 'Line identifier' and 'K-factor' with values below them, "
                f"found {found if not rows else 'no values'}. Export it from Velox as CSV."
            )
        return cls(factors, convention, f"Velox table {path.name}")

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


def absolute_k(family: LineFamily, beam_kev: float) -> float:
    """Return ``A / (Q w eps)`` of a family, in a unit of its own; see the module's formulae."""
    z, shell = atomic_number(family.element), _THEORY[family.shell]
    if not shell.valid[0] <= z <= shell.valid[1]:
        raise KFactorError(
            f"no theoretical k-factor for {family.name}: the {family.shell} yields hold from Z = {shell.valid[0]} to "
            f"{shell.valid[1]}. Choose another family or give k-factors of your own."
        )
    edge_kev = float(xraylib.EdgeEnergy(z, shell.edge))
    if not (math.isfinite(beam_kev) and beam_kev > edge_kev):
        raise KFactorError(
            f"a beam of {beam_kev:g} keV cannot excite {family.name}, whose edge lies at {edge_kev:.3f} keV. "
            "Check the beam energy or choose another family."
        )
    b = shell.b[0] + shell.b[1] * z
    cross_section = shell.electrons * b * math.log(beam_kev / edge_kev) / (beam_kev * edge_kev)
    counted = float(np.dot(family.weights, efficiency(family.energies_kev)))
    return atomic_weight(family.element) / (cross_section * fluorescence_yield(z, family.shell) * counted)


def fluorescence_yield(z: int, shell: str) -> float:
    """Return the mean fluorescence yield of a shell: ``x/(1+x)``, ``x = (a + b Z + c Z^3)^4``."""
    a, b, c = _THEORY[shell].yields
    x = (a + b * z + c * z**3) ** 4
    return x / (1 + x)


def _family_name(line: str) -> str:
    """Return the family that a line or family name means: ``La_La`` and ``La_L`` give ``La_L``."""
    return "_".join(parse_line(line))


def _family(line: str) -> LineFamily:
    """Return the family that a line or family name means; raise KFactorError where there is none."""
    element, shell = parse_line(line)
    family = xraylib_family(element, shell)
    if family is None:
        raise KFactorError(
            f"no theoretical k-factor for {line}: {element} has no {shell} lines. Choose another family."
        )
    return family


def _by_family(values: Mapping[str, float]) -> dict[str, float]:
    """Return `values` with families for keys; raise where two keys mean the same family but differ."""
    out: dict[str, float] = {}
    for line, value in values.items():
        name = _family_name(line)
        try:
            k = float(value)
        except (TypeError, ValueError):
            raise KFactorError(f"the k-factor of {line} is {value!r}; it must be a number.") from None
        if name in out and out[name] != k:
            raise KFactorError(f"two values for {name}: {out[name]:g} and {k:g} ({line}). Keep one.")
        out[name] = k
    return out


def _unique(rows: list[Row], path: Path) -> dict[str, float]:
    """Return one k for each family of a table's rows."""
    found: dict[str, list[tuple[bool, float, str]]] = {}
    for line_number, cells in rows:
        line, text = cells["line"].translate(_GREEK), cells["k"]
        if not text:
            continue
        try:
            name = _family_name(line)
            k = number(text)
        except (ElementError, ValueError) as error:
            raise KFactorError(f"k-factor table {path}, line {line_number}: {error}") from None
        if not (math.isfinite(k) and k > 0):
            raise KFactorError(f"k-factor table {path}, line {line_number}: {line} has k = {text}; k must be positive.")
        # "Sr-Ka1" is an alpha line, and "Sr-K" names the family itself.
        is_alpha = re.search(r"[KLM]a?\d*\s*$", line) is not None
        found.setdefault(name, []).append((is_alpha, k, f"{line} = {text} (line {line_number})"))
    out = {}
    for name, entries in found.items():
        best = [entry for entry in entries if entry[0]] or entries
        if len({k for _, k, _ in best}) > 1:
            listed = ", ".join(text for *_, text in best)
            raise KFactorError(f"k-factor table {path} gives {name} different values: {listed}. Keep one of them.")
        out[name] = best[0][1]
    return out

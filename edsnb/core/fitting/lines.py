"""X-ray line families: which lines an element emits, where, and in which proportion.

Glossary
--------
line : one transition, named as HyperSpy names a group of them: ``La_La`` is lanthanum's L-alpha.
family : all lines of one element and shell, named ``La_L``; one column of the fit.
weight : a line's share of its family's emitted X-rays; the weights of a family sum to 1.
alpha fraction : share of a family that lies in its alpha line (Ka1+Ka2, La1+La2 or Ma1+Ma2).

Weights follow from the vacancies that electrons make in each subshell (in proportion to its number of
electrons), moved by Coster-Kronig transitions, times fluorescence yield and radiative rate. Yields,
rates, Coster-Kronig probabilities and energies are those of xraylib (Schoonjans et al., Spectrochim.
Acta B 66 (2011) 776).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import xraylib

from edsnb.errors import ElementError

SHELLS = ("K", "L", "M")
_SUBSHELLS = {"K": {"K": 1}, "L": {"L1": 1, "L2": 1, "L3": 2}, "M": {"M1": 1, "M2": 1, "M3": 2, "M4": 2, "M5": 3}}
_ALPHA = {"K": ("KL2", "KL3"), "L": ("L3M4", "L3M5"), "M": ("M5N6", "M5N7")}
_WEAKEST = 1e-3
"""Lines below this share of their family are left out."""
_NEWER_WEIGHTS = {
    **{"Na": 22.990, "Mg": 24.305, "Al": 26.982, "Ti": 47.867},
    **{"Ge": 72.630, "Tm": 168.934, "W": 183.84, "Au": 196.967},
}
"""Standard atomic weights, g/mol (IUPAC 2021), where xraylib's older ones are off by more than 0.03 %."""


@dataclass(frozen=True, slots=True)
class LineFamily:
    """All X-ray lines of one element and shell, in fixed proportion."""

    element: str
    shell: str
    """K, L or M."""
    energies_kev: tuple[float, ...]
    """Energy of each line."""
    weights: tuple[float, ...]
    """Share of each line in the family's emitted X-rays; they sum to 1."""
    alpha: tuple[bool, ...]
    """Which lines make up the alpha line."""
    table: str
    """Where energies and weights come from."""
    transitions: tuple[str, ...] = ()
    """Name of each line's transition (``L3M5``), where the table has them."""

    @property
    def name(self) -> str:
        """Element and shell: ``La_L``."""
        return f"{self.element}_{self.shell}"

    @property
    def alpha_line(self) -> str:
        """The alpha line as HyperSpy names it: ``La_La``."""
        return f"{self.element}_{self.shell}a"

    @property
    def alpha_fraction(self) -> float:
        """Share of the family that lies in its alpha line."""
        return sum(w for w, a in zip(self.weights, self.alpha, strict=True) if a)

    @property
    def alpha_kev(self) -> float:
        """Energy of the alpha line (weighted mean); of the strongest line where the table has no alpha."""
        pairs = [(e, w) for e, w, a in zip(self.energies_kev, self.weights, self.alpha, strict=True) if a]
        pairs = pairs or [max(zip(self.energies_kev, self.weights, strict=True), key=lambda pair: pair[1])]
        return sum(e * w for e, w in pairs) / sum(w for _, w in pairs)


LineTable = Callable[[str, str], LineFamily | None]
"""A source of families: (element, shell) -> LineFamily, None where the element has no such family."""


def atomic_number(symbol: str) -> int:
    """Return Z of an element symbol; raise ElementError for anything else."""
    try:
        return int(xraylib.SymbolToAtomicNumber(symbol))
    except ValueError:
        raise ElementError(
            f"unknown element {symbol!r}: give symbols as in the periodic table, such as La, Fe, O."
        ) from None


def symbol_of(z: int) -> str:
    """Return the element symbol of an atomic number."""
    try:
        return str(xraylib.AtomicNumberToSymbol(int(z)))
    except ValueError:
        raise ElementError(f"no element has the atomic number {z}.") from None


@cache
def atomic_weight(symbol: str) -> float:
    """Return the standard atomic weight in g/mol (xraylib, with the exceptions of `_NEWER_WEIGHTS`)."""
    z = atomic_number(symbol)
    return _NEWER_WEIGHTS.get(symbol) or float(xraylib.AtomicWeight(z))


def parse_line(name: str) -> tuple[str, str]:
    """Return (element, shell) of a line or family name: ``La_La``, ``La_L`` and ``La-La1`` all give ("La", "L").

    HyperSpy's names of single transitions (``Au_M2N4``) are understood too.

    Raises
    ------
    ElementError
        The name does not have this form, or the element is unknown.
    """
    match = re.fullmatch(r"\s*([A-Z][a-z]?)[_\- ]([KLM])(?:[a-z]*\d*|\d[NO]\d)\s*", name)
    if match is None:
        raise ElementError(
            f"line {name!r} is not understood: write element and line as La_La, or element and shell as La_L."
        )
    atomic_number(match[1])
    return match[1], match[2]


def _value(function: Callable[..., float], *arguments: int) -> float:
    """Return a tabulated value, 0 where xraylib has none."""
    try:
        return float(function(*arguments))
    except ValueError:
        return 0.0


@cache
def _transitions(shell: str) -> tuple[tuple[str, str, int], ...]:
    """Return (name, subshell, xraylib code) of every transition that fills `shell` from an outer one."""
    pattern = re.compile(r"(K|[LM]\d)([L-Q])\d_LINE")
    found = []
    for attribute in dir(xraylib):
        match = pattern.fullmatch(attribute)
        # Coster-Kronig partners inside the shell (L1L2) are no X-rays of interest here.
        if match and match[1][0] == shell and match[2] != shell:
            found.append((attribute[:-5], match[1], getattr(xraylib, attribute)))
    return tuple(found)


def _vacancies(z: int, shell: str) -> dict[str, float]:
    """Return vacancies per subshell after Coster-Kronig transitions, for one ionisation of each electron pair."""
    vacancies = {name: float(n) for name, n in _SUBSHELLS[shell].items()}
    names = list(vacancies)
    for i, upper in enumerate(names):
        for lower in names[i + 1 :]:
            code = getattr(xraylib, f"F{upper}{lower[1]}_TRANS", None)
            if code is not None:
                vacancies[lower] += vacancies[upper] * _value(xraylib.CosKronTransProb, z, code)
    return vacancies


def _emission(z: int, shell: str) -> dict[str, tuple[float, float]]:
    """Return {transition: (energy keV, relative emission)} of one shell."""
    vacancies = _vacancies(z, shell)
    yields = {s: _value(xraylib.FluorYield, z, getattr(xraylib, f"{s}_SHELL")) for s in vacancies}
    lines = {}
    for name, subshell, code in _transitions(shell):
        rate = _value(xraylib.RadRate, z, code)
        energy = _value(xraylib.LineEnergy, z, code)
        if rate > 0 and energy > 0:
            lines[name] = (energy, vacancies[subshell] * yields[subshell] * rate)
    return lines


def _light_lanthanide_m(z: int) -> dict[str, tuple[float, float]]:
    """Return the M emission of La to Eu, where the atomic table has no 4f -> 3d lines.

    The free-atom tables give these elements M-zeta alone, yet in the solid Ma and Mb (4f -> 3d) dominate as in Gd.
    Proportions are Gd's; 4f is bound by only a few eV, so M5N7 lies at the M5 edge and M4N6 at the M4 edge.
    """
    edges = {"M5": xraylib.EdgeEnergy(z, xraylib.M5_SHELL), "M4": xraylib.EdgeEnergy(z, xraylib.M4_SHELL)}
    own = _emission(z, "M")
    lines = {}
    for name, (_, emission) in _emission(64, "M").items():
        energy = edges[name[:2]] if name in ("M5N6", "M5N7", "M4N6") else own.get(name, (0.0, 0.0))[0]
        if energy > 0:
            lines[name] = (float(energy), emission)
    return lines


@cache
def xraylib_family(element: str, shell: str) -> LineFamily | None:
    """Return a family with energies and weights from xraylib; None where the element has no such lines."""
    z = atomic_number(element)
    lines = _light_lanthanide_m(z) if shell == "M" and 57 <= z <= 63 else _emission(z, shell)
    total = sum(emission for _, emission in lines.values())
    kept = {name: pair for name, pair in lines.items() if total and pair[1] / total >= _WEAKEST}
    if not kept:
        return None
    total = sum(emission for _, emission in kept.values())
    return LineFamily(
        element,
        shell,
        tuple(energy for energy, _ in kept.values()),
        tuple(emission / total for _, emission in kept.values()),
        tuple(name in _ALPHA[shell] for name in kept),
        f"xraylib {xraylib.__version__}",
        tuple(kept),
    )


def families_in(
    elements: Iterable[str],
    energy_kev: tuple[float, float],
    *,
    beam_kev: float | None = None,
    table: LineTable = xraylib_family,
) -> tuple[LineFamily, ...]:
    """Return every family of `elements` whose strongest line lies in the energy range and can be excited.

    Raises
    ------
    ElementError
        An element is unknown, stands twice, or has no family in the range.
    """
    low, high = energy_kev
    high = high if beam_kev is None else min(high, beam_kev)
    chosen: list[LineFamily] = []
    symbols = list(elements)
    if len(set(symbols)) != len(symbols):
        double = sorted({s for s in symbols if symbols.count(s) > 1})
        raise ElementError(f"elements stand twice: {', '.join(double)}. Name each element once.")
    for symbol in symbols:
        atomic_number(symbol)
        families = [f for f in (table(symbol, shell) for shell in SHELLS) if f is not None]
        inside = [f for f in families if low <= _strongest_kev(f) <= high]
        if not inside:
            at = ", ".join(f"{f.name} at {_strongest_kev(f):.3f}" for f in families) or "none in the table"
            raise ElementError(
                f"{symbol} has no line between {low:g} and {high:g} keV (its families: {at} keV). "
                "Leave the element out or widen the energy range."
            )
        chosen += inside
    return tuple(chosen)


def _strongest_kev(family: LineFamily) -> float:
    """Return the energy of a family's strongest line."""
    return max(zip(family.weights, family.energies_kev, strict=True))[1]


def usual_family(element: str, families: Iterable[LineFamily]) -> LineFamily:
    """Return the family usually quantified: K up to Zr (15.7 keV), then L, then M; the first that was fitted."""
    own = [f for f in families if f.element == element]
    if not own:
        raise ElementError(f"{element} was not fitted: add it to the elements of the fit.")
    order = sorted(own, key=lambda f: (f.shell == "K" and f.alpha_kev > 16.5, SHELLS.index(f.shell)))
    return order[0]

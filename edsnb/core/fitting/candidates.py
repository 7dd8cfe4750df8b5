"""Which elements a spectrum may hold, and in which proportion their families then stand.

An element shows all its families in the range at once, or not at all. How strong L is beside K, and M beside L, theory
tells (`edsnb.core.quant.ktheory`) within bounds: yields are uncertain, bonding changes soft lines, and the specimen
absorbs them, but nothing makes them much stronger than their harder sisters allow. So each candidate is a cone of
spectra: the non-negative sums of a few columns, its edges, of which each holds the hardest family and the softer ones
in their lowest or highest proportion. A weak line alone cannot stand for an element whose strong one is absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.lines import LineFamily, LineTable, atomic_number, families_in, symbol_of
from edsnb.core.quant.ktheory import absolute_k
from edsnb.errors import ElementError, KFactorError

FIRST_Z, LAST_Z = 4, 95
"""Elements that are looked for: beryllium to americium."""
LEFT_OUT = ("Ne", "Tc", "Pm", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Pa", "Np", "Pu", "Am")
"""Not looked for unless named: gases and radioactive elements that no specimen holds by accident."""
_GASES = ("Ar", "Kr", "Xe")
_RARE = (
    *("Be", "Sc", "Rb", "Rh", "Te", "Br", "I", "Cs", "Pr", "Sm", "Eu", "Tb", "Ho", "Er", "Tm", "Yb", "Lu"),
    *("Re", "Os", "Ir", "Hg", "Tl", "Th", "U"),
)
_LESS_USUAL = (
    *("Ge", "As", "Se", "Ru", "Pd", "Ag", "Cd", "In", "Sb", "Ce", "Nd", "Gd", "Dy", "Hf", "Bi"),
)  # fmt: skip
CREDIT = {**dict.fromkeys(_GASES, 0.6), **dict.fromkeys(_RARE, 0.7), **dict.fromkeys(_LESS_USUAL, 0.85)}
"""What a standard deviation of evidence counts for elements that are seldom met; 1 for all others."""
NOTES = {
    "C": "often from the support film, or cracked on the specimen by the beam",
    "O": "often a native oxide",
    "Na": "often from handling",
    "Al": "often from the holder or the detector's contact",
    "Si": "often from the detector itself, a support or glue",
    "Cl": "often from cleaning or etching",
    "Ar": "often from ion milling",
    "Fe": "often from the pole pieces",
    "Co": "often from the pole pieces",
    "Ni": "often the grid",
    "Cu": "often the grid or the holder",
    "Zn": "often brass of the holder",
    "Ga": "often from the ion beam of a FIB",
    "Mo": "often the grid or a clip",
    "Xe": "often from the ion beam of a plasma FIB",
    "Ta": "often an aperture",
    "W": "often a FIB's protective layer",
    "Pt": "often a FIB's protective layer or an aperture",
    "Au": "often the grid, or a coating",
    "Pb": "often the detector's shielding",
}
"""Where an element may come from if not from the specimen (Williams & Carter, Transmission Electron Microscopy, 2009,
ch. 33): to be thought of, no verdict."""
_THIN_KEV = 60.0
"""Below this beam energy specimens are bulk: they absorb soft lines, and slow electrons excite hard ones less."""
_BULK = 2.5
"""How much weaker than theory hard lines then may be besides."""
USUAL_BEAM_KEV = 200.0
_SOFT_KEV = 1.0
"""Lines below may be absorbed altogether, and bonding changes their yields."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An element with all its families in the range."""

    element: str
    families: tuple[LineFamily, ...]
    """F families, hard to soft."""
    edges: Array
    """(R, F) counts of each family in each edge of the cone; the first family's are 1."""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "edges", frozen(self.edges))


def candidates(
    elements: Iterable[str] | None, energy_kev: tuple[float, float], beam_kev: float | None, table: LineTable
) -> dict[str, Candidate]:
    """Return the candidates that have a family in the energy range, by symbol.

    Parameters
    ----------
    elements
        Symbols to look for; None for all from beryllium to americium but `LEFT_OUT`.
    energy_kev
        Lowest and highest energy of the spectrum.
    beam_kev
        Beam energy; None for a thin specimen and 200 keV.
    table
        Source of line energies and weights.

    Raises
    ------
    ElementError
        An element is unknown.
    """
    if elements is None:
        symbols = [symbol_of(z) for z in range(FIRST_Z, LAST_Z + 1)]
        elements = [symbol for symbol in symbols if symbol not in LEFT_OUT]
    out = {}
    for element in elements:
        atomic_number(element)
        try:
            families = families_in([element], energy_kev, beam_kev=beam_kev, table=table)
        except ElementError:
            continue
        families = tuple(sorted(families, key=lambda family: -family.alpha_kev))
        out[element] = Candidate(element, families, cone(families, beam_kev))
    return out


def cone(families: tuple[LineFamily, ...], beam_kev: float | None) -> Array:
    """Return the edges (R, F) of the cone of counts that families of an element, hard to soft, may have together."""
    edges = [[1.0]]
    for harder, softer in pairwise(families):
        bounds = _bounds(harder, softer, beam_kev or USUAL_BEAM_KEV)
        edges = [[*edge, edge[-1] * bound] for edge in edges for bound in bounds]
    return np.array(edges)


def _bounds(harder: LineFamily, softer: LineFamily, beam_kev: float) -> tuple[float, float]:
    """Return the lowest and highest counts of the softer family for one count of the harder."""
    bulk = beam_kev < _THIN_KEV
    soft = softer.alpha_kev < _SOFT_KEV
    lowest = 0.0 if soft or bulk else 0.15 if softer.alpha_kev < 1.5 * _SOFT_KEV else 0.3
    highest = 2.0 if soft else 1.6
    if softer.shell == "M":
        # Yields of M shells are known to a factor of two up to ytterbium, and to 10 % above (`ktheory.relative_sd`).
        lowest, highest = 0.5 * lowest, 4.0 if atomic_number(softer.element) < 70 else 2.0
    try:
        expected = absolute_k(harder, beam_kev) / absolute_k(softer, beam_kev)
    except KFactorError:
        return 0.0, 10.0
    return lowest * expected, highest * expected * (_BULK if bulk else 1.0)

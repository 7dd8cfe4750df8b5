"""Theoretical k-factors: ``k = A / (Q w eps)``.

Atomic weight A; ionisation cross-section ``Q = n b ln(E0/Ec) / (E0 Ec)`` at the beam energy E0 and the edge Ec
(Powell, Rev. Mod. Phys. 48 (1976) 33, with the constants of Brown, Handbook of Spectroscopy I (1974) 248);
fluorescence yield ``w = x/(1+x)``; detector efficiency eps, averaged over the family's lines in proportion to their
emission, because family k go with the counts of all of them.

How far they can be trusted
---------------------------
They agree with two k-factor tables of one Thermo Fisher instrument, which pyTEMlib publishes: with the 200 kV one, to
which the detector's layers were fitted, to 0.3 % rms for K lines (B to Ru) and 0.2 % for L lines (Mn to Au), and with
the 60 kV one, which was not used, to better than 1 % for the lines in the tests. Those tables are calculations too, so
this says that edsnb counts as Velox does, not that either is true. How far k may be from the truth is `relative_sd`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xraylib

from edsnb.core.fitting.detector import efficiency
from edsnb.core.fitting.lines import LineFamily, atomic_number, atomic_weight, parse_line, xraylib_family
from edsnb.errors import KFactorError


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
    sd: tuple[tuple[int, float], ...]
    """(from this Z on, relative standard deviation of k); see `relative_sd`."""


_THEORY = {
    # Brown (1974): Q ∝ C with C_K = 0.85 + 0.0047 Z; in Powell's form C is n b (7.92e-20 against 6.51e-20 cm2 keV2).
    # Yields: Bambynek et al., Rev. Mod. Phys. 44 (1972) 716.
    "K": _Shell(2, (0.52, 0.0029), xraylib.K_SHELL, (0.015, 0.0327, -0.64e-6), (4, 95), ((0, 0.16), (11, 0.05))),
    # Brown (1974): C_L23 = 2.19 + 0.0098 Z, which is b for the 6 electrons of L2 and L3; here all 8 of the shell have
    # it. Yields: Colby, Adv. X-ray Anal. 11 (1968) 287, as in NIST's DTSA.
    "L": _Shell(
        8, (0.44, 0.0020), xraylib.L3_SHELL, (-0.11107, 0.01368, -0.21772e-6), (16, 95), ((0, 0.30), (38, 0.20))
    ),
    # 18 electrons with b = 1: no constants were found in the literature, but Velox's tables have the same. Yields:
    # Colby; NIST's DTSA has the last term with a minus, but only plus gives the yields measured (Au 0.026, U 0.06).
    "M": _Shell(18, (1.0, 0.0), xraylib.M5_SHELL, (-0.00036, 0.00386, 0.20101e-6), (35, 95), ((0, 0.90), (70, 0.10))),
}


def absolute_k(family: LineFamily, beam_kev: float) -> float:
    """Return ``A / (Q w eps)`` of a family, in a unit of its own; see the module's formulae.

    Raises
    ------
    KFactorError
        The yields do not hold for the element, or the beam cannot excite the family.
    """
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


def relative_sd(family: LineFamily) -> float:
    """Return the relative standard deviation of a theoretical k-factor.

    It is how far two compilations of fluorescence yields lie apart, rms over the elements, relative to Si K: the one
    used here and xraylib's (with Coster-Kronig transitions). K: 16 % up to Ne, 5 % above; L: 30 % up to Rb, 20 % above;
    M: 90 % up to Tm, 10 % above. Cross-sections matter less: for K lines (B to Ar, 300 keV) those used here and those
    of Bote and Salvat (Phys. Rev. A 77 (2008) 042701) differ by 3 % rms. Errors of neighbours go together, which a
    standard deviation for each cannot say: k measured on a standard are better.
    """
    z = atomic_number(family.element)
    return next(sd for first, sd in reversed(_THEORY[family.shell].sd) if z >= first)


def family_of(line: str) -> LineFamily:
    """Return the family that a line or family name means; raise KFactorError where there is none."""
    element, shell = parse_line(line)
    family = xraylib_family(element, shell)
    if family is None:
        raise KFactorError(
            f"no theoretical k-factor for {line}: {element} has no {shell} lines. Choose another family."
        )
    return family


def is_known(line: str, beam_kev: float) -> bool:
    """Return whether there is a theoretical k-factor for a family at this beam energy."""
    try:
        absolute_k(family_of(line), beam_kev)
    except KFactorError:
        return False
    return True

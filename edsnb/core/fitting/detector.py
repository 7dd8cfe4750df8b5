"""The detector: what share of the X-rays it counts.

A windowless silicon drift detector: X-rays pass a thin aluminium contact, oxide, and a dead layer of silicon, and
are counted if the silicon below absorbs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import xraylib
from numpy.typing import ArrayLike

from edsnb.core.events import Array, frozen

SILICON_CM = 0.0433
"""Active silicon. This and the three layers below are fitted, not measured: they bring theoretical k-factors to the
200 kV table of Thermo Fisher's windowless SDD that pyTEMlib publishes: 0.27 % rms for K lines (B to Ru), 0.22 % for L
lines (Mn to Au), in-sample."""
DEAD_SILICON_CM = 13.9e-7
"""Dead layer of silicon, 13.9 nm; see SILICON_CM."""
ALUMINIUM_CM = 35.1e-7
"""Aluminium contact, 35.1 nm; see SILICON_CM."""
OXYGEN_G_CM2 = 5.0e-6
"""Oxygen of the oxides between them; without it the L lines of Mn to Ni are off by up to 6 %. See SILICON_CM."""
SI_KA_KEV = 1.740
"""Energy of Si Ka (Bearden, Rev. Mod. Phys. 39 (1967) 78)."""
_TABLE_KEV = (0.1, 800.0)
"""Where xraylib has attenuation coefficients; outside, the value at the nearer end is used."""
_NODES = 301
_OFF = 2e-5
"""Relative error allowed to the coefficients, so that channels need not be looked up one by one."""


def efficiency(energy_kev: ArrayLike) -> Array:
    """Return the share of X-rays of each energy that the detector counts, 0 to 1.

    ``(1 - exp(-mu_Si t)) exp(-mu_Si d - mu_Al a - mu_O o)`` with the four layers above. Attenuation coefficients
    mu are xraylib's CS_Total (cm2/g) times density; below its limit of 0.1 keV they are held constant.

    Parameters
    ----------
    energy_kev
        Photon energies in keV, any shape.

    Returns
    -------
    Array of the same shape.
    """
    energies = np.clip(np.asarray(energy_kev, float), *_TABLE_KEV)
    silicon, aluminium = _attenuation_per_cm(14, energies), _attenuation_per_cm(13, energies)
    oxide = mass_attenuation({"O": 1.0}, energies) * OXYGEN_G_CM2
    through = np.exp(-silicon * DEAD_SILICON_CM - aluminium * ALUMINIUM_CM - oxide)
    return np.asarray(-np.expm1(-silicon * SILICON_CM) * through)


def escape_fraction(energy_kev: ArrayLike) -> Array:
    """Return the share of counted X-rays that show up 1.740 keV too low, because a Si K X-ray escaped.

    Half of the Si K X-rays start towards the front and pass the silicon above them:
    ``f = w/2 (r - 1)/r [1 - (mu_K / mu) ln(1 + mu / mu_K)]`` with the yield w and jump ratio r of Si K, and silicon's
    attenuation mu of the X-ray and mu_K of Si Ka (Reed & Ware, J. Phys. E 5 (1972) 582). Zero below the Si K edge.

    Parameters
    ----------
    energy_kev
        Photon energies in keV, any shape.

    Returns
    -------
    Array of the same shape.
    """
    energies = np.asarray(energy_kev, float)
    jump = float(xraylib.JumpFactor(14, xraylib.K_SHELL))
    escaping = 0.5 * float(xraylib.FluorYield(14, xraylib.K_SHELL)) * (jump - 1) / jump
    ratio = _attenuation_per_cm(14, np.clip(energies, *_TABLE_KEV)) / float(
        _attenuation_per_cm(14, np.array(SI_KA_KEV))
    )
    fraction = escaping * (1 - np.log1p(ratio) / ratio)
    return np.where(energies > float(xraylib.EdgeEnergy(14, xraylib.K_SHELL)), fraction, 0.0)


def mass_attenuation(composition: Mapping[str, float], energy_kev: ArrayLike) -> Array:
    """Return the mass attenuation coefficient of a compound in cm2/g at each energy (xraylib's CS_Total).

    Parameters
    ----------
    composition
        Weight fraction of each element.
    energy_kev
        Photon energies in keV, any shape; outside 0.1 to 800 keV the nearer end's value is used.
    """
    at = np.log(np.clip(np.asarray(energy_kev, float), *_TABLE_KEV))
    total = np.zeros_like(at)
    for symbol, share in composition.items():
        total += share * np.exp(np.interp(at, *_attenuation_table(int(xraylib.SymbolToAtomicNumber(symbol)))))
    return total


@cache
def _attenuation_table(z: int) -> tuple[Array, Array]:
    """Return logarithms of energies and of xraylib's coefficients of element z between which straight lines hold.

    Intervals are halved until their middle is met: around an absorption edge down to a millionth of its energy.
    """

    def exact(at: Array) -> Array:
        energies = np.clip(np.exp(at), *_TABLE_KEV).tolist()
        return np.log([float(xraylib.CS_Total(z, energy)) for energy in energies])

    at = np.log(np.geomspace(*_TABLE_KEV, _NODES))
    values, wide = exact(at), np.ones(_NODES - 1, bool)
    while wide.any():
        left = np.flatnonzero(wide)
        middle = (at[left] + at[left + 1]) / 2
        found = exact(middle)
        off = np.abs(found - (values[left] + values[left + 1]) / 2) > _OFF
        wide[left] = off & (at[left + 1] - at[left] > 1e-6)
        wide = np.insert(wide, left, wide[left])
        at, values = np.insert(at, left + 1, middle), np.insert(values, left + 1, found)
    return frozen(at), frozen(values)


def _attenuation_per_cm(z: int, energies_kev: Array) -> Array:
    """Return the linear attenuation coefficient of element z at each energy, 1/cm."""
    return mass_attenuation({xraylib.AtomicNumberToSymbol(z): 1.0}, energies_kev) * float(xraylib.ElementDensity(z))

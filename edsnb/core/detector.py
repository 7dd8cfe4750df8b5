"""The detector: what share of the X-rays it counts.

A windowless silicon drift detector: X-rays pass a thin aluminium contact and a dead layer of silicon, and are
counted if the silicon below absorbs them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xraylib
from numpy.typing import ArrayLike

from edsnb.core.events import Array

SILICON_CM = 0.0437
"""Active silicon. This and the two layers below are fitted, not measured: they bring theoretical k-factors to a
published 200 kV table of a windowless SDD (K lines B to Ru, L lines As to Au)."""
DEAD_SILICON_CM = 20e-7
"""Dead layer of silicon, 20 nm; see SILICON_CM."""
ALUMINIUM_CM = 33e-7
"""Aluminium contact, 33 nm; see SILICON_CM."""
_TABLE_KEV = (0.1, 800.0)
"""Where xraylib has attenuation coefficients; outside, the value at the nearer end is used."""


def efficiency(energy_kev: ArrayLike) -> Array:
    """Return the share of X-rays of each energy that the detector counts, 0 to 1.

    ``(1 - exp(-mu_Si t)) exp(-mu_Si d) exp(-mu_Al a)`` with the three layers above. Attenuation coefficients
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
    through = np.exp(-silicon * DEAD_SILICON_CM - aluminium * ALUMINIUM_CM)
    return np.asarray(-np.expm1(-silicon * SILICON_CM) * through)


def _attenuation_per_cm(z: int, energies_kev: Array) -> Array:
    """Return the linear attenuation coefficient of element z at each energy, 1/cm."""
    total: Callable[[int, float], float] = xraylib.CS_Total
    per_mass = np.array([total(z, e) for e in energies_kev.ravel().tolist()])
    return per_mass.reshape(energies_kev.shape) * float(xraylib.ElementDensity(z))

"""Quantification where the dose is known: composition, mass thickness and atoms per area.

Zeta-factor method (Watanabe & Williams, J. Microsc. 221 (2006) 89): an element of weight fraction C in a film of
mass thickness rho t sends ``I = C rho t D / zeta`` counts for D electrons. So the areal mass of each element is
``zeta I / D``, and their sum the mass thickness. Absorption follows from the areal masses themselves: neither
thickness nor density has to be known. Partial X-ray cross-sections (MacArthur et al., Microsc. Microanal. 22 (2016)
71) are the same method in other units; see `KFactors.from_cross_sections`.

dose : electrons that passed through a spectrum's region: beam current times live time, over the elementary charge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.quant.absorption import find_take_off
from edsnb.core.quant.composition import masses_of
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import absorption_notes, assemble, chosen_families, film_of
from edsnb.core.regions import Spectra
from edsnb.errors import InputError, KFactorError

if TYPE_CHECKING:
    import pandas as pd

ELEMENTARY_CHARGE_C = 1.602176634e-19
_G_CM2_PER_KG_M2 = 0.1
_AVOGADRO = 6.02214076e23
_M2_PER_NM2 = 1e-18


@dataclass(frozen=True, slots=True, eq=False)
class DoseQuantification:
    """Composition and amount of n spectra in K elements."""

    quantification: Quantification
    """The composition, as from `edsnb.quantify`."""
    dose_e: Array
    """(n,) electrons."""
    mass_thickness_kg_m2: Array
    """(n,) mass per area of the K elements together, kg/m2; NaN where the quantification's status says why."""
    mass_thickness_sd: Array
    """(n,) its standard deviation from counting statistics, kg/m2; dose and zeta-factors are taken as exact."""
    areal_mass_kg_m2: Array
    """(n, K) mass per area of each element, kg/m2."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("dose_e", "mass_thickness_kg_m2", "mass_thickness_sd", "areal_mass_kg_m2"):
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name))))

    @property
    def atoms_per_nm2(self) -> Array:
        """(n, K) atoms of each element per area, 1/nm2."""
        molar_mass_kg = 1e-3 * np.array([atomic_weight(element) for element in self.quantification.elements])
        return np.asarray(self.areal_mass_kg_m2 / molar_mass_kg * _AVOGADRO * _M2_PER_NM2)

    def thickness_nm(self, density_g_cm3: float) -> Array:
        """Return the thickness (n,) of a film of this density, nm."""
        if not density_g_cm3 > 0:
            raise InputError(f"a density of {density_g_cm3} g/cm3 cannot be; give a positive one.")
        return np.asarray(self.mass_thickness_kg_m2 / (1e3 * density_g_cm3) * 1e9)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of the quantification, and ``dose_e,rho_t_kg_m2,sd_rho_t_kg_m2``, ``atoms_nm2_La``."""
        table = self.quantification.to_frame()
        table["dose_e"] = self.dose_e
        table["rho_t_kg_m2"] = self.mass_thickness_kg_m2
        table["sd_rho_t_kg_m2"] = self.mass_thickness_sd
        for element, atoms in zip(self.quantification.elements, self.atoms_per_nm2.T, strict=True):
            table[f"atoms_nm2_{element}"] = atoms
        return table


def quantify_zeta(
    fit: FitResult,
    zeta: KFactors,
    lines: Iterable[str] | None = None,
    *,
    dose_e: ArrayLike | None = None,
    absorption: bool = False,
    take_off_deg: float | None = None,
    deconvolve: Iterable[str] = (),
) -> DoseQuantification:
    """Turn fitted intensities into composition and mass thickness by zeta-factors.

    Parameters
    ----------
    fit
        From `edsnb.fit`.
    zeta
        Zeta-factors in kg/m2: ``KFactors({"Sr_K": 1210.0, ...}, kind="zeta")``, or cross-sections by
        `KFactors.from_cross_sections`.
    lines, deconvolve
        As for `edsnb.quantify`.
    dose_e
        Electrons of each spectrum, (n,) or one number for all. None: beam current times live time of the file, shared
        evenly by the pixels of the map.
    absorption
        Correct for absorption in the film that is found; only the quantified elements absorb.
    take_off_deg
        Take-off angle; None for the detector's elevation in the file.

    Returns
    -------
    DoseQuantification, whose `quantification` has the same n spectra.

    Raises
    ------
    InputError
        The dose is not known, or not positive; or as for `edsnb.quantify`.
    KFactorError
        `zeta` are k-factors without a scale, or lack a family.

    Warns
    -----
    EdsnbWarning
        A correction for absorption exceeds 2: the film is not thin.
    """
    if zeta.kind != "zeta":
        raise KFactorError(
            f"the zeta-factor method needs zeta-factors in kg/m2, but those of {zeta.source} are k-factors, which have "
            "no scale. Give KFactors(..., kind='zeta'), or use quantify."
        )
    dose = dose_of(fit.spectra) if dose_e is None else _checked(dose_e, len(fit))
    families = chosen_families(fit, lines, tuple(deconvolve))
    used = zeta.for_families(family.name for family in families)
    scale = _G_CM2_PER_KG_M2 / dose[:, None]
    notes: tuple[str, ...] = ()
    if absorption:
        angle = find_take_off(take_off_deg, fit.spectra.acquisition)
        masses = masses_of(fit, families, used, scale=scale, film=film_of(families, angle, used.convention))
        notes = (
            f"Absorption corrected for in the mass that was found, take-off {angle:g} degrees.",
            *absorption_notes(fit, families, masses, angle_of_file=take_off_deg is None),
        )
    else:
        masses = masses_of(fit, families, used, scale=scale)
    areal = masses.values / _G_CM2_PER_KG_M2
    return DoseQuantification(
        quantification=assemble(fit, families, used, masses, method="Zeta-factor method", notes=notes),
        dose_e=dose,
        mass_thickness_kg_m2=areal.sum(axis=1),
        mass_thickness_sd=np.sqrt(masses.covariance.sum(axis=(1, 2))) / _G_CM2_PER_KG_M2,
        areal_mass_kg_m2=areal,
    )


def dose_of(spectra: Spectra) -> Array:
    """Return the electrons of each spectrum (n,): current times live time, by its share of the map's pixels.

    A spectrum without regions, as stored in a file, has all of them.

    Raises
    ------
    InputError
        The file does not say the current or the live time.
    """
    acquisition = spectra.acquisition
    values = {"beam current": acquisition.current_pa, "live time": acquisition.live_time_s}
    if missing := [name for name, value in values.items() if not value]:
        raise InputError(
            f"the dose is not known: the file gives no {' and no '.join(missing)}. Give the electrons of each "
            "spectrum: dose_e = current * live time / 1.602e-19 C."
        )
    total = (acquisition.current_pa or 0.0) * 1e-12 * (acquisition.live_time_s or 0.0) / ELEMENTARY_CHARGE_C
    if spectra.regions is None:
        return np.full(len(spectra), total)
    return np.asarray(total * spectra.regions.sizes / np.prod(spectra.regions.shape))


def _checked(dose_e: ArrayLike, n: int) -> Array:
    """Return a dose for each of n spectra; raise InputError where it cannot be."""
    dose = np.asarray(dose_e, float)
    if dose.shape not in ((), (n,)):
        raise InputError(f"dose_e of shape {dose.shape} for {n} spectra: give one number, or one for each.")
    if not (np.isfinite(dose).all() and (dose > 0).all()):
        raise InputError("dose_e must be positive numbers of electrons; found others.")
    return np.broadcast_to(dose, (n,))

"""Absorption of X-rays in a thin film on their way to the detector.

X-rays are born evenly through the thickness t of a film of density rho and leave it at the take-off angle. Of a line
for which the film's mass attenuation coefficient is mu, the share ``(1 - exp(-x))/x`` gets out, with
``x = mu rho t / sin(take-off)`` (Goldstein et al., in Introduction to Analytical Electron Microscopy, 1979, ch. 3).
A family's counts are multiplied by one over the share of all its detected lines together, each with its own mu.
As mu follows from the composition and the composition from the corrected counts, both are iterated; the covariance
is that of the iteration's fixed point, by implicit differentiation.

mu is xraylib's CS_Total (cm2/g), summed over the quantified elements by weight: elements fitted only to be told
apart (a grid, a coating) are not in the film and do not absorb. Secondary fluorescence is left out. For the lines of
common oxides this table and Chantler's (eXSpy's) differ by 1 to 15 %; the correction is no better than that. It can
be large: 50 nm of SrTiO3 seen under 18 degrees let 63 % of their O K X-rays out, and 96 % of their Sr L.

areal mass : mass per area (g/cm2) of each element; together the mass thickness rho t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.detector import mass_attenuation
from edsnb.core.fitting.lines import LineFamily
from edsnb.core.fitting.model import detected_weights
from edsnb.core.image import Acquisition
from edsnb.errors import InputError

if TYPE_CHECKING:
    from edsnb.core.quant.kfactors import Convention

LARGEST = 2.0
"""Above this correction the film is not thin: `edsnb.quantify` warns."""
_ITERATIONS = 50
_SETTLED = 1e-6
"""The iteration ends when no element moves by more than this share of the mass."""
_CM_PER_NM = 1e-7


@dataclass(frozen=True, slots=True)
class Absorption:
    """The film that X-rays have to leave, as `edsnb.quantify` wants to know it."""

    thickness_nm: float | tuple[float, ...] | None = None
    """Thickness along the beam: one for all spectra, or one for each."""
    density_g_cm3: float | None = None
    """Density: SrTiO3 5.12, LaFeO3 6.65, LaAlO3 6.52, GaN 6.15, Si 2.33 g/cm3."""
    take_off_deg: float | None = None
    """Angle between the film and the way to the detector; None for the detector's elevation in the file, which is
    right for a specimen that is not tilted."""

    def __post_init__(self) -> None:
        """Refuse what is missing or cannot be."""
        if self.thickness_nm is None or self.density_g_cm3 is None:
            missing = "thickness_nm" if self.thickness_nm is None else "density_g_cm3"
            raise InputError(
                f"absorption needs the film's thickness and density; {missing} is missing. Densities of the elements "
                "do not add up to an oxide's: look it up, such as Absorption(thickness_nm=50, density_g_cm3=5.12)."
            )
        thickness = np.asarray(self.thickness_nm, float)
        if thickness.ndim > 1 or not (np.isfinite(thickness).all() and (thickness >= 0).all()):
            raise InputError(f"absorption: a thickness of {self.thickness_nm} nm cannot be; give 0 nm or more.")
        if not (np.isfinite(self.density_g_cm3) and self.density_g_cm3 > 0):
            raise InputError(f"absorption: a density of {self.density_g_cm3} g/cm3 cannot be.")
        check_take_off(self.take_off_deg)
        # A tuple, so that settings can be compared and hashed.
        object.__setattr__(self, "thickness_nm", tuple(thickness.tolist()) if thickness.ndim else float(thickness))

    def mass_thickness(self, n: int) -> Array:
        """Return rho t of n spectra (n,), g/cm2; raise InputError where thicknesses are not n."""
        thickness = np.asarray(self.thickness_nm, float)
        if thickness.ndim and len(thickness) != n:
            raise InputError(
                f"absorption: {len(thickness)} thicknesses for {n} spectra; give one for all of them, or one for each."
            )
        return np.broadcast_to(thickness * (self.density_g_cm3 or 0.0) * _CM_PER_NM, (n,))

    def describe(self) -> str:
        """Say in a few words what is corrected for."""
        thickness = np.asarray(self.thickness_nm, float)
        span = f"{thickness:g}" if not thickness.ndim else f"{thickness.min():g} to {thickness.max():g}"
        angle = "" if self.take_off_deg is None else f", take-off {self.take_off_deg:g} degrees"
        return f"{span} nm of {self.density_g_cm3:g} g/cm3{angle}"


def find_take_off(given_deg: float | None, acquisition: Acquisition) -> float:
    """Return the take-off angle given, else that of the file; raise InputError where there is none."""
    found = acquisition.take_off_deg if given_deg is None else given_deg
    if found is None:
        raise InputError(
            "absorption needs the take-off angle and the file does not say it: give it, such as take_off_deg=18."
        )
    check_take_off(found)
    return found


def check_take_off(angle_deg: float | None) -> None:
    """Raise InputError for an angle that no X-ray can leave by."""
    if angle_deg is not None and not 0 < angle_deg <= 90:
        raise InputError(f"absorption: a take-off angle of {angle_deg} degrees cannot be; give one up to 90.")


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """What a film of K elements does to the lines of F families."""

    attenuation: Array
    """(L, K) mass attenuation coefficient of each element for each line, over the sine of the take-off angle, cm2/g."""
    weights: Array
    """(L, F) share of each line in its family's detected counts; zero for the other families."""

    @classmethod
    def of(
        cls, elements: Sequence[str], families: Sequence[LineFamily], take_off_deg: float, convention: Convention
    ) -> Film:
        """Return the film; with the convention ``alpha`` only alpha lines count."""
        weights: list[Array] = []
        energies: list[float] = []
        for at, family in enumerate(families):
            counted = detected_weights(family) * (np.asarray(family.alpha) if convention == "alpha" else 1.0)
            row = np.zeros((len(counted), len(families)))
            row[:, at] = counted / counted.sum()
            weights.append(row)
            energies += family.energies_kev
        attenuation = np.stack([mass_attenuation({element: 1.0}, energies) for element in elements], axis=1)
        return cls(attenuation / np.sin(np.radians(take_off_deg)), np.concatenate(weights))

    def factors(self, areal_mass: Array) -> Array:
        """Return what to multiply each family's counts by (n, F), for areal masses (n, K) in g/cm2."""
        return 1.0 / (_escaping(areal_mass @ self.attenuation.T) @ self.weights)

    def slopes(self, areal_mass: Array) -> Array:
        """Return d ln(factor) / d(areal mass) (n, F, K), cm2/g."""
        x = areal_mass @ self.attenuation.T
        share = _escaping(x) @ self.weights
        each = self.weights[:, :, None] * self.attenuation[:, None, :]
        changed = (_escaping_slope(x) @ each.reshape(len(each), -1)).reshape(len(x), *each.shape[1:])
        return np.asarray(-changed / share[:, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Masses of K elements in n spectra, absorption undone."""

    masses: Array
    """(n, K) factor times what was put in."""
    factors: Array
    """(n, K) the correction of each element's family."""
    slope: Array
    """(n, K, K) d(masses) / d(what was put in)."""
    settled: Array
    """(n,) bool; False where the iteration does not end, because no film can be that thick."""


def correct(parts: Array, film: Film, mass_thickness: Array | None = None) -> Corrected:
    """Undo absorption, so that masses and correction agree.

    Parameters
    ----------
    parts
        (n, K) masses as if nothing were absorbed: k I in any unit, or, where dose and zeta-factors are known, areal
        masses in g/cm2.
    film
        One family for each element, in the order of the columns.
    mass_thickness
        (n,) rho t in g/cm2, which the masses of a spectrum share. None: the masses are areal masses themselves.
    """

    def areal(masses: Array) -> Array:
        if mass_thickness is None:
            return masses
        return masses * (mass_thickness / masses.sum(axis=1))[:, None]

    masses = parts
    settled = np.zeros(len(parts), bool)
    for _ in range(_ITERATIONS):
        factors = film.factors(areal(masses))
        new = parts * factors
        settled = np.abs(new - masses).max(axis=1, initial=0.0) <= _SETTLED * new.sum(axis=1)
        masses = new
        if settled.all():
            break
    # At the fixed point m = p F(u(m)): (1 - m dlnF/du du/dm) dm = F dp.
    feedback = masses[:, :, None] * film.slopes(areal(masses))
    if mass_thickness is not None:
        total = masses.sum(axis=1)
        along = np.einsum("nij,nj->ni", feedback, masses / total[:, None])
        feedback = (feedback - along[:, :, None]) * (mass_thickness / total)[:, None, None]
    slope = np.full(feedback.shape, np.nan)
    eye = np.eye(parts.shape[1])
    slope[settled] = np.linalg.solve(eye - feedback[settled], eye * factors[settled][:, None, :])
    return Corrected(masses, factors, slope, settled)


def _escaping(x: Array) -> Array:
    """Return ``(1 - exp(-x)) / x``, 1 where x is 0."""
    safe = np.where(np.abs(x) < 1e-9, 1.0, x)
    return np.where(np.abs(x) < 1e-9, 1.0, -np.expm1(-safe) / safe)


def _escaping_slope(x: Array) -> Array:
    """Return the derivative of `_escaping`; by its series where x is small, as the difference there is all rounding."""
    small = np.abs(x) < 1e-3
    safe = np.where(small, 1.0, x)
    return np.where(small, -0.5 + x / 3 - x**2 / 8, (np.exp(-safe) * (1 + safe) - 1) / safe**2)

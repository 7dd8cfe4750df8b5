"""Simulated emission: what a detector counts from a known composition.

This is the truth that a fit is tested against, so it shares no more with the fit than it must. Line energies are
those of `core.fitting.lines`, but each line's share of its family is moved by a few percent, once and for all (a fixed
seed of its own); peaks have a tail; the energy axis and the width are not those the file states; bremsstrahlung is
no member of a fit's background; and the shape of a peak is evaluated here by itself. `IDEAL` switches the first
three off, for tests of statistics, where the model must be true. Escape peaks are those of `core.fitting.detector`.

Glossary
--------
areal mass : mass per area that the beam passes; here relative, in units in which a pure element of areal mass 1 and
    k-factor 1 sends 1 X-ray of its family.
share : part of a family's *detected* counts that lies in one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import pi, sin, sqrt
from zlib import crc32

import numpy as np
import xraylib
from scipy.ndimage import gaussian_filter1d
from scipy.special import log_ndtr, ndtr

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.detector import SI_KA_KEV, efficiency, escape_fraction
from edsnb.core.fitting.lines import LineFamily, atomic_number, atomic_weight, families_in, xraylib_family
from edsnb.core.image import EnergyAxis
from edsnb.core.simulation.draw import Stream, key_of, normals
from edsnb.errors import ElementError, KFactorError

LOWEST_KEV = 0.15
"""Families whose strongest line lies below are lost in the noise peak and left out."""
BREMSSTRAHLUNG = 0.0035
"""Continuum per keV at 1 keV before the detector, per areal mass and Z^2/A: an eighth of SrTiO3's counts."""
CONTINUUM_MG_CM2 = 0.03
"""Areal mass that dims the continuum by self-absorption: 50 nm of an oxide."""
_FWHM_PER_SIGMA = 2.0 * sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True, slots=True)
class Instrument:
    """How the simulated microscope really is, and what its files say."""

    stated: EnergyAxis = field(default_factory=lambda: EnergyAxis(4096, 0.01, -0.25))
    """Energy axis that the file states."""
    beam_kev: float = 200.0
    take_off_deg: float = 18.0
    offset_error_ev: float = 6.0
    """True energy of channel 0 less the stated one."""
    gain_error: float = 5e-4
    """True width of a channel over the stated one, less 1."""
    fwhm_mn_ev: float = 128.0
    """True full width at half maximum at Mn Ka; software assumes 130 eV."""
    tail: float = 0.015
    """Share of a peak's counts in its low-energy tail."""
    tail_slope_ev: float = 80.0
    """Decay length of the tail."""
    line_spread: float = 0.035
    """Standard deviation of the logarithm of a line's share, against the table's."""
    begin_energy_kev: float = 0.12
    """Where the file says that the noise peak ends."""

    @property
    def energy(self) -> EnergyAxis:
        """The true energy axis."""
        stated = self.stated
        scale = stated.scale_kev * (1.0 + self.gain_error)
        return EnergyAxis(stated.size, scale, stated.offset_kev + self.offset_error_ev / 1e3)


IDEAL = Instrument(offset_error_ev=0.0, gain_error=0.0, fwhm_mn_ev=130.0, tail=0.0, line_spread=0.0)
"""The fit's own table and shape: Gaussians of nominal width on the stated axis."""


@dataclass(frozen=True, slots=True, eq=False)
class EmittedFamily:
    """One family as it is really detected."""

    name: str
    """Element and shell: ``La_L``."""
    element: str
    energies_kev: tuple[float, ...]
    shares: tuple[float, ...]
    """Share of the family's detected counts in each line; they sum to 1."""
    alpha_fraction: float
    """Share of the detected counts in the alpha line."""
    columns: Array
    """(E,) counts per channel for one X-ray of the family; sums to less where lines lie off the axis."""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "columns", frozen(self.columns))


@dataclass(frozen=True, slots=True, eq=False)
class Emission:
    """Expected counts of a composition, for areal mass 1."""

    intensities: Mapping[str, float]
    """Counts of each family, all its lines."""
    families: Array
    """(E,) counts per channel of all families."""
    background: Array
    """(E,) counts per channel of bremsstrahlung."""

    @property
    def spectrum(self) -> Array:
        """(E,) counts per channel."""
        return self.families + self.background


def emitted_families(elements: Iterable[str], instrument: Instrument) -> dict[str, EmittedFamily]:
    """Return every family that the beam excites and the energy axis covers, by name."""
    top = instrument.energy.range_kev[1]
    found = families_in(elements, (LOWEST_KEV, top), beam_kev=instrument.beam_kev)
    return {family.name: _emitted(family.element, family.shell, instrument) for family in found}


def emission(
    atomic: Mapping[str, float],
    families: Mapping[str, EmittedFamily],
    k_factors: Mapping[str, float],
    instrument: Instrument,
) -> Emission:
    """Return what a thin film of known composition sends: I = C / k, with C the weight fraction.

    Parameters
    ----------
    atomic
        Atomic fractions {element: fraction}, in any unit: they are normalised.
    families
        From `emitted_families`.
    k_factors
        Family k-factors {family: k}, for weight fractions.

    Raises
    ------
    KFactorError
        A family of these elements has no k-factor, or one that is not positive.
    """
    weights = weight_fractions(atomic)
    own = [family for family in families.values() if family.element in weights]
    bad = [family.name for family in own if not k_factors.get(family.name, 0.0) > 0]
    if bad:
        raise KFactorError(f"simulation: no positive k-factor for {', '.join(bad)}. Give one for each family.")
    intensities = {family.name: weights[family.element] / k_factors[family.name] for family in own}
    lines = sum((intensities[family.name] * family.columns for family in own), np.zeros(instrument.stated.size))
    return Emission(intensities, lines, bremsstrahlung(weights, instrument))


def weight_fractions(atomic: Mapping[str, float]) -> dict[str, float]:
    """Return the weight fractions of a composition given in atomic fractions of any unit."""
    mass = {element: amount * atomic_weight(element) for element, amount in atomic.items()}
    total = sum(mass.values())
    return {element: value / total for element, value in mass.items()}


def noise_peak(instrument: Instrument) -> Array:
    """Return the electronics' noise peak around 0 keV (E,), sum 1 but for what lies off the axis."""
    return _line(0.0, instrument)


def bremsstrahlung(weights: Mapping[str, float], instrument: Instrument) -> Array:
    """Return the continuum (E,) of a thin film of areal mass 1 and known weight fractions, counts per channel.

    Non-relativistic Bethe-Heitler, ``Z^2/A ln((sqrt(E0) + sqrt(E0 - E))^2 / E) / E`` (Koch & Motz, Rev. Mod. Phys. 31
    (1959) 920), dimmed by self-absorption with its edges and by the detector, and blurred as peaks are at 1 keV.
    """
    axis, beam = instrument.energy, instrument.beam_kev
    seen = np.clip(axis.centres_kev, LOWEST_KEV / 3, beam)
    shape = np.log((sqrt(beam) + np.sqrt(beam - seen)) ** 2 / seen) / (seen * np.log(4.0 * beam))
    path = CONTINUUM_MG_CM2 / 1e3 / sin(instrument.take_off_deg * pi / 180.0)
    depth = path * sum(weight * _absorption(element, axis) for element, weight in weights.items())
    dimmed = shape * -np.expm1(-depth) / depth * efficiency(seen) * (axis.centres_kev > LOWEST_KEV / 3)
    strength = sum(weight * atomic_number(e) ** 2 / atomic_weight(e) for e, weight in weights.items())
    sigma = _sigma_kev(1.0, instrument) / axis.scale_kev
    return np.asarray(gaussian_filter1d(BREMSSTRAHLUNG * strength * axis.scale_kev * dimmed, sigma, mode="constant"))


@cache
def _absorption(element: str, axis: EnergyAxis) -> Array:
    """Return the mass absorption coefficient of an element on the axis (E,), cm2/g."""
    z = atomic_number(element)
    energies = np.maximum(axis.centres_kev, 0.1).tolist()
    return frozen(np.array([float(xraylib.CS_Total(z, e)) for e in energies]))


@cache
def _emitted(element: str, shell: str, instrument: Instrument) -> EmittedFamily:
    """Return one family of the table as the instrument sees it."""
    family = xraylib_family(element, shell)
    if family is None:
        raise ElementError(f"{element} has no {shell} lines.")
    detected = np.asarray(family.weights) * _moved(family, instrument) * efficiency(np.asarray(family.energies_kev))
    shares = detected / detected.sum()
    columns = sum(s * _counted(e, instrument) for s, e in zip(shares, family.energies_kev, strict=True))
    alpha = float(shares[np.asarray(family.alpha)].sum())
    return EmittedFamily(family.name, element, family.energies_kev, tuple(shares.tolist()), alpha, np.asarray(columns))


def _moved(family: LineFamily, instrument: Instrument) -> Array:
    """Return the factor by which each line's weight differs from the table: lognormal, fixed for a family's name."""
    key = key_of(crc32(family.name.encode()), Stream.LINES)
    return np.exp(instrument.line_spread * normals(key, len(family.weights)))


def _sigma_kev(energy_kev: float, instrument: Instrument) -> float:
    """Return a peak's standard deviation: Fiori & Newbury (SEM/1978/I, 401), never below 20 eV FWHM."""
    squared = instrument.fwhm_mn_ev**2 + 2.5 * (energy_kev * 1e3 - 5898.7)
    return sqrt(max(squared, 400.0)) / _FWHM_PER_SIGMA / 1e3


def _counted(energy_kev: float, instrument: Instrument) -> Array:
    """Return one line's counts per channel (E,), those in its escape peak among them."""
    escaped = float(escape_fraction(energy_kev))
    own = (1.0 - escaped) * _line(energy_kev, instrument)
    return own + escaped * _line(energy_kev - SI_KA_KEV, instrument) if escaped else own


def _line(energy_kev: float, instrument: Instrument) -> Array:
    """Return one line's counts per channel (E,): the part of the peak between each channel's edges."""
    axis = instrument.energy
    edges = axis.offset_kev + axis.scale_kev * (np.arange(axis.size + 1) - 0.5)
    sigma, slope = _sigma_kev(energy_kev, instrument), instrument.tail_slope_ev / 1e3
    z = (edges - energy_kev) / sigma
    below = ndtr(z)
    if instrument.tail and energy_kev > 0:
        # Gaussian less an exponential variable: P(below) = ndtr(z) + exp(z r + r^2/2) ndtr(-z - r), r = sigma / slope.
        r = sigma / slope
        below += instrument.tail * np.exp(z * r + r**2 / 2 + log_ndtr(-z - r))
    return np.diff(below)

"""Simulated chips for `accuracy.py`: film systems, tables of lines, miscalibrations.

The truth shares as little with any fit as it can. Detected counts of a family are C / k with the true k-factors;
how they spread over lines comes from a table of choice, the tables of the three programs that are compared:

xraylib : edsnb's own, each line's share moved by 3.5 % (`edsnb.core.simulation.emission`).
fisx : PyMca's; other Coster-Kronig probabilities and yields, which matter for L lines. K shares equal xraylib's.
eXSpy : HyperSpy's (of DTSA), other shares for all families, no Lb1 for the 3d metals.

Efficiency has layers unlike those edsnb assumes, with fisx's attenuation; escapes are fisx's; peaks have a tail; the
background is `core.simulation.emission.bremsstrahlung`, no member of a fit's background; the energy axis bends like a
sine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import fisx
import numpy as np
from numpy.typing import NDArray
from scipy.stats import exponnorm, norm

from edsnb.core.fitting.lines import LineFamily, families_in, xraylib_family
from edsnb.core.image import Acquisition, EnergyAxis
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import Spectra
from edsnb.core.simulation.emission import LOWEST_KEV, Instrument, bremsstrahlung, emitted_families, weight_fractions
from edsnb.core.simulation.phantom import SYSTEMS, FilmSystem, Phase
from edsnb.io.hyperspy import exspy_family

Array = NDArray[np.float64]
TABLES = ("xraylib", "fisx", "eXSpy")
AXIS = EnergyAxis(4096, 0.005, -0.25)
"""Energy axis that the files state."""
_LAYERS = {"Al": 45e-7 * 2.70, "Si": 35e-7 * 2.33}
"""Contact and dead layer, g/cm2."""
_ACTIVE = 0.045 * 2.33
"""Active silicon, g/cm2."""
_SUBSHELLS = {"K": {"K": 1}, "L": {"L1": 1, "L2": 1, "L3": 2}, "M": {"M1": 1, "M2": 1, "M3": 2, "M4": 2, "M5": 3}}
_FULL_4F = 64
"""fisx lists no 4f lines for lighter elements: M families of the lanthanides before Gd come from xraylib."""


@dataclass(frozen=True)
class Miscalibration:
    """How the detector really is, against what the file says."""

    offset_ev: float = 0.0
    gain: float = 0.0
    fwhm_mn_ev: float = 130.0
    bow_ev: float = 0.0
    """How far peaks at 10 keV lie above the straight axis."""

    def instrument(self) -> Instrument:
        """Return the true instrument; its bow is added to the lines by `_spread`."""
        return Instrument(AXIS, offset_error_ev=self.offset_ev, gain_error=self.gain, fwhm_mn_ev=self.fwhm_mn_ev)


MISCALIBRATIONS = {
    "none": Miscalibration(),
    "+15 eV": Miscalibration(15.0, 0.001, 138.0),
    "-25 eV": Miscalibration(-25.0, -0.002, 124.0),
    "bow": Miscalibration(15.0, 0.001, 138.0, bow_ev=10.0),
}
ACQUISITION = Acquisition(beam_kev=200.0, take_off_deg=18.0, begin_energy_kev=0.12)


@dataclass(frozen=True)
class Case:
    """What is simulated."""

    system: str
    table: str
    miscalibration: str
    dose: int
    """X-rays of a chip, contaminants and background included."""

    @property
    def film_system(self) -> FilmSystem:
        """Film, substrate, contaminants, lines."""
        return SYSTEMS[self.system]

    @property
    def phases(self) -> tuple[Phase, Phase]:
        """Film and substrate."""
        return self.film_system.film, self.film_system.substrate

    @property
    def contaminants(self) -> tuple[str, ...]:
        """Elements that are fitted but not quantified."""
        return tuple(c.element for c in self.film_system.contaminants)

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that are quantified, in the order of the lines."""
        return tuple(line.split("_")[0] for line in self.film_system.lines)

    @property
    def truth(self) -> Array:
        """(2, K) at% of film and substrate."""
        return np.array([[100 * phase.atomic.get(e, 0.0) for e in self.elements] for phase in self.phases])


def true_k(system: FilmSystem) -> KFactors:
    """Return the k-factors of all families that are emitted: theory serves as the truth, known to every method."""
    symbols = (*system.elements, *(c.element for c in system.contaminants))
    families = families_in(symbols, (LOWEST_KEV, AXIS.range_kev[1]), beam_kev=ACQUISITION.beam_kev)
    return KFactors.theory([family.name for family in families], beam_kev=200.0)


def chips(case: Case, n: int, seed: int) -> Spectra:
    """Return n chips of film, then n of substrate."""
    rng = np.random.default_rng([seed, case.dose, *map(ord, case.system + case.table + case.miscalibration)])
    means = expected(case)
    counts = np.concatenate([rng.poisson(np.broadcast_to(mean, (n, mean.size))) for mean in means])
    names = tuple(f"{phase.name} {i}" for phase in case.phases for i in range(n))
    return Spectra(counts.astype(np.uint32), AXIS, names, ACQUISITION, source="simulation")


def expected(case: Case) -> list[Array]:
    """Return the expected spectrum (E,) of a chip of film and of one of substrate."""
    unit = replace(case, dose=1)
    return [case.dose * spectrum for spectrum in _expected(unit)]


@cache
def _expected(case: Case) -> list[Array]:
    """Return the expected spectra for one X-ray."""
    k, out = true_k(case.film_system).factors, []
    for phase in case.phases:
        own = _emitted(phase.atomic, k, case)
        spectrum = (1 - sum(c.share for c in case.film_system.contaminants)) * own / own.sum()
        for contaminant in case.film_system.contaminants:
            other = _emitted({contaminant.element: 1.0}, k, case)
            spectrum += contaminant.share * other / other.sum()
        out.append(spectrum)
    return out


def _emitted(atomic: dict[str, float], k: dict[str, float], case: Case) -> Array:
    """Return what a phase sends (E,), any unit: lines and background."""
    instrument = MISCALIBRATIONS[case.miscalibration].instrument()
    weights = weight_fractions(atomic)
    spectrum = bremsstrahlung(weights, instrument)
    for name in k:
        if name.split("_")[0] in weights:
            spectrum = spectrum + weights[name.split("_")[0]] / k[name] * _column(name, case.table, case.miscalibration)
    return spectrum


@cache
def _column(name: str, table: str, miscalibration: str) -> Array:
    """Return the counts per channel (E,) of one detected X-ray of a family, with escapes."""
    element, shell = name.split("_")
    bent = MISCALIBRATIONS[miscalibration]
    energies, shares = _detected(element, shell, table)
    out = np.zeros(AXIS.size)
    for energy, share in zip(energies, shares, strict=True):
        for seen, part in _with_escapes(energy):
            out += share * part * _spread(seen, bent)
    return out


def _spread(energy_kev: float, bent: Miscalibration) -> Array:
    """Return one line's counts per channel (E,): a Gaussian, a small part of it with an exponential tail."""
    instrument = bent.instrument()
    axis = instrument.energy
    edges = axis.offset_kev + axis.scale_kev * (np.arange(axis.size + 1) - 0.5)
    sigma = np.sqrt(max(bent.fwhm_mn_ev**2 + 2.5 * (energy_kev * 1e3 - 5898.7), 400.0)) / 2354.82
    seen = energy_kev + bent.bow_ev / 1e3 * np.sin(np.pi * energy_kev / 20.0) * (energy_kev < 20.0)
    slope = instrument.tail_slope_ev / 1e3
    tailed = exponnorm.sf(-edges, slope / sigma, loc=-seen, scale=sigma)
    return np.diff((1 - instrument.tail) * norm.cdf(edges, seen, sigma) + instrument.tail * tailed)


def _with_escapes(energy_kev: float) -> list[tuple[float, float]]:
    """Return (energy, share) of a line and its silicon escapes, from fisx."""
    escapes = _fisx().getEscape({"Si": 1.0}, energy_kev) if energy_kev > 1.84 else {}
    lost = [(float(e["energy"]), float(e["rate"])) for e in escapes.values()]
    return [(energy_kev, 1.0 - sum(rate for _, rate in lost)), *lost]


def _detected(element: str, shell: str, table: str) -> tuple[Array, Array]:
    """Return energies and shares of the detected counts of a family's lines."""
    if table == "xraylib":
        family = emitted_families((element,), Instrument(AXIS))[f"{element}_{shell}"]
        return np.array(family.energies_kev), np.array(family.shares)
    family = _fisx_family(element, shell) if table == "fisx" else exspy_family(element, shell)
    if family is None:
        raise ValueError(f"{table} has no {element} {shell}")
    energies = np.array(family.energies_kev)
    detected = np.array(family.weights) * _efficiency(energies)
    return energies, detected / detected.sum()


def _efficiency(energies_kev: Array) -> Array:
    """Return the share of X-rays that the true detector counts."""

    def attenuation(symbol: str) -> Array:
        return np.array(_fisx().getMassAttenuationCoefficients(symbol, energies_kev.tolist())["total"])

    through = np.exp(-sum(attenuation(symbol) * mass for symbol, mass in _LAYERS.items()))
    return through * -np.expm1(-attenuation("Si") * _ACTIVE)


def _fisx_family(element: str, shell: str) -> LineFamily | None:
    """Return a family with fisx's energies, yields, Coster-Kronig probabilities and rates."""
    data = _fisx()
    if shell == "M" and 57 <= data.getAtomicNumber(element) < _FULL_4F:
        return xraylib_family(element, shell)
    bound, vacancies = data.getBindingEnergies(element), dict(_SUBSHELLS[shell])
    lines: list[tuple[float, float]] = []
    for upper in _SUBSHELLS[shell]:
        constants, rates = data.getShellConstants(element, upper), data.getRadiativeTransitions(element, upper)
        for lower in vacancies:
            vacancies[lower] += vacancies[upper] * constants.get(f"f{upper[1:]}{lower[1:]}", 0.0)
        outer = {name: rate for name, rate in rates.items() if name != "TOTAL" and name[len(upper)] != shell}
        total = sum(rate for name, rate in rates.items() if name != "TOTAL")
        lines += [
            (bound[upper] - bound[name[len(upper) :]], vacancies[upper] * constants["omega"] * rate / total)
            for name, rate in outer.items()
            if rate > 0
        ]
    whole = sum(weight for _, weight in lines)
    energies, weights = zip(*((e, w / whole) for e, w in lines), strict=True)
    return LineFamily(element, shell, energies, weights, (False,) * len(weights), "fisx")


@cache
def _fisx() -> fisx.Elements:
    """Return fisx's tables as PyMca uses them."""
    data = fisx.Elements()
    data.initializeAsPyMca()
    return data

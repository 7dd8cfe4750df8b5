"""Simulated specimens: a film on a substrate in cross-section, its thickness and its HAADF image.

From top to bottom: vacuum, film, substrate. Surface and interface are rough; the lamella is a wedge, thin at the
top, with the curtains and the rounded edge that ion milling leaves. A pixel belongs to one phase, so the composition
of any region follows exactly from the label map and the thickness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.lines import atomic_number, atomic_weight
from edsnb.core.simulation.draw import Stream, key_of, normals
from edsnb.core.simulation.emission import weight_fractions
from edsnb.errors import InputError

VACUUM, FILM, SUBSTRATE = 0, 1, 2
"""Values of the label map."""
FIELD_NM = 128.0
"""Width of the field of view."""
SMALLEST = 16
"""Pixels a side below which surface and interface cannot be drawn."""
_SURFACE, _INTERFACE = 0.06, 0.48
"""Where film and substrate begin, as fractions of the height."""
_ELECTRONS = 60.0
"""HAADF electrons per frame and pixel, mean over the material."""
_GAIN, _DARK = 120.0, 5400.0
"""HAADF signal per electron, and level without any."""
_READOUT = 150.0
"""Standard deviation of the HAADF amplifier's noise."""
_HAZE = 0.02
"""HAADF signal of the vacuum, against the material's mean."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A homogeneous part of the specimen."""

    name: str
    composition: tuple[tuple[str, float], ...]
    """(element, atoms per formula unit)."""
    density_g_cm3: float

    @property
    def atomic(self) -> dict[str, float]:
        """Atomic fractions, sum 1."""
        total = sum(amount for _, amount in self.composition)
        return {element: amount / total for element, amount in self.composition}

    @property
    def haadf(self) -> float:
        """HAADF signal for unit thickness: atoms per volume times Z^1.7 (Treacy, Microsc. Microanal. 17 (2011) 847)."""
        weights = weight_fractions(self.atomic)
        per_mass = float(sum(w / atomic_weight(e) * float(atomic_number(e)) ** 1.7 for e, w in weights.items()))
        return self.density_g_cm3 * per_mass


@dataclass(frozen=True, slots=True)
class Contaminant:
    """An element that does not belong to the specimen: grid, holder, carbon that the beam cracks."""

    element: str
    share: float
    """Its X-rays on the specimen, as a share of all X-rays there."""
    in_vacuum: float
    """Its strength off the specimen against that on it."""


@dataclass(frozen=True, slots=True)
class FilmSystem:
    """A film on a substrate."""

    name: str
    film: Phase
    substrate: Phase
    contaminants: tuple[Contaminant, ...]
    lines: tuple[str, ...]
    """Families that are quantified."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of both phases, without contaminants."""
        return tuple(dict.fromkeys(element for phase in (self.film, self.substrate) for element in phase.atomic))


_HOLDER = (Contaminant("Cu", 0.04, 0.15), Contaminant("C", 0.02, 0.05))
_STO = Phase("SrTiO3", (("Sr", 1), ("Ti", 1), ("O", 3)), 5.12)
SYSTEMS = {
    system.name: system
    for system in (
        FilmSystem(
            "LFO/STO",
            Phase("LaFeO3", (("La", 1), ("Fe", 1), ("O", 3)), 6.65),
            _STO,
            _HOLDER,
            ("La_L", "Fe_K", "Sr_K", "Ti_K", "O_K"),
        ),
        FilmSystem(
            "LAO/STO",
            Phase("LaAlO3", (("La", 1), ("Al", 1), ("O", 3)), 6.52),
            _STO,
            _HOLDER,
            ("La_L", "Al_K", "Sr_K", "Ti_K", "O_K"),
        ),
        FilmSystem(
            "LSMO/STO",
            Phase("La0.7Sr0.3MnO3", (("La", 0.7), ("Sr", 0.3), ("Mn", 1), ("O", 3)), 6.5),
            _STO,
            _HOLDER,
            ("La_L", "Mn_K", "Sr_K", "Ti_K", "O_K"),
        ),
        FilmSystem(
            "AlGaN/GaN",
            Phase("Al0.3Ga0.7N", (("Al", 0.3), ("Ga", 0.7), ("N", 1)), 5.28),
            Phase("GaN", (("Ga", 1), ("N", 1)), 6.15),
            _HOLDER,
            ("Al_K", "Ga_K", "N_K"),
        ),
        FilmSystem(
            "NFO/MgO",
            Phase("NiFe2O4", (("Ni", 1), ("Fe", 2), ("O", 4)), 5.37),
            Phase("MgO", (("Mg", 1), ("O", 1)), 3.58),
            _HOLDER,
            ("Ni_K", "Fe_K", "Mg_K", "O_K"),
        ),
    )
}
"""Film systems by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the beam meets at every pixel."""

    labels: Array
    """(ny, nx) uint8: VACUUM, FILM or SUBSTRATE."""
    thickness: Array
    """(ny, nx) float64, relative: mean 1 over the material, 0 in vacuum."""
    haadf: Array
    """(frames, ny, nx) uint16, the HAADF detector's signal."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("labels", "thickness", "haadf"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def film_system(name: str | FilmSystem) -> FilmSystem:
    """Return a film system by its name; raise InputError for one that is not known."""
    if isinstance(name, FilmSystem):
        return name
    if name not in SYSTEMS:
        raise InputError(f"film system {name!r} is unknown; there are {', '.join(SYSTEMS)}. A FilmSystem will do too.")
    return SYSTEMS[name]


def film_scene(system: FilmSystem, size: int, frames: int, seed: int) -> Scene:
    """Make the labels, thickness and HAADF frames of a square field of `size` pixels a side."""
    if size < SMALLEST or frames < 1:
        raise InputError(
            f"simulation: size {size}, frames {frames}; size must be {SMALLEST} or more, frames 1 or more."
        )
    depth = _depth_below(_SURFACE, Stream.SURFACE, size, seed)
    labels = np.full((size, size), VACUUM, np.uint8)
    labels[depth >= 0] = FILM
    labels[(_depth_below(_INTERFACE, Stream.INTERFACE, size, seed) >= 0) & (depth >= 0)] = SUBSTRATE
    thickness = np.where(labels > VACUUM, _lamella(depth, size, seed), 0.0)
    thickness /= thickness[labels > VACUUM].mean()
    return Scene(labels, thickness, _haadf(system, labels, thickness, frames, seed))


def _depth_below(height: float, stream: Stream, size: int, seed: int) -> Array:
    """Return how far each pixel's centre lies below a rough line at a fraction of the height, in pixels (ny, nx)."""
    key = key_of(seed, stream)
    noise = normals(key, 2 * size).reshape(2, size)
    # Slow waves from growth and bending, and steps of a few unit cells.
    waves, steps = (_smooth(noise[i], size * width) for i, width in enumerate((0.08, 0.008)))
    line = size * (height + 0.008 * waves + 0.003 * steps)
    return np.arange(size)[:, None] + 0.5 - line[None, :]


def _lamella(depth: Array, size: int, seed: int) -> Array:
    """Return the lamella's thickness (ny, nx), relative, below a surface at `depth` 0."""
    y, x = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    wedge = 0.75 + 0.5 * y + 0.06 * x
    curtains = 1.0 + 0.012 * _smooth(normals(key_of(seed, Stream.CURTAINS), size), size * 0.012)[None, :]
    uneven = 1.0 + 0.02 * _smooth(normals(key_of(seed, Stream.THICKNESS), size**2).reshape(size, size), size * 0.06)
    edge = 1.0 - 0.6 * np.exp(-np.maximum(depth, 0.0) / (0.015 * size))
    return np.asarray(wedge * curtains * uneven * edge)


def _smooth(noise: Array, sigma: float) -> Array:
    """Return noise blurred by `sigma` pixels, with mean 0 and standard deviation 1."""
    blurred = gaussian_filter(noise, sigma, mode="wrap")
    return np.asarray((blurred - blurred.mean()) / blurred.std())


def _haadf(system: FilmSystem, labels: Array, thickness: Array, frames: int, seed: int) -> Array:
    """Return the HAADF frames (frames, ny, nx) uint16: mass contrast, the probe's blur, shot and amplifier noise."""
    per_phase = np.array([0.0, system.film.haadf, system.substrate.haadf])
    signal = per_phase[labels] * thickness
    electrons = _ELECTRONS * (signal / signal[labels > VACUUM].mean() + _HAZE)
    electrons = gaussian_filter(electrons, 0.7, mode="nearest")
    spread = np.sqrt(_GAIN**2 * electrons + _READOUT**2)
    key = key_of(seed, Stream.IMAGE)
    out = np.empty((frames, *labels.shape), np.uint16)
    for frame in range(frames):
        noise = normals(key, labels.size, start=frame * labels.size).reshape(labels.shape)
        out[frame] = np.clip(np.rint(_DARK + _GAIN * electrons + spread * noise), 0, 65534)
    return out

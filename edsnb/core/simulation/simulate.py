"""Simulated maps and spectra whose truth is known: what the numbers of a fit are held against.

`simulate` makes a film on a substrate as a Velox file would hold it, event by event; `simulate_spectra` makes
spectra of one composition, for tests of statistics. `core.simulation.emission` says how X-rays come about and in what
they differ from the model of a fit, `simulation.phantom` what the specimen looks like, `simulation.draw` why a seed
gives the same numbers everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edsnb.core.events import Array, Events, frozen, sum_regions
from edsnb.core.fitting.lines import atomic_number, parse_line
from edsnb.core.image import Acquisition, ElementSetting, Segment, SpectrumImage, Survey
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import Spectra
from edsnb.core.simulation.draw import Stream, draw_channels, key_of, poisson
from edsnb.core.simulation.emission import (
    Emission,
    EmittedFamily,
    Instrument,
    bremsstrahlung,
    emission,
    emitted_families,
    noise_peak,
    weight_fractions,
)
from edsnb.core.simulation.phantom import (
    FIELD_NM,
    FILM,
    SUBSTRATE,
    VACUUM,
    FilmSystem,
    Phase,
    Scene,
    film_scene,
    film_system,
)
from edsnb.core.simulation.truth import Truth
from edsnb.errors import InputError, KFactorError

NOISE_PER_PIXEL = 0.05
"""Counts in the electronics' noise peak at every pixel, as a share of the X-rays on the specimen."""
DWELL_S = 5e-5
"""Dwell time per pixel and frame."""
_LIVE = 0.97


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """A simulated map with its truth."""

    image: SpectrumImage
    truth: Truth
    haadf_frames: Array
    """(frames, ny, nx) uint16, the frames whose mean is the image's HAADF."""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "haadf_frames", frozen(self.haadf_frames))


def simulate(
    *,
    size: int = 512,
    frames: int = 30,
    counts: float = 120.0,
    seed: int = 0,
    system: str | FilmSystem = "LFO/STO",
    instrument: Instrument | None = None,
    k_factors: KFactors | None = None,
) -> Simulation:
    """Simulate the map of a film on its substrate.

    Parameters
    ----------
    size
        Pixels a side, 16 or more.
    frames
        Frames that are summed.
    counts
        X-rays per pixel, mean over the specimen, all frames; without the noise peak.
    seed
        0 to 2**64 - 1. A seed gives the same events everywhere; the emission itself does not depend on it.
    system
        A name in `edsnb.core.simulation.phantom.SYSTEMS`, or a FilmSystem.
    instrument
        True calibration, peak shape and beam; `Instrument()` by default, miscalibrated as real ones are.
    k_factors
        k of every family that is emitted, family convention; theory at the beam's energy by default.

    Raises
    ------
    InputError
        Size, frames, counts, seed or system cannot be used, or a k-factor is missing.
    """
    if not (np.isfinite(counts) and counts > 0):
        raise InputError(f"simulation: {counts} counts per pixel cannot be; give a positive number.")
    chosen, instrument = film_system(system), instrument or Instrument()
    families = emitted_families((*chosen.elements, *(c.element for c in chosen.contaminants)), instrument)
    k = _family_k(k_factors, families, instrument)
    scene = film_scene(chosen, size, frames, seed)
    parts = _parts(chosen, scene, families, k.factors, instrument, counts)
    numbers = poisson(np.stack([part.counts for part in parts], axis=1), key_of(seed, Stream.COUNTS))
    indptr, channel = draw_channels(numbers, np.stack([part.spectrum for part in parts]), key_of(seed, Stream.CHANNELS))
    image = _image(chosen, scene, Events(indptr, channel, None, instrument.stated.size), instrument, seed)
    phases = {"vacuum": {}, **{phase.name: _percent(phase) for phase in (chosen.film, chosen.substrate)}}
    truth = Truth(
        system=chosen.name,
        names=tuple(phases),
        labels=scene.labels,
        phases=phases,
        lines=chosen.lines,
        k_factors=dict(k.factors),
        k_source=k.source,
        instrument=instrument,
        shares={f.name: tuple(zip(f.energies_kev, f.shares, strict=True)) for f in families.values()},
        alpha_fractions={f.name: f.alpha_fraction for f in families.values()},
        expected=_expected(parts, scene.labels, tuple(phases)),
        counts=float(counts),
        frames=frames,
        seed=seed,
    )
    return Simulation(image, truth, scene.haadf)


def simulate_spectra(
    content: Mapping[str, float],
    n: int,
    counts: float,
    *,
    seed: int = 0,
    instrument: Instrument | None = None,
    k_factors: KFactors | None = None,
    background: Array | None = None,
    background_share: float | None = None,
) -> tuple[Spectra, dict[str, float]]:
    """Simulate n spectra of one composition.

    Parameters
    ----------
    content
        Atomic fractions {"La": 1, "Fe": 1, "O": 3}, or intensities of families {"La_L": 5.0, "O_K": 2.0}, in any unit.
    counts
        Expected X-rays of each spectrum, background included.
    instrument
        `Instrument()` by default; `edsnb.core.simulation.emission.IDEAL` where the fit's model must be true.
    k_factors
        As in `simulate`; only for compositions.
    background
        (E,) shape of the background, any unit: a sum of a model's own terms makes the model exact. Bremsstrahlung of
        the composition by default.
    background_share
        Share of the background in all counts; that of a thin film by default, 0.12 with a shape or intensities given.

    Returns
    -------
    Spectra of n, and the expected counts of each family {family: counts}, all its lines.
    """
    instrument = instrument or Instrument()
    if n < 1 or not (np.isfinite(counts) and counts > 0) or not content or min(content.values()) < 0:
        raise InputError(f"simulation: {n} spectra of {counts} counts with {dict(content)}; all must be positive.")
    made = _content(content, instrument, k_factors)
    shape = made.background if background is None else np.asarray(background, float)
    if shape.shape != (instrument.stated.size,) or shape.min() < 0 or not shape.sum() > 0:
        raise InputError(
            f"simulation: the background must be {instrument.stated.size} counts per channel, not negative."
        )
    if background_share is None:
        natural = background is None and not any("_" in name for name in content)
        background_share = float(shape.sum() / made.spectrum.sum()) if natural else 0.12
    if not 0.0 <= background_share < 1.0:
        raise InputError(f"simulation: a background of {background_share} of all counts cannot be; give 0 to below 1.")
    scale = counts * (1.0 - background_share) / made.families.sum()
    mean = scale * made.families + counts * background_share * shape / shape.sum()
    drawn = poisson(np.broadcast_to(mean, (n, mean.size)), key_of(seed, Stream.SPECTRA)).astype(np.uint32)
    acquisition = _acquisition(instrument)
    names = tuple(f"spectrum {i}" for i in range(n))
    spectra = Spectra(drawn, instrument.stated, names, acquisition, source="simulation", digest=_digest(drawn))
    return spectra, {name: float(scale * value) for name, value in made.intensities.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One source of counts: a phase, a contaminant or the electronics."""

    counts: Array
    """(P,) expected counts of each pixel on the energy axis."""
    spectrum: Array
    """(E,) counts per channel, any unit."""
    contents: Mapping[str, float]
    """Counts of each family, background or noise, for one count on the axis."""


def _parts(
    system: FilmSystem,
    scene: Scene,
    families: Mapping[str, EmittedFamily],
    k: Mapping[str, float],
    instrument: Instrument,
    counts: float,
) -> list[_Part]:
    """Return the sources of counts, scaled to `counts` per pixel over the specimen."""
    thickness, labels = scene.thickness.ravel(), scene.labels.ravel()
    material = labels > VACUUM
    parts = []
    for label, phase in ((FILM, system.film), (SUBSTRATE, system.substrate)):
        made = emission(phase.atomic, families, k, instrument)
        mean = thickness * (labels == label) * phase.density_g_cm3 * made.spectrum.sum()
        parts.append(_part(mean, made))
    own = counts * (1.0 - sum(c.share for c in system.contaminants))
    scale = own / sum(part.counts for part in parts)[material].mean()  # type: ignore[index]
    parts = [replace(part, counts=scale * part.counts) for part in parts]
    for contaminant in system.contaminants:
        mean = counts * contaminant.share * np.where(material, thickness, contaminant.in_vacuum)
        parts.append(_part(mean, emission({contaminant.element: 1.0}, families, k, instrument)))
    noise = noise_peak(instrument)
    parts.append(_Part(np.full(labels.size, counts * NOISE_PER_PIXEL), noise, {"noise": 1.0 / noise.sum()}))
    return parts


def _part(counts: Array, made: Emission) -> _Part:
    """Return a source of counts with this emission."""
    total = made.spectrum.sum()
    contents = {name: value / total for name, value in made.intensities.items()}
    return _Part(counts, made.spectrum, {**contents, "background": float(made.background.sum() / total)})


def _expected(parts: list[_Part], labels: Array, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the expected counts of each phase by family, background and noise, and its pixels."""
    out = {}
    for label, name in enumerate(names):
        inside = labels.ravel() == label
        sums: dict[str, float] = {"pixels": float(inside.sum())}
        for part in parts:
            counts = float(part.counts[inside].sum())
            for content, amount in part.contents.items():
                sums[content] = sums.get(content, 0.0) + counts * amount
        out[name] = {content: value for content, value in sums.items() if value > 0}
    return out


def _content(content: Mapping[str, float], instrument: Instrument, k_factors: KFactors | None) -> Emission:
    """Return the emission of a composition, or of family intensities."""
    if not any("_" in name for name in content):
        families = emitted_families(content, instrument)
        return emission(content, families, _family_k(k_factors, families, instrument).factors, instrument)
    wanted = {"_".join(parse_line(name)): float(value) for name, value in content.items()}
    elements = tuple(dict.fromkeys(name.split("_")[0] for name in wanted))
    families = emitted_families(elements, instrument)
    if unknown := sorted(set(wanted) - set(families)):
        raise InputError(f"simulation: no family {', '.join(unknown)} on this axis; there are {', '.join(families)}.")
    lines = sum((value * families[name].columns for name, value in wanted.items()), np.zeros(instrument.stated.size))
    weights = weight_fractions(dict.fromkeys(elements, 1.0))
    return Emission(wanted, lines, bremsstrahlung(weights, instrument))


def _family_k(k_factors: KFactors | None, families: Mapping[str, EmittedFamily], instrument: Instrument) -> KFactors:
    """Return family k-factors for every family, by theory where none are given."""
    if k_factors is None:
        return KFactors.theory(families, beam_kev=instrument.beam_kev)
    if k_factors.convention != "family":
        raise KFactorError("simulation: emission follows family k-factors; these belong to alpha lines.")
    return k_factors.for_families(families)


def _image(system: FilmSystem, scene: Scene, events: Events, instrument: Instrument, seed: int) -> SpectrumImage:
    """Return the map as a reader of its file would."""
    frames, ny, nx = scene.haadf.shape
    pixel_nm = FIELD_NM / nx
    real_s = DWELL_S * ny * nx * frames
    acquisition = replace(
        _acquisition(instrument),
        live_time_s=_LIVE * real_s,
        real_time_s=real_s,
        dwell_time_s=DWELL_S,
        frames=frames,
        current_pa=200.0,
    )
    spectrum = sum_regions(events, np.array([0, ny * nx]), np.arange(ny * nx))[0]
    segment = Segment("SuperXG21", instrument.stated, spectrum, acquisition.live_time_s)
    return SpectrumImage(
        shape=(ny, nx),
        energy=instrument.stated,
        events=events,
        acquisition=acquisition,
        pixel_nm=pixel_nm,
        surveys={"HAADF": Survey("HAADF", scene.haadf.mean(axis=0, dtype=np.float32), pixel_nm, frames)},
        segments=(segment,),
        elements=_settings(system),
        source=f"simulation of {system.name}, seed {seed}",
        software="edsnb simulation",
        digest=_digest(events.indptr, events.channel),
    )


def _acquisition(instrument: Instrument) -> Acquisition:
    """Return what the file says of beam and detector."""
    return Acquisition(
        beam_kev=instrument.beam_kev,
        take_off_deg=instrument.take_off_deg,
        azimuth_deg=45.0,
        tilt_deg=0.0,
        solid_angle_sr=0.7,
        begin_energy_kev=instrument.begin_energy_kev,
        detector="SuperXG21",
    )


def _settings(system: FilmSystem) -> tuple[ElementSetting, ...]:
    """Return the elements as a user of Velox would have selected them, by atomic number."""
    chosen = [ElementSetting(*parse_line(line)) for line in system.lines]
    chosen += [ElementSetting(c.element, "K", quantify=False) for c in system.contaminants]
    return tuple(sorted(chosen, key=lambda setting: atomic_number(setting.symbol)))


def _percent(phase: Phase) -> dict[str, float]:
    """Return a phase's composition in atomic percent."""
    return {element: 100.0 * fraction for element, fraction in phase.atomic.items()}


def _digest(*arrays: Array) -> str:
    """Return the SHA-256 of arrays of counts."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

"""The records a file becomes: energy axis, acquisition, survey images, spectrum image.

Units end field names (``scale_kev``, ``live_time_s``); None marks what a file does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array, Events, frozen, sum_channels
from edsnb.errors import InputError, NoMapError

if TYPE_CHECKING:
    from edsnb.core.regions import Spectra


@dataclass(frozen=True, slots=True)
class EnergyAxis:
    """A linear energy axis: the centre of channel c lies at ``offset_kev + scale_kev * c``."""

    size: int
    """E, the number of channels."""
    scale_kev: float
    """Width of a channel (dispersion)."""
    offset_kev: float = 0.0
    """Energy of the centre of channel 0."""

    def __post_init__(self) -> None:
        """Refuse axes that cannot be."""
        if self.size < 1 or not self.scale_kev > 0 or not np.isfinite(self.offset_kev):
            raise InputError(
                f"energy axis: {self.size} channels of {self.scale_kev} keV from {self.offset_kev} keV cannot be; "
                "size and scale must be positive."
            )

    @property
    def centres_kev(self) -> Array:
        """(E,) energy of each channel's centre, keV."""
        return self.offset_kev + self.scale_kev * np.arange(self.size)

    @property
    def range_kev(self) -> tuple[float, float]:
        """Energies of the first and last channel's centre, keV."""
        return self.offset_kev, self.offset_kev + self.scale_kev * (self.size - 1)

    def channels(self, low_kev: float, high_kev: float) -> slice:
        """Return the channels whose centres lie in [low_kev, high_kev]; raise where there are none."""
        low, high = self.range_kev
        first = stop = 0
        if low_kev < high_kev:
            # Clipped to one channel beyond the axis, so that an infinite end stands for the axis' own.
            ends = np.clip([low_kev, high_kev], low - self.scale_kev, high + self.scale_kev)
            from_zero = (ends - self.offset_kev) / self.scale_kev
            first = max(0, int(np.ceil(from_zero[0] - 1e-9)))
            stop = min(self.size, int(np.floor(from_zero[1] + 1e-9)) + 1)
        if first >= stop:
            raise InputError(
                f"energy range {low_kev:g} to {high_kev:g} keV holds no channel: the axis runs from {low:.3g} to "
                f"{high:.4g} keV. Give a low and a higher energy inside it."
            )
        return slice(first, stop)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How the data were taken; None where the file does not say."""

    beam_kev: float | None = None
    """Beam energy."""
    take_off_deg: float | None = None
    """Elevation of the detector above the specimen plane."""
    azimuth_deg: float | None = None
    """Azimuth of the detector."""
    tilt_deg: float | None = None
    """Stage tilt alpha."""
    live_time_s: float | None = None
    real_time_s: float | None = None
    dwell_time_s: float | None = None
    """Dwell time per pixel and frame."""
    frames: int | None = None
    """Number of frames summed."""
    current_pa: float | None = None
    """Beam (screen) current."""
    solid_angle_sr: float | None = None
    """Collection angle of all segments in use."""
    resolution_ev: float | None = None
    """Full width at half maximum at Mn Ka (5.8987 keV)."""
    begin_energy_kev: float | None = None
    """The electronics' noise peak lies below this energy: it is kept out of every default."""
    detector: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One detector segment: its own calibration and its own summed spectrum."""

    name: str
    energy: EnergyAxis
    counts: Array
    """(E,) X-rays of the whole map in this segment."""
    live_time_s: float | None = None

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "counts", frozen(self.counts))


@dataclass(frozen=True, slots=True)
class ElementSetting:
    """An element as selected in the vendor's software."""

    symbol: str
    family: str | None = None
    """Shell of the family used to quantify: K, L or M; None where the file does not say."""
    quantify: bool = True
    """False for elements fitted for deconvolution only."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """An image taken with the map or before it: HAADF, BF, a survey."""

    name: str
    image: Array
    """(ny, nx) float32, mean of all frames."""
    pixel_nm: float | None = None
    frames: int = 1

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "image", frozen(self.image))


@dataclass(frozen=True, slots=True, eq=False)
class StoredMap:
    """An element map that the vendor's software computed and stored."""

    name: str
    image: Array
    """(ny, nx) float32."""
    quantity: str
    """`counts` (window or net intensity), `atomic_fraction` or `weight_fraction`."""
    mode: str
    """The vendor's own word for it, such as ``Integration`` or ``NetIntensity``."""
    element: str | None = None
    smoothing: str = ""
    """Filter that the vendor's software had switched on when it made the map, such as ``Mean, 3 px``: its pixels then
    hold parts of their neighbours' X-rays. "" where there was none, or the file does not say."""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "image", frozen(self.image))


@dataclass(frozen=True, slots=True, eq=False)
class SpectrumImage:
    """A STEM-EDS data set: X-ray events of every pixel, survey images, calibration.

    A file without a map, such as point spectra, has ``events`` None; what it does hold is in
    `spectra`, `surveys` and `maps`.
    """

    shape: tuple[int, int]
    """(ny, nx) of the map; (0, 0) where there is none. Row 0 is the first row scanned, drawn on top."""
    energy: EnergyAxis
    events: Events | None
    """X-rays of ny * nx pixels."""
    acquisition: Acquisition = field(default_factory=Acquisition)
    pixel_nm: float | None = None
    """Pixel size of the map."""
    surveys: Mapping[str, Survey] = field(default_factory=dict)
    """Images by name; those of the map's own shape lie on it pixel for pixel."""
    maps: tuple[StoredMap, ...] = ()
    """Element maps stored by the vendor's software."""
    spectra: Spectra | None = None
    """Summed and point spectra stored in the file (without regions)."""
    segments: tuple[Segment, ...] = ()
    """Detector segments with their own calibration, where the file keeps them apart."""
    elements: tuple[ElementSetting, ...] = ()
    """Elements selected in the vendor's software."""
    source: str = ""
    """Path of the file, or what else it came from."""
    software: str = ""
    """Program and version that wrote it, as the file says."""
    digest: str = ""
    """SHA-256 of the input file (of the counts, where there is no file)."""
    notes: tuple[str, ...] = ()
    """What a reader should know: repairs made, parts left out, what is still possible."""

    def __post_init__(self) -> None:
        """Check that the events fit the raster, and freeze the mapping."""
        ny, nx = self.shape
        if self.events is not None and self.events.pixels != ny * nx:
            raise InputError(
                f"spectrum image: {self.events.pixels} pixels of events for a raster of {ny} x {nx} = {ny * nx}; "
                "they must agree."
            )
        if self.events is not None and self.events.channels != self.energy.size:
            raise InputError(
                f"spectrum image: events have {self.events.channels} channels, the energy axis has {self.energy.size}."
            )
        object.__setattr__(self, "surveys", MappingProxyType(dict(self.surveys)))

    def require_events(self) -> Events:
        """Return the events, or raise NoMapError saying what the file holds instead."""
        if self.events is None:
            held = [f"{len(self.spectra.names)} stored spectra"] if self.spectra is not None else []
            held += [f"{len(self.maps)} element maps"] if self.maps else []
            held += [f"{len(self.surveys)} images"] if self.surveys else []
            raise NoMapError(
                f"{self.source or 'this data set'} holds no spectrum image to cut into chips, only "
                f"{', '.join(held) or 'no spectra'}. {' '.join(self.notes)} "
                "Stored spectra can be fitted: edsnb.fit(image.spectra, ...)."
            )
        return self.events

    @property
    def floor_kev(self) -> float:
        """Lowest energy shown or summed by default: above the electronics' noise peak."""
        return max(self.acquisition.begin_energy_kev or 0.0, self.energy.range_kev[0], 0.0)

    @property
    def haadf(self) -> Survey | None:
        """The HAADF image on the map's raster, else any other survey on it; None where there is none."""
        on_map = [s for s in self.surveys.values() if s.image.shape == self.shape]
        return next((s for s in on_map if "HAADF" in s.name.upper()), on_map[0] if on_map else None)

    def counts_map(self, low_kev: float | None = None, high_kev: float | None = None) -> Array:
        """Return the X-rays of each pixel between two energies (ny, nx), by default without the noise peak."""
        events = self.require_events()
        low = self.floor_kev if low_kev is None else low_kev
        high = self.energy.range_kev[1] if high_kev is None else high_kev
        window = np.zeros(self.energy.size)
        window[self.energy.channels(low, high)] = 1.0
        return sum_channels(events, window).reshape(self.shape)

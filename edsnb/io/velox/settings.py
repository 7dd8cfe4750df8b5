"""What a Velox file says about itself: metadata, detectors, displays, element selection.

Numbers and flags are stored as text in one place and as JSON values in another; a missing list is
``""``. Everything here is tolerant: what a file does not say is None or empty.

Where the element selection lies depends on the version: under ``/Operations`` (EMD below 11), under
``/SharedProperties/EDSSpectrumQuantificationSettings`` (maps, 11 and up) or under
``/Data/EdsSpectrumQuantificationSettings`` (point spectra, 11).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np

from edsnb.core.fitting.lines import symbol_of
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis
from edsnb.errors import FileFormatError

Json = dict[str, Any]

QUANTIFICATION = (
    "Operations/ImageQuantificationOperation",
    "SharedProperties/EDSSpectrumQuantificationSettings",
    "Data/EdsSpectrumQuantificationSettings",
    "Operations/SpectrumQuantificationOperation",
)
LARGEST_SEGMENT_SR = 0.3
"""A larger collection angle is that of the whole detector: Velox gives 0.225 sr for each of four segments in EMD 4,
and 0.7 (Super-X) or 4.35 sr (Ultra-X) for every segment in EMD 11 and up."""


def read_json(dataset: h5py.Dataset) -> Json:
    """Return the JSON object in a one-element text dataset."""
    value = dataset[()] if dataset.shape == () else dataset[0]
    return _parsed(value, dataset)


def read_metadata(group: h5py.Group) -> Json:
    """Return the metadata of a data group's last frame (times are cumulative, so the last holds the total)."""
    if "Metadata" not in group:
        return {}
    dataset = group["Metadata"]
    return _parsed(bytes(dataset[:, -1]).rstrip(b"\0").decode("utf-8", "replace"), dataset)


def _parsed(text: Any, dataset: h5py.Dataset) -> Json:
    if not isinstance(text, bytes | str):
        return {}
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise FileFormatError(
            f"{dataset.file.filename} is damaged: {dataset.name} is not readable JSON ({error}). "
            "Copy the file again from the microscope, or save it again in Velox."
        ) from error
    return found if isinstance(found, dict) else {}


def look(data: Any, *keys: str) -> Any:
    """Return ``data[key][key]...``, None where a step is missing."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def number(data: Any, *keys: str) -> float | None:
    """Return a number at a path of keys, None where there is none."""
    try:
        value = float(look(data, *keys))
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def entries(group: h5py.Group | None) -> list[h5py.Group]:
    """Return the members of a group by name, none where the group is missing."""
    return [] if group is None else [group[name] for name in sorted(group)]


def documents(file: h5py.File, path: str) -> dict[str, Json]:
    """Return the JSON documents in a group by their path in the file; members that are groups are left out."""
    found = file.get(path)
    if not isinstance(found, h5py.Group):
        return {}
    return {f"/{path}/{name}": read_json(found[name]) for name in found if isinstance(found[name], h5py.Dataset)}


def follow(file: h5py.File, path: Any) -> str:
    """Return the data path behind a reference (``/SharedProperties/DataReference/...``), "" where there is none."""
    node = file.get(path) if isinstance(path, str) and path else None
    return str(read_json(node).get("dataPath", "")) if isinstance(node, h5py.Dataset) else ""


@dataclass(frozen=True, slots=True)
class Label:
    """What Velox writes over an image: ``title`` for people, ``id`` unique (``O-EELS``)."""

    title: str
    id: str


def image_labels(file: h5py.File) -> dict[str, Label]:
    """Return the label of each image by its data path."""
    found: dict[str, Label] = {}
    for display in documents(file, "Displays/ImageDisplay").values():
        path = follow(file, display.get("data"))
        found.setdefault(path, Label(str(display.get("title", "")), str(display.get("id", ""))))
    for display in documents(file, "Presentation/Displays/ImageDisplay").values():
        label = look(display, "display", "label") or ""
        path = str(display.get("dataPath", ""))
        found.setdefault(path, Label(unquote(str(label)), str(look(display, "display", "id") or "")))
    found.pop("", None)
    return found


def quantification_settings(file: h5py.File, feature: Json) -> Json:
    """Return Velox's settings of the map or spectrum of `feature`, else the first in the file."""
    paths = (
        look(feature, "eds", "quantificationSettings"),
        feature.get("imageQuantOperation"),
        feature.get("edsSpectrumQuantificationSettings"),
    )
    for path in paths:
        if isinstance(path, str) and isinstance(file.get(path), h5py.Dataset):
            return read_json(file[path])
    for group in QUANTIFICATION:
        for settings in documents(file, group).values():
            return settings
    return {}


def selected_elements(settings: Json) -> tuple[ElementSetting, ...]:
    """Return the elements selected in Velox, with the family and the deconvolution-only flag of each."""
    properties = {int(number(p, "element") or 0): p for p in settings.get("elementProperties") or ()}
    found = []
    for value in settings.get("elementSelection") or ():
        chosen = properties.get(int(value), {})
        family = str(chosen.get("atomicShellFamily") or "").strip() or None
        quantify = str(chosen.get("quantify", True)).lower() != "false"
        found.append(ElementSetting(symbol_of(int(value)), family, quantify))
    return tuple(found)


def quantification_mode(feature: Json, settings: Json) -> str:
    """Return Velox's word for what its maps hold, such as ``Integration``; "" where it is not given."""
    return str(feature.get("quantificationMode") or settings.get("quantificationMode") or "")


def map_smoothing(file: h5py.File, feature: Json, settings: Json) -> str:
    """Return the filter switched on for Velox's maps, such as ``Mean, 3 px``; "" where there is none."""
    path = look(feature, "eds", "quantificationKernelFilterSettings")
    node = file.get(path) if isinstance(path, str) and path else None
    if isinstance(node, h5py.Dataset):
        found = read_json(node)
        enabled, kind, size = found.get("enabled"), found.get("filter"), number(found, "kernelSize")
    else:
        enabled, kind = settings.get("useQuantificationKernelFilter"), settings.get("quantificationKernelFilter")
        size = number(settings, "quantificationKernelFilterSize")
    if str(enabled).lower() != "true":
        return ""
    return f"{kind or 'filter'}, {size:g} px" if size else f"{kind or 'filter'}"


def analytical_detectors(metadata: Json, name: str) -> list[Json]:
    """Return the X-ray detectors that `name` stands for: one segment, or all segments of a detector.

    ``SuperXG21`` is a segment; ``SuperXG2`` is the sum of the segments whose names begin so.
    """
    detectors = [
        d for d in (look(metadata, "Detectors") or {}).values() if look(d, "DetectorType") == "AnalyticalDetector"
    ]
    calibrated = [d for d in detectors if number(d, "Dispersion") and number(d, "OffsetEnergy") is not None]
    exact = [d for d in calibrated if d.get("DetectorName") == name]
    return exact or [d for d in calibrated if name and str(d.get("DetectorName", "")).startswith(name)]


def detector_name(metadata: Json) -> str:
    """Return the detector that the data of a group come from."""
    return str(look(metadata, "BinaryResult", "Detector") or "")


def calibration(metadata: Json, size: int) -> EnergyAxis | None:
    """Return the energy axis of a group's data (mean of its segments), None where it is not calibrated X-ray data."""
    detectors = analytical_detectors(metadata, detector_name(metadata))
    if not detectors:
        return None
    scale = float(np.mean([number(d, "Dispersion") for d in detectors])) / 1000
    offset = float(np.mean([number(d, "OffsetEnergy") for d in detectors])) / 1000
    return EnergyAxis(size, scale, offset)


def mean_of(detectors: Sequence[Json], key: str) -> float | None:
    """Return the mean of a number over the detectors that give it."""
    values = [v for v in (number(d, key) for d in detectors) if v is not None]
    return float(np.mean(values)) if values else None


def live_time_s(metadata: Sequence[Json], name: str, key: str = "LiveTime") -> float | None:
    """Return the largest live (or ``RealTime``) of a segment or detector among several metadata.

    A stream may hold the time of one frame where its spectrum image holds the total, or the other way round.
    """
    times = [mean_of(analytical_detectors(one, name), key) for one in metadata]
    return max((t for t in times if t is not None), default=None)


def pixel_nm(metadata: Json) -> float | None:
    """Return the pixel width of an image or map; None where its unit is not a length."""
    width = number(metadata, "BinaryResult", "PixelSize", "width")
    return None if width is None or look(metadata, "BinaryResult", "PixelUnitX") != "m" else width * 1e9


def _degrees(radians: float | None) -> float | None:
    return None if radians is None else float(np.degrees(radians))


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _solid_angle_sr(detectors: Sequence[Json]) -> float | None:
    angles = [a for a in (number(d, "CollectionAngle") for d in detectors) if a]
    if not angles:
        return None
    return sum(angles) if max(angles) < LARGEST_SEGMENT_SR else max(angles)


def read_acquisition(
    metadata: Json, others: Sequence[Json], names: Sequence[str], *, frames: int | None, share: float = 1.0
) -> Acquisition:
    """Return how the data were taken.

    Parameters
    ----------
    metadata
        Last metadata of a stream or spectrum.
    others
        Further metadata of the same data, looked at for live and real time only.
    names
        The segments in use, as their groups name them.
    frames
        Frames summed.
    share
        Part of all frames that is summed: live and real time are scaled by it.
    """
    named = {d["DetectorName"]: d for name in names for d in analytical_detectors(metadata, name)}
    detectors = list(named.values())
    azimuths = {round(a, 6) for a in (number(d, "AzimuthAngle") for d in detectors) if a is not None}
    elevations = [abs(e) for e in (number(d, "ElevationAngle") for d in detectors) if e is not None]
    begins = [b for b in (number(d, "BeginEnergy") for d in detectors) if b is not None]
    times = {
        key: [t for t in (live_time_s([metadata, *others], name, key) for name in names) if t is not None]
        for key in ("LiveTime", "RealTime")
    }
    voltage = number(metadata, "Optics", "AccelerationVoltage")
    return Acquisition(
        beam_kev=_scaled(voltage, 1e-3) if voltage else None,
        take_off_deg=_degrees(float(np.mean(elevations))) if elevations else None,
        azimuth_deg=_degrees(azimuths.pop()) if len(azimuths) == 1 else None,
        tilt_deg=_degrees(number(metadata, "Stage", "AlphaTilt")),
        live_time_s=float(np.mean(times["LiveTime"])) * share if times["LiveTime"] else None,
        real_time_s=float(np.mean(times["RealTime"])) * share if times["RealTime"] else None,
        dwell_time_s=number(metadata, "Scan", "DwellTime"),
        frames=frames,
        current_pa=_scaled(number(metadata, "Optics", "ScreenCurrent"), 1e12),
        solid_angle_sr=_solid_angle_sr(detectors),
        begin_energy_kev=_scaled(max(begins), 1e-3) if begins else None,
        detector=_common_name(names),
    )


def _common_name(names: Sequence[str]) -> str | None:
    """Return what the segments' names have in common: ``SuperXG2`` for ``SuperXG21`` to ``SuperXG24``."""
    if not names:
        return None
    same = [len(set(letters)) == 1 for letters in zip(*names, strict=False)]
    return names[0][: [*same, False].index(False)] or ", ".join(names)

"""What a Velox file stores beside the X-rays: survey images, element maps, spectra."""

from __future__ import annotations

from collections import Counter

import h5py
import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.lines import atomic_number
from edsnb.core.image import ElementSetting, EnergyAxis, StoredMap, Survey
from edsnb.core.regions import Spectra
from edsnb.errors import ElementError
from edsnb.io.files import distinct
from edsnb.io.velox.settings import (
    Json,
    Label,
    analytical_detectors,
    calibration,
    detector_name,
    entries,
    image_labels,
    look,
    pixel_nm,
    read_acquisition,
    read_metadata,
)

QUANTITIES = {"atomic": "atomic_fraction", "weight": "weight_fraction", "mass": "weight_fraction"}
"""How Velox's words for a map begin, by quantity; all others (``Integration``, ``NetIntensity``) are counts."""


def read_images(
    file: h5py.File, mode: str, keep: Array | None, notes: list[str], smoothing: str = ""
) -> tuple[list[Survey], list[StoredMap]]:
    """Return the surveys and element maps of a file.

    Parameters
    ----------
    mode
        Velox's word for what its element maps hold.
    keep
        (frames,) bool; images taken with the map are averaged over the same frames.
    notes
        What is left out is added here.
    smoothing
        The filter Velox had switched on for its maps.
    """
    surveys: list[Survey] = []
    maps: list[StoredMap] = []
    labels = image_labels(file)
    left_out: list[str] = []
    for group in entries(file.get("Data/Image")):
        metadata, dataset = read_metadata(group), group["Data"]
        label = labels.get(group.name, Label("", ""))
        element = _element(label.title)
        if dataset.ndim != 3 or dataset.dtype.kind not in "uif":
            left_out.append(label.title or group.name)
        elif element is None or not _is_map(metadata, dataset):
            name = distinct(_survey_name(label.title, detector_name(metadata)), [s.name for s in surveys])
            surveys.append(Survey(name, _average(dataset, keep), pixel_nm(metadata), dataset.shape[2]))
        elif label.id.endswith("-EELS") or not analytical_detectors(metadata, detector_name(metadata)):
            left_out.append(label.id or label.title)
        else:
            quantity = next((q for word, q in QUANTITIES.items() if mode.lower().startswith(word)), "counts")
            maps.append(
                StoredMap(label.title, _average(dataset, None), quantity, mode or "unknown", element, smoothing)
            )
    if left_out:
        notes.append(f"images left out, since they are not EDS or not plain images: {', '.join(sorted(left_out))}.")
    return sorted(surveys, key=lambda s: s.name), sorted(maps, key=lambda m: atomic_number(m.element or ""))


def _survey_name(title: str, detector: str) -> str:
    """Return a name that shows the detector, whatever the image was called."""
    if not title or not detector:
        return title or detector or "image"
    return title if detector.casefold() in title.casefold() else f"{title} ({detector})"


def _element(title: str) -> str | None:
    try:
        atomic_number(title)
    except ElementError:
        return None
    return title


def _is_map(metadata: Json, dataset: h5py.Dataset) -> bool:
    """Say whether an image labelled with an element is a map: computed, not taken by a scanning detector."""
    detectors = (look(metadata, "Detectors") or {}).values()
    scanning = {look(d, "DetectorName") for d in detectors if look(d, "DetectorType") == "ScanningDetector"}
    return bool(dataset.dtype.kind == "f") and detector_name(metadata) not in scanning


def _average(dataset: h5py.Dataset, keep: Array | None) -> Array:
    """Return the mean of an image's frames, (ny, nx) float32: those kept where it has as many as the map."""
    frames = list(range(dataset.shape[2]))
    if keep is not None and len(keep) == len(frames):
        frames = np.flatnonzero(keep).tolist()
    total = np.zeros(dataset.shape[:2])
    for frame in frames:
        total += dataset[:, :, frame]
    return (total / max(len(frames), 1)).astype(np.float32)


def read_spectra(
    file: h5py.File, elements: tuple[ElementSetting, ...], source: str, notes: list[str]
) -> Spectra | None:
    """Return the spectra stored in a file, the sum first; None where there are none.

    Spectra with another energy axis than the one with most counts are left out, with a note.
    """
    found: list[tuple[str, Array, EnergyAxis, Json]] = []
    for group in entries(file.get("Data/Spectrum")):
        metadata, counts = read_metadata(group), group["Data"][()].reshape(-1)
        axis = calibration(metadata, len(counts))
        if axis is not None:
            name = look(metadata, "CustomProperties", "Velox.Plot.Label", "value") or detector_name(metadata)
            found.append((distinct(str(name), [f[0] for f in found]), counts, axis, metadata))
    if not found:
        return None
    found.sort(key=lambda f: (f[0] != "Summed", f[0]))
    axis = Counter({f[2]: int(f[1].sum()) + 1 for f in found}).most_common(1)[0][0]
    other = [f[0] for f in found if not same_axis(f[2], axis)]
    if other:
        notes.append(f"stored spectra left out, since their energy axis is another one: {', '.join(other)}.")
    kept = [f for f in found if f[0] not in other]
    names, counts = [f[0] for f in kept], np.stack([f[1] for f in kept])
    segments = [f for f in kept if analytical_detectors(f[3], f[0])]
    if len(segments) == len(kept) > 1:
        names, counts = ["Sum of segments", *names], np.vstack([counts.sum(0, dtype=np.uint64, keepdims=True), counts])
    sources = sorted({detector_name(f[3]) for f in kept})
    acquisition = read_acquisition(kept[0][3], [f[3] for f in kept], sources, frames=None)
    return Spectra(counts, axis, tuple(names), acquisition, None, elements, source)


def same_axis(one: EnergyAxis, other: EnergyAxis, tolerance: float = 0.1) -> bool:
    """Say whether two energy axes agree within `tolerance` channels everywhere."""
    if one.size != other.size:
        return False
    ends = np.subtract(one.range_kev, other.range_kev)
    return bool(np.abs(ends).max() <= tolerance * other.scale_kev)

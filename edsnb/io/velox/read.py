"""Read Velox .emd files: event streams, surveys, calibration, element selection, stored maps and spectra.

A Velox file is HDF5 with JSON texts. `stream` decodes the X-rays, `raster` settles the raster, `settings` and `stored`
read the rest; this module puts the record together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import FileIO
from os import PathLike
from pathlib import Path

import h5py
import numpy as np

from edsnb.core.events import Array
from edsnb.core.image import Acquisition, EnergyAxis, Segment, SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.errors import FileFormatError, InputError, NoMapError
from edsnb.io.files import Progress, Ticker, distinct, existing_file, opened, sha256
from edsnb.io.velox.cube import read_cube
from edsnb.io.velox.raster import Frames, Raster, Shape, candidates, choose_frames, choose_raster, scanned_shape
from edsnb.io.velox.settings import (
    Json,
    calibration,
    detector_name,
    documents,
    entries,
    follow,
    live_time_s,
    look,
    map_smoothing,
    number,
    pixel_nm,
    quantification_mode,
    quantification_settings,
    read_acquisition,
    read_json,
    read_metadata,
    selected_elements,
)
from edsnb.io.velox.stored import read_images, read_spectra, same_axis
from edsnb.io.velox.stream import MARKER, PASSES, Stream, count_markers, decode, open_stream

DEFAULT_BINS = 4096
"""Channels of a reduced file that holds no spectrum."""


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """One spectrum image of a file: where its parts lie."""

    path: str
    """Its group under ``/Data/SpectrumImage``; "" where the file has streams only."""
    streams: tuple[str, ...]
    """Paths of its segments' groups under ``/Data/SpectrumStream``."""
    feature: Json
    """Velox's description of it."""


def open_velox(
    path: str | PathLike[str],
    *,
    frames: Frames = None,
    spectrum_image: int | str | None = None,
    progress: Progress | None = None,
) -> SpectrumImage:
    """Read a Velox .emd file.

    Parameters
    ----------
    path
        The file.
    frames
        Frames to sum, counted from 0: a number, a slice, a range or a sequence; None for those Velox shows.
        Live and real time are scaled by the share of frames that is summed.
    spectrum_image
        Which map to read where the file holds several: its number from 0, or the start of its id.
    progress
        Called as ``progress(done, total)``; returning False cancels.

    Returns
    -------
    SpectrumImage. All segments are summed; each one's own spectrum and calibration stand in `segments`.
    Point spectra have ``events`` None, and `notes` say what they hold. Reduced files have the X-rays of Velox's
    compressed map.

    Raises
    ------
    FileFormatError
        The file is missing, not HDF5, cut off, damaged, of several maps without a choice, or its raster cannot be told.
    NoMapError
        The file holds no EDS data at all.
    InputError
        `frames` or `spectrum_image` are not in the file.
    CancelledError
        `progress` returned False.
    """
    source = existing_file(path)
    with ThreadPoolExecutor(1) as pool, opened(source) as file, FileIO(source) as raw:
        digest = pool.submit(sha256, source)
        image = _read(file, raw, source, frames, spectrum_image, progress)
        spectra = image.spectra and replace(image.spectra, digest=digest.result())
        return replace(image, digest=digest.result(), spectra=spectra)


def is_velox(path: Path) -> bool:
    """Say whether an HDF5 file is one of Velox's."""
    with opened(path) as file:
        try:
            return isinstance(file.get("Version"), h5py.Dataset) and read_json(file["Version"]).get("format") == "Velox"
        except FileFormatError:
            return False


def _read(
    file: h5py.File, raw: FileIO, source: Path, frames: Frames, pick: int | str | None, progress: Progress | None
) -> SpectrumImage:
    """Read everything but the digest."""
    chosen = _choose_map(_maps(file), pick, source)
    feature = chosen.feature if chosen else next(iter(documents(file, "Features/SpectrumFeature").values()), {})
    settings = quantification_settings(file, feature)
    elements = selected_elements(settings)
    notes: list[str] = []
    spectra = read_spectra(file, elements, str(source), notes)
    mode = quantification_mode(feature, settings)
    keep = None
    if chosen and chosen.streams:
        image, keep = _read_map(file, raw, chosen, frames, progress, notes)
    elif chosen and len(file.get("Data/SpectrumStream", ())):
        raise FileFormatError(f"{source} does not say which event streams belong to spectrum image {chosen.path}.")
    elif frames is not None:
        raise InputError(f"{source} keeps no frames apart, so frames={frames!r} cannot be summed; leave it out.")
    else:
        image = _read_reduced(file, chosen, spectra, notes) if chosen else _read_points(file, spectra, notes)
    surveys, maps = read_images(file, mode, keep, notes, map_smoothing(file, feature, settings))
    return replace(
        image,
        surveys={s.name: s for s in surveys},
        maps=tuple(maps),
        spectra=spectra,
        elements=elements,
        source=str(source),
        software=_software(file),
        notes=tuple(notes),
    )


def _maps(file: h5py.File) -> list[_Map]:
    """Return the spectrum images of a file, each with its streams."""
    images = [group.name for group in entries(file.get("Data/SpectrumImage"))]
    streams = tuple(group.name for group in entries(file.get("Data/SpectrumStream")))
    described = {m.path: m for m in (_described(file, f) for f in documents(file, "Features/SIFeature").values())}
    if len(images) > 1:
        return [described.get(path, _Map(path, (), {})) for path in images]
    if images:
        known = described.get(images[0]) or next(iter(described.values()), _Map("", (), {}))
        return [_Map(images[0], streams, known.feature)]
    scanned = [s for s in streams if scanned_shape(read_metadata(file[s]))]
    return [_Map("", tuple(scanned), {})] if scanned else []


def _described(file: h5py.File, feature: Json) -> _Map:
    """Return the map that a feature of Velox describes, with its streams, in either of two layouts."""
    path = follow(file, look(feature, "eds", "spectrumImage")) or follow(file, feature.get("imageQuantOperation"))
    segments = [s for d in look(feature, "eds", "detectors") or () for s in d.get("segments") or ()]
    streams = [follow(file, s.get("spectrumStream")) for s in segments]
    streams += [follow(file, feature.get("edsInputOperation"))]
    return _Map(path, tuple(s for s in streams if s in file and s), feature)


def _choose_map(maps: Sequence[_Map], pick: int | str | None, source: Path) -> _Map | None:
    """Return the only map, or the one picked; raise where that is not clear."""
    ids = [m.path.rsplit("/", 1)[-1] for m in maps]
    if pick is None and len(maps) < 2:
        return maps[0] if maps else None
    listed = ", ".join(f"{k} = {name}" for k, name in enumerate(ids)) or "none"
    if pick is None:
        raise FileFormatError(
            f"{source} holds {len(maps)} spectrum images ({listed}); choose one: edsnb.open(path, spectrum_image=0)."
        )
    found = [k for k, name in enumerate(ids) if k == pick or (isinstance(pick, str) and pick and name.startswith(pick))]
    if len(found) != 1:
        raise InputError(f"spectrum_image={pick!r} names {len(found)} of the spectrum images in {source} ({listed}).")
    return maps[found[0]]


def _read_map(
    file: h5py.File, raw: FileIO, chosen: _Map, frames: Frames, progress: Progress | None, notes: list[str]
) -> tuple[SpectrumImage, Array]:
    """Decode the X-rays of a map; return it with the frames that were summed."""
    metadata = {path: read_metadata(file[path]) for path in chosen.streams}
    streams: list[Stream] = []
    for path, one in metadata.items():
        name = distinct(detector_name(one) or path.rsplit("/", 1)[-1][:8], [s.name for s in streams])
        streams.append(open_stream(name, file[path]["Data"], raw))
    bins = _bins(file, chosen)
    tick = Ticker(progress, PASSES * sum(map(len, streams)))
    markers = {stream.name: count_markers(stream, bins, tick) for stream in streams}
    settings = read_json(file[chosen.path]["SpectrumImageSettings"]) if _has_settings(file, chosen) else {}
    raster = _raster(file, chosen, metadata[chosen.streams[0]], streams, settings, markers)
    keep, note = choose_frames(frames, raster.frames, settings)
    notes += [text for text in (raster.note, note) if text]
    events, counts = decode(streams, raster.shape, keep, bins, tick)
    tick.finish()
    first = metadata[chosen.streams[0]]
    others = [*metadata.values(), *([read_metadata(file[chosen.path])] if chosen.path else [])]
    share = float(keep.mean())
    segments = _segments([s.name for s in streams], list(metadata.values()), others, counts, share)
    acquisition = read_acquisition(first, others, [s.name for s in streams], frames=int(keep.sum()), share=share)
    energy = _mean_axis(segments, notes)
    _check_time(acquisition, raster.shape[0] * raster.shape[1], notes)
    image = SpectrumImage(raster.shape, energy, events, acquisition, pixel_nm(first), segments=segments)
    return image, keep


def _check_time(acquisition: Acquisition, pixels: int, notes: list[str]) -> None:
    """Note where the real time is not that of the frames summed."""
    dwell, real, frames = acquisition.dwell_time_s, acquisition.real_time_s, acquisition.frames
    if dwell and real and frames and not 0.5 < real / (scan := dwell * pixels * frames) < 2:
        notes.append(
            f"the file gives a real time of {real:.4g} s, but {frames} frames of {pixels} pixels take {scan:.4g} s: do "
            "not trust times and count rates."
        )


def _has_settings(file: h5py.File, chosen: _Map) -> bool:
    return bool(chosen.path) and "SpectrumImageSettings" in file[chosen.path]


def _bins(file: h5py.File, chosen: _Map) -> int:
    """Return the number of channels, the same for all streams of a map."""
    found = {int(number(read_json(file[p]["AcquisitionSettings"]), "bincount") or 0) for p in chosen.streams}
    if len(found) != 1 or not 0 < min(found) <= MARKER:
        raise FileFormatError(
            f"{file.filename}: its event streams have {sorted(found)} channels; one number up to {MARKER} is needed."
        )
    return found.pop()


def _raster(
    file: h5py.File,
    chosen: _Map,
    metadata: Json,
    streams: Sequence[Stream],
    settings: Json,
    markers: Mapping[str, int],
) -> Raster:
    """Settle the raster of a map from everything the file says about it."""
    group = file[chosen.streams[0]]
    images: list[tuple[int, ...]] = [g["Data"].shape for g in entries(file.get("Data/Image")) if g["Data"].ndim == 3]
    shapes = candidates(metadata, [(s[0], s[1]) for s in images], read_json(group["AcquisitionSettings"]))
    starts = group["FrameLocationTable"][()].reshape(-1) if "FrameLocationTable" in group else np.zeros(0, np.uint64)
    frame_pixels = None
    if len(starts) > 1 and starts[0] < starts[1] <= len(streams[0]):
        words = np.empty(int(starts[1] - starts[0]), np.uint16)
        streams[0].read(int(starts[0]), words)
        frame_pixels = int(np.count_nonzero(words == MARKER))
    known = {len(starts), int(number(settings, "endFramePosition") or 0), group["Metadata"].shape[1]}
    frames: dict[Shape, set[int]] = {
        shape: (known | {s[2] for s in images if (s[0], s[1]) == shape}) - {0} for shape in shapes
    }
    return choose_raster(shapes, frames, markers, frame_pixels)


def _segments(
    names: Sequence[str], metadata: Sequence[Json], others: Sequence[Json], counts: Array, share: float
) -> tuple[Segment, ...]:
    """Return one record a stream; raise where none of them is calibrated."""
    axes = [calibration(one, counts.shape[1]) for one in metadata]
    known = next((axis for axis in axes if axis is not None), None)
    if known is None:
        raise FileFormatError("the file gives no energy calibration (Dispersion, OffsetEnergy) for any X-ray detector.")
    found = []
    for name, one, axis, spectrum in zip(names, metadata, axes, counts, strict=True):
        live = live_time_s([one, *others], name)
        found.append(Segment(name, axis or known, spectrum, None if live is None else live * share))
    return tuple(sorted(found, key=lambda s: s.name))


def _mean_axis(segments: Sequence[Segment], notes: list[str]) -> EnergyAxis:
    """Return the mean energy axis, weighted by counts; note where a segment is off by over a tenth of a channel."""
    weights = [float(s.counts.sum()) + 1e-9 for s in segments]
    scale = float(np.average([s.energy.scale_kev for s in segments], weights=weights))
    offset = float(np.average([s.energy.offset_kev for s in segments], weights=weights))
    first = segments[0].energy
    alike = all(s.energy == first for s in segments)
    axis = first if alike else EnergyAxis(first.size, scale, offset)
    off = [s.name for s in segments if not same_axis(s.energy, axis)]
    if off:
        notes.append(
            f"the segments' energy axes differ: {', '.join(off)} by more than a tenth of a channel from the mean used "
            "for the sum; its peaks are a little wider."
        )
    return axis


def _read_points(file: h5py.File, spectra: Spectra | None, notes: list[str]) -> SpectrumImage:
    """Return the record of a file of point spectra."""
    if spectra is None:
        raise NoMapError(
            f"{file.filename} holds no EDS data: it has {_held(file)}. Open the file that was saved with the map."
        )
    notes.append(
        "point spectra, no map: the stored spectra can be fitted and quantified; there is nothing to cut into chips."
    )
    return SpectrumImage((0, 0), spectra.energy, None, spectra.acquisition, segments=_point_segments(file))


def _read_reduced(file: h5py.File, chosen: _Map, spectra: Spectra | None, notes: list[str]) -> SpectrumImage:
    """Return the map of a reduced file, whose streams were removed, from Velox's compressed copy."""
    group = file[chosen.path]
    metadata = read_metadata(group)
    said = number(read_json(group["AcquisitionSettings"]), "bincount") if "AcquisitionSettings" in group else None
    energy = spectra.energy if spectra else calibration(metadata, int(said or DEFAULT_BINS))
    if energy is None:
        raise FileFormatError(f"{file.filename} gives no energy calibration for any X-ray detector.")
    shape = scanned_shape(metadata) or (0, 0)
    events = read_cube(group["Data"], shape, energy.size) if "Data" in group else None
    settings = read_json(group["SpectrumImageSettings"]) if _has_settings(file, chosen) else {}
    frames = int(number(settings, "endFramePosition") or 0) - int(number(settings, "startFramePosition") or 1) + 1
    fit = "its stored spectra can be fitted and quantified" if spectra else "it holds no summed spectrum either"
    notes.append(
        "reduced file, its event streams are gone: the X-rays are those of Velox's compressed map, with all frames and "
        "segments summed."
        if events
        else f"reduced file, and its map cannot be read, so no chips can be cut: {fit}, its images and element maps "
        "can be shown and compared. Chips need the file as it was before."
    )
    names = [detector_name(metadata)]
    acquisition = read_acquisition(metadata, (), names, frames=frames if events and frames > 0 else None)
    return SpectrumImage(shape, energy, events, acquisition, pixel_nm(metadata))


def _point_segments(file: h5py.File) -> tuple[Segment, ...]:
    """Return the summed spectrum of each stream of a file of point spectra."""
    found = []
    for group in entries(file.get("Data/SpectrumStream")):
        metadata, name = read_metadata(group), detector_name(read_metadata(group))
        bins = int(number(read_json(group["AcquisitionSettings"]), "bincount") or 0)
        axis = calibration(metadata, bins) if bins else None
        if axis is not None:
            counts = np.bincount(group["Data"][()].reshape(-1), minlength=MARKER + 1)[:bins]
            found.append(Segment(name, axis, counts, live_time_s([metadata], name)))
    return tuple(sorted(found, key=lambda s: s.name))


def _software(file: h5py.File) -> str:
    version = read_json(file["Version"]).get("version", "?") if "Version" in file else "?"
    program = read_json(file["Info"]).get("applicationVersion", "") if "Info" in file else ""
    return f"Velox {program or '(version not given)'}, EMD {version}"


def _held(file: h5py.File) -> str:
    """Say what a file holds, for the message that it has no EDS data."""
    data = file.get("Data")
    kinds = {} if data is None else {k: len(data[k]) for k in data if isinstance(data[k], h5py.Group)}
    words = [f"{n} {kind}" for kind, n in kinds.items() if n and kind != "Text"]
    return ", ".join(words) or "no data"

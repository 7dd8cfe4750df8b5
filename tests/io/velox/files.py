"""Tiny files in Velox's layout, and a plain decoder of its streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from edsnb.core.events import Array

MARKER = 65535
BINS = 64


def plain_cube(streams: Iterable[Iterable[int]], shape: tuple[int, int], frames: Iterable[int], bins: int) -> Array:
    """Sum streams into a dense cube (ny * nx, bins), a word at a time: the slow twin of the decoder."""
    pixels, wanted = shape[0] * shape[1], set(frames)
    cube = np.zeros((pixels, bins), np.int64)
    for words in streams:
        marker = 0
        for word in words:
            if word == MARKER:
                marker += 1
            elif marker // pixels in wanted:
                cube[marker % pixels, word] += 1
    return cube


def random_words(
    rng: np.random.Generator, pixels: int, frames: int, mean: float, bins: int = BINS, missing: int = 0
) -> Array:
    """Return the words of a stream with Poisson counts, without its last `missing` markers."""
    words: list[int] = []
    for _ in range(pixels * frames):
        words += rng.integers(0, bins, rng.poisson(mean)).tolist()
        words.append(MARKER)
    keep = np.ones(len(words), bool)
    if missing:
        keep[np.flatnonzero(np.array(words) == MARKER)[-missing:]] = False
    return np.array(words, np.uint16)[keep]


@dataclass
class Layout:
    """What to write; the defaults give a map of one segment."""

    shape: tuple[int, int] = (3, 4)
    frames: int = 2
    streams: Sequence[Array] = ()
    names: Sequence[str] = ("SuperXG21",)
    offsets_ev: Sequence[float] = (-250.0, -250.0, -250.0, -250.0)
    maps: int = 1
    """Number of spectrum images; streams are shared out evenly among them."""
    features: bool = True
    table: bool = True
    """Whether the frame table is written."""
    end: int | None = None
    chunk: int | None = 16
    compress: bool = False
    area: tuple[float, float, float, float] | None = None
    """left, top, right, bottom; by default the scan is as large as the map."""
    scan: tuple[int, int] | None = None
    images: Sequence[tuple[str, Array]] = ()
    """(detector, (ny, nx, frames))."""
    spectra: Sequence[tuple[str, Array]] = ()
    bins: int = BINS
    settings: dict[str, Any] | None = None
    cube: Array | None = None
    """Bytes of the compressed map."""


def write(path: Path, layout: Layout) -> Path:
    """Write a file."""
    with h5py.File(path, "w") as file:
        _text(file, "Version", {"version": "11", "format": "Velox"})
        _text(file, "Info", {"applicationVersion": "3.10.0-test"})
        file.create_group("Data")
        ids = [f"{k:032x}" for k in range(len(layout.streams))]
        for name, words, uuid in zip(layout.names, layout.streams, ids, strict=False):
            _stream(file.create_group(f"Data/SpectrumStream/{uuid}"), layout, name, words)
        for k in range(layout.maps):
            group = file.create_group(f"Data/SpectrumImage/{'abcdef'[k] * 32}")
            _metadata(group, [metadata(layout, "SuperXG2", layout.frames)])
            end = layout.end or layout.frames
            _text(group, "SpectrumImageSettings", {"startFramePosition": "1", "endFramePosition": str(end)})
            if layout.cube is not None:
                group.create_dataset("Data", data=layout.cube[:, None])
                _text(group, "AcquisitionSettings", {"bincount": str(layout.bins)})
            if layout.features:
                _feature(file, k, group.name, ids[k :: layout.maps], layout)
        for k, (detector, data) in enumerate(layout.images):
            group = file.create_group(f"Data/Image/{k:032x}")
            group.create_dataset("Data", data=data, chunks=(*data.shape[:2], 1))
            _metadata(group, [metadata(layout, detector, f + 1) for f in range(data.shape[2])])
        for k, (detector, counts) in enumerate(layout.spectra):
            group = file.create_group(f"Data/Spectrum/{k:032x}")
            group.create_dataset("Data", data=counts[:, None].astype(np.uint32))
            _metadata(group, [metadata(layout, detector, layout.frames)])
    return path


def metadata(layout: Layout, detector: str, frame: int) -> dict[str, Any]:
    """Return the metadata of one frame, as Velox writes them: numbers as text."""
    ny, nx = layout.scan or layout.shape
    left, top, right, bottom = layout.area or (0, 0, 1, 1)
    segments = {
        f"Detector-{k}": {
            "DetectorName": f"SuperXG2{k + 1}",
            "DetectorType": "AnalyticalDetector",
            "ElevationAngle": "0.3141592653589793",
            "AzimuthAngle": str(0.785398 * (2 * k + 1)),
            "CollectionAngle": "0.7",
            "Dispersion": "10",
            "OffsetEnergy": str(offset),
            "BeginEnergy": str(120 + k),
            "RealTime": str(0.5 * frame),
            "LiveTime": str(0.4 * frame),
        }
        for k, offset in enumerate(layout.offsets_ev)
    }
    return {
        "Optics": {"AccelerationVoltage": "200000", "ScreenCurrent": "1.5e-10"},
        "Stage": {"AlphaTilt": "0.17453292519943295"},
        "Scan": {
            "ScanSize": {"width": str(nx), "height": str(ny)},
            "ScanArea": {"left": str(left), "top": str(top), "right": str(right), "bottom": str(bottom)},
            "DwellTime": str(0.5 / (layout.shape[0] * layout.shape[1])),
        },
        "Detectors": {**segments, "Detector-9": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"}},
        "BinaryResult": {
            "Detector": detector,
            "PixelSize": {"width": "2.5e-10", "height": "2.5e-10"},
            "PixelUnitX": "m",
        },
    }


def _text(group: h5py.Group, name: str, content: Any) -> None:
    group.create_dataset(name, data=[json.dumps(content)], dtype=h5py.string_dtype())


def _metadata(group: h5py.Group, columns: Sequence[dict[str, Any]]) -> None:
    texts = [json.dumps(column).encode() for column in columns]
    table = np.zeros((max(map(len, texts)) + 10, len(texts)), np.uint8)
    for k, text in enumerate(texts):
        table[: len(text), k] = np.frombuffer(text, np.uint8)
    group.create_dataset("Metadata", data=table)


def _stream(group: h5py.Group, layout: Layout, name: str, words: Array) -> None:
    options: dict[str, Any] = {} if layout.chunk is None else {"chunks": (layout.chunk, 1), "maxshape": (None, 1)}
    if layout.compress:
        options["compression"] = "gzip"
    group.create_dataset("Data", data=words[:, None], **options)
    _text(group, "AcquisitionSettings", {"bincount": str(layout.bins), "StreamEncoding": "uint16"})
    pixels = layout.shape[0] * layout.shape[1]
    ends = np.flatnonzero(words == MARKER)[pixels - 1 :: pixels] + 1
    if layout.table:
        starts = np.concatenate([[0], ends])[: layout.frames].astype(np.uint64)
        group.create_dataset("FrameLocationTable", data=starts[:, None])
    _metadata(group, [metadata(layout, name, f + 1) for f in range(layout.frames)])


def _feature(file: h5py.File, k: int, path: str, streams: Sequence[str], layout: Layout) -> None:
    for name, target in [(f"m{k}", path), *((f"s{s}", f"/Data/SpectrumStream/{s}") for s in streams)]:
        _text(file, f"SharedProperties/DataReference/{name}", {"dataPath": target})
    reference = "/SharedProperties/DataReference"
    eds: dict[str, Any] = {
        "spectrumImage": f"{reference}/m{k}",
        "detectors": [{"segments": [{"spectrumStream": f"{reference}/s{s}"} for s in streams]}],
    }
    if layout.settings is not None:
        _text(file, f"SharedProperties/EDSSpectrumQuantificationSettings/q{k}", layout.settings)
        eds["quantificationSettings"] = f"/SharedProperties/EDSSpectrumQuantificationSettings/q{k}"
    _text(file, f"Features/SIFeature/f{k}", {"eds": eds, "quantificationMode": "NetIntensity"})

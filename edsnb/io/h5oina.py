"""Oxford Instruments' .h5oina files (AZtec's export, HDF5), which RosettaSciIO does not read.

Written after the published specification (H5OINAFile.md, format versions 1 to 8). Angles are in
radians, steps in micrometres, energies in electronvolt; arrays are flat, one row a pixel. Spectra are
in the file from version 7.0 on, and only where they were exported with the maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

import h5py
import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.lines import symbol_of
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage, StoredMap, Survey
from edsnb.errors import FileFormatError, InputError, NoMapError
from edsnb.io.dense import dense_events
from edsnb.io.files import Progress, distinct, existing_file, opened, sha256

MAPS = {"Peak Area": "counts", "Window Integral": "counts", "Composition": "weight_fraction"}
"""Groups of element maps: counts per second, or wt%."""


def is_h5oina(path: str | PathLike[str]) -> bool:
    """Say whether an HDF5 file is AZtec's."""
    with opened(existing_file(path)) as file:
        return "Format Version" in file and "Index" in file


def open_h5oina(
    path: str | PathLike[str], *, spectrum_image: int | str | None = None, progress: Progress | None = None
) -> SpectrumImage:
    """Read an .h5oina file.

    Parameters
    ----------
    path
        The file.
    spectrum_image
        Which map to read where the file holds several (features, or several detectors): its number from 0, or its name,
        such as ``1/EDS``.
    progress
        Called as ``progress(done, total)``; returning False cancels.

    Returns
    -------
    SpectrumImage. A line scan is a map of one row.

    Raises
    ------
    FileFormatError
        The file is missing or damaged, or holds several maps without a choice.
    NoMapError
        The file holds no EDS spectra: an export of maps or EBSD alone.
    """
    source = existing_file(path)
    with opened(source) as file:
        found = {f"{s}/{t}": file[s][t] for s in file if isinstance(file[s], h5py.Group) for t in file[s]}
        maps = {name: group for name, group in found.items() if "Spectrum" in group.get("Data", ())}
        if not maps:
            raise NoMapError(
                f"{source} holds no EDS spectra, only {', '.join(found) or 'no data'}. Export the map from AZtec again "
                "with its spectra (AZtec 6.2 or later)."
            )
        name = _chosen(list(maps), spectrum_image, source)
        return _read(file, maps[name], name, str(source), sha256(source), progress)


def _chosen(names: list[str], pick: int | str | None, source: Any) -> str:
    listed = ", ".join(f"{k} = {name}" for k, name in enumerate(names))
    if pick is None and len(names) > 1:
        raise FileFormatError(
            f"{source} holds {len(names)} EDS maps ({listed}); choose one: edsnb.open(path, spectrum_image=0)."
        )
    found = [name for k, name in enumerate(names) if pick in (None, k, name)]
    if len(found) != 1:
        raise InputError(f"spectrum_image={pick!r} names {len(found)} of the maps in {source} ({listed}).")
    return found[0]


def _read(
    file: h5py.File, group: h5py.Group, name: str, source: str, digest: str, progress: Progress | None
) -> SpectrumImage:
    header, spectra = group["Header"], group["Data/Spectrum"]
    shape = int(_number(header, "Y Cells") or 1), int(_number(header, "X Cells") or 0)
    if spectra.ndim != 2 or spectra.shape[0] != shape[0] * shape[1]:
        raise FileFormatError(
            f"{source}: {name} has spectra of shape {spectra.shape} for a map of {shape[0]} x {shape[1]} pixels."
        )
    width, start = _number(header, "Channel Width"), _number(header, "Start Channel")
    if width is None:
        raise FileFormatError(f"{source}: {name} gives no channel width, so its energy axis is not known.")
    energy = EnergyAxis(spectra.shape[1], width / 1000, (start or 0.0) / 1000)
    step = _number(header, "X Step")
    return SpectrumImage(
        shape,
        energy,
        dense_events(spectra, progress=progress),
        _acquisition(group),
        pixel_nm=None if not step else step * 1000,
        surveys=_surveys(file, name.split("/")[0]),
        maps=tuple(_maps(group, shape)),
        elements=_elements(group),
        source=source,
        software=f"AZtec {_text(file, 'Software Version') or '?'}, H5OINA {_text(file, 'Format Version') or '?'}",
        digest=digest,
    )


def _value(group: h5py.Group, name: str) -> Any:
    return np.ravel(group[name][()])[0] if name in group and group[name].size else None


def _number(group: h5py.Group, name: str, factor: float = 1.0) -> float | None:
    try:
        value = float(_value(group, name)) * factor
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _text(group: h5py.Group, name: str) -> str:
    value = _value(group, name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _acquisition(group: h5py.Group) -> Acquisition:
    """Return what the header says; live and real time are summed over the pixels."""
    header, data, degrees = group["Header"], group["Data"], 180 / np.pi
    times = {key: float(np.nansum(data[key][()])) if key in data else None for key in ("Live Time", "Real Time")}
    frames = _number(header, "Number Frames")
    detector = header["Detector Type Id"].attrs.get("Name", "") if "Detector Type Id" in header else ""
    return Acquisition(
        beam_kev=_number(header, "Beam Voltage"),
        take_off_deg=_number(header, "Detector Elevation", degrees),
        azimuth_deg=_number(header, "Detector Azimuth", degrees),
        tilt_deg=_number(header, "Tilt Angle", degrees),
        live_time_s=times["Live Time"],
        real_time_s=times["Real Time"],
        frames=None if frames is None else int(frames),
        detector=(detector.decode() if isinstance(detector, bytes) else str(detector)) or None,
    )


def _lines(group: h5py.Group) -> Iterator[tuple[str, str, h5py.Dataset]]:
    """Yield (kind, symbol, dataset) of every element map."""
    for kind in MAPS:
        for dataset in group["Data"].get(kind, {}).values():
            number = dataset.attrs.get("Atomic Number")
            if number is not None:
                yield kind, symbol_of(int(np.ravel(number)[0])), dataset


def _maps(group: h5py.Group, shape: tuple[int, int]) -> Iterator[StoredMap]:
    """Yield the element maps: counts from counts per second, weight fractions from wt%."""
    live: Array = np.ravel(group["Data/Live Time"][()]) if "Live Time" in group["Data"] else np.ones(1)
    for kind, symbol, dataset in _lines(group):
        values = np.ravel(dataset[()])
        values = values / 100 if kind == "Composition" else values * live
        name = dataset.name.rsplit("/", 1)[-1]
        if values.size == shape[0] * shape[1]:
            yield StoredMap(name, values.reshape(shape).astype(np.float32), MAPS[kind], kind, symbol)


def _elements(group: h5py.Group) -> tuple[ElementSetting, ...]:
    """Return the elements that have a map, with the shell of the line it was made from."""
    found: dict[str, str | None] = {}
    for _, symbol, dataset in _lines(group):
        line = dataset.attrs.get("X-ray Line", b"")
        shell = (line.decode() if isinstance(line, bytes) else str(np.ravel(line)[0] if np.size(line) else ""))[:1]
        found[symbol] = found.get(symbol) or (shell if shell in ("K", "L", "M") else None)
    return tuple(ElementSetting(symbol, shell) for symbol, shell in found.items())


def _surveys(file: h5py.File, part: str) -> dict[str, Survey]:
    """Return the electron images of an acquisition."""
    images = file[part].get("Electron Image")
    found: dict[str, Survey] = {}
    if images is None:
        return found
    header = images["Header"]
    shape = int(_number(header, "Y Cells") or 0), int(_number(header, "X Cells") or 0)
    step = _number(header, "X Step")
    for kind in ("SE", "BSE", "FSE"):
        for dataset in images["Data"].get(kind, {}).values():
            if dataset.size == shape[0] * shape[1] and dataset.size:
                name = distinct(dataset.name.rsplit("/", 1)[-1], found)
                image = np.ravel(dataset[()]).reshape(shape).astype(np.float32)
                found[name] = Survey(name, image, None if not step else step * 1000)
    return found

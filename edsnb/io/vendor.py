"""Every format but Velox's, through RosettaSciIO: Bruker, EDAX, Gatan, HyperSpy, JEOL, MSA, Ripple and more.

RosettaSciIO returns dictionaries with the data, a description of each axis and metadata in HyperSpy's
tree; one of them is the EDS data, the two-dimensional ones are images. HyperSpy itself is not needed.

Live and real time are taken as those of the whole map, as the vendors give them.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edsnb.core.events import Array, Events
from edsnb.core.fitting.lines import parse_line
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage, Survey
from edsnb.core.regions import Spectra
from edsnb.errors import FileFormatError, InputError, NoMapError
from edsnb.io.dense import dense_events
from edsnb.io.files import Progress, distinct, existing_file, sha256

Dictionary = Mapping[str, Any]

LAZY_BYTES = 200_000_000
"""Larger files are read lazily where their reader can, so that the dense cube is never whole in memory."""
NM = {"m": 1e9, "mm": 1e6, "µm": 1e3, "μm": 1e3, "um": 1e3, "nm": 1.0, "Å": 0.1, "pm": 1e-3}
KEV = {"kev": 1.0, "ev": 1e-3}
OTHER_SPECTRA = ("EELS", "CL", "XPS", "Luminescence", "Raman")
"""Signal types that may have an axis in eV but are not EDS."""


def open_vendor(
    path: str | PathLike[str], *, spectrum_image: int | str | None = None, progress: Progress | None = None
) -> SpectrumImage:
    """Read a file with RosettaSciIO.

    Parameters
    ----------
    path
        The file; its extension says the format.
    spectrum_image
        Which EDS data set to read where the file holds several: its number from 0, or its title.
    progress
        Called as ``progress(done, total)``; returning False cancels.

    Returns
    -------
    SpectrumImage. A line scan is a map of one row; a single spectrum stands in `spectra`, without a map.

    Raises
    ------
    FileFormatError
        The file is missing or damaged, of an unknown format, or holds several maps without a choice.
    NoMapError
        The file holds no EDS data.
    CancelledError
        `progress` returned False.
    """
    source = existing_file(path)
    signals = _load(source)
    chosen = _choose([s for s in signals if _energy_index(s) is not None], spectrum_image, source, signals)
    data_file = source.with_suffix(".raw")
    digest = sha256(data_file if source.suffix.lower() == ".rpl" and data_file.is_file() else source)
    image = from_dictionary(chosen, source=str(source), digest=digest, progress=progress)
    return replace(image, surveys=_surveys(signals))


def from_dictionary(
    dictionary: Dictionary, *, source: str = "", digest: str = "", progress: Progress | None = None
) -> SpectrumImage:
    """Return a signal dictionary of RosettaSciIO as a SpectrumImage.

    Parameters
    ----------
    dictionary
        `data`, `axes`, `metadata`, and where there are any `original_metadata` and `mapping`. The data may be lazy or
        sparse; they are read a block of pixels at a time.
    source
        Where it comes from; by default the file name in the metadata.
    digest
        Digest of the input; by default that of the counts.
    progress
        Called as ``progress(done, total)``; returning False cancels.

    Raises
    ------
    InputError
        There is no energy axis in keV or eV, more than two others, or the values cannot be counts.
    """
    index = _energy_index(dictionary)
    axes = _axes(dictionary)
    if index is None or len(axes) > 3:
        raise InputError(
            f"data of {len(axes)} axes ({', '.join(str(a.get('name')) for a in axes)}) are no EDS map: one linear axis "
            "in keV or eV and up to two others are needed."
        )
    metadata = _mapped_metadata(dictionary)
    energy = _energy_axis(axes[index])
    data = dictionary["data"]
    order = [k for k in range(len(axes)) if k != index]
    data = data.transpose([*order, index]) if index != len(axes) - 1 else data
    sizes = [int(axes[k]["size"]) for k in order]
    events = dense_events(data.reshape((int(np.prod(sizes)), energy.size)), progress=progress)
    acquisition, elements = _acquisition(metadata), _elements(metadata)
    source = source or str(_look(metadata, "General", "original_filename") or "")
    digest = digest or counts_digest(events)
    common: dict[str, Any] = {"elements": elements, "source": source, "digest": digest}
    if not order:
        title = str(_look(metadata, "General", "title") or "spectrum")
        spectra = Spectra(events.to_dense(), energy, (title,), acquisition, **common)
        note = "a single spectrum, no map: it can be fitted and quantified, but there is nothing to cut into chips."
        return SpectrumImage((0, 0), energy, None, acquisition, spectra=spectra, notes=(note,), **common)
    shape = (1, sizes[0]) if len(order) == 1 else (sizes[0], sizes[1])
    notes = ("a line scan: read as a map of one row.",) if len(order) == 1 else ()
    pixel = _pixel_nm(axes[order[-1]])
    return SpectrumImage(shape, energy, events, acquisition, pixel, software=_software(source), notes=notes, **common)


def counts_digest(events: Events) -> str:
    """Return the SHA-256 of the counts, for data without a file."""
    digest = hashlib.sha256()
    for part in (events.indptr, events.channel, events.count):
        digest.update(np.ascontiguousarray(part if part is not None else ()).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Plugin:
    name: str
    module: str


def _load(source: Path) -> list[Dictionary]:
    """Return the signals of a file, from the first of RosettaSciIO's readers for its extension that can read it."""
    plugins = _plugins(source)
    if not plugins:
        raise FileFormatError(
            f"{source}: no reader for {source.suffix or 'files without extension'}. edsnb reads Velox .emd, .h5oina "
            "and what RosettaSciIO reads: .bcf, .spd, .dm4, .hspy, .msa, .rpl, .pts, .ser and more."
        )
    reasons = []
    for plugin in plugins:
        try:
            return _run(plugin, source)
        except Exception as error:  # noqa: BLE001  the readers raise whatever a damaged file makes them stumble on
            reasons.append(f"{plugin.name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    raise FileFormatError(f"{source} cannot be read, it is damaged or of another kind ({'; '.join(reasons)}).")


def _plugins(source: Path) -> list[_Plugin]:
    from rsciio import IO_PLUGINS

    extension = source.suffix.lower().lstrip(".")
    return [
        _Plugin(str(p["name"]), str(p["api"]))
        for p in IO_PLUGINS
        if extension and extension in {str(e).lower() for e in p["file_extensions"]}
    ]


def _run(plugin: _Plugin, source: Path) -> list[Dictionary]:
    """Run one reader, lazily for large files where it can."""
    reader = importlib.import_module(plugin.module).file_reader
    with _quiet():
        if source.stat().st_size > LAZY_BYTES:
            try:
                return list(reader(str(source), lazy=True))
            except (NotImplementedError, TypeError):
                pass
        return list(reader(str(source)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the readers' warnings to themselves: what matters of them is checked on the result."""
    logger = logging.getLogger("rsciio")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _choose(
    found: Sequence[Dictionary], pick: int | str | None, source: Path, signals: Sequence[Dictionary]
) -> Dictionary:
    """Return the EDS data set of a file: the largest kind there is, the picked one where there are several."""
    if not found:
        held = ", ".join(f"{s['metadata'].get('General', {}).get('title', '?')} {s['data'].shape}" for s in signals)
        raise NoMapError(f"{source} holds no EDS data: it has {held or 'nothing'}. Open the file saved with the map.")
    most = max(s["data"].ndim for s in found)
    titles = [str(_look(s["metadata"], "General", "title") or "") for s in found]
    listed = ", ".join(
        f"{k} = {t or 'untitled'} {s['data'].shape}" for k, (t, s) in enumerate(zip(titles, found, strict=True))
    )
    if pick is not None:
        chosen = [s for k, (t, s) in enumerate(zip(titles, found, strict=True)) if pick in (k, t)]
        if len(chosen) != 1:
            raise InputError(f"spectrum_image={pick!r} names {len(chosen)} of the data sets in {source} ({listed}).")
        return chosen[0]
    largest = [s for s in found if s["data"].ndim == most]
    if len(largest) > 1 and most > 1:
        raise FileFormatError(
            f"{source} holds {len(largest)} EDS maps ({listed}); choose one: edsnb.open(path, spectrum_image=0)."
        )
    return largest[0]


def _look(tree: Any, *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _axes(dictionary: Dictionary) -> list[Dictionary]:
    """Return the axes in the order of the array's dimensions."""
    axes = list(dictionary["axes"])
    if all("index_in_array" in axis for axis in axes):
        axes.sort(key=lambda axis: int(axis["index_in_array"]))
    return axes


def _energy_index(dictionary: Dictionary) -> int | None:
    """Return which dimension is X-ray energy, None where the signal is not EDS."""
    kind = str(_look(dictionary["metadata"], "Signal", "signal_type") or "")
    axes = _axes(dictionary)
    if kind.startswith(OTHER_SPECTRA) or len(axes) != dictionary["data"].ndim or not axes:
        return None
    by_unit = [k for k, axis in enumerate(axes) if str(axis.get("units")).strip().lower() in KEV]
    if len(by_unit) == 1:
        return by_unit[0]
    signal = [k for k, axis in enumerate(axes) if axis.get("navigate") is False] or [len(axes) - 1]
    return signal[0] if kind.startswith("EDS") and len(signal) == 1 else None


def _energy_axis(axis: Dictionary) -> EnergyAxis:
    """Return an axis as an energy axis in keV; without a unit, channels of 0.5 and wider are in eV."""
    if "axis" in axis:
        values = np.asarray(axis["axis"], float)
        scale, offset = float(np.ptp(values)) / max(len(values) - 1, 1), float(values[0])
        if np.abs(values - offset - scale * np.arange(len(values))).max() > 0.1 * scale:
            raise InputError(f"the energy axis {axis.get('name')} is not linear; edsnb needs channels of one width.")
        size = len(values)
    else:
        size, scale, offset = int(axis["size"]), float(axis["scale"]), float(axis["offset"])
    unit = KEV.get(str(axis.get("units")).strip().lower(), 1e-3 if scale >= 0.5 else 1.0)
    return EnergyAxis(size, scale * unit, offset * unit)


def _pixel_nm(axis: Dictionary) -> float | None:
    factor = NM.get(str(axis.get("units")).strip())
    scale = axis.get("scale")
    return None if factor is None or scale is None else abs(float(scale)) * factor


def _mapped_metadata(dictionary: Dictionary) -> dict[str, Any]:
    """Return the metadata, completed from the original metadata as the reader's `mapping` says."""
    metadata = _copied(dictionary.get("metadata") or {})
    for path, (target, convert) in (dictionary.get("mapping") or {}).items():
        value = _look(dictionary.get("original_metadata"), *path.split("."))
        if value is None or not target:
            continue
        try:
            value = convert(value) if convert else value
        except (TypeError, ValueError, LookupError):
            continue
        *groups, name = target.split(".")
        node = metadata
        for group in groups:
            node = node.setdefault(group, {})
        node.setdefault(name, value)
    return metadata


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()}


def _number(tree: Any, *keys: str, factor: float = 1.0) -> float | None:
    try:
        value = float(_look(tree, *keys)) * factor
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _acquisition(metadata: Dictionary) -> Acquisition:
    """Return what HyperSpy's metadata tree says of the microscope."""
    instruments = _look(metadata, "Acquisition_instrument") or {}
    instrument = instruments.get("TEM") or instruments.get("SEM") or {}
    eds = _look(instrument, "Detector", "EDS") or {}
    frames = _number(eds, "number_of_frames")
    return Acquisition(
        beam_kev=_number(instrument, "beam_energy"),
        take_off_deg=_number(eds, "elevation_angle"),
        azimuth_deg=_number(eds, "azimuth_angle"),
        tilt_deg=_number(instrument, "Stage", "tilt_alpha"),
        live_time_s=_number(eds, "live_time"),
        real_time_s=_number(eds, "real_time"),
        frames=None if frames is None else int(frames),
        current_pa=_number(instrument, "beam_current", factor=1e3),
        solid_angle_sr=_number(eds, "solid_angle"),
        resolution_ev=_number(eds, "energy_resolution_MnKa"),
        detector=str(eds["detector_type"]) if eds.get("detector_type") else None,
    )


def _elements(metadata: Dictionary) -> tuple[ElementSetting, ...]:
    """Return the sample's elements, with the shell of the line chosen for each."""
    shells = dict(parse_line(str(line)) for line in _look(metadata, "Sample", "xray_lines") or ())
    return tuple(ElementSetting(str(s), shells.get(str(s))) for s in _look(metadata, "Sample", "elements") or ())


def _surveys(signals: Sequence[Dictionary]) -> dict[str, Survey]:
    """Return the images of a file by title."""
    found: dict[str, Survey] = {}
    for signal in signals:
        data = signal["data"]
        if data.ndim != 2 or data.dtype.kind not in "uif" or _energy_index(signal) is not None:
            continue
        name = distinct(str(_look(signal["metadata"], "General", "title") or "image"), found)
        image: Array = np.asarray(data, np.float32)
        found[name] = Survey(name, image, _pixel_nm(_axes(signal)[1]))
    return found


def _software(source: str) -> str:
    extension = Path(source).suffix
    return f"{extension.lstrip('.')} file, read with RosettaSciIO" if extension else ""

"""Write a map as a Velox .emd file (EMD 11), and the truth of a simulation beside it.

Words, markers and streams are as in `stream`. The frame of each X-ray of a map is not known any more; it is
drawn at random, as it was when they came in, from the counter-based numbers of `simulation.draw`: the same map gives
the same bytes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from os import PathLike
from pathlib import Path

import h5py
import numba
import numpy as np

from edsnb.core.events import Array, Events
from edsnb.core.image import SpectrumImage, Survey
from edsnb.core.simulation.draw import Stream, bits, key_of
from edsnb.core.simulation.simulate import Simulation
from edsnb.core.simulation.truth import Truth
from edsnb.errors import FileFormatError, InputError, OutputError
from edsnb.io.files import existing_file
from edsnb.io.velox.layout import Json, Layout
from edsnb.io.velox.stream import MARKER

_CHUNK = 8192
_METADATA_BYTES = 60000


def write_velox(
    source: Simulation | SpectrumImage, path: str | PathLike[str], *, segments: int = 1, overwrite: bool = False
) -> Path:
    """Write a map as a Velox .emd file; for a simulation, its truth as ``OUT.truth.json`` beside it.

    Parameters
    ----------
    source
        A simulation, whose HAADF frames are written too, or any map whose counts are whole numbers: its HAADF (else
        its counts) is written as one frame.
    path
        ``OUT.emd``. Nothing stands there under that name until all of it is written.
    segments
        Detector segments, one stream each, among which the X-rays are divided at random.
    overwrite
        Replace files that are present.

    Returns
    -------
    The path.

    Raises
    ------
    OutputError
        The file, or its truth, is present already or cannot be written.
    InputError
        The map's counts are not whole numbers, or it has more than 65,535 channels.
    NoMapError
        There is no map.
    """
    target = Path(path)
    image = source.image if isinstance(source, Simulation) else source
    events = _check(image, segments)
    layout, frames = _layout(source, segments)
    with ExitStack() as stack:
        # Both files get their names at the end, so that neither stands without the other.
        if isinstance(source, Simulation):
            _dump(source.truth, stack.enter_context(_replacing(truth_path(target), overwrite)))
        file = stack.enter_context(h5py.File(stack.enter_context(_replacing(target, overwrite)), "w"))
        for name, document in layout.documents():
            _write_document(file, name, document)
        _write_survey(file, layout, frames)
        _write_map(file, layout)
        _write_streams(file, layout, events)
    return target


def truth_path(path: str | PathLike[str]) -> Path:
    """Return where the truth of a simulated file stands: ``OUT.truth.json`` beside ``OUT.emd``."""
    return Path(path).with_suffix(".truth.json")


def write_truth(truth: Truth, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the truth of a simulation as JSON; raise OutputError where that cannot be done."""
    target = Path(path)
    with _replacing(target, overwrite) as temporary:
        _dump(truth, temporary)
    return target


def _dump(truth: Truth, path: Path) -> None:
    """Write a truth as JSON, one line a field."""
    fields = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in truth.to_dict().items())
    path.write_text("{\n" + ",\n".join(fields) + "\n}\n", encoding="utf-8")


def read_truth(path: str | PathLike[str]) -> Truth:
    """Read the truth of a simulation: the JSON file, or the .emd file that it stands beside."""
    found = existing_file(truth_path(path) if Path(path).suffix == ".emd" else path)
    try:
        return Truth.from_dict(json.loads(found.read_text(encoding="utf-8")))
    except ValueError as error:
        raise FileFormatError(f"{found} is not readable JSON ({error}).") from error
    except FileFormatError as error:
        raise FileFormatError(f"{found}: {error}") from error


def _check(image: SpectrumImage, segments: int) -> Events:
    """Return the events of a map that a stream can hold."""
    events = image.require_events()
    if events.channels > MARKER:
        raise InputError(f"a Velox stream holds up to {MARKER} channels, this map has {events.channels}; rebin it.")
    if events.count is not None and not np.issubdtype(events.count.dtype, np.integer):
        raise InputError("a Velox stream holds single X-rays, this map's counts are not whole numbers.")
    if not 1 <= segments <= 4:
        raise InputError(f"{segments} detector segments cannot be; choose 1 to 4.")
    return events


def _layout(source: Simulation | SpectrumImage, segments: int) -> tuple[Layout, Array]:
    """Return the layout of the file and the frames of the image in it (frames, ny, nx)."""
    if isinstance(source, Simulation):
        survey = source.image.surveys["HAADF"]
        return Layout(source.image, survey, len(source.haadf_frames), segments), source.haadf_frames
    survey = source.haadf or Survey("Counts", source.counts_map().astype(np.float32), source.pixel_nm)
    return Layout(source, survey, source.acquisition.frames or 1, segments), survey.image[None]


def _write_document(file: h5py.File, name: str, document: Json) -> None:
    """Write a JSON document as a one-element text dataset."""
    text = json.dumps(document, indent=4).encode("ascii")
    kind = h5py.string_dtype("ascii")
    file.create_dataset(name, data=np.array([text], object), dtype=kind, chunks=(1,), maxshape=(1,))


def _write_metadata(group: h5py.Group, layout: Layout, detector: str, frames: range) -> None:
    """Write the metadata of these frames, one zero-padded column each."""
    columns = np.zeros((_METADATA_BYTES, len(frames)), np.uint8)
    for column, frame in enumerate(frames):
        text = json.dumps(layout.metadata(detector, frame), separators=(",", ":")).encode("ascii")
        columns[: len(text), column] = np.frombuffer(text, np.uint8)
    size = (_METADATA_BYTES, 1)
    group.create_dataset("Metadata", data=columns, chunks=size, maxshape=(_METADATA_BYTES, None))


def _write_survey(file: h5py.File, layout: Layout, frames: Array) -> None:
    """Write the image's frames, each a chunk of its own."""
    count, ny, nx = frames.shape
    group = file.create_group(f"Data/Image/{layout.uuid('survey')}")
    data = group.create_dataset("Data", (ny, nx, count), frames.dtype, chunks=(ny, nx, 1), maxshape=(ny, nx, None))
    for frame in range(count):
        data[:, :, frame] = frames[frame]
    table = np.arange(count, dtype=np.uint32)
    group.create_dataset("FrameLookupTable", data=table, chunks=(1,), maxshape=(None,))
    _write_metadata(group, layout, layout.survey.name, range(layout.frames - count, layout.frames))


def _write_map(file: h5py.File, layout: Layout) -> None:
    """Write the group of the map itself, without the packed copy of it that Velox keeps there."""
    group = file.create_group(f"Data/SpectrumImage/{layout.uuid('map')}")
    settings = {"startFramePosition": "1", "endFramePosition": str(layout.frames)}
    _write_document(file, f"{group.name}/SpectrumImageSettings", settings)
    _write_metadata(group, layout, layout.detectors[0][:-1], range(layout.frames - 1, layout.frames))


def _write_streams(file: h5py.File, layout: Layout, events: Events) -> None:
    """Write the X-rays of each segment, frame after frame, and its spectrum."""
    key = key_of(int(layout.uuid("frames")[:16], 16), Stream.FRAMES)
    words, starts = to_words(events, layout.segments * layout.frames, key)
    for index, name in enumerate(layout.detectors):
        own = starts[index * layout.frames : (index + 1) * layout.frames + 1]
        stream = words[own[0] : own[-1]]
        group = file.create_group(f"Data/SpectrumStream/{layout.uuid(f'SpectrumStream {name}')}")
        _write_document(file, f"{group.name}/AcquisitionSettings", layout.acquisition_settings())
        group.create_dataset("Data", data=stream[:, None], chunks=(_CHUNK, 1), maxshape=(None, 1))
        table = (own[:-1] - own[0]).astype(np.uint64)[:, None]
        group.create_dataset("FrameLocationTable", data=table, chunks=(_CHUNK, 1), maxshape=(None, 1))
        _write_metadata(group, layout, name, range(layout.frames))
        group = file.create_group(f"Data/Spectrum/{layout.uuid(f'Spectrum {name}')}")
        spectrum = np.zeros(MARKER + 1, np.uint32)
        _count_words(stream, spectrum)
        shape = (events.channels, 1)
        group.create_dataset("Data", data=spectrum[: shape[0], None], chunks=shape, maxshape=(shape[0], None))
        _write_metadata(group, layout, name, range(layout.frames - 1, layout.frames))


def to_words(events: Events, parts: int, key: np.uint64) -> tuple[Array, Array]:
    """Divide the X-rays of a map at random into parts (frames of segments), each a raster of its own.

    Returns
    -------
    words (N + parts * P,) uint16: part after part, the channels of each pixel followed by a marker.
    starts (parts + 1,) int64, where each part begins.
    """
    ones = events.count is None
    count = np.ones(1, np.uint8) if events.count is None else events.count
    sizes = np.full(parts, events.pixels, np.int64)
    _count_parts(count, ones, len(events.channel), key, sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    words = np.empty(starts[-1], np.uint16)
    _fill_parts(events.indptr, events.channel, count, ones, key, starts[:-1].copy(), words)
    return words, starts


@numba.njit(cache=True, nogil=True)
def _part_of(key, xray, parts):  # type: ignore[no-untyped-def]  # pragma: no cover
    return int(((bits(key, xray) >> np.uint64(32)) * np.uint64(parts)) >> np.uint64(32))


@numba.njit(cache=True, nogil=True)
def _count_parts(count, ones, entries, key, sizes):  # type: ignore[no-untyped-def]  # pragma: no cover
    xray = 0
    for i in range(entries):
        for _ in range(1 if ones else int(count[i])):
            sizes[_part_of(key, xray, len(sizes))] += 1
            xray += 1


@numba.njit(cache=True, nogil=True)
def _fill_parts(indptr, channel, count, ones, key, cursor, words):  # type: ignore[no-untyped-def]  # pragma: no cover
    parts = len(cursor)
    xray = 0
    for p in range(len(indptr) - 1):
        for i in range(indptr[p], indptr[p + 1]):
            for _ in range(1 if ones else int(count[i])):
                part = _part_of(key, xray, parts)
                words[cursor[part]] = channel[i]
                cursor[part] += 1
                xray += 1
        for part in range(parts):
            words[cursor[part]] = MARKER
            cursor[part] += 1


@numba.njit(cache=True, nogil=True)
def _count_words(words, spectrum):  # type: ignore[no-untyped-def]  # pragma: no cover
    for word in words:
        spectrum[word] += 1


@contextmanager
def _replacing(path: Path, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name in the same folder, and move the file to `path` once it is complete."""
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} is present already; choose another name, or say --overwrite (in Python overwrite=True)."
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); check the folder, its permissions and free space."
        ) from error
    finally:
        # Where the folder is none, there is nothing to take away either.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)

"""Which raster and which frames the streams of a Velox map hold.

A file names several rasters: the scanned area, the images taken with the map, surveys taken before
it, and the full scan. Only some of them are the map's, and the streams do not say which. But they
have ny * nx * frames markers, so they decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array
from edsnb.errors import FileFormatError, InputError
from edsnb.io.velox.settings import Json, number

Shape = tuple[int, int]
Frames = int | slice | Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Raster:
    """What the markers settled on."""

    shape: Shape
    """(ny, nx)."""
    frames: int
    note: str | None = None
    """What a reader should know where the markers do not fit to the last one."""


def scanned_shape(metadata: Json) -> Shape | None:
    """Return (ny, nx) of the scanned area: ``Scan.ScanSize`` times ``Scan.ScanArea``."""
    size = [number(metadata, "Scan", "ScanSize", side) for side in ("height", "width")]
    edges = [number(metadata, "Scan", "ScanArea", edge) for edge in ("top", "bottom", "left", "right")]
    if not all(size):
        return None
    top, bottom, left, right = (e if e is not None else d for e, d in zip(edges, (0.0, 1.0, 0.0, 1.0), strict=True))
    ny, nx = (round(float(s or 0) * part) for s, part in zip(size, (bottom - top, right - left), strict=True))
    return (ny, nx) if ny > 0 and nx > 0 else None


def candidates(metadata: Json, images: Iterable[Shape], settings: Json) -> list[Shape]:
    """Return the rasters a map may have, likeliest first: scanned area, images by number, full scan."""
    scan = [number(settings, "RasterScanDefinition", side) for side in ("Height", "Width")]
    full = [(int(scan[0]), int(scan[1]))] if scan[0] and scan[1] else []
    common = [shape for shape, _ in Counter(images).most_common()]
    area = scanned_shape(metadata)
    return list(dict.fromkeys([*([area] if area else []), *common, *full]))


def choose_raster(
    shapes: Sequence[Shape], frames: Mapping[Shape, set[int]], markers: Mapping[str, int], frame_pixels: int | None
) -> Raster:
    """Return the raster that the markers of all streams agree with.

    Parameters
    ----------
    shapes
        Candidates (ny, nx), likeliest first.
    frames
        Numbers of frames that the file gives, for each candidate.
    markers
        Markers in each segment's stream.
    frame_pixels
        Pixels of the first frame by the frame table, None where there is no such table.

    Raises
    ------
    FileFormatError
        No candidate fits; the message gives all numbers.
    """
    fitting = [s for s in shapes if frame_pixels is None or s[0] * s[1] == frame_pixels]
    for fits in (_fits_exactly, _misses_part_of_a_row, _stopped_in_a_frame):
        for shape in fitting:
            for count in sorted(frames[shape], reverse=True):
                raster = fits(shape, count, markers.values())
                if raster is not None:
                    return raster
    asked = "; ".join(f"{ny} x {nx} with {sorted(frames[ny, nx])} frames" for ny, nx in shapes) or "none"
    found = ", ".join(f"{name} {count}" for name, count in markers.items())
    table = "" if frame_pixels is None else f", and the frame table gives {frame_pixels} pixels a frame"
    raise FileFormatError(
        f"the raster of the map cannot be told: its streams have these pixel markers: {found}{table}; rasters named in "
        f"the file (y x x): {asked}. Neither ny * nx * frames nor one less fits. Please report this file."
    )


def _fits_exactly(shape: Shape, frames: int, markers: Iterable[int]) -> Raster | None:
    whole = shape[0] * shape[1] * frames
    return Raster(shape, frames) if all(whole - count in (0, 1) for count in markers) else None


def _misses_part_of_a_row(shape: Shape, frames: int, markers: Iterable[int]) -> Raster | None:
    whole = shape[0] * shape[1] * frames
    missing = whole - min(markers)
    if not 0 <= missing < shape[1] or max(markers) > whole:
        return None
    note = f"{missing} of {whole} pixel markers are missing: X-rays may be displaced by up to {missing} pixels."
    return Raster(shape, frames, note)


def _stopped_in_a_frame(shape: Shape, frames: int, markers: Iterable[int]) -> Raster | None:
    pixels = shape[0] * shape[1]
    whole = min(markers) // pixels
    if whole < 1 or whole not in (frames, frames - 1) or max(markers) // pixels != whole:
        return None
    note = f"the acquisition stopped inside frame {whole + 1}; that incomplete frame is left out."
    return Raster(shape, whole, note)


def choose_frames(frames: Frames, total: int, settings: Json) -> tuple[Array, str | None]:
    """Return which of `total` frames to sum, (total,) bool, and a note where the file itself leaves some out.

    Parameters
    ----------
    frames
        Frame numbers counted from 0: one, a slice, a range or a sequence. None takes the frames that Velox shows
        (``startFramePosition`` and ``endFramePosition``, counted from 1).

    Raises
    ------
    InputError
        A frame is outside the file or given twice, or none is left.
    """
    keep = np.zeros(total, bool)
    if frames is None:
        start = int(number(settings, "startFramePosition") or 1)
        end = int(number(settings, "endFramePosition") or total)
        keep[max(start - 1, 0) : end] = True
        if not keep.any():
            keep[:] = True
        part = f"frames {start} to {end} of {total} are summed, as set in Velox; give frames=range({total}) for all."
        return keep, None if keep.all() else part
    wanted = range(total)[frames] if isinstance(frames, slice) else np.atleast_1d(frames).tolist()
    outside = [f for f in wanted if not (isinstance(f, int) and 0 <= f < total)]
    if outside or not len(wanted) or len(set(wanted)) != len(wanted):
        raise InputError(
            f"frames {frames!r} cannot be summed: the map has frames 0 to {total - 1}; give at least one, each once."
        )
    keep[list(wanted)] = True
    return keep, None

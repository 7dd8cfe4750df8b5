"""Compositions to compare with, by one line of text: the sources of ``edsnb compare``.

=================== ==========================================================================================
source              what is read
=================== ==========================================================================================
velox, velox-log    the experiment log of the opened .emd file
velox-log:FILE      the experiment log of another .emd file
velox-maps          the element maps stored in the opened file
velox-maps:FILE     those of another file
velox:PATH          a table that Velox exported, or a folder of its batches
table:PATH          a table compiled by hand, CSV or XLSX, or edsnb's own chips.csv
=================== ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edsnb.core.comparison.composition import Composition
from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import ChipGrid, Regions, as_regions
from edsnb.errors import FileFormatError, InputError
from edsnb.io.opening import open_file
from edsnb.io.velox.log import velox_log
from edsnb.io.velox.maps import velox_maps
from edsnb.io.velox_tables.read import METHOD, read_velox_tables
from edsnb.io.words import names, number, whole

_TABLE_SETTINGS: dict[str, Callable[[str], Any]] = {
    "by": str.strip,
    "batch": whole,
    "first": whole,
    "sheet": str.strip,
    "ignore": names,
    "least_sum": number,
}
"""Settings of `read_velox_tables` that can be typed, and what reads them."""
SOURCES = ("velox", "velox-log", "velox-maps", "table")
_HELP = "velox:PATH (exported tables), velox or velox-log[:FILE] (the log), velox-maps[:FILE], table:PATH"


def open_composition(
    text: str,
    image: SpectrumImage | None = None,
    regions: ChipGrid | Regions | Array | Mapping[str, Array] | None = None,
    **options: Any,
) -> Composition:
    """Read the composition that a source names; see the module for the sources.

    Parameters
    ----------
    text
        The source.
    image
        The map that is compared; needed where the source names no file.
    regions
        Its chips, in any of the forms `chip` takes: what tables and maps are brought to.
    options
        Passed on: to `read_velox_tables` for ``velox:`` and ``table:``, to `velox_maps` for ``velox-maps``.

    Raises
    ------
    InputError
        The source is not understood, or needs an image or regions that were not given.
    EdsnbError
        What the reader of the source raises.
    """
    kind, given, rest = text.strip().partition(":")
    kind, rest = kind.strip().casefold(), rest.strip()
    if kind not in SOURCES or (kind == "table" and not rest) or (given and not rest and kind != "velox-log"):
        hint = f" If it is a file, say velox:{text} or table:{text}." if Path(text).exists() else ""
        raise InputError(f"source {text!r} is not understood: give {_HELP}.{hint}")
    if kind == "velox-maps":
        if regions is None:
            raise InputError("velox-maps needs the regions to bring the maps to: a chip grid or regions of the map.")
        source = _of_one_raster(open_file(rest), image, text) if rest else _opened(image, text)
        return velox_maps(source, regions, **options)
    if kind == "velox-log" or not rest:
        if options:
            raise InputError(f"source {text!r}: a log takes no options; found {', '.join(options)}.")
        return (
            velox_log(rest, image=_file_of(rest, image))
            if rest
            else velox_log(_opened(image, text).source, image=image)
        )
    method = METHOD if kind == "velox" else f"table {Path(rest).name}"
    return read_velox_tables(rest, _chips(image, regions), **{"method": method, **options})


def table_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read settings of `read_velox_tables` from texts such as ``by=order``, ``batch=8`` or ``ignore=Thickness,Note``.

    Raises
    ------
    InputError
        A text is no such setting, its value cannot be read, or a setting stands twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value or name not in _TABLE_SETTINGS:
            raise InputError(f"setting of tables {text!r} is not NAME=VALUE with one of {', '.join(_TABLE_SETTINGS)}.")
        if name in found:
            raise InputError(f"setting of tables {name} stands twice.")
        try:
            found[name] = _TABLE_SETTINGS[name](value)
        except InputError as error:
            raise InputError(f"setting of tables {text!r}: {error}.") from None
    return found


def _opened(image: SpectrumImage | None, text: str) -> SpectrumImage:
    """Return the image, or raise where there is none."""
    if image is None:
        raise InputError(f"source {text!r} stands for the opened file, but none is open. Name it: {text}:FILE.emd.")
    return image


def _of_one_raster(other: SpectrumImage, image: SpectrumImage | None, text: str) -> SpectrumImage:
    """Return the file whose maps are meant, or raise where they cannot lie on the opened map."""
    there = next((m.image.shape for m in other.maps if m.element is not None), (0, 0))
    if image is not None and (0, 0) not in (image.shape, there) and there != image.shape:
        raise InputError(
            f"source {text!r}: its maps have {there[0]} x {there[1]} pixels, the opened map {image.shape[0]} x "
            f"{image.shape[1]}. Only maps of one raster can be compared; name the file of this map."
        )
    return other


def _file_of(path: str, image: SpectrumImage | None) -> SpectrumImage | None:
    """Return the file of a log, opened, since its stored spectra have the names that others know them by."""
    if image is not None and Path(image.source).exists() and Path(path).exists() and Path(path).samefile(image.source):
        return image
    try:
        return open_file(path)
    except FileFormatError:
        # A log may be all that can be read of a file; if not even that, reading the log says why.
        return None


def _chips(
    image: SpectrumImage | None, regions: ChipGrid | Regions | Array | Mapping[str, Array] | None
) -> Regions | None:
    """Return the regions that a table's names belong to."""
    if regions is None or (isinstance(regions, Regions) and image is None):
        return regions
    if image is None:
        raise InputError("the regions need a map: give the image too, or Regions (spectra.regions).")
    return as_regions(regions, image.shape)

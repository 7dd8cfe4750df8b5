"""Hand-overs as pictures: image folders, folders of classes, pyCHIP's tree. One contrast for all chips of a map."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edsnb.core.events import Array
from edsnb.io.fewshot.chips import Chips, file_stems
from edsnb.io.fewshot.formats import Format
from edsnb.io.fewshot.names import Naming, file_name, in_order
from edsnb.io.fewshot.tables import png, write_index, write_metadata
from edsnb.io.files import Progress

_JPEG = {"quality": 95, "subsampling": 0}
"""No colour is smeared over its neighbours, as at the usual 75 with every second pixel's colour."""


def write_imagefolder(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write 8-bit PNG with ``metadata.parquet``.

    No ``metadata.jsonl`` besides: `datasets` refuses a folder with two of them, and JSON has no NaN.
    """
    return _write_imagefolder(chips, folder / "imagefolder", 8, Format.IMAGEFOLDER)


def write_imagefolder16(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write 16-bit PNG with ``metadata.parquet``."""
    return _write_imagefolder(chips, folder / "imagefolder16", 16, Format.IMAGEFOLDER16)


def _write_imagefolder(chips: Chips, inside: Path, bits: int, asked: Format) -> dict[str, Any]:
    """Write an image folder for `datasets`."""
    patches = chips.require_patches(asked)
    inside.mkdir()
    grey = patches.grey(bits)
    files = [f"{stem}.png" for stem in file_stems(chips)]
    for k, file in enumerate(files):
        (inside / file).write_bytes(png(_patch(grey, patches.boxes[k])))
    write_metadata(chips, inside / "metadata.parquet", files)
    return {"bits": bits, "limits": patches.limits(bits)}


def write_classes(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write the labelled chips into a folder a class; 8 bits, because 16 become white in torchvision."""
    patches = chips.require_patches(Format.CLASSES)
    inside = folder / "classes"
    grey, stems, places = patches.grey(), file_stems(chips), _places(chips)
    files, order = [], []
    for label, names in chips.labels.items():
        (inside / label).mkdir(parents=True)
        for k in (places[name] for name in names):
            (inside / label / f"{stems[k]}.png").write_bytes(png(_patch(grey, patches.boxes[k])))
            files.append(f"{label}/{stems[k]}.png")
            order.append(k)
    write_index(chips, inside, files, order)
    return {"bits": 8, "limits": patches.limits()}


def write_pychip(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write pyCHIP's tree: the image, every chip as a query, and copies of the labelled ones as the support set."""
    patches = chips.require_patches(Format.PYCHIP)
    patches.require_grid("export: pychip")
    cells = patches.regions.cells
    if cells is None:
        raise TypeError("a grid has rows and columns")
    inside = folder / "pychip" / chips.name
    queries, support = inside / "query" / "all_queries", inside / "support_set"
    queries.mkdir(parents=True)
    grey = patches.grey()
    y0, y1, x0, x1 = patches.covered()
    (inside / "haadf.png").write_bytes(png(grey[y0:y1, x0:x1]))
    draw = _jpeg_writer() if chips.naming is Naming.GUI else _write_png
    names = [file_name(chips.naming, row, col) for row, col in cells.tolist()]
    for k, name in enumerate(names):
        draw(_patch(grey, patches.boxes[k]), queries / name)
    places = _places(chips)
    for label, labelled in chips.labels.items():
        (support / label).mkdir(parents=True)
        for chip in labelled:
            shutil.copyfile(queries / names[places[chip]], support / label / names[places[chip]])
    order = in_order(chips.naming, cells.tolist())
    write_index(chips, inside, [f"query/all_queries/{names[k]}" for k in order], order)
    return {"naming": str(chips.naming), "bits": 8, "limits": patches.limits()}


def _jpeg_writer() -> Callable[[Array, Path], None]:
    """Return what writes grey levels as pyCHIP's GUI does: RGB in viridis, 0 to 255."""
    from matplotlib import colormaps
    from PIL import Image

    colours = colormaps["viridis"](np.arange(256), bytes=True)[:, :3]

    def write(grey: Array, path: Path) -> None:
        Image.fromarray(np.ascontiguousarray(colours[grey])).save(path, "JPEG", **_JPEG)

    return write


def _write_png(grey: Array, path: Path) -> None:
    """Write grey levels as PNG."""
    path.write_bytes(png(grey))


def _patch(picture: Array, box: Array) -> Array:
    """Return the part of a picture inside a box."""
    y0, x0, height, width = box.tolist()
    return np.ascontiguousarray(picture[y0 : y0 + height, x0 : x0 + width])


def _places(chips: Chips) -> dict[str, int]:
    """Return the place of each chip by name."""
    return {name: k for k, name in enumerate(chips.analysis.spectra.names)}

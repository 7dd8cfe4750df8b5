"""Hand-overs as tables and arrays: Parquet (one row a chip), NPZ, and the published script's files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import Status
from edsnb.errors import InputError
from edsnb.io.fewshot.chips import PLACES, Chips, describe_features, file_stems
from edsnb.io.files import Progress

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**30
"""Bytes of a stack of patches above which irregular regions are refused."""
UNITS = {
    "chip": "name of the chip",
    "row, col": "place in the chip grid, from 0, row 0 on top",
    "y0, x0": "first pixel of the box on the map",
    "height, width": "size of the box in pixels",
    "pixels": "pixels of the region",
    "counts": "X-rays in the fitted channels",
    "status": "ok, or why a chip has no numbers: " + "; ".join(f"{s.name.lower()}: {s.sentence}" for s in Status),
    "chi2": "reduced chi-square of the fit",
    "I_<family>, sd_I_<family>": "counts of the line family, and their standard deviation",
    "at_<El>, sd_at_<El>": "atomic percent, and its standard deviation from counting statistics",
    "wt_<El>, sd_wt_<El>": "weight percent, and its standard deviation from counting statistics",
    "sdk_at_<El>": "standard deviation of at% from the k-factors alone, shared by all chips",
    "dl_<El>": "detection limit, at%",
    "abs_<El>": "what absorption multiplied the element's counts by, where it was corrected for",
    "haadf": "float32, true values of the box, row by row: reshape(height, width)",
    "dose_e": "electrons that the chip got (zeta-factors only)",
    "rho_t_kg_m2, sd_rho_t_kg_m2": "mass thickness, and its standard deviation (zeta-factors only)",
    "atoms_nm2_<El>": "atoms per square nanometre (zeta-factors only)",
    "image": "the patch as 8-bit PNG, one contrast for all chips",
    "mask": "which of them belong to the region (irregular regions only)",
    "spectrum": "X-rays a channel; channel c is centred on offset_kev + c * scale_kev",
    "features": "for nearest-prototype models; blocks without units, each of mean squared norm 1 times its weight",
    "label": "class that the chip was labelled with",
    "picture": "what haadf was cut from",
}
"""What each column is."""


def write_parquet(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write ``chips.parquet``; its images are PNG bytes that `datasets` loads as Image."""
    table = list_columns(chips, _scalars(chips))
    if chips.patches is not None:
        table = table.append_column("image", _images(chips))
    _write(table, chips, folder / "chips.parquet", image=chips.patches is not None)
    return {}


def write_metadata(chips: Chips, path: Path, files: Iterable[str]) -> None:
    """Write the table of an image folder, with the file of each chip in its first column."""
    import pyarrow as pa

    table = list_columns(chips, _scalars(chips))
    _write(table.add_column(0, "file_name", pa.array(list(files), pa.string())), chips, path, image=False)


def _scalars(chips: Chips) -> pa.Table:
    """Return the columns that hold one value a chip."""
    import pyarrow as pa

    frame = chips.table()
    if chips.patches is not None:
        frame["picture"] = chips.patches.name
    return pa.Table.from_pandas(frame, preserve_index=False)


def list_columns(chips: Chips, table: pa.Table) -> pa.Table:
    """Return a table with the columns that hold a list a chip: HAADF, mask, spectrum, features."""
    if (patches := chips.patches) is not None:
        table = table.append_column("haadf", _lists([patches.values(k).ravel() for k in range(len(chips))], np.float32))
        if not patches.whole:
            table = table.append_column("mask", _lists([patches.mask(k).ravel() for k in range(len(chips))], bool))
    counts = chips.analysis.spectra.counts
    table = table.append_column("spectrum", _lists(list(counts), counts.dtype))
    return table.append_column("features", _lists(list(chips.features.values), np.float32))


def _lists(rows: list[Array], dtype: Any) -> pa.ListArray:
    """Return arrays of any lengths as a column of lists."""
    import pyarrow as pa

    offsets = np.cumsum([0, *(len(row) for row in rows)])
    if offsets[-1] >= 2**31:
        raise InputError(
            f"export: {offsets[-1]:,} values do not fit into one column of Parquet; cut fewer or smaller regions."
        )
    flat = np.concatenate(rows) if rows else np.empty(0)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(np.ascontiguousarray(flat, dtype)))


def _images(chips: Chips) -> pa.Array:
    """Return the column of 8-bit PNG, as `datasets` keeps images; null where a region is empty."""
    import pyarrow as pa

    if chips.patches is None:
        raise TypeError("images are made of patches")
    grey, boxes = chips.patches.grey(), chips.patches.boxes.tolist()
    held = [
        {"bytes": png(grey[y : y + h, x : x + w]), "path": f"{stem}.png"} if h else None
        for (y, x, h, w), stem in zip(boxes, file_stems(chips), strict=True)
    ]
    return pa.array(held, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def png(pixels: Array) -> bytes:
    """Return an image as PNG: grey with 8 or 16 bits, or RGB."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _write(table: pa.Table, chips: Chips, path: Path, *, image: bool) -> None:
    """Write a table that says what it holds."""
    import pyarrow.parquet as pq

    own: dict[str, Any] = {"edsnb": json.dumps(_described(chips), ensure_ascii=False)}
    if image:
        own["huggingface"] = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **own})
    pq.write_table(table, path, compression="zstd")


def _described(chips: Chips) -> dict[str, Any]:
    """Return what a file says of itself."""
    image, axis, patches = chips.analysis.image, chips.analysis.spectra.energy, chips.patches
    return {
        "source": image.source,
        "sha256": image.digest,
        "pixel_nm": image.pixel_nm,
        "picture": None if patches is None else patches.name,
        "grey_levels": None if patches is None else {"8 bit": patches.limits(8), "16 bit": patches.limits(16)},
        "energy": {"offset_kev": axis.offset_kev, "scale_kev": axis.scale_kev, "channels": axis.size},
        "columns": UNITS,
        "features": describe_features(chips.features),
        "notes": chips.notes,
    }


def write_npz(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write ``chips.npz``: arrays and texts, no objects, so that it loads without pickle."""
    quant, spectra, patches = chips.analysis.quantification, chips.analysis.spectra, chips.patches
    arrays: dict[str, Any] = {
        "names": _texts(spectra.names),
        "elements": _texts(quant.elements),
        "families": _texts(quant.families),
        "status": _texts(Status(s).name.lower() for s in quant.status.tolist()),
        "chi2": chips.analysis.fit.chi2,
        "at": quant.atomic,
        "sd_at": quant.sd_atomic,
        "wt": quant.weight,
        "sd_wt": quant.sd_weight,
        "spectra": spectra.counts,
        "energy_kev": spectra.energy.centres_kev,
        "features": chips.features.values.astype(np.float32),
        "feature_names": _texts(chips.features.names),
        "feature_blocks": _texts(chips.features.blocks),
        "source": np.array(chips.analysis.image.source, np.str_),
        "sha256": np.array(chips.analysis.image.digest, np.str_),
        "picture": np.array("" if patches is None else patches.name, np.str_),
    }
    if chips.labels:
        arrays["labels"] = _texts(label or "" for label in chips.label)
    if patches is not None:
        arrays |= _stacked(chips)
    np.savez_compressed(folder / "chips.npz", **arrays)
    return {}


def _stacked(chips: Chips) -> dict[str, Array]:
    """Return places and patches; irregular regions in the corner of the largest box, with masks."""
    if chips.patches is None:
        raise TypeError("places are those of patches")
    patches, places = chips.patches, chips.places()
    height, width = patches.boxes[:, 2:].max(axis=0, initial=0).tolist()
    if (size := 5 * len(chips) * height * width) > _LARGEST:
        raise InputError(
            f"export: npz would need {size / 2**30:.1f} GB for {len(chips)} boxes as large as the largest one "
            f"({height} x {width} px). Choose parquet, or leave out the largest regions."
        )
    values, masks = patches.stack()
    # Where there are no rows and columns -1 stands for them: whole numbers have no NaN.
    columns = [np.full(len(chips), -1) if column is None else column for column in places.values()]
    arrays = {"haadf": values, "boxes": np.stack(columns, axis=1).astype(np.int64), "box_columns": _texts(PLACES)}
    return arrays if patches.whole else {**arrays, "masks": masks}


def write_published(chips: Chips, folder: Path, _: Progress | None = None) -> dict[str, Any]:
    """Write what the published EDS script writes: spectra by ``Chip_ID``, and at% as ``Chip ID, <El>...``."""
    import pandas as pd

    quant, spectra = chips.analysis.quantification, chips.analysis.spectra
    inside = folder / "published"
    inside.mkdir()
    np.savez_compressed(inside / "spectra.npz", Chip_ID=_texts(spectra.names), eds_spectrum=spectra.counts)
    frame = pd.DataFrame(quant.atomic, columns=list(quant.elements))
    frame.insert(0, "Chip ID", list(spectra.names))
    frame.to_csv(inside / "atomic_percent.csv", index=False, lineterminator="\n")
    write_index(chips, inside, ["spectra.npz"] * len(chips))
    return {}


def write_index(chips: Chips, folder: Path, files: Iterable[str], order: list[int] | None = None) -> None:
    """Write ``chips.csv`` beside files: which chip each of them is, and where it lies."""
    chips.index(list(files), order).to_csv(folder / "chips.csv", index=False, lineterminator="\n", encoding="utf-8")


def _texts(words: Iterable[str]) -> Array:
    """Return texts as an array that needs no pickle."""
    return np.array(list(words), dtype=np.str_)

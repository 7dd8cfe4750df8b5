"""A hand-over as a folder: the formats asked for, with recipe, provenance and a README; all or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb.errors import EdsnbWarning, InputError
from edsnb.io.export import new_folder, provenance, versions, write_mark
from edsnb.io.fewshot.chips import Chips, describe_features, gather
from edsnb.io.fewshot.cube import write_pychipclassifier
from edsnb.io.fewshot.formats import FORMATS, Format, parse_formats
from edsnb.io.fewshot.names import Naming
from edsnb.io.fewshot.pictures import write_classes, write_imagefolder, write_imagefolder16, write_pychip
from edsnb.io.fewshot.readme import readme
from edsnb.io.fewshot.tables import write_npz, write_parquet, write_published
from edsnb.io.files import Progress, sha256

if TYPE_CHECKING:
    from edsnb.core.image import SpectrumImage
    from edsnb.core.labels import Labels
    from edsnb.pipeline import Analysis

KIND = "few-shot export"
LABELS = "few-shot labels"
"""What the folders say that they hold."""
_PICTURES = (".png", ".jpg")

_WRITERS: Mapping[Format, Callable[[Chips, Path, Progress | None], dict[str, Any]]] = {
    Format.PARQUET: write_parquet,
    Format.NPZ: write_npz,
    Format.IMAGEFOLDER: write_imagefolder,
    Format.IMAGEFOLDER16: write_imagefolder16,
    Format.CLASSES: write_classes,
    Format.PYCHIP: write_pychip,
    Format.PYCHIPCLASSIFIER: write_pychipclassifier,
    Format.PUBLISHED: write_published,
}


def export_analysis(
    analysis: Analysis,
    folder: str | PathLike[str],
    format: str | Format | Iterable[str | Format] = Format.PARQUET,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    naming: str = Naming.GUI,
    energy_bin: int | None = None,
    name: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write chips for few-shot models into a folder, and return it.

    Parameters
    ----------
    analysis
        The quantified chips or regions.
    folder
        New, empty, or an earlier export.
    format
        One or several of `edsnb.io.fewshot.formats.FORMATS`: ``"parquet"``, ``"parquet,npz"``, ``["pychip", "npz"]``.
    labels
        {class: [chips]}, named in any of the three namings.
    naming
        How ``pychip`` calls the chips: ``gui``, ``manuscript`` or ``classifier``.
    energy_bin
        Channels summed into one of ``pychipclassifier``'s ``eds.npy``; None for as many as keep it below 450 MB.
    name
        What ``pychip`` calls the map; the file's name by default.
    overwrite
        Replace an earlier export. Nothing else is ever replaced.
    progress
        Told (done, total) rows while ``eds.npy`` is written; returning False stops, and leaves nothing.

    Raises
    ------
    InputError
        A format, label or setting cannot be used with these chips.
    OutputError
        The folder is not free, or cannot be written.
    CancelledError
        `progress` returned False.

    Warns
    -----
    EdsnbWarning
        There is no HAADF image, so that patches were cut from another picture.
    """
    formats = parse_formats(format)
    chips = gather(analysis, labels=labels, naming=naming, energy_bin=energy_bin, name=name)
    if (wanting := [f for f in formats if FORMATS[f].labels]) and not chips.labels:
        raise InputError(f"export: {wanting[0]} needs labels, such as {{'film': ['R0C1'], 'substrate': ['R5C1']}}.")
    with new_folder(folder, overwrite=overwrite, kind=KIND) as made:
        details = {}
        for chosen in formats:
            details[str(chosen)] = _WRITERS[chosen](chips, made, progress)
        (made / "recipe.toml").write_text(analysis.recipe.to_toml(), encoding="utf-8", newline="")
        (made / "README.txt").write_text(readme(chips, details), encoding="utf-8", newline="")
        write_mark(made, _provenance(chips, details, made))
    if chips.picture_note:
        warnings.warn(chips.picture_note, EdsnbWarning, stacklevel=3)
    return Path(folder)


def _provenance(chips: Chips, details: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return where the numbers come from, and what was written, with the digest of every file that is no picture."""
    patches = chips.patches
    made = {
        "formats": dict(details),
        "picture": None if patches is None else patches.name,
        "grey_levels": None if patches is None else {"8 bit": patches.limits(8), "16 bit": patches.limits(16)},
        "labels": {label: list(names) for label, names in chips.labels.items()},
        "features": describe_features(chips.features),
        "notes": list(chips.notes),
    }
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in _PICTURES)
    digests = {p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in files}
    return {**provenance(chips.analysis), "kind": KIND, "export": made, "files": digests}


def save_labels(
    labels: Labels,
    image: SpectrumImage,
    folder: str | PathLike[str],
    draw: Callable[[Labels, SpectrumImage, Path], None],
    *,
    overwrite: bool = False,
) -> Path:
    """Write labels as ``labels.csv`` and ``labels.png``, with their provenance, and return the folder.

    Raises
    ------
    OutputError
        The folder is not free, or cannot be written.
    """
    with new_folder(folder, overwrite=overwrite, kind=LABELS) as made:
        labels.to_frame().to_csv(made / "labels.csv", index=False, lineterminator="\n", encoding="utf-8")
        draw(labels, image, made / "labels.png")
        held = {"kind": LABELS, "input": {"path": image.source, "sha256": image.digest}}
        result = Path(labels.source)
        if result.is_file():
            held["labels"] = {"path": labels.source, "sha256": sha256(result)}
        write_mark(made, {**held, "classes": list(labels.classes), "versions": versions(("edsnb", "numpy", "pandas"))})
    return Path(folder)

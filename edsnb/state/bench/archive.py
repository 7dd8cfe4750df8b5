"""A result as one file to download: the folder that `Analysis.save` or `Analysis.export` writes, as a ZIP."""

from __future__ import annotations

import shutil
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edsnb.core.fitting.solve import Progress
from edsnb.errors import CancelledError, EdsnbWarning
from edsnb.io.fewshot.formats import FORMATS

if TYPE_CHECKING:
    from edsnb.pipeline import Analysis

RESULT = "result"
"""The choice beside the formats for few-shot models: table, spectra, recipe, provenance, pictures."""
CHOICES = {"Result: table, spectra, recipe, picture": RESULT} | {
    f"{name}: {info.summary}": str(name) for name, info in FORMATS.items() if not info.labels
}
"""What can be exported, by its label; formats that need labels are made where chips are labelled."""
_ONE_AT_A_TIME = threading.Lock()
"""Pictures are drawn with matplotlib, which must not be used by several threads at once."""
_PACKED = (".npz", ".png", ".jpg", ".parquet")
"""Endings of files that no further compression makes smaller."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A written archive."""

    path: Path
    notes: tuple[str, ...] = ()
    """What a reader should know."""


def write_result(
    analysis: Analysis,
    folder: Path,
    formats: Iterable[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write a result, hand-overs for few-shot models, or both, and return notes on what was written.

    `RESULT` among `formats` is what `Analysis.save` writes; the others are those of `Analysis.export`. Where both are
    asked for they stand in folders of these names.
    """
    chosen = list(dict.fromkeys(formats))
    others = [name for name in chosen if name != RESULT]
    both = bool(others) and RESULT in chosen
    steps = len(chosen) + 1
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EdsnbWarning)
        _report(progress, 0, steps)
        if RESULT in chosen:
            analysis.save(folder / RESULT if both else folder, overwrite=overwrite)
            _report(progress, 1, steps)
        if others:
            analysis.export(folder / "few-shot" if both else folder, others, overwrite=overwrite)
            _report(progress, len(chosen), steps)
    return tuple(str(w.message) for w in caught if issubclass(w.category, EdsnbWarning))


def write_archive(
    analysis: Analysis, folder: Path, name: str, formats: Iterable[str], *, progress: Progress | None = None
) -> Archive:
    """Write a result as ``name.zip`` in `folder`; all files of it lie in a folder of that name."""
    chosen = list(formats)
    with tempfile.TemporaryDirectory(prefix=".zip.", dir=folder) as made:
        notes = write_result(analysis, Path(made) / name, chosen, progress=progress)
        part = Path(made) / f"{name}.zip"
        with zipfile.ZipFile(part, "w") as archive:
            for path in sorted(p for p in (Path(made) / name).rglob("*") if p.is_file()):
                how = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
                archive.write(path, path.relative_to(made).as_posix(), how)
                _report(progress, len(chosen), len(chosen) + 1)
        final = folder / f"{name}.zip"
        shutil.move(part, final)
    return Archive(final, notes)


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None and progress(done, total) is False:
        raise CancelledError("the export was cancelled; nothing was kept.")

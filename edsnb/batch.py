"""Several files with one recipe: a folder each, one combined table; one bad file never stops the rest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.counted import counted
from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.solve import Progress
from edsnb.core.quant.quantify import pool
from edsnb.errors import EdsnbError, InputError, OutputError
from edsnb.io.export import MARK, RESULT, check_combined, check_free, combine
from edsnb.io.files import existing_file, sha256
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe, with_kfactors

if TYPE_CHECKING:
    import pandas as pd

TABLE = "chips.csv"
"""The table of all files of a batch, beside their folders."""
_POOR = 3.0
"""Median reduced chi-square above which the summary says that the model misses something."""
WIDTH = 100
"""Columns of the summary for people."""
Watch = Callable[[str], Progress | None]
"""Makes the progress function of a job from its name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one file gave, in a few numbers."""

    file: str
    folder: str
    chips: int
    quantified: int
    grid: str
    """What the chip grid made of the map."""
    counts: int
    """X-rays in the fitted range; those in overlapping chips count once."""
    seconds: float
    chi2: float
    """Median reduced chi-square."""
    atomic: Mapping[str, tuple[float, float]]
    """at% and its standard deviation, of the summed chips, by element."""
    calibration: str
    conventions: str
    notes: tuple[str, ...]
    """What a reader of the file should know."""

    @classmethod
    def of(cls, analysis: Analysis, folder: Path) -> Finding:
        """Sum an analysis up."""
        quant, fit = analysis.quantification, analysis.fit
        good = np.isfinite(quant.atomic).all(axis=1)
        apart = _apart(analysis)
        atomic, sd = pool(quant, good & apart)
        calibration = fit.settings.get("calibration")
        return cls(
            file=analysis.image.source,
            folder=str(folder),
            chips=len(quant),
            quantified=int(good.sum()),
            grid=_grid_text(analysis),
            counts=int(analysis.spectra.counts[apart][:, fit.channels].sum()),
            seconds=float(sum(analysis.seconds.values())),
            chi2=float(np.nanmedian(fit.chi2)) if np.isfinite(fit.chi2).any() else float("nan"),
            atomic={e: (float(a), float(s)) for e, a, s in zip(quant.elements, atomic, sd, strict=True)},
            calibration=str(calibration["message"]) if isinstance(calibration, dict) else "none",
            conventions=quant.describe(),
            notes=(*analysis.image.notes, *fit.notes, *_hints(fit)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what could not be computed is null."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "atomic"}
        plain["chi2"] = _or_none(self.chi2)
        plain["atomic_percent"] = {e: {"value": _or_none(a), "sd": _or_none(s)} for e, (a, s) in self.atomic.items()}
        return plain


def _hints(fit: FitResult) -> tuple[str, ...]:
    """Return what a user should do about fits that do not describe the spectra."""
    typical = float(np.nanmedian(fit.chi2)) if np.isfinite(fit.chi2).any() else 1.0
    if typical <= _POOR:
        return ()
    return (f"the median χ² is {typical:.1f}: the model misses something, most likely elements; look at summary.png",)


def _or_none(value: float) -> float | None:
    """Return a number that JSON has, None for NaN."""
    return value if np.isfinite(value) else None


def _apart(analysis: Analysis) -> Array:
    """Return (n,) bool: spectra that share no X-rays, so that their counts and variances may be summed.

    Of overlapping chips these are every second, third ...; of stored spectra the first, which is the sum of the others.
    """
    regions = analysis.spectra.regions
    if regions is None:
        return np.arange(len(analysis.spectra)) == 0
    if regions.grid is None or regions.cells is None:
        return np.ones(len(regions), bool)
    every = -(-regions.grid.size // regions.grid.step)
    return np.asarray((regions.cells % every == 0).all(axis=1))


def _grid_text(analysis: Analysis) -> str:
    """Say what the spectra are."""
    spectra = analysis.spectra
    if spectra.regions is None:
        return f"no map, {len(spectra)} stored spectra; the composition is that of {spectra.names[0]!r}"
    grid = spectra.regions.grid
    return grid.describe(analysis.image.shape) if grid else counted(len(spectra), "region")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch gave."""

    findings: tuple[Finding, ...]
    failures: Mapping[str, str]
    """Message by file."""
    kept: tuple[str, ...] = ()
    """Results of an earlier, stopped run of the same recipe on the same files."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "results": [f.to_dict() for f in self.findings], "failures": dict(self.failures), "kept": list(self.kept)
        }  # fmt: skip


def run_batch(
    files: Sequence[Path], recipe: Recipe, out: Path, *, overwrite: bool = False, watch: Watch = lambda _: None
) -> Outcome:
    """Analyse every file and save each result.

    One file is saved into `out` itself; several into one folder each, named after the file, with all their rows in
    ``out/chips.csv``. A batch that was stopped goes on: folders that this recipe made of the same files are kept.

    Raises
    ------
    EdsnbError
        For one file: whatever went wrong. For several, failures are collected instead.
    """
    recipe = with_kfactors(recipe)
    check_writable(out)
    if len(files) == 1:
        check_free(out, overwrite=overwrite)
        analysis = analyse(files[0], recipe, progress=watch(files[0].name))
        return Outcome((Finding.of(analysis, analysis.save(out, overwrite=overwrite)),), {})
    folders = _folders(files, out)
    check_combined(out / TABLE, [file.name for file in files], overwrite=overwrite)
    findings, failures, kept, tables = [], {}, [], {}
    for file, folder in folders.items():
        try:
            if not overwrite and _is_kept(file, folder, recipe):
                kept.append(str(folder))
            else:
                check_free(folder, overwrite=overwrite)
                analysis = analyse(file, recipe, progress=watch(file.name))
                findings.append(Finding.of(analysis, analysis.save(folder, overwrite=overwrite)))
            tables[file.name] = _table(folder)
        except EdsnbError as error:
            failures[str(file)] = str(error)
    if tables:
        combine(tables, out / TABLE)
    return Outcome(tuple(findings), failures, tuple(kept))


def _is_kept(file: Path, folder: Path, recipe: Recipe) -> bool:
    """Tell whether a folder holds the result of this recipe on this very file; raise where it holds another one."""
    if not (folder / MARK).exists():
        return False
    try:
        made = json.loads((folder / MARK).read_text(encoding="utf-8"))
        same = made["asked"] == recipe.to_dict() and made["input"]["sha256"] == sha256(existing_file(file))
        same = same and made.get("kind", RESULT) == RESULT
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise OutputError(
            f"{folder} holds a result of another recipe or of another file. Choose another folder, or say --overwrite "
            "to replace it."
        )
    return True


def _folders(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Return a folder for each file, named after it; raise where two would share one."""
    # Some file systems take map and Map for the same.
    names = [file.stem.casefold() for file in files]
    if double := sorted({file.stem for file in files if names.count(file.stem.casefold()) > 1}):
        raise InputError(
            f"several files are called {', '.join(double)}: their results would share a folder. "
            "Run them one by one, each with its own --out."
        )
    return {file: out / file.stem for file in files}


def check_writable(out: Path) -> None:
    """Raise OutputError at once, not after the work, where nothing can be written."""
    nearest = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(
            f"nothing can be written to {nearest}: {error.strerror or error}. Choose another folder with --out."
        ) from error


def _table(folder: Path) -> pd.DataFrame:
    """Return a saved table."""
    import pandas as pd

    try:
        return pd.read_parquet(folder / "chips.parquet")
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{folder} holds a damaged result: its chips.parquet cannot be read. Say --overwrite to make it anew."
        ) from error


def summary_lines(outcome: Outcome) -> list[str]:
    """Return a short table of a batch for people."""
    lines: list[str] = []
    for f in outcome.findings:
        chi2 = f"{f.chi2:.2f}" if np.isfinite(f.chi2) else "none"
        lines += [
            f.file,
            f"  {f.grid}",
            f"  {f.quantified} of {f.chips} quantified, {f.counts:,} X-rays, median χ² {chi2}, {f.seconds:.2f} s",
            f"  {'':6}" + "".join(f"{e:>9}" for e in f.atomic),
            f"  {'at%':6}" + "".join(_cell(a, ".2f") for a, _ in f.atomic.values()),
            f"  {'sd':6}" + "".join(_cell(s, ".2g") for _, s in f.atomic.values()),
        ]
        for text in (f"calibration: {f.calibration}", f.conventions, *(f"note: {note}" for note in f.notes)):
            lines += wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)
        lines += [f"  results: {f.folder}"]
    lines += [f"{folder}: kept, it was made by this recipe of the same file" for folder in outcome.kept]
    return lines


def _cell(value: float, style: str) -> str:
    """Return a number for a column of the table."""
    return f"{value:9{style}}" if np.isfinite(value) else f"{'-':>9}"

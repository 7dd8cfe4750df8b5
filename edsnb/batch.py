"""Several files with one recipe: a folder each, one combined table; one bad file never stops the rest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.quantify import pool
from edsnb.core.solve import Progress
from edsnb.errors import EdsnbError, InputError, OutputError
from edsnb.io.export import MARK, check_free, combine
from edsnb.io.files import existing_file, sha256
from edsnb.pipeline import Analysis, Recipe, analyse

if TYPE_CHECKING:
    import pandas as pd

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
    """X-rays in all chips, in the fitted range."""
    seconds: float
    chi2: float
    """Median reduced chi-square."""
    atomic: Mapping[str, tuple[float, float]]
    """at% and its standard deviation, of the summed chips, by element."""
    calibration: str
    conventions: str

    @classmethod
    def of(cls, analysis: Analysis, folder: Path) -> Finding:
        """Sum an analysis up."""
        quant, regions = analysis.quantification, analysis.spectra.regions
        good = np.isfinite(quant.atomic).all(axis=1)
        atomic, sd = pool(quant, good)
        grid = regions.grid if regions is not None else None
        text = grid.describe(analysis.image.shape) if grid else f"{len(quant)} stored spectra or regions"
        calibration = analysis.fit.settings.get("calibration")
        return cls(
            file=analysis.image.source,
            folder=str(folder),
            chips=len(quant),
            quantified=int(good.sum()),
            grid=text,
            counts=int(analysis.spectra.counts[:, analysis.fit.channels].sum()),
            seconds=float(sum(analysis.seconds.values())),
            chi2=float(np.nanmedian(analysis.fit.chi2)) if good.any() else float("nan"),
            atomic={e: (float(a), float(s)) for e, a, s in zip(quant.elements, atomic, sd, strict=True)},
            calibration=str(calibration["message"]) if isinstance(calibration, dict) else "none",
            conventions=quant.describe(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what could not be computed is null."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "atomic"}
        plain["chi2"] = None if np.isnan(self.chi2) else self.chi2
        plain["atomic_percent"] = {
            e: {"value": None if np.isnan(a) else a, "sd": None if np.isnan(s) else s}
            for e, (a, s) in self.atomic.items()
        }
        return plain


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
    _check_writable(out)
    if len(files) == 1:
        check_free(out, overwrite=overwrite)
        analysis = analyse(files[0], recipe, progress=watch(files[0].name))
        return Outcome((Finding.of(analysis, analysis.save(out, overwrite=overwrite)),), {})
    folders = _folders(files, out)
    findings, failures, kept, tables = [], {}, [], {}
    for file, folder in folders.items():
        try:
            if not overwrite and _is_done(file, folder, recipe):
                kept.append(str(folder))
            else:
                check_free(folder, overwrite=overwrite)
                analysis = analyse(file, recipe, progress=watch(file.name))
                _save(analysis, folder, recipe, overwrite=overwrite)
                findings.append(Finding.of(analysis, folder))
            tables[file.name] = _table(folder)
        except EdsnbError as error:
            failures[str(file)] = str(error)
    if tables:
        combine(tables, out / "chips.csv")
    return Outcome(tuple(findings), failures, tuple(kept))


def _save(analysis: Analysis, folder: Path, recipe: Recipe, *, overwrite: bool) -> None:
    """Save one file's result, with the recipe as it was asked for, by which a later run knows it."""
    from edsnb.io.export import write_text

    analysis.save(folder, overwrite=overwrite)
    write_text(folder / "asked.toml", recipe.to_toml())


def _is_done(file: Path, folder: Path, recipe: Recipe) -> bool:
    """Tell whether a folder holds the finished result of this recipe on this very file."""
    try:
        asked = (folder / "asked.toml").read_text(encoding="utf-8")
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))["input"]["sha256"]
    except (OSError, ValueError, KeyError):
        return False
    return asked == recipe.to_toml() and found == sha256(existing_file(file))


def _folders(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Return a folder for each file, named after it; raise where two would share one."""
    names = [file.stem for file in files]
    if double := sorted({n for n in names if names.count(n) > 1}):
        raise InputError(
            f"several files are called {', '.join(double)}: their results would share a folder. "
            "Run them one by one, each with its own --out."
        )
    return {file: out / name for file, name in zip(files, names, strict=True)}


def _check_writable(out: Path) -> None:
    """Raise OutputError at once, not after the work, where nothing can be written."""
    parent = out if out.is_dir() else next((p for p in out.absolute().parents if p.exists()), Path())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise OutputError(
            f"nothing can be written to {parent}: {error.strerror or error}. Choose another folder with --out."
        ) from error


def _table(folder: Path) -> pd.DataFrame:
    """Return a saved table."""
    import pandas as pd

    return pd.read_parquet(folder / "chips.parquet")


def summary_lines(outcome: Outcome) -> list[str]:
    """Return a short table of a batch for people."""
    lines = []
    for f in outcome.findings:
        lines += [
            f"{f.file}",
            f"  {f.grid}; {f.quantified} quantified, {f.counts:,} X-rays, median χ² {f.chi2:.2f}, {f.seconds:.2f} s",
            f"  calibration: {f.calibration}",
            f"  {'':10}" + "".join(f"{e:>9}" for e in f.atomic),
            f"  {'at%':10}" + "".join(f"{a:9.2f}" for a, _ in f.atomic.values()),
            f"  {'sd':10}" + "".join(f"{s:9.2f}" for _, s in f.atomic.values()),
            f"  {f.conventions}",
            f"  results: {f.folder}",
        ]
    lines += [f"{folder}: kept, it was made by this recipe of the same file" for folder in outcome.kept]
    return lines

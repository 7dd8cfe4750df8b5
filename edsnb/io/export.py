"""Results to disk: table, spectra, recipe, provenance, pictures; all or nothing.

A result folder is written beside its final place under a temporary name and moved when it is complete, so
that a full disk or a pulled plug never leaves half a result, and an older one stays until the new one stands.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd

    from edsnb.core.maps import PixelMaps
    from edsnb.pipeline import Analysis

MARK = "provenance.json"
"""The file that marks a folder as a result of edsnb; only such a folder is ever replaced."""
RESULT = "result"
"""What a folder holds whose mark says nothing else."""
PACKAGES = ("edsnb", "numpy", "scipy", "numba", "h5py", "pandas", "xraylib", "rosettasciio", "hyperspy", "exspy")

Picture = Callable[["Analysis", Path], None]
"""Draws one picture of an analysis into a file."""


def save_analysis(
    analysis: Analysis,
    folder: str | PathLike[str],
    *,
    overwrite: bool = False,
    pictures: Mapping[str, Picture] | None = None,
) -> Path:
    """Write an analysis into a folder and return the folder.

    ``chips.csv`` and ``chips.parquet`` (one row a chip), ``spectra.npz`` (``Chip_ID``, ``eds_spectrum`` (n, E),
    ``energy_kev``), ``recipe.toml`` (repeats the numbers), ``provenance.json``, and the pictures.

    Raises
    ------
    OutputError
        The folder holds something and `overwrite` is False; it holds something that is no result of edsnb; or it
        cannot be written. An existing result is then untouched.
    """
    with new_folder(folder, overwrite=overwrite) as made:
        _write(analysis, made, pictures or {})
    return Path(folder)


@contextmanager
def new_folder(folder: str | PathLike[str], *, overwrite: bool, kind: str = RESULT) -> Iterator[Path]:
    """Give a folder to write into, and put it in place of `folder` when all is written; else leave nothing behind.

    Raises
    ------
    OutputError
        As `check_free`, or the disk refuses; what stood there before is then untouched.
    """
    target = Path(folder)
    check_free(target, overwrite=overwrite, kind=kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent, ignore_cleanup_errors=True) as t:
            made = Path(t) / target.name
            made.mkdir()
            yield made
            _move(made, target)
    except OSError as error:
        raise OutputError(
            f"the result cannot be written to {target}: {error.strerror or error}. Nothing was changed there. "
            "Choose another folder with --out, or free some space."
        ) from error


def check_free(target: Path, *, overwrite: bool, kind: str = RESULT) -> None:
    """Raise OutputError unless a result may be written to `target`; called before long work as well as after it.

    A folder is only ever replaced by one of its own `kind`: an export never takes the place of a run's result.
    """
    if target.resolve() == Path.cwd():
        raise OutputError(
            f"{target} is the current folder, which cannot be replaced. Choose another one, such as result."
        )
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not target.is_dir() or not (target / MARK).exists():
        raise OutputError(
            f"{target} exists and is not a result of edsnb, so it is never replaced. Choose another folder."
        )
    if (held := _kind(target)) != kind:
        raise OutputError(f"{target} holds a {held}, which a {kind} never replaces. Choose another folder.")
    if not overwrite:
        raise OutputError(f"{target} holds a {kind} already. Choose another folder, or say --overwrite to replace it.")


def _kind(folder: Path) -> str:
    """Return what kind of result a folder says that it holds."""
    try:
        made = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return RESULT
    return str(made.get("kind", RESULT)) if isinstance(made, dict) else RESULT


def check_combined(path: Path, files: Iterable[str], *, overwrite: bool) -> None:
    """Raise OutputError unless a combined table of these files may be written to `path`."""
    import pandas as pd

    if not path.exists():
        return
    try:
        held = set(pd.read_csv(path, usecols=["file"], dtype=str)["file"])
    except (OSError, ValueError):
        raise OutputError(
            f"{path} exists and is not a table of several files, so it is never replaced. Choose another folder."
        ) from None
    if (others := sorted(held - set(files))) and not overwrite:
        raise OutputError(
            f"{path} holds the chips of {', '.join(others)}, which are not among these files. Choose another folder, "
            "name all files, or say --overwrite to replace it."
        )


def combine(tables: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Write several tables as one CSV, with a first column ``file``."""
    import pandas as pd

    frame = pd.concat(tables, names=["file"]).reset_index(level=0).reset_index(drop=True)
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step: it is either the old one or the whole new one."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write(analysis: Analysis, folder: Path, pictures: Mapping[str, Picture]) -> None:
    """Write every file of a result."""
    frame = analysis.to_frame()
    frame.to_csv(folder / "chips.csv", index=False, lineterminator="\n")
    frame.to_parquet(folder / "chips.parquet", index=False)
    (folder / "recipe.toml").write_text(analysis.recipe.to_toml(), encoding="utf-8", newline="")
    # Spectra are compressed while the pictures are drawn.
    with ThreadPoolExecutor(1) as pool:
        archives = pool.submit(_write_archives, analysis, folder)
        for name, draw in pictures.items():
            draw(analysis, folder / name)
        archives.result()
    # Last, because it marks the folder as complete.
    write_mark(folder, provenance(analysis))


def write_mark(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the provenance record that marks a folder as complete."""
    text = json.dumps(values, indent=2, ensure_ascii=False, default=_plain)
    (folder / MARK).write_text(text + "\n", encoding="utf-8", newline="")


def _write_archives(analysis: Analysis, folder: Path) -> None:
    """Write the spectra, and the maps of every pixel where there are some."""
    spectra = analysis.spectra
    np.savez_compressed(
        folder / "spectra.npz",
        Chip_ID=np.array(spectra.names, dtype=np.str_),
        eds_spectrum=spectra.counts,
        energy_kev=spectra.energy.centres_kev,
    )
    if analysis.maps is not None:
        _write_maps(analysis.maps, folder / "maps.npz")


def _write_maps(maps: PixelMaps, path: Path) -> None:
    """Write maps of every pixel: names and arrays, loadable without pickle."""
    np.savez(
        path,
        families=np.array(maps.families, dtype=np.str_),
        intensities=maps.intensities,
        sd_intensities=maps.sd,
        elements=np.array(maps.elements, dtype=np.str_),
        atomic_percent=maps.atomic,
        sd_atomic_percent=maps.sd_atomic,
        counts=maps.counts,
    )


def provenance(analysis: Analysis) -> dict[str, Any]:
    """Return where the numbers come from: input, conventions, settings, versions."""
    image, quant = analysis.image, analysis.quantification
    return {
        "input": {"path": image.source, "sha256": image.digest, "software": image.software},
        "notes": list(image.notes),
        "asked": analysis.asked.to_dict(),
        "conventions": quant.describe(),
        "intensity": "counts of the whole line family, also of its lines outside the fitted range",
        "k_factors": quant.kfactors.to_dict(),
        "engine": analysis.fit.engine,
        "fit": dict(analysis.fit.settings),
        "families": {
            f.name: {"table": f.table, "alpha_kev": f.alpha_kev, "detected_alpha_fraction": float(a)}
            for f, a in zip(analysis.fit.families, analysis.fit.alpha_fractions, strict=True)
        },
        "regions": "as given by the caller" if analysis.spectra.regions is not None and (
            analysis.spectra.regions.grid is None) else "chip grid of the recipe",
        "versions": versions(PACKAGES),
    }  # fmt: skip


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the installed version of Python and of each package."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: object) -> object:
    """Turn numpy scalars and arrays, tuples and mappings into what JSON has."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _move(made: Path, target: Path) -> None:
    """Put a finished folder in place of `target`, keeping the old one until the new one stands."""
    if not target.exists():
        made.replace(target)
        return
    old = made.with_name(f"{made.name} before")
    target.replace(old)
    try:
        made.replace(target)
    except BaseException:
        # Also where the user stops the program in this very moment.
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)

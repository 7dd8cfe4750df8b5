"""Which files others may open: those under given roots, by a name relative to them, and no others.

Glossary
--------
root : a folder all of whose readable files may be opened, or a single file.
name : how a file is asked for, ``folder/map.emd``: relative to its root, with forward slashes on every system. Where
    there are several roots it begins with the root's own name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import h5py

from edsnb.errors import FileFormatError, InputError
from edsnb.io.files import distinct, opened

MAPS = (".emd", ".h5oina", ".bcf", ".hspy", ".dm3", ".dm4", ".spd", ".pts", ".rpl", ".msa", ".emsa", ".spx", ".ser")
"""Endings of files that may hold EDS data."""
TABLES = (".csv", ".txt", ".toml")
"""Endings of k-factor tables."""
MOST = 2000
"""Files that are listed at most."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders and files that may be read; links that lead out of them may not."""

    folders: tuple[tuple[str, Path], ...]
    """(prefix of names, folder) of each folder; the prefix is empty where it is the only root."""
    files: tuple[tuple[str, Path], ...]
    """(name, file) of each single file."""

    @classmethod
    def of(cls, paths: Iterable[str | os.PathLike[str]]) -> Roots:
        """Make roots of folders and files; links among them are followed, as whoever starts the program names them.

        Raises
        ------
        FileFormatError
            One of them does not exist.
        """
        given = [Path(path) for path in paths]
        folders: list[tuple[str, Path]] = []
        files: list[tuple[str, Path]] = []
        for path in given:
            if not path.exists():
                raise FileFormatError(f"{path} does not exist; check the name and the folder ({Path.cwd()}).")
            whole = path.resolve()
            name = distinct(path.name or whole.name or "files", [n for n, _ in (*folders, *files)])
            if whole.is_dir():
                folders.append(("" if len(given) == 1 else name, whole))
            else:
                files.append((name, whole))
        return cls(tuple(folders), tuple(files))

    def names(self, endings: tuple[str, ...] = MAPS) -> tuple[str, ...]:
        """Return the names of all files with these endings, in alphabetical order, at most `MOST`."""
        single = (name for name, path in self.files if path.suffix.lower() in endings)
        below = (name for prefix, folder in self.folders for name in _walk(prefix, folder, endings))
        return tuple(sorted({*islice(single, MOST), *islice(below, MOST)}, key=str.casefold)[:MOST])

    def find(self, name: str, endings: tuple[str, ...] = MAPS) -> Path:
        """Return the file of this name.

        Raises
        ------
        InputError
            There is none, it has another ending, or the name leads out of the roots; the message does not say which, as
            it must not tell what else is on the disk.
        """
        wanted = dict(self.files).get(name)
        parts = PurePosixPath(name).parts
        if wanted is None and parts and _is_plain(name, parts):
            wanted = next(filter(None, (_below(prefix, folder, parts) for prefix, folder in self.folders)), None)
        if wanted is None or wanted.suffix.lower() not in endings or not wanted.is_file():
            raise InputError(
                f"{name!r} is not among the files that may be opened here. Choose one from the list; names are "
                "relative to the folder that is served."
            )
        return wanted

    def name_of(self, path: str | os.PathLike[str]) -> str | None:
        """Return the name by which `find` gives this file; None where it does not."""
        whole = Path(path).resolve()
        for name, file in self.files:
            if file == whole:
                return name
        for prefix, folder in self.folders:
            if whole.is_relative_to(folder):
                return PurePosixPath(prefix, *whole.relative_to(folder).parts).as_posix()
        return None


def check_self_contained(path: Path) -> None:
    """Raise FileFormatError where an HDF5 file takes parts from other files, by whose names it could read any of them.

    External links, virtual datasets and raw data kept in other files are what HDF5 offers for that; no microscope's
    software writes them.
    """
    if not h5py.is_hdf5(path):
        return
    with opened(path) as file:
        for where in _foreign(file):
            raise FileFormatError(
                f"{path.name}: {where} is kept in another file. Such files are not opened here; copy the data into one."
            )


def _is_plain(name: str, parts: tuple[str, ...]) -> bool:
    """Tell whether a name is relative, goes only downwards, and is read alike on every system."""
    if "\\" in name or any(ord(character) < 32 for character in name) or (os.name == "nt" and ":" in name):
        return False
    # A hidden part is never listed; two dots begin like one.
    return not name.startswith("/") and not any(part.startswith(".") for part in parts)


def _below(prefix: str, folder: Path, parts: tuple[str, ...]) -> Path | None:
    """Return the file of these parts where it lies below `folder` even after all links are followed."""
    if prefix:
        if parts[0] != prefix:
            return None
        parts = parts[1:]
    try:
        whole = folder.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        # Missing, a circle of links (RuntimeError before Python 3.13), or no name at all.
        return None
    return whole if whole.is_relative_to(folder) else None


def _walk(prefix: str, folder: Path, endings: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the files below a folder; links to folders are not followed, links to files not outside."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if path.suffix.lower() in endings and not name.startswith(".") and "\\" not in name:
                parts = (*((prefix,) if prefix else ()), *path.relative_to(folder).parts)
                if not path.is_symlink() or _below(prefix, folder, parts):
                    yield "/".join(parts)


def _foreign(file: h5py.File) -> Iterator[str]:
    """Yield the names of everything in an HDF5 file that other files hold."""
    seen = set()
    groups: list[h5py.Group] = [file]
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            link = group.get(name, getlink=True)
            where = f"{group.name.rstrip('/')}/{name}"
            if isinstance(link, h5py.ExternalLink):
                yield where
            elif isinstance(link, h5py.HardLink):
                found = group[name]
                if isinstance(found, h5py.Group):
                    groups.append(found)
                elif isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
                    yield where

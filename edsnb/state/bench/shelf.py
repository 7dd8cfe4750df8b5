"""The files of one session: those it may open, those it brought along, and a place for those it makes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

from edsnb.io.roots import MAPS, Roots

UPLOADED = "uploaded"
"""Begins the names of files that the session brought along."""


class Shelf:
    """Files by name; the session's own lie in a folder that goes with it."""

    endings = MAPS
    """Endings of the files that can be opened."""

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self._brought: dict[str, Path] = {}
        self._folder: Path | None = None

    def names(self) -> tuple[str, ...]:
        """Return the names of all files, those brought along first."""
        return (*self._brought, *self.roots.names())

    def find(self, name: str) -> Path:
        """Return the file of this name; InputError where there is none, as `Roots.find` says it."""
        return self._brought.get(name) or self.roots.find(name)

    def bring(self, path: Path) -> str:
        """Take a file that has arrived, and return its name."""
        name = f"{UPLOADED}/{path.name}"
        self._brought[name] = path
        return name

    def is_brought(self, name: str) -> bool:
        """Tell whether the session brought this file along: nobody else has it."""
        return name in self._brought

    @property
    def only(self) -> str | None:
        """The one file there is, where a single one was named; None otherwise."""
        return self.roots.files[0][0] if len(self.roots.files) == 1 and not self.roots.folders else None

    @property
    def folder(self) -> Path:
        """The session's folder."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="edsnb-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    @property
    def uploads(self) -> Path:
        """Where files arrive."""
        made = self.folder / "uploads"
        made.mkdir(exist_ok=True)
        return made

    def close(self) -> None:
        """Delete all that the session brought and made."""
        self._brought = {}
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

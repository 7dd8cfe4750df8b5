"""Small things every reader needs: a path that can be read, its digest, progress."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import h5py

from edsnb.errors import CancelledError, EdsnbError, FileFormatError

Progress = Callable[[int, int], object]
"""Called as ``progress(done, total)``; returning False cancels the work."""


def existing_file(path: str | PathLike[str]) -> Path:
    """Return `path` as a Path, or raise where there is no file."""
    found = Path(path)
    if found.is_dir():
        raise FileFormatError(f"{found} is a folder; give the file inside it.")
    if not found.is_file():
        raise FileFormatError(f"{found} does not exist; check the name and the folder ({Path.cwd()}).")
    return found


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file, and turn whatever goes wrong with it into one clear line."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except EdsnbError:
        raise
    except (OSError, LookupError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        # The last two: a group stands where a dataset should, or the other way round.
        reason = str(error).strip("\"'").splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(
            f"{path} cannot be read: it is not HDF5, cut off or damaged ({reason}). Copy it again from the microscope "
            "and compare the sizes."
        ) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def distinct(name: str, taken: Iterable[str]) -> str:
    """Return `name`, numbered where it is taken."""
    names = set(taken)
    return next(n for n in (name, *(f"{name} {k}" for k in range(2, len(names) + 3))) if n not in names)


class Ticker:
    """Counts steps for the caller's progress function."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, max(total, 1), 0

    def __call__(self, steps: int) -> None:
        """Report `steps` more, and stop where the caller wants to."""
        self.done = min(self.done + steps, self.total)
        if self.progress is not None and self.progress(self.done, self.total) is False:
            raise CancelledError("reading was cancelled; nothing was kept.")

    def finish(self) -> None:
        """Report that all is done."""
        self(self.total - self.done)

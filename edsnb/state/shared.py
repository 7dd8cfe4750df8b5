"""One read-only copy of an opened map for all who look at it, for as long as anybody does."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.errors import CancelledError, FileFormatError
from edsnb.io.opening import open_file

_Key = tuple[str, int, int, int | str | None]
"""Path, time of the last change (ns), size (bytes), which map: another content has another key."""
_PATIENCE_S = 0.1


@dataclass(frozen=True, eq=False)
class Held:
    """A hold on an opened map; when the last one is dropped, the map's memory is free."""

    image: SpectrumImage


class SharedImages:
    """Opened maps by file, as long as they are held; asked for by several threads, a file is read once."""

    def __init__(self) -> None:
        self._held: weakref.WeakValueDictionary[_Key, Held] = weakref.WeakValueDictionary()
        self._reading: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of maps that somebody holds."""
        return len(self._held)

    def has(self, path: Path, spectrum_image: int | str | None = None) -> bool:
        """Tell whether somebody holds the map of a file as it is now, so that `open` returns at once."""
        try:
            return _key(path, spectrum_image) in self._held
        except OSError:
            return False

    def open(
        self,
        path: Path,
        *,
        spectrum_image: int | str | None = None,
        progress: Progress | None = None,
        check: Callable[[Path], object] | None = None,
    ) -> Held:
        """Return the map of a file, read anew only where nobody holds it or the file has changed.

        Parameters
        ----------
        path, spectrum_image
            As in `edsnb.open`.
        progress
            Told (done, total) while this call reads; returning False cancels it.
        check
            Called with the path before it is read, to refuse a file by raising.

        Raises
        ------
        EdsnbError
            As `edsnb.open`.
        """
        try:
            key = _key(path, spectrum_image)
        except OSError as error:
            raise FileFormatError(
                f"{path.name} cannot be read: {error.strerror or error}. Is it still there?"
            ) from error
        with self._lock:
            reading = self._reading.setdefault(key, threading.Lock())
        # Others who want the same file wait for the first, but can give up.
        while not reading.acquire(timeout=_PATIENCE_S):
            if progress is not None and progress(0, 1) is False:
                raise CancelledError("reading was cancelled; nothing was kept.")
        try:
            held = self._held.get(key)
            if held is None:
                if check is not None:
                    check(path)
                held = Held(open_file(path, spectrum_image=spectrum_image, progress=progress))
                self._held[key] = held
            return held
        finally:
            reading.release()
            with self._lock:
                # Whoever waits still holds the lock itself; at worst a file is then read twice, never wrongly.
                self._reading.pop(key, None)


def _key(path: Path, spectrum_image: int | str | None) -> _Key:
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size, spectrum_image


SHARED = SharedImages()
"""The one of this process."""

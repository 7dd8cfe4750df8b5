"""A file that arrives in pieces: checked, counted, and only there when it is whole."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from edsnb.errors import InputError
from edsnb.io.roots import MAPS

PIECE_BYTES = 4_000_000
"""What a piece holds: well below what a message of a websocket may."""

_MOST_FAULTS = 10
"""Damaged pieces of a file that are asked for again."""


@dataclass
class _Arriving:
    name: str
    size: int
    part: Path
    pieces: int
    next: int = 0
    bytes: int = 0
    faults: int = 0


class Receiver:
    """Takes files into a folder; all files of one receiver together have a limit."""

    def __init__(self, folder: Path, limit_bytes: int, endings: tuple[str, ...] = MAPS) -> None:
        self.folder, self.limit_bytes, self.endings = folder, limit_bytes, endings
        self._now: _Arriving | None = None
        self._sha = hashlib.sha256()

    def take(self, name: str, size: int, piece: int, pieces: int, crc: int, data: bytes) -> tuple[int, Path | None]:
        """Take a piece; return the number of the piece to send next, and the file where that was the last one.

        A damaged piece is asked for again. A piece out of turn starts nothing and ends the file.

        Raises
        ------
        InputError
            The file is too large, has another ending, or its pieces do not follow each other; what arrived is dropped.
        """
        if piece == 0 and (self._now is None or self._now.next != 0 or self._now.name != _safe(name)):
            self._begin(name, size, pieces)
        now = self._now
        if now is None or (piece, pieces, size) != (now.next, now.pieces, now.size):
            self.cancel()
            raise InputError(f"{_safe(name)}: pieces arrived out of turn. Send the file again.")
        if zlib.crc32(data) != crc:
            now.faults += 1
            if now.faults > _MOST_FAULTS:
                self.cancel()
                raise InputError(f"{now.name}: the connection damages what it carries. Send the file again later.")
            return now.next, None
        if now.bytes + len(data) > now.size:
            self.cancel()
            raise InputError(f"{now.name}: more arrived than was announced. Send the file again.")
        with now.part.open("ab") as file:
            file.write(data)
        self._sha.update(data)
        now.next, now.bytes = now.next + 1, now.bytes + len(data)
        return now.next, self._finish(now) if now.next == now.pieces else None

    @property
    def sha256(self) -> str:
        """Digest of what arrived last."""
        return self._sha.hexdigest()

    def cancel(self) -> None:
        """Drop what has arrived of a file that is not whole."""
        if self._now is not None:
            self._now.part.unlink(missing_ok=True)
            self._now = None

    def _begin(self, name: str, size: int, pieces: int) -> None:
        self.cancel()
        safe = _safe(name)
        if not safe.lower().endswith(self.endings):
            raise InputError(f"{safe}: files that can be opened end in {', '.join(self.endings)}.")
        held = sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file() and path.name != safe)
        if held + size > self.limit_bytes:
            raise InputError(
                f"{safe} has {size / 1e6:.1f} MB; files sent in one session may have {self.limit_bytes / 1e6:.0f} MB "
                f"together, and {held / 1e6:.1f} MB are there."
            )
        if not 0 < pieces <= size // PIECE_BYTES + 1:
            raise InputError(f"{safe} cannot have {pieces} pieces. Send the file again.")
        self._now = _Arriving(safe, size, self.folder / f".{safe}.part", pieces)
        self._now.part.unlink(missing_ok=True)
        self._sha = hashlib.sha256()

    def _finish(self, now: _Arriving) -> Path:
        if now.bytes != now.size:
            self.cancel()
            raise InputError(f"{now.name}: {now.bytes} of {now.size} bytes arrived. Send the file again.")
        target = self.folder / now.name
        now.part.replace(target)
        self._now = None
        return target


def _safe(name: str) -> str:
    """Return a name without folders and without characters that mean something to a system."""
    last = PureWindowsPath(str(name)).name
    return re.sub(r"[^\w .()+-]", "_", last).strip(" .")[-100:] or "file"

"""A place to drop a file, which is sent to the server in pieces with checksums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from edsnb.errors import InputError
from edsnb.state.received import PIECE_BYTES, Receiver
from edsnb.widgets.scripts import script

_MEGABYTE = 1_000_000


class Upload(JSComponent):
    """Calls ``received(path)`` with each file that has arrived whole."""

    title = param.String(default="Drop a file here, or choose one")
    limit_mb = param.Integer(default=200)
    piece = param.Integer(default=PIECE_BYTES)
    endings = param.List(default=[])

    # As text they reach a notebook too, where no file is served.
    _esm = script("upload.js")
    _stylesheets: ClassVar[list[str]] = [script("upload.css")]

    def __init__(self, folder: Callable[[], Path], received: Callable[[Path], object], **params: Any) -> None:
        super().__init__(**params)
        self._folder, self._received = folder, received
        self._receiver: Receiver | None = None

    def _handle_msg(self, data: Any) -> None:
        """Take a message of the browser, which may hold anything."""
        if self._receiver is None:
            self._receiver = Receiver(self._folder(), self.limit_mb * _MEGABYTE)
        if not isinstance(data, dict) or data.get("cancel"):
            self._receiver.cancel()
            return
        try:
            size, piece, pieces, crc = (int(data[name]) for name in ("size", "piece", "pieces", "crc"))
            following, path = self._receiver.take(str(data["name"]), size, piece, pieces, crc, bytes(data["data"]))
        except InputError as error:
            self._send_msg({"error": str(error)})
        except (KeyError, TypeError, ValueError, OSError) as error:
            self._receiver.cancel()
            self._send_msg({"error": f"The file did not arrive ({type(error).__name__}). Send it again."})
        else:
            self._send_msg({"next": following})
            if path is not None:
                self._received(path)

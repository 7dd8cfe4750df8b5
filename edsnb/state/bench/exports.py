"""Results to take along: as a ZIP to download, or in a folder of this computer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import param

from edsnb.core.fitting.solve import Progress
from edsnb.state.bench.archive import Archive, write_archive, write_result
from edsnb.state.bench.shelf import Shelf
from edsnb.state.work import Work

if TYPE_CHECKING:
    from edsnb.pipeline import Analysis


class ExportState(param.Parameterized):
    """Writes results off the event loop, in `work`."""

    archive = param.Parameter(default=None, constant=True, doc="The last Archive; None where there is none.")
    message = param.String(default="", constant=True, doc="What came of the last export, in plain words.")

    def __init__(self, shelf: Shelf, *, local: bool) -> None:
        """Write archives into the shelf's folder; folders of this computer only where whoever asks works on it."""
        super().__init__()
        self.work = Work()
        self._shelf, self._local = shelf, local

    def write(
        self,
        analysis: Analysis | None,
        name: str,
        formats: Iterable[str],
        folder: str | Path | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write a run as ``name.zip``, or into a folder; `formats` as `write_result` takes them."""
        chosen = tuple(formats)
        if analysis is None or not chosen:
            asked = "Choose what is to be exported." if analysis is not None else "There is nothing to export yet."
            self._put(message=asked)
        elif folder is None:
            place = self._shelf.folder

            def pack(progress: Progress) -> Archive:
                return write_archive(analysis, place, name, chosen, progress=progress)

            self.work.start("Exporting", pack, self._packed)
        elif self._local:
            target = Path(folder).expanduser()

            def save(progress: Progress) -> tuple[str, ...]:
                return write_result(analysis, target, chosen, overwrite=overwrite, progress=progress)

            self.work.start("Saving", save, lambda notes: self._put(message=_joined(f"Saved in {target}.", *notes)))

    def forget(self) -> None:
        """Offer the last archive no more: it is of another run."""
        self._put(archive=None, message="")

    def _packed(self, archive: Archive) -> None:
        self._put(archive=archive, message=_joined(*archive.notes))

    def _put(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def _joined(*sentences: str) -> str:
    return " ".join(sentences)

"""How a Workbench opens a file, and how it says what went wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.errors import EdsnbError
from edsnb.io.describe import describe_text
from edsnb.io.roots import check_self_contained
from edsnb.state.shared import SHARED, Held


def plain(error: EdsnbError) -> str:
    """Return an error as a sentence for people who see fields, not records."""
    text = str(error).removeprefix("recipe: ")
    return text[:1].upper() + text[1:]


def read_map(
    path: Path, name: str, spectrum_image: int | str | None, *, local: bool, progress: Progress
) -> tuple[Held, SpectrumImage, str]:
    """Open a file, or take the copy that others look at; messages name it as it was asked for.

    With `local` the record keeps the file's path; without it has the name, as paths are nobody else's business.
    """
    try:
        held = SHARED.open(path, spectrum_image=spectrum_image, progress=progress, check=check_self_contained)
    except EdsnbError as error:
        raise type(error)(str(error).replace(str(path), name)) from error
    image = held.image if local else replace(held.image, source=name)
    return held, image, describe_text(image)

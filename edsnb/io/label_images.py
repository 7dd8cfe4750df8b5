"""Label images of other programs: NumPy's .npy, TIFF, PNG."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from edsnb.core.events import Array
from edsnb.errors import FileFormatError
from edsnb.io.files import existing_file

ENDINGS = (".npy", ".tif", ".tiff", ".png")


def read_label_image(path: str | PathLike[str]) -> Array:
    """Return a label image (ny, nx) of whole numbers; of a picture in palette colours, the number of the colour.

    Raises
    ------
    FileFormatError
        No such file, another kind of file, or not one whole number a pixel.
    """
    file = existing_file(path)
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise FileFormatError(f"{file.name} is no label image: give {', '.join(ENDINGS)}.")
    try:
        image = _read(file, ending)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{file.name} cannot be read as a label image: {reason}") from error
    image = np.squeeze(image)
    if np.issubdtype(image.dtype, np.floating) and np.isfinite(image).all() and (image == np.rint(image)).all():
        image = image.astype(np.int64)
    if image.ndim != 2 or not (image.dtype == bool or np.issubdtype(image.dtype, np.integer)):
        raise FileFormatError(
            f"{file.name} holds {' x '.join(map(str, image.shape))} values of {image.dtype}; a label image has one "
            "whole number a pixel. Save it as 8- or 16-bit grey levels without colours."
        )
    return image


def _read(file: Path, ending: str) -> Array:
    """Return what a file holds."""
    if ending == ".npy":
        return np.asarray(np.load(file, allow_pickle=False))
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image)

"""Open a file of any format: `edsnb.open`."""

from __future__ import annotations

from os import PathLike

import h5py

from edsnb.core.image import SpectrumImage
from edsnb.errors import FileFormatError, InputError
from edsnb.io.files import Progress, existing_file
from edsnb.io.h5oina import is_h5oina, open_h5oina
from edsnb.io.velox.raster import Frames
from edsnb.io.velox.read import is_velox, open_velox
from edsnb.io.vendor import open_vendor


def open_file(
    path: str | PathLike[str],
    *,
    frames: Frames = None,
    spectrum_image: int | str | None = None,
    progress: Progress | None = None,
) -> SpectrumImage:
    """Open a STEM-EDS file: Velox .emd, .h5oina, .bcf, .hspy, .dm4, .spd, .msa, .rpl and what else RosettaSciIO reads.

    Parameters
    ----------
    path
        The file. Velox and AZtec files are told by their content, all others by their extension.
    frames
        Velox only: frames to sum, counted from 0 (a number, a slice, a range or a sequence); None for those Velox
        shows.
    spectrum_image
        Which map to read where the file holds several: its number from 0, or its name.
    progress
        Called as ``progress(done, total)``; returning False cancels.

    Returns
    -------
    SpectrumImage. Files without a map (point spectra) have ``events`` None, and `notes` say what is possible with them.

    Raises
    ------
    FileFormatError
        The file is missing, cut off, damaged or of an unknown kind, or holds several maps without a choice.
    NoMapError
        The file holds no EDS data; the message says what it holds.
    InputError
        `frames` or `spectrum_image` are not in the file.
    CancelledError
        `progress` returned False.
    """
    source = existing_file(path)
    hdf5 = h5py.is_hdf5(source)
    if hdf5 and is_velox(source):
        return open_velox(source, frames=frames, spectrum_image=spectrum_image, progress=progress)
    if source.suffix.lower() == ".emd" and not hdf5:
        raise FileFormatError(f"{source} is not an .emd file: it does not begin like HDF5. Copy it again.")
    if frames is not None:
        raise InputError(
            f"{source} is not a Velox file: its frames are already summed, so frames={frames!r} has no use."
        )
    if hdf5 and is_h5oina(source):
        return open_h5oina(source, spectrum_image=spectrum_image, progress=progress)
    return open_vendor(source, spectrum_image=spectrum_image, progress=progress)

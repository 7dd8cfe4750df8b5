"""The formats of a hand-over, in one table: help, README.txt and documentation are made of it. Loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edsnb.errors import InputError


class Format(StrEnum):
    """A format, or a consumer with files of its own."""

    PARQUET = "parquet"
    NPZ = "npz"
    IMAGEFOLDER = "imagefolder"
    IMAGEFOLDER16 = "imagefolder16"
    CLASSES = "classes"
    PYCHIP = "pychip"
    PYCHIPCLASSIFIER = "pychipclassifier"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """What a format is."""

    path: str
    """Its file or folder inside the export."""
    summary: str
    """What it holds, one line."""
    reader: str
    """How it is read, one line of code or words."""
    picture: bool = False
    """Whether it needs patches of an image."""
    labels: bool = False
    """Whether it needs labels."""


FORMATS: Mapping[Format, FormatInfo] = {
    Format.PARQUET: FormatInfo(
        "chips.parquet",
        "a row a chip: place, at%, wt%, true HAADF values, PNG, spectrum, features",
        'pandas.read_parquet("chips.parquet"); datasets.load_dataset("parquet", data_files="chips.parquet")',
    ),
    Format.NPZ: FormatInfo(
        "chips.npz",
        "the same as arrays: haadf (n, h, w), spectra (n, E), at (n, K), boxes, features",
        'numpy.load("chips.npz", allow_pickle=False)',
    ),
    Format.IMAGEFOLDER: FormatInfo(
        "imagefolder/",
        "8-bit PNG of each chip, all else in metadata.parquet",
        'datasets.load_dataset("imagefolder", data_dir="imagefolder")',
        picture=True,
    ),
    Format.IMAGEFOLDER16: FormatInfo(
        "imagefolder16/",
        "the same with 16-bit PNG",
        'datasets.load_dataset("imagefolder", data_dir="imagefolder16")',
        picture=True,
    ),
    Format.CLASSES: FormatInfo(
        "classes/",
        "8-bit PNG of each labelled chip in its class's folder (needs labels)",
        'torchvision.datasets.ImageFolder("classes")',
        picture=True,
        labels=True,
    ),
    Format.PYCHIP: FormatInfo(
        "pychip/",
        "pyCHIP's tree: image, query/all_queries, support_set/CLASS; see the naming",
        "pyCHIP's few-shot script or GUI",
        picture=True,
    ),
    Format.PYCHIPCLASSIFIER: FormatInfo(
        "pychipclassifier/",
        "haadf.png, eds.npy [y, x, E] on it, support.json, for PychipClassifier",
        'PychipClassifier("pychipclassifier", "haadf.png", eds=numpy.load("pychipclassifier/eds.npy", mmap_mode="r"))',
        picture=True,
    ),
    Format.PUBLISHED: FormatInfo(
        "published/",
        "the published EDS script's files: Chip_ID and eds_spectrum, at% as CSV",
        'numpy.load("published/spectra.npz"); pandas.read_csv("published/atomic_percent.csv")',
    ),
}
"""What each format is."""


def parse_formats(asked: str | Format | Iterable[str | Format]) -> tuple[Format, ...]:
    """Return formats, each once in the table's order, of one name, ``parquet,npz``, or several names.

    Raises
    ------
    InputError
        None is named, or one that does not exist.
    """
    words = asked.split(",") if isinstance(asked, str) else [str(word) for word in asked]
    names = {word.strip().lower() for word in words if word.strip()}
    known = {str(name) for name in Format}
    if not names or names - known:
        found = ", ".join(sorted(names - known)) or "none"
        raise InputError(f"export: format {found} is unknown; choose among {', '.join(Format)}.")
    return tuple(name for name in Format if str(name) in names)


def format_lines(width: int = 18) -> list[str]:
    """Return one line a format for people, names in a column of this width."""
    return [f"{name:<{width}}{info.summary}" for name, info in FORMATS.items()]

"""What chips are called by those who read them: three namings, and chips found again by any of them.

(row, col) is the truth; a name is only a way to write it. All three count the chips of the cut part of the map, whose
remainder is dropped at the bottom and on the right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edsnb.errors import InputError

if TYPE_CHECKING:
    from edsnb.core.regions import Regions

_SHOWN = 5
_UNSAFE = re.compile(r"[^\w.-]+")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class Naming(StrEnum):
    """How chips are called."""

    GUI = "gui"
    MANUSCRIPT = "manuscript"
    CLASSIFIER = "classifier"


@dataclass(frozen=True, slots=True)
class _Preset:
    """One naming."""

    template: str
    pattern: re.Pattern[str]
    first: int
    """What the first row and column are called."""
    by_column: bool
    """Whether chips are listed column by column."""
    meaning: str


NAMINGS: Mapping[Naming, _Preset] = {
    Naming.GUI: _Preset(
        "cropX_{col}_Y_{row}.jpg", re.compile(r"cropX_(?P<col>\d+)_Y_(?P<row>\d+)"), 0, True,
        "pyCHIP's GUI: X is the column, Y the row, from 0; viridis JPEG",
    ),
    Naming.MANUSCRIPT: _Preset(
        "otsu_image_{row:02d}_{col:02d}.png", re.compile(r"otsu_image_(?P<row>\d+)_(?P<col>\d+)"), 1, False,
        "pyCHIP's manuscript: row before column, from 1, two digits; grey PNG",
    ),
    Naming.CLASSIFIER: _Preset(
        "R{row}C{col}.png", re.compile(r"R(?P<row>\d+)C(?P<col>\d+)"), 0, True,
        "PychipClassifier and edsnb: row before column, from 0; grey PNG",
    ),
}  # fmt: skip
"""The namings: template of a file's name, and what it means."""


def file_name(naming: Naming, row: int, col: int) -> str:
    """Return the file name of the chip in a row and column, both from 0."""
    preset = NAMINGS[naming]
    return preset.template.format(row=row + preset.first, col=col + preset.first)


def in_order(naming: Naming, cells: Iterable[Sequence[int]]) -> list[int]:
    """Return the order in which a naming lists chips of these (row, col)."""
    pairs = [(int(row), int(col)) for row, col in cells]
    by_column = NAMINGS[naming].by_column
    return sorted(range(len(pairs)), key=lambda k: pairs[k][::-1] if by_column else pairs[k])


def safe_name(name: str, otherwise: str) -> str:
    """Return a name as a file or folder may have it anywhere: letters, digits, dots, hyphens and underscores."""
    return _UNSAFE.sub("_", name).strip("._") or otherwise


def stems(regions: Regions) -> list[str]:
    """Return a file name without ending for each region: the chip's own name, or a safe one for irregular regions."""
    if regions.cells is not None:
        return list(regions.names)
    # The number keeps names apart that differ in what is left out.
    return [f"{k:04d}_{safe_name(name, 'region')}" for k, name in enumerate(regions.names)]


def check_folders(names: Iterable[str]) -> None:
    """Raise InputError for classes that cannot be folders on every system."""
    seen: dict[str, str] = {}
    for name in names:
        bad = not name.strip() or name != name.strip() or name.endswith(".") or _FORBIDDEN.search(name)
        if bad or _RESERVED.fullmatch(name):
            raise InputError(
                f"class {name!r} cannot be the name of a folder; use letters, digits, spaces inside, - and _."
            )
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise InputError(f"classes {other!r} and {name!r} would share a folder on some systems; rename one.")


def find_chips(called: Sequence[str], regions: Regions) -> list[int]:
    """Return the place among the regions of each chip, called by a path, a file name or a plain name of any naming.

    Raises
    ------
    InputError
        A name belongs to no region, several namings are mixed, or two names mean one chip.
    """
    # Windows writes backslashes into its paths, and Linux does not take them for such.
    plain = [PurePosixPath(text.replace("\\", "/")).name for text in called]
    naming = _naming_of(plain, regions)
    if naming is None:
        own = {name: k for names in (stems(regions), regions.names) for k, name in enumerate(names)}
        found = [own.get(full, own.get(name, own.get(_stem(name)))) for full, name in zip(called, plain, strict=True)]
    else:
        found = _by_cell(plain, naming, regions)
    if foreign := [called[k] for k, place in enumerate(found) if place is None]:
        raise InputError(f"{_listed(foreign)} no chip of {_described(regions)}.")
    places = [place for place in found if place is not None]
    if double := [regions.names[place] for place, count in Counter(places).items() if count > 1]:
        raise InputError(f"{_listed(double)} named more than once; each chip must stand there once.")
    return places


def check_complete(found: Iterable[int], regions: Regions) -> None:
    """Raise InputError where chips are missing among those found."""
    held = set(found)
    if lost := [name for k, name in enumerate(regions.names) if k not in held]:
        raise InputError(f"{len(lost)} of {len(regions)} chips are missing: {_some(lost)}.")


def _naming_of(plain: Sequence[str], regions: Regions) -> Naming | None:
    """Return the naming of all names; None where they are the regions' own, for regions that are no grid."""
    if regions.cells is None:
        return None
    counts = {
        naming: sum(preset.pattern.fullmatch(_stem(name)) is not None for name in plain)
        for naming, preset in NAMINGS.items()
    }
    used = [naming for naming, count in counts.items() if count]
    if len(used) > 1:
        shown = ", ".join(f"{counts[naming]} like {file_name(naming, 0, 0)}" for naming in used)
        raise InputError(f"chips are named in several ways at once ({shown}); use one.")
    return used[0] if used else Naming.CLASSIFIER


def _by_cell(plain: Sequence[str], naming: Naming, regions: Regions) -> list[int | None]:
    """Return the place of each chip by its row and column."""
    preset = NAMINGS[naming]
    cells = [] if regions.cells is None else regions.cells.tolist()
    places = {(row, col): k for k, (row, col) in enumerate(cells)}
    found: list[int | None] = []
    for name in plain:
        match = preset.pattern.fullmatch(_stem(name))
        cell = (int(match["row"]) - preset.first, int(match["col"]) - preset.first) if match else (-1, -1)
        found.append(places.get(cell))
    return found


def _stem(name: str) -> str:
    """Return a file name without its ending, where it has one of a picture."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".tiff") else name


def _described(regions: Regions) -> str:
    """Say which chips there are."""
    if regions.cells is None or not len(regions):
        return f"the {len(regions)} regions {_some(regions.names)}"
    rows, columns = (regions.cells.max(axis=0) + 1).tolist()
    return f"the grid of {rows} rows and {columns} columns ({regions.names[0]} to {regions.names[-1]})"


def _listed(names: Sequence[str]) -> str:
    """Return the first names with a verb."""
    return f"{_some(names)} {'is' if len(names) == 1 else 'are'}"


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many there are where there are more."""
    more = f" ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"

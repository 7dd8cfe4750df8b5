"""What a table says of one region, and the names that regions have in tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isclose, isnan

_CELL = re.compile(
    r"(?<![A-Za-z0-9])r(?:ow)?[\s_]*(\d+)[\s_,;-]*c(?:ol(?:umn)?)?[\s_]*(\d+)(?![A-Za-z0-9])", re.IGNORECASE
)
_NUMBER = re.compile(
    r"(?:\b(?:region|area|roi|spectrum|chip|point|rectangle|number|nr|no)|#|^)[\s._:#-]*(\d+)\s*$", re.IGNORECASE
)
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Label:
    """A region's name as it stands in a table."""

    text: str
    cell: tuple[int, int] | None = None
    """Row and column, as written: ``R0C1``, ``row 0 col 1``."""
    number: int | None = None
    """The number in ``Region 3``, ``Area 3``, ``#3``, ``3``."""


def read_label(text: str) -> Label:
    """Return a region's name with the place or number in it, if any."""
    if found := _CELL.search(text):
        return Label(text.strip(), cell=(int(found[1]), int(found[2])))
    found = _NUMBER.search(text.strip())
    return Label(text.strip(), number=None if found is None else int(found[1]))


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its error (NaN where none is given), in the unit of the table."""

    value: float
    sd: float
    unit: str | None = None
    """``percent``, ``share`` (0 to 1) or None where the table does not say; None for counts."""


@dataclass(frozen=True, slots=True)
class LineCounts:
    """Counts of one line or family."""

    name: str
    """As it stands in the table."""
    family: str | None
    """Shell: K, L or M; None where the table does not say."""
    value: float
    sd: float


@dataclass(slots=True)
class Entry:
    """All that one table says of one region; filled while the table is read."""

    source: str
    """File, sheet and line."""
    file: str
    """Path of the file, the same for all entries of a batch."""
    label: str = ""
    title: str = ""
    """A line above the table that may or may not be the region's name."""
    cell: tuple[int, int] | None = None
    """Row and column, where the table has columns for them."""
    intensities: bool = False
    """Whether the table holds counts alone, as the second of Velox's two files of details does."""
    values: dict[tuple[str, str], Value] = field(default_factory=dict)
    """{(``atomic`` or ``weight``, element): value}."""
    lines: dict[str, list[LineCounts]] = field(default_factory=dict)
    """{element: counts of its lines}."""
    families: dict[str, str] = field(default_factory=dict)
    """{element: shell that quantified it}."""

    def same_numbers(self, other: Entry) -> bool:
        """Say whether two entries hold the same values, as a table exported twice does."""
        if self.values.keys() != other.values.keys() or self.lines.keys() != other.lines.keys():
            return False
        pairs = [(self.values[key], other.values[key]) for key in self.values]
        lines = [(self.lines[element], other.lines[element]) for element in self.lines]
        return all(_same(a.value, b.value) and a.unit == b.unit for a, b in pairs) and all(
            [(x.name, x.value) for x in a] == [(x.name, x.value) for x in b] for a, b in lines
        )


def _same(one: float, other: float) -> bool:
    return (isnan(one) and isnan(other)) or isclose(one, other, rel_tol=_ROUNDING)

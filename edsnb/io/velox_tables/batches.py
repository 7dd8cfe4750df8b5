"""Which chip each entry of a table belongs to: by its name, its row and column, or its place in a batch.

Velox takes ten integration regions at a time, so a grid comes as several files of a few regions each. The rules, in
the order in which they are tried:

1. Row and column, from columns of their own or from the name (``R0C1``, ``row 0 col 1``), counted from `first`.
2. The name of the region, as the map's regions have it.
3. The number in the name (``Region 3``, ``Area 3``, ``#3``). Where no number stands twice in all files, it counts the
   chips row by row; where every file begins anew, or one file holds only the first few numbers, it counts within the
   file.
4. The order within the file.

For 3 (within a file) and 4 the files follow each other, each with as many chips as the fullest, or `batch`. Where there
are fewer files than the chips need, the numbers in their names tell which one is missing; where they cannot, that is
an error, as is a file that lacks a region without saying which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from edsnb.core.regions import Regions
from edsnb.errors import InputError
from edsnb.io.velox_tables.entries import Entry, read_label

BY = ("auto", "name", "order")
_SHOWN = 6
"""How many names a message lists."""


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How entries are given to chips."""

    by: str = "auto"
    """``auto``: as the module says; ``name``: never by place in a file; ``order``: never by name."""
    batch: int | None = None
    """Chips in a file; None for as many as the fullest file has."""
    first: int = 0
    """Number of the first row and column in the tables: 0 as edsnb counts, or 1."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.by not in BY or self.first not in (0, 1) or (self.batch is not None and self.batch < 1):
            raise InputError(
                f"batches: by={self.by!r} must be one of {', '.join(BY)}; first={self.first!r} 0 or 1; "
                f"batch={self.batch!r} at least 1, or None."
            )


@dataclass(slots=True)
class Placed:
    """Entries by chip."""

    names: list[str]
    """All chips, those without an entry too."""
    entries: dict[str, Entry]
    notes: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Chips without an entry."""
        return [name for name in self.names if name not in self.entries]


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``batch 2`` before ``batch 10``."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part]


def place(entries: Sequence[Entry], regions: Regions | None, rules: BatchRules) -> Placed:
    """Give each entry to a chip; see the module for the rules.

    Raises
    ------
    InputError
        An entry has no chip, two entries that differ have the same, or which chips are missing cannot be told.
    """
    notes: list[str] = []
    _check_cells(entries)
    if regions is None:
        names, at = _own_names(entries, rules)
    else:
        names = list(regions.names)
        at = [None] * len(entries) if rules.by == "order" else _by_name(entries, regions, rules)
        unknown = [e for e, k in zip(entries, at, strict=True) if k is None]
        if len(unknown) == len(entries):
            entries = _without_copies(entries, notes)
            at = list(_by_number(entries, len(names), rules, notes))
        elif unknown:
            raise InputError(_not_placed(unknown, regions, rules))
    placed = Placed(names, {}, notes)
    for entry, k in zip(entries, at, strict=True):
        _add(placed, names[int(k or 0)], entry)
    return placed


def listed(names: Sequence[str]) -> str:
    """Return names for a message, the first few of many."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _check_cells(entries: Sequence[Entry]) -> None:
    """Raise where a name says another place than the columns of row and column."""
    for entry in entries:
        named = read_label(entry.label).cell
        if entry.cell is not None and named is not None and named != entry.cell:
            raise InputError(f"{entry.source}: {entry.label} stands in row {entry.cell[0]}, col {entry.cell[1]}.")


def _cell(entry: Entry, rules: BatchRules) -> tuple[int, int] | None:
    """Return an entry's row and column, counted from 0."""
    cell = entry.cell or read_label(entry.label).cell
    return None if cell is None else (cell[0] - rules.first, cell[1] - rules.first)


def _by_name(entries: Sequence[Entry], regions: Regions, rules: BatchRules) -> list[int | None]:
    """Return the chip of each entry by place or name; None where neither tells."""
    cells = {} if regions.cells is None else {(int(r), int(c)): i for i, (r, c) in enumerate(regions.cells)}
    names = {_plain(name): i for i, name in enumerate(regions.names)}
    found: list[int | None] = []
    for entry in entries:
        cell = _cell(entry, rules)
        by_cell = cells.get(cell) if cell is not None else None
        found.append(by_cell if cell is not None and cells else names.get(_plain(entry.label or entry.title)))
    lost = [e for e, k in zip(entries, found, strict=True) if k is None and cells and _cell(e, rules) is not None]
    if lost:
        raise InputError(_not_placed(lost, regions, rules))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name).casefold()


def _not_placed(entries: Sequence[Entry], regions: Regions, rules: BatchRules) -> str:
    """Return the message that entries are no chips of the map."""
    cells = [c for c in (e.cell or read_label(e.label).cell for e in entries) if c is not None]
    names = [e.label or (f"row {e.cell[0]}, col {e.cell[1]}" if e.cell else "a region without a name") for e in entries]
    hint = "Name the regions as the map does"
    if cells and rules.first == 0 and min(min(c) for c in cells) >= 1:
        hint = "If the table counts rows and columns from 1, say first=1; else name the regions as the map does"
    return (
        f"{entries[0].source}: {listed(names)} {'is' if len(names) == 1 else 'are'} not among the map's {len(regions)} "
        f"regions {regions.names[0]} to {regions.names[-1]}. {hint}, or say by='order'."
    )


def _own_names(entries: Sequence[Entry], rules: BatchRules) -> tuple[list[str], list[int | None]]:
    """Return names made from the table alone, and the place of each entry among them."""
    cells = [_cell(entry, rules) for entry in entries]
    known = [cell for cell in cells if cell is not None]
    if len(known) == len(entries):
        rows, cols = (range(min(c[i] for c in known), max(c[i] for c in known) + 1) for i in (0, 1))
        if min(rows[0], cols[0]) < 0:
            raise InputError("a row or column is 0, so the table does not count from 1: leave out first=1.")
        grid = [(r, c) for r in rows for c in cols]
        places = {cell: i for i, cell in enumerate(grid)}
        return [f"R{r}C{c}" for r, c in grid], [places[cell] for cell in known]
    names = [entry.label or entry.title for entry in entries]
    if not all(names) or len(set(names)) < len(names):
        several = len({entry.file for entry in entries}) > 1
        names = [_with_file(entry, k, entries, several) for k, entry in enumerate(entries)]
    order = list(dict.fromkeys(names))
    return order, [order.index(name) for name in names]


def _with_file(entry: Entry, k: int, entries: Sequence[Entry], several: bool) -> str:
    """Return a name for a region whose own name is missing or stands in several files."""
    stem = Path(entry.file).stem
    own = entry.label or f"{sum(e.file == entry.file for e in entries[: k + 1])}"
    if not entry.label and sum(e.file == entry.file for e in entries) == 1:
        return stem
    return f"{stem}: {own}" if several else own


def _add(placed: Placed, name: str, entry: Entry) -> None:
    """Add an entry, or raise where the chip has another already."""
    other = placed.entries.get(name)
    if other is None:
        placed.entries[name] = entry
    elif entry.same_numbers(other):
        placed.notes.append(f"{name} stands twice with the same values ({other.source}; {entry.source}).")
    else:
        raise InputError(
            f"{name} stands twice with different values: {other.source} and {entry.source}. Take one of them away."
        )


def _files(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the entries of each file, in order."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.file, []).append(entry)
    return found


def _without_copies(entries: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """Return the entries without those of files that hold the same as another one."""
    kept: dict[str, list[Entry]] = {}
    for file, own in _files(entries).items():
        twin = next((name for name, other in kept.items() if _is_copy(own, other)), None)
        if twin is None:
            kept[file] = own
        else:
            notes.append(f"{Path(file).name} holds the same as {Path(twin).name} and was left out.")
    return [entry for own in kept.values() for entry in own]


def _is_copy(one: Sequence[Entry], other: Sequence[Entry]) -> bool:
    """Say whether two files hold the same values."""
    alike = len(one) == len(other) and all(a.same_numbers(b) for a, b in zip(one, other, strict=True))
    return alike and any(v.value == v.value for entry in one for v in [*entry.values.values(), *_lines(entry)])


def _lines(entry: Entry) -> list:
    return [line for lines in entry.lines.values() for line in lines]


def _by_number(entries: Sequence[Entry], chips: int, rules: BatchRules, notes: list[str]) -> list[int]:
    """Return the chip of each entry by number or order; rules 3 and 4."""
    numbers = [None if rules.by == "order" else read_label(entry.label).number for entry in entries]
    said = [k for k in numbers if k is not None]
    if said and len(said) < len(entries):
        nameless = [e.source for e, k in zip(entries, numbers, strict=True) if k is None]
        raise InputError(f"some regions have a number in their name, but not those of {listed(nameless)}. Name all.")
    base = 0 if 0 in said else 1
    files = _files(entries)
    # One file with the first few numbers may be any of the batches.
    one_of_several = len(files) == 1 and bool(said) and max(said) - base + 1 < chips and rules.by != "name"
    if said and len(set(said)) == len(said) and not one_of_several:
        places = [k - base for k in said]
        notes.append("regions were given to chips by the numbers in their names, row by row.")
        if max(places) >= chips:
            raise InputError(
                f"the table's regions are numbered up to {max(said)}, but the map has {chips}. Cut the map into the "
                "same chips, or name the regions R0C0, R0C1, ..."
            )
        return places
    if rules.by == "name":
        raise InputError(
            f"by='name': {listed([e.source for e in entries])} have no name that is a region of the map, nor a number "
            "of their own. Name the regions R0C0, R0C1, ..., or say by='order'."
        )
    within = {id(e): k - base for e, k in zip(entries, said, strict=True)} if said else None
    notes.append(
        f"regions were given to chips by {'their number' if said else 'their order'} in each file, row by row; files "
        f"in order: {listed([Path(file).name for file in files])}."
    )
    return _by_file(files, within, chips, rules)


def _by_file(
    files: Mapping[str, list[Entry]], within: Mapping[int, int] | None, chips: int, rules: BatchRules
) -> list[int]:
    """Return the chip of each entry by file and place in the file."""
    places = {f: [k if within is None else within[id(e)] for k, e in enumerate(own)] for f, own in files.items()}
    size = rules.batch or max(max(own) + 1 for own in places.values())
    batches = _batch_of(list(files), ceil(chips / size), size, chips)
    out: list[int] = []
    for (file, own), batch in zip(places.items(), batches, strict=True):
        room = min(size, chips - batch * size)
        if max(own) >= room:
            raise InputError(
                f"{Path(file).name} has {max(own) + 1} regions where {room} are left of {chips} chips in batches of "
                f"{size}. Cut the map into the same chips, or name the regions R0C0, R0C1, ..."
            )
        if within is None and len(own) < room:
            raise InputError(
                f"{Path(file).name} has {len(own)} regions where {room} are due, and nothing says which are missing. "
                "Name the regions in the table (R0C0 or Region 1), or say batch=... if that many were exported at once."
            )
        out += [batch * size + k for k in own]
    return out


def _batch_of(files: Sequence[str], batches: int, size: int, chips: int) -> list[int]:
    """Return which batch each file is."""
    if len(files) == batches:
        return list(range(batches))
    want = f"{chips} chips in batches of {size} need {batches} files, there are {len(files)}"
    if len(files) > batches:
        raise InputError(
            f"{want}: {listed([Path(f).name for f in files])}. Take the surplus away, or say batch=... if files hold "
            "fewer regions."
        )
    numbers = _file_numbers([Path(f).name for f in files])
    fits = [base for base in (0, 1) if numbers and base <= min(numbers) and max(numbers) < batches + base]
    if len(fits) != 1:
        why = "their names have no numbers" if not numbers else "their numbers do not tell which is missing"
        raise InputError(
            f"{want}, and {why}. Number the files from 1 to {batches}, or name the regions R0C0, R0C1, ... in the "
            "tables; say by='name' if the regions' own numbers count the map's chips."
        )
    return [k - fits[0] for k in numbers]


def _file_numbers(names: Sequence[str]) -> list[int]:
    """Return the number that differs from file to file; none where there is no such number in all names."""
    found = [[int(k) for k in re.findall(r"\d+", name)] for name in names]
    if len({len(numbers) for numbers in found}) != 1:
        return []
    columns = [list(column) for column in zip(*found, strict=True) if len(set(column)) == len(names)]
    return columns[-1] if columns else []

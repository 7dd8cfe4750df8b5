"""The forms a table of composition has, and how each becomes one entry a region.

- a table a region: lines are elements; the region's name stands in a line above it (``Region 3``, ``Spectrum: Area
  3``), or nowhere. A file may hold several, one below the other.
- long: one line for each region and element; a region's name may stand in the first of its lines alone.
- wide: one line a region, one column (or value and error) for each element.
- turned: one line an element, one column for each region; no errors.

A line of units may follow the heading. Empty lines are skipped; lines that begin with ``#`` are kept as notes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edsnb.core.fitting.lines import atomic_number
from edsnb.core.quant.tables import number
from edsnb.errors import ElementError, FileFormatError, InputError
from edsnb.io.cells import EMPTY, Row, Sheet, read_number
from edsnb.io.velox_tables.columns import ValueColumn, value_columns
from edsnb.io.velox_tables.entries import Entry, LineCounts, Value, read_label
from edsnb.io.velox_tables.headings import Heading, element_and_family, family_of, read_heading

_SUMMARY = frozenset({"total", "sum", "mean", "average", "avg", "median", "std", "sd", "stdev", "min", "max"})
"""First cells of lines below a table that are no region or element."""
_MARKS = frozenset({"region", "row", "col", "element", "z", "family", "position"})
"""Columns that only a heading has: elements alone may stand in a line of values too."""


@dataclass(slots=True)
class _Block:
    """A heading and the lines below it."""

    headings: list[Heading]
    columns: list[ValueColumn]
    label: str
    title: str
    line: int
    rows: list[Row] = field(default_factory=list)

    def at(self, column: str) -> int | None:
        """Return the place of a column."""
        return next((i for i, h in enumerate(self.headings) if h.column == column), None)

    @property
    def is_one_region(self) -> bool:
        """Whether the lines are elements of one region."""
        places = (self.at("region"), self.at("row"), self.at("col"))
        return self.at("element") is not None and not self.is_turned and all(p is None for p in places)

    @property
    def is_turned(self) -> bool:
        """Whether the columns are regions."""
        return any(h.column == "label" for h in self.headings)


def headings_of(cells: Sequence[str]) -> list[Heading] | None:
    """Return what each cell of a heading says; None where the line is no heading."""
    found = [read_heading(cell) for cell in cells]
    if any(_is_number(cell) for cell in cells if cell):
        return None
    turned = any(h.column == "element" for h in found) and not any(h.column == "value" for h in found)
    if turned:
        found = [_as_label(h) if h.column == "unknown" else h for h in found]
    if found and found[0].column == "blank" and not any(h.column in ("region", "row", "col", "element") for h in found):
        # As pandas writes the index of a table.
        found[0] = replace(found[0], column="region")
    known = [h for h in found if h.column not in ("unknown", "blank")]
    marked = any(h.column in _MARKS or (h.column == "value" and h.quantity) for h in known)
    holds = any(h.column in ("value", "label", "position", "k_factor") for h in known)
    return found if len(known) >= 2 and marked and holds else None


def read_entries(
    sheet: Sheet, path: Path, *, quantity: str | None, ignore: Collection[str], notes: list[str]
) -> list[Entry]:
    """Return one entry for each region of a sheet, in the order of the table; none where there is no table.

    Parameters
    ----------
    quantity
        What columns that do not say it hold: ``atomic``, ``weight`` or ``counts``.
    ignore
        Headings to leave out.
    notes
        Comments of the sheet are added here.

    Raises
    ------
    InputError
        A heading or a value is not understood; the message names it.
    FileFormatError
        The sheet holds a table of another kind.
    """
    blocks = _blocks(sheet, quantity, frozenset(ignore), notes)
    entries = [entry for block in blocks for entry in _entries(sheet, path, block)]
    stem = read_label(path.stem)
    if len(entries) == 1 and not entries[0].label and (stem.cell or stem.number is not None):
        entries[0].label = path.stem
    return entries


def _is_number(text: str) -> bool:
    try:
        number(text.replace("%", "").strip())
    except ValueError:
        return False
    return text.casefold() not in EMPTY


def _as_label(heading: Heading) -> Heading:
    """Return an unknown heading as that of a region's column, where it is a region's name."""
    label = read_label(heading.text)
    return replace(heading, column="label") if label.cell or label.number is not None else heading


def _blocks(sheet: Sheet, quantity: str | None, ignore: frozenset[str], notes: list[str]) -> list[_Block]:
    """Return every table of a sheet with its lines."""
    blocks: list[_Block] = []
    above: list[tuple[str, ...]] = []
    rows = iter([(line, cells) for line, cells in sheet.rows if any(cells)])
    row = next(rows, None)
    while row is not None:
        line, cells = row
        row = next(rows, None)
        headings = headings_of(cells)
        if headings is not None:
            units = None if row is None else _units(row[1])
            if units is not None:
                headings, row = _with_units(headings, units), next(rows, None)
            label, title = _name_above(above)
            columns = _checked(sheet, line, headings, quantity, ignore)
            blocks.append(_Block(headings, columns, label, title, line))
            above = []
        elif cells[0].startswith("#") and read_label(cells[0]).number is None:
            notes.append(f"comment in the table: {' '.join(cells).lstrip('# ')}")
        elif not blocks or (blocks[-1].is_one_region and _is_title(blocks[-1], cells)):
            above.append(cells)
        else:
            blocks[-1].rows.append((line, cells))
    return blocks


def _units(cells: Sequence[str]) -> list[Heading] | None:
    """Return the headings of a line of units; None where the line is none."""
    found = [read_heading("" if cell in ("-", "–") else cell) for cell in cells]
    said = [h for h in found if h.column != "blank"]
    return found if said and all(h.column == "value" and h.element is None for h in said) else None


def _with_units(headings: list[Heading], units: list[Heading]) -> list[Heading]:
    """Return headings with the units below them; a blank heading is that of the element on its left (merged cells)."""
    out: list[Heading] = []
    blank = Heading("", "blank")
    for i in range(max(len(headings), len(units))):
        own, below = ((one[i] if i < len(one) else blank) for one in (headings, units))
        left = next((h for h in reversed(out) if h.element), None)
        if own.column == "blank" and below.column == "value" and left is not None:
            own = Heading(f"{left.element}", "value", element=left.element, family=left.family)
        out.append(own.with_unit(below) if below.column == "value" and own.column in ("value", "label") else own)
    return out


def _checked(
    sheet: Sheet, line: int, headings: list[Heading], quantity: str | None, ignore: frozenset[str]
) -> list[ValueColumn]:
    """Return the columns of values, or raise where the table is of another kind or a heading is not understood."""
    where = f"{sheet.source}, line {line}"
    kinds = {h.column for h in headings}
    if "position" in kinds:
        raise FileFormatError(
            f"{where}: this is a line profile (it has a column {_text_of(headings, 'position')!r}), which has no "
            "regions to compare. Export the quantification of regions, or read_csv the profile yourself."
        )
    if "k_factor" in kinds and "value" not in kinds:
        raise FileFormatError(f"{where}: this is a table of k-factors. Read it with edsnb.KFactors.from_velox.")
    for i, heading in enumerate(headings):
        if heading.text in ignore:
            headings[i] = replace(heading, column="ignored")
    unknown = [h.text for h in headings if h.column == "unknown"]
    if unknown:
        raise InputError(
            f"{where}: heading {', '.join(map(repr, unknown))} is not understood. Rename it (docs/velox-exports.md "
            "lists what is), or leave the column out with ignore=[...]."
        )
    if "label" in kinds and quantity is None and not any(h.quantity for h in headings if h.column == "label"):
        raise InputError(
            f"{where}: the columns are regions, and nothing says whether they hold at%, wt% or counts. Say so with "
            "quantity='atomic', 'weight' or 'counts'."
        )
    return value_columns(headings, where, quantity)


def _text_of(headings: Sequence[Heading], column: str) -> str:
    return next(h.text for h in headings if h.column == column)


def _name_above(above: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return the region's name in the lines above a table, and a line that may be one; "" where there is none."""
    weak = ""
    for age, cells in enumerate(reversed(above)):
        texts = [cell for cell in cells if cell]
        if len(texts) == 1 and ":" in texts[0]:
            texts = [part.strip() for part in texts[0].split(":", 1)]
        first = texts[0].rstrip(":= ").casefold()
        if len(texts) == 2 and texts[1] and (first == "analysis of spectrum" or read_heading(first).column == "region"):
            return texts[1], ""
        label = read_label(texts[0])
        if len(texts) == 1 and (label.cell or label.number is not None):
            return texts[0], ""
        if age == 0 and len(texts) == 1:
            weak = texts[0]
    return "", weak


def _is_title(block: _Block, cells: Sequence[str]) -> bool:
    """Say whether a line below a table of one region is the title of the next."""
    at = block.at("element") or 0
    texts = [cell for cell in cells if cell]
    return len(texts) <= 2 and (len(cells) <= at or not _names_element(cells[at]))


def _names_element(text: str) -> bool:
    try:
        element_and_family(text)
    except ElementError:
        return text.casefold() in _SUMMARY
    return True


def _entries(sheet: Sheet, path: Path, block: _Block) -> list[Entry]:
    """Return the entries of one table."""
    for line, cells in block.rows:
        if len(cells) > len(block.headings):
            raise InputError(
                f"{sheet.source}, line {line} has {len(cells)} cells where the heading has {len(block.headings)}. "
                "Numbers with a decimal comma need semicolons or tabs between the cells."
            )
    intensities = bool(block.columns) and all(c.quantity == "counts" for c in block.columns)

    def new(line: int, label: str, cell: tuple[int, int] | None = None) -> Entry:
        return Entry(f"{sheet.source}, line {line}", str(path), label, block.title, cell, intensities)

    reader = _Reader(sheet, block)
    if block.is_turned:
        return reader.turned(new)
    if block.is_one_region:
        entry = new(block.line, block.label)
        for line, cells in block.rows:
            reader.element_line(entry, line, cells)
        return [entry]
    return reader.regions(new)


_New = Callable[..., Entry]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the lines of one table into entries."""

    sheet: Sheet
    block: _Block

    def where(self, line: int) -> str:
        """Return file and line, for messages."""
        return f"{self.sheet.source}, line {line}"

    def cell(self, cells: Sequence[str], column: str) -> str:
        """Return a line's cell in a column; "" where there is none."""
        at = self.block.at(column)
        return cells[at] if at is not None and at < len(cells) else ""

    def regions(self, new: _New) -> list[Entry]:
        """Return the entries of a long or wide table."""
        by_element = self.block.at("element") is not None
        found: dict[tuple[str, str, str], Entry] = {}
        out: list[Entry] = []
        key = ("", "", "")
        for line, cells in self.block.rows:
            own = (self.cell(cells, "region"), self.cell(cells, "row"), self.cell(cells, "col"))
            if own[0].casefold() in _SUMMARY:
                continue
            key = own if any(own) or not by_element else key
            if not by_element or key not in found:
                found[key] = new(line, key[0], self.place(line, key))
                out.append(found[key])
            if by_element:
                self.element_line(found[key], line, cells)
            else:
                for column in self.block.columns:
                    self.add(found[key], line, column.element or "", column.family, column, cells)
        return out

    def place(self, line: int, key: tuple[str, str, str]) -> tuple[int, int] | None:
        """Return row and column of a region, where the table has columns for them."""
        if self.block.at("row") is None or self.block.at("col") is None:
            return None
        try:
            row, col = (number(text) for text in key[1:])
        except ValueError:
            raise InputError(f"{self.where(line)}: row {key[1]!r}, col {key[2]!r} are not two numbers.") from None
        if row != int(row) or col != int(col) or min(row, col) < 0:
            raise InputError(f"{self.where(line)}: row {key[1]}, col {key[2]} must be whole numbers from 0.")
        return int(row), int(col)

    def element_line(self, entry: Entry, line: int, cells: Sequence[str]) -> None:
        """Add the line of one element to its region's entry."""
        text = self.cell(cells, "element")
        if text.casefold() in _SUMMARY:
            return
        try:
            element, family = element_and_family(text)
        except ElementError:
            raise InputError(
                f"{self.where(line)}: {text!r} stands where an element belongs. Write symbols as in the periodic "
                "table, such as La, Fe, O."
            ) from None
        z = self.cell(cells, "z")
        if z and not (_is_number(z) and number(z) == atomic_number(element)):
            raise InputError(f"{self.where(line)}: {element} has Z = {atomic_number(element)}, the table says {z}.")
        named = self.cell(cells, "family")
        family = family_of(named) or family
        name = named if named.startswith(element) else f"{element} {named or family or ''}".strip()
        for column in self.block.columns:
            self.add(entry, line, element, family, column, cells, name)

    def turned(self, new: _New) -> list[Entry]:
        """Return the entries of a table whose columns are regions."""
        labels = [i for i, h in enumerate(self.block.headings) if h.column == "label"]
        out = []
        for at, column in zip(labels, self.block.columns, strict=True):
            entry = new(self.block.line, self.block.headings[at].text)
            for line, cells in self.block.rows:
                element = self.cell(cells, "element")
                if element.casefold() not in _SUMMARY:
                    self.add(entry, line, *_element(element, self.where(line)), column, cells)
            out.append(entry)
        return out

    def add(
        self,
        entry: Entry,
        line: int,
        element: str,
        family: str | None,
        column: ValueColumn,
        cells: Sequence[str],
        name: str = "",
    ) -> None:
        """Add one value to an entry."""
        value = self.value(line, column, cells)
        if column.quantity == "counts":
            found = LineCounts(name or column.text, family, value.value, value.sd)
            entry.lines.setdefault(element, []).append(found)
            return
        if (column.quantity, element) in entry.values:
            raise InputError(f"{self.where(line)}: {element} stands twice in one region. Keep one of the lines.")
        entry.values[column.quantity, element] = value
        if family:
            entry.families[element] = family

    def value(self, line: int, column: ValueColumn, cells: Sequence[str]) -> Value:
        """Return the value of a line in a column, with its error."""
        try:
            value, sd, percent = read_number(cells[column.at] if column.at < len(cells) else "")
            if column.error_at is not None:
                sd, _, _ = read_number(cells[column.error_at] if column.error_at < len(cells) else "")
        except ValueError as error:
            raise InputError(f"{self.where(line)}, column {column.text!r}: {error}") from None
        unit = "percent" if percent else column.unit
        return Value(value, column.error_in(sd, value, unit), None if column.quantity == "counts" else unit)


def _element(text: str, where: str) -> tuple[str, str | None]:
    try:
        return element_and_family(text)
    except ElementError:
        raise InputError(
            f"{where}: {text!r} stands where an element belongs. Write symbols as in the periodic table, such as La, "
            "Fe, O."
        ) from None

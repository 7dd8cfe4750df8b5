"""Tables in files as rows of text cells: CSV in any dialect and encoding, and XLSX.

What the cells mean is not known here: see `velox_tables.headings` and `velox_tables.forms`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from edsnb.core.quant.tables import decode, number, split_rows
from edsnb.errors import FileFormatError, InputError
from edsnb.io.files import existing_file

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
"""Extensions of files that may hold a table."""
EMPTY = frozenset({"", "-", "--", "–", "—", "nan", "n/a", "na", "n.d.", "nd", "none", "null"})
"""What stands for no value, in any case."""
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?\s*%?")

Row = tuple[int, tuple[str, ...]]
"""Line number (from 1) and the cells without outer blanks; empty cells at the end are dropped."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of text cells."""

    source: str
    """File name, with the sheet's where there are several: named in every message."""
    rows: tuple[Row, ...]


def read_sheets(path: Path, is_header: Callable[[Sequence[str]], bool], sheet: str | None = None) -> list[Sheet]:
    """Return the tables of a file: one for text, for a workbook those sheets that hold anything.

    Parameters
    ----------
    path
        A CSV, TSV, TXT or XLSX file.
    is_header
        Says whether a line is the heading of a table; the separator of text is the one that makes a heading show.
    sheet
        The sheet of a workbook; None for all.

    Raises
    ------
    FileFormatError
        The file is missing, empty, of another kind or damaged.
    """
    source = existing_file(path)
    if source.suffix.lower() not in TABLES:
        what = "save it as one of them, or analyse it first where it is a map"
        raise FileFormatError(f"{source}: a table is read from {', '.join(TABLES)}; {what}.")
    if source.suffix.lower().startswith(".xls"):
        found = _workbook(source, sheet)
    elif sheet is not None:
        raise InputError(f"{source} is no workbook, so it has no sheet {sheet!r}; leave that out.")
    else:
        found = [_text(source, is_header)]
    found = [one for one in found if any(any(cells) for _, cells in one.rows)]
    if not found:
        raise FileFormatError(f"{source} is empty. Export the table again.")
    for one in found:
        _check_decimals(one)
    return found


def read_number(text: str) -> tuple[float, float, bool]:
    """Return value, error and whether a per cent sign stood with them, of ``46.2``, ``46,2 %`` or ``46.2 ± 2.4``.

    What is missing is NaN.

    Raises
    ------
    ValueError
        Something else stands there.
    """
    percent = "%" in text
    parts = [part.replace("%", "").strip() for part in re.split(r"±|\+/-|\+-", text)]
    if len(parts) > 2:
        raise ValueError(f"{text!r} stands where a number belongs.")
    values = [float("nan") if part.casefold() in EMPTY else number(part) for part in parts]
    return values[0], values[1] if len(values) > 1 else float("nan"), percent


def _text(path: Path, is_header: Callable[[Sequence[str]], bool]) -> Sheet:
    """Return a text file's rows, split by the first separator that makes a heading show."""
    lines = decode(path.read_bytes()).splitlines()
    separators = ";\t,"
    # Excel's own hint, on the first line.
    if lines and (hint := re.fullmatch(r"\s*sep=(.)\s*", lines[0])):
        lines[0], separators = "", hint[1]
    if not re.search(r"[^\s;,]", "".join(lines)):
        return Sheet(path.name, ())
    tried = []
    for separator in separators:
        try:
            rows = tuple((line, tuple(cells)) for line, cells in split_rows(lines, separator))
        except InputError as error:
            raise FileFormatError(f"{path}: {error} It holds no table.") from None
        if any(is_header(cells) for _, cells in rows):
            return Sheet(path.name, rows)
        tried.append(rows)
    # No heading with any: the most cells tell most in the message that follows.
    return Sheet(path.name, max(tried, key=lambda rows: max((len(cells) for _, cells in rows), default=0)))


def _workbook(path: Path, sheet: str | None) -> list[Sheet]:
    """Return the sheets of a workbook as text."""
    values, formulas = _load(path, formulas=False), _load(path, formulas=True)
    if sheet is not None and sheet not in values.sheetnames:
        raise InputError(f"{path} has no sheet {sheet!r}; it has {', '.join(values.sheetnames)}.")
    found = []
    for name in [sheet] if sheet is not None else values.sheetnames:
        if not hasattr(values[name], "iter_rows"):
            continue
        pairs = zip(values[name].iter_rows(), formulas[name].iter_rows(), strict=False)
        rows = []
        for line, (cells, written) in enumerate(pairs, 1):
            texts = [_cell_text(path, cell, origin) for cell, origin in zip(cells, written, strict=False)]
            while texts and not texts[-1]:
                texts.pop()
            rows.append((line, tuple(texts)))
        found.append(Sheet(path.name if len(values.sheetnames) == 1 else f"{path.name}, sheet {name}", tuple(rows)))
    return found


def _load(path: Path, *, formulas: bool) -> Workbook:
    """Open a workbook, or raise FileFormatError."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and extensions, which have no say in the values.
            warnings.simplefilter("ignore")
            return load_workbook(path, data_only=not formulas)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError, TypeError) as error:
        if path.stat().st_size == 0:
            raise FileFormatError(f"{path} is empty. Export the table again.") from None
        raise FileFormatError(
            f"{path} cannot be read as a workbook ({str(error) or type(error).__name__}): it is damaged, protected by "
            "a password, or no XLSX. Save it again as XLSX or CSV."
        ) from error


def _cell_text(path: Path, cell: Any, origin: Any) -> str:
    """Return a cell as text; numbers with a decimal point, those shown in percent with their sign."""
    value = cell.value
    if value is None:
        if isinstance(origin.value, str) and origin.value.startswith("="):
            raise FileFormatError(
                f"{path}: cell {origin.coordinate} is a formula whose value was not saved. Open the workbook in Excel "
                "and save it, or save it as CSV."
            )
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).strip()
    if "%" in (cell.number_format or ""):
        return f"{100 * value:.12g}%"
    return repr(value)


def _check_decimals(sheet: Sheet) -> None:
    """Refuse a table in which both points and commas stand inside numbers: one of them marks thousands."""
    signs: dict[str, str] = {}
    for line, cells in sheet.rows:
        for cell in cells:
            if (found := _NUMBER.fullmatch(cell)) and found[1]:
                signs.setdefault(found[1][0], f"{cell} (line {line})")
    if len(signs) > 1:
        raise FileFormatError(
            f"{sheet.source}: numbers are written both with a point and with a comma, {signs['.']} and {signs[',']}. "
            "Export it without marks for thousands."
        )

"""Tables that other programs export as text: bytes in, named cells out.

Encoding, separator and decimal sign differ with the program's language and version, so all of them are found from
the text itself; columns are known by name.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from edsnb.errors import InputError

Row = tuple[int, dict[str, str]]
"""Line number in the file (from 1), and the row's cells by column."""


def read_table(data: bytes, columns: Mapping[str, AbstractSet[str]]) -> list[Row]:
    """Return the rows below the first line that names all `columns`; an empty list where there is none.

    Parameters
    ----------
    data
        The file's bytes: UTF-8 or UTF-16 with or without byte order mark, else Windows-1252; cells separated by
        semicolon, tab or comma.
    columns
        {name in the result: accepted headings}. Headings are compared as `heading` spells them.

    Raises
    ------
    InputError
        A row has more cells than the heading, or the bytes are no text.
    """
    lines = decode(data).splitlines()
    for separator in ";\t,":
        rows = split_rows(lines, separator)
        for at, (_, header) in enumerate(rows):
            places = _places([heading(cell) for cell in header], columns)
            if places:
                below = rows[at + 1 :]
                return [(line, _cells(line, cells, len(header), places)) for line, cells in below if cells]
    return []


def heading(text: str) -> str:
    """Return a heading as compared: lower case, letters and digits only, without units in brackets."""
    return re.sub(r"\([^)]*\)|\[[^]]*\]|[\W_]", "", text.casefold())


def number(text: str) -> float:
    """Return a number written with decimal point or comma; raise ValueError for anything else."""
    if re.fullmatch(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", text, re.IGNORECASE) is None:
        raise ValueError(f"{text!r} stands where a number belongs.")
    return float(text.replace(",", "."))


def decode(data: bytes) -> str:
    """Return the text of a file in any of the encodings that Windows programs export."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    # Without a byte order mark, plain letters in UTF-16 show as a NUL in every second byte.
    if data[1::2].count(0) > len(data) // 4:
        return data.decode("utf-16-le", errors="replace")
    if data[::2].count(0) > len(data) // 4:
        return data.decode("utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def split_rows(lines: list[str], separator: str) -> list[tuple[int, list[str]]]:
    """Return (line number, cells without outer blanks) of each line; trailing empty cells are dropped."""
    reader = csv.reader(lines, delimiter=separator)
    rows = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            while stripped and not stripped[-1]:
                stripped.pop()
            rows.append((reader.line_num, stripped))
    except csv.Error as error:
        raise InputError(f"line {reader.line_num} is not delimited text ({error}).") from error
    return rows


def _places(header: list[str], columns: Mapping[str, AbstractSet[str]]) -> dict[str, int] | None:
    """Return {column: position} where the header names all columns, else None."""
    places = {name: [i for i, cell in enumerate(header) if cell in accepted] for name, accepted in columns.items()}
    return {name: at[0] for name, at in places.items()} if all(places.values()) else None


def _cells(line: int, cells: list[str], width: int, places: Mapping[str, int]) -> dict[str, str]:
    """Return a row's cells by column, empty where the row is short."""
    if len(cells) > width:
        raise InputError(
            f"line {line} has {len(cells)} cells where the heading has {width}. Numbers with a decimal comma need "
            "semicolons or tabs between the cells."
        )
    return {name: cells[at] if at < len(cells) else "" for name, at in places.items()}

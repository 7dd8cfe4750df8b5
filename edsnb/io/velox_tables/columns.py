"""Columns of values in a table: which element, quantity and unit, and where its error stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edsnb.errors import InputError
from edsnb.io.velox_tables.headings import Heading

QUANTITY_WORDS: Mapping[str, str] = {
    **{"atomic": "atomic", "at%": "atomic", "atomic%": "atomic", "at": "atomic"},
    **{"weight": "weight", "wt%": "weight", "weight%": "weight", "wt": "weight", "mass": "weight", "mass%": "weight"},
    **{"counts": "counts", "intensity": "counts"},
}
"""What a caller may name a quantity."""
NAMES = {"atomic": "at%", "weight": "wt%", "counts": "counts"}


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A column of values."""

    at: int
    """Place in the line."""
    text: str
    quantity: str
    """``atomic``, ``weight`` or ``counts``."""
    unit: str | None
    """``percent``, ``share`` (0 to 1) or None where the table does not say."""
    element: str | None
    family: str | None
    error_at: int | None = None
    """Place of the column of errors."""
    error_unit: str | None = None
    relative: bool = False
    """Whether the errors are in percent of the values."""

    def error_in(self, error: float, value: float, unit: str | None) -> float:
        """Return an error in the unit of its value."""
        if self.relative:
            return abs(value) * error / 100
        if {unit, self.error_unit} == {"percent", "share"}:
            return error * 100 if unit == "percent" else error / 100
        return error


def named_quantity(name: str | None) -> str | None:
    """Return the quantity a caller names (``atomic``, ``at%``, ``wt%`` ...), or raise InputError."""
    if name is None:
        return None
    key = name.casefold().replace(" ", "")
    if key not in QUANTITY_WORDS:
        raise InputError(f"quantity {name!r} is not known: say 'atomic' (at%), 'weight' (wt%) or 'counts'.")
    return QUANTITY_WORDS[key]


def value_columns(headings: Sequence[Heading], where: str, quantity: str | None) -> list[ValueColumn]:
    """Return the columns of values with their errors.

    Parameters
    ----------
    headings
        What the headings say, in the order of the columns.
    where
        File and line, for messages.
    quantity
        What columns that do not say it hold.

    Raises
    ------
    InputError
        A column has no unit and `quantity` gives none, contradicts `quantity`, stands twice, or an error belongs to no
        column.
    """
    wide = any(h.column == "value" and h.element for h in headings)
    if wide and any(h.column == "element" for h in headings):
        raise InputError(f"{where}: elements are named both by a column and by headings. Keep one of the two.")
    values = [(i, h) for i, h in enumerate(headings) if h.column in ("value", "label") and not h.error]
    # In a wide table, counts without an element are those of the whole spectrum.
    values = [(i, h) for i, h in values if not (wide and h.element is None and h.quantity == "counts")]
    unnamed = [h.text for _, h in values if wide and h.element is None]
    if unnamed:
        raise InputError(f"{where}: column {', '.join(map(repr, unnamed))} names no element.")
    _check_units(values, where, quantity)
    columns = [
        ValueColumn(i, h.text, h.quantity or quantity or "", h.unit, h.element, h.family or None) for i, h in values
    ]
    _check_doubles(columns, where, turned=any(h.column == "label" for h in headings))
    for i, heading in enumerate(headings):
        if heading.column == "value" and heading.error:
            at = _owner(columns, i, heading, where)
            columns[at] = _with_error(columns[at], i, heading, where)
    return columns


def _check_units(values: Sequence[tuple[int, Heading]], where: str, quantity: str | None) -> None:
    """Raise where a column does not say what it holds, or says other than the caller."""
    open_ones = [h.text for _, h in values if h.quantity is None]
    if open_ones and quantity is None:
        raise InputError(
            f"{where}: column {', '.join(map(repr, open_ones))} has no unit: at%, wt% or counts? Write it into the "
            "heading, such as 'Sr (at%)', or say quantity='atomic', 'weight' or 'counts'."
        )
    said = {h.quantity for _, h in values if h.quantity}
    if quantity is not None and said and quantity not in said and not open_ones:
        raise InputError(
            f"{where}: asked to be read as {NAMES[quantity]}, but the headings say "
            f"{' and '.join(NAMES[str(q)] for q in sorted(map(str, said)))}. Leave quantity out, or mend the headings."
        )


def _check_doubles(columns: Sequence[ValueColumn], where: str, *, turned: bool) -> None:
    """Raise where two columns hold the same."""
    seen: dict[tuple[str | None, str, str | None], str] = {}
    for column in columns:
        # Of several lines of one element, each has counts of its own.
        key = column.element, column.quantity, column.family if column.quantity == "counts" else None
        if key in seen and not turned:
            raise InputError(f"{where}: {seen[key]!r} and {column.text!r} hold the same quantity. Keep one of them.")
        seen[key] = column.text


def _owner(columns: Sequence[ValueColumn], at: int, heading: Heading, where: str) -> int:
    """Return which column of values an error belongs to: that of its element and quantity, else that on its left."""
    fits = [
        k
        for k, c in enumerate(columns)
        if (heading.element is None or c.element == heading.element)
        and (heading.quantity is None or c.quantity == heading.quantity)
        and (heading.family is None or c.family == heading.family)
    ]
    left = [k for k in fits if columns[k].at < at]
    bare = heading.element is None and heading.quantity is None
    if bare or (len(fits) > 1 and left and columns[left[-1]].at == at - 1):
        fits = left[-1:]
    if len(fits) != 1:
        raise InputError(
            f"{where}: the errors in column {heading.text!r} belong to "
            f"{'no column of values' if not fits else 'several columns'}. Name element and quantity in the heading, "
            "such as 'Sr error (at%)'."
        )
    return fits[0]


def _with_error(column: ValueColumn, at: int, heading: Heading, where: str) -> ValueColumn:
    """Return a column of values that knows where its errors stand."""
    if column.error_at is not None:
        raise InputError(f"{where}: column {column.text!r} has two columns of errors. Keep one of them.")
    said = heading.quantity is not None
    if heading.unit == "percent" and not said and not heading.relative and column.quantity != "counts":
        raise InputError(
            f"{where}: {heading.text!r} may be in {NAMES[column.quantity]} or in percent of the value. Write "
            f"'Error ({NAMES[column.quantity]})' or 'Relative error (%)'."
        )
    if heading.relative and heading.unit != "percent":
        raise InputError(f"{where}: say in which unit {heading.text!r} is: 'Relative error (%)'.")
    relative = heading.relative or (column.quantity == "counts" and heading.unit == "percent")
    unit = column.unit or (None if relative else heading.unit)
    return ValueColumn(
        column.at, column.text, column.quantity, unit, column.element, column.family, at, heading.unit, relative
    )

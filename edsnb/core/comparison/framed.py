"""Any pandas table as one that can be printed: numbers with as many digits as mean something."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edsnb.core.comparison.tables import NOTHING, Cell, Table

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 4


def table_of(frame: pd.DataFrame, caption: str = "") -> Table:
    """Return a table with the index as first columns, where it has a name."""
    flat = frame.reset_index() if any(name is not None for name in frame.index.names) else frame
    rows = [tuple(_cell(value) for value in row) for row in flat.itertuples(index=False, name=None)]
    columns = tuple(str(name) for name in flat.columns)
    return Table((("", len(columns)),), columns, tuple(rows), caption)


def _cell(value: Any) -> Cell:
    """Return a cell: text to the left, numbers to the right."""
    if isinstance(value, str):
        return Cell(value, number=False)
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return Cell(NOTHING if value is None or str(value) == "<NA>" else str(value))
    number = float(value)
    if not math.isfinite(number):
        return Cell(NOTHING)
    if number.is_integer() and not isinstance(value, float):
        return Cell(str(int(number)))
    return Cell(f"{number:.{_DIGITS}g}")

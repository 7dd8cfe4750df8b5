"""Tables of a FitExplorer: numbers as they are read, with their errors; what is not known is a dash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn

from edsnb.core.fitting.fit import Status
from edsnb.core.quant.chipvalues import CHI2, STATUS
from edsnb.core.quant.rows import DifferenceRow, LineRow
from edsnb.state.fits.engines import EngineState
from edsnb.state.fits.state import FitState
from edsnb.widgets.parts.fields import DENSE_TABLE, ROW_PX

if TYPE_CHECKING:
    import pandas as pd

LIMIT_NOTE = (
    "≤ marks a line below 3 sd: its one-sided 95 % score limit, I + z²/2 + z √(sd² + z²/4) with z = 1.645; "
    "the at% is that of the limit."
)
_ROLES = {"quantified": "quantified", "fitted only": "deconvolution only", "not used": "other line"}


def text_table(frame: pd.DataFrame, *, left: Sequence[str] = (), **params: Any) -> Any:
    """Return a table of texts, the columns named in `left` set to the left, the others to the right; see `fill`."""
    made = pn.widgets.Tabulator(
        frame, show_index=False, disabled=True, selectable=False, layout="fit_data_fill", sortable=False,
        margin=(4, 8), stylesheets=[DENSE_TABLE], configuration={"rowHeight": ROW_PX}, **params,
    )  # fmt: skip
    fill(made, frame, left=left)
    return made


def fill(table: Any, frame: pd.DataFrame, *, left: Sequence[str] = ()) -> None:
    """Show other texts in a table; its columns may be others too."""
    aligned = {name: "left" if name in left else "right" for name in frame.columns}
    if table.text_align != aligned:
        table.param.update(text_align=aligned, value=frame)
    elif not frame.equals(table.value):
        # The same again would meet a table that is still being made.
        table.value = frame


def _frame(columns: dict[str, list[str]]) -> pd.DataFrame:
    """Return a table of texts, also of none."""
    import pandas as pd

    return pd.DataFrame(columns, dtype="str")


def number(value: float, digits: int = 2) -> str:
    """Return a number as it is read: ``1,234.50``; a dash for none."""
    return f"{value:,.{digits}f}" if np.isfinite(value) else "–"


def with_sd(value: float, sd: float, digits: int = 2) -> str:
    """Return ``20.13 ± 0.35``; only the value where the sd is not known."""
    return f"{number(value, digits)} ± {number(sd, digits)}" if np.isfinite(sd) else number(value, digits)


def signed(value: float, sd: float) -> str:
    """Return a difference with its sign and sd."""
    return f"{value:+.2f} ± {number(sd)}" if np.isfinite(value) else "–"


def lines_frame(rows: Sequence[LineRow]) -> pd.DataFrame:
    """Return the table of the lines of one spectrum."""
    return _frame(
        {
            "Line": [_line(row.family) for row in rows],
            "keV": [number(row.energy_kev, 3) for row in rows],
            "Counts": [number(row.counts, 0) for row in rows],
            "sd": [number(row.sd, 1) for row in rows],
            "Upper limit": [f"≤ {number(row.limit, 0)}" if _absent(row) else "" for row in rows],
            "at%": [_percent(row, row.atomic) for row in rows],
            "sd at%": [number(row.sd_atomic) for row in rows],
            "wt%": [number(row.weight) for row in rows],
            "sd wt%": [number(row.sd_weight) for row in rows],
            "k": [_factor(row) for row in rows],
            "Use": [_ROLES[row.role] for row in rows],
        }
    )


def differences_frame(rows: Sequence[DifferenceRow], first: str, second: str, *, independent: bool) -> pd.DataFrame:
    """Return at% of two results side by side; the difference in sd only where they are independent."""
    columns = {
        "Element": [row.element for row in rows],
        f"{first} (at%)": [with_sd(row.first, row.sd_first) for row in rows],
        f"{second} (at%)": [with_sd(row.second, row.sd_second) for row in rows],
    }
    if independent:
        columns["Difference (at%)"] = [signed(row.difference, row.sd) for row in rows]
        columns["in sd"] = [f"{row.difference / row.sd:+.1f}" if row.sd > 0 else "–" for row in rows]
    else:
        columns["Difference (at%)"] = [f"{row.difference:+.2f}" if np.isfinite(row.difference) else "–" for row in rows]
    return _frame(columns)


def engines_frame(state: EngineState) -> pd.DataFrame:
    """Return at% and counts of one spectrum by each engine, and how far they lie from the stored fit."""
    by_engine, differences = state.rows(), state.differences()
    found: dict[str, dict[str, str]] = {}
    for name, rows in by_engine.items():
        difference = {row.element: row.difference for row in differences.get(name, ())}
        for row in rows:
            if np.isfinite(row.atomic):
                line = found.setdefault(f"{row.element} at%", {})
                line[name] = with_sd(row.atomic, row.sd_atomic)
                if name in differences:
                    line[f"Δ {name}"] = number(difference[row.element])
    stored = {row.family: row.counts for row in by_engine[state.stored_name]}
    for name, rows in by_engine.items():
        for row in rows:
            line = found.setdefault(f"{_line(row.family)} counts", {})
            line[name] = with_sd(row.counts, row.sd, 0)
            if name != state.stored_name and row.family in stored:
                line[f"Δ {name}"] = number(row.counts - stored[row.family], 0)
    chi2 = state.chi2()
    found["reduced χ²"] = {name: number(value) for name, value in chi2.items()}
    columns = [state.stored_name]
    for name in by_engine:
        columns += [] if name == state.stored_name else [name, f"Δ {name}"]
    cells = {c: [line.get(c, "" if c.startswith("Δ") else "–") for line in found.values()] for c in columns}
    return _frame({"": list(found), **cells})


def ranking_frame(state: FitState) -> pd.DataFrame:
    """Return the chips in the order of the ranking."""
    order, found = state.order, state.result
    label = state.ranks.label + (f" ({state.ranks.unit})" if state.ranks.unit not in ("", "at%", "wt%") else "")
    counts = found.fit.spectra.counts[:, found.fit.channels].sum(axis=1)
    named = state.ranks.label == STATUS
    values = [Status(int(v)).name if named else number(v, 3) for v in state.ranks.values[order]]
    columns = {
        "Chip": [found.names[k] for k in order],
        label: values,
        "X-rays": [f"{n:,.0f}" for n in counts[order].tolist()],
        "Status": [Status(int(s)).name for s in found.status[order].tolist()],
    }
    if state.ranks.label != CHI2:
        columns["χ²"] = [number(v) for v in found.fit.chi2[order].tolist()]
    return _frame(columns)


def _line(family: str) -> str:
    return family.replace("_", " ")


def _absent(row: LineRow) -> bool:
    return not row.found and np.isfinite(row.limit)


def _percent(row: LineRow, value: float) -> str:
    """Return at%, or its upper limit where the line was not found."""
    if _absent(row) and np.isfinite(row.atomic_limit):
        return f"≤ {number(row.atomic_limit)}"
    return number(value)


def _factor(row: LineRow) -> str:
    return with_sd(row.k, row.sd_k, 3)

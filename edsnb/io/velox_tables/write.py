"""Stand-ins for Velox's exported tables, in its batches: for the built-in example, whose map Velox never saw."""

from __future__ import annotations

import csv
import io
import json
from os import PathLike
from pathlib import Path

import numpy as np

from edsnb import __version__
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.units import converted
from edsnb.core.events import Array
from edsnb.core.fitting.lines import atomic_number
from edsnb.errors import InputError
from edsnb.io.export import MARK, new_folder

KIND = "simulated Velox export"
"""What the folder says that it holds."""
_HEADER = (
    *("Z", "Element", "Family", "Atomic Fraction (%)", "Atomic Error (%)"),
    *("Mass Fraction (%)", "Mass Error (%)", "Fit Error (%)"),
)


def write_velox_batches(
    composition: Composition, folder: str | PathLike[str], *, batch: int = 8, overwrite: bool = False
) -> Path:
    """Write a composition as Velox exports one: a table for each region, `batch` regions a file, numbers to 0.01.

    Every file begins with a line that says that it is simulated; `read_velox_tables` keeps it in its notes. Regions
    are called ``Area 1``, ``Area 2`` ... anew in each file. A region that is not known has an empty table.

    Parameters
    ----------
    composition
        At% or wt% of the chips, in the order of their regions; the one that is missing is computed from the other.
    folder
        Where ``batch_1.csv`` ... are written.
    batch
        Regions in a file; Velox allows ten.
    overwrite
        Replace an earlier export of this kind.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError
        There is neither at% nor wt%, or `batch` is not positive.
    OutputError
        The folder holds something, or cannot be written; nothing is left half done.
    """
    if batch < 1:
        raise InputError(f"batch={batch}: a file holds at least one region.")
    percents = _percents(composition)
    order = sorted(range(len(composition.elements)), key=lambda k: atomic_number(composition.elements[k]))
    starts = range(0, len(composition), batch)
    label = (
        f"# Simulated by edsnb {__version__}; not measured with Velox. Made from: {composition.method}. Laid out as "
        "Velox exports batches of regions.\n"
    )
    width = len(str(len(starts)))
    with new_folder(folder, overwrite=overwrite, kind=KIND) as made:
        for number, start in enumerate(starts, 1):
            rows = range(start, min(start + batch, len(composition)))
            tables = [_table(composition, percents, row, order, f"Area {k}") for k, row in enumerate(rows, 1)]
            path = made / f"batch_{number:0{width}d}.csv"
            path.write_text(label + "\n" + "\n".join(tables), encoding="utf-8", newline="")
        said = {"kind": KIND, "edsnb": __version__, "made_from": composition.method, "source": composition.source}
        (made / MARK).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8", newline="")
    return Path(folder)


def _percents(composition: Composition) -> dict[str, tuple[Array, Array]]:
    """Return at% and wt% with their errors, (n, K) each."""
    held: dict[str, tuple[Array, Array]] = {
        q: (composition.values[q], composition.sd[q]) for q in ("atomic", "weight") if q in composition.values
    }
    if not held:
        raise InputError(f"{composition.method} has neither at% nor wt% to write.")
    for quantity, other in (("atomic", "weight"), ("weight", "atomic")):
        if quantity not in held:
            values = converted(held[other][0], composition.elements, quantity)
            held[quantity] = values, np.full(values.shape, np.nan)
    return held


def _table(
    composition: Composition, percents: dict[str, tuple[Array, Array]], row: int, order: list[int], name: str
) -> str:
    """Return the table of one region, below its name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name])
    writer.writerow(_HEADER)
    families = dict(zip(composition.elements, composition.families, strict=False))
    for k in order:
        element = composition.elements[k]
        if not np.isfinite(percents["atomic"][0][row, k]):
            continue
        numbers = [percents[quantity][part][row, k] for quantity in ("atomic", "weight") for part in (0, 1)]
        shell = families.get(element, "").rpartition("_")[2]
        fit = _fit_error(composition, row, k)
        writer.writerow([atomic_number(element), element, shell, *(_text(v) for v in numbers), _text(fit)])
    return text.getvalue()


def _fit_error(composition: Composition, row: int, column: int) -> float:
    """Return the relative error of the counts in percent, NaN where it is not known."""
    if "counts" not in composition.values or composition.values["counts"][row, column] <= 0:
        return float("nan")
    return float(100 * composition.sd["counts"][row, column] / composition.values["counts"][row, column])


def _text(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""

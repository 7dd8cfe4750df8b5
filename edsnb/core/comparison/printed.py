"""The table of stoichiometry as it is printed: a row an element, a group of columns a method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edsnb.core.comparison.tables import NOTHING, SHOWN, Cell, Table

if TYPE_CHECKING:
    from edsnb.core.comparison.phase_mean import PhaseResult
    from edsnb.core.comparison.stoichiometry import Stoichiometry

_OF_METHOD = ("chips", "mean (at%)", "normalised (at%)", "error (%)")


def printed(found: Stoichiometry) -> Table:
    """Return the table of a Stoichiometry; the smallest error of each element is bold, ties all of them."""
    methods = list(dict.fromkeys(r.method for r in found.results))
    samples = list(dict.fromkeys(r.sample for r in found.results))
    leading = (["Sample"] if any(samples) else []) + ["Phase", "Formula", "Element", "expected (at%)"]
    rows = []
    for sample, phase in dict.fromkeys((r.sample, r.phase) for r in found.results):
        by_method = {r.method: r for r in found.results if (r.sample, r.phase) == (sample, phase)}
        some = next(iter(by_method.values()))
        for k, element in enumerate(some.elements):
            best = found.best(sample, phase, element)
            first = k == 0
            row = [Cell(sample if first else "", number=False)] if any(samples) else []
            row += [Cell(phase if first else "", number=False)]
            row += [Cell(some.formula if first else "", formula=True, number=False), Cell(element, number=False)]
            row += [Cell(_number(some.expected[k]))]
            for method in methods:
                row += _cells(by_method.get(method), k, first=first, bold=method in best)
            rows.append(tuple(row))
    return Table(
        groups=(("", len(leading)), *((method, len(_OF_METHOD)) for method in methods)),
        columns=(*leading, *(_OF_METHOD * len(methods))),
        rows=tuple(rows),
        caption="Phases beside their formula.",
        notes=(_LEGEND + (_BEST if len(methods) > 1 else ""), *found.notes),
    )


_LEGEND = (
    "Mean: at% over the chips of the phase, ± one standard error from their scatter; normalised: the formula's "
    "elements alone share the 100 %; error: |normalised − expected| / expected."
)
_BEST = " Bold: the smallest error."


def _cells(result: PhaseResult | None, k: int, *, first: bool, bold: bool) -> list[Cell]:
    """Return the cells of one method and element."""
    if result is None:
        return [Cell()] * len(_OF_METHOD)
    return [
        Cell(str(result.chips) if first else ""),
        Cell(_with_error(result.summed[k], result.summed_se[k])),
        Cell(_with_error(result.normalised[k], result.se_scatter[k])),
        Cell(_number(result.error_percent[k]), bold=bold),
    ]


def _number(value: float) -> str:
    """Return a number as it is printed."""
    return f"{value:.{SHOWN}f}" if math.isfinite(value) else NOTHING


def _with_error(value: float, error: float) -> str:
    """Return a number with its standard error, alone where that is not known."""
    return f"{_number(value)} ± {_number(error)}" if math.isfinite(error) else _number(value)

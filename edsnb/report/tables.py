"""Tables of a report, to be read; the full numbers are in its CSV files."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace

from edsnb.core.comparison.agreement import LIMITS
from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.phase_mean import PhaseResult
from edsnb.core.comparison.phases import Phases
from edsnb.core.comparison.stoichiometry import Stoichiometry
from edsnb.core.comparison.tables import NOTHING, Cell, Table
from edsnb.report.record import Report

_WORST = 10
_MANY = 100
"""X-rays from which no decimals are printed."""
_SMALL = 0.005
"""Errors below this would be printed as 0.00."""


def methods_table(report: Report) -> Table:
    """Return what each side is: source, elements, what shares the 100 %, conventions."""
    sides = report.compositions
    rows = {
        "Source": [c.source for c in sides],
        "Elements": [", ".join(c.families or c.elements) for c in sides],
        "Sharing 100 %": ["not at issue: counts" if _counted(report) else c.normalisation for c in sides],
        "Conventions": [c.convention for c in sides],
        "Regions": [str(len(c)) for c in sides],
    }
    return Table(
        groups=(("", 1 + len(sides)),),
        columns=("", *(c.method for c in sides)),
        rows=tuple(
            (Cell(name, bold=True, number=False), *(Cell(text or NOTHING, number=False) for text in texts))
            for name, texts in rows.items()
        ),
    )


def _counted(report: Report) -> bool:
    """Tell whether counts are compared."""
    return report.comparisons[0].quantity == "counts"


def agreement_table(comparison: Comparison, phases: Phases | None = None) -> Table:
    """Return the statistics of agreement, a row an element; with phases a row a phase and element."""
    frame = comparison.statistics(phases)
    unit = "X-rays" if comparison.quantity == "counts" else comparison.unit
    shown = Numbers(comparison.quantity == "counts")
    rows, before = [], ""
    for key, values in zip(frame.index, frame.to_dict("records"), strict=True):
        phase, element = ("", str(key)) if phases is None else (str(key[0]), str(key[1]))
        leading = [] if phases is None else [Cell(phase if phase != before else "", number=False)]
        before = phase
        rows.append((*leading, Cell(element, number=False), *map(Cell, _agreement_cells(values, shown))))
    leading_names = ("Element",) if phases is None else ("Phase", "Element")
    made = Table(
        groups=(
            ("", len(leading_names) + 1),
            (f"mean ({unit})", 2),
            (f"first − second ({unit})", 4),
            ("agreement", 3),
        ),
        columns=(
            *leading_names, "chips", "first", "second", "bias ± s.e.", f"bias, {100 * comparison.confidence:g} %",
            "limits of agreement", "rms", "ratio", "concordance", "rms z",
        ),
        rows=tuple(rows),
        caption=f"First: {comparison.methods[0]}. Second: {comparison.methods[1]}.",
    )  # fmt: skip
    return without_empty(made)


def _agreement_cells(values: Mapping[Hashable, float], shown: Numbers) -> list[str]:
    """Return the texts of one element's statistics."""
    least = min(values["mean_first"], values["mean_second"])
    return [
        str(int(values["n"])),
        shown.value(values["mean_first"]),
        shown.value(values["mean_second"]),
        shown.signed(values["bias"], values["bias_se"]),
        shown.ends(values["bias_low"], values["bias_high"]),
        shown.ends(values["lower"], values["upper"]),
        shown.value(values["rms"]),
        plain(values["ratio"]) if shown.counted or least >= LEAST else NOTHING,
        plain(values["concordance"]),
        plain(values["z_rms"], 1),
    ]


LEAST = 1.0
"""Percent of either side below which no ratio is printed: an element that is not there has none."""
AGREEMENT_LEGEND = (
    "Bias: mean difference, ± one standard error from the scatter between chips. Limits of agreement: bias ± "
    f"{LIMITS} standard deviations of the differences (Bland and Altman, 1986), which hold 95 % of the chips. Ratio: "
    f"mean of the first over mean of the second, where both are {LEAST:g} percent or more; a wrong k-factor shows "
    "here. Concordance: Lin's coefficient, 1 only where all chips agree. rms z: difference over the errors given, as "
    "if they were independent; about 1 where nothing but those errors tells the methods apart."
)


def phase_tables(found: Stoichiometry) -> tuple[Table, ...]:
    """Return a table for each phase (and sample): a row a method, a group of columns an element."""
    tables = []
    for sample, phase in dict.fromkeys((r.sample, r.phase) for r in found):
        here = [r for r in found if (r.sample, r.phase) == (sample, phase)]
        some = here[0]
        expected = ", ".join(f"{e} {x:.2f}" for e, x in zip(some.elements, some.expected, strict=True))
        tables.append(
            Table(
                groups=(("", 2), *((element, 3) for element in some.elements)),
                columns=("Method", "chips", *(("mean (at%)", "normalised (at%)", "error (%)") * len(some.elements))),
                rows=tuple(_phase_row(found, r) for r in here),
                caption=f"{f'{sample}, ' if sample else ''}{phase} as {some.formula}; expected {expected} at%.",
            )
        )
    return tuple(tables)


def _phase_row(found: Stoichiometry, r: PhaseResult) -> tuple[Cell, ...]:
    """Return the cells of one method in one phase; the smallest error of each element is bold."""
    shown = Numbers(counted=False)
    cells = [Cell(r.method, number=False), Cell(str(r.chips))]
    for k, element in enumerate(r.elements):
        best = r.method in found.best(r.sample, r.phase, element)
        cells.append(Cell(shown.with_error(r.summed[k], r.summed_se[k])))
        cells.append(Cell(shown.with_error(r.normalised[k], r.se_scatter[k])))
        cells.append(Cell(shown.value(r.error_percent[k]), bold=best))
    return tuple(cells)


STOICHIOMETRY_LEGEND = (
    "Mean: at% over the chips of the phase, ± one standard error from their scatter. Normalised: the formula's "
    "elements alone share the 100 %. Error: |normalised − expected| / expected; bold: the smallest of the methods. "
    "Standard errors do not know what all chips share, such as errors of k-factors."
)


def without_empty(table: Table) -> Table:
    """Return a table without the columns in which no number stands."""
    keep = [any(row[i].text != NOTHING for row in table.rows) for i in range(len(table.columns))]
    groups, at = [], 0
    for text, span in table.groups:
        left = sum(keep[at : at + span])
        groups += [(text, left)] if left else []
        at += span
    return replace(
        table,
        groups=tuple(groups),
        columns=tuple(name for name, kept in zip(table.columns, keep, strict=True) if kept),
        rows=tuple(tuple(cell for cell, kept in zip(row, keep, strict=True) if kept) for row in table.rows),
    )


def worst_table(comparison: Comparison) -> Table:
    """Return the chips that disagree most."""
    unit = "X-rays" if comparison.quantity == "counts" else comparison.unit
    shown = Numbers(comparison.quantity == "counts")
    rows = tuple(
        (
            Cell(str(row["chip"]), number=False),
            Cell(shown.value(row["rms"])),
            Cell(str(row["element"]), number=False),
            *(Cell(shown.value(row[name])) for name in ("first", "second", "difference")),
            Cell(plain(row["z"], 1)),
        )
        for row in comparison.worst(_WORST).to_dict("records")
    )
    made = Table(
        groups=(("", 2), (f"the element that differs most ({unit})", 5)),
        columns=("Chip", f"rms of all elements ({unit})", "element", "first", "second", "first − second", "z"),
        rows=rows,
    )
    return without_empty(made)


def notes_of(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield headings and notes: of the report, of each comparison, of each method; each note once."""
    said: set[str] = set()

    def fresh(notes: tuple[str, ...]) -> tuple[str, ...]:
        new = tuple(note for note in dict.fromkeys(notes) if note not in said)
        said.update(new)
        return new

    yield "This report", fresh(report.notes)
    for comparison in report.comparisons:
        yield f"{comparison.methods[0]} beside {comparison.methods[1]}", fresh(comparison.notes)
    for composition in report.compositions:
        yield composition.method, fresh((*composition.notes, *_fit_notes(report, composition)))
    if report.image is not None:
        yield "The file", fresh(report.image.notes)


def _fit_notes(report: Report, composition: Composition) -> tuple[str, ...]:
    """Return what a fit says of itself."""
    fit = report.fit_of(composition)
    return () if fit is None else tuple(fit.notes)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are printed: percent with two decimals, X-rays without where they are many."""

    counted: bool

    def value(self, value: float) -> str:
        """Return a number."""
        if not math.isfinite(value):
            return NOTHING
        return f"{value:z{self._form(value)}}".replace("-", "−")

    def signed(self, value: float, error: float) -> str:
        """Return a number with its sign and its standard error, where that is known."""
        if not math.isfinite(value):
            return NOTHING
        return self._beside(f"{value:+z{self._form(value)}}".replace("-", "−"), error)

    def with_error(self, value: float, error: float) -> str:
        """Return a number with its standard error, where that is known."""
        return self._beside(self.value(value), error)

    def _beside(self, text: str, error: float) -> str:
        """Return a text with an error beside it."""
        if not math.isfinite(error):
            return text
        # Two decimals would call an error of 0.003 none.
        return f"{text} ± {f'{error:.1g}' if 0 < error < _SMALL else self.value(error)}"

    def ends(self, low: float, high: float) -> str:
        """Return two ends."""
        return f"{self.value(low)} to {self.value(high)}" if math.isfinite(low) else NOTHING

    def _form(self, value: float) -> str:
        """Return the format of a number."""
        return ".2f" if not self.counted else ",.0f" if abs(value) >= _MANY else ".1f"


def plain(value: float, decimals: int = 3) -> str:
    """Return a number without a unit."""
    return f"{value:z.{decimals}f}".replace("-", "−") if math.isfinite(value) else NOTHING

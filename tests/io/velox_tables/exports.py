"""Every variant of Velox's exports and of tables compiled by hand, made from one known composition.

No real export is at hand: the layouts are those that the maker describes. A `Truth` holds numbers as a table has them
(rounded), so that what is read can be compared with them exactly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edsnb.core.comparison.units import converted
from edsnb.core.events import Array
from edsnb.core.fitting.lines import atomic_number
from edsnb.core.regions import ChipGrid, Regions

FAMILIES = {"O": "K", "Ti": "K", "Fe": "K", "Sr": "K", "La": "L"}


@dataclass(frozen=True)
class Truth:
    """Numbers of n regions and K elements, as they stand in a table."""

    regions: Regions
    elements: tuple[str, ...]
    atomic: Array
    sd_atomic: Array
    weight: Array
    sd_weight: Array
    counts: Array
    sd_counts: Array

    @property
    def names(self) -> tuple[str, ...]:
        return self.regions.names


def truth(
    rows: int = 8, columns: int = 8, elements: Sequence[str] = ("O", "Ti", "Fe", "Sr", "La"), seed: int = 0
) -> Truth:
    """Return a grid of chips of 4 pixels with random compositions; no two numbers are alike."""
    rng = np.random.default_rng(seed)
    n, names = rows * columns, tuple(elements)
    shares = rng.dirichlet([6.0, 2.0, 2.0, 2.0, 1.5][: len(names)], n)
    atomic = np.round(100 * shares, 2)
    atomic[:, 0] = np.round(100 - atomic[:, 1:].sum(axis=1), 2)
    counts = np.round(rng.uniform(1e3, 9e4, atomic.shape))
    regions = ChipGrid(4).regions((4 * rows, 4 * columns))
    weight = np.round(converted(atomic, names, "weight"), 2)
    sd = [np.round(rng.uniform(0.1, 4, atomic.shape), 2) for _ in range(2)]
    return Truth(regions, names, atomic, sd[0], weight, sd[1], counts, np.round(np.sqrt(counts), 1))


@dataclass(frozen=True)
class Dialect:
    """How text is written."""

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    end: str = "\n"
    hint: bool = False
    """Whether the first line is Excel's ``sep=``."""

    def number(self, value: float) -> str:
        return "" if np.isnan(value) else f"{value:.10g}".replace(".", self.decimal)

    def write(self, path: Path, rows: Iterable[Sequence[object]]) -> Path:
        """Write rows of cells; floats in this dialect."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.separator, lineterminator=self.end)
        if self.hint:
            text.write(f"sep={self.separator}{self.end}")
        for row in rows:
            writer.writerow([self.number(c) if isinstance(c, float) else c for c in row])
        path.write_bytes(text.getvalue().encode(self.encoding))
        return path


PLAIN = Dialect()
DIALECTS = {
    "comma": PLAIN,
    "semicolon, decimal comma": Dialect(";", ","),
    "tab, decimal comma": Dialect("\t", ",", end="\r\n"),
    "comma, decimal comma in quotes": Dialect(",", ","),
    "utf-8 with mark": Dialect(encoding="utf-8-sig", end="\r\n"),
    "utf-16 with mark": Dialect("\t", encoding="utf-16"),
    "utf-16 little-endian": Dialect(";", ",", "utf-16-le"),
    "utf-16 big-endian": Dialect(encoding="utf-16-be"),
    "cp1252": Dialect(";", encoding="cp1252"),
    "Excel's hint": Dialect(";", ",", hint=True),
}

NEW = (
    "Z",
    "Element",
    "Family",
    "Atomic Fraction (%)",
    "Atomic Error (%)",
    "Mass Fraction (%)",
    "Mass Error (%)",
    "Fit Error (%)",
)
OLD = (*NEW[:-1], "Fit error (%)")
SHORT = ("Z", "El", "Series", "at%", "at% error", "wt%", "wt% error", "Fit Error (%)")
DOTTED = ("Z", "Element", "Line", "At.%", "σ (At.%)", "Wt.-%", "σ (Wt.-%)", "Fit Error (%)")
WORDS = (
    "Z",
    "Symbol",
    "Shell",
    "Atomic %",
    "Atomic uncertainty (%)",
    "Weight %",
    "Weight uncertainty (%)",
    "Fit Error (%)",
)
HEADERS = {"new": NEW, "old": OLD, "short": SHORT, "dotted": DOTTED, "words": WORDS}
UNITS = ("", "", "", "%", "%", "%", "%", "%")
BARE = ("Z", "Element", "Family", "Atomic Fraction", "Atomic Error", "Mass Fraction", "Mass Error", "Fit Error")


def element_rows(made: Truth, i: int, scale: float = 1.0) -> list[list[object]]:
    """Return the lines of one region, one an element, in the columns of `NEW`."""
    return [
        [
            atomic_number(e), e, FAMILIES[e],
            *(float(v[i, k] * scale) for v in (made.atomic, made.sd_atomic, made.weight, made.sd_weight)), 0.5,
        ]
        for k, e in enumerate(made.elements)
    ]  # fmt: skip


def region_tables(
    made: Truth,
    which: Sequence[int],
    name: Callable[[int, int], str | Sequence[str]],
    header: Sequence[str] = NEW,
    *,
    units: Sequence[str] | None = None,
    scale: float = 1.0,
    empty: Sequence[int] = (),
) -> list[list[object]]:
    """Return one table a region, each below its name; ``name(chip, place in the file)``, "" for none."""
    rows: list[list[object]] = []
    for place, i in enumerate(which):
        title = name(i, place)
        rows += [[title] if isinstance(title, str) else list(title)] if title else []
        rows += [list(header), *([list(units)] if units else [])]
        rows += [[], *([] if i in empty else element_rows(made, i, scale)), []]
    return rows


def long_table(
    made: Truth, which: Sequence[int], name: Callable[[int, int], str], *, merged: bool = False
) -> list[list[object]]:
    """Return one line for each region and element; `merged` names the region in its first line alone."""
    rows: list[list[object]] = [["Region", *NEW]]
    for place, i in enumerate(which):
        for k, line in enumerate(element_rows(made, i)):
            rows.append([name(i, place) if k == 0 or not merged else "", *line])
    return rows


def wide_table(
    made: Truth,
    which: Sequence[int],
    heading: Callable[[str], Sequence[str]],
    first: Sequence[str] = ("chip",),
    *,
    errors: bool = True,
) -> list[list[object]]:
    """Return one line a region; ``heading(element)`` gives the headings of its value and its error."""  # fmt: skip
    rows: list[list[object]] = [[*first, *(h for e in made.elements for h in heading(e))]]
    for i in which:
        place = [made.names[i]] if first == ("chip",) else [str(v) for v in np.asarray(made.regions.cells)[i]]
        pairs = zip(made.atomic[i], made.sd_atomic[i], strict=True)
        rows.append([*place, *(float(v) for pair in pairs for v in (pair if errors else pair[:1]))])
    return rows


def turned_table(made: Truth, which: Sequence[int]) -> list[list[object]]:
    """Return one line an element, one column a region."""
    rows: list[list[object]] = [["Element", *(made.names[i] for i in which)]]
    return rows + [[e, *(float(made.atomic[i, k]) for i in which)] for k, e in enumerate(made.elements)]


def intensities(made: Truth, which: Sequence[int], name: Callable[[int, int], str]) -> list[list[object]]:
    """Return the second file of details: counts of lines. Sr and La have a second family, which did not quantify."""
    rows: list[list[object]] = []
    for place, i in enumerate(which):
        rows += [[name(i, place)], ["Element", "Line", "Net Intensity (counts)", "Net Intensity Error (counts)"]]
        for k, e in enumerate(made.elements):
            family = FAMILIES[e]
            rows.append([e, f"{e}-{family}", float(made.counts[i, k]), float(made.sd_counts[i, k])])
            if e in ("Sr", "La"):
                rows.append([e, f"{e}-{'K' if family == 'L' else 'L'}", 77.0, 8.8])
        rows.append([])
    return rows


def batches(
    made: Truth,
    folder: Path,
    size: int = 8,
    name: Callable[[int, int], str] = lambda i, place: f"Area {place + 1}",
    *,
    file: Callable[[int], str] = lambda k: f"batch {k + 1}.csv",
    leave_out: Sequence[int] = (),
    dialect: Dialect = PLAIN,
) -> Path:
    """Write a grid in files of `size` regions, without the batches in `leave_out`."""
    folder.mkdir(exist_ok=True)
    for k, start in enumerate(range(0, len(made.names), size)):
        which = range(start, min(start + size, len(made.names)))
        if k not in leave_out:
            dialect.write(folder / file(k), region_tables(made, which, name))
    return folder


def workbook(path: Path, sheets: dict[str, list[list[object]]], formats: dict[str, str] | None = None) -> Path:
    """Write an XLSX with these sheets; `formats` gives number formats by cell (``B2``) of the first."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([None if c == "" else c for c in row])
    for cell, form in (formats or {}).items():
        book[book.sheetnames[0]][cell].number_format = form
    book.save(path)
    return path


def line_profile(three_rows: bool) -> list[list[object]]:
    """Return a line profile with one heading, or with names, quantities and units."""
    head: list[list[object]] = [["Position (m)", "O (at%)", "Sr (at%)"]]
    if three_rows:
        head = [["Position", "O", "Sr"], ["", "Atomic Fraction", "Atomic Fraction"], ["m", "%", "%"]]
    return [*head, [1e-9, 60.0, 20.0], [2e-9, 61.0, 19.0]]


def k_factors() -> list[list[object]]:
    """Return Velox's table of k-factors."""
    return [["Line identifier", "K-factor"], [], ["O-Ka1", 1.7], ["Sr-Ka1", 3.1]]


def log_table(
    name: str, lines: Iterable[Sequence[object]], header: Sequence[str] = NEW, time: str = "2025-04-08T13:22:49-0400"
) -> str:
    """Return one quantification as Velox's experiment log has it."""
    head = "".join(f"<th align=left>{cell}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td align=left>{cell}</td>' for cell in line)}</tr>" for line in lines)
    table = f"<table border=1 width=800><thead><tr>{head}  </tr></thead>{body}</table>"
    return f"{time} Analysis of spectrum: {name}<br>{table}<br>\n"


STARTED = "2025-04-08T13:22:22-0400 Started acquisition for experiment of type unknown\n"
FINISHED = "2025-04-08T13:22:50-0400 Finished acquisition for experiment of type unknown\n"
TOO_LOW = (
    "2024-02-29T07:58:05+0100 Spectrum Image: Number of counts is too low for quantification.\n"
    "Pre-filtering may improve results.. Recommended: at least 11px average filter.<br>\n"
)


def add_log(path: Path, text: str, *, reference: bool = True) -> Path:
    """Write an experiment log into an HDF5 file, made where there is none."""
    import json
    from urllib.parse import quote

    import h5py

    with h5py.File(path, "a") as file:
        for name, content in {
            "Data/Text/0123": {"text": quote(text, safe="")},
            **({"Experiment": {"log": "/Data/Text/0123"}} if reference else {}),
        }.items():
            file.create_dataset(name, data=[json.dumps(content)], dtype=h5py.string_dtype())
    return path

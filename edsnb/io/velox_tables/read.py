"""Tables of composition that Velox exports, or that somebody compiled by hand, as one Composition.

`headings` says what a heading means, `forms` which forms a table has, `units` how values become percent and which sums
are refused, `batches` which chip an entry belongs to; ``docs/velox-exports.md`` shows all of it with examples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.units import check_unit
from edsnb.core.events import Array
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import FileFormatError, InputError
from edsnb.io.cells import TABLES, read_sheets
from edsnb.io.files import existing_file
from edsnb.io.velox_tables.batches import BatchRules, Placed, listed, natural, place
from edsnb.io.velox_tables.columns import NAMES, named_quantity
from edsnb.io.velox_tables.entries import Entry
from edsnb.io.velox_tables.forms import headings_of, read_entries
from edsnb.io.velox_tables.units import LEAST_SUM, SUM_TOLERANCE, check_pairs, settle_units

_ERRORS = (
    "errors stand as the table gives them; what they are it does not say. In Velox's log they proved to be those of "
    "its k-factors, shared by all regions (see velox_log)."
)
METHOD = "Velox (exported tables)"
STAND_IN = "stand-in for Velox (simulated)"
"""Method of tables that `write_velox_batches` wrote, as they say themselves: never Velox's name."""
_SIMULATED = "Simulated by edsnb"
Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


@dataclass(frozen=True, slots=True)
class _How:
    """How tables are read."""

    quantity: str | None
    sheet: str | None
    ignore: Collection[str]
    least_sum: float
    notes: list[str] = field(default_factory=list)


def read_velox_tables(
    source: Paths,
    regions: Regions | None = None,
    *,
    quantity: str | None = None,
    by: str = "auto",
    batch: int | None = None,
    first: int = 0,
    sheet: str | None = None,
    ignore: Collection[str] = (),
    least_sum: float = LEAST_SUM,
    own: Composition | None = None,
    method: str = METHOD,
) -> Composition:
    """Read one table of composition, or the batches of a grid, and give every chip its row.

    Parameters
    ----------
    source
        A CSV or XLSX file, a folder, or several files. A folder's files follow each other in natural order (``batch
        2`` before ``batch 10``), as do files that differ by numbers alone; other lists keep their order.
    regions
        The chips of the map, such as ``spectra.regions``. Chips without an entry are NaN, with a note. None: the names
        in the tables make the regions, and only a hole in a grid of ``R0C1`` can be seen.
    quantity
        What columns hold that do not say it: ``atomic`` (at%), ``weight`` (wt%) or ``counts``.
    by, batch, first
        How entries are given to chips: see `BatchRules` and its module.
    sheet
        Which sheet of a workbook to read; ``all`` for all of them, as batches in their order.
    ignore
        Headings to leave out.
    least_sum
        Smallest sum of at% or wt% that a region may have.
    own
        A composition of the same chips whose unit is known, to check at% against wt%: see `check_unit`.
    method
        Name shown for these numbers; a simulated stand-in is called one where this is Velox's.

    Returns
    -------
    Composition, with at%, wt% and counts as the tables give them, in percent; errors as given, NaN where there are
    none. `notes` say what was found out, left out or missing.

    Raises
    ------
    FileFormatError
        A file is missing, empty, no table, or a table of another kind.
    InputError
        A heading or value is not understood; units are not clear; a sum cannot be; a chip stands twice or cannot be
        told; `own` shows that at% are wt%.
    """
    if isinstance(regions, ChipGrid):
        raise InputError("regions: a grid alone has no map; give grid.regions(image.shape) or spectra.regions.")
    how = _How(named_quantity(quantity), sheet, ignore, least_sum)
    rules = BatchRules(by, batch, first)
    entries: list[Entry] = []
    for path in _paths(source, how.notes):
        entries += _read(path, how)
    how.notes.extend(check_pairs(entries))
    placed = _place(entries, regions, rules, how.notes)
    found = _compiled(placed, method)
    found = replace(
        found,
        regions=regions,
        source=_source_text(source),
        notes=tuple(dict.fromkeys([*how.notes, *found.notes])),
    )
    if method == METHOD and any(_SIMULATED in note for note in found.notes):
        found = replace(found, method=STAND_IN)
    return found if own is None else replace(found, notes=(*found.notes, check_unit(found, own)))


def _source_text(source: Paths) -> str:
    """Return where tables come from, for a record."""
    return fspath(source) if isinstance(source, str | PathLike) else listed([fspath(path) for path in source])


def _paths(source: Paths, notes: list[str]) -> list[Path]:
    """Return the files to read, in order."""
    if isinstance(source, str | PathLike):
        folder = Path(source)
        if not folder.is_dir():
            return [existing_file(folder)]
        found = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~$"))]
        paths = [p for p in found if p.suffix.lower() in TABLES]
        other = sorted(p.name for p in found if p.suffix.lower() == ".xls")
        if other:
            raise FileFormatError(f"{folder}: {listed(other)} is in Excel's old format. Save it as XLSX or CSV.")
        # A folder may hold a README beside its tables.
        texts = [p for p in paths if p.suffix.lower() == ".txt"]
        if texts and len(texts) < len(paths):
            notes.append(f"left out, being text beside tables: {listed(sorted(p.name for p in texts))}.")
            paths = [p for p in paths if p not in texts]
        if not paths:
            raise FileFormatError(f"{folder} holds no table ({', '.join(TABLES)}). Give the folder of Velox's exports.")
        return sorted(paths, key=lambda p: natural(p.name))
    paths = [existing_file(path) for path in source]
    if not paths:
        raise InputError("no file was given to read a composition from.")
    without_numbers = {"".join(c for c in p.stem if not c.isdigit()) for p in paths}
    return sorted(paths, key=lambda p: natural(p.name)) if len(without_numbers) == 1 else paths


def _read(path: Path, how: _How) -> list[Entry]:
    """Return the entries of a file, in percent."""
    every = how.sheet == "all" and path.suffix.lower().startswith(".xls")
    sheets = read_sheets(path, lambda cells: headings_of(cells) is not None, None if every else how.sheet)
    tables = [sheet for sheet in sheets if any(headings_of(cells) for _, cells in sheet.rows)]
    if not tables:
        line, cells = next((line, cells) for line, cells in sheets[0].rows if any(cells))
        raise FileFormatError(
            f"{path} holds no table of composition: no line is a heading with a column of elements or regions and one "
            f"of values, such as 'Element, Atomic Fraction (%)'. It begins with {' | '.join(cells)[:60]!r} (line "
            f"{line}). docs/velox-exports.md lists the headings."
        )
    if len(tables) > 1 and not every:
        names = ", ".join(repr(t.source.split(", sheet ", 1)[-1]) for t in tables)
        raise InputError(f"{path} has tables on several sheets: {names}. Choose one with sheet=..., or sheet='all'.")
    if len(sheets) > len(tables):
        how.notes.append(f"{path.name}: sheets without a table were left out.")
    entries = []
    for table in tables:
        found = read_entries(
            table,
            path.parent / table.source,
            quantity=how.quantity,
            ignore=how.ignore,
            notes=how.notes,
        )
        for name in ("atomic", "weight"):
            settle_units(found, name, how.least_sum, how.notes)
        entries += found
    return entries


def _place(entries: Sequence[Entry], regions: Regions | None, rules: BatchRules, notes: list[str]) -> Placed:
    """Give entries to chips; line intensities join the composition of their chip."""
    if not entries:
        raise FileFormatError("the tables hold headings alone, no values. Export them again.")
    parts = [[e for e in entries if e.intensities is kind] for kind in (False, True)]
    placed = [place(part, regions, rules) for part in parts if part]
    whole = placed[0]
    for other in placed[1:]:
        strangers = [name for name in other.names if name not in whole.names]
        if strangers:
            raise InputError(
                f"line intensities of {listed(strangers)} have no composition. Name the regions alike in both files, "
                "or give the map's regions."
            )
        for name, entry in other.entries.items():
            if name in whole.entries and whole.entries[name].lines:
                raise InputError(f"counts of {name} stand twice: {whole.entries[name].source} and {entry.source}.")
            if name in whole.entries:
                whole.entries[name] = replace(whole.entries[name], lines=entry.lines)
            else:
                whole.entries[name] = entry
    for part in placed:
        notes += part.notes
    if whole.missing:
        notes.append(f"missing: {listed(whole.missing)} ({len(whole.missing)} of {len(whole.names)} chips) are NaN.")
    return whole


def _compiled(placed: Placed, method: str) -> Composition:
    """Return the composition of placed entries."""
    entries = list(placed.entries.values())
    elements = tuple(dict.fromkeys(e for entry in entries for e in [*(e for _, e in entry.values), *entry.lines]))
    notes: list[str] = []
    families = _families(entries, elements, notes)
    values, sd = _arrays(placed, elements, families, notes)
    if not values:
        raise FileFormatError("the tables hold headings and names, but no values. Export them again.")
    _note_gaps(placed, elements, notes)
    percents = [q for q in ("atomic", "weight") if q in values]
    if percents and any(np.isfinite(sd[q]).any() for q in percents):
        notes.append(_ERRORS)
    named = [f"{e}_{families[e]}" for e in elements if e in families]
    normalisation = _normalisation(elements, {q: values[q] for q in percents})
    if "not to 100" in normalisation:
        notes.append(normalisation)
    return Composition(
        method=method,
        names=tuple(placed.names),
        elements=elements,
        values=values,
        sd=sd,
        families=tuple(named) if len(named) == len(elements) else (),
        normalisation=normalisation,
        convention="The program's own k-factors, which the table does not give.",
        notes=tuple(notes),
    )


def _families(entries: Iterable[Entry], elements: Iterable[str], notes: list[str]) -> dict[str, str]:
    """Return the shell that quantified each element, where all entries agree."""
    entries = list(entries)
    out = {}
    for element in elements:
        shells = {entry.families[element] for entry in entries if element in entry.families}
        if not shells:
            # Without a composition that says it, one family of counts is the one.
            lines = [line for entry in entries for line in entry.lines.get(element, ())]
            shells = {line.family for line in lines if line.family}
            if len(shells) != 1 or any(line.family is None for line in lines):
                continue
        if len(shells) > 1:
            notes.append(f"{element} was quantified by {' and '.join(sorted(shells))} in different regions.")
            continue
        out[element] = shells.pop()
    return out


def _arrays(
    placed: Placed, elements: tuple[str, ...], families: dict[str, str], notes: list[str]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return {quantity: (n, K)} values and errors of what the tables hold."""
    shape = len(placed.names), len(elements)
    values = {q: np.full(shape, np.nan) for q in NAMES}
    sd = {q: np.full(shape, np.nan) for q in NAMES}
    for row, name in enumerate(placed.names):
        entry = placed.entries.get(name)
        for column, element in enumerate(elements if entry else ()):
            found = {q: v for (q, e), v in entry.values.items() if e == element} if entry else {}
            for quantity, value in found.items():
                values[quantity][row, column], sd[quantity][row, column] = value.value, value.sd
            if entry and element in entry.lines:
                counts = _counts(entry, element, families.get(element), notes)
                values["counts"][row, column], sd["counts"][row, column] = counts
    held = [q for q in NAMES if np.isfinite(values[q]).any()]
    return {q: values[q] for q in held}, {q: sd[q] for q in held}


def _counts(entry: Entry, element: str, family: str | None, notes: list[str]) -> tuple[float, float]:
    """Return the counts of the family that quantified an element, with their error."""
    lines = entry.lines[element]
    if len(lines) > 1:
        chosen = [line for line in lines if line.family is not None and line.family == family]
        if not chosen:
            names = ", ".join(sorted({line.name for line in lines}))
            notes.append(f"counts of {element} left out: nothing says which of {names} quantified it.")
            return np.nan, np.nan
        lines = chosen
    if len(lines) > 1:
        notes.append(f"counts of {element} are the sum of {', '.join(line.name for line in lines)}.")
    return sum(line.value for line in lines), float(np.sqrt(sum(line.sd**2 for line in lines)))


def _note_gaps(placed: Placed, elements: Iterable[str], notes: list[str]) -> None:
    """Note regions without a value, and elements that only some regions have."""
    known = {name: entry for name, entry in placed.entries.items() if entry.values}
    empty = [name for name, entry in placed.entries.items() if not entry.values and not entry.lines]
    if empty:
        notes.append(f"the table of {listed(empty)} is empty: nothing is known of it.")
    for element in elements:
        without = [name for name, entry in known.items() if all(e != element for _, e in entry.values)]
        if without and len(without) < len(known):
            notes.append(f"{element} is not in the table of {listed(without)}: it is NaN there, not 0.")


def _normalisation(elements: Sequence[str], percents: dict[str, Array]) -> str:
    """Say which elements share the 100 %, from the sums."""
    said = []
    for quantity, values in percents.items():
        known = np.isfinite(values).any(axis=1)
        if not known.any():
            continue
        sums = np.nansum(values[known], axis=1)
        shown = ", ".join(e for k, e in enumerate(elements) if np.isfinite(values[:, k]).any())
        span = f"{sums.min():.2f} to {sums.max():.2f}"
        if (np.abs(sums - 100) <= SUM_TOLERANCE).all():
            said.append(f"{shown} share the 100 % ({NAMES[quantity]} sum to {span}).")
        else:
            off = f"not to 100 in {int((np.abs(sums - 100) > SUM_TOLERANCE).sum())} of {len(sums)} regions"
            said.append(f"{NAMES[quantity]} of {shown} sum to {span}, {off}: other elements share it.")
    return " ".join(said)

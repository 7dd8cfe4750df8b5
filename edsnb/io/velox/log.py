"""Velox's own results: the experiment log inside an .emd file.

The log is a page of HTML. Each quantification of a spectrum, and every update while it was being acquired, adds a
table; the last one with values counts. A new acquisition begins anew: a spectrum of the same name is then another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import h5py
import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.factor_errors import describe_errors
from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.tables import number
from edsnb.core.regions import Regions
from edsnb.errors import FileFormatError
from edsnb.io.files import distinct, existing_file, opened
from edsnb.io.velox.settings import documents, entries, read_json
from edsnb.io.velox_tables.headings import family_of, is_element, read_heading

if TYPE_CHECKING:
    import pandas as pd

_EVENT = re.compile(
    r"(?P<started>Started acquisition)|Analysis of spectrum:\s*(?P<name>.*?)\s*<br\s*/?>\s*(?P<table><table.*?</table>)"
    r"|(?P<low>[^\n<]*Number of counts is too low[^\n<]*)",
    re.DOTALL | re.IGNORECASE,
)
_COLUMNS = {
    "atomic_percent": ("value", "atomic", False),
    "atomic_error": ("value", "atomic", True),
    "mass_percent": ("value", "weight", False),
    "mass_error": ("value", "weight", True),
    "fit_error": ("fit_error", None, False),
}
"""Numbers of a result: column, quantity and error of the heading they come from."""
FROM = "Spectra from "
"""How Velox's log begins the name of a stored spectrum."""
WHOLE = f"{FROM}Summed"
"""Velox's name for the sum of all segments."""
_TOLD = 2
"""How many of Velox's messages are repeated."""


@dataclass(frozen=True, slots=True)
class _Line:
    """Velox's result for one element; in percent, NaN where nothing stands."""

    family: str
    """K, L or M; "" where the log does not say."""
    atomic_percent: float
    atomic_error: float
    mass_percent: float
    mass_error: float
    fit_error: float


_Table = Mapping[str, _Line]
_NOTHING = _Line("", *[float("nan")] * len(_COLUMNS))


@dataclass(frozen=True, slots=True)
class _Log:
    """What a log says."""

    tables: Mapping[str, tuple[_Table, ...]]
    """{spectrum: its tables in order of time, by element}."""
    messages: tuple[str, ...]
    """Velox's words on spectra that it could not quantify."""


def read_velox_results(path: str | PathLike[str]) -> dict[str, pd.DataFrame]:
    """Return Velox's last quantification of each spectrum in the experiment log of an .emd file.

    Parameters
    ----------
    path
        A Velox .emd file.

    Returns
    -------
    {name of the spectrum: table}, indexed by element, with ``family`` (K, L or M), ``atomic_percent``,
    ``atomic_error``, ``mass_percent``, ``mass_error`` and ``fit_error`` (percent). A table is empty where Velox logged
    no values; the dictionary is empty where Velox quantified nothing. A spectrum of a further acquisition with the same
    name is numbered: ``Spectra from Summed 2``.

    Raises
    ------
    FileFormatError
        The file cannot be read, holds no log, or a table in it is damaged.
    """
    import pandas as pd

    found = {}
    for name, tables in _read(existing_file(path)).tables.items():
        last = _last(tables)
        frame = pd.DataFrame(
            {column: [getattr(line, column) for line in last.values()] for column in ("family", *_COLUMNS)},
            index=pd.Index(list(last), name="element", dtype=str),
        )
        found[name] = frame.astype(dict.fromkeys(_COLUMNS, float) | {"family": str})
    return found


def velox_log(path: str | PathLike[str], *, image: SpectrumImage | None = None) -> Composition:
    """Return Velox's results in the experiment log of an .emd file, one region a spectrum.

    Parameters
    ----------
    path
        A Velox .emd file.
    image
        The same file, opened. Spectra of the log that are stored in it have the stored one's name then (``Summed`` for
        ``Spectra from Summed``), so that the two can be compared. Where it is a map and its log has the one spectrum
        ``Spectra from Summed``, whose counts are those of the whole map, that is the region; else a log does not say
        where a spectrum comes from.

    Returns
    -------
    Composition with at% and wt%. Velox's errors stand as sd; `notes` say what is known of them.

    Raises
    ------
    FileFormatError
        The file cannot be read, or its log holds no result; the message repeats what Velox wrote instead.
    """
    source = existing_file(path)
    log = _read(source)
    last = {name: _last(tables) for name, tables in log.tables.items()}
    last = {name: table for name, table in last.items() if table}
    if not last:
        said = "; ".join(f"{text!r}" for text in log.messages[:_TOLD])
        raise FileFormatError(
            f"{source}: Velox quantified nothing in its log{f', it says {said}' if said else ''}. Quantify the spectra "
            "in Velox and save, or give tables that Velox exported."
        )
    elements = tuple(dict.fromkeys(element for table in last.values() for element in table))
    values, sd = _arrays(last, elements)
    families = _families(last, elements)
    names = _stored_names(tuple(last), image)
    regions = _whole_map(source, image, names[0]) if image is not None and tuple(last) == (WHOLE,) else None
    return Composition(
        method="Velox (experiment log)",
        names=names,
        elements=elements,
        values=values,
        sd=sd,
        regions=regions,
        families=families,
        normalisation=f"{', '.join(elements)} share the 100 %, as Velox normalised them.",
        convention="Velox's own k-factors, which the log does not give.",
        source=str(source),
        notes=_notes(log, last, elements, families, regions),
    )


def _notes(
    log: _Log,
    last: Mapping[str, _Table],
    elements: Sequence[str],
    families: tuple[str, ...],
    regions: Regions | None,
) -> tuple[str, ...]:
    """Return what a reader should know of the numbers."""
    # Every update of every spectrum, in at% and in wt%: many tables for few unknowns.
    tables = [table for name in last for table in log.tables[name] if set(table) == set(elements)]
    shares = [[getattr(t[e], c) for e in elements] for t in tables for c in ("atomic_percent", "mass_percent")]
    errors = [[getattr(t[e], c) for e in elements] for t in tables for c in ("atomic_error", "mass_error")]
    notes = [describe_errors(elements, shares, errors, len(tables))]
    if not families:
        notes.append("spectra were quantified by different families, or the log does not name them.")
    if regions is None:
        notes.append("the log does not say where on the specimen a spectrum comes from.")
    absent = {name: [e for e in elements if e not in table] for name, table in last.items()}
    notes += [
        f"{', '.join(es)} not in Velox's result of {name}: NaN there, not 0." for name, es in absent.items() if es
    ]
    empty = [name for name in log.tables if name not in last]
    notes += [f"Velox logged no values for {', '.join(empty)}."] if empty else []
    return (*notes, *(f"Velox: {text}" for text in log.messages[:_TOLD]))


def _read(path: Path) -> _Log:
    """Read the log of a file."""
    if not h5py.is_hdf5(path):
        raise FileFormatError(f"{path} is no HDF5 file, so it holds no experiment log: only Velox's .emd files do.")
    with opened(path) as file:
        text = _log_text(file)
    if text is None:
        raise FileFormatError(f"{path} holds no experiment log: only Velox's .emd files do.")
    found: dict[str, list[_Table]] = {}
    names: dict[str, str] = {}
    """The name in the result of each name in this acquisition."""
    messages = []
    for event in _EVENT.finditer(text):
        if event["started"]:
            names = {}
        elif event["low"]:
            messages.append(re.sub(r"^\S+(?: [\d:]+)?\s+(?=\D)", "", event["low"].strip()))
        else:
            name = unescape(event["name"])
            names.setdefault(name, distinct(name, found))
            found.setdefault(names[name], []).append(_table(event["table"], path, name))
    return _Log({name: tuple(tables) for name, tables in found.items()}, tuple(dict.fromkeys(messages)))


def _log_text(file: h5py.File) -> str | None:
    """Return the log's text, decoded; None where there is none."""
    experiment = read_json(file["Experiment"]) if isinstance(file.get("Experiment"), h5py.Dataset) else {}
    dataset = file.get(str(experiment.get("log") or "")) if experiment.get("log") else None
    if not isinstance(dataset, h5py.Dataset):
        texts = [node for node in entries(file.get("Data/Text")) if isinstance(node, h5py.Dataset)]
        dataset = texts[0] if len(texts) == 1 else None
    return None if dataset is None else unquote(str(read_json(dataset).get("text", "")))


def _table(html: str, path: Path, name: str) -> dict[str, _Line]:
    """Return the values of one table by element."""
    rows = [
        [unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.split(r"<tr[^>]*>", html)[1:]
    ]
    headings = [read_heading(cell) for cell in rows[0]] if rows else []
    kinds = [(h.column, h.quantity, h.error) for h in headings]
    element_at = next((i for i, h in enumerate(headings) if h.column == "element"), None)
    places = {name: kinds.index(kind) for name, kind in _COLUMNS.items() if kind in kinds}
    family_at = next((i for i, h in enumerate(headings) if h.column == "family"), len(headings))
    if element_at is None or "atomic_percent" not in places:
        raise FileFormatError(f"{path}: the log's table of {name!r} has the headings {rows[:1]}, which are not known.")
    found = {}
    for row in rows[1:]:
        cells = [*row, *[""] * (len(headings) + 1 - len(row))]
        if len(row) <= element_at or not is_element(row[element_at]):
            raise FileFormatError(f"{path}: the log's table of {name!r} has the line {row}, which names no element.")
        numbers = [_percent(cells[places[c]], path, name) if c in places else float("nan") for c in _COLUMNS]
        found[row[element_at]] = _Line(family_of(cells[family_at]) or "", *numbers)
    return found


def _percent(text: str, path: Path, name: str) -> float:
    """Return a cell as a number, NaN where it is empty."""
    try:
        return number(text) if text else float("nan")
    except ValueError as error:
        raise FileFormatError(f"{path}: the log's table of {name!r}: {error}") from None


def _last(tables: Sequence[_Table]) -> _Table:
    """Return the last table that holds values, else an empty one."""
    return next((table for table in reversed(tables) if table), {})


def _arrays(last: Mapping[str, _Table], elements: Sequence[str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return at% and wt% (n, K) with their errors."""

    def column(name: str) -> Array:
        return np.array([[getattr(table.get(e, _NOTHING), name) for e in elements] for table in last.values()], float)

    return (
        {"atomic": column("atomic_percent"), "weight": column("mass_percent")},
        {"atomic": column("atomic_error"), "weight": column("mass_error")},
    )


def _families(last: Mapping[str, _Table], elements: Sequence[str]) -> tuple[str, ...]:
    """Return the family of each element; none where spectra differ or the log does not say."""
    shells = [{table[e].family for table in last.values() if e in table} for e in elements]
    if any(len(found) != 1 or "" in found for found in shells):
        return ()
    return tuple(f"{e}_{found.pop()}" for e, found in zip(elements, shells, strict=True))


def _stored_names(names: tuple[str, ...], image: SpectrumImage | None) -> tuple[str, ...]:
    """Return the names of the stored spectra that were quantified, other names as they are."""
    stored = () if image is None or image.spectra is None else image.spectra.names
    short = tuple(n.removeprefix(FROM) if n.removeprefix(FROM) in stored else n for n in names)
    return short if len(set(short)) == len(short) else names


def _whole_map(path: Path, image: SpectrumImage, name: str) -> Regions | None:
    """Return the whole map as a region of this name, where that is what the log's only spectrum is the sum of."""
    if image.events is None or image.spectra is None:
        return None
    with opened(path) as file:
        maps = documents(file, "Features/SIFeature")
        points = documents(file, "Features/SpectrumFeature")
    # The stored sum is that of the log's spectrum; with an integration area it would hold fewer X-rays than the map.
    if len(maps) != 1 or points or int(image.spectra.counts[0].sum()) != int(image.events.total()):
        return None
    return Regions.from_masks({name: np.ones(image.shape, bool)})

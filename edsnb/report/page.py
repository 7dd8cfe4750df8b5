"""The page of a report: HTML that is complete in itself, with its style and its figures inside."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edsnb import __version__
from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.tables import Table, to_html
from edsnb.core.counted import counted
from edsnb.report.figures import Picture
from edsnb.report.record import Report
from edsnb.report.tables import (
    AGREEMENT_LEGEND,
    STOICHIOMETRY_LEGEND,
    agreement_table,
    methods_table,
    notes_of,
    phase_tables,
    worst_table,
)

_STYLE = Path(__file__).with_name("report.css")
_PIXELS_PER_INCH = 128
"""Of a figure on the page: one of two columns' width fills it."""


def html_page(
    report: Report,
    pictures: Sequence[Mapping[str, tuple[Picture, ...]]],
    phases: Picture | None,
    provenance: Mapping[str, Any],
) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    report
        What it shows.
    pictures
        The figures of each comparison, from `pictures_of`.
    phases
        The map of phases.
    provenance
        Plain values, as they are written to disk beside it.
    """
    parts = [_head(report), _methods(report)]
    for k, comparison in enumerate(report.comparisons):
        parts.append(_agreement(report, comparison, pictures[k], k))
    parts.append(_stoichiometry(report, phases))
    for k, comparison in enumerate(report.comparisons):
        parts.append(_fits(comparison, pictures[k], len(report.comparisons) > 1))
    parts += [_notes(report), _settings(report, provenance)]
    title = html.escape(report.title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
        "'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _head(report: Report) -> str:
    """Return title, label and what was done."""
    label = f'<p class="label">{html.escape(report.label)}</p>\n' if report.label else ""
    matched = "; ".join(
        f"{counted(len(c), 'region')} matched by {c.matched_by}"
        + (f" with {c.methods[1]}" if len(report.comparisons) > 1 else "")
        for c in report.comparisons
    )
    unit = "X-rays" if report.comparisons[0].quantity == "counts" else report.comparisons[0].unit
    links = [("methods", "Methods"), ("agreement", "Agreement")]
    links += [("stoichiometry", "Phases and stoichiometry")] if report.phases or report.stoichiometry else []
    links += [("chips", "Chips"), ("notes", "Notes"), ("settings", "Settings and provenance")]
    nav = "".join(f'<a href="#{anchor}">{text}</a>' for anchor, text in links)
    return (
        f"{label}<h1>{html.escape(report.title)}</h1>\n"
        f'<p class="lead">Compared: {unit}, {html.escape(matched)}. Written by edsnb {__version__}.</p>\n'
        f"<nav>{nav}</nav>"
    )


def _methods(report: Report) -> str:
    """Return what each side is."""
    return f'<h2 id="methods">Methods</h2>\n{_table(methods_table(report), "wide")}'


def _agreement(report: Report, comparison: Comparison, pictures: Mapping[str, tuple[Picture, ...]], k: int) -> str:
    """Return maps, statistics and plots of one comparison."""
    first, second = (html.escape(method) for method in comparison.methods)
    anchor = ' id="agreement"' if k == 0 else ""
    parts = [f"<h2{anchor}>Agreement: {first} beside {second}</h2>", *map(_figure, pictures["maps"])]
    phases = report.phases_of(comparison) if len(comparison) > 1 else None
    parts += ["<h3>Over all chips, all phases together</h3>"] if phases is not None else []
    parts.append(_table(agreement_table(comparison)))
    if phases is not None:
        parts += ["<h3>By phase</h3>", _table(agreement_table(comparison, phases))]
    parts += [f'<p class="lead">{html.escape(AGREEMENT_LEGEND)}</p>', *map(_figure, pictures["agreement"])]
    return "\n".join(parts)


def _stoichiometry(report: Report, phases: Picture | None) -> str:
    """Return the phases beside their formulae."""
    if report.stoichiometry is None and report.phases is None:
        return ""
    parts = ['<h2 id="stoichiometry">Phases and stoichiometry</h2>']
    if report.stoichiometry is not None:
        parts += [_table(table, "numbers dense") for table in phase_tables(report.stoichiometry)]
        parts.append(f'<p class="lead">{html.escape(STOICHIOMETRY_LEGEND)}</p>')
        parts += [f"<p>{html.escape(note)}</p>" for note in report.stoichiometry.notes]
    elif report.phases is not None:
        parts.append(f"<p>{html.escape(report.phases.describe())}</p>")
    return "\n".join([*parts, *([_figure(phases)] if phases is not None else [])])


def _fits(comparison: Comparison, pictures: Mapping[str, tuple[Picture, ...]], several: bool) -> str:
    """Return fits of chips, and the chips that disagree most."""
    of = f": {comparison.methods[0]} beside {comparison.methods[1]}" if several else ""
    parts = [f'<h2 id="chips">Chips{html.escape(of)}</h2>', *map(_figure, pictures["fits"])]
    if not pictures["fits"]:
        parts.append("<p>Neither side has fitted spectra to show.</p>")
    return "\n".join([*parts, "<h3>Chips that disagree most</h3>", _table(worst_table(comparison))])


def _notes(report: Report) -> str:
    """Return all notes, by what they are of."""
    parts = ['<h2 id="notes">Notes</h2>']
    for heading, notes in notes_of(report):
        if notes:
            items = "".join(f"<li>{html.escape(note)}</li>\n" for note in notes)
            parts.append(f"<h3>{html.escape(heading)}</h3>\n<ul>\n{items}</ul>")
    return "\n".join(parts)


def _settings(report: Report, provenance: Mapping[str, Any]) -> str:
    """Return recipes, versions and digests."""
    parts = ['<h2 id="settings">Settings and provenance</h2>']
    if report.command:
        parts.append(f"<h3>Command</h3>\n<pre>{html.escape(report.command)}</pre>")
    given = provenance["input"]
    rows = [("File", given["path"]), ("SHA-256", given["sha256"]), ("Written by", given["software"])]
    rows += [("Raster", given["raster"]), ("Pixel", given["pixel"])]
    rows += [(f"SHA-256, {name}", digest) for name, digest in provenance["files"].items()]
    rows += [("Versions", ", ".join(f"{name} {v}" for name, v in provenance["versions"].items()))]
    parts.append(_pairs(row for row in rows if row[1]))
    for method, analysis in report.analyses.items():
        recipe = html.escape(analysis.recipe.to_toml())
        parts.append(f"<details><summary>Recipe of {html.escape(method)}</summary>\n<pre>{recipe}</pre></details>")
    if report.phases is not None:
        found = html.escape(json.dumps(report.phases.settings, indent=2, ensure_ascii=False))
        parts.append(f"<details><summary>How phases were found</summary>\n<pre>{found}</pre></details>")
    return "\n".join(parts)


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and texts as a table without a heading."""
    cells = "".join(f"<tr><td><b>{html.escape(a)}</b></td><td>{html.escape(b)}</td></tr>\n" for a, b in rows)
    return f'<div class="table wide"><table><tbody>\n{cells}</tbody></table></div>'


def _table(table: Table, kind: str = "numbers") -> str:
    """Return a table that can be scrolled where it is wider than the page."""
    return f'<div class="table {kind}">{to_html(table)}</div>'


def _figure(picture: Picture) -> str:
    """Return a figure with its caption."""
    data = b64encode(picture.png).decode("ascii")
    wide = round(picture.inches * _PIXELS_PER_INCH)
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>" if picture.caption else ""
    alt = html.escape(picture.caption or picture.name, quote=True)
    return f'<figure><img width="{wide}" alt="{alt}" src="data:image/png;base64,{data}">{caption}</figure>'

"""Tables as HTML, LaTeX and Markdown: text in, text out, without a library."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SHOWN = 2
"""Decimals of at% and of errors; errors that are the same to these are ties."""
NOTHING = "–"
"""What stands where there is no number."""
_LATEX = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
        **{"±": r"$\pm$", "–": "--", "−": "$-$", "≥": r"$\geq$", "≤": r"$\leq$", "<": "$<$", ">": "$>$"},
    }
)
_COUNT = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str = ""
    bold: bool = False
    formula: bool = False
    """Whether numbers are subscripts, as in SrTiO3."""
    number: bool = True
    """Whether it is set to the right."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with two rows of headings, the upper of which spans columns."""

    groups: tuple[tuple[str, int], ...]
    """Upper headings, and how many columns each spans; empty text for none."""
    columns: tuple[str, ...]
    """Lower headings, with units."""
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    """Sentences below the table."""


def to_html(table: Table) -> str:
    """Return a table as HTML, complete in itself and safe to show."""
    groups = "".join(f'<th colspan="{span}">{html.escape(text)}</th>' for text, span in table.groups)
    rights = [bool(table.rows) and all(row[i].number for row in table.rows) for i in range(len(table.columns))]
    columns = "".join(_html_heading(text, right) for text, right in zip(table.columns, rights, strict=True))
    rows = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>\n" for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>\n" if table.caption else ""
    notes = "".join(f"<p>{html.escape(note)}</p>\n" for note in table.notes)
    upper = f"<tr>{groups}</tr>\n" if _grouped(table) else ""
    return (
        f'<table class="edsnb-table">\n{caption}<thead>\n{upper}<tr>{columns}</tr>\n</thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n{notes}"
    )


def to_latex(table: Table) -> str:
    """Return a table as LaTeX, for the package booktabs."""
    align = "".join("r" if all(row[i].number for row in table.rows) else "l" for i in range(len(table.columns)))
    lines = [r"\begin{table}", r"\centering"]
    lines += [f"\\caption{{{_latex(table.caption)}}}"] if table.caption else []
    lines += [f"\\begin{{tabular}}{{{align}}}", r"\toprule"]
    if _grouped(table):
        lines.append(" & ".join(_latex_group(text, span) for text, span in table.groups) + r" \\")
        lines.append(" ".join(_latex_rules(table.groups)))
    lines += [" & ".join(map(_latex, table.columns)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += ["", *(f"\\par\\footnotesize {_latex(note)}" for note in table.notes)] if table.notes else []
    return "\n".join([*lines, r"\end{table}", ""])


def to_markdown(table: Table) -> str:
    """Return a table as Markdown; an upper heading stands before each lower one."""
    over = [text for text, span in table.groups for _ in range(span)]
    headings = [f"{upper} {lower}".strip() for upper, lower in zip(over, table.columns, strict=True)]
    rights = [all(row[i].number for row in table.rows) for i in range(len(headings))]
    lines = [f"{_markdown(table.caption)}\n"] if table.caption else []
    lines += [_line(map(_markdown, headings)), _line("--:" if right else "---" for right in rights)]
    lines += [_line(map(_markdown_cell, row)) for row in table.rows]
    return "\n".join(lines + [f"\n{_markdown(note)}" for note in table.notes]) + "\n"


def _grouped(table: Table) -> bool:
    """Return whether there is any upper heading."""
    return any(text for text, _ in table.groups)


def _html_heading(text: str, right: bool) -> str:
    """Return a lower heading, set to the right above numbers."""
    style = ' style="text-align: right"' if right else ""
    return f'<th scope="col"{style}>{html.escape(text)}</th>'


def _html_cell(cell: Cell) -> str:
    """Return a cell as HTML."""
    text = html.escape(cell.text)
    text = _subscripts(text, lambda n: f"<sub>{n}</sub>") if cell.formula else text
    text = f"<b>{text}</b>" if cell.bold else text
    return f'<td style="text-align: right">{text}</td>' if cell.number else f"<td>{text}</td>"


def _latex_cell(cell: Cell) -> str:
    """Return a cell as LaTeX."""
    text = _latex(cell.text)
    text = _subscripts(text, lambda n: f"$_{{{n}}}$") if cell.formula else text
    return f"\\textbf{{{text}}}" if cell.bold else text


def _latex(text: str) -> str:
    """Return text with what LaTeX would take for commands escaped."""
    return text.translate(_LATEX)


def _latex_group(text: str, span: int) -> str:
    """Return an upper heading."""
    return f"\\multicolumn{{{span}}}{{c}}{{{_latex(text)}}}"


def _latex_rules(groups: tuple[tuple[str, int], ...]) -> list[str]:
    """Return the rules under the upper headings."""
    rules, at = [], 1
    for text, span in groups:
        if text:
            rules.append(f"\\cmidrule(lr){{{at}-{at + span - 1}}}")
        at += span
    return rules


def _markdown_cell(cell: Cell) -> str:
    """Return a cell as Markdown."""
    text = _markdown(cell.text)
    return f"**{text}**" if cell.bold else text


def _markdown(text: str) -> str:
    """Return text that cannot break a row, and in which nothing is markup."""
    return re.sub(r"([\\|*_`<>\[\]#])", r"\\\1", " ".join(text.split()))


def _line(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _subscripts(text: str, lower: Callable[[str], str]) -> str:
    """Return a formula with its numbers lowered."""
    return _COUNT.sub(lambda match: lower(match[0]), text)

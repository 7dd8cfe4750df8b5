"""Tables as text: read back by what reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import edsnb
from edsnb.core.comparison.tables import Cell, Table, to_html, to_latex, to_markdown
from tests.core.comparison.made import film

EVIL = "<b>50% & $x_1$ | {a}\\b ~^#"
TABLE = Table(
    groups=(("", 1), (EVIL, 2)),
    columns=("Element", "at%", "error (%)"),
    rows=(
        (Cell("SrTiO3", formula=True, number=False), Cell("20.00 ± 0.10"), Cell("3.00", bold=True)),
        (Cell(EVIL, number=False), Cell("–"), Cell("")),
    ),
    caption="A & B",
    notes=("x < 5 | y",),
)


class Reader(HTMLParser):
    """Collects the text of every cell, row by row, and what tags there are."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and data.strip() and "p" not in self.tags:
            self.rows[-1][-1] += data


def test_html_says_what_the_table_says():
    text = to_html(TABLE)
    reader = Reader()
    reader.feed(text)
    assert reader.rows == [
        ["", EVIL],
        ["Element", "at%", "error (%)"],
        ["SrTiO3", "20.00 ± 0.10", "3.00"],
        [EVIL, "–", ""],
    ]
    assert set(reader.tags) == {"table", "caption", "thead", "tbody", "tr", "th", "td", "b", "sub", "p"}
    assert reader.tags.count("b") == 1, "text of a method is no markup"
    assert "<td>SrTiO<sub>3</sub></td>" in text
    assert '<th colspan="2">' in text
    assert "<p>x &lt; 5 | y</p>" in text


def test_latex_escapes_what_would_be_a_command():
    text = to_latex(TABLE)
    lines = text.splitlines()
    evil = r"$<$b$>$50\% \& \$x\_1\$ | \{a\}\textbackslash{}b \textasciitilde{}\textasciicircum{}\#"
    assert rf"\multicolumn{{2}}{{c}}{{{evil}}} \\" in text
    assert r"\cmidrule(lr){2-3}" in lines
    assert r"SrTiO$_{3}$ & 20.00 $\pm$ 0.10 & \textbf{3.00} \\" in lines
    assert rf"{evil} & -- &  \\" in lines
    assert r"Element & at\% & error (\%) \\" in lines
    assert r"\begin{tabular}{lrr}" in lines
    assert r"\caption{A \& B}" in lines
    assert [line for line in lines if line.startswith((r"\begin", r"\end"))] == [
        r"\begin{table}",
        r"\begin{tabular}{lrr}",
        r"\end{tabular}",
        r"\end{table}",
    ]
    # Every row has as many separators as there are columns between.
    for line in lines:
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == 2


def test_markdown_rows_have_the_same_cells():
    text = to_markdown(TABLE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert rows[1] == "| --- | --: | --: |"
    assert rows[2] == "| SrTiO3 | 20.00 ± 0.10 | **3.00** |"
    assert r"\<b\>50% & $x\_1$ \| {a}\\b" in rows[0]


def test_markdown_is_read_by_a_markdown_reader():
    markdown_it = pytest.importorskip("markdown_it")
    html = markdown_it.MarkdownIt().enable("table").render(to_markdown(TABLE))
    assert html.count("<td") == 6
    assert "<strong>3.00</strong>" in html
    assert "&lt;b&gt;50% &amp; $x_1$ | {a}\\b" in html


def test_a_table_without_groups_has_one_row_of_headings():
    table = replace(TABLE, groups=(("", 3),), notes=(), caption="")
    assert to_html(table).count("<tr>") == 3
    assert "multicolumn" not in to_latex(table)
    assert to_markdown(table).splitlines()[0] == r"| Element | at% | error (%) |"


def test_stoichiometry_table_marks_the_best():
    off = film()
    values = off.values["atomic"] + [0, 0, 2.0, 0, 0]
    found = {"edsnb": off, "Velox": replace(off, values={"atomic": values})}
    table = edsnb.stoichiometry(found, {"STO": "SrTiO3"})
    text = table.to_markdown()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == [
        *["Phase", "Formula", "Element", "expected (at%)"],
        *[f"edsnb {c}" for c in ("chips", "mean (at%)", "normalised (at%)", "error (%)")],
        *[f"Velox {c}" for c in ("chips", "mean (at%)", "normalised (at%)", "error (%)")],
    ]
    assert rows[2] == [
        *["STO", "SrTiO3", "Sr", "20.00", "10", "20.00 ± 0.00", "20.00 ± 0.00", "**0.00**"],
        *["10", "22.00 ± 0.00", "21.57 ± 0.00", "7.84"],
    ]
    assert rows[3][:3] == ["", "", "Ti"]
    assert table.to_html().count("<b>") == 3
    assert table.to_latex().count(r"\textbf") == 3


def test_ties_are_both_bold_and_one_method_alone_is_not():
    both = edsnb.stoichiometry({"a": film(), "b": film()}, {"STO": "SrTiO3", "LFO": "LaFeO3"})
    assert both.to_html().count("<b>") == 12
    alone = edsnb.stoichiometry(film(), {"STO": "SrTiO3", "LFO": "LaFeO3"})
    assert "<b>" not in alone.to_html()
    assert "Bold" not in alone.to_html()


def test_samples_stand_in_front_and_may_have_other_methods():
    found = {"s1": {"a": film(), "b": film()}, "s7": {"a": film()}}
    text = edsnb.stoichiometry(found, {"STO": "SrTiO3"}).to_markdown()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][0] == "Sample"
    assert rows[2][0] == "s1"
    assert rows[5][0] == "s7"
    assert rows[5][-4:] == ["", "", "", ""]
    assert "**" not in rows[5][8]

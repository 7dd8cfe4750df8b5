"""Headings and names: what is understood, and that the rules stand where people read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.core.fitting.lines import symbol_of
from edsnb.errors import ElementError
from edsnb.io.velox_tables import headings
from edsnb.io.velox_tables.entries import read_label
from edsnb.io.velox_tables.headings import COLUMNS, WORDS, element_and_family, family_of, read_heading, rules_table

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "velox-exports.md"


@pytest.mark.parametrize(
    ("text", "column", "quantity", "unit", "element", "family", "error"),
    [
        ("Atomic Fraction (%)", "value", "atomic", "percent", None, None, False),
        ("Atomic Fraction", "value", "atomic", None, None, None, False),
        ("Atomic %", "value", "atomic", "percent", None, None, False),
        ("at%", "value", "atomic", "percent", None, None, False),
        ("At.%", "value", "atomic", "percent", None, None, False),
        ("Mass Fraction", "value", "weight", None, None, None, False),
        ("Weight %", "value", "weight", "percent", None, None, False),
        ("wt.-%", "value", "weight", "percent", None, None, False),
        ("Mass Error (%)", "value", "weight", "percent", None, None, True),
        ("σ (at%)", "value", "atomic", "percent", None, None, True),
        ("Concentration (0 to 1) at", "value", "atomic", "share", None, None, False),
        ("Net Intensity (counts)", "value", "counts", None, None, None, False),
        ("Sr", "value", None, None, "Sr", None, False),
        ("at_Sr", "value", "atomic", None, "Sr", None, False),
        ("Sr (at%)", "value", "atomic", "percent", "Sr", None, False),
        ("sd_wt_Sr", "value", "weight", None, "Sr", None, True),
        ("I_La_L", "value", "counts", None, "La", "L", False),
        ("I", "value", None, None, "I", None, False),
        ("I (at%)", "value", "atomic", "percent", "I", None, False),
        ("I_I_L", "value", "counts", None, "I", "L", False),
        ("sd_I_I_L", "value", "counts", None, "I", "L", True),
        ("K", "value", None, None, "K", None, False),
        ("Co at%", "value", "atomic", "percent", "Co", None, False),
        ("Sr Kα1 (counts)", "value", "counts", None, "Sr", "K", False),
        ("Fit Error (%)", "fit_error", None, None, None, None, False),
        ("Fit error (%)", "fit_error", None, None, None, None, False),
        ("No.", "region", None, None, None, None, False),
        ("Position (m)", "position", None, None, None, None, False),
        ("dl_Sr", "ignored", None, None, None, None, False),
        ("", "blank", None, None, None, None, False),
        ("CO", "unknown", None, None, None, None, False),
        ("Sr Ti", "unknown", None, None, None, None, False),
        ("at% wt%", "unknown", None, None, None, None, False),
        ("Fraction", "unknown", None, None, None, None, False),
        ("3 sigma (at%)", "unknown", None, None, None, None, False),
    ],
)
def test_headings(text, column, quantity, unit, element, family, error) -> None:
    found = read_heading(text)
    assert (found.column, found.quantity, found.unit) == (column, quantity, unit)
    assert (found.element, found.family, found.error) == (element, family, error)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_heading_of_the_table_is_read(column: str) -> None:
    for word in COLUMNS[column].words:
        for spelt in (word, word.upper(), f" {word.title()} ", word.replace(" ", "_"), f"{word} (m)"):
            assert read_heading(spelt).column == column, spelt


@given(z=st.integers(1, 98), quantity=st.sampled_from(["atomic", "weight", "counts"]), data=st.data())
def test_every_element_is_known_before_and_after_the_quantity(z: int, quantity: str, data: st.DataObject) -> None:
    symbol = symbol_of(z)
    word = data.draw(st.sampled_from([w for w in WORDS[quantity].words if w != "i"]))
    for text in (f"{symbol} ({word})", f"{word}_{symbol}", f"{word} {symbol}"):
        found = read_heading(text)
        # Astatine's symbol is the word "at"; it is in no specimen.
        if symbol != "At":
            assert (found.element, found.quantity) == (symbol, quantity), text


@given(text=st.text(max_size=30))
def test_no_text_is_too_strange(text: str) -> None:
    found = read_heading(text)
    assert found.column in {*COLUMNS, "value", "unknown", "blank"}
    assert (found.element is None) or found.column == "value"


def test_the_rules_stand_in_the_docstring() -> None:
    assert rules_table() in (headings.__doc__ or "")


@pytest.mark.skipif(not MANUAL.exists(), reason="not a checkout: no documents")
def test_the_rules_stand_in_the_manual() -> None:
    assert rules_table() in MANUAL.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O", ("O", None)),
        ("Sr K", ("Sr", "K")),
        ("Sr-Ka1", ("Sr", "K")),
        ("La (L)", ("La", "L")),
        ("La_Lα", ("La", "L")),
    ],
)
def test_elements_with_their_line(text: str, expected) -> None:
    assert element_and_family(text) == expected


@pytest.mark.parametrize("text", ["", "o", "SR", "Xx", "Sr Q", "12", "Oxygen", "O2"])
def test_what_is_no_element(text: str) -> None:
    with pytest.raises(ElementError):
        element_and_family(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("K", "K"), ("K ", "K"), ("Ka1", "K"), ("Lα", "L"), ("L-series", "L"), ("Sr-Kb1", "K"), ("", None), ("N", None)],
)
def test_families(text: str, expected) -> None:
    assert family_of(text) == expected


@pytest.mark.parametrize(
    ("text", "cell", "number"),
    [
        ("R0C1", (0, 1), None),
        ("r10c03", (10, 3), None),
        ("Row 2 Col 5", (2, 5), None),
        ("row 2, column 5", (2, 5), None),
        ("chip R1C2 (film)", (1, 2), None),
        ("Region 3", None, 3),
        ("Area #3", None, 3),
        ("Area3", None, 3),
        ("#3", None, 3),
        ("3", None, 3),
        ("Spectra from Area 12", None, 12),
        ("film", None, None),
        ("sample 7", None, None),
        ("Area 3.5", None, None),
        ("SrO2C3", None, None),
    ],
)
def test_labels(text: str, cell, number) -> None:
    found = read_label(text)
    assert (found.cell, found.number) == (cell, number)

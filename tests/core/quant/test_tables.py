"""Delimited text from other programs."""

import pytest

from edsnb.core.quant.tables import heading, number, read_table
from edsnb.errors import InputError

COLUMNS = {"line": {"lineidentifier"}, "k": {"kfactor"}}


def test_reads_cells_with_their_line_numbers():
    text = "exported by someone\n\nOther;K-factor (wt.);Line identifier\n\nx; 1,5 ;O-Ka1\ny;2\n"
    assert read_table(text.encode(), COLUMNS) == [
        (5, {"line": "O-Ka1", "k": "1,5"}),
        (6, {"line": "", "k": "2"}),
    ]


def test_without_the_columns_there_are_no_rows():
    assert read_table(b"", COLUMNS) == []
    assert read_table(b"Line identifier\nO-Ka1\n", COLUMNS) == []


def test_trailing_separators_are_no_cells():
    assert read_table(b"Line identifier,K-factor,,\nO-Ka1,1.5,,,,\n", COLUMNS) == [(2, {"line": "O-Ka1", "k": "1.5"})]


def test_too_many_cells_are_refused():
    with pytest.raises(InputError, match=r"line 2 has 3 cells where the heading has 2.*decimal comma"):
        read_table(b"Line identifier,K-factor\nO-Ka1,1,5\n", COLUMNS)


def test_bytes_that_are_no_text_give_no_table():
    assert read_table(bytes(range(256)) * 40, COLUMNS) == []


def test_a_cell_too_long_to_be_one_is_refused():
    with pytest.raises(InputError, match="line 2 is not delimited text"):
        read_table(b"a\n" + b"x" * 200_000, COLUMNS)


@pytest.mark.parametrize("spelled", ["K-factor", "k factor", "KFactor", "K‑Factor (wt%)", " k_factor [a.u.] "])
def test_heading(spelled):
    assert heading(spelled) == "kfactor"


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("1,5", 1.5), ("-2", -2), (".5", 0.5), ("1,2E-3", 0.0012), ("+3.", 3)]
)
def test_number(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1.234,5", "1_0", "1 000", "1e", "--1", "0x10"])
def test_text_is_no_number(text):
    with pytest.raises(ValueError, match="stands where a number belongs"):
        number(text)

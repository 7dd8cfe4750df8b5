"""Formulae: what they say, and where they are wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.formula import expected_percent, parse_formula
from edsnb.errors import ElementError, InputError


@pytest.mark.parametrize(
    ("formula", "atoms"),
    [
        ("SrTiO3", {"Sr": 1, "Ti": 1, "O": 3}),
        ("La0.7Sr0.3MnO3", {"La": 0.7, "Sr": 0.3, "Mn": 1, "O": 3}),
        ("Ca10(PO4)6(OH)2", {"Ca": 10, "P": 6, "O": 26, "H": 2}),
        ("[(NH4)2]SO4", {"N": 2, "H": 8, "S": 1, "O": 4}),
        ("{Fe[Fe2(O2)2]}0.5", {"Fe": 1.5, "O": 2}),
        ("CO", {"C": 1, "O": 1}),
        ("Co", {"Co": 1}),
        (" LaFeO₃\n", {"La": 1, "Fe": 1, "O": 3}),
        ("Sr.5Ba.5TiO3", {"Sr": 0.5, "Ba": 0.5, "Ti": 1, "O": 3}),
        ("OTiOSrO", {"O": 3, "Ti": 1, "Sr": 1}),
    ],
)
def test_atoms(formula, atoms):
    found = parse_formula(formula)
    assert found == pytest.approx(atoms)
    assert list(found) == list(atoms)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("", "a chemical formula such as SrTiO3 is needed; found ''"),
        ("  ", "a chemical formula such as SrTiO3 is needed"),
        (None, "found None"),
        ("SrTiO3)", r") closes no bracket (character 7)"),
        ("Sr(TiO3", r"( is not closed (character 3)"),
        ("Sr(TiO3]", r"] closes no bracket (character 8)"),
        ("Sr()O", r"the brackets hold nothing (character 4)"),
        ("3SrO", "the number 3 follows no element and no bracket (character 1)"),
        ("(2O)", "the number 2 follows no element and no bracket (character 2)"),
        ("Sr0TiO3", "0 atoms cannot be (character 3)"),
        ("La1-xSrxMnO3", "'-' is not understood (character 4)"),
        ("FexO", "'x' is not understood (character 3)"),
        ("CuSO4·5H2O", "'·' is not understood (character 6)"),
        ("Sr TiO3", "' ' is not understood (character 3)"),
        ("SrTiO3.", "'.' is not understood (character 7)"),
        ("O1.2.3", "the number .3 follows no element and no bracket (character 5)"),
    ],
)
def test_where_it_is_wrong(formula, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        parse_formula(formula)


def test_unknown_element():
    with pytest.raises(ElementError, match=r"formula 'SrXyO3': Xy is no element \(character 3\)"):
        parse_formula("SrXyO3")


def test_expected_percent():
    assert expected_percent("SrTiO3") == pytest.approx({"Sr": 20, "Ti": 20, "O": 60})
    assert expected_percent("La0.7Sr0.3MnO3") == pytest.approx({"La": 14, "Sr": 6, "Mn": 20, "O": 60})


symbols = st.sampled_from(["La", "Fe", "Sr", "Ti", "O", "H", "Co", "C"])
counts = st.none() | st.integers(1, 30) | st.floats(0.01, 20).map(lambda x: round(x, 3))


def written(part) -> str:
    """Write a tree as a formula."""
    what, n = part
    inner = what if isinstance(what, str) else f"({''.join(map(written, what))})"
    return inner + ("" if n is None else f"{n}")


def counted(part, times=1.0) -> dict[str, float]:
    """Count a tree's atoms one after the other."""
    what, n = part
    times *= 1 if n is None else n
    if isinstance(what, str):
        return {what: times}
    out: dict[str, float] = {}
    for inner in what:
        for element, atoms in counted(inner, times).items():
            out[element] = out.get(element, 0) + atoms
    return out


trees = st.recursive(
    st.tuples(symbols, counts), lambda inner: st.tuples(st.lists(inner, min_size=1, max_size=4), counts)
)


@given(trees)
@settings(max_examples=60)
def test_any_formula_is_counted(tree):
    formula = written(tree)
    assert parse_formula(formula) == pytest.approx(counted(tree))
    assert sum(expected_percent(formula).values()) == pytest.approx(100)


@given(st.text(alphabet="LaFeO3.()[]x 0", max_size=12))
@settings(max_examples=60)
def test_any_text_is_a_formula_or_an_error(text):
    try:
        atoms = parse_formula(text)
    except InputError:
        return
    assert atoms
    assert all(n > 0 for n in atoms.values())

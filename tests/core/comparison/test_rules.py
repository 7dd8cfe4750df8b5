"""Rules as text: a small grammar, nothing of which is ever run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.rules import fulfilled, names_in
from edsnb.errors import InputError

NAN = np.nan
VALUES = {"La": np.array([1.0, 10, NAN, 6]), "Fe": np.array([0.0, 6, 9, 5]), "haadf": np.array([7.0, 8, 9, 10])}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("La > 5", [0, 1, 0, 1]),
        ("La >= 6 and Fe > 5", [0, 1, 0, 0]),
        ("not La > 5", [1, 0, 0, 0]),
        ("La > 5 or Fe > 5", [0, 1, 1, 1]),
        ("La > 5 or not Fe > 5 and haadf < 8", [1, 1, 0, 1]),
        ("5 < La < 10", [0, 0, 0, 1]),
        ("(La + Fe) / 2 > 5", [0, 1, 0, 1]),
        ("La - 2 * Fe > -3", [1, 1, 0, 0]),
        ("La / Fe > 1e3", [1, 0, 0, 0]),
        ("-La > -5.5", [1, 0, 0, 0]),
        ("not (La > 5 and Fe > 100)", [1, 1, 1, 1]),
        ("not (La > 5 or Fe < 8)", [0, 0, 0, 0]),
        ("haadf <= 8", [1, 1, 0, 0]),
    ],
)
def test_rules_by_hand(rule, expected):
    np.testing.assert_array_equal(fulfilled(rule, VALUES), np.array(expected, bool))


def test_names():
    assert names_in("Fe > 2 and (haadf < 3 or La > Fe)") == ("Fe", "haadf", "La")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "a rule such as 'La > 5 and Fe > 5' is needed; found ''"),
        (None, "found None"),
        ("La", "'La' stands where a comparison such as La > 5 is needed"),
        ("La + 5", "'La + 5' stands where a comparison such as La > 5 is needed"),
        ("La > 5 and Fe", "'Fe' stands where a comparison"),
        ("La > 5 and", "rule 'La > 5 and': invalid syntax"),
        ("La > (5", "was never closed"),
        ("La = 5", "rule 'La = 5'"),
        ("La == 5", "compares by something else than < <= > >="),
        ("La in Fe", "compares by something else than < <= > >="),
        ("La > '5'", "\"'5'\" stands where a number"),
        ("La > True", "'True' stands where a number"),
        ("La > 5j", "'5j' stands where a number"),
        ("La > (Fe > 5)", "'Fe > 5' stands where a number"),
        ("La ** 2 > 5", "'La ** 2' stands where a number"),
        ("La % 2 > 5", "stands where a number"),
        ("abs(La) > 5", "'abs(La)' stands where a number"),
        ("La.shape > 5", "'La.shape' stands where a number"),
        ("La[0] > 5", "'La[0]' stands where a number"),
        ("__import__('os').system('true')", "stands where a comparison"),
        ("(lambda: 5)() > La", "stands where a number"),
        ("[x for x in La] > 5", "stands where a number"),
        ("La > 5 if Fe > 5 else Fe > 6", "stands where a comparison"),
        ("(y := 5) > La", "stands where a number"),
        ("La > 5; Fe > 5", "rule 'La > 5; Fe > 5'"),
        ("La > 5\nFe > 5", "rule 'La > 5\\nFe > 5'"),
        ("La > \0", "rule 'La > \\x00'"),
        ("Sr > 5", "Sr is not known; known are La, Fe, haadf"),
        ("La > " + "(" * 250 + "5" + ")" * 250, "too many nested parentheses"),
        ("La > " + "-" * 50 + "5", "nested more than 30 deep"),
        ("La > 5 and " * 200 + "La > 5", "is too long: up to 1000"),
    ],
)
def test_what_is_no_rule(rule, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        fulfilled(rule, VALUES)


numbers = st.recursive(
    st.sampled_from(["La", "Fe", "3", "0.5"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=4,
)
comparisons = st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">="]), numbers).map(" ".join)
rules = st.recursive(
    comparisons,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda t: f"(not {t})")
    ),
    max_leaves=4,
)


@given(rules, st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), min_size=1, max_size=5))
@settings(max_examples=60)
def test_rules_mean_what_python_means(rule, rows):
    """The slow twin is Python itself, one chip after the other, on values that are all known."""
    values = {"La": np.array([r[0] for r in rows], float), "Fe": np.array([r[1] for r in rows], float)}
    twin = []
    for la, fe in rows:
        try:
            twin.append(bool(eval(rule, {"__builtins__": {}}, {"La": float(la), "Fe": float(fe)})))
        except ZeroDivisionError:
            return
    np.testing.assert_array_equal(fulfilled(rule, values), twin)


@given(st.text(alphabet="La Fe>5()and or not.<=+-*/\"'[]{}_:", max_size=40))
@settings(max_examples=60)
def test_any_text_is_a_rule_or_an_error(text):
    try:
        found = fulfilled(text, VALUES)
    except InputError:
        return
    assert found.dtype == bool
    assert found.shape == (4,)

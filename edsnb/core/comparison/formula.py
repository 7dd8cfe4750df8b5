"""Chemical formulae in, atoms and at% out.

A formula is a row of element symbols and bracketed groups, each with a number after it where it is not 1::

    SrTiO3    La0.7Sr0.3MnO3    Ca10(PO4)6(OH)2    [(NH4)2]SO4

Brackets are round, square or curly, to any depth; digits may be subscripts (SrTiO₃). Hydrates, charges, ranges
(``La1-xSrx``) and spaces are refused: what stands there has to be a composition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edsnb.core.fitting.lines import atomic_number
from edsnb.errors import ElementError, InputError

_TOKEN = re.compile(r"(?P<symbol>[A-Z][a-z]?)|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<open>[(\[{])|(?P<close>[)\]}])")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_PARTNER = {")": "(", "]": "[", "}": "{"}
_Part = tuple[dict[str, float], float | None]
"""Atoms, and what they are multiplied by; None until a number was read."""


def parse_formula(formula: str) -> dict[str, float]:
    """Return {element: atoms} of a chemical formula, in the order of first mention.

    Raises
    ------
    InputError
        The formula does not parse; the message says where.
    ElementError
        It names an element that does not exist.
    """
    if not isinstance(formula, str) or not formula.strip():
        raise InputError(f"a chemical formula such as SrTiO3 is needed; found {formula!r}.")
    text = formula.translate(_SUBSCRIPTS).strip()
    levels: list[list[_Part]] = [[]]
    opened: list[tuple[str, int]] = []
    for kind, token, at in _tokens(text):
        if kind == "symbol":
            levels[-1].append(({token: 1.0}, None))
        elif kind == "open":
            opened.append((token, at))
            levels.append([])
        elif kind == "close":
            if not opened or opened[-1][0] != _PARTNER[token]:
                raise _wrong(text, at, f"{token} closes no bracket")
            opened.pop()
            group = levels.pop()
            if not group:
                raise _wrong(text, at, "the brackets hold nothing")
            levels[-1].append((_together(group), None))
        else:
            if not levels[-1] or levels[-1][-1][1] is not None:
                raise _wrong(text, at, f"the number {token} follows no element and no bracket")
            if float(token) <= 0:
                raise _wrong(text, at, f"{token} atoms cannot be")
            levels[-1][-1] = (levels[-1][-1][0], float(token))
    if opened:
        raise _wrong(text, opened[-1][1], f"{opened[-1][0]} is not closed")
    return _together(levels[0])


def expected_percent(formula: str) -> dict[str, float]:
    """Return {element: at%} of a chemical formula; see `parse_formula`."""
    atoms = parse_formula(formula)
    total = sum(atoms.values())
    return {element: 100 * n / total for element, n in atoms.items()}


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, token, position from 0) one after the other; raise at what is none."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _wrong(text, at, f"{text[at]!r} is not understood")
        if match.lastgroup == "symbol":
            try:
                atomic_number(match[0])
            except ElementError:
                raise _wrong(text, at, f"{match[0]} is no element", ElementError) from None
        yield match.lastgroup, match[0], at
        at = match.end()


def _together(parts: list[_Part]) -> dict[str, float]:
    """Return the atoms of all parts."""
    out: dict[str, float] = {}
    for atoms, times in parts:
        for element, n in atoms.items():
            out[element] = out.get(element, 0.0) + n * (1.0 if times is None else times)
    return out


def _wrong(text: str, at: int, what: str, kind: type[InputError] = InputError) -> InputError:
    """Return the error for something wrong at a position."""
    return kind(f"formula {text!r}: {what} (character {at + 1}). Write it as SrTiO3 or La0.7Sr0.3MnO3.")

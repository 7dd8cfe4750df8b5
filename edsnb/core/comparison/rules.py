"""Rules for phases as text: ``La > 5 and Fe > 5``, read by a grammar of its own and never run as code.

Glossary
--------
names : element symbols (at% of the chip), ``haadf`` (mean of the image over the chip), ``counts`` (X-rays per pixel).
comparisons : ``<  <=  >  >=`` between sums, differences, products and quotients of names and numbers; chains such as
    ``5 < La < 20`` too.
``and``, ``or``, ``not``, brackets : as in Python, from which the grammar is taken.

A comparison with a value that is not known (NaN) is not fulfilled, ``not`` of it neither.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

import numpy as np

from edsnb.core.events import Array
from edsnb.errors import InputError

_LONGEST = 1000
"""Characters of a rule."""
_DEEPEST = 30
"""Levels of brackets and operators."""
_COMPARE: dict[type[ast.cmpop], Callable[[Array, Array], Array]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def names_in(rule: str) -> tuple[str, ...]:
    """Return the names a rule uses, in the order of first mention; raise InputError where it is no rule."""
    tree = _parse(rule)
    used = sorted((n.col_offset, n.id) for n in ast.walk(tree) if isinstance(n, ast.Name))
    return tuple(dict.fromkeys(name for _, name in used))


def fulfilled(rule: str, values: Mapping[str, Array]) -> Array:
    """Return where a rule holds (n,) bool.

    Parameters
    ----------
    rule
        Such as ``La > 5 and (Sr + Ti) < 3``.
    values
        {name: (n,)} for every name that `names_in` gives.

    Raises
    ------
    InputError
        The rule does not parse, or uses a name without values.
    """
    tree = _parse(rule)
    if missing := [name for name in names_in(rule) if name not in values]:
        raise _wrong(rule, f"{', '.join(missing)} is not known; known are {', '.join(values)}")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        holds, known = _truth(tree, rule, values)
    length = len(next(iter(values.values()))) if values else 0
    return np.broadcast_to(holds & known, (length,)).copy()


def _parse(rule: str) -> ast.expr:
    """Return the tree of a rule, all of whose nodes are allowed."""
    if not isinstance(rule, str) or not rule.strip():
        raise InputError(f"a rule such as 'La > 5 and Fe > 5' is needed; found {rule!r}.")
    if len(rule) > _LONGEST:
        raise InputError(f"a rule of {len(rule)} characters is too long: up to {_LONGEST}.")
    try:
        tree = ast.parse(rule.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise _wrong(rule, reason) from None
    _check(tree, rule, logical=True, depth=0)
    return tree


def _check(node: ast.expr, rule: str, *, logical: bool, depth: int) -> None:
    """Raise InputError where a node is not of the grammar, or stands where it has no meaning."""
    if depth > _DEEPEST:
        raise _wrong(rule, f"it is nested more than {_DEEPEST} deep")
    inner: list[tuple[ast.expr, bool]]
    match node:
        case ast.BoolOp(values=parts) if logical:
            inner = [(part, True) for part in parts]
        case ast.UnaryOp(op=ast.Not(), operand=part) if logical:
            inner = [(part, True)]
        case ast.Compare(left=left, ops=ops, comparators=others) if logical:
            if not all(type(op) in _COMPARE for op in ops):
                raise _wrong(rule, f"{ast.unparse(node)!r} compares by something else than < <= > >=")
            inner = [(part, False) for part in (left, *others)]
        case ast.BinOp(op=op, left=left, right=right) if not logical and type(op) in _ARITHMETIC:
            inner = [(left, False), (right, False)]
        case ast.UnaryOp(op=ast.USub(), operand=part) if not logical:
            inner = [(part, False)]
        case ast.Name() if not logical:
            inner = []
        case ast.Constant(value=int() | float() as value) if not (logical or isinstance(value, bool)):
            inner = []
        case _:
            wanted = "a comparison such as La > 5" if logical else "a number, a name, or + - * / of them"
            raise _wrong(rule, f"{ast.unparse(node)!r} stands where {wanted} is needed")
    for part, is_logical in inner:
        _check(part, rule, logical=is_logical, depth=depth + 1)


def _truth(node: ast.expr, rule: str, values: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return where a condition holds, and where that is known."""
    match node:
        case ast.BoolOp(op=op, values=parts):
            found = [_truth(part, rule, values) for part in parts]
            holds, known = (np.stack(np.broadcast_arrays(*side)) for side in zip(*found, strict=True))
            if isinstance(op, ast.And):
                # One part that is known not to hold decides, whatever the others are.
                return (holds & known).all(axis=0), known.all(axis=0) | (known & ~holds).any(axis=0)
            return (holds & known).any(axis=0), known.all(axis=0) | (known & holds).any(axis=0)
        case ast.UnaryOp(operand=part):
            holds, known = _truth(part, rule, values)
            return ~holds, known
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_number(part, rule, values) for part in (left, *others)]
            steps = [_COMPARE[type(op)](numbers[i], numbers[i + 1]) for i, op in enumerate(ops)]
            known = np.logical_and.reduce(np.broadcast_arrays(*(~np.isnan(number) for number in numbers)))
            return np.logical_and.reduce(np.broadcast_arrays(*steps)), known
    raise _wrong(rule, "it is not understood")


def _number(node: ast.expr, rule: str, values: Mapping[str, Array]) -> Array:
    """Return the value of a sum, product, name or number."""
    match node:
        case ast.BinOp(op=op, left=left, right=right):
            return np.asarray(_ARITHMETIC[type(op)](_number(left, rule, values), _number(right, rule, values)))
        case ast.UnaryOp(operand=part):
            return np.asarray(-_number(part, rule, values))
        case ast.Name(id=name):
            return np.asarray(values[name], np.float64)
        case ast.Constant(value=int() | float() as value):
            return np.asarray(value, np.float64)
    raise _wrong(rule, "it is not understood")


def _wrong(rule: str, what: str) -> InputError:
    """Return the error for a rule."""
    return InputError(f"rule {rule!r}: {what}. Write element symbols and numbers, such as 'La > 5 and Fe > 5'.")

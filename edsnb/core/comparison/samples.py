"""The forms in which several methods and samples are handed over, made one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edsnb.core.comparison.composition import Composition, as_composition
from edsnb.core.comparison.normalise import check_quantity
from edsnb.core.quant.quantification import Quantification
from edsnb.errors import InputError

One = Composition | Quantification
Found = One | Sequence[One] | Mapping[str, One] | Mapping[str, Mapping[str, One]]
"""One composition, a list of them, {method: composition} or {sample: {method: composition}}."""
Samples = dict[str, dict[str, Composition]]
"""{sample: {method: composition}}; the sample is empty where there is only one."""


def named_samples(found: Found) -> Samples:
    """Return compositions with at% by sample and method.

    Raises
    ------
    InputError
        There is none, two methods have one name, at% are missing, or something else than a composition stands there.
    """
    if isinstance(found, Composition | Quantification):
        return {"": _methods([found])}
    if isinstance(found, Mapping):
        nested = [name for name, one in found.items() if isinstance(one, Mapping)]
        if nested and len(nested) != len(found):
            raise InputError("give either {method: composition} or {sample: {method: composition}}, not both in one.")
        samples: Mapping[str, Any] = found if nested else {"": found}
        named = {str(sample): _named(methods) for sample, methods in samples.items()}
    elif isinstance(found, Sequence) and not isinstance(found, str):
        named = {"": _methods(found)}
    else:
        as_composition(found)
        named = {}
    if not named or not all(named.values()):
        raise InputError("no composition was given: a quantification, a list of them, or {method: composition}.")
    return named


def _methods(found: Iterable[One]) -> dict[str, Composition]:
    """Return compositions by their own names."""
    compositions = [as_composition(one) for one in found]
    names = [composition.method for composition in compositions]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"several are called {', '.join(double)}: name them yourself, as {{method: composition}}.")
    return _named(dict(zip(names, compositions, strict=True)))


def _named(methods: Mapping[str, Any]) -> dict[str, Composition]:
    """Return compositions with at% by the names they were given."""
    out = {str(name): as_composition(one) for name, one in methods.items()}
    for composition in out.values():
        check_quantity(composition, "atomic")
    return out

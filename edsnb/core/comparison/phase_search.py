"""Which chips hold a phase, where only its formula is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.phases import Phases, find_phases
from edsnb.errors import ElementError, InputError

QUARTER = 0.25
"""Share of its expected at% that an element has to exceed where a phase is looked for by default."""


def default_rules(expected: Mapping[str, Mapping[str, float]], elements: Sequence[str]) -> dict[str, str]:
    """Return the rule by which each phase is looked for where nobody says where it is.

    Every element that stands in this formula alone exceeds a quarter of its expected at%. A formula without such an
    element: all its elements do, and those of the other formulas that it lacks stay below a quarter of theirs.

    Parameters
    ----------
    expected
        {phase: {element: at%}}.
    elements
        Those that were quantified; others are left out of the rules.

    Raises
    ------
    ElementError
        None of the elements that tell a phase was quantified.
    InputError
        Two phases consist of the same elements.
    """
    rules = {}
    for name, own in expected.items():
        others = [formula for other, formula in expected.items() if other != name]
        if same := [other for other in expected if other != name and set(expected[other]) == set(own)]:
            raise InputError(
                f"phases {', '.join([name, *same])} consist of the same elements, so none tells them apart; say where= "
                "each is."
            )
        above = {e: x for e, x in own.items() if not any(e in other for other in others)}
        foreign = dict.fromkeys(e for other in others for e in other if e not in own and not above)
        below = {e: min(other[e] for other in others if e in other) for e in foreign}
        parts = [f"{e} > {QUARTER * x:.4g}" for e, x in (above or own).items() if e in elements]
        if not parts:
            raise ElementError(
                f"phase {name}: none of {', '.join(above or own)} was quantified, so it cannot be looked for; say "
                "where= it is."
            )
        rules[name] = " and ".join(parts + [f"{e} < {QUARTER * x:.4g}" for e, x in below.items() if e in elements])
    return rules


def phases_of(
    sample: str,
    methods: Mapping[str, Composition],
    where: Phases | Mapping[str, Phases] | None,
    expected: Mapping[str, Mapping[str, float]],
) -> tuple[dict[str, Phases], list[str]]:
    """Return the phases on the chips of each method, and notes on how they were found."""
    if where is not None:
        given = where if isinstance(where, Phases) else where.get(sample)
        if given is None:
            raise InputError(f"where= says nothing of sample {sample!r}; give one for each sample.")
        return {method: given.on(composition) for method, composition in methods.items()}, [given.describe()]
    (first, composition), *others = methods.items()
    found = find_phases(composition, default_rules(expected, composition.elements))
    of = f"{sample}: chips" if sample else "Chips"
    here, notes = {first: found}, [f"{of} by the at% of {first}. {found.describe()}"]
    for method, other in others:
        try:
            here[method] = found.on(other)
        except InputError as reason:
            here[method] = find_phases(other, default_rules(expected, other.elements))
            notes.append(f"{method} has other chips ({reason}) and its own at% tell the phases there.")
    return here, notes

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
    element: all its elements do, and those that distinguish the others stay below a quarter of theirs.

    Parameters
    ----------
    expected
        {phase: {element: at%}}.
    elements
        Those that were quantified; others are left out of the rules.
    """
    alone = {
        name: {e: x for e, x in own.items() if all(e not in o for n, o in expected.items() if n != name)}
        for name, own in expected.items()
    }
    rules = {}
    for name, own in expected.items():
        others = {e: x for other, only in alone.items() if other != name for e, x in only.items()}
        above, below = (alone[name], {}) if alone[name] else (own, others)
        parts = [f"{e} > {QUARTER * x:.4g}" for e, x in above.items() if e in elements]
        parts += [f"{e} < {QUARTER * x:.4g}" for e, x in below.items() if e in elements]
        if not parts:
            raise ElementError(
                f"phase {name}: none of {', '.join(above)} was quantified, so it cannot be looked for; say where= "
                "it is."
            )
        rules[name] = " and ".join(parts)
    if same := [name for name, rule in rules.items() if list(rules.values()).count(rule) > 1]:
        raise InputError(f"phases {', '.join(same)} cannot be told apart by their elements; say where= each is.")
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

"""A file compared in one call, as ``edsnb compare`` does: sides, phases, stoichiometry, report."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edsnb.core.comparison.compare import Comparison, compare
from edsnb.core.comparison.composition import QUANTITIES, Composition
from edsnb.core.comparison.formula import expected_percent
from edsnb.core.comparison.phase_search import default_rules
from edsnb.core.comparison.phases import Phases, find_phases
from edsnb.core.comparison.stoichiometry import Stoichiometry, stoichiometry
from edsnb.core.image import SpectrumImage
from edsnb.errors import InputError
from edsnb.pipeline import Analysis
from edsnb.recipe import Recipe
from edsnb.report.write import write_report
from edsnb.sources import Side, Watch, open_sides


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What a comparison of one file came to."""

    image: SpectrumImage
    comparisons: tuple[Comparison, ...]
    """The first side beside each of the others."""
    stoichiometry: Stoichiometry | None
    phases: Phases | None
    analyses: Mapping[str, Analysis]
    """{method: analysis} of what was fitted."""
    notes: tuple[str, ...] = ()
    """What could not be done, such as a phase without chips."""

    def save(self, folder: str | PathLike[str], *, title: str = "", command: str = "", overwrite: bool = False) -> Path:
        """Write the report; see `edsnb.write_report`."""
        return write_report(
            self.comparisons, self.stoichiometry, folder, phases=self.phases, image=self.image, analyses=self.analyses,
            notes=self.notes, title=title, command=command, overwrite=overwrite,
        )  # fmt: skip


def compare_file(
    file: str | PathLike[str] | SpectrumImage,
    first: str,
    others: Sequence[str],
    recipe: Recipe | None = None,
    *,
    quantity: str | None = None,
    renormalise: bool | Sequence[str] = False,
    formulas: Mapping[str, str] | None = None,
    rules: Mapping[str, Any] | None = None,
    border: int | None = None,
    tables: Mapping[str, Any] | None = None,
    watch: Watch = lambda _: None,
) -> Compared:
    """Compare sources of one map.

    Parameters
    ----------
    file, first, others, recipe, watch
        The map and its sources; see `edsnb.sources`.
    quantity
        ``atomic``, ``weight`` or ``counts``; None for at%, with columns of tables that say nothing refused.
    renormalise
        As for `compare`.
    formulas
        {phase: formula}; None for no stoichiometry.
    rules
        Settings of `find_phases`, such as ``{"rules": {"LFO": "La > 5"}}``; None: phases are looked for by their
        formulas, as `stoichiometry` does.
    border
        Chips within so many chips of another phase are in none.
    tables
        Settings of `read_velox_tables` for sides that are tables, such as ``{"by": "order", "batch": 8}``.

    Raises
    ------
    EdsnbError
        A source, a formula or a rule cannot be used, or nothing can be compared. A phase without chips is a note.
    """
    if not others:
        raise InputError("a comparison needs a second side.")
    if quantity is not None and quantity not in QUANTITIES:
        raise InputError(f"quantity={quantity!r} is unknown; choose {', '.join(QUANTITIES)}.")
    expected = {name: expected_percent(formula) for name, formula in (formulas or {}).items()}
    image, sides = open_sides([first, *others], file, recipe, quantity=quantity, tables=tables, watch=watch)
    compared = [side.compared(quantity or "atomic") for side in sides]
    comparisons = tuple(
        compare(compared[0], other, quantity=quantity or "atomic", renormalise=renormalise) for other in compared[1:]
    )
    analyses = {side.composition.method: side.analysis for side in sides if side.analysis is not None}
    if not expected and rules is None:
        return Compared(image, comparisons, None, None, analyses)
    phases, notes = _phases(sides, expected, rules, border, image)
    found, said = _stoichiometry(sides, formulas or {}, phases, comparisons)
    return Compared(image, comparisons, found, phases, analyses, (*notes, *said))


def _phases(
    sides: Sequence[Side],
    expected: Mapping[str, Mapping[str, float]],
    rules: Mapping[str, Any] | None,
    border: int | None,
    image: SpectrumImage,
) -> tuple[Phases, tuple[str, ...]]:
    """Return the phases, told by the first side that has at%."""
    by = next((side.percent for side in sides if side.percent is not None), None)
    if by is None:
        raise InputError("no side has at%, which phases are told by. Compare with edsnb, or leave the phases out.")
    settings = dict(rules or {"rules": default_rules(expected, by.elements)})
    if border is not None:
        settings["border"] = border
    phases = find_phases(by, image=image, **settings)
    if missing := [name for name in expected if name not in phases.masks]:
        raise InputError(
            f"no rule says where {', '.join(missing)} is; there are rules for {', '.join(phases.masks)}. Add one, or "
            "leave all rules out to have phases looked for by their formulas."
        )
    return phases, (f"Phases are told by the at% of {by.method}.",)


def _stoichiometry(
    sides: Sequence[Side], formulas: Mapping[str, str], phases: Phases, comparisons: Sequence[Comparison]
) -> tuple[Stoichiometry | None, tuple[str, ...]]:
    """Return the phases beside their formulas over the regions that all methods have, and what was left out."""
    methods = {side.composition.method: side.percent for side in sides if side.percent is not None}
    notes = [
        f"{side.composition.method} has no at%, so it stands in no table of stoichiometry."
        for side in sides
        if side.percent is None and formulas
    ]
    where, rows = _common(phases, comparisons)
    kept = {}
    for name, formula in formulas.items():
        try:
            found = stoichiometry(methods, {name: formula}, where=where)
        except InputError as reason:
            notes.append(f"Left out of the stoichiometry: {reason}")
            continue
        if any(np.isfinite(r.normalised).all() for r in found):
            kept[name] = formula
        else:
            notes.append(f"Left out of the stoichiometry: phase {name}, no method has every element of {formula}.")
    if not kept:
        return None, tuple(notes)
    if rows < len(where):
        notes.append(f"Stoichiometry is that of the {rows} of {len(where)} regions that all methods have.")
    return stoichiometry(methods, kept, where=where), tuple(notes)


def _common(phases: Phases, comparisons: Sequence[Comparison]) -> tuple[Phases, int]:
    """Return the phases on regions that every method has, and how many regions those are."""
    first: Composition = comparisons[0].compositions[0]
    here = phases.on(first)
    everywhere = np.ones(len(first), bool)
    for comparison in comparisons:
        everywhere &= np.isin(np.arange(len(first)), comparison.rows[0])
    masks = {name: mask & everywhere for name, mask in here.masks.items()}
    return replace(here, masks=masks), int(everywhere.sum())


def read_rules(text: str) -> dict[str, Any]:
    """Read ``LFO=La > 5 and Fe > 5; STO=Sr > 5``, or a TOML file of settings of `find_phases`.

    Raises
    ------
    InputError
        It is neither, or the file cannot be read.
    """
    if text.strip().lower().endswith(".toml"):
        return _rules_file(Path(text.strip()))
    rules: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        name, equals, rule = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not rule or not name.replace(" ", "").replace("-", "").isalnum():
            raise InputError(
                f"phase rule {part!r} is not PHASE=RULE: write 'LFO=La > 5 and Fe > 5; STO=Sr > 5', or name a TOML "
                "file."
            )
        if name in rules:
            raise InputError(f"phase rules name {name} twice.")
        rules[name] = rule
    if not rules:
        raise InputError("phase rules are empty: write 'LFO=La > 5 and Fe > 5; STO=Sr > 5'.")
    return {"rules": rules}


_SETTINGS: dict[str, tuple[type, ...]] = {
    "rules": (dict,),
    "clusters": (int,),
    "cluster_elements": (list,),
    "share": (int, float),
    "vacuum": (int, float),
    "border": (int,),
    "edits": (list,),
}
"""Settings of `find_phases`, and what TOML has to hold for each."""


def _rules_file(path: Path) -> dict[str, Any]:
    """Read what a report wrote as ``phases.toml``."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"phase rules {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"phase rules {path} are not valid TOML: {error}.") from None
    if unknown := sorted(set(values) - set(_SETTINGS)):
        raise InputError(
            f"phase rules {path}: unknown setting {', '.join(unknown)}; there are {', '.join(sorted(_SETTINGS))}."
        )
    if wrong := [f"{k} = {v!r}" for k, v in values.items() if not isinstance(v, _SETTINGS[k])]:
        raise InputError(f"phase rules {path}: {', '.join(wrong)} cannot be; phases.toml of a report shows the form.")
    return values


def _check_formula(formula: str, *, named: bool) -> None:
    """Raise InputError where a formula does not parse; one without a name may be a name without a formula."""
    try:
        expected_percent(formula)
    except InputError as error:
        if named:
            raise
        raise InputError(f"{error} If {formula} is the name of a phase, write {formula}=FORMULA.") from None


def read_formulas(text: str) -> dict[str, str]:
    """Read ``STO=SrTiO3,LFO=LaFeO3``; a formula alone is its own name.

    Raises
    ------
    InputError
        Nothing stands there, a phase stands twice, or a formula does not parse.
    """
    formulas: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, formula = (piece.strip() for piece in part.partition("="))
        formula = formula or ("" if "=" in part else name)
        _check_formula(formula, named="=" in part)
        if not name or name in formulas:
            raise InputError(f"phases: {part!r} has no name, or one that stands twice. Write STO=SrTiO3,LFO=LaFeO3.")
        formulas[name] = formula
    if not formulas:
        raise InputError("phases are empty: write STO=SrTiO3,LFO=LaFeO3.")
    return formulas

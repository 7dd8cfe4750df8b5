"""Which chips are which phase, as the hand sets it: a rule or a formula for each, what is left out, edits by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import param

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.drawing import MARKER, Rule, plain
from edsnb.core.comparison.formula import expected_percent
from edsnb.core.comparison.normalise import check_quantity
from edsnb.core.comparison.phase_search import default_rules
from edsnb.core.comparison.phases import Phases, find_phases
from edsnb.core.comparison.stoichiometry import Stoichiometry, stoichiometry
from edsnb.core.image import SpectrumImage
from edsnb.errors import EdsnbError, InputError
from edsnb.state.jobs import plain as sentence

BY = {"rules": "rules", "clusters": "clusters"}
_MARKERS = re.compile(r"[A-Z][a-z]?(?:\s*[,;+ ]\s*[A-Z][a-z]?)*")


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase as it was entered."""

    name: str
    rule: str = ""
    """``Sr > 5 and Ti > 5``; or markers, ``Sr, Ti``; empty: looked for by its formula."""
    formula: str = ""
    """``SrTiO3``; empty: not compared with one."""
    drawn: Any = None
    """What tells the phase instead of the rule: a plain form of `find_phases`, such as a polygon."""


@dataclass(frozen=True, slots=True, eq=False)
class PhasesFound:
    """What came of it."""

    phases: Phases | None = None
    settings: Mapping[str, Any] | None = None
    """``find_phases(first, **settings)`` finds them again."""
    table: Stoichiometry | None = None
    formulas: Mapping[str, str] | None = None
    """{phase: formula} of the table."""
    problem: str = ""
    """Why there are no phases, or no table; empty where there are."""


class PhaseState(param.Parameterized):
    """Rows of phases and how they are looked for; `search` does it and may be called in any thread."""

    rows = param.Parameter(default=(), constant=True, doc="PhaseRow of each phase, a tuple.")
    by: Any = param.Selector(default="rules", objects=dict(BY), label="Phases by")
    clusters = param.Integer(default=2, bounds=(1, 8), label="Clusters")
    threshold = param.Number(default=MARKER, bounds=(0.0, 100.0), label="Markers exceed (at%)")
    border = param.Integer(default=0, bounds=(0, 20), label="Leave out at borders (chips)")
    vacuum = param.Number(default=0.1, bounds=(0.0, 0.99), label="Vacuum: X-rays below this share of a bright chip")
    edits = param.Parameter(default=(), constant=True, doc="Chips added and removed by hand, in their order.")
    found = param.ClassSelector(class_=PhasesFound, default=PhasesFound(), constant=True)

    # The hand

    def set_phases(
        self, formulas: Mapping[str, str] | None = None, rules: Mapping[str, Rule] | Phases | None = None
    ) -> None:
        """Begin with these phases: formulas by name, rules (or the record of phases found before) by name.

        Raises
        ------
        InputError
            A rule is nothing that tells a phase.
        """
        given: Mapping[str, Any] = {} if rules is None or isinstance(rules, Phases) else rules
        if isinstance(rules, Phases):
            settings = dict(rules.settings)
            self.param.update(
                border=settings.get("border", 0), vacuum=settings.get("vacuum", 0.1),
                by="clusters" if "clusters" in settings else "rules", clusters=settings.get("clusters", 2),
            )  # fmt: skip
            self._set(edits=tuple(settings.get("edits", ())))
            given = settings.get("rules", {})
        forms = {name: plain(name, rule) for name, rule in given.items()}
        names = dict.fromkeys((*(formulas or {}), *forms))
        rows = []
        for name in names:
            form = forms.get(name, "")
            text, region = (form, None) if isinstance(form, str) else ("", form)
            rows.append(PhaseRow(name, text, (formulas or {}).get(name, ""), region))
        self._set(rows=tuple(rows))

    def add(self) -> None:
        """Add a phase without a rule."""
        taken = {row.name for row in self.rows}
        name = next(n for k in range(1, len(taken) + 2) if (n := f"phase {k}") not in taken)
        self._set(rows=(*self.rows, PhaseRow(name)))

    def change(self, index: int, **values: str) -> None:
        """Change name, rule or formula of a phase; edits by hand keep to a phase that is renamed."""
        rows = list(self.rows)
        new = replace(rows[index], **{name: text.strip() for name, text in values.items()})
        if new.rule and new.rule != rows[index].rule:
            new = replace(new, drawn=None)
        if not new.name or new.name in {row.name for k, row in enumerate(rows) if k != index}:
            new = replace(new, name=rows[index].name)
        edits = tuple({**e, "phase": new.name} if e["phase"] == rows[index].name else e for e in self.edits)
        rows[index] = new
        self._set(rows=tuple(rows), edits=edits)

    def remove(self, index: int) -> None:
        """Remove a phase, and what was added to it by hand."""
        gone = self.rows[index].name
        rows = tuple(row for k, row in enumerate(self.rows) if k != index)
        self._set(rows=rows, edits=tuple(e for e in self.edits if e["phase"] != gone))

    def edit(self, phase: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Put chips into a phase, or take them out of it."""
        added, removed = list(add), list(remove)
        if phase and (added or removed):
            self._set(edits=(*self.edits, {"phase": phase, "add": added, "remove": removed}))

    def undo(self) -> None:
        """Take the last edit back."""
        self._set(edits=self.edits[:-1])

    def forget(self) -> None:
        """Take all edits back, as when the chips become others."""
        self._set(edits=())

    # What follows from it

    def snapshot(self) -> PhaseSearch:
        """Return what is set now, to be searched for in another thread."""
        return PhaseSearch(
            self.rows, self.by, self.clusters, self.threshold, self.border, self.vacuum, tuple(map(dict, self.edits))
        )

    def show(self, found: PhasesFound) -> None:
        """Take over what was found."""
        self._set(found=found)

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


@dataclass(frozen=True, slots=True)
class PhaseSearch:
    """How phases are looked for."""

    rows: tuple[PhaseRow, ...]
    by: str
    clusters: int
    threshold: float
    border: int
    vacuum: float
    edits: tuple[dict[str, Any], ...]

    def search(self, methods: Mapping[str, Composition], image: SpectrumImage | None) -> PhasesFound:
        """Look for the phases in the first method's at%, and put all methods beside the formulas."""
        composition = next(iter(methods.values()))
        if self.by == "rules" and not self.rows:
            return PhasesFound(problem="No phase is named yet: add one with a rule such as Sr > 5, or a formula.")
        try:
            settings = self._settings(composition)
            phases = find_phases(composition, image=image, **settings)
        except EdsnbError as error:
            return PhasesFound(problem=sentence(error))
        formulas = {row.name: row.formula for row in self.rows if row.formula and row.name in phases.masks}
        if not formulas:
            said = "Give a phase its formula, such as SrTiO3, to compare it with what it should be."
            return PhasesFound(phases, settings, problem=said)
        try:
            table = stoichiometry(_with_atomic(methods), formulas, where=phases)
        except EdsnbError as error:
            return PhasesFound(phases, settings, problem=sentence(error))
        return PhasesFound(phases, settings, table, formulas)

    def _settings(self, composition: Composition) -> dict[str, Any]:
        """Return the settings of `find_phases`."""
        check_quantity(composition, "atomic")
        common: dict[str, Any] = {"vacuum": self.vacuum, "border": self.border}
        if self.edits:
            common["edits"] = list(self.edits)
        if self.by == "clusters":
            return {"clusters": self.clusters, **common}
        return {"rules": self._rules(composition), **common}

    def _rules(self, composition: Composition) -> dict[str, Any]:
        """Return a rule for each phase: what was drawn, its text, its markers, or what its formula suggests."""
        expected = {}
        for row in self.rows:
            if row.formula:
                try:
                    expected[row.name] = expected_percent(row.formula)
                except EdsnbError as error:
                    raise InputError(f"phase {row.name}: {error}") from None
        rules: dict[str, Any] = {}
        for row in self.rows:
            if row.drawn is not None:
                rules[row.name] = row.drawn
            elif _MARKERS.fullmatch(row.rule):
                rules[row.name] = " and ".join(f"{e} > {self.threshold:g}" for e in re.findall("[A-Z][a-z]?", row.rule))
            elif row.rule:
                rules[row.name] = row.rule
            elif row.formula:
                rules[row.name] = default_rules(expected, composition.elements)[row.name]
            else:
                rules[row.name] = {"chips": []}
        return rules


def _with_atomic(methods: Mapping[str, Composition]) -> dict[str, Composition]:
    """Return the methods that have at%."""
    return {name: composition for name, composition in methods.items() if "atomic" in composition.values}

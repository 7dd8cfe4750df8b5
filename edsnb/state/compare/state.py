"""Two methods side by side: which ones, which elements and chips, phases; all that a CompareView shows."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import param

from edsnb.core.comparison.compare import Comparison, compare
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.drawing import Rule
from edsnb.core.comparison.frame import Frame, frame_of
from edsnb.core.comparison.phases import Phases
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.solve import Progress
from edsnb.errors import EdsnbError, InputError
from edsnb.pipeline import Analysis
from edsnb.recipe import Recipe, read_settings
from edsnb.state.compare.code import compare_code
from edsnb.state.compare.methods import ENGINES, Found, Given, Kind, Method, method_of
from edsnb.state.compare.phasing import PhasesFound, PhaseState
from edsnb.state.jobs import plain
from edsnb.state.work import Work, Working

QUANTITIES = {"at%": "atomic", "wt%": "weight", "counts": "counts"}
MOST = 6
"""Elements side by side."""
NONE = ""
"""The second method while none is chosen."""
_OF_PAIR = ("first", "second", "quantity", "renormalise", "tolerance_px")


class CompareState(Working, param.Parameterized):
    """What is compared and what came out; nothing raises after it was made, `problem` says what went wrong."""

    first: Any = param.Selector(default=NONE, objects=[NONE], label="First")
    second: Any = param.Selector(default=NONE, objects=[NONE], label="Second")
    quantity: Any = param.Selector(default="atomic", objects=dict(QUANTITIES), label="Values")
    renormalise = param.Boolean(
        default=False, label="Common elements share 100 %", doc="Bring both to the elements that both have."
    )
    tolerance_px = param.Number(default=0.0, bounds=(0.0, None), label="Match chips up to (px) apart")
    elements = param.List(default=[], doc="Elements to show; empty for the first six.")
    together = param.Boolean(default=False, label="One colour range for all elements")
    everything = param.Boolean(default=False, label="Colours from lowest to highest value")
    element: Any = param.Selector(default=NONE, objects=[NONE], label="Element")
    selected = param.Parameter(default=(), constant=True, doc="Names of the selected chips, a tuple.")

    comparison: Any = param.ClassSelector(class_=Comparison, constant=True, allow_None=True)
    frame: Any = param.ClassSelector(
        class_=Frame, constant=True, allow_None=True, doc="Where chips are drawn, if known."
    )
    shown = param.Parameter(default=(), constant=True, doc="Elements that are shown, a tuple.")
    problem = param.String(default="", constant=True, doc="Why there is nothing to show; empty where there is.")
    message = param.String(default="", constant=True, doc="What came of the last action.")

    def __init__(
        self,
        first: Given | None = None,
        second: Given | None = None,
        *others: Given,
        phases: Mapping[str, str] | None = None,
        rules: Mapping[str, Rule] | Phases | None = None,
        pixel_nm: float | None = None,
        local: bool = True,
        **params: Any,
    ) -> None:
        """Compare the first with the second; see `CompareView`.

        `local` says whether the analysed file may be read again by its path, for Velox's log in it.

        Raises
        ------
        InputError
            Something is nothing that can be compared, or a rule tells no phase.
        """
        self.base: Analysis | None = None
        self.methods: dict[str, Method] = {}
        self._found: dict[str, Found] = {}
        self._offered: set[str] = set()
        self._pixel_nm, self._local = pixel_nm, local
        self._folder: Path | None = None
        self._quiet = True
        chosen = dict(params)
        super().__init__()
        self.comparing = Work()
        self.searching = Work()
        self.phases = PhaseState()
        self.phases.set_phases(phases, rules)
        names = [self._take(given) for given in (first, second, *others) if given is not None]
        self._offer()
        self.first = names[0] if names else NONE
        self.second = names[1] if len(names) > 1 else NONE
        self.param.update(**chosen)
        self._quiet = False
        self.param.watch(lambda *_: self._changed(), list(_OF_PAIR))
        self.param.watch(lambda *_: self._choose_shown(), "elements")
        searched = ["rows", "by", "clusters", "threshold", "border", "vacuum", "edits"]
        self.phases.param.watch(lambda *_: self.search(), searched)
        self.comparing.param.watch(lambda event: self._nothing(event.new) if event.new else None, "message")
        self._changed()

    # Methods

    def load(self, analysis: Analysis | None) -> None:
        """Compare another analysis from now on; what was fitted or read for the last one is forgotten.

        Fits that take long are not begun by themselves: `run` begins them.
        """
        before = next((n for n, m in self.methods.items() if m.what is self.base), None) if self.base else None
        self.comparing.cancel()
        self.methods = {n: m for n, m in self.methods.items() if n != before and n not in self._offered}
        self._found = {n: f for n, f in self._found.items() if n in self.methods and self.methods[n].kind is Kind.READY}
        self.base, name = analysis, NONE
        self.phases.forget()
        self._quiet = True
        wanted = self.first, self.second
        if analysis is not None:
            method = method_of(analysis, tuple(self.methods))
            self.methods, name = {method.name: method, **self.methods}, method.name
        self._offer()
        for side, one in zip(("first", "second"), wanted, strict=True):
            one = name if one == before or (side == "first" and one == NONE) else one
            if one in self.param[side].objects:
                setattr(self, side, one)
        self._quiet = False
        self._changed(start=not self._takes_long())

    def add(self, given: Given, name: str | None = None) -> None:
        """Add a method, and compare the first with it."""
        try:
            added = self._take(given, name)
        except EdsnbError as error:
            self._say(plain(error))
            return
        self._offer()
        self._say(f"{added} was added.")
        self.second = added

    def add_recipe(self, toml: str, name: str = "") -> None:
        """Add a recipe written as TOML."""
        try:
            recipe = Recipe(**read_settings(toml.encode("utf-8"), "the recipe"))
        except EdsnbError as error:
            self._say(plain(error))
            return
        self.add(recipe, name.strip() or None)

    def add_tables(self, files: Mapping[str, bytes]) -> None:
        """Add a table, or the batches of one, from the contents of files by name."""
        if not files:
            return
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="edsnb-"))
            # Also where nobody closes the state.
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        for file, data in files.items():
            (folder / Path(file).name).write_bytes(data)
        single = next(iter(files))
        path = folder / Path(single).name if len(files) == 1 else folder
        self.add(f"table:{path}", Path(single).name if len(files) == 1 else f"{len(files)} tables")

    def swap(self) -> None:
        """Exchange first and second."""
        if self.second != NONE:
            self.param.update(first=self.second, second=self.first)

    def run(self) -> None:
        """Find what is not known yet, and compare."""
        self._changed()

    # Chips

    def select(self, names: Iterable[str], *, add: bool = False) -> None:
        """Select chips by name; with `add` besides those selected, or no more where they are."""
        known = set(self.comparison.names) if self.comparison is not None else set()
        new = [name for name in dict.fromkeys(names) if name in known]
        if add:
            kept = [name for name in self.selected if name not in new]
            fresh = [name for name in new if name not in self.selected]
            new = [*kept, *fresh]
        self._set(selected=tuple(new))

    def select_at(self, y: float, x: float, *, add: bool = False) -> None:
        """Select the chip at a place of the map."""
        number = None if self.frame is None else self.frame.at(y, x)
        if number is not None and self.comparison is not None:
            self.select([self.comparison.names[number]], add=add)

    def select_box(self, y0: float, y1: float, x0: float, x1: float, *, add: bool = False) -> None:
        """Select the chips whose middles lie in a box of the map."""
        if self.frame is not None and self.comparison is not None:
            names = [self.comparison.names[k] for k in self.frame.inside(y0, y1, x0, x1)]
            self.select([*self.selected, *names] if add else names)

    def numbers(self) -> tuple[int, ...]:
        """Return the rows of the selected chips in the comparison."""
        if self.comparison is None:
            return ()
        at = {name: k for k, name in enumerate(self.comparison.names)}
        return tuple(at[name] for name in self.selected if name in at)

    def fits(self) -> dict[str, tuple[FitResult, int]]:
        """Return the fits of the chip selected last, and its row in each, by method; those without a fit are absent."""
        out: dict[str, tuple[FitResult, int]] = {}
        chosen = self.numbers()
        if not chosen or self.comparison is None:
            return out
        for side, (name, composition) in enumerate(self.pair().items()):
            fit = self._found[name].fit if name in self._found else None
            row = composition.names[int(self.comparison.rows[side][chosen[-1]])]
            if fit is not None and row in fit.spectra.names:
                out[name] = fit, fit.spectra.names.index(row)
        return out

    def pair(self) -> dict[str, Composition]:
        """Return both compositions as they are compared, by method."""
        if self.comparison is None:
            return {}
        return dict(zip(self.comparison.methods, self.comparison.compositions, strict=True))

    @property
    def pixel_nm(self) -> float | None:
        """Size of a pixel of the map, where it is known."""
        return self._pixel_nm or (None if self.base is None else self.base.image.pixel_nm)

    # Phases, code, end

    def search(self) -> None:
        """Look for the phases with what is set now."""
        methods = {n: self._found[n].composition for n in (self.first, self.second) if n in self._found}
        if not methods:
            self.phases.show(PhasesFound(problem="There is nothing to look for phases in yet."))
            return
        image = None if self.base is None else self.base.image
        wanted = self.phases.snapshot()
        self.searching.start("Looking for phases", lambda _: wanted.search(methods, image), self.phases.show)

    def code(self) -> str:
        """Return Python that repeats the comparison, phases, tables and figures."""
        return compare_code(self)

    @property
    def works(self) -> tuple[Work, ...]:
        """All long work."""
        return self.comparing, self.searching

    def close(self) -> None:
        """End all work and let go of everything large."""
        for work in self.works:
            work.cancel()
        self._found, self.base = {}, None
        self._set(comparison=None, frame=None, selected=())
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # What follows from what

    def _take(self, given: Given, name: str | None = None) -> str:
        method = method_of(given, tuple(self.methods), name)
        self.methods[method.name] = method
        if self.base is None and isinstance(method.what, Analysis):
            self.base = method.what
        return method.name

    def _offer(self) -> None:
        """Offer what can be compared without anything being given: other engines, what Velox left in the file."""
        if self.base is not None:
            present = [m.what for m in self.methods.values()]
            offered = [e for e in ENGINES.values() if e not in (self.base.recipe.engine, *present)]
            if self.base.image.source.lower().endswith(".emd"):
                stored = ["velox-maps"] if any(m.element for m in self.base.image.maps) else []
                stored += ["velox-log"] if self._local else []
                offered += [source for source in stored if source not in present]
            self._offered |= {self._take(given) for given in offered}
        # Without a map nothing can be fitted; as the second it is offered all the same, to say so.
        firsts = [n for n, m in self.methods.items() if self.base is not None or m.kind is not Kind.FIT]
        before, self._quiet = self._quiet, True
        for side in ("first", "second"):
            choice = self.param[side]
            choice.objects = (firsts or [NONE]) if side == "first" else [NONE, *self.methods]
            if getattr(self, side) not in choice.objects:
                setattr(self, side, choice.objects[0])
        self._quiet = before

    def _takes_long(self) -> bool:
        pair = [self.methods[n] for n in (self.first, self.second) if n in self.methods]
        return any(m.kind is Kind.FIT and m.name not in self._found for m in pair)

    def _changed(self, *, start: bool = True) -> None:
        """Compare anew; without `start` say that it waits for `run`."""
        if self._quiet:
            return
        names = [] if self.first == NONE else [name for name in (self.first, self.second) if name != NONE]
        if not start or len(names) < 2 or names[0] == names[1]:
            self.comparing.cancel()
            self._nothing(_why_nothing(names))
            if not start or not names:
                return
        pair = [self.methods[name] for name in dict.fromkeys(names)]
        missing = [method for method in pair if method.name not in self._found]
        what = f"Comparing with {missing[-1].name}" if missing else "Comparing"
        made = partial(_compare, self.base, pair, dict(self._found), self._options())
        self.comparing.start(what, made, self._compared)

    def _options(self) -> dict[str, Any]:
        return {"quantity": self.quantity, "renormalise": self.renormalise, "tolerance_px": self.tolerance_px}

    def _compared(self, result: tuple[dict[str, Found], Comparison | str]) -> None:
        found, comparison = result
        self._found |= found
        if isinstance(comparison, str):
            self._nothing(comparison or self.problem)
            self.search()
            return
        try:
            frame = frame_of(comparison.names, comparison.regions)
        except InputError:
            frame = None
        kept = tuple(name for name in self.selected if name in comparison.names)
        self._quiet = True
        self._set(
            comparison=comparison, frame=frame, problem="", message="", shown=_shown(comparison, self.elements),
            selected=kept or _some_chip(comparison),
        )  # fmt: skip
        self._offer_elements()
        self._quiet = False
        self.search()

    def _choose_shown(self) -> None:
        if self.comparison is None:
            return
        chosen = [e for e in self.elements if e in self.comparison.elements]
        if len(chosen) > MOST:
            self._say(f"At most {MOST} elements are shown side by side: {', '.join(chosen[MOST:])} is left out.")
        self._set(shown=_shown(self.comparison, self.elements))
        self._offer_elements()

    def _offer_elements(self) -> None:
        choice = self.param["element"]
        choice.objects = list(self.shown) or [NONE]
        if self.element not in choice.objects:
            self.element = choice.objects[0]

    def _nothing(self, problem: str) -> None:
        self._set(comparison=None, frame=None, shown=(), selected=(), problem=problem, message="")

    def _say(self, text: str) -> None:
        self._set(message=text)

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def _compare(
    base: Analysis | None, pair: list[Method], known: dict[str, Found], options: dict[str, Any], progress: Progress
) -> tuple[dict[str, Found], Comparison | str]:
    """Find what is not known of a pair, and compare; a sentence instead where they cannot be compared."""
    found = {m.name: known[m.name] if m.name in known else m.compose(base, progress) for m in pair}
    if len(pair) < 2:
        return found, ""
    one, two = (found[m.name].of(options["quantity"]) for m in pair)
    try:
        return found, compare(one, two, **options)
    except EdsnbError as error:
        return found, plain(error)


def _why_nothing(names: list[str]) -> str:
    """Say why there is nothing to compare yet."""
    if not names:
        return "There are no results yet: run an analysis first."
    if len(names) == 1:
        return "Choose what to compare with, under Second."
    if names[0] == names[1]:
        return "First and second are the same: choose another one."
    return f"The chips are others now: press Compare to find those of {names[1]}."


def _shown(comparison: Comparison, chosen: list[str]) -> tuple[str, ...]:
    """Return the elements to show: those chosen, else the first ones."""
    kept = [element for element in chosen if element in comparison.elements]
    return tuple(kept or comparison.elements)[:MOST]


def _some_chip(comparison: Comparison) -> tuple[str, ...]:
    """Return a chip in the middle of those with values on both sides, so that there is something to see."""
    known = np.flatnonzero(np.isfinite(comparison.difference).any(axis=1))
    return (comparison.names[int(known[len(known) // 2])],) if known.size else comparison.names[:1]

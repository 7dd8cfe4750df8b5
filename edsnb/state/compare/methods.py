"""Ways to the numbers that are compared: an analysis at hand, other engines, other recipes, Velox, tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from os import PathLike, fspath
from pathlib import Path

from edsnb.core.comparison.composition import Composition
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.solve import Progress
from edsnb.core.quant.quantification import Quantification
from edsnb.core.regions import Regions
from edsnb.errors import InputError
from edsnb.io.compositions import SOURCES, open_composition
from edsnb.io.files import distinct
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe
from edsnb.state.scripts import recipe_code

ENGINES = {
    "edsnb": "edsnb",
    "net windows": "window",
    "HyperSpy, published recipe": "hyperspy-published",
    "HyperSpy, default": "hyperspy",
    "HyperSpy, linear least squares": "hyperspy-lstsq",
}
"""What each engine of a recipe is called here."""
_NAMES = {engine: name for name, engine in ENGINES.items()}
Given = Analysis | Quantification | Composition | Recipe | str | PathLike[str]
"""What can be compared: a result, a recipe for the same chips, an engine's name, a source of `open_composition`, a file
with a table."""


class Kind(Enum):
    """What a method needs to be carried out."""

    READY = "at hand"
    FIT = "chips are fitted anew"
    READ = "a file is read"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a method found."""

    composition: Composition
    fit: FitResult | None = None
    """The fit behind it, with its spectra; None for numbers from elsewhere."""

    def of(self, quantity: str) -> Composition:
        """Return the composition for a comparison; for counts that of every fitted element."""
        if quantity != "counts" or self.fit is None:
            return self.composition
        return Composition.of_fit(self.fit, self.composition.families, self.composition.method)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One way to the numbers."""

    name: str
    """As it is shown; no two of a state are called alike."""
    what: Analysis | Composition | Recipe | str
    """A result; a recipe; an engine (as in recipes) or a source (as `open_composition` takes it)."""

    @property
    def kind(self) -> Kind:
        """What it needs."""
        if isinstance(self.what, Analysis | Composition):
            return Kind.READY
        return Kind.FIT if isinstance(self.what, Recipe) or self.what in _NAMES else Kind.READ

    def recipe(self, base: Analysis | None) -> Recipe:
        """Return the recipe of a method that fits; InputError without an analysis whose chips are fitted."""
        if base is None:
            raise InputError(
                f"{self.name} needs the map: give an analysis (edsnb.analyse) to compare with, not numbers alone."
            )
        return self.what if isinstance(self.what, Recipe) else replace(base.asked, engine=str(self.what))

    def compose(self, base: Analysis | None, progress: Progress | None = None) -> Found:
        """Find the numbers on the chips of `base`.

        Raises
        ------
        EdsnbError
            What fitting or reading raises, or there is no analysis whose chips are meant.
        """
        if isinstance(self.what, Composition):
            quant = self.what.quantification
            return Found(replace(self.what, method=self.name), None if quant is None else quant.fit)
        if self.kind is Kind.READ:
            image, regions = (None, None) if base is None else (base.image, base.spectra.regions)
            return Found(replace(open_composition(str(self.what), image, regions), method=self.name))
        analysis = self.what if isinstance(self.what, Analysis) else self._fitted(base, progress)
        return Found(Composition.of(analysis.quantification, self.name), analysis.fit)

    def _fitted(self, base: Analysis | None, progress: Progress | None) -> Analysis:
        recipe = self.recipe(base)
        if base is None:
            raise InputError(f"{self.name} needs the map.")
        return analyse(base.image, recipe, regions=drawn(base), previous=base, progress=progress)

    def code(self, variable: str, base: Analysis | None, quantity: str) -> list[str]:
        """Return lines of Python that put the composition into a variable."""
        if isinstance(self.what, Composition):
            return [f"# {variable}: the composition {self.name!r} that is shown"]
        if self.kind is Kind.READ:
            of_map = "" if base is None else ", image, analysis.spectra.regions"
            return [
                f"{variable} = open_composition({self.what!r}{of_map})",
                f"{variable} = replace({variable}, method={self.name!r})",
            ]
        found = "analysis"
        lines = []
        if self.what is not base:
            found = f"{variable}_analysis"
            recipe = self.what.asked if isinstance(self.what, Analysis) else self.recipe(base)
            lines = analysis_code(found, recipe, base)
        if quantity == "counts":
            of = f"of_fit({found}.fit, {found}.quantification.families, {self.name!r})"
        else:
            of = f"of({found}.quantification, {self.name!r})"
        return [*lines, f"{variable} = Composition.{of}"]


def analysis_code(variable: str, recipe: Recipe, base: Analysis | None) -> list[str]:
    """Return lines of Python that analyse ``image`` with a recipe."""
    regions = ", regions=regions" if base is not None and drawn(base) is not None else ""
    return [f"{variable} = edsnb.analyse(image, {recipe_code(recipe)}{regions})"]


def drawn(base: Analysis) -> Regions | None:
    """Return the regions of an analysis where they are no grid of its recipe."""
    regions = base.spectra.regions
    return regions if regions is not None and regions.grid is None else None


def method_of(given: Given, taken: tuple[str, ...] = (), name: str | None = None) -> Method:
    """Return the method for something to compare, named unlike those that are taken.

    Raises
    ------
    InputError
        It is nothing that can be compared.
    """
    if isinstance(given, Quantification):
        given = Composition.of(given)
    match given:
        case Analysis():
            usual = _NAMES.get(given.fit.engine, _NAMES.get(given.recipe.engine, given.fit.engine))
        case Composition():
            usual = given.method
        case Recipe():
            usual = f"{_NAMES[given.engine]}, another recipe"
        case str() | PathLike():
            given, usual = _named(fspath(given))
        case _:
            raise InputError(
                f"a {type(given).__name__} cannot be compared: give an analysis, a quantification, a composition, a "
                f"recipe, an engine ({', '.join(_NAMES)}), a source ({', '.join(SOURCES)}) or a file with a table."
            )
    return Method(distinct(name or usual, taken), given)


def _named(text: str) -> tuple[str | Recipe, str]:
    """Return the engine, source or recipe that a text means, and what it is called."""
    engine = ENGINES.get(text, text)
    if engine in _NAMES:
        return engine, _NAMES[engine]
    kind, given, rest = (part.strip() for part in text.partition(":"))
    if kind.casefold() in SOURCES:
        named = {"velox-maps": "Velox, maps", "table": ""}.get(kind.casefold(), "Velox, log")
        named = "Velox, tables" if kind.casefold() == "velox" and rest else named
        return text, ", ".join(part for part in (named, Path(rest).name) if part)
    path = Path(text)
    if path.suffix.lower() == ".toml":
        return Recipe.from_toml(path), path.stem
    if path.exists() or given or path.suffix:
        return f"table:{text}", path.name
    raise InputError(
        f"{text!r} is no engine ({', '.join(_NAMES)}), no source ({', '.join(SOURCES)}) and no file. Check the name."
    )

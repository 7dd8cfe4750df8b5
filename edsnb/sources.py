"""Both sides of a comparison by one line of text each: edsnb and HyperSpy fit, Velox's numbers are read.

================================ =====================================================================================
source                           what is compared
================================ =====================================================================================
edsnb                            edsnb's own fit, with the settings given
window                           net counts in windows
hyperspy, hyperspy-published,    HyperSpy's `multifit()`, `multifit(bounded=True)` as in the published script,
hyperspy-lstsq                   `multifit(optimizer="lstsq")`; family sums with family k
recipe:FILE.toml                 the settings of a recipe; its chips are those of the other side
velox, velox-maps, velox:PATH,   what Velox found, and tables compiled by hand: see `edsnb.io.compositions`
velox-log:FILE, table:PATH
================================ =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.units import check_unit
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import ChipGrid
from edsnb.errors import InputError
from edsnb.io.compositions import SOURCES, open_composition
from edsnb.io.files import distinct
from edsnb.io.opening import open_file
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import ENGINES, Recipe, with_kfactors

METHODS = {
    "edsnb": "edsnb",
    "window": "window integration",
    "hyperspy": "HyperSpy (default fit)",
    "hyperspy-published": "HyperSpy (published fit)",
    "hyperspy-lstsq": "HyperSpy (least squares)",
}
"""How each engine's numbers are called."""
_NOT_ALPHA = (
    "Counts are those of whole families, as the k-factors are. The published script multiplied the counts of the alpha "
    "line alone by such factors, which makes La low by half; `edsnb.demo.published_case` does that too."
)
_RECIPE = "recipe"
_GRID = ("chip", "stride", "crop", "origin")
_TABLES = ("velox:", "table:")
Watch = Callable[[str], Progress | None]
"""Makes the progress function of a job from its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a comparison."""

    text: str
    """The source it came from."""
    composition: Composition
    analysis: Analysis | None = None
    """The analysis that made it; None for what was read."""

    @property
    def percent(self) -> Composition | None:
        """The composition, where it has at%."""
        return self.composition if "atomic" in self.composition.values else None

    def compared(self, quantity: str) -> Composition:
        """Return what is compared: of counts, those of every fitted element, also the ones out of the 100 %."""
        if quantity != "counts" or self.analysis is None:
            return self.composition
        quant = self.analysis.quantification
        return Composition.of_fit(self.analysis.fit, quant.families, self.composition.method)


def open_sides(
    texts: Sequence[str],
    file: str | PathLike[str] | SpectrumImage,
    recipe: Recipe | None = None,
    *,
    quantity: str | None = None,
    tables: Mapping[str, Any] | None = None,
    watch: Watch = lambda _: None,
) -> tuple[SpectrumImage, tuple[Side, ...]]:
    """Open a map, and make or read the composition of each source.

    What is read is read before anything is fitted, so that a wrong folder costs no time. Tables are then checked for
    at% taken for wt% beside the first fit.

    Parameters
    ----------
    texts
        The sources; see the module.
    file
        The map, or an image that is open already.
    recipe
        Settings of every fit but those of ``recipe:``, and the chips.
    quantity
        What columns of tables hold that do not say it.
    tables
        Further settings of `read_velox_tables`, for every side that is a table.
    watch
        Makes progress functions.

    Raises
    ------
    EdsnbError
        A source is not understood or cannot be read, or a fit cannot be made.
    """
    chosen = recipe or Recipe()
    recipes = _recipes(texts, chosen)
    settings = dict(tables or {}) | ({"quantity": quantity} if quantity else {})
    if tables and not any(map(_is_table, texts)):
        raise InputError(f"settings of tables ({', '.join(tables)}) have no use: no side is velox:PATH or table:PATH.")
    image = file if isinstance(file, SpectrumImage) else open_file(
        file, spectrum_image=chosen.spectrum_image, progress=watch("map")
    )  # fmt: skip
    grid = next((own.grid for own in recipes if own is not None), chosen.grid)
    sides: list[Side | None] = [
        Side(text, _read(text, image, grid, settings)) if own is None else None
        for text, own in zip(texts, recipes, strict=True)
    ]
    previous: Analysis | None = None
    for k, own in enumerate(recipes):
        if own is not None:
            previous = analyse(image, own, previous=previous, progress=watch(texts[k]))
            sides[k] = _fitted(texts[k], own, previous)
    made = [side for side in sides if side is not None]
    return image, _named(_checked(made))


def _recipes(texts: Sequence[str], base: Recipe) -> list[Recipe | None]:
    """Return the recipe of each source that is fitted, all of the same chips; None for one that is read."""
    found: list[Recipe | None] = []
    for text in texts:
        kind, _, path = text.strip().partition(":")
        if kind in ENGINES and not path:
            found.append(replace(base, engine=kind))
        elif kind == _RECIPE and path:
            found.append(Recipe.from_toml(path.strip()))
        elif kind.strip().casefold() in SOURCES:
            found.append(None)
        else:
            hint = f" If it is a file, say velox:{text}, table:{text} or recipe:{text}." if Path(text).exists() else ""
            raise InputError(
                f"source {text!r} is not understood: give {', '.join(ENGINES)}, recipe:FILE.toml, velox (the log), "
                f"velox:PATH (exported tables), velox-maps or table:PATH.{hint}"
            )
    grid = _grid([base, *(own for own in found if own is not None)])
    for own in filter(None, found):
        # A table of k-factors that cannot be used is told before a fit that takes minutes.
        with_kfactors(own)
    return [None if own is None else replace(own, **grid) for own in found]


def _grid(recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Return the one grid that recipes name; those that name none take it over."""
    usual = _grid_of(Recipe())
    named: list[dict[str, Any]] = []
    for own in map(_grid_of, recipes):
        if own != usual and own not in named:
            named.append(own)
    if len(named) > 1:
        told = " and ".join(", ".join(f"{k} {v}" for k, v in own.items() if v != usual[k]) for own in named)
        raise InputError(f"the sides have chips of their own ({told}); only the same chips can be compared. Name one.")
    return named[0] if named else usual


def _grid_of(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe's chips."""
    return {name: getattr(recipe, name) for name in _GRID}


def _is_table(text: str) -> bool:
    """Tell whether a source is a table or a folder of tables."""
    return text.strip().casefold().startswith(_TABLES)


def _read(text: str, image: SpectrumImage, grid: ChipGrid, settings: Mapping[str, Any]) -> Composition:
    """Read a source of Velox's numbers, or a table, which alone takes settings."""
    kind = text.strip().partition(":")[0].strip().casefold()
    without_map = image.shape == (0, 0)
    # Stored element maps bring a raster of their own.
    regions = None if without_map and kind != "velox-maps" else grid
    return open_composition(text, image, regions, **(settings if _is_table(text) else {}))


def _fitted(text: str, recipe: Recipe, analysis: Analysis) -> Side:
    """Return a side that was fitted."""
    found = Composition.of(analysis.quantification, _name(text, recipe))
    if recipe.engine.startswith("hyperspy") and analysis.quantification.convention == "family":
        found = replace(found, notes=(*found.notes, _NOT_ALPHA))
    return Side(text, found, analysis)


def _name(text: str, recipe: Recipe) -> str:
    """Return what the numbers of a fit are called."""
    method = METHODS[recipe.engine]
    kind, _, path = text.strip().partition(":")
    return f"{method}, {Path(path.strip()).name}" if kind == _RECIPE else method


def _checked(sides: Sequence[Side]) -> list[Side]:
    """Return the sides with tables checked for at% taken for wt%, where a fit can tell."""
    own = next((side.composition for side in sides if side.analysis is not None), None)
    out = []
    for side in sides:
        found = side.composition
        if own is not None and _is_table(side.text):
            found = replace(found, notes=(*found.notes, check_unit(found, own)))
        out.append(replace(side, composition=found))
    return out


def _named(sides: Sequence[Side]) -> tuple[Side, ...]:
    """Return the sides with methods numbered where two have one name."""
    out: list[Side] = []
    for side in sides:
        method = distinct(side.composition.method, [other.composition.method for other in out])
        out.append(replace(side, composition=replace(side.composition, method=method)))
    return tuple(out)

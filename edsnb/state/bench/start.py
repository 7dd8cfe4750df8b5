"""A Workbench's state as a notebook asks for it: a path, a recipe, settings."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from edsnb.io.roots import Roots
from edsnb.recipe import Recipe, with_kfactors
from edsnb.state.bench.state import WorkbenchState


def workbench_state(
    path: str | PathLike[str] | None, recipe: Recipe | str | PathLike[str] | None, settings: Mapping[str, Any]
) -> WorkbenchState:
    """Return a state over the files at a path.

    Parameters
    ----------
    path
        A file, which is opened by `WorkbenchState.begin`; a folder to choose from; None for the current folder.
    recipe
        Settings, or the path of a recipe.
    settings
        Further settings of a recipe, which win.

    Raises
    ------
    EdsnbError
        The path does not exist, or the recipe or a table it names cannot be read.
    """
    place = Path(path) if path is not None else Path.cwd()
    state = WorkbenchState(Roots.of([place]))
    if recipe is not None:
        state.load(with_kfactors(recipe if isinstance(recipe, Recipe) else Recipe.from_toml(recipe)))
    given = dict(settings)
    if given.get("kfactors") is not None:
        table = Recipe(kfactors=given["kfactors"], k_convention=given.get("k_convention"))
        given["kfactors"] = with_kfactors(table).kfactors
    state.set(**given)
    return state

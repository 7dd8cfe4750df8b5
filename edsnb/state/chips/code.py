"""Python that repeats what a ChipExplorer shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edsnb.state.scripts import recipe_code

if TYPE_CHECKING:
    from edsnb.state.chips.state import ChipState


def chip_code(state: ChipState) -> str:
    """Return Python that makes ``regions``, the ``spectra`` of those selected and ``picture``, the map on the right."""
    if state.grid is None or state.image is None:
        return "import edsnb\n\nimage = edsnb.open('map.emd')  # a file with a map\n"
    drawn = state.drawn.code() if state.use != "grid" else []
    right = state.pictures.right
    picture = right.picture if right is not None else None
    extra = picture.preface() if picture is not None else []
    numpy = any("np." in line for line in (*drawn, *extra))
    imports = [line for line in drawn if line.startswith("from ")]
    lines = [*(["import numpy as np", ""] if numpy else []), "import edsnb", *imports, "", _opened(state)]
    lines += [f"recipe = {recipe_code(state.recipe())}"]
    lines += [line for line in drawn if not line.startswith(("from ", "import ")) and line]
    lines += _regions(state)
    lines += _selected(state)
    if picture is not None:
        lines += ["", *[line for line in extra if line not in lines], f"picture = {picture.code()}"]
    return "\n".join(lines) + "\n"


def _opened(state: ChipState) -> str:
    """Return the line that opens the map."""
    source = state.image.source if state.image is not None else ""
    if source and Path(source).is_file():
        return f"image = edsnb.open({source!r})"
    return f"# image: the map in use{f', {source}' if source else ''}"


def _regions(state: ChipState) -> list[str]:
    """Return the lines that make the regions."""
    grid = "recipe.grid.regions(image.shape)"
    if state.drawn_regions is None:
        return [f"regions = {grid}"] if state.regions is not None else []
    if not state.grid_chips:
        return ["regions = drawn"]
    return [f"regions = areas.join({grid}, drawn)"]


def _selected(state: ChipState) -> list[str]:
    """Return the lines that sum the spectra of the selected regions."""
    if state.regions is None or not state.selected:
        return []
    names = [state.regions.names[k] for k in state.selected]
    lines = [
        "spectra = edsnb.chip(image, regions)",
        f"shown = spectra.counts[[spectra.names.index(name) for name in {names!r}]]",
    ]
    return [*lines, "shown = shown.sum(axis=0, keepdims=True)"] if state.together == "sum" else lines

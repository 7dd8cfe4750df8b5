"""From what was set by hand to a recipe that runs on the opened map, or a sentence that says why it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Regions
from edsnb.errors import ElementError, InputError
from edsnb.recipe import ENGINES, Recipe

Settings = Mapping[str, Any]
"""Settings of a recipe by name, as they were set; None or absent for the default. They need not go together yet."""

DEFAULTS: Settings = {spec.name: spec.default for spec in fields(Recipe)}
"""Every setting's default."""
ENGINE_LABELS = dict(
    zip(
        ENGINES,
        ("edsnb", "Windows (net counts)", "HyperSpy, default", "HyperSpy, published recipe", "HyperSpy, least squares"),
        strict=True,
    )
)
"""What each engine is called."""
MOST_CHIPS = 20_000
"""More are refused: their spectra would take the memory that others need. Maps of every pixel need no chips."""


def resolve(settings: Settings, image: SpectrumImage | None = None, regions: Regions | None = None) -> Recipe:
    """Return the recipe of these settings.

    Parameters
    ----------
    settings
        What was set.
    image
        The map it is for; None where none is open yet, so that only the settings themselves are looked at.
    regions
        Irregular chips that are used instead of the grid.

    Raises
    ------
    EdsnbError
        The settings do not go together, or not with the map; the message says what to do.
    """
    if settings.get("elements") == ():
        none = image is not None and not image.elements
        found = "No elements are selected in the file" if none else "No element is quantified"
        raise ElementError(f"{found}: choose at least one under Elements.")
    recipe = Recipe(**{name: value for name, value in settings.items() if value is not None})
    if image is None:
        return recipe
    if image.events is None and image.spectra is None:
        image.require_events()
    if image.events is not None and regions is None:
        rows, columns = recipe.grid.counts_in(image.shape)
        if rows * columns > MOST_CHIPS:
            raise InputError(
                f"These settings cut {rows * columns:,} chips; at most {MOST_CHIPS:,} are cut here. Choose a larger "
                "chip or stride, or maps of every pixel."
            )
    if recipe.elements is None and recipe.lines is None and not any(e.quantify for e in image.elements):
        raise ElementError("No elements are selected in the file: choose at least one under Elements.")
    return recipe


def fitted_to(settings: Settings, image: SpectrumImage) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return settings of another map as they can be used on this one, and a sentence for each that was changed."""
    kept, notes = dict(settings), []
    if image.events is None:
        return kept, ()
    ny, nx = image.shape
    crop = kept.get("crop")
    if crop is not None and not (0 <= crop[0] < crop[1] <= ny and 0 <= crop[2] < crop[3] <= nx):
        del kept["crop"]
        notes.append(f"The crop does not lie inside this map of {ny} x {nx} pixels, so the whole map is cut.")
    y0, y1, x0, x1 = kept.get("crop") or (0, ny, 0, nx)
    origin = kept.get("origin") or (0, 0)
    if origin[0] >= y1 - y0 or origin[1] >= x1 - x0:
        del kept["origin"]
        origin = (0, 0)
        notes.append("The origin does not lie inside the crop, so chips begin at its corner.")
    room = min(y1 - y0 - origin[0], x1 - x0 - origin[1])
    chip = kept.get("chip") or DEFAULTS["chip"]
    if chip > room:
        kept["chip"] = room
        notes.append(f"Chips of {chip} px do not fit into this map of {ny} x {nx} pixels: they are {room} px now.")
    return kept, tuple(notes)


def changes(before: Recipe, after: Recipe) -> tuple[str, ...]:
    """Return the names of the settings in which two recipes differ."""
    return tuple(spec.name for spec in fields(Recipe) if getattr(before, spec.name) != getattr(after, spec.name))

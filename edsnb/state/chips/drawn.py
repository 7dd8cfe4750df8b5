"""Regions drawn by hand: named, coloured, made of steps that add pixels or take them away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import param

from edsnb.core.areas import between, label_masks, polygon_mask, stroke_mask
from edsnb.core.counted import counted
from edsnb.core.events import Array, frozen
from edsnb.core.regions import Regions
from edsnb.errors import EdsnbError, InputError
from edsnb.io.files import distinct
from edsnb.io.label_images import ENDINGS, read_label_image
from edsnb.state.chips.pictures import Picture

COLOURS = ("#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2", "#FFFFFF")
"""Okabe & Ito's without their orange, which is the colour of what is selected; and white."""
NEW = "a new region"
LABEL_FILES = ", ".join(ENDINGS)
"""Endings of label images that can be imported."""
_MOST_LABELS = 500
Point = tuple[float, float]
"""y, x in pixels."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """Pixels whose centres lie inside corners (y, x)."""

    corners: tuple[Point, ...]

    def code(self) -> str:
        """Return Python that makes the mask."""
        return f"areas.polygon_mask({list(self.corners)!r}, image.shape)"


@dataclass(frozen=True, slots=True)
class Band:
    """Pixels of a picture between two values."""

    picture: Picture
    low: float
    high: float

    def code(self) -> str:
        """Return Python that makes the mask."""
        return f"areas.between({self.picture.code()}, {self.low!r}, {self.high!r})"


@dataclass(frozen=True, slots=True)
class Stroke:
    """Pixels along a brush's path, of these those in a band."""

    path: tuple[Point, ...]
    radius: float
    band: Band | None = None

    def code(self) -> str:
        """Return Python that makes the mask."""
        stroke = f"areas.stroke_mask({list(self.path)!r}, {self.radius!r}, image.shape)"
        return f"{stroke} & {self.band.code()}" if self.band else stroke


@dataclass(frozen=True, slots=True)
class Label:
    """Pixels of one label in a label image."""

    path: str
    value: int
    zero_outside: bool = True

    def code(self) -> str:
        """Return Python that makes the mask."""
        zero = "" if self.zero_outside else ", zero_outside=False"
        return f"areas.label_masks(read_label_image({self.path!r}){zero})[{self.value}]"


Shape = Polygon | Band | Stroke | Label


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One shape that was added to a region or taken away from it."""

    shape: Shape
    mask: Array
    """(ny, nx) bool."""
    remove: bool = False

    def __post_init__(self) -> None:
        """Freeze the mask."""
        object.__setattr__(self, "mask", frozen(self.mask))


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """One region."""

    name: str
    colour: str
    steps: tuple[Step, ...]

    @property
    def mask(self) -> Array:
        """(ny, nx) bool, all steps one after the other."""
        out = np.zeros_like(self.steps[0].mask)
        for step in self.steps:
            out = out & ~step.mask if step.remove else out | step.mask
        return out

    def code(self) -> list[str]:
        """Return Python that puts the region into ``masks``."""
        lines = []
        for k, step in enumerate(self.steps):
            sign = "=" if k == 0 else "&= ~" if step.remove else "|="
            text = f"({step.shape.code()})" if step.remove else step.shape.code()
            lines.append(f"masks[{self.name!r}] {sign} {text}".replace("~ (", "~("))
        return lines


class DrawnState(param.Parameterized):
    """Irregular regions of a map, in the order in which they were made."""

    areas = param.Parameter(default=(), constant=True, doc="The regions, a tuple of Area.")
    current: Any = param.Selector(default=NEW, objects=[NEW], label="Draw into")
    remove = param.Boolean(
        default=False, label="Take away", doc="Take pixels away from the region instead of adding them."
    )
    radius = param.Number(default=5.0, bounds=(0.5, 200.0), label="Brush radius (px)")
    zero_outside = param.Boolean(default=True, label="0 is outside", doc="In label images, 0 is no region.")
    message = param.String(default="", constant=True, doc="What came of the last step.")

    def __init__(self, shape: tuple[int, int], **params: Any) -> None:
        super().__init__(**params)
        self.local = True
        """Whether whoever draws works on this computer: only then may files be named by their path."""
        self._shape = shape
        self._before: list[tuple[Area, ...]] = []

    @property
    def names(self) -> list[str]:
        """Names of all regions."""
        return [area.name for area in self.areas]

    @property
    def chosen(self) -> Area | None:
        """The region that is drawn into; None for a new one."""
        return next((area for area in self.areas if area.name == self.current), None)

    def regions(self) -> Regions | None:
        """Return all regions that hold pixels; None where there is none."""
        masks = {area.name: area.mask for area in self.areas}
        return Regions.from_masks(masks) if masks else None

    def reset(self, shape: tuple[int, int]) -> None:
        """Forget all regions, for another map."""
        self._shape, self._before = shape, []
        self._put((), "")

    def polygon(self, corners: Sequence[Point]) -> None:
        """Draw a polygon of corners (y, x), such as a box or a lasso."""
        rounded = tuple((round(float(y), 2), round(float(x), 2)) for y, x in corners)
        self._draw(lambda: (Polygon(rounded), polygon_mask(rounded, self._shape)), "polygon")

    def brush(self, path: Sequence[Point], band: Band | None = None, picture: Array | None = None) -> None:
        """Paint along a path; only pixels of `picture` in `band` where these are given."""
        rounded = tuple((round(float(y), 1), round(float(x), 1)) for y, x in path)

        def make() -> tuple[Shape, Array]:
            mask = stroke_mask(rounded, self.radius, self._shape)
            if band is not None and picture is not None:
                mask &= between(picture, band.low, band.high)
            return Stroke(rounded, self.radius, band), mask

        self._draw(make, "brush stroke")

    def threshold(self, band: Band, picture: Array) -> None:
        """Take all pixels of a picture between two values."""
        self._draw(lambda: (band, between(picture, band.low, band.high)), "threshold")

    def import_labels(self, path: str | Path, *, shown_as: str | None = None) -> None:
        """Make a region of each label of a label image; `shown_as` is the path that code names."""
        if shown_as is None and not self.local:
            self._say("Files of the server cannot be named here: send the label image.")
            return
        try:
            labels = read_label_image(path)
            if labels.shape != self._shape:
                raise InputError(
                    f"{Path(path).name} has {labels.shape[0]} x {labels.shape[1]} pixels, the map {self._shape[0]} x "
                    f"{self._shape[1]}. Save it on the map's raster."
                )
            masks = label_masks(labels, zero_outside=self.zero_outside)
            if not 0 < len(masks) <= _MOST_LABELS:
                raise InputError(
                    f"{Path(path).name} has {len(masks)} labels; between 1 and {_MOST_LABELS} can be made regions."
                )
        except EdsnbError as error:
            self._say(str(error))
            return
        areas = list(self.areas)
        for value, mask in masks.items():
            shape = Label(shown_as or str(path), value, self.zero_outside)
            name = distinct(f"{Path(shown_as or path).stem} {value}", [a.name for a in areas])
            areas.append(Area(name, self._colour(len(areas)), (Step(shape, mask),)))
        self._put(tuple(areas), f"{counted(len(masks), 'region')} from {Path(shown_as or path).name}.")

    def set_corners(self, name: str, number: int, corners: Sequence[Point]) -> None:
        """Give a polygon of a region, the `number`-th of its steps, other corners."""
        area = self._named(name)
        if area is None or not (0 <= number < len(area.steps) and isinstance(area.steps[number].shape, Polygon)):
            self._say(f"{name} has no polygon {number} to edit.")
            return
        rounded = tuple((round(float(y), 2), round(float(x), 2)) for y, x in corners)
        try:
            step = replace(area.steps[number], shape=Polygon(rounded), mask=polygon_mask(rounded, self._shape))
        except EdsnbError as error:
            self._say(str(error))
            return
        steps = (*area.steps[:number], step, *area.steps[number + 1 :])
        self._replace(area, replace(area, steps=steps), f"{name}: corners moved.")

    def rename(self, name: str, new: str) -> None:
        """Give a region another name."""
        area, wanted = self._named(name), new.strip()
        if area is None or wanted == name:
            return
        if not wanted or wanted in (*self.names, NEW):
            self._say(f"{wanted!r} cannot be a name: it is empty or taken.")
            return
        self._replace(area, replace(area, name=wanted), f"{name} is now {wanted}.")

    def recolour(self, name: str, colour: str) -> None:
        """Give a region another colour, ``#RRGGBB``."""
        area = self._named(name)
        if area is not None and area.colour != colour:
            self._replace(area, replace(area, colour=colour), "")

    def delete(self, name: str) -> None:
        """Remove a region; `undo` brings it back."""
        if self._named(name) is not None:
            self._put(tuple(area for area in self.areas if area.name != name), f"{name} deleted.")

    def undo(self) -> None:
        """Take the last change back."""
        if not self._before:
            self._say("There is nothing to undo.")
            return
        earlier = self._before.pop()
        self._publish(earlier, "The last change was taken back.")

    def code(self) -> list[str]:
        """Return Python that makes ``drawn``, the Regions, of ``image``; nothing where there is no region."""
        if not self.areas:
            return []
        shapes = [step.shape for area in self.areas for step in area.steps]
        bands = [shape if isinstance(shape, Band) else getattr(shape, "band", None) for shape in shapes]
        lines = ["from edsnb.core import areas"]
        if any(isinstance(shape, Label) for shape in shapes):
            lines.append("from edsnb.io.label_images import read_label_image")
        needed = [line for band in bands if band is not None for line in band.picture.preface()]
        if needed:
            lines.append("import numpy as np")
        return [
            *lines, "", *dict.fromkeys(needed), "masks = {}",
            *(line for area in self.areas for line in area.code()), "drawn = edsnb.Regions.from_masks(masks)",
        ]  # fmt: skip

    def _draw(self, make: Any, what: str) -> None:
        """Add a shape to the current region or a new one, or take it away."""
        try:
            shape, mask = make()
        except EdsnbError as error:
            self._say(str(error))
            return
        area = self.chosen
        if area is None and self.remove:
            self._say("Choose the region to take pixels away from.")
        elif not mask.any():
            self._say(f"The {what} holds no pixel's centre, so nothing was drawn.")
        elif area is None:
            new = Area(_free_name(self.names), self._colour(len(self.areas)), (Step(shape, mask),))
            self._put((*self.areas, new), f"{new.name}: {int(mask.sum())} px.")
        else:
            changed = replace(area, steps=(*area.steps, Step(shape, mask, self.remove)))
            left = int(changed.mask.sum())
            if not left:
                self._say(f"Nothing of {area.name} would be left: delete it instead.")
                return
            self._replace(area, changed, f"{area.name}: {left} px.")

    def _replace(self, old: Area, new: Area, message: str) -> None:
        areas = tuple(new if area is old else area for area in self.areas)
        self._put(areas, message, new.name if self.current == old.name else None)

    def _put(self, areas: tuple[Area, ...], message: str, current: str | None = None) -> None:
        """Make a change that can be undone."""
        if self.areas or areas:
            self._before.append(self.areas)
        self._publish(areas, message, current)

    def _publish(self, areas: tuple[Area, ...], message: str, current: str | None = None) -> None:
        names = [NEW, *(area.name for area in areas)]
        wanted = current or self.current
        with param.edit_constant(self):
            self.param["current"].objects = [*dict.fromkeys([*names, self.current])]
            self.param.update(areas=areas, message=message, current=wanted if wanted in names else NEW)
            self.param["current"].objects = names

    def _say(self, message: str) -> None:
        with param.edit_constant(self):
            self.message = message

    def _named(self, name: str) -> Area | None:
        return next((area for area in self.areas if area.name == name), None)

    def _colour(self, number: int) -> str:
        return COLOURS[number % len(COLOURS)]


def _free_name(taken: Sequence[str]) -> str:
    """Return the name of a new region."""
    return next(name for k in range(1, len(taken) + 2) if (name := f"region {k}") not in taken)

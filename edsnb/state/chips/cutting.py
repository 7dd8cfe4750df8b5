"""What is cut out of a map: a grid as it was asked for, made to fit, and regions drawn by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import param
from param.parameterized import batch_call_watchers

from edsnb.core.areas import join
from edsnb.core.fitting.lines import parse_line
from edsnb.core.image import SpectrumImage
from edsnb.core.owners import owner_at
from edsnb.core.regions import ChipGrid, Regions
from edsnb.recipe import Recipe
from edsnb.state.chips.cuts import Cut, fitting, grid_of
from edsnb.state.chips.drawn import DrawnState
from edsnb.state.elements.state import ElementState

_MOST_CHIPS = 70_000
"""More are drawn, but not held."""
GRID = ("size", "side_by_side", "stride", "origin_y", "origin_x", "crop_y", "crop_x", "use")
"""Parameters that say how to cut."""


class CutState(param.Parameterized):
    """A grid and drawn regions on a map; what does not fit is changed to what does, and `message` says so."""

    image = param.ClassSelector(class_=SpectrumImage, allow_None=True, doc="The map.")
    size = param.Integer(default=16, label="Chip size (px)")
    side_by_side = param.Boolean(default=True, label="Side by side", doc="The stride is the chip size.")
    stride = param.Integer(default=16, label="Stride (px)")
    origin_y = param.Integer(default=0, label="Origin y (px)")
    origin_x = param.Integer(default=0, label="Origin x (px)")
    crop_y = param.NumericTuple(default=(0, 1), length=2, label="Crop y (px)")
    crop_x = param.NumericTuple(default=(0, 1), length=2, label="Crop x (px)")
    use: Any = param.Selector(
        default="grid", objects={"Grid": "grid", "Drawn": "drawn", "Both": "both"}, label="Chips from"
    )

    grid = param.ClassSelector(class_=ChipGrid, constant=True, allow_None=True)
    regions = param.ClassSelector(class_=Regions, constant=True, allow_None=True, doc="All chips and regions in use.")
    drawn_regions = param.ClassSelector(class_=Regions, constant=True, allow_None=True, doc="Those drawn, of them.")
    message = param.String(default="", constant=True, doc="What was changed of what was asked for, and why.")

    def __init__(self, elements: ElementState, **params: Any) -> None:
        super().__init__(**params)
        self.elements = elements
        self.drawn = DrawnState((1, 1))
        self._quiet = False
        self._grid_regions: Regions | None = None
        self.param.watch(lambda *_: self._cut_again(), list(GRID))
        self.drawn.param.watch(lambda *_: self._drawn_again(), "areas")

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the map; (0, 0) where there is none."""
        return self.image.shape if self.image is not None and self.image.events is not None else (0, 0)

    @property
    def grid_chips(self) -> int:
        """How many of the regions are chips of the grid; the drawn ones follow them."""
        return len(self.regions or ()) - len(self.drawn_regions or ())

    def number_at(self, y: float, x: float) -> int | None:
        """Return the number of the region at a point, of those drawn first, as they lie on top; None where none is."""
        if self.drawn_regions is not None and (number := owner_at(self.drawn_regions, y, x)) is not None:
            return self.grid_chips + number
        return owner_at(self._grid_regions, y, x) if self._grid_regions is not None else None

    def _regions_changed(self) -> None:
        """Follow new regions, in the same breath: to be overridden."""

    def _cut_done(self) -> None:
        """Follow a new grid, once all who watch have been told: to be overridden."""

    def _adopt(self, recipe: Recipe) -> None:
        """Take grid, elements and energy range from a recipe."""
        ny, nx = self.shape
        y0, y1, x0, x1 = recipe.crop or (0, ny, 0, nx)
        if recipe.elements is not None or recipe.lines is not None:
            elements = recipe.elements or tuple(parse_line(line)[0] for line in recipe.lines or ())
            self.elements.choose(elements, recipe.deconvolve, recipe.lines or ())
        if recipe.energy is not None:
            self.elements.energy = recipe.energy
        self.param.update(
            size=recipe.chip, side_by_side=recipe.stride is None, stride=recipe.stride or recipe.chip,
            origin_y=recipe.origin[0], origin_x=recipe.origin[1], crop_y=(y0, y1), crop_x=(x0, x1),
        )  # fmt: skip

    def _cut_again(self) -> None:
        """Cut the map as is asked for now, as far as it fits."""
        if self._quiet or not self.shape[0]:
            return
        asked = Cut(
            self.size, None if self.side_by_side else self.stride, (self.origin_y, self.origin_x),
            (*map(int, self.crop_y), *map(int, self.crop_x)),  # type: ignore[arg-type]
        )  # fmt: skip
        cut, notes = fitting(asked, self.shape)
        with self._quietly():
            self.param.update(
                size=cut.size, stride=cut.stride or cut.size, origin_y=cut.origin[0], origin_x=cut.origin[1],
                crop_y=cut.sides[0], crop_x=cut.sides[1],
            )  # fmt: skip
        grid = grid_of(cut, self.shape)
        rows, columns = grid.counts_in(self.shape)
        if self.use != "drawn" and rows * columns > _MOST_CHIPS:
            notes = (*notes, f"{rows * columns:,} chips are too many to hold: choose more than {cut.size} px a chip.")
        with batch_call_watchers(self):
            self._set(grid=grid, message=" ".join(notes))
            self._name_regions(rows * columns)
            self._regions_changed()
        self._cut_done()

    def _drawn_again(self) -> None:
        """Show regions that have been drawn, though only the grid was in use."""
        if self.drawn.areas and self.use == "grid" and not self._quiet:
            self.use = "both"
        else:
            self._cut_again()

    def _name_regions(self, chips: int) -> None:
        """Make the regions in use, of the grid and of those drawn."""
        wanted = self.grid if self.use != "drawn" and chips <= _MOST_CHIPS else None
        if wanted is None or self.grid is None:
            self._grid_regions = None
        elif self._grid_regions is None or self._grid_regions.grid != wanted:
            self._grid_regions = wanted.regions(self.shape)
        drawn = self.drawn.regions() if self.use != "grid" else None
        parts = [part for part in (self._grid_regions, drawn) if part is not None]
        taken = set(self._grid_regions.names) if self._grid_regions is not None else set()
        if drawn is not None and taken.intersection(drawn.names):
            names = tuple(f"{name} (drawn)" if name in taken else name for name in drawn.names)
            parts[-1] = drawn = replace(drawn, names=names)
        self._set(regions=join(*parts) if parts else None, drawn_regions=drawn)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change parameters without acting on it."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)

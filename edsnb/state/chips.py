"""Chips of a map: the grid, regions drawn by hand, which of them are selected, their spectra, and what to expect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import param
from param.parameterized import batch_call_watchers

from edsnb.core.areas import join, subset, sums
from edsnb.core.events import Array
from edsnb.core.fitting.lines import parse_line
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.owners import nearest_chip, owner_at
from edsnb.core.regions import ChipGrid, Regions, Spectra, chip
from edsnb.errors import CancelledError, InputError
from edsnb.recipe import Recipe
from edsnb.state.chip_code import chip_code
from edsnb.state.chip_texts import chosen_of, hover_of, no_map, summary_of
from edsnb.state.cuts import Cut, fitting, grid_of
from edsnb.state.drawn import Band, DrawnState
from edsnb.state.elements import ElementState
from edsnb.state.models import settle
from edsnb.state.pictures import PictureState
from edsnb.state.precision import PrecisionState
from edsnb.state.work import Deliver, Work, at_once

Pick = tuple[float, float] | str
"""A selected chip of the grid by a point (y, x) in it, which holds for another chip size too; a region by its name."""
_AT_ONCE = 3_000_000
"""X-rays that are summed while the hand waits: a few hundredths of a second. More are summed in the background."""
_PAUSE_S = 0.3
"""The hand must have been still for so long before long work begins."""
_MOST_BYTES = 1 << 29
"""Spectra of all chips that are summed beforehand take no more memory than this."""
_BLOCK = 200
"""Regions summed between two reports of progress."""
_MOST_CHIPS = 70_000
"""More are drawn, but not held."""


class ChipState(param.Parameterized):
    """What is cut out of a map; all parameters below `together` are results."""

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
    picks = param.List(default=[], doc="What is selected: points (y, x) in chips of the grid, names of regions.")
    together: Any = param.Selector(
        default="overlay", objects={"Each": "overlay", "Sum": "sum"}, label="Spectra of several chips"
    )

    grid = param.ClassSelector(class_=ChipGrid, constant=True, allow_None=True)
    regions = param.ClassSelector(class_=Regions, constant=True, allow_None=True, doc="All chips and regions in use.")
    drawn_regions = param.ClassSelector(class_=Regions, constant=True, allow_None=True, doc="Those drawn, of them.")
    selected = param.Parameter(default=(), constant=True, doc="Numbers of the selected regions, a tuple.")
    spectra = param.ClassSelector(class_=Spectra, constant=True, allow_None=True, doc="Of the selected regions.")
    all_spectra = param.ClassSelector(class_=Spectra, constant=True, allow_None=True, doc="Of all, once summed.")
    chip_counts = param.Parameter(constant=True, doc="(n,) X-rays of each region in the fitted range; None if unknown.")
    summary = param.String(default="", constant=True, doc="What the grid makes of the map, in a line.")
    expected = param.String(default="", constant=True, doc="Predicted precision at this size, in a line.")
    chosen = param.String(default="", constant=True, doc="Which chips are selected, in a line.")
    message = param.String(default="", constant=True, doc="What was changed of what was asked for, and why.")

    def __init__(
        self,
        image: SpectrumImage | None = None,
        *,
        recipe: Recipe | None = None,
        elements: ElementState | None = None,
        deliver: Deliver = at_once,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.elements = elements or ElementState()
        self.drawn = DrawnState((1, 1))
        self.pictures = PictureState(None, self.elements, deliver=deliver)
        self.precision = PrecisionState(self.elements, deliver=deliver)
        self.summing, self.showing = Work(deliver=deliver), Work(deliver=deliver)
        self._own_elements = elements is None
        self._quiet = False
        self._grid_regions: Regions | None = None
        self.image = image
        self._load(recipe)
        self._watch()

    # The hand

    def select(self, y: float, x: float, *, add: bool = False) -> None:
        """Select the chip at a point; with `add` besides those selected, or no more where it is one of them."""
        number = self.number_at(y, x)
        if number is None or self.regions is None:
            self._set(message=f"There is no chip at y {y:.0f}, x {x:.0f} px.")
            return
        pick = self._pick_of(number)
        others = [p for p in self.picks if self._number_of(p) != number]
        if add and len(others) < len(self.picks) and others:
            self.picks = others
        else:
            self.picks = [*others, pick] if add else [pick]

    def select_named(self, name: str, *, add: bool = False) -> None:
        """Select a region by its name: ``R3C4``, or one that was drawn."""
        if self.regions is None or name not in self.regions.names:
            self._set(message=f"There is no chip {name}.")
            return
        pick = self._pick_of(self.regions.names.index(name))
        self.picks = [*[p for p in self.picks if p != pick], pick] if add else [pick]

    def move(self, rows: int, columns: int) -> None:
        """Select the chip some rows below and columns to the right of the one selected last, within the grid."""
        if self.regions is None or not self.selected:
            return
        last = self.selected[-1]
        if self.grid is None or last >= self.grid_chips:
            step = rows or columns
            self.picks = [self._pick_of((last + step) % len(self.regions))]
            return
        height, width = self.grid.counts_in(self.shape)
        row, column = divmod(last, width)
        row, column = min(max(row + rows, 0), height - 1), min(max(column + columns, 0), width - 1)
        self.picks = [self._pick_of(row * width + column)]

    def band(self, side: str, low: float, high: float) -> tuple[Band, Array] | None:
        """Return a band of the picture on the ``left`` or ``right``, and that picture; None where there is none."""
        shown = getattr(self.pictures, side)
        if shown is None or shown.picture is None or shown.image.shape != self.shape:
            return None
        return Band(shown.picture, float(low), float(high)), shown.image

    # What repeats it

    def recipe(self) -> Recipe:
        """Return the recipe of grid, elements and energy range; InputError where there is no map."""
        if self.grid is None:
            raise InputError("there is no grid: open a map first.")
        chosen = self.elements.recipe_fields() if self.elements.ready else {}
        low, high = self.elements.energy
        # A beam energy that the file itself gives need not be said again.
        beam = self.elements.beam_kev
        known = self.image is not None and beam == self.image.acquisition.beam_kev
        return Recipe(
            chip=self.grid.size, stride=self.grid.stride, crop=self.grid.crop, origin=self.grid.origin,
            energy=(low, high), beam_kev=None if known else beam, **chosen,
        )  # fmt: skip

    def code(self) -> str:
        """Return Python that makes the same chips, spectra of those selected, and the picture on the right."""
        return chip_code(self)

    def wait(self) -> None:
        """Block until all that was asked for is there: for scripts."""
        for work in (self.pictures.counting, self.pictures.work, self.showing, self.summing, self.precision.work):
            work.wait()

    # What follows from it

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

    def hover(self, y: float | None, x: float | None) -> str:
        """Say what lies under the mouse; None where it has left the maps."""
        return hover_of(self, y, x)

    def _watch(self) -> None:
        grid = ["size", "side_by_side", "stride", "origin_y", "origin_x", "crop_y", "crop_x", "use"]
        self.param.watch(lambda *_: self._load(None), "image")
        self.param.watch(lambda *_: self._cut_again(), grid)
        self.param.watch(lambda *_: self._select_again(), "picks")
        self.drawn.param.watch(lambda *_: self._cut_again(), "areas")
        self.pictures.param.watch(lambda *_: self._count_again(), "counts")
        self.precision.param.watch(lambda *_: self._say(), ["prediction", "message"])

    def _load(self, recipe: Recipe | None) -> None:
        """Take another map, cut as the recipe says, else as the one before as far as that fits."""
        for work in (self.summing, self.showing):
            work.cancel()
        ny, nx = self.shape
        self._grid_regions = None
        self._set(
            grid=None, regions=None, drawn_regions=None, selected=(), spectra=None, all_spectra=None, chip_counts=None
        )
        if self.image is not None and self._own_elements:
            self.elements.load(self.image)
        with self._quietly():
            self.drawn.reset((ny, nx))
            if recipe is not None:
                self._adopt(recipe)
            else:
                self.param.update(crop_y=(0, max(ny, 1)), crop_x=(0, max(nx, 1)))
            self.picks = [(0.5 * (ny - 1), 0.5 * (nx - 1))]
        self.pictures.image = self.image
        if not ny:
            self.precision.of(None, None)
            self._set(message=no_map(self.image), summary="", expected="", chosen="")
            return
        self._cut_again()

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
            self._select_again()
        self.precision.of(self.image, grid.crop)
        self._sum_all()

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
        regions = join(*parts) if parts else None
        self._set(regions=regions, drawn_regions=drawn, all_spectra=None, chip_counts=self._counted(regions))

    def _select_again(self) -> None:
        """Find the chips that are picked among those there are now, and show their spectra."""
        if self._quiet:
            return
        regions = self.regions
        found = [number for pick in self.picks if (number := self._number_of(pick)) is not None]
        if not found and regions is not None and len(regions):
            found = [0]
        self._set(selected=tuple(dict.fromkeys(found)))
        if regions is None or not found:
            self.showing.cancel()
            self._set(spectra=None, chosen="Nothing is selected.")
            return
        part = subset(regions, self.selected)
        self._say()
        self._show(part)

    def _show(self, part: Regions) -> None:
        """Sum the spectra of the selected regions: at once, unless they hold very many X-rays."""
        image = self.image
        if image is None or image.events is None:
            return
        if self.all_spectra is not None:
            every = self.all_spectra
            counts = every.counts[list(self.selected)]
            self.showing.cancel()
            self._set(spectra=replace(every, counts=counts, names=part.names, regions=part))
            return
        entries = np.diff(image.events.indptr)[part.pixels].sum()
        if entries <= _AT_ONCE:
            self.showing.cancel()
            self._set(spectra=chip(image, part))
        else:
            self.showing.start("Summing spectra", lambda _: chip(image, part), lambda s: self._set(spectra=s))

    def _sum_all(self) -> None:
        """Sum the spectra of all regions in the background, where they fit into memory."""
        image, regions = self.image, self.regions
        if image is None or regions is None or len(regions) * image.energy.size * 8 > _MOST_BYTES:
            self.summing.cancel()
            return

        def work(progress: Progress) -> Spectra:
            settle(progress, _PAUSE_S)
            return sum_all(image, regions, progress)

        def keep(spectra: Spectra) -> None:
            if spectra.regions is self.regions:
                self._set(all_spectra=spectra)

        self.summing.start("Summing the spectra of all chips", work, keep)

    def _counted(self, regions: Regions | None) -> Array | None:
        """Return the X-rays of each region in the fitted range; None while they are not known."""
        counts = self.pictures.counts
        if counts is None or regions is None or counts.shape != regions.shape:
            return None
        return sums(counts, regions)

    def _count_again(self) -> None:
        self._set(chip_counts=self._counted(self.regions))
        self._say()

    def _number_of(self, pick: Pick) -> int | None:
        """Return the number of a picked region; a point in no chip of the grid is taken for the nearest one."""
        if isinstance(pick, str):
            names = self.drawn_regions.names if self.drawn_regions is not None else ()
            return self.grid_chips + names.index(pick) if pick in names else None
        grid = self._grid_regions
        if grid is None or grid.grid is None:
            return None
        number = owner_at(grid, *pick)
        return nearest_chip(grid.grid, self.shape, *pick) if number is None else number

    def _pick_of(self, number: int) -> Pick:
        """Return what finds a region again: the centre of a chip, the name of a region."""
        if self.regions is None or number >= self.grid_chips or self.grid is None:
            return self.regions.names[number] if self.regions is not None else ""
        row, column = divmod(number, self.grid.counts_in(self.shape)[1])
        y0, _, x0, _ = self.grid.crop_in(self.shape)
        half = 0.5 * (self.grid.size - 1)
        y = y0 + self.grid.origin[0] + row * self.grid.step + half
        return y, x0 + self.grid.origin[1] + column * self.grid.step + half

    def _say(self) -> None:
        """Say in words what there is now."""
        size = f"a chip of {self.size} px"
        pixels = float(self.size**2)
        if self.use == "drawn" and self.drawn_regions is not None:
            pixels = float(np.median(self.drawn_regions.sizes))
            size = f"a region of {pixels:,.0f} px"
        expected = self.precision.line(pixels, size) if self.shape[0] else ""
        self._set(summary=summary_of(self), expected=expected, chosen=chosen_of(self))

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


def sum_all(image: SpectrumImage, regions: Regions, progress: Progress) -> Spectra:
    """Return the spectra of all regions, summed in blocks between which `progress` is told."""
    parts = []
    for first in range(0, len(regions), _BLOCK):
        if progress(first, len(regions)) is False:
            raise CancelledError("summing was stopped.")
        parts.append(chip(image, subset(regions, range(first, min(first + _BLOCK, len(regions))))))
    return replace(parts[0], counts=np.concatenate([p.counts for p in parts]), names=regions.names, regions=regions)

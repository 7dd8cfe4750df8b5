"""Chips of a map: the grid, regions drawn by hand, which of them are selected, their spectra, and what to expect."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import param

from edsnb.core.areas import chip_in_blocks, subset, sums
from edsnb.core.events import Array
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.owners import nearest_chip, owner_at
from edsnb.core.regions import Regions, Spectra, chip
from edsnb.errors import InputError
from edsnb.recipe import Recipe
from edsnb.state.chips.code import chip_code
from edsnb.state.chips.cutting import CutState
from edsnb.state.chips.drawing import DrawingState
from edsnb.state.chips.pictures import PictureState
from edsnb.state.chips.precision import PrecisionState
from edsnb.state.chips.texts import POINT, chosen_of, hover_of, no_map, summary_of
from edsnb.state.elements.models import settle
from edsnb.state.elements.state import ElementState
from edsnb.state.shared import SHARED, Held
from edsnb.state.work import Work, Working

Pick = tuple[float, float] | str
"""A selected chip of the grid by a point (y, x) in it, which holds for another chip size too; a region by its name."""
_AT_ONCE = 3_000_000
"""X-rays that are summed while the hand waits: a few hundredths of a second. More are summed in the background."""
_PAUSE_S = 0.3
"""The hand must have been still for so long before long work begins."""
_MOST_BYTES = 1 << 29
"""Spectra of all chips that are summed beforehand take no more memory than this."""


class ChipState(Working, CutState):
    """Chips of a map and what they hold; all parameters below `together` are results."""

    picks = param.List(default=[], doc="What is selected: points (y, x) in chips of the grid, names of regions.")
    together: Any = param.Selector(
        default="overlay", objects={"Each": "overlay", "Sum": "sum"}, label="Spectra of several chips"
    )

    selected = param.Parameter(default=(), constant=True, doc="Numbers of the selected regions, a tuple.")
    spectra = param.ClassSelector(class_=Spectra, constant=True, allow_None=True, doc="Of the selected regions.")
    all_spectra = param.ClassSelector(class_=Spectra, constant=True, allow_None=True, doc="Of all, once summed.")
    chip_counts = param.Parameter(constant=True, doc="(n,) X-rays of each region in the fitted range; None if unknown.")
    summary = param.String(default="", constant=True, doc="What the grid makes of the map, in a line.")
    expected = param.String(default="", constant=True, doc="Predicted precision at this size, in a line.")
    chosen = param.String(default="", constant=True, doc="Which chips are selected, in a line.")
    pointed = param.String(default=POINT, constant=True, doc="What lies under the mouse.")

    def __init__(
        self,
        image: SpectrumImage | None = None,
        *,
        recipe: Recipe | None = None,
        elements: ElementState | None = None,
        **params: Any,
    ) -> None:
        """Make a state.

        Parameters
        ----------
        image
            The map.
        recipe
            Grid, elements and energy range to begin with.
        elements
            Those that others choose too; they are then not changed to those of the image's file.
        """
        super().__init__(elements or ElementState(), **params)
        self.pictures = PictureState(None, self.elements)
        self.drawing = DrawingState(self.drawn, self.pictures)
        self.precision = PrecisionState(self.elements)
        self.opening, self.summing, self.showing = (Work() for _ in range(3))
        self._held: Held | None = None
        self._own_elements = elements is None
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

    @property
    def cell(self) -> tuple[int, int] | None:
        """Row and column of the chip selected last; None where that is no chip of the grid."""
        if not self.selected or self.grid is None or self.selected[-1] >= self.grid_chips:
            return None
        row, column = divmod(self.selected[-1], self.grid.counts_in(self.shape)[1])
        return row, column

    def go_to(self, row: int, column: int) -> None:
        """Select the chip in a row and a column of the grid, or the nearest there is."""
        if self.grid is None or not self.grid_chips:
            return
        rows, columns = self.grid.counts_in(self.shape)
        self.picks = [self._pick_of(min(max(row, 0), rows - 1) * columns + min(max(column, 0), columns - 1))]

    def move(self, rows: int, columns: int) -> None:
        """Select the chip some rows below and columns to the right of the one selected last; of drawn ones the next."""
        if self.cell is not None:
            self.go_to(self.cell[0] + rows, self.cell[1] + columns)
        elif self.regions is not None and self.selected:
            self.picks = [self._pick_of((self.selected[-1] + rows + columns) % len(self.regions))]

    def tapped(self, y: float, x: float, held: frozenset[str] = frozenset()) -> None:
        """Do what a click at a point means with the tool in the hand."""
        if self.drawing.tool == "polygon":
            self.drawing.corner(y, x)
        elif self.drawing.tool == "select":
            self.select(y, x, add=bool(held & {"shift", "ctrl"}))

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

    def open(self, path: str | PathLike[str]) -> None:
        """Open a file in the background and take its map; `message` says where that fails."""

        def opened(held: Held) -> None:
            # Held as long as it is shown, so that others who open the file share its memory.
            self._held = held
            self.image = held.image

        self.opening.start(
            f"Opening {Path(path).name}", lambda progress: SHARED.open(Path(path), progress=progress), opened
        )

    @property
    def works(self) -> tuple[Work, ...]:
        """All long work."""
        pictures = self.pictures
        return self.opening, pictures.counting, pictures.work, self.showing, self.summing, self.precision.work

    # What follows from it

    def hover(self, y: float | None, x: float | None) -> None:
        """Say in `pointed` what lies under the mouse; None where it has left the maps."""
        self._set(pointed=hover_of(self, y, x))

    def _watch(self) -> None:
        self.param.watch(lambda *_: self._load(None), "image")
        self.param.watch(lambda *_: self._select_again(), "picks")
        self.pictures.param.watch(lambda *_: self._count_again(), "counts")
        self.opening.param.watch(lambda *_: self._set(message=self.opening.message or self.message), "message")
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

    def _regions_changed(self) -> None:
        self._set(all_spectra=None, chip_counts=self._counted(self.regions))
        self._select_again()

    def _cut_done(self) -> None:
        self.precision.of(self.image, self.grid.crop if self.grid is not None else None)
        self._sum_all()

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
            self._set(spectra=None)
            self._say()
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
            return chip_in_blocks(image, regions, progress)

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

"""ChipExplorer: a map and its EDS picture side by side, cut into chips, with the spectra of those selected."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from edsnb.core.image import SpectrumImage
from edsnb.plots.colours import MIX, mix
from edsnb.state.chips.pictures import Shown
from edsnb.state.chips.state import ChipState
from edsnb.state.elements.models import line_marks
from edsnb.widgets.chips.controls import (
    SMALL,
    WIDTH,
    choice,
    contrast,
    grid_controls,
    left_controls,
    right_controls,
    selection_controls,
)
from edsnb.widgets.chips.regions import region_controls
from edsnb.widgets.elements.picker import ElementPicker
from edsnb.widgets.figures.map_pane import MARGINS, MapPane
from edsnb.widgets.figures.map_tools import MapTools
from edsnb.widgets.figures.spectrum_pane import SpectrumPane
from edsnb.widgets.parts.code_view import code_block
from edsnb.widgets.parts.lazy_tabs import lazy_tabs
from edsnb.widgets.parts.room import Room
from edsnb.widgets.parts.texts import LiveText, WorkBar
from edsnb.widgets.viewer import EdsnbViewer, later, session_loop

_FRAMES = (220, 640)
"""Least and greatest length of a map's longer side."""
_HIGH = 0.3
"""Of the window's height: more would push the spectrum out of sight."""
_GAP = 24
_MOST_OVERLAID = 6
_CUT = ("grid", "regions", "drawn_regions", "use")
_AFTER_LINES_MS = 40


class ChipExplorer(EdsnbViewer):
    """Cut a map into chips by eye: sizes, places, regions of any shape, and at once what they hold.

    Parameters
    ----------
    image
        The map, from `edsnb.open`; or the path of its file.
    chip
        Size of the chips in pixels to begin with.
    recipe
        All settings to begin with: grid, elements, energy range.
    state
        A `ChipState` that others use too, instead of an image.
    """

    def __init__(
        self,
        image: SpectrumImage | str | PathLike[str] | None = None,
        *,
        chip: int | None = None,
        recipe: Any = None,
        state: ChipState | None = None,
        **params: Any,
    ) -> None:
        if state is None:
            found = image if isinstance(image, SpectrumImage) else None
            state = ChipState(found, recipe=recipe)
            if chip is not None:
                state.size = chip
            if image is not None and not isinstance(image, SpectrumImage):
                state.open(image)
        state.deliver_to(session_loop())
        super().__init__(state=state, **params)

    def build(self) -> pn.viewable.Viewable:
        """Return controls on the left; maps, what is said of them, and spectra on the right; elements below."""
        state: ChipState = self.state
        self._left, self._right = (
            MapPane(title, on_tap=state.tapped, on_hover=state.hover) for title in ("Image", "EDS map")
        )
        self._left.link(self._right)
        self._waiting = False
        self._spectrum = SpectrumPane(height=200, on_window=state.pictures.set_window)
        self._draw_all()
        self._tools = [MapTools(pane, state.drawing) for pane in (self._left, self._right)]
        self._watch()
        pages = {"Grid": lambda: grid_controls(state), "Regions": lambda: region_controls(state)}
        controls = lazy_tabs(pages, width=WIDTH)
        self._shown = pn.Column(*self._maps(), *self._lines(), *self._spectra())
        self._elements = pn.Column(sizing_mode="stretch_width")
        below = pmui.Accordion(
            ("Elements", self._elements),
            ("Code", self._code()),
            sizing_mode="stretch_width",
            margin=(10, 5),
            title_variant="subtitle1",
        )
        below.param.watch(lambda event: self._opened(event.new), "active")
        self._upper = pn.FlexBox(controls, self._shown, gap="6px", align_items="flex-start", margin=0)
        return pn.Column(
            Room(self._fit),
            self._upper,
            below,
            sizing_mode="stretch_width",
        )

    def _fit(self, width: int, height: int) -> None:
        """Fit maps and spectra to the place that there is for them."""
        side = width - WIDTH - _GAP
        # Where there is too little beside the controls, they stand above.
        beside = side >= 2 * (_FRAMES[0] + sum(MARGINS[:2]))
        self._upper.flex_wrap = "nowrap" if beside else "wrap"
        side = side if beside else width - _GAP
        half = side // 2 - sum(MARGINS[:2]) - 10
        frame = min(max(min(half, round(_HIGH * height)), _FRAMES[0]), _FRAMES[1])
        self._shown.width = side
        for pane, column in zip((self._left, self._right), self._halves, strict=True):
            pane.resize(frame)
            column.width = min(side // 2 - 10, frame + sum(MARGINS[:2]) + 60)
        self._spectrum.resize(side - 24, max(200, round(0.25 * height)))

    def _maps(self) -> list[pn.viewable.Viewable]:
        """Return both maps with what is chosen above them and their contrast below."""
        pictures = self.state.pictures
        self._halves = [
            pn.Column(left_controls(pictures), self._left.pane, contrast(pictures, "survey_contrast")),
            pn.Column(right_controls(pictures), self._right.pane, contrast(pictures, "map_contrast")),
        ]
        return [pn.FlexBox(*self._halves, gap="8px")]

    def _lines(self) -> list[pn.viewable.Viewable]:
        """Return all that is said in words, and the bars of what is under way."""
        state = self.state
        works = (state.opening, state.pictures.counting, state.pictures.work, state.precision.work, state.showing)
        self._said = LiveText.of(
            [
                (state, "pointed"), (state, "summary"), (state, "expected"), (state, "message"),
                (state.pictures, "note"), (state.pictures, "message"), *((work, "message") for work in works),
            ],
            first_is_hover=True,
        )  # fmt: skip
        return [self._said, *map(WorkBar, works)]

    def _spectra(self) -> list[pn.viewable.Viewable]:
        """Return the spectra, what they are of, and what moves the selection."""
        state = self.state
        return [
            pn.Row(selection_controls(state), choice(state, "together")),
            LiveText.of([(state, "chosen")]),
            self._spectrum.pane,
        ]

    def _opened(self, active: list[int]) -> None:
        """Make the element picker when it is first looked at: it searches the spectrum for elements."""
        if 0 in active and not len(self._elements):
            self._elements.append(ElementPicker(self.state.elements))

    def _code(self) -> pn.viewable.Viewable:
        """Return the code that repeats the state, written anew when asked for."""
        block = pn.Column(sizing_mode="stretch_width")
        button = pmui.Button(label="Write the code for what is shown", **SMALL)
        button.on_click(lambda _: block.__setitem__(slice(None), [code_block("Python", self.code())]))
        return pn.Column(button, block, sizing_mode="stretch_width")

    def _watch(self) -> None:
        state, pictures = self.state, self.state.pictures
        state.param.watch(lambda *_: self._draw_all(), "image")
        state.param.watch(self._cut_or_chosen, [*_CUT, "selected", "spectra", "together"])
        state.elements.param.watch(lambda *_: self._draw_spectra(), ["elements", "deconvolve", "energy"])
        pictures.param.watch(lambda *_: self._draw_picture(self._left, pictures.left, "grey"), "left")
        pictures.param.watch(lambda *_: self._draw_picture(self._right, pictures.right, "cividis"), "right")
        pictures.param.watch(lambda *_: self._contrast(), ["survey_contrast", "map_contrast"])

    def _cut_or_chosen(self, *events: param.parameterized.Event) -> None:
        """Draw what has changed of the chips; after another cut the lines first, as that is what the hand waits for."""
        names = {event.name for event in events}
        if names.intersection(_CUT):
            self._draw_chips()
        if names & {"selected", "regions"}:
            self._draw_selected()
        if not names & {"spectra", "together"}:
            return
        if names.isdisjoint(_CUT):
            self._draw_spectra()
        elif not self._waiting:
            self._waiting = True
            later(self._draw_spectra, _AFTER_LINES_MS)

    def _draw_all(self) -> None:
        state = self.state
        self._fit_panes()
        self._contrast()
        self._draw_picture(self._left, state.pictures.left, "grey")
        self._draw_picture(self._right, state.pictures.right, "cividis")
        self._draw_chips()
        self._draw_selected()
        self._draw_spectra()

    def _fit_panes(self) -> None:
        """Fit both maps to the raster; also before chips are drawn, which another map's may be before its picture."""
        state = self.state
        for pane in (self._left, self._right):
            pane.raster(state.shape if state.shape[0] else (1, 1), state.image.pixel_nm if state.image else None)

    def _draw_picture(self, pane: MapPane, shown: Shown | None, cmap: str) -> None:
        if shown is None or self.state.image is None:
            return
        where = {"extent_px": shown.extent, "aligned": shown.aligned, "pixel_nm": self.state.image.pixel_nm}
        if shown.mixed:
            colours = dict(zip(shown.mixed, MIX, strict=False))
            percentiles = self.state.pictures.map_contrast
            pane.show(mix([*shown.mixed.values()], [*colours.values()], percentiles), "", title=shown.title, **where)
            pane.legend(colours)
            return
        pane.show(shown.image, shown.unit, limits="percentile", cmap=cmap, title=shown.title, **where)

    def _contrast(self) -> None:
        pictures = self.state.pictures
        self._left.contrast(*pictures.survey_contrast)
        self._right.contrast(*pictures.map_contrast)
        if pictures.right is not None and pictures.right.mixed:
            self._draw_picture(self._right, pictures.right, "")

    def _draw_chips(self) -> None:
        state = self.state
        self._fit_panes()
        areas = {area.name: area.colour for area in state.drawn.areas}
        drawn = state.drawn_regions
        colours = [areas.get(n.removesuffix(" (drawn)"), "#FFFFFF") for n in drawn.names] if drawn is not None else None
        for pane in (self._left, self._right):
            pane.grid(state.grid if state.use != "drawn" else None)
            pane.areas(drawn, colours)

    def _draw_selected(self) -> None:
        for pane in (self._left, self._right):
            pane.select(self.state.selected, self.state.regions)

    def _draw_spectra(self) -> None:
        self._waiting = False
        state, spectra = self.state, self.state.spectra
        if spectra is None or state.image is None:
            self._spectrum.show(np.array([0.0, 1.0]), {}, title="")
            return
        energy = state.image.energy
        low, high = state.elements.energy
        inside = energy.channels(max(low, energy.range_kev[0]), min(high, energy.range_kev[1]))
        counts = spectra.counts[:, inside]
        # One name for one spectrum, whichever it is: another name in the legend costs another layout of the page.
        names = spectra.names if len(spectra) > 1 else ("selected",)
        curves = dict(zip(names, counts, strict=True))
        if state.together == "sum" and len(curves) > 1:
            curves = {f"sum of {len(curves)} chips": counts.sum(axis=0)}
        many = len(curves) - _MOST_OVERLAID
        shown = dict(list(curves.items())[-_MOST_OVERLAID:])
        title = f"the last {_MOST_OVERLAID} of {len(curves)} selected" if many > 0 else ""
        self._spectrum.show(energy.centres_kev[inside], shown, lines=line_marks(state.elements), title=title)

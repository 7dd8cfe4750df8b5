"""Composition as small maps and a table; what is selected in one is selected in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models.widgets.tables import NumberFormatter

from edsnb.core.regions import Regions
from edsnb.state.bench.following import follow
from edsnb.state.bench.results import QUANTITIES, Layer, chip_at, common_limits, layers, on_map, said, table
from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.figures.map_pane import BARE_MARGINS, MapPane
from edsnb.widgets.parts.fields import DENSE_TABLE, ROW_PX, TEXT, note
from edsnb.widgets.parts.room import Room
from edsnb.widgets.parts.texts import live_text
from edsnb.widgets.viewer import later

_IN_A_ROW = {"Small": 8, "Medium": 3, "Large": 2}
"""Maps that stand side by side at most."""
_FRAMES, _GAP = (96, 560), 6
"""Least and greatest length of a map's longer side, and the room between two maps, px."""
_TABLE_HEIGHT = 330
_TITLES = {"chip": "Chip", "status": "Status", "counts": "X-rays", "chi2": "χ²"}


class CompositionView:
    """The column `view`, with so many pixels of something else `beside` it, in the tab of this name if any."""

    def __init__(self, state: WorkbenchState, *, beside: int = 0, tab: str | None = None) -> None:
        self.state = state
        self._quiet = self._waiting = False
        self._panes: list[MapPane] = []
        self._size = "Small"
        self._room = (0, 0)
        self._maps = pn.FlexBox(gap="4px", sizing_mode="stretch_width")
        self._table: pn.widgets.Tabulator | None = None
        self._place = pn.Column(sizing_mode="stretch_width")
        self.view = self._layout(beside)
        follow(state, ["analysis", "quantity", "same_colours"], self._fill, tab=tab)
        follow(state, ["selected"], self._select, tab=tab)
        self._fill()

    def _layout(self, beside: int) -> pn.Column:
        state = self.state
        quantity = pmui.RadioButtonGroup.from_param(
            state.param.quantity, options=QUANTITIES, label="", description="", size="small", margin=(4, 4)
        )
        size = pmui.RadioButtonGroup(options=list(_IN_A_ROW), value=self._size, label="", size="small", margin=(4, 12))
        size.param.watch(self._sized, "value")
        same = pmui.Switch.from_param(state.param.same_colours, description="", margin=(8, 12))
        chosen = pn.bind(_chosen_text, state.param.analysis, state.param.selected, state.param.quantity)
        return pn.Column(
            Room(self._fit, beside=beside),
            pn.FlexBox(quantity, size, same, align_items="center", sizing_mode="stretch_width"),
            note(pn.bind(_why_no_maps, state.param.analysis)),
            self._maps,
            live_text(chosen, styles=TEXT, margin=(2, 6)),
            self._place,
            sizing_mode="stretch_width",
        )

    def _make_table(self, frame: Any) -> pn.widgets.Tabulator:
        made = pn.widgets.Tabulator(
            frame, show_index=False, disabled=True, selectable=True, height=_TABLE_HEIGHT, sizing_mode="stretch_width",
            layout="fit_data_fill", titles=_TITLES, frozen_columns=["chip"], margin=(4, 4),
            stylesheets=[DENSE_TABLE], configuration={"rowHeight": ROW_PX}, **_columns(frame),
        )  # fmt: skip
        made.param.watch(self._rows_chosen, "selection")
        return made

    def _fill(self) -> None:
        analysis = self.state.analysis
        self._place.visible = analysis is not None
        regions = None if analysis is None else analysis.spectra.regions
        # Held: each message costs a look at all models of the page.
        with pn.io.hold():
            if analysis is None or regions is None:
                self._maps.objects = []
            else:
                self._show_maps(layers(analysis, self.state.quantity), regions, analysis.image.pixel_nm)
            self._select()
        if not self._waiting:
            self._waiting = True
            later(self._fill_table)

    def _show_maps(self, found: Sequence[Layer], regions: Regions, pixel_nm: float | None) -> None:
        while len(self._panes) < len(found):
            self._panes.append(self._new_pane())
        limits = common_limits(found) if self.state.same_colours else None
        for pane, layer in zip(self._panes, found, strict=False):
            image, extent = on_map(layer.values, regions)
            pane.raster(regions.shape, pixel_nm)
            pane.show(image, "", extent_px=extent, limits=limits, title=f"{layer.name} ({layer.unit})")
        shown = [pane.pane for pane in self._panes[: len(found)]]
        if self._maps.objects != shown:
            self._maps.objects = shown
            self._resize()

    def _fit(self, width: int, height: int) -> None:
        """Fit the maps to the place that there is for them."""
        self._room = width, height
        self._resize()

    def _resize(self) -> None:
        """Make the maps as large as so many of them can stand side by side."""
        columns = max(1, min(len(self._maps), _IN_A_ROW[self._size]))
        width, height = self._room
        frame = width // columns - _GAP - sum(BARE_MARGINS[:2])
        frame = min(max(min(frame, round(0.55 * height)), _FRAMES[0]), _FRAMES[1])
        for pane in self._panes:
            pane.resize(frame)

    def _sized(self, event: Any) -> None:
        self._size = event.new
        with pn.io.hold():
            self._resize()

    def _new_pane(self) -> MapPane:
        pane = MapPane("", axes=False, on_tap=self._tapped)
        if self._panes:
            self._panes[0].link(pane)
        return pane

    def _fill_table(self) -> None:
        """Bring the table up to date, after the maps."""
        self._waiting = False
        analysis = self.state.analysis
        if analysis is None:
            return
        frame = table(analysis, self.state.quantity)
        if self._table is None or list(self._table.value) != list(frame):
            # Not new columns for the old one, which fail where the browser is still building it.
            self._table = self._make_table(frame)
            self._place.objects = [self._table]
        else:
            self._quiet = True
            try:
                self._table.param.update(value=frame, selection=[])
            finally:
                self._quiet = False
        self._select()

    def _rows_chosen(self, event: Any) -> None:
        if not self._quiet and self._table is not None:
            frame = self._table.value
            self.state.select(frame["chip"].iloc[event.new].tolist())

    def _tapped(self, y: float, x: float, held: frozenset[str]) -> None:
        analysis = self.state.analysis
        name = None if analysis is None else chip_at(analysis, y, x)
        if name is None:
            return
        others = [n for n in self.state.selected if n != name]
        more = held & {"shift", "ctrl", "meta"}
        self.state.select([*others, name] if more and len(others) == len(self.state.selected) else
                          others if more else [name])  # fmt: skip

    def _select(self) -> None:
        """Show in maps and table what is selected."""
        analysis = self.state.analysis
        if analysis is None:
            return
        names = analysis.spectra.names
        chosen = [names.index(name) for name in self.state.selected if name in names]
        if (regions := analysis.spectra.regions) is not None:
            for pane in self._panes:
                pane.select(chosen, regions)
        if not self._waiting and self._table is not None and self._table.selection != chosen:
            self._quiet = True
            try:
                self._table.selection = chosen
            finally:
                self._quiet = False


def _columns(frame: Any) -> dict[str, Any]:
    """Return how the columns of a table are written and filtered."""
    numbers = [name for name in frame.columns if name not in ("chip", "status")]
    return {
        "formatters": {name: NumberFormatter(format=_format(name), nan_format="–") for name in numbers},
        "header_filters": {
            "chip": {"type": "input", "func": "like", "placeholder": "R3C"},
            "status": {"type": "list", "func": "in", "values": True, "multiselect": True},
            **{name: {"type": "number", "func": ">=", "placeholder": "≥"} for name in numbers},
        },
    }


def _format(name: str) -> str:
    return "0,0" if name == "counts" else "0,0.00"


def _chosen_text(analysis: Any, selected: tuple[str, ...], quantity: str) -> str:
    """Return the result of the chip that was selected last."""
    if analysis is None:
        return ""
    if not selected:
        return "Click a map or a row to select a chip; with Shift several."
    more = f"   (and {len(selected) - 1} more selected)" if len(selected) > 1 else ""
    return f"{said(analysis, selected[-1], quantity)}{more}"


def _why_no_maps(analysis: Any) -> str:
    """Say why there is nothing to draw, or nothing."""
    if analysis is None:
        return "There is no composition yet: it appears here as soon as the chips are fitted."
    return "These spectra have no place on a map; their results stand in the table." if (
        analysis.spectra.regions is None) else ""  # fmt: skip

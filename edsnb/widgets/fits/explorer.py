"""FitExplorer: a map of results, the spectrum and fit of one chip, and what can be compared and tried with it."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from edsnb.core.image import SpectrumImage
from edsnb.core.owners import owner_at
from edsnb.plots.spectra import together
from edsnb.state.bench.results import on_map
from edsnb.state.fits.pictures import FitPicture
from edsnb.state.fits.state import SCALES, TOGETHER, FitState
from edsnb.widgets.figures.map_pane import MARGINS, MapPane
from edsnb.widgets.figures.spectrum_pane import SpectrumPane
from edsnb.widgets.fits.tables import fill, ranking_frame, text_table
from edsnb.widgets.fits.tabs import FitTabs
from edsnb.widgets.parts.arrow_pad import ArrowPad
from edsnb.widgets.parts.fields import note
from edsnb.widgets.parts.room import Room
from edsnb.widgets.parts.texts import PLAIN, WorkBar, live_text
from edsnb.widgets.parts.ties import tie
from edsnb.widgets.viewer import EdsnbViewer, later, session_loop

_FRAMES, _LEAST = (220, 480), 480
"""Least and greatest length of a map's longer side; least width of the spectrum."""
_SMALL: dict[str, Any] = {"size": "small", "margin": (6, 4)}
_LINE: dict[str, Any] = {"margin": (2, 8), "styles": {"font-size": "13px"}}


class FitExplorer(EdsnbViewer):
    """Look at fits and compositions chip by chip: which of them to trust, and what another fit would give.

    Parameters
    ----------
    source
        What `edsnb.analyse`, `edsnb.quantify`, `edsnb.quantify_zeta` or `edsnb.fit` returned.
    image
        The map, for its pixel size; an Analysis has it.
    state
        A `FitState` that others use too, instead of a source.
    options
        What is looked at: `chip` and `other` by name or number, `kind` and `part` of the map (``"at%"``, ``"Fe"``),
        `rank_kind`, `rank_part`, `rank_order`, `scale` (linear, sqrt, log), `components`, `together`.

    Raises
    ------
    InputError
        The source is none of these, or the image or a chip is not its own.
    """

    pointed = param.String(default="", constant=True, doc="What lies under the pointer on the map, in words.")

    summary = param.String(default="", constant=True, doc="The chip that is looked at, in words.")
    place = param.String(default="", constant=True, doc="Where it stands among the others, in words.")

    def __init__(
        self,
        source: object = None,
        image: SpectrumImage | None = None,
        *,
        state: FitState | None = None,
        **options: Any,
    ) -> None:
        if state is None:
            state = FitState(source, image, **options)
        state.deliver_to(session_loop())
        super().__init__(state=state)

    def build(self) -> pn.viewable.Viewable:
        """Return map and spectrum side by side, and below them all that is in tabs."""
        state: FitState = self.state
        self._map = MapPane("", on_tap=self._tapped, on_hover=self._hovered)
        self._list = self._chip_list()
        self._spectrum = SpectrumPane(residuals=True)
        self._spectrum.scale(state.scale)
        self._tabs = FitTabs(state)
        self._waiting = False
        self._side = pn.Column(*self._left(), margin=0)
        self._main = pn.Column(*self._right(), margin=0)
        self._upper = pn.FlexBox(self._side, self._main, gap="6px", align_items="flex-start", margin=0)
        self._redraw()
        # At once: what a notebook is told while it draws for the first time is lost.
        self._tell()
        state.param.watch(lambda *_: self._redraw(), "result")
        state.param.watch(lambda *_: self._draw_map(), "values")
        state.param.watch(lambda *_: self._rank(), "order")
        state.param.watch(lambda *_: self._draw_chip(), ["chip", "other", "components", "together"])
        state.trial.param.watch(lambda *_: self._draw_spectrum(), "result")
        state.param.watch(lambda event: self._spectrum.scale(event.new), "scale")
        return pn.Column(
            Room(self._fit),
            self._upper,
            self._tabs.view,
            sizing_mode="stretch_width",
            margin=(8, 0, 0, 0),
        )

    def _fit(self, width: int, height: int) -> None:
        """Fit map and spectrum to the place that there is for them."""
        frame = min(max(round(0.36 * height), _FRAMES[0]), _FRAMES[1])
        side = max(frame + sum(MARGINS[:2]), 370)
        beside = width - side - 30
        self._side.width = side
        self._upper.flex_wrap = "nowrap" if beside >= _LEAST else "wrap"
        self._main.width = beside if beside >= _LEAST else width - 20
        self._map.resize(frame)
        self._spectrum.resize(self._main.width - 24, max(240, round(0.34 * height)))

    def _left(self) -> list[pn.viewable.Viewable]:
        state = self.state
        kind = pmui.Select.from_param(state.param.kind, width=190, **_SMALL)
        part = pmui.Select.from_param(state.param.part, width=150, **_SMALL)
        part.visible = pn.bind(bool, state.param.part)
        typed = tie(
            pmui.TextInput(label="Chip", width=130, **_SMALL), state, "chip",
            read=state.name_of, write=state.number_typed,
        )  # fmt: skip
        walk = [
            pmui.Button(label=label, variant="outlined", on_click=lambda _, n=n: state.worse(n), **_SMALL)
            for label, n in (("◀ Previous worst", -1), ("Next worst ▶", 1))
        ]
        state.param.watch(lambda *_: setattr(typed, "value", state.name_of(state.chip)), "result")
        self._mapped = pn.Row(kind, part, margin=0)
        return [
            self._mapped,
            self._map.pane,
            self._list,
            live_text(self.param.pointed, min_height=20, **_LINE),
            pn.Row(ArrowPad(state.step), typed, margin=0),
            pn.Row(*walk, margin=0),
            live_text(self.param.place, **_LINE),
        ]

    def _right(self) -> list[pn.viewable.Viewable]:
        state = self.state
        scale = pmui.RadioButtonGroup.from_param(
            state.param.scale, options=list(SCALES), label="Scale", sx=PLAIN, **_SMALL
        )
        parts = pmui.Checkbox.from_param(state.param.components, margin=(10, 4))
        width = pmui.Select.from_param(
            state.param.together, options={f"{n} ch." if n > 1 else "1 channel": n for n in TOGETHER},
            label="Drawn together", width=140, **_SMALL,
        )  # fmt: skip
        return [
            pn.Row(scale, parts, width, margin=0),
            live_text(self.param.summary, **_LINE),
            self._spectrum.pane,
            WorkBar(state.work),
            note(state.param.message),
            note(state.work.param.message),
        ]

    def _place(self) -> str:
        """Say where the chip stands among the others, and how many have no result."""
        state = self.state
        bad = {status.name: n for status, n in state.statuses().items() if status}
        others = f" Without a result: {', '.join(f'{name} {n}' for name, n in bad.items())}." if bad else ""
        return f"{state.place + 1:,} of {len(state.order):,} by {state.ranks.label}, {state.rank_order}.{others}"

    def _chip_list(self) -> Any:
        """Return a list of spectra, for those that have no place on a map."""
        made = text_table(ranking_frame(self.state), height=360, left=["Chip", "Status"], visible=False)
        made.on_click(lambda event: setattr(self.state, "chip", int(self.state.order[event.row])))
        return made

    def _rank(self) -> None:
        """Follow the order of the chips."""
        self._say(place=self._place())
        if self.state.result.regions is None:
            fill(self._list, ranking_frame(self.state), left=["Chip", "Status"])

    def _redraw(self) -> None:
        on_a_map = self.state.result.regions is not None
        self._map.pane.visible, self._list.visible = on_a_map, not on_a_map
        self._mapped.visible = on_a_map
        self._hovered(None, None)
        self._draw_map()
        self._rank()
        self._draw_chip()

    def _draw_map(self) -> None:
        """Draw the chosen values on the map, where there is one."""
        state = self.state
        found, values = state.result, state.values
        if found.regions is None:
            return
        image, extent = on_map(values.values, found.regions)
        symmetric = state.kind == "residual"
        pixel_nm = found.image.pixel_nm if found.image is not None else None
        self._map.raster(found.regions.shape, pixel_nm)
        self._map.show(
            image, values.unit, extent_px=extent, limits="symmetric" if symmetric else "percentile",
            cmap="RdBu" if symmetric else "cividis", title=values.label, pixel_nm=pixel_nm,
        )  # fmt: skip
        self._map.regions(found.regions)
        self._select()

    def _draw_chip(self) -> None:
        """Draw the spectrum first, as the eye waits for it; words and tables when it is drawn."""
        self._draw_spectrum()
        self._select()
        if not self._waiting:
            self._waiting = True
            later(self._tell)

    def _tell(self) -> None:
        """Bring words and tables up to date."""
        self._waiting = False
        self._say(summary=self.state.describe(), place=self._place())
        self._tabs.refresh()

    def _say(self, **texts: str) -> None:
        with param.edit_constant(self):
            self.param.update(**texts)

    def _select(self) -> None:
        state = self.state
        if state.result.regions is not None:
            self._map.select([k for k in (state.chip, state.other) if k is not None], state.result.regions)

    def _draw_spectrum(self) -> None:
        state = self.state
        drawn: FitPicture = state.picture()
        n = state.together

        def mean(curve: Any) -> Any:
            return together(curve, n) if n > 1 else curve

        self._spectrum.show(
            mean(drawn.energy_kev),
            {name: mean(y) for name, y in drawn.spectra.items()},
            model={name: mean(y) for name, y in drawn.models.items()},
            background=None if drawn.background is None else mean(drawn.background),
            components={name: mean(y) for name, y in drawn.components.items()} if state.components else None,
            residuals=drawn.residuals if n == 1 else mean(drawn.residuals) * n**0.5,
            lines=drawn.lines,
            title=drawn.title,
        )

    def _tapped(self, y: float, x: float, held: frozenset[str]) -> None:
        self.state.choose_at(y, x, compare=bool(held & {"shift", "ctrl", "meta"}))

    def _hovered(self, y: float | None, x: float | None) -> None:
        state = self.state
        regions = state.result.regions
        number = owner_at(regions, y, x) if y is not None and x is not None and regions is not None else None
        hint = "Click: this chip; Shift and click: compare with it." if regions is not None else ""
        said = hint if number is None else state.said(number)
        self._say(pointed=said)

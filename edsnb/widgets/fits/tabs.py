"""The tabs of a FitExplorer: lines, worst chips, two chips, another fit, other engines, code."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Span
from bokeh.plotting import figure

from edsnb.state.fits.state import FitState
from edsnb.state.scripts import recipe_toml
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.fits.tables import (
    LIMIT_NOTE,
    differences_frame,
    engines_frame,
    fill,
    lines_frame,
    ranking_frame,
    text_table,
)
from edsnb.widgets.fits.trial import trial_view
from edsnb.widgets.parts.code_view import code_block
from edsnb.widgets.parts.fields import note
from edsnb.widgets.parts.texts import WorkBar, live_text
from edsnb.widgets.parts.ties import tie
from edsnb.widgets.viewer import BLUE, ORANGE, push

_SMALL: dict[str, Any] = {"size": "small", "margin": (6, 4)}
_LINE: dict[str, Any] = {"margin": (2, 8), "styles": {"font-size": "13px"}}
Tab = tuple[pn.viewable.Viewable, Callable[[], object]]
"""What is in a tab, and what brings it up to date."""


class FitTabs:
    """The tabs `view`; each is made when it is first opened, and kept up to date while it is."""

    def __init__(self, state: FitState) -> None:
        self._state = state
        self._makers: dict[str, Callable[[FitState], Tab]] = {
            "Lines": _lines,
            "Worst chips": _worst,
            "Two chips": _two,
            "Another fit": trial_view,
            "Engines": _engines,
            "Code": _code,
        }
        self._made: dict[int, Tab] = {}
        self._places = [pn.Column(sizing_mode="stretch_width", margin=0) for _ in self._makers]
        self.view = pmui.Tabs(*zip(self._makers, self._places, strict=True), sizing_mode="stretch_width", margin=(6, 0))
        self.view.param.watch(lambda *_: self.refresh(), "active")
        self.refresh()

    def refresh(self) -> None:
        """Bring the tab that is open up to date."""
        number = self.view.active
        if number in self._made:
            self._made[number][1]()
        else:
            self._made[number] = list(self._makers.values())[number](self._state)
            self._places[number].objects = [self._made[number][0]]


def _lines(state: FitState) -> Tab:
    table = text_table(lines_frame(state.rows()), left=["Line", "Use"])
    convention = live_text(pn.bind(lambda *_: _convention(state), state.param.result), **_LINE)

    def refresh() -> None:
        fill(table, lines_frame(state.rows()), left=["Line", "Use"])

    note = pn.widgets.StaticText(value=LIMIT_NOTE, sizing_mode="stretch_width", **_LINE)
    return pn.Column(table, note, convention, sizing_mode="stretch_width"), refresh


def _convention(state: FitState) -> str:
    """Say what k-factors and intensities are."""
    quant = state.result.quantification
    return quant.describe() if quant is not None else "This fit was not quantified: there are counts only."


def _worst(state: FitState) -> Tab:
    """Return what chips are ranked by, the list of them, and the histogram of chi-square."""
    choices = [
        pmui.Select.from_param(state.param[name], width=width, **_SMALL)
        for name, width in (("rank_kind", 180), ("rank_part", 130), ("rank_order", 150))
    ]
    choices[1].visible = pn.bind(bool, state.param.rank_part)
    table = text_table(ranking_frame(state), left=["Chip", "Status"], pagination="local", page_size=10, width=440)
    table.on_click(lambda event: setattr(state, "chip", int(state.order[event.row])))
    drawn = _Histogram(state)
    shown = {"order": state.order, "result": state.result}

    def refresh() -> None:
        if shown["order"] is not state.order or shown["result"] is not state.result:
            shown.update(order=state.order, result=state.result)
            fill(table, ranking_frame(state), left=["Chip", "Status"])
        drawn.refresh()

    state.param.watch(lambda *_: refresh(), "order")
    right = pn.Column(drawn.pane, drawn.text, width=520)
    return pn.Column(pn.Row(*choices), pn.FlexBox(table, right, gap="12px"), sizing_mode="stretch_width"), refresh


class _Histogram:
    """Chi-square of all chips, the chosen one marked."""

    def __init__(self, state: FitState) -> None:
        self._state = state
        self._result: object = None
        self._source = ColumnDataSource({"left": [], "right": [], "top": []})
        plot = figure(
            width=500, height=260, x_axis_label="reduced χ²", y_axis_label="chips", tools="", toolbar_location=None,
            title="Reduced χ² of all chips",
        )  # fmt: skip
        plot.quad(left="left", right="right", top="top", bottom=0, source=self._source, color=BLUE, line_color=None)
        plot.y_range.start = 0
        plot.yaxis.ticker.min_interval = 1
        self._mark = Span(dimension="height", line_color=ORANGE, line_width=3)
        plot.add_layout(self._mark)
        self.pane = FigurePane(plot)
        self.text = live_text(pn.bind(lambda *_: state.said_of_chi2(), state.param.chip, state.param.result), **_LINE)
        self.refresh()

    def refresh(self) -> None:
        """Draw it anew where the result is another, and mark the chip."""
        state = self._state
        counts, edges, _ = state.histogram()
        if self._result is not state.result:
            self._result = state.result
            self._source.data = {"left": edges[:-1], "right": edges[1:], "top": counts}
        chi2 = float(state.result.fit.chi2[state.chip])
        known = isfinite(chi2) and len(edges) > 0
        self._mark.update(visible=known, location=min(chi2, float(edges[-1])) if known else None)
        push(self.pane)


def _two(state: FitState) -> Tab:
    """Return at% of two chips and their difference."""
    typed = tie(
        pmui.TextInput(label="Compare with chip", placeholder="R3C4, or a number", width=180, **_SMALL), state, "other",
        read=state.name_of, write=lambda text: state.number_typed(text) if text else None,
    )  # fmt: skip
    stop = pmui.Button(label="Stop comparing", variant="outlined", **_SMALL)
    stop.on_click(lambda _: setattr(state, "other", None))
    table = text_table(differences_frame((), "–", "–", independent=True), left=["Element"])
    watched = (state.param.chip, state.param.other, state.param.result)
    said = live_text(pn.bind(lambda *_: _said_of_two(state), *watched), **_LINE)

    def refresh() -> None:
        one, two = state.name_of(state.chip), state.name_of(state.other)
        table.visible = bool(state.differences())
        fill(table, differences_frame(state.differences(), one, two or "–", independent=True), left=["Element"])

    state.param.watch(lambda *_: refresh(), "other")
    refresh()
    return pn.Column(pn.Row(typed, stop), said, table, sizing_mode="stretch_width"), refresh


def _said_of_two(state: FitState) -> str:
    """Say what is compared."""
    if state.other is None:
        return "Name a chip, or hold Shift and click one on the map: its spectrum is drawn over this one's."
    if state.result.quantification is None:
        return "There is no at% to compare, as this fit was not quantified; the spectra are drawn over each other."
    shared = " The chips share pixels, so the true sd of the difference is smaller." if state.overlapping() else ""
    return f"{state.name_of(state.other)} minus {state.name_of(state.chip)}; sd of counting statistics.{shared}"


def _engines(state: FitState) -> Tab:
    """Return the chip by other engines, and what starts them."""
    engines = state.engines
    start = pmui.Button(label="Fit this chip with other engines", **_SMALL)
    start.on_click(lambda _: engines.compare())
    calibrated = pmui.Checkbox.from_param(engines.param.calibrated, margin=(8, 4))
    table = text_table(engines_frame(engines), left=[""])
    said = live_text(pn.bind(lambda *_: engines.describe(), engines.param.results), **_LINE)

    def refresh() -> None:
        table.visible = bool(engines.results)
        fill(table, engines_frame(engines), left=[""])

    engines.param.watch(lambda *_: refresh(), "results")
    refresh()
    view = pn.Column(
        pn.Row(start, calibrated), WorkBar(engines.work), note(engines.work.param.message), said, table,
        sizing_mode="stretch_width",
    )  # fmt: skip
    return view, refresh


def _code(state: FitState) -> Tab:
    """Return the Python and the recipe that repeat what is looked at."""
    python = pn.widgets.TextInput(value=state.code())
    toml = pn.widgets.TextInput(value=recipe_toml(state.recipe))

    def refresh() -> None:
        python.value, toml.value = state.code(), recipe_toml(state.recipe)

    view = pn.Column(
        code_block("Python", python.param.value),
        code_block("recipe.toml", toml.param.value),
        sizing_mode="stretch_width",
    )
    return view, refresh

"""Phases: a rule or a formula for each, the map of what was found, chips put in or taken out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import Range1d
from bokeh.plotting import figure

from edsnb.core.comparison.frame import Frame, frame_of
from edsnb.core.comparison.phases import Phases
from edsnb.core.counted import counted
from edsnb.plots.elements import scale_of
from edsnb.plots.phases import NO_DATA, phase_colours, phase_groups, phase_picture
from edsnb.state.compare.phasing import BY
from edsnb.state.compare.state import CompareState
from edsnb.widgets.compare.figures import (
    add_scale_bar,
    add_tools,
    draw_outlines,
    image_source,
    outline_source,
    outlines,
)
from edsnb.widgets.figures.figure_pane import FigurePane
from edsnb.widgets.parts.icons import REMOVE
from edsnb.widgets.parts.texts import PLAIN, live_text
from edsnb.widgets.parts.ties import tie
from edsnb.widgets.viewer import push

_SMALL: dict[str, Any] = {"size": "small", "margin": (4, 5)}
_OUTLINED: dict[str, Any] = {**_SMALL, "variant": "outlined"}
_SIDE = 380
_MOST_ROWS = 8


class PhaseMap:
    """The map of phases, with the selected chips outlined; show `pane`."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        self.frame: Frame | None = None
        self._phases: Phases | None = None
        self._scale = 1.0
        self._source, self._outline = image_source(), outline_source()
        plot = figure(
            tools="pan,reset", x_range=Range1d(0, 1), y_range=Range1d(1, 0), frame_width=_SIDE, frame_height=_SIDE,
            min_border=2, background_fill_color=NO_DATA, toolbar_location="above", title="Phases",
        )  # fmt: skip
        plot.toolbar.active_drag = add_tools(plot, self._tapped, self._boxed)
        plot.toolbar.logo = None
        plot.grid.visible = False
        plot.image_rgba("image", "x", "y", "dw", "dh", source=self._source)
        draw_outlines(plot, self._outline)
        self._bar = add_scale_bar(plot, size=12)
        self.figure = plot
        self.pane = FigurePane(plot, width=_SIDE + 75, sizing_mode="fixed")

    def show(self, phases: Phases, pixel_nm: float | None) -> None:
        """Draw the phases; InputError where nobody knows where the regions lie."""
        frame = frame_of(phases.names, phases.regions)
        known = bool(pixel_nm) and frame.unit == "px"
        y0, y1, x0, x1 = frame.extent
        unit, self._scale = scale_of((round(y1 - y0), round(x1 - x0)), pixel_nm if known else None)
        unit = frame.unit if not known else unit
        y0, y1, x0, x1 = (self._scale * end for end in frame.extent)
        picture = np.ascontiguousarray(phase_picture(phases, frame))
        with pn.io.hold():
            self._source.data = {
                "image": [picture.view(np.uint32)[:, :, 0]], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]
            }  # fmt: skip
            if self.frame is None or self.frame.extent != frame.extent:
                self.figure.x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
                self.figure.y_range.update(start=y1, end=y0, reset_start=y1, reset_end=y0)
                ratio = (y1 - y0) / (x1 - x0)
                wide, high = (_SIDE, round(_SIDE * ratio)) if ratio <= 1 else (round(_SIDE / ratio), _SIDE)
                self.figure.update(frame_width=max(wide, 20), frame_height=max(high, 20))
            self.figure.xaxis.axis_label = f"x ({unit})"
            self.figure.yaxis.axis_label = f"y ({unit}), row 0 on top"
            self.figure.tags = [self._scale]
            self._bar.visible = known
            if known:
                self._bar.unit = unit
        self.frame, self._phases = frame, phases
        push(self.pane)

    def select(self, names: Sequence[str]) -> None:
        """Outline some of the regions."""
        if self.frame is not None and self._phases is not None:
            at = {name: k for k, name in enumerate(self._phases.names)}
            numbers = [at[name] for name in names if name in at]
            self._outline.data = outlines(self.frame, numbers, self._scale)
            push(self.pane)

    def _tapped(self, y: float, x: float, add: bool) -> None:
        self.state.select_at(y / self._scale, x / self._scale, add=add)

    def _boxed(self, y0: float, y1: float, x0: float, x1: float, add: bool) -> None:
        y0, y1, x0, x1 = (end / self._scale for end in (y0, y1, x0, x1))
        self.state.select_box(y0, y1, x0, x1, add=add)


class PhaseEditor:
    """Rows of phases, how they are looked for, and edits by hand; show `view`."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        phases = state.phases
        self._rows = [self._row(k) for k in range(_MOST_ROWS)]
        self.table = pn.Column(*(row for row, _ in self._rows))
        self.add = pmui.Button(label="Add a phase", variant="outlined", on_click=lambda _: phases.add(), **_SMALL)
        by = tie(pmui.RadioButtonGroup(label="Phases by", options=dict(BY), sx=PLAIN, **_SMALL), phases, "by")
        clusters = tie(pmui.IntInput(label="Clusters", start=1, end=8, width=100, **_SMALL), phases, "clusters")
        clusters.visible = phases.by == "clusters"
        phases.param.watch(lambda event: setattr(clusters, "visible", event.new == "clusters"), "by")
        numbers = [
            tie(pmui.FloatInput(label="Markers exceed (at%)", start=0.0, end=100.0, step=0.5, width=175, **_SMALL),
                phases, "threshold"),
            tie(pmui.IntInput(label="Border left out (chips)", start=0, end=20, width=175, **_SMALL), phases, "border"),
            tie(pmui.FloatInput(label="Vacuum below (share)", start=0.0, end=0.99, step=0.05, width=175, **_SMALL),
                phases, "vacuum"),
        ]  # fmt: skip
        self.target = pmui.Select(label="Selected chips", options=[], width=150, **_SMALL)
        hand = [
            pmui.Button(label="Add to phase", variant="outlined", on_click=lambda _: self._edit(add=True), **_SMALL),
            pmui.Button(
                label="Remove from phase", variant="outlined", on_click=lambda _: self._edit(add=False), **_SMALL
            ),
            pmui.Button(label="Undo", variant="text", on_click=lambda _: phases.undo(), **_SMALL),
        ]
        self._by_hand = pn.FlexBox(self.target, *hand)
        self.legend = pn.widgets.StaticText(value="", margin=(6, 6))
        hint = live_text(
            "A rule: Sr > 5 and Ti > 5 (at%; counts and haadf too), or markers: Sr, Ti. Empty: found by its formula.",
            styles={"font-size": "12px"},
        )  # fmt: skip
        self.view = pn.Column(
            pn.Row(by, clusters), self.table, self.add, hint, pn.FlexBox(*numbers), self._by_hand,
            self.legend, width=590,
        )  # fmt: skip
        phases.param.watch(self.refresh, ["rows", "by", "found"])
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Show rows and legend as they are now."""
        phases = self.state.phases
        with pn.io.hold():
            for k, (row, fields) in enumerate(self._rows):
                row.visible = k < len(phases.rows) and phases.by == "rules"
                if k < len(phases.rows):
                    one = phases.rows[k]
                    drawn = "drawn" if one.drawn is not None else ""
                    for name, value in (("name", one.name), ("rule", one.rule or drawn), ("formula", one.formula)):
                        if fields[name].value != value:
                            fields[name].value = value
            self.add.visible = phases.by == "rules"
            self.add.disabled = len(phases.rows) >= _MOST_ROWS
            found = phases.found.phases
            names = list(found.masks) if found is not None else [row.name for row in phases.rows]
            if self.target.options != names:
                self.target.param.update(options=names, value=names[0] if names else None)
            self._by_hand.visible = bool(names)
            self.legend.value = _legend(found) if found is not None else ""

    def _row(self, k: int) -> tuple[pn.Row, dict[str, Any]]:
        """Return the fields of one phase."""
        fields = {
            "name": pmui.TextInput(label="Phase", width=110, **_SMALL),
            "rule": pmui.TextInput(label="Rule or markers", placeholder="by formula", width=230, **_SMALL),
            "formula": pmui.TextInput(label="Formula", placeholder="SrTiO3", width=120, **_SMALL),
        }
        for name, field in fields.items():
            field.param.watch(lambda event, name=name: self._change(k, name, event.new), "value")
        gone = pmui.IconButton(
            icon=REMOVE, label=f"Remove phase {k + 1}", on_click=lambda _: self.state.phases.remove(k), size="small",
            margin=(8, 2),
        )  # fmt: skip
        return pn.Row(*fields.values(), gone, visible=False), fields

    def _change(self, k: int, name: str, value: str) -> None:
        rows = self.state.phases.rows
        if k < len(rows) and getattr(rows[k], name) != value.strip() and not (value == "drawn" and name == "rule"):
            self.state.phases.change(k, **{name: value})
            self.refresh()

    def _edit(self, *, add: bool) -> None:
        if self.target.value and self.state.selected:
            self.state.phases.edit(self.target.value, **{"add" if add else "remove": self.state.selected})


def _legend(phases: Phases) -> str:
    """Return the legend as HTML: colour, name, number of chips, how it was found."""
    colours = phase_colours(phases)
    lines = []
    for name, mask in phase_groups(phases).items():
        if not mask.any() and name not in phases.masks:
            continue
        how = f" ({escape(phases.how[name])})" if name in phases.how else ""
        lines.append(
            f'<div><span style="display:inline-block;width:14px;height:14px;background:{colours[name]};'
            f'border:1px solid rgba(128,128,128,.6);vertical-align:-2px;margin-right:8px"></span>'
            f"<b>{escape(name)}</b>: {counted(int(mask.sum()), 'chip')}{how}</div>"
        )
    lines += [f"<div>{escape(note)}</div>" for note in phases.notes]
    return f'<div style="font-size:13px;line-height:1.6">{"".join(lines)}</div>'

"""What lies beside the maps of a ChipExplorer: sliders of the grid, choice of pictures, moving the selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from edsnb.state.chips.pictures import PictureState
from edsnb.state.chips.state import ChipState
from edsnb.widgets.parts.arrow_pad import ArrowPad
from edsnb.widgets.parts.number_slider import NumberSlider
from edsnb.widgets.parts.texts import PLAIN
from edsnb.widgets.parts.ties import follow, tie

WIDTH = 262
SMALL: dict[str, Any] = {"size": "small", "margin": (8, 5, 3, 5)}
"""How controls look that stand close together."""
_POSITIVE = ("size", "stride")
_STEPS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
_SIDES: dict[str, Callable[[int, int], int]] = {
    "size": min,
    "stride": max,
    "origin_y": lambda ny, _: ny - 1,
    "origin_x": lambda _, nx: nx - 1,
}
"""How far the slider of each setting goes on a map of (ny, nx)."""


def grid_controls(state: ChipState) -> pn.viewable.Viewable:
    """Return sliders with number fields for chip size, stride, origin, crop and energy range."""
    sliders = {name: NumberSlider(label=state.param[name].label, start=int(name in _POSITIVE)) for name in _SIDES}
    crops = {name: NumberSlider(label=state.param[name].label, value=[0, 1]) for name in ("crop_y", "crop_x")}
    energy = NumberSlider(label="Energy range (keV)", value=[0, 1], step=0.01)

    def fit_ends(*_: object) -> None:
        ny, nx = state.shape if state.shape[0] else (1, 1)
        for name, side in _SIDES.items():
            sliders[name].end = max(side(ny, nx), sliders[name].start)
        crops["crop_y"].end, crops["crop_x"].end = ny, nx
        if state.image is not None:
            low, high = state.image.energy.range_kev
            energy.param.update(start=round(max(low, 0.0), 2), end=round(high, 2))

    fit_ends()
    state.param.watch(fit_ends, "image")
    for name, slider in sliders.items():
        tie(slider, state, name, write=round)
    for name, slider in crops.items():
        tie(slider, state, name, read=list, write=lambda ends: (round(ends[0]), round(ends[1])))
    tie(energy, state.elements, "energy", read=list, write=lambda ends: (round(ends[0], 3), round(ends[1], 3)))
    side_by_side = tie(pmui.Checkbox(label="Chips side by side", **SMALL), state, "side_by_side")
    state.param.watch(follow(sliders["stride"], disabled=lambda: state.side_by_side), "side_by_side")
    return pn.Column(
        choice(state, "use"), sliders["size"], side_by_side, sliders["stride"], sliders["origin_y"],
        sliders["origin_x"], *crops.values(), energy, width=WIDTH,
    )  # fmt: skip


def choice(state: param.Parameterized, name: str) -> pn.viewable.Viewable:
    """Return buttons for the few values of a parameter, under its label."""
    options = {str(label): value for label, value in state.param[name].names.items()}
    return tie(pmui.RadioButtonGroup(label=state.param[name].label, options=options, sx=PLAIN, **SMALL), state, name)


def select(state: param.Parameterized, name: str, **params: Any) -> Any:
    """Return a list of the values of a parameter, which follows them when they become others."""

    def options() -> dict[str, Any]:
        return {str(label): value for label, value in state.param[name].get_range().items()}

    widget = pmui.Select(label=state.param[name].label, options=options(), **{**SMALL, **params})
    tie(widget, state, name)
    state.param.watch(follow(widget, options=options), name, what="objects")
    return widget


def left_controls(state: PictureState) -> pn.viewable.Viewable:
    """Return the choice of the picture on the left."""
    return pn.Row(select(state, "survey", sizing_mode="stretch_width"), sizing_mode="stretch_width")


def right_controls(state: PictureState) -> pn.viewable.Viewable:
    """Return the choice of the EDS map, with what belongs to each kind of map."""
    kind = select(state, "kind", width=140)
    line = select(state, "line", sizing_mode="stretch_width")
    mix = pmui.MultiChoice(
        label="Colours", options=list(state.param["mix"].objects), sizing_mode="stretch_width", margin=(8, 5, 3, 5)
    )
    tie(mix, state, "mix")
    state.param.watch(follow(mix, options=lambda: list(state.param["mix"].objects)), "mix", what="objects")
    kernel = NumberSlider(label="Kernel", step=2, start=1, slider=False, width=108, margin=(12, 5))
    tie(kernel, state, "kernel", write=lambda value: min(max(round(value), 1), state.param["kernel"].bounds[1]))
    state.param.watch(follow(line, visible=lambda: state.kind == "line"), "kind")
    state.param.watch(follow(mix, visible=lambda: state.kind == "mix"), "kind")
    state.param.watch(follow(kernel, visible=lambda: state.kind in ("line", "mix")), "kind")
    return pn.Row(kind, line, mix, kernel, sizing_mode="stretch_width")


def contrast(state: PictureState, name: str) -> pn.viewable.Viewable:
    """Return the percentiles that are drawn in the first and the last colour."""
    slider = NumberSlider(label=state.param[name].label, value=[0, 100], end=100, step=0.1, width=320)

    def write(ends: list[float]) -> tuple[float, float]:
        low, high = (min(max(end, 0.0), 100.0) for end in ends)
        return min(low, 99.9), max(high, min(low, 99.9) + 0.1)

    return tie(slider, state, name, read=list, write=write)


def selection_controls(state: ChipState) -> pn.viewable.Viewable:
    """Return arrows and number fields that move the selection, and how the spectra of several chips are drawn."""
    pad = ArrowPad(lambda step: state.move(*_STEPS[step]))
    fields = [NumberSlider(label=label, slider=False, width=108, margin=(12, 5)) for label in ("Row", "Column")]

    showing = [False]

    def go(*_: object) -> None:
        if not showing[0]:
            state.go_to(round(fields[0].value), round(fields[1].value))
            show()

    def show(*_: object) -> None:
        cell = state.cell
        showing[0] = True
        for field, value in zip(fields, cell or (0, 0), strict=True):
            field.param.update(value=value, disabled=cell is None)
        showing[0] = False

    show()
    state.param.watch(show, ["selected", "grid"])
    for field in fields:
        field.param.watch(go, "value")
    return pn.Row(pad, *fields)

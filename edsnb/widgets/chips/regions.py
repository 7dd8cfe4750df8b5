"""Drawing, naming, colouring and deleting irregular regions, beside the maps of a ChipExplorer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.chips.drawing import DrawingState
from edsnb.state.chips.drawn import COLOURS, LABEL_FILES, DrawnState
from edsnb.state.chips.state import ChipState
from edsnb.widgets.chips.controls import SMALL, WIDTH, choice, select
from edsnb.widgets.parts.number_slider import NumberSlider
from edsnb.widgets.parts.texts import live_text
from edsnb.widgets.parts.ties import follow, tie

_LARGEST = "64MB"
_WIDE = WIDTH - 14
_SAID: dict[str, Any] = {"styles": {"font-size": "12px"}, "margin": (0, 5)}


def region_controls(state: ChipState) -> pn.viewable.Viewable:
    """Return all that draws and edits regions."""
    drawing, drawn = state.drawing, state.drawn
    return pn.Column(
        choice(state, "use"),
        select(drawing, "tool", width=_WIDE),
        live_text(drawing.param.message, **_SAID),
        select(drawn, "current", width=_WIDE),
        tie(pmui.Checkbox(label="Take pixels away", **SMALL), drawn, "remove"),
        *_tool_controls(drawing, drawn),
        *_band_controls(drawing),
        *_area_controls(drawing, drawn),
        live_text(drawn.param.message, **_SAID),
        *_import_controls(drawn),
        width=WIDTH,
    )


def _tool_controls(drawing: DrawingState, drawn: DrawnState) -> list[pn.viewable.Viewable]:
    """Return what belongs to the polygon and to the brush; shown with their tools."""
    low, high = drawn.param["radius"].bounds
    radius = NumberSlider(label="Brush radius (px)", start=low, end=50.0, step=0.5)
    tie(radius, drawn, "radius", write=lambda value: min(max(float(value), low), high))
    corners = pn.Row(
        pmui.Button(label="Close polygon", on_click=lambda _: drawing.close(), **SMALL),
        pmui.Button(label="Corner back", variant="outlined", on_click=lambda _: drawing.back(), **SMALL),
    )
    drawing.param.watch(follow(radius, visible=lambda: drawing.tool == "brush"), "tool")
    drawing.param.watch(follow(corners, visible=lambda: drawing.tool == "polygon"), "tool")
    return [radius, corners]


def _band_controls(drawing: DrawingState) -> list[pn.viewable.Viewable]:
    """Return what takes the pixels between two values of a picture."""
    side = select(drawing, "side", width=_WIDE)
    band = NumberSlider(label="Values taken", value=[0, 1], step=0.01)
    tie(band, drawing, "band", read=list, write=lambda ends: (float(ends[0]), float(ends[1])))
    take = pmui.Button(label="Take these pixels", on_click=lambda _: drawing.take_band(), **SMALL)

    def ends() -> dict[str, float]:
        low, high = drawing.limits
        return {"start": low, "end": high, "step": (high - low) / 500 or 0.01}

    drawing.param.watch(lambda *_: band.param.update(**ends()), "limits")
    for widget in (band, take):
        drawing.param.watch(follow(widget, visible=lambda: drawing.side != "off"), "side")
    return [side, band, take]


def _area_controls(drawing: DrawingState, drawn: DrawnState) -> list[pn.viewable.Viewable]:
    """Return name, colour and corners of the region that is drawn into, and what deletes it."""
    name = pmui.TextInput(label="Name", width=_WIDE - 136, **SMALL)
    colour = pmui.ColorPicker(label="Colour", width=126, **SMALL)
    corners = pmui.TextInput(label="Corners, y x; y x; ... (px)", width=_WIDE, **SMALL)
    delete = pmui.Button(label="Delete", color="error", variant="outlined", **SMALL)
    undo = pmui.Button(label="Undo", variant="outlined", on_click=lambda _: drawn.undo(), **SMALL)
    delete.on_click(lambda _: drawn.delete(drawn.current))

    def show(*_: object) -> None:
        area = drawn.chosen
        for widget in (name, colour, delete):
            widget.disabled = area is None
        name.value = area.name if area is not None else ""
        colour.value = area.colour if area is not None else COLOURS[0]
        corners.value = drawing.corner_text

    show()
    drawn.param.watch(show, ["areas", "current"])
    name.param.watch(lambda event: drawn.rename(drawn.current, event.new) if drawn.chosen else None, "value")
    colour.param.watch(lambda event: drawn.recolour(drawn.current, event.new) if drawn.chosen else None, "value")

    def typed(event: Any) -> None:
        if event.new.strip() and event.new != drawing.corner_text:
            drawing.type_corners(event.new)

    corners.param.watch(typed, "value")
    return [pn.Row(name, colour), corners, pn.Row(delete, undo)]


def _import_controls(drawn: DrawnState) -> list[pn.viewable.Viewable]:
    """Return what makes regions of a label image, uploaded or named by its path."""
    dropper = pn.widgets.FileDropper(
        multiple=False, max_file_size=_LARGEST, width=_WIDE, height=70, margin=(3, 5),
    )  # fmt: skip
    path = pmui.TextInput(label="Path of a label image", placeholder="Path, then Enter", width=_WIDE, **SMALL)
    said = live_text(f"Import a label image ({LABEL_FILES}): each label a region.", **_SAID)

    def uploaded(event: Any) -> None:
        for name, data in (event.new or {}).items():
            _import_bytes(drawn, name, data if isinstance(data, bytes) else str(data).encode())

    def named(event: Any) -> None:
        if event.new.strip():
            drawn.import_labels(event.new.strip())

    dropper.param.watch(uploaded, "value")
    path.param.watch(named, "value")
    outside = tie(pmui.Checkbox(label="0 is outside", **SMALL), drawn, "zero_outside")
    return [said, outside, *([path] if drawn.local else []), dropper]


def _import_bytes(drawn: DrawnState, name: str, data: bytes) -> None:
    """Make regions of an uploaded label image."""
    with tempfile.TemporaryDirectory() as folder:
        # The name comes from outside: only its last part is used.
        file = Path(folder) / Path(name).name
        file.write_bytes(data)
        drawn.import_labels(file, shown_as=file.name)

"""What stands above a comparison: both methods, values, elements, and more methods to choose from."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.compare.state import MOST, QUANTITIES, CompareState
from edsnb.widgets.parts.icons import SWAP
from edsnb.widgets.parts.texts import PLAIN, live_text
from edsnb.widgets.parts.ties import follow, tie

_SMALL: dict[str, Any] = {"size": "small", "margin": (4, 6)}
"""Keeps buttons from being written in capitals: LA is no element."""
_SOURCES = {
    "Velox, exported tables (file or folder)": "velox:",
    "Table by hand or edsnb's chips.csv": "table:",
    "Velox, experiment log of an .emd": "velox-log:",
    "Velox, maps in an .emd": "velox-maps:",
}


def pair_controls(state: CompareState, *, local: bool = True) -> pn.viewable.Viewable:
    """Return the choice of both methods, of the values and the elements; `local` as for `more_methods`."""
    first, second = (_method(state, name) for name in ("first", "second"))
    swap = pmui.IconButton(
        icon=SWAP, label="Swap first and second", on_click=lambda _: state.swap(), size="small", margin=(8, 2)
    )
    run = pmui.Button(
        label="Compare", variant="contained", on_click=lambda _: state.run(), size="small", margin=(10, 6)
    )
    values = tie(pmui.RadioButtonGroup(label="Values", options=dict(QUANTITIES), sx=PLAIN, **_SMALL), state, "quantity")
    common = tie(pmui.Checkbox(label="Common elements share 100 %", **_SMALL), state, "renormalise")
    apart = pmui.FloatInput(label="Match up to (px) apart", start=0.0, step=1.0, width=170, **_SMALL)
    tie(apart, state, "tolerance_px")
    adding = pmui.Toggle(label="More methods", size="small", margin=(10, 6), sx=PLAIN)
    more = more_methods(state, local=local)
    more.visible = False
    adding.param.watch(lambda event: setattr(more, "visible", event.new), "value")
    elements = pmui.MultiChoice(label=f"Elements (up to {MOST})", options=[], width=400, margin=(4, 6))

    def take(event: Any) -> None:
        # What is only shown because nothing was chosen is no choice.
        if list(event.new) != list(state.shown):
            state.elements = list(event.new)
            show_elements()

    def offered() -> list[str]:
        return list(state.comparison.elements) if state.comparison is not None else []

    def show_elements(*_: object) -> None:
        chosen = list(state.shown)
        if elements.options != offered() or elements.value != chosen:
            elements.param.update(options=offered(), value=chosen)

    elements.param.watch(take, "value")
    state.param.watch(show_elements, ["comparison", "shown"])
    show_elements()
    return pn.Column(
        pn.FlexBox(first, swap, second, run, adding, align_items="center"),
        more,
        pn.FlexBox(values, elements, common, apart, align_items="center"),
        sizing_mode="stretch_width",
    )


def colour_controls(state: CompareState) -> pn.viewable.Viewable:
    """Return what decides about the colours of the maps."""
    names = ("together", "everything")
    return pn.Row(*(tie(pmui.Checkbox(label=state.param[n].label, **_SMALL), state, n) for n in names))


def _method(state: CompareState, name: str) -> pn.viewable.Viewable:
    """Return the choice of a method, which follows what there is to choose from."""

    def options() -> dict[str, str]:
        return {one or "(choose)": one for one in state.param[name].objects}

    widget = pmui.Select(
        label=state.param[name].label, options=options(), value=getattr(state, name), width=250, **_SMALL
    )
    tie(widget, state, name)
    state.param.watch(follow(widget, options=options), name, what="objects")
    return widget


def more_methods(state: CompareState, *, local: bool = True) -> pn.viewable.Viewable:
    """Return what adds methods: a source, tables from this computer, another recipe.

    Parameters
    ----------
    state
        Where they are added.
    local
        Whether whoever looks works on this computer: only then may files be named by their path.
    """
    parts: list[Any] = [("Tables from this computer", _upload(state)), ("Another recipe", _recipe(state))]
    if local:
        parts.insert(0, ("Velox or a table by path", _path(state)))
    return pmui.Accordion(*parts, active=[], sizing_mode="stretch_width", margin=(4, 6))


def _path(state: CompareState) -> pn.viewable.Viewable:
    kind = pmui.Select(label="What", options=dict(_SOURCES), width=330, **_SMALL)
    path = pmui.TextInput(label="Path", placeholder="folder or file", width=420, **_SMALL)

    def add(*_: object) -> None:
        if path.value.strip():
            state.add(f"{kind.value}{path.value.strip()}")

    button = pmui.Button(label="Add", variant="outlined", on_click=add, size="small", margin=(10, 6))
    return pn.FlexBox(kind, path, button)


def _upload(state: CompareState) -> pn.viewable.Viewable:
    files = pmui.FileInput(accept=".csv,.txt,.xlsx", multiple=True, margin=(6, 6))

    def take(*_: object) -> None:
        names, data = files.filename, files.value
        if data:
            pairs = zip(names, data, strict=True) if isinstance(data, list) else [(names, data)]
            state.add_tables({str(name): bytes(content) for name, content in pairs})

    files.param.watch(take, "value")
    said = live_text("CSV or XLSX as Velox exports them, or compiled by hand; several files are batches of one grid.")
    return pn.Column(files, said)


def _recipe(state: CompareState) -> pn.viewable.Viewable:
    name = pmui.TextInput(label="Name", placeholder="edsnb, another recipe", width=260, **_SMALL)
    toml = pmui.TextAreaInput(
        label="Settings (TOML)", value=_toml(state), rows=8, width=620, margin=(4, 6), placeholder='engine = "window"'
    )
    button = pmui.Button(
        label="Add", variant="outlined", size="small", margin=(10, 6),
        on_click=lambda _: state.add_recipe(toml.value, name.value),
    )  # fmt: skip
    state.param.watch(lambda *_: _fill(toml, state), "first", what="objects")
    return pn.Column(pn.Row(name, button), toml)


def _fill(toml: Any, state: CompareState) -> None:
    """Begin with the settings of the analysis, unless others were written."""
    if not toml.value.strip():
        toml.value = _toml(state)


def _toml(state: CompareState) -> str:
    """Return the settings of the analysis."""
    return state.base.asked.to_toml() if state.base is not None else ""

"""Widgets that follow a setting of the Workbench, and set it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.bench.intent import DEFAULTS
from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.parts.texts import LiveText, live_text

DENSE = {"size": "small", "sizing_mode": "stretch_width", "margin": (6, 4)}
"""How controls look beside the figures."""


def as_is(value: Any) -> Any:
    """Return the value itself."""
    return value


TEXT = {"font-size": "14px"}
"""How lines of text look."""
ROW_PX = 24
DENSE_TABLE = f"""
:host .tabulator {{ font-size: 12px }}
:host .tabulator-row .tabulator-cell, :host .tabulator-col .tabulator-col-content {{ padding: 3px 8px !important }}
:host .tabulator .tabulator-tableholder .tabulator-table .tabulator-row,
:host .tabulator .tabulator-tableholder .tabulator-table .tabulator-row .tabulator-cell {{
  min-height: {ROW_PX}px; height: {ROW_PX}px !important
}}
:host .tabulator-col .tabulator-header-filter input {{ padding: 2px !important; font-size: 11px; min-width: 26px }}
"""
"""Rows close together, so that many are seen; the height is for ``configuration``, too, which counts rows by it."""


class Fields:
    """Ties widgets to settings: a change of either is taken over by the other."""

    def __init__(self, state: WorkbenchState) -> None:
        self.state = state
        self._fields: list[tuple[Any, Callable[[], Any]]] = []
        self._taking = False
        state.param.watch(lambda _: self.refresh(), ["settings", "image"])

    def tie(
        self,
        widget: Any,
        setting: str,
        *,
        show: Callable[[Any], Any] = as_is,
        read: Callable[[Any], Any] = as_is,
    ) -> Any:
        """Tie a widget to a setting of the recipe: `show` makes the widget's value of it, `read` the way back."""

        def shown() -> Any:
            return show(self.state.settings.get(setting, DEFAULTS[setting]))

        return self.follow(widget, shown, lambda value: self.state.set(**{setting: read(value)}))

    def tie_number(
        self, widget: Any, shown: Callable[[], float | None], change: Callable[[float | None], object]
    ) -> Any:
        """Tie a field for a number; a text that is none is marked, and changes nothing."""

        def read(text: str) -> None:
            try:
                value = float(text.strip().replace(",", ".")) if text.strip() else None
            except ValueError:
                widget.error_state = True
                return
            widget.error_state = False
            change(value)

        return self.follow(widget, lambda: _as_text(shown()), read)

    def follow(self, widget: Any, shown: Callable[[], Any], change: Callable[[Any], object]) -> Any:
        """Let a widget show what `shown` returns, and call `change` with what the hand enters."""
        widget.value = shown()
        self._fields.append((widget, shown))
        widget.param.watch(lambda event: None if self._taking else change(event.new), "value")
        return widget

    def refresh(self) -> None:
        """Show the settings as they are now."""
        self._taking = True
        try:
            for widget, shown in self._fields:
                if widget.value != (value := shown()):
                    widget.value = value
        finally:
            self._taking = False


def note(text: Any) -> LiveText:
    """Return a line beside controls, which takes no room while there is nothing to say."""
    return live_text(text, styles=TEXT, margin=(2, 6))


def alert(text: Any, severity: str, **params: Any) -> pmui.Alert:
    """Return a framed sentence that is only there while there is something to say; a text, or a parameter.

    The sentence is a child of the frame: the frame's own text would be taken for HTML, and messages hold what people
    and links say.
    """
    line = live_text(text, styles=TEXT, margin=0)
    box = pmui.Alert(line, severity=severity, **{"margin": (2, 4), "sizing_mode": "stretch_width", **params})
    box.visible = bool(text) if isinstance(text, str) else pn.bind(bool, text)
    return box


def number(label: str, unit: str, **params: Any) -> pmui.TextInput:
    """Return a small field for a number, which may be left empty; see `Fields.tie_number`."""
    return pmui.TextInput(label=f"{label} ({unit})", **{**DENSE, **params})


def choice(label: str, options: Any, **params: Any) -> pmui.Select:
    """Return a small select."""
    return pmui.Select(label=label, options=options, **{**DENSE, **params})


def _as_text(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"

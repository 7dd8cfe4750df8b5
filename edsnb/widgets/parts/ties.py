"""Widgets tied to parameters of a state, both ways: what the state makes of a value is what the widget shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param


def tie(
    widget: Any,
    state: param.Parameterized,
    name: str,
    *,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] | None = None,
) -> Any:
    """Let a widget set a parameter and show it; return the widget.

    Unlike Panel's ``from_param``, a value that the state changes while it is being set, such as one beyond the crop,
    is shown as it was changed. `read` turns the parameter into the widget's value, `write` the other way round.
    """
    to_widget, to_state = read or (lambda value: value), write or (lambda value: value)

    def show(*_: object) -> None:
        value = to_widget(getattr(state, name))
        if widget.value != value:
            widget.value = value

    def take(event: param.parameterized.Event) -> None:
        if event.new is None:
            show()
            return
        value = to_state(event.new)
        if value != getattr(state, name):
            setattr(state, name, value)
        show()

    show()
    widget.param.watch(take, "value")
    state.param.watch(show, name)
    return widget


def follow(widget: Any, **values: Callable[[], Any]) -> Callable[..., None]:
    """Return a watcher that gives parameters of a widget what the functions return now; it is called once at once."""

    def update(*_: object) -> None:
        new = {name: value() for name, value in values.items()}
        changed = {name: value for name, value in new.items() if getattr(widget, name) != value}
        if changed:
            widget.param.update(**changed)

    update()
    return update

"""A pane of a Bokeh figure whose answers to the browser do not swallow those to what came with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.models import Axis
from panel.io.notebook import push

_LETTERS = {"axis_label_text_font_size": "1em", "major_label_text_font_size": "0.925em"}
"""Of axes: those that Material gives them on a page. In a notebook it has larger ones, up to a quarter."""


class FigurePane(pn.pane.Bokeh):
    """Shows a figure.

    In a notebook the browser tells several changes in one message. After the first that Python answers with a function
    of a figure's own, Panel's pane leaves the document held, and the functions of all that follow are not called.
    """

    def __init__(self, plot: Any, **params: Any) -> None:
        for axis in plot.select({"type": Axis}):
            given = axis.properties_with_values(include_defaults=False)
            axis.update(**{name: size for name, size in _LETTERS.items() if name not in given})
        super().__init__(plot, **params)

    @classmethod
    def _property_callback_wrapper(cls, answer: Callable[..., None], doc: Any, comm: Any, answers: list[Any]) -> Any:
        if comm is None:
            return super()._property_callback_wrapper(answer, doc, comm, answers)

        def wrapped(attr: str, old: Any, new: Any) -> None:
            held = doc.callbacks.hold_value
            doc.hold()
            try:
                answer(attr, old, new)
                push(doc, comm)
            finally:
                if held is None:
                    doc.unhold()

        return wrapped

"""A slider with a number field, for one number or a low and a high one, that never lags behind the hand."""

from __future__ import annotations

from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from edsnb.widgets.scripts import script


class NumberSlider(JSComponent):
    """Sets `value` while the slider moves, each time all that followed from the value before is done.

    Panel's sliders send every value they pass, 50 ms late; here the browser waits for the answer and then sends the
    newest one. A value typed into the field may lie beyond `start` and `end`: whoever watches may change it back.
    """

    label = param.String(doc="What is set, with its unit.")
    value = param.Parameter(default=0, doc="A number, or a list of a low and a high one.")
    start = param.Number(default=0, doc="Lowest value of the slider.")
    end = param.Number(default=1, doc="Highest value of the slider.")
    step = param.Number(default=1)
    slider = param.Boolean(default=True, doc="Whether there is a slider beside the number field.")
    disabled = param.Boolean(default=False)
    answered = param.Integer(default=0, doc="The last change of the browser that has been dealt with.")

    _esm = script("number_slider.js")
    _stylesheets: ClassVar[list[str]] = [script("number_slider.css")]

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"width": 236, "margin": (2, 5), **params})

    def _handle_msg(self, data: Any) -> None:
        number, value = data
        # All that changes goes to the browser as one message, the answer with it.
        with pn.io.hold():
            try:
                self.value = value
            finally:
                self.answered = number

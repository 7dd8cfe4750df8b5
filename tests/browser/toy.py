"""A small viewer that does what every widget does: a control, direct Bokeh data, long work."""

from __future__ import annotations

import time

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from edsnb.errors import CancelledError
from edsnb.state.work import Work
from edsnb.widgets.parts.texts import WorkBar, live_text
from edsnb.widgets.viewer import EdsnbViewer, push, session_loop


class ToyState(param.Parameterized):
    size = param.Integer(default=4, bounds=(1, 20), label="Size (px)")
    answer = param.Integer(default=0, constant=True)

    def __init__(self, **params):
        super().__init__(**params)
        self.work = Work()

    def code(self):
        return f"size = {self.size}"

    def slow(self):
        def count(progress):
            for i in range(100):
                time.sleep(0.02)
                if progress(i + 1, 100) is False:
                    raise CancelledError("stopped")
            return 42

        def keep(value):
            with param.edit_constant(self):
                self.answer = value

        self.work.start("Counting", count, keep)


class Toy(EdsnbViewer):
    def __init__(self):
        super().__init__(state=ToyState())
        self.state.work.deliver_to(session_loop())
        self.source = ColumnDataSource({"x": np.arange(4.0), "y": np.arange(4.0)})

    def build(self):
        state = self.state
        plot = figure(width=300, height=200, title="4 points", x_axis_label="x (px)", y_axis_label="y (px)")
        plot.scatter("x", "y", source=self.source, size=8)
        pane = pn.pane.Bokeh(plot)

        def redraw(event):
            self.source.data = {"x": np.arange(float(event.new)), "y": np.arange(float(event.new))}
            plot.title.text = f"{event.new} points"
            push(pane)

        state.param.watch(redraw, "size")
        return pn.Column(
            pmui.IntSlider.from_param(state.param.size),
            pane,
            pmui.Button(label="Start", on_click=lambda _: state.slow()),
            WorkBar(state.work),
            live_text(pn.bind(lambda a: f"Answer: {a}", state.param.answer)),
            live_text(state.work.param.message),
        )

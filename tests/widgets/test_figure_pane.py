"""Several changes that a notebook's browser tells in one message."""

from __future__ import annotations

from bokeh.document import Document
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from pyviz_comms import Comm

from edsnb.widgets.figures.figure_pane import FigurePane


def told_together(pane_of) -> list[str]:
    """Return what is answered of two changes in one message, as Panel applies it to a notebook's document."""
    answered = []
    sources = [ColumnDataSource({"x": [0]}, name=name) for name in ("first", "second")]
    plot = figure()
    for source in sources:
        plot.scatter("x", "x", source=source)
        source.on_change("data", lambda attr, old, new, name=source.name: answered.append(name))
    document = Document()
    document.add_root(pane_of(plot).get_root(document, Comm(id="test")))
    document.hold()
    for source in sources:
        source.data = {"x": [1]}
    document.unhold()
    return answered


def test_each_is_answered():
    assert told_together(FigurePane) == ["first", "second"]

"""Sliders, lines of text, and ties between widgets and states, without a browser."""

from __future__ import annotations

import panel_material_ui as pmui
import param
import pytest

from edsnb.widgets.parts.number_slider import NumberSlider
from edsnb.widgets.parts.texts import LiveText, live_text
from edsnb.widgets.parts.ties import follow, tie
from edsnb.widgets.setup import setup


class Clamping(param.Parameterized):
    size = param.Integer(default=5)
    ends = param.Tuple(default=(0, 9))
    text = param.String(default="")

    @param.depends("size", watch=True)
    def _clamp(self):
        if self.size > 10:
            self.size = 10


@pytest.fixture
def state() -> Clamping:
    setup()
    return Clamping()


def test_slider_shows_what_the_state_makes_of_a_value(state):
    slider = tie(NumberSlider(label="Size"), state, "size", write=round)
    assert slider.value == 5
    slider._handle_msg([7, 40])
    assert (state.size, slider.value, slider.answered) == (10, 10, 7)
    slider._handle_msg([8, 90])
    assert (state.size, slider.value, slider.answered) == (10, 10, 8), "clamped to what it was"
    state.size = 3
    assert slider.value == 3


def test_every_change_is_answered_even_one_that_fails(state):
    slider = NumberSlider(label="Size")

    def fail(event):
        raise ZeroDivisionError("as it may happen")

    slider.param.watch(fail, "value")
    with pytest.raises(ZeroDivisionError):
        slider._handle_msg([3, 9])
    assert slider.answered == 3


def test_pairs(state):
    slider = tie(NumberSlider(value=[0, 1]), state, "ends", read=list, write=tuple)
    assert slider.value == [0, 9]
    slider._handle_msg([1, [2, 4]])
    assert state.ends == (2, 4)


def test_emptied_field_changes_nothing(state):
    field = tie(pmui.IntInput(label="Size"), state, "size")
    field.value = None
    assert (state.size, field.value) == (5, 5)


def test_follow(state):
    box = pmui.Checkbox(label="box")
    state.param.watch(follow(box, disabled=lambda: state.size > 7), "size")
    assert not box.disabled
    state.size = 8
    assert box.disabled


def test_lines_follow_their_texts(state):
    other = Clamping(text="b")
    lines = LiveText.of([(state, "text"), (other, "text")])
    assert lines.lines == ["", "b"]
    state.text = "a"
    assert lines.lines == ["a", "b"]


def test_what_the_browser_sends_back_changes_no_text():
    class State(param.Parameterized):
        text = param.String("first")

    state = State()
    line = live_text(state.param.text)
    state.text = "second"
    line._process_events({"lines": ["first"]})
    assert line.lines == ["second"]
    state.text = "third"
    assert line.lines == ["third"]

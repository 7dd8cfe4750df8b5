"""Figures follow the room that there is: what a Room asks for, and what maps and spectra make of it."""

from __future__ import annotations

import numpy as np
import pytest

from edsnb.widgets.figures.map_pane import MARGINS, MapPane
from edsnb.widgets.figures.spectrum_pane import SpectrumPane
from edsnb.widgets.parts.room import Room
from edsnb.widgets.setup import setup


@pytest.fixture(autouse=True)
def ready():
    setup()


def test_a_room_is_a_laptop_until_the_browser_has_told_its_own():
    asked: list[tuple[int, int]] = []
    room = Room(lambda width, height: asked.append((width, height)), beside=200)
    room.room = [1600, 1000]
    assert asked == [(1032, 800), (1600, 1000)]


def test_a_little_more_room_is_not_worth_a_new_layout_a_little_less_is():
    asked: list[tuple[int, int]] = []
    room = Room(lambda width, height: asked.append((width, height)))
    room.room = [1248, 816]
    assert len(asked) == 1
    room.room = [1224, 816]
    assert asked[-1] == (1224, 816)


@pytest.mark.parametrize("shape", [(3, 4), (1, 300), (50, 10)])
def test_a_map_of_another_size_shows_the_same_part_with_square_pixels(shape):
    pane = MapPane("a map", width=200)
    pane.show(np.zeros(shape, np.float32), "X-rays", pixel_nm=0.5)
    whole = [(axis.start, axis.end) for axis in (pane.figure.x_range, pane.figure.y_range)]
    for axis, (start, end) in zip((pane.figure.x_range, pane.figure.y_range), whole, strict=True):
        axis.update(start=start, end=start + (end - start) / 2)
    pane.resize(330)
    plot = pane.figure
    assert max(plot.frame_width, plot.frame_height) == 330
    assert (plot.width, plot.height) == (
        plot.frame_width + sum(MARGINS[:2]),
        plot.frame_height + sum(MARGINS[2:]),
    )
    for axis in (plot.x_range, plot.y_range):
        assert (axis.end - axis.start) / (axis.reset_end - axis.reset_start) == pytest.approx(0.5)
    high = plot.frame_height / abs(plot.y_range.end - plot.y_range.start)
    assert high == pytest.approx(plot.frame_width / (plot.x_range.end - plot.x_range.start), rel=1e-6)


def test_a_wider_spectrum_names_more_lines():
    pane = SpectrumPane(width=240)
    lines = [(1.0 + 0.02 * k, f"X{k} Kα", 1.0) for k in range(20)]
    pane.show(np.linspace(0, 2, 200), {"counts": np.ones(200)}, lines=lines)
    few = len(pane.labels.data["name"])
    pane.resize(900, 300)
    assert len(pane.labels.data["name"]) > few
    assert pane.plot.frame_width == pane.strip.frame_width
    assert pane.plot.height == 300

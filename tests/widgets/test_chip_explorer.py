"""ChipExplorer without a browser: it is built of bad and good input, and draws what its state holds."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import numpy as np
import panel as pn
import pytest
from panel.custom import JSComponent

import edsnb
from edsnb.core.events import Events
from edsnb.state.chips.state import ChipState
from edsnb.widgets.chips.explorer import ChipExplorer
from edsnb.widgets.chips.regions import _import_bytes
from edsnb.widgets.parts.number_slider import NumberSlider
from tests.helpers import real_file
from tests.simulated import empty, small, stored_only


@pytest.fixture
def explorer() -> ChipExplorer:
    made = ChipExplorer(state=ChipState(small().image, size=8))
    made.__panel__()
    made.state.wait()
    return made


def slider(explorer: ChipExplorer, label: str) -> NumberSlider:
    return next(s for s in explorer.__panel__().select(NumberSlider) if s.label == label)


def tiny(shape: tuple[int, int]):
    image = small().image
    events = image.require_events()
    first = events.indptr[: shape[0] * shape[1] + 1]
    part = Events(first, events.channel[: first[-1]], None, events.channels)
    return replace(image, shape=shape, surveys={}, events=part)


BAD = {
    "nothing": None,
    "no map": stored_only(),
    "no X-rays": empty(),
    "one pixel": tiny((1, 1)),
    "one row": tiny((1, 40)),
    "no elements": replace(small().image, elements=()),
    "no image, no pixel size": replace(small().image, surveys={}, pixel_nm=None),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_built_of_anything_and_stays_usable(name):
    explorer = ChipExplorer(state=ChipState(BAD[name]))
    layout = explorer.__panel__()
    state = explorer.state
    state.wait()
    slider(explorer, "Chip size (px)")._handle_msg([1, 3])
    for kind in ("line", "mix", "window", "counts"):
        state.pictures.kind = kind
        state.wait()
    state.select(0, 0)
    state.use = "both"
    assert isinstance(explorer.code(), str)
    assert layout.get_root() is not None


@pytest.mark.parametrize(
    "name", ["velox_v11_no_elements.emd", "velox_v11_SI_16x16_reduced.emd", "example_velox_EELS_EDS.emd", "EDS-STO.emd"]
)
def test_real_files(name):
    image = edsnb.open(real_file(name))
    explorer = ChipExplorer(state=ChipState(image, size=4))
    explorer.__panel__()
    state = explorer.state
    for survey in list(state.pictures.param["survey"].objects):
        state.pictures.survey = survey
    state.wait()
    if image.events is None:
        assert "holds no map" in state.message
        return
    assert len(state.regions) > 3
    assert "X-rays a chip" in state.summary
    assert ("no element is chosen" in state.expected) != bool(image.elements), state.expected
    made: dict[str, object] = {}
    exec(explorer.code(), made)
    np.testing.assert_array_equal(made["shown"], state.spectra.counts)


def test_path_of_a_file_that_fails(tmp_path):
    broken = tmp_path / "broken.emd"
    broken.write_bytes(b"")
    explorer = ChipExplorer(broken)
    explorer.state.opening.wait()
    explorer.__panel__()
    assert "broken.emd" in explorer.state.opening.message


def test_figures_follow_the_state(explorer):
    state = explorer.state
    lines = explorer._left._lines
    assert len(lines["grid"].data["x0"]) == 18
    assert len(lines["selected"].data["x0"]) == 4
    state.size = 16
    assert len(lines["grid"].data["x0"]) == 10
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    assert list(lines["areas"].data["colour"]) == ["#56B4E9"] * 4
    state.use = "drawn"
    assert len(lines["grid"].data["x0"]) == 0
    state.pictures.map_contrast = (0.0, 50.0)
    assert explorer._right.limits == (0.0, float(np.percentile(state.pictures.right.image, 50)))
    state.pictures.kind = "mix"
    state.wait()
    assert [item.label.value for item in explorer._right._legend.items] == ["O", "Ti", "Fe"]


def test_spectra_follow_the_selection(explorer):
    state, pane = explorer.state, explorer._spectrum
    low, high = state.elements.energy
    inside = small().image.energy.channels(low, high)
    np.testing.assert_array_equal(pane._curves["counts0"], state.spectra.counts[0, inside])
    state.select(10, 10)
    state.select(30, 30, add=True)
    names = [item.label.value for item in pane.plot.legend[0].items]
    assert names == ["R1C1", "R3C3"]
    np.testing.assert_array_equal(pane._curves["counts1"], state.spectra.counts[1, inside])
    state.together = "sum"
    np.testing.assert_array_equal(pane._curves["counts0"], state.spectra.counts[:, inside].sum(axis=0))
    state.together = "overlay"
    for y in range(0, 64, 8):
        state.select(y, 60, add=True)
    assert "the last 6 of 10 selected" in pane.title.text


def test_sliders_clamp(explorer):
    size = slider(explorer, "Chip size (px)")
    assert (size.value, size.end) == (8, 64)
    slider(explorer, "Crop y (px)")._handle_msg([1, [0, 20]])
    size._handle_msg([2, 50])
    assert (size.value, explorer.state.size) == (20, 20)
    assert "does not fit" in explorer.state.message
    slider(explorer, "Energy range (keV)")._handle_msg([1, [1.0, 9.5]])
    assert explorer.state.elements.energy == (1.0, 9.5)


def test_dragged_corners_and_strokes_reach_the_state(explorer):
    state, tools = explorer.state, explorer._tools[1]
    state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    state.drawn.current = "region 1"
    state.drawing.tool = "corners"
    data = {name: list(values) for name, values in tools._corners.data.items()}
    data["x"][1] = 40.0 * explorer._right.scale
    tools._corners.data = data
    assert state.drawing.corners()[0][1] == (0.0, 40.0)
    assert explorer._right.figure.toolbar.active_multi is tools._several["corners"]
    state.drawn.current = "a new region"
    state.drawing.tool = "brush"
    tools._strokes.data = {"xs": [[60.0, 80.0]], "ys": [[100.0, 100.0]]}
    assert state.drawn.areas[1].steps[0].shape.path == ((50.0, 30.0), (50.0, 40.0))
    assert not tools._strokes.data["xs"]
    state.drawing.side = "right"
    assert tools._band.data["image"][0].sum() == state.drawing.inside.sum()
    state.drawing.side = "off"
    assert not tools._band.data["image"]


def test_uploaded_label_images(explorer, tmp_path):
    labels = np.zeros((64, 64), np.uint8)
    labels[:8] = 3
    np.save(tmp_path / "l.npy", labels)
    _import_bytes(explorer.state.drawn, "../../l.npy", (tmp_path / "l.npy").read_bytes())
    assert explorer.state.drawn.names == ["l 3"]
    assert "read_label_image('l.npy')" in explorer.code()


def test_two_explorers_do_not_disturb_each_other():
    first, second = (ChipExplorer(state=ChipState(small().image, size=8)) for _ in range(2))
    for explorer in (first, second):
        explorer.__panel__()
    first.state.size = 20
    first.state.drawn.polygon([(0, 0), (0, 20), (20, 20), (20, 0)])
    first.state.pictures.set_window(1.0, 2.0)
    assert (second.state.size, second.state.drawn.areas, second.state.pictures.kind) == (8, (), "counts")
    assert second.state.pictures.param["survey"].objects is not first.state.pictures.param["survey"].objects
    assert "region 1" not in second.state.drawn.param["current"].objects
    for explorer in (first, second):
        explorer.state.wait()


def test_every_control_has_a_label(explorer):
    for view in explorer.__panel__().select(pn.widgets.Widget):
        if not isinstance(view, pn.widgets.FileDropper):
            assert view.name or getattr(view, "label", ""), view
    for view in explorer.__panel__().select(JSComponent):
        assert getattr(view, "label", "lines"), view


def test_a_state_of_ones_own_is_followed_on_the_loop():
    """As in a notebook, where nobody waits: what was begun before the widget was made reaches it too."""

    async def shown() -> ChipState:
        state = ChipState(small().image)
        changed_in: set[threading.Thread] = set()
        state.param.watch(lambda _: changed_in.add(threading.current_thread()), ["chip_counts", "all_spectra"])
        ChipExplorer(state=state)
        for _ in range(600):
            if state.chip_counts is not None and state.all_spectra is not None:
                break
            await asyncio.sleep(0.05)
        assert changed_in == {threading.current_thread()}
        return state

    state = asyncio.run(shown())
    assert len(state.chip_counts) == len(state.all_spectra)

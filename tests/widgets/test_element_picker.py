"""The element picker without a browser: what its parts are given to draw, and what they send."""

from __future__ import annotations

from dataclasses import replace

import pytest

import edsnb
from edsnb.core.events import Events
from edsnb.core.image import ElementSetting
from edsnb.errors import InputError
from edsnb.state.elements.periodic import BY_SYMBOL
from edsnb.state.elements.state import ElementState
from edsnb.widgets.elements.picker import ElementPicker
from edsnb.widgets.elements.views import ChosenElements, ElementTable, FoundElements
from tests.simulated import empty, small, stored_only


def corner(size):
    """Return the lower left corner of the small map, which is substrate."""
    cube = small().image.require_events().to_dense(slice(0, 64 * 64)).reshape(64, 64, -1)[-size:, :size]
    events = Events.from_dense(cube.reshape(size * size, -1))
    return replace(small().image, shape=(size, size), events=events, surveys={}, segments=())


def parts(picker):
    layout = picker.__panel__()
    return tuple(layout.select(kind)[0] for kind in (ElementTable, ChosenElements, FoundElements))


def chosen(**fields):
    state = ElementState(**fields)
    return state, *parts(ElementPicker(state))


def test_what_the_table_is_given():
    state, table, _, _ = chosen(elements=("Sr",), deconvolve=("Cu",))
    assert set(table.cells) == set(BY_SYMBOL)
    assert table.cells["Sr"] == ["quantified", "", "Kα 14.14 keV, Lα 1.81 keV"]
    assert table.cells["Cu"][0] == "deconvolved"
    assert table.cells["Fe"][0] == "off"
    assert table.cells["H"] == ["none", "", ""]
    state.energy = (2.0, 10.0)
    assert table.cells["Sr"] == ["none", "", ""]


def test_what_the_list_is_given():
    state, _, rows, _ = chosen(elements=("Sr", "O"), deconvolve=("Cu",), lines={"Sr": "Sr_L"})
    assert rows.rows == [
        ["Sr", "Strontium", True, "Sr_L", [["Sr_K", "Kα 14.14 keV"], ["Sr_L", "Lα 1.81 keV"]]],
        ["O", "Oxygen", True, "O_K", [["O_K", "Kα 0.52 keV"]]],
        ["Cu", "Copper", False, "", [["Cu_K", "Kα 8.04 keV"], ["Cu_L", "Lα 0.93 keV"]]],
    ]
    state.remove("Sr")
    assert [row[0] for row in rows.rows] == ["O", "Cu"]


def test_from_the_path_of_a_file(example):
    picker = ElementPicker(example)
    parts(picker)
    picker.state.work.wait()
    assert picker.state.elements == ElementState.of(edsnb.open(example)).elements != ()
    picker.state.work.wait()
    assert picker.state.suggestions is not None


def test_what_cannot_be_a_source(tmp_path):
    picker = ElementPicker(str(tmp_path / "lost.emd"))
    picker.state.work.wait()
    assert picker.state.work.message == "lost.emd cannot be read: No such file or directory. Is it still there?"
    assert parts(picker)[0].cells["Sr"][0] == "off", "usable all the same"
    with pytest.raises(InputError, match="not 57"):
        ElementPicker(57)


SENT = [
    (["toggle", "La"], (("Sr", "La"), ("Cu",))),
    (["toggle", "Sr"], ((), ("Sr", "Cu"))),
    (["toggle", "H"], (("Sr",), ("Cu",))),
    (["remove", "Cu"], (("Sr",), ())),
    (["add", "iron, oxygen"], (("Sr", "Fe", "O"), ("Cu",))),
    (["deconvolve", "Cu", False], (("Sr", "Cu"), ())),
    (["accept", "In", True], (("Sr", "In"), ("Cu",))),
    (["accept", "In", False], (("Sr",), ("Cu", "In"))),
]


@pytest.mark.parametrize(("sent", "result"), SENT)
def test_what_the_hand_does(sent, result):
    state, table, _, _ = chosen(elements=("Sr",), deconvolve=("Cu",))
    table._handle_msg(sent)
    assert (state.elements, state.deconvolve) == result
    assert state.message


def test_line_is_chosen():
    state, _, rows, _ = chosen(elements=("Sr",))
    rows._handle_msg(["line", "Sr", "Sr_L"])
    assert rows.rows[0][3] == state.lines["Sr"] == "Sr_L"


def test_two_pickers_over_one_state():
    state = ElementState(elements=("Sr",))
    (first, _, _), (second, _, _) = parts(ElementPicker(state)), parts(ElementPicker(state))
    first._handle_msg(["toggle", "La"])
    assert first.cells["La"][0] == second.cells["La"][0] == "quantified"


def test_pickers_of_two_sessions_do_not_disturb_each_other():
    one, other = ElementPicker(small().image), ElementPicker(small().image)
    before = other.state.elements
    one.state.remove("La")
    assert "La" not in one.state.elements
    assert other.state.elements == before


def test_suggestions_of_a_map():
    image = replace(small().image, elements=tuple(map(ElementSetting, ("La", "Fe", "Sr", "Ti"))))
    picker = ElementPicker(image)
    table, _, found = parts(picker)
    picker.state.work.wait()
    rows = {row[0]: row for row in found.rows}
    symbol, line, sigma, _, clear = rows["O"]
    assert (symbol, line, clear) == ("O", "Kα 0.52 keV", True)
    assert table.cells["O"][1] == sigma
    assert int(sigma.removesuffix(" σ")) > 5
    assert "support film" in rows["C"][3]
    found._handle_msg(["accept", "C", False])
    assert picker.state.deconvolve == ("C",)
    assert "C" not in [row[0] for row in found.rows]


BAD = {
    "no X-ray at all": empty(),
    "stored spectra only": stored_only(),
    "neither map nor spectra": replace(stored_only(), spectra=None),
    "one pixel": corner(1),
    "a few hundred X-rays": corner(2),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_maps_leave_it_usable(name):
    picker = ElementPicker(replace(BAD[name], elements=()))
    table, _, _ = parts(picker)
    picker.state.work.wait()
    assert picker.state.suggestions is not None or picker.state.work.message
    table._handle_msg(["add", "La"])
    assert picker.state.elements == ("La",)


def test_code_is_that_of_the_state():
    picker = edsnb.ElementPicker(ElementState(elements=("Sr", "O")))
    names: dict = {}
    exec(picker.code(), names)
    assert names["recipe"].elements == ("Sr", "O")

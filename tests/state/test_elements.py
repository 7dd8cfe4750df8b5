"""The choice of elements: roles, lines, the range they must have a line in, and what is said of all that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.fitting.fit import model_spec
from edsnb.core.fitting.lines import parse_line, symbol_of
from edsnb.core.image import ElementSetting
from edsnb.core.regions import ChipGrid, chip
from edsnb.recipe import Recipe
from edsnb.state.elements.periodic import BY_SYMBOL, ELEMENTS
from edsnb.state.elements.state import ElementState, Role
from tests.simulated import small, stored_only


def selecting(*settings: ElementSetting, **acquisition):
    image = replace(small().image, elements=settings)
    return replace(image, acquisition=replace(image.acquisition, **acquisition))


def test_elements_of_the_file_are_chosen():
    image = selecting(ElementSetting("Sr", "L"), ElementSetting("O", "K"), ElementSetting("Cu", "K", quantify=False))
    state = ElementState.of(image)
    assert (state.elements, state.deconvolve) == (("Sr", "O"), ("Cu",))
    assert state.lines == {"Sr": "Sr_L", "O": "O_K"}
    assert state.message == "Elements as selected in the file."
    assert state.beam_kev == image.acquisition.beam_kev
    assert state.ready


def test_spectra_are_taken_as_the_image_is():
    image = selecting(ElementSetting("Fe"), beam_kev=15.0)
    spectra = chip(image, ChipGrid(32))
    of_image, of_spectra = ElementState.of(image), ElementState.of(spectra)
    assert of_image.energy == of_spectra.energy == (0.2, 15.0)
    assert of_image.lines == of_spectra.lines == {"Fe": "Fe_K"}


def test_file_without_elements():
    state = ElementState.of(selecting())
    assert (state.elements, state.ready) == ((), False)
    assert state.message == "The file has no elements selected. No element is quantified: choose at least one."


def test_family_of_the_file_out_of_range_is_said():
    state = ElementState.of(selecting(ElementSetting("La", "K"), ElementSetting("H")))
    assert state.lines == {"La": "La_L"}
    assert "La_K does not lie between 0.2 and 20 keV: La_L is used." in state.message
    assert "H has no X-ray line that could be fitted. It is left out." in state.message


def test_loading_another_file_forgets_the_first():
    state = ElementState.of(selecting(ElementSetting("Fe")))
    seen = []
    state.param.watch(lambda event: seen.append((state.elements, state.beam_kev)), "elements")
    state.load(selecting(ElementSetting("Sr"), beam_kev=80.0))
    assert seen == [(("Sr",), 80.0)]


def test_one_press_after_the_other():
    state = ElementState()
    roles = []
    for _ in range(4):
        state.toggle("La")
        roles.append((state.role("La"), state.message))
    assert roles == [
        (Role.QUANTIFIED, "La: quantified by Lα 4.65 keV."),
        (Role.DECONVOLVED, "La: deconvolution only. No element is quantified: choose at least one."),
        (Role.OFF, "La removed. No element is quantified: choose at least one."),
        (Role.QUANTIFIED, "La: quantified by Lα 4.65 keV."),
    ]


@pytest.mark.parametrize(
    ("text", "elements"),
    [("La", "La"), ("la", "La"), ("lanth", "La"), ("26", "Fe"), ("La, fe;oxygen  38", "La Fe O Sr"), ("tin", "Sn"),
     ("aluminum", "Al"), ("no", "No"), ("  ", "")],
)  # fmt: skip
def test_typed_text(text, elements):
    state = ElementState(energy=(0.0, 100.0))
    state.add(text)
    assert state.elements == tuple(s for s in elements.split() if s != "No")


REFUSED = [
    ("xyz", "'xyz' names no element, or several: type a symbol (La) or a name (lanthanum)."),
    ("magn, 119 , t", "'119', 't' names no element, or several"),
    ("ar ca", "Ca: quantified by Kα 3.69 keV."),
    ("Fe", "Fe is chosen already."),
    ("He", "He has no X-ray line that could be fitted."),
    ("Og", "Og has no X-ray line that could be fitted."),
    ("B", "B has no line between 0.2 and 20 keV, only Kα 0.18 keV."),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_is_said(text, message):
    state = ElementState(elements=("Fe",))
    state.add(text)
    assert message in state.message
    assert "Fe" in state.elements


def test_line_choice():
    state = ElementState(elements=("Sr", "La"))
    assert state.line_labels("Sr") == {"Sr_K": "Kα 14.14 keV", "Sr_L": "Lα 1.81 keV"}
    state.set_line("Sr", "L")
    assert (state.lines["Sr"], state.message) == ("Sr_L", "Sr: quantified by Lα 1.81 keV.")
    state.set_line("Sr", "Sr_Ka")
    assert state.lines == {"Sr": "Sr_K", "La": "La_L"}
    state.set_line("La", "K")
    assert state.message == "'K' is no line of La between 0.2 and 20 keV; it has La_L, La_M."
    state.set_line("La", "Sr_L")
    assert state.message.startswith("'Sr_L' is no line of La")
    state.set_line("Fe", "K")
    assert state.message == "Fe is not chosen: add it before its line."
    assert state.lines == {"Sr": "Sr_K", "La": "La_L"}


def test_a_line_survives_deconvolution():
    state = ElementState(elements=("Sr", "La"))
    state.set_line("Sr", "L")
    state.set_deconvolve("Sr", True)
    assert (state.elements, state.deconvolve, state.lines) == (("La",), ("Sr",), {"La": "La_L"})
    state.set_deconvolve("Sr", False)
    assert state.lines == {"Sr": "Sr_L", "La": "La_L"}
    state.set_deconvolve("Cu", True)
    assert state.deconvolve == ("Cu",)


def test_range_leaves_out_and_brings_back():
    state = ElementState(elements=("O", "Sr", "Fe"), deconvolve=("C",), lines={"Sr": "Sr_L"})
    before = state.recipe_fields()
    state.energy = (2.0, 20.0)
    assert (state.elements, state.deconvolve) == (("Sr", "Fe"), ())
    assert state.lines == {"Sr": "Sr_K", "Fe": "Fe_K"}
    assert "O has no line between 2 and 20 keV, only Kα 0.52 keV. It is left out." in state.message
    assert "Sr_L does not lie between 2 and 20 keV: Sr_K is used." in state.message
    assert state.role("O") == Role.NO_LINE
    state.toggle("Fe")
    assert state.message == "Fe: deconvolution only."
    state.set_deconvolve("Fe", False)
    state.energy = (0.2, 20.0)
    assert "O: its line is back in range." in state.message
    assert state.recipe_fields() == before


def test_beam_energy_bounds_the_range():
    state = ElementState(elements=("Sr",))
    state.beam_kev = 10.0
    assert state.lines == {"Sr": "Sr_L"}
    state.set_line("Sr", "K")
    assert state.message == "'K' is no line of Sr between 0.2 and 10 keV; it has Sr_L."


def test_set_from_outside_is_checked_before_others_see_it():
    state, seen = ElementState(), []
    state.param.watch(lambda event: seen.append((state.elements, state.deconvolve)), "elements")
    state.param.update(elements=["Fe", "Xx", "Cu"], deconvolve=("Cu", "C"), lines={"Fe": "Ka"})
    assert set(seen) == {(("Fe", "Cu"), ("C",))}
    assert "'Xx' is no element." in state.message
    assert "Cu: quantified, so not for deconvolution only as well." in state.message
    state.elements = ("Cu",)
    assert (state.elements, state.deconvolve, state.lines) == (("Cu",), ("C",), {"Cu": "Cu_K"})
    assert "Fe" not in state.message
    state.lines = {"Cu": "Cu_L", "Fe": "Fe_K"}
    assert state.lines == {"Cu": "Cu_L"}
    assert state.message == "'Fe_K' is no line of a chosen element."
    state.elements = None
    assert (state.elements, state.ready) == ((), False)


def test_names_of_a_recipe_come_back():
    recipe = Recipe(elements=("Sr", "Fe"), deconvolve=("Cu",), lines=("Sr_L", "Fe_Ka"))
    state = ElementState()
    state.choose(recipe.elements, recipe.deconvolve, recipe.lines)
    assert Recipe(**state.recipe_fields()) == replace(recipe, lines=("Sr_L", "Fe_K"))
    state.choose(("Sr",), lines=("nonsense",))
    assert state.message == "'nonsense' is no line of a chosen element."


def test_code_repeats_the_choice():
    state = ElementState(elements=("Sr", "Ti", "O"), deconvolve=("Cu",))
    state.set_line("Sr", "L")
    names: dict = {}
    exec(state.code(), names)
    assert names["recipe"] == Recipe(**state.recipe_fields())
    assert names["recipe"].lines == ("Sr_L", "Ti_K", "O_K")
    exec(ElementState().code(), names)
    assert names["recipe"] == Recipe()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("toggle"), st.sampled_from(sorted(BY_SYMBOL))),
        st.tuples(st.just("add"), st.text(max_size=8)),
        st.tuples(st.just("remove"), st.sampled_from(["La", "Fe", "O", "Cu"])),
        st.tuples(
            st.just("set_line"), st.sampled_from(["La", "Fe", "O"]), st.sampled_from(["K", "L", "M", "?", "La_M"])
        ),
        st.tuples(st.just("set_deconvolve"), st.sampled_from(["La", "Fe", "O", "Cu"]), st.booleans()),
        st.tuples(st.just("energy"), st.sampled_from([(0.2, 20.0), (1.0, 20.0), (0.2, 5.0), (2.5, 12.0)])),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(steps)
def test_whatever_is_done_the_fit_takes_it(steps):
    """No step raises, and what is public can always be fitted."""
    spectra = chip(small().image, ChipGrid(64))
    state = ElementState.of(spectra)
    for name, *arguments in steps:
        if name == "energy":
            state.energy = arguments[0]
        else:
            getattr(state, name)(*arguments)
        assert not set(state.elements) & set(state.deconvolve)
        fitted = (*state.elements, *state.deconvolve)
        if fitted:
            spec = model_spec(spectra, fitted, energy=state.energy)
            assert set(state.lines.values()) <= {family.name for family in spec.families}
        if state.ready:
            recipe = Recipe(**state.recipe_fields())
            assert [parse_line(line)[0] for line in recipe.lines] == list(recipe.elements) == list(state.elements)


def test_the_table_is_the_periodic_table():
    places = {(e.row, e.column): e.symbol for e in ELEMENTS}
    assert len(places) == len(ELEMENTS) == 118
    below = {"H": "Li", "He": "Ne", "B": "Al", "Sc": "Y", "Y": "Lu", "Ti": "Zr", "Zr": "Hf", "La": "Ac", "Yb": "No"}
    for upper, lower in below.items():
        row, column = next(place for place, symbol in places.items() if symbol == upper)
        assert places[row + 1, column] == lower
    assert [e.symbol for e in ELEMENTS if e.column == 18] == ["He", "Ne", "Ar", "Kr", "Xe", "Rn", "Og"]


def test_symbols_are_those_of_the_line_table():
    assert [e.symbol for e in ELEMENTS[:107]] == [symbol_of(z) for z in range(1, 108)]


def test_further_elements_are_found_and_accepted():
    state = ElementState.of(selecting(ElementSetting("La"), ElementSetting("Fe"), ElementSetting("Sr")))
    assert state.suggested() == ()
    state.suggest()
    state.work.wait()
    clear = [suggestion.element for suggestion, is_clear in state.suggested() if is_clear]
    assert set(clear) == {"Ti", "O", "Cu", "C"}
    assert state.suggestions.chosen == ("La", "Fe", "Sr")
    state.add("Ti")
    assert "Ti" not in [suggestion.element for suggestion, _ in state.suggested()]
    state.load(selecting())
    assert state.suggestions is None


def test_nothing_to_search():
    state = ElementState()
    state.suggest()
    assert "No spectrum is loaded in which elements could be looked for." in state.message
    state.load(replace(stored_only(), spectra=None))
    state.suggest()
    state.work.wait()
    assert "holds no spectrum image" in state.work.message


def test_sum_among_stored_spectra_is_searched_alone():
    stored = stored_only()
    state = ElementState.of(stored)
    state.suggest()
    state.work.wait()
    total = float(stored.spectra.counts[0].sum())
    assert 0.9 * total < state.suggestions.counts <= total
    parts = replace(stored.spectra, counts=stored.spectra.counts[1:], names=stored.spectra.names[1:])
    state.suggest(parts)
    state.work.wait()
    assert 0.9 * total < state.suggestions.counts <= total

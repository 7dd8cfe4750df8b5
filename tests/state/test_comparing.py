"""Two methods side by side without Panel: what can be chosen, what is said where it cannot be, code that repeats it."""

from __future__ import annotations

import contextlib
import io
import threading
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import edsnb
from edsnb.core.comparison.composition import Composition
from edsnb.core.regions import ChipGrid
from edsnb.errors import InputError
from edsnb.io.velox.write import write_velox
from edsnb.io.velox_tables.write import write_velox_batches
from edsnb.pipeline import Analysis, analyse
from edsnb.state.compare.methods import Kind, method_of
from edsnb.state.compare.state import MOST, NONE, CompareState
from tests.core.comparison.made import film, made
from tests.helpers import real_file
from tests.simulated import RECIPE, analysed, small, stored_only

PHASES = {"STO": "SrTiO3", "LFO": "LaFeO3"}


@cache
def windows() -> Analysis:
    """Return the small map by net windows: numbers without a model."""
    return analyse(small().image, replace(RECIPE, engine="window"))


def ready(*given, **params) -> CompareState:
    """Return a state that has done all its work."""
    state = CompareState(*given, **params)
    done(state)
    return state


def done(state: CompareState) -> None:
    state.comparing.wait()
    state.searching.wait()


def test_two_analyses():
    state = ready(analysed(), windows(), phases=PHASES)
    assert (state.first, state.second) == ("edsnb", "net windows")
    assert state.comparison.methods == ("edsnb", "net windows")
    assert (state.problem, state.message) == ("", "")
    assert state.shown == ("La", "Fe", "Sr", "Ti", "O")
    assert state.frame.numbers.shape == (4, 4)
    assert state.pixel_nm == small().image.pixel_nm
    assert set(state.phases.found.phases.masks) == {"STO", "LFO"}
    assert state.phases.found.phases.left_out["vacuum"].sum() == 0
    assert {r.method for r in state.phases.found.table.results} == {"edsnb", "net windows"}
    np.testing.assert_array_equal(state.comparison.first, Composition.of(analysed().quantification).values["atomic"])


def test_engines_of_the_file_are_offered_and_fitted_when_chosen():
    state = ready(analysed())
    assert state.problem == "Choose what to compare with, under Second."
    assert state.phases.found.problem.startswith("No phase is named yet")
    offered = state.param["second"].objects
    assert offered[:2] == [NONE, "edsnb"]
    assert {"net windows", "HyperSpy, published recipe", "HyperSpy, linear least squares"} <= set(offered)
    state.second = "net windows"
    done(state)
    np.testing.assert_allclose(state.comparison.second, windows().quantification.atomic)


def test_a_recipe_and_its_toml():
    other = replace(RECIPE, energy=(0.2, 18.0))
    state = ready(analysed(), other)
    assert state.second == "edsnb, another recipe"
    state.add_recipe(other.to_toml(), "shorter")
    done(state)
    assert state.second == "shorter"
    assert not np.array_equal(state.comparison.first, state.comparison.second)
    state.add_recipe("chip = 'large'")
    assert state.message.startswith("Chip must be a whole number of pixels")
    state.add_recipe("= nonsense")
    assert "not valid TOML" in state.message
    assert state.second == "shorter"


def test_another_grid_is_refused_in_plain_words():
    state = ready(analysed(), replace(RECIPE, chip=20))
    assert state.comparison is None
    assert "Cut both by the same grid" in state.problem
    state.second = "net windows"
    done(state)
    assert state.problem == ""


def test_chips_nearly_in_place_match_where_asked_for():
    first = made("edsnb", ("La", "O"), [[20, 80.0]] * 4, grid=ChipGrid(10), shape=(24, 24))
    second = made("Velox", ("La", "O"), [[21, 79.0]] * 4, grid=ChipGrid(10, origin=(1, 2)), shape=(24, 24))
    state = ready(first, second)
    assert "tolerance_px=2 would pair them" in state.problem
    state.tolerance_px = 2.0
    done(state)
    assert len(state.comparison) == 4
    assert any("up to 2 px apart" in note for note in state.comparison.notes)


def test_what_only_one_side_has_is_told():
    first, second = film(), film()
    fewer = Composition(
        "Velox", second.names, ("La", "Fe", "O"), {"atomic": second.values["atomic"][:, [0, 1, 4]]}, {}, second.regions
    )
    state = ready(first, fewer)
    assert state.comparison.only_in == (("Sr", "Ti"), ())
    notes = " ".join(state.comparison.notes)
    assert "Only edsnb has Sr, Ti." in notes
    assert "at% of Velox do not add up to 100" in notes
    state.renormalise = True
    done(state)
    np.testing.assert_allclose(np.nansum(state.comparison.second, axis=1)[:10], 100)


def test_no_element_in_common():
    state = ready(film(), made("Velox", ("Cu",), np.ones((20, 1)), names=film().names))
    assert state.problem.startswith("No element in common")
    assert state.comparison is None


def test_maps_of_another_raster_and_unit():
    state = ready(film(), made("Velox", ("La",), np.ones((4, 1)), grid=ChipGrid(10), shape=(20, 20)))
    assert "maps of different rasters" in state.problem
    state = ready(film(), made("Velox", ("La",), np.ones((20, 1)), quantity="counts", names=film().names))
    assert state.problem.startswith("Velox has no at%; it has counts")
    assert state.quantity == "atomic"


def test_counts_of_all_fitted_elements_beside_velox_maps():
    image = edsnb.open(real_file("velox_v11_SI_16x16.emd"))
    analysis = analyse(image, edsnb.Recipe(chip=4))
    state = ready(analysis, "velox-maps", quantity="counts")
    assert set(state.comparison.elements) == {"C", "O", "Ca", "Cu"}
    assert state.second == "Velox, maps"
    assert state.comparison.unit == "counts"
    sums = {m.element: m.image.sum() for m in image.maps}
    found = dict(zip(state.comparison.elements, state.comparison.second.sum(axis=0), strict=True))
    assert found == pytest.approx(sums, rel=1e-5)
    state.quantity = "atomic"
    done(state)
    assert state.problem.startswith("Velox, maps has no at%; it has counts")


def test_spectra_of_the_log_have_no_map():
    state = ready(analyse(real_file("EDS-STO.emd")), "velox-log")
    assert state.frame is None
    assert state.comparison.names == ("Summed",)
    assert state.selected == ("Summed",)
    k = state.comparison.column("Sr")
    assert state.comparison.second[0, k] == pytest.approx(23.91)
    assert list(state.fits()) == ["edsnb"]


def test_exported_tables_as_files_and_by_path(tmp_path):
    truth = Composition.of(analysed().quantification)
    folder = tmp_path / "tables"
    write_velox_batches(truth, folder)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    state = ready(analysed())
    state.add_tables(files)
    done(state)
    np.testing.assert_allclose(state.comparison.difference, 0, atol=0.02)
    state.add(f"velox:{folder}")
    done(state)
    assert state.second == "Velox, tables, tables"
    np.testing.assert_allclose(state.comparison.difference, 0, atol=0.02)
    copies = state._folder
    assert copies.exists()
    state.close()
    assert not copies.exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("velox:nowhere", "nowhere"),
        ("table:nowhere.csv", "nowhere.csv does not exist"),
        ("nonsense", "'nonsense' is no engine"),
        ("velox-log", "does not exist"),
        (7, "A int cannot be compared"),
    ],
)
def test_what_cannot_be_read_is_said_and_all_stays_usable(source, said):
    state = ready(analysed(), windows())
    state.add(source)
    done(state)
    assert said in state.problem + state.message
    state.second = "net windows"
    done(state)
    assert state.problem == ""
    assert state.comparison is not None


def test_a_method_that_cannot_be_is_misuse_from_the_start():
    with pytest.raises(InputError, match="is no engine"):
        CompareState(analysed(), "nonsense")
    assert method_of(analysed()).kind is Kind.READY


def test_numbers_alone_cannot_be_fitted_anew():
    state = ready(film(), "window")
    assert state.problem.startswith("net windows needs the map")


def test_first_and_second_swap_and_may_not_be_the_same():
    state = ready(analysed(), windows())
    before = state.comparison.difference
    state.swap()
    done(state)
    np.testing.assert_array_equal(state.comparison.difference, -before)
    state.second = state.first
    done(state)
    assert state.problem == "First and second are the same: choose another one."


def test_at_most_six_elements_are_shown():
    names = ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")
    state = ready(*(made(m, names, np.ones((4, 7)), grid=ChipGrid(10), shape=(20, 20)) for m in ("a", "b")))
    assert state.shown == names[:MOST]
    state.elements = ["C", "O"]
    assert state.shown == ("C", "O")
    assert state.element == "C"
    state.elements = list(names)
    assert state.message == "At most 6 elements are shown side by side: C is left out."


def test_chips_are_selected_by_place_box_and_name():
    state = ready(film(), replace(film(), method="other"))
    state.select_at(15, 25)
    assert state.selected == ("R1C2",)
    state.select_at(15, 35, add=True)
    assert state.selected == ("R1C2", "R1C3")
    state.select_at(15, 25, add=True)
    assert state.selected == ("R1C3",)
    state.select_at(-5, 2)
    assert state.selected == ("R1C3",)
    state.select_box(0, 18, 0, 18)
    assert state.selected == ("R0C0", "R0C1", "R1C0", "R1C1")
    state.select(["R3C4", "R9C9"])
    assert state.numbers() == (19,)


def test_both_fits_of_the_chip_belong_to_it():
    state = ready(analysed(), windows())
    state.select(["R3C1"])
    fits = state.fits()
    assert list(fits) == ["edsnb", "net windows"]
    assert all(fit.spectra.names[row] == "R3C1" for fit, row in fits.values())


def test_rules_markers_border_and_edits():
    state = ready(film(), replace(film(), method="other"), rules={"LFO": "La > 5", "STO": "Sr > 5"})
    assert len(state.phases.found.phases.chips("LFO")) == 10
    state.phases.border = 1
    done(state)
    assert state.phases.found.phases.left_out["border"].sum() == 10
    state.phases.change(0, rule="La, Fe")
    state.phases.threshold = 19.0
    done(state)
    assert state.phases.found.settings["rules"]["LFO"] == "La > 19 and Fe > 19"
    state.phases.edit("STO", add=["R1C0"], remove=["R3C0"])
    done(state)
    assert "R1C0" in state.phases.found.phases.chips("STO")
    assert "R3C0" not in state.phases.found.phases.chips("STO")
    assert state.phases.found.settings["edits"] == [{"phase": "STO", "add": ["R1C0"], "remove": ["R3C0"]}]
    assert state.phases.found.settings["border"] == 1
    state.phases.change(1, name="substrate")
    done(state)
    assert "R1C0" in state.phases.found.phases.chips("substrate")
    state.phases.undo()
    state.phases.remove(1)
    done(state)
    assert set(state.phases.found.phases.masks) == {"LFO"}
    state.phases.param.update(by="clusters", border=0)
    done(state)
    assert [int(m.sum()) for m in state.phases.found.phases.masks.values()] == [10, 10]


def test_phases_found_before_are_taken_over():
    found = edsnb.find_phases(film(), {"LFO": "La > 5", "film": {"chips": ["R3C0"]}}, border=1, vacuum=0)
    found = found.with_chips("LFO", remove=["R0C0"])
    state = ready(film(), replace(film(), method="other"), rules=found)
    again = state.phases.found.phases
    assert state.phases.border == 1
    for name, mask in found.masks.items():
        np.testing.assert_array_equal(again.masks[name], mask)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"formula": "SrTi O3 )"}, "Phase STO"),
        ({"formula": "Sr0"}, "Phase STO"),
        ({"rule": "Sr >"}, "Rule 'Sr >'"),
        ({"rule": "Cu > 5"}, "has no Cu"),
        ({"rule": "Sr > 99", "formula": "SrTiO3"}, "phase STO has no chips"),
        ({"rule": "__import__('os')"}, "Rule"),
    ],
)
def test_phases_that_cannot_be_are_said(row, said):
    state = ready(film(), replace(film(), method="other"), phases={"STO": "SrTiO3"})
    state.phases.change(0, **{"rule": "", "formula": "", **row})
    done(state)
    assert said.casefold() in state.phases.found.problem.casefold()
    state.phases.change(0, rule="Sr > 5", formula="SrTiO3")
    done(state)
    assert state.phases.found.problem == ""


def test_another_run_asks_before_it_fits_for_long():
    state = ready(analysed(), "window")
    shorter = analyse(small().image, replace(RECIPE, chip=32))
    state.load(shorter)
    done(state)
    assert state.comparison is None
    assert state.problem == "The chips are others now: press Compare to find those of net windows."
    state.run()
    done(state)
    assert len(state.comparison) == 4
    state.load(None)
    done(state)
    assert state.problem == "There are no results yet: run an analysis first."


def test_an_analysis_may_come_later():
    state = ready()
    assert state.problem == "There are no results yet: run an analysis first."
    state.load(analysed())
    done(state)
    assert state.first == "edsnb"
    state.second = "net windows"
    done(state)
    assert state.comparison is not None


def test_the_newest_choice_wins(monkeypatch):
    """A slow method that nobody waits for any more is told to stop, and never shown."""
    begun, stopped = threading.Event(), threading.Event()

    def slow(image, recipe, *, progress=None, **rest):
        if recipe.energy is None:
            return analyse(image, recipe, progress=progress, **rest)
        begun.set()
        while progress(1, 10) is not False:
            pass
        stopped.set()
        raise edsnb.errors.CancelledError("stopped")

    monkeypatch.setattr("edsnb.state.compare.methods.analyse", slow)
    state = CompareState(analysed(), replace(RECIPE, energy=(0.3, 18.0)))
    assert begun.wait(20)
    state.second = "net windows"
    assert stopped.wait(20)
    done(state)
    assert state.comparison.methods == ("edsnb", "net windows")


def test_two_states_do_not_disturb_each_other():
    one, two = ready(analysed(), windows()), ready(analysed(), windows())
    one.second = NONE
    one.phases.set_phases({"STO": "SrTiO3"})
    assert two.comparison is not None
    assert two.phases.rows == ()


def run(code: str, **names) -> dict:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
    return names


def test_code_of_given_numbers_repeats_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = film(noise=0.2), replace(film(noise=0.4), method="other")
    rules = {"LFO": "La > 5", "drawn": [(19, -1), (19, 21), (41, 21), (41, -1)]}
    state = ready(first, second, rules=rules, phases={"LFO": "LaFeO3"}, renormalise=True)
    state.phases.edit("LFO", remove=["R0C0"])
    state.elements = ["La", "O"]
    done(state)
    names = run(state.code(), first=first, second=second)
    np.testing.assert_array_equal(names["comparison"].difference, state.comparison.difference)
    for name, mask in state.phases.found.phases.masks.items():
        np.testing.assert_array_equal(names["phases"].masks[name], mask)
    np.testing.assert_array_equal(
        names["table"].result("LFO", "other").normalised, state.phases.found.table.result("LFO", "other").normalised
    )
    assert {path.name for path in tmp_path.iterdir()} == {"maps.png", "agreement.png", "phases.png"}


@pytest.mark.parametrize("quantity", ["atomic", "counts"])
def test_code_of_a_file_repeats_everything(tmp_path, monkeypatch, quantity):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edsnb.plots.comparison.write_figure", lambda figure, path: None)
    path = write_velox(small(), tmp_path / "small.emd")
    state = ready(analyse(path, RECIPE), replace(RECIPE, engine="window"), phases=PHASES, quantity=quantity)
    names = run(state.code())
    np.testing.assert_array_equal(names["comparison"].first, state.comparison.first)
    np.testing.assert_array_equal(names["comparison"].second, state.comparison.second)
    assert names["comparison"].methods == state.comparison.methods
    assert names["table"].to_markdown() == state.phases.found.table.to_markdown()


def test_code_of_a_log_repeats_it(monkeypatch):
    monkeypatch.setattr("edsnb.plots.comparison.write_figure", lambda figure, path: None)
    state = ready(analyse(real_file("EDS-STO.emd")), "velox-log")
    names = run(state.code())
    np.testing.assert_array_equal(names["comparison"].difference, state.comparison.difference)
    assert names["second"].method == "Velox, log"
    assert ready().code() == "# There are no results yet: run an analysis first.\n"


def test_drawn_regions_are_compared_too():
    y, x = np.mgrid[:64, :64]
    regions = {"film": (y > 8) & (y < 26), "substrate": y > 36, "corner": (y > 40) & (x < 9)}
    analysis = analyse(small().image, RECIPE, regions=regions)
    state = ready(analysis, "window", phases=PHASES)
    assert state.comparison.names == ("film", "substrate", "corner")
    assert state.frame.unit == "px"
    state.select_at(15, 30)
    assert state.selected == ("film",)
    state.select_at(60, 3)
    assert state.selected == ("substrate",)
    assert "# regions: those that were drawn" in state.code()


def test_stored_spectra_have_no_place():
    state = ready(analyse(stored_only(), RECIPE), "window")
    assert state.frame is None
    assert len(state.comparison) == 3
    state.select_at(1, 1)
    state.select_box(0, 1, 0, 1)
    assert state.selected == state.comparison.names[1:2]

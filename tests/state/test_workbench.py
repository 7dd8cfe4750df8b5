"""The Workbench without a screen: settings, runs, files that fail, links, exports."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edsnb.core.fitting.calibration import Calibration
from edsnb.core.quant.kfactors import KFactors
from edsnb.io.export import MARK
from edsnb.io.roots import Roots
from edsnb.io.velox.write import write_velox
from edsnb.pipeline import analyse
from edsnb.recipe import Recipe
from edsnb.state.bench.intent import MOST_CHIPS, changes, fitted_to, resolve
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.shared import SHARED
from tests.helpers import real_file
from tests.simulated import small, stored_only

NONE = "No elements are selected in the file: choose at least one under Elements."


def settle(state: WorkbenchState) -> WorkbenchState:
    state.wait()
    return state


@pytest.fixture
def bench(example):
    """Return a state with the example opened and run."""
    state = WorkbenchState(Roots.of([example]))
    state.open("example.emd")
    yield settle(state)
    state.close()


def opened(path: Path, **settings) -> WorkbenchState:
    state = WorkbenchState(Roots.of([path]))
    state.set(**settings)
    state.open(path.name)
    return settle(state)


def test_opening_a_file_runs_it_with_the_files_elements(bench, example):
    assert bench.file == "example.emd"
    assert bench.analysis.quantification.elements == analyse(example).quantification.elements
    np.testing.assert_array_equal(bench.analysis.quantification.atomic, analyse(example).quantification.atomic)
    assert bench.selected == ("R2C2",)
    assert not bench.stale
    assert not bench.problem


def test_a_change_is_run_at_once_and_only_what_it_concerns(bench):
    before = bench.analysis
    bench.set(k_convention="alpha")
    settle(bench)
    assert bench.analysis is not before
    assert bench.analysis.fit is before.fit
    bench.set(chip=8)
    settle(bench)
    assert len(bench.analysis.spectra) == 64
    bench.set(chip=None)
    assert "chip" not in bench.settings


def test_without_auto_it_says_what_changed(bench):
    before = bench.analysis
    bench.auto = False
    bench.set(chip=8, background="polynomial")
    settle(bench)
    assert bench.analysis is before
    assert bench.stale == ("chip", "background")
    bench.run()
    settle(bench)
    assert bench.stale == ()
    assert len(bench.analysis.spectra) == 64


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chip": 100}, "Chip"),
        ({"thickness_nm": 50.0}, "both are needed"),
        ({"crop": (0, 900, 0, 64)}, "does not lie inside the map"),
        ({"chip": 0}, "at least 1"),
        ({"background": "none such"}, "unknown; choose"),
        ({"elements": ()}, "choose at least one under Elements"),
    ],
)
def test_what_does_not_go_together_is_said_and_kept(bench, settings, said):
    before = bench.analysis
    bench.set(**settings)
    assert said.lower() in bench.problem.lower()
    assert bench.recipe is None
    assert not bench.problem.startswith("recipe")
    bench.run()
    settle(bench)
    assert bench.analysis is before
    assert bench.message == bench.problem
    assert bench.code() == f"# {bench.problem}\n"
    bench.set(**dict.fromkeys(settings))
    bench.set(elements=("La", "O"))
    settle(bench)
    assert bench.problem == ""
    assert bench.analysis.quantification.elements == ("La", "O")


def test_a_film_may_be_typed_one_field_after_the_other(bench):
    bench.set(thickness_nm=50.0)
    assert bench.problem
    bench.set(density_g_cm3=6.0)
    settle(bench)
    assert bench.analysis.quantification.absorption.thickness_nm == 50.0


def test_elements_and_settings_follow_each_other(bench):
    bench.elements.toggle("La")
    settle(bench)
    assert "La" in bench.recipe.deconvolve
    assert "La" not in bench.analysis.quantification.elements
    bench.set(elements=("Sr", "Ti", "O"), deconvolve=("Cu",), lines=("Sr_L", "Ti_K", "O_K"))
    assert bench.elements.elements == ("Sr", "Ti", "O")
    assert bench.elements.lines["Sr"] == "Sr_L"
    bench.elements.energy = (1.0, 18.0)
    settle(bench)
    assert bench.recipe.energy == (1.0, 18.0)
    assert bench.recipe.elements == ("Sr", "Ti")
    bench.set(energy=None)
    settle(bench)
    assert bench.elements.elements == ("Sr", "Ti", "O")
    assert bench.recipe.energy is None
    for symbol in ("Sr", "Ti", "O"):
        bench.elements.remove(symbol)
    assert "choose at least one" in bench.problem


def test_lines_are_the_files_where_none_are_named(bench):
    of_file = {e.symbol: f"{e.symbol}_{e.family}" for e in bench.image.elements}
    bench.set(elements=("Sr", "La"), deconvolve=(), lines=None)
    assert bench.recipe.lines == (of_file["Sr"], of_file["La"])


def test_a_recipe_is_loaded_and_saved(bench):
    recipe = Recipe(elements=("La", "O"), deconvolve=("Fe", "Sr", "Ti", "Cu"), chip=8, crop=(0, 32, 0, 64))
    bench.load_toml(recipe.to_toml().encode())
    settle(bench)
    assert bench.recipe == replace(recipe, lines=("La_L", "O_K"))
    assert bench.message == "Settings of recipe.toml are loaded."
    again = WorkbenchState()
    again.load_toml(bench.toml().encode())
    assert again.recipe == bench.recipe
    bench.load(Recipe(lines=("Ti_K", "Sr_K")))
    assert bench.recipe.elements == ("Ti", "Sr")
    assert set(bench.recipe.deconvolve) == {"La", "Fe", "O", "Cu", "C"}
    bench.load(Recipe())
    assert bench.recipe.elements == analyse(small().image).recipe.elements


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"chip = ", "not valid TOML"),
        (b"\xff\xfe", "not valid TOML"),
        (b"chips = 3", "unknown setting chips"),
        (b"chip = 'x'", "whole number"),
        (b"kfactors = '/etc/passwd'", "k-factor table /etc/passwd is not in it"),
        (b"kfactors = '../k.csv'\nchip = 8", "k-factor table ../k.csv is not in it"),
    ],
)
def test_recipes_that_cannot_be_used(bench, text, said):
    bench.load_toml(text, "r.toml")
    assert said in bench.message
    assert bench.recipe is not None
    assert bench.recipe.kfactors == "theory"


def test_tables_of_kfactors(bench, tmp_path):
    table = KFactors({f: 1.0 + k for k, f in enumerate(bench.analysis.quantification.families)}, source="mine")
    table.save(tmp_path / "k.toml")
    bench.use_table((tmp_path / "k.toml").read_bytes(), "k.toml")
    settle(bench)
    assert bench.analysis.quantification.kfactors.factors == table.factors
    assert bench.message == f"{len(table.factors)} k-factors of k.toml."
    for convention in ("alpha", "family", "alpha"):
        bench.set_convention(convention)
        assert bench.recipe.kfactors.convention == convention
    assert bench.recipe.kfactors.source.count("counted as") == 1
    bench.use_table(b"Line identifier;K-factor\nLa-La1;1,5\nFe-Ka1;1,2\n", "velox k.csv")
    settle(bench)
    assert "velox k.csv" in bench.recipe.kfactors.source
    assert "no k-factor for" in bench.running.message.lower()
    bench.use_table(b"nonsense", "k.csv")
    assert "k.csv" in bench.message
    assert str(bench.shelf.folder) not in bench.message
    bench.set(kfactors=None)
    settle(bench)
    bench.set_convention("alpha")
    assert bench.recipe.k_convention == "alpha"
    bench.set_convention("family")
    settle(bench)
    assert bench.analysis.quantification.kfactors.source.startswith("theory")


def test_settings_stay_for_the_next_file_as_far_as_they_fit(example, tmp_path):
    for name in ("a.emd", "b.emd"):
        shutil.copy(example, tmp_path / name)
    half = replace(small().image, shape=(64, 64))
    assert half.shape == (64, 64)
    state = WorkbenchState(Roots.of([tmp_path]))
    state.open("a.emd")
    settle(state).set(chip=8, crop=(0, 32, 0, 64))
    state.open("b.emd")
    settle(state)
    assert (state.recipe.chip, state.recipe.crop) == (8, (0, 32, 0, 64))
    assert not {"elements", "lines"} & set(state.query())
    state.elements.toggle("La")
    state.open("a.emd")
    settle(state)
    assert "La" in state.recipe.deconvolve
    assert "elements" in state.query()


def test_settings_are_fitted_to_a_smaller_map():
    image = small().image
    kept, notes = fitted_to({"chip": 100, "crop": (0, 500, 0, 500), "origin": (70, 0), "order": 3}, image)
    assert kept == {"chip": 64, "order": 3}
    assert [note.split()[1] for note in notes] == ["crop", "origin", "of"]
    assert fitted_to({"chip": 8}, image) == ({"chip": 8}, ())
    assert fitted_to({"chip": 500}, stored_only()) == ({"chip": 500}, ())


def test_too_many_chips_are_refused():
    big = replace(small().image, events=replace(small().image.require_events()))
    assert resolve({"chip": 1, "elements": ("La",)}, big).chip == 1
    with pytest.raises(ValueError, match=r"cut 16,129 chips; at most"):
        _with_most(lambda: resolve({"chip": 2, "stride": 1, "elements": ("La",)}, _larger(big)), 16_000)
    assert MOST_CHIPS >= 1089


def _larger(image):
    from edsnb.core.events import Events

    events = Events(np.zeros(128 * 128 + 1, np.int64), np.empty(0, np.uint16), None, image.energy.size)
    return replace(image, shape=(128, 128), events=events, surveys={}, maps=())


def _with_most(call, most):
    patch = pytest.MonkeyPatch()
    patch.setattr("edsnb.state.bench.intent.MOST_CHIPS", most)
    try:
        return call()
    finally:
        patch.undo()


def test_changes_are_named():
    assert changes(Recipe(), Recipe(chip=8, refine=True)) == ("chip", "refine")


# Files that are not what they should be


def test_files_that_do_not_open(tmp_path, example):
    (tmp_path / "broken.emd").write_bytes(b"no HDF5 at all")
    shutil.copy(example, tmp_path / "gone.emd")
    state = WorkbenchState(Roots.of([tmp_path]))
    state.look()
    assert settle(state).files == ("broken.emd", "gone.emd")
    state.open("broken.emd")
    assert settle(state).opening.message.startswith("broken.emd is not an .emd file")
    (tmp_path / "gone.emd").unlink()
    state.open("gone.emd")
    assert "'gone.emd' is not among the files" in state.message
    state.open("../broken.emd")
    assert "not among the files" in state.message
    assert state.image is None
    state.run()
    assert state.message == "Open a file first."
    state.export(["result"])
    assert "nothing to export" in state.exports.message


def test_a_file_that_vanishes_while_it_is_open(example, tmp_path):
    path = tmp_path / "map.emd"
    shutil.copy(example, path)
    state = opened(path)
    path.unlink()
    state.set(chip=8)
    assert len(settle(state).analysis.spectra) == 64
    state.open("map.emd")
    assert "not among the files" in state.message
    assert state.image is not None
    state.close()


def test_a_file_without_a_map_is_fitted_as_it_is():
    state = opened(real_file("EDS-STO.emd"))
    assert state.analysis.spectra.names[0] == "Summed"
    assert state.analysis.spectra.regions is None
    state.close()


def test_a_reduced_file_and_one_without_elements():
    reduced = opened(real_file("velox_v11_SI_16x16_reduced.emd"))
    assert reduced.analysis is not None
    plain = opened(real_file("velox_v11_no_elements.emd"))
    assert plain.problem == NONE
    assert plain.analysis is None
    plain.elements.add("Cu, C")
    settle(plain)
    assert plain.analysis.quantification.elements == ("Cu", "C")
    for state in (reduced, plain):
        state.close()


def test_a_map_of_one_pixel(tmp_path):
    image = small().image
    one = replace(image, shape=(1, 1), events=_one(image), surveys={}, maps=())
    path = write_velox(one, tmp_path / "one.emd")
    state = opened(path, elements=("La", "O"))
    assert state.recipe is not None, state.problem
    assert state.recipe.chip == 1
    assert "fit into this map of 1 x 1" in state.message
    assert len(state.analysis.spectra) == 1
    state.close()


def _one(image):
    from edsnb.core.events import Events

    dense = image.require_events().to_dense().sum(axis=0, keepdims=True)
    return Events.from_dense(dense)


# Several at once


def test_two_sessions_share_the_map_and_nothing_else(example):
    roots = Roots.of([example])
    one, two = WorkbenchState(roots), WorkbenchState(roots, local=False)
    for state in (one, two):
        state.open("example.emd")
    settle(one), settle(two)
    assert one.image.events is two.image.events
    assert one.image.source != two.image.source == "example.emd"
    one.set(chip=8)
    one.select(["R1C1"])
    settle(one)
    assert len(two.analysis.spectra) == 16
    assert two.selected == ("R2C2",)
    before = len(SHARED)
    one.close()
    assert len(SHARED) == before
    assert two.image is not None
    assert one.image is one.analysis is None
    two.close()
    assert len(SHARED) < before


def test_closing_ends_the_work(example, monkeypatch):
    stopped, started = threading.Event(), threading.Event()

    def slow(path, *, progress=None, **_):
        started.set()
        while progress(0, 1) is not False:
            pass
        stopped.set()
        raise AssertionError("told to stop")

    monkeypatch.setattr(SHARED, "open", slow)
    state = WorkbenchState(Roots.of([example]))
    state.open("example.emd")
    assert started.wait(5)
    folder = state.shelf.folder
    state.close()
    assert stopped.wait(5)
    assert not folder.exists()


# Selection, links, code, export


def test_selected_chips_survive_a_run_and_unknown_ones_do_not(bench):
    bench.select(["R1C2", "nothing", "R0C1"])
    assert bench.selected == ("R1C2", "R0C1")
    bench.set(chip=32)
    settle(bench)
    assert bench.selected == ("R0C1",)


def test_a_link_shows_the_same(bench, example):
    bench.set(chip=8, crop=(0, 32, 0, 64), k_convention="alpha")
    settle(bench).select(["R1C2"])
    bench.tab = "composition"
    query = bench.query()
    assert query == {"file": "example.emd", "chip": "8", "crop": "0:32,0:64", "k_convention": "alpha",
                     "tab": "composition", "at": "R1C2"}  # fmt: skip
    other = WorkbenchState(Roots.of([example]), local=False)
    other.follow(query)
    settle(other)
    assert other.recipe == bench.recipe
    assert (other.tab, other.selected) == ("composition", ("R1C2",))
    np.testing.assert_array_equal(other.analysis.quantification.atomic, bench.analysis.quantification.atomic)
    other.follow({"elements": "La,O", "chip": "x", "tab": "nowhere", "file": "../../etc/passwd"})
    settle(other)
    assert other.tab == "composition"
    assert "not among the files" in other.message
    assert "The link's chip is left out: 'x' is not a whole number." in other.message
    other.close()


def test_links_keep_elements_chosen_by_hand(bench, example):
    bench.set(elements=("La", "Fe", "O"), deconvolve=("Sr", "Ti"), lines=None)
    other = WorkbenchState(Roots.of([example]))
    other.follow(bench.query())
    settle(other)
    assert other.recipe == settle(bench).recipe
    other.close()


def test_the_code_gives_the_same_numbers(bench, tmp_path):
    table = KFactors({f: 1.0 + 0.1 * k for k, f in enumerate(bench.analysis.quantification.families)}, "alpha", 'a "b"')
    bench.set(chip=8, kfactors=table, energy=(0.25, 15.0), thickness_nm=40.0, density_g_cm3=6.0)
    bench.set(calibrate=Calibration.by_hand(bench.image.energy, offset_ev=-3.0, gain=0.001, fwhm_mn_ev=136.0))
    settle(bench)
    space: dict = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(bench.code(), space)
    np.testing.assert_array_equal(space["analysis"].quantification.atomic, bench.analysis.quantification.atomic)
    assert "R0C0" in printed.getvalue()
    (tmp_path / "recipe.toml").write_text(bench.toml(), encoding="utf-8")
    again = analyse(bench.source, Recipe.from_toml(tmp_path / "recipe.toml"))
    np.testing.assert_array_equal(again.quantification.weight, bench.analysis.quantification.weight)
    assert bench.command().startswith("edsnb run ")


def test_the_command_gives_the_same_numbers(bench, tmp_path, monkeypatch, no_picture):
    import shlex

    import pandas as pd

    from edsnb.cli import main

    bench.set(chip=32)
    settle(bench)
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(bench.toml(), encoding="utf-8")
    assert main([*shlex.split(bench.command())[1:], "--quiet"]) == 0
    table = pd.read_csv("result/chips.csv")
    np.testing.assert_allclose(table["at_La"], bench.analysis.to_frame()["at_La"], rtol=1e-12)


def test_served_code_names_no_path_of_the_server(example):
    state = WorkbenchState(Roots.of([example]), local=False)
    state.open("example.emd")
    settle(state)
    for text in (state.code(), state.command(), str(state.analysis.image.source), state.image.source):
        assert str(example.parent) not in text
        assert "example.emd" in text
    state.close()


def test_exports(bench, tmp_path, no_picture):
    bench.export(["result", "npz"])
    settle(bench)
    with zipfile.ZipFile(bench.exports.archive.path) as archive:
        names = archive.namelist()
    assert {"example/result/chips.csv", f"example/result/{MARK}", "example/few-shot/chips.npz"} <= set(names)
    bench.export(["result"])
    settle(bench)
    with zipfile.ZipFile(bench.exports.archive.path) as archive:
        assert "example/recipe.toml" in archive.namelist()
    bench.export([])
    assert bench.exports.message == "Choose what is to be exported."
    bench.export(["result"], tmp_path / "out")
    settle(bench)
    assert (tmp_path / "out" / "chips.csv").exists()
    assert bench.exports.message == f"Saved in {tmp_path / 'out'}."
    bench.export(["result"], tmp_path / "out")
    settle(bench)
    assert "holds a result already" in bench.exports.work.message
    bench.export(["classes"])
    settle(bench)
    assert "needs labels" in bench.exports.work.message
    bench.set(chip=32)
    settle(bench)
    assert bench.exports.archive is None


def test_uploaded_files_belong_to_their_session(example, tmp_path):
    state = WorkbenchState(Roots.of([tmp_path]), local=False)
    shutil.copy(example, state.shelf.uploads / "mine.emd")
    state.receive(state.shelf.uploads / "mine.emd")
    settle(state)
    assert state.file == "uploaded/mine.emd"
    assert state.files[0] == "uploaded/mine.emd"
    assert "file" not in state.query()
    state.look()
    assert settle(state).files == ("uploaded/mine.emd",)
    other = WorkbenchState(Roots.of([tmp_path]), local=False)
    other.open("uploaded/mine.emd")
    assert "not among the files" in other.message
    state.close()


def test_the_one_file_of_a_folder_is_opened_unasked(example, tmp_path):
    shutil.copy(example, tmp_path / "only.emd")
    state = WorkbenchState(Roots.of([tmp_path]))
    state.begin()
    settle(state)
    assert settle(state).file == "only.emd"
    shutil.copy(example, tmp_path / "second.emd")
    other = WorkbenchState(Roots.of([tmp_path]))
    other.begin()
    assert settle(other).file == ""
    assert other.files == ("only.emd", "second.emd")
    for made in (state, other):
        made.close()

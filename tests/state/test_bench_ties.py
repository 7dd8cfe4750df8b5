"""Explorers and Workbench over one map: what is changed in one is changed in the others, once."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pytest

from edsnb.io.roots import Roots
from edsnb.pipeline import analyse
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.bench.ties import chip_state, compare_state, fit_state
from tests.state.test_workbench import settle


@pytest.fixture
def bench(example):
    state = WorkbenchState(Roots.of([example]))
    state.open("example.emd")
    yield settle(state)
    state.close()


@pytest.fixture
def chips(bench):
    made = chip_state(bench)
    yield made
    made.wait()


def test_the_grid_is_one(bench, chips):
    chips.size = 8
    assert settle(bench).recipe.chip == 8
    assert len(bench.analysis.spectra) == 64
    bench.set(chip=16, crop=(0, 32, 16, 64), stride=8, origin=(0, 4))
    assert (chips.size, chips.side_by_side, chips.stride) == (16, False, 8)
    assert (chips.crop_y, chips.crop_x, chips.origin_x) == ((0, 32), (16, 64), 4)
    assert chips.grid == settle(bench).recipe.grid
    chips.crop_y, chips.crop_x = (0, 64), (0, 64)
    assert settle(bench).recipe.crop is None
    chips.size = 900
    assert bench.recipe.chip == chips.size <= 64


def test_elements_are_one(bench, chips):
    assert chips.elements is bench.elements
    chips.elements.toggle("La")
    assert "La" in bench.recipe.deconvolve


def test_the_selection_is_one(bench, chips):
    fits = fit_state(bench)
    chips.select(2, 50)
    assert bench.selected == ("R0C3",)
    assert fits.name_of(fits.chip) == "R0C3"
    fits.chip = 6
    assert bench.selected == ("R1C2",)
    assert [chips.regions.names[k] for k in chips.selected] == ["R1C2"]
    bench.select(["R2C0", "R3C3"])
    assert [chips.regions.names[k] for k in chips.selected] == ["R2C0", "R3C3"]
    assert fits.name_of(fits.chip) == "R3C3"


def test_a_new_run_is_looked_at_and_a_refit_is_taken_over(bench):
    fits = fit_state(bench)
    bench.set(chip=8)
    settle(bench)
    assert fits.analysis is bench.analysis
    assert len(fits.result) == 64
    fits.trial.background = "polynomial"
    fits.trial.work.wait()
    fits.apply()
    fits.wait()
    assert bench.analysis is fits.analysis
    assert bench.recipe.background == "polynomial"
    assert bench.recipe.chip == 8
    assert bench.stale == ()
    assert not bench.running.running
    with redirect_stdout(io.StringIO()):
        exec(bench.code(), space := {})
    np.testing.assert_array_equal(space["analysis"].quantification.atomic, bench.analysis.quantification.atomic)
    fits.undo()
    assert bench.recipe.background == "physical"
    assert bench.analysis is fits.analysis


def test_drawn_regions_are_fitted_instead_of_the_grid(bench, chips):
    chips.drawn.polygon([(6, 4), (6, 60), (28, 60), (28, 4)])
    (drawn,) = chips.drawn.names
    chips.use = "drawn"
    settle(bench)
    assert bench.analysis.spectra.names == (drawn,)
    assert bench.selected == (drawn,)
    with redirect_stdout(io.StringIO()):
        exec(bench.code(), space := {})
    np.testing.assert_array_equal(space["analysis"].quantification.atomic, bench.analysis.quantification.atomic)
    chips.use = "both"
    assert len(settle(bench).analysis.spectra) == 17
    chips.use = "grid"
    assert len(settle(bench).analysis.spectra) == 16
    assert "drawn" not in bench.code()


def test_another_file(bench, chips, example, tmp_path):
    import shutil

    other = tmp_path / "other.emd"
    shutil.copy(example, other)
    bench.shelf.roots = Roots.of([example, other])
    chips.size = 8
    settle(bench)
    bench.open("other.emd")
    settle(bench)
    assert chips.image is bench.image
    assert chips.size == bench.recipe.chip == 8
    assert len(bench.analysis.spectra) == 64


def test_they_begin_as_the_workbench_is(bench):
    bench.set(chip=8, crop=(0, 32, 0, 64))
    settle(bench).select(["R2C5"])
    chips, fits = chip_state(bench), fit_state(bench)
    assert chips.grid == bench.recipe.grid
    assert [chips.regions.names[k] for k in chips.selected] == ["R2C5"]
    assert fits.name_of(fits.chip) == "R2C5"
    chips.wait()


def test_a_grid_alone_is_not_run_twice(bench, chips, monkeypatch):
    runs = []
    monkeypatch.setattr("edsnb.state.bench.state.analyse", lambda *a, **k: runs.append(a[1]) or analyse(*a, **k))
    chips.size = 8
    settle(bench)
    assert [recipe.chip for recipe in runs] == [8]


def test_others_name_no_files_of_the_server(example, tmp_path):
    labels = tmp_path / "labels.npy"
    np.save(labels, np.ones((64, 64), int))
    for local in (True, False):
        bench = WorkbenchState(Roots.of([example]), local=local)
        bench.open("example.emd")
        chips = chip_state(settle(bench))
        chips.drawn.import_labels(labels)
        assert bool(chips.drawn.areas) is local
        assert ("cannot be named here" in chips.drawn.message) is not local
        chips.drawn.import_labels(labels, shown_as="labels.npy")
        assert chips.drawn.areas
        chips.wait()
        bench.close()


def test_the_run_is_compared_and_the_selection_is_one(bench):
    compared = compare_state(bench)
    assert compared.base is bench.analysis
    bench.select(["R2C1"])
    compared.second = "net windows"
    compared.comparing.wait()
    assert compared.selected == ("R2C1",)
    compared.select_at(20, 40)
    assert bench.selected == ("R1C2",)
    bench.select(["R3C3"])
    assert compared.selected == ("R3C3",)
    before = bench.analysis
    bench.set(chip=8)
    settle(bench)
    assert compared.base is bench.analysis is not before
    assert compared.problem.startswith("The chips are others now: press Compare")
    assert bench.selected == ("R3C3",)
    compared.run()
    compared.comparing.wait()
    assert len(compared.comparison) == 64
    assert compared.selected == ("R3C3",)


def test_what_is_hidden_follows_when_it_is_looked_at(bench):
    bench.tab = "chips"
    fits = fit_state(bench, tab="fit")
    compared = compare_state(bench, tab="compare")
    chips = chip_state(bench, tab="chips")
    shown = fits.analysis
    for size in (8, 32):
        bench.set(chip=size)
        settle(bench)
    bench.select(["R1C0"])
    assert fits.analysis is compared.base is shown
    assert [chips.regions.names[k] for k in chips.selected] == ["R1C0"]
    bench.tab = "fit"
    assert fits.analysis is bench.analysis
    assert fits.name_of(fits.chip) == "R1C0"
    assert compared.base is shown
    bench.select(["R0C1"])
    assert fits.name_of(fits.chip) == "R0C1"
    bench.tab = "compare"
    assert compared.base is bench.analysis
    chips.wait()

"""The Workbench without a browser: every tab can be made, fields and settings follow each other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.document import Document

import edsnb
from edsnb.core.events import Events
from edsnb.errors import EdsnbError
from edsnb.io.velox.write import write_velox
from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.bench.composition import CompositionView
from edsnb.widgets.bench.settings import SettingsPanel
from edsnb.widgets.bench.workbench import TITLES, Workbench
from edsnb.widgets.parts.texts import LiveText
from tests.helpers import real_file
from tests.simulated import small
from tests.state.test_workbench import settle


def lines(view) -> list[str]:
    """Return all lines of text in a view, as HTML."""
    lines = [text for line in view.select(LiveText) for text in line.lines]
    return [*lines, *(str(code.value) for code in view.select(pn.widgets.StaticText))]


def cannot(view) -> list[str]:
    return [line for line in lines(view) if "cannot be shown" in line]


@pytest.fixture
def bench(example):
    made = Workbench(example)
    settle(made.state)
    yield made
    made.state.close()


def shown(bench: Workbench) -> pn.viewable.Viewable:
    """Draw every tab, as a browser would have it."""
    view = bench.__panel__()
    view.get_root(Document())
    for tab in TITLES:
        bench.state.tab = tab
        settle(bench.state)
    return view


def test_every_tab_can_be_made(bench):
    view = shown(bench)
    assert not cannot(view)
    assert bench.state.analysis is not None
    assert len(view.select(pn.widgets.Tabulator)) >= 2
    text = " ".join(lines(view))
    assert "16 chips in" in text
    assert "edsnb.Recipe(" in text


def test_a_tab_is_only_made_when_it_is_looked_at(bench, monkeypatch):
    made = []
    monkeypatch.setattr("edsnb.widgets.bench.workbench.ElementPicker", lambda state: made.append(1) or pn.Column())
    bench.__panel__()
    assert not made
    bench.state.tab = "elements"
    bench.state.tab = "code"
    bench.state.tab = "elements"
    assert made == [1]


def test_a_tab_that_fails_says_so_and_the_others_work(bench, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("no <b>luck</b>")

    monkeypatch.setattr("edsnb.widgets.bench.workbench.ElementPicker", fail)
    view = bench.__panel__()
    bench.state.tab = "elements"
    (said,) = cannot(view)
    assert "no <b>luck</b>" in said
    bench.state.tab = "code"
    assert "edsnb.Recipe(" in " ".join(lines(view))


def test_a_run_is_what_is_compared(bench):
    made = bench._compare()
    assert made.state.base is bench.state.analysis
    assert made.state.methods[made.state.first].what is bench.state.analysis
    view = bench.__panel__()
    (strip,) = (tabs for tabs in view.select(pmui.Tabs) if "Compare" in tabs._names)
    assert strip._names[-2:] == ["Compare", "Code"]


def test_how_a_notebook_begins(example, tmp_path):
    recipe = edsnb.Recipe(elements=("La", "O"), deconvolve=("Fe", "Sr", "Ti", "Cu", "C"), chip=8)
    (tmp_path / "r.toml").write_text(recipe.to_toml(), encoding="utf-8")
    for given in (recipe, tmp_path / "r.toml"):
        made = edsnb.Workbench(example, recipe=given, crop=(0, 32, 0, 64), kfactors="theory")
        settle(made.state)
        assert made.state.analysis.quantification.elements == ("La", "O")
        assert made.state.recipe.crop == (0, 32, 0, 64)
        assert made.code() == made.state.code()
        made.state.close()
    for name in ("one.emd", "two.emd"):
        shutil.copy(example, tmp_path / name)
    folder = edsnb.Workbench(tmp_path)
    settle(folder.state)
    assert folder.state.files == ("one.emd", "two.emd")
    assert folder.state.image is None
    with pytest.raises(EdsnbError, match="does not exist"):
        edsnb.Workbench(tmp_path / "nothing.emd")
    bad = edsnb.Workbench(example, chip=0)
    assert "at least 1" in bad.state.problem
    for made in (folder, bad):
        made.state.close()


# What files may be


def pixels(image, shape) -> object:
    dense = image.require_events().to_dense()[: shape[0] * shape[1]] * 0 + 1
    return replace(image, shape=shape, events=Events.from_dense(dense), surveys={}, maps=())


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (16, 16)])
def test_tiny_maps(tmp_path, shape):
    path = write_velox(pixels(small().image, shape), tmp_path / "tiny.emd")
    bench = Workbench(path)
    settle(bench.state)
    assert not cannot(shown(bench)), shape
    assert bench.state.analysis is not None
    bench.state.close()


@pytest.mark.parametrize(
    "name",
    ["EDS-STO.emd", "velox_v11_SI_16x16.emd", "velox_v11_SI_16x16_reduced.emd", "velox_v11_no_elements.emd",
     "fei_SI_SuperX-HAADF_20frames_10x50.emd", "example_velox_EELS_EDS.emd", "fei_emd_si.emd"],
)  # fmt: skip
def test_real_files_of_every_kind(name):
    bench = Workbench(real_file(name))
    settle(bench.state)
    view = shown(bench)
    assert not cannot(view)
    assert bench.state.file == name
    assert bench.state.analysis is not None or "No elements are selected in the file" in bench.state.problem
    bench.state.close()


def test_a_file_that_does_not_open_is_said(tmp_path, example):
    (tmp_path / "a.emd").write_bytes(b"nothing")
    bench = Workbench(tmp_path / "a.emd")
    view = bench.__panel__()
    settle(bench.state)
    assert any("does not begin like HDF5" in line for line in lines(view))
    bench.state.close()


# Fields


def by_label(panel, label: str):
    (found,) = panel.select(lambda part: getattr(part, "label", None) == label)
    return found


@pytest.fixture
def settings(bench):
    panel = SettingsPanel(bench.state)
    return SimpleNamespace(state=bench.state, quantification=panel.quantification, fitting=panel.fitting)


def test_numbers_are_typed_and_marked_where_they_are_none(settings):
    state, film = settings.state, by_label(settings.quantification, "Film (nm)")
    film.value = "50,5"
    assert state.settings["thickness_nm"] == 50.5
    assert "both are needed" in state.problem
    film.value = "thick"
    assert film.error_state
    assert state.settings["thickness_nm"] == 50.5
    film.value = ""
    assert not film.error_state
    assert not state.problem
    by_label(settings.quantification, "Beam (keV)").value = "200"
    assert state.recipe.beam_kev == 200.0


def test_choices_set_the_recipe(settings):
    state = settings.state
    by_label(settings.quantification, "k-factors belong to").value = "alpha"
    by_label(settings.fitting, "Background").value = "polynomial"
    by_label(settings.fitting, "Engine").value = "window"
    by_label(settings.fitting, "Calibrate on the sum").value = False
    by_label(settings.fitting, "To (keV)").value = "15"
    by_label(settings.quantification, "Fitted, but not in the 100 %").value = ["C", "Cu", "La"]
    recipe = state.recipe
    assert (recipe.k_convention, recipe.background, recipe.engine) == ("alpha", "polynomial", "window")
    assert (recipe.calibrate, recipe.energy) == (False, (0.2, 15.0))
    assert set(recipe.deconvolve) == {"C", "Cu", "La"}
    settle(state)


def test_fields_show_a_loaded_recipe(settings):
    settings.state.load(edsnb.Recipe(elements=("La", "O"), deconvolve=("Fe",), background="none", energy=(0.3, 12.0),
                                     thickness_nm=40.0, density_g_cm3=6.0))  # fmt: skip
    assert by_label(settings.fitting, "Background").value == "none"
    assert by_label(settings.fitting, "From (keV)").value == "0.3"
    assert by_label(settings.quantification, "Film (nm)").value == "40"
    assert by_label(settings.quantification, "Fitted, but not in the 100 %").value == ["Fe"]
    settle(settings.state)


def test_the_table_of_kfactors_is_that_in_use(settings):
    settle(settings.state)
    (table,) = settings.quantification.select(pn.widgets.Tabulator)
    used = settings.state.analysis.quantification.kfactors
    assert dict(zip(table.value["family"], table.value["k"], strict=True)) == dict(used.factors)


# Composition


@pytest.fixture
def view(bench):
    return CompositionView(bench.state)


def test_maps_and_table_show_the_composition(bench, view):
    quant = bench.state.analysis.quantification
    assert len(view._maps.objects) == len(quant.elements)
    frame: pd.DataFrame = view._table.value
    np.testing.assert_array_equal(frame["La"], quant.atomic[:, quant.elements.index("La")])
    np.testing.assert_array_equal(frame["± La"], quant.sd_atomic[:, quant.elements.index("La")])
    pane = view._panes[quant.elements.index("La")]
    (image,) = pane._source.data["image"]
    np.testing.assert_allclose(image.ravel(), frame["La"].astype(np.float32))
    assert pane.figure.title.text == "La (at%)"
    assert pane.figure.frame_width == pane.figure.frame_height
    bench.state.quantity = "weight"
    np.testing.assert_array_equal(view._table.value["La"], quant.weight[:, quant.elements.index("La")])
    bench.state.same_colours = True
    assert len({pane.limits for pane in view._panes}) == 1


def test_what_is_selected_is_one(bench, view):
    view._tapped(2.0, 50.0, frozenset())
    assert bench.state.selected == ("R0C3",)
    assert view._table.selection == [3]
    view._tapped(20.0, 2.0, frozenset({"shift"}))
    assert view._table.selection == [3, 4]
    view._tapped(2.0, 50.0, frozenset({"ctrl"}))
    assert bench.state.selected == ("R1C0",)
    view._table.selection = [5, 6]
    assert bench.state.selected == ("R1C1", "R1C2")
    assert len(view._panes[0]._lines["selected"].data["x0"]) == 8
    view._tapped(2000.0, 2000.0, frozenset())
    assert bench.state.selected == ("R1C1", "R1C2")
    assert any("R1C2: " in line and "and 1 more" in line for line in lines(view.view))


def test_other_elements_make_other_maps(bench, view):
    bench.state.set(elements=("La", "O"), deconvolve=("Fe", "Sr", "Ti", "Cu", "C"), lines=None)
    settle(bench.state)
    assert len(view._maps.objects) == 2
    assert "Fe" not in view._table.value


def test_spectra_without_a_place_have_a_table(tmp_path):
    bench = Workbench(real_file("EDS-STO.emd"))
    settle(bench.state)
    view = CompositionView(bench.state)
    assert not view._maps.objects
    assert any("no place on a map" in line for line in lines(view.view))
    assert len(view._table.value) == len(bench.state.analysis.spectra)
    bench.state.close()


def test_nothing_to_show():
    view = CompositionView(WorkbenchState())
    assert not view._place.visible
    assert any("no composition yet" in line for line in lines(view.view))

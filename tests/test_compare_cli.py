"""``edsnb compare``: every source, what it prints, and one line for whatever a user can mend."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import edsnb
from edsnb.comparing import compare_file, read_formulas, read_rules
from edsnb.core.comparison.composition import Composition
from edsnb.core.image import StoredMap
from edsnb.errors import EdsnbError, InputError
from edsnb.io.velox_tables.write import write_velox_batches
from edsnb.sources import open_sides
from tests.io.velox_tables.exports import add_log, log_table
from tests.simulated import RECIPE, analysed, small
from tests.test_cli import refused, run

SETTINGS = ["--elements", "La,Fe,Sr,Ti,O", "--deconvolve", "Cu,C", "--chip", "16"]
PHASES = ["--phases", "STO=SrTiO3,LFO=LaFeO3"]
RULES = ["--phase-rules", "STO=Sr > 5; LFO=La > 15"]


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes most of the time."""
    monkeypatch.setattr("edsnb.report.write.pictures_of", lambda *_: {"maps": (), "agreement": (), "fits": ()})
    monkeypatch.setattr("edsnb.report.write.phases_picture", lambda _: None)


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return edsnb's own numbers in Velox's layout, with La a fifth too low."""
    own = Composition.of(analysed().quantification, "made for a test")
    values = {q: own.values[q].copy() for q in ("atomic", "weight")}
    for table in values.values():
        table[:, 0] *= 0.8
        table *= 100 / table.sum(axis=1, keepdims=True)
    made = replace(own, values=values, sd={q: own.sd[q] for q in values})
    return write_velox_batches(made, tmp_path_factory.mktemp("velox") / "export", batch=4)


def test_beside_tables_that_velox_exported(
    example: Path, batches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "report"
    assert run("compare", example, *SETTINGS, *PHASES, *RULES, "--second", f"velox:{batches}", "--out", out) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert "edsnb minus stand-in for Velox (simulated), 16 regions, at%" in printed
    assert f"report: {out / 'simulated-report.html'}" in printed
    chips = pd.read_csv(out / "simulated-chips.csv")
    own = analysed().quantification
    np.testing.assert_allclose(chips["first_at_La"], own.atomic[:, 0], rtol=1e-12)
    film = own.atomic[:, 0] > 15
    assert film.any()
    assert (chips["diff_at_La"][film] > 2).all()
    found = pd.read_csv(out / "simulated-stoichiometry.csv").set_index(["phase", "method", "element"])
    assert set(found.index.get_level_values("phase")) == {"STO", "LFO"}
    assert found.loc[("LFO", "stand-in for Velox (simulated)", "La"), "error_percent"] > 10
    mark = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert {path.name for path in batches.iterdir()} == set(mark["files"])
    notes = mark["methods"]["stand-in for Velox (simulated)"]["notes"]
    assert any("the unit was checked beside edsnb" in note for note in notes)
    # What it says it was asked for gives the same report.
    again = tmp_path / "again"
    arguments = ["compare", example, "--recipe", out / "recipe-edsnb.toml", "--phase-rules", out / "phases.toml",
                 *PHASES, "--second", f"velox:{batches}", "--out", again, "--quiet"]  # fmt: skip
    assert run(*arguments) == 0
    assert capsys.readouterr().out == ""
    for name in ("chips", "statistics", "stoichiometry", "phases"):
        assert (again / f"simulated-{name}.csv").read_bytes() == (out / f"simulated-{name}.csv").read_bytes()


@pytest.mark.parametrize(
    ("source", "method"),
    [("window", "window integration"), ("hyperspy-lstsq", "HyperSpy (least squares)"), ("edsnb", "edsnb 2")],
)
def test_what_is_fitted_here(source: str, method: str):
    recipe = replace(RECIPE, crop=(0, 64, 0, 16))
    compared = compare_file(small().image, "edsnb", [source], recipe)
    (comparison,) = compared.comparisons
    assert comparison.methods == ("edsnb", method)
    assert len(comparison) == 4
    assert list(compared.analyses) == ["edsnb", method]
    assert compared.analyses["edsnb"].spectra is compared.analyses[method].spectra, "cut once"
    if source == "edsnb":
        np.testing.assert_array_equal(comparison.first, comparison.second)
    notes = comparison.compositions[1].notes
    assert any("alpha" in note for note in notes) == source.startswith("hyperspy")


def test_a_recipe_beside_the_settings_given(example: Path, tmp_path: Path):
    path = tmp_path / "poly.toml"
    path.write_text(replace(RECIPE, background="polynomial", chip=16).to_toml(), encoding="utf-8")
    compared = compare_file(example, f"recipe:{path}", ["edsnb", "window"], RECIPE)
    assert compared.comparisons[0].methods == ("edsnb, poly.toml", "edsnb")
    assert compared.comparisons[1].methods == ("edsnb, poly.toml", "window integration")
    assert compared.analyses["edsnb, poly.toml"].recipe.background == "polynomial"
    # A recipe that says nothing of chips takes those of the command; one that does gives them.
    for own, other, chip in ((8, 16, 8), (16, 8, 8), (8, 8, 8)):
        path.write_text(replace(RECIPE, chip=own).to_toml(), encoding="utf-8")
        (side,) = open_sides([f"recipe:{path}"], example, replace(RECIPE, chip=other))[1]
        assert side.analysis is not None
        assert side.analysis.recipe.chip == chip
    path.write_text(replace(RECIPE, chip=20).to_toml(), encoding="utf-8")
    with pytest.raises(InputError, match=r"chips of their own \(chip 8 and chip 20\)"):
        open_sides(["edsnb", f"recipe:{path}"], example, replace(RECIPE, chip=8))


def test_stored_maps_are_compared_in_counts_of_every_element():
    """Also of elements that are kept out of the 100 %."""
    energies = {"La": (4.4, 4.9), "Fe": (6.2, 6.6), "Cu": (7.8, 8.3)}
    maps = tuple(
        StoredMap(e, small().image.counts_map(*ends).astype(np.float32), "counts", "Integration", e)
        for e, ends in energies.items()
    )
    image = replace(small().image, maps=maps)
    (comparison,) = compare_file(image, "edsnb", ["velox-maps"], RECIPE, quantity="counts").comparisons
    assert comparison.methods == ("edsnb", "Velox (Integration maps)")
    assert comparison.elements == ("La", "Fe", "Cu")
    assert comparison.only_in == (("Sr", "Ti", "O", "C"), ())
    ends = energies["Cu"]
    spectra = edsnb.chip(image, edsnb.ChipGrid(16))
    window = spectra.counts[:, spectra.energy.channels(*ends)].sum(axis=1)
    np.testing.assert_array_equal(comparison.second[:, 2], window)
    # Most of copper's family lies in the window of its alpha line.
    assert 1.0 < comparison.by_element["Cu"].ratio < 1.3
    with pytest.raises(InputError, match="has no at%"):
        compare_file(image, "edsnb", ["velox-maps"], RECIPE)


def test_the_log_beside_a_fit_of_the_sum(tmp_path: Path, example: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "map.emd"
    shutil.copy(example, path)
    with h5py.File(path, "a") as file:
        # The empty log that a simulation has.
        del file["Experiment"]
    lines = [(8, "O", "K", 60.0, 1, 30.0, 1, 0.1), (38, "Sr", "K", 40.0, 1, 70.0, 1, 0.1)]
    add_log(path, log_table("Spectra from Summed", lines))
    whole = replace(RECIPE, chip=64)
    compared = compare_file(path, "edsnb", ["velox"], whole, renormalise=("O", "Sr"))
    (comparison,) = compared.comparisons
    assert comparison.methods == ("edsnb", "Velox (experiment log)")
    assert comparison.elements == ("O", "Sr")
    np.testing.assert_allclose(comparison.first.sum(axis=1), 100)
    np.testing.assert_allclose(comparison.second, [[60, 40]])
    assert run("compare", path, "--second", "velox", "--elements", "O,Sr", "--chip", "64", "--out", tmp_path / "r") == 0
    printed = capsys.readouterr().out
    assert "edsnb minus Velox (experiment log), 1 region, at%" in printed
    assert "   1 chip\n" in printed


def test_what_was_read_is_told_where_it_was_asked_for(
    example: Path, batches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Missing chips, elements of one side and how chips were told, on the terminal too."""
    folder = tmp_path / "export"
    shutil.copytree(batches, folder)
    (folder / "batch_3.csv").unlink()
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text(encoding="utf-8").replace("57,La,", "58,Ce,"), encoding="utf-8")
    assert run("compare", example, *SETTINGS, "--second", f"velox:{folder}", "--out", tmp_path / "report") == 0
    printed = capsys.readouterr().out
    assert "12 chips\n" in printed
    assert "note: Only edsnb has La.\nnote: Only stand-in for Velox (simulated) has Ce.\n" in printed
    _, found, notes = printed.partition("notes on stand-in for Velox (simulated):\n")
    assert found
    assert "\n  missing: R2C0, R2C1, R2C2, R2C3 (4 of 16 chips) are NaN.\n" in notes
    assert "notes on edsnb" not in printed


def test_how_tables_are_read_can_be_said(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Every setting that a message asks for."""
    own = analysed().quantification
    table = own.to_frame()[["chip", *(f"at_{e}" for e in own.elements)]].assign(Remark="x")
    path = tmp_path / "mine.csv"
    table.iloc[::-1].to_csv(path, index=False)
    arguments = ["compare", example, *SETTINGS, "--second", f"table:{path}", "--quiet", "--out", tmp_path / "report"]
    assert "ignore=[...]" in refused(capsys, *arguments)
    assert run(*arguments, "--table", "ignore=Remark,Other") == 0
    chips = pd.read_csv(tmp_path / "report" / "simulated-chips.csv")
    np.testing.assert_allclose(chips["first_at_O"], chips["second_at_O"])
    # Lines stand in reverse: told by their order alone, the last is the first.
    again = ["--table", "ignore=Remark", "--table", "by=order", "--overwrite"]
    assert run(*arguments, *again) == 0
    chips = pd.read_csv(tmp_path / "report" / "simulated-chips.csv")
    np.testing.assert_allclose(chips["first_at_O"], chips["second_at_O"][::-1])
    capsys.readouterr()
    for setting, said in (
        ("by=luck", "by='luck' must be one of"), ("first=one", "'one' is not a whole number"),
        ("least_sum=", "is not NAME=VALUE"), ("quantity=atomic", "with one of by, batch, first"), ("by", "NAME=VALUE"),
    ):  # fmt: skip
        assert said in refused(capsys, *arguments, "--table", setting, "--overwrite")
    assert "stands twice" in refused(capsys, *arguments, "--overwrite", "--table", "first=0", "--table", "first=1")
    alone = ["compare", example, *SETTINGS, "--second", "window", "--quiet", "--out", tmp_path / "other"]
    assert "have no use" in refused(capsys, *alone, "--table", "by=name")


def test_a_formula_with_elements_that_no_method_has(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Oxygen alone would find the chips, but nothing can be normalised: a note, and the other phase goes on."""
    phases = ["--phases", "W=Na2WO4,STO=SrTiO3", "--phase-rules", "W=O > 5 and Sr < 5;STO=Sr > 5"]
    arguments = ["compare", example, *SETTINGS, *phases, "--second", "window", "--out", tmp_path / "report"]
    assert run(*arguments) == 0
    printed = capsys.readouterr().out
    assert "note: Left out of the stoichiometry: phase W, no method has every element of Na2WO4." in printed
    assert "nan" not in printed.casefold()
    assert "STO as SrTiO3, edsnb, " in printed
    table = pd.read_csv(tmp_path / "report" / "simulated-stoichiometry.csv")
    assert set(table["phase"]) == {"STO"}


def test_a_method_without_an_element_of_the_formula(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    own = analysed().quantification
    table = own.to_frame()[["chip", *(f"at_{e}" for e in own.elements if e != "Ti")]]
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["compare", example, *SETTINGS, "--second", f"table:{tmp_path / 't.csv'}", "--phases", "STO=SrTiO3"]
    assert run(*arguments, "--out", tmp_path / "report") == 0
    printed = capsys.readouterr().out
    assert "STO as SrTiO3, edsnb, " in printed
    assert ": not known, an element or every chip is missing" in printed
    assert "nan" not in printed


def test_a_phase_without_chips_is_told_and_the_others_go_on(example: Path):
    compared = compare_file(
        example, "edsnb", ["window"], RECIPE, formulas={"STO": "SrTiO3", "MgO": "MgO", "LFO": "LaFeO3"},
        rules={"rules": {"STO": "Sr > 5", "LFO": "La > 15", "MgO": "O > 99"}},
    )  # fmt: skip
    assert compared.stoichiometry is not None
    assert {r.phase for r in compared.stoichiometry} == {"STO", "LFO"}
    assert any("Left out of the stoichiometry: phase MgO has no chips" in note for note in compared.notes)
    nothing = compare_file(
        example, "edsnb", ["window"], RECIPE, formulas={"MgO": "MgO"}, rules={"rules": {"MgO": "O > 99"}}
    )
    assert nothing.stoichiometry is None
    assert nothing.phases is not None


def test_only_regions_that_all_methods_have_are_averaged(example: Path, tmp_path: Path):
    """A chip that Velox's table lacks does not count on edsnb's side either."""
    own = analysed().quantification
    table = own.to_frame()[["chip", *(f"at_{e}" for e in own.elements)]].iloc[:12]
    table.to_csv(tmp_path / "mine.csv", index=False)
    rules = {"rules": {"STO": "Sr > 5"}}
    compared = compare_file(
        example, "edsnb", [f"table:{tmp_path / 'mine.csv'}"], RECIPE, formulas={"STO": "SrTiO3"}, rules=rules
    )
    assert compared.stoichiometry is not None
    chips = {r.method: r.chips for r in compared.stoichiometry}
    assert chips["table mine.csv"] == int((own.atomic[:12, 2] > 5).sum())
    assert any("missing" in note or "no entry" in note for note in compared.comparisons[0].compositions[1].notes)


def test_border_and_rules_are_those_of_find_phases(example: Path):
    compared = compare_file(
        example, "edsnb", ["window"], replace(RECIPE, chip=8), formulas={"STO": "SrTiO3", "LFO": "LaFeO3"}, border=1
    )
    assert compared.phases is not None
    assert compared.phases.settings["border"] == 1
    assert compared.phases.left_out["border"].any()


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "empty"), ("film", "not understood"), ("STO=SrTi(O3", "not closed"), ("A=O2,A=O", "twice"),
     ("=SrTiO3", "no name"), ("STO", "write STO=FORMULA"), ("A=", "formula"), ("A=Xx2", "no element")],
)  # fmt: skip
def test_formulas_that_cannot_be(text: str, said: str):
    with pytest.raises(EdsnbError, match=said):
        read_formulas(text)


def test_formulas_and_rules_as_text(tmp_path: Path):
    assert read_formulas(" STO = SrTiO3 , LaFeO3") == {"STO": "SrTiO3", "LaFeO3": "LaFeO3"}
    assert read_rules("A=La >= 5 and Fe>5; B = Sr < 3;") == {"rules": {"A": "La >= 5 and Fe>5", "B": "Sr < 3"}}
    for text, said in (("", "empty"), ("La > 5", "not PHASE=RULE"), ("A=O>1;A=O>2", "twice"), ("A>B=5", "PHASE=RULE"),
                       (str(tmp_path / "none.toml"), "cannot be read")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            read_rules(text)
    for text, said in (("a b", "not valid TOML"), ("rule = 1", "unknown setting rule"), ('share = "x"', "cannot be")):
        (tmp_path / "p.toml").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_rules(str(tmp_path / "p.toml"))


# --- one line for what can be mended ---------------------------------------------------------------------------------


def compare(*more: object) -> list[object]:
    return ["compare", *more, *SETTINGS, "--out", "report", "--quiet"]


def test_refusals_are_one_line_and_leave_nothing(
    example: Path, batches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    before = {p.name for p in tmp_path.iterdir()}
    cases: list[tuple[list[object], str]] = [
        (["--second", "velux"], "source 'velux' is not understood"),
        (["--second", str(batches)], "say velox:"),
        (["--second", "velox:nowhere"], "does not exist"),
        (["--second", "velox"], "log"),
        (["--second", "recipe:none.toml"], "cannot be read"),
        (["--second", "velox-maps"], "no element maps"),
        (["--second", "window", "--phases", "STO=SrTi(O3"], "is not closed"),
        (["--second", "window", "--phases", "A=MgO", "--phase-rules", "B=O > 5"], "no rule says where A is"),
        (["--second", "window", "--phases", "A=O2,B=O3"], "same elements"),
        (["--second", "window", "--phase-rules", "A=Mg > 5"], "Mg"),
        (["--second", "window", "--border", "1"], "no use without"),
        (["--second", "window", "--renormalise", "Mg"], "Mg"),
        (["--second", "window", "--quantity", "counts", "--renormalise"], "cannot be normalised"),
    ]
    for more, said in cases:
        assert said in refused(capsys, *compare(example, *more)), more
    assert {p.name for p in tmp_path.iterdir()} == before


def test_tables_that_cannot_be_right(
    example: Path, batches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    own = analysed().quantification
    at = pd.DataFrame(own.atomic, columns=[f"{e} (at%)" for e in own.elements])
    at.insert(0, "chip", list(own.fit.spectra.names))
    wt = pd.DataFrame(own.weight, columns=list(at.columns[1:]))
    wt.insert(0, "chip", at["chip"])
    foreign = at[["chip"]].assign(**{"Mg (at%)": 50.0, "Si (at%)": 50.0})
    other = at.iloc[5:6].assign(**{"La (at%)": 1.0, "O (at%)": 99.0, "Fe (at%)": 0.0, "Sr (at%)": 0.0, "Ti (at%)": 0.0})
    tables = {
        "as-weight": (wt, "looks like wt%"),
        "double": (pd.concat([at, other]), "R1C1"),
        "sums": (at.assign(**{"O (at%)": at["O (at%)"] * 3}), "sum"),
        "foreign": (foreign, "no element in common"),
        "words": (at.assign(**{"O (at%)": "much"}), "much"),
        "elsewhere": (at.assign(chip=[f"R9C{i}" for i in range(len(at))]), "R9C0"),
    }  # fmt: skip
    for name, (table, said) in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        line = refused(capsys, *compare(example, "--second", f"table:{name}.csv"))
        assert said in line, line
    copy = tmp_path / "three of four"
    shutil.copytree(batches, copy)
    (copy / "batch_3.csv").unlink()
    # A hole in the numbering tells which chips are missing: they are left out, and said to be.
    assert run(*compare(example, "--second", f"velox:{copy}")) == 0
    mark = json.loads((tmp_path / "report" / "provenance.json").read_text(encoding="utf-8"))
    assert any("R2C0" in note for note in mark["methods"]["stand-in for Velox (simulated)"]["notes"])
    chips = pd.read_csv(tmp_path / "report" / "simulated-chips.csv").set_index("chip")
    assert chips.loc[[f"R2C{i}" for i in range(4)], "second_at_O"].isna().all()
    assert "--overwrite" in refused(capsys, *compare(example, "--second", f"velox:{batches}"))


def test_an_element_of_one_side_is_left_out_and_told(example: Path, tmp_path: Path):
    own = analysed().quantification
    table = own.to_frame()[["chip", *(f"at_{e}" for e in own.elements)]].rename(columns={"at_La": "at_Ce"})
    table.to_csv(tmp_path / "t.csv", index=False)
    (comparison,) = compare_file(example, "edsnb", [f"table:{tmp_path / 't.csv'}"], RECIPE).comparisons
    assert comparison.only_in == (("La",), ("Ce",))
    assert any("Only table t.csv has Ce" in note for note in comparison.notes)


def test_what_cannot_be_used_is_told_before_any_fit(example: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object, **__: object) -> None:
        pytest.fail("fitted")

    monkeypatch.setattr("edsnb.sources.analyse", never)
    for second in ("velox:nowhere", "table:nowhere.csv", "velox", "recipe:nowhere.toml", "nothing"):
        with pytest.raises(EdsnbError):
            compare_file(example, "hyperspy-published", [second], RECIPE)
    with pytest.raises(edsnb.EdsnbError, match="second side"):
        compare_file(example, "edsnb", [], RECIPE)
    with pytest.raises(InputError, match="quantity='mass' is unknown"):
        compare_file(example, "edsnb", ["window"], RECIPE, quantity="mass")

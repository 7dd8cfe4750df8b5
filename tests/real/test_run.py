"""The command line on every real file: what is in it, and chips of every map."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edsnb.cli import main
from edsnb.core.fitting.fit import Status
from tests.helpers import real_file

NI = "fei_SI_SuperX-HAADF_20frames_10x50.emd"
EMPTY = "example_velox_EELS_EDS.emd"
POINTS = "EDS-STO.emd"
BCF = "bcf_v2_50x50px.bcf"
MAPS = {
    # (elements, those to deconvolve, chip size, chips); without elements those selected in the file.
    NI: ("Ni,Cr,Fe,Nb,Ti,Mo,Al,O", "Cu,C", 5, 20),
    "fei_emd_si.emd": ("Si,O", "", 8, 4),
    "velox_v11_SI_16x16.emd": ("", "", 8, 4),
    "velox_v11_SI_16x16_reduced.emd": ("", "", 8, 4),
    "velox_v11_no_elements.emd": ("C,O", "", 8, 4),
    EMPTY: ("", "", 8, 4),
    BCF: ("", "", 10, 25),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must succeed without a word of complaint, and return what it printed."""
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert err == ""
    assert code == 0
    return out


def chips(capsys: pytest.CaptureFixture[str], name: str, out: Path, *more: str) -> tuple[pd.DataFrame, dict]:
    """Return the table of a run and its summary."""
    elements, kept_out, size, _ = MAPS[name]
    words = [f"--elements={elements}"] if elements else []
    words += [f"--deconvolve={kept_out}"] if kept_out else []
    printed = run(capsys, "run", real_file(name), *words, "--chip", size, "--out", out, "--json", *more)
    return pd.read_csv(out / "chips.csv"), json.loads(printed)["results"][0]


@pytest.mark.parametrize("name", [*MAPS, POINTS])
def test_info(name: str, capsys: pytest.CaptureFixture[str]):
    path = real_file(name)
    assert str(path.name) in run(capsys, "info", path)
    held = json.loads(run(capsys, "info", path, "--json"), parse_constant=lambda word: pytest.fail(word))
    assert (held["map"] is None) == (name == POINTS)
    assert held["possible"]


@pytest.mark.parametrize("name", MAPS)
def test_every_map_gives_chips(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, summary = chips(capsys, name, tmp_path / "out")
    assert len(table) == summary["chips"] == MAPS[name][3]
    assert set(table["status"]) <= {status.name.lower() for status in Status}
    at = table[[c for c in table.columns if c.startswith("at_")]]
    good = table["status"] == "ok"
    assert good.sum() == summary["quantified"]
    assert at[~good].isna().all(axis=None)
    np.testing.assert_allclose(at[good].sum(axis=1), 100)
    assert (at[good] >= 0).all(axis=None)
    low, high = tomllib.loads((tmp_path / "out" / "recipe.toml").read_text("utf-8"))["energy"]
    with np.load(tmp_path / "out" / "spectra.npz", allow_pickle=False) as spectra:
        energy = spectra["energy_kev"]
        inside = spectra["eds_spectrum"][:, (energy > low - 1e-6) & (energy < high + 1e-6)]
    np.testing.assert_array_equal(table["counts"], inside.sum(axis=1))
    assert (tmp_path / "out" / "summary.png").stat().st_size > 20_000


@pytest.mark.usefixtures("no_picture")
def test_a_nickel_alloy(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, summary = chips(capsys, NI, tmp_path / "out")
    assert summary["quantified"] == 20
    assert summary["chi2"] < 2
    # A nickel-chromium-iron alloy with a niobium-rich precipitate in its upper half.
    value = {e: found["value"] for e, found in summary["atomic_percent"].items()}
    assert value["Ni"] > value["Cr"] > value["Nb"] > value["Mo"]
    upper, lower = table[table["row"].isin([1, 2])], table[table["row"] >= 5]
    assert upper["at_Nb"].min() > 3 * lower["at_Nb"].max()
    assert (lower["at_Cr"].between(15, 30) & lower["at_Fe"].between(10, 30) & lower["at_Ni"].between(30, 60)).all()


@pytest.mark.usefixtures("no_picture")
def test_strontium_titanate(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("--elements", "Sr,Ti,O", "--deconvolve", "Cu,C", "--out", tmp_path / "out", "--json")
    (summary,) = json.loads(run(capsys, "run", real_file(POINTS), *words))["results"]
    assert summary["chips"] == 5
    assert "no map" in summary["grid"]
    assert any("no map" in note for note in summary["notes"])
    value = {e: found["value"] for e, found in summary["atomic_percent"].items()}
    # Oxygen is low: a bulk-like lamella absorbs its X-rays, which theory for thin films does not know.
    assert value["Sr"] / value["Ti"] == pytest.approx(1, abs=0.1)
    assert 40 < value["O"] < 62
    segments = pd.read_csv(tmp_path / "out" / "chips.csv")
    assert segments["counts"][0] == pytest.approx(segments["counts"][1:].sum(), rel=0.01)


@pytest.mark.usefixtures("no_picture")
def test_a_map_without_xrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, summary = chips(capsys, EMPTY, tmp_path / "out")
    assert summary["quantified"] == 0
    assert set(table["status"]) == {"empty", "nothing_found"}
    assert table["counts"].sum() == summary["counts"] <= 2


@pytest.mark.usefixtures("no_picture")
def test_an_alloy_of_silver_and_aluminium(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, summary = chips(capsys, BCF, tmp_path / "out")
    assert summary["quantified"] == 25
    # Silver rises from the left, where the other image is dark, to the upper right.
    assert table["at_Ag"].idxmax() == 4
    assert table.groupby("col")["at_Ag"].mean().is_monotonic_increasing
    assert (table["at_Al"] > 50).all()


@pytest.mark.usefixtures("no_picture")
def test_no_elements_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = real_file("velox_v11_no_elements.emd")
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "no elements are selected in the file, so name them: --elements" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_picture")
def test_all_in_one_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = [real_file(name) for name in (NI, POINTS, BCF)]
    words = ("--elements", "Ni,Sr,Ti,O,Al,Ag", "--deconvolve", "Cu,C,Fe,Cr", "--chip", "10", "--quiet")
    assert run(capsys, "run", *files, *words, "--out", tmp_path / "out") == ""
    table = pd.read_csv(tmp_path / "out" / "chips.csv")
    assert table["file"].value_counts().to_dict() == {NI: 5, POINTS: 5, BCF: 25}
    assert table.loc[table["file"] == POINTS, "row"].isna().all()

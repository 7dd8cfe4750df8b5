"""``edsnb export`` and ``edsnb labels``: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edsnb.io.fewshot.formats import FORMATS
from edsnb.io.fewshot.names import NAMINGS
from edsnb.io.velox.write import write_velox
from edsnb.recipe import Recipe
from tests.simulated import RECIPE, small
from tests.test_cli import ELEMENTS, refused, run


@pytest.fixture
def support(tmp_path: Path) -> Path:
    path = tmp_path / "support.json"
    path.write_text('{"film": ["R0C0", "R1C1"], "substrate": ["R3C2", "R3C3"]}', encoding="utf-8")
    return path


def test_help_has_all_formats_and_namings(capsys: pytest.CaptureFixture[str]):
    assert run("export", "--help") == 0
    text = capsys.readouterr().out
    for name, info in FORMATS.items():
        assert name in text
        assert info.summary in text
    for naming, preset in NAMINGS.items():
        assert naming in text
        assert preset.template in text


def test_export(example: Path, tmp_path: Path, support: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    words = ("export", example, *ELEMENTS, "--chip", 16, "--labels", support, "--naming", "manuscript", "--name", "map")
    assert run(*words, "--format", "parquet,pychip,classes", "--out", out) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert f"{out}: see README.txt in it" in printed
    assert "pychip/" in printed
    assert "22 files" in printed
    frame = pd.read_parquet(out / "chips.parquet")
    assert len(frame) == 16
    assert frame["label"].notna().sum() == 4
    assert (out / "pychip" / "map" / "support_set" / "film" / "otsu_image_02_02.png").exists()
    assert Recipe.from_toml(out / "recipe.toml").elements == RECIPE.elements
    made = json.loads((out / "provenance.json").read_text("utf-8"))
    assert made["export"]["features"]["note"].startswith("weights by leave-one-out over 4 labelled chips")
    # The recipe in it makes the same table again.
    again = tmp_path / "again"
    assert run("export", example, "--recipe", out / "recipe.toml", "--labels", support, "--out", again, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert (again / "chips.parquet").read_bytes() == (out / "chips.parquet").read_bytes()


def test_without_haadf_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    path = write_velox(small(), tmp_path / "map.emd")
    monkeypatch.setattr("edsnb.core.image.SpectrumImage.haadf", None)
    assert run("export", path, *ELEMENTS, "--chip", 32, "--out", tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == (
        "note: No HAADF image lies on the map's raster: what is called haadf here was cut from X-ray counts."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--format parket", "format parket is unknown"),
        ("--format classes", "classes needs labels"),
        ("--labels none.json", "does not exist"),
        ("--energy-bin 0 --format pychipclassifier", "0 channels cannot be summed"),
        ("--stride 8 --format pychipclassifier", "cuts its chips itself"),
        ("--chip 65", "a chip of 65 pixels does not fit"),
    ],
)
def test_refused(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str):
    assert message in refused(capsys, "export", example, *ELEMENTS, "--out", tmp_path / "out", *words.split())
    assert not (tmp_path / "out").exists()


def test_what_can_be_refused_is_refused_before_the_work(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the file was analysed")

    monkeypatch.setattr("edsnb.pipeline.analyse", never)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years")
    words = ("export", example, "--out")
    assert "never replaced" in refused(capsys, *words, tmp_path / "full", "--overwrite")
    assert "is unknown" in refused(capsys, *words, tmp_path / "out", "--format", "x")
    (tmp_path / "bad.json").write_text("[]")
    assert "holds no labels" in refused(capsys, *words, tmp_path / "out", "--labels", tmp_path / "bad.json")


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """Return the result of a model on 4 x 4 chips: film above, substrate below, unsure at the border."""
    rows = []
    for row, col in np.ndindex(4, 4):
        film = [0.99, 0.6 + 0.01 * col, 0.3, 0.02][row]
        rows.append(
            (f"query\\all_queries\\cropX_{col}_Y_{row}.jpg", film, 1 - film, "film" if film > 0.5 else "substrate")
        )
    frame = pd.DataFrame(rows, columns=["", "film", "substrate", "prediction"]).sort_values("")
    frame.to_csv(tmp_path / "fewshot_result.csv", index=False)
    return tmp_path / "fewshot_result.csv"


def test_labels(example: Path, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "classes"
    assert run("labels", result, example, "--chip", 16, "--out", out) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert printed.splitlines()[0].split() == ["film", "8", "chips", "50.0", "%"]
    assert "worth labelling next: R1C0, R1C1, R1C2, R1C3, R2C0" in printed
    assert {p.name for p in out.iterdir()} == {"labels.csv", "labels.png", "provenance.json"}
    frame = pd.read_csv(out / "labels.csv")
    assert frame["prediction"].tolist() == ["film"] * 8 + ["substrate"] * 8
    assert frame.loc[6, ["chip", "y0", "x0"]].tolist() == ["R1C2", 16, 32]
    assert json.loads((out / "provenance.json").read_text("utf-8"))["kind"] == "few-shot labels"
    # The grid of a recipe, and options over it.
    (tmp_path / "r.toml").write_text("chip = 32\n")
    again = ("labels", result, example, "--recipe", tmp_path / "r.toml", "--out", tmp_path / "again", "--quiet")
    assert "are no chip of the grid of 2 rows and 2 columns" in refused(capsys, *again)
    assert run(*again, "--chip", 16) == 0
    assert (tmp_path / "again" / "labels.csv").read_bytes() == (out / "labels.csv").read_bytes()
    assert "already" in refused(capsys, "labels", result, example, "--chip", 16, "--out", out)


def test_labels_of_another_grid(example: Path, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("labels", result, example, "--out", tmp_path / "out", "--chip")
    line = refused(capsys, *words, 32)
    assert "are no chip of the grid of 2 rows and 2 columns" in line
    assert "Give the grid that these chips were exported with" in line
    assert "48 of 64 chips are missing" in refused(capsys, *words, 8)
    assert not (tmp_path / "out").exists()

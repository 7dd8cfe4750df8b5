"""Results on disk: complete, repeatable, and all or nothing."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edsnb.errors import OutputError
from edsnb.io.export import MARK, check_combined, check_free, combine, provenance, save_analysis, versions, write_text
from edsnb.pipeline import analyse
from edsnb.recipe import Recipe
from tests.simulated import RECIPE, analysed, empty, small, stored_only

FILES = {"chips.csv", "chips.parquet", "spectra.npz", "recipe.toml", MARK}


def draw(_: object, path: Path) -> None:
    """Stand in for a picture."""
    path.write_bytes(b"picture")


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_analysis(
        analysed(), tmp_path_factory.mktemp("saved") / "deep" / "result", pictures={"picture.png": draw}
    )


def test_files(saved: Path):
    assert {path.name for path in saved.iterdir()} == FILES | {"picture.png"}
    assert [path.name for path in saved.parent.iterdir()] == ["result"]


def test_tables(saved: Path):
    frame = analysed().to_frame()
    text = pd.read_csv(saved / "chips.csv")
    pd.testing.assert_frame_equal(text, frame, check_dtype=False)
    # No digit is lost on the way through the text.
    np.testing.assert_array_equal(text["at_La"], frame["at_La"])
    pd.testing.assert_frame_equal(pd.read_parquet(saved / "chips.parquet"), frame, check_dtype=False)
    assert b"\r" not in (saved / "chips.csv").read_bytes()


def test_spectra(saved: Path):
    with np.load(saved / "spectra.npz", allow_pickle=False) as held:
        assert sorted(held) == ["Chip_ID", "eds_spectrum", "energy_kev"]
        assert held["Chip_ID"].tolist() == list(analysed().spectra.names)
        np.testing.assert_array_equal(held["eds_spectrum"], analysed().spectra.counts)
        np.testing.assert_array_equal(held["energy_kev"], analysed().spectra.energy.centres_kev)


def test_provenance(saved: Path):
    made = json.loads((saved / MARK).read_text("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert made["input"]["sha256"] == small().image.digest
    assert made["input"]["path"] == small().image.source
    assert made["asked"] == RECIPE.to_dict()
    assert "family k-factors" in made["conventions"]
    assert made["k_factors"]["convention"] == "family"
    assert set(made["k_factors"]["factors"]) == {"La_L", "Fe_K", "Sr_K", "Ti_K", "O_K"}
    assert made["fit"]["calibration"]["applied"] is True
    assert set(made["families"]) == {f.name for f in analysed().fit.families}
    assert 0.4 < made["families"]["La_L"]["detected_alpha_fraction"] < 0.6
    assert {"python", "edsnb", "numpy", "scipy", "numba", "xraylib"} <= set(made["versions"])
    assert made["regions"] == "chip grid of the recipe"


def test_the_saved_recipe_gives_the_same_bytes(saved: Path, tmp_path: Path):
    again = analyse(small().image, Recipe.from_toml(saved / "recipe.toml"))
    folder = save_analysis(again, tmp_path / "again")
    for name in ("chips.csv", "chips.parquet", "spectra.npz", "recipe.toml"):
        assert (folder / name).read_bytes() == (saved / name).read_bytes(), name


@pytest.mark.parametrize("kind", ["empty", "stored", "regions"])
def test_everything_can_be_saved(tmp_path: Path, kind: str):
    image = {"empty": empty, "stored": stored_only}.get(kind, lambda: small().image)()
    regions = {"top": small().truth.labels == 1, "none": small().truth.labels > 9} if kind == "regions" else None
    made = analyse(image, RECIPE, regions=regions)
    folder = save_analysis(made, tmp_path / "out")
    frame = pd.read_csv(folder / "chips.csv")
    assert len(frame) == len(pd.read_parquet(folder / "chips.parquet")) == len(made.spectra)
    if kind == "regions":
        assert json.loads((folder / MARK).read_text("utf-8"))["regions"] == "as given by the caller"
        assert frame["status"].tolist() == ["ok", "empty"]
    if kind == "stored":
        assert json.loads((folder / MARK).read_text("utf-8"))["notes"] == ["no map"]


def fail(error: BaseException) -> Callable[..., Any]:
    def failing(*_: object, **__: object) -> None:
        raise error

    return failing


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "where", ["pandas.DataFrame.to_csv", "pandas.DataFrame.to_parquet", "numpy.savez_compressed", "picture"]
)
def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, overwrite: bool):
    target = tmp_path / "out"
    if overwrite:
        save_analysis(analysed(), target)
    before = contents(tmp_path)
    picture = draw
    if where == "picture":
        picture = fail(FULL)
    else:
        monkeypatch.setattr(where, fail(FULL))
    with pytest.raises(OutputError, match="No space left on device") as caught:
        save_analysis(analysed(), target, overwrite=overwrite, pictures={"picture.png": picture})
    assert str(target) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["out"] if overwrite else [])


def test_stopped_while_drawing(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        save_analysis(analysed(), tmp_path / "out", pictures={"picture.png": fail(KeyboardInterrupt())})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
def test_the_old_result_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    target = save_analysis(analysed(), tmp_path / "out")
    before = contents(tmp_path)
    move, moved = Path.replace, []

    def replace(self: Path, to: Path) -> Path:
        moved.append(to)
        if len(moved) == 2:
            raise error
        return move(self, to)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        save_analysis(analysed(), target, overwrite=True, pictures={"picture.png": draw})
    assert len(moved) == 3
    assert contents(tmp_path) == before


def test_an_existing_result_stays(tmp_path: Path):
    target = save_analysis(analysed(), tmp_path / "out")
    before = contents(target)
    with pytest.raises(OutputError, match=r"holds a result already.*--overwrite"):
        save_analysis(analysed(), target, pictures={"picture.png": draw})
    assert contents(target) == before


def test_overwrite_replaces_all_of_it(tmp_path: Path):
    target = save_analysis(analysed(), tmp_path / "out", pictures={"old.png": draw})
    save_analysis(analysed(), target, overwrite=True, pictures={"new.png": draw})
    assert {path.name for path in target.iterdir()} == FILES | {"new.png"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_ours_is_never_replaced(tmp_path: Path, overwrite: bool):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("years of work")
    file = tmp_path / "file"
    file.write_text("more work")
    before = contents(tmp_path)
    for target in (folder, file):
        with pytest.raises(OutputError, match="is not a result of edsnb, so it is never replaced"):
            save_analysis(analysed(), target, overwrite=overwrite)
    with pytest.raises(OutputError, match="cannot be written"):
        save_analysis(analysed(), file / "below", overwrite=overwrite)
    assert contents(tmp_path) == before


def test_an_empty_folder_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "out").mkdir()
    check_free(tmp_path / "out", overwrite=False)
    monkeypatch.chdir(tmp_path / "out")
    for here in (Path(), Path.cwd()):
        with pytest.raises(OutputError, match="is the current folder"):
            save_analysis(analysed(), here)
    monkeypatch.chdir(tmp_path)
    save_analysis(analysed(), "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_text_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "new" / "table.csv"
    write_text(path, "old\n")
    monkeypatch.setattr(Path, "replace", fail(FULL))
    with pytest.raises(OutputError, match=r"table\.csv cannot be written: No space left"):
        write_text(path, "new\n")
    assert path.read_text() == "old\n"
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(path / "below", "text")


def test_tables_are_combined(tmp_path: Path):
    stored = analyse(stored_only(), RECIPE).to_frame()
    path = tmp_path / "chips.csv"
    combine({"a.emd": analysed().to_frame(), "b.emd": stored}, path)
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["file", *analysed().to_frame().columns]
    assert frame["file"].tolist() == ["a.emd"] * 16 + ["b.emd"] * 3
    np.testing.assert_array_equal(frame["at_La"][:16], analysed().to_frame()["at_La"])
    # Whole numbers stay whole beside rows that have none.
    assert path.read_text().splitlines()[1].startswith("a.emd,R0C0,0,0,0,16,0,16,256,")
    assert path.read_text().splitlines()[17].startswith("b.emd,Summed,,,,,,,,")


def test_a_combined_table_is_not_lost(tmp_path: Path):
    path = tmp_path / "chips.csv"
    check_combined(path, ["a.emd"], overwrite=False)
    combine({"a.emd": analysed().to_frame(), "b.emd": analysed().to_frame()}, path)
    check_combined(path, ["b.emd", "c.emd", "a.emd"], overwrite=False)
    with pytest.raises(OutputError, match=r"holds the chips of b\.emd, which are not among these files"):
        check_combined(path, ["a.emd", "c.emd"], overwrite=False)
    check_combined(path, ["a.emd", "c.emd"], overwrite=True)
    for foreign in ("x,y\n1,2\n", "", "\x00\xff"):
        path.write_text(foreign)
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="is not a table of several files"):
                check_combined(path, ["a.emd"], overwrite=overwrite)


def test_versions_leave_out_what_is_not_there():
    found = versions(("numpy", "no-such-package"))
    assert list(found) == ["python", "numpy"]
    assert found["numpy"] == np.__version__


def test_provenance_is_plain():
    assert json.loads(json.dumps(provenance(analysed()), default=str))["engine"] == "edsnb"

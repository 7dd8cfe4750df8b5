"""Several files with one recipe: a folder each, one table, and nothing lost on the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edsnb.batch import Finding, Outcome, check_writable, run_batch, summary_lines
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import pool
from edsnb.errors import FileFormatError, InputError, KFactorError, OutputError
from edsnb.io.export import MARK
from edsnb.pipeline import analyse
from edsnb.recipe import Recipe
from tests.simulated import RECIPE, analysed, empty, small, stored_only

pytestmark = pytest.mark.usefixtures("no_picture")

QUICK = replace(RECIPE, chip=32)


@pytest.fixture
def two(example: Path, tmp_path: Path) -> list[Path]:
    """Return two files with the same map."""
    files = [tmp_path / "a.emd", tmp_path / "b.emd"]
    for file in files:
        shutil.copy(example, file)
    return files


def stamps(folder: Path) -> dict[str, int]:
    """Return when each file below a folder was written."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def test_one_file_is_saved_into_the_folder_itself(example: Path, tmp_path: Path):
    outcome = run_batch([example], QUICK, tmp_path / "out")
    (found,) = outcome.findings
    assert not outcome.failures
    assert found.file == str(example)
    assert found.folder == str(tmp_path / "out")
    assert (found.chips, found.quantified) == (4, 4)
    assert found.grid == "2 x 2 = 4 chips of 32 px"
    assert (tmp_path / "out" / MARK).exists()


def test_one_bad_file_raises(tmp_path: Path):
    with pytest.raises(FileFormatError, match="does not exist"):
        run_batch([tmp_path / "missing.emd"], QUICK, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_several_files_get_a_folder_each_and_a_common_table(two: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    named: list[str] = []
    outcome = run_batch(two, QUICK, out, watch=lambda name: named.append(name))
    assert [f.folder for f in outcome.findings] == [str(out / "a"), str(out / "b")]
    assert named == ["a.emd", "b.emd"]
    assert sorted(p.name for p in out.iterdir()) == ["a", "b", "chips.csv"]
    table = pd.read_csv(out / "chips.csv")
    assert table.columns[0] == "file"
    assert table["file"].tolist() == ["a.emd"] * 4 + ["b.emd"] * 4
    pd.testing.assert_frame_equal(
        table[table["file"] == "b.emd"].drop(columns="file").reset_index(drop=True),
        pd.read_csv(out / "b" / "chips.csv"),
    )


def test_a_bad_file_does_not_stop_the_others(two: list[Path], tmp_path: Path):
    bad = tmp_path / "bad.emd"
    bad.write_bytes(b"no HDF5")
    outcome = run_batch([bad, two[0]], QUICK, tmp_path / "out")
    assert list(outcome.failures) == [str(bad)]
    assert len(outcome.failures[str(bad)].splitlines()) == 1
    assert [f.file for f in outcome.findings] == [str(two[0])]
    assert pd.read_csv(tmp_path / "out" / "chips.csv")["file"].unique().tolist() == ["a.emd"]
    assert not (tmp_path / "out" / "bad").exists()


def test_a_stopped_batch_goes_on(two: list[Path], tmp_path: Path):
    out = tmp_path / "out"

    def stop_at_b(name: str) -> None:
        if name == "b.emd":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(two, QUICK, out, watch=stop_at_b)
    assert [p.name for p in out.iterdir()] == ["a"]
    before = stamps(out)
    outcome = run_batch(two, QUICK, out)
    assert outcome.kept == (str(out / "a"),)
    assert [f.folder for f in outcome.findings] == [str(out / "b")]
    assert {name: time for name, time in stamps(out).items() if name in before} == before
    assert len(pd.read_csv(out / "chips.csv")) == 8
    again = run_batch(two, QUICK, out)
    assert (again.kept, again.findings, again.failures) == ((str(out / "a"), str(out / "b")), (), {})
    assert "kept" in summary_lines(again)[0]


def test_another_recipe_does_not_replace_results(two: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    run_batch(two, QUICK, out)
    before = stamps(out)
    outcome = run_batch(two, replace(QUICK, chip=64), out)
    assert set(outcome.failures) == {str(file) for file in two}
    assert all("another recipe or of another file" in message for message in outcome.failures.values())
    assert stamps(out) == before
    outcome = run_batch(two, replace(QUICK, chip=64), out, overwrite=True)
    assert not outcome.failures
    assert len(pd.read_csv(out / "chips.csv")) == 2


def test_another_file_of_the_same_name_does_not_replace_results(two: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    run_batch(two, QUICK, out)
    with two[1].open("ab") as file:
        file.write(b"\0")
    outcome = run_batch(two, QUICK, out)
    assert outcome.kept == (str(out / "a"),)
    assert list(outcome.failures) == [str(two[1])]


def test_a_damaged_result_is_said(two: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    run_batch(two, QUICK, out)
    (out / "a" / "chips.parquet").write_bytes(b"half")
    outcome = run_batch(two, QUICK, out)
    assert "damaged" in outcome.failures[str(two[0])]
    (out / "b" / MARK).write_text("[]")
    assert "another recipe" in run_batch(two, QUICK, out).failures[str(two[1])]


def test_a_changed_k_factor_table_is_another_recipe(two: list[Path], tmp_path: Path):
    table = tmp_path / "k.csv"
    rows = "La-La1,1.6\nFe-Ka1,1.3\nSr-Ka1,4.3\nTi-Ka1,1.2\nO-Ka1,{}\n"
    table.write_text("Line identifier,K-factor\n" + rows.format(1.1), encoding="utf-8")
    recipe = replace(QUICK, kfactors=str(table))
    run_batch(two, recipe, tmp_path / "out")
    assert len(run_batch(two, recipe, tmp_path / "out").kept) == 2
    table.write_text("Line identifier,K-factor\n" + rows.format(1.2), encoding="utf-8")
    assert len(run_batch(two, recipe, tmp_path / "out").failures) == 2
    # Read once, before any file: a wrong table is one message.
    with pytest.raises(KFactorError, match="cannot be read"):
        run_batch(two, replace(QUICK, kfactors=str(tmp_path / "gone.csv")), tmp_path / "out")


def test_files_that_would_share_a_folder(two: list[Path], tmp_path: Path):
    (tmp_path / "deep").mkdir()
    for other in (tmp_path / "deep" / "a.emd", tmp_path / "A.bcf", two[0]):
        with pytest.raises(InputError, match="several files are called"):
            run_batch([*two, other], QUICK, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_of_other_files_is_not_replaced(two: list[Path], example: Path, tmp_path: Path):
    out = tmp_path / "out"
    run_batch(two, QUICK, out)
    before = stamps(out)
    with pytest.raises(OutputError, match=r"chips of b\.emd, which are not among these files"):
        run_batch([two[0], example], QUICK, out)
    run_batch([example], QUICK, tmp_path / "single")
    with pytest.raises(OutputError, match="not a table of several files"):
        run_batch(two, QUICK, tmp_path / "single", overwrite=True)
    assert stamps(out) == before


def test_an_unwritable_folder_is_said_before_the_work(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("text")
    for out in (file, file / "below", file / "deep" / "below"):
        with pytest.raises(OutputError, match=r"nothing can be written to .*--out"):
            check_writable(out)
        # The file to read does not exist either, but that is not reached.
        with pytest.raises(OutputError, match="nothing can be written"):
            run_batch([tmp_path / "missing.emd"], QUICK, out)
    check_writable(tmp_path / "new" / "deep")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_finding_sums_the_chips_up():
    found = Finding.of(analysed(), Path("out"))
    quant = analysed().quantification
    atomic, sd = pool(quant, np.ones(16, bool))
    assert found.atomic == {e: (a, s) for e, a, s in zip(quant.elements, atomic, sd, strict=True)}
    assert found.counts == analysed().spectra.counts[:, analysed().fit.channels].sum()
    assert found.chi2 == np.median(analysed().fit.chi2)


def test_overlapping_chips_count_each_xray_once():
    crop = (0, 63, 0, 63)
    apart = Finding.of(analyse(small().image, replace(RECIPE, chip=21, crop=crop)), Path())
    dense = Finding.of(analyse(small().image, replace(RECIPE, chip=21, stride=7, crop=crop)), Path())
    assert (apart.chips, dense.chips) == (9, 49)
    assert dense.counts == apart.counts
    for element, (value, sd) in apart.atomic.items():
        assert dense.atomic[element] == pytest.approx((value, sd), rel=0.02)


def test_stored_spectra_are_not_added_to_their_sum():
    made = analyse(stored_only(), RECIPE)
    found = Finding.of(made, Path())
    assert found.counts == made.spectra.counts[0, made.fit.channels].sum()
    assert [a for a, _ in found.atomic.values()] == pytest.approx(made.quantification.atomic[0].tolist())
    assert found.grid == "no map, 3 stored spectra; the composition is that of 'Summed'"
    assert found.notes[0] == "no map"
    assert "  note: no map" in summary_lines(Outcome((found,), {}))


def test_regions_are_counted():
    film = small().truth.labels == 1
    assert Finding.of(analyse(small().image, RECIPE, regions={"film": film}), Path()).grid == "1 region"
    assert Finding.of(analyse(small().image, RECIPE, regions={"film": film, "rest": ~film}), Path()).grid == "2 regions"


def test_a_map_without_xrays_is_summed_up_without_numbers():
    found = Finding.of(analyse(empty(), RECIPE), Path("out"))
    plain = json.loads(json.dumps(Outcome((found,), {}).to_dict(), allow_nan=False))["results"][0]
    assert (plain["chips"], plain["quantified"], plain["counts"], plain["chi2"]) == (16, 0, 0, None)
    assert plain["atomic_percent"]["La"] == {"value": None, "sd": None}
    text = "\n".join(summary_lines(Outcome((found,), {})))
    assert "nan" not in text
    assert "0 of 16 quantified, 0 X-rays, median χ² none" in text


def test_summary_is_a_table():
    lines = summary_lines(Outcome((Finding.of(analysed(), Path("out")),), {}))
    assert max(map(len, lines)) <= 120
    (head,) = (line for line in lines if line.split() == ["La", "Fe", "Sr", "Ti", "O"])
    values = lines[lines.index(head) + 1]
    assert len(values) == len(head)
    assert sum(map(float, values.split()[1:])) == pytest.approx(100, abs=0.03)


def test_recipes_with_k_factors_of_their_own_resume(two: list[Path], tmp_path: Path):
    recipe = replace(QUICK, kfactors=KFactors({"La_L": 1.6, "Fe_K": 1.3, "Sr_K": 4.3, "Ti_K": 1.2, "O_K": 1.1}))
    run_batch(two, recipe, tmp_path / "out")
    saved = tmp_path / "asked.toml"
    saved.write_text(recipe.to_toml(), encoding="utf-8")
    assert len(run_batch(two, Recipe.from_toml(saved), tmp_path / "out").kept) == 2

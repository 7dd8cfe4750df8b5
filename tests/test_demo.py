"""The demo, on a map small enough to be quick."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import edsnb
import edsnb.demo
from edsnb.cli import main
from edsnb.demo import EDSNB, HYPERSPY, VELOX, published_case, run_demo
from edsnb.errors import OutputError
from edsnb.report.write import page_of
from tests.simulated import small

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.usefixtures("no_picture")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edsnb.demo, "simulate", small)
    monkeypatch.setattr(edsnb.demo, "SAMPLES", (("sample-1", "6 min", 8, None), ("sample-7", "2 h", 5, (0, 61, 0, 61))))
    slow = edsnb.demo.published_case
    monkeypatch.setattr(edsnb.demo, "published_case", lambda *a, **k: slow(*a, **k, engine="hyperspy-lstsq"))


def test_samples_are_those_published():
    # Read from the source, since the fixture has put smaller ones in their place.
    source = Path(edsnb.demo.__file__).read_text(encoding="utf-8")
    assert '("sample-1", "6 min", 64, None)' in source
    assert '("sample-7", "2 h", 15, (0, 500, 0, 500))' in source


def test_it_prints_what_was_found_beside_the_truth(tmp_path: Path):
    out = tmp_path / "demo"
    named: list[str] = []
    lines = run_demo(out, watch=lambda name: named.append(name))
    text = "\n".join(lines)
    assert named == ["sample-1", "sample-7", "map", "HyperSpy (published recipe)"]
    assert "64 x 64 pixels, 0.5 M X-rays" in lines[0]
    assert "sample-1: 8 x 8 = 64 chips of 8 px\n" in text
    assert "sample-7: 12 x 12 = 144 chips of 5 px; dropped 1 px at the bottom, 1 px at the right" in text
    times = re.findall(r"in (\d+\.\d\d) s \(the published HyperSpy script: (6 min|2 h)\)", text)
    assert [published for _, published in times] == ["6 min", "2 h"]
    for name in ("sample-1", "sample-7"):
        assert str(out / name / "summary.png") in lines[-1]
        assert (out / name / "chips.csv").exists()
    made = {"example.emd", "example.truth.json", "sample-1", "sample-7", "velox-stand-in", "comparison"}
    assert {p.name for p in out.iterdir()} == made
    assert f"report: {out / 'comparison' / 'simulated-report.html'}" in lines


def test_found_agrees_with_true(tmp_path: Path):
    lines = run_demo(tmp_path / "demo", comparing=False)
    assert not (tmp_path / "demo" / "comparison").exists()
    elements = re.findall(r"[A-Z][a-z]?", next(line for line in lines if "at%" in line).split("at%")[1])
    compared = 0
    for found, true in pairwise(lines):
        if not true.lstrip().startswith("true"):
            continue
        pairs = [(float(a), float(s)) for a, s in re.findall(r"([\d.]+) ± ([\d.]+)", found)]
        expected = [float(value) for value in true.split()[1:]]
        assert len(pairs) == len(expected) == len(elements)
        for (value, sd), truth in zip(pairs, expected, strict=True):
            assert abs(value - truth) < 5 * sd + 1.0
        assert sum(expected) == pytest.approx(100)
        compared += 1
    assert compared == 4, "two phases in each of two samples"
    # Names, numbers found and true numbers end in the same columns.
    table = [line for line in lines if line.startswith(("  at%", "  true")) or "±" in line]
    ends = [[m.end() for m in re.finditer(r"(?<=  )([\d.]+|[A-Z][a-z]?)(?= |$)", line[28:])] for line in table]
    assert len(ends[0]) == len(elements)
    assert all(end == ends[0] for end in ends)


def test_an_earlier_demo_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--quiet", "--no-compare"]) == 0
    assert "sample-7" in capsys.readouterr().out
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert main(["demo", "--out", str(out)]) == 2
    printed, err = capsys.readouterr()
    assert printed == ""
    assert "--overwrite" in err
    assert len(err.splitlines()) == 1
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert main(["demo", "--out", str(out), "--overwrite", "--no-compare"]) == 0
    assert capsys.readouterr().err == ""


def test_nothing_of_the_users_is_replaced(tmp_path: Path):
    (tmp_path / "example.emd").write_text("my own map")
    with pytest.raises(OutputError, match=r"example\.emd exists already"):
        run_demo(tmp_path)
    (tmp_path / "sample-1").mkdir()
    (tmp_path / "sample-1" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="never replaced"):
        run_demo(tmp_path, overwrite=True)
    assert (tmp_path / "example.emd").read_text() == "my own map"
    with pytest.raises(OutputError, match="nothing can be written"):
        run_demo(tmp_path / "example.emd" / "below")


def test_make_demo_can_be_run_again():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "edsnb demo --out results/demo --overwrite" in makefile


def test_the_published_case_is_known_and_labelled(example: Path, tmp_path: Path):
    """Alpha counts with family k make La/Fe low by the ratio of alpha fractions; nothing passes for Velox's."""
    case = published_case(example, tmp_path / "export", chip=8, engine="hyperspy-lstsq")
    assert list(case.compositions) == [EDSNB, HYPERSPY, VELOX]
    own, hyperspy, stand_in = case.compositions.values()
    assert hyperspy.quantification is not None
    assert hyperspy.quantification.convention == "alpha"
    alpha = dict(zip((f.name for f in hyperspy.quantification.fit.families),
                     hyperspy.quantification.fit.alpha_fractions, strict=True))  # fmt: skip
    by_family = edsnb.quantify(hyperspy.quantification.fit, own.families, deconvolve=["Cu", "C"])
    la, fe = (hyperspy.column(e) for e in ("La", "Fe"))
    film = case.phases.mask("LFO")
    assert film.sum() == sum(p == "LaFeO3" for p in case.truth.phase_of(own.regions))
    ratio = hyperspy.values["atomic"][film][:, la] / hyperspy.values["atomic"][film][:, fe]
    whole = by_family.atomic[film][:, la] / by_family.atomic[film][:, fe]
    np.testing.assert_allclose(ratio / whole, alpha["La_L"] / alpha["Fe_K"])
    assert alpha["La_L"] / alpha["Fe_K"] == pytest.approx(0.56, abs=0.002)
    # What the stand-in says is what its files say, to the two decimals in them.
    assert any("Simulated by edsnb" in note for note in stand_in.notes)
    assert "not by Velox" in stand_in.convention
    windows = edsnb.analyse(case.image, replace(case.analyses[EDSNB].asked, engine="window")).quantification
    order = [windows.elements.index(e) for e in stand_in.elements]
    np.testing.assert_allclose(stand_in.values["atomic"], windows.atomic[:, order], atol=0.005001)
    found = case.stoichiometry
    assert found.best("", "LFO", "La") == (EDSNB,)
    assert found.result("LFO", HYPERSPY).error_percent[0] > 30
    assert [c.methods for c in case.comparisons] == [(EDSNB, HYPERSPY), (EDSNB, VELOX)]


def test_the_published_case_keeps_nothing_where_no_folder_is_named(example: Path, tmp_path: Path):
    case = published_case(example, chip=8, engine="hyperspy-lstsq")
    assert case.compositions[VELOX].source == "an export made for this comparison, not kept"
    page = page_of(case.save(tmp_path / "report")).read_text(encoding="utf-8")
    assert "Simulation, no measurement" in page
    assert "0.558 published, 0.560" in page

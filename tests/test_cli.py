"""The command line: what it prints where, and one line for whatever a user can mend."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edsnb
from edsnb.cli import main
from edsnb.recipe import Recipe
from tests.io.velox.files import Layout, random_words, write
from tests.simulated import small

ELEMENTS = ["--elements", "La,Fe,Sr,Ti,O", "--deconvolve", "Cu,C"]
KS = {"La": "1.64", "Fe": "1.33", "Sr": "4.29", "Ti": "1.17", "O": "1.15"}
TABLE = "Line identifier,K-factor\n" + "".join(f"{e}-{'La1' if e == 'La' else 'Ka1'},{k}\n" for e, k in KS.items())


def run(*arguments: object) -> int:
    """Run a command, as the shell would."""
    try:
        return main([str(a) for a in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one line with which a command is refused."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("edsnb: ")
    return lines[0]


def strict(text: str) -> dict:
    """Read JSON that has no NaN."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


# --- what it prints --------------------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from edsnb.cli import main\n"
        "for words in (['--help'], ['run', '--help'], ['--version']):\n"
        "    try: main(words)\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numpy', 'scipy', 'numba', 'h5py', 'pandas', 'matplotlib', 'hyperspy', 'exspy', 'rsciio', 'panel'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.endswith("loaded: []\n")
    assert f"edsnb {edsnb.__version__}" in done.stdout
    assert done.stderr == ""


def test_the_shell_sees_the_exit_code(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "edsnb.cli", "info", str(tmp_path / "missing.emd")],
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("edsnb: ")
    assert len(done.stderr.splitlines()) == 1


def test_every_setting_of_a_run_is_a_setting_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Recipe] = []

    def run_batch(_: object, recipe: Recipe, *__: object, **___: object) -> None:
        seen.append(recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr("edsnb.batch.run_batch", run_batch)
    words = (
        "--elements La,O --deconvolve Cu --lines La_La,O_Ka --spectrum-image 1 --chip 15 --stride 5 --crop 0:50,3:53 "
    )
    words += "--energy 0.3:19 --background none --kfactors k.csv --k-convention alpha --beam-kev 200 --no-calibrate "
    assert run("run", "x.emd", "--out", tmp_path, *words.split(), "--engine", "hyperspy") == 130
    assert seen[0] == Recipe(
        elements=("La", "O"), deconvolve=("Cu",), lines=("La_La", "O_Ka"), spectrum_image=1, chip=15, stride=5,
        crop=(0, 50, 3, 53), energy=(0.3, 19.0), background="none", kfactors="k.csv", k_convention="alpha",
        beam_kev=200.0, calibrate=False, engine="hyperspy",
    )  # fmt: skip
    run("run", "x.emd", "--out", tmp_path)
    assert seen[1] == Recipe()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(seen[0].to_toml(), encoding="utf-8")
    run("run", "x.emd", "--out", tmp_path, "--recipe", recipe, "--chip", "7", "--spectrum-image", "name")
    assert (seen[2].chip, seen[2].stride, seen[2].spectrum_image) == (7, 5, "name")
    # A path in a recipe is seen from there.
    assert seen[2].kfactors == str(tmp_path / "k.csv")


def test_run(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("run", example, *ELEMENTS, "--chip", 16, "--out", tmp_path / "out") == 0
    out, err = capsys.readouterr()
    assert err == "", "no bars where nobody sees them, no warnings"
    assert "4 x 4 = 16 chips of 16 px" in out
    assert "median χ²" in out
    assert str(tmp_path / "out") in out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "chips.csv", "chips.parquet", "spectra.npz", "recipe.toml", "provenance.json", "summary.png"
    }  # fmt: skip
    assert (tmp_path / "out" / "summary.png").stat().st_size > 20_000
    # Run again by the recipe that was saved.
    again = tmp_path / "again"
    assert run("run", example, "--recipe", tmp_path / "out" / "recipe.toml", "--out", again, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    for name in ("chips.csv", "chips.parquet", "spectra.npz", "recipe.toml", "summary.png"):
        assert (again / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


@pytest.mark.usefixtures("no_picture")
def test_json(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    # The top rows are vacuum: what has no value is null.
    common = ("run", example, *ELEMENTS, "--chip", 3, "--json")
    assert run(*common, "--crop", "0:3,0:64", "--out", tmp_path / "vacuum") == 0
    out, err = capsys.readouterr()
    assert err == ""
    (result,) = strict(out)["results"]
    assert (result["chips"], result["quantified"]) == (21, 0)
    assert result["atomic_percent"]["La"] == {"value": None, "sd": None}
    assert run(*common, "--crop", "8:26,0:64", "--out", tmp_path / "film") == 0
    (result,) = strict(capsys.readouterr().out)["results"]
    assert result["atomic_percent"]["La"]["value"] == pytest.approx(20, abs=1)


@pytest.mark.usefixtures("no_picture")
def test_bars_are_drawn_on_the_terminal_only(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    # More chips than are fitted at once.
    words = ("run", example, *ELEMENTS, "--chip", 4, "--crop", "0:64,0:36", "--out", tmp_path / "out", "--overwrite")
    assert run(*words) == 0
    assert terminal.getvalue().count("example.emd   0 % |") == 2, "one bar for reading, one for the fit"
    assert terminal.getvalue().endswith("\r"), "and none is left"
    assert "\r" not in capsys.readouterr().out
    for option in ("--quiet", "--json"):
        terminal.truncate(0)
        assert run(*words, option) == 0
        assert terminal.getvalue().strip("\0") == ""


@pytest.mark.usefixtures("no_picture")
def test_a_terminal_without_greek(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert run("run", example, *ELEMENTS, "--chip", 32, "--out", tmp_path / "out") == 0
    plain.flush()
    assert b"median ??" in plain.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_picture")
def test_one_bad_file_of_two(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bad = tmp_path / "bad.emd"
    bad.write_bytes(b"\x89HDF")
    assert run("run", bad, example, *ELEMENTS, "--chip", 32, "--out", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert "4 of 4 quantified" in out
    assert len(err.splitlines()) == 1
    assert err.count(str(bad)) == 1
    assert pd.read_csv(tmp_path / "out" / "chips.csv")["file"].unique().tolist() == ["example.emd"]
    assert run("run", bad, example, *ELEMENTS, "--chip", 32, "--out", tmp_path / "out", "--json") == 2
    made = strict(capsys.readouterr().out)
    assert list(made["failures"]) == [str(bad)]
    assert made["kept"] == [str(tmp_path / "out" / "example")]


def test_info(example: Path, capsys: pytest.CaptureFixture[str]):
    assert run("info", example) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "64 x 64 pixels" in out
    assert run("info", example, "--json") == 0
    assert strict(capsys.readouterr().out)["shape"] == [64, 64]


# --- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "x.emd"],
        ["run", "x.emd", "--out", "y", "--chip", "big"],
        ["run", "x.emd", "--out", "y", "--crop", "0:5"],
        ["run", "x.emd", "--out", "y", "--crop", "500,500"],
        ["run", "x.emd", "--out", "y", "--crop", "0:1:2,0:5"],
        ["run", "x.emd", "--out", "y", "--energy", "5"],
        ["run", "x.emd", "--out", "y", "--engine", "velox"],
        ["run", "x.emd", "--out", "y", "--colour", "red"],
        ["simulate"],
        ["info"],
    ],
)
def test_usage(capsys: pytest.CaptureFixture[str], words: list[str]):
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: edsnb")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--elements La,Zz", "unknown element 'Zz'"),
        ("--elements la", "unknown element 'la'"),
        ("--elements Sr,Ti --energy 5:10", "Sr has no line between 5 and 10 keV"),
        ("--elements Sr,Ti --energy 20:0.2", "energy range 20 to 0.2 keV holds no channel"),
        ("--elements Sr,Ti --energy nan:20", "energy must be two numbers"),
        ("--elements La,La", "stand twice: La"),
        ("--elements La --deconvolve La", "La cannot be quantified and only deconvolved"),
        ("--elements La,O --lines La_La", "lines names none for O"),
        ("--lines La", "line 'La' is not understood"),
        ("--lines Fe_La,Fe_Ka", "stand twice: Fe"),
        ("--elements Ti --lines Ti_M", "line Ti_M was not fitted"),
        ("--elements ,", "elements is empty"),
        ("--chip 0", "size and stride must be at least 1 pixel"),
        ("--chip -4", "size and stride must be at least 1 pixel"),
        ("--chip 16 --stride 0", "size and stride must be at least 1 pixel"),
        ("--chip 65", "a chip of 65 pixels does not fit"),
        ("--chip 20 --crop 0:16,0:64", "a chip of 20 pixels does not fit: the crop leaves 16 pixels"),
        ("--crop 0:65,0:64", "does not lie inside the map of 64 x 64 pixels"),
        ("--crop 32:16,0:64", "does not lie inside the map"),
        ("--beam-kev 1 --elements Sr,Ti", "no line between"),
        ("--beam-kev nan", "beam_kev must be a number"),
        ("--kfactors nowhere.csv", "nowhere.csv cannot be read"),
        ("--recipe nowhere.toml", "nowhere.toml cannot be read"),
        ("--spectrum-image 3", "spectrum_image=3 names 0 of"),
    ],
)
def test_settings(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: str, message: str,
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    # An equals sign, so that a minus is no option.
    separate = [w for pair in words.replace(" --", "\n--").split("\n") for w in [pair.replace(" ", "=", 1)]]
    assert message in refused(capsys, "run", example, *separate, "--out", "out")
    assert list(tmp_path.iterdir()) == []


def test_recipes(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = tmp_path / "recipe.toml"
    for text, message in [
        ("chip = ", "not valid TOML"),
        ("chip = 1.5", "chip must be a whole number"),
        ("chop = 15", "unknown setting chop"),
        ("[kfactors]\nfactors = 3", "kfactors must be"),
    ]:
        recipe.write_text(text, encoding="utf-8")
        assert message in refused(capsys, "run", example, "--recipe", recipe, "--out", tmp_path / "out")


TABLES = {
    "comma": (TABLE, "utf-8"),
    "semicolon": (TABLE.replace(",", ";"), "utf-8"),
    "decimal comma": (TABLE.replace(",", ";").replace(".", ","), "utf-8-sig"),
    "UTF-16": (TABLE.replace(",", ";").replace(".", ","), "utf-16"),
    "empty second line": (TABLE.replace("K-factor\n", "K-factor\n,\n"), "utf-8"),
    "the same twice": (TABLE + "O-Ka1,1.15\n", "utf-8"),
}


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("kind", TABLES)
def test_k_factor_tables(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str):
    text, encoding = TABLES[kind]
    (tmp_path / "k.csv").write_text(text, encoding=encoding)
    words = ("run", example, *ELEMENTS, "--kfactors", tmp_path / "k.csv", "--chip", 32, "--out", tmp_path / "out")
    assert run(*words, "--quiet") == 0, capsys.readouterr().err
    made = json.loads((tmp_path / "out" / "provenance.json").read_text("utf-8"))["k_factors"]
    assert made["factors"] == {f"{e}_{'L' if e == 'La' else 'K'}": float(k) for e, k in KS.items()}
    assert made["convention"] == "family"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Ti-Ka1,1.17\n", "", "no k-factor for Ti_K in Velox table k.csv"),
        ("1.17", "one", "line 5"),
        ("1.17", "-1.17", "k must be positive"),
        ("O-Ka1", "Ti-Ka1", "different values"),
        ("K-factor", "value", "expected the columns"),
        (TABLE, "", "an empty file"),
    ],
)
def test_wrong_k_factor_tables(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
):
    assert old in TABLE
    (tmp_path / "k.csv").write_text(TABLE.replace(old, new), encoding="utf-8")
    words = ("run", example, *ELEMENTS, "--kfactors", tmp_path / "k.csv", "--out", tmp_path / "out")
    assert message in refused(capsys, *words)
    assert not (tmp_path / "out").exists()


def broken_file(kind: str, example: Path, folder: Path) -> tuple[Path, str]:
    """Return a file that cannot be analysed, and what is said of it."""
    path = folder / f"{kind.replace(' ', '_')}.emd"
    if kind == "missing":
        return path, "does not exist"
    if kind == "folder":
        path.mkdir()
        return path, "is a folder"
    if kind == "not HDF5":
        path.write_bytes(b"Once upon a time")
        return path, "is not an .emd file"
    if kind == "empty":
        path.write_bytes(b"")
        return path, "is not an .emd file"
    if kind == "unknown":
        path = path.with_suffix(".xyz")
        path.write_bytes(b"Once upon a time")
        return path, "xyz"
    if kind == "two maps":
        rng = np.random.default_rng(0)
        streams = [random_words(rng, 12, 2, 3.0) for _ in range(2)]
        write(path, Layout(streams=streams, names=("SuperXG21", "SuperXG22"), maps=2))
        return path, "2 spectrum images"
    if kind == "no EDS":
        write(path, Layout(maps=0, images=[("HAADF", np.ones((3, 4, 1), np.uint16))]))
        return path, "no EDS data"
    share = float(kind.removeprefix("cut at "))
    data = example.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path, "cut off or damaged"


BROKEN = (
    "missing",
    "folder",
    "not HDF5",
    "empty",
    "unknown",
    "two maps",
    "no EDS",
    "cut at 0.999",
    "cut at 0.5",
    "cut at 0.05",
)


@pytest.mark.parametrize("kind", BROKEN)
def test_files(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str):
    path, message = broken_file(kind, example, tmp_path)
    for words in (("run", path, *ELEMENTS, "--out", tmp_path / "out"), ("info", path), ("info", path, "--json")):
        line = refused(capsys, *words)
        assert message in line
        assert path.name in line
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_picture")
def test_one_of_two_maps_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, _ = broken_file("two maps", tmp_path, tmp_path)
    words = ("run", path, "--spectrum-image", 1, "--elements", "C", "--energy", "0.15:0.5", "--chip", 3)
    assert run(*words, "--out", tmp_path / "out", "--quiet") == 0, capsys.readouterr().err
    assert "spectrum_image = 1" in (tmp_path / "out" / "recipe.toml").read_text("utf-8")
    assert run("info", path, "--spectrum-image", 0) == 0


def test_results_in_the_way(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("text")
    words = ("run", example, *ELEMENTS, "--chip", 32, "--out")
    assert "never replaced" in refused(capsys, *words, tmp_path / "full")
    assert "never replaced" in refused(capsys, *words, tmp_path / "full", "--overwrite")
    assert "nothing can be written to" in refused(capsys, *words, tmp_path / "file")
    assert "nothing can be written to" in refused(capsys, *words, tmp_path / "file" / "below")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "years"


@pytest.mark.usefixtures("no_picture")
def test_overwrite(example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("run", example, *ELEMENTS, "--out", tmp_path / "out", "--quiet", "--chip")
    assert run(*words, 32) == 0
    assert "holds a result already" in refused(capsys, *words, 16)
    assert len(pd.read_csv(tmp_path / "out" / "chips.csv")) == 4
    assert run(*words, 16, "--overwrite") == 0
    assert len(pd.read_csv(tmp_path / "out" / "chips.csv")) == 16


@pytest.mark.parametrize(
    "where", ["edsnb.pipeline.open_file", "edsnb.pipeline.carry_out", "edsnb.plots.summary.draw_summary"]
)
def test_control_c(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, stop)
    assert run("run", example, *ELEMENTS, "--chip", 32, "--out", tmp_path / "out") == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edsnb: stopped")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "made.emd"
    words = ("simulate", path, "--size", 16, "--frames", 1, "--counts", 40, "--seed", 7)
    assert run(*words) == 0
    out, err = capsys.readouterr()
    assert "16 x 16 pixels" in out
    assert err == ""
    assert {p.name for p in tmp_path.iterdir()} == {"made.emd", "made.truth.json"}
    before = path.read_bytes()
    assert "--overwrite" in refused(capsys, *words)
    assert path.read_bytes() == before
    assert run(*words, "--overwrite") == 0
    capsys.readouterr()
    assert "ends in .emd" in refused(capsys, "simulate", tmp_path / "made.h5")
    assert "size" in refused(capsys, "simulate", tmp_path / "b.emd", "--size", 3)
    assert "counts per pixel" in refused(capsys, "simulate", tmp_path / "b.emd", "--counts", 0, "--size", 16)
    assert "cannot be written" in refused(capsys, "simulate", path / "below.emd", "--size", 16)
    assert small().image.shape == (64, 64)

"""Hand-overs, each read back by what reads it: pandas, NumPy, Pillow, and readers as torchvision's and pyCHIP's."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib import colormaps
from PIL import Image

from edsnb.batch import run_batch
from edsnb.core.events import Array, Events
from edsnb.core.fitting.fit import Status
from edsnb.core.image import SpectrumImage
from edsnb.core.patches import cut
from edsnb.core.regions import Regions
from edsnb.errors import CancelledError, EdsnbWarning, InputError, OutputError
from edsnb.io.fewshot import cube
from edsnb.io.fewshot.formats import FORMATS, Format, format_lines, parse_formats
from edsnb.io.fewshot.names import NAMINGS
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe
from tests.simulated import RECIPE, small, stored_only

LABELS = {"film": ["R1C0", "R0C3"], "sub strate": ["R4C4"]}
ALL = tuple(Format)


@cache
def cropped() -> Analysis:
    """Return 5 rows and 6 columns of 9-pixel chips, off the corner; the first row is vacuum for the most part."""
    return analyse(small().image, replace(RECIPE, chip=9, crop=(1, 47, 3, 60)))


@cache
def irregular() -> Analysis:
    y, x = np.mgrid[:64, :64]
    masks = {"film/1": (y > 10) & (y < 20) & (x < 9), "disc": np.hypot(y - 45, x - 30) < 6}
    return analyse(small().image, RECIPE, regions=masks)


@cache
def with_empty() -> Analysis:
    y, _ = np.mgrid[:64, :64]
    return analyse(small().image, RECIPE, regions={"film": y == 20, "nothing": y < 0})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cropped().export(tmp_path_factory.mktemp("export") / "deep" / "out", ALL, labels=LABELS, name="my map")


def patch_of(k: int, analysis: Analysis | None = None) -> Array:
    """Return the true HAADF values of a chip, cut by hand."""
    made = analysis or cropped()
    y0, y1, x0, x1 = made.spectra.regions.boxes[k].tolist()
    return made.image.surveys["HAADF"].image[y0:y1, x0:x1]


def levels(bits: int) -> Array:
    """Return the grey levels of all chips (n, 9, 9), computed by hand."""
    values = np.stack([patch_of(k) for k in range(30)]).astype(float)
    low, high = np.percentile(values, (0.1, 99.9)) if bits == 8 else (values.min(), values.max())
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * (2**bits - 1))


def check_places(frame: pd.DataFrame, order: list[int] | None = None) -> None:
    """Check that a table names each chip with its place, in its order."""
    regions = cropped().spectra.regions
    expected = pd.DataFrame({
        "chip": regions.names, "row": regions.cells[:, 0], "col": regions.cells[:, 1],
        "y0": 1 + 9 * regions.cells[:, 0], "x0": 3 + 9 * regions.cells[:, 1], "height": 9, "width": 9,
    }).iloc[order if order is not None else slice(None)]  # fmt: skip
    pd.testing.assert_frame_equal(
        frame[list(expected.columns)].reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False
    )


# --- the folder ------------------------------------------------------------------------------------------------------


def test_what_is_there(exported: Path):
    tops = {Path(info.path).parts[0] for info in FORMATS.values()}
    assert {p.name for p in exported.iterdir()} == tops | {"README.txt", "recipe.toml", "provenance.json"}
    assert [p.name for p in exported.parent.iterdir()] == ["out"]
    text = (exported / "README.txt").read_text("utf-8")
    for info in FORMATS.values():
        assert info.path in text
        assert info.summary in text
    for words in ("5 x 6 = 30 chips of 9 px", "Patches are cut from HAADF", "at_<El>", "uint8 (45, 54, 1981)"):
        assert words in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 110
    assert Recipe.from_toml(exported / "recipe.toml") == cropped().recipe


def test_provenance(exported: Path):
    made = json.loads((exported / "provenance.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert made["kind"] == "few-shot export"
    assert made["input"]["sha256"] == small().image.digest
    assert list(made["export"]["formats"]) == [str(f) for f in ALL]
    assert made["export"]["labels"] == LABELS
    assert made["export"]["formats"]["imagefolder16"]["limits"] == made["export"]["grey_levels"]["16 bit"]
    arrays = [p for p in exported.rglob("*") if p.suffix in (".npz", ".parquet", ".npy")]
    listed = {p.relative_to(exported).as_posix() for p in arrays}
    assert listed < set(made["files"])
    for name, file in made["files"].items():
        data = (exported / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_again_gives_the_same_bytes(exported: Path, tmp_path: Path):
    again = cropped().export(tmp_path / "out", ALL, labels=LABELS, name="my map")
    assert contents(again) == contents(exported)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_parquet_in_pandas(exported: Path):
    frame = pd.read_parquet(exported / "chips.parquet")
    check_places(frame)
    made, quant = cropped(), cropped().quantification
    for k, element in enumerate(quant.elements):
        for name, values in {"at": quant.atomic, "sd_at": quant.sd_atomic, "wt": quant.weight,
                             "sd_wt": quant.sd_weight}.items():  # fmt: skip
            np.testing.assert_array_equal(frame[f"{name}_{element}"], values[:, k])
    np.testing.assert_array_equal(frame["chi2"], made.fit.chi2)
    assert frame["status"].tolist() == [Status(s).name.lower() for s in quant.status]
    for k in range(30):
        haadf = frame.loc[k, "haadf"]
        assert haadf.dtype == np.float32
        np.testing.assert_array_equal(haadf.reshape(frame.loc[k, "height"], frame.loc[k, "width"]), patch_of(k))
    np.testing.assert_array_equal(np.stack(frame["spectrum"]), made.spectra.counts)
    np.testing.assert_allclose(np.stack(frame["features"]), made.features(labels=LABELS).values, rtol=1e-6)
    assert frame.set_index("chip")["label"].dropna().to_dict() == {
        chip: name for name, chips in LABELS.items() for chip in chips
    }
    assert set(frame["picture"]) == {"HAADF"}
    assert "mask" not in frame


def test_parquet_says_what_it_holds(exported: Path):
    said = json.loads(pq.read_schema(exported / "chips.parquet").metadata[b"edsnb"])
    axis = cropped().spectra.energy
    assert said["energy"] == {"offset_kev": axis.offset_kev, "scale_kev": axis.scale_kev, "channels": axis.size}
    assert said["sha256"] == small().image.digest
    assert len(said["features"]["names"]) == len(pd.read_parquet(exported / "chips.parquet")["features"][0])
    assert unexplained(exported / "chips.parquet") == []


def unexplained(path: Path) -> list[str]:
    """Return the columns of a file that it does not explain itself."""
    said = json.loads(pq.read_schema(path).metadata[b"edsnb"])["columns"]
    families, elements = "(Fe|Sr|Ti|O|Cu|C)_K|(La|Fe|Sr|Ti|Cu)_L|La_M", "(La|Fe|Sr|Ti|O)"
    words = [word.strip() for names in said for word in names.split(",")]
    known = re.compile("|".join(w.replace("<family>", f"({families})").replace("<El>", elements) for w in words))
    return [name for name in pq.read_schema(path).names if not known.fullmatch(name)]


def test_npz(exported: Path):
    made, quant = cropped(), cropped().quantification
    with np.load(exported / "chips.npz", allow_pickle=False) as held:
        assert all(held[name].dtype != object for name in held)
        assert held["names"].tolist() == list(made.spectra.names)
        assert held["haadf"].shape == (30, 9, 9)
        assert held["haadf"].dtype == np.float32
        np.testing.assert_array_equal(held["haadf"][13], patch_of(13))
        np.testing.assert_array_equal(held["spectra"], made.spectra.counts)
        np.testing.assert_array_equal(held["energy_kev"], made.spectra.energy.centres_kev)
        np.testing.assert_array_equal(held["at"], quant.atomic)
        np.testing.assert_array_equal(held["sd_at"], quant.sd_atomic)
        np.testing.assert_array_equal(held["wt"], quant.weight)
        np.testing.assert_array_equal(held["sd_wt"], quant.sd_weight)
        assert held["elements"].tolist() == list(quant.elements)
        check_places(pd.DataFrame(held["boxes"], columns=held["box_columns"]).assign(chip=held["names"]))
        assert held["labels"][[0, 3, 6]].tolist() == ["", "film", "film"]
        assert held["features"].shape == (30, len(held["feature_names"]))
        assert "masks" not in held


def test_published(exported: Path):
    inside = exported / "published"
    with np.load(inside / "spectra.npz", allow_pickle=False) as held:
        assert sorted(held) == ["Chip_ID", "eds_spectrum"]
        assert held["Chip_ID"].tolist() == list(cropped().spectra.names)
        np.testing.assert_array_equal(held["eds_spectrum"], cropped().spectra.counts)
    frame = pd.read_csv(inside / "atomic_percent.csv")
    assert list(frame.columns) == ["Chip ID", "La", "Fe", "Sr", "Ti", "O"]
    np.testing.assert_array_equal(frame.iloc[:, 1:], cropped().quantification.atomic)
    check_places(pd.read_csv(inside / "chips.csv"))


# --- pictures --------------------------------------------------------------------------------------------------------


def opened(path: Path) -> Array:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("bits", [8, 16])
def test_image_folder(exported: Path, bits: int):
    inside = exported / ("imagefolder" if bits == 8 else "imagefolder16")
    frame = pd.read_parquet(inside / "metadata.parquet")
    check_places(frame)
    assert frame.columns[0] == "file_name"
    assert {p.name for p in inside.iterdir()} == {"metadata.parquet", *frame["file_name"]}
    pictures = np.stack([opened(inside / name) for name in frame["file_name"]])
    assert pictures.dtype == f"uint{bits}"
    np.testing.assert_array_equal(pictures, levels(bits))
    # One contrast for all: brightness tells chips apart as the true values do.
    true = [values.mean() for values in frame["haadf"]]
    assert np.corrcoef(true, pictures.mean(axis=(1, 2)))[0, 1] > 0.999
    np.testing.assert_array_equal(np.stack(frame["spectrum"]), cropped().spectra.counts)


def image_folder(root: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """Return classes and (file, class) as torchvision's ImageFolder finds them."""
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    endings = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
    files = [
        (path, k)
        for k, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in endings
    ]
    return classes, files


def test_class_folders(exported: Path):
    classes, files = image_folder(exported / "classes")
    assert classes == sorted(LABELS)
    names = cropped().spectra.names
    found: dict[str, list[str]] = {name: [] for name in classes}
    for path, k in files:
        found[classes[k]].append(path.stem)
        with Image.open(path) as image:
            # What torchvision's loader does; 16 bits would be white here.
            np.testing.assert_array_equal(np.asarray(image.convert("RGB"))[:, :, 1], levels(8)[names.index(path.stem)])
    assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in LABELS.items()}
    index = pd.read_csv(exported / "classes" / "chips.csv").set_index("file")
    assert index.loc["film/R0C3.png", ["label", "row", "col", "y0", "x0"]].tolist() == ["film", 0, 3, 1, 30]


PYCHIP = {
    "gui": (lambda r, c: f"cropX_{c}_Y_{r}.jpg", True),
    "manuscript": (lambda r, c: f"otsu_image_{r + 1:02d}_{c + 1:02d}.png", False),
    "classifier": (lambda r, c: f"R{r}C{c}.png", True),
}


@pytest.mark.parametrize("naming", PYCHIP)
def test_pychip_tree(tmp_path: Path, naming: str):
    called, by_column = PYCHIP[naming]
    out = cropped().export(tmp_path / "out", "pychip", labels=LABELS, naming=naming, name="my map")
    root = out / "pychip" / "my_map"
    assert {p.name for p in root.iterdir()} == {"haadf.png", "query", "support_set", "chips.csv"}
    queries = root / "query" / "all_queries"
    cells = cropped().spectra.regions.cells.tolist()
    assert {p.name for p in queries.iterdir()} == {called(r, c) for r, c in cells}
    # As pyCHIP cuts them of the image: rows down, columns to the right, from its upper left corner.
    image = opened(root / "haadf.png")
    assert image.shape == (45, 54)
    viridis = np.asarray(colormaps["viridis"](np.arange(256))[:, :3]) * 255
    for (r, c), grey in zip(cells, levels(8), strict=True):
        np.testing.assert_array_equal(image[9 * r : 9 * r + 9, 9 * c : 9 * c + 9], grey)
        chip = opened(queries / called(r, c)).astype(float)
        if naming == "gui":
            assert chip.shape == (9, 9, 3)
            # JPEG keeps colours to some levels.
            assert np.abs(chip - viridis[grey.astype(int)]).mean() < 4
        else:
            np.testing.assert_array_equal(chip, grey)
    for label, chips in LABELS.items():
        copies = {p.name: p.read_bytes() for p in (root / "support_set" / label).iterdir()}
        names = [called(*cells[cropped().spectra.names.index(chip)]) for chip in chips]
        assert copies == {name: (queries / name).read_bytes() for name in names}
    index = pd.read_csv(root / "chips.csv")
    order = sorted(range(30), key=lambda k: cells[k][::-1] if by_column else cells[k])
    check_places(index, order)
    assert index["file"].tolist() == [f"query/all_queries/{called(*cells[k])}" for k in order]
    assert NAMINGS[naming].meaning.split(";")[0] in " ".join((out / "README.txt").read_text("utf-8").split())


class Classifier:
    """PychipClassifier's own chipping, after its description: columns given, everything else follows."""

    def __init__(self, image: Array, eds: Array, columns: int) -> None:
        height, width = image.shape
        size = width // columns
        self.chips, self.eds = {}, {}
        for col, x in enumerate(range(0, width - width % size, size)):
            for row, y in enumerate(range(0, height - height % size, size)):
                self.chips[f"R{row}C{col}"] = image[y : y + size, x : x + size]
                self.eds[f"R{row}C{col}"] = eds[y : y + size, x : x + size].sum(axis=(0, 1), dtype="float64")


def read_classifier(folder: Path, columns: int) -> tuple[Classifier, Array, dict[str, list[str]]]:
    inside = folder / "pychipclassifier"
    eds = np.load(inside / "eds.npy", mmap_mode="r", allow_pickle=False)
    support = json.loads((inside / "support.json").read_text("utf-8"))
    return Classifier(opened(inside / "haadf.png"), eds, columns), np.load(inside / "energy_kev.npy"), support


def test_pychipclassifier(exported: Path):
    made, energy, support = read_classifier(exported, columns=6)
    regions, spectra, channels = cropped().spectra.regions, cropped().spectra.counts, cropped().fit.channels
    # Column by column, as it lists them.
    assert list(made.chips)[:6] == ["R0C0", "R1C0", "R2C0", "R3C0", "R4C0", "R0C1"]
    assert set(made.chips) == set(regions.names)
    for k, name in enumerate(regions.names):
        np.testing.assert_array_equal(made.chips[name], levels(8)[k])
        np.testing.assert_array_equal(made.eds[name], spectra[k, channels])
    np.testing.assert_allclose(energy, cropped().spectra.energy.centres_kev[channels])
    assert support == LABELS
    check_places(pd.read_csv(exported / "pychipclassifier" / "chips.csv"))


def test_energy_bins(tmp_path: Path):
    out = cropped().export(tmp_path / "out", "pychipclassifier", labels=LABELS, energy_bin=7)
    made, energy, _ = read_classifier(out, columns=6)
    channels = cropped().fit.channels
    number = (channels.stop - channels.start) // 7
    counts = cropped().spectra.counts[:, channels][:, : 7 * number].reshape(30, number, 7).sum(axis=2)
    for k, name in enumerate(cropped().spectra.names):
        np.testing.assert_array_equal(made.eds[name], counts[k])
    centres = cropped().spectra.energy.centres_kev[channels][: 7 * number].reshape(number, 7).mean(axis=1)
    np.testing.assert_allclose(energy, centres)


def test_the_cube_keeps_below_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cube, "BUDGET", 1_000_000)
    out = cropped().export(tmp_path / "out", "pychipclassifier", labels=LABELS)
    assert 500_000 < (out / "pychipclassifier" / "eds.npy").stat().st_size < 1_001_000
    made, _, _ = read_classifier(out, columns=6)
    eds = json.loads((out / "provenance.json").read_text("utf-8"))["export"]["formats"]["pychipclassifier"]["eds"]
    assert eds["channels_in_one"] == 5
    assert eds["channels_left_out"] == 1981 - 5 * eds["shape"][2]
    total = sum(chip.sum() for chip in made.eds.values())
    channels = cropped().fit.channels
    kept = slice(channels.start, channels.start + 5 * eds["shape"][2])
    assert total == cropped().spectra.counts[:, kept].sum()


def brighter(image: SpectrumImage, factor: Any) -> SpectrumImage:
    """Return a map each of whose events is so many X-rays."""
    events = image.require_events()
    count = np.full(len(events.channel), factor)
    return replace(image, events=Events(events.indptr, events.channel, count, events.channels))


@pytest.mark.parametrize(("factor", "dtype"), [(np.uint16(300), "uint16"), (0.5, "float32")])
def test_the_cube_holds_every_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: Any, dtype: str):
    monkeypatch.setattr(cube, "BUDGET", 2_000_000)
    analysis = replace(cropped(), image=brighter(cropped().image, factor))
    out = analysis.export(tmp_path / "out", "pychipclassifier")
    eds = np.load(out / "pychipclassifier" / "eds.npy")
    assert eds.dtype == dtype
    assert eds.nbytes <= 2_000_000
    width = json.loads((out / "provenance.json").read_text("utf-8"))["export"]["formats"]["pychipclassifier"]["eds"][
        "channels_in_one"
    ]
    channels = cropped().fit.channels
    kept = cropped().spectra.counts[:, channels.start : channels.start + width * eds.shape[2]]
    assert eds.sum(dtype=float) == factor * kept.sum()
    assert not (out / "pychipclassifier" / "support.json").exists()


# --- what is special -------------------------------------------------------------------------------------------------


def test_bad_chips_keep_their_rows(tmp_path: Path):
    analysis = analyse(small().image, replace(RECIPE, chip=4, crop=(0, 16, 0, 16)))
    bad = ~np.isfinite(analysis.quantification.atomic).all(axis=1)
    assert 0 < bad.sum() < 16
    out = analysis.export(tmp_path / "out", ["parquet", "npz", "published", "imagefolder", "pychip"])
    frame = pd.read_parquet(out / "chips.parquet")
    np.testing.assert_array_equal(frame["at_O"].isna(), bad)
    assert set(frame.loc[bad, "status"]) <= {"nothing_found", "empty"}
    assert np.isfinite(np.stack(frame["features"])).all()
    with np.load(out / "chips.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(np.isnan(held["at"]).all(axis=1), bad)
    assert pd.read_csv(out / "published" / "atomic_percent.csv")["O"].isna().sum() == bad.sum()
    assert f"{bad.sum()} of 16 chips have no composition" in (out / "README.txt").read_text("utf-8")


def test_irregular_regions(tmp_path: Path):
    out = irregular().export(tmp_path / "out", "parquet,npz,imagefolder,classes,published", labels={"a": ["film/1"]})
    frame = pd.read_parquet(out / "chips.parquet")
    assert frame["chip"].tolist() == ["film/1", "disc"]
    assert frame["row"].isna().all()
    assert frame[["y0", "x0", "height", "width"]].to_numpy().tolist() == [[11, 0, 9, 9], [40, 25, 11, 11]]
    patches = cut(irregular().image, irregular().spectra.regions)
    for k in range(2):
        shape = frame.loc[k, ["height", "width"]].tolist()
        np.testing.assert_array_equal(frame.loc[k, "haadf"].reshape(shape), patch_of(k, irregular()))
        np.testing.assert_array_equal(frame.loc[k, "mask"].reshape(shape), patches.mask(k))
    with np.load(out / "chips.npz", allow_pickle=False) as held:
        assert held["haadf"].shape == held["masks"].shape == (2, 11, 11)
        assert held["masks"].sum(axis=(1, 2)).tolist() == irregular().spectra.regions.sizes.tolist()
        assert held["boxes"][:, :2].tolist() == [[-1, -1], [-1, -1]]
    files = pd.read_parquet(out / "imagefolder" / "metadata.parquet")
    assert files["file_name"].tolist() == ["0000_film_1.png", "0001_disc.png"]
    assert opened(out / "imagefolder" / "0001_disc.png").shape == (11, 11)
    assert image_folder(out / "classes")[1] == [(out / "classes" / "a" / "0000_film_1.png", 0)]


@pytest.mark.parametrize("name", ["pychip", "pychipclassifier"])
def test_formats_that_need_squares(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=f"export: {name} needs square chips on a grid; these are 2 regions"):
        irregular().export(tmp_path / "out", name)
    assert not (tmp_path / "out").exists()
    overlapping = analyse(small().image, replace(RECIPE, chip=20, stride=10))
    if name == "pychip":
        assert (overlapping.export(tmp_path / "out", name) / "pychip").is_dir()
    else:
        with pytest.raises(InputError, match="cuts its chips itself, side by side"):
            overlapping.export(tmp_path / "out", name)


def test_a_stack_that_would_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edsnb.io.fewshot.tables._LARGEST", 1000)
    with pytest.raises(InputError, match=r"npz would need 0\.0 GB for 2 boxes as large as the largest one \(11 x 11"):
        irregular().export(tmp_path / "out", "npz")


def test_empty_regions(tmp_path: Path):
    out = with_empty().export(tmp_path / "out", "parquet,npz,published")
    frame = pd.read_parquet(out / "chips.parquet")
    assert frame[["height", "width"]].to_numpy().tolist() == [[1, 64], [0, 0]]
    assert frame["image"].isna().tolist() == [False, True]
    assert len(frame.loc[1, "haadf"]) == 0
    for name in ("imagefolder", "imagefolder16", "classes"):
        with pytest.raises(InputError, match=f"{name} cannot show regions without a pixel \\(nothing\\)"):
            with_empty().export(tmp_path / name, name, labels={"a": ["film"]})


def test_stored_spectra(tmp_path: Path):
    analysis = analyse(stored_only(), RECIPE)
    out = analysis.export(tmp_path / "out", "parquet,npz,published")
    frame = pd.read_parquet(out / "chips.parquet")
    assert "haadf" not in frame
    assert "image" not in frame
    assert frame["y0"].isna().all()
    np.testing.assert_array_equal(np.stack(frame["spectrum"]), analysis.spectra.counts)
    with np.load(out / "chips.npz", allow_pickle=False) as held:
        assert "haadf" not in held
        assert held["picture"].item() == ""
    assert "stored without a map" in (out / "README.txt").read_text("utf-8")
    for name in (f for f, info in FORMATS.items() if info.picture):
        with pytest.raises(InputError, match=f"{name} needs patches|labels: spectra stored without a map"):
            analysis.export(tmp_path / "no", name, labels={"a": ["Summed"]} if FORMATS[name].labels else None)


def test_without_haadf(tmp_path: Path):
    analysis = replace(cropped(), image=replace(small().image, surveys={}))
    with pytest.warns(EdsnbWarning, match="No HAADF image lies on the map's raster.*X-ray counts") as caught:
        out = analysis.export(tmp_path / "out", "parquet")
    assert Path(caught[0].filename) == Path(__file__)
    frame = pd.read_parquet(out / "chips.parquet")
    assert set(frame["picture"]) == {"X-ray counts"}
    counts = small().image.counts_map()[1:10, 3:12].astype(np.float32)
    np.testing.assert_array_equal(frame.loc[0, "haadf"].reshape(9, 9), counts)
    assert "cut from X-ray counts" in " ".join((out / "README.txt").read_text("utf-8").split())


def test_labels_in_any_naming(tmp_path: Path):
    gui = {"film": ["query\\all_queries\\cropX_0_Y_1.jpg", "cropX_3_Y_0.jpg"], "sub strate": ["x/cropX_4_Y_4.jpg"]}
    out = cropped().export(tmp_path / "out", "pychipclassifier", labels=gui, energy_bin=100)
    assert json.loads((out / "pychipclassifier" / "support.json").read_text("utf-8")) == LABELS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "parket"}, "format parket is unknown; choose among parquet, npz"),
        ({"format": []}, "format none is unknown"),
        ({"format": "classes"}, "classes needs labels"),
        ({"naming": "mine"}, "naming 'mine' is unknown; choose among gui, manuscript, classifier"),
        ({"energy_bin": 0}, "0 channels cannot be summed"),
        ({"labels": {"a": []}}, "class 'a' has no list of chips"),
        ({"labels": {"a": "R0C0"}}, "class 'a' has no list of chips"),
        ({"labels": {"a/b": ["R0C0"]}}, "class 'a/b' cannot be the name of a folder"),
        ({"labels": {"a": ["R0C0"], "b": ["R0C0"]}}, "labels: R0C0 is named more than once"),
        ({"labels": {"a": ["R5C0"]}}, "labels: R5C0 is no chip of the grid of 5 rows and 6 columns"),
    ],
)
def test_misuse(tmp_path: Path, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        cropped().export(tmp_path / "out", **{"format": "parquet", **options})
    assert list(tmp_path.iterdir()) == []


def test_formats():
    assert parse_formats("npz, Parquet,npz") == (Format.PARQUET, Format.NPZ)
    assert parse_formats(Format.PYCHIP) == (Format.PYCHIP,)
    assert parse_formats(["published", Format.NPZ]) == (Format.NPZ, Format.PUBLISHED)
    assert [line.split()[0] for line in format_lines()] == list(Format) == list(FORMATS)


# --- all or nothing --------------------------------------------------------------------------------------------------


def test_an_export_never_replaces_a_result(tmp_path: Path):
    saved, out = tmp_path / "saved", tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edsnb.plots.summary.draw_summary", lambda _, path: path.write_bytes(b"picture"))
        cropped().save(saved)
        cropped().export(out)
        before = contents(tmp_path)
        with pytest.raises(OutputError, match="holds a result, which a few-shot export never replaces"):
            cropped().export(saved, overwrite=True)
        with pytest.raises(OutputError, match="holds a few-shot export, which a result never replaces"):
            cropped().save(out, overwrite=True)
        with pytest.raises(OutputError, match=r"holds a few-shot export already.*--overwrite"):
            cropped().export(out, "npz")
    assert contents(tmp_path) == before
    cropped().export(out, "npz", overwrite=True)
    assert (out / "chips.npz").exists()
    assert not (out / "chips.parquet").exists()


@pytest.mark.usefixtures("no_picture")
def test_a_batch_does_not_take_an_export_for_its_own_result(example: Path, tmp_path: Path):
    other = shutil.copyfile(example, tmp_path / "other.emd")
    analyse(example, RECIPE).export(tmp_path / "out" / example.stem)
    before = contents(tmp_path / "out")
    outcome = run_batch([example, other], RECIPE, tmp_path / "out")
    assert list(outcome.failures) == [str(example)]
    assert outcome.kept == ()
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in before} == before


def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    with pytest.raises(OutputError, match="No space left on device"):
        cropped().export(tmp_path / "out", "parquet,npz")
    assert list(tmp_path.iterdir()) == []


def test_stopped_while_the_cube_is_written(tmp_path: Path):
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        told.append((done, total))
        return done < 60

    with pytest.raises(CancelledError, match="stopped after 60 of 90 rows"):
        cropped().export(tmp_path / "out", "pychipclassifier", progress=stop)
    assert told == [(k + 1, 90) for k in range(60)]
    assert list(tmp_path.iterdir()) == []


def test_zeta_factors(tmp_path: Path):
    from edsnb.core.quant.kfactors import KFactors

    factors = {"La_L": 1000.0, "Fe_K": 800.0, "Sr_K": 1500.0, "Ti_K": 700.0, "O_K": 600.0}
    image = replace(
        small().image,
        acquisition=replace(small().image.acquisition, current_pa=100.0, live_time_s=10.0, take_off_deg=18.0),
    )
    zeta = KFactors(factors=factors, convention="family", source="test", beam_kev=200.0, kind="zeta")
    analysis = analyse(image, replace(RECIPE, kfactors=zeta))
    path = analysis.export(tmp_path / "out") / "chips.parquet"
    frame = pd.read_parquet(path)
    assert len(frame) == 16
    assert "rho_t_kg_m2" in frame
    assert unexplained(path) == []
    np.testing.assert_array_equal(frame["at_La"], analysis.quantification.atomic[:, 0])
    assert isinstance(analysis.spectra.regions, Regions)

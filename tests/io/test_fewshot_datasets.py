"""Hand-overs read by Hugging Face `datasets`, without a network, in a process of its own.

`datasets` and its hub client read their settings from the environment once, when they are imported, and start threads
and file locks; in a process of their own neither meets the other tests. Warnings are errors there too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edsnb.core.patches import cut
from edsnb.pipeline import analyse
from tests.simulated import RECIPE, analysed, small

LABELS = {"film": ["R0C0", "R1C1"], "substrate": ["R3C2"]}
READER = """
import json, sys
import numpy as np
from datasets import Image, load_dataset

folder, cache = sys.argv[1:]
found = {}
for name, kind, options in (
    ("parquet", "parquet", {"data_files": folder + "/chips.parquet"}),
    ("imagefolder", "imagefolder", {"data_dir": folder + "/imagefolder"}),
    ("imagefolder16", "imagefolder", {"data_dir": folder + "/imagefolder16"}),
    ("classes", "imagefolder", {"data_dir": folder + "/classes"}),
):
    try:
        data = load_dataset(kind, split="train", cache_dir=cache, **options)
    except FileNotFoundError:
        continue
    image = data.features["image"]
    found[name] = {
        "is image": isinstance(image, Image),
        "columns": list(data.column_names),
        "pictures": [np.asarray(row).tolist() for row in data["image"]],
        "modes": sorted({row.mode for row in data["image"]}),
        **{c: list(data[c]) for c in ("chip", "haadf", "features", "mask", "label", "at_O") if c in data.column_names},
        "classes": getattr(data.features.get("label"), "names", None),
        "spectrum": [sum(row) for row in data["spectrum"]] if "spectrum" in data.column_names else None,
    }
json.dump(found, sys.stdout)
"""


def read(folder: Path, cache: Path) -> dict[str, Any]:
    """Return what `datasets` finds in an export."""
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(cache),
        "HF_DATASETS_CACHE": str(cache),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER, str(folder), str(cache)],
        env={**os.environ, **offline, "PYTHONUTF8": "1"}, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("datasets")
    formats = ("parquet", "imagefolder", "imagefolder16", "classes")
    return read(analysed().export(root / "out", formats, labels=LABELS), root / "cache")


@pytest.mark.parametrize("name", ["parquet", "imagefolder", "imagefolder16"])
def test_tables_with_images(found: dict[str, Any], name: str):
    made = found[name]
    assert made["is image"]
    assert made["chip"] == list(analysed().spectra.names)
    patches = cut(analysed().image, analysed().spectra.regions)
    bits, mode = (16, "I;16") if name == "imagefolder16" else (8, "L")
    assert made["modes"] == [mode]
    for k, picture in enumerate(made["pictures"]):
        y0, x0, height, width = patches.boxes[k].tolist()
        np.testing.assert_array_equal(picture, patches.grey(bits)[y0 : y0 + height, x0 : x0 + width])
        np.testing.assert_array_equal(np.array(made["haadf"][k], np.float32), patches.values(k).ravel())
    assert made["spectrum"] == analysed().spectra.counts.sum(axis=1).tolist()
    assert made["at_O"] == analysed().quantification.atomic[:, 4].tolist()
    np.testing.assert_allclose(made["features"], analysed().features(labels=LABELS).values, rtol=1e-5)
    of = {chip: label for label, chips in LABELS.items() for chip in chips}
    assert made["label"] == [of.get(chip) for chip in made["chip"]]


def test_class_folders(found: dict[str, Any]):
    made = found["classes"]
    assert made["is image"]
    assert made["classes"] == ["film", "substrate"]
    assert sorted(made["label"]) == [0, 0, 1]


def test_irregular_regions(tmp_path: Path):
    y, x = np.mgrid[:64, :64]
    masks = {"disc": np.hypot(y - 45, x - 30) < 6, "bar": (y > 10) & (y < 14)}
    analysis = analyse(small().image, RECIPE, regions=masks)
    made = read(analysis.export(tmp_path / "out", "parquet,imagefolder"), tmp_path / "cache")
    for name in ("parquet", "imagefolder"):
        assert [sum(mask) for mask in made[name]["mask"]] == analysis.spectra.regions.sizes.tolist()
        assert [np.shape(p) for p in made[name]["pictures"]] == [(11, 11), (3, 64)]
    assert pd.read_parquet(tmp_path / "out" / "chips.parquet")["row"].isna().all()

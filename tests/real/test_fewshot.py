"""The hand-over of a real Velox map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from edsnb.pipeline import analyse
from edsnb.recipe import Recipe
from tests.helpers import real_file


def test_a_velox_map(tmp_path: Path):
    path = real_file("fei_SI_SuperX-HAADF_20frames_10x50.emd")
    analysis = analyse(path, Recipe(elements=("C", "O", "Cu"), chip=5))
    out = analysis.export(tmp_path / "out", "parquet,pychipclassifier", energy_bin=1)
    frame = pd.read_parquet(out / "chips.parquet")
    survey = analysis.image.haadf
    assert survey is not None
    assert set(frame["picture"]) == {survey.name} == {"HAADF"}
    cube = np.load(out / "pychipclassifier" / "eds.npy", mmap_mode="r")
    for k, chip in enumerate(frame.itertuples()):
        part = np.s_[chip.y0 : chip.y0 + chip.height, chip.x0 : chip.x0 + chip.width]
        np.testing.assert_array_equal(chip.haadf.reshape(5, 5), survey.image[part])
        counts = analysis.spectra.counts[k]
        np.testing.assert_array_equal(chip.spectrum, counts)
        # The grid begins at the map's corner, so the cube's pixels are the map's.
        np.testing.assert_array_equal(cube[part].sum(axis=(0, 1), dtype=float), counts[analysis.fit.channels])
    assert json.loads((out / "provenance.json").read_text("utf-8"))["input"]["sha256"] == analysis.image.digest

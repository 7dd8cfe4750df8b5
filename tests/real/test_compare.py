"""Reports of real files: Velox's log beside a fit of the stored sum, Velox's maps beside fitted counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers import real_file
from tests.test_cli import run


def test_the_log_beside_a_fit_of_the_stored_sum(tmp_path: Path):
    """There is no map: bars instead, and no chip to average over but the sum."""
    out = tmp_path / "report"
    path = real_file("EDS-STO.emd")
    assert run("compare", path, "--second", "velox", "--phases", "STO=SrTiO3", "--out", out, "--quiet") == 0
    assert {p.name for p in (out / "figures").glob("*.png")} == {"bars.png", "fit-only.png"}
    chips = pd.read_csv(out / "chips.csv")
    assert list(chips["chip"]) == ["Summed"]
    np.testing.assert_array_equal(
        chips[[f"second_at_{e}" for e in ("O", "Ti", "Cu", "Sr")]], [[46.21, 24.56, 5.32, 23.91]]
    )
    found = pd.read_csv(out / "stoichiometry.csv").set_index(["method", "element"])
    assert set(found["chips"]) == {1}
    # Copper has its share of the 100 % on both sides, and of neither side's normalised values.
    velox = found.loc["Velox (experiment log)"]
    np.testing.assert_allclose(velox["normalised"], 100 * velox["summed"] / velox["summed"].sum())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "simulat" not in page.casefold()
    assert "(O 0.7 %, Ti 16.9 %, Cu 14.4 %, Sr 12.8 %)" in page


@pytest.mark.parametrize("name", ["EDS-STO.emd", "copy.emd"])
def test_the_log_of_a_file_that_is_named(name: str, tmp_path: Path):
    """The opened file itself, or the copy that was saved after quantifying: spectra go by the same names."""
    path, log = real_file("EDS-STO.emd"), real_file("EDS-STO.emd").with_name(name)
    if not log.exists():
        log = Path(shutil.copy(path, tmp_path / name))
    out = tmp_path / "report"
    settings = ["--elements", "O,Ti,Cu,Sr", "--out", out, "--quiet"]
    assert run("compare", path, "--second", f"velox-log:{log}", *settings) == 0
    assert list(pd.read_csv(out / "chips.csv")["second_at_Sr"]) == [23.91]


def test_stored_maps_beside_fitted_counts(tmp_path: Path):
    out, path = tmp_path / "report", real_file("velox_v11_SI_16x16.emd")
    second = ["--second", "velox-maps", "--quantity", "counts"]
    assert run("compare", path, *second, "--chip", "4", "--out", out, "--quiet") == 0
    chips = pd.read_csv(out / "chips.csv")
    assert len(chips) == 16
    assert {c.rpartition("_")[2] for c in chips.columns if c.startswith("diff_I_")} == {"Ca", "C", "O", "Cu"}
    assert (out / "figures" / "maps.svg").exists()

"""The result of one spectrum as rows, worked by hand; upper limits and differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.limits import score_limit
from edsnb.core.quant.quantify import quantify
from edsnb.core.quant.rows import difference_rows, line_rows
from tests.fits import fitted

K = KFactors({"Fe_K": 1.2, "O_K": 2.0, "La_L": 1.5}, source="by hand", sd={"Fe_K": 0.1})
NAMES = ["Fe_K", "Fe_L", "O_K", "La_L", "Cu_K"]
COUNTS = np.array([[1000.0, 300.0, 800.0, 2.0, 50.0], [900.0, 250.0, 1000.0, 40.0, 60.0], [np.nan] * 5])
VARIANCE = np.array([[1100.0, 400.0, 900.0, 36.0, 60.0], [1000.0, 300.0, 1100.0, 49.0, 70.0], [np.nan] * 5])
FIT = fitted(NAMES, COUNTS, covariance=VARIANCE[:, :, None] * np.eye(5), status=[0, 0, 2])
QUANT = quantify(FIT, ["Fe_K", "O_K", "La_L"], kfactors=K, deconvolve=["Cu"])


def test_score_limit_by_hand():
    # 1.645² = 2.706025; sqrt(36 + 0.67650625) = 6.0561131
    assert score_limit(np.array(2.0), np.array(6.0)) == pytest.approx(2.0 + 1.3530125 + 1.645 * 6.0561131)
    # Nothing found and nothing to confuse it with: z², as -ln(0.05) = 3.0 is for an exact Poisson count of 0.
    assert score_limit(np.zeros(1), np.zeros(1))[0] == pytest.approx(2.706025)


def test_score_limit_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for true, background in ((0.5, 20.0), (3.0, 50.0), (10.0, 10.0)):
        found = rng.poisson(true + background, 40_000) - background
        limit = score_limit(found, np.sqrt(np.maximum(found + background, 0.0)))
        assert np.mean(limit >= true) == pytest.approx(0.95, abs=0.025)


def test_rows_by_hand():
    rows = {row.family: row for row in line_rows(FIT, QUANT, 0)}
    assert list(rows) == NAMES
    assert [rows[name].role for name in NAMES] == ["quantified", "not used", "quantified", "quantified", "fitted only"]
    iron = rows["Fe_K"]
    assert (iron.counts, iron.sd, iron.k, iron.sd_k) == (1000.0, pytest.approx(1100**0.5), 1.2, 0.1)
    atoms = {"Fe": 1.2 * 1000 / 55.845, "O": 2.0 * 800 / 15.999, "La": 1.5 * 2 / 138.90547}
    assert iron.atomic == pytest.approx(100 * atoms["Fe"] / sum(atoms.values()), rel=1e-4)
    assert iron.found
    assert not rows["La_L"].found
    limit = 2.0 + 1.3530125 + 1.645 * 6.0561131
    assert rows["La_L"].limit == pytest.approx(limit)
    most = 1.5 * limit / 138.90547
    assert rows["La_L"].atomic_limit == pytest.approx(100 * most / (atoms["Fe"] + atoms["O"] + most), rel=1e-4)
    for name in ("Fe_L", "Cu_K"):
        assert np.isnan([rows[name].atomic, rows[name].k, rows[name].weight, rows[name].atomic_limit]).all()
        assert rows[name].counts == COUNTS[0, NAMES.index(name)]


def test_rows_without_a_quantification_and_without_a_fit():
    plain = line_rows(FIT, None, 1)
    assert [row.counts for row in plain] == COUNTS[1].tolist()
    assert {row.role for row in plain} == {"fitted only"}
    lost = line_rows(FIT, QUANT, 2)
    assert all(np.isnan([row.counts, row.sd, row.limit, row.atomic, row.atomic_limit]).all() for row in lost)
    assert not any(row.found for row in lost)


def test_absorption_counts_in_the_limit():
    thick = replace(QUANT, correction=np.broadcast_to([1.0, 1.0, 3.0], QUANT.atomic.shape))
    thin, corrected = (line_rows(FIT, quant, 0)[3].atomic_limit for quant in (QUANT, thick))
    assert corrected == pytest.approx(3 * thin, rel=0.05)


def test_differences():
    other = quantify(fitted(["O_K", "Ti_K"], [[500.0, 100.0]]))
    rows = {row.element: row for row in difference_rows((QUANT, 0), (other, 0))}
    assert list(rows) == ["Fe", "O", "La", "Ti"]
    oxygen = rows["O"]
    assert oxygen.difference == pytest.approx(other.atomic[0, 0] - QUANT.atomic[0, 1])
    assert oxygen.sd == pytest.approx(float(np.hypot(other.sd_atomic[0, 0], QUANT.sd_atomic[0, 1])))
    assert np.isnan([rows["Ti"].first, rows["Ti"].difference, rows["Fe"].second, rows["Fe"].sd]).all()
    same = difference_rows((QUANT, 1), (QUANT, 1))
    assert [row.difference for row in same] == [0.0, 0.0, 0.0]

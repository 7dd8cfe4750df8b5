"""Simulated exports: read back as they were, and never taken for measured ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edsnb.core.comparison.composition import Composition
from edsnb.errors import InputError, OutputError
from edsnb.io.velox_tables.read import read_velox_tables
from edsnb.io.velox_tables.write import write_velox_batches
from tests.io.velox_tables.exports import FAMILIES, Truth, truth
from tests.simulated import analysed

ROUNDING = 0.005 + 1e-9


def composition(made: Truth, **other) -> Composition:
    values = {"atomic": made.atomic, "weight": made.weight, "counts": made.counts}
    sd = {"atomic": made.sd_atomic, "weight": made.sd_weight, "counts": made.sd_counts}
    families = tuple(f"{e}_{FAMILIES[e]}" for e in made.elements)
    return Composition("somebody", made.names, made.elements, values, sd, made.regions, families, **other)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 4), columns=st.integers(1, 5), batch=st.integers(1, 10), seed=st.integers(0, 99))
def test_what_is_written_is_read_back(rows: int, columns: int, batch: int, seed: int, tmp_path_factory) -> None:
    made = composition(truth(rows, columns, seed=seed))
    folder = write_velox_batches(made, tmp_path_factory.mktemp("w") / "export", batch=batch)
    assert len(list(folder.glob("batch_*.csv"))) == -(-rows * columns // batch)
    found = read_velox_tables(folder, made.regions, own=made)
    assert found.names == made.names
    columns_of = [found.column(e) for e in made.elements]
    for quantity in ("atomic", "weight"):
        np.testing.assert_allclose(found.values[quantity][:, columns_of], made.values[quantity], atol=ROUNDING)
        np.testing.assert_allclose(found.sd[quantity][:, columns_of], made.sd[quantity], atol=ROUNDING)
    assert set(found.families) == set(made.families)


def test_edsnb_s_own_result_as_velox_would_export_it(tmp_path: Path) -> None:
    own = Composition.of(analysed().quantification)
    folder = write_velox_batches(own, tmp_path / "export")
    assert sorted(p.name for p in folder.glob("*.csv")) == ["batch_1.csv", "batch_2.csv"]
    found = read_velox_tables(folder, own.regions, own=own)
    columns = [found.column(e) for e in own.elements]
    np.testing.assert_allclose(found.values["atomic"][:, columns], own.values["atomic"], atol=ROUNDING)


def test_every_file_says_that_it_is_simulated(tmp_path: Path) -> None:
    folder = write_velox_batches(composition(truth(2, 8)), tmp_path / "export")
    for path in folder.glob("*.csv"):
        assert path.read_text(encoding="utf-8").startswith("# Simulated by edsnb")
    found = read_velox_tables(folder / "batch_2.csv")
    assert found.method == "stand-in for Velox (simulated)"
    assert read_velox_tables(folder / "batch_2.csv", method="mine").method == "mine"
    assert any("Simulated by edsnb" in n and "not measured with Velox" in n and "somebody" in n for n in found.notes)


def test_regions_that_are_not_known_have_empty_tables(tmp_path: Path) -> None:
    made = truth(2, 3)
    made.atomic[4] = np.nan
    own = composition(made)
    found = read_velox_tables(write_velox_batches(own, tmp_path / "e", batch=3), own.regions)
    assert np.isnan(found.values["atomic"][4]).all()
    assert np.isfinite(np.delete(found.values["atomic"], 4, axis=0)).all()
    assert any("the table of R1C1 is empty" in note for note in found.notes)


@pytest.mark.parametrize("quantity", ["atomic", "weight"])
def test_the_other_percent_is_computed(quantity: str, tmp_path: Path) -> None:
    made = truth(2, 2)
    one = Composition("x", made.names, made.elements, {quantity: getattr(made, quantity)}, {}, made.regions)
    found = read_velox_tables(write_velox_batches(one, tmp_path / "e"), made.regions)
    for name in ("atomic", "weight"):
        np.testing.assert_allclose(
            found.values[name][:, [found.column(e) for e in made.elements]], getattr(made, name), atol=0.03
        )
    assert np.isnan(found.sd["atomic"]).all()


def test_many_batches_keep_their_order(tmp_path: Path) -> None:
    own = composition(truth(3, 4))
    folder = write_velox_batches(own, tmp_path / "e", batch=1)
    assert (folder / "batch_01.csv").exists()
    np.testing.assert_allclose(
        read_velox_tables(folder, own.regions).values["atomic"], own.values["atomic"], atol=ROUNDING
    )


def test_nothing_is_overwritten_silently(tmp_path: Path) -> None:
    first, second = composition(truth(2, 2)), composition(truth(2, 2, seed=1))
    folder = write_velox_batches(first, tmp_path / "e")
    with pytest.raises(OutputError, match="already"):
        write_velox_batches(second, folder)
    write_velox_batches(second, folder, overwrite=True)
    found = read_velox_tables(folder, second.regions)
    np.testing.assert_allclose(found.values["atomic"], second.values["atomic"], atol=ROUNDING)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(OutputError, match="never replaced"):
        write_velox_batches(second, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "precious"


def test_what_cannot_be_written(tmp_path: Path) -> None:
    made = truth(1, 1)
    counts = Composition("x", made.names, made.elements, {"counts": made.counts}, {})
    with pytest.raises(InputError, match="neither at% nor wt%"):
        write_velox_batches(counts, tmp_path / "e")
    with pytest.raises(InputError, match="at least one region"):
        write_velox_batches(composition(made), tmp_path / "e", batch=0)
    assert not (tmp_path / "e").exists()

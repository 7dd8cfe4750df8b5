"""Velox's experiment log: which table counts, how it is spelt, and what its errors are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edsnb
from edsnb.errors import FileFormatError
from edsnb.io.opening import open_file
from edsnb.io.velox.log import WHOLE, read_velox_results, velox_log
from tests.io.velox.files import Layout, random_words, write
from tests.io.velox_tables import exports
from tests.io.velox_tables.exports import FINISHED, STARTED, TOO_LOW, add_log, log_table

FIRST = [(8, "O", "K", 40.14, 2.28, 13.39, 1.10, 1.21), (38, "Sr", "K", 59.86, 3.19, 86.61, 3.48, 0.68)]
LAST = [(8, "O", "K", 46.21, 2.41, 17.01, 1.32, 0.41), (38, "Sr", "K", 53.79, 2.54, 82.99, 3.92, 0.28)]


def test_the_last_table_of_a_spectrum_counts(tmp_path: Path) -> None:
    text = STARTED + log_table(WHOLE, []) + log_table(WHOLE, FIRST) + log_table(WHOLE, LAST) + FINISHED
    (name, table), *others = read_velox_results(add_log(tmp_path / "a.emd", text)).items()
    assert name == WHOLE
    assert not others
    assert table.index.name == "element"
    assert table.loc["O"].to_list() == ["K", 46.21, 2.41, 17.01, 1.32, 0.41]
    assert list(table.columns) == [
        *("family", "atomic_percent", "atomic_error", "mass_percent", "mass_error", "fit_error")
    ]


def test_an_empty_table_after_one_with_values_does_not_count(tmp_path: Path) -> None:
    text = log_table("A", FIRST) + log_table("A", [])
    assert read_velox_results(add_log(tmp_path / "a.emd", text))["A"].loc["O", "atomic_percent"] == 40.14


def test_spectra_of_several_names(tmp_path: Path) -> None:
    film = [(8, "O", "K", 60.0, 1, 20.0, 1, 0.1), (57, "La", "L", 40.0, 1, 80.0, 1, 0.1)]
    text = STARTED + log_table("Area &amp; 1", FIRST) + log_table("Area 2", film) + log_table("Area &amp; 1", LAST)
    path = add_log(tmp_path / "a.emd", text + log_table("Area 3", []))
    results = read_velox_results(path)
    assert list(results) == ["Area & 1", "Area 2", "Area 3"]
    assert results["Area 3"].empty
    assert results["Area 3"]["atomic_percent"].dtype == float
    found = velox_log(path)
    assert found.names == ("Area & 1", "Area 2")
    assert found.elements == ("O", "Sr", "La")
    assert found.families == ("O_K", "Sr_K", "La_L")
    np.testing.assert_array_equal(found.values["atomic"], [[46.21, 53.79, np.nan], [60, np.nan, 40]])
    np.testing.assert_array_equal(found.sd["weight"], [[1.32, 3.92, np.nan], [1, np.nan, 1]])
    assert "La not in Velox's result of Area & 1: NaN there, not 0." in found.notes
    assert "Velox logged no values for Area 3." in found.notes


def test_a_further_acquisition_of_the_same_name_is_another_spectrum(tmp_path: Path) -> None:
    text = STARTED + STARTED + log_table(WHOLE, FIRST) + FINISHED + STARTED + log_table(WHOLE, LAST) + FINISHED
    found = velox_log(add_log(tmp_path / "a.emd", text))
    assert found.names == (WHOLE, f"{WHOLE} 2")
    assert found.values["atomic"][:, 0].tolist() == [40.14, 46.21]


def test_the_older_spelling(tmp_path: Path) -> None:
    """Velox 1.4: ``Fit error``, families with a blank, time without a zone."""
    lines = [(8, "O", "K ", 100.0, 1.5, 100.0, 0.0, 0.2)]
    path = add_log(tmp_path / "a.emd", log_table("S", lines, exports.OLD, "2017-03-21 14:38:43"))
    assert read_velox_results(path)["S"].loc["O"].to_list() == ["K", 100.0, 1.5, 100.0, 0.0, 0.2]


def test_decimal_commas(tmp_path: Path) -> None:
    lines = [(8, "O", "K", "46,21", "2,41", "17,01", "1,32", "0,41")]
    path = add_log(tmp_path / "a.emd", log_table("S", lines))
    assert read_velox_results(path)["S"].loc["O", "atomic_percent"] == 46.21


def test_a_log_without_a_result_says_what_velox_said(tmp_path: Path) -> None:
    path = add_log(tmp_path / "a.emd", STARTED + FINISHED + TOO_LOW)
    assert read_velox_results(path) == {}
    with pytest.raises(FileFormatError, match=r"it says 'Spectrum Image: Number of counts is too low for quant"):
        velox_log(path)
    path = add_log(tmp_path / "b.emd", STARTED + log_table(WHOLE, []))
    with pytest.raises(FileFormatError, match=r"Velox quantified nothing in its log\. Quantify"):
        velox_log(path)


def test_a_message_beside_a_result_is_kept(tmp_path: Path) -> None:
    found = velox_log(add_log(tmp_path / "a.emd", TOO_LOW + log_table("S", LAST)))
    assert "Velox: Spectrum Image: Number of counts is too low for quantification." in found.notes


def test_the_log_is_found_without_a_reference(tmp_path: Path) -> None:
    assert list(read_velox_results(add_log(tmp_path / "a.emd", log_table("S", LAST), reference=False))) == ["S"]


def test_a_file_without_a_log(tmp_path: Path) -> None:
    words = random_words(np.random.default_rng(0), 12, 2, 3)
    with pytest.raises(FileFormatError, match="holds no experiment log"):
        read_velox_results(write(tmp_path / "a.emd", Layout(streams=[words])))
    with pytest.raises(FileFormatError, match="does not exist"):
        read_velox_results(tmp_path / "none.emd")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (log_table("S", LAST, ["Z", "What", "Family"]), "has the headings .* which are not known"),
        (log_table("S", [(8, "Ox", "K", 1, 1, 1, 1, 1)]), "names no element"),
        (log_table("S", [(8, "O", "K", "many", 1, 1, 1, 1)]), "'many' stands where a number belongs"),
    ],
)
def test_a_damaged_table(table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=message):
        velox_log(add_log(tmp_path / "a.emd", table))


def test_the_sum_of_a_map_is_the_whole_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = random_words(rng, 12, 2, 5)
    counts = np.bincount(words, minlength=65536)[:64]
    layout = Layout(streams=[words], spectra=[("SuperXG21", counts)])
    path = add_log(write(tmp_path / "map.emd", layout), STARTED + log_table(WHOLE, LAST))
    image = open_file(path)
    found = velox_log(path, image=image)
    assert found.regions is not None
    assert found.regions.shape == image.shape
    assert found.regions.sizes.tolist() == [12]
    assert velox_log(path).regions is None
    assert any("does not say where on the specimen" in note for note in velox_log(path).notes)
    # A spectrum of an integration area holds fewer X-rays than the map.
    assert image.spectra is not None
    part = replace(image, spectra=replace(image.spectra, counts=image.spectra.counts // 2))
    assert velox_log(path, image=part).regions is None
    other = add_log(write(tmp_path / "other.emd", layout), log_table("Area 1", LAST))
    assert velox_log(other, image=open_file(other)).regions is None


def test_a_stored_spectrum_has_its_own_name(tmp_path: Path) -> None:
    words = random_words(np.random.default_rng(1), 12, 2, 5)
    layout = Layout(streams=[words], spectra=[("SuperXG21", np.bincount(words, minlength=65536)[:64])])
    text = log_table("Spectra from SuperXG21", FIRST) + log_table("Area 1", LAST)
    path = add_log(write(tmp_path / "map.emd", layout), text)
    assert velox_log(path, image=open_file(path)).names == ("SuperXG21", "Area 1")
    assert velox_log(path).names == ("Spectra from SuperXG21", "Area 1")
    both = add_log(write(tmp_path / "both.emd", layout), text + log_table("SuperXG21", LAST))
    assert velox_log(both, image=open_file(both)).names == ("Spectra from SuperXG21", "Area 1", "SuperXG21")


def test_errors_of_factors_are_found_among_updates(tmp_path: Path) -> None:
    """Errors made of those of factors are told; errors that fall with the counts are not taken for them."""
    relative = np.array([0.04, 0.17, 0.10])
    elements, weights = [(8, "O"), (22, "Ti"), (38, "Sr")], np.array([15.999, 47.867, 87.62])

    def lines(oxygen: float, factors: np.ndarray) -> list[tuple[object, ...]]:
        atomic = np.array([oxygen, (100 - oxygen) / 3, (100 - oxygen) / 1.5])
        columns = []
        for share in (atomic, 100 * atomic * weights / (atomic @ weights)):
            slope = (np.eye(3) - share / 100) * share[:, None]
            columns += [share, np.sqrt((slope**2) @ factors**2)]
        return [(z, e, "K", *(f"{column[k]:.2f}" for column in columns), 0.1) for k, (z, e) in enumerate(elements)]

    steady = "".join(log_table("S", lines(40 + k, relative)) for k in range(5))
    (note, *_) = velox_log(add_log(tmp_path / "a.emd", steady)).notes
    assert "(O 4.0 %, Ti 17.0 %, Sr 10.0 %) gives all errors of 5 updates" in note
    assert "not those of counting" in note
    falling = "".join(log_table("S", lines(40 + k, relative / np.sqrt(1 + k))) for k in range(5))
    (note, *_) = velox_log(add_log(tmp_path / "b.emd", falling)).notes
    assert "Errors of k-factors alone do not give them" in note
    (note, *_) = velox_log(add_log(tmp_path / "c.emd", log_table("S", lines(40, relative)))).notes
    assert note == "Velox does not say what its errors are, nor whether they are one standard deviation."


def test_they_are_public() -> None:
    assert edsnb.read_velox_results is read_velox_results
    assert edsnb.velox_log is velox_log

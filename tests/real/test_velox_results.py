"""Velox's own numbers in real files: the log of a point spectrum, maps of a map and of its reduced copy."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import edsnb
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.units import converted
from edsnb.core.regions import ChipGrid
from edsnb.errors import FileFormatError, NoMapError
from edsnb.io.compositions import open_composition
from edsnb.io.velox.log import read_velox_results, velox_log
from edsnb.io.velox.maps import velox_maps
from tests.helpers import real_file

POINTS = "EDS-STO.emd"
MAP, REDUCED = "velox_v11_SI_16x16.emd", "velox_v11_SI_16x16_reduced.emd"


def test_the_log_of_strontium_titanate() -> None:
    ((name, table),) = read_velox_results(real_file(POINTS)).items()
    assert name == "Spectra from Summed"
    assert table.index.to_list() == ["O", "Ti", "Cu", "Sr"]
    assert table["atomic_percent"].to_list() == [46.21, 24.56, 5.32, 23.91]
    assert table["atomic_error"].to_list() == [2.41, 3.23, 0.77, 2.54]
    assert table["mass_percent"].to_list() == [17.01, 27.04, 7.77, 48.18]
    assert table["mass_error"].to_list() == [1.32, 3.74, 1.19, 3.92]
    assert table["fit_error"].to_list() == [0.41, 0.07, 0.32, 0.28]
    assert set(table["family"]) == {"K"}


def test_its_errors_are_those_of_factors() -> None:
    """All 160 errors of 20 updates, at% and wt%, from four numbers, from the first second to the 25th."""
    found = velox_log(real_file(POINTS))
    assert found.families == ("O_K", "Ti_K", "Cu_K", "Sr_K")
    assert found.regions is None
    assert "(O 0.7 %, Ti 16.9 %, Cu 14.4 %, Sr 12.8 %) gives all errors of 20 updates" in found.notes[0]
    assert "not those of counting" in found.notes[0]


def test_the_log_can_be_compared_with_a_fit_of_the_same_spectrum() -> None:
    """Velox and edsnb differ by less than one and a half of Velox's errors in every element."""
    image = edsnb.open(real_file(POINTS))
    fit = edsnb.fit(image.spectra, ["O", "Ti", "Cu", "Sr", "C", "Si", "Al"])
    own = Composition.of(edsnb.quantify(fit, deconvolve=["C", "Si", "Al"]))
    velox = open_composition("velox", image)
    compared = edsnb.compare(own, velox)
    assert compared.names == ("Summed",)
    for element in velox.elements:
        difference = own.values["atomic"][0, own.column(element)] - velox.values["atomic"][0, velox.column(element)]
        assert abs(difference) < 1.5 * velox.sd["atomic"][0, velox.column(element)]


def test_at_and_wt_of_the_log_go_together() -> None:
    """The weights of Velox are those of edsnb, to the last digit logged."""
    found = velox_log(real_file(POINTS))
    weight = converted(found.values["atomic"], found.elements, "weight")
    np.testing.assert_allclose(weight, found.values["weight"], atol=0.02)


def test_the_fit_error_is_less_than_that_of_counting() -> None:
    """So it is no error of the counts either: edsnb's relative errors are 1.8 to 7.6 times larger."""
    fit = edsnb.fit(edsnb.open(real_file(POINTS)).spectra, ["O", "Ti", "Cu", "Sr", "C", "Si", "Al"])
    table = read_velox_results(real_file(POINTS))["Spectra from Summed"]
    for element in table.index:
        column = fit.column(f"{element}_K")
        relative = 100 * fit.sd[0, column] / fit.intensities[0, column]
        assert relative > 1.5 * table.loc[element, "fit_error"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (MAP, "counts is too low"),
        ("example_velox_EELS_EDS.emd", "counts is too low"),
        ("fei_emd_si.emd", "quantified nothing in its log. Quantify"),
    ],
)
def test_logs_without_a_result(name: str, said: str) -> None:
    assert read_velox_results(real_file(name)) == {}
    with pytest.raises(FileFormatError, match=said):
        velox_log(real_file(name))


@pytest.mark.parametrize(("name", "mode"), [(MAP, "Integration"), (REDUCED, "NetIntensity")])
def test_stored_maps_as_counts(name: str, mode: str) -> None:
    path = real_file(name)
    found = velox_maps(path, ChipGrid(4))
    assert found.method == f"Velox ({mode} maps)"
    assert found.elements == ("C", "O", "Ca", "Cu")
    assert found.families == ("C_K", "O_K", "Ca_K", "Cu_K")
    assert found.values["counts"].shape == (16, 4)
    image = edsnb.open(path)
    for k, stored in enumerate(image.maps):
        blocks = stored.image.astype(float).reshape(4, 4, 4, 4).sum(axis=(1, 3)).ravel()
        np.testing.assert_allclose(found.values["counts"][:, k], blocks, rtol=1e-6)
    if mode == "Integration":
        np.testing.assert_allclose(found.sd["counts"], np.sqrt(found.values["counts"]))
    else:
        assert np.isnan(found.sd["counts"]).all()
    assert any("filter (Mean, 3 px)" in note for note in found.notes)


def test_the_filter_conserves_counts() -> None:
    """Pixels are ninths, as a mean of 3 x 3 gives; all of them together are whole X-rays."""
    for stored in edsnb.open(real_file(MAP)).maps:
        ninths = 9 * stored.image.astype(float)
        np.testing.assert_allclose(ninths, np.round(ninths), atol=1e-3)
        assert stored.image.sum() == pytest.approx(round(float(stored.image.sum())), abs=1e-3)


def test_empty_maps_are_told() -> None:
    found = velox_maps(real_file("example_velox_EELS_EDS.emd"), ChipGrid(4))
    assert not found.values["counts"].any()
    assert any("O, Fe, Co are 0 everywhere" in note for note in found.notes)
    assert not any("filter" in note for note in found.notes)


def test_files_without_maps() -> None:
    for name in (POINTS, "fei_emd_si.emd"):
        with pytest.raises(NoMapError, match="no element maps"):
            velox_maps(real_file(name), ChipGrid(4))


def test_the_sources_of_a_real_file() -> None:
    image = edsnb.open(real_file(MAP))
    assert set(open_composition("velox-maps", image, ChipGrid(8)).values) == {"counts"}
    assert open_composition(f"velox-log:{real_file(POINTS)}", image).names == ("Summed",)


def test_the_filter_is_that_of_the_settings() -> None:
    with h5py.File(real_file(MAP)) as file:
        assert "SharedProperties/UnaryImageFilterSettings" in file
    assert {m.smoothing for m in edsnb.open(real_file(MAP)).maps} == {"Mean, 3 px"}

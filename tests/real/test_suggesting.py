"""Elements suggested for real spectra."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edsnb.core.fitting.suggest import Suggestions, find_lines
from edsnb.core.regions import Spectra, chip
from edsnb.io.opening import open_file
from tests.helpers import real_file

ALLOY = "fei_SI_SuperX-HAADF_20frames_10x50.emd"


@cache
def spectra(name: str) -> Spectra:
    image = open_file(real_file(name))
    if image.events is not None:
        return chip(image, np.zeros(image.shape, int))
    assert image.spectra is not None
    index = image.spectra.names.index("Summed")
    return replace(image.spectra, counts=image.spectra.counts[index : index + 1], names=("Summed",))


def suggested(
    name: str, *elements: str, significance: float = 5.0, among: tuple[str, ...] | None = None
) -> Suggestions:
    return find_lines(spectra(name), elements, significance=significance, among=among)


def test_strontium_titanate_from_nothing_is_what_velox_found_and_its_doping() -> None:
    """Velox's own table has O, Ti, Cu and Sr; niobium, whose K and L agree, dopes the substrate."""
    assert set(suggested("EDS-STO.emd").elements) == {"O", "Ti", "Cu", "Sr", "Nb"}


def test_strontium_titanate_with_its_elements_chosen() -> None:
    found = suggested("EDS-STO.emd", "Sr", "Ti", "O", "Cu", "C")
    assert found.elements == ("Nb",)
    niobium = found.found[0]
    assert niobium.significance == pytest.approx(7.8, abs=1.0)
    assert niobium.families == ("Nb_K", "Nb_L")
    assert {"In", "Zr", "Pb"} <= {s.element for s in found.weaker}


def test_traces_that_are_asked_for_need_less() -> None:
    """Of the traces a specialist identified, those that count statistics and misfits leave at 3 sigma."""
    traces = ("Al", "Si", "Nb", "Fe", "Co", "In", "Zn")
    found = suggested("EDS-STO.emd", "Sr", "Ti", "O", "Cu", "C", significance=3.0, among=traces)
    assert {"Nb", "In", "Co", "Al"} <= set(found.elements)


@pytest.mark.parametrize("chosen", [(), ("Ni", "Cr", "Fe")], ids=["from nothing", "matrix chosen"])
def test_a_nickel_alloy(chosen: tuple[str, ...]) -> None:
    """The elements of alloy 718 on a copper grid; no tungsten or tantalum, whose L lines are absent."""
    found = suggested(ALLOY, *chosen)
    assert {"Ni", "Cr", "Fe", "Nb", "Mo", "Ti", "Al", "Cu"} <= {*found.elements, *chosen}
    assert not {"W", "Ta", "Re", "Hf", "Sr", "S"} & set(found.elements)
    assert len(found) + len(chosen) <= 12


def test_a_bulk_specimen_in_an_sem() -> None:
    """Silver and aluminium at 20 kV: soft lines are absorbed, and peaks of half a million X-rays have misfits."""
    found = suggested("bcf_v2_50x50px.bcf")
    assert {"Al", "Ag", "Cu", "C"} <= set(found.elements)
    assert set(found.elements) <= {"Al", "Ag", "Cu", "C", "O", "Si", "Fe", "N", "Cl"}

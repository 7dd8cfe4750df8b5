"""A real spectrum, fitted and quantified: strontium titanate on a copper grid, beside what Velox made of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from edsnb.core.fitting.fit import FitResult, Status, fit
from edsnb.core.quant.quantify import quantify
from edsnb.io.opening import open_file
from tests.helpers import real_file

MAIN = ("Sr", "Ti", "O", "Cu", "C")
# Traces identified in this spectrum, 3 to 12 standard deviations each: niobium dopes the substrate (K and L agree);
# aluminium, silicon, iron and cobalt are the microscope's; lines at 3.29 and 8.63 keV are those of indium and zinc.
TRACES = ("Al", "Si", "Nb", "Fe", "Co", "In", "Zn")
VELOX = {"O": 46.2, "Ti": 24.6, "Cu": 5.3, "Sr": 23.9}
"""Velox's own result for this spectrum, at%."""


@cache
def fitted(elements: tuple[str, ...], refine: bool = False) -> FitResult:
    stored = open_file(real_file("EDS-STO.emd")).spectra
    assert stored is not None
    index = stored.names.index("Summed")
    summed = replace(stored, counts=stored.counts[index : index + 1], names=("Summed",))
    return fit(summed, elements, energy=(0.2, 20.0), refine=refine)


@pytest.mark.parametrize(
    ("elements", "refine", "most"),
    [(MAIN, False, 1.35), (MAIN, True, 1.25), ((*MAIN, *TRACES), False, 1.2), ((*MAIN, *TRACES), True, 1.16)],
    ids=["main elements", "refined", "with traces", "with traces, refined"],
)
def test_deviance_per_channel_from_200_ev_to_20_kev(elements: tuple[str, ...], refine: bool, most: float) -> None:
    """190,830 counts: noise alone gives about 1, and 0.9 where channels hold few."""
    found = fitted(elements, refine)
    assert found.status.tolist() == [Status.OK]
    assert found.spectra.counts.sum() == 190830
    assert len(found.columns) == found.channels.stop - found.channels.start > 3900
    assert 0.9 < found.deviance[0] < most


@pytest.mark.parametrize("elements", [MAIN, (*MAIN, *TRACES)], ids=["main elements", "with traces"])
def test_axis_and_width(elements: tuple[str, ...]) -> None:
    calibration = fitted(elements).settings["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["applied"] is True
    assert calibration["offset_change_ev"] == pytest.approx(-2.2, abs=1.0)
    assert calibration["gain_change"] == pytest.approx(0.0028, abs=3e-4)
    assert calibration["fwhm_mn_ev"] == pytest.approx(128.7, abs=1.5)
    # The straight axis of the file is 14 eV off at 10 keV.
    assert calibration["bow_ev"] == pytest.approx(13.6, abs=2.0)
    assert calibration["tail"] == pytest.approx(0.033, abs=0.01)


def test_what_the_sum_shows() -> None:
    """The sum peak of Sr L, 3.6 keV, and a continuum that ends at the discriminator."""
    notes = fitted(MAIN).settings["notes"]
    assert isinstance(notes, list)
    assert any(note.startswith("pile-up makes 0.") for note in notes)
    assert any("discriminator" in note for note in notes)


@pytest.mark.parametrize("elements", [MAIN, (*MAIN, *TRACES)], ids=["main elements", "with traces"])
def test_composition_is_near_veloxs(elements: tuple[str, ...]) -> None:
    others = [element for element in elements if element not in VELOX]
    found = quantify(fitted(elements), ["O_K", "Ti_K", "Cu_K", "Sr_K"], deconvolve=others)
    atomic = dict(zip(found.elements, found.atomic[0].tolist(), strict=True))
    assert atomic == pytest.approx(VELOX, abs=4.0)
    assert sum(atomic.values()) == pytest.approx(100)
    # Strontium titanate, whatever Velox says.
    assert atomic["Sr"] / atomic["Ti"] == pytest.approx(1.0, abs=0.05)

"""The description of a file: numbers for programs, a page for people."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edsnb.core.events import Events
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage, StoredMap, Survey
from edsnb.core.regions import Spectra
from edsnb.io.describe import describe, describe_text

ENERGY = EnergyAxis(100, 0.1, -0.5)


def image(counts: float = 5, *, events: bool = True, **more: object) -> SpectrumImage:
    cube = np.random.default_rng(0).poisson(counts / 100, (24, 100))
    found = Events.from_dense(cube) if events else None
    acquisition = Acquisition(beam_kev=200, take_off_deg=18, dwell_time_s=2e-5, begin_energy_kev=0.2)
    return SpectrumImage((4, 6), ENERGY, found, acquisition, source="a.emd", **more)  # type: ignore[arg-type]


def test_counts_are_those_above_the_noise_peak() -> None:
    one = image()
    facts = describe(one)
    assert facts["map"]["shape"] == [4, 6]
    assert facts["map"]["counts"] == one.require_events().total()
    assert facts["map"]["counts_above_noise"] == one.counts_map().sum() < one.require_events().total()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [(0, "no X-rays above"), (5, "results will be rough"), (3000, "2 px gives 6 chips"), (40000, "single pixels")],
)
def test_chips_are_suggested_by_the_counts(counts: float, sentence: str) -> None:
    assert sentence in describe(image(counts))["possible"][0]


def test_the_page_shows_everything() -> None:
    spectra = Spectra(np.ones((2, 100)), ENERGY, ("Summed", "SuperXG21"))
    surveys = {"HAADF": Survey("HAADF", np.ones((4, 6)), 0.5, 3), "Ref": Survey("Ref", np.ones((8, 8)))}
    stored = (StoredMap("Fe", np.ones((4, 6)), "atomic_fraction", "AtomicFraction", "Fe"),)
    elements = (ElementSetting("Fe", "K"), ElementSetting("Cu", quantify=False))
    one = image(spectra=spectra, surveys=surveys, maps=stored, elements=elements, notes=("repaired.",))
    text = describe_text(one)
    for part in (
        "4 x 6 pixels (y x x)",
        "100 channels of 100 eV, -0.5 to 9.4 keV",
        "beam              200 kV",
        "dwell time        20 us",
        "Fe K, Cu (deconvolution only)",
        "HAADF  4 x 6       0.5       3  same raster as the map",
        "atomic fraction (AtomicFraction)",
        "above 0.2 keV",
        "- repaired.",
    ):
        assert part in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_a_file_without_a_map_says_what_is_left() -> None:
    spectra = Spectra(np.ones((1, 100)), ENERGY, ("Summed",))
    one = image(events=False, spectra=spectra, surveys={"HAADF": Survey("HAADF", np.ones((4, 6)))})
    facts = describe(one)
    assert facts["map"] is None
    assert facts["possible"] == [
        "fit and quantify its stored spectra (1): edsnb.fit(image.spectra, ...)",
        "show its images",
    ]
    assert "none left of 4 x 6 pixels" in describe_text(one)

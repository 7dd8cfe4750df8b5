"""Pixel maps of a real nickel alloy: the same as its chips, within much less than their errors."""

from __future__ import annotations

import numpy as np
import pytest

import edsnb
from tests.helpers import real_file

ELEMENTS = ("Ni", "Cr", "Fe", "Nb", "Ti", "Al", "Si", "O")


def test_maps_of_an_alloy_agree_with_its_chips():
    image = edsnb.open(real_file("fei_SI_SuperX-HAADF_20frames_10x50.emd"))
    whole, cut = (edsnb.chip(image, r) for r in (np.ones(image.shape, bool), edsnb.ChipGrid(5)))
    total, chips = (
        edsnb.quantify(edsnb.fit(s, ELEMENTS, energy=(0.45, 20.0)), deconvolve=["Si", "O"]) for s in (whole, cut)
    )
    maps = edsnb.pixel_maps(image, total, kernel=5)
    cells = cut.regions.cells
    found = maps.atomic[:, cells[:, 0] * 5 + 2, cells[:, 1] * 5 + 2].T
    assert np.sqrt((((found - chips.atomic) / chips.sd_atomic) ** 2).mean(axis=0)).max() < 0.5
    assert not maps.masked.any()
    predicted = edsnb.advise(image, total, sizes=[5])
    # The chips differ: some hold much niobium. The metals that are everywhere are known as well as predicted.
    np.testing.assert_allclose(np.median(chips.sd_atomic, axis=0)[:3], predicted.sd_atomic[0, :3], rtol=0.15)
    assert predicted.elements[0] == "Ni"
    assert predicted.atomic[0] == pytest.approx(total.atomic[0, 0])

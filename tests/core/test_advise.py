"""Chip sizes: what is predicted from one spectrum is what chips of each size really scatter by."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edsnb.core.advise import FEWEST, SIZES_PX, Advice, advise
from edsnb.core.fitting.fit import fit
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.quantify import Quantification, quantify
from edsnb.core.regions import ChipGrid, Regions, chip
from edsnb.core.simulation.simulate import simulate
from edsnb.errors import ElementError, InputError, NoMapError
from tests.flat import ELEMENTS, RANGE, flat_map, sum_fit

PIXEL_COUNTS = 40.0


@cache
def flat() -> tuple[SpectrumImage, Quantification]:
    """Return a map that is the same everywhere, and the quantification of its sum."""
    image, _ = flat_map(84, 90, PIXEL_COUNTS, seed=11)
    return image, quantify(sum_fit(image), deconvolve=["Cu"])


@pytest.mark.parametrize(("size", "within"), [(4, 0.12), (6, 0.15), (9, 0.2)])
def test_chips_scatter_as_predicted(size, within):
    """From 441 chips of 640 X-rays to 90 chips of 3,240; their scatter is known to 3.4 % to 7.5 %."""
    image, quant = flat()
    predicted = advise(image, quant, sizes=[size])
    spectra = chip(image, ChipGrid(size))
    found = quantify(fit(spectra, ELEMENTS, energy=RANGE, calibration=False), deconvolve=["Cu"])
    assert len(found) == np.prod(predicted.grids[0])
    assert found.elements == predicted.elements
    np.testing.assert_allclose(found.atomic.std(axis=0, ddof=1), predicted.sd_atomic[0], rtol=within)
    np.testing.assert_allclose(spectra.counts[:, found.fit.channels].sum(axis=1).mean(), predicted.counts[0], rtol=0.02)


def test_numbers_by_hand():
    image, quant = flat()
    found = advise(image, quant, crop=(3, 80, 0, 61), sizes=[7, 20])
    assert found.elements == ("La", "Fe", "O")
    np.testing.assert_allclose(found.sd_pixel, quant.sd_atomic[0] * np.sqrt(84 * 90), rtol=1e-12)
    np.testing.assert_allclose(found.sd_atomic, [found.sd_pixel / 7, found.sd_pixel / 20], rtol=1e-12)
    np.testing.assert_allclose(found.atomic, quant.atomic[0], rtol=1e-12)
    assert found.grids == ((11, 8), (3, 3))
    assert found.largest_px == 61
    assert found.counts_pixel == pytest.approx(quant.fit.spectra.counts[0, quant.fit.channels].sum() / (84 * 90))
    assert found.counts[1] == pytest.approx(400 * found.counts_pixel)


def made(**other: object) -> Advice:
    """Return advice of round numbers: 1 px gives 6, 3 and 9 at%."""
    values: dict[str, object] = {
        "region": "film",
        "elements": ("La", "Fe", "O"),
        "atomic": np.array([20.0, 20.0, 60.0]),
        "sd_pixel": np.array([6.0, 3.0, 9.0]),
        "counts_pixel": 150.0,
        "sizes_px": (5, 12),
        "grids": ((8, 10), (3, 4)),
        "wanted": np.array([1.0, 1.0, 1.0]),
        "largest_px": 40,
        "pixel_nm": 0.5,
    }
    return Advice(**(values | other))  # type: ignore[arg-type]


def test_smallest_size_that_is_enough():
    assert made().needed_px == (6, 3, 9)
    assert made().smallest_px == 9
    assert made(wanted=np.array([0.3, np.inf, np.inf])).needed_px == (20, 1, 1)
    assert made(wanted=np.full(3, 100.0)).smallest_px == 1
    assert made(wanted=np.full(3, 0.2)).smallest_px is None
    assert made(wanted=np.full(3, 9 / 40)).smallest_px == 40


def test_sentences():
    enough = made().describe()
    assert "film: 150 X-rays per pixel" in enough
    assert "Chips of 9 px (4.5 nm) with 12,150 X-rays" in enough
    assert "O decides (1 at%)" in enough
    assert "La 0.67, Fe 0.33, O 1" in enough
    assert "rough" not in enough
    none = made(wanted=np.full(3, 0.2), pixel_nm=None).describe()
    assert "0.2 at% for O needs chips of 45 px, but the crop holds no more than 40 px" in none
    assert f"fewer than {FEWEST}" in made(counts_pixel=1.0).describe()


def test_table():
    frame = made().to_frame()
    assert list(frame.columns) == [
        *("size_px", "size_nm", "rows", "cols", "chips", "counts"),
        *("sd_at_La", "sd_at_Fe", "sd_at_O", "meets"),
    ]
    assert frame.size_nm.tolist() == [2.5, 6.0]
    assert frame.chips.tolist() == [80, 12]
    assert frame.counts.tolist() == [3750, 21600]
    assert frame.sd_at_O.tolist() == [1.8, 0.75]
    assert frame.meets.tolist() == [False, True]
    assert made(pixel_nm=None).to_frame().size_nm.isna().all()


def test_a_phase_of_a_simulated_film():
    """Elements and a mask are enough; what is found is what `fit` and `quantify` find for that phase."""
    simulation = simulate(size=64, frames=2, counts=400.0, seed=3)
    film = simulation.truth.labels == 1
    elements = ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")
    found = advise(simulation.image, elements, region={"film": film}, deconvolve=["Cu", "C"], wanted={"La": 0.5})
    assert found.region == "film"
    assert found.sizes_px == SIZES_PX
    assert found.pixel_nm == simulation.image.pixel_nm
    quant = quantify(fit(chip(simulation.image, {"film": film}), elements), deconvolve=["Cu", "C"])
    np.testing.assert_allclose(found.sd_pixel, quant.sd_atomic[0] * np.sqrt(film.sum()), rtol=1e-9)
    lanthanum = found.elements.index("La")
    size = found.smallest_px
    assert size is not None
    assert found.sd_pixel[lanthanum] / size <= 0.5 < found.sd_pixel[lanthanum] / (size - 1)
    assert found.needed_px[found.elements.index("O")] == 1
    whole = advise(simulation.image, elements, deconvolve=["Cu", "C"])
    assert whole.region == "the map"
    assert whole.counts_pixel < found.counts_pixel
    assert advise(simulation.image, elements, crop=(40, 60, 0, 12), sizes=[10]).region == "the crop"


def test_sizes_that_fit():
    image, quant = flat()
    assert advise(image, quant, crop=(0, 13, 0, 13)).sizes_px == (5, 8, 10, 12)
    small = advise(image, quant, crop=(0, 4, 0, 13))
    assert (small.sizes_px, small.grids, small.largest_px) == ((4,), ((1, 3),), 4)


def test_several_chips_count_together():
    image, quant = flat()
    chips = quantify(fit(chip(image, ChipGrid(14)), ELEMENTS, energy=RANGE, calibration=False), deconvolve=["Cu"])
    together, whole = advise(image, chips), advise(image, quant)
    assert together.region == "36 regions together"
    np.testing.assert_allclose(together.sd_pixel, whole.sd_pixel, rtol=0.03)
    np.testing.assert_allclose(together.counts_pixel, whole.counts_pixel, rtol=0.01)


def test_arrays_are_read_only():
    image, quant = flat()
    found = advise(image, quant)
    for array in (found.atomic, found.sd_pixel, found.wanted):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"wanted": 0.0}, InputError, "0.0 at% cannot be asked for"),
        ({"wanted": float("nan")}, InputError, "nan at%"),
        ({"wanted": {}}, InputError, "cannot be asked for"),
        ({"wanted": {"Sr": 1.0}}, ElementError, "Sr is not quantified; there are La, Fe, O"),
        ({"sizes": [4, 85]}, InputError, "chip of 85 pixels does not fit"),
        ({"crop": (0, 10, 0, 200)}, InputError, "does not lie inside the map"),
        ({"region": np.ones((84, 90), bool)}, InputError, "belong to elements"),
        ({"deconvolve": ["Cu"]}, InputError, "belong to elements"),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    image, quant = flat()
    with pytest.raises(error, match=message):
        advise(image, quant, **options)


def test_regions_that_cannot_be_are_refused():
    image, quant = flat()
    with pytest.raises(InputError, match="one mask with pixels in it; found 1 regions of 0 pixels"):
        advise(image, ELEMENTS, region=np.zeros((84, 90), bool))
    with pytest.raises(InputError, match="found 2 regions"):
        advise(image, ELEMENTS, region=Regions.from_labels(np.arange(84)[:, None] // 42 + np.zeros(90, int)))
    without = replace(quant.fit, spectra=replace(quant.fit.spectra, regions=None))
    with pytest.raises(InputError, match="no regions"):
        advise(image, replace(quant, fit=without))
    with pytest.raises(NoMapError):
        advise(replace(image, events=None, shape=(0, 0)), ELEMENTS)


def test_region_without_x_rays_is_refused():
    image, quant = flat()
    dark = replace(quant, status=np.full(1, 5, np.uint8))
    with pytest.raises(InputError, match=r"nothing to predict from .*none of the quantified lines"):
        advise(image, dark)

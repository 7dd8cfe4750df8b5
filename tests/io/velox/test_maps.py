"""Stored element maps of chips: counts are summed, fractions averaged, and what is neither is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edsnb
from edsnb.core.events import Array
from edsnb.core.image import ElementSetting, SpectrumImage, StoredMap
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError, NoMapError
from edsnb.io.velox.maps import velox_maps
from edsnb.io.velox.settings import map_smoothing
from tests.strategies import label_images, spectrum_image

SHAPE = (6, 8)
KINDS = {"Integration": "counts", "NetIntensity": "counts", "AtomicFraction": "atomic", "WeightFraction": "weight"}


def image_of(mode: str, *arrays: Array, elements: str = "O Ti Sr", smoothing: str = "", **other) -> SpectrumImage:
    maps = tuple(
        StoredMap(e, np.asarray(a, np.float32), "counts", mode, e, smoothing)
        for e, a in zip(elements.split(), arrays, strict=False)
    )
    image = spectrum_image(np.zeros((*SHAPE, 3), np.uint8), source="map.emd", maps=maps)
    return replace(image, **other)


def random_maps(fractions: bool = False, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    if fractions:
        return np.moveaxis(rng.dirichlet([3, 1, 1], SHAPE), 2, 0).astype(np.float32)
    return rng.poisson(5, (3, *SHAPE)).astype(np.float32)


def plain(arrays: Array, regions: Regions, mean: bool) -> Array:
    """Sum or average each map over each region, a pixel at a time."""
    out = np.full((len(regions), len(arrays)), np.nan)
    for r, name in enumerate(regions.names):
        for k, array in enumerate(arrays):
            values = [float(array[y, x]) for y, x in zip(*np.nonzero(regions.mask(name)), strict=True)]
            if mean:
                values = [v for v in values if np.isfinite(v)]
            if values or not mean:
                out[r, k] = sum(values) / (len(values) / 100 if mean else 1)
    return out


@pytest.mark.parametrize("mode", KINDS)
def test_maps_of_chips(mode: str) -> None:
    quantity = KINDS[mode]
    arrays = random_maps(quantity != "counts")
    found = velox_maps(image_of(mode, *arrays), ChipGrid(2))
    assert found.names == ChipGrid(2).regions(SHAPE).names
    assert found.elements == ("O", "Ti", "Sr")
    assert set(found.values) == {quantity}
    assert found.regions is not None
    np.testing.assert_allclose(found.values[quantity], plain(arrays, found.regions, quantity != "counts"), rtol=1e-6)
    expected = np.sqrt(found.values["counts"]) if mode == "Integration" else np.full((12, 3), np.nan)
    np.testing.assert_allclose(found.sd[quantity], expected)
    assert found.method == f"Velox ({mode} maps)"
    assert any("means of Velox's fractions" in note for note in found.notes) == (quantity != "counts")
    assert any("with the continuum" in note for note in found.notes) == (mode == "Integration")
    if quantity != "counts":
        np.testing.assert_allclose(found.values[quantity].sum(axis=1), 100, rtol=1e-5)


@settings(max_examples=30)
@given(labels=label_images(SHAPE), seed=st.integers(0, 99), fractions=st.booleans(), holes=st.booleans())
def test_any_regions(labels: Array, seed: int, fractions: bool, holes: bool) -> None:
    arrays = random_maps(fractions, seed)
    if holes:
        arrays[0, 2, 3] = np.nan
    regions = Regions.from_labels(labels)
    mode = "WeightFraction" if fractions else "Integration"
    found = velox_maps(image_of(mode, *arrays), regions)
    quantity = KINDS[mode]
    np.testing.assert_allclose(found.values[quantity], plain(arrays, regions, fractions), rtol=1e-6)


def test_overlapping_and_empty_regions() -> None:
    masks = {"all": np.ones(SHAPE, bool), "none": np.zeros(SHAPE, bool), "top": np.arange(6)[:, None] < np.full(8, 2)}
    arrays = random_maps()
    found = velox_maps(image_of("Integration", *arrays), masks)
    np.testing.assert_allclose(
        found.values["counts"], [arrays.sum((1, 2)), np.zeros(3), arrays[:, :2].sum((1, 2))], rtol=1e-6
    )
    fractions = velox_maps(image_of("AtomicFraction", *random_maps(True)), masks)
    assert np.isnan(fractions.values["atomic"][1]).all()


def test_pixels_without_a_composition_are_left_out_of_the_mean() -> None:
    arrays = random_maps(True)
    arrays[:, 0, :2] = 0
    arrays[:, 1, 0] = np.nan
    found = velox_maps(image_of("AtomicFraction", *arrays), ChipGrid(2))
    np.testing.assert_allclose(found.values["atomic"][0], 100 * arrays[:, 1, 1], rtol=1e-6)
    assert "3 pixels have no composition, all fractions being 0 or no number." in found.notes


def test_a_filter_is_told() -> None:
    notes = velox_maps(image_of("Integration", *random_maps(), smoothing="Mean, 3 px"), ChipGrid(2)).notes
    assert any("Velox's filter (Mean, 3 px) is in these maps" in note for note in notes)
    assert any("sqrt(counts) is too large" in note for note in notes)
    notes = velox_maps(image_of("NetIntensity", *random_maps(), smoothing="Mean, 3 px"), ChipGrid(2)).notes
    assert not any("sqrt" in note for note in notes)


def test_the_sd_of_filtered_counts_is_an_upper_bound() -> None:
    """A 3 x 3 mean shares counts among pixels: a chip's sum scatters less than its square root says."""
    from scipy.ndimage import uniform_filter

    rng = np.random.default_rng(2)
    sums = []
    for _ in range(400):
        array = uniform_filter(rng.poisson(20, SHAPE).astype(float), 3, mode="nearest")
        found = velox_maps(image_of("Integration", array, elements="O", smoothing="Mean, 3 px"), ChipGrid(2))
        sums.append((found.values["counts"][5, 0], found.sd["counts"][5, 0]))
    values, sd = np.transpose(sums)
    assert values.mean() == pytest.approx(80, rel=0.02)
    assert 0.3 < values.std() / sd.mean() < 0.75


def test_maps_that_are_empty_are_told() -> None:
    notes = velox_maps(image_of("NetIntensity", np.zeros(SHAPE), *random_maps()[:2]), ChipGrid(2)).notes
    assert any("the maps of O are 0 everywhere" in note for note in notes)


def test_families_come_from_the_selection() -> None:
    chosen = tuple(ElementSetting(e, "K") for e in ("O", "Ti", "Sr"))
    assert velox_maps(image_of("Integration", *random_maps(), elements="O Ti Sr"), ChipGrid(2)).families == ()
    image = replace(image_of("Integration", *random_maps()), elements=chosen)
    assert velox_maps(image, ChipGrid(2)).families == ("O_K", "Ti_K", "Sr_K")


def test_elements_can_be_chosen() -> None:
    found = velox_maps(image_of("Integration", *random_maps()), ChipGrid(2), elements=["Sr"])
    assert found.elements == ("Sr",)
    with pytest.raises(InputError, match="has no map of Fe; it has O, Ti, Sr"):
        velox_maps(image_of("Integration", *random_maps()), ChipGrid(2), elements=["Fe"])
    with pytest.raises(InputError, match="names no map"):
        velox_maps(image_of("Integration", *random_maps()), ChipGrid(2), elements=[])


def test_another_quantity_is_refused() -> None:
    with pytest.raises(InputError, match=r"its maps hold counts, not at%\. Counts become at% only with k-factors"):
        velox_maps(image_of("NetIntensity", *random_maps()), ChipGrid(2), quantity="atomic")
    with pytest.raises(InputError, match="its maps hold at%, not counts"):
        velox_maps(image_of("AtomicFraction", *random_maps(True)), ChipGrid(2), quantity="counts")
    assert velox_maps(image_of("AtomicFraction", *random_maps(True)), ChipGrid(2), quantity="at%").values.keys() == {
        "atomic"
    }


def test_two_kinds_of_maps_need_a_choice() -> None:
    image = image_of("Integration", *random_maps())
    mixed = replace(image, maps=(replace(image.maps[0], mode="AtomicFraction"), *image.maps[1:]))
    with pytest.raises(InputError, match="hold at% and counts; choose those of one kind"):
        velox_maps(mixed, ChipGrid(2))
    assert velox_maps(mixed, ChipGrid(2), elements=["Ti", "Sr"]).elements == ("Ti", "Sr")


@pytest.mark.parametrize("mode", ["unknown", "", "Opacity"])
def test_maps_without_a_known_unit_are_refused(mode: str) -> None:
    with pytest.raises(InputError, match=rf"what the maps O \({mode}\), .* hold is not known"):
        velox_maps(image_of(mode, *random_maps()), ChipGrid(2))


def test_fractions_in_percent_are_refused() -> None:
    with pytest.raises(InputError, match=r"should hold 0 to 1, these hold .* their unit is not what their mode says"):
        velox_maps(image_of("AtomicFraction", *(100 * random_maps(True))), ChipGrid(2))


def test_maps_of_another_raster_are_refused() -> None:
    arrays = random_maps()
    with pytest.raises(InputError, match=r"the maps O \(3 x 4\) have another raster than the map of X-rays, 6 x 8"):
        velox_maps(image_of("Integration", arrays[0][:3, :4], *arrays[1:]), ChipGrid(2))
    with pytest.raises(InputError, match="regions were made for a map of 9 x 9"):
        velox_maps(image_of("Integration", *arrays), ChipGrid(3).regions((9, 9)))


def test_maps_without_x_rays() -> None:
    """A file that lost its X-rays has its maps still."""
    image = replace(image_of("Integration", *random_maps()), events=None, shape=(0, 0))
    assert len(velox_maps(image, ChipGrid(2))) == 12


def test_two_maps_of_one_element_are_refused() -> None:
    image = image_of("Integration", *random_maps(), elements="O Ti O")
    with pytest.raises(InputError, match="several maps of O, and nothing says which counts"):
        velox_maps(image, ChipGrid(2))


def test_no_maps() -> None:
    with pytest.raises(NoMapError, match=r"map.emd holds no element maps"):
        velox_maps(image_of("Integration"), ChipGrid(2))


@pytest.mark.parametrize(
    ("feature", "settings", "expected"),
    [
        ({}, {}, ""),
        ({}, {"useQuantificationKernelFilter": "false", "quantificationKernelFilter": "Mean"}, ""),
        (
            {},
            {
                "useQuantificationKernelFilter": "true",
                "quantificationKernelFilter": "Gaussian",
                "quantificationKernelFilterSize": "5",
            },
            "Gaussian, 5 px",
        ),
        ({}, {"useQuantificationKernelFilter": "true"}, "filter"),
    ],
)
def test_the_filter_of_older_files(feature, settings, expected: str, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        assert map_smoothing(file, feature, settings) == expected


def test_it_is_public() -> None:
    assert edsnb.velox_maps is velox_maps

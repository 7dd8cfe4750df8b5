"""Colour limits, units of length, small copies of large images, elements mixed as colours."""

from __future__ import annotations

import numpy as np
import pytest

from edsnb.plots.colours import colour_limits, is_flat, length_unit, mix, rgb, symmetric_limits, thinned


@pytest.mark.parametrize(
    ("values", "limits"),
    [([1.0, 2.0, 3.0], (1.0, 3.0)), ([np.nan, np.inf], (0.0, 1.0)), ([0.0, 0.0], (0.0, 1.0)), ([], (0.0, 1.0))],
)
def test_limits_of_every_image_are_apart(values, limits):
    assert colour_limits(np.array(values)) == limits


def test_flat_image_has_limits_about_its_value():
    low, high = colour_limits(np.full(3, 500.0))
    assert low == 500.0 < high < 500.1
    assert symmetric_limits(np.array([-3.0, 1.0])) == (-3.0, 3.0)


def test_rounding_is_no_difference():
    low, high = colour_limits(np.array([100.0, 100.0 + 1e-13]))
    assert low == 100.0 < 100.00005 < high
    assert is_flat(low, high)
    assert is_flat(0.0, 0.0)
    assert is_flat(-5.0, -5.0)
    assert not is_flat(*colour_limits(np.array([100.0, 100.1])))
    assert not is_flat(-1e-9, 1e-9)


@pytest.mark.parametrize(("field_nm", "unit"), [(1.0, "nm"), (1999.0, "nm"), (2000.0, "µm"), (3e6, "mm")])
def test_length_unit(field_nm, unit):
    assert length_unit(field_nm)[0] == unit


def test_large_images_are_averaged():
    image = np.arange(2100 * 30, dtype=float).reshape(2100, 30)
    small, step = thinned(image)
    assert (small.shape, step) == ((700, 10), 3)
    np.testing.assert_allclose(small[2, 3], image[6:9, 9:12].mean())
    ragged, step = thinned(image[:2099])
    assert ragged.shape == (700, 10)
    np.testing.assert_allclose(ragged[-1, 0], image[2097:2099, :3].mean())
    assert thinned(image[:1000])[0].shape == (1000, 30)
    assert thinned(np.zeros((2048, 8, 4), np.uint8))[0].shape == (1024, 4, 4)


def test_mix():
    red, green = np.array([[0.0, 1.0, np.nan]]), np.array([[0.0, 2.0, 2.0]])
    picture = mix([red, green], ["#FF0000", "#00FF00"], (0, 100))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[0], [[0, 0, 0, 255], [255, 255, 0, 255], [0, 255, 0, 255]])
    assert rgb("#0072B2") == (0, 114, 178)

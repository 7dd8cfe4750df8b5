"""Spatial kernels: their weights, and maps summed with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import frozen
from edsnb.core.kernels import kernel_weights, sum_kernel
from edsnb.errors import InputError


def test_kernels():
    assert kernel_weights(5).tolist() == [1.0] * 5
    gaussian = kernel_weights(8, "gaussian")
    assert gaussian.sum() == pytest.approx((gaussian**2).sum())
    centre = len(gaussian) // 2
    assert gaussian[centre - 4] / gaussian[centre] == pytest.approx(0.5)
    np.testing.assert_array_equal(gaussian, gaussian[::-1])
    assert gaussian[0] / gaussian[centre] < 1e-3


def twin(maps: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Sum over every kernel, neighbour by neighbour."""
    out = np.zeros(maps.shape)
    r = len(across) // 2
    for y, x in np.ndindex(*maps.shape[:2]):
        for i, j in np.ndindex(len(across), len(across)):
            if 0 <= y + i - r < maps.shape[0] and 0 <= x + j - r < maps.shape[1]:
                out[y, x] += across[i] * across[j] * maps[y + i - r, x + j - r]
    return out


@settings(max_examples=40)
@given(st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4)), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_sums_against_a_loop_over_all_neighbours(shape, reach, seed):
    """Also where the kernel is larger than the map, and for kernels that are not the same to both sides."""
    rng = np.random.default_rng(seed)
    maps, across = rng.normal(size=shape).astype(np.float32), rng.normal(size=2 * reach + 1)
    out = np.full(shape, np.nan, np.float32)
    sum_kernel(frozen(maps), frozen(across), out)
    np.testing.assert_allclose(out, twin(maps, across), rtol=1e-6, atol=1e-5)


def test_only_the_rows_asked_for_are_written():
    maps, out = np.ones((5, 4, 2), np.float32), np.full((5, 4, 2), -1, np.float32)
    sum_kernel(maps, np.ones(3), out, slice(1, 3))
    assert (out[[0, 3, 4]] == -1).all()
    assert out[1, :, 0].tolist() == [6, 9, 9, 6]


def test_sums_do_not_lose_digits():
    """A million X-rays a pixel: sums are made in double precision."""
    maps = np.full((61, 61, 1), 1e6 + 0.0625, np.float32)
    out = np.empty_like(maps)
    sum_kernel(maps, np.ones(61), out)
    assert out[30, 30, 0] == pytest.approx(61**2 * (1e6 + 0.0625), rel=1e-7)


def test_unknown_shape_is_refused():
    with pytest.raises(InputError, match="shape 'disk' is unknown"):
        kernel_weights(3, "disk")

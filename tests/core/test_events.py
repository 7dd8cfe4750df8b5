"""Events: dense and back, sums by region and by channel, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import Events, frozen, smallest_unsigned, sum_channels, sum_regions
from edsnb.errors import InputError
from tests.oracles import weighted_counts
from tests.strategies import DTYPES, cubes

ODD = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 1]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_counts_come_back(dtype):
    events = Events.from_dense(ODD.astype(dtype))
    assert (events.pixels, events.channels, events.total()) == (3, 4, 5.0)
    assert events.indptr.tolist() == [0, 2, 2, 5]
    assert events.channel.tolist() == [1, 3, 0, 2, 3]
    assert events.count is not None
    assert events.count.dtype == np.uint8
    np.testing.assert_array_equal(events.to_dense(), ODD)
    assert events.to_dense().dtype == np.uint32


@settings(max_examples=60)
@given(cubes())
def test_any_cube_comes_back(cube):
    dense = cube.reshape(-1, cube.shape[2])
    events = Events.from_dense(dense)
    np.testing.assert_array_equal(events.to_dense(), dense)
    assert events.total() == dense.sum(dtype=np.float64)


@pytest.mark.parametrize("largest", [255, 256, 65535, 65536, 70001, 2**32 - 1, 2**32, 2**40 + 1])
def test_large_counts_are_kept_whole(largest):
    dense = np.array([[0, largest], [3, 0]], np.uint64)
    events = Events.from_dense(dense)
    np.testing.assert_array_equal(events.to_dense(), dense)
    both = sum_regions(events, np.array([0, 2, 3]), np.array([0, 1, 0]))
    np.testing.assert_array_equal(both, [[3, largest], [0, largest]])
    assert np.issubdtype(both.dtype, np.unsignedinteger)


def test_sums_do_not_overflow_the_stored_type():
    # 300 pixels of 255: each fits a byte, their sum does not; 70,000 events of one pixel pass uint16.
    events = Events.from_dense(np.full((300, 1), 255))
    assert events.count is not None
    assert events.count.dtype == np.uint8
    assert sum_regions(events, np.array([0, 300]), np.arange(300)).tolist() == [[76500]]
    ones = Events(np.array([0, 70000]), np.zeros(70000, np.uint16), None, 2)
    assert sum_regions(ones, np.array([0, 1]), np.array([0])).tolist() == [[70000, 0]]
    assert ones.to_dense().tolist() == [[70000, 0]]
    assert ones.total() == 70000


def test_counts_that_are_not_whole_stay_floats():
    dense = np.array([[0.0, 1.5], [0.25, 0.0]])
    events = Events.from_dense(dense)
    np.testing.assert_array_equal(events.to_dense(), dense)
    summed = sum_regions(events, np.array([0, 2]), np.array([0, 1]))
    assert summed.dtype == np.float64
    assert summed.tolist() == [[0.25, 1.5]]
    assert events.total() == 1.75


def test_a_channel_may_stand_more_than_once_in_a_pixel():
    events = Events(np.array([0, 3, 4]), np.array([2, 2, 0, 1], np.uint16), np.array([1, 4, 2, 7], np.uint8), 3)
    assert events.to_dense().tolist() == [[2, 0, 5], [0, 7, 0]]
    assert sum_regions(events, np.array([0, 2]), np.array([0, 1])).tolist() == [[2, 7, 5]]


def test_some_pixels_as_dense():
    events = Events.from_dense(ODD)
    np.testing.assert_array_equal(events.to_dense(slice(1, 3)), ODD[1:3])
    np.testing.assert_array_equal(events.to_dense(slice(-1, None)), ODD[-1:])
    assert events.to_dense(slice(2, 2)).shape == (0, 4)
    with pytest.raises(InputError, match="step"):
        events.to_dense(slice(0, 3, 2))


def test_no_x_ray_at_all():
    events = Events.from_dense(np.zeros((2, 5), int))
    assert events.total() == 0
    assert events.to_dense().tolist() == [[0] * 5] * 2
    assert sum_regions(events, np.array([0, 0, 2]), np.array([0, 1])).tolist() == [[0] * 5] * 2
    assert sum_channels(events, np.ones(5)).tolist() == [0, 0]


def test_arrays_are_read_only_and_the_callers_are_not_touched():
    indptr, channel, count = np.array([0, 1]), np.array([0], np.uint16), np.array([1], np.uint8)
    events = Events(indptr, channel, count, 1)
    for array in (events.indptr, events.channel, events.count):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert channel.flags.writeable
    assert count.flags.writeable


def test_read_only_inputs_are_enough():
    dense = frozen(np.arange(12).reshape(3, 4))
    events = Events.from_dense(dense)
    rows, pixels, weights = frozen(np.array([0, 1, 3])), frozen(np.array([2, 0, 1])), frozen(np.ones((4, 2)))
    np.testing.assert_array_equal(sum_regions(events, rows, pixels), [dense[2], dense[0] + dense[1]])
    np.testing.assert_array_equal(sum_channels(events, weights), dense.sum(axis=1)[:, None] * [1, 1])


@settings(max_examples=40)
@given(cubes(), st.integers(1, 3), st.integers(0, 2**32 - 1), st.booleans())
def test_sum_channels_against_a_loop_over_all_x_rays(cube, maps, seed, single):
    events = Events.from_dense(cube.reshape(-1, cube.shape[2]))
    if single and events.count is not None:
        channel = np.repeat(events.channel, events.count)
        indptr = np.concatenate([[0], np.cumsum(events.to_dense().sum(axis=1, dtype=np.int64))])
        events = Events(indptr, channel, None, events.channels)
    weights = np.random.default_rng(seed).normal(size=(events.channels, maps))
    twin = weighted_counts(events, weights)
    np.testing.assert_allclose(sum_channels(events, weights), twin, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sum_channels(events, weights[:, 0]), twin[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("indptr", "channel", "count", "message"),
    [
        ([0, 2], [0], None, r"indptr must end at the number of entries \(1\)"),
        ([[0, 1]], [0], None, "indptr must end"),
        ([0, 1], [0], [1, 1], r"count has shape \(2,\), channel has \(1,\)"),
        ([0, 1], [3], None, r"channels 3 to 3 .* 3 channels"),
        ([0, 2, 1, 3], [0, 1, 2], None, "indptr must .*never fall"),
        ([1, 3], [0, 1, 2], None, "indptr must .*0"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(indptr, channel, count, message):
    """Most of all those that would send the compiled loops outside their arrays."""
    counts = None if count is None else np.array(count, np.uint8)
    with pytest.raises(InputError, match=message):
        Events(np.array(indptr), np.array(channel, np.uint16), counts, 3)


@pytest.mark.parametrize(
    ("cube", "message"),
    [
        ([[1.0, np.nan]], "NaN or infinite counts"),
        ([[np.inf, 0.0]], "NaN or infinite counts"),
        ([[2, -3]], r"negative counts \(lowest -3\)"),
        ([1, 2], "2-D"),
        ([[[1, 2]]], "2-D"),
    ],
)
def test_counts_that_cannot_be_are_refused(cube, message):
    with pytest.raises(InputError, match=message):
        Events.from_dense(np.array(cube))


def test_weights_of_another_axis_are_refused():
    with pytest.raises(InputError, match=r"weights .* \(5, 2\).* 4 channels"):
        sum_channels(Events.from_dense(ODD), np.ones((5, 2)))


def test_smallest_type_that_holds():
    assert [smallest_unsigned(v).itemsize for v in (0, 255, 256, 65535, 65536, 2**32)] == [1, 1, 2, 2, 4, 8]


def test_sum_channels_of_some_pixels():
    events = Events.from_dense(ODD)
    weights = np.arange(8.0).reshape(4, 2)
    whole = sum_channels(events, weights)
    for part in (slice(1, 3), slice(-1, None), slice(0, 0), slice(2, 1)):
        np.testing.assert_array_equal(sum_channels(events, weights, part), whole[part])
    with pytest.raises(InputError, match="step 1, not 2"):
        sum_channels(events, weights, slice(0, 3, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sum_channels_into_an_array(dtype):
    events = Events.from_dense(ODD)
    weights = np.arange(8.0).reshape(4, 2)
    out = np.full((3, 2), np.nan, dtype)
    assert sum_channels(events, weights, out=out) is out
    np.testing.assert_array_equal(out, weighted_counts(events, weights))
    with pytest.raises(InputError, match=r"out has shape \(3, 2\), the sums have \(2, 2\)"):
        sum_channels(events, weights, slice(1, 3), out)

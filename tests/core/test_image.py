"""Energy axis and spectrum image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import Events
from edsnb.core.image import Acquisition, EnergyAxis, Segment, SpectrumImage, StoredMap, Survey
from edsnb.core.regions import Spectra
from edsnb.errors import InputError, NoMapError
from tests.strategies import cubes, spectrum_image

AXIS = EnergyAxis(7, 0.25, -0.5)
"""Centres at -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1.0 keV."""


def test_axis_by_hand():
    assert AXIS.centres_kev.tolist() == [-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0]
    assert AXIS.range_kev == (-0.5, 1.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 0.5, (2, 5)),  # both ends belong
        (0.01, 0.49, (3, 4)),
        (-9.0, 9.0, (0, 7)),
        (0.9, 1.0, (6, 7)),
        (0.25 * 3 - 0.5 + 1e-13, 9.0, (3, 7)),  # rounding does not lose a channel
        (-np.inf, np.inf, (0, 7)),
    ],
)
def test_channels_between_two_energies(low, high, expected):
    channels = AXIS.channels(low, high)
    assert (channels.start, channels.stop) == expected


@settings(max_examples=100)
@given(
    st.integers(1, 300),
    st.floats(1e-3, 0.05),
    st.floats(-1, 1),
    st.floats(-2, 20),
    st.floats(-2, 20),
)
def test_channels_are_those_whose_centres_lie_inside(size, scale, offset, low, high):
    axis = EnergyAxis(size, scale, offset)
    edge = 1e-6 * scale
    surely = (axis.centres_kev > low + edge) & (axis.centres_kev < high - edge)
    perhaps = (axis.centres_kev > low - edge) & (axis.centres_kev < high + edge)
    found = np.zeros(size, bool)
    try:
        found[axis.channels(low, high)] = True
    except InputError:
        assert low >= high or not surely.any()
    assert (found >= surely).all() or low >= high
    assert (found <= perhaps).all()


@pytest.mark.parametrize("pair", [(1.1, 2.0), (-2.0, -0.6), (0.5, 0.5), (0.7, 0.3), (0.3, 0.4), (np.nan, 1.0)])
def test_energy_ranges_without_a_channel_are_refused(pair):
    with pytest.raises(InputError, match=r"holds no channel: the axis runs from -0\.5 to 1 keV"):
        AXIS.channels(*pair)


@pytest.mark.parametrize(
    ("size", "scale", "offset"), [(0, 0.01, 0.0), (5, 0.0, 0.0), (5, -0.01, 0.0), (5, np.nan, 0.0), (5, 0.01, np.nan)]
)
def test_axes_that_cannot_be_are_refused(size, scale, offset):
    with pytest.raises(InputError, match="energy axis"):
        EnergyAxis(size, scale, offset)


def test_a_map_must_agree_with_its_events():
    events = Events.from_dense(np.zeros((6, 7), int))
    assert SpectrumImage((2, 3), AXIS, events).require_events() is events
    with pytest.raises(InputError, match="6 pixels of events for a raster of 2 x 4 = 8"):
        SpectrumImage((2, 4), AXIS, events)
    with pytest.raises(InputError, match="events have 7 channels, the energy axis has 8"):
        SpectrumImage((2, 3), EnergyAxis(8, 0.1), events)


def test_a_file_without_a_map_says_what_it_holds():
    spectra = Spectra(np.ones((2, 7)), AXIS, ("Spectrum 1", "Spectrum 2"))
    survey = Survey("HAADF", np.zeros((4, 4)))
    stored = StoredMap("Fe", np.zeros((4, 4)), "counts", "Integration", "Fe")
    image = SpectrumImage(
        (0, 0), AXIS, None, spectra=spectra, surveys={"HAADF": survey}, maps=(stored,), source="p.emd", notes=("Note.",)
    )
    message = r"p\.emd holds no spectrum image .* only 2 stored spectra, 1 element maps, 1 images\. Note\."
    with pytest.raises(NoMapError, match=message):
        image.require_events()
    with pytest.raises(NoMapError, match=r"this data set holds no spectrum image .* only no spectra"):
        SpectrumImage((0, 0), AXIS, None).counts_map()


@settings(max_examples=40)
@given(cubes())
def test_counts_map_sums_the_window_of_each_pixel(cube):
    image = spectrum_image(cube)
    centres = image.energy.centres_kev
    # The axis begins at -0.27 keV: by default everything below 0 is left out.
    expected = cube[..., centres >= -1e-12].sum(axis=2, dtype=float)
    if (centres >= 0).any() and centres[-1] > 0:
        np.testing.assert_array_equal(image.counts_map(), expected)
    low, high = centres[0] - 0.001, centres[len(centres) // 2] + 0.001
    np.testing.assert_array_equal(
        image.counts_map(low, high), cube[..., : len(centres) // 2 + 1].sum(axis=2, dtype=float)
    )


@pytest.mark.parametrize(("begin", "floor"), [(None, 0.0), (0.12, 0.12), (-0.2, 0.0)])
def test_noise_peak_is_kept_out_by_default(begin, floor):
    acquisition = Acquisition(begin_energy_kev=begin)
    image = spectrum_image(np.ones((1, 1, 60), int), acquisition=acquisition)
    assert image.floor_kev == floor
    assert Spectra(np.ones((1, 60)), image.energy, ("a",), acquisition).floor_kev == floor
    assert image.counts_map().item() == (image.energy.centres_kev >= floor - 1e-12).sum()
    # An axis that begins above both has nothing to leave out.
    assert SpectrumImage((0, 0), EnergyAxis(9, 0.1, 0.5), None, acquisition).floor_kev == 0.5


def test_haadf_is_the_one_on_the_maps_raster():
    def survey(name, shape):
        return Survey(name, np.zeros(shape))

    def image(*surveys):
        return SpectrumImage((2, 3), AXIS, None, surveys={s.name: s for s in surveys})

    large, small, bright = survey("HAADF", (512, 512)), survey("haadf map", (2, 3)), survey("BF", (2, 3))
    assert image(bright, large, small).haadf is small
    assert image(large, bright).haadf is bright
    assert image(large).haadf is None


def test_records_are_read_only():
    counts = np.zeros(7)
    for record, field in [
        (Segment("1", AXIS, counts), "counts"),
        (Survey("BF", counts.reshape(1, 7)), "image"),
        (StoredMap("Fe", counts.reshape(1, 7), "counts", "Integration"), "image"),
        (Spectra(counts.reshape(1, 7), AXIS, ("a",)), "counts"),
    ]:
        with pytest.raises(ValueError, match="read-only"):
            getattr(record, field)[0] = 1
        with pytest.raises(AttributeError):
            setattr(record, field, counts)
    surveys = {"BF": Survey("BF", counts.reshape(1, 7))}
    image = SpectrumImage((0, 0), AXIS, None, surveys=surveys)
    surveys.clear()
    assert list(image.surveys) == ["BF"]
    with pytest.raises(TypeError):
        image.surveys["x"] = None  # type: ignore[index]

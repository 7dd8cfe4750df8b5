"""Peak shape: against hand-worked numbers and against numerical quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.fitting.peaks import Response, fwhm_ev, line_shapes, peak_columns
from edsnb.core.image import EnergyAxis
from tests.oracles import peak_counts

AXIS = EnergyAxis(2100, 0.01, -0.2)
EVERY = slice(0, 2100)
SIGMA_PER_FWHM = 0.42466090014400953
"""1 / (2 sqrt(2 ln 2))"""


@pytest.mark.parametrize(
    ("energy_kev", "fwhm_mn_ev", "expected"),
    [
        (5.8987, 130.0, 130.0),
        # 130^2 + 2.5 (524.9 - 5898.7) = 3465.5
        (0.5249, 130.0, 58.8685),
        # 130^2 + 2.5 (6399.5 - 5898.7) = 18152
        (6.3995, 130.0, 134.7294),
        # 145^2 + 2.5 (14142 - 5898.7) = 41633.25
        (14.142, 145.0, 204.0423),
        # 120^2 + 2.5 (100 - 5898.7) would be negative: no detector is that narrow
        (0.1, 120.0, 20.0),
    ],
)
def test_width_by_hand(energy_kev, fwhm_mn_ev, expected):
    assert fwhm_ev(energy_kev, fwhm_mn_ev) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("tail", [0.0, 0.015])
@pytest.mark.parametrize("energy", [0.2774, 0.5249, 1.7398, 6.3995, 14.142, 18.0])
def test_a_line_inside_the_range_keeps_all_its_counts(energy, tail):
    counts = line_shapes(Response(EnergyAxis(2200, 0.01, -1.0), 130.0, tail), slice(0, 2200), [energy], [37.0])
    assert counts.sum() == pytest.approx(37.0, rel=1e-6)
    assert counts.min() >= 0


@pytest.mark.parametrize(("tail", "slope_ev"), [(0.0, 60.0), (0.02, 80.0)])
def test_moments_by_hand(tail, slope_ev):
    """Mean E - tail s; variance sigma^2 + 2 tail s^2 - (tail s)^2, and scale^2 / 12 for the channels' own width."""
    counts = line_shapes(Response(AXIS, 130.0, tail, slope_ev), EVERY, [6.3995], [1.0])
    centre = (AXIS.centres_kev * counts).sum() * 1e3
    variance = ((AXIS.centres_kev * 1e3 - centre) ** 2 * counts).sum()
    assert centre == pytest.approx(6399.5 - tail * slope_ev, abs=1e-3)
    sigma = 134.7294 * SIGMA_PER_FWHM
    loss = 2 * tail * slope_ev**2 - (tail * slope_ev) ** 2
    assert variance == pytest.approx(sigma**2 + loss + 100 / 12, rel=1e-4)


def test_width_at_half_of_the_maximum():
    fine = EnergyAxis(2000, 0.001, 5.4)
    counts = line_shapes(Response(fine, 130.0), slice(0, 2000), [6.3995], [1.0])
    above = np.flatnonzero(counts >= counts.max() / 2)
    assert len(above) == pytest.approx(134.73, abs=1.01)
    assert (fine.centres_kev[above[0]] + fine.centres_kev[above[-1]]) / 2 == pytest.approx(6.3995, abs=0.0006)


def test_share_of_the_tail_by_hand():
    """Far below the peak only the tail is left: tail exp(-x / s + (sigma / s)^2 / 2) lies more than x below it."""
    counts = line_shapes(Response(AXIS, 130.0, 0.03, 100.0), EVERY, [6.3995], [1.0])
    # Channel 616 is centred on 5.96 keV: its upper edge, 5.965, is 434.5 eV below the line.
    assert counts[:617].sum() == pytest.approx(0.03 * np.exp(-4.345 + 0.572143**2 / 2), rel=2e-3)
    plain = line_shapes(Response(AXIS, 130.0, 0.0, 100.0), EVERY, [6.3995], [1.0])
    assert plain[:617].sum() < 1e-12


@pytest.mark.parametrize(
    ("energy", "width", "tail", "slope_ev"),
    [(6.3995, 130.0, 0.0, 60.0), (0.5249, 128.0, 0.0, 60.0), (6.3995, 137.0, 0.02, 60.0), (0.5249, 130.0, 0.06, 25.0)],
)
def test_channels_against_quadrature(energy, width, tail, slope_ev):
    axis = EnergyAxis(90, 0.029, energy - 1.1)
    counts = line_shapes(Response(axis, width, tail, slope_ev), slice(0, 90), [energy], [1.0])
    sigma = float(fwhm_ev(energy, width)) * SIGMA_PER_FWHM / 1e3
    for channel in (24, 31, 34, 36, 38, 39, 44):
        centre = axis.centres_kev[channel]
        twin = peak_counts(centre - 0.0145, centre + 0.0145, energy, sigma, tail, slope_ev / 1e3)
        assert counts[channel] == pytest.approx(twin, rel=1e-6, abs=2e-8)


@settings(max_examples=60)
@given(
    st.floats(-0.5, 3.0),
    st.floats(100, 160),
    st.sampled_from([0.0, 0.01, 0.05]),
    st.integers(0, 150),
    st.integers(1, 150),
    st.sampled_from([0.005, 0.0131]),
)
def test_any_channels_are_a_part_of_the_whole(energy, width, tail, start, size, scale):
    """Cutting the range anywhere changes no channel that is left, wherever the line lies."""
    response = Response(EnergyAxis(400, scale, -0.3), width, tail)
    whole = line_shapes(response, slice(0, 400), [energy], [1.0])
    part = line_shapes(response, slice(start, start + size), [energy], [1.0])
    np.testing.assert_allclose(part, whole[start : start + size], atol=1e-12)
    # Beyond the reach of seven sigma (and seven slopes) next to nothing is left out.
    far = line_shapes(
        Response(EnergyAxis(4000, scale, -0.3 - 1800 * scale), width, tail), slice(0, 4000), [energy], [1.0]
    )
    np.testing.assert_allclose(whole, far[1800:2200], atol=1e-9)


def test_lines_add_up_by_weight():
    response = Response(AXIS, 130.0, 0.01)
    both = line_shapes(response, EVERY, (4.65, 5.04), (0.6, 0.25))
    single = 0.6 * line_shapes(response, EVERY, [4.65], [1.0]) + 0.25 * line_shapes(response, EVERY, [5.04], [1.0])
    np.testing.assert_allclose(both, single, atol=1e-15)


@pytest.mark.parametrize("energy", [-3.0, 19.95, 60.0])
def test_lines_beyond_the_channels_leave_nothing(energy):
    assert not line_shapes(Response(AXIS, 130.0, 0.01), slice(300, 1200), [energy], [1.0]).any()


def test_half_a_line_at_the_edge_of_the_range():
    # The lower edge of channel 500 is 4.795 keV, where the line is centred.
    counts = line_shapes(Response(AXIS, 130.0), slice(500, 1000), [4.795], [1.0])
    assert counts.sum() == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize(("tail", "bow_ev"), [(0.0, 0.0), (0.02, -9.0)])
def test_columns_of_families_equal_their_lines_one_by_one(tail, bow_ev):
    response = Response(AXIS, 128.0, tail, bow_ev=bow_ev)
    families = [((6.4, 7.06), (0.88, 0.12)), ((0.525,), (1.0,)), ((1.8, 2.1, 16.0), (2.0, 0.5, 1.0))]
    found = peak_columns(response, slice(20, 1500), [(np.array(e), np.array(w)) for e, w in families])
    assert found.shape == (1480, 3)
    for column, (energies, weights) in zip(found.T, families, strict=True):
        twin = sum(
            w * line_shapes(response, slice(20, 1500), [e], [1.0]) for e, w in zip(energies, weights, strict=True)
        )
        np.testing.assert_allclose(column, twin, atol=1e-15)
    assert peak_columns(response, slice(20, 1500), []).shape == (1480, 0)


def test_bow_by_its_definition():
    """Zero at 0 and 20 keV, what it says at 10 keV, a parabola in between."""
    bowed = Response(AXIS, bow_ev=14.0)
    # 4 * 14 eV * 5 * 15 / 400 at 5 and at 15 keV.
    seen = bowed.seen_at_kev([0.0, 5.0, 10.0, 15.0, 20.0])
    np.testing.assert_allclose(seen, [0.0, 5.0105, 10.014, 15.0105, 20.0], rtol=1e-12)
    np.testing.assert_array_equal(Response(AXIS).seen_at_kev([3.3]), [3.3])


@pytest.mark.parametrize("bow_ev", [14.0, -30.0])
def test_bow_moves_peaks_and_leaves_their_shape(bow_ev):
    fine = EnergyAxis(4000, 0.001, 8.0)
    straight, bowed = (line_shapes(Response(fine, bow_ev=b), slice(0, 4000), [10.0], [1.0]) for b in (0.0, bow_ev))
    np.testing.assert_allclose(np.roll(straight, round(bow_ev)), bowed, atol=1e-12)

"""Slack: columns of misfit beside slow and obvious twins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.fitting.lines import xraylib_family
from edsnb.core.fitting.model import detected_lines, detected_weights
from edsnb.core.fitting.peaks import Response, peak_columns
from edsnb.core.fitting.slack import continuum_slack, family_slack, knots
from edsnb.core.image import EnergyAxis

AXIS = EnergyAxis(2000, 0.01, 0.0)
CHANNELS = slice(20, 2000)
RESPONSE = Response(AXIS, 130.0, tail=0.02)


def family(name):
    found = xraylib_family(*name.split("_"))
    assert found is not None
    return found


def drawn(lines, response=RESPONSE):
    return peak_columns(response, CHANNELS, [lines])[:, 0]


@pytest.mark.parametrize(("name", "shift", "width"), [("Fe_K", 1.5, 2.0), ("La_L", 3.0, 2.0), ("Au_M", 6.0, 6.0)])
def test_shift_width_and_tail_are_what_they_say(name, shift, width):
    """One standard deviation of slack is the peak at another place, with another width, with a larger tail."""
    here = family(name)
    energies, weights = detected_lines(here)
    plain = drawn((energies, weights))
    slack = family_slack(here, RESPONSE, CHANNELS)
    scale = plain.max()
    moved = drawn((energies + shift * 1e-3, weights)) - plain
    np.testing.assert_allclose(slack[:, 0] / scale, moved / scale, atol=0.2 * np.abs(moved).max() / scale)
    wider = drawn((energies, weights), replace(RESPONSE, fwhm_mn_ev=130.0 + width)) - plain
    np.testing.assert_allclose(slack[:, 1] / scale, wider / scale, atol=0.2 * np.abs(wider).max() / scale)
    tailed = drawn((energies, weights), replace(RESPONSE, tail=0.03)) - plain
    np.testing.assert_allclose(slack[:, 2], tailed, atol=1e-12)


@pytest.mark.parametrize(("name", "spread"), [("Fe_K", 0.05), ("La_L", 0.3), ("Au_M", 0.6)])
def test_groups_of_lines_give_and_take(name, spread):
    """Each group's share moves by its prior, and the family's counts stay what they are."""
    here = family(name)
    slack = family_slack(here, RESPONSE, slice(0, 2000))
    groups = slack[:, 3:]
    has_escapes = bool((np.asarray(here.energies_kev) > 1.84).any())
    if has_escapes:
        groups = groups[:, :-1]
    assert groups.shape[1] >= 2
    np.testing.assert_allclose(groups.sum(axis=0), 0.0, atol=2e-4)
    # The strongest group gains so much of its own share, less what it gives as part of the family.
    top = max(range(groups.shape[1]), key=lambda k: groups[:, k].max())
    gained = groups[:, top][groups[:, top] > 0].sum()
    weights = detected_weights(here)
    shares = [spread * w * (1 - w) for w in np.cumsum(np.sort(weights)[::-1])]
    assert min(abs(gained - share) for share in shares) < 0.2 * gained


def test_iron_beta_gains_five_percent():
    here = family("Fe_K")
    energies = np.asarray(here.energies_kev)
    beta = float(detected_weights(here)[energies > 6.8].sum())
    slack = family_slack(here, RESPONSE, CHANNELS)
    seen = AXIS.centres_kev[CHANNELS] > 6.75
    groups = slack[:, 3:-1]
    largest = np.abs(groups[seen].sum(axis=0)).max()
    assert largest == pytest.approx(0.05 * beta * (1 - beta), rel=0.05)


def test_escapes_stand_where_they_belong():
    """Three tenths of Fe Ka's escapes, at 4.66 keV; silicon's own line has none."""
    slack = family_slack(family("Fe_K"), RESPONSE, CHANNELS)[:, -1]
    assert AXIS.centres_kev[CHANNELS][np.argmax(slack)] == pytest.approx(6.400 - 1.740, abs=0.02)
    assert 0.3 * 0.003 < slack.sum() < 0.3 * 0.02
    assert (
        family_slack(family("Si_K"), RESPONSE, CHANNELS).shape[1]
        < family_slack(family("Fe_K"), RESPONSE, CHANNELS).shape[1]
    )


def test_an_axis_that_is_not_calibrated_gives_way_much_more():
    for name in ("Fe_K", "O_K", "La_L"):
        tight, loose = (np.abs(family_slack(family(name), RESPONSE, CHANNELS, loose=w)[:, 0]).max() for w in (0, 1))
        assert loose > 5 * tight


def test_segments_share_the_slack():
    """A response of two like segments is that of one."""
    parts = tuple((0.5, RESPONSE) for _ in range(2))
    np.testing.assert_allclose(
        family_slack(family("Fe_K"), replace(RESPONSE, parts=parts), CHANNELS),
        family_slack(family("Fe_K"), RESPONSE, CHANNELS),
        atol=1e-12,
    )


def test_a_continuum_bends_smoothly_and_everywhere():
    energy = AXIS.centres_kev[CHANNELS]
    bends = knots(energy)
    np.testing.assert_allclose(bends.sum(axis=1), 1.0)
    assert bends.min() >= 0
    # Wider than peaks everywhere: between the halves of each triangle lie several widths.
    for k in range(bends.shape[1]):
        inside = energy[bends[:, k] > 0.5]
        assert inside[-1] - inside[0] > 2 * np.sqrt(0.130**2 + 2.5e-3 * (inside.mean() - 5.9)) or inside[0] < 0.4
    slack = continuum_slack(bends, 100.0 * np.exp(-energy))
    np.testing.assert_allclose(slack.sum(axis=1), 10.0 * np.exp(-energy))


@pytest.mark.parametrize("energy", [[5.0], [5.0, 5.01], np.linspace(5, 6, 50)])
def test_knots_of_narrow_ranges(energy):
    bends = knots(np.asarray(energy))
    assert bends.shape[1] >= 2
    np.testing.assert_allclose(bends.sum(axis=1), 1.0)

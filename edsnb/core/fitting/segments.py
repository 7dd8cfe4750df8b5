"""Detector segments that do not agree on the energy axis.

A Velox map is the sum of up to four segments, channel by channel. Where their axes differ, its peaks are sums of
peaks beside each other. Each segment is then calibrated on its own summed spectrum, and a line's shape is the mean of
theirs, weighted by their counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.calibrate import calibrate
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.model import ModelSpec
from edsnb.core.image import EnergyAxis, Segment

MATTERS_EV = 3.0
"""Axes that differ by less than this from that of the sum, anywhere in the range, are taken as one."""


def with_segments(
    found: Calibration, segments: Sequence[Segment], energy: EnergyAxis, spec: ModelSpec, fwhm_mn_ev: float | None
) -> Calibration:
    """Return the calibration of the sum, with the response of each segment where their axes differ.

    Parameters
    ----------
    found
        Calibration of the sum.
    segments
        The segments with their summed spectra.
    energy
        The axis on which they were summed, channel by channel.
    spec, fwhm_mn_ev
        As for `calibrate`.
    """
    if not found.applied or len(segments) < 2:
        return found
    own = [calibrate(s.counts, energy, spec, fwhm_mn_ev=fwhm_mn_ev, around=found) for s in segments]
    counts = np.array([float(s.counts[spec.channels].sum()) for s in segments])
    if not all(c.applied for c in own):
        return found
    apart = max(_distance_ev(c, found, spec) for c in own)
    if apart < MATTERS_EV:
        return found
    shares = counts / counts.sum()
    parts = tuple((float(share), c.response) for share, c in zip(shares, own, strict=True))
    return replace(
        found,
        response=replace(found.response, parts=parts),
        message=f"{found.message}; {len(parts)} segments lie up to {apart:.1f} eV from it and have an axis each",
    )


def _distance_ev(segment: Calibration, whole: Calibration, spec: ModelSpec) -> float:
    """Return how far a segment's lines lie from those of the sum, where this is more than its own uncertainty."""
    channels = np.array([spec.channels.start, (spec.channels.start + spec.channels.stop) // 2, spec.channels.stop])
    places: list[Array] = []
    for calibration in (segment, whole):
        axis = calibration.response.energy
        straight = axis.offset_kev + axis.scale_kev * channels
        places.append(straight - (calibration.response.seen_at_kev(straight) - straight))
    uncertain = np.hypot(segment.offset_sd_ev, segment.gain_sd * 1e3 * spec.centres_kev(whole.response)[-1])
    distance = float(np.abs(places[0] - places[1]).max()) * 1e3
    return distance if distance > 3 * float(uncertain) else 0.0

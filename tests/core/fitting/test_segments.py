"""Detector segments with axes of their own: found where they differ, one axis where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.fitting.fit import fit
from edsnb.core.fitting.lines import families_in
from edsnb.core.fitting.model import ModelSpec, design
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import Acquisition, EnergyAxis, Segment
from edsnb.core.regions import Spectra

AXIS = EnergyAxis(2048, 0.01, -0.1)
ELEMENTS = ("Sr", "Ti", "O", "Cu")
COUNTS = 300_000


def segment(name: str, offset_ev: float, gain: float, counts: int, seed: int) -> Segment:
    """Return a segment whose axis lies off the stated one; counts drawn from the fit's own model."""
    true = EnergyAxis(AXIS.size, AXIS.scale_kev * (1 + gain), AXIS.offset_kev + offset_ev / 1e3)
    families = families_in(ELEMENTS, (0.2, 20.0))
    spec = ModelSpec(families, slice(0, AXIS.size), 200.0)
    made = design(spec, Response(true, 128.0))
    amounts = {"Sr_K": 2.0, "Sr_L": 5.0, "Ti_K": 4.0, "Ti_L": 0.5, "O_K": 2.0, "Cu_K": 0.8, "Cu_L": 0.1}
    mean = made.columns @ [*(amounts[f.name] for f in families), 2e-4, 6e-4, 1e-4]
    mean[: AXIS.channels(0.15, 20.0).start] = 0.0
    return Segment(name, AXIS, np.random.default_rng(seed).poisson(mean * counts / mean.sum()))


def spectra_of(segments: list[Segment]) -> Spectra:
    """Return the sum of segments, channel by channel, as a map's only chip."""
    total = np.sum([s.counts for s in segments], axis=0)
    acquisition = Acquisition(beam_kev=200.0, begin_energy_kev=0.15)
    return Spectra(total[None], AXIS, ("all",), acquisition, segments=tuple(segments))


def test_segments_apart_are_calibrated_one_by_one():
    truth = [(-25.0, 0.001, COUNTS), (20.0, -0.0005, 2 * COUNTS), (0.0, 0.0, COUNTS)]
    spectra = spectra_of([segment(f"S{k}", *t, seed=k) for k, t in enumerate(truth)])
    found = fit(spectra, ELEMENTS)
    parts = found.settings["calibration"]["segments"]  # type: ignore[index]
    assert [p["share"] for p in parts] == pytest.approx([0.25, 0.5, 0.25], abs=1e-3)
    for part, (offset_ev, gain, _) in zip(parts, truth, strict=True):
        for energy in (0.5, 4.5, 14.0):
            channel = (energy - AXIS.offset_kev) / AXIS.scale_kev
            true = AXIS.offset_kev + offset_ev / 1e3 + AXIS.scale_kev * (1 + gain) * channel
            assert part["offset_kev"] + part["scale_kev"] * channel == pytest.approx(true, abs=0.003)
    as_one = fit(replace(spectra, segments=()), ELEMENTS)
    assert found.chi2[0] < 1.15
    assert as_one.chi2[0] > found.chi2[0] + 0.2


def test_segments_that_agree_share_one_axis():
    spectra = spectra_of([segment("A", 5.0, 0.0005, COUNTS, 1), segment("B", 5.5, 0.0005, COUNTS, 2)])
    assert fit(spectra, ELEMENTS).settings["calibration"]["segments"] == []  # type: ignore[index]


def test_segments_with_few_counts_are_left_alone():
    spectra = spectra_of([segment("A", 5.0, 0.0, COUNTS, 1), segment("B", 40.0, 0.0, 200, 2)])
    assert fit(spectra, ELEMENTS).settings["calibration"]["segments"] == []  # type: ignore[index]

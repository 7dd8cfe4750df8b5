"""Calibration on the summed spectrum: found again where it was moved, left alone where it cannot be known."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edsnb.core.fitting.calibrate import calibrate
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.lines import families_in
from edsnb.core.fitting.model import ModelSpec, design
from edsnb.core.fitting.peaks import Response, line_shapes
from edsnb.core.image import EnergyAxis
from edsnb.errors import InputError

AXIS = EnergyAxis(2048, 0.01, -0.2)
"""As the file states it, with a width of 130 eV."""
RANGE = (0.2, 20.0)
ELEMENTS = ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")


@cache
def spec(*elements: str, background: str = "physical") -> ModelSpec:
    families = families_in(elements or ELEMENTS, RANGE, beam_kev=200.0)
    return ModelSpec(families, AXIS.channels(*RANGE), 200.0, background)


def response(
    offset_ev: float = 0.0, gain: float = 0.0, width_ev: float = 130.0, tail: float = 0.0, bow_ev: float = 0.0
) -> Response:
    """Return what the detector really does, told as changes of what the file states."""
    axis = EnergyAxis(AXIS.size, AXIS.scale_kev * (1 + gain), AXIS.offset_kev + offset_ev / 1e3)
    return Response(axis, width_ev, tail, bow_ev=bow_ev)


def drawn(true: Response, counts: float, seed: int = 0, elements: tuple[str, ...] = ELEMENTS) -> np.ndarray:
    """Return a Poisson spectrum (E,): every family alike, a third of the counts bremsstrahlung."""
    columns = design(spec(*elements), true).columns
    families = len(spec(*elements).families)
    share = np.array([1.0] * families + [4e-4, 1e-3, 6e-4]) @ columns.T
    out = np.zeros(AXIS.size)
    out[spec().channels] = np.random.default_rng(seed).poisson(share * counts / share.sum())
    return out


def errors(found: Calibration, true: Response) -> tuple[float, float, float]:
    """Return offset error in eV, gain error in %, width error in eV."""
    axis = found.response.energy
    return (
        (axis.offset_kev - true.energy.offset_kev) * 1e3,
        (axis.scale_kev / true.energy.scale_kev - 1) * 100,
        found.response.fwhm_mn_ev - true.fwhm_mn_ev,
    )


@pytest.mark.parametrize(
    ("offset_ev", "gain", "width_ev", "tail"),
    [
        (0, 0, 130, 0),
        (30, 0.003, 145, 0),
        (-30, -0.003, 120, 0.015),
        (30, -0.003, 130, 0.015),
        (-30, 0.003, 140, 0.02),
        (15, 0.001, 125, 0),
    ],
)
def test_drift_is_found_again(offset_ev, gain, width_ev, tail):
    true = response(offset_ev, gain, width_ev, tail)
    found = calibrate(drawn(true, 1e6), AXIS, spec())
    assert found.applied
    offset, gain_percent, width = errors(found, true)
    assert abs(offset) < 1.0
    assert abs(gain_percent) < 0.02
    assert abs(width) < 1.5
    assert found.response.tail == pytest.approx(tail, abs=4 * found.tail_sd + 1e-9)
    # What is reported is what was done.
    assert found.offset_change_ev == pytest.approx((found.response.energy.offset_kev - AXIS.offset_kev) * 1e3)
    assert found.gain_change == pytest.approx(found.response.energy.scale_kev / AXIS.scale_kev - 1)
    assert found.message.startswith(f"offset {found.offset_change_ev:+.2f} ± ")
    assert f"gain {found.gain_change * 100:+.4f} ± {found.gain_sd * 100:.4f} %" in found.message
    assert f"width {found.response.fwhm_mn_ev:.1f} ± {found.fwhm_sd_ev:.1f} eV at Mn Ka" in found.message
    assert found.response.energy.size == AXIS.size


@pytest.mark.parametrize(
    ("offset_ev", "gain", "bow_ev", "tail"), [(0, 0, 14, 0), (20, 0.002, 14, 0.015), (-20, -0.002, -14, 0.015)]
)
def test_bow_and_tail_are_found_again(offset_ev, gain, bow_ev, tail):
    """Beside offset and gain, which a bow must not be taken for."""
    true = response(offset_ev, gain, 128, tail, bow_ev)
    found = calibrate(drawn(true, 1e6), AXIS, spec())
    assert found.applied
    offset, gain_percent, width = errors(found, true)
    assert abs(offset) < 1.0
    assert abs(gain_percent) < 0.02
    assert abs(width) < 1.5
    assert found.response.bow_ev == pytest.approx(bow_ev, abs=1.0)
    assert found.response.tail == pytest.approx(tail, abs=0.005)
    assert 0.1 < found.bow_sd_ev < 1.0
    assert 1e-4 < found.tail_sd < 0.003
    assert f"tail {found.response.tail * 100:.2f} ± {found.tail_sd * 100:.2f} %" in found.message
    assert found.message.endswith(f"bow {found.response.bow_ev:+.1f} ± {found.bow_sd_ev:.1f} eV at 10 keV")


def test_without_a_bow_none_is_found():
    found = calibrate(drawn(response(5, 0.0005), 1e6), AXIS, spec())
    assert abs(found.response.bow_ev) < 3 * found.bow_sd_ev < 3.0


@pytest.mark.parametrize("named", [("Sr", "Ti"), ("La", "Sr"), ("Zr",)])
def test_usual_contaminants_need_no_name(named):
    """Carbon, oxygen, detector and grid as strong as the specimen, none of them in the list."""
    true = response(20, 0.002, 135, 0.015, 10)
    everything = (*named, "C", "O", "Al", "Si", "Fe", "Co", "Cu")
    found = calibrate(drawn(true, 1e6, 1, everything), AXIS, spec(*named))
    assert found.applied
    offset, gain_percent, width = errors(found, true)
    assert abs(offset) < 1.0
    assert abs(gain_percent) < 0.02
    assert abs(width) < 1.5


def test_contaminants_above_the_beam_energy_are_not_looked_for():
    """At 5 keV nothing excites Fe K or Cu K: a bump 40 eV above Cu Ka is something else, and pulls at nothing."""
    families = families_in(["Sr", "Ti", "O"], (0.2, 12.0), beam_kev=5.0)
    slow = ModelSpec(families, AXIS.channels(0.2, 12.0), 5.0)
    true = response(6)
    y = np.zeros(AXIS.size)
    y[slow.channels] = 6e4 * design(slow, true).columns[:, : len(families)].sum(axis=1)
    y += line_shapes(true, slice(0, AXIS.size), [8.086], [5e4])
    found = calibrate(y, AXIS, slow)
    assert found.applied
    assert abs(errors(found, true)[0]) < 1.0
    assert abs(found.gain_change) < 1e-3


@pytest.mark.parametrize("scale_ev", [2.5, 5.0, 12.0])
def test_narrow_channels_are_added_together_without_loss(scale_ev):
    """Channels of 2.5 and 5 eV are looked at four and two at a time; 12 eV as they are."""
    stated = EnergyAxis(round(20_400 / scale_ev), scale_ev / 1e3, -0.203)
    true = replace(response(0, 0, 133, 0.01), energy=replace(stated, scale_kev=stated.scale_kev * 1.001))
    here = ModelSpec(spec().families, stated.channels(*RANGE), 200.0)
    columns = design(here, true).columns
    mean = columns @ [*[1.0] * len(here.families), *np.array([1.0, 2.0, 1.0]) / len(columns)]
    y = np.zeros(stated.size)
    y[here.channels] = np.random.default_rng(6).poisson(1e6 * mean / mean.sum())
    found = calibrate(y, stated, here)
    assert found.offset_change_ev == pytest.approx(0, abs=1)
    assert found.gain_change == pytest.approx(0.001, abs=2e-4)
    assert found.response.fwhm_mn_ev == pytest.approx(133, abs=1)
    assert found.response.energy.size == stated.size
    # The information is that of the counts, not of the channels.
    assert found.offset_sd_ev == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("channels", [slice(660, 661), slice(655, 667)])
def test_a_range_too_narrow_to_tell_leaves_the_axis_alone(channels):
    """One channel, and the top of a peak."""
    families = families_in(["Fe"], (6.2, 6.6), beam_kev=200.0)
    y = np.full(AXIS.size, 400.0)
    found = calibrate(y, AXIS, ModelSpec(families, channels, 200.0), fwhm_mn_ev=131.0)
    assert abs(found.offset_change_ev) < 10
    assert not found.applied or found.offset_sd_ev > 10


@pytest.mark.parametrize("background", ["polynomial", "physical"])
def test_either_background_will_do(background):
    true = response(12, 0.001, 134)
    offset, gain_percent, width = errors(calibrate(drawn(true, 1e6), AXIS, spec(background=background)), true)
    assert abs(offset) < 1.0
    assert abs(gain_percent) < 0.02
    # The polynomial does not follow bremsstrahlung at low energy and leaves the rest to the peaks.
    assert abs(width) < (3.0 if background == "polynomial" else 0.5)


def test_errors_cover_the_truth():
    true = response(10, 0.001, 133)
    elements = ("Sr", "Ti", "O")
    pulls = []
    for seed in range(30):
        found = calibrate(drawn(true, 5e4, seed, elements), AXIS, spec(*elements))
        offset, gain_percent, width = errors(found, true)
        pulls.append([offset / found.offset_sd_ev, gain_percent / found.gain_sd / 100, width / found.fwhm_sd_ev])
    # Of 30: the standard deviation is known to 13 %, the mean to 0.18.
    np.testing.assert_array_less(np.std(pulls, axis=0), 1.4)
    np.testing.assert_array_less(0.65, np.std(pulls, axis=0))
    np.testing.assert_array_less(np.abs(np.mean(pulls, axis=0)), 0.55)


@pytest.mark.parametrize("counts", [0, 100, 400])
def test_too_few_counts_keep_the_files_values_and_say_so(counts):
    y = np.zeros(AXIS.size)
    y[700 : 700 + counts] = 1
    y[:30] = 1e6  # outside the range: does not count
    found = calibrate(y, AXIS, spec(), fwhm_mn_ev=137.0)
    assert found == Calibration(
        Response(AXIS, 137.0),
        message=f"the file's calibration was kept: only {counts} X-rays (fewer than 500)",
    )
    assert not found.applied


def test_no_lines_to_go_by():
    found = calibrate(drawn(response(), 1e5), AXIS, ModelSpec((), spec().channels, 200.0))
    assert found == Calibration(Response(AXIS), message="the file's calibration was kept: no lines to go by")


def test_few_counts_move_the_axis_no_further_than_they_say():
    true = response(8, 0, 130)
    found = calibrate(drawn(true, 2000), AXIS, spec())
    assert found.applied
    offset, gain_percent, width = errors(found, true)
    assert abs(offset) < 4 * found.offset_sd_ev < 20
    assert abs(gain_percent) < 4 * found.gain_sd * 100
    assert abs(width) < 4 * found.fwhm_sd_ev


@pytest.mark.parametrize("true", [response(), response(12, 0.001, 134)], ids=["true axis", "moved axis"])
@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        # More than there is costs nothing; a grid or a contamination forgotten costs little.
        ((*ELEMENTS, "Mn", "N", "Ba", "Si", "Ga"), (0.5, 0.02, 0.5)),
        (("La", "Fe", "Sr", "Ti", "O"), (1.5, 0.02, 1.0)),
        (("La", "Fe", "Sr", "Ti", "O", "C"), (0.5, 0.02, 0.6)),
        # A main element forgotten shows, and is still less than half a channel.
        (("La", "Fe", "Sr", "Ti"), (3.5, 0.05, 2.0)),
    ],
)
def test_wrong_element_lists_hardly_move_the_axis(true, elements, allowed):
    found = calibrate(drawn(true, 1e6), AXIS, spec(*elements))
    assert found.applied
    np.testing.assert_array_less(np.abs(errors(found, true)), allowed)


@pytest.mark.parametrize("elements", [("Mg", "Zn"), ("Ba", "Mn", "Ni"), ("N",)])
def test_elements_that_are_not_there_cannot_drag_the_axis_away(elements):
    """Of all that is there only carbon, oxygen, iron and copper are known, as usual contaminants."""
    found = calibrate(drawn(response(), 1e6), AXIS, spec(*elements), fwhm_mn_ev=131.0)
    if not found.applied:
        assert found.response == Response(AXIS, 131.0)
        assert found.message.startswith("the file's calibration was kept: ")
        assert found.message.endswith("; check the element list")
    else:
        # Less than half a channel where the known lines lie, up to Cu K; beyond, within what the gain's error allows.
        moved = 1e3 * np.abs(found.response.energy.centres_kev - AXIS.centres_kev)
        assert moved[AXIS.channels(0.2, 9.0)].max() < 5.0
        assert (moved < 5.0 + 2e3 * found.gain_sd * np.abs(AXIS.centres_kev)).all()


def test_elements_that_are_not_there_on_a_spectrum_without_usual_ones():
    found = calibrate(drawn(response(), 1e6, 0, ("La", "Sr", "Ti")), AXIS, spec("Mg", "Zn"), fwhm_mn_ev=131.0)
    assert not found.applied
    assert found.response == Response(AXIS, 131.0)
    assert found.message.startswith("the file's calibration was kept: ")
    assert found.message.endswith("; check the element list")


@pytest.mark.parametrize(
    ("true", "limit"), [(response(80), "offset"), (response(0, -0.02), "gain"), (response(0, 0, 185), "width")]
)
def test_drift_beyond_what_instruments_do_is_refused(true, limit):
    found = calibrate(drawn(true, 1e6), AXIS, spec())
    assert not found.applied
    assert re.search(rf"{limit}( and \w+)* ran into the physical limit", found.message)
    assert found.response == Response(AXIS, 130.0)


def test_calibration_starts_from_the_width_the_file_states():
    true = response(0, 0, 165)
    found = calibrate(drawn(true, 1e6), AXIS, spec(), fwhm_mn_ev=160.0)
    assert found.response.fwhm_mn_ev == pytest.approx(165, abs=1.5)


@pytest.mark.parametrize("background", ["physical", "polynomial", "none"])
def test_counts_where_no_line_is(background):
    """A bright channel at 15 keV and nothing else: nothing is learnt, and nothing breaks."""
    y = np.zeros(AXIS.size)
    y[1520] = 5000
    found = calibrate(y, AXIS, spec("O", "Ti", background=background))
    assert not found.applied or found.offset_sd_ev > 5
    assert abs(found.offset_change_ev) < 20


def test_counts_are_not_touched():
    y = drawn(response(5), 1e5)
    y.flags.writeable = False
    assert calibrate(y, AXIS, spec()).applied
    whole = calibrate(y.astype(np.uint32), AXIS, spec())
    assert whole == calibrate(y, AXIS, spec())


def test_all_numbers_for_the_record():
    found = calibrate(drawn(response(5, 0.001, 133), 1e5), AXIS, spec())
    record = found.to_dict()
    assert record["applied"] is True
    assert record["offset_kev"] == found.response.energy.offset_kev
    assert record["scale_kev"] == found.response.energy.scale_kev
    assert record["offset_change_ev"] == pytest.approx(5, abs=1)
    # A bow may stand in for a little gain.
    assert record["gain_change"] == pytest.approx(0.001, abs=3 * found.gain_sd)
    assert found.gain_sd < 2e-4
    assert record["fwhm_mn_ev"] == pytest.approx(133, abs=1)
    assert record["tail"] == pytest.approx(0, abs=0.015)
    assert record["bow_ev"] == pytest.approx(0, abs=5)
    assert record["bow_sd_ev"] == found.bow_sd_ev
    assert record["message"] == found.message
    assert record["segments"] == []
    assert all(isinstance(value, (float, int, bool, str, list)) for value in record.values())
    assert Calibration.from_dict(record) == found


def test_segments_survive_the_record():
    parts = ((0.25, replace(response(3), bow_ev=1.5)), (0.75, response(-2, tail=0.02)))
    found = Calibration(replace(response(1), parts=parts), 1.0, 0.1, 2e-4, 1e-5, 0.4, 0.001, 0.3, True, "found")
    record = json.loads(json.dumps(found.to_dict()))
    assert Calibration.from_dict(record) == found


@pytest.mark.parametrize(
    "change",
    [{"scale_kev": -1.0}, {"offset_kev": "low"}, {"channels": 10.5}, {"width": 3.0}, {"segments": [{"share": 1.0}]}],
)
def test_records_that_cannot_be_are_refused(change):
    record = {**Calibration(response()).to_dict(), **change}
    with pytest.raises(InputError, match="calibration"):
        Calibration.from_dict(record)
    del record["scale_kev"]
    with pytest.raises(InputError, match="calibration"):
        Calibration.from_dict(record)


def test_by_hand():
    kept = Calibration(response(0, tail=0.013), applied=True)
    found = Calibration.by_hand(AXIS, offset_ev=4.0, gain=0.002, fwhm_mn_ev=135.0, around=kept)
    assert found.response.energy.centres_kev == pytest.approx(AXIS.offset_kev + 0.004 + AXIS.scale_kev * 1.002
                                                              * np.arange(AXIS.size))  # fmt: skip
    assert (found.response.fwhm_mn_ev, found.response.tail) == (135.0, 0.013)
    assert "by hand" in found.message
    assert not found.applied
    assert Calibration.by_hand(AXIS).response == Response(AXIS, 130.0)

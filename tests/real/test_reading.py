"""Real files: count for count against RosettaSciIO's dense cube and a plain decoder, and what each file says."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

from edsnb.core.events import Array
from edsnb.core.image import ElementSetting, SpectrumImage
from edsnb.core.regions import ChipGrid, chip
from edsnb.errors import FileFormatError, NoMapError
from edsnb.io.describe import describe, describe_text
from edsnb.io.opening import open_file
from edsnb.io.velox.cube import read_cube
from tests.helpers import real_file
from tests.io.velox.files import plain_cube

MAPS = {
    "fei_SI_SuperX-HAADF_20frames_10x50.emd": ((50, 10), 20),
    "fei_emd_si.emd": ((16, 16), 5),
    "velox_v11_SI_16x16.emd": ((16, 16), 2),
    "velox_v11_no_elements.emd": ((16, 20), 1),
    "example_velox_EELS_EDS.emd": ((16, 20), 1),
}
REDUCED = "velox_v11_SI_16x16_reduced.emd"
POINTS = "EDS-STO.emd"
BCF = "bcf_v2_50x50px.bcf"


@cache
def opened(name: str) -> SpectrumImage:
    return open_file(real_file(name))


def cube_of(name: str) -> Array:
    events = opened(name).require_events()
    return events.to_dense()


def rosetta_cube(path: Path) -> Array:
    """Return RosettaSciIO's cube, its raster undone: (pixels, E). Counts here stay far below its uint16."""
    from rsciio.emd import file_reader

    signals = [s for s in file_reader(str(path)) if s["metadata"]["Signal"]["signal_type"] == "EDS_TEM"]
    data = max((s["data"] for s in signals), key=lambda d: d.ndim)
    assert data.max() < 60000
    return data.reshape(-1, data.shape[-1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAPS)
def test_maps_equal_rosettasciio_count_for_count(name: str) -> None:
    shape, _ = MAPS[name]
    assert opened(name).shape == shape
    theirs = rosetta_cube(real_file(name))
    ours = cube_of(name)
    np.testing.assert_array_equal(ours, theirs[: len(ours)])
    assert not theirs[len(ours) :].any()  # where it takes the survey's raster, all counts lie in the first pixels


@pytest.mark.parametrize("name", [n for n in MAPS if not n.startswith("fei_SI")])
def test_maps_equal_the_plain_decoder(name: str) -> None:
    shape, frames = MAPS[name]
    with h5py.File(real_file(name)) as file:
        streams = [group["Data"][:, 0].tolist() for group in file["Data/SpectrumStream"].values()]
    np.testing.assert_array_equal(cube_of(name), plain_cube(streams, shape, range(frames), opened(name).energy.size))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAPS)
def test_chip_sums_equal_the_dense_cube(name: str) -> None:
    shape, _ = MAPS[name]
    spectra = chip(opened(name), ChipGrid(5))
    theirs = rosetta_cube(real_file(name))[: shape[0] * shape[1]].reshape(*shape, -1).astype(np.int64)
    rows, columns = shape[0] // 5, shape[1] // 5
    blocks = theirs[: rows * 5, : columns * 5].reshape(rows, 5, columns, 5, -1).sum((1, 3))
    np.testing.assert_array_equal(spectra.counts, blocks.reshape(rows * columns, -1))


def test_frames_of_a_real_map_add_up() -> None:
    path = real_file("velox_v11_SI_16x16.emd")
    parts = [open_file(path, frames=k).require_events().to_dense() for k in range(2)]
    np.testing.assert_array_equal(parts[0] + parts[1], cube_of(path.name))


@pytest.mark.parametrize("name", ["velox_v11_SI_16x16.emd", "example_velox_EELS_EDS.emd", "EDS-STO.emd"])
def test_segments_equal_the_spectra_that_velox_stored(name: str) -> None:
    image = opened(name)
    assert image.spectra is not None
    stored = dict(zip(image.spectra.names, image.spectra.counts, strict=True))
    for segment in image.segments:
        np.testing.assert_array_equal(segment.counts, stored[segment.name])
    np.testing.assert_array_equal(image.spectra.counts[0], image.spectra.counts[1:].sum(0))


def test_the_superx_map_says_what_it_is() -> None:
    image = opened("fei_SI_SuperX-HAADF_20frames_10x50.emd")
    found = image.acquisition
    assert image.haadf is not None
    assert (image.haadf.name, image.haadf.frames) == ("HAADF", 20)
    assert image.elements == (ElementSetting("Nb", "K"),)
    assert image.pixel_nm == pytest.approx(1.2340096)
    assert (found.beam_kev, found.frames, found.detector) == (200, 20, "SuperXG2")
    assert found.take_off_deg == pytest.approx(22, abs=1e-4)
    assert found.tilt_deg == pytest.approx(-35.34, abs=0.01)
    assert found.real_time_s == pytest.approx(20 * 500 * 1.28e-3, rel=1e-4)  # not that of one frame
    assert found.solid_angle_sr == pytest.approx(0.9)
    assert image.floor_kev == pytest.approx(0.17)
    assert image.energy.offset_kev == -1
    assert image.notes == ()


def test_the_eels_map_keeps_its_own_raster_and_leaves_eels_out() -> None:
    image = opened("example_velox_EELS_EDS.emd")
    assert {name: s.image.shape for name, s in image.surveys.items()} == {"DF-S": (16, 20), "Ref DF-S": (128, 128)}
    assert [m.element for m in image.maps] == ["O", "Fe", "Co"]
    assert {m.mode for m in image.maps} == {"NetIntensity"}
    assert "Co-EELS, Fe-EELS, O-EELS" in image.notes[0]
    assert image.acquisition.take_off_deg == pytest.approx(32.06)
    assert image.acquisition.solid_angle_sr == pytest.approx(4.35)
    assert len(image.segments) == 6


def test_stored_maps_and_elements_of_the_v11_map() -> None:
    image = opened("velox_v11_SI_16x16.emd")
    assert [(m.element, m.quantity, m.mode) for m in image.maps] == [
        (e, "counts", "Integration") for e in ("C", "O", "Ca", "Cu")
    ]
    assert [e.symbol for e in image.elements if e.quantify] == ["Ca"]
    assert image.floor_kev == pytest.approx(0.12)
    above = image.counts_map().sum()
    assert above / image.require_events().total() == pytest.approx(0.015, abs=0.001)
    assert image.acquisition.live_time_s == pytest.approx(0.5017, abs=1e-4)


def test_an_unfinished_scan_is_noted() -> None:
    notes = opened("fei_emd_si.emd").notes
    assert "7 of 1280 pixel markers are missing" in notes[0]
    assert "do not trust times" in notes[1]


def test_point_spectra_open_with_what_they_hold() -> None:
    image = opened(POINTS)
    assert image.events is None
    assert image.spectra is not None
    assert image.spectra.names[0] == "Summed"
    assert image.spectra.counts[0].sum() == 190_830
    assert [e.symbol for e in image.elements] == ["O", "Ti", "Cu", "Sr"]
    assert image.acquisition.live_time_s == pytest.approx(25.61, abs=0.01)
    with pytest.raises(NoMapError, match="stored spectra"):
        image.require_events()


def test_a_reduced_file_holds_the_same_map_as_before() -> None:
    image = opened(REDUCED)
    np.testing.assert_array_equal(cube_of(REDUCED), cube_of("velox_v11_SI_16x16.emd"))
    assert image.shape == (16, 16)
    assert image.spectra is not None
    np.testing.assert_array_equal(cube_of(REDUCED).sum(0), image.spectra.counts[0])
    assert image.haadf is not None
    assert [m.element for m in image.maps] == ["C", "O", "Ca", "Cu"]
    assert image.acquisition.frames == 2
    assert "compressed map" in image.notes[0]


@pytest.mark.parametrize("name", ["velox_v11_SI_16x16.emd", "velox_v11_no_elements.emd", "example_velox_EELS_EDS.emd"])
def test_the_compressed_map_equals_the_streams(name: str) -> None:
    image = opened(name)
    with h5py.File(real_file(name)) as file:
        (group,) = file["Data/SpectrumImage"].values()
        events = read_cube(group["Data"], image.shape, image.energy.size)
    assert events is not None
    np.testing.assert_array_equal(events.to_dense(), cube_of(name))


def test_words_after_the_last_marker_are_left_out() -> None:
    """Velox adds them to the first pixel; RosettaSciIO leaves them out, as edsnb does: the beam was flying back."""
    name = "fei_SI_SuperX-HAADF_20frames_10x50.emd"
    image = opened(name)
    with h5py.File(real_file(name)) as file:
        (group,) = file["Data/SpectrumImage"].values()
        events = read_cube(group["Data"], image.shape, image.energy.size)
    assert events is not None
    difference = events.to_dense().astype(int) - cube_of(name)
    assert difference[0].sum() == 74
    assert not difference[1:].any()


@pytest.mark.filterwarnings("ignore")
def test_bruker_equals_rosettasciio() -> None:
    from rsciio.bruker import file_reader

    path = real_file(BCF)
    signals = file_reader(str(path))
    cube = next(s["data"] for s in signals if s["data"].ndim == 3)
    image = opened(BCF)
    assert image.shape == (50, 50)
    np.testing.assert_array_equal(cube_of(BCF), cube.reshape(2500, -1))
    assert image.energy.scale_kev == pytest.approx(0.009996)
    assert image.energy.offset_kev == pytest.approx(-0.47316066)
    assert image.acquisition.beam_kev == 20
    assert image.acquisition.take_off_deg == 35
    assert image.acquisition.real_time_s == 19.2
    assert image.pixel_nm == pytest.approx(11.808, abs=0.001)
    assert ElementSetting("Ag", "L") in image.elements
    assert [s.image.shape for s in image.surveys.values()] == [(50, 50), (825, 1100)]


@pytest.mark.parametrize("name", [*MAPS, REDUCED, POINTS, BCF])
def test_every_file_is_described(name: str) -> None:
    image = opened(name)
    facts = describe(image)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["possible"]
    text = describe_text(image)
    assert name in text
    assert max(map(len, text.splitlines())) <= 120
    if image.events is not None:
        assert facts["map"]["counts"] == image.events.total()
        assert facts["map"]["counts_above_noise"] == image.counts_map().sum()


@pytest.mark.parametrize("part", range(20))
def test_a_real_velox_file_cut_off_gives_one_clear_line(part: int, tmp_path: Path) -> None:
    message = message_of_part("velox_v11_SI_16x16.emd", part / 20, tmp_path)
    assert message


@pytest.mark.parametrize("part", range(1, 20, 2))
def test_a_bruker_file_cut_off_gives_one_clear_line_or_all_counts(part: int, tmp_path: Path) -> None:
    if not message_of_part(BCF, part / 20, tmp_path):
        np.testing.assert_array_equal(open_file(tmp_path / BCF).require_events().to_dense(), cube_of(BCF))


def message_of_part(name: str, share: float, folder: Path) -> str:
    """Return what is said about the first part of a file, "" where it opens."""
    data = real_file(name).read_bytes()
    path = folder / name
    path.write_bytes(data[: int(len(data) * share)])
    try:
        open_file(path)
    except FileFormatError as error:
        text = str(error)
    else:
        return ""
    assert "\n" not in text
    assert str(path) in text
    return text

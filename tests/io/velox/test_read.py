"""Velox files: decoding against a plain decoder, raster and frames, calibration, bad input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edsnb.core.events import Array
from edsnb.core.image import ElementSetting
from edsnb.errors import CancelledError, EdsnbError, FileFormatError, InputError, NoMapError
from edsnb.io.opening import open_file
from edsnb.io.velox import stream as velox_stream
from edsnb.io.velox.raster import Raster, choose_frames, choose_raster, scanned_shape
from edsnb.io.velox.read import open_velox
from edsnb.io.velox.settings import selected_elements
from tests.io.velox.files import BINS, MARKER, Layout, plain_cube, random_words, write

NAMES = ("SuperXG21", "SuperXG22", "SuperXG23", "SuperXG24")


def some_streams(count: int = 1, *, pixels: int = 12, frames: int = 2, mean: float = 3, missing: int = 0) -> list:
    rng = np.random.default_rng(5)
    return [random_words(rng, pixels, frames, mean, missing=missing) for _ in range(count)]


@pytest.mark.parametrize("segments", [1, 4])
@pytest.mark.parametrize("layout", [{}, {"chunk": None}, {"compress": True}, {"table": False}])
def test_events_equal_the_plain_decoder(tmp_path: Path, segments: int, layout: dict) -> None:
    streams = some_streams(segments)
    path = write(tmp_path / "map.emd", Layout(streams=streams, names=NAMES, **layout))
    image = open_file(path)
    assert image.shape == (3, 4)
    assert image.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube(streams, (3, 4), range(2), BINS))
    for segment, words in zip(image.segments, streams, strict=True):
        np.testing.assert_array_equal(segment.counts, np.bincount(words[words != MARKER], minlength=BINS))
    assert image.events.count is None
    assert image.events.channel.dtype == np.uint16
    assert image.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert image.notes == ()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ny=st.integers(1, 5),
    nx=st.integers(1, 5),
    frames=st.integers(1, 4),
    segments=st.integers(1, 3),
    mean=st.sampled_from([0.0, 0.5, 4.0]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_any_raster_blocks_and_frames(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ny: int,
    nx: int,
    frames: int,
    segments: int,
    mean: float,
    seed: int,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(seed)
    streams = [random_words(rng, ny * nx, frames, mean) for _ in range(segments)]
    chosen = data.draw(st.lists(st.integers(0, frames - 1), min_size=1, unique=True))
    monkeypatch.setattr(velox_stream, "BLOCK", data.draw(st.integers(1, 40)))
    monkeypatch.setattr(velox_stream, "GROUP", data.draw(st.integers(1, 60)))
    path = write(tmp_path / "any.emd", Layout((ny, nx), frames, streams, NAMES))
    image = open_velox(path, frames=chosen)
    assert image.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube(streams, (ny, nx), chosen, BINS))
    assert sum(int(s.counts.sum()) for s in image.segments) == image.events.total()
    assert image.acquisition.frames == len(chosen)


def test_reading_around_hdf5_gives_the_same_words(tmp_path: Path) -> None:
    words = some_streams(mean=30)[0]
    path = write(tmp_path / "map.emd", Layout(streams=[words], chunk=7))
    with h5py.File(path) as file, path.open("rb", buffering=0) as raw:
        dataset = file[f"Data/SpectrumStream/{0:032x}/Data"]
        direct, through = (velox_stream.open_stream("s", dataset, f) for f in (raw, None))
        assert direct.file is raw
        assert through.file is None
        for start, stop in [(0, 1), (3, 20), (0, len(words)), (len(words) - 1, len(words))]:
            both = [np.zeros(stop - start, np.uint16) for _ in range(2)]
            direct.read(start, both[0])
            through.read(start, both[1])
            np.testing.assert_array_equal(both[0], words[start:stop])
            np.testing.assert_array_equal(both[1], words[start:stop])


def test_a_missing_last_marker_is_allowed(tmp_path: Path) -> None:
    streams = some_streams(2, missing=1)
    image = open_velox(write(tmp_path / "map.emd", Layout(streams=streams, names=NAMES)))
    assert image.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube(streams, (3, 4), range(2), BINS))
    assert image.notes == ()


def test_an_unfinished_last_row_is_read_with_a_note(tmp_path: Path) -> None:
    words = some_streams(missing=3)[0]
    image = open_velox(write(tmp_path / "map.emd", Layout(streams=[words])))
    assert image.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube([words], (3, 4), range(2), BINS))
    assert "3 of 24 pixel markers are missing" in image.notes[0]


def test_an_unfinished_last_frame_is_left_out_with_a_note(tmp_path: Path) -> None:
    words = some_streams(frames=3)[0]
    words = words[: np.flatnonzero(words == MARKER)[28]]
    image = open_velox(write(tmp_path / "map.emd", Layout(streams=[words], frames=3)))
    assert image.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube([words], (3, 4), range(2), BINS))
    assert image.acquisition.frames == 2
    assert "stopped inside frame 3" in image.notes[0]


def test_the_scanned_area_decides_against_a_survey(tmp_path: Path) -> None:
    words = some_streams()[0]
    survey = np.ones((8, 8, 1), np.uint16)
    area = (0.25, 0.125, 0.75, 0.5)  # 4 wide, 3 high in a scan of 8 x 8
    layout = Layout(streams=[words], scan=(8, 8), area=area, images=[("HAADF", survey)])
    image = open_velox(write(tmp_path / "map.emd", layout))
    assert image.shape == (3, 4)
    assert image.haadf is None
    assert image.surveys["HAADF"].image.shape == (8, 8)


def test_the_image_decides_where_the_scanned_area_is_wrong(tmp_path: Path) -> None:
    words = some_streams()[0]
    images = [("HAADF", np.ones((3, 4, 2), np.uint16))]
    image = open_velox(write(tmp_path / "map.emd", Layout(streams=[words], scan=(5, 5), images=images)))
    assert image.shape == (3, 4)


def test_a_raster_that_fits_nowhere_is_refused_with_the_numbers(tmp_path: Path) -> None:
    words = some_streams()[0]
    path = write(tmp_path / "map.emd", Layout(streams=[words], scan=(5, 5), table=False))
    with pytest.raises(FileFormatError, match=r"SuperXG21 24.*5 x 5 with \[2\] frames"):
        open_velox(path)
    with pytest.raises(FileFormatError, match="12 pixels a frame"):
        open_velox(write(tmp_path / "table.emd", Layout(streams=[words], scan=(5, 5))))


def test_segments_with_different_numbers_of_frames_are_refused() -> None:
    with pytest.raises(FileFormatError, match="a 24, b 12"):
        choose_raster([(3, 4)], {(3, 4): {1, 2}}, {"a": 24, "b": 12}, None)
    assert choose_raster([(4, 3), (3, 4)], {(3, 4): {2}, (4, 3): {2}}, {"a": 24, "b": 23}, 12) == Raster((4, 3), 2)


def test_scanned_shape_rounds_and_needs_a_size() -> None:
    scan = {"ScanSize": {"width": "512", "height": "512"}}
    area = {"left": "0.482422", "top": "0.496094", "right": "0.513672", "bottom": "0.52734375"}
    assert scanned_shape({"Scan": {**scan, "ScanArea": area}}) == (16, 16)
    assert scanned_shape({"Scan": scan}) == (512, 512)
    assert scanned_shape({"Scan": {"ScanSize": {"width": "0", "height": "0"}}}) is None
    assert scanned_shape({}) is None


@pytest.mark.parametrize(
    ("frames", "chosen"),
    [(None, [0, 1, 2]), (1, [1]), (slice(1, None), [1, 2]), (range(0, 3, 2), [0, 2]), ([2, 0], [0, 2])],
)
def test_frames_are_chosen_from_zero(frames: object, chosen: list[int]) -> None:
    keep, note = choose_frames(frames, 3, {})  # type: ignore[arg-type]
    assert np.flatnonzero(keep).tolist() == chosen
    assert note is None


@pytest.mark.parametrize("frames", [3, [-1], [0, 0], [], slice(5, 9), [0.5], ["0"]])
def test_frames_outside_are_refused(frames: object) -> None:
    with pytest.raises(InputError, match="frames 0 to 2"):
        choose_frames(frames, 3, {})  # type: ignore[arg-type]


def test_frames_set_in_velox_are_the_default(tmp_path: Path) -> None:
    words = some_streams(frames=3)[0]
    path = write(tmp_path / "map.emd", Layout(streams=[words], frames=3, end=2))
    image, everything = open_velox(path), open_velox(path, frames=range(3))
    assert image.events is not None
    assert everything.events is not None
    np.testing.assert_array_equal(image.events.to_dense(), plain_cube([words], (3, 4), [0, 1], BINS))
    np.testing.assert_array_equal(everything.events.to_dense(), plain_cube([words], (3, 4), range(3), BINS))
    assert "frames 1 to 2 of 3" in image.notes[0]


def test_acquisition_is_that_of_all_frames_and_segments(tmp_path: Path) -> None:
    path = write(tmp_path / "map.emd", Layout(streams=some_streams(2), names=NAMES))
    found = open_velox(path).acquisition
    assert found.beam_kev == 200
    assert found.take_off_deg == pytest.approx(18)
    assert found.azimuth_deg is None  # two segments, two azimuths
    assert found.tilt_deg == pytest.approx(10)
    assert found.live_time_s == pytest.approx(0.8)  # the last column is the total
    assert found.real_time_s == pytest.approx(1.0)
    assert found.current_pa == pytest.approx(150)
    assert found.solid_angle_sr == 0.7
    assert found.begin_energy_kev == pytest.approx(0.121)
    assert found.detector == "SuperXG2"
    half = open_velox(path, frames=[1])
    assert half.acquisition.live_time_s == pytest.approx(0.4)
    assert half.segments[0].live_time_s == pytest.approx(0.4)
    assert half.pixel_nm == pytest.approx(0.25)


def test_take_off_of_segments_below_the_specimen_is_positive(tmp_path: Path) -> None:
    from edsnb.io.velox.settings import read_acquisition

    angles = {"A1": "0.5", "A2": "-0.5"}
    detectors = {
        n: {
            "DetectorName": n,
            "DetectorType": "AnalyticalDetector",
            "Dispersion": "5",
            "OffsetEnergy": "0",
            "ElevationAngle": a,
        }
        for n, a in angles.items()
    }
    found = read_acquisition({"Detectors": detectors}, (), ["A1", "A2"], frames=1)
    assert found.take_off_deg == pytest.approx(np.degrees(0.5))


def test_energy_axis_is_the_weighted_mean_and_differences_are_noted(tmp_path: Path) -> None:
    streams = [np.array([1, 2, 3, *[MARKER] * 24], np.uint16), np.array([4, *[MARKER] * 24], np.uint16)]
    layout = Layout(streams=streams, names=NAMES, offsets_ev=(-250, -242))
    image = open_velox(write(tmp_path / "map.emd", layout))
    assert image.energy.offset_kev == pytest.approx(-0.248)
    assert image.energy.scale_kev == pytest.approx(0.01)
    assert [s.energy.offset_kev for s in image.segments] == [-0.25, -0.242]
    assert "SuperXG21, SuperXG22 by more than a tenth" in image.notes[0]
    close = Layout(streams=streams, names=NAMES, offsets_ev=(-250, -249.9))
    assert open_velox(write(tmp_path / "close.emd", close)).notes == ()


def test_surveys_are_averaged_over_the_frames_of_the_map(tmp_path: Path) -> None:
    data = np.stack([np.full((3, 4), 60000), np.full((3, 4), 10000)], axis=2).astype(np.uint16)
    path = write(tmp_path / "map.emd", Layout(streams=some_streams(), images=[("HAADF", data), ("BF", data[:, :, :1])]))
    image = open_velox(path)
    assert image.haadf is not None
    assert image.haadf.name == "HAADF"
    assert image.haadf.frames == 2
    assert image.haadf.image.dtype == np.float32
    np.testing.assert_array_equal(image.haadf.image, 35000)
    assert open_velox(path, frames=1).surveys["HAADF"].image[0, 0] == 10000
    assert image.surveys["BF"].image[0, 0] == 60000


def test_stored_spectra_come_with_their_sum(tmp_path: Path) -> None:
    counts = [np.arange(BINS), np.ones(BINS, int)]
    layout = Layout(streams=some_streams(2), names=NAMES, spectra=list(zip(NAMES, counts, strict=False)))
    spectra = open_velox(write(tmp_path / "map.emd", layout)).spectra
    assert spectra is not None
    assert spectra.names == ("Sum of segments", "SuperXG21", "SuperXG22")
    np.testing.assert_array_equal(spectra.counts[0], counts[0] + counts[1])
    assert spectra.digest


def test_a_file_of_point_spectra_opens_without_a_map(tmp_path: Path) -> None:
    words = np.array([1, 2, 2, 5], np.uint16)
    layout = Layout(streams=[words], maps=0, spectra=[("SuperXG21", np.arange(BINS))], scan=(0, 0), table=False)
    image = open_velox(write(tmp_path / "points.emd", layout))
    assert image.events is None
    assert image.shape == (0, 0)
    assert image.segments[0].counts[:6].tolist() == [0, 1, 2, 0, 0, 1]
    assert "point spectra" in image.notes[0]
    with pytest.raises(NoMapError, match=r"1 stored spectra.*edsnb\.fit"):
        image.require_events()


def compressed(cube: Array) -> Array:
    """Return a cube (ny, nx, E) as Velox compresses it: the inverse of the reader, value by value."""
    out = bytearray(b"magic..." + (20).to_bytes(8, "little") + bytes(19) + b"\x02")
    for row in cube:
        for line in row.T.tolist():
            block, x = bytearray(), 0
            while any(line) and x < len(line):
                zeros = next((k for k, v in enumerate(line[x:]) if v), len(line) - x)
                if zeros:
                    block += bytes([0, 0, min(zeros, 256) - 1])
                    x += min(zeros, 256)
                else:
                    block += int(line[x]).to_bytes(2, "little")
                    x += 1
            out += len(block).to_bytes(2, "little") + block
    return np.frombuffer(bytes(out), np.uint8)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (2, 600)])
def test_a_reduced_file_is_read_from_its_compressed_map(tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    cube = np.minimum(rng.poisson(0.02, (*shape, BINS)) * rng.integers(1, 65535, (*shape, BINS)), 65535)
    layout = Layout(shape, cube=compressed(cube), images=[("HAADF", np.ones((*shape, 1), np.uint16))])
    path = write(tmp_path / "reduced.emd", layout)
    image = open_velox(path)
    np.testing.assert_array_equal(image.require_events().to_dense(), cube.reshape(-1, BINS))
    assert image.haadf is not None
    assert image.acquisition.beam_kev == 200
    assert image.acquisition.frames == 2
    assert "compressed map" in image.notes[0]
    with pytest.raises(InputError, match="keeps no frames apart"):
        open_velox(path, frames=0)


def test_a_compressed_map_of_another_kind_is_not_used(tmp_path: Path) -> None:
    good = compressed(np.random.default_rng(2).poisson(0.1, (3, 4, BINS)))
    long, wide = np.append(good, np.uint8(0)), good.copy()
    wide[35] = 4
    spoiled = [good[:-1], long, wide, good[:20], good[:0], np.zeros(500, np.uint8)]
    for cube in [*spoiled, *(np.where(np.arange(len(good)) == k, 77, good).astype(np.uint8) for k in range(36, 90))]:
        image = open_velox(write(tmp_path / "reduced.emd", Layout(cube=cube)))
        assert image.events is None or cube[35] == 2


@pytest.mark.parametrize("spectra", [[("SuperXG21", np.arange(BINS))], []])
def test_a_reduced_file_without_a_readable_map_says_what_is_possible(tmp_path: Path, spectra: list) -> None:
    images = [("HAADF", np.ones((3, 4, 1), np.uint16))]
    image = open_velox(write(tmp_path / "reduced.emd", Layout(spectra=spectra, images=images)))
    assert image.events is None
    assert image.shape == (3, 4)
    assert image.haadf is not None
    assert "no chips can be cut" in image.notes[0]
    assert image.acquisition.beam_kev == 200
    assert ("can be fitted" in image.notes[0]) == bool(spectra)


def test_a_file_without_eds_says_what_it_holds(tmp_path: Path) -> None:
    layout = Layout(maps=0, images=[("HAADF", np.ones((3, 4, 1), np.uint16))])
    with pytest.raises(NoMapError, match="no EDS data: it has 1 Image"):
        open_velox(write(tmp_path / "image.emd", layout))


def test_of_two_maps_one_must_be_chosen(tmp_path: Path) -> None:
    streams = some_streams(2)
    path = write(tmp_path / "two.emd", Layout(streams=streams, names=NAMES, maps=2))
    with pytest.raises(FileFormatError, match=r"2 spectrum images \(0 = aaaa.*1 = bbbb.*spectrum_image=0"):
        open_file(path)
    for pick in (1, "bbb"):
        image = open_file(path, spectrum_image=pick)
        assert image.events is not None
        np.testing.assert_array_equal(image.events.to_dense(), plain_cube(streams[1:], (3, 4), range(2), BINS))
    for pick in (2, "x", ""):
        with pytest.raises(InputError, match="names 0 of"):
            open_file(path, spectrum_image=pick)
    mute = write(tmp_path / "mute.emd", Layout(streams=streams, names=NAMES, maps=2, features=False))
    with pytest.raises(FileFormatError, match="does not say which event streams"):
        open_file(mute, spectrum_image=0)


def test_elements_are_looked_up_by_number_not_by_place(tmp_path: Path) -> None:
    properties = [
        {"element": 57, "atomicShellFamily": "L", "quantify": True},
        {"element": "8", "atomicShellFamily": "K ", "quantify": "false"},
    ]
    settings_ = {"elementSelection": ["8", 57, 29], "elementProperties": properties}
    expected = (ElementSetting("O", "K", False), ElementSetting("La", "L"), ElementSetting("Cu"))
    assert selected_elements(settings_) == expected
    assert selected_elements({"elementSelection": "", "elementProperties": properties}) == ()
    assert selected_elements({}) == ()
    path = write(tmp_path / "map.emd", Layout(streams=some_streams(), settings=settings_))
    assert open_velox(path).elements == expected


def test_a_word_that_is_no_channel_is_refused(tmp_path: Path) -> None:
    words = some_streams()[0]
    words[5] = BINS
    with pytest.raises(FileFormatError, match=f"holds channel {BINS}, the file gives {BINS} channels"):
        open_velox(write(tmp_path / "map.emd", Layout(streams=[words])))


def test_progress_counts_up_and_cancels(tmp_path: Path) -> None:
    path = write(tmp_path / "map.emd", Layout(streams=some_streams(2), names=NAMES))
    seen: list[tuple[int, int]] = []
    open_velox(path, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(CancelledError):
        open_velox(path, progress=lambda done, total: False)


def damaged(path: Path, change: Callable[[bytearray], bytearray]) -> None:
    path.write_bytes(change(bytearray(path.read_bytes())))


def one_clear_line(path: Path) -> str:
    with pytest.raises(EdsnbError) as caught:
        open_file(path)
    text = str(caught.value)
    assert isinstance(caught.value, FileFormatError)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("part", range(20))
def test_a_file_cut_off_anywhere_gives_one_clear_line(tmp_path: Path, part: int) -> None:
    path = write(tmp_path / "map.emd", Layout(streams=some_streams(2), names=NAMES))
    damaged(path, lambda data: data[: len(data) * part // 20])
    one_clear_line(path)


def everything(path: Path) -> list[str]:
    """Return the path of every group and dataset of a file."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
    return names


def opened_or_refused(path: Path) -> str:
    """Return the message of a refusal, "" where the file opens; any other error fails the test."""
    try:
        open_file(path)
    except EdsnbError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("change", ["gone", "empty", "a group", "numbers"])
def test_a_file_with_any_part_wrong_never_gives_a_raw_error(tmp_path: Path, change: str) -> None:
    images, spectra = [("HAADF", np.ones((3, 4, 2), np.uint16))], [("SuperXG21", np.arange(BINS))]
    layout = Layout(streams=some_streams(2), names=NAMES, images=images, spectra=spectra, settings={})
    whole = write(tmp_path / "whole.emd", layout).read_bytes()
    messages = []
    for k, name in enumerate(everything(tmp_path / "whole.emd")):
        path = tmp_path / f"{k}.emd"
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file[name]
            if change == "a group":
                file.create_group(name)
            elif change != "gone":
                file[name] = np.zeros(0 if change == "empty" else 3)
        messages.append(opened_or_refused(path))
    assert sum(map(bool, messages)) > 5
    assert not any("\n" in text for text in messages)


def test_missing_folder_and_other_files_are_told_apart(tmp_path: Path) -> None:
    assert "does not exist" in one_clear_line(tmp_path / "absent.emd")
    (tmp_path / "folder.emd").mkdir()
    assert "is a folder" in one_clear_line(tmp_path / "folder.emd")
    text = tmp_path / "text.emd"
    text.write_text("no map")
    assert "not an .emd file" in one_clear_line(text)
    assert "cannot be read" in _message(lambda: open_velox(text))


def _message(action: Callable[[], object]) -> str:
    with pytest.raises(FileFormatError) as caught:
        action()
    return str(caught.value)


def test_damaged_json_names_the_dataset(tmp_path: Path) -> None:
    path = write(tmp_path / "map.emd", Layout(streams=some_streams()))
    with h5py.File(path, "r+") as file:
        file["Data/SpectrumImage/" + "a" * 32 + "/SpectrumImageSettings"][0] = "{cut"
    assert "SpectrumImageSettings is not readable JSON" in one_clear_line(path)

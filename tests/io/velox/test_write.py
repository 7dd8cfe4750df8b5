"""Written .emd files: read back count for count by RosettaSciIO and by edsnb, atomic, never over another file."""

from __future__ import annotations

import errno
import json

import h5py
import numpy as np
import pytest

import edsnb.io.velox.write as velox_write
from edsnb.core.events import Events
from edsnb.core.image import EnergyAxis, SpectrumImage
from edsnb.core.simulation.draw import Stream, key_of
from edsnb.core.simulation.simulate import simulate
from edsnb.errors import FileFormatError, InputError, NoMapError, OutputError
from edsnb.io.velox.read import open_velox
from edsnb.io.velox.write import read_truth, to_words, truth_path, write_truth, write_velox

MADE = simulate(size=24, frames=3, counts=60, seed=8)
IMAGE = MADE.image
DENSE = IMAGE.require_events().to_dense()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write the simulation, once with a single stream and once with four."""
    folder = tmp_path_factory.mktemp("written")
    return {n: write_velox(MADE, folder / f"made{n}.emd", segments=n) for n in (1, 4)}


@pytest.mark.parametrize("segments", [1, 4])
def test_rosettasciio_reads_it_count_for_count(written, segments):
    from rsciio.emd import file_reader

    signals = file_reader(str(written[segments]), select_type="spectrum_image")
    (cube,) = [s for s in signals if s["data"].ndim == 3]
    np.testing.assert_array_equal(cube["data"].reshape(24 * 24, -1), DENSE)
    energy = cube["axes"][-1]
    assert (energy["size"], energy["scale"], energy["offset"]) == pytest.approx((4096, 0.01, -0.25))
    assert cube["axes"][0]["scale"] == pytest.approx(128 / 24)
    assert cube["axes"][0]["units"] == "nm"
    detectors = cube["original_metadata"]["Detectors"]
    # RosettaSciIO takes the metadata of the first of three frames, times count up from there.
    assert float(detectors["Detector-1"]["LiveTime"]) == pytest.approx(IMAGE.acquisition.live_time_s / 3)


def test_rosettasciio_reads_frames_apart(written):
    from rsciio.emd import file_reader

    signals = file_reader(str(written[1]), select_type="spectrum_image", sum_frames=False, load_SI_image_stack=True)
    (cube,) = [s["data"] for s in signals if s["data"].ndim == 4]
    assert cube.shape == (3, 24, 24, 4096)
    np.testing.assert_array_equal(cube.sum(axis=0).reshape(24 * 24, -1), DENSE)
    share = cube.sum(axis=(1, 2, 3)) / DENSE.sum()
    assert np.abs(share - 1 / 3).max() < 5 * np.sqrt(2 / 9 / DENSE.sum())


def test_rosettasciio_reads_image_and_settings(written):
    from rsciio.emd import file_reader

    signals = file_reader(str(written[1]), select_type="images", load_SI_image_stack=True)
    (image,) = signals
    assert image["metadata"]["General"]["title"] == "HAADF"
    np.testing.assert_array_equal(image["data"], MADE.haadf_frames)


# eXSpy 0.3.2 imports a name that HyperSpy 2.5 moved.
@pytest.mark.filterwarnings("ignore:Importing")
def test_hyperspy_loads_it(written):
    import hyperspy.api as hs

    signals = hs.load(str(written[1]))
    (cube,) = [s for s in signals if s.data.ndim == 3]
    assert cube.metadata.Signal.signal_type == "EDS_TEM"
    assert set(cube.metadata.Sample.elements) == {"La", "Fe", "Sr", "Ti", "O", "Cu", "C"}
    assert cube.metadata.Acquisition_instrument.TEM.beam_energy == 200
    assert cube.data.sum() == DENSE.sum()


@pytest.mark.parametrize("segments", [1, 4])
def test_edsnb_reads_the_same_image(written, segments):
    image = open_velox(written[segments])
    np.testing.assert_array_equal(image.require_events().to_dense(), DENSE)
    assert (image.shape, image.energy, image.pixel_nm) == (IMAGE.shape, IMAGE.energy, pytest.approx(IMAGE.pixel_nm))
    assert image.elements == IMAGE.elements
    assert image.acquisition.beam_kev == 200
    assert image.acquisition.take_off_deg == pytest.approx(18)
    assert image.acquisition.begin_energy_kev == pytest.approx(0.12)
    assert image.acquisition.frames == 3
    assert image.acquisition.live_time_s == pytest.approx(IMAGE.acquisition.live_time_s)
    np.testing.assert_array_equal(image.surveys["HAADF"].image, IMAGE.surveys["HAADF"].image)
    assert [s.name for s in image.segments] == [f"SuperXG2{i + 1}" for i in range(segments)]
    counts = np.array([s.counts.sum() for s in image.segments])
    assert np.abs(counts / counts.sum() - 1 / segments).max() < 5 * np.sqrt(0.25 / counts.sum())
    assert not image.notes


def test_stored_spectra_are_those_of_the_streams(written):
    image = open_velox(written[4])
    assert image.spectra is not None
    stored = dict(zip(image.spectra.names, image.spectra.counts, strict=True))
    for segment in image.segments:
        np.testing.assert_array_equal(stored[segment.name], segment.counts)


def test_layout_is_that_of_velox(written):
    with h5py.File(written[1]) as file:
        assert json.loads(file["Version"][0]) == {"version": "11", "format": "Velox"}
        (stream,) = file["Data/SpectrumStream"].values()
        assert stream["Data"].dtype == np.uint16
        assert stream["Data"].shape[1] == 1
        assert stream["Metadata"].shape == (60000, 3)
        words, starts = stream["Data"][:, 0], stream["FrameLocationTable"][:, 0]
        assert np.count_nonzero(words == 65535) == 24 * 24 * 3
        for start in starts[1:]:
            assert words[int(start) - 1] == 65535
        assert np.count_nonzero(words[: int(starts[1])] == 65535) == 24 * 24
        log = json.loads(file[json.loads(file["Experiment"][0])["log"]][0])["text"]
        assert "LFO%2FSTO" in log


def test_the_same_map_gives_the_same_bytes(written, tmp_path):
    again = write_velox(MADE, tmp_path / "again.emd")
    assert again.read_bytes() == written[1].read_bytes()


def test_words_equal_a_plain_division():
    rng = np.random.default_rng(0)
    cube = rng.poisson(0.4, (30, 50))
    events = Events.from_dense(cube)
    words, starts = to_words(events, 4, key_of(1, Stream.FRAMES))
    total = np.zeros_like(cube)
    for part in range(4):
        pixel = 0
        for word in words[starts[part] : starts[part + 1]].tolist():
            if word == 65535:
                pixel += 1
            else:
                total[pixel, word] += 1
        assert pixel == 30
    np.testing.assert_array_equal(total, cube)


def test_a_map_without_image_is_written_with_its_counts(tmp_path):
    cube = np.random.default_rng(1).poisson(0.3, (12, 64))
    image = SpectrumImage((3, 4), EnergyAxis(64, 0.02, 0.1), Events.from_dense(cube), digest="d")
    again = open_velox(write_velox(image, tmp_path / "map.emd"))
    np.testing.assert_array_equal(again.require_events().to_dense(), cube)
    assert again.shape == (3, 4)
    np.testing.assert_array_equal(again.surveys["Counts"].image, image.counts_map())
    assert again.acquisition.live_time_s is None
    assert again.elements == ()
    assert not truth_path(tmp_path / "map.emd").exists()


def test_what_a_stream_cannot_hold(tmp_path):
    axis = EnergyAxis(8, 0.1)
    halves = SpectrumImage((1, 2), axis, Events.from_dense(np.full((2, 8), 0.5)))
    with pytest.raises(InputError, match="whole numbers"):
        write_velox(halves, tmp_path / "a.emd")
    with pytest.raises(NoMapError):
        write_velox(SpectrumImage((0, 0), axis, None), tmp_path / "a.emd")
    with pytest.raises(InputError, match="segments"):
        write_velox(MADE, tmp_path / "a.emd", segments=5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("present", ["map.emd", "map.truth.json"])
def test_nothing_is_overwritten_unless_told(tmp_path, present):
    (tmp_path / present).write_text("mine")
    with pytest.raises(OutputError, match="present already"):
        write_velox(MADE, tmp_path / "map.emd")
    assert [p.name for p in tmp_path.iterdir()] == [present]
    assert (tmp_path / present).read_text() == "mine"
    write_velox(MADE, tmp_path / "map.emd", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.emd", "map.truth.json"]
    assert open_velox(tmp_path / "map.emd").shape == (24, 24)


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(velox_write, "_write_streams", full)
    with pytest.raises(OutputError, match="No space left"):
        write_velox(MADE, tmp_path / "map.emd")
    assert not list(tmp_path.iterdir())
    (tmp_path / "map.emd").write_text("mine")
    with pytest.raises(OutputError):
        write_velox(MADE, tmp_path / "map.emd", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["map.emd"]
    assert (tmp_path / "map.emd").read_text() == "mine"


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_velox(MADE, tmp_path / "none" / "map.emd")


def test_truth_stands_beside_the_file(written):
    for path in (written[1], truth_path(written[1])):
        truth = read_truth(path)
        assert truth.to_dict() == MADE.truth.to_dict()
        np.testing.assert_array_equal(truth.labels, MADE.truth.labels)


def test_truth_that_is_none(tmp_path):
    path = write_truth(MADE.truth, tmp_path / "a.truth.json")
    with pytest.raises(OutputError, match="present already"):
        write_truth(MADE.truth, path)
    for text, match in (("{", "JSON"), ("{}", "format"), ("[1]", "truth")):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=match):
            read_truth(path)
    with pytest.raises(FileFormatError, match="does not exist"):
        read_truth(tmp_path / "none.emd")

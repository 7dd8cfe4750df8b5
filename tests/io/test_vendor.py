"""Other formats: RosettaSciIO's dictionaries and files, and .h5oina."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edsnb.core.events import Array
from edsnb.core.image import ElementSetting
from edsnb.errors import CancelledError, FileFormatError, InputError, NoMapError
from edsnb.io import dense, vendor
from edsnb.io.opening import open_file
from edsnb.io.vendor import from_dictionary


def counts(*shape: int) -> Array:
    return np.random.default_rng(3).poisson(0.4, shape).astype(np.uint16)


def axis(
    name: str, size: int, *, scale: float = 1.0, offset: float = 0.0, units: str = "", **more: Any
) -> dict[str, Any]:
    return {"name": name, "size": size, "scale": scale, "offset": offset, "units": units, **more}


def dictionary(data: Any, axes: list[dict[str, Any]] | None = None, **metadata: Any) -> dict[str, Any]:
    energy = axis("Energy", data.shape[-1], scale=0.01, offset=-0.2, units="keV", navigate=False)
    places = [axis(n, s, scale=0.5, units="µm", navigate=True) for n, s in zip("yx", data.shape[:-1], strict=False)]
    general = {"General": {"title": "EDX", "original_filename": "map.xyz"}, "Signal": {"signal_type": "EDS_TEM"}}
    return {"data": data, "axes": axes or [*places, energy], "metadata": {**general, **metadata}}


def test_a_map_keeps_counts_axes_and_metadata() -> None:
    data = counts(3, 4, 20)
    eds = {
        "elevation_angle": 18.0,
        "azimuth_angle": 45,
        "live_time": 7.5,
        "real_time": 8,
        "energy_resolution_MnKa": 131,
    }
    tem = {"beam_energy": 200.0, "beam_current": 0.15, "Stage": {"tilt_alpha": 2}, "Detector": {"EDS": eds}}
    sample = {"elements": ["Fe", "O", "Cu"], "xray_lines": ["Fe_Ka", "Cu_La"]}
    image = from_dictionary(dictionary(data, Acquisition_instrument={"TEM": tem}, Sample=sample))
    assert image.shape == (3, 4)
    np.testing.assert_array_equal(image.require_events().to_dense(), data.reshape(12, 20))
    assert (image.energy.scale_kev, image.energy.offset_kev) == (0.01, -0.2)
    assert image.pixel_nm == 500
    assert image.elements == (ElementSetting("Fe", "K"), ElementSetting("O"), ElementSetting("Cu", "L"))
    found = image.acquisition
    assert (found.beam_kev, found.take_off_deg, found.azimuth_deg, found.tilt_deg) == (200, 18, 45, 2)
    assert (found.live_time_s, found.real_time_s, found.current_pa, found.resolution_ev) == (7.5, 8, 150, 131)
    assert image.source == "map.xyz"
    assert len(image.digest) == 64
    assert image.digest != from_dictionary(dictionary(data[::-1])).digest


def test_an_energy_axis_in_ev_and_not_last() -> None:
    data = counts(3, 20, 4)
    axes = [
        axis("x", 4, units="nm", scale=2, index_in_array=2),
        axis("y", 3, units="nm", scale=2, index_in_array=0),
        axis("Energy", 20, units="eV", scale=5, offset=-100, index_in_array=1),
    ]
    image = from_dictionary(dictionary(data, axes))
    assert image.shape == (3, 4)
    assert image.energy.scale_kev == pytest.approx(0.005)
    assert image.energy.offset_kev == pytest.approx(-0.1)
    assert image.pixel_nm == 2
    np.testing.assert_array_equal(image.require_events().to_dense(), data.transpose(0, 2, 1).reshape(12, 20))


def test_an_axis_given_by_its_values_must_be_linear() -> None:
    data = counts(2, 2, 5)
    places = [axis("y", 2, navigate=True), axis("x", 2, navigate=True)]
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    image = from_dictionary(dictionary(data, [*places, {"name": "Energy", "units": "keV", "axis": values}]))
    assert image.energy.scale_kev == pytest.approx(0.1)
    with pytest.raises(InputError, match="not linear"):
        from_dictionary(dictionary(data, [*places, {"name": "Energy", "units": "keV", "axis": values**2}]))


def test_line_scans_and_single_spectra() -> None:
    line = counts(6, 20)
    image = from_dictionary(dictionary(line))
    assert image.shape == (1, 6)
    np.testing.assert_array_equal(image.require_events().to_dense(), line)
    assert "line scan" in image.notes[0]
    point = from_dictionary(dictionary(counts(20)))
    assert point.events is None
    assert point.spectra is not None
    assert point.spectra.names == ("EDX",)
    np.testing.assert_array_equal(point.spectra.counts[0], counts(20))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64, ">u2"])
def test_any_type_of_whole_counts(dtype: Any) -> None:
    data = counts(2, 3, 10)
    image = from_dictionary(dictionary(data.astype(dtype)))
    np.testing.assert_array_equal(image.require_events().to_dense(), data.reshape(6, 10))
    count = image.require_events().count
    assert count is not None
    assert count.dtype.kind == "u"


def test_counts_that_are_not_whole_stay_as_they_are() -> None:
    data = counts(2, 3, 10) * 0.5
    np.testing.assert_array_equal(from_dictionary(dictionary(data)).require_events().to_dense(), data.reshape(6, 10))


@pytest.mark.parametrize("kind", ["numpy", "dask", "sparse"])
def test_lazy_and_sparse_data_are_read_in_blocks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data: Any = counts(5, 4, 10)
    whole = data.reshape(20, 10)
    monkeypatch.setattr(dense, "BLOCK_BYTES", 3 * 2 * 10)
    if kind == "dask":
        import dask.array

        data = dask.array.from_array(data, chunks=(2, 4, 10))
    elif kind == "sparse":
        from scipy.sparse import csr_array

        data = csr_array(whole)
    seen: list[tuple[int, int]] = []
    image = from_dictionary(dictionary(data), progress=lambda *steps: seen.append(steps))
    np.testing.assert_array_equal(image.require_events().to_dense(), whole)
    assert seen == [(3, 20), (6, 20), (9, 20), (12, 20), (15, 20), (18, 20), (20, 20)]
    with pytest.raises(CancelledError):
        from_dictionary(dictionary(data), progress=lambda done, total: False)


def test_what_is_no_eds_map_is_refused() -> None:
    with pytest.raises(InputError, match="4 axes"):
        from_dictionary(dictionary(counts(2, 2, 2, 5), [axis(n, 2) for n in "tyx"] + [axis("E", 5, units="keV")]))
    with pytest.raises(InputError, match="no EDS map"):
        from_dictionary(dictionary(counts(2, 5), [axis("y", 2), axis("x", 5)], Signal={"signal_type": ""}))
    with pytest.raises(InputError, match="no EDS map"):
        from_dictionary(dictionary(counts(2, 5), Signal={"signal_type": "EELS"}))
    with pytest.raises(InputError, match="negative counts"):
        from_dictionary(dictionary(counts(2, 5) - 3.0))
    with pytest.raises(InputError, match="NaN"):
        from_dictionary(dictionary(np.full((2, 5), np.nan)))


def test_metadata_are_completed_by_the_readers_mapping() -> None:
    original = {"Head": {"Voltage": "200000", "Bad": "none"}}
    target = "Acquisition_instrument.TEM.beam_energy"
    mapping = {
        "Head.Voltage": (target, lambda v: float(v) / 1e3),
        "Head.Bad": ("Acquisition_instrument.TEM.beam_current", float),
        "Head.Absent": ("General.title", None),
    }
    signal = dictionary(counts(2, 2, 5))
    image = from_dictionary({**signal, "original_metadata": original, "mapping": mapping})
    assert image.acquisition.beam_kev == 200
    assert image.acquisition.current_pa is None
    assert "Acquisition_instrument" not in signal["metadata"]


def hspy(path: Path, signal: dict[str, Any]) -> Path:
    """Save a signal as HyperSpy does."""
    from rsciio.hspy import file_writer

    axes = [{**a, "_type": "UniformDataAxis", "is_binned": False} for a in signal["axes"]]
    attributes = {"_lazy": False, "ragged": False}
    parts = {
        "original_metadata": {},
        "tmp_parameters": {},
        "learning_results": {},
        "attributes": attributes,
        "models": {},
    }
    with vendor._quiet():
        file_writer(
            str(path), {**signal, **parts, "axes": axes, "package_info": {"package": "test", "package_version": "1"}}
        )
    return path


@pytest.mark.parametrize("lazy", [False, True])
def test_hspy_files_open_lazily_too(tmp_path: Path, lazy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "LAZY_BYTES", 0 if lazy else 1e12)
    data = counts(3, 4, 20)
    image = open_file(hspy(tmp_path / "map.hspy", dictionary(data)))
    np.testing.assert_array_equal(image.require_events().to_dense(), data.reshape(12, 20))
    assert image.shape == (3, 4)
    assert image.pixel_nm == 500
    assert image.source == str(tmp_path / "map.hspy")
    with pytest.raises(InputError, match="not a Velox file"):
        open_file(tmp_path / "map.hspy", frames=2)


def test_a_ripple_map_and_its_digest(tmp_path: Path) -> None:
    head = "key\tvalue\nwidth\t4\nheight\t3\ndepth\t20\noffset\t0\ndata-length\t2\ndata-type\tunsigned\n"
    more = "byte-order\tlittle-endian\nrecord-by\tvector\nsignal\tEDS_SEM\nev-per-chan\t10\n"
    digests = []
    for k in range(2):
        data = counts(3, 4, 20) + np.uint16(k)
        path = tmp_path / f"map{k}.rpl"
        path.write_text(head + more)
        data.astype("<u2").tofile(path.with_suffix(".raw"))
        image = open_file(path)
        np.testing.assert_array_equal(image.require_events().to_dense(), data.reshape(12, 20))
        assert image.shape == (3, 4)
        assert image.energy.scale_kev == pytest.approx(0.01)
        digests.append(image.digest)
    assert digests[0] != digests[1]  # the header is the same, the data are not


def test_an_msa_spectrum(tmp_path: Path) -> None:
    path = tmp_path / "point.msa"
    head = {"FORMAT": "EMSA/MAS Spectral Data File", "VERSION": "1.0", "TITLE": "spot", "NPOINTS": 4, "NCOLUMNS": 1}
    more = {"XUNITS": "keV", "YUNITS": "counts", "DATATYPE": "Y", "XPERCHAN": 0.01, "OFFSET": 0.1, "SIGNALTYPE": "EDS"}
    more |= {"BEAMKV": 200, "ELEVANGLE": 18.5, "LIVETIME": 10}
    lines = [f"#{key:<12}: {value}" for key, value in (head | more).items()]
    path.write_text("\n".join([*lines, "#SPECTRUM    : data", "1,", "5,", "2,", "0,", "#ENDOFDATA   :", ""]))
    image = open_file(path)
    assert image.events is None
    assert image.spectra is not None
    assert image.spectra.counts.tolist() == [[1, 5, 2, 0]]
    assert image.energy.scale_kev == pytest.approx(0.01)
    assert image.acquisition.take_off_deg == 18.5


def test_files_without_eds_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    image_axes = [axis("y", 3, navigate=False), axis("x", 4, navigate=False)]
    picture = dictionary(counts(3, 4), image_axes, General={"title": "HAADF"}, Signal={"signal_type": ""})
    with pytest.raises(NoMapError, match=r"it has HAADF \(3, 4\)"):
        open_file(hspy(tmp_path / "picture.hspy", picture))
    (tmp_path / "notes.docx").write_text("none")
    with pytest.raises(FileFormatError, match=r"no reader for \.docx"):
        open_file(tmp_path / "notes.docx")
    (tmp_path / "bare").write_text("none")
    with pytest.raises(FileFormatError, match="without extension"):
        open_file(tmp_path / "bare")
    (tmp_path / "broken.bcf").write_bytes(b"AAMVHFSS" + bytes(500))
    with pytest.raises(FileFormatError, match="cannot be read"):
        open_file(tmp_path / "broken.bcf")


def test_of_several_maps_one_must_be_chosen() -> None:
    signals = [dictionary(counts(2, 2, 5), General={"title": t}) for t in "ab"] + [dictionary(counts(5))]
    with pytest.raises(FileFormatError, match=r"2 EDS maps \(0 = a"):
        vendor._choose(signals, None, Path("x.dm4"), signals)
    assert vendor._choose(signals, "b", Path("x.dm4"), signals) is signals[1]
    assert vendor._choose(signals, 2, Path("x.dm4"), signals) is signals[2]
    assert vendor._choose(signals[1:], None, Path("x.dm4"), signals) is signals[1]
    with pytest.raises(InputError, match="names 0 of"):
        vendor._choose(signals, "c", Path("x.dm4"), signals)


def test_opening_needs_no_hyperspy(tmp_path: Path) -> None:
    path = hspy(tmp_path / "map.hspy", dictionary(counts(2, 2, 5)))
    code = (
        "import sys, edsnb.io.opening as o; early = 'rsciio' in sys.modules; o.open_file(sys.argv[1]); "
        "print(early, any(name in sys.modules for name in ('hyperspy', 'exspy', 'panel')))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def oina(path: Path, *, detectors: tuple[str, ...] = ("EDS",), spectra: bool = True) -> Array:
    """Write a file by Oxford Instruments' specification; return its spectra."""
    data = counts(6, 10).astype(np.int32)
    with h5py.File(path, "w") as file:
        for name, text in {"Format Version": "7.0", "Software Version": "6.2", "Index": "1"}.items():
            file[name] = [text]
        common = {"X Cells": 3, "Y Cells": 2, "X Step": 0.02, "Y Step": 0.02, "Beam Voltage": 20.0}
        for name in detectors:
            eds = {"Channel Width": 10.0, "Start Channel": -200.0, "Detector Elevation": 0.61, "Tilt Angle": 0.0}
            for key, value in (common | eds | {"Number Frames": 5}).items():
                file[f"1/{name}/Header/{key}"] = [value]
            if spectra:
                file.create_dataset(f"1/{name}/Data/Spectrum", data=data, compression="lzf")
            file[f"1/{name}/Data/Live Time"] = np.full((6, 1), 0.5, np.float32)
            maps = {"Window Integral/Fe Ka1": (26, "Ka1"), "Composition/O": (8, None)}
            for key, (z, line) in maps.items():
                file[f"1/{name}/Data/{key}"] = np.full((6, 1), 40.0, np.float32)
                file[f"1/{name}/Data/{key}"].attrs["Atomic Number"] = z
                if line:
                    file[f"1/{name}/Data/{key}"].attrs["X-ray Line"] = line
        for key, value in {"X Cells": 4, "Y Cells": 3, "X Step": 0.01}.items():
            file[f"1/Electron Image/Header/{key}"] = [value]
        file["1/Electron Image/Data/SE/Electron Image 1"] = np.arange(12, dtype=np.uint8)[:, None]
    return data


def test_h5oina_by_its_specification(tmp_path: Path) -> None:
    data = oina(tmp_path / "map.h5oina")
    image = open_file(tmp_path / "map.h5oina")
    assert image.shape == (2, 3)
    np.testing.assert_array_equal(image.require_events().to_dense(), data)
    assert image.energy.scale_kev == pytest.approx(0.01)
    assert image.energy.offset_kev == pytest.approx(-0.2)
    assert image.pixel_nm == pytest.approx(20)
    assert image.acquisition.beam_kev == 20
    assert image.acquisition.take_off_deg == pytest.approx(np.degrees(0.61))
    assert image.acquisition.live_time_s == 3
    assert image.acquisition.frames == 5
    assert image.elements == (ElementSetting("Fe", "K"), ElementSetting("O"))
    assert {m.element: (m.quantity, float(m.image[0, 0])) for m in image.maps} == {
        "Fe": ("counts", 20.0),
        "O": ("weight_fraction", pytest.approx(0.4)),
    }
    assert image.surveys["Electron Image 1"].image.shape == (3, 4)
    assert image.software == "AZtec 6.2, H5OINA 7.0"


def test_h5oina_without_spectra_and_with_two_detectors(tmp_path: Path) -> None:
    oina(tmp_path / "maps.h5oina", spectra=False)
    with pytest.raises(NoMapError, match="no EDS spectra, only"):
        open_file(tmp_path / "maps.h5oina")
    oina(tmp_path / "two.h5oina", detectors=("EDS1", "EDS2"))
    with pytest.raises(FileFormatError, match=r"2 EDS maps \(0 = 1/EDS1"):
        open_file(tmp_path / "two.h5oina")
    assert open_file(tmp_path / "two.h5oina", spectrum_image="1/EDS2").shape == (2, 3)
    with pytest.raises(InputError, match="names 0 of"):
        open_file(tmp_path / "two.h5oina", spectrum_image=2)
    with h5py.File(tmp_path / "two.h5oina", "r+") as file:
        file["1/EDS1/Header/X Cells"][0] = 4
    with pytest.raises(FileFormatError, match="for a map of 2 x 4 pixels"):
        open_file(tmp_path / "two.h5oina", spectrum_image=0)

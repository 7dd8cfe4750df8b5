"""To and from HyperSpy: signals, and eXSpy's table of lines.

This module and `hyperspy_engine` are the only ones that import hyperspy and exspy, and only inside functions:
the import takes seconds.

HyperSpy's conventions that matter here
---------------------------------------
live and real time : per spectrum (its `sum` multiplies them by the number of pixels); edsnb's are the whole map's.
missing metadata : EDSTEMSpectrum fills in take-off 35, azimuth 0, tilt 0 degrees and 130 eV on its own.
energy axis : keV, binned, so that a fitted area is a number of counts.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from edsnb.core.events import Array, Events, smallest_unsigned
from edsnb.core.fitting.lines import LineFamily, atomic_number
from edsnb.core.image import Acquisition, EnergyAxis, SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.errors import InputError
from edsnb.io.vendor import from_dictionary

LARGEST_SIGNAL_BYTES = 4_000_000_000
"""`to_signal` refuses dense cubes above this size."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep HyperSpy's warnings and log lines to itself: what matters of them is checked on the result."""
    loggers = [logging.getLogger(name) for name in ("hyperspy", "exspy")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def libraries() -> tuple[ModuleType, ModuleType]:
    """Import and return (hyperspy, exspy); they warn about each other while they load."""
    with quiet():
        import exspy
        import exspy.material
        import exspy.signals
        import hyperspy.api
    return hyperspy, exspy


def to_signal(image: SpectrumImage) -> Any:
    """Return a map as a dense HyperSpy signal.

    Parameters
    ----------
    image
        A map of ny x nx pixels and E channels.

    Returns
    -------
    exspy.signals.EDSTEMSpectrum
        (nx, ny | E) in the smallest unsigned type that holds every count (float64 where counts are not whole),
        with the image's calibration, acquisition and elements.

    Raises
    ------
    NoMapError
        The file holds no spectrum image.
    InputError
        The dense cube would take more than `LARGEST_SIGNAL_BYTES`.
    """
    matrix = _merged(image.require_events())
    needed = matrix.dtype.itemsize * matrix.shape[0] * matrix.shape[1]
    if needed > LARGEST_SIGNAL_BYTES:
        raise InputError(
            f"a dense signal of {image.shape[0]} x {image.shape[1]} pixels and {image.energy.size} channels takes "
            f"{needed / 1e9:.1f} GB, more than the {LARGEST_SIGNAL_BYTES / 1e9:.0f} GB that are sensible. "
            "Cut the map into chips first and use edsnb.io.hyperspy.spectra_to_signal."
        )
    pixel = {"scale": image.pixel_nm, "units": "nm"} if image.pixel_nm else {}
    axes = [{"name": name, "size": size, **pixel} for name, size in zip("yx", image.shape, strict=True)]
    symbols = [setting.symbol for setting in image.elements]
    metadata = _metadata(image.acquisition, image.source, symbols, (), 1 / max(matrix.shape[0], 1))
    return _signal(matrix.toarray().reshape(*image.shape, -1), axes, image.energy, metadata)


def spectra_to_signal(spectra: Spectra, *, elements: Sequence[str] = (), lines: Sequence[str] = ()) -> Any:
    """Return n spectra as a HyperSpy signal with one navigation axis.

    Parameters
    ----------
    spectra
        n spectra of E channels.
    elements
        Symbols to set as the sample's elements; those of the vendor's software by default.
    lines
        X-ray lines to set, such as ``La_La``.

    Returns
    -------
    exspy.signals.EDSTEMSpectrum
        (n | E), with calibration, acquisition and elements. Live and real time are a chip's own where all
        chips have as many pixels, else they are left out.
    """
    share: float | None = 1.0
    if spectra.regions is not None:
        sizes = np.unique(spectra.regions.sizes)
        total = spectra.regions.shape[0] * spectra.regions.shape[1]
        share = float(sizes[0]) / total if len(sizes) == 1 else None
    symbols = list(elements) or [setting.symbol for setting in spectra.elements]
    metadata = _metadata(spectra.acquisition, spectra.source, symbols, lines, share)
    return _signal(np.array(spectra.counts), [{"name": "chip", "size": len(spectra)}], spectra.energy, metadata)


def from_signal(signal: Any) -> SpectrumImage:
    """Return a HyperSpy signal as a SpectrumImage.

    Parameters
    ----------
    signal
        EDSTEMSpectrum, EDSSEMSpectrum or any Signal1D of counts along an energy axis in keV or eV, lazy or not; a lazy
        one is computed a few pixels at a time.

    Returns
    -------
    SpectrumImage
        A signal with two navigation axes becomes a map, with one a map of a single row; a single spectrum stands in
        ``spectra``, without a map. Its digest is that of the counts.

    Raises
    ------
    InputError
        There is no linear energy axis in keV or eV, more than two others, or the values cannot be counts.
    """
    hyperspy, _ = libraries()
    axes = list(signal.axes_manager.as_dictionary().values())
    image = from_dictionary({"data": signal.data, "axes": axes, "metadata": signal.metadata.as_dictionary()})
    pixels = max(int(signal.axes_manager.navigation_size), 1)
    live, real = image.acquisition.live_time_s, image.acquisition.real_time_s
    acquisition = replace(
        image.acquisition,
        live_time_s=None if live is None else live * pixels,
        real_time_s=None if real is None else real * pixels,
    )
    spectra = image.spectra and replace(image.spectra, acquisition=acquisition)
    return replace(image, acquisition=acquisition, spectra=spectra, software=f"HyperSpy {hyperspy.__version__} signal")


@cache
def exspy_family(element: str, shell: str) -> LineFamily | None:
    """Return a family as HyperSpy's EDSTEMModel builds it; None where eXSpy lists no such lines.

    The model takes the area of the alpha line as 1 and eXSpy's weights for the others, also for Ca, Sc and Ti L,
    where the table gives La itself a weight other than 1. At to Ra have M lines but no Ma: no line is marked
    alpha there, and HyperSpy's model leaves the family out.
    """
    atomic_number(element)
    _, exspy = libraries()
    path = f"{element}.Atomic_properties.Xray_lines"
    table = exspy.material.elements
    lines = table.get_item(path).as_dictionary() if table.has_item(path) else {}
    alpha = f"{shell}a"
    own = {name: 1.0 if name == alpha else float(lines[name]["weight"]) for name in sorted(lines) if name[0] == shell}
    if not own:
        return None
    total = sum(own.values())
    return LineFamily(
        element,
        shell,
        tuple(float(lines[name]["energy (keV)"]) for name in own),
        tuple(weight / total for weight in own.values()),
        tuple(name == alpha for name in own),
        f"eXSpy {exspy.__version__}",
    )


def _merged(events: Events) -> Any:
    """Return the events as a CSR matrix without repeated channels, in the smallest type that holds the counts."""
    whole = events.count is None or np.issubdtype(events.count.dtype, np.integer)
    count: Array = np.ones(len(events.channel)) if events.count is None else events.count
    count = count.astype(np.uint32 if whole else np.float64)
    matrix = csr_array((count, events.channel.astype(np.int32), events.indptr.copy()), (events.pixels, events.channels))
    matrix.sum_duplicates()
    return matrix.astype(smallest_unsigned(int(matrix.data.max(initial=0)))) if whole else matrix


def _metadata(
    acquisition: Acquisition, source: str, elements: Iterable[str], lines: Iterable[str], share: float | None
) -> dict[str, Any]:
    """Return HyperSpy metadata; `share` is the part of the whole map's time that one spectrum took."""
    for element in elements:
        atomic_number(element)
    share = np.nan if share is None else share
    times = {"live_time": acquisition.live_time_s, "real_time": acquisition.real_time_s}
    eds = {
        "elevation_angle": acquisition.take_off_deg,
        "azimuth_angle": acquisition.azimuth_deg,
        "energy_resolution_MnKa": acquisition.resolution_ev,
        **{name: None if value is None or np.isnan(share) else value * share for name, value in times.items()},
    }
    current = acquisition.current_pa
    microscope = {
        "beam_energy": acquisition.beam_kev,
        "beam_current": None if current is None else current / 1e3,
        "Stage": _said({"tilt_alpha": acquisition.tilt_deg}),
        "Detector": {"EDS": _said(eds)},
    }
    sample = {"elements": sorted(set(elements)), "xray_lines": sorted(set(lines))}
    return {
        "General": {"title": "EDS", "original_filename": source},
        "Signal": {"signal_type": "EDS_TEM"},
        "Acquisition_instrument": {"TEM": _said(microscope)},
        **({"Sample": {name: value for name, value in sample.items() if value}} if any(sample.values()) else {}),
    }


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` without what is not known."""
    return {name: value for name, value in values.items() if value is not None}


def _signal(data: Array, navigation: list[dict[str, Any]], energy: EnergyAxis, metadata: dict[str, Any]) -> Any:
    """Return an EDSTEMSpectrum."""
    _, exspy = libraries()
    channel = {
        "name": "X-ray energy",
        "size": energy.size,
        "scale": energy.scale_kev,
        "offset": energy.offset_kev,
        "units": "keV",
        "navigate": False,
    }
    with quiet():
        return exspy.signals.EDSTEMSpectrum(
            data, axes=[*({**axis, "navigate": True} for axis in navigation), channel], metadata=metadata
        )

"""The JSON documents of a Velox file (EMD 11), as `write` needs them.

Velox stores numbers and flags of its metadata as text, those of its settings as JSON values. What an image does not
say is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import radians
from typing import Any
from urllib.parse import quote

import edsnb
from edsnb.core.fitting.lines import atomic_number
from edsnb.core.image import SpectrumImage, Survey

Json = dict[str, Any]

ACQUIRED = 1735689600
"""2025-01-01 UTC: every file has this date, so that a simulation gives the same bytes each time."""
_TRANSITIONS = {
    "K": (("L3", "K"), ("L2", "K")),
    "L": (("M5", "L3"), ("M4", "L3")),
    "M": (("N7", "M5"), ("N6", "M5")),
}
_HAADF_RAD = (0.050, 0.200)


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and documents of the file of one map."""

    image: SpectrumImage
    survey: Survey
    """The image written beside the map."""
    frames: int
    segments: int

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the segments: ``SuperXG21`` ..."""
        whole = (self.image.acquisition.detector or "SuperXG2").rstrip("1234567890")
        whole = f"{whole}2" if whole == "SuperXG" else whole
        return tuple(f"{whole}{i + 1}" for i in range(self.segments))

    def uuid(self, role: str) -> str:
        """Return an id for one part of the file, made from the map's digest: 32 hexadecimal digits."""
        return hashlib.sha256(f"{self.image.digest}/{role}".encode()).hexdigest()[:32]

    def metadata(self, detector: str, frame: int) -> Json:
        """Return the metadata of one frame of the data of `detector`; times count from the first frame."""
        image, acquisition = self.image, self.image.acquisition
        names = [self.survey.name, *self.detectors]
        width = image.pixel_nm
        return {
            "Core": {"MetadataDefinitionVersion": "7.9", "MetadataSchemaVersion": "v1/2013/07", "guid": "0" * 32},
            "Instrument": {"Manufacturer": "none", "InstrumentClass": "Simulation", "InstrumentModel": "edsnb"},
            "Acquisition": {"AcquisitionStartDatetime": {"DateTime": str(ACQUIRED)}, "SourceType": "XFEG"},
            "Optics": _texts(
                AccelerationVoltage=_times(acquisition.beam_kev, 1e3),
                ScreenCurrent=_times(acquisition.current_pa, 1e-12),
                OperatingMode=2,
            ),
            "Stage": _texts(
                AlphaTilt=None if acquisition.tilt_deg is None else radians(acquisition.tilt_deg), BetaTilt=0
            ),
            "Scan": self._scan(),
            "Detectors": {f"Detector-{i}": self._detector(i, frame) for i in range(len(names))},
            "BinaryResult": {
                "AcquisitionUnit": "",
                "CompositionType": "",
                **_texts(DetectorIndex=names.index(detector) if detector in names else None),
                "Detector": detector,
                "PixelSize": dict.fromkeys(("width", "height"), _number((width or 1.0) * (1e-9 if width else 1.0))),
                "PixelUnitX": "m" if width else "",
                "PixelUnitY": "m" if width else "",
                "Offset": {"x": "0", "y": "0"},
                "Encoding": "",
            },
            "Sample": {"SampleId": image.source, "SampleDescription": image.software},
            "CustomProperties": {"Velox.Series.FrameNumber": {"type": "long", "value": str(frame + 1)}},
        }

    def _scan(self) -> Json:
        """Return the raster."""
        (ny, nx), dwell = self.image.shape, self.image.acquisition.dwell_time_s
        return {
            "ScanSize": {"width": str(nx), "height": str(ny)},
            "ScanArea": {"left": "0", "top": "0", "right": "1", "bottom": "1"},
            **_texts(DwellTime=dwell, LineTime=_times(dwell, nx), FrameTime=_times(dwell, nx * ny), ScanRotation=0),
        }

    def _detector(self, index: int, frame: int) -> Json:
        """Return what the metadata say of the imaging detector (index 0) or a segment."""
        if index == 0:
            inner, outer = _HAADF_RAD
            angles = {"begin": _number(inner), "end": _number(outer)}
            kind = {"DetectorType": "ScanningDetector", "Inserted": "true", "Enabled": "true"}
            return {"DetectorName": self.survey.name, **kind, "CollectionAngleRange": angles}
        acquisition, energy = self.image.acquisition, self.image.energy
        elevation, share = acquisition.take_off_deg, (frame + 1) / self.frames
        azimuth = ((acquisition.azimuth_deg if self.segments == 1 else None) or 45.0) + 90.0 * (index - 1)
        return {
            "DetectorName": self.detectors[index - 1],
            "DetectorType": "AnalyticalDetector",
            "Inserted": "true",
            "Enabled": "true",
            **_texts(
                ElevationAngle=None if elevation is None else radians(elevation),
                AzimuthAngle=radians(azimuth),
                CollectionAngle=acquisition.solid_angle_sr,
                Dispersion=1e3 * energy.scale_kev,
                RealTime=_times(acquisition.real_time_s, share),
                LiveTime=_times(acquisition.live_time_s, share),
                OffsetEnergy=1e3 * energy.offset_kev,
                ElectronicsNoise=25,
                BeginEnergy=_times(acquisition.begin_energy_kev, 1e3),
            ),
        }

    def acquisition_settings(self) -> Json:
        """Return the settings that stand beside a stream."""
        ny, nx = self.image.shape
        return {
            "encoding": "uint16",
            "bincount": str(self.image.energy.size),
            "StreamEncoding": "uint16",
            "Size": "2097152",
            "RasterScanDefinition": {"Width": str(nx), "Height": str(ny)},
        }

    def documents(self) -> Iterator[tuple[str, Json]]:
        """Yield (path, document) of everything but the data's own groups."""
        yield "Version", {"version": "11", "format": "Velox"}
        yield "Info", {"applicationVersion": f"edsnb {edsnb.__version__}"}
        log = f"Data/Text/{self.uuid('log')}"
        yield (
            log,
            {"text": quote(f"2025-01-01T00:00:00+0000 {self.image.source or 'map'}, written by edsnb\n", safe="")},
        )
        yield "Experiment", {"log": f"/{log}"}
        yield from self._displays()
        yield from self._feature()

    def _displays(self) -> Iterator[tuple[str, Json]]:
        """Yield the display that gives the survey its name."""
        reference = f"SharedProperties/ImageSeriesDataReference/{self.uuid('survey reference')}"
        yield reference, {"dataPath": f"/Data/Image/{self.uuid('survey')}", "frameIndex": 0}
        name = self.survey.name
        display = {"data": f"/{reference}", "id": name, "title": name}
        yield f"Displays/ImageDisplay/{self.uuid('survey display')}", display

    def _feature(self) -> Iterator[tuple[str, Json]]:
        """Yield what ties streams, map and element selection together."""
        segments = []
        for index, name in enumerate(self.detectors):
            segment: Json = {"index": index + 1, "summed": True}
            for key, group in (("renderedSpectrum", "Spectrum"), ("spectrumStream", "SpectrumStream")):
                reference = f"SharedProperties/DataReference/{self.uuid(f'{group} reference {name}')}"
                yield reference, {"dataPath": f"/Data/{group}/{self.uuid(f'{group} {name}')}"}
                segment[key] = f"/{reference}"
            segments.append(segment)
        reference = f"SharedProperties/DataReference/{self.uuid('map reference')}"
        yield reference, {"dataPath": f"/Data/SpectrumImage/{self.uuid('map')}"}
        settings = f"SharedProperties/EDSSpectrumQuantificationSettings/{self.uuid('settings')}"
        yield settings, quantification_settings(self.image)
        feature = f"Features/SIFeature/{self.uuid('feature')}"
        stem = {"physicalDetector": self.survey.name, "data": f"/Data/Image/{self.uuid('survey')}"}
        area = {"position": {"x": 0, "y": 0}, "size": {"height": 1, "width": 1}}
        yield (
            feature,
            {
                "eds": {
                    "detectors": [{"physicalDetector": self.detectors[0][:-1], "segments": segments}],
                    "quantificationSettings": f"/{settings}",
                    "spectrumImage": f"/{reference}",
                },
                "quantificationMode": "Integration",
                "stem": {"scanArea": area, "stemDetectors": [stem]},
            },
        )
        yield "Features/Features", {"features": [{"SIFeature": f"/{feature}"}]}


def quantification_settings(image: SpectrumImage) -> Json:
    """Return the element selection of a map as Velox stores it."""
    chosen = sorted(image.elements, key=lambda setting: atomic_number(setting.symbol))
    return {
        "absorptionCorrection": {"enabled": False, "sampleThickness": 5e-08, "density": 1, "useDensity": False},
        "elementProperties": [
            {
                "element": atomic_number(setting.symbol),
                "atomicShellFamily": setting.family or "K",
                "quantify": setting.quantify,
                "xrayTransitions": _transitions(_TRANSITIONS.get(setting.family or "K", ())),
            }
            for setting in chosen
        ],
        **({"elementSelection": [atomic_number(setting.symbol) for setting in chosen]} if chosen else {}),
        "ionizationCrossSectionModel": "BrownPowell",
    }


def _transitions(pairs: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"from": outer, "to": inner} for outer, inner in pairs]


def _texts(**values: float | None) -> Json:
    """Return the numbers that are known, as text."""
    return {key: _number(value) for key, value in values.items() if value is not None}


def _number(value: float) -> str:
    """Return a number as Velox writes it: 17 digits, which give the same value back."""
    return f"{value:.17g}"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor

"""What a simulation is made of, as a record that survives as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.image import EnergyAxis
from edsnb.core.regions import Regions
from edsnb.core.runs import from_runs, to_runs
from edsnb.core.simulation.emission import Instrument
from edsnb.errors import FileFormatError

_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a simulation is made of, to compare results with."""

    system: str
    """Name of the film system."""
    names: tuple[str, ...]
    """Phase of each value of the label map."""
    labels: Array
    """(ny, nx) uint8, phase of each pixel."""
    phases: Mapping[str, Mapping[str, float]]
    """Atomic percent of each phase, contaminants left out; vacuum has none."""
    lines: tuple[str, ...]
    """Families meant for quantification."""
    k_factors: Mapping[str, float]
    """k in use, by family, for the counts of the whole family (convention ``family``)."""
    k_source: str
    instrument: Instrument
    """Axis that the file states, and how the detector really is."""
    shares: Mapping[str, tuple[tuple[float, float], ...]]
    """Lines of each family: energy in keV and share of the family's detected counts."""
    alpha_fractions: Mapping[str, float]
    """Share of each family's detected counts in its alpha line."""
    expected: Mapping[str, Mapping[str, float]]
    """Expected counts of each phase: of every family (all its lines), ``background``, ``noise`` and ``pixels``."""
    counts: float
    """X-rays per pixel of the specimen that were asked for."""
    frames: int
    seed: int

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "labels", frozen(self.labels))

    def phase_of(self, regions: Regions, *, purity: float = 1.0) -> tuple[str | None, ...]:
        """Return the phase that fills at least the share `purity` of each region, None where none does."""
        flat, found = self.labels.ravel(), []
        for start, stop in pairwise(regions.indptr.tolist()):
            held = np.bincount(flat[regions.pixels[start:stop]], minlength=len(self.names))
            most = int(held.argmax())
            found.append(self.names[most] if stop > start and held[most] >= purity * (stop - start) else None)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the label map as (value, length) runs, row by row."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in ("labels", "instrument")}
        axis = self.instrument.energy
        true = {"offset_kev": axis.offset_kev, "scale_kev": axis.scale_kev}
        return {
            "format": _FORMAT,
            "k_convention": "family",
            **values,
            "instrument": asdict(self.instrument),
            "true_energy": true,
            "labels": {"shape": list(self.labels.shape), "runs": to_runs(self.labels)},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Truth:
        """Return the truth that `to_dict` gave; raise FileFormatError for anything else."""
        try:
            if values["format"] != _FORMAT:
                raise ValueError(f"format {values['format']}, edsnb reads {_FORMAT}")
            own = {name: values[name] for name in cls.__slots__}
            own["labels"] = from_runs(own["labels"]["runs"], own["labels"]["shape"]).astype(np.uint8)
            instrument = dict(own["instrument"])
            own["instrument"] = Instrument(**{**instrument, "stated": EnergyAxis(**instrument["stated"])})
            own["shares"] = {name: tuple(map(tuple, lines)) for name, lines in own["shares"].items()}
            return cls(**{**own, "names": tuple(own["names"]), "lines": tuple(own["lines"])})
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"this is no truth of an edsnb simulation: {type(error).__name__} {error}."
            ) from error

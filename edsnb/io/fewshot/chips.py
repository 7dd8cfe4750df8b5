"""What is handed over: chips with patches, spectra, composition, labels and features, all in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.features import Features, features
from edsnb.core.patches import Patches, cut
from edsnb.errors import InputError
from edsnb.io.fewshot.formats import FORMATS, Format
from edsnb.io.fewshot.names import Naming, check_folders, find_chips, safe_name, stems

if TYPE_CHECKING:
    import pandas as pd

    from edsnb.core.events import Array
    from edsnb.pipeline import Analysis

PLACES = ("row", "col", "y0", "x0", "height", "width")
"""Where a chip lies: the truth, whatever it is called."""


@dataclass(frozen=True, slots=True, eq=False)
class Chips:
    """n chips to hand over, in the order of the analysis' spectra."""

    analysis: Analysis
    patches: Patches | None
    """None for stored spectra, which lie nowhere."""
    labels: Mapping[str, tuple[str, ...]]
    """{class: names of its labelled chips}, empty without labels."""
    features: Features
    name: str
    """What the map is called: safe as a folder."""
    naming: Naming
    """How pyCHIP's tree calls the chips."""
    energy_bin: int | None
    """Channels summed into one of ``eds.npy``; None for as many as keep it below its budget."""

    def __len__(self) -> int:
        """Return n."""
        return len(self.analysis.spectra)

    @property
    def label(self) -> list[str | None]:
        """The n labels; None for chips without one."""
        of = {chip: name for name, chips in self.labels.items() for chip in chips}
        return [of.get(name) for name in self.analysis.spectra.names]

    @property
    def picture_note(self) -> str:
        """What to know where the patches are none of a HAADF image; empty where they are."""
        if self.patches is None or "HAADF" in self.patches.name.upper():
            return ""
        return f"No HAADF image lies on the map's raster: what is called haadf here was cut from {self.patches.name}."

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know beyond the formats."""
        notes = list(self.analysis.image.notes)
        if self.patches is None:
            notes.append("The spectra were stored without a map: there are no places and no patches.")
        elif self.picture_note:
            notes.append(self.picture_note)
        bad = int((~np.isfinite(self.analysis.quantification.atomic).all(axis=1)).sum())
        if bad:
            notes.append(
                f"{bad} of {len(self)} chips have no composition: their at% is missing and their status says why."
            )
        return tuple(notes)

    def require_patches(self, wanted: Format) -> Patches:
        """Return the patches, or raise InputError where there are none or one is empty."""
        if self.patches is None:
            raise InputError(
                f"export: {wanted} needs patches of an image, but these are spectra stored without a map. "
                f"Choose among {', '.join(name for name, info in FORMATS.items() if not info.picture)}."
            )
        if (empty := np.flatnonzero(self.patches.regions.sizes == 0)).size:
            names = [self.patches.regions.names[k] for k in empty[:5]]
            raise InputError(
                f"export: {wanted} cannot show regions without a pixel ({', '.join(names)}); leave them out."
            )
        return self.patches

    def places(self) -> dict[str, Array | None]:
        """Return {name: (n,)} of `PLACES`; None where chips lie nowhere, or in no row and column."""
        if self.patches is None:
            return dict.fromkeys(PLACES)
        cells = self.patches.regions.cells
        columns = [None, None] if cells is None else [cells[:, 0], cells[:, 1]]
        return dict(zip(PLACES, [*columns, *self.patches.boxes.T], strict=True))

    def table(self) -> pd.DataFrame:
        """Return the analysis' table with the chips' places, one row a chip; see `Quantification.to_frame`."""
        import pandas as pd

        frame = self.analysis.to_frame().drop(columns=["row", "col", "y0", "y1", "x0", "x1"])
        absent = pd.array([None] * len(self), dtype="Int64")
        for place, (name, values) in enumerate(self.places().items()):
            frame.insert(1 + place, name, pd.Series(absent if values is None else values))
        if self.labels:
            frame.insert(1, "label", pd.Series(self.label, dtype="str"))
        return frame

    def index(self, files: Sequence[str], order: Sequence[int] | None = None) -> pd.DataFrame:
        """Return ``file,chip,row,col,y0,x0,height,width`` and labels: which chip each file is, in the files' order."""
        frame = self.table()
        columns = ["chip", *PLACES, *(["label"] if self.labels else [])]
        frame = frame[columns].iloc[list(order) if order is not None else slice(None)]
        frame.insert(0, "file", list(files))
        return frame


def gather(
    analysis: Analysis,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    naming: str = Naming.GUI,
    energy_bin: int | None = None,
    name: str | None = None,
) -> Chips:
    """Bring together what is handed over; see `edsnb.io.fewshot.write.export_analysis` for the settings.

    Raises
    ------
    InputError
        A label, a naming or the energy bin cannot be used.
    """
    if naming not in tuple(Naming):
        raise InputError(f"export: naming {naming!r} is unknown; choose among {', '.join(Naming)}.")
    if energy_bin is not None and energy_bin < 1:
        raise InputError(f"export: {energy_bin} channels cannot be summed into one; give 1 or more.")
    regions = analysis.spectra.regions
    patches = cut(analysis.image, regions) if regions is not None else None
    checked = check_labels(labels or {}, analysis)
    made = features(analysis.quantification, patches, labels=checked)
    source = Path(analysis.image.source)
    # What came from no file is said in words, which may hold a slash too.
    called = name or (source.stem if source.suffix else analysis.image.source)
    return Chips(analysis, patches, checked, made, safe_name(called, "map"), Naming(naming), energy_bin)


def check_labels(labels: Mapping[str, Sequence[str]], analysis: Analysis) -> Mapping[str, tuple[str, ...]]:
    """Return {class: names of chips}, whatever naming they came in.

    Raises
    ------
    InputError
        A class is empty or cannot be a folder; a chip does not exist, or stands in two classes.
    """
    if empty := [name for name, chips in labels.items() if isinstance(chips, str) or not len(chips)]:
        raise InputError(
            f"labels: class {empty[0]!r} has no list of chips; give some, such as ['R0C1'], or leave it out."
        )
    if not labels:
        return MappingProxyType({})
    check_folders(labels)
    regions = analysis.spectra.regions
    if regions is None:
        raise InputError("labels: spectra stored without a map are no chips, so they cannot be labelled.")
    try:
        places = find_chips([chip for chips in labels.values() for chip in chips], regions)
    except InputError as error:
        raise InputError(f"labels: {error}") from None
    found = iter(places)
    return MappingProxyType({name: tuple(regions.names[next(found)] for _ in chips) for name, chips in labels.items()})


def describe_features(made: Features) -> dict[str, Any]:
    """Return what the columns of the features are."""
    return {"names": list(made.names), "blocks": list(made.blocks), "weights": dict(made.weights), "note": made.note}


def file_stems(chips: Chips) -> list[str]:
    """Return the name of each chip's file, without its ending."""
    return stems(chips.analysis.spectra.regions) if chips.analysis.spectra.regions is not None else []

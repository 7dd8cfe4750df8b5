"""What a few-shot model said of the chips: classes, probabilities, and where they lie on the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.regions import Regions
from edsnb.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Classes of n chips, in the order of the regions."""

    regions: Regions
    """The n chips or other regions."""
    classes: tuple[str, ...]
    """C classes."""
    probabilities: Array
    """(n, C) as the model gave them; NaN where it failed."""
    prediction: Array
    """(n,) number of the class that the model chose, -1 where it chose none."""
    source: str = ""
    """Where they come from."""

    def __post_init__(self) -> None:
        """Check the shapes and freeze the arrays."""
        n, c = len(self.regions), len(self.classes)
        prediction = np.asarray(self.prediction)
        if len(set(self.classes)) != c or not c:
            raise InputError(f"labels: classes {', '.join(self.classes) or 'none'}; each must stand there once.")
        if np.shape(self.probabilities) != (n, c) or prediction.shape != (n,):
            raise InputError(
                f"labels: probabilities {np.shape(self.probabilities)} and predictions {prediction.shape} for {n} "
                f"regions and {c} classes."
            )
        if n and not -1 <= prediction.min() <= prediction.max() < c:
            raise InputError(f"labels: predictions {prediction.min()} to {prediction.max()} of {c} classes.")
        object.__setattr__(self, "probabilities", frozen(np.asarray(self.probabilities, np.float64)))
        object.__setattr__(self, "prediction", frozen(prediction.astype(np.int32)))

    def __len__(self) -> int:
        """Return n."""
        return len(self.regions)

    @property
    def names(self) -> tuple[str, ...]:
        """The n names of chips."""
        return self.regions.names

    @property
    def predicted(self) -> tuple[str | None, ...]:
        """The n predicted classes by name, None where there is none."""
        return tuple(self.classes[k] if k >= 0 else None for k in self.prediction.tolist())

    @property
    def margin(self) -> Array:
        """(n,) probability of the predicted class less the highest other; below 0 where the model said otherwise.

        NaN where there is no prediction or no probability. What a smallest margin marks is the next chip to label.
        """
        out = np.full(len(self), np.nan)
        chosen = np.flatnonzero(self.prediction >= 0)
        others = self.probabilities[chosen].copy()
        rows = np.arange(len(chosen)), self.prediction[chosen]
        own, others[rows] = others[rows], 0.0
        out[chosen] = own - others.max(axis=1, initial=0.0)
        return out

    def uncertain(self, count: int = 5) -> tuple[str, ...]:
        """Return the chips of the smallest margins, smallest first: those whose label tells most."""
        margin = self.margin
        order = np.argsort(margin, kind="stable")
        return tuple(self.names[k] for k in order[np.isfinite(margin[order])][:count].tolist())

    def map(self) -> Array:
        """Return the number of the class of each chip (rows, columns); -1 where there is none."""
        cells = self.regions.cells
        if cells is None:
            raise InputError(f"labels: {len(self)} regions that are no grid have no rows; use pixel_map() instead.")
        out = np.full(cells.max(axis=0) + 1, -1, np.int32)
        out[cells[:, 0], cells[:, 1]] = self.prediction
        return out

    def pixel_map(self) -> Array:
        """Return the number of the class of each pixel (ny, nx); -1 outside. The first region wins an overlap."""
        labels = self.regions.labels()
        return np.where(labels >= 0, np.append(self.prediction, -1)[labels], -1).astype(np.int32)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a chip: ``chip,row,col,y0,x0,height,width,prediction,margin`` and ``p_{class}`` of each."""
        import pandas as pd

        boxes = np.where(self.regions.sizes[:, None] > 0, self.regions.boxes, 0)
        cells = self.regions.cells
        absent = pd.array([None] * len(self), dtype="Int64")
        return pd.DataFrame({
            "chip": self.names,
            "row": absent if cells is None else cells[:, 0],
            "col": absent if cells is None else cells[:, 1],
            "y0": boxes[:, 0],
            "x0": boxes[:, 2],
            "height": boxes[:, 1] - boxes[:, 0],
            "width": boxes[:, 3] - boxes[:, 2],
            "prediction": self.predicted,
            "margin": self.margin,
            **{f"p_{name}": self.probabilities[:, k] for k, name in enumerate(self.classes)},
        })  # fmt: skip

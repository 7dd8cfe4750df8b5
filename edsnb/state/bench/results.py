"""A run's numbers as they are shown: maps of chips, one table, a line for one chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import Status
from edsnb.core.owners import owner_at, paint
from edsnb.core.regions import Regions
from edsnb.pipeline import Analysis

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = {"at%": "atomic", "wt%": "weight", "± at%": "sd_atomic", "Counts": "counts"}
"""What can be mapped, by its label."""
Extent = tuple[float, float, float, float]
"""Where an image lies on the map: y0, y1, x0, x1 in pixels, ends excluded."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One element in all chips."""

    name: str
    """Symbol."""
    values: Array
    """(n,)."""
    sd: Array
    """(n,) standard deviation; NaN where `values` are themselves such."""
    unit: str


def layers(analysis: Analysis, quantity: str) -> tuple[Layer, ...]:
    """Return a quantity of every quantified element, in the order of the quantification."""
    quant = analysis.quantification
    unknown = np.full(quant.atomic.shape, np.nan)
    values, sd, unit = {
        "atomic": (quant.atomic, quant.sd_atomic, "at%"),
        "weight": (quant.weight, quant.sd_weight, "wt%"),
        "sd_atomic": (quant.sd_atomic, unknown, "at%"),
        "counts": (quant.fit.intensities[:, quant.columns], quant.fit.sd[:, quant.columns], "counts"),
    }[quantity]
    return tuple(Layer(e, values[:, k], sd[:, k], unit) for k, e in enumerate(quant.elements))


def common_limits(found: Sequence[Layer]) -> tuple[float, float] | None:
    """Return colour limits from zero that hold for several elements; None where there is nothing to draw."""
    values = [layer.values[np.isfinite(layer.values)] for layer in found]
    highest = max((float(v.max()) for v in values if v.size), default=0.0)
    return (0.0, highest) if highest > 0 else None


def on_map(values: Array, regions: Regions) -> tuple[Array, Extent]:
    """Return one value a chip as an image, and where it lies; a pixel a chip where chips leave no gaps."""
    grid, (ny, nx) = regions.grid, regions.shape
    if grid is None or grid.step > grid.size:
        return paint(values, regions), (0, ny, 0, nx)
    rows, columns = grid.counts_in(regions.shape)
    y0, _, x0, _ = grid.crop_in(regions.shape)
    # Chips that overlap are drawn as far as each is the nearest; those at the edges are drawn as wide as the others.
    rim = 0.5 * (grid.size - grid.step)
    top, left = y0 + grid.origin[0] + rim, x0 + grid.origin[1] + rim
    image = np.asarray(values, np.float32).reshape(rows, columns)
    return image, (top, top + rows * grid.step, left, left + columns * grid.step)


def table(analysis: Analysis, quantity: str) -> pd.DataFrame:
    """Return one row a chip: ``chip, status, counts, chi2``, then value and standard deviation of each element."""
    import pandas as pd

    quant = analysis.quantification
    fit = quant.fit
    columns: dict[str, object] = {
        "chip": list(fit.spectra.names),
        "status": [Status(s).name.lower().replace("_", " ") for s in quant.status.tolist()],
        "counts": fit.spectra.counts[:, fit.channels].sum(axis=1, dtype=np.int64),
        "chi2": fit.chi2,
    }
    for layer in layers(analysis, quantity):
        columns[layer.name] = layer.values
        if np.isfinite(layer.sd).any():
            columns[f"± {layer.name}"] = layer.sd
    return pd.DataFrame(columns)


def said(analysis: Analysis, name: str, quantity: str) -> str:
    """Return one chip's result in a line."""
    names = analysis.spectra.names
    if name not in names:
        return ""
    index = names.index(name)
    status = Status(int(analysis.quantification.status[index]))
    found = layers(analysis, quantity)
    if status not in (Status.OK, Status.NOT_CONVERGED):
        return f"{name}: {status.sentence}."
    parts = [f"{layer.name} {_with_error(layer.values[index], layer.sd[index])}" for layer in found]
    unit = found[0].unit if found else ""
    note = "" if status is Status.OK else f" ({status.sentence})"
    return f"{name}: {', '.join(parts)} {unit}{note}"


def chip_at(analysis: Analysis, y: float, x: float) -> str | None:
    """Return the name of the chip at a point of the map; None where there is none."""
    regions = analysis.spectra.regions
    number = None if regions is None else owner_at(regions, y, x)
    return None if number is None else analysis.spectra.names[number]


def middle(analysis: Analysis) -> str:
    """Return the name of the chip in the middle of the grid; of other regions or spectra the first."""
    regions = analysis.spectra.regions
    if regions is None or regions.grid is None:
        return analysis.spectra.names[0]
    rows, columns = regions.grid.counts_in(regions.shape)
    return analysis.spectra.names[rows // 2 * columns + columns // 2]


def summary(analysis: Analysis) -> str:
    """Say in a line what a run made."""
    status = analysis.quantification.status
    good = int(np.isin(status, (Status.OK, Status.NOT_CONVERGED)).sum())
    regions = analysis.spectra.regions
    kind = "spectra" if regions is None else "chips" if regions.grid is not None else "regions"
    text = f"{len(status):,} {kind} in {sum(analysis.seconds.values()):.2g} s"
    return text if good == len(status) else f"{text}; {len(status) - good:,} could not be quantified"


def _with_error(value: float, sd: float) -> str:
    """Return a value with its error, to two digits of the error."""
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(sd) or sd <= 0:
        return f"{value:.3g}"
    digits = max(0, 1 - int(np.floor(np.log10(sd))))
    return f"{value:,.{digits}f} ± {sd:,.{digits}f}"

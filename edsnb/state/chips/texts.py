"""Chips in words: what a grid makes of a map, where a chip lies, what is under the mouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Regions

if TYPE_CHECKING:
    from edsnb.state.chips.state import ChipState

POINT = "Point at a map to read it; click to select a chip, shift-click to add one."
"""What is said while the mouse is elsewhere."""
_MOST_NAMED = 6


def summary_of(state: ChipState) -> str:
    """Say what the grid makes of the map, and how many X-rays its chips hold."""
    grid, shape, parts = state.grid, state.shape, []
    if grid is None or not shape[0]:
        return ""
    pixel_nm = state.image.pixel_nm if state.image is not None else None
    if state.use != "drawn":
        text = grid.describe(shape)
        size = f" of {grid.size} px"
        parts.append(text.replace(size, f"{size} ({length(grid.size, pixel_nm)})", 1) if pixel_nm else text)
        if state.grid_chips and state.chip_counts is not None:
            parts.append(f"mean {state.chip_counts[: state.grid_chips].mean():,.0f} X-rays a chip")
    drawn = state.drawn_regions
    if state.use != "grid":
        if drawn is None:
            parts.append("no region is drawn yet")
        else:
            counts = state.chip_counts
            held = f", {counts[state.grid_chips :].sum():,.0f} X-rays" if counts is not None else ""
            parts.append(f"{len(drawn)} drawn region{'s' * (len(drawn) > 1)} of {drawn.sizes.sum():,} px{held}")
    return "; ".join(parts)


def chosen_of(state: ChipState) -> str:
    """Say which regions are selected."""
    regions, selected = state.regions, state.selected
    if regions is None or not selected:
        return "Nothing is selected."
    counts = state.chip_counts
    if len(selected) == 1:
        number = selected[0]
        held = f", {counts[number]:,.0f} X-rays" if counts is not None else ""
        return f"Selected: {regions.names[number]} ({place(regions, number)}{held})"
    names = ", ".join(regions.names[k] for k in selected[:_MOST_NAMED])
    more = f" and {len(selected) - _MOST_NAMED} more" if len(selected) > _MOST_NAMED else ""
    held = f"; together {counts[list(selected)].sum():,.0f} X-rays" if counts is not None else ""
    return f"{len(selected)} selected: {names}{more}{held}"


def hover_of(state: ChipState, y: float | None, x: float | None) -> str:
    """Say what lies under the mouse: the chip, its place and X-rays, and what both pictures show there."""
    image, shape = state.image, state.shape
    if y is None or x is None or image is None or not (0 <= round(y) < shape[0] and 0 <= round(x) < shape[1]):
        return POINT
    row, column = round(y), round(x)
    at = f"y {row}, x {column} px"
    if image.pixel_nm:
        at += f" ({row * image.pixel_nm:.4g}, {column * image.pixel_nm:.4g} nm)"
    parts = []
    number = state.number_at(y, x)
    if number is not None and state.regions is not None:
        counts = state.chip_counts
        held = f", {counts[number]:,.0f} X-rays" if counts is not None else ""
        parts.append(f"{state.regions.names[number]}: {place(state.regions, number)}{held}")
    else:
        parts.append("no chip here")
    parts.append(at)
    for shown in (state.pictures.left, state.pictures.right):
        if shown is None or not shown.aligned or shown.image.shape != shape:
            continue
        layers = shown.mixed or {shown.title.split(",")[0]: shown.image}
        parts += [f"{name} {_value(values[row, column])}{_unit(shown.unit)}" for name, values in layers.items()]
    return "  ·  ".join(parts)


def place(regions: Regions, number: int) -> str:
    """Say where a region lies, as in Python: ends excluded."""
    y0, y1, x0, x1 = _box(regions, number)
    size = regions.sizes[number]
    text = f"y {y0}:{y1}, x {x0}:{x1} px"
    return text if size == (y1 - y0) * (x1 - x0) else f"{size:,} px within {text}"


def length(pixels: float, pixel_nm: float | None) -> str:
    """Return a length in nm or µm."""
    if not pixel_nm:
        return f"{pixels:g} px"
    nm = pixels * pixel_nm
    return f"{nm / 1000:.3g} µm" if nm >= 1000 else f"{nm:.3g} nm"


def no_map(image: SpectrumImage | None) -> str:
    """Say why there is nothing to cut into chips."""
    if image is None:
        return "No map is open."
    held = [f"{len(image.spectra.names)} stored spectra"] if image.spectra is not None else []
    held += [f"{len(image.surveys)} images"] if image.surveys else []
    name = Path(image.source).name if image.source else "This data set"
    return (
        f"{name} holds no map to cut into chips, only {' and '.join(held) or 'no spectra'}. " + " ".join(image.notes)
    ).strip()


def _box(regions: Regions, number: int) -> tuple[int, int, int, int]:
    y, x = np.divmod(regions.pixels[regions.indptr[number] : regions.indptr[number + 1]], regions.shape[1])
    return (int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1) if len(y) else (0, 0, 0, 0)


def _value(value: Array) -> str:
    return f"{float(value):.5g}" if np.isfinite(value) else "none"


def _unit(unit: str) -> str:
    return f" {unit}" if unit and unit not in ("intensity", "X-rays") else ""

"""Maps, chips and outlines as HoloViews elements, to be laid over each other in a notebook.

>>> from edsnb.plots.elements import map_element, region_element       # doctest: +SKIP
>>> map_element(image.counts_map(), "X-rays", pixel_nm=image.pixel_nm) * region_element(grid.regions(image.shape))
... # doctest: +SKIP

All of them have the same two dimensions, x and y in nm (µm, mm) where the size of a pixel is known, else in pixels,
with row 0 on top; so they lie on each other and are linked when they stand side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError
from edsnb.plots.colours import OKABE_ITO, colour_limits, length_unit, symmetric_limits
from edsnb.plots.raster import grid_lines, region_lines

if TYPE_CHECKING:
    import holoviews as hv

Limits = tuple[float, float] | str | None
"""Colour limits: two values; None for the lowest and highest; ``percentile`` or ``symmetric``."""


def find_limits(image: Array, limits: Limits, percentiles: tuple[float, float] = (1.0, 99.0)) -> tuple[float, float]:
    """Return the two values that `limits` means for an image."""
    if limits is None:
        return colour_limits(image)
    if limits == "percentile":
        return colour_limits(image, percentiles)
    if limits == "symmetric":
        return symmetric_limits(image, percentiles[1])
    if isinstance(limits, str):
        raise InputError(f"colour limits {limits!r} are unknown; give two values, None, 'percentile' or 'symmetric'.")
    return limits


def scale_of(shape: tuple[int, int], pixel_nm: float | None) -> tuple[str, float]:
    """Return the unit of a map's axes, and how many of it a pixel is."""
    if not pixel_nm:
        return "px", 1.0
    unit, per_nm = length_unit(max(shape) * pixel_nm)
    return unit, pixel_nm * per_nm


def map_element(
    image: Array,
    unit: str,
    *,
    title: str = "",
    pixel_nm: float | None = None,
    limits: Limits = None,
    cmap: str = "cividis",
    width: int = 380,
) -> hv.Image:
    """Return an image (ny, nx) with square pixels, colour bar with its unit, and scale bar."""
    hv = _holoviews()
    ny, nx = image.shape
    length, scale = scale_of((ny, nx), pixel_nm)
    # HoloViews' images begin with the lowest y, which is row 0: the axis points down.
    x, y = (scale * np.arange(n) for n in (nx, ny))
    element = hv.Image((x, y, image), [_axis("x", length), _axis("y", length)], hv.Dimension("value", unit=unit))
    options: dict[str, Any] = {
        "title": title,
        "cmap": cmap,
        "clim": find_limits(image, limits),
        "colorbar": True,
        "frame_width": width,
        "data_aspect": 1,
        "invert_yaxis": True,
        "clabel": unit,
    }
    if pixel_nm:
        options |= {"scalebar": True, "scalebar_unit": (length, "m"), "scalebar_location": "bottom_left"}
    return element.opts(**options)


def region_element(
    regions: Regions | ChipGrid,
    shape: tuple[int, int] | None = None,
    *,
    pixel_nm: float | None = None,
    colour: str = "white",
    line_width: float = 1.0,
) -> hv.Segments:
    """Return the outlines of chips or regions; a ChipGrid needs the map's `shape`."""
    grid = regions if isinstance(regions, ChipGrid) else regions.grid
    raster = regions.shape if isinstance(regions, Regions) else shape
    if raster is None:
        raise InputError("a ChipGrid alone needs the map's shape: give shape=image.shape.")
    lines = region_lines(regions)[0] if grid is None and isinstance(regions, Regions) else grid_lines(grid, raster)  # type: ignore[arg-type]
    return _segments(lines, raster, pixel_nm, colour, line_width)


def outline_element(
    regions: Regions, chosen: list[int], *, pixel_nm: float | None = None, colour: str = OKABE_ITO[0]
) -> hv.Segments:
    """Return the outlines of some regions, in the colour of what is selected."""
    return _segments(region_lines(regions, chosen)[0], regions.shape, pixel_nm, colour, 3.0)


def _segments(lines: Array, shape: tuple[int, int], pixel_nm: float | None, colour: str, width: float) -> hv.Segments:
    """Return lines (m, 4) as an element on a map's axes."""
    hv = _holoviews()
    length, scale = scale_of(shape, pixel_nm)
    y0, x0, y1, x1 = scale * lines.T
    ends = [_axis("x", length), _axis("y", length), "x1", "y1"]
    return hv.Segments((x0, y0, x1, y1), ends).opts(color=colour, line_width=width)


def _axis(name: str, unit: str) -> Any:
    """Return an axis with its unit."""
    return _holoviews().Dimension(name, unit=unit)


def _holoviews() -> Any:
    """Return HoloViews, drawn by Bokeh: by importing it, as ``hv.extension`` would fetch scripts from a network."""
    import holoviews as hv
    import holoviews.plotting.bokeh

    if hv.Store.current_backend != "bokeh":
        hv.Store.set_current_backend("bokeh")
    return hv

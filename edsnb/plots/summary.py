"""One picture of a run: survey image with the chips, a map of each element, a typical and the worst fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import Status
from edsnb.plots.fits import draw_residuals, draw_spectrum, name_lines
from edsnb.plots.page import axes_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edsnb.core.regions import ChipGrid, Regions
    from edsnb.pipeline import Analysis

# Okabe & Ito's colours, told apart by all kinds of colour vision.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
_NM_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)
# All places in inches: working them out by matplotlib's layout engine takes longer than the drawing.
_MAP = 3.0
"""Height of a map."""
_MAP_GAP = 0.65
"""Room below a map for its scale bar and the next one's title."""
_BAR = 1.3
"""Room beside a map for its colour bar."""
_HEAD = 0.7
"""Height of the title, and of the names of the first maps."""
_FITS = 13.0
"""Width of both fits."""
_NAMES, _FIT, _RESIDUAL = 0.8, 4.0, 1.3
"""Heights of the names of a fit's lines, of the fit, and of its residuals."""


def draw_summary(analysis: Analysis, path: Path) -> None:
    """Draw the summary of an analysis into a PNG."""
    summary_figure(analysis).savefig(path, dpi=110, metadata={"Software": None})


def summary_figure(analysis: Analysis) -> Figure:
    """Return the summary of an analysis as a figure."""
    from matplotlib.figure import Figure

    regions = analysis.spectra.regions
    rows, columns = _layout(len(analysis.quantification.elements) + 1) if regions is not None else (0, 0)
    wide = _map_width(analysis, regions) if regions is not None else 0.0
    fits = _typical_and_worst(analysis)
    upper = _HEAD + rows * (_MAP + _MAP_GAP)
    lower = _NAMES + _FIT + _RESIDUAL + 0.8 if fits else 0.3
    figure = Figure(figsize=(max(columns * (wide + _BAR), _FITS), upper + lower))
    if regions is not None:
        _draw_maps(figure, analysis, regions, columns, wide)
    _draw_fits(figure, analysis, fits, upper)
    figure.text(0.25 / figure.get_figwidth(), 1 - 0.3 / figure.get_figheight(), _title(analysis), fontsize=12)
    return figure


def _draw_maps(figure: Figure, analysis: Analysis, regions: Regions, columns: int, wide: float) -> None:
    """Draw the survey image, and a map of each element after it, row by row."""
    pitch = figure.get_figwidth() / columns
    for k in range(len(analysis.quantification.elements) + 1):
        row, column = divmod(k, columns)
        axes = axes_at(figure, column * pitch + 0.25, _HEAD + row * (_MAP + _MAP_GAP), wide, _MAP)
        axes.set_anchor("NW")
        if k == 0:
            _draw_survey(axes, analysis, regions)
        else:
            _draw_map(axes, analysis, regions, k - 1, wide)


def _draw_fits(figure: Figure, analysis: Analysis, fits: Mapping[str, int], top: float) -> None:
    """Draw fits side by side, their residuals below, `top` inches from the upper edge."""
    pitch = figure.get_figwidth() / max(len(fits), 1)
    for k, (kind, index) in enumerate(fits.items()):
        left, width = k * pitch + 0.8, pitch - 1.1
        above = axes_at(figure, left, top + _NAMES, width, _FIT)
        below = axes_at(figure, left, top + _NAMES + _FIT + 0.1, width, _RESIDUAL)
        draw_spectrum(above, analysis.fit, index, f"{kind} fit: {analysis.spectra.names[index]}")
        draw_residuals(below, analysis.fit, index)
        name_lines(above, analysis.fit, index, width)


def _layout(maps: int) -> tuple[int, int]:
    """Return rows and columns for so many maps, three or four in a row, with few gaps."""
    if maps <= 4:
        return min(maps, 1), maps
    columns = min((4, 3), key=lambda c: -maps % c)
    return -(-maps // columns), columns


def _map_width(analysis: Analysis, regions: Regions) -> float:
    """Return the width of the wider of survey image and maps."""
    y0, y1, x0, x1 = _extent(regions)
    ny, nx = analysis.image.shape
    return float(np.clip(_MAP * max((x1 - x0) / (y1 - y0), nx / ny), 1.6, 6.0))


def _title(analysis: Analysis) -> str:
    """Say what was analysed."""
    quant, source = analysis.quantification, analysis.image.source
    fitted = int(np.isfinite(quant.atomic).all(axis=1).sum())
    # What came from no file is said in words, which may hold a slash too.
    name = (Path(source).name if Path(source).suffix else source) or "spectrum image"
    name = name if len(name) <= 80 else f"{name[:79]}…"
    engine = "" if analysis.fit.engine == "edsnb" else f", fitted by {analysis.fit.engine}"
    return f"{name}: {fitted} of {len(quant)} spectra quantified with {quant.convention} k-factors{engine}"


def _draw_survey(axes: Axes, analysis: Analysis, regions: Regions) -> None:
    """Draw the survey image (else the total counts) with the outlines of the chips."""
    survey = analysis.image.haadf
    image = survey.image if survey is not None else analysis.image.counts_map()
    low, high = np.nanpercentile(image, (1, 99))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    name = survey.name if survey is not None else "X-ray counts"
    if regions.grid is not None:
        _draw_grid(axes, regions, regions.grid)
        stride = f", stride {regions.grid.step} px" if regions.grid.step != regions.grid.size else ""
        axes.set_title(f"{name}, {len(regions)} chips of {regions.grid.size} px{stride}", fontsize=10, loc="left")
    else:
        _draw_outlines(axes, regions)
        axes.set_title(f"{name}, {len(regions)} region{'s' if len(regions) > 1 else ''}", fontsize=10, loc="left")
    scale_bar(axes, analysis.image.pixel_nm)


def _draw_grid(axes: Axes, regions: Regions, grid: ChipGrid) -> None:
    """Outline all chips; where they overlap, the first one and what they cover together."""
    from matplotlib.collections import LineCollection

    boxes = regions.boxes
    if grid.step < grid.size:
        boxes = np.array([boxes[0], [*boxes.min(axis=0)[[0]], *boxes.max(axis=0)[[1]],
                                     *boxes.min(axis=0)[[2]], *boxes.max(axis=0)[[3]]]])  # fmt: skip
    y0, y1, x0, x1 = (boxes - 0.5).T
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    outlines = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    width = 0.8 if len(boxes) < 400 else 0.35
    axes.add_collection(LineCollection(list(outlines), colors=_COLOURS[0], linewidths=width, clip_on=False))


def _draw_outlines(axes: Axes, regions: Regions) -> None:
    """Outline irregular regions, with their names where they are few."""
    frame = np.array(regions.shape)
    for k in np.flatnonzero(regions.sizes):
        colour = _COLOURS[k % len(_COLOURS)]
        mask = regions.mask(int(k))
        if not mask.all():
            axes.contour(mask, [0.5], colors=[colour], linewidths=1.2)
        if len(regions) <= 20:
            y, x = np.clip(np.argwhere(mask).mean(axis=0), 0.03 * frame, 0.97 * frame)
            axes.text(x, y, regions.names[k], fontsize=8, ha="center", va="center", color="black",
                      bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5, "alpha": 0.85})  # fmt: skip


def _draw_map(axes: Axes, analysis: Analysis, regions: Regions, k: int, width: float) -> None:
    """Draw one element's at% on the chips, up to `width` inches wide."""
    from matplotlib.colors import Normalize

    quant = analysis.quantification
    values = quant.atomic[:, k]
    known = np.isfinite(values)
    picture, extent = paint(regions, values)
    # Scaled by hand: where nothing is known there is nothing to scale by.
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 100.0)
    # At least one at% wide, so that nothing is made of a difference of nothing.
    low = max(0.0, min(low, (low + high - 1.0) / 2, 99.0))
    norm = Normalize(low, max(high, low + 1.0))
    shown = axes.imshow(picture, cmap="cividis", norm=norm, extent=extent, interpolation="nearest")
    sd = f"median sd {np.median(quant.sd_atomic[known, k]):.2g} at%" if known.any() else "no chip quantified"
    axes.set_title(f"{quant.elements[k]} ({quant.families[k]}), {sd}", fontsize=10, loc="left")
    axes.set_facecolor("#dddddd")
    # Beside the picture itself, which need not fill its place.
    left, right, bottom, top = extent
    inch = 1 / min(width, _MAP * (right - left) / (bottom - top))
    bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1 + 0.12 * inch, 0.05, 0.15 * inch, 0.9)))
    bar.set_label("at%")
    scale_bar(axes, analysis.image.pixel_nm)


def paint(regions: Regions, values: Array) -> tuple[Array, tuple[float, float, float, float]]:
    """Return a picture of each region's value, NaN outside, and its place: left, right, bottom, top in pixels.

    Chips are drawn as cells of the stride's size about their middles, so that overlapping ones lie in the right place.
    """
    if regions.grid is None or regions.cells is None:
        y0, y1, x0, x1 = _extent(regions)
        labels = regions.labels()
        picture = np.where(labels >= 0, values[labels], np.nan)[y0:y1, x0:x1]
        return picture, (x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5)
    rows, columns = regions.cells[-1] + 1
    step, size = regions.grid.step, regions.grid.size
    top, left = regions.boxes[0, [0, 2]] + 0.5 * (size - step) - 0.5
    return values.reshape(rows, columns), (left, left + columns * step, top + rows * step, top)


def _extent(regions: Regions) -> tuple[int, int, int, int]:
    """Return the bounding box of all regions; the whole map where they are empty."""
    boxes = regions.boxes[regions.sizes > 0]
    if not len(boxes):
        return 0, regions.shape[0], 0, regions.shape[1]
    return int(boxes[:, 0].min()), int(boxes[:, 1].max()), int(boxes[:, 2].min()), int(boxes[:, 3].max())


def scale_bar(axes: Axes, pixel_nm: float | None) -> None:
    """Replace the pixel ticks by a scale bar, where the pixel size is known."""
    axes.set_xticks([])
    axes.set_yticks([])
    if not pixel_nm:
        axes.text(0.0, -0.035, "pixel size unknown", transform=axes.transAxes, va="center", fontsize=8)
        return
    left, right = sorted(axes.get_xlim())
    target = 0.25 * (right - left) * pixel_nm
    length = max((s for s in _NM_STEPS if s <= target), default=target)
    text = f"{length / 1000:g} µm" if length >= 1000 else f"{length:.3g} nm"
    share = length / pixel_nm / (right - left)
    axes.plot([0.0, share], [-0.035, -0.035], transform=axes.transAxes, color="black", lw=3, clip_on=False,
              solid_capstyle="butt")  # fmt: skip
    axes.text(0.03 + share, -0.035, text, transform=axes.transAxes, va="center", fontsize=8)


def _typical_and_worst(analysis: Analysis) -> dict[str, int]:
    """Return the quantified spectra with the median and the highest chi-square; of all fitted ones where none is."""
    done = (Status.OK, Status.NOT_CONVERGED)
    chosen = np.flatnonzero(np.isin(analysis.quantification.status, done))
    if not len(chosen):
        chosen = np.flatnonzero(np.isin(analysis.fit.status, done))
    order = chosen[np.argsort(analysis.fit.chi2[chosen], kind="stable")].tolist()
    if len(order) < 2:
        return {"only": order[0]} if order else {}
    return {"typical": order[(len(order) - 1) // 2], "worst": order[-1]}

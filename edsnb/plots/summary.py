"""One picture of a run: survey image with the chips, a map of each element, a typical and the worst fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edsnb.core.image import EnergyAxis
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
_LABEL_INCHES = 0.13
"""Room that the upright name of a line needs."""
_BIN_EV = 40.0
"""Widest bin in which few counts are drawn together: a third of the narrowest line."""


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
        axes = _axes(figure, column * pitch + 0.25, _HEAD + row * (_MAP + _MAP_GAP), wide, _MAP)
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
        above = _axes(figure, left, top + _NAMES, width, _FIT)
        below = _axes(figure, left, top + _NAMES + _FIT + 0.1, width, _RESIDUAL)
        _draw_fit(above, analysis, index, kind)
        _draw_residual(below, analysis, index)
        _name_lines(above, analysis, index, width)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes at a place given in inches from the figure's upper left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


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


def _draw_fit(axes: Axes, analysis: Analysis, index: int, kind: str) -> None:
    """Draw one spectrum with model and background."""
    fit, axis = analysis.fit, analysis.spectra.energy
    energy = axis.centres_kev[fit.channels]
    counts = analysis.spectra.counts[index, fit.channels]
    model, background = fit.model(index), fit.background_model(index)
    # Channels are drawn together where most of them hold less than three counts.
    width = int(np.clip(np.ceil(3.0 / max(float(np.median(model)), 1e-9)), 1, _widest_bin(axis, len(energy))))
    mean, edges = _binned(counts, width) / width, _edges(axis, fit.channels, width)
    low = max(0.5 * float(background.min()), 0.3 / width)
    axes.set_yscale("log")
    axes.stairs(np.maximum(mean, 0.5 * low), edges, baseline=0.5 * low, fill=True, color="#bbbbbb", label="counts")
    axes.plot(energy, model, color="#0072B2", lw=1.0, label="model")
    if background.any():
        axes.plot(energy, background, color="#D55E00", lw=1.0, label="background")
    axes.set_xlim(energy[0], energy[-1])
    axes.set_ylim(low, 1.5 * max(mean.max(), model.max(), 10 * low))
    axes.yaxis.set_minor_formatter("")
    axes.tick_params(labelbottom=False)
    name = analysis.spectra.names[index]
    # Above the names of the lines.
    axes.set_title(
        f"{kind} fit: {name}, {counts.sum():,.0f} X-rays, reduced χ² {fit.chi2[index]:.2f}", fontsize=10, pad=42
    )
    axes.set_ylabel("X-rays per channel" + (f", mean of {width}" if width > 1 else ""))
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def _draw_residual(axes: Axes, analysis: Analysis, index: int) -> None:
    """Draw what the model leaves over, in bins a third of a line wide: single channels show but noise."""
    fit, axis = analysis.fit, analysis.spectra.energy
    energy = axis.centres_kev[fit.channels]
    width = _widest_bin(axis, len(energy))
    observed, expected = (_binned(c, width) for c in (analysis.spectra.counts[index, fit.channels], fit.model(index)))
    residual = (observed - expected) / np.sqrt(np.maximum(expected, 1.0))
    axes.axhline(0, color="#0072B2", lw=0.8)
    axes.stairs(residual, _edges(axis, fit.channels, width), color="#444444", lw=0.7, baseline=None)
    axes.set_xlim(energy[0], energy[-1])
    limit = float(np.clip(1.1 * np.abs(residual).max(), 5.0, 30.0))
    axes.set_ylim(-limit, limit)
    # Whole numbers away from the ends, so that no label meets one of the spectrum above.
    tick = int(0.7 * limit)
    axes.set_yticks([-tick, 0, tick])
    axes.set_ylabel("residual / σ")
    axes.set_xlabel("energy (keV)")


def _widest_bin(axis: EnergyAxis, channels: int) -> int:
    """Return the most of so many channels to draw together."""
    return max(1, min(int(_BIN_EV / (1e3 * axis.scale_kev)), channels))


def _binned(values: Array, width: int) -> Array:
    """Return sums over `width` channels; an incomplete last bin is left out."""
    whole = len(values) // width * width
    return values[:whole].astype(float).reshape(-1, width).sum(axis=1)


def _edges(axis: EnergyAxis, channels: slice, width: int) -> Array:
    """Return the edges in keV of the bins of `_binned`."""
    first = channels.start + width * np.arange((channels.stop - channels.start) // width + 1)
    return np.asarray(axis.offset_kev + axis.scale_kev * (first - 0.5))


def _name_lines(axes: Axes, analysis: Analysis, index: int, width: float) -> None:
    """Name each family above the plot, beside its alpha line; in grey those that were not found."""
    from scipy.optimize import isotonic_regression

    fit = analysis.fit
    energy = analysis.spectra.energy.centres_kev[fit.channels]
    model = fit.model(index)
    order = sorted(range(len(fit.families)), key=lambda k: fit.families[k].alpha_kev)
    peaks = np.array([fit.families[k].alpha_kev for k in order])
    low, high = axes.get_xlim()
    steps = _LABEL_INCHES / width * (high - low) * np.arange(len(order))
    # The least sum of squared shifts that keeps the names a step apart.
    places = np.clip(isotonic_regression(peaks - steps).x, low, max(high - steps[-1], low)) + steps
    tops = model[np.clip(np.searchsorted(energy, peaks), 0, len(energy) - 1)]
    bottom, top = axes.get_ylim()
    for k, peak, place, height in zip(order, peaks, places, tops, strict=True):
        found = fit.intensities[index, k] > 3 * fit.sd[index, k]
        axes.text(place, 1.05, fit.families[k].name, transform=axes.get_xaxis_transform(), rotation=90, fontsize=7,
                  ha="center", va="bottom", color="black" if found else "#999999")  # fmt: skip
        # From the name down to the frame, and on to the peak.
        axes.plot(
            [place, peak], [1.04, 1.0], transform=axes.get_xaxis_transform(), clip_on=False, lw=0.5, color="#999999"
        )
        axes.plot([peak, peak], [max(height, bottom), top], lw=0.5, color="#cccccc", zorder=0)

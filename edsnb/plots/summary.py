"""One picture of a run: survey image with the chips, a map of each element, a typical and the worst fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fit import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edsnb.core.regions import Regions
    from edsnb.pipeline import Analysis

# Okabe & Ito's colours, told apart by all kinds of colour vision.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
_NM_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)


def draw_summary(analysis: Analysis, path: Path) -> None:
    """Draw the summary of an analysis into a PNG."""
    from matplotlib.figure import Figure

    elements = analysis.quantification.elements
    regions = analysis.spectra.regions
    maps = len(elements) + 1 if regions is not None else 0
    columns = min(max(maps, 2), 4)
    rows = -(-maps // columns)
    figure = Figure(figsize=(4.0 * columns, 3.6 * rows + 6.4), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[max(3.6 * rows, 0.01), 6.4])
    upper, lower = parts
    if regions is not None:
        axes = np.atleast_1d(upper.subplots(rows, columns)).ravel()
        _draw_survey(axes[0], analysis, regions)
        for k, element in enumerate(elements):
            _draw_map(axes[k + 1], analysis, regions, k, element)
        for spare in axes[maps:]:
            spare.axis("off")
    _draw_fits(lower, analysis)
    figure.suptitle(_title(analysis), fontsize=11, x=0.01, ha="left")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _title(analysis: Analysis) -> str:
    """Say what was analysed."""
    quant = analysis.quantification
    fitted = int(np.isfinite(quant.atomic).all(axis=1).sum())
    name = Path(analysis.image.source).name or "spectrum image"
    return f"{name}: {fitted} of {len(quant)} spectra quantified, {quant.convention} k-factors, {analysis.fit.engine}"


def _draw_survey(axes: Axes, analysis: Analysis, regions: Regions) -> None:
    """Draw the survey image (else the total counts) with the outlines of the chips."""
    survey = analysis.image.haadf
    image = survey.image if survey is not None else analysis.image.counts_map()
    low, high = np.percentile(image, (1, 99))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    if regions.grid is not None:
        _draw_grid(axes, regions)
    else:
        for k in range(len(regions)):
            axes.contour(regions.mask(k), [0.5], colors=[_COLOURS[k % len(_COLOURS)]], linewidths=1)
    label = f"{survey.name}, " if survey is not None else "X-ray counts, "
    axes.set_title(label + (f"{len(regions)} chips" if regions.grid else f"{len(regions)} regions"), fontsize=10)
    _scale_bar(axes, analysis)


def _draw_grid(axes: Axes, regions: Regions) -> None:
    """Outline all chips in one collection."""
    from matplotlib.collections import LineCollection

    y0, y1, x0, x1 = (regions.boxes - 0.5).T
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    outlines = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    width = 0.8 if len(regions) < 400 else 0.35
    axes.add_collection(LineCollection(list(outlines), colors=_COLOURS[0], linewidths=width))


def _draw_map(axes: Axes, analysis: Analysis, regions: Regions, k: int, element: str) -> None:
    """Draw one element's at% on the chips."""
    quant = analysis.quantification
    values = quant.atomic[:, k]
    y0, y1, x0, x1 = _extent(regions)
    picture = _paint(regions, values)[y0:y1, x0:x1]
    shown = axes.imshow(
        picture, cmap="cividis", extent=(x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5), interpolation="nearest"
    )
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label("at%")
    sd = np.nanmedian(quant.sd_atomic[:, k]) if np.isfinite(values).any() else np.nan
    axes.set_title(f"{element} ({quant.families[k]}), median sd {sd:.2g} at%", fontsize=10)
    axes.set_facecolor("#dddddd")
    _scale_bar(axes, analysis)


def _paint(regions: Regions, values: Array) -> Array:
    """Return an image (ny, nx) with each region's value, NaN outside."""
    labels = regions.labels()
    return np.where(labels >= 0, values[labels], np.nan)


def _extent(regions: Regions) -> tuple[int, int, int, int]:
    """Return the bounding box of all regions."""
    boxes = regions.boxes[regions.sizes > 0]
    return int(boxes[:, 0].min()), int(boxes[:, 1].max()), int(boxes[:, 2].min()), int(boxes[:, 3].max())


def _scale_bar(axes: Axes, analysis: Analysis) -> None:
    """Replace the pixel ticks by a scale bar, where the pixel size is known."""
    axes.set_xticks([])
    axes.set_yticks([])
    pixel = analysis.image.pixel_nm
    if not pixel:
        axes.set_xlabel("pixel size unknown", fontsize=8)
        return
    left, right = sorted(axes.get_xlim())
    target = 0.25 * (right - left) * pixel
    length = max((s for s in _NM_STEPS if s <= target), default=target)
    text = f"{length / 1000:g} µm" if length >= 1000 else f"{length:.3g} nm"
    share = length / pixel / (right - left)
    axes.plot([0.04, 0.04 + share], [-0.035, -0.035], transform=axes.transAxes, color="black", lw=3, clip_on=False,
              solid_capstyle="butt")  # fmt: skip
    axes.text(0.06 + share, -0.035, text, transform=axes.transAxes, va="center", fontsize=8)


def _draw_fits(figure: Any, analysis: Analysis) -> None:
    """Draw the fit of a typical chip and of the worst one, with residuals in sigma."""
    fitted = np.flatnonzero(np.isin(analysis.fit.status, (Status.OK, Status.NOT_CONVERGED)))
    if not len(fitted):
        figure.text(0.5, 0.5, "no spectrum could be fitted", ha="center")
        return
    order = fitted[np.argsort(analysis.fit.chi2[fitted], kind="stable")]
    chosen = {"typical": int(order[len(order) // 2]), "worst": int(order[-1])}
    axes = figure.subplots(2, 2, sharex=True, height_ratios=[3, 1])
    for column, (kind, index) in enumerate(chosen.items()):
        _draw_fit(axes[0, column], axes[1, column], analysis, index, kind)


def _draw_fit(axes: Axes, below: Axes, analysis: Analysis, index: int, kind: str) -> None:
    """Draw one chip's spectrum, model, background and residuals."""
    fit = analysis.fit
    energy = analysis.spectra.energy.centres_kev[fit.channels]
    counts = analysis.spectra.counts[index, fit.channels].astype(float)
    model = fit.model(index)
    axes.step(energy, counts, where="mid", color="#888888", lw=0.7, label="counts")
    axes.plot(energy, model, color="#0072B2", lw=1.0, label="model")
    axes.plot(energy, fit.background_model(index), color="#D55E00", lw=1.0, label="background")
    axes.set_yscale("symlog", linthresh=max(1.0, float(np.median(counts))))
    axes.set_ylim(0, 1.6 * max(counts.max(), 1.0))
    for family in fit.families:
        position = int(np.argmin(np.abs(energy - family.alpha_kev)))
        top = max(counts[position], model[position])
        axes.annotate(family.name, (family.alpha_kev, top), xytext=(0, 4), textcoords="offset points",
                      rotation=90, fontsize=7, ha="center", va="bottom")  # fmt: skip
    axes.set_title(f"{kind} fit: {analysis.spectra.names[index]}, reduced χ² {fit.chi2[index]:.2f}", fontsize=10)
    axes.set_ylabel("X-rays per channel")
    axes.legend(fontsize=8, frameon=False)
    below.plot(energy, (counts - model) / np.sqrt(np.maximum(model, 1e-9)), color="#444444", lw=0.5)
    below.axhline(0, color="#0072B2", lw=0.8)
    below.set_ylim(-6, 6)
    below.set_ylabel("residual / σ")
    below.set_xlabel("energy (keV)")

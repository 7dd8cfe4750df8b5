"""A spectrum with its fit as a picture: counts, model, background, what is left over, and the names of the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edsnb.core.fitting.fit import FitResult
    from edsnb.core.image import EnergyAxis

_LABEL_INCHES = 0.13
"""Room that the upright name of a line needs."""
_BIN_EV = 40.0
"""Widest bin in which few counts are drawn together: a third of the narrowest line."""


def draw_spectrum(axes: Axes, fit: FitResult, index: int, title: str) -> None:
    """Draw one spectrum with model and background."""
    axis = fit.spectra.energy
    energy = axis.centres_kev[fit.channels]
    counts = fit.spectra.counts[index, fit.channels]
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
    # Above the names of the lines.
    axes.set_title(f"{title}, {counts.sum():,.0f} X-rays, reduced χ² {fit.chi2[index]:.2f}", fontsize=10, pad=42)
    axes.set_ylabel("X-rays per channel" + (f", mean of {width}" if width > 1 else ""))
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def draw_residuals(axes: Axes, fit: FitResult, index: int) -> None:
    """Draw what the model leaves over, in bins a third of a line wide: single channels show but noise."""
    axis = fit.spectra.energy
    energy = axis.centres_kev[fit.channels]
    width = _widest_bin(axis, len(energy))
    observed, expected = (_binned(c, width) for c in (fit.spectra.counts[index, fit.channels], fit.model(index)))
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


def name_lines(axes: Axes, fit: FitResult, index: int, width: float) -> None:
    """Name each family above the plot, beside its alpha line; in grey those that were not found."""
    from scipy.optimize import isotonic_regression

    energy = fit.spectra.energy.centres_kev[fit.channels]
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

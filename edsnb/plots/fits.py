"""A spectrum with its fit as a picture: counts, model, background, what is left over, and the names of the lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.residuals import modelled
from edsnb.errors import InputError
from edsnb.plots.page import axes_at
from edsnb.plots.spectra import place_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edsnb.core.image import EnergyAxis

_LABEL_INCHES = 0.13
"""Room that the upright name of a line needs."""
_BIN_EV = 40.0
"""Widest bin in which few counts are drawn together: a third of the narrowest line."""
_WIDE, _HIGH, _NAMES, _RESIDUAL = 7.2, 2.9, 0.85, 0.75
_MODELS = ("#0072B2", "#E69F00", "#009E73")


def fit_figure(fits: FitResult | Mapping[str, FitResult], chip: str) -> Figure:
    """Return the spectrum of one chip with its fit, and what the fit leaves over below; of several fits, each one's.

    Parameters
    ----------
    fits
        A fit, or several by the name of their method, such as those that are compared. The spectrum is the first's.
    chip
        Name of a chip that all of them have.

    Raises
    ------
    InputError
        No fit is given, or one does not have the chip.
    """
    from matplotlib.figure import Figure

    named = {"": fits} if isinstance(fits, FitResult) else dict(fits)
    if not named:
        raise InputError("no fit to draw: give one, or several by name.")
    rows = {name: _row(fit, chip) for name, fit in named.items()}
    (name, first), *others = named.items()
    drawn = [n for n, fit in named.items() if modelled(fit)[rows[n]]]
    top, width = _NAMES, _WIDE - 0.95
    figure = Figure(figsize=(_WIDE, _NAMES + _HIGH + 0.1 + len(drawn) * (_RESIDUAL + 0.08) + 0.45))
    above = axes_at(figure, 0.7, top, width, _HIGH)
    draw_spectrum(above, first, rows[name], chip, name=name)
    for colour, (other, fit) in zip(_MODELS[1:], others, strict=False):
        _draw_other(above, fit, rows[other], other, colour)
    name_lines(above, first, rows[name], width)
    if not drawn:
        above.tick_params(labelbottom=True)
        above.set_xlabel("energy (keV)")
    for k, one in enumerate(drawn):
        below = axes_at(figure, 0.7, top + _HIGH + 0.1 + k * (_RESIDUAL + 0.08), width, _RESIDUAL)
        draw_residuals(below, named[one], rows[one], colour=_MODELS[list(named).index(one) % len(_MODELS)])
        below.set_xlim(above.get_xlim())
        below.set_ylabel("residual / σ", fontsize=8)
        below.text(0.01, 0.93, one, transform=below.transAxes, va="top", fontsize=8)
        if k + 1 < len(drawn):
            below.tick_params(labelbottom=False)
            below.set_xlabel("")
    return figure


def _row(fit: FitResult, chip: str) -> int:
    """Return the row of a chip."""
    names = fit.spectra.names
    if chip not in names:
        raise InputError(f"no chip {chip!r}: there are {len(names)}, {', '.join(names[:3])} ...")
    return names.index(chip)


def _draw_other(axes: Axes, fit: FitResult, row: int, name: str, colour: str) -> None:
    """Draw the model of another fit over a spectrum."""
    if not modelled(fit)[row]:
        return
    energy = fit.spectra.energy.centres_kev[fit.channels]
    axes.plot(energy, fit.model(row), color=colour, lw=1.0, ls="--", label=f"{name}, χ² {fit.chi2[row]:.2f}")
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def draw_spectrum(axes: Axes, fit: FitResult, index: int, title: str, *, name: str = "") -> None:
    """Draw one spectrum with model and background; the counts alone where the fit has no model of all of it."""
    axis = fit.spectra.energy
    energy = axis.centres_kev[fit.channels]
    counts = fit.spectra.counts[index, fit.channels]
    known = bool(modelled(fit)[index])
    model = fit.model(index) if known else np.full(len(energy), counts.mean())
    background = fit.background_model(index) if known else np.zeros(len(energy))
    # Channels are drawn together where most of them hold less than three counts.
    width = int(np.clip(np.ceil(3.0 / max(float(np.median(model)), 1e-9)), 1, _widest_bin(axis, len(energy))))
    mean, edges = _binned(counts, width) / width, _edges(axis, fit.channels, width)
    low = max(0.5 * float(background.min()), 0.3 / width)
    axes.set_yscale("log")
    axes.stairs(np.maximum(mean, 0.5 * low), edges, baseline=0.5 * low, fill=True, color="#bbbbbb", label="counts")
    if known:
        axes.plot(
            energy, model, color="#0072B2", lw=1.0, label=f"{name}, χ² {fit.chi2[index]:.2f}" if name else "model"
        )
    if background.any():
        axes.plot(energy, background, color="#D55E00", lw=1.0, label="background")
    axes.set_xlim(energy[0], energy[-1])
    axes.set_ylim(low, 1.5 * max(mean.max(), model.max(), 10 * low))
    axes.yaxis.set_minor_formatter("")
    axes.tick_params(labelbottom=False)
    # Above the names of the lines.
    chi2 = f", reduced χ² {fit.chi2[index]:.2f}" if known and not name else ""
    axes.set_title(f"{title}, {counts.sum():,.0f} X-rays{chi2}", fontsize=10, pad=42)
    axes.set_ylabel("X-rays per channel" + (f", mean of {width}" if width > 1 else ""))
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def draw_residuals(axes: Axes, fit: FitResult, index: int, *, colour: str = "#0072B2") -> None:
    """Draw what the model leaves over, in bins a third of a line wide: single channels show but noise."""
    axis = fit.spectra.energy
    energy = axis.centres_kev[fit.channels]
    width = _widest_bin(axis, len(energy))
    observed, expected = (_binned(c, width) for c in (fit.spectra.counts[index, fit.channels], fit.model(index)))
    residual = (observed - expected) / np.sqrt(np.maximum(expected, 1.0))
    axes.axhline(0, color=colour, lw=0.8)
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
    energy = fit.spectra.energy.centres_kev[fit.channels]
    model = fit.model(index) if modelled(fit)[index] else fit.spectra.counts[index, fit.channels]
    order = sorted(range(len(fit.families)), key=lambda k: fit.families[k].alpha_kev)
    peaks = np.array([fit.families[k].alpha_kev for k in order])
    low, high = axes.get_xlim()
    places = place_names(peaks, _LABEL_INCHES / width * (high - low), low, high)
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

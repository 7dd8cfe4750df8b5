"""What a few-shot model said, as a picture: classes over the survey image, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array
from edsnb.core.labels import Labels
from edsnb.errors import InputError
from edsnb.plots.colours import OKABE_ITO, colour_limits, rgb
from edsnb.plots.summary import paint, scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from edsnb.core.image import SpectrumImage

_PANEL_INCH = 4.2
_LEGEND_INCH = 2.4
_BAR_INCH = 1.2
_ALPHA = 0.55
"""How much a class's colour covers the survey image."""
_NO_CLASS = "#dddddd"


def draw_labels(labels: Labels, image: SpectrumImage, path: Path) -> None:
    """Draw the classes of chips into a PNG."""
    labels_figure(labels, image).savefig(path, dpi=110, metadata={"Software": None})


def labels_figure(labels: Labels, image: SpectrumImage) -> Figure:
    """Return the survey image (else the total counts) with the classes over it and their legend; beside it the margin.

    Raises
    ------
    InputError
        The labels are those of another map's raster.
    """
    from matplotlib.figure import Figure

    if labels.regions.shape != image.shape:
        raise InputError(
            f"the labels belong to a map of {labels.regions.shape[0]} x {labels.regions.shape[1]} pixels, this one has "
            f"{image.shape[0]} x {image.shape[1]}."
        )
    ny, nx = image.shape
    height = _PANEL_INCH * float(np.clip(ny / nx, 0.4, 2.0))
    width = 2 * _PANEL_INCH + _LEGEND_INCH + _BAR_INCH
    figure = Figure(figsize=(width, height + 1.1))
    bottom, tall = 0.45 / (height + 1.1), height / (height + 1.1)
    left = figure.add_axes((0.15 / width, bottom, _PANEL_INCH / width, tall))
    right = figure.add_axes(((_PANEL_INCH + _LEGEND_INCH + 0.2) / width, bottom, _PANEL_INCH / width, tall))
    for axes in (left, right):
        axes.set_anchor("W")
        _draw_survey(axes, image)
    _draw_classes(left, labels)
    _draw_margin(right, labels)
    for axes in (left, right):
        scale_bar(axes, image.pixel_nm)
    name = Path(labels.source).name or "labels"
    figure.text(0.15 / width, 1 - 0.3 / (height + 1.1), f"{name}: {len(labels)} chips", fontsize=11)
    return figure


def class_colours(count: int) -> Array:
    """Return a colour (count, 3) for each class: told apart by all kinds of colour vision up to seven classes."""
    from matplotlib import colormaps

    if count <= len(OKABE_ITO):
        return np.array([rgb(colour) for colour in OKABE_ITO[:count]]).reshape(count, 3) / 255.0
    if count <= 20:
        return np.asarray(colormaps["tab20"](np.arange(count))[:, :3])
    return np.asarray(colormaps["hsv"](np.linspace(0, 1, count, endpoint=False))[:, :3])


def _draw_survey(axes: Axes, image: SpectrumImage) -> None:
    """Draw the survey image, else the total counts."""
    survey = image.haadf
    picture = survey.image if survey is not None else image.counts_map()
    low, high = colour_limits(picture, (1.0, 99.0))
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest")


def _draw_classes(axes: Axes, labels: Labels) -> None:
    """Draw the classes over the image, and a legend with the number of chips of each."""
    from matplotlib.patches import Patch

    colours = class_colours(len(labels.classes))
    painted, extent = paint(labels.regions, labels.prediction.astype(float))
    known = np.isfinite(painted) & (painted >= 0)
    picture = np.zeros((*painted.shape, 4))
    picture[known, :3] = colours[painted[known].astype(int)]
    picture[known, 3] = _ALPHA
    _keep_limits(axes, lambda: axes.imshow(picture, extent=extent, interpolation="nearest"))
    counts = np.bincount(labels.prediction + 1, minlength=len(labels.classes) + 1)
    handles = [
        Patch(color=colours[k], label=f"{_short(name)}: {counts[k + 1]}") for k, name in enumerate(labels.classes)
    ]
    if counts[0]:
        handles.append(Patch(facecolor="none", edgecolor="black", label=f"no prediction: {counts[0]}"))
    axes.legend(
        handles=handles, title="class: chips", loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8, frameon=False,
        title_fontsize=8, alignment="left", borderaxespad=0.0, ncols=1 + len(handles) // 20,
    )  # fmt: skip
    axes.set_title("predicted class", fontsize=10, loc="left")


def _draw_margin(axes: Axes, labels: Labels) -> None:
    """Draw how far the predicted class's probability lies above the next one's."""
    from matplotlib.colors import Normalize

    picture, extent = paint(labels.regions, labels.margin)
    norm = Normalize(0.0, 1.0)
    shown = _keep_limits(
        axes, lambda: axes.imshow(picture, extent=extent, cmap="cividis", norm=norm, interpolation="nearest")
    )
    axes.set_title("margin to the next class: lowest is worth labelling", fontsize=10, loc="left")
    axes.set_facecolor(_NO_CLASS)
    bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1.03, 0.05, 0.04, 0.9)))
    bar.set_label("difference of probabilities")


def _keep_limits(axes: Axes, draw: Callable[[], AxesImage]) -> AxesImage:
    """Draw a picture of chips in its place over a map, which keeps its limits."""
    across, down = axes.get_xlim(), axes.get_ylim()
    shown = draw()
    axes.set_xlim(across)
    axes.set_ylim(down)
    return shown


def _short(name: str) -> str:
    """Return a name that the legend has room for."""
    return name if len(name) <= 24 else f"{name[:23]}…"

"""Figures of a report, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edsnb.core.comparison.compare import Comparison
from edsnb.errors import InputError
from edsnb.plots.comparison import agreement_figure, bars_figure, fit_figure, is_drawable, maps_figure, phases_figure
from edsnb.plots.page import figure_bytes
from edsnb.report.record import Report, shown_chips

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 6
"""Elements side by side in one figure of maps."""
_KINDS = {
    "typical": "of typical disagreement (median over the chips of the rms over the elements)",
    "worst": "of the largest disagreement",
    "only": "compared",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as it is written."""

    name: str
    """Of the file, without its ending."""
    caption: str
    inches: float
    """Width on paper."""
    png: bytes
    svg: bytes


def pictures_of(report: Report, k: int) -> dict[str, tuple[Picture, ...]]:
    """Return the figures of one comparison by section: maps, agreement, fits."""
    comparison = report.comparisons[k]
    return {
        "maps": tuple(_picture(report, *made) for made in _maps(report, comparison, k)),
        "agreement": tuple(_picture(report, *made) for made in _agreement(report, comparison, k)),
        "fits": tuple(_picture(report, *made) for made in _fits(report, comparison, k)),
    }


def phases_picture(report: Report) -> Picture | None:
    """Return the map of phases; None where there are none, or nobody knows where the regions lie."""
    if report.phases is None:
        return None
    try:
        figure = phases_figure(report.phases, pixel_nm=report.pixel_nm)
    except InputError:
        return None
    return _picture(report, f"{report.prefix}phases", "Phases, and what was left out of them.", figure)


def _maps(report: Report, comparison: Comparison, k: int) -> Iterator[tuple[str, str, Figure]]:
    """Yield the maps, several figures where elements are many; bars where regions have no place."""
    unit = "X-rays" if comparison.quantity == "counts" else comparison.unit
    if not is_drawable(comparison):
        caption = f"Both methods, {unit}. Error bars: as each method gives them."
        yield report.numbered("bars", k), caption, bars_figure(comparison)
        return
    groups = [comparison.elements[i : i + _COLUMNS] for i in range(0, len(comparison.elements), _COLUMNS)]
    first, second = comparison.methods
    for i, elements in enumerate(groups):
        name = "maps" if len(groups) == 1 else f"maps-{elements[0]}-{elements[-1]}"
        caption = (
            f"{', '.join(elements)}, {unit}: {first} (top), {second} (middle), first minus second (bottom). Both "
            "methods share a colour scale; grey: no value."
        )
        yield (
            report.numbered(name, k),
            caption if not i else "",
            maps_figure(comparison, elements, pixel_nm=report.pixel_nm),
        )


def _agreement(report: Report, comparison: Comparison, k: int) -> Iterator[tuple[str, str, Figure]]:
    """Yield plots of agreement, where there are chips enough to draw."""
    if len(comparison) < 2:
        return
    caption = (
        "Above: one method against the other, with the line on which they agree and a cross of one typical standard "
        "deviation. Below: difference against mean (Bland and Altman) with the bias and the limits of agreement."
    )
    yield report.numbered("agreement", k), caption, agreement_figure(comparison, phases=report.phases_of(comparison))


def _fits(report: Report, comparison: Comparison, k: int) -> Iterator[tuple[str, str, Figure]]:
    """Yield the fits of the chips shown, of both sides where both have one."""
    for kind, row in shown_chips(comparison, report.phases_of(comparison)).items():
        name = comparison.names[row]
        fits = {}
        for composition, rows in zip(comparison.compositions, comparison.rows, strict=True):
            fit = report.fit_of(composition)
            # A fit is drawn over another one's spectrum only where both call the chip alike.
            if fit is not None and composition.names[rows[row]] == name and name in fit.spectra.names:
                fits[composition.method] = fit
        if fits:
            caption = f"{name}, the chip {_KINDS[kind]}." if kind != "only" else f"{name}, the one spectrum compared."
            yield report.numbered(f"fit-{kind}", k), caption, fit_figure(fits, name)


def _picture(report: Report, name: str, caption: str, figure: Figure) -> Picture:
    """Draw a figure in both formats, with the report's label on it."""
    if report.label:
        # The first part is enough: the whole may be longer than the figure is high.
        label = report.label.partition(";")[0]
        figure.text(0.999, 0.5, label, rotation=90, ha="right", va="center", fontsize=5.5, color="#B03A00")
    return Picture(
        name, caption, float(figure.get_figwidth()), figure_bytes(figure, "png"), figure_bytes(figure, "svg")
    )

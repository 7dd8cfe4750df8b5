"""The chip that was clicked: both methods' values with errors, its spectrum and its fits."""

from __future__ import annotations

from html import escape

import numpy as np
import panel as pn
import panel_material_ui as pmui

from edsnb.core.events import Array
from edsnb.core.fitting.residuals import modelled, residuals
from edsnb.plots.compared import unit_of
from edsnb.state.compare.state import CompareState
from edsnb.state.elements.models import family_marks
from edsnb.widgets.figures.spectrum_pane import SpectrumPane
from edsnb.widgets.parts.room import Room
from edsnb.widgets.parts.texts import PLAIN, live_text

_TABLE_PX, _LEAST_PX = 400, 480
"""Width of the table, and least width of a spectrum beside it."""
_STYLE = (
    "<style>table{border-collapse:collapse;font-size:13px;width:100%}th,td{padding:3px 7px;text-align:right;"
    "border-bottom:1px solid rgba(128,128,128,.35)}th:first-child,td:first-child{text-align:left}"
    "th{font-weight:600}</style>"
)


class ChipPanel:
    """Values and spectrum of the chip selected last; show `view`."""

    def __init__(self, state: CompareState) -> None:
        self.state = state
        self.name = pmui.TextInput(label="Chip", placeholder="R0C0", width=110, size="small", margin=(4, 6))
        self.name.param.watch(lambda event: self._typed(event.new), "value")
        self.scale = pmui.RadioButtonGroup(
            label="Scale", options=["linear", "sqrt", "log"], value="log", size="small", margin=(6, 6), sx=PLAIN
        )
        self.scale.param.watch(lambda event: self.spectrum.scale(event.new), "value")
        self.spectrum = SpectrumPane(height=240, residuals=True)
        self.spectrum.scale("log")
        self._range: tuple[float, float] | None = None
        self.table = pn.widgets.StaticText(value="", width=_TABLE_PX, margin=(4, 6))
        self._line = live_text("")
        head = pn.Row(self.name, pn.Column(self._line, margin=(10, 6)), sizing_mode="stretch_width")
        right = pn.Column(self.scale, self.spectrum.pane)
        self.view = pn.Column(
            Room(self._fit),
            head,
            pn.FlexBox(self.table, right, gap="12px", sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )
        self._right = right
        state.param.watch(self.redraw, ["selected", "comparison"])
        self.redraw()

    def _fit(self, width: int, height: int) -> None:
        """Fit the spectrum to the place beside the table, or below it."""
        beside = width - _TABLE_PX - 40
        self.spectrum.resize(beside if beside >= _LEAST_PX else width - 24, max(240, round(0.3 * height)))

    def redraw(self, *_: object) -> None:
        """Show the chip that is selected now."""
        chosen = self.state.numbers()
        with pn.io.hold():
            if not chosen or self.state.comparison is None:
                self.table.value = ""
                self._right.visible = False
                self._say("No chip is selected: click one on a map or in a plot, or type its name.")
                return
            number = chosen[-1]
            name = self.state.comparison.names[number]
            self.name.value = name
            self.table.value = self._rows(number)
            self._draw(name, len(chosen))

    def _typed(self, name: str) -> None:
        comparison = self.state.comparison
        if comparison is None or not name.strip() or name in self.state.selected[-1:]:
            return
        if name.strip() in comparison.names:
            self.state.select([name.strip()])
        else:
            self._say(f"There is no chip {name.strip()!r}; there are {', '.join(comparison.names[:3])} ...")

    def _rows(self, number: int) -> str:
        comparison = self.state.comparison
        head = ["", *("first", "second"), "difference", "z"]
        lines = [f"<tr>{''.join(f'<th scope=col>{escape(text)}</th>' for text in head)}</tr>"]
        digits = 0 if comparison.quantity == "counts" else 2
        z, difference = comparison.z[number], comparison.difference[number]
        for k, element in enumerate(comparison.elements):
            cells = [
                _pm(comparison.first[number, k], comparison.first_sd[number, k], digits),
                _pm(comparison.second[number, k], comparison.second_sd[number, k], digits),
                f"{difference[k]:+z.{digits}f}" if np.isfinite(difference[k]) else "–",
                f"{z[k]:+z.1f}" if np.isfinite(z[k]) else "–",
            ]
            lines.append(f"<tr><td>{escape(element)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
        first, second = (escape(method) for method in comparison.methods)
        legend = (
            f"<p style='font-size:12px;margin:6px 0'>First: {first}. Second: {second}. Values in "
            f"{unit_of(comparison)} ± one standard deviation; z: the difference in standard deviations, as if both "
            "errors were independent.</p>"
        )
        return f"{_STYLE}<table>{''.join(lines)}</table>{legend}"

    def _draw(self, name: str, selected: int) -> None:
        fits = self.state.fits()
        self._right.visible = bool(fits)
        more = f" (of {selected} selected, the last)" if selected > 1 else ""
        if not fits:
            self._say(f"{name}{more}: no spectrum, as neither method has one here.")
            return
        fit, row = next(iter(fits.values()))
        energy = fit.spectra.energy.centres_kev
        models, chi2, left = {}, [], None
        for method, (one, at) in fits.items():
            if not modelled(one)[at]:
                continue
            models[method] = _spread(one.model(at), one.channels, len(energy))
            chi2.append(f"{method} χ² {one.chi2[at]:.2f}")
            left = _spread(residuals(one, at), one.channels, len(energy)) if left is None else left
        background = _spread(fit.background_model(row), fit.channels, len(energy)) if modelled(fit)[row] else None
        marks = [mark for family in fit.families for mark in family_marks(family)]
        counts = fit.spectra.counts[row]
        self.spectrum.show(
            energy, {name: counts}, model=models, background=background, residuals=left,
            lines=[mark for mark in marks if energy[0] <= mark[0] <= energy[-1]],
        )  # fmt: skip
        low, high = float(energy[fit.channels.start]), float(energy[fit.channels.stop - 1])
        if self._range != (low, high):
            self._range = low, high
            self.spectrum.look_at(low, high)
        if not models:
            chi2 = ["windows were summed, so there is no model"]
        said = (
            f"{name}{more}: {counts[fit.channels].sum():,.0f} X-rays, {low:.2f} to {high:.2f} keV; {', '.join(chi2)}."
        )
        self._say(said)

    def _say(self, text: str) -> None:
        self._line.put(text)


def _pm(value: float, sd: float, digits: int) -> str:
    """Return a value with its error."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.{digits}f} ± {sd:.{digits}f}" if np.isfinite(sd) else f"{value:.{digits}f}"


def _spread(values: Array, channels: slice, size: int) -> Array:
    """Return values of the fitted channels on the whole axis, NaN elsewhere."""
    out = np.full(size, np.nan)
    out[channels] = values
    return out

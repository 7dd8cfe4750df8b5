"""How chips are fitted and quantified: k-factors and their table, convention, film, elements kept out, fit."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.core.fitting.background import BACKGROUNDS
from edsnb.core.quant.kfactors import KFactors
from edsnb.state.bench.intent import ENGINE_LABELS
from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.parts.fields import DENSE, DENSE_TABLE, ROW_PX, Fields, choice, note, number

_THEORY, _TABLE = "Theory", "A table"
_OF_FILE = ("beam_kev", "take_off_deg")
"""Settings that are the file's where they are left empty."""
_CONVENTIONS = {"The whole family": "family", "The alpha line": "alpha"}
_MOST_TABLE_BYTES = 1_000_000


class SettingsPanel:
    """Two columns of controls: `quantification` and `fitting`."""

    def __init__(self, state: WorkbenchState) -> None:
        self.state = state
        self.fields = Fields(state)
        self.quantification = self._quantification()
        self.fitting = self._fitting()

    def _quantification(self) -> pn.Column:
        state = self.state
        kept_out = pmui.MultiChoice(
            label="Fitted, but not in the 100 %", options=[], sizing_mode="stretch_width", margin=(6, 4)
        )
        self._tie_kept_out(kept_out)
        return pn.Column(
            self._source(),
            self.fields.follow(choice("k-factors belong to", _CONVENTIONS), self._convention, state.set_convention),
            note(pn.bind(_said_of, state.param.recipe, state.param.analysis)),
            _table(state),
            kept_out,
            self._numbers(("Film", "nm", "thickness_nm"), ("Density", "g/cm³", "density_g_cm3")),
            self._numbers(("Beam", "keV", "beam_kev"), ("Take-off", "°", "take_off_deg")),
            sizing_mode="stretch_width",
        )

    def _numbers(self, *fields: tuple[str, str, str]) -> pn.Row:
        """Return fields for numbers side by side: label, unit and setting of each."""
        made = []
        for label, unit, setting in fields:
            widget = number(label, unit, placeholder="of the file" if setting in _OF_FILE else "")
            made.append(self.fields.tie_number(widget, partial(self._get, setting), partial(self._set, setting)))
        return pn.Row(*made, sizing_mode="stretch_width")

    def _get(self, setting: str) -> float | None:
        value: float | None = self.state.settings.get(setting)
        return value

    def _set(self, setting: str, value: float | None) -> None:
        self.state.set(**{setting: value})

    def _source(self) -> pn.Column:
        """Return the choice between theory and a table, with the field that takes the table."""
        state = self.state
        upload = pmui.FileInput(
            label="Choose a table (Velox CSV, TOML)", accept=".csv,.txt,.toml", variant="outlined", **DENSE
        )  # fmt: skip
        source = pmui.RadioButtonGroup(options=[_THEORY, _TABLE], label="k-factors", **DENSE)

        def shown() -> str:
            return _TABLE if isinstance(state.settings.get("kfactors"), KFactors) else _THEORY

        def chosen(value: str) -> None:
            upload.visible = value == _TABLE
            if value == _THEORY:
                state.set(kfactors=None)

        def received(event: Any) -> None:
            if event.new and len(event.new) <= _MOST_TABLE_BYTES:
                state.use_table(event.new, str(upload.filename or "table.csv"))

        self.fields.follow(source, shown, chosen)
        upload.visible = shown() == _TABLE
        source.param.watch(lambda event: setattr(upload, "visible", event.new == _TABLE), "value")
        upload.param.watch(received, "value")
        return pn.Column(source, upload, sizing_mode="stretch_width")

    def _convention(self) -> str:
        settings = self.state.settings
        record = settings.get("kfactors")
        return record.convention if isinstance(record, KFactors) else settings.get("k_convention") or "family"

    def _tie_kept_out(self, widget: pmui.MultiChoice) -> None:
        elements = self.state.elements

        def show(*_: object) -> None:
            widget.options = sorted({*elements.elements, *elements.deconvolve})
            self.fields.refresh()

        def change(chosen: list[str]) -> None:
            for symbol in widget.options:
                if (symbol in chosen) != (symbol in elements.deconvolve):
                    elements.set_deconvolve(symbol, symbol in chosen)

        show()
        self.fields.follow(widget, lambda: list(elements.deconvolve), change)
        elements.param.watch(show, ["elements", "deconvolve"])

    def _fitting(self) -> pn.Column:
        tie, state = self.fields.tie, self.state
        low, high = number("From", "keV"), number("To", "keV")
        for widget, end in ((low, 0), (high, 1)):
            self._tie_range(widget, end)
        switch = {"sizing_mode": "stretch_width", "margin": (6, 4)}
        engines = {label: name for name, label in ENGINE_LABELS.items()}
        return pn.Column(
            pn.Row(low, high, sizing_mode="stretch_width"),
            tie(choice("Background", list(BACKGROUNDS)), "background"),
            tie(choice("Line table", {"xraylib": "xraylib", "eXSpy": "exspy"}), "line_table"),
            tie(choice("Engine", engines), "engine"),
            tie(pmui.Switch(label="Calibrate on the sum", **switch), "calibrate", show=bool, read=lambda v: v or False),
            tie(pmui.Switch(label="Proportions of L, M from the sum", **switch), "refine"),
            note(pn.bind(_calibrated, state.param.analysis)),
            sizing_mode="stretch_width",
        )

    def _tie_range(self, widget: Any, end: int) -> None:
        elements = self.state.elements

        def change(value: float | None) -> None:
            if value is not None:
                energy = list(elements.energy)
                energy[end] = float(value)
                self.state.set(energy=tuple(energy))

        self.fields.tie_number(widget, lambda: float(elements.energy[end]), change)
        elements.param.watch(lambda _: self.fields.refresh(), "energy")


def _said_of(recipe: Any, analysis: Any) -> str:
    """Say which k-factors are used."""
    if analysis is not None and recipe == analysis.asked:
        return str(analysis.quantification.kfactors.source)
    record = getattr(recipe, "kfactors", None)
    return str(record.source) if isinstance(record, KFactors) else ""


def _calibrated(analysis: Any) -> str:
    """Say what the calibration found."""
    found = None if analysis is None else analysis.fit.calibration
    return "" if found is None else f"Calibration: {found.message}."


def _table(state: WorkbenchState) -> pn.Column:
    """Return the table of the k-factors in use."""
    table = pn.widgets.Tabulator(
        pagination=None, show_index=False, disabled=True, sizing_mode="stretch_width", margin=(2, 4),
        titles={"family": "Family", "k": "k", "zeta": "ζ (kg/m²)", "sd": "± k"}, layout="fit_columns",
        formatters={name: {"type": "money", "precision": 3, "symbol": "", "thousand": ""} for name in ("k", "sd")},
        configuration={"headerSort": False, "rowHeight": ROW_PX}, stylesheets=[DENSE_TABLE],
    )  # fmt: skip

    def fill(*_: object) -> None:
        analysis = state.analysis
        box.visible = analysis is not None
        if analysis is not None:
            frame = analysis.quantification.kfactors.to_frame().drop(columns=["convention", "source"])
            if not frame.equals(table.value):
                table.value = frame

    box = pn.Column(table, sizing_mode="stretch_width")
    state.param.watch(fill, "analysis")
    fill()
    return box

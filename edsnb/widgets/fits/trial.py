"""The tab in which another fit is tried on the chip, then made for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.fits.state import FitState
from edsnb.state.fits.trials import BY_HAND, TrialState
from edsnb.widgets.elements.picker import ElementPicker
from edsnb.widgets.fits.tables import differences_frame, fill, text_table
from edsnb.widgets.parts.texts import live_text
from edsnb.widgets.parts.ties import tie

_SMALL: dict[str, Any] = {"size": "small", "margin": (6, 4)}
_LINE: dict[str, Any] = {"margin": (2, 8), "styles": {"font-size": "13px"}}


def trial_view(state: FitState) -> tuple[pn.viewable.Viewable, Callable[[], object]]:
    """Return the settings, what they give on the chip, and the buttons; and what brings them up to date."""
    trial = state.trial
    table = text_table(differences_frame((), "stored", "trial", independent=False), left=["Element"])
    watched = [trial.param[name] for name in ("result", "changed", "message", "recipe")]
    said = live_text(pn.bind(lambda *_: state.said_of_trial(), state.param.chip, *watched), **_LINE)
    use = pmui.Button(label="Apply to all chips", **_SMALL)
    use.on_click(lambda _: state.apply())
    drop = pmui.Button(label="Drop the trial", variant="outlined", **_SMALL)
    drop.on_click(lambda _: trial.reset())
    undo = pmui.Button(label="Undo: back to the stored fit", variant="outlined", **_SMALL)
    undo.on_click(lambda _: state.undo())

    def refresh() -> None:
        rows = trial.rows()
        table.visible = bool(rows)
        fill(table, differences_frame(rows, "stored", "trial", independent=False), left=["Element"])
        use.disabled = trial.recipe is None or not trial.changed
        use.label = f"Apply to all {len(state.result):,} chips"
        drop.disabled, undo.disabled = not trial.changed, not state.undoable

    trial.param.watch(lambda *_: refresh(), ["result", "changed", "message", "recipe"])
    state.param.watch(lambda *_: refresh(), "result")
    refresh()
    view = pn.Column(
        said,
        pn.Row(use, drop, undo),
        pn.FlexBox(_settings(trial), table, gap="16px", align_items="flex-start", sizing_mode="stretch_width"),
        ElementPicker(trial.elements),
        sizing_mode="stretch_width",
    )
    return view, refresh


def _settings(trial: TrialState) -> pn.Column:
    """Return what can be set besides the elements."""
    low, high = (_end(trial, place, label) for place, label in enumerate(("From (keV)", "To (keV)")))
    background = pmui.Select.from_param(trial.param.background, width=150, **_SMALL)
    order = pmui.IntInput.from_param(trial.param.order, width=120, **_SMALL)
    calibration = pmui.Select.from_param(trial.param.calibration, width=190, **_SMALL)
    hand = [_number(trial, *row) for row in (("offset_ev", 1.0, 3), ("gain_percent", 0.01, 4), ("width_ev", 1.0, 2))]
    refine = pmui.Checkbox.from_param(trial.param.refine, margin=(8, 4))

    def show(*_: object) -> None:
        order.disabled = trial.background != "polynomial"
        for field in hand:
            field.disabled = trial.calibration != BY_HAND

    trial.param.watch(show, ["background", "calibration"])
    show()
    return pn.Column(
        pn.Row(background, order), pn.Row(low, high), pn.Row(calibration), pn.Row(*hand), refine, width=480, margin=0
    )


def _end(trial: TrialState, place: int, label: str) -> Any:
    """Return a field for one end of the energy range."""

    def read(pair: tuple[float, float]) -> float:
        return round(pair[place], 4)

    def write(value: float) -> tuple[float, float]:
        low, high = trial.elements.energy
        return (value, high) if place == 0 else (low, value)

    field = pmui.FloatInput(label=label, step=0.1, format="0.00", width=140, **_SMALL)
    return tie(field, trial.elements, "energy", read=read, write=write)


def _number(trial: TrialState, name: str, step: float, digits: int) -> Any:
    """Return a field for a number of the calibration."""

    def read(value: float) -> float:
        return round(value, digits)

    field = pmui.FloatInput(label=trial.param[name].label, step=step, width=150, **_SMALL)
    return tie(field, trial, name, read=read)

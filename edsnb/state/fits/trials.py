"""Another fit of one chip, tried before it is made for all: other elements, lines, background, calibration, range."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import param

from edsnb.core.fitting.background import BACKGROUNDS
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.fit import FitPlan
from edsnb.core.fitting.peaks import NOMINAL_FWHM_EV
from edsnb.core.fitting.solve import Progress
from edsnb.core.quant.rows import DifferenceRow, difference_rows
from edsnb.errors import EdsnbError
from edsnb.recipe import Recipe
from edsnb.state.elements.state import ElementState
from edsnb.state.fits.fitted import Fitted, plan_of, refit_one
from edsnb.state.work import Work

KEPT, ANEW, OF_FILE, BY_HAND = "as in the stored fit", "found anew", "of the file", "by hand"
_OF_THE_PLAN = ("elements", "deconvolve", "energy", "background", "order", "calibrate", "line_table", "refine")
"""Settings that all chips' fits share: equal ones give an equal plan."""
_PLANS = 8


class TrialState(param.Parameterized):
    """Settings to try on one chip; each change of them fits that chip anew, off the event loop, the newest wins.

    Nothing raises: what cannot be fitted is said in `message`.
    """

    background: Any = param.Selector(default="physical", objects=list(BACKGROUNDS), label="Background")
    order = param.Integer(default=6, bounds=(0, 12), label="Order")
    calibration: Any = param.Selector(default=KEPT, objects=[KEPT, ANEW, OF_FILE, BY_HAND], label="Energy calibration")
    offset_ev = param.Number(default=0.0, bounds=(-200.0, 200.0), label="Offset (eV)", doc="Added to channel 0.")
    gain_percent = param.Number(default=0.0, bounds=(-5.0, 5.0), label="Gain (%)", doc="Change of the dispersion.")
    width_ev = param.Number(
        default=NOMINAL_FWHM_EV, bounds=(30.0, 400.0), label="Width at Mn Kα (eV)", doc="Full width at half maximum."
    )
    refine = param.Boolean(default=False, label="Proportions of L and M lines from the sum")

    recipe = param.Parameter(default=None, constant=True, doc="Recipe of these settings; None where there is none.")
    changed = param.Parameter(default=(), constant=True, doc="Settings that differ from the stored fit's, a tuple.")
    result = param.Parameter(default=None, constant=True, doc="Fitted of the one chip; None where nothing is tried.")
    index = param.Integer(default=0, constant=True, doc="The chip that `result` is of.")
    seconds = param.Number(default=0.0, constant=True, doc="How long the last trial took.")
    message = param.String(default="", constant=True, doc="Why there is no result, in plain words; empty if there is.")

    def __init__(self, found: Fitted, **params: Any) -> None:
        super().__init__(**params)
        self.work = Work()
        self.elements = ElementState()
        self._quiet = False
        self._base: Recipe | None = None
        self._plans: OrderedDict[tuple[object, ...], FitPlan] = OrderedDict()
        self.load(found)
        names = ["background", "order", "calibration", "offset_ev", "gain_percent", "width_ev", "refine"]
        self.param.watch(lambda *_: self._changed(), names)
        self.work.param.watch(lambda event: self._failed(event.new), "message")
        self.elements.param.watch(lambda *_: self._changed(), ["elements", "deconvolve", "lines", "energy"])

    def load(self, found: Fitted) -> None:
        """Take another fit to start from; nothing is tried any more."""
        self._found = found
        self._plans.clear()
        self.reset()

    def reset(self) -> None:
        """Take the settings of the fit itself; nothing is tried any more."""
        self._base = None
        self.adopt(self._found.recipe)
        self._base = self.recipe

    def adopt(self, recipe: Recipe) -> None:
        """Take the settings of a recipe; they are tried where they differ from those of the fit."""
        kept = self._found.fit.calibration
        axis = recipe.calibrate if isinstance(recipe.calibrate, Calibration) else kept
        spectra = self._found.fit.spectra
        energy = recipe.energy or self._found.recipe.energy or spectra.energy.range_kev
        quantified = recipe.elements or self._found.elements
        with self._at_once():
            self.elements.param.update(energy=energy, beam_kev=spectra.acquisition.beam_kev or recipe.beam_kev)
            self.elements.choose(quantified, recipe.deconvolve, recipe.lines or ())
            self.param.update(background=recipe.background, order=recipe.order, refine=recipe.refine)
            if axis is not None:
                self.param.update(
                    offset_ev=axis.offset_change_ev, gain_percent=100 * axis.gain_change,
                    width_ev=axis.response.fwhm_mn_ev,
                )  # fmt: skip
            self.calibration = self._named(recipe.calibrate, kept)

    def show(self, index: int) -> None:
        """Try the settings on another chip, where they differ from those of the fit."""
        if index != self.index:
            self._set(index=index, result=None)
            self._changed()

    def rows(self) -> tuple[DifferenceRow, ...]:
        """Return at% of the fit and of the trial side by side; none where nothing was quantified."""
        stored, tried = self._found.quantification, self.result.quantification if self.result else None
        if stored is None or tried is None:
            return ()
        return difference_rows((stored, self.index), (tried, 0))

    def _named(self, calibrate: bool | Calibration, kept: Calibration | None) -> str:
        """Return what a recipe's calibration is called here."""
        if isinstance(calibrate, Calibration):
            return KEPT if calibrate == kept else BY_HAND
        # A calibration on the same sum would come out the same: there is no need to make it again.
        return KEPT if kept is not None and kept.applied == calibrate else ANEW if calibrate else OF_FILE

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        """Take several changes as one."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
        self._changed()

    def _resolve(self) -> Recipe:
        """Return the recipe of the settings, or raise EdsnbError."""
        found, energy = self._found, self.elements.energy
        return replace(
            found.recipe,
            **self.elements.recipe_fields(),
            energy=(float(energy[0]), float(energy[1])),
            background=self.background,
            order=self.order,
            refine=self.refine,
            calibrate=self._calibration(),
            engine="edsnb",
        )

    def _calibration(self) -> bool | Calibration:
        """Return the calibration as `edsnb.fit` takes it."""
        kept = self._found.fit.calibration
        if self.calibration == BY_HAND:
            return Calibration.by_hand(
                self._found.fit.spectra.energy, offset_ev=self.offset_ev, gain=self.gain_percent / 100,
                fwhm_mn_ev=self.width_ev, around=kept,
            )  # fmt: skip
        if self.calibration == KEPT:
            return kept or False
        return bool(self.calibration == ANEW)

    def _changed(self) -> None:
        """Follow the settings: try them, or say why they cannot be tried."""
        if self._quiet:
            return
        try:
            recipe = self._resolve()
        except EdsnbError as error:
            self.work.cancel()
            self._set(recipe=None, result=None, message=str(error))
            return
        base = self._base or recipe
        changed = tuple(s.name for s in fields(Recipe) if getattr(base, s.name) != getattr(recipe, s.name))
        self._set(recipe=recipe, changed=changed)
        if changed:
            self._try(recipe)
        else:
            self.work.cancel()
            self._set(result=None, message="")

    def _try(self, recipe: Recipe) -> None:
        """Fit the chip off the event loop."""
        found, index, began = self._found, self.index, time.perf_counter()
        plans = self._plans
        key = tuple(getattr(recipe, name) for name in _OF_THE_PLAN)

        def work(_: Progress) -> Fitted:
            plan = plans.get(key) or plan_of(found, recipe)
            plans[key] = plan
            while len(plans) > _PLANS:
                plans.popitem(last=False)
            return refit_one(found, recipe, plan, index)

        def keep(result: Fitted) -> None:
            self._set(result=result, seconds=time.perf_counter() - began, message="")

        self.work.start(f"Fitting {found.names[index]} anew", work, keep)

    def _failed(self, message: str) -> None:
        """Say why there is no result, and keep none of other settings."""
        if message:
            self._set(result=None, message=message)

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)

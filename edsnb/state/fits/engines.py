"""The fit of one chip by other engines, beside edsnb's: net windows, HyperSpy by default, HyperSpy as published."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import param

from edsnb.core.fitting.fit import FitResult, carry_out, default_range
from edsnb.core.fitting.solve import Progress
from edsnb.core.fitting.window import window_intensities
from edsnb.core.quant.rows import DifferenceRow, LineRow, difference_rows, line_rows
from edsnb.errors import CancelledError, EdsnbError
from edsnb.state.fits.fitted import Fitted, plan_of, quantified_as
from edsnb.state.work import Work

ENGINES = {
    "edsnb": "edsnb",
    "net windows": "window",
    "HyperSpy, default": "hyperspy",
    "HyperSpy, published recipe": "hyperspy-published",
}
"""What each engine is called here, and in a recipe."""


@dataclass(frozen=True, slots=True, eq=False)
class EngineResult:
    """One chip by one engine."""

    engine: str
    found: Fitted | None
    """Of that chip alone; None where the engine could not do it."""
    message: str
    """Why there is nothing; empty where there is."""
    seconds: float


class EngineState(param.Parameterized):
    """One chip by several engines, one after the other, off the event loop; results of another chip are dropped."""

    calibrated = param.Boolean(
        default=False, label="HyperSpy with edsnb's calibration",
        doc="Hand HyperSpy the calibrated energy axis and width instead of those in the file.",
    )  # fmt: skip
    results = param.Parameter(
        default=MappingProxyType({}), constant=True, doc="{engine: EngineResult} of the chip, in the order of the work."
    )
    index = param.Integer(default=0, constant=True, doc="The chip.")

    def __init__(self, found: Fitted, **params: Any) -> None:
        super().__init__(**params)
        self.work = Work()
        self.load(found)
        self.param.watch(lambda *_: self._forget(), "calibrated")

    def load(self, found: Fitted) -> None:
        """Take another fit."""
        self._found = found
        self._forget()

    def show(self, index: int) -> None:
        """Look at another chip."""
        if index != self.index:
            self._set(index=index)
            self._forget()

    def compare(self) -> None:
        """Fit the chip with every engine."""
        found, index, calibrated = self._found, self.index, self.calibrated
        self._set(results=MappingProxyType({}))
        others = [name for name in ENGINES if name != self.stored_name]
        done: dict[str, EngineResult] = {}

        def work(progress: Progress) -> dict[str, EngineResult]:
            for step, name in enumerate(others):
                if progress(step, len(others)) is False:
                    raise CancelledError("stopped between two engines.")
                done[name] = _by(name, found, index, calibrated)
            return done

        def keep(results: dict[str, EngineResult]) -> None:
            self._set(results=MappingProxyType(dict(results)))

        self.work.start(f"Fitting {found.names[index]} with other engines", work, keep)

    def rows(self) -> dict[str, tuple[LineRow, ...]]:
        """Return the lines of the chip by each engine that could fit it, edsnb's (or the stored one's) first."""
        stored = {self.stored_name: line_rows(self._found.fit, self._found.quantification, self.index)}
        return stored | {
            name: line_rows(r.found.fit, r.found.quantification, 0) for name, r in self.results.items() if r.found
        }

    def differences(self) -> Mapping[str, tuple[DifferenceRow, ...]]:
        """Return at% by the stored fit and by each other engine."""
        quant = self._found.quantification
        return {
            name: difference_rows((quant, self.index), (r.found.quantification, 0))
            for name, r in self.results.items()
            if quant is not None and r.found is not None and r.found.quantification is not None
        }

    @property
    def stored_name(self) -> str:
        """What the engine of the stored fit is called."""
        named = {engine: name for name, engine in ENGINES.items()}
        return named.get(self._found.recipe.engine, self._found.recipe.engine)

    def chi2(self) -> dict[str, float]:
        """Return reduced chi-square by engine; NaN of those that have no model of the whole spectrum."""
        stored = {self.stored_name: float(self._found.fit.chi2[self.index])}
        return stored | {name: float(r.found.fit.chi2[0]) for name, r in self.results.items() if r.found}

    def describe(self) -> str:
        """Say how long each engine took, and what it could not do."""
        if not self.results:
            return "Net windows and HyperSpy's fits of this chip beside the stored one; HyperSpy takes some seconds."
        took = ", ".join(f"{name} {result.seconds:.1f} s" for name, result in self.results.items())
        failed = [f"{name}: {result.message}" for name, result in self.results.items() if result.message]
        note = "Δ: minus the stored fit. HyperSpy's own errors are too small by 2 to 7 times."
        return " ".join([f"Time: {took}.", *failed, note])

    def _forget(self) -> None:
        self.work.cancel()
        self._set(results=MappingProxyType({}))

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def _by(name: str, found: Fitted, index: int, calibrated: bool) -> EngineResult:
    """Fit one chip with one engine; what it cannot do is said."""
    began, recipe = time.perf_counter(), replace(found.recipe, engine=ENGINES[name])
    try:
        fitted = _fit(recipe.engine, found, index, calibrated)
        result = quantified_as(found, fitted, recipe, index)
    except EdsnbError as error:
        return EngineResult(name, None, str(error), time.perf_counter() - began)
    problem = "" if np.isfinite(fitted.intensities).any() else result.status_of(0).sentence
    return EngineResult(name, result, problem, time.perf_counter() - began)


def _fit(engine: str, found: Fitted, index: int, calibrated: bool) -> FitResult:
    """Return the fit of one chip with the calibration found on all of them, HyperSpy's as asked for."""
    one, calibration = found.fit.spectra.only(index), found.fit.calibration
    energy = found.recipe.energy or default_range(one)
    if engine == "edsnb":
        return carry_out(plan_of(found, replace(found.recipe, engine=engine)), one)
    if engine == "window":
        return window_intensities(one, found.elements, energy=energy, calibration=calibration or False)
    from edsnb.io.hyperspy_engine import fit_hyperspy

    kind = engine.removeprefix("hyperspy").removeprefix("-") or "default"
    response = calibration.response if calibrated and calibration is not None else None
    return fit_hyperspy(one, found.elements, energy, recipe=kind, response=response)

"""Fits and compositions of chips, one of which is looked at: what the FitExplorer shows and lets be set."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import param

from edsnb.core.counted import counted
from edsnb.core.events import Array
from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.residuals import largest_misfit
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.owners import owner_at
from edsnb.core.quant.chipvalues import CHI2, STATUS, ChipValues, chip_values, histogram, kinds, ranked
from edsnb.core.quant.rows import DifferenceRow, LineRow, difference_rows, line_rows
from edsnb.errors import InputError
from edsnb.pipeline import Analysis
from edsnb.recipe import Recipe
from edsnb.state.fits.engines import EngineState
from edsnb.state.fits.fitted import Fitted, refit
from edsnb.state.fits.pictures import FitPicture, picture
from edsnb.state.fits.trials import TrialState
from edsnb.state.work import Work, Working

SCALES = ("linear", "sqrt", "log")
TOGETHER = (1, 2, 4, 8)
HIGHEST, LOWEST = "highest first", "lowest first"
_NO_CHANCE = 6.0
"""Standard deviations that none of a spectrum's hundred or so windows departs from a true model by chance."""
_STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


class FitState(Working, param.Parameterized):
    """One result, the chip that is looked at, and what is compared with it.

    Nothing that is set raises: what is out of range is clamped, and `message` says so. All methods must be called in
    the thread that owns the state; long work runs in `work`, `trial.work` and `engines.work`.
    """

    chip = param.Integer(default=0, doc="Number of the chip that is looked at.")
    other = param.Integer(default=None, allow_None=True, doc="Number of the chip it is compared with.")
    kind: Any = param.Selector(default=CHI2, objects=[CHI2], label="Map of", doc="What the map shows.")
    part: Any = param.Selector(default="", objects=[""], label="of", doc="Of which element or family.")
    rank_kind: Any = param.Selector(default=CHI2, objects=[CHI2], label="Worst by", doc="What chips are ranked by.")
    rank_part: Any = param.Selector(default="", objects=[""], label="of", doc="Of which element or family.")
    rank_order: Any = param.Selector(default=HIGHEST, objects=[HIGHEST, LOWEST], label="Order")
    scale: Any = param.Selector(default="sqrt", objects=list(SCALES), label="Scale of counts")
    components = param.Boolean(default=True, label="Components", doc="Whether each family is drawn.")
    together: Any = param.Selector(
        default=1, objects=list(TOGETHER), label="Channels drawn together", doc="Mean of so many channels."
    )

    result = param.Parameter(default=None, constant=True, doc="Fitted that is looked at.")
    stored = param.Parameter(default=None, constant=True, doc="Fitted that was given.")
    values = param.Parameter(default=None, constant=True, doc="ChipValues of the map.")
    ranks = param.Parameter(default=None, constant=True, doc="ChipValues by which chips are ranked.")
    order = param.Parameter(default=(), constant=True, doc="(n,) numbers of the chips, worst first.")
    message = param.String(default="", constant=True, doc="What came of the last action, in plain words.")

    def __init__(self, source: object, image: SpectrumImage | None = None, **params: Any) -> None:
        found = Fitted.of(source, image)
        chosen = {name: params.pop(name) for name in ("chip", "other") if name in params}
        wanted = {k: params.pop(k) for k in ("kind", "part", "rank_kind", "rank_part") if k in params}
        super().__init__(**params)
        self.work = Work()
        self.trial, self.engines = TrialState(found), EngineState(found)
        self._set(stored=found)
        self._take(found)
        for name in ("kind", "part", "rank_kind", "rank_part"):
            if name in wanted:
                setattr(self, name, wanted[name])
        for name, chip in chosen.items():
            setattr(self, name, self.number(chip) if chip is not None else None)

    # The result

    def load(self, source: object, image: SpectrumImage | None = None) -> None:
        """Take another result; the chip of the same name stays chosen."""
        self.work.cancel()
        found, name = Fitted.of(source, image), self.name_of(self.chip)
        self._set(stored=found, message="")
        self._take(found)
        if name in found.names:
            self.chip = found.names.index(name)

    def apply(self) -> None:
        """Fit all chips as the trial does, off the event loop; then it is the result."""
        recipe, found = self.trial.recipe, self.result
        if recipe is None or not self.trial.changed:
            self._set(message="There is no trial to apply: change a setting first.")
            return
        self._set(message="")
        self.work.start("Fitting all chips", partial(_refit, found, recipe), self._applied)

    def undo(self) -> None:
        """Go back to the result that was given."""
        if self.result is not self.stored:
            self.work.cancel()
            self._take(self.stored)
            self._set(message="Back to the stored fit.")

    @property
    def undoable(self) -> bool:
        """Whether another fit than the given one is looked at."""
        return self.result is not self.stored

    @property
    def analysis(self) -> Analysis | None:
        """The Analysis that is looked at; None where another record was given."""
        return self.result.analysis

    # The chip

    def number(self, chip: int | str) -> int:
        """Return the number of a chip by number or name; InputError where there is none."""
        if isinstance(chip, str):
            if chip not in self.result.names:
                raise InputError(
                    f"no chip {chip!r}: there are {len(self.result)}, {', '.join(self.result.names[:3])} ..."
                )
            return int(self.result.names.index(chip))
        return int(chip)

    def name_of(self, chip: int | None) -> str:
        """Return a chip's name; empty for none."""
        return "" if chip is None else str(self.result.names[chip])

    def number_typed(self, text: str) -> int:
        """Return the number of the chip whose name or number is typed; that of the one looked at where it is none."""
        typed = text.strip()
        names = {name.casefold(): k for k, name in reversed(list(enumerate(self.result.names)))}
        number = names.get(typed.casefold(), int(typed) if typed.isdecimal() else -1)
        if 0 <= number < len(self.result):
            return number
        first, last = self.result.names[0], self.result.names[-1]
        self._set(message=f"No chip {typed!r}: they are {first} to {last}, or numbers 0 to {len(self.result) - 1}.")
        return self.chip

    def choose_at(self, y: float, x: float, *, compare: bool = False) -> None:
        """Look at the chip at a point of the map, in pixels; `compare`: compare it with the one that is looked at."""
        number = owner_at(self.result.regions, y, x) if self.result.regions is not None else None
        if number is None:
            self._set(message="No chip there.")
        elif compare:
            self.other = number
        else:
            self.chip = number

    def step(self, direction: str) -> None:
        """Go to the next chip ``up``, ``down``, ``left`` or ``right``; without a grid to the one before or after."""
        down, right = _STEPS[direction]
        regions = self.result.regions
        if regions is None or regions.grid is None:
            self.chip += down + right
            return
        rows, columns = regions.grid.counts_in(regions.shape)
        row, column = divmod(self.chip, columns)
        if 0 <= row + down < rows and 0 <= column + right < columns:
            self.chip = (row + down) * columns + column + right
        else:
            self._set(message=f"{self.name_of(self.chip)} lies at the edge of the grid.")

    def worse(self, steps: int = 1) -> None:
        """Go that many chips on in the order of the ranking; back where negative."""
        place = int(np.clip(self.place + steps, 0, len(self.order) - 1))
        self.chip = int(self.order[place])

    @property
    def place(self) -> int:
        """Place of the chip in the ranking, from 0."""
        return int(np.flatnonzero(self.order == self.chip)[0])

    # What is shown of it

    @property
    def status(self) -> Status:
        """What became of the chip."""
        return self.result.status_of(self.chip)

    def describe(self) -> str:
        """Say in a line which chip is looked at and how its fit is."""
        found, chip = self.result, self.chip
        fit, regions = found.fit, found.regions
        where = ""
        if regions is not None and regions.boxes[chip, 0] >= 0:
            y0, y1, x0, x1 = regions.boxes[chip].tolist()
            where = f" (y {y0}:{y1}, x {x0}:{x1} px)"
        counts = f"{fit.spectra.counts[chip, fit.channels].sum():,.0f} X-rays"
        chi2 = f"reduced χ² {fit.chi2[chip]:.3f}" if np.isfinite(fit.chi2[chip]) else "no χ²"
        return (
            f"{found.names[chip]}{where}: {counts}; {chi2}; {self.status.name}: {self.status.sentence}.{self._missed()}"
        )

    def _missed(self) -> str:
        """Say where the chip departs most from its model, where that is no chance."""
        found = largest_misfit(self.result.fit, self.chip)
        if found is None or abs(found[1]) < _NO_CHANCE:
            return ""
        energy, sigma = found
        side = "more" if sigma > 0 else "fewer"
        return f" Near {energy:.2f} keV {abs(sigma):,.0f} σ {side} counts than the model has."

    def said(self, chip: int) -> str:
        """Say in a line what the map shows of a chip."""
        found, values = self.result, self.values
        value = float(values.values[chip])
        name = f"{found.names[chip]}: {values.label}"
        if self.kind == STATUS:
            return f"{found.names[chip]}: {found.status_of(chip).sentence}."
        if not np.isfinite(value):
            return f"{name} – ({found.status_of(chip).sentence})"
        unit = "" if values.unit in ("", "at%", "wt%") else f" {values.unit}"
        of_sd = f"sd of {self.kind}"
        if of_sd not in kinds(found.fit, found.quantification):
            return f"{name} {value:,.4g}{unit}"
        sd = float(chip_values(found.fit, found.quantification, of_sd, self.part).values[chip])
        return f"{name} {value:,.2f} ± {sd:,.2f}{unit}"

    def overlapping(self) -> bool:
        """Whether the chip and the one it is compared with share pixels."""
        regions = self.result.regions
        if regions is None or self.other is None:
            return False
        one, two = (regions.pixels[regions.indptr[k] : regions.indptr[k + 1]] for k in (self.chip, self.other))
        return bool(np.intersect1d(one, two).size)

    def said_of_trial(self) -> str:
        """Say how the trial compares with the stored fit, or why there is none."""
        trial, name = self.trial, self.name_of(self.chip)
        if trial.message:
            return trial.message
        if not trial.changed:
            return "Change a setting: this chip is fitted anew at once, the others stay as they are."
        changed = ", ".join(trial.changed)
        if trial.result is None:
            return f"Fitting {name} with other {changed} ..."
        was, now = float(self.result.fit.chi2[self.chip]), float(trial.result.fit.chi2[0])
        status = trial.result.status_of(0)
        doubt = f" {status.name}: {status.sentence}." if status else ""
        return f"Trial on {name} (other {changed}): reduced χ² {now:.3f}, stored {was:.3f}.{doubt}"

    def picture(self) -> FitPicture:
        """Return what is drawn of the chip."""
        return picture(self.result, self.chip, other=self.other, trial=self.trial.result)

    def rows(self) -> tuple[LineRow, ...]:
        """Return the lines of the chip."""
        return line_rows(self.result.fit, self.result.quantification, self.chip)

    def differences(self) -> tuple[DifferenceRow, ...]:
        """Return at% of the chip and of the one it is compared with; none where there is none, or no at%."""
        quant = self.result.quantification
        if quant is None or self.other is None:
            return ()
        return difference_rows((quant, self.chip), (quant, self.other))

    def histogram(self) -> tuple[Array, Array, int]:
        """Return counts and edges of the histogram of chi-square, and how many chips lie beyond it."""
        return histogram(self.result.fit.chi2)

    def said_of_chi2(self) -> str:
        """Say where the chip stands in the histogram."""
        _, edges, beyond = self.histogram()
        if not len(edges):
            return "No chip has a χ²: this engine has no model of the whole spectrum, or nothing was fitted."
        chi2 = float(self.result.fit.chi2[self.chip])
        name = self.name_of(self.chip)
        where = f"{name}: reduced χ² {chi2:.3f}, marked in orange." if np.isfinite(chi2) else f"{name} has no χ²."
        return f"{where} {counted(beyond, 'chip')} beyond the last column." if beyond else where

    def statuses(self) -> dict[Status, int]:
        """Return how many chips have each status."""
        numbers, counts = np.unique(self.result.status, return_counts=True)
        return {Status(int(s)): int(n) for s, n in zip(numbers, counts, strict=True)}

    @property
    def recipe(self) -> Recipe:
        """The recipe that repeats the result."""
        found: Recipe = self.result.recipe
        return found

    def code(self) -> str:
        """Return Python that repeats the result, and what is looked at."""
        from edsnb.state.fits.code import fit_code

        return fit_code(self)

    @property
    def works(self) -> tuple[Work, ...]:
        """All long work."""
        return self.work, self.trial.work, self.engines.work

    # What follows from what

    def _applied(self, found: Fitted) -> None:
        self._take(found)
        self._set(message=f"All {len(found)} chips were fitted anew. The stored fit can be brought back.")

    def _take(self, found: Fitted) -> None:
        """Look at another result; chip and map stay as far as they can."""
        with param.parameterized.batch_call_watchers(self):
            self._set(result=found)
            self.chip = min(self.chip, len(found) - 1)
            if self.other is not None:
                self.other = min(self.other, len(found) - 1)
            possible = list(kinds(found.fit, found.quantification))
            usual = "at%" if found.quantification is not None else CHI2
            for name in ("kind", "rank_kind"):
                self.param[name].objects = possible
                if getattr(self, name) not in possible:
                    setattr(self, name, CHI2)
            if self.values is None:
                self.kind = usual
            self._offer_parts()
            self._look_up()
        self.trial.load(found)
        self.engines.load(found)
        self._chip_chosen()

    @param.depends("kind", "rank_kind", watch=True)
    def _offer_parts(self) -> None:
        """Offer the elements or families of which there is a value."""
        possible = kinds(self.result.fit, self.result.quantification)
        for kind, part in (("kind", "part"), ("rank_kind", "rank_part")):
            parts = list(possible[getattr(self, kind)])
            if self.param[part].objects != parts:
                self.param[part].objects = parts
                if getattr(self, part) not in parts:
                    setattr(self, part, parts[0])

    @param.depends("kind", "part", "rank_kind", "rank_part", "rank_order", watch=True)
    def _look_up(self) -> None:
        """Look up the values of the map, and rank the chips."""
        fit, quant = self.result.fit, self.result.quantification
        possible = kinds(fit, quant)
        if self.part in possible[self.kind]:
            self._set(values=chip_values(fit, quant, self.kind, self.part))
        if self.rank_part in possible[self.rank_kind]:
            ranks = chip_values(fit, quant, self.rank_kind, self.rank_part)
            lowest, residual = self.rank_order == LOWEST, self.rank_kind == "residual"
            self._set(ranks=ranks, order=ranked(ranks.values, lowest=lowest, absolute=residual))

    @param.depends("chip", watch=True)
    def _chip_chosen(self) -> None:
        """Keep the chip among those there are, and follow it."""
        if self.result is None:
            return
        last = len(self.result) - 1
        if not 0 <= self.chip <= last:
            asked = self.chip
            self.chip = int(np.clip(asked, 0, last))
            self._set(message=f"There is no chip {asked}: they are numbered 0 to {last}.")
            return
        self._set(message="")
        self.trial.show(self.chip)
        self.engines.show(self.chip)

    @param.depends("other", watch=True)
    def _other_chosen(self) -> None:
        if self.result is not None and self.other is not None and not 0 <= self.other < len(self.result):
            self.other = int(np.clip(self.other, 0, len(self.result) - 1))

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def _refit(found: Fitted, recipe: Recipe, progress: Progress) -> Fitted:
    return refit(found, recipe, progress)


__all__ = ["HIGHEST", "LOWEST", "SCALES", "STATUS", "ChipValues", "FitState"]

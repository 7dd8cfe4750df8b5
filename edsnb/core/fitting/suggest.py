"""Which further elements are in a spectrum: suggestions with their evidence, for the eye to judge.

>>> edsnb.find_lines(image, ["Sr", "Ti", "O"]).to_frame()        # doctest: +SKIP

The summed spectrum is fitted with the elements chosen so far, on its calibrated axis. Every other element is then tried
with all its families at once (`edsnb.core.fitting.candidates`), while the model of the others may give way as far as
tables, peak shapes and the continuum are uncertain (`slack`). What then explains the spectrum better is evidence
(`evidence`): a likelihood ratio, scaled by the misfit that is left (`search.distrust`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

from edsnb.core.events import Array
from edsnb.core.fitting.calibrate import FEWEST_COUNTS, calibrate
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.candidates import CREDIT, LEFT_OUT, NOTES, USUAL_BEAM_KEV, Candidate, candidates
from edsnb.core.fitting.fit import model_spec, spec_without_lines
from edsnb.core.fitting.lines import LineTable, xraylib_family
from edsnb.core.fitting.model import ModelSpec
from edsnb.core.fitting.peaks import NOMINAL_FWHM_EV, Response
from edsnb.core.fitting.scene import Scene, make_scene
from edsnb.core.fitting.search import View, backward, credited, distrust, forward, gains, look, losses, rivals, strength
from edsnb.core.fitting.segments import with_segments
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra, chip
from edsnb.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT = 5.0
"""Standard deviations of evidence that are asked for by default."""
_WEAKER = 0.6
"""Elements with at least this share of it are told too, as weaker ones."""
_LOOSE_SIGMA, _LOOSE_SHARE, _LOOSE_MOST = 8.0, 0.02, 6
"""What an element must show on an axis that is not calibrated: deviations, share of the first one's; and how many."""
_MAIN = 0.02
"""Share of the lines' counts from which on an element helps to calibrate."""
_FEWEST = 20
"""X-rays below which nothing is looked for."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An element that the spectrum speaks for."""

    element: str
    family: str
    """The family that shows it most clearly, such as ``In_L``."""
    energy_kev: float
    """That family's alpha line."""
    significance: float
    """Standard deviations of evidence from all its families together, misfits allowed for."""
    intensity: float
    """Counts of the family."""
    sd: float
    """Their standard deviation, misfits allowed for."""
    families: tuple[str, ...] = ()
    """All its families in the range, hard to soft."""
    rivals: tuple[str, ...] = ()
    """Elements that would explain nearly as much in its place: to be ruled out by what the specimen can hold."""
    needed: float = SIGNIFICANT
    """Significance that was asked for: more where the element is seldom met."""
    note: str = ""
    """Where it may come from if not from the specimen."""

    @property
    def label(self) -> str:
        """What stands above the peak: ``In_L, 3.29 keV, 7.4 sigma``."""
        return f"{self.family}, {self.energy_kev:.2f} keV, {self.significance:.1f} sigma"


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Elements found in a summed spectrum beside those chosen, the most significant first."""

    found: tuple[Suggestion, ...]
    """Each is judged with all others in the model."""
    weaker: tuple[Suggestion, ...]
    """Not significant, but nearly: each judged by itself beside `found`, so that several may stand for one peak."""
    chosen: tuple[str, ...]
    significance: float
    """What was asked for."""
    counts: float
    """X-rays in the range."""
    energy_kev: tuple[float, float]
    deviance: float = np.nan
    """Poisson deviance that is left in a channel as wide as a fifth of a peak, by a model that may give way: 1 where
    nothing is amiss."""
    calibration: Calibration | None = None
    """On whose axis the lines were looked for: of the chosen elements and the main ones found. None with too few X-rays
    to look for anything."""
    looked_for: tuple[str, ...] | None = None
    """Elements that were looked for; None for all but those of `candidates.LEFT_OUT`."""

    def __len__(self) -> int:
        """Return how many were found."""
        return len(self.found)

    def __iter__(self) -> Iterator[Suggestion]:
        """Go through those found."""
        return iter(self.found)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of those found."""
        return tuple(suggestion.element for suggestion in self.found)

    def describe(self) -> str:
        """Say in a few sentences what was found, what speaks against it, and what was not looked for."""
        beside = f" beside {', '.join(self.chosen)}" if self.chosen else ""
        sentences = [f"{self.counts:,.0f} X-rays, {self.energy_kev[0]:.2g} to {self.energy_kev[1]:.4g} keV{beside}:"]
        if not self.found:
            sentences.append(f"nothing else is significant by {self.significance:g} standard deviations.")
        for one in self.found:
            against = [f"rivals {', '.join(one.rivals)}"] if one.rivals else []
            against += [one.note] if one.note else []
            sentences.append(f"{one.element} ({one.label}{'; ' if against else ''}{'; '.join(against)}).")
        if self.weaker:
            sentences.append("Perhaps " + ", ".join(f"{w.element} ({w.label})" for w in self.weaker) + ".")
        if self.calibration is None:
            sentences.append(f"With fewer than {_FEWEST} X-rays nothing was looked for.")
        elif self.looked_for is None:
            sentences.append(f"Not looked for: {', '.join(LEFT_OUT)}.")
        else:
            sentences.append(f"Looked for: {', '.join(self.looked_for)}.")
        return " ".join(sentences)

    def to_frame(self) -> pd.DataFrame:
        """Return one row an element: those found, then the weaker ones (``found`` False)."""
        import pandas as pd

        rows = [
            {
                **{"element": s.element, "family": s.family, "energy_keV": s.energy_kev},
                **{"significance": s.significance, "needed": s.needed, "found": found},
                **{"intensity": s.intensity, "sd": s.sd, "families": ", ".join(s.families)},
                **{"rivals": ", ".join(s.rivals), "note": s.note},
            }
            for found, group in ((True, self.found), (False, self.weaker))
            for s in group
        ]
        names = ("element", "family", "energy_keV", "significance", "needed", "found", "intensity", "sd")
        return pd.DataFrame(rows, columns=[*names, "families", "rivals", "note"])


def find_lines(
    data: SpectrumImage | Spectra,
    elements: Iterable[str] = (),
    *,
    energy: tuple[float, float] | None = None,
    significance: float = SIGNIFICANT,
    among: Iterable[str] | None = None,
    calibration: bool | Calibration = True,
    table: LineTable = xraylib_family,
) -> Suggestions:
    """Find which further elements are in a spectrum.

    Parameters
    ----------
    data
        A map, or spectra: their sum is searched.
    elements
        Symbols that are chosen already; none to begin from nothing.
    energy
        Range in keV; None for that of `edsnb.fit`.
    significance
        Standard deviations of evidence that an element must have: those of its likelihood ratio with all other elements
        in the model, scaled by the misfit. Elements that are seldom met need up to 1.7 times as much (rare earths,
        heavy noble metals, Ar, Kr, Xe and others: `edsnb.core.fitting.candidates.CREDIT`).
    among
        Symbols to look for; None for all from Be to U but Ne, Tc, Pm and the short-lived ones.
    calibration
        True: calibrate on the chosen elements and the main ones that are found. False: the file's axis. A Calibration:
        that one.
    table
        Source of line energies and weights.

    Returns
    -------
    Suggestions, the most significant first. An element is no more than suggested: neighbours in the periodic table,
    sum peaks and what the microscope itself emits are for the eye to tell.

    Raises
    ------
    ElementError
        An element is unknown, stands twice, or a chosen one has no line in the range.
    InputError
        The energy range or the significance cannot be used.
    NoMapError
        The image holds no map.
    """
    if not significance > 0:
        raise InputError(f"a significance of {significance} cannot be asked for; give standard deviations above 0.")
    spectra = data if isinstance(data, Spectra) else chip(data, np.zeros(data.shape, np.int64))
    task = _task(spectra, elements, energy, among, table)
    looked_for = None if among is None else tuple(e for e in task.candidates if e not in task.chosen)
    report = Suggestions((), (), task.chosen, significance, task.counts, task.inside, looked_for=looked_for)
    if task.counts < _FEWEST:
        return report
    with ONE_BLAS_THREAD:
        view, found = _searched(task, significance, calibration)
        return _told(report, view, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is to be searched."""

    total: Array
    """(E,)."""
    spectra: Spectra
    spec: ModelSpec
    """Of the chosen elements."""
    chosen: tuple[str, ...]
    candidates: Mapping[str, Candidate]
    """The chosen ones among them."""
    table: LineTable

    @property
    def counts(self) -> float:
        """X-rays in the range."""
        return float(self.total[self.spec.channels].sum())

    @property
    def inside(self) -> tuple[float, float]:
        """Energies of the first and last channel of the range."""
        axis, channels = self.spectra.energy, self.spec.channels
        return axis.offset_kev + axis.scale_kev * channels.start, axis.offset_kev + axis.scale_kev * (channels.stop - 1)


def _task(
    spectra: Spectra,
    elements: Iterable[str],
    energy: tuple[float, float] | None,
    among: Iterable[str] | None,
    table: LineTable,
) -> _Task:
    """Return what is to be searched; raise where it cannot be."""
    chosen = elements if isinstance(elements, str) else tuple(elements)
    spec = spec_without_lines(spectra, energy=energy)
    if chosen:
        spec = model_spec(spectra, chosen, energy=energy, table=table)
    usable = spectra.counts[np.isfinite(spectra.counts).all(axis=1)]
    total = np.maximum(usable.sum(axis=0, dtype=np.float64), 0.0)
    task = _Task(total, spectra, spec, tuple(chosen), {}, table)
    every = candidates(None if among is None else tuple(among), task.inside, spec.beam_kev, table)
    return replace(task, candidates=every | candidates(chosen, task.inside, spec.beam_kev, table))


def _searched(task: _Task, needed: float, calibration: bool | Calibration) -> tuple[View, Calibration]:
    """Return the view of the spectrum with all that is significant, and the calibration it rests on."""
    axis, wanted = task.spectra.energy, calibration is True and task.counts >= FEWEST_COUNTS
    stated = Calibration(Response(axis, task.spectra.acquisition.resolution_ev or NOMINAL_FWHM_EV))
    found = calibration if isinstance(calibration, Calibration) else stated
    main: tuple[str, ...] = ()
    if wanted and task.chosen:
        found = _calibrated(task, ())
    if wanted and not found.applied:
        scene = _scene(task, found, loose=True)
        main = forward(look(scene, ()), max(needed, _LOOSE_SIGMA), share=_LOOSE_SHARE, most=_LOOSE_MOST).found
        found = _calibrated(task, main)
    view = forward(look(_scene(task, found), main), needed)
    if wanted and set(more := _main(view)) != set(main):
        found = _calibrated(task, more, found if found.applied else None)
        view = forward(look(_scene(task, found), more), needed)
    return _pruned(view, needed), found


def _pruned(view: View, needed: float) -> View:
    """Return the view with only those elements that stay significant when misfits are allowed for.

    Misfits are measured once, while all that may be is in the model: what has been given up for them would be a misfit
    itself, and give up the next.
    """
    view = backward(view, needed)
    view = backward(look(view.scene, view.found, distrust(view), view), needed)
    return backward(forward(view, needed), needed)


def _main(view: View) -> tuple[str, ...]:
    """Return the elements found that give a good part of the lines' counts."""
    counts = view.counts()
    total = max(sum(counts.values()), 1.0)
    own = {e: sum(c for name, c in counts.items() if name.split("_")[0] == e) for e in view.found}
    return tuple(element for element, c in own.items() if c > _MAIN * total)


def _calibrated(task: _Task, more: tuple[str, ...], around: Calibration | None = None) -> Calibration:
    """Return the calibration on the chosen elements and `more`."""
    families = tuple(f for element in (*task.chosen, *more) for f in task.candidates[element].families)
    spec, spectra = replace(task.spec, families=families), task.spectra
    fwhm_ev = spectra.acquisition.resolution_ev
    found = calibrate(task.total, spectra.energy, spec, fwhm_mn_ev=fwhm_ev, around=around)
    return with_segments(found, spectra.segments, spectra.energy, spec, fwhm_ev)


def _scene(task: _Task, calibration: Calibration, *, loose: bool = False) -> Scene:
    """Return the spectrum and all that could be in it, on a calibrated axis."""
    return make_scene(
        task.total,
        calibration.response,
        task.spec.channels,
        task.chosen,
        task.candidates,
        beam_kev=task.spec.beam_kev or USUAL_BEAM_KEV,
        take_off_deg=task.spec.take_off_deg,
        loose=loose,
    )


def _told(report: Suggestions, view: View, calibration: Calibration) -> Suggestions:
    """Return the report with what was found, in plain numbers."""
    needed, model, y = report.significance, view.held.model, view.scene.y
    sigma = np.sqrt(np.maximum(losses(view), 0.0)).tolist()
    found = [_suggestion(view, e, s, needed, rivals(view, e)) for e, s in zip(view.found, sigma, strict=True)]
    others, gain, _ = gains(view)
    near = np.flatnonzero(credited(others, gain) > _WEAKER * needed)
    weaker = [_suggestion(view, others[k], float(np.sqrt(gain[k])), needed) for k in near]
    return replace(
        report,
        found=tuple(sorted(found, key=lambda s: -s.significance)),
        weaker=tuple(sorted(weaker, key=lambda s: -s.significance)),
        deviance=float(2.0 * (model - y + xlogy(y, y / model)).mean()),
        calibration=calibration,
    )


def _suggestion(view: View, element: str, sigma: float, needed: float, others: tuple[str, ...] = ()) -> Suggestion:
    """Return one element as it is told."""
    families = view.scene.candidates[element].families
    clearest, counts, sd = strength(view, element)
    return Suggestion(
        element=element,
        family=families[clearest].name,
        energy_kev=families[clearest].alpha_kev,
        significance=sigma,
        intensity=float(counts[clearest]),
        sd=float(sd[clearest]),
        families=tuple(family.name for family in families),
        rivals=others,
        needed=needed / CREDIT.get(element, 1.0),
        note=NOTES.get(element, ""),
    )

"""Fitting: spectra in, family intensities with covariance out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.lines import LineFamily, LineTable, families_in, parse_line, xraylib_family
from edsnb.core.fitting.model import ModelSpec
from edsnb.core.fitting.solve import Progress, solve
from edsnb.core.fitting.summed import Prepared, prepare
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.errors import ElementError


class Status(IntEnum):
    """What became of one chip; every value but OK and NOT_CONVERGED has NaN for results."""

    OK = 0
    NOT_CONVERGED = 1
    EMPTY = 2
    SINGULAR = 3
    FAILED = 4
    NOTHING_FOUND = 5
    TOO_THICK = 6

    @property
    def sentence(self) -> str:
        """Say what the status means."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "fitted",
    Status.NOT_CONVERGED: "the fit had not settled after the last iteration: look at it before using it",
    Status.EMPTY: "no X-rays in the fitted energy range",
    Status.SINGULAR: "these lines cannot be told apart in this spectrum",
    Status.FAILED: "the fit failed",
    Status.NOTHING_FOUND: "fitted, but none of the quantified lines was found",
    Status.TOO_THICK: "absorption cannot be corrected for: no film is that thick; check thickness, density, dose",
}


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Intensities of F line families in n spectra.

    An intensity is the whole family's counts: all its lines, also those outside the fitted range.
    """

    spectra: Spectra
    """The n spectra that were fitted."""
    families: tuple[LineFamily, ...]
    """The F families, in the order of the columns."""
    intensities: Array
    """(n, F) counts of each family; NaN where status says why."""
    covariance: Array
    """(n, F, F) covariance of the intensities, counts squared."""
    chi2: Array
    """(n,) reduced chi-square (Pearson) over the fitted channels."""
    status: Array
    """(n,) Status values, uint8."""
    alpha_fractions: Array
    """(F,) share of each family's detected counts that lies in its alpha line."""
    channels: slice
    """Channels that were fitted."""
    columns: Array
    """(E', F + B) the model: counts per channel for unit intensity of each family, then of each background term."""
    background: Array
    """(n, B) coefficients of the background terms."""
    deviance: Array
    """(n,) Poisson deviance per channel."""
    engine: str = "edsnb"
    settings: dict[str, object] = field(default_factory=dict)
    """How the fit was made: ranges, weights, background, calibration; for the provenance record."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        names = ("intensities", "covariance", "chi2", "status", "alpha_fractions", "columns", "background", "deviance")
        for name in names:
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        """Return n."""
        return len(self.spectra)

    @property
    def sd(self) -> Array:
        """(n, F) standard deviation of each intensity, counts."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found on the sum of the spectra and is used, in plain words."""
        found = self.settings.get("notes", ())
        return tuple(map(str, found)) if isinstance(found, list | tuple) else ()

    @property
    def calibration(self) -> Calibration | None:
        """The calibration of the fit; None for an engine that does not say."""
        found = self.settings.get("calibration")
        return Calibration.from_dict(found) if isinstance(found, dict) else None

    def model(self, index: int | slice | Array = slice(None)) -> Array:
        """Return the fitted model of one or more spectra over the fitted channels, counts."""
        return self._coefficients(index) @ self.columns.T

    def background_model(self, index: int | slice | Array = slice(None)) -> Array:
        """Return the fitted background of one or more spectra over the fitted channels, counts."""
        return self.background[index] @ self.columns[:, len(self.families) :].T

    def column(self, line: str) -> int:
        """Return the column of the family that `line` names (``La_La`` or ``La_L``)."""
        element, shell = parse_line(line)
        for index, family in enumerate(self.families):
            if (family.element, family.shell) == (element, shell):
                return index
        fitted = ", ".join(f.name for f in self.families)
        raise ElementError(
            f"line {line} was not fitted; fitted families are {fitted}. "
            "Add its element to the fit, widen the energy range, or choose one of these."
        )

    def _coefficients(self, index: int | slice | Array) -> Array:
        """Return intensities and background coefficients side by side."""
        return np.concatenate([self.intensities[index], self.background[index]], axis=-1)


def fit(
    spectra: Spectra,
    elements: Iterable[str] | None = None,
    *,
    energy: tuple[float, float] | None = None,
    background: str = "physical",
    order: int = 6,
    calibration: bool | Calibration = True,
    table: LineTable = xraylib_family,
    refine: bool = False,
    weighted: bool = True,
    progress: Progress | None = None,
) -> FitResult:
    """Fit every spectrum with the line families of `elements` and a background.

    Parameters
    ----------
    spectra
        From `edsnb.chip`, or a file's stored spectra.
    elements
        Symbols to fit, those for deconvolution among them. None: those selected in the vendor's software.
    energy
        Fitted range in keV. None: 0.2 to 20 keV, but above the noise peak and below the beam energy.
    background
        ``physical`` (default), ``polynomial`` or ``none``; see `edsnb.core.fitting.background`.
    order
        Order of the polynomial background.
    calibration
        True: calibrate offset, gain, width, tail and bow on the sum of all spectra. False: use the file's values.
        A Calibration: use that one.
    table
        Source of line energies and weights.
    refine
        Take the proportions of L and M subshells from the sum of all spectra, near the table's, instead of the table's.
    weighted
        Poisson maximum likelihood; False for unweighted least squares.
    progress
        Told (done, total); returning False raises CancelledError.

    Returns
    -------
    FitResult, with the covariance of the intensities of each spectrum.

    Raises
    ------
    ElementError
        No element given or known; an unknown one; one without a line in the range.
    InputError
        The energy range or the background cannot be used.
    """
    plan = plan_fit(
        spectra, elements, energy=energy, background=background, order=order, calibration=calibration, table=table,
        refine=refine, weighted=weighted,
    )  # fmt: skip
    return carry_out(plan, spectra, progress=progress)


@dataclass(frozen=True, slots=True, eq=False)
class FitPlan:
    """What is learnt from all spectra of a map and fits each of them: made once, carried out on any of them."""

    prepared: Prepared
    """The model, with what was found on the sum."""
    table: str
    """Source of line energies and weights."""
    refine: bool = False
    """Whether the proportions of subshells were taken from the sum."""
    weighted: bool = True
    """Poisson maximum likelihood, or unweighted least squares."""


def plan_fit(
    spectra: Spectra,
    elements: Iterable[str] | None = None,
    *,
    energy: tuple[float, float] | None = None,
    background: str = "physical",
    order: int = 6,
    calibration: bool | Calibration = True,
    table: LineTable = xraylib_family,
    refine: bool = False,
    weighted: bool = True,
) -> FitPlan:
    """Prepare what `fit`, with the same arguments, does to every spectrum; raises as it does."""
    named = model_spec(spectra, elements, energy=energy, background=background, order=order, table=table)
    usable = _beginning(spectra, named.channels) == Status.OK
    prepared = prepare(
        spectra.counts[_rows(usable)].sum(axis=0, dtype=np.float64), spectra.energy, named,
        calibration=calibration, segments=spectra.segments, fwhm_mn_ev=spectra.acquisition.resolution_ev, refine=refine,
    )  # fmt: skip
    return FitPlan(prepared, named.families[0].table, refine, weighted)


def carry_out(plan: FitPlan, spectra: Spectra, *, progress: Progress | None = None) -> FitResult:
    """Fit spectra, all of a map or a few of them, as planned; `progress` as for `fit`."""
    spec, model = plan.prepared.spec, plan.prepared.design
    status = _beginning(spectra, spec.channels)
    usable = np.flatnonzero(status == Status.OK)
    counts = spectra.counts[:, spec.channels][_rows(status == Status.OK)]
    f = len(spec.families)
    solution = solve(counts, model.columns, model.nonnegative, poisson=plan.weighted, keep=f, progress=progress)
    status[usable] = np.where(solution.settled, Status.OK, Status.NOT_CONVERGED)
    variance = np.einsum("nii->ni", solution.covariance)[:, :f]
    status[usable[~np.isfinite(variance).all(axis=1)]] = Status.SINGULAR

    def spread(values: Array) -> Array:
        out = np.full((len(spectra), *values.shape[1:]), np.nan)
        out[usable] = values
        out[status == Status.SINGULAR] = np.nan
        return out

    return FitResult(
        spectra=spectra,
        families=spec.families,
        intensities=spread(solution.coefficients[:, :f]),
        covariance=spread(solution.covariance[:, :f, :f]),
        chi2=spread(solution.chi2),
        status=status,
        alpha_fractions=model.alpha_fractions,
        channels=spec.channels,
        columns=model.columns,
        background=spread(solution.coefficients[:, f:]),
        deviance=spread(solution.deviance),
        settings=_settings(spectra, plan),
    )


def _beginning(spectra: Spectra, channels: slice) -> Array:
    """Return the status of each spectrum before the fit: OK where it can be fitted."""
    counts = spectra.counts[:, channels]
    status = np.full(len(spectra), Status.OK, np.uint8)
    status[counts.sum(axis=1) <= 0] = Status.EMPTY
    status[~np.isfinite(counts).all(axis=1)] = Status.FAILED
    return status


def _rows(usable: Array) -> slice | Array:
    """Return what picks the usable rows; a slice for all of them, which copies nothing."""
    return slice(None) if usable.all() else np.flatnonzero(usable)


def _settings(spectra: Spectra, plan: FitPlan) -> dict[str, object]:
    """Return how the fit was made, for the provenance record."""
    spec = plan.prepared.spec
    return {
        "energy_kev": [float(e) for e in _range_of(spec.channels, spectra)],
        "background": spec.background if spec.background != "polynomial" else f"polynomial of order {spec.order}",
        "weights": "Poisson, from the model" if plan.weighted else "none",
        "refine": plan.refine,
        "calibration": plan.prepared.calibration.to_dict(),
        "notes": list(plan.prepared.notes),
        "table": plan.table,
    }


def model_spec(
    spectra: Spectra,
    elements: Iterable[str] | None = None,
    *,
    energy: tuple[float, float] | None = None,
    background: str = "physical",
    order: int = 6,
    table: LineTable = xraylib_family,
) -> ModelSpec:
    """Return what `fit` fits: the families of the elements that have a line in the range, and the background."""
    if isinstance(elements, str):
        raise ElementError(f"elements must be a list of symbols, such as ['Sr', 'Ti']; found {elements!r}.")
    symbols = list(elements) if elements is not None else [e.symbol for e in spectra.elements]
    if not symbols:
        raise ElementError("no elements to fit: the file has none selected. Name them, such as elements=['Sr', 'Ti'].")
    empty = spec_without_lines(spectra, energy=energy)
    families = families_in(symbols, _range_of(empty.channels, spectra), beam_kev=empty.beam_kev, table=table)
    return replace(empty, families=families, background=background, order=order)


def spec_without_lines(spectra: Spectra, *, energy: tuple[float, float] | None = None) -> ModelSpec:
    """Return a model of the physical background alone, in the range that `fit` would take."""
    channels = spectra.energy.channels(*(energy or default_range(spectra)))
    elevation = spectra.acquisition.take_off_deg or 0.0
    take_off = elevation if 0.0 < elevation <= 90.0 else 90.0
    return ModelSpec((), channels, spectra.acquisition.beam_kev, take_off_deg=take_off)


def default_range(data: Spectra | SpectrumImage) -> tuple[float, float]:
    """Return the range fitted by default: 0.2 to 20 keV, but above the noise peak and below the beam energy."""
    return max(0.2, data.floor_kev), min(20.0, data.energy.range_kev[1], data.acquisition.beam_kev or 20.0)


def _range_of(channels: slice, spectra: Spectra) -> tuple[float, float]:
    """Return the energies of the first and last channel that is fitted."""
    axis = spectra.energy
    return axis.offset_kev + axis.scale_kev * channels.start, axis.offset_kev + axis.scale_kev * (channels.stop - 1)

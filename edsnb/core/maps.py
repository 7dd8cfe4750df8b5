"""Maps of fitted intensities and composition for every pixel.

Glossary
--------
estimator : with weights w(E) that are the same for every pixel, a weighted least-squares fit is linear in the
    counts: intensities = counts . W, with W = w A (A' w A)^-1 of shape (E', F + B) for the model's columns A
    (Aitken, Proc. R. Soc. Edinburgh 55 (1936) 42). So the fit of a sum is the sum of the fits: one pass over the X-rays
    makes a map of every family, and the kernel is applied to these maps instead of to thousands of channels.
w : 1 / model of the summed spectrum, the best weights for its mean composition; other compositions lose a little
    precision, and no accuracy.
variance : that of a weighted sum of Poisson counts is the sum of the squared weights over the X-rays, and likewise for
    covariances; the estimate holds for any number of counts, however few.
kernel : what each pixel is summed over; at the edge of the map only the pixels inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from edsnb.core.events import Array, Events, frozen, sum_channels
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.fitting.solve import Progress
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.core.image import SpectrumImage
from edsnb.core.kernels import kernel_weights, sum_kernel
from edsnb.core.quant.absorption import Corrected, correct, find_take_off
from edsnb.core.quant.composition import DETECTED
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import film_of, quantify
from edsnb.errors import CancelledError, ElementError, InputError

_BLOCK = 1 << 15
"""Pixels summed together: a step of the progress."""
_ROWS = 32
"""Rows to which a kernel is applied together."""
_FEW = 1 << 11
"""Pixels quantified together: few enough to stay in the processor's cache (measured: up to six times faster)."""
_FLOOR = 1e-3
"""Smallest model value, as a share of its mean: keeps weights finite between the peaks."""
_SINGULAR = 1e6
"""Columns whose condition number passes this (its square for the normal equations) cannot be told apart."""

Undo = Callable[[Array], Corrected]
"""Corrects masses (n, K) for absorption."""
_Stage = tuple[int | None, Sequence[Callable[[], None]]]
"""Threads (None for all cores) and tasks."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelMaps:
    """Intensities of F families and composition in K elements, summed over a kernel around each pixel.

    The estimator has no bias and no lower limit: where an element is absent its counts and its at% scatter around
    zero, below it too, and averages over pixels stay right. Neighbours share X-rays: only pixels a kernel apart are
    independent.
    """

    families: tuple[str, ...]
    """F names (``La_L``)."""
    intensities: Array
    """(F, ny, nx) float32, counts of each family in the kernel; never masked."""
    sd: Array
    """(F, ny, nx) float32, standard deviation of `intensities`."""
    elements: tuple[str, ...]
    """K symbols."""
    atomic: Array
    """(K, ny, nx) float32, at%; NaN where X-rays are too few, or none of the quantified lines is detected."""
    sd_atomic: Array
    """(K, ny, nx) float32, standard deviation of `atomic` from counting statistics alone, at%."""
    counts: Array
    """(ny, nx) float32, X-rays of the fitted channels in the kernel."""
    shape: str
    """Kernel: ``box`` or ``gaussian``."""
    kernel_px: float
    """Edge of the box, or full width of the Gaussian at half its height."""
    fewest: float
    """X-rays in the kernel below which there is no composition."""
    quantification: Quantification
    """The model and the k-factors."""
    pixel_nm: float | None = None
    digest: str = ""
    """Digest of the map's file."""
    settings: dict[str, object] = field(default_factory=dict)
    """How the maps were made, for the provenance record."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("intensities", "sd", "atomic", "sd_atomic", "counts"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def masked(self) -> Array:
        """(ny, nx) bool, True where there is no composition."""
        return np.isnan(self.atomic[0])

    @property
    def pixels(self) -> float:
        """Pixels in the kernel; for a Gaussian the number that would scatter as little."""
        return float(kernel_weights(self.kernel_px, self.shape).sum() ** 2)

    def map(self, name: str) -> tuple[Array, Array]:
        """Return (value, standard deviation), each (ny, nx): at% of an element, or counts of a line (``La_La``)."""
        if name in self.elements:
            index = self.elements.index(name)
            return self.atomic[index], self.sd_atomic[index]
        if "_" not in name:
            raise ElementError(
                f"{name} was not quantified; elements are {', '.join(self.elements)}. "
                f"For counts name a line, such as {self.families[0]}."
            )
        index = self.quantification.fit.column(name)
        return self.intensities[index], self.sd[index]

    def describe(self) -> str:
        """Say in a few sentences what the maps are."""
        ny, nx = self.counts.shape
        size = f"{self.kernel_px:g} px" + (f" ({self.kernel_px * self.pixel_nm:.3g} nm)" if self.pixel_nm else "")
        kernel = f"a box of {size} a side" if self.shape == "box" else f"a Gaussian of {size} full width at half height"
        return (
            f"Composition of {ny} x {nx} pixels, each from the X-rays in {kernel}. {self.quantification.normalisation} "
            f"No composition in {100 * self.masked.mean():.1f} % of the pixels: fewer than {self.fewest:g} X-rays or "
            f"no quantified line above {DETECTED:g} standard deviations. Values may fall below 0 where an element is "
            "absent. Errors are one standard deviation of counting statistics; k-factors are taken as exact."
        )


def pixel_maps(
    image: SpectrumImage,
    model: Quantification | FitResult,
    *,
    kernel: float = 15,
    shape: str = "box",
    fewest: float = 100.0,
    progress: Progress | None = None,
) -> PixelMaps:
    """Fit and quantify every pixel of a map, each summed over a kernel.

    Parameters
    ----------
    image
        The map.
    model
        Quantification of its chips or of its summed spectrum: the model, its calibration, the lines and the k-factors
        are taken from it. A FitResult is quantified with the defaults of `edsnb.quantify`.
    kernel
        Edge of the box in pixels, an odd number; or full width at half maximum of the Gaussian.
    shape
        ``box``, or ``gaussian``, whose weights are scaled so that they and their squares have the same sum:
        weighted counts then spread as plain counts do.
    fewest
        X-rays of the fitted channels in the kernel that a composition needs.
    progress
        Told (done, total); returning False raises CancelledError.

    Returns
    -------
    PixelMaps. The result equals an unconstrained weighted fit of every kernel's summed spectrum with the same weights,
    1 / model of the sum of the spectra in `model`.

    Raises
    ------
    NoMapError
        The file holds no spectrum image.
    InputError
        Kernel or shape cannot be used; the model belongs to another energy axis, has no fitted spectrum, or columns
        that cannot be told apart; or as `edsnb.quantify`.
    """
    events, across = image.require_events(), kernel_weights(kernel, shape)
    quant = model if isinstance(model, Quantification) else quantify(model)
    _check(image, quant.fit, kernel)
    fit, (ny, nx), f, k = quant.fit, image.shape, len(quant.fit.families), len(quant.elements)
    table = np.zeros((events.channels, 1 + 2 * f + k * (k - 1) // 2))
    table[fit.channels] = _products(estimator(fit), quant.columns)
    sums = np.empty((ny, nx, table.shape[1]), np.float32)
    # Variances add with the kernel's squared weights; those of a box are the same.
    kernels = [across] if shape == "box" else [across, across**2]
    smooth = [np.empty_like(sums) for _ in kernels]
    applied = [partial(sum_kernel, sums, one, into) for one, into in zip(kernels, smooth, strict=True)]
    out = _Out(*(np.empty((m, ny * nx), np.float32) for m in (1, f, f, k, k)))
    compose = partial(_compose, quant, _undo(quant), (smooth[0], smooth[-1]), fewest, out)
    stages: list[_Stage] = [
        (1, [partial(_sum_block, events, table, sums, block) for block in _blocks(ny * nx, _BLOCK)]),
        (None, [partial(apply, rows) for apply in applied for rows in _blocks(ny, _ROWS)]),
        (None, [partial(compose, block) for block in _blocks(ny * nx, _FEW)]),
    ]
    _run(stages, progress)
    return PixelMaps(
        families=tuple(family.name for family in fit.families),
        intensities=out.intensities.reshape(f, ny, nx),
        sd=out.sd.reshape(f, ny, nx),
        elements=quant.elements,
        atomic=out.atomic.reshape(k, ny, nx),
        sd_atomic=out.sd_atomic.reshape(k, ny, nx),
        counts=out.counts.reshape(ny, nx),
        shape=shape,
        kernel_px=float(kernel),
        fewest=float(fewest),
        quantification=quant,
        pixel_nm=image.pixel_nm,
        digest=image.digest,
        settings={**fit.settings, "weights": "1 / model of the summed spectrum, for every pixel"},
    )


def estimator(fit: FitResult) -> Array:
    """Return W (E', F): intensities = counts . W, with 1 / model of the sum of all fitted spectra as weights."""
    coefficients = np.concatenate([fit.intensities, fit.background], axis=1)
    model = np.nansum(coefficients, axis=0) @ fit.columns.T
    if not model.mean() > 0:
        raise InputError(
            "the model has no spectrum that could be fitted: fit the sum of the map, or chips with X-rays."
        )
    root = 1.0 / np.sqrt(np.maximum(model, _FLOOR * model.mean()))[:, None]
    scale = np.linalg.norm(root * fit.columns, axis=0)
    # W = w A (A' w A)^-1 by QR of sqrt(w) A, which keeps twice the digits of the normal equations.
    q, r = np.linalg.qr(root * fit.columns / np.where(scale > 0, scale, 1.0))
    if not np.linalg.cond(r) < _SINGULAR:
        raise InputError(
            f"lines or background terms of the model cannot be told apart ({', '.join(x.name for x in fit.families)}): "
            "leave out an element, or fit a wider energy range."
        )
    return (root * solve_triangular(r, q.T).T / scale)[:, : len(fit.families)]


def _check(image: SpectrumImage, fit: FitResult, kernel: float) -> None:
    """Refuse a kernel larger than the map, and a model of another energy axis."""
    ny, nx = image.shape
    if kernel > min(ny, nx):
        raise InputError(f"a kernel of {kernel:g} pixels does not fit into a map of {ny} x {nx}: choose a smaller one.")
    if fit.spectra.energy != image.energy:
        axes = [f"{a.size} channels of {1e3 * a.scale_kev:g} eV" for a in (fit.spectra.energy, image.energy)]
        raise InputError(
            f"the model was fitted on another energy axis ({axes[0]} from {fit.spectra.energy.offset_kev:g} keV) than "
            f"this map's ({axes[1]} from {image.energy.offset_kev:g} keV): fit spectra of this map."
        )


class _Out(NamedTuple):
    """Maps to be filled, each (m, P) float32."""

    counts: Array
    intensities: Array
    sd: Array
    atomic: Array
    sd_atomic: Array


def _products(weights: Array, columns: list[int]) -> Array:
    """Return what is summed over the X-rays: ones, W, its squares, its products for pairs of quantified families."""
    pairs = np.triu_indices(len(columns), 1)
    chosen = weights[:, columns]
    products = chosen[:, pairs[0]] * chosen[:, pairs[1]]
    return np.concatenate([np.ones((len(weights), 1)), weights, weights**2, products], axis=1)


def _blocks(total: int, size: int) -> list[slice]:
    """Return all pixels or rows in blocks."""
    return [slice(low, min(low + size, total)) for low in range(0, total, size)]


def _sum_block(events: Events, table: Array, sums: Array, block: slice) -> None:
    """Sum the table over the X-rays of some pixels."""
    sum_channels(events, table, block, sums.reshape(-1, sums.shape[2])[block])


def _compose(
    quant: Quantification, undo: Undo | None, smooth: tuple[Array, Array], fewest: float, out: _Out, block: slice
) -> None:
    """Fill the maps for some pixels."""
    f, k, columns = len(quant.fit.families), len(quant.elements), np.array(quant.columns)
    values, spreads = (s.reshape(-1, s.shape[2])[block].astype(np.float64) for s in smooth)
    values, spreads = values[:, : 1 + f], spreads[:, 1 + f :]
    out.counts[:, block], out.intensities[:, block] = values[:, 0], values[:, 1:].T
    out.sd[:, block] = np.sqrt(spreads[:, :f]).T
    masses, factors = values[:, 1 + columns], quant.atoms_per_count
    usable = (values[:, 0] >= fewest) & (masses @ factors > 0)
    usable &= (masses >= DETECTED * np.sqrt(spreads[:, columns])).any(axis=1)
    covariance = np.empty((len(values), k, k))
    covariance[:, range(k), range(k)] = spreads[:, columns]
    upper = np.triu_indices(k, 1)
    covariance[:, upper[0], upper[1]] = covariance[:, upper[1], upper[0]] = spreads[:, f:]
    if undo is not None:
        weights = np.array([atomic_weight(element) for element in quant.elements])
        found = undo(masses[usable] * factors * weights)
        slope = found.slope * factors * weights
        masses[usable], factors = found.masses, 1.0 / weights
        covariance[usable] = slope @ covariance[usable] @ slope.transpose(0, 2, 1)
        usable[usable] = found.settled
    masses[~usable] = np.nan
    out.atomic[:, block], out.sd_atomic[:, block] = _shares(masses, covariance, factors)


def _shares(masses: Array, covariance: Array, factors: Array) -> tuple[Array, Array]:
    """Return at% (K, n) and its standard deviation: the diagonal alone of what `composition.shares` gives.

    With x_i = f_i m_i / T and s = C f, ``T^2 var(x_i) = f_i^2 C_ii - 2 x_i f_i s_i + x_i^2 f's``.
    """
    parts = masses * factors
    total = parts.sum(axis=1, keepdims=True)
    x = parts / total
    along = (covariance @ factors) * factors
    own = np.einsum("nii->ni", covariance) * factors**2
    variance = own - 2.0 * x * along + x**2 * along.sum(axis=1, keepdims=True)
    return 100.0 * x.T, 100.0 * (np.sqrt(np.maximum(variance, 0.0)) / total).T


def _undo(quant: Quantification) -> Undo | None:
    """Return what corrects masses (n, K) for absorption as `quant` was; None where it was not."""
    film = quant.absorption
    if film is None:
        if (quant.correction[np.isfinite(quant.correction)] != 1).any():
            raise InputError(
                "maps cannot correct for absorption in a film whose mass was found from the dose: quantify with the "
                "film's thickness and density, or without a correction."
            )
        return None
    if isinstance(film.thickness_nm, tuple):
        raise InputError(
            "maps correct for absorption in a film of one thickness, here it is one for each spectrum: give one, such "
            "as their mean."
        )
    families = [quant.fit.families[column] for column in quant.columns]
    lines = film_of(families, find_take_off(film.take_off_deg, quant.fit.spectra.acquisition), quant.convention)
    return lambda masses: correct(masses, lines, film.mass_thickness(len(masses)))


def _run(stages: Sequence[_Stage], progress: Progress | None) -> None:
    """Run the tasks of one stage after the other."""
    done, total = 0, sum(len(tasks) for _, tasks in stages)
    with ONE_BLAS_THREAD:
        for threads, tasks in stages:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(lambda task: task(), tasks):
                    done += 1
                    if progress is not None and progress(done, total) is False:
                        pool.shutdown(cancel_futures=True)
                        raise CancelledError(f"the maps were stopped after {done} of {total} steps; nothing was kept.")

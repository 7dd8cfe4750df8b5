"""The model of a spectrum: a column of counts per channel for each line family, artefact and background term.

Artefacts
---------
escape : a Si K X-ray leaves the detector; the count shows up 1.740 keV too low. Part of each family's column.
pile-up : two X-rays counted as one, at the sum of their energies: the spectrum convolved with itself. One column,
    whose coefficient is the number of such counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.background import BACKGROUNDS, discriminated, physical_terms, polynomial_terms
from edsnb.core.fitting.detector import SI_KA_KEV, efficiency, escape_fraction
from edsnb.core.fitting.lines import LineFamily
from edsnb.core.fitting.peaks import Lines, Response, peak_columns
from edsnb.core.image import EnergyAxis
from edsnb.errors import InputError


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a spectrum is made of."""

    families: tuple[LineFamily, ...]
    channels: slice
    """Channels that are fitted."""
    beam_kev: float | None = None
    """Beam energy: where bremsstrahlung ends."""
    background: str = "physical"
    order: int = 6
    """Order of the polynomial background."""
    take_off_deg: float = 90.0
    """Elevation of the detector, for self-absorption of the background."""
    absorber: Mapping[str, float] = field(default_factory=dict)
    """Weight fractions of the specimen, for the same; empty for none."""
    threshold_kev: float = 0.0
    """Energy at which the pulse discriminator passes half of the background; 0 for none."""

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.background not in BACKGROUNDS:
            raise InputError(f"background {self.background!r} is unknown; choose one of {', '.join(BACKGROUNDS)}.")
        if not 0 <= self.order <= 12:
            raise InputError(f"polynomial order {self.order} cannot be used; choose 0 to 12.")
        if not self.families and self.background == "none":
            raise InputError("a model without elements and without background has nothing to fit.")
        if not 0.0 < self.take_off_deg <= 90.0:
            raise InputError(f"a take-off angle of {self.take_off_deg:g} degrees cannot be; it is above 0, up to 90.")

    def centres_kev(self, response: Response) -> Array:
        """Return the energies (E',) of the fitted channels."""
        axis = response.energy
        return axis.offset_kev + axis.scale_kev * np.arange(self.channels.start, self.channels.stop)


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A model evaluated on the channels."""

    columns: Array
    """(E', F + B) counts per channel for unit intensity of each family, then of each other term."""
    nonnegative: Array
    """(F + B,) bool, which coefficients may not be negative."""
    alpha_fractions: Array
    """(F,) share of each family's detected counts in its alpha line."""


def detected_weights(family: LineFamily) -> Array:
    """Return each line's share of its family's detected counts: emitted share times detector efficiency."""
    detected = np.asarray(family.weights) * efficiency(np.asarray(family.energies_kev))
    return detected / detected.sum()


def detected_lines(family: LineFamily) -> Lines:
    """Return the lines that one count of a family is spread over: its own, and their escapes 1.740 keV lower."""
    energies, weights = np.asarray(family.energies_kev), detected_weights(family)
    escaped = escape_fraction(energies)
    escapes = escaped > 0
    return (
        np.concatenate([energies, energies[escapes] - SI_KA_KEV]),
        np.concatenate([weights * (1 - escaped), (weights * escaped)[escapes]]),
    )


def design(spec: ModelSpec, response: Response) -> Design:
    """Evaluate a model on the channels of `spec`, with the calibration and peak shape of `response`."""
    peaks = peak_columns(response, spec.channels, [detected_lines(family) for family in spec.families])
    background = background_columns(spec, response)
    free = np.zeros(peaks.shape[1] + background.shape[1], bool)
    free[peaks.shape[1] :] = spec.background == "polynomial"
    alpha = [float(detected_weights(f)[np.asarray(f.alpha)].sum()) for f in spec.families]
    return Design(np.concatenate([peaks, background], axis=1), ~free, np.asarray(alpha))


def background_columns(spec: ModelSpec, response: Response) -> Array:
    """Return the background terms (E', B) of `spec`."""
    channels = spec.channels.stop - spec.channels.start
    if spec.background == "none":
        return np.empty((channels, 0))
    if spec.background == "polynomial":
        return polynomial_terms(channels, spec.order)
    energy = spec.centres_kev(response)
    terms = physical_terms(energy, spec.beam_kev, absorber=spec.absorber, take_off_deg=spec.take_off_deg)
    return discriminated(terms, energy, spec.threshold_kev)


def pile_up_column(counts: Array, energy: EnergyAxis, channels: slice) -> Array:
    """Return where pairs of X-rays counted as one show up: the spectrum convolved with itself (E',), sum 1.

    Parameters
    ----------
    counts
        (E,) spectrum whose X-rays pile up; only those of the fitted channels are taken, as there is noise below.
    energy
        Its axis, calibrated.
    channels
        Channels that are fitted.
    """
    spectrum = np.asarray(counts, np.float64)[channels]
    size = 2 * len(spectrum)
    pairs = np.maximum(np.fft.irfft(np.fft.rfft(spectrum, size) ** 2, size), 0.0)
    # X-rays of channels a and b are seen where the energies add up, at a + b + offset / scale.
    first = channels.start + energy.offset_kev / energy.scale_kev
    column = np.interp(np.arange(len(spectrum)) - first, np.arange(-1, size), np.append(0.0, pairs))
    return column / max(column.sum(), 1e-300)

"""The model of a spectrum: a column of counts per channel for each line family and background term.

Background terms
----------------
physical
    efficiency(E) * E^-m * (E0 - E) / E0 for a few m: bremsstrahlung (Kramers, Phil. Mag. 46 (1923) 836, with
    its power left free) as the detector sees it. Coefficients are non-negative, so it cannot dip below zero or
    eat a peak.
polynomial
    as in the published HyperSpy recipe; free coefficients.
none
    peaks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edsnb.core.detector import efficiency
from edsnb.core.events import Array
from edsnb.core.lines import LineFamily
from edsnb.core.peaks import Response, line_shapes
from edsnb.errors import InputError

BACKGROUNDS = ("physical", "polynomial", "none")
POWERS = (0.0, 1.0, 2.0, 3.0)
"""Powers m of the physical background."""


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

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if self.background not in BACKGROUNDS:
            raise InputError(f"background {self.background!r} is unknown; choose one of {', '.join(BACKGROUNDS)}.")
        if not 0 <= self.order <= 12:
            raise InputError(f"polynomial order {self.order} cannot be used; choose 0 to 12.")
        if not self.families and self.background == "none":
            raise InputError("a model without elements and without background has nothing to fit.")


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A model evaluated on the channels."""

    columns: Array
    """(E', F + B) counts per channel for unit intensity of each family, then of each background term."""
    nonnegative: Array
    """(F + B,) bool, which coefficients may not be negative."""
    alpha_fractions: Array
    """(F,) share of each family's detected counts in its alpha line."""


def detected_weights(family: LineFamily) -> Array:
    """Return each line's share of its family's detected counts: emitted share times detector efficiency."""
    detected = np.asarray(family.weights) * efficiency(np.asarray(family.energies_kev))
    return detected / detected.sum()


def design(spec: ModelSpec, response: Response) -> Design:
    """Evaluate a model on the channels of `spec`, with the calibration and peak shape of `response`."""
    weights = [detected_weights(family) for family in spec.families]
    peaks, background = peak_columns(spec, response, weights), background_columns(spec, response)
    free = np.zeros(len(weights) + background.shape[1], bool)
    free[len(weights) :] = spec.background == "polynomial"
    alpha = [float(w[np.asarray(f.alpha)].sum()) for f, w in zip(spec.families, weights, strict=True)]
    return Design(np.concatenate([peaks, background], axis=1), ~free, np.asarray(alpha))


def peak_columns(spec: ModelSpec, response: Response, weights: Sequence[Array]) -> Array:
    """Return the counts per channel of each family (E', F), given its lines' detected weights."""
    columns = [
        line_shapes(response, spec.channels, family.energies_kev, w)
        for family, w in zip(spec.families, weights, strict=True)
    ]
    return np.stack(columns, axis=1) if columns else np.empty((spec.channels.stop - spec.channels.start, 0))


def background_columns(spec: ModelSpec, response: Response) -> Array:
    """Return the background terms (E', B); the physical ones have a mean of 1."""
    axis = response.energy
    energy = axis.offset_kev + axis.scale_kev * np.arange(spec.channels.start, spec.channels.stop)
    if spec.background == "none":
        return np.empty((len(energy), 0))
    if spec.background == "polynomial":
        return np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, len(energy)), spec.order)
    energy = np.maximum(energy, axis.scale_kev)
    end = np.inf if spec.beam_kev is None else spec.beam_kev
    shape = efficiency(energy) * np.clip(1.0 - energy / end, 0.0, None)
    terms = shape[:, None] * energy[:, None] ** -np.asarray(POWERS)
    return terms / terms.mean(axis=0)

"""A map that is the same everywhere, where the model of a fit is true: for tests of statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edsnb.core.events import Events
from edsnb.core.fitting.fit import FitResult, fit
from edsnb.core.fitting.model import ModelSpec, background_columns
from edsnb.core.fitting.peaks import Response
from edsnb.core.image import EnergyAxis, SpectrumImage
from edsnb.core.regions import chip
from edsnb.core.simulation.emission import IDEAL
from edsnb.core.simulation.simulate import simulate_spectra

INSTRUMENT = replace(IDEAL, stated=EnergyAxis(1000, 0.02, -0.1))
ELEMENTS = ("La", "Fe", "O", "Cu")
RANGE = (0.2, 18.0)


def flat_map(ny: int, nx: int, counts: float, seed: int) -> tuple[SpectrumImage, dict[str, float]]:
    """Return a map of LaFeO3 with a little Cu, the same everywhere, and the expected counts of each family."""
    content = {"La": 1.0, "Fe": 1.0, "O": 3.0, "Cu": 0.3}
    axis = INSTRUMENT.stated
    spec = ModelSpec((), slice(0, axis.size), INSTRUMENT.beam_kev)
    background = background_columns(spec, Response(axis, INSTRUMENT.fwhm_mn_ev)) @ [0.0, 0.7, 0.3]
    background[: axis.channels(*RANGE).start] = 0
    spectra, truth = simulate_spectra(
        content, ny * nx, counts, seed=seed, instrument=INSTRUMENT, background=background, background_share=0.12
    )
    events = Events.from_dense(spectra.counts)
    return SpectrumImage((ny, nx), spectra.energy, events, spectra.acquisition, pixel_nm=0.5, digest="d"), truth


def sum_fit(image: SpectrumImage, elements: tuple[str, ...] = ELEMENTS) -> FitResult:
    """Return the fit of the sum of all pixels with the true calibration."""
    return fit(chip(image, np.zeros(image.shape, int)), elements, energy=RANGE, calibration=False)

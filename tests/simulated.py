"""A small simulated map, made once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from edsnb.core.events import Events
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra, chip
from edsnb.core.simulation.simulate import Simulation, simulate
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe

RECIPE = Recipe(elements=("La", "Fe", "Sr", "Ti", "O"), deconvolve=("Cu", "C"), chip=16)


@cache
def small() -> Simulation:
    """Return a film on its substrate, 64 x 64 pixels: vacuum above row 4, the interface near row 31."""
    return simulate(size=64, frames=2, seed=3)


@cache
def analysed() -> Analysis:
    """Return the small map's 16 chips, quantified."""
    return analyse(small().image, RECIPE)


def empty() -> SpectrumImage:
    """Return the small map without a single X-ray."""
    events = small().image.require_events()
    return replace(
        small().image, events=Events(np.zeros_like(events.indptr), events.channel[:0], None, events.channels)
    )


def stored_only() -> SpectrumImage:
    """Return the data set of a file without a map: three spectra, the first of which is the sum of the others."""
    parts = chip(small().image, {"film": small().truth.labels == 1, "substrate": small().truth.labels == 2})
    counts = np.concatenate([parts.counts.sum(axis=0, dtype=np.uint64)[None], parts.counts])
    spectra = Spectra(counts, parts.energy, ("Summed", *parts.names))
    return replace(small().image, shape=(0, 0), events=None, surveys={}, spectra=spectra, notes=("no map",))

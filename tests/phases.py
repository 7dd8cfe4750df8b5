"""A simulated map of four phases, chip by chip: two chemistries, told apart within each only by their HAADF texture."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from edsnb.core.events import Array, Events
from edsnb.core.image import SpectrumImage, Survey
from edsnb.core.simulation.simulate import simulate_spectra
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe

PHASES = (
    ({"La": 1, "Fe": 1, "O": 3}, 100.0, "flat"),
    ({"La": 1, "Fe": 1, "O": 3}, 100.0, "stripes"),
    ({"Sr": 1, "Ti": 1, "O": 3}, 100.0, "flat"),
    ({"Sr": 1, "Ti": 1, "O": 3}, 120.0, "blobs"),
)
"""Composition, mean brightness and texture."""
SIDE, SIZE = 14, 15
"""Chips along a side of the map, pixels along a side of a chip."""


@cache
def four_phases(seed: int = 1, counts: float = 100.0, sides: int = SIDE) -> tuple[Analysis, Array]:
    """Return the analysed map, about `counts` X-rays a chip, and the true phase (n,) of each chip."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(PHASES), sides * sides)
    spectra = [
        simulate_spectra(phase[0], int((truth == k).sum()), counts, seed=10 * seed + k)[0]
        for k, phase in enumerate(PHASES)
    ]
    rows = [iter(made.counts) for made in spectra]
    edge = sides * SIZE
    haadf = np.empty((edge, edge), np.float32)
    pixels, channels = [], []
    for place, phase in enumerate(truth.tolist()):
        y0, x0 = (SIZE * part for part in divmod(place, sides))
        haadf[y0 : y0 + SIZE, x0 : x0 + SIZE] = _patch(rng, *PHASES[phase][1:])
        found = np.repeat(np.arange(spectra[0].energy.size), next(rows[phase]))
        y, x = rng.integers(0, SIZE, (2, len(found)))
        pixels.append((y + y0) * edge + x + x0)
        channels.append(found)
    flat = np.concatenate(pixels)
    order = np.argsort(flat, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=edge * edge))])
    image = SpectrumImage(
        (edge, edge), spectra[0].energy,
        Events(indptr, np.concatenate(channels)[order].astype(np.uint16), None, spectra[0].energy.size),
        spectra[0].acquisition, pixel_nm=0.25, surveys={"HAADF": Survey("HAADF", haadf)}, source="four phases",
    )  # fmt: skip
    recipe = Recipe(elements=("La", "Fe", "Sr", "Ti", "O"), deconvolve=("Cu", "C"), chip=SIZE)
    return analyse(image, recipe), truth


def _patch(rng: np.random.Generator, brightness: float, texture: str) -> Array:
    """Return the HAADF patch of one chip: its brightness varies, its pixels are noisy."""
    _, x = np.mgrid[:SIZE, :SIZE]
    relief = {
        "flat": lambda: 0.0,
        "stripes": lambda: 12.0 * np.sin(2 * np.pi * (x / 4 + rng.random())),
        "blobs": lambda: 40.0 * gaussian_filter(rng.normal(size=(SIZE, SIZE)), 1.5),
    }[texture]()
    return np.asarray(brightness + 4.0 * rng.normal() + relief + 12.0 * rng.normal(size=(SIZE, SIZE)), np.float32)

"""Hypothesis strategies: small maps, grids, label images."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edsnb.core.events import Events
from edsnb.core.image import EnergyAxis, SpectrumImage
from edsnb.core.regions import ChipGrid

DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", ">u2", ">i4", "bool", "float32", "float64")
"""Types in which counts come; 0 to 1 fits all of them."""


@st.composite
def cubes(draw: st.DrawFn, largest: int = 6) -> np.ndarray:
    """Whole counts (ny, nx, E), mostly zero, in a type as files have them."""
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest), st.integers(1, 9)))
    dtype = draw(st.sampled_from(DTYPES))
    top = 1 if dtype == "bool" else draw(st.sampled_from((1, 3, 100)))
    counts = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, top), fill=st.just(0)))
    return counts.astype(dtype)


def spectrum_image(cube: np.ndarray, **other: object) -> SpectrumImage:
    """Return a map with the counts of `cube` (ny, nx, E) on an axis of odd numbers."""
    ny, nx, channels = cube.shape
    energy = EnergyAxis(channels, 0.013, -0.27)
    return SpectrumImage((ny, nx), energy, Events.from_dense(cube.reshape(ny * nx, channels)), **other)


@st.composite
def grids(draw: st.DrawFn, shape: tuple[int, int]) -> ChipGrid:
    """Grids that fit a map of `shape`: any crop, origin and stride."""
    y0 = draw(st.integers(0, shape[0] - 1))
    x0 = draw(st.integers(0, shape[1] - 1))
    y1 = draw(st.integers(y0 + 1, shape[0]))
    x1 = draw(st.integers(x0 + 1, shape[1]))
    origin = draw(st.integers(0, y1 - y0 - 1)), draw(st.integers(0, x1 - x0 - 1))
    room = min(y1 - y0 - origin[0], x1 - x0 - origin[1])
    size = draw(st.integers(1, room))
    stride = draw(st.none() | st.integers(1, 2 * size))
    crop = draw(st.sampled_from([(y0, y1, x0, x1), None]))
    return ChipGrid(size, crop, stride, origin) if crop else ChipGrid(draw(st.integers(1, min(shape))), None, stride)


def label_images(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """Integer images with labels -1 (outside) to 4, with gaps."""
    return hnp.arrays(st.sampled_from((np.int8, np.int32, np.int64)), shape, elements=st.integers(-1, 4))

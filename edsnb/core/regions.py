"""Chips and other regions of a map, and the spectra summed over them.

Glossary
--------
chip : a square patch of the map, named ``R{row}C{col}`` (0-based, row first).
crop : the part of the map that is cut, ``(y0, y1, x0, x1)`` in pixels, ends excluded.
stride : distance between the corners of neighbouring chips; below `size` the chips overlap.
remainder : rows and columns of the crop that hold no whole chip; they are dropped and reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edsnb.core.events import Array, frozen, sum_regions
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, Segment, SpectrumImage
from edsnb.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Sets of pixels of one map; they may overlap and need not be connected."""

    shape: tuple[int, int]
    """(ny, nx) of the map."""
    names: tuple[str, ...]
    """n names, unique."""
    indptr: Array
    """(n + 1,) int64: region r holds ``pixels[indptr[r]:indptr[r + 1]]``."""
    pixels: Array
    """Flat pixel indices ``y * nx + x``; none stands twice in a region."""
    cells: Array | None = None
    """(n, 2) row and column in the chip grid; None for regions that are not a grid."""
    grid: ChipGrid | None = None
    """The grid these chips were cut by."""

    def __post_init__(self) -> None:
        """Check names and lengths, and freeze the arrays."""
        if len(set(self.names)) != len(self.names):
            double = sorted({n for n in self.names if self.names.count(n) > 1})
            raise InputError(f"region names must be unique; found {', '.join(double[:5])} more than once.")
        if len(self.indptr) != len(self.names) + 1:
            raise InputError(f"regions: {len(self.names)} names for {len(self.indptr) - 1} regions.")
        if self.indptr[0] != 0 or self.indptr[-1] != len(self.pixels) or (np.diff(self.indptr) < 0).any():
            raise InputError("regions: indptr must begin at 0, never fall and must end at the number of pixels.")
        if len(self.pixels) and not 0 <= self.pixels.min() <= self.pixels.max() < self.shape[0] * self.shape[1]:
            raise InputError(
                f"regions: pixel {self.pixels.min()} or {self.pixels.max()} lies outside the map of "
                f"{self.shape[0]} x {self.shape[1]}."
            )
        for name in ("indptr", "pixels"):
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name), np.int64)))
        if self.cells is not None:
            object.__setattr__(self, "cells", frozen(self.cells))

    def __len__(self) -> int:
        """Return the number of regions."""
        return len(self.names)

    @property
    def sizes(self) -> Array:
        """(n,) pixels in each region."""
        return np.diff(self.indptr)

    @property
    def boxes(self) -> Array:
        """(n, 4) bounding box of each region: y0, y1, x0, x1, ends excluded; -1 for an empty region."""
        out = np.full((len(self), 4), -1, np.int64)
        full = np.flatnonzero(self.sizes)
        if full.size:
            starts = self.indptr[:-1][full]
            y, x = np.divmod(self.pixels, self.shape[1])
            for column, (axis, reduce, step) in enumerate(
                [(y, np.minimum, 0), (y, np.maximum, 1), (x, np.minimum, 0), (x, np.maximum, 1)]
            ):
                out[full, column] = reduce.reduceat(axis, starts) + step
        return out

    def mask(self, region: int | str) -> Array:
        """Return one region as a boolean image (ny, nx)."""
        index = {name: i for i, name in enumerate(self.names)}.get(region, -1) if isinstance(region, str) else region
        if not 0 <= index < len(self):
            raise InputError(f"no region {region!r}: there are {len(self)}, {', '.join(self.names[:5])} ...")
        out = np.zeros(self.shape[0] * self.shape[1], bool)
        out[self.pixels[self.indptr[index] : self.indptr[index + 1]]] = True
        return out.reshape(self.shape)

    def labels(self) -> Array:
        """Return a label image (ny, nx) int32: the region's number, -1 outside; the first region wins an overlap."""
        out = np.full(self.shape[0] * self.shape[1], -1, np.int32)
        owner = np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)
        out[self.pixels[::-1]] = owner[::-1]
        return out.reshape(self.shape)

    @classmethod
    def from_labels(cls, labels: Array, names: Sequence[str] | Mapping[int, str] | None = None) -> Regions:
        """Make one region of each label of an integer image (ny, nx); negative labels are outside.

        `names` gives a name for each label in ascending order, or by label; ``label {k}`` by default.
        """
        image = np.asarray(labels)
        if image.ndim != 2 or not np.issubdtype(image.dtype, np.integer):
            raise InputError(
                f"a label image must be a 2-D array of integers; found {image.ndim}-D {image.dtype}. "
                "For True/False images use Regions.from_masks."
            )
        flat = image.ravel()
        order = np.argsort(flat, kind="stable")
        order = order[np.searchsorted(flat[order], 0) :]
        found, sizes = np.unique(flat[order], return_counts=True)
        if isinstance(names, Mapping):
            named = tuple(names.get(int(k), f"label {k}") for k in found)
        else:
            named = tuple(names) if names is not None else tuple(f"label {k}" for k in found)
        if len(named) != len(found):
            raise InputError(f"the label image has {len(found)} labels, {len(named)} names were given.")
        return cls((image.shape[0], image.shape[1]), named, np.concatenate([[0], np.cumsum(sizes)]), order)

    @classmethod
    def from_masks(cls, masks: Mapping[str, Array]) -> Regions:
        """Make one region of each boolean image (ny, nx); masks may overlap."""
        arrays = {name: np.asarray(mask) for name, mask in masks.items()}
        shapes = {mask.shape for mask in arrays.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise InputError(f"masks must be 2-D and of one shape; found {sorted(shapes) or 'none'}.")
        if any(mask.dtype != bool for mask in arrays.values()):
            raise InputError("masks must be boolean (True inside). For integer images use Regions.from_labels.")
        inside = [np.flatnonzero(mask) for mask in arrays.values()]
        ny, nx = shapes.pop()
        return cls((ny, nx), tuple(arrays), np.cumsum([0, *map(len, inside)]), np.concatenate(inside))

    @classmethod
    def from_polygons(cls, polygons: Mapping[str, Sequence[tuple[float, float]]], shape: tuple[int, int]) -> Regions:
        """Make regions of polygons given as (y, x) corners in pixel units, where pixel (0, 0) is centred on (0, 0).

        A pixel belongs to a polygon that contains its centre (scikit-image ``draw.polygon2mask``).
        """
        from skimage.draw import polygon2mask

        for name, corners in polygons.items():
            if len(corners) < 3 or any(np.shape(corner) != (2,) for corner in corners):
                raise InputError(f"polygon {name!r} needs at least three (y, x) corners; found {list(corners)[:3]}.")
        return cls.from_masks({name: polygon2mask(shape, np.asarray(c, float)) for name, c in polygons.items()})


@dataclass(frozen=True, slots=True)
class ChipGrid:
    """A regular grid of square chips.

    Rows = floor((crop height - size) / stride) + 1, columns likewise: the remainder is dropped,
    and `describe` says how much.
    """

    size: int
    """Edge of a chip in pixels."""
    crop: tuple[int, int, int, int] | None = None
    """(y0, y1, x0, x1) in pixels, ends excluded; None for the whole map."""
    stride: int | None = None
    """Pixels from chip to chip; None for chips side by side."""
    origin: tuple[int, int] = (0, 0)
    """(y, x) of the first chip's corner inside the crop."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be."""
        if self.size < 1 or (self.stride is not None and self.stride < 1) or min(self.origin) < 0:
            raise InputError(
                f"chip grid: size {self.size}, stride {self.stride}, origin {self.origin}; size and stride must be at "
                "least 1 pixel and the origin not negative."
            )

    @property
    def step(self) -> int:
        """Pixels from chip to chip."""
        return self.stride or self.size

    def crop_in(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the crop inside a map of `shape`, or raise where it is outside or smaller than a chip."""
        if self.crop is not None and len(self.crop) != 4:
            raise InputError(f"the crop must be (y0, y1, x0, x1) in pixels; found {self.crop}.")
        y0, y1, x0, x1 = self.crop or (0, shape[0], 0, shape[1])
        if not (0 <= y0 < y1 <= shape[0] and 0 <= x0 < x1 <= shape[1]):
            raise InputError(
                f"crop y {y0}:{y1}, x {x0}:{x1} does not lie inside the map of {shape[0]} x {shape[1]} pixels (y, x). "
                f"Give 0 <= start < end, with ends up to {shape[0]} and {shape[1]}."
            )
        room = min(y1 - y0 - self.origin[0], x1 - x0 - self.origin[1])
        if room < self.size:
            raise InputError(
                f"a chip of {self.size} pixels does not fit: the crop leaves {room} pixels after the origin "
                f"{self.origin}. Choose a chip size up to {max(room, 1)} or a larger crop."
            )
        return y0, y1, x0, x1

    def counts_in(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return (rows, columns) of whole chips in a map of `shape`."""
        y0, y1, x0, x1 = self.crop_in(shape)
        return (
            (y1 - y0 - self.origin[0] - self.size) // self.step + 1,
            (x1 - x0 - self.origin[1] - self.size) // self.step + 1,
        )

    def remainder_in(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) of pixels at the crop's lower and right edges that no chip covers."""
        y0, y1, x0, x1 = self.crop_in(shape)
        rows, columns = self.counts_in(shape)
        covered = [(k - 1) * self.step + self.size for k in (rows, columns)]
        return y1 - y0 - self.origin[0] - covered[0], x1 - x0 - self.origin[1] - covered[1]

    def describe(self, shape: tuple[int, int]) -> str:
        """Say in one line what the grid makes of a map of `shape`."""
        rows, columns = self.counts_in(shape)
        down, right = self.remainder_in(shape)
        overlap = f", stride {self.step} px" if self.step != self.size else ""
        dropped = f"; dropped {down} px at the bottom, {right} px at the right" if down or right else ""
        return f"{rows} x {columns} = {rows * columns} chips of {self.size} px{overlap}{dropped}"

    def regions(self, shape: tuple[int, int]) -> Regions:
        """Return the chips of a map of `shape` (ny, nx) as regions, row by row."""
        y0, _, x0, _ = self.crop_in(shape)
        rows, columns = self.counts_in(shape)
        cells = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1)
        corners = cells * self.step + np.array([y0 + self.origin[0], x0 + self.origin[1]])
        within = np.arange(self.size)[:, None] * shape[1] + np.arange(self.size)
        pixels = (corners[:, 0] * shape[1] + corners[:, 1])[:, None] + within.ravel()
        names = tuple(f"R{r}C{c}" for r, c in cells.tolist())
        return Regions(shape, names, np.arange(len(cells) + 1) * self.size**2, pixels.ravel(), cells, self)


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Summed spectra of n regions (or stored ones without regions)."""

    counts: Array
    """(n, E) X-rays."""
    energy: EnergyAxis
    names: tuple[str, ...]
    """n names."""
    acquisition: Acquisition = field(default_factory=Acquisition)
    regions: Regions | None = None
    """Where the spectra come from; None for spectra stored in a file."""
    elements: tuple[ElementSetting, ...] = ()
    """Elements selected in the vendor's software."""
    source: str = ""
    digest: str = ""
    """Digest of the input they were summed from."""
    segments: tuple[Segment, ...] = ()
    """Detector segments of the whole map, whose sum these spectra are parts of."""

    def __post_init__(self) -> None:
        """Check the shapes and freeze the counts."""
        if self.counts.ndim != 2 or self.counts.shape != (len(self.names), self.energy.size):
            raise InputError(
                f"spectra: counts of shape {self.counts.shape} for {len(self.names)} names and "
                f"{self.energy.size} channels."
            )
        object.__setattr__(self, "counts", frozen(self.counts))

    def __len__(self) -> int:
        """Return n."""
        return len(self.names)

    def only(self, index: int) -> Spectra:
        """Return one spectrum alone, with its region."""
        regions = self.regions
        if regions is not None:
            inside = regions.pixels[regions.indptr[index] : regions.indptr[index + 1]]
            regions = Regions(regions.shape, (regions.names[index],), np.array([0, len(inside)]), inside)
        return replace(self, counts=self.counts[[index]], names=(self.names[index],), regions=regions)

    @property
    def floor_kev(self) -> float:
        """Lowest energy used by default: above the electronics' noise peak."""
        return max(self.acquisition.begin_energy_kev or 0.0, self.energy.range_kev[0], 0.0)


def chip(image: SpectrumImage, regions: ChipGrid | Regions | Array | Mapping[str, Array]) -> Spectra:
    """Sum the X-rays of every chip or region of a map.

    Parameters
    ----------
    image
        A map, from `edsnb.open`.
    regions
        A ChipGrid; Regions; a label image (ny, nx) of integers; a boolean mask; or {name: mask}.

    Returns
    -------
    Spectra, counts (n, E). Every X-ray of a region is counted exactly once in that region.

    Raises
    ------
    NoMapError
        The file holds no spectrum image.
    InputError
        The grid does not fit, or the regions belong to a map of another shape.
    """
    events = image.require_events()
    chosen = as_regions(regions, image.shape)
    return Spectra(
        sum_regions(events, chosen.indptr, chosen.pixels),
        image.energy,
        chosen.names,
        image.acquisition,
        chosen,
        image.elements,
        image.source,
        image.digest,
        image.segments,
    )


def as_regions(regions: ChipGrid | Regions | Array | Mapping[str, Array], shape: tuple[int, int]) -> Regions:
    """Return `regions`, in any of the forms `chip` takes, as Regions of a map of `shape`."""
    if isinstance(regions, ChipGrid):
        return regions.regions(shape)
    if isinstance(regions, Mapping):
        chosen = Regions.from_masks(regions)
    elif isinstance(regions, Regions):
        chosen = regions
    else:
        image = np.asarray(regions)
        chosen = Regions.from_masks({"mask": image}) if image.dtype == bool else Regions.from_labels(image)
    if chosen.shape != shape:
        raise InputError(
            f"the regions were made for a map of {chosen.shape[0]} x {chosen.shape[1]} pixels, this one has "
            f"{shape[0]} x {shape[1]}. Make them on this map's raster."
        )
    return chosen

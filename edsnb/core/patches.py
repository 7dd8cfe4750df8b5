"""Patches of the survey image, one a chip: what the image side of a few-shot model sees.

Glossary
--------
picture : the image that is cut, (ny, nx): HAADF on the map's raster; where there is none, the X-rays of each pixel.
box : y0, x0, height, width of a region in pixels. A chip fills its box; an irregular region has a mask in it.
limits : the values drawn black and white. One pair holds for all chips: contrast chosen chip by chip would tell a
    model nothing of brightness, which tells phases apart best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import InputError

_TAILS = (0.1, 99.9)
"""Percentiles drawn black and white in 8 bits, so that a few hot pixels do not take all grey levels."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """n patches of one picture, in the order of the regions."""

    picture: Array
    """(ny, nx) float32, true values."""
    name: str
    """What the picture is: ``HAADF``, another survey's name, or ``X-ray counts``."""
    regions: Regions
    """The n regions."""
    boxes: Array
    """(n, 4) y0, x0, height, width; an empty region has height and width 0."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("picture", "boxes"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __len__(self) -> int:
        """Return n."""
        return len(self.regions)

    @property
    def whole(self) -> bool:
        """Whether every region fills its box, so that no mask is needed."""
        return bool((self.boxes[:, 2] * self.boxes[:, 3] == self.regions.sizes).all())

    def values(self, index: int) -> Array:
        """Return one patch (height, width) float32: the region's box, with what lies between its pixels."""
        y0, x0, height, width = self.boxes[index].tolist()
        return self.picture[y0 : y0 + height, x0 : x0 + width]

    def mask(self, index: int) -> Array:
        """Return which pixels of a patch belong to the region, (height, width) bool."""
        y0, x0, height, width = self.boxes[index].tolist()
        regions = self.regions
        y, x = np.divmod(regions.pixels[regions.indptr[index] : regions.indptr[index + 1]], regions.shape[1])
        out = np.zeros((height, width), bool)
        out[y - y0, x - x0] = True
        return out

    def stack(self) -> tuple[Array, Array]:
        """Return all patches (n, h, w) float32 and their masks (n, h, w) bool, in the corner of the largest box.

        What lies outside a box is NaN, and False in the mask.
        """
        height, width = self.boxes[:, 2:].max(axis=0, initial=0).tolist()
        values = np.full((len(self), height, width), np.nan, np.float32)
        masks = np.zeros(values.shape, bool)
        for k, (h, w) in enumerate(self.boxes[:, 2:].tolist()):
            values[k, :h, :w] = self.values(k)
            masks[k, :h, :w] = self.mask(k)
        return values, masks

    def limits(self, bits: int = 8) -> tuple[float, float]:
        """Return the values drawn black and white in pictures of 8 or 16 bits.

        In 8 bits the 0.1st and the 99.9th percentile of all chips' pixels; in 16 bits, which need not save grey
        levels, the lowest and the highest.
        """
        inside = np.zeros(self.picture.size, bool)
        inside[self.regions.pixels] = True
        found = self.picture.ravel()[inside]
        found = found[np.isfinite(found)].astype(np.float64)
        if not found.size:
            return 0.0, 1.0
        low, high = np.percentile(found, _TAILS if bits == 8 else (0.0, 100.0)).tolist()
        return low, high if high > low else low + 1.0

    def grey(self, bits: int = 8) -> Array:
        """Return the whole picture in grey levels (ny, nx), uint8 or uint16, by `limits`; NaN becomes 0."""
        low, high = self.limits(bits)
        top = 2**bits - 1
        levels = np.rint(np.clip((self.picture.astype(np.float64) - low) / (high - low), 0.0, 1.0) * top)
        return np.nan_to_num(levels).astype(np.uint8 if bits == 8 else np.uint16)

    def require_grid(self, wanted: str, *, touching: bool = False) -> tuple[ChipGrid, tuple[int, int]]:
        """Return the chip grid and its (rows, columns), or raise InputError saying what `wanted` it.

        `touching` asks for chips side by side, without gaps or overlaps.
        """
        grid, cells = self.regions.grid, self.regions.cells
        if grid is None or cells is None:
            raise InputError(
                f"{wanted} needs square chips on a grid; these are {len(self)} regions of their own shape. "
                "Choose parquet, npz, imagefolder, classes or published for them, or cut a grid."
            )
        if touching and grid.step != grid.size:
            raise InputError(
                f"{wanted} cuts its chips itself, side by side; these have {grid.size} px and stride {grid.step} px. "
                "Leave the stride out, or choose another format."
            )
        rows, columns = (cells.max(axis=0) + 1).tolist()
        return grid, (rows, columns)

    def covered(self) -> tuple[int, int, int, int]:
        """Return y0, y1, x0, x1 of the part of the map that all regions cover together; ends excluded."""
        boxes = self.boxes[self.boxes[:, 2] > 0]
        if not len(boxes):
            raise InputError("no region holds a pixel, so there is nothing to cut out of the picture.")
        y1, x1 = (boxes[:, :2] + boxes[:, 2:]).max(axis=0).tolist()
        y0, x0 = boxes[:, :2].min(axis=0).tolist()
        return y0, y1, x0, x1


def cut(image: SpectrumImage, regions: Regions) -> Patches:
    """Cut the HAADF image, or another survey on the map's raster, into patches; X-rays per pixel where there is none.

    Raises
    ------
    InputError
        The regions belong to a map of another shape.
    NoMapError
        There is neither an image on the raster nor a map.
    """
    if regions.shape != image.shape:
        raise InputError(
            f"the regions were made for a map of {regions.shape[0]} x {regions.shape[1]} pixels, this one has "
            f"{image.shape[0]} x {image.shape[1]}. Make them on this map's raster."
        )
    survey = image.haadf
    picture = survey.image if survey is not None else image.counts_map()
    y0, y1, x0, x1 = np.where(regions.sizes > 0, regions.boxes.T, 0)
    boxes = np.stack([y0, x0, y1 - y0, x1 - x0], axis=1)
    name = survey.name if survey is not None else "X-ray counts"
    return Patches(np.asarray(picture, np.float32), name, regions, boxes)

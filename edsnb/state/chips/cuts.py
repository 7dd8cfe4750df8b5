"""From a grid as it was asked for to one that fits into the map, and what had to be changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edsnb.core.regions import ChipGrid

Crop = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """A chip grid as it was asked for; it need not fit."""

    size: int
    stride: int | None = None
    """None: side by side."""
    origin: tuple[int, int] = (0, 0)
    """y, x inside the crop."""
    crop: Crop | None = None
    """y0, y1, x0, x1, ends excluded; None for the whole map."""

    @property
    def sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The crop's ends in y and in x; none where it is the whole map."""
        y0, y1, x0, x1 = self.crop or (0, 0, 0, 0)
        return (y0, y1), (x0, x1)


def fitting(asked: Cut, shape: tuple[int, int]) -> tuple[Cut, tuple[str, ...]]:
    """Return the nearest cut that fits into a map of `shape` (ny, nx), its crop written out, and what was changed."""
    ny, nx = shape
    notes = []
    y0, y1, x0, x1 = asked.crop or (0, ny, 0, nx)
    crop: Crop = (*_inside(y0, y1, ny), *_inside(x0, x1, nx))
    if crop != (y0, y1, x0, x1):
        notes.append(
            f"The crop was moved into the map of {ny} x {nx} px: y {crop[0]}:{crop[1]}, x {crop[2]}:{crop[3]}."
        )
    height, width = crop[1] - crop[0], crop[3] - crop[2]
    origin = (min(max(asked.origin[0], 0), height - 1), min(max(asked.origin[1], 0), width - 1))
    if origin != asked.origin:
        notes.append(f"The origin was moved into the crop of {height} x {width} px: y {origin[0]}, x {origin[1]}.")
    room = min(height - origin[0], width - origin[1])
    size = min(max(asked.size, 1), room)
    if size < asked.size:
        notes.append(f"A chip of {asked.size} px does not fit: the crop leaves {room} px, so it is {size} px now.")
    stride = None if asked.stride is None else min(max(asked.stride, 1), max(height, width))
    if stride != asked.stride:
        notes.append(f"The stride is {stride} px now: more than the crop's length means nothing.")
    return replace(asked, size=size, stride=stride, origin=origin, crop=crop), tuple(notes)


def grid_of(cut: Cut, shape: tuple[int, int]) -> ChipGrid:
    """Return the grid of a cut that fits; a crop that is the whole map is left out of it."""
    whole = (0, shape[0], 0, shape[1])
    return ChipGrid(cut.size, None if cut.crop in (None, whole) else cut.crop, cut.stride, cut.origin)


def _inside(low: int, high: int, length: int) -> tuple[int, int]:
    """Return a range of at least one pixel inside a side of the map."""
    low = min(max(low, 0), length - 1)
    return low, min(max(high, low + 1), length)

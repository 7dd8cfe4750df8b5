"""Lines around chips and regions, on the raster of the map.

All lines are in pixel units with pixel (0, 0) centred on (0, 0), so that its edges lie at -0.5 and 0.5; a line is
``y0, x0, y1, x1``.
"""

from __future__ import annotations

import numpy as np

from edsnb.core.events import Array
from edsnb.core.owners import owners
from edsnb.core.regions import ChipGrid, Regions

_ONE_BY_ONE = 64
"""Regions outlined one by one, so that overlaps are seen; more are outlined where the first of them meet."""


def grid_lines(grid: ChipGrid, shape: tuple[int, int]) -> Array:
    """Return the lines of a grid (m, 4).

    Chips that touch or overlap share lines that run through the whole grid, so that thousands of chips are some tens of
    lines; chips with gaps between them have four lines each.
    """
    rows, columns = grid.counts_in(shape)
    y0, _, x0, _ = grid.crop_in(shape)
    top = y0 + grid.origin[0] + np.arange(rows) * grid.step - 0.5
    left = x0 + grid.origin[1] + np.arange(columns) * grid.step - 0.5
    if grid.step > grid.size:
        y, x = (corner.ravel() for corner in np.meshgrid(top, left, indexing="ij"))
        return box_lines(np.stack([y, y + grid.size, x, x + grid.size], axis=1))
    ys, xs = (np.union1d(start, start + grid.size) for start in (top, left))
    across = [(y, xs[0], y, xs[-1]) for y in ys]
    down = [(ys[0], x, ys[-1], x) for x in xs]
    return np.array(across + down)


def box_lines(boxes: Array) -> Array:
    """Return the four lines of each box (4 n, 4), boxes given as y0, y1, x0, x1 (n, 4)."""
    y0, y1, x0, x1 = np.asarray(boxes, float).T
    sides = [(y0, x0, y0, x1), (y1, x0, y1, x1), (y0, x0, y1, x0), (y0, x1, y1, x1)]
    return np.stack([np.stack(side, axis=1) for side in sides], axis=1).reshape(-1, 4)


def label_lines(labels: Array, origin: tuple[int, int] = (0, 0)) -> tuple[Array, Array]:
    """Return the lines between unlike labels of an image (ny, nx), negative outside.

    Returns
    -------
    (m, 4) lines, each as long as the labels on both sides stay the same, and (m,) a label that each of them bounds.
    `origin` is the row and column of the image's first pixel.
    """
    across, owner_a = _runs(labels)
    down, owner_d = _runs(labels.T)
    lines = np.concatenate([across, down[:, [1, 0, 3, 2]]]) + np.array([*origin, *origin]) - 0.5
    return lines, np.concatenate([owner_a, owner_d])


def _runs(labels: Array) -> tuple[Array, Array]:
    """Return the lines between rows of unlike labels, in pixels from the image's corner, and their labels."""
    padded = np.pad(np.maximum(labels, -1), 1, constant_values=-1)[:, 1:-1]
    above, below = padded[:-1], padded[1:]
    # A pair of labels as one number; 0 where there is no line. It keeps runs of other neighbours apart.
    pair = np.where(above != below, (above.astype(np.int64) + 2) * (2 + int(labels.max(initial=0))) + below + 2, 0)
    edged = np.pad(pair, ((0, 0), (1, 1)))
    step = np.diff(edged, axis=1) != 0
    starts = np.argwhere(step & (edged[:, 1:] != 0))
    ends = np.argwhere(step & (edged[:, :-1] != 0))
    y, first, last = starts[:, 0], starts[:, 1], ends[:, 1]
    lines = np.stack([y, first, y, last], axis=1).astype(float).reshape(-1, 4)
    return lines, np.maximum(above[y, first], below[y, first])


def region_lines(regions: Regions, chosen: list[int] | None = None) -> tuple[Array, Array]:
    """Return the outlines of regions (m, 4) along the edges of their pixels, and the region of each line (m,)."""
    if chosen is None and len(regions) > _ONE_BY_ONE:
        return label_lines(owners(regions))
    numbers = list(range(len(regions))) if chosen is None else chosen
    boxes = regions.boxes
    lines, whose = [np.empty((0, 4))], [np.empty(0, np.int64)]
    for k in numbers:
        y0, y1, x0, x1 = boxes[k].tolist()
        if y0 < 0:
            continue
        y, x = np.divmod(regions.pixels[regions.indptr[k] : regions.indptr[k + 1]], regions.shape[1])
        if len(y) == (y1 - y0) * (x1 - x0):
            found = box_lines(np.array([[y0, y1, x0, x1]]) - 0.5)
        else:
            inside = np.full((y1 - y0, x1 - x0), -1, np.int8)
            inside[y - y0, x - x0] = 0
            found, _ = label_lines(inside, (y0, x0))
        lines.append(found)
        whose.append(np.full(len(found), k, np.int64))
    return np.concatenate(lines), np.concatenate(whose)

"""What the mouse does on a map: select chips, or draw regions with a box, a lasso, corners, a brush, a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import param

from edsnb.core.areas import between, spaced
from edsnb.core.events import Array
from edsnb.errors import InputError
from edsnb.state.chips.drawn import Band, DrawnState, Point, Polygon
from edsnb.state.chips.pictures import PictureState, Shown

TOOLS = {
    "Select": "select", "Box": "box", "Lasso": "lasso", "Polygon": "polygon", "Brush": "brush", "Corners": "corners"
}  # fmt: skip
HELP = {
    "select": "Click a chip; shift-click adds one or takes it away.",
    "box": "Drag a box on a map.",
    "lasso": "Drag around a region on a map.",
    "polygon": "Click corners on a map; double-click, or Close, ends the polygon.",
    "brush": "Drag over a map to paint.",
    "corners": "Drag the corners of the region that is drawn into.",
}
"""How each tool is used."""
_FEWEST = 3
_LASSO_PX = 0.7
"""Distance between the points that are kept of a lasso."""
_CLOSE_PX = 0.75
"""The second click of a double click lies no farther from the first."""


class DrawingState(param.Parameterized):
    """The tool in the hand, corners of a polygon that is not closed yet, and a band of values of a picture."""

    tool: Any = param.Selector(default="select", objects=dict(TOOLS), label="Mouse")
    draft = param.Parameter(default=(), constant=True, doc="Corners (y, x) of the polygon being drawn, a tuple.")
    side: Any = param.Selector(
        default="off",
        objects={"No threshold": "off", "Image, left": "left", "EDS map, right": "right"},
        label="Threshold on",
    )
    band = param.Range(default=(0.0, 1.0), label="Values taken")
    limits = param.Parameter(default=(0.0, 1.0), constant=True, doc="Lowest and highest value of the picture.")
    inside = param.Parameter(default=None, constant=True, doc="(ny, nx) bool, pixels in the band; None where off.")
    message = param.String(default="", constant=True)

    def __init__(self, drawn: DrawnState, pictures: PictureState) -> None:
        super().__init__()
        self.drawn, self.pictures = drawn, pictures
        self.param.watch(lambda *_: self._put(draft=(), message=HELP[self.tool]), "tool")
        self.param.watch(lambda *_: self._new_picture(), "side")
        self.param.watch(lambda *_: self._mark(), "band")
        pictures.param.watch(lambda *_: self._new_picture(), ["left", "right"])

    def corner(self, y: float, x: float) -> None:
        """Add a corner to the polygon being drawn."""
        last = self.draft[-1] if self.draft else None
        if last is not None and abs(last[0] - y) <= _CLOSE_PX and abs(last[1] - x) <= _CLOSE_PX:
            return
        self._put(draft=(*self.draft, (float(y), float(x))), message=f"{len(self.draft) + 1} corners.")

    def back(self) -> None:
        """Take the last corner back."""
        self._put(draft=self.draft[:-1], message=f"{max(len(self.draft) - 1, 0)} corners.")

    def close(self) -> None:
        """Make a region of the polygon being drawn."""
        corners = self.draft
        if len(corners) < _FEWEST:
            self._put(message=f"A polygon needs three corners; there are {len(corners)}.")
            return
        self._put(draft=(), message="")
        self.drawn.polygon(corners)

    def shape(self, corners: Sequence[Point]) -> None:
        """Make a region of a box or a lasso; of one path with the brush, paint along it."""
        if self.tool != "brush":
            self.drawn.polygon(spaced(corners, _LASSO_PX) if self.tool == "lasso" else corners)
            return
        shown, band = self._picture(), self.chosen_band
        path = spaced(corners, max(_LASSO_PX, 0.3 * self.drawn.radius))
        self.drawn.brush(path, band, shown.image if shown is not None and band is not None else None)

    def take_band(self) -> None:
        """Make a region of all pixels in the band."""
        shown, band = self._picture(), self.chosen_band
        if shown is None or band is None:
            self._put(message="Choose the picture for the threshold first.")
            return
        self.drawn.threshold(band, shown.image)

    def corners(self) -> dict[int, tuple[Point, ...]]:
        """Return {number of the step: corners} of the polygons in the region that is drawn into."""
        area = self.drawn.chosen
        steps = enumerate(area.steps if area is not None else ())
        return {k: step.shape.corners for k, step in steps if isinstance(step.shape, Polygon)}

    def move_corners(self, corners: Mapping[int, Sequence[Point]]) -> None:
        """Give polygons of the region that is drawn into other corners, where they have changed."""
        for number, points in corners.items():
            rounded = tuple((round(float(y), 2), round(float(x), 2)) for y, x in points)
            if rounded != self.corners().get(number):
                self.drawn.set_corners(self.drawn.current, number, points)

    @property
    def corner_text(self) -> str:
        """Corners of the first polygon as text: ``y x; y x; ...``; empty where there is none."""
        polygons = self.corners()
        return "; ".join(f"{y:g} {x:g}" for y, x in next(iter(polygons.values()))) if polygons else ""

    def type_corners(self, text: str) -> None:
        """Draw a polygon of typed corners, or give the first polygon of the region drawn into these corners."""
        try:
            points = parse_corners(text)
        except InputError as error:
            self._put(message=str(error))
            return
        polygons = self.corners()
        if polygons:
            self.move_corners({next(iter(polygons)): points})
        else:
            self.drawn.polygon(points)

    @property
    def chosen_band(self) -> Band | None:
        """The band of values, None where it is off or its picture cannot be thresholded."""
        shown = self._picture()
        if shown is None or shown.picture is None:
            return None
        return Band(shown.picture, float(self.band[0]), float(self.band[1]))

    def _picture(self) -> Shown | None:
        """Return the picture that is thresholded; None where it is off, a mix of colours or on another raster."""
        shown: Shown | None = getattr(self.pictures, self.side) if self.side != "off" else None
        image = self.pictures.image
        if shown is None or image is None or shown.picture is None or shown.image.shape != image.shape:
            return None
        return shown

    def _new_picture(self) -> None:
        """Offer the values of the picture that is thresholded now; the upper half to begin with."""
        shown = self._picture()
        if shown is None:
            why = "This picture cannot be thresholded: it is a mix, or not on the map's raster."
            self._put(inside=None, message=why if self.side != "off" else HELP[self.tool])
            return
        found = shown.image[np.isfinite(shown.image)]
        low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
        if (low, high) != self.limits:
            high = high if high > low else low + 1.0
            self._put(limits=(low, high))
            self.band = (float(np.median(found)) if found.size else low, high)
        self._mark()

    def _mark(self) -> None:
        shown = self._picture()
        if shown is None:
            return
        inside: Array = between(shown.image, *self.band)
        self._put(inside=inside, message=f"{int(inside.sum()):,} px in the band.")

    def _put(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def parse_corners(text: str) -> list[Point]:
    """Read corners written ``y x; y x; ...``; InputError where they are none."""
    try:
        points = [tuple(map(float, part.replace(",", " ").split())) for part in text.split(";") if part.strip()]
    except ValueError:
        points = []
    if len(points) < _FEWEST or any(len(point) != 2 for point in points):
        raise InputError(f"corners {text[:40]!r} are not understood: write three or more as y x; y x; y x (in px).")
    return [(point[0], point[1]) for point in points]

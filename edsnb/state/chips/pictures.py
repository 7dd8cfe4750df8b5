"""Pictures of a map: survey images, X-ray counts, energy windows, fitted lines, elements mixed as colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import param

from edsnb.core.events import Array
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.maps import PixelMaps, pixel_maps
from edsnb.errors import EdsnbError
from edsnb.state.elements.models import ModelSettings, settle
from edsnb.state.elements.state import ElementState
from edsnb.state.work import Work

KINDS = ("counts", "window", "line", "mix")
"""All X-rays, those of an energy window, one fitted line or element, several elements as colours."""
COUNTS = "X-ray counts"
"""The picture on the left where a file has no image."""
MOST_MIXED = 6
_PAUSE_S = 0.1
"""The range must have stood still for so long before X-rays are counted anew."""
_KEPT = 4
"""Counts maps that are kept, newest first."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Which picture it is, so that code can make it again."""

    kind: str
    """``survey``, ``stored`` (a map of the vendor's software), ``counts`` or ``line``."""
    name: str = ""
    """Of a survey image or a line; the number of a stored map."""
    energy: tuple[float, float] | None = None
    """Of counts, keV."""
    model: ModelSettings | None = None
    kernel: int = 1

    def code(self) -> str:
        """Return Python that makes it of ``image``; ``maps`` is made by `preface`."""
        if self.kind == "survey":
            return f"image.surveys[{self.name!r}].image"
        if self.kind == "stored":
            return f"image.maps[{self.name}].image"
        if self.kind == "line":
            return f"maps.map({self.name!r})[0]"
        return "image.counts_map({!r}, {!r})".format(*self.energy or (None, None))

    def preface(self) -> list[str]:
        """Return Python that must stand before `code`."""
        if self.model is None:
            return []
        return [*self.model.code(), f"maps = edsnb.pixel_maps(image, model, kernel={self.kernel})"]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture with what is said of it."""

    image: Array
    """(ny, nx) values."""
    title: str
    unit: str
    picture: Picture | None = None
    """None where it is a mix."""
    aligned: bool = True
    """Whether it lies on the map."""
    extent: tuple[float, float, float, float] | None = None
    """y0, y1, x0, x1 in pixels of the map; None for the whole map pixel by pixel."""
    mixed: Mapping[str, Array] = field(default_factory=dict)
    """Of a mix: each element's map by name."""
    note: str = ""


class PictureState(param.Parameterized):
    """Which pictures are shown on the left and on the right of a map, and what they hold."""

    image = param.ClassSelector(class_=SpectrumImage, allow_None=True, doc="The map; None where there is none.")
    survey: Any = param.Selector(default=COUNTS, objects=[COUNTS], check_on_set=False, label="Image")
    kind: Any = param.Selector(
        default="counts",
        objects={
            "X-ray counts": "counts", "Energy window": "window", "Fitted line": "line", "Elements as colours": "mix"
        },
        label="EDS map",
    )  # fmt: skip
    window = param.NumericTuple(default=(0.2, 20.0), length=2, doc="Energies of the window, keV.")
    line: Any = param.Selector(objects=[""], check_on_set=False, label="Line or element")
    mix = param.ListSelector(default=[], objects=[], check_on_set=False, label="Elements to mix")
    kernel = param.Integer(default=5, bounds=(1, 99), label="Kernel (px)")
    survey_contrast = param.Range(default=(1.0, 99.0), bounds=(0.0, 100.0), label="Image contrast (%)")
    map_contrast = param.Range(default=(1.0, 99.0), bounds=(0.0, 100.0), label="Map contrast (%)")

    left = param.ClassSelector(class_=Shown, constant=True, allow_None=True)
    right = param.ClassSelector(class_=Shown, constant=True, allow_None=True)
    counts = param.Parameter(constant=True, doc="(ny, nx) X-rays in the fitted range; None while unknown.")
    maps = param.ClassSelector(class_=PixelMaps, constant=True, allow_None=True, doc="Fitted maps, once asked for.")
    note = param.String(default="", constant=True, doc="What must be known of the picture on the left.")
    message = param.String(default="", constant=True, doc="Why the picture on the right is not what was asked for.")

    def __init__(self, image: SpectrumImage | None, elements: ElementState, **params: Any) -> None:
        super().__init__(image=image, **params)
        self.elements = elements
        self.work = Work()
        self.counting = Work()
        self._counts: dict[tuple[float, float], Array] = {}
        self._made: tuple[ModelSettings, int] | None = None
        self._load()
        self.param.watch(lambda *_: self._load(), "image")
        self.param.watch(lambda *_: self._show_left(), "survey")
        self.param.watch(lambda *_: self._show_right(), ["kind", "window", "line", "mix", "kernel"])
        elements.param.watch(lambda *_: self._elements_changed(), ["elements", "deconvolve", "lines", "energy"])

    def set_window(self, low_kev: float, high_kev: float) -> None:
        """Show the X-rays of an energy window, such as one drawn on a spectrum."""
        low, high = sorted((low_kev, high_kev))
        if self.image is not None:
            first, last = self.image.energy.range_kev
            low, high = max(low, first), min(high, last)
        self.param.update(window=(round(low, 4), round(high, 4)), kind="window")

    def line_names(self) -> dict[str, str]:
        """Return {what is read: name} of what can be mapped: at% of elements, counts of families."""
        chosen = self.elements
        names = {f"{symbol} (at%)": symbol for symbol in chosen.elements}
        for symbol in (*chosen.elements, *chosen.deconvolve):
            names |= {f"{symbol} {f.shell} lines (X-rays)": f.name for f in chosen.families(symbol)}
        return names

    def _load(self) -> None:
        """Take another map."""
        self._counts, self._made = {}, None
        self.work.cancel()
        self.counting.cancel()
        self._set(maps=None, counts=None, left=None, right=None, message="")
        names = _survey_names(self.image)
        self.param["survey"].objects = names
        if self.image is not None:
            self.param["kernel"].bounds = (1, max(1, min(99, *self.image.shape)))
            self.kernel = min(self.kernel, self.param["kernel"].bounds[1])
        self._offer_lines()
        chosen = self.image.haadf if self.image is not None else None
        self.survey = chosen.name if chosen is not None and chosen.name in names else names[0]
        self._show_left()
        self._count()
        self._show_right()

    def _elements_changed(self) -> None:
        self._offer_lines()
        self._count()
        self._show_right()

    def _offer_lines(self) -> None:
        names = self.line_names()
        self.param["line"].objects = names or {"": ""}
        self.param["mix"].objects = list(names.values())
        values = list(names.values())
        with param.parameterized.batch_call_watchers(self):
            if self.line not in values:
                self.line = values[0] if values else ""
            mix = [name for name in self.mix if name in values] or list(self.elements.elements[:3])
            if mix != self.mix:
                self.mix = mix

    def _count(self) -> None:
        """Count the X-rays of each pixel in the fitted range."""
        low, high = self.elements.energy
        self._with_counts((float(low), float(high)), self.counting, self._counted)

    def _counted(self, counts: Array) -> None:
        self._set(counts=counts)
        if self.survey == COUNTS:
            self._show_left()

    def _with_counts(self, energy: tuple[float, float], work: Work, then: Any) -> None:
        """Call ``then(counts)`` with the X-rays of an energy range, at once where they are known."""
        image = self.image
        if image is None or image.events is None:
            return
        if energy in self._counts:
            work.cancel()
            then(self._counts[energy])
            return

        def made(counts: Array) -> None:
            if image is self.image:
                newest = {energy: counts, **self._counts}
                self._counts = dict(list(newest.items())[:_KEPT])
                then(counts)

        def count(progress: Progress) -> Array:
            settle(progress, _PAUSE_S if self._counts else 0.0)
            return np.asarray(image.counts_map(*energy), np.float32)

        work.start("Counting X-rays", count, made)

    def _show_left(self) -> None:
        if self.image is None:
            return
        if self.survey == COUNTS:
            if self.counts is not None:
                low, high = self.elements.energy
                note = "" if _survey_names(self.image) != [COUNTS] else "The file has no image of the specimen."
                picture = Picture("counts", energy=(low, high))
                self._set(left=Shown(self.counts, COUNTS, "X-rays", picture), note=note)
            return
        shown = _survey(self.image, self.survey)
        self._set(left=shown, note=shown.note if shown is not None else "")

    def _show_right(self) -> None:
        if self.image is None or self.image.events is None:
            return
        if self.kind in ("counts", "window"):
            low, high = self.window if self.kind == "window" else self.elements.energy
            low, high = float(low), float(high)
            title = f"X-rays, {low:.4g}–{high:.4g} keV"

            def counted(counts: Array) -> None:
                self._set(right=Shown(counts, title, "X-rays", Picture("counts", energy=(low, high))), message="")

            try:
                self.image.energy.channels(low, high)
            except EdsnbError as error:
                self._set(message=str(error))
            else:
                self._with_counts((low, high), self.work, counted)
            return
        self._fit_maps()

    def _fit_maps(self) -> None:
        """Show fitted maps, made anew only where the model has changed."""
        image = self.image
        if image is None:
            return
        try:
            settings = ModelSettings.of(self.elements)
        except EdsnbError as error:
            self._set(message=f"No fitted maps: {error}")
            return
        # A box has an odd edge, so that its pixel is its centre.
        kernel = self.kernel - 1 + self.kernel % 2
        if self._made == (settings, kernel) and self.maps is not None:
            self.work.cancel()
            self._show_maps()
            return

        def make(progress: Progress) -> PixelMaps:
            return pixel_maps(image, settings.quantify(image), kernel=kernel, progress=progress)

        def made(maps: PixelMaps) -> None:
            if image is self.image:
                self._made = (settings, kernel)
                self._set(maps=maps, message="")
                self._show_maps()

        self.work.start("Fitting maps", make, made)

    def _show_maps(self) -> None:
        """Show what is asked for of the fitted maps."""
        maps = self.maps
        if maps is None or self._made is None:
            return
        settings, kernel = self._made
        names = [self.line] if self.kind == "line" else [name for name in self.mix if name][:MOST_MIXED]
        known = set(self.line_names().values())
        if not names or not known.issuperset(names):
            self._set(message="Choose at least one line or element to show.")
            return
        size = f"kernel {kernel} px"
        found = {name: maps.map(name)[0] for name in names}
        message = (
            f"No more than {MOST_MIXED} elements can be told apart as colours." if len(self.mix) > len(names) else ""
        )
        if self.kind == "mix":
            self._set(right=Shown(found[names[0]], f"{', '.join(names)}; {size}", "", mixed=found), message=message)
            return
        name, picture = names[0], Picture("line", names[0], model=settings, kernel=kernel)
        unit = "at%" if name in maps.elements else "X-rays"
        empty = not np.isfinite(found[name]).any()
        message = f"No pixel has the {maps.fewest:g} X-rays a composition needs: take a larger kernel." if empty else ""
        self._set(right=Shown(found[name], f"{name.replace('_', ' ')}, {size}", unit, picture), message=message)

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


def _survey_names(image: SpectrumImage | None) -> list[str]:
    """Return the names of the pictures that a file holds; the X-ray counts where it holds none."""
    if image is None:
        return [COUNTS]
    names = list(image.surveys)
    names += [_stored_name(k, image) for k, stored in enumerate(image.maps) if stored.image.shape == image.shape]
    return names or [COUNTS]


def _stored_name(number: int, image: SpectrumImage) -> str:
    """Return how a map that the vendor's software stored is called."""
    stored = image.maps[number]
    name = f"stored: {stored.name} ({stored.mode})"
    same = [k for k, other in enumerate(image.maps) if (other.name, other.mode) == (stored.name, stored.mode)]
    return f"{name} {same.index(number) + 1}" if len(same) > 1 else name


def _survey(image: SpectrumImage, name: str) -> Shown | None:
    """Return an image of the file, and where it lies on the map as far as that is known."""
    if name in image.surveys:
        survey = image.surveys[name]
        shown, picture, unit = survey.image, Picture("survey", name), "intensity"
        pixel_nm = survey.pixel_nm
    else:
        numbers = [k for k in range(len(image.maps)) if _stored_name(k, image) == name]
        if not numbers:
            return None
        stored = image.maps[numbers[0]]
        shown, picture, pixel_nm = stored.image, Picture("stored", str(numbers[0])), image.pixel_nm
        unit = {"atomic_fraction": "at. fraction", "weight_fraction": "wt. fraction"}.get(stored.quantity, "X-rays")
    if shown.shape == image.shape:
        return Shown(shown, name, unit, picture)
    ny, nx = image.shape
    size = f"{shown.shape[0]} x {shown.shape[1]} px"
    if pixel_nm and image.pixel_nm and _same_field(shown.shape, pixel_nm, image):
        note = f"{name} has {size} over a field as large as the map's; it is taken to be the same field."
        return Shown(shown, name, unit, picture, extent=(0, ny, 0, nx), note=note)
    note = f"{name} has {size}, the map {ny} x {nx} px: where the map lies in it is not known, so no chips are drawn."
    return Shown(shown, f"{name} (not on the map)", unit, picture, aligned=False, note=note)


def _same_field(shape: tuple[int, ...], pixel_nm: float, image: SpectrumImage) -> bool:
    """Tell whether an image covers as much as the map, to one per cent."""
    return all(
        abs(n * pixel_nm - m * (image.pixel_nm or 0.0)) <= 0.01 * n * pixel_nm
        for n, m in zip(shape, image.shape, strict=True)
    )

"""How large should a chip be? What each size would cost and give, before anything is fitted chip by chip.

Fisher information, which is the inverse covariance of fitted intensities, grows in proportion to the X-rays. The
standard deviation of at% in a chip of s x s pixels is therefore that of the whole region times the root of its pixels
over s: one fit tells it for every size. It is what counting statistics demands of any fit without bias (Cramér, Rao);
elements that are absent scatter less, as they cannot fall below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.events import Array, frozen
from edsnb.core.fitting.fit import FitResult, Status, fit
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.quantify import Quantification, pool, quantify
from edsnb.core.regions import ChipGrid, Regions, Spectra, as_regions, chip
from edsnb.errors import ElementError, InputError

if TYPE_CHECKING:
    import pandas as pd

SIZES_PX = (5, 8, 10, 12, 15, 20, 25, 32, 40, 50, 64)
"""Chip sizes that are shown by default, as far as they fit."""
FEWEST = 100
"""X-rays in a chip below which the prediction is only a rough one: in simulations it holds to 5 % from there up."""


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """Predicted precision of K elements against chip size, for S sizes."""

    region: str
    """Where the spectrum was summed: the chips are taken to be like it."""
    elements: tuple[str, ...]
    """K symbols."""
    atomic: Array
    """(K,) at% of the region."""
    sd_pixel: Array
    """(K,) standard deviation of at% for the X-rays of one pixel; for a chip of s pixels a side it is 1/s of this."""
    counts_pixel: float
    """X-rays of the fitted channels in a pixel, mean over the region."""
    sizes_px: tuple[int, ...]
    """S chip sizes."""
    grids: tuple[tuple[int, int], ...]
    """Rows and columns of chips in the crop at each size."""
    wanted: Array
    """(K,) standard deviation asked for, at%; infinite for elements that do not matter."""
    largest_px: int
    """The largest chip that fits into the crop."""
    pixel_nm: float | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("atomic", "sd_pixel", "wanted"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def sd_atomic(self) -> Array:
        """(S, K) predicted standard deviation of at% in a chip of each size."""
        return self.sd_pixel / np.array(self.sizes_px)[:, None]

    @property
    def counts(self) -> Array:
        """(S,) X-rays of the fitted channels in a chip of each size."""
        return self.counts_pixel * np.array(self.sizes_px) ** 2

    @property
    def needed_px(self) -> tuple[int, ...]:
        """K smallest chip sizes that meet each element's `wanted`, whether they fit or not."""
        # Less a trifle, so that a precision asked for as it was printed needs no larger chip.
        return tuple(max(1, int(s)) for s in np.ceil(self.sd_pixel / self.wanted - 1e-9))

    @property
    def smallest_px(self) -> int | None:
        """The smallest chip size that meets `wanted` for every element; None where it does not fit into the crop."""
        size = max(self.needed_px)
        return size if size <= self.largest_px else None

    def describe(self) -> str:
        """Say in a few sentences which size is enough, and which element decides."""
        needed = max(self.needed_px)
        hardest = self.elements[self.needed_px.index(needed)]
        wanted = float(self.wanted[self.elements.index(hardest)])
        found = ", ".join(f"{e} {a:.2g}" for e, a in zip(self.elements, self.sd_pixel / needed, strict=True))
        counts = self.counts_pixel * needed**2
        sentences = [f"{self.region}: {self.counts_pixel:.3g} X-rays per pixel."]
        if self.smallest_px is None:
            sentences.append(
                f"{wanted:g} at% for {hardest} needs chips of {self._length(needed)}, but the crop holds no more than "
                f"{self.largest_px} px: more X-rays are needed, or a lower demand."
            )
        else:
            sentences.append(
                f"Chips of {self._length(needed)} with {counts:,.0f} X-rays are the smallest that meet what is wanted; "
                f"{hardest} decides ({wanted:g} at%). Predicted standard deviations in at%: {found}."
            )
        if counts < FEWEST:
            sentences.append(f"With fewer than {FEWEST} X-rays in a chip the prediction is rough.")
        return " ".join(sentences)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a size: ``size_px,size_nm,rows,cols,chips,counts``, ``sd_at_La`` and so on, ``meets``."""
        import pandas as pd

        sizes, grids = np.array(self.sizes_px), np.array(self.grids)
        columns: dict[str, Array] = {
            "size_px": sizes,
            "size_nm": sizes * (np.nan if self.pixel_nm is None else self.pixel_nm),
            "rows": grids[:, 0],
            "cols": grids[:, 1],
            "chips": grids.prod(axis=1),
            "counts": self.counts,
        }
        columns |= {f"sd_at_{e}": self.sd_atomic[:, i] for i, e in enumerate(self.elements)}
        columns["meets"] = sizes >= max(self.needed_px)
        return pd.DataFrame(columns)

    def _length(self, size_px: int) -> str:
        """Return a chip's edge in pixels and nm."""
        return f"{size_px} px" + (f" ({size_px * self.pixel_nm:.3g} nm)" if self.pixel_nm else "")


def advise(
    image: SpectrumImage,
    model: Iterable[str] | Quantification,
    *,
    region: Regions | Array | Mapping[str, Array] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    deconvolve: Iterable[str] = (),
    wanted: float | Mapping[str, float] = 1.0,
    sizes: Sequence[int] | None = None,
) -> Advice:
    """Predict how precise each element's at% would be in chips of several sizes.

    Parameters
    ----------
    image
        The map.
    model
        Elements to fit, with the defaults of `edsnb.fit` and `edsnb.quantify`. Or a Quantification of spectra of this
        map, whose model, lines and k-factors count; its spectra are taken together.
    region
        One mask or region that the chips are to be like, such as a phase: `advise` speaks of its composition and
        its X-rays per pixel. None: the crop. Only with elements.
    crop
        (y0, y1, x0, x1) that is to be cut into chips; None for the whole map.
    deconvolve
        Elements that take no part in the 100 %. Only with elements.
    wanted
        Standard deviation in at% that is asked for: one for all elements, or {element: sd} for those that matter.
    sizes
        Chip sizes in pixels; a usual set by default.

    Returns
    -------
    Advice: predicted standard deviations, X-rays and number of chips for each size, and the smallest size that meets
    `wanted`. The composition of the chips is taken to be the region's; errors of k-factors are not in it.

    Raises
    ------
    NoMapError
        The file holds no spectrum image.
    InputError
        Region, crop, sizes or `wanted` cannot be used; none of the lines is found in the region; or as `edsnb.fit`.
    """
    room = _room(image, crop)
    if isinstance(model, Quantification):
        if region is not None or tuple(deconvolve):
            raise InputError("advise: region and deconvolve belong to elements; a Quantification has its own already.")
        quant = model
    else:
        spectra = _spectra(image, region, crop)
        quant = quantify(fit(spectra, model), deconvolve=deconvolve)
    atomic, sd, pixels, counts = _together(quant)
    chosen = tuple(sizes) if sizes is not None else tuple(s for s in SIZES_PX if s <= room) or (room,)
    names = quant.fit.spectra.names
    return Advice(
        region=names[0] if len(names) == 1 else f"{len(names)} regions together",
        elements=quant.elements,
        atomic=atomic,
        sd_pixel=sd * np.sqrt(pixels),
        counts_pixel=counts / pixels,
        sizes_px=chosen,
        grids=tuple(ChipGrid(size, crop).counts_in(image.shape) for size in chosen),
        wanted=_wanted(wanted, quant.elements),
        largest_px=room,
        pixel_nm=image.pixel_nm,
    )


def _room(image: SpectrumImage, crop: tuple[int, int, int, int] | None) -> int:
    """Return the largest chip that fits."""
    image.require_events()
    y0, y1, x0, x1 = ChipGrid(1, crop).crop_in(image.shape)
    return min(y1 - y0, x1 - x0)


def _spectra(
    image: SpectrumImage,
    region: Regions | Array | Mapping[str, Array] | None,
    crop: tuple[int, int, int, int] | None,
) -> Spectra:
    """Return the summed spectrum of the region, by default of the crop."""
    if region is None:
        y0, y1, x0, x1 = ChipGrid(1, crop).crop_in(image.shape)
        mask = np.zeros(image.shape, bool)
        mask[y0:y1, x0:x1] = True
        region = {"the map" if crop is None else "the crop": mask}
    regions = as_regions(region, image.shape)
    if len(regions) != 1 or not regions.sizes[0]:
        raise InputError(
            f"advise: the region must be one mask with pixels in it; found {len(regions)} regions of "
            f"{int(regions.sizes.sum())} pixels. Ask for one phase at a time."
        )
    return chip(image, regions)


def _together(quant: Quantification) -> tuple[Array, Array, float, float]:
    """Return at% and sd (K,) of all usable spectra together, and their pixels and X-rays."""
    result: FitResult = quant.fit
    if result.spectra.regions is None:
        raise InputError("advise: these spectra have no regions, so nobody knows from how many pixels they come.")
    usable = np.isin(quant.status, (Status.OK, Status.NOT_CONVERGED))
    if not usable.any():
        found = ", ".join(sorted({Status(s).sentence for s in quant.status.tolist()}))
        raise InputError(f"advise: nothing to predict from ({found}). Choose a region with more X-rays.")
    atomic, sd = pool(quant, usable)
    counts = result.spectra.counts[usable][:, result.channels].sum(dtype=np.float64)
    return atomic, sd, float(result.spectra.regions.sizes[usable].sum()), float(counts)


def _wanted(wanted: float | Mapping[str, float], elements: tuple[str, ...]) -> Array:
    """Return the standard deviation asked for of each element (K,)."""
    if isinstance(wanted, Mapping):
        if unknown := sorted(set(wanted) - set(elements)):
            raise ElementError(f"advise: {', '.join(unknown)} is not quantified; there are {', '.join(elements)}.")
        values = np.array([float(wanted.get(element, np.inf)) for element in elements])
    else:
        values = np.full(len(elements), float(wanted))
    if not (values > 0).all() or np.isinf(values).all():
        raise InputError(f"advise: a standard deviation of {wanted} at% cannot be asked for; give one above 0.")
    return values

"""Element maps that Velox computed and stored, brought to chips.

============== ====================================== ================================== ==========================
mode           a pixel holds                          of a chip                          sd
============== ====================================== ================================== ==========================
Integration    X-rays in a window, with what lies     sum                                sqrt of the sum
               under the peak
NetIntensity   fitted X-rays of the line family       sum                                not known (NaN)
AtomicFraction share of the atoms, 0 to 1             mean of the pixels that have one,  not known (NaN)
WeightFraction share of the mass, 0 to 1              in percent
============== ====================================== ================================== ==========================

A mean of fractions is not the fraction of the sum: pixels with few X-rays weigh as much as those with many. The notes
say so. Velox's own word for the mode has to be one of these; a map without it has no unit, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

import numpy as np

from edsnb.core.comparison.composition import QUANTITIES, Composition
from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage, StoredMap
from edsnb.core.regions import ChipGrid, Regions, as_regions
from edsnb.errors import InputError, NoMapError
from edsnb.io.opening import open_file
from edsnb.io.velox_tables.columns import NAMES, named_quantity

_MODES = {
    "integration": "counts",
    "netintensity": "counts",
    "atomicfraction": "atomic",
    "weightfraction": "weight",
    "massfraction": "weight",
}
"""Velox's words for what a map holds, in lower case, and the quantity."""
_ROUNDING = 1e-3
"""How far a fraction may exceed 1: maps are single precision."""


def velox_maps(
    source: SpectrumImage | str | PathLike[str],
    regions: ChipGrid | Regions | Array | Mapping[str, Array],
    *,
    quantity: str | None = None,
    elements: Sequence[str] | None = None,
) -> Composition:
    """Return Velox's stored element maps, of every chip.

    Parameters
    ----------
    source
        A map from `edsnb.open`, or its file.
    regions
        Chips or regions of the map, in any of the forms `chip` takes.
    quantity
        ``counts``, ``atomic`` (at%) or ``weight`` (wt%); None for what the file holds.
    elements
        Which maps to use; None for all.

    Returns
    -------
    Composition with counts, at% or wt%; see the module for how a chip's value and its sd are made. A chip with a pixel
    that is not a number has no counts (NaN).

    Raises
    ------
    NoMapError
        The file holds no element maps of EDS.
    InputError
        The maps hold another quantity, have another raster than the map of X-rays, no known unit, or values that their
        unit does not allow; two maps are of one element.
    """
    image = source if isinstance(source, SpectrumImage) else open_file(source)
    maps = _chosen(image, elements)
    held = _quantity(image, maps, named_quantity(quantity))
    # A reduced file may have lost its raster with its X-rays: the maps then have the only one.
    shape = image.shape if image.shape != (0, 0) else maps[0].image.shape
    _check_raster(image, maps, (int(shape[0]), int(shape[1])))
    chosen = as_regions(regions, (int(shape[0]), int(shape[1])))
    stack = np.stack([np.asarray(m.image, np.float64).ravel() for m in maps])
    notes = _notes(maps, held, stack)
    if held == "counts":
        values = _sums(stack, chosen)
        whole = [m.mode.casefold() == "integration" for m in maps]
        sd = np.where(whole, np.sqrt(np.maximum(values, 0)), np.nan)
    else:
        stack, without = _fractions(image, maps, stack)
        notes += [f"{without} pixels have no composition, all fractions being 0 or no number."] if without else []
        values = 100 * _means(stack, chosen)
        sd = np.full(values.shape, np.nan)
    settings = {e.symbol: e.family for e in image.elements}
    families = tuple(f"{m.element}_{settings[str(m.element)]}" for m in maps if settings.get(str(m.element)))
    return Composition(
        method=f"Velox ({', '.join(dict.fromkeys(m.mode for m in maps))} maps)",
        names=chosen.names,
        elements=tuple(str(m.element) for m in maps),
        values={held: values},
        sd={held: sd},
        regions=chosen,
        families=families if len(families) == len(maps) else (),
        normalisation="" if held == "counts" else "As Velox normalised each pixel; the file does not say over what.",
        convention="" if held == "counts" else "Velox's own k-factors, which the file does not give.",
        source=image.source,
        notes=tuple(notes),
    )


def _chosen(image: SpectrumImage, elements: Sequence[str] | None) -> list[StoredMap]:
    """Return the maps of the elements asked for."""
    name = image.source or "this data set"
    held = [m for m in image.maps if m.element is not None]
    if not held:
        raise NoMapError(f"{name} holds no element maps of EDS. Compute them in Velox and save, or use its tables.")
    symbols = [str(m.element) for m in held]
    missing = [e for e in elements or () if e not in symbols]
    if missing:
        raise InputError(f"{name} has no map of {', '.join(missing)}; it has {', '.join(symbols)}.")
    found = [m for m in held if elements is None or m.element in elements]
    twice = sorted({str(m.element) for m in found if [n.element for n in found].count(m.element) > 1})
    if twice or not found:
        raise InputError(
            f"{name} has several maps of {', '.join(twice)}, and nothing says which counts. Leave these elements out "
            "with elements=[...]."
            if twice
            else f"elements={elements!r} names no map; {name} has {', '.join(symbols)}."
        )
    return found


def _quantity(image: SpectrumImage, maps: Sequence[StoredMap], asked: str | None) -> str:
    """Return what the maps hold, or raise where that is not known or not what was asked for."""
    unknown = [f"{m.name} ({m.mode})" for m in maps if m.mode.casefold().replace(" ", "") not in _MODES]
    if unknown:
        raise InputError(
            f"{image.source}: what the maps {', '.join(unknown)} hold is not known, so they cannot be compared. Known "
            "modes of Velox are Integration, NetIntensity, AtomicFraction and WeightFraction."
        )
    held = {_MODES[m.mode.casefold().replace(" ", "")] for m in maps}
    if len(held) > 1 or (asked is not None and asked not in held):
        found = " and ".join(f"{NAMES[q]}" for q in sorted(held))
        raise InputError(
            f"{image.source}: its maps hold {found}"
            + (f", not {NAMES[asked]}" if asked is not None else "; choose those of one kind with elements=[...]")
            + (". Counts become at% only with k-factors: use Velox's tables or log." if held == {"counts"} else ".")
        )
    return held.pop()


def _check_raster(image: SpectrumImage, maps: Sequence[StoredMap], shape: tuple[int, int]) -> None:
    """Raise where a map does not lie on the X-rays pixel for pixel."""
    other = [f"{m.name} ({m.image.shape[0]} x {m.image.shape[1]})" for m in maps if m.image.shape != shape]
    if other:
        raise InputError(
            f"{image.source}: the maps {', '.join(other)} have another raster than the map of X-rays, {shape[0]} x "
            f"{shape[1]} pixels, so their pixels cannot be given to chips. Choose the others with elements=[...]."
        )


def _notes(maps: Sequence[StoredMap], held: str, stack: Array) -> list[str]:
    """Return what a reader should know of the maps."""
    modes = {m.mode.casefold() for m in maps}
    notes = []
    if held != "counts":
        notes.append(
            f"{QUANTITIES[held]} are means of Velox's fractions over the pixels of a chip, not the composition of the "
            "chip's sum: pixels with few X-rays weigh as much as others."
        )
    if "integration" in modes:
        notes.append("counts are all X-rays in Velox's windows, with the continuum and whatever else lies there.")
    for smoothing in sorted({m.smoothing for m in maps if m.smoothing}):
        notes.append(
            f"Velox's filter ({smoothing}) is in these maps: X-rays at a chip's edge are shared with its neighbours, "
            "so their values are not independent."
        )
        if "integration" in modes:
            notes.append("sqrt(counts) is too large for maps that were filtered, the more so the smaller the chip.")
    empty = [m.name for m, values in zip(maps, stack, strict=True) if not np.nan_to_num(values).any()]
    if empty:
        notes.append(
            f"the maps of {', '.join(empty)} are 0 everywhere; Velox stores such maps where counts are too few to fit."
        )
    return notes


def _sums(stack: Array, regions: Regions) -> Array:
    """Return the sum of each map (K, P) over each region, (n, K); NaN where a pixel is none."""
    totals = np.zeros((len(regions), len(stack)))
    full = regions.sizes > 0
    if full.any():
        totals[full] = np.add.reduceat(stack[:, regions.pixels], regions.indptr[:-1][full], axis=1).T
    return totals


def _fractions(image: SpectrumImage, maps: Sequence[StoredMap], stack: Array) -> tuple[Array, int]:
    """Return fractions with NaN where a pixel has no composition, and the number of such pixels."""
    finite = stack[np.isfinite(stack)]
    if finite.size and (finite.min() < -_ROUNDING or finite.max() > 1 + _ROUNDING):
        raise InputError(
            f"{image.source}: {maps[0].mode} maps should hold 0 to 1, these hold {finite.min():.3g} to "
            f"{finite.max():.3g}: their unit is not what their mode says."
        )
    nothing = ~(np.nan_to_num(stack) != 0).any(axis=0)
    return np.where(nothing, np.nan, stack), int(nothing.sum())


def _means(stack: Array, regions: Regions) -> Array:
    """Return the mean of each map over the finite pixels of each region, (n, K); NaN where there is none."""
    finite = np.isfinite(stack)
    number = _sums(finite.astype(np.float64), regions)
    total = _sums(np.where(finite, stack, 0.0), regions)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)

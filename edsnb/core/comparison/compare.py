"""Two compositions of one map, chip by chip: where they differ, by how much, and whether noise explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edsnb.core.comparison.agreement import LIMITS, Agreement, agreement
from edsnb.core.comparison.composition import QUANTITIES, Composition, as_composition
from edsnb.core.comparison.images import cells_of, image_of, select
from edsnb.core.comparison.matching import Place, match
from edsnb.core.comparison.normalise import check_quantity, renormalised
from edsnb.core.comparison.phases import Phases
from edsnb.core.comparison.remarks import error_notes, left_out_notes, percent_notes
from edsnb.core.events import Array, frozen
from edsnb.core.quant.quantification import Quantification
from edsnb.core.regions import Regions
from edsnb.errors import ElementError

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = {"atomic": "at", "weight": "wt", "counts": "I"}
"""What columns of a table begin with, as in `Quantification.to_frame`."""


class Maps(NamedTuple):
    """One element as images, (rows, columns) of the chip grid or (ny, nx) pixels; NaN where there is no value."""

    first: Array
    second: Array
    difference: Array
    """first - second."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two methods side by side in the n regions and K elements that both have."""

    compositions: tuple[Composition, Composition]
    """What was compared, renormalised where that was asked for; all regions and elements of each."""
    quantity: str
    """atomic, weight or counts."""
    names: tuple[str, ...]
    """n names of regions, as the first has them."""
    elements: tuple[str, ...]
    """K symbols, in the order of the first."""
    only_in: tuple[tuple[str, ...], tuple[str, ...]]
    """Elements that the first alone, and the second alone, has."""
    left_out: tuple[tuple[str, ...], tuple[str, ...]]
    """Regions of the first, and of the second, without a partner."""
    rows: tuple[Array, Array]
    """(n,) rows of the matched regions in each composition."""
    matched_by: str
    """``name`` or ``position``."""
    regions: Regions | None
    """The n regions, as the first has them; None where it does not know them."""
    first: Array
    """(n, K) values."""
    second: Array
    """(n, K) values."""
    first_sd: Array
    """(n, K) standard deviations; NaN where not known."""
    second_sd: Array
    """(n, K) standard deviations; NaN where not known."""
    by_element: dict[str, Agreement]
    """Bias, limits of agreement and the rest, by element."""
    confidence: float
    """Of the intervals of the biases."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("first", "second", "first_sd", "second_sd"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __len__(self) -> int:
        """Return n."""
        return len(self.names)

    @property
    def methods(self) -> tuple[str, str]:
        """Who found the numbers."""
        return self.compositions[0].method, self.compositions[1].method

    @property
    def unit(self) -> str:
        """Unit of the values: at%, wt% or counts."""
        return QUANTITIES[self.quantity]

    @property
    def difference(self) -> Array:
        """(n, K) first - second; NaN where either is."""
        return self.first - self.second

    @property
    def z(self) -> Array:
        """(n, K) difference over sqrt(sd1² + sd2²), as if the errors were independent; NaN where not known."""
        return z_scores(self.difference, self.first_sd, self.second_sd)

    def column(self, element: str) -> int:
        """Return the column of an element, or raise ElementError saying who has it."""
        if element in self.elements:
            return self.elements.index(element)
        alone = [m for m, only in zip(self.methods, self.only_in, strict=True) if element in only]
        who = f"only {alone[0]} has it" if alone else "neither method has it"
        raise ElementError(f"{element} was not compared: {who}; compared are {', '.join(self.elements)}.")

    def image(self, values: Array) -> Array:
        """Return values (n,) as an image on the chip grid (rows, columns), or on the pixels of irregular regions."""
        return image_of(values, self.names, self.regions)

    def maps(self, element: str) -> Maps:
        """Return one element as images: first, second, difference.

        Raises
        ------
        ElementError
            The element was not compared.
        InputError
            Nobody knows where the regions lie.
        """
        k = self.column(element)
        return Maps(*(self.image(values[:, k]) for values in (self.first, self.second, self.difference)))

    def worst(self, n: int = 10, element: str | None = None) -> pd.DataFrame:
        """Return the chips that disagree most, the worst first.

        Parameters
        ----------
        n
            At most so many.
        element
            Rank by this element; None: by the root mean square over the elements that have a value.

        Returns
        -------
        A row a chip: ``chip``, ``rms`` over the elements, and ``element, first, second, difference, z`` of the
        one asked for, else of the one that differs most. Chips without a difference are left out.
        """
        import pandas as pd

        d = self.difference
        known = np.isfinite(d)
        squares = np.where(known, d, 0.0) ** 2
        rms = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
        k = squares.argmax(axis=1) if element is None else np.full(len(self), self.column(element))
        chips = np.arange(len(self))
        rank = rms if element is None else np.abs(d[chips, k])
        chips = chips[known[chips, k]]
        chips = chips[np.argsort(-rank[chips], kind="stable")][: max(n, 0)]
        k = k[chips]
        return pd.DataFrame(
            {
                "chip": [self.names[i] for i in chips],
                "rms": rms[chips],
                "element": [self.elements[i] for i in k],
                "first": self.first[chips, k],
                "second": self.second[chips, k],
                "difference": d[chips, k],
                "z": self.z[chips, k],
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row a chip.

        Columns: ``chip,row,col`` (missing for what is no grid), then for each element ``first_at_La, first_sd_at_La,
        second_at_La, second_sd_at_La, diff_at_La, z_La`` (``wt`` for weight percent, ``I`` for counts).
        """
        import pandas as pd

        cells = cells_of(self.names, self.regions)
        columns: dict[str, object] = {"chip": list(self.names)}
        for i, name in enumerate(("row", "col")):
            columns[name] = pd.array([None] * len(self), dtype="Int64") if cells is None else cells[:, i]
        p = _PREFIX[self.quantity]
        table = {
            f"first_{p}": self.first,
            f"first_sd_{p}": self.first_sd,
            f"second_{p}": self.second,
            f"second_sd_{p}": self.second_sd,
            f"diff_{p}": self.difference,
            "z": self.z,
        }
        for k, element in enumerate(self.elements):
            columns |= {f"{name}_{element}": values[:, k] for name, values in table.items()}
        return pd.DataFrame(columns)

    def statistics(self, phases: Phases | None = None) -> pd.DataFrame:
        """Return one row an element, with phases one a phase and element: the fields of `Agreement`.

        Over a whole map, the difference between its phases is counted as scatter, and as correlation.
        """
        import pandas as pd

        if phases is None:
            rows = [asdict(self.by_element[element]) for element in self.elements]
            return pd.DataFrame(rows, index=pd.Index(self.elements, name="element"))
        here = phases.on(self.compositions[0])
        chosen = {name: mask[self.rows[0]] for name, mask in here.masks.items()}
        rows = [asdict(found) for mask in chosen.values() for found in self._agreements(mask).values()]
        index = pd.MultiIndex.from_product([list(chosen), self.elements], names=["phase", "element"])
        return pd.DataFrame(rows, index=index)

    def _agreements(self, chosen: Array) -> dict[str, Agreement]:
        """Return the agreement in each element over some of the chips."""
        first, second, z = self.first[chosen], self.second[chosen], self.z[chosen]
        return _agreements(first, second, z, self.elements, self.confidence)

    def describe(self) -> str:
        """Say in a few sentences what was compared and what came out."""
        first, second = self.methods
        unit = "" if self.quantity == "counts" else f" {self.unit}"
        sentences = [
            f"{first} minus {second}, {self.unit}, in {len(self)} regions matched by {self.matched_by}.",
            *(
                f"{e}: {a.bias:+.2f} ± {a.bias_se:.2f}{unit} (limits of agreement {a.lower:.2f} to {a.upper:.2f}, "
                f"ratio {a.ratio:.3f}, concordance {a.concordance:.3f}, {a.n} chips)."
                for e, a in self.by_element.items()
            ),
            f"± is one standard error from scatter between chips, limits are bias ± {LIMITS} sd of the differences.",
            *self.notes,
            *(f"{c.method}: {c.convention}" for c in self.compositions if c.convention),
        ]
        return " ".join(sentences)


def compare(
    first: Composition | Quantification,
    second: Composition | Quantification,
    *,
    quantity: str = "atomic",
    renormalise: bool | Sequence[str] = False,
    tolerance_px: float = 0.0,
    confidence: float = 0.95,
) -> Comparison:
    """Compare two compositions of one map, chip by chip.

    Regions of the same pixels match, whatever they are called; where one side does not know its positions, names
    decide. What only one side has is left out and told.

    Parameters
    ----------
    first, second
        Quantifications, or compositions such as Velox's.
    quantity
        ``atomic``, ``weight`` or ``counts``.
    renormalise
        True: the elements that both have share the 100 % on both sides. A list: these elements do. False: percentages
        stay as they are, and a note tells where different elements share them.
    tolerance_px
        Regions whose bounding boxes are no further apart than this, edge by edge, match too.
    confidence
        Of the intervals of the biases.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        No region in common, maps of different rasters, a quantity one side does not have, counts to be normalised.
    ElementError
        No element in common, or one to renormalise over that is not on both sides.
    """
    one, two = as_composition(first), as_composition(second)
    for composition in (one, two):
        check_quantity(composition, quantity)
    if renormalise is False:
        notes = percent_notes(one, two, quantity)
    else:
        one, two, notes = _renormalised(one, two, renormalise, quantity)
    elements = _common(one, two)
    here, there = (Place(c.method, c.names, c.regions) for c in (one, two))
    pairs = match(here, there, tolerance_px)
    first_values, first_sd = _matched(one, pairs.first, elements, quantity)
    second_values, second_sd = _matched(two, pairs.second, elements, quantity)
    z = z_scores(first_values - second_values, first_sd, second_sd)
    by_element = _agreements(first_values, second_values, z, elements, confidence)
    only_in, left_out = (_only(one, two), _only(two, one)), (_left_out(one, pairs.first), _left_out(two, pairs.second))
    return Comparison(
        compositions=(one, two),
        quantity=quantity,
        names=tuple(one.names[i] for i in pairs.first),
        elements=elements,
        only_in=only_in,
        left_out=left_out,
        rows=(frozen(pairs.first), frozen(pairs.second)),
        matched_by=pairs.by,
        regions=None if one.regions is None else select(one.regions, pairs.first),
        first=first_values,
        second=second_values,
        first_sd=first_sd,
        second_sd=second_sd,
        by_element=by_element,
        confidence=confidence,
        notes=(*left_out_notes(one, two, only_in, left_out, pairs), *notes, *error_notes(one, two, z, by_element)),
    )


def _agreements(
    first: Array, second: Array, z: Array, elements: tuple[str, ...], confidence: float
) -> dict[str, Agreement]:
    """Return the agreement in each element; arrays (n, K)."""
    return {element: agreement(first[:, k], second[:, k], z[:, k], confidence) for k, element in enumerate(elements)}


def z_scores(difference: Array, sd_first: Array, sd_second: Array) -> Array:
    """Return difference / sqrt(sd1² + sd2²); NaN where either is not known, or both are zero."""
    sd = np.hypot(sd_first, sd_second)
    return np.divide(difference, sd, out=np.full(sd.shape, np.nan), where=sd > 0)


def _renormalised(
    one: Composition, two: Composition, elements: bool | Sequence[str], quantity: str
) -> tuple[Composition, Composition, tuple[str, ...]]:
    """Return both with the same elements sharing the 100 %, and notes that say so."""
    wanted = _common(one, two) if elements is True else tuple(elements if elements else ())
    first, second = renormalised(one, wanted, quantity), renormalised(two, wanted, quantity)
    new = [note for old, now in ((one, first), (two, second)) for note in now.notes if note not in old.notes]
    return first, second, (f"{' + '.join(wanted)} = 100 % on both sides.", *new)


def _matched(composition: Composition, rows: Array, elements: tuple[str, ...], quantity: str) -> tuple[Array, Array]:
    """Return values and standard deviations (n, K) of the matched regions and the common elements."""
    at = np.ix_(rows, np.array([composition.column(element) for element in elements]))
    return composition.values[quantity][at], composition.sd[quantity][at]


def _common(one: Composition, two: Composition) -> tuple[str, ...]:
    """Return the elements that both have, in the order of the first; raise where there are none."""
    common = tuple(element for element in one.elements if element in two.elements)
    if not common:
        raise ElementError(
            f"no element in common: {one.method} has {', '.join(one.elements)}, {two.method} has "
            f"{', '.join(two.elements)}."
        )
    return common


def _only(one: Composition, two: Composition) -> tuple[str, ...]:
    """Return the elements that the first alone has."""
    return tuple(element for element in one.elements if element not in two.elements)


def _left_out(composition: Composition, rows: Array) -> tuple[str, ...]:
    """Return the names of the regions without a partner."""
    matched = set(rows.tolist())
    return tuple(name for i, name in enumerate(composition.names) if i not in matched)

"""Where each phase is: chips told apart by rules on their composition, by drawn regions, or by clustering.

A chip belongs to one phase or to none. Left to none are chips in vacuum, chips that fulfil the rules of two phases
(an interface runs through them), and with `border` chips near another phase. How each phase was found is recorded in
settings that survive as TOML: ``find_phases(composition, **settings)`` finds the same chips again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edsnb.core.comparison.clusters import cluster, cluster_name
from edsnb.core.comparison.composition import Composition, as_composition
from edsnb.core.comparison.drawing import Plain, Rule, inside, plain, rows_of, survey_of
from edsnb.core.comparison.images import cells_of, grid_shape, image_of
from edsnb.core.comparison.matching import Place, match
from edsnb.core.comparison.normalise import check_quantity
from edsnb.core.comparison.rules import fulfilled, names_in
from edsnb.core.events import Array, frozen
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.quantification import Quantification
from edsnb.core.regions import Regions
from edsnb.errors import InputError

_BRIGHT = 90.0
"""Percentile of the chips' counts that vacuum is measured by."""


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Which of n regions belong to which phase; each to one at most."""

    names: tuple[str, ...]
    """n names of regions."""
    masks: dict[str, Array]
    """{phase: (n,) bool}."""
    how: dict[str, str]
    """How each phase was found, one sentence."""
    regions: Regions | None = None
    """Where the regions lie; None where that is not known."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What `find_phases` was asked for, in plain values: ``find_phases(composition, **settings)`` repeats it."""
    left_out: dict[str, Array] = field(default_factory=dict)
    """{why: (n,) bool}: ``vacuum``, ``ambiguous`` (rules of two phases hold), ``border``."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""

    def __post_init__(self) -> None:
        """Check the masks and freeze them."""
        for name in ("masks", "left_out"):
            arrays = {key: np.asarray(mask) for key, mask in getattr(self, name).items()}
            for key, mask in arrays.items():
                if mask.shape != (len(self.names),) or mask.dtype != bool:
                    raise InputError(
                        f"phase {key}: a mask of {len(self.names)} True or False is needed, one for each region; found "
                        f"{mask.dtype} of shape {mask.shape}."
                    )
            object.__setattr__(self, name, {key: frozen(mask) for key, mask in arrays.items()})
        if self.masks and (twice := np.sum(list(self.masks.values()), axis=0) > 1).any():
            first = self.names[int(np.flatnonzero(twice)[0])]
            raise InputError(f"{int(twice.sum())} regions, such as {first}, stand in two phases; each belongs to one.")

    def __len__(self) -> int:
        """Return n, the number of regions."""
        return len(self.names)

    def mask(self, phase: str) -> Array:
        """Return the mask (n,) of a phase, or raise InputError."""
        if phase not in self.masks:
            raise InputError(f"no phase {phase!r}; there are {', '.join(self.masks) or 'none'}.")
        return self.masks[phase]

    def chips(self, phase: str) -> tuple[str, ...]:
        """Return the names of a phase's regions."""
        return tuple(self.names[i] for i in np.flatnonzero(self.mask(phase)))

    def numbers(self) -> Array:
        """Return the phase of each region (n,) int64, in the order of `masks`; -1 for none."""
        out = np.full(len(self), -1, np.int64)
        for number, mask in enumerate(self.masks.values()):
            out[mask] = number
        return out

    def labels(self) -> Array:
        """Return `numbers` as an image: (rows, columns) of the chip grid, else the pixels (ny, nx); -1 for none."""
        return image_of(self.numbers(), self.names, self.regions, -1)

    def with_chips(self, phase: str, *, add: Sequence[str | int] = (), remove: Sequence[str | int] = ()) -> Phases:
        """Return the phases with chips put into one by hand, or taken out of it.

        Parameters
        ----------
        phase
            A phase; a new one where its name is not there yet and chips are added.
        add, remove
            Names of chips, or their numbers from 0. A chip that is added leaves the phase it was in.
        """
        added, removed = rows_of(add, self.names), rows_of(remove, self.names)
        if both := sorted(set(added.tolist()) & set(removed.tolist())):
            raise InputError(f"{self.names[both[0]]} cannot be added to {phase} and removed from it at once.")
        if phase not in self.masks and not len(added):
            self.mask(phase)
        masks = {name: mask.copy() for name, mask in self.masks.items()}
        masks.setdefault(phase, np.zeros(len(self), bool))
        for mask in masks.values():
            mask[added] = False
        masks[phase][added], masks[phase][removed] = True, False
        edit = {"phase": phase, "add": [self.names[i] for i in added], "remove": [self.names[i] for i in removed]}
        by_hand = f"{len(added)} chips added and {len(removed)} removed by hand"
        before = self.how.get(phase)
        return replace(
            self,
            masks=masks,
            how={**self.how, phase: f"{before}; {by_hand}" if before else by_hand},
            settings={**self.settings, "edits": [*self.settings.get("edits", []), edit]},
            left_out={why: mask & ~np.isin(np.arange(len(self)), added) for why, mask in self.left_out.items()},
        )

    def on(self, composition: Composition) -> Phases:
        """Return the phases on the regions of another composition of the map; regions without a partner are in none.

        Raises
        ------
        InputError
            The two have no region in common.
        """
        mine = Place("the phases' record", self.names, self.regions)
        pairs = match(Place(composition.method, composition.names, composition.regions), mine)

        def moved(masks: dict[str, Array]) -> dict[str, Array]:
            out = {name: np.zeros(len(composition), bool) for name in masks}
            for name, mask in masks.items():
                out[name][pairs.first] = mask[pairs.second]
            return out

        return replace(
            self,
            names=composition.names,
            regions=composition.regions,
            masks=moved(self.masks),
            left_out=moved(self.left_out),
        )

    def describe(self) -> str:
        """Say in a few sentences which chips are in which phase, and why."""
        sentences = [f"{name}: {int(mask.sum())} chips ({self.how[name]})." for name, mask in self.masks.items()]
        why = {
            "vacuum": "in vacuum",
            "ambiguous": "fulfil the rules of more than one phase",
            "border": "lie next to another phase",
        }
        out = [f"{int(mask.sum())} {why.get(name, name)}" for name, mask in self.left_out.items() if mask.any()]
        sentences += [f"Left out: {', '.join(out)}."] if out else []
        return " ".join([*sentences, *self.notes])


def find_phases(
    found: Composition | Quantification,
    rules: Mapping[str, Rule] | None = None,
    *,
    clusters: int | None = None,
    cluster_elements: Sequence[str] | None = None,
    image: SpectrumImage | Array | None = None,
    share: float = 0.5,
    vacuum: float = 0.1,
    border: int = 0,
    edits: Sequence[Mapping[str, Any]] = (),
) -> Phases:
    """Tell which chips belong to which phase.

    Parameters
    ----------
    found
        Quantification or composition of n chips, with at%.
    rules
        {phase: what tells it}: text such as ``La > 5 and Fe > 5`` (at%; ``haadf`` and ``counts`` can stand in it too,
        see `edsnb.core.comparison.rules`); markers such as ``["La", "Fe"]``, each above 5 at%; a drawn region (mask,
        Regions, or polygon of (y, x) corners in pixels); ``{"chips": [names]}``.
    clusters
        Instead of rules: so many clusters of chips of like at%, named by their mean composition (``La20Fe20O60``).
    cluster_elements
        Elements to cluster by; None for all.
    image
        The map, or an image on its raster, for rules with ``haadf``.
    share
        Of a chip's pixels that have to lie inside a drawn region.
    vacuum
        Chips with less than this share of the X-rays per pixel of a bright chip (90th percentile) are in no phase. 0 to
        keep them. Where counts are not known nothing is left out, and a note says so.
    border
        Chips within so many chips of another phase are in none. Needs a grid.
    edits
        Chips added and removed by hand, as `Phases.with_chips` records them.

    Returns
    -------
    Phases. A phase without chips is kept, and a note says what its rule was and which values were found.

    Raises
    ------
    InputError
        A rule does not parse, or needs what is not known; neither rules nor clusters are given, or both.
    ElementError
        A rule names an element that was not quantified.
    """
    composition = as_composition(found)
    check_quantity(composition, "atomic")
    _check_settings(rules, clusters, share, vacuum, border)
    settings: dict[str, Any] = {"share": float(share), "vacuum": float(vacuum), "border": int(border)}
    if clusters is None:
        forms = {str(name): plain(str(name), rule) for name, rule in (rules or {}).items()}
        settings = {"rules": forms, **settings}
    else:
        elements = list(composition.elements if cluster_elements is None else cluster_elements)
        settings = {"clusters": int(clusters), "cluster_elements": elements, **settings}
    empty, note = _vacuum(composition, vacuum)
    if clusters is None:
        masks, how, ranges = _by_rules(composition, forms, image, share)
    else:
        masks, how = _by_clusters(composition, elements, int(clusters), empty)
        ranges = {}
    masks = {name: mask & ~empty for name, mask in masks.items()}
    ambiguous = np.sum([*masks.values(), np.zeros(len(composition))], axis=0) > 1
    near = _borders(composition, masks, border)
    kept = {name: mask & ~ambiguous & ~near[name] for name, mask in masks.items()}
    none = [f"No chip is {name}: {how[name]}; {ranges.get(name, 'found')}." for name, m in kept.items() if not m.any()]
    at_border = np.any(
        [*(m & ~ambiguous & near[n] for n, m in masks.items()), np.zeros(len(composition), bool)], axis=0
    )
    left_out = {"vacuum": empty, "ambiguous": ambiguous, "border": at_border}
    phases = Phases(composition.names, kept, how, composition.regions, settings, left_out, (*note, *none))
    for edit in edits:
        if not isinstance(edit, Mapping) or "phase" not in edit or set(edit) - {"phase", "add", "remove"}:
            raise InputError(f"an edit must be {{'phase': name, 'add': [chips], 'remove': [chips]}}; found {edit!r}.")
        phases = phases.with_chips(edit["phase"], add=edit.get("add", ()), remove=edit.get("remove", ()))
    return phases


def _check_settings(
    rules: Mapping[str, Rule] | None, clusters: int | None, share: float, vacuum: float, border: int
) -> None:
    """Raise InputError for settings that cannot be."""
    if (rules is None) == (clusters is None):
        raise InputError("find_phases needs either rules, such as {'LFO': 'La > 5 and Fe > 5'}, or clusters=2.")
    if rules is not None and (not isinstance(rules, Mapping) or not rules):
        raise InputError(f"rules must be {{phase: rule}}, such as {{'LFO': 'La > 5 and Fe > 5'}}; found {rules!r}.")
    if not 0 < share <= 1 or not 0 <= vacuum < 1 or border < 0:
        raise InputError(
            f"share = {share:g}, vacuum = {vacuum:g}, border = {border}: share must lie above 0 up to 1, vacuum from 0 "
            "to below 1, border at 0 or above."
        )


def _vacuum(composition: Composition, share: float) -> tuple[Array, tuple[str, ...]]:
    """Return the chips in vacuum (n,) bool, and a note where that is not known."""
    none = np.zeros(len(composition), bool)
    if not share:
        return none, ()
    counts = counts_of(composition)
    if counts is None or not np.isfinite(counts).any():
        return none, (f"Counts of {composition.method} are not known: vacuum was not looked for.",)
    bright = np.percentile(counts[np.isfinite(counts)], _BRIGHT)
    return np.asarray(~(counts >= share * bright)), ()


def counts_of(composition: Composition) -> Array | None:
    """Return X-rays per pixel of each chip (n,), per region where its size is not known; None without counts."""
    quant = composition.quantification
    if quant is not None and len(quant) == len(composition):
        total = quant.fit.spectra.counts[:, quant.fit.channels].sum(axis=1, dtype=np.float64)
    elif "counts" in composition.values:
        total = composition.values["counts"].sum(axis=1)
    else:
        return None
    if composition.regions is None:
        return np.asarray(total)
    sizes = composition.regions.sizes
    return np.divide(total, sizes, out=np.full(len(total), np.nan), where=sizes > 0)


def _by_rules(
    composition: Composition, rules: dict[str, Plain], image: SpectrumImage | Array | None, share: float
) -> tuple[dict[str, Array], dict[str, str], dict[str, str]]:
    """Return mask and way of finding of each phase, and the range of the values its rule looks at."""
    masks, how, ranges = {}, {}, {}
    for name, rule in rules.items():
        if isinstance(rule, str):
            values = {word: _variable(word, composition, image, rule) for word in names_in(rule)}
            masks[name], how[name] = fulfilled(rule, values), f"rule {rule!r}"
            if "haadf" not in values and "counts" not in values:
                how[name] += ", at%"
            ranges[name] = f"found {', '.join(f'{word} {range_text(v)}' for word, v in values.items())}"
        else:
            masks[name], how[name] = inside(name, rule, composition, share)
            ranges[name] = "found none"
        if len(masks[name]) != len(composition):
            raise InputError(f"phase {name}: the rule {rule!r} names no element, so it tells no chips apart.")
    return masks, how, ranges


def _variable(word: str, composition: Composition, image: SpectrumImage | Array | None, rule: str) -> Array:
    """Return the values (n,) of a name in a rule."""
    if word == "haadf":
        return survey_of(image, composition.regions)
    if word == "counts":
        counts = counts_of(composition)
        if counts is None:
            raise InputError(f"rule {rule!r}: counts of {composition.method} are not known.")
        return counts
    return composition.values["atomic"][:, composition.column(word)]


def range_text(values: Array) -> str:
    """Say between which values the regions lie."""
    known = values[np.isfinite(values)]
    return f"{known.min():.3g} to {known.max():.3g}" if known.size else "in no chip (all NaN)"


def _by_clusters(
    composition: Composition, elements: list[str], number: int, empty: Array
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return mask and way of finding of each cluster, the largest first, named by its mean composition."""
    columns = [composition.column(element) for element in elements]
    values = np.where(empty[:, None], np.nan, composition.values["atomic"][:, columns])
    numbers = cluster(values, number)
    masks: dict[str, Array] = {}
    for k in range(number):
        mean = values[numbers == k].mean(axis=0)
        name = base = cluster_name(elements, mean)
        times = 1
        while name in masks:
            times += 1
            name = f"{base} ({times})"
        masks[name] = numbers == k
    return masks, dict.fromkeys(masks, f"one of {number} clusters by at% of {', '.join(elements)}")


def _borders(composition: Composition, masks: dict[str, Array], border: int) -> dict[str, Array]:
    """Return for each phase the chips (n,) within `border` chips of another phase."""
    none = np.zeros(len(composition), bool)
    if not border:
        return dict.fromkeys(masks, none)
    from scipy.ndimage import binary_dilation

    cells, shape = cells_of(composition.names, composition.regions), grid_shape(composition.names, composition.regions)
    if cells is None or shape is None:
        raise InputError(f"border = {border} needs chips on a grid; those of {composition.method} are none.")
    out = {}
    for name in masks:
        others = np.zeros(shape, bool)
        for other, mask in masks.items():
            if other != name:
                others[cells[mask, 0], cells[mask, 1]] = True
        near = binary_dilation(others, np.ones((3, 3), bool), iterations=border)
        out[name] = near[cells[:, 0], cells[:, 1]]
    return out

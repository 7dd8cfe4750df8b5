"""Features of chips for nearest-prototype models: HAADF, composition and spectrum in one vector, none drowning another.

A prototype is the mean of a class's labelled chips, a chip belongs to the nearest one. Image embedding and raw spectrum
side by side do not work for that: whichever has the larger numbers decides alone. So here are three blocks, each
centred and scaled to a mean squared norm of one over all chips.

haadf : mean and standard deviation of the patch, and its correlation with itself some pixels aside (texture).
composition : square roots of atomic fractions, on which counting noise is about the same at all concentrations.
spectrum : principal components of the spectra, each count weighted by its Poisson error (Keenan & Kotula, Surf.
    Interface Anal. 36 (2004) 203, as correspondence analysis), kept only where they exceed what noise alone gives
    (Johnstone, Ann. Stat. 29 (2001) 295), and shrunk to what is known of each chip.

A block that tells nothing of the classes is noise of the same weight as the others. Labels, two chips a class or more,
show which one that is: the weights are then those for which each labelled chip, left out of its prototype, lies nearest
to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from scipy.linalg import eigh

from edsnb.core.events import Array, frozen
from edsnb.core.patches import Patches
from edsnb.core.quant.quantification import Quantification
from edsnb.errors import InputError

BLOCKS = ("haadf", "composition", "spectrum")
_LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (2, 2))
"""Pixels down and right at which a patch is compared with itself."""
_BIN_EV = 50.0
"""Width of the spectrum's bins: half a line's."""
_FEWEST = 20.0
"""Counts that a bin of all chips together needs; poorer ones are merged with their neighbours."""
_TRACY_WIDOM = 3.3
"""Noise alone exceeds this once in a thousand maps."""
_HEARD = 0.25
"""Least counts of a chip that takes part in finding the axes, against the mean chip that an X-ray comes from."""
_MOST = 20
"""Most components kept."""
_WEIGHTS = (1.0, 2.0, 4.0, 8.0)
"""Weights that are tried for each block, relative to each other; a few labels are no reason to drop one altogether."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of n chips; no value is NaN, so that one bad chip does not spoil a prototype."""

    values: Array
    """(n, D) features; a block that is not known for a chip stands at the mean of all chips, which is 0."""
    names: tuple[str, ...]
    """D names, such as ``haadf_mean``, ``sqrt_La``, ``component_1``."""
    blocks: tuple[str, ...]
    """(D,) the block of each feature."""
    weights: Mapping[str, float]
    """Weight of each block; their mean is 1."""
    known: Mapping[str, Array]
    """{block: (n,) bool} whether the block is known for a chip."""
    note: str = ""
    """How the weights were chosen."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "values", frozen(self.values))
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        object.__setattr__(self, "known", MappingProxyType({k: frozen(v) for k, v in self.known.items()}))


def features(
    quant: Quantification,
    patches: Patches | None = None,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Features:
    """Return the features of every chip.

    Parameters
    ----------
    quant
        The quantified chips.
    patches
        Their HAADF patches, in the same order; None where there are none.
    labels
        {class: [names of chips]}: with two chips or more in each of two classes or more, they choose the weights.
    weights
        {block: weight} instead, such as ``{"haadf": 1, "composition": 2, "spectrum": 0}``; equal ones by default.

    Raises
    ------
    InputError
        The patches are not those of these chips, a weight is negative, or a name is unknown.
    """
    spectra = quant.fit.spectra
    if patches is not None and patches.regions.names != spectra.names:
        raise InputError(f"features: {len(patches)} patches of other regions than the {len(spectra)} spectra.")
    made = {"haadf": _haadf(patches) if patches is not None else None, "composition": _composition(quant),
            "spectrum": _spectrum(quant)}  # fmt: skip
    tables = {name: block for name, block in made.items() if block is not None and block.values.size}
    scaled = {name: _scaled(block) for name, block in tables.items()}
    if weights is not None:
        chosen, note = _given(weights, tuple(scaled)), "weights as given"
    else:
        chosen, note = _chosen(scaled, _numbers(labels or {}, spectra.names))
    columns = [np.sqrt(chosen[name]) * values for name, values in scaled.items()]
    return Features(
        values=np.concatenate(columns, axis=1) if columns else np.zeros((len(spectra), 0)),
        names=tuple(name for block in tables.values() for name in block.names),
        blocks=tuple(name for name, block in tables.items() for _ in block.names),
        weights=chosen,
        known={name: block.known for name, block in tables.items()},
        note=note,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Features of one kind before they are scaled."""

    values: Array
    """(n, d)"""
    names: tuple[str, ...]
    known: Array
    """(n,) bool"""


def _haadf(patches: Patches) -> _Block:
    """Return brightness and texture: two groups, each with a mean squared norm of one."""
    sizes = patches.boxes[:, 2:]
    if patches.whole and len(patches) and (sizes == sizes[0]).all():
        found = _statistics(*patches.stack())
    else:
        each = [_statistics(patches.values(k)[None], patches.mask(k)[None]) for k in range(len(patches))]
        found = np.concatenate(each) if each else np.empty((0, 2 + len(_LAGS)))
    known = np.asarray(np.isfinite(found).all(axis=1))
    standard = np.zeros(found.shape)
    if known.any():
        about = found[known] - found[known].mean(axis=0)
        spread = about.std(axis=0)
        # A column that is the same for all chips tells nothing, and must not be divided by what rounding left of it.
        usable = spread > 1e-9 * np.abs(found[known]).max(axis=0)
        standard[known] = np.where(usable, about, 0.0) / np.where(usable, spread, 1.0)
    groups = [_scaled(_Block(standard[:, part], (), known)) for part in (slice(0, 2), slice(2, None))]
    names = ("haadf_mean", "haadf_sd", *(f"haadf_correlation_{y}_{x}" for y, x in _LAGS))
    return _Block(np.concatenate(groups, axis=1), names, known)


def _statistics(values: Array, masks: Array) -> Array:
    """Return mean, standard deviation and correlations (m, 2 + lags) of patches (m, h, w); NaN where one is empty."""
    masks = masks & np.isfinite(values)
    number = masks.sum(axis=(1, 2))
    values = np.where(masks, values, 0.0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = values.sum(axis=(1, 2)) / number
        about = np.where(masks, values - mean[:, None, None], 0.0)
        variance = (about**2).sum(axis=(1, 2)) / number
        columns = [mean, np.sqrt(variance)]
        for y, x in _LAGS:
            ends = (slice(None), slice(y, None), slice(x, None))
            starts = (slice(None), slice(0, max(about.shape[1] - y, 0)), slice(0, max(about.shape[2] - x, 0)))
            pairs = (masks[ends] & masks[starts]).sum(axis=(1, 2))
            together = (about[ends] * about[starts]).sum(axis=(1, 2)) / np.maximum(pairs, 1)
            columns.append(np.where(number > 0, np.where(variance > 0, together / variance, 0.0), np.nan))
    return np.stack(columns, axis=1)


def _composition(quant: Quantification) -> _Block:
    """Return the square roots of atomic fractions."""
    known = np.asarray(np.isfinite(quant.atomic).all(axis=1))
    values = np.sqrt(np.clip(quant.atomic, 0.0, None) / 100.0)
    return _Block(values, tuple(f"sqrt_{element}" for element in quant.elements), known)


def _spectrum(quant: Quantification) -> _Block:
    """Return the principal components of the spectra that exceed noise, each chip's shrunk to what its counts tell."""
    counts = _binned(quant)
    total = counts.sum(axis=1)
    known = total > 0
    if known.sum() < 2 or counts.shape[1] < 2:
        return _Block(np.zeros((len(counts), 0)), (), known)
    share = counts[known].sum(axis=0) / total[known].sum()
    expected = total[known, None] * share
    # Of unit variance where all chips are alike.
    residual = (counts[known] - expected) / np.sqrt(expected)
    # A lone X-ray in a chip of few is no Gaussian noise: such chips have scores, but no say in the axes.
    rich = total[known] >= _HEARD * (total**2).sum() / total.sum()
    heard, counted = residual[rich], total[known][rich].mean()
    n, bins = heard.shape
    power, axes = eigh(heard.T @ heard, subset_by_index=[max(bins - _MOST, 0), bins - 1])
    power, axes = power[::-1], axes[:, ::-1]
    wide = np.sqrt(n) + np.sqrt(bins)
    kept = power > wide**2 + _TRACY_WIDOM * wide * np.cbrt(1 / np.sqrt(n) + 1 / np.sqrt(bins))
    power, axes = power[kept], axes[:, kept]
    # An axis has no sign of its own: the largest of its loadings is positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    # Wiener's filter: variance of the chips' scores, against 1 / counts of a chip's own noise.
    variance = (power / n - 1.0) / counted
    signal = variance * total[known, None]
    scores = np.zeros((len(counts), axes.shape[1]))
    scores[known] = (residual @ axes) / np.sqrt(total[known, None]) * signal / (1.0 + signal)
    return _Block(scores, tuple(f"component_{k + 1}" for k in range(axes.shape[1])), known)


def _binned(quant: Quantification) -> Array:
    """Return the counts of the fitted channels (n, B), in bins that are no narrower than needed and not too poor."""
    spectra = quant.fit.spectra
    counts = spectra.counts[:, quant.fit.channels]
    width = min(max(1, round(_BIN_EV / (1e3 * spectra.energy.scale_kev))), counts.shape[1])
    starts = np.arange(0, counts.shape[1], width)
    counts = np.add.reduceat(counts, starts, axis=1, dtype=np.float64)
    rich, held = [0], 0.0
    for index, total in enumerate(counts.sum(axis=0).tolist()):
        held += total
        if held >= _FEWEST:
            rich.append(index + 1)
            held = 0.0
    # What is left at the end joins the last bin.
    return np.add.reduceat(counts, rich[:-1] or [0], axis=1)


def _scaled(block: _Block) -> Array:
    """Return a block centred and scaled to a mean squared norm of one over the chips for which it is known."""
    out = np.zeros(block.values.shape)
    if block.known.any():
        found = block.values[block.known]
        found = found - found.mean(axis=0)
        size = np.sqrt((found**2).sum(axis=1).mean())
        out[block.known] = found / size if size > 0 else 0.0
    return out


def _given(weights: Mapping[str, float], present: tuple[str, ...]) -> dict[str, float]:
    """Return weights of a mean of one, or raise InputError."""
    values = {name: float(weights.get(name, 0.0)) for name in present}
    bad = not all(np.isfinite(v) and v >= 0 for v in weights.values()) or not sum(values.values()) > 0
    if bad or set(weights) - set(BLOCKS):
        raise InputError(
            f"features: weights {dict(weights)} cannot be; give one of 0 or more for each of "
            f"{', '.join(present) or 'no block'}, not all 0."
        )
    return {name: value * len(values) / sum(values.values()) for name, value in values.items()}


def _numbers(labels: Mapping[str, Sequence[str]], names: Sequence[str]) -> tuple[Array, Array]:
    """Return the places of the labelled chips, and the number of the class of each."""
    places = {name: k for k, name in enumerate(names)}
    if unknown := [chip for chips in labels.values() for chip in chips if chip not in places]:
        raise InputError(f"features: labelled chips that do not exist: {', '.join(unknown[:5])}.")
    pairs = [(places[chip], k) for k, chips in enumerate(labels.values()) for chip in chips]
    return np.array([p for p, _ in pairs], np.int64), np.array([k for _, k in pairs], np.int64)


def _chosen(blocks: Mapping[str, Array], labelled: tuple[Array, Array]) -> tuple[dict[str, float], str]:
    """Return the weights by which labelled chips lie nearest to their own class, left out of it; else equal ones."""
    equal = dict.fromkeys(blocks, 1.0)
    places, classes = labelled
    sizes = np.bincount(classes) if classes.size else np.zeros(0, int)
    if len(sizes) < 2 or sizes.min() < 2 or len(blocks) < 2:
        return equal, "equal weights"
    distances = np.stack([_left_out(values[places], classes) for values in blocks.values()])
    own = np.arange(len(classes)), classes
    scores = {}
    for parts in product(_WEIGHTS, repeat=len(blocks)):
        tried = tuple(part * len(parts) / sum(parts) for part in parts)
        total = np.tensordot(tried, distances, 1)
        nearest, total[own] = total[own], np.inf
        other = total.min(axis=1)
        margin = (other - nearest) / np.maximum(other + nearest, 1e-300)
        # Among equals the weights that differ least.
        scores[tried] = float((margin > 0).mean()), round(float(margin.mean()), 9), -float(np.square(tried).sum())
    best = max(scores, key=scores.__getitem__)
    right = 100 * scores[best][0]
    return dict(zip(blocks, best, strict=True)), (
        f"weights by leave-one-out over {len(classes)} labelled chips, {right:.0f} % right"
    )


def _left_out(values: Array, classes: Array) -> Array:
    """Return the squared distances (m, C) of chips to the mean of each class, their own without themselves."""
    member = np.eye(classes.max() + 1)[classes]
    sums, sizes = member.T @ values, member.sum(axis=0)
    means = sums / sizes[:, None]
    out = ((values[:, None] - means) ** 2).sum(axis=2)
    own = (sums[classes] - values) / (sizes[classes] - 1)[:, None]
    out[np.arange(len(values)), classes] = ((values - own) ** 2).sum(axis=1)
    return out

"""What is learnt once from the sum of all spectra, before any single one is fitted.

The sum has the counts to tell: where the energy axis really lies, how the continuum runs, whether X-rays pile up,
and, where asked for, in which proportion a family's lines stand. Single spectra then need only a few columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.background import POWERS, THRESHOLDS_KEV, discriminated, tilted_terms
from edsnb.core.fitting.calibrate import FEWEST_COUNTS, calibrate
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.detector import efficiency
from edsnb.core.fitting.lines import LineFamily, atomic_number, usual_family
from edsnb.core.fitting.model import Design, ModelSpec, design, detected_lines, pile_up_column
from edsnb.core.fitting.peaks import NOMINAL_FWHM_EV, Response, peak_columns
from edsnb.core.fitting.segments import with_segments
from edsnb.core.fitting.solve import Solution, bounded, solve
from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.core.image import EnergyAxis, Segment
from edsnb.core.quant.ktheory import absolute_k
from edsnb.errors import KFactorError

_WORTH = 36.0
"""Drop of the deviance (6 standard deviations, squared) that a further global term must bring to be used."""
_MOST_PILE_UP = 0.05
"""Share of the counts that a detector with pile-up rejection never exceeds."""
_LOW_KEV = 0.45
"""The discriminator matters for ranges that begin below this."""
_USUAL_BEAM_KEV = 200.0
_REFINED_COUNTS = 2000.0
"""Families with fewer counts keep the table's proportions."""
_TRUST = 0.3
"""Relative standard deviation allowed to the table's proportions of subshells."""
_TRUST_3D = 1.0
"""The same for Ll and Ln beside La of the 3d metals, where bonding changes it (empty 3d in oxides)."""
_LIGHT_KEV = (0.277, 0.392, 0.525, 0.677)
"""K lines of C, N, O and F (Bearden, Rev. Mod. Phys. 39 (1967) 78)."""
_HIDDEN_KEV = 0.03
"""Half the width of a peak there: lines that are nearer cannot be told apart."""
_LEAST = 0.05
"""Part of its proportion in the table that every subshell keeps."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A model ready to fit single spectra."""

    spec: ModelSpec
    """With refined families, absorber and threshold."""
    calibration: Calibration
    design: Design
    notes: tuple[str, ...] = ()
    """What was found on the sum and is used."""


def prepare(
    total: Array,
    energy: EnergyAxis,
    spec: ModelSpec,
    *,
    calibration: bool | Calibration = True,
    segments: Sequence[Segment] = (),
    fwhm_mn_ev: float | None = None,
    refine: bool = False,
) -> Prepared:
    """Learn from the summed spectrum what single ones share.

    Parameters
    ----------
    total
        (E,) X-rays of all spectra together.
    energy
        The axis that the file states.
    spec
        What is to be fitted.
    calibration
        True to calibrate on the sum; False for the file's axis; a Calibration to use that one.
    segments
        Detector segments of which `total` is the sum, where the file keeps them apart.
    fwhm_mn_ev
        Width at Mn Ka that the file states.
    refine
        Find the proportions of L and M subshells on the sum, near the table's, instead of taking the table's.

    Returns
    -------
    Prepared. With fewer than 500 X-rays in the range the file's calibration and the plain model, as nothing can be
    learnt from them.
    """
    total = np.asarray(total, np.float64)
    start = Response(energy, fwhm_mn_ev or NOMINAL_FWHM_EV)
    enough = total[spec.channels].sum() >= FEWEST_COUNTS
    with ONE_BLAS_THREAD:
        if enough and spec.background == "physical":
            spec = replace(spec, absorber=_composition(spec, _fit(total, spec, design(spec, start))))
        if isinstance(calibration, Calibration):
            found = calibration
        elif calibration:
            found = calibrate(total, energy, spec, fwhm_mn_ev=fwhm_mn_ev)
            found = with_segments(found, segments, energy, spec, fwhm_mn_ev)
        else:
            found = Calibration(start)
        if not enough:
            return Prepared(spec, found, design(spec, found.response))
        return _learnt(total, spec, found, refine)


def _learnt(total: Array, spec: ModelSpec, found: Calibration, refine: bool) -> Prepared:
    """Return the model with what the sum shows on its calibrated axis."""
    notes = []
    spec, made, best = _with_threshold(total, spec, found.response)
    if spec.threshold_kev:
        notes.append(f"the background falls off below about {spec.threshold_kev:g} keV, as behind a discriminator")
    made, best, pile_up = _with_pile_up(total, spec, found.response, made, best)
    if pile_up:
        notes.append(f"pile-up makes {pile_up * 100:.2g} % of the counts")
    if refine:
        families = _refined(total, spec, found.response, made, best)
        changed = [new.name for new, old in zip(families, spec.families, strict=True) if new != old]
        if changed:
            notes.append(f"proportions found on the sum: {', '.join(changed)}")
            terms = made.columns[:, len(families) :]
            spec = replace(spec, families=families)
            made = _with_terms(design(spec, found.response), terms)
            best = _fit(total, spec, made)
    return Prepared(spec, found, _condensed(spec, found.response, made, best, pile_up > 0), tuple(notes))


def _fit(total: Array, spec: ModelSpec, made: Design) -> Solution:
    """Fit the sum."""
    return solve(total[None, spec.channels], made.columns, made.nonnegative)


def _composition(spec: ModelSpec, fitted: Solution) -> dict[str, float]:
    """Return rough weight fractions from the usual families, for the absorption of the continuum."""
    counts = dict(zip((f.name for f in spec.families), fitted.coefficients[0], strict=False))
    beam = spec.beam_kev or _USUAL_BEAM_KEV
    weights = {}
    for element in dict.fromkeys(f.element for f in spec.families):
        family = usual_family(element, spec.families)
        try:
            weights[element] = max(counts[family.name], 0.0) * absolute_k(family, beam)
        except KFactorError:
            continue
    total = sum(weights.values())
    return {element: w / total for element, w in weights.items() if w > 0} if total > 0 else {}


def _with_threshold(total: Array, spec: ModelSpec, response: Response) -> tuple[ModelSpec, Design, Solution]:
    """Return the spec with the discriminator threshold that the sum shows, if it shows one; its design and fit."""
    plain = design(spec, response)
    energy = spec.centres_kev(response)
    usual = _fit(total, spec, plain)
    if spec.background != "physical" or energy[0] > _LOW_KEV:
        return spec, plain, usual
    terms = plain.columns[:, len(spec.families) :]
    trials = [_with_terms(plain, discriminated(terms, energy, threshold)) for threshold in THRESHOLDS_KEV]
    fits = [_fit(total, spec, made) for made in trials]
    best = int(np.argmin([fitted.deviance[0] for fitted in fits]))
    if not _is_worth(usual, fits[best], spec):
        return spec, plain, usual
    return replace(spec, threshold_kev=THRESHOLDS_KEV[best]), trials[best], fits[best]


def _with_pile_up(
    total: Array, spec: ModelSpec, response: Response, made: Design, best: Solution
) -> tuple[Design, Solution, float]:
    """Return the design with a pile-up column behind the families, if the sum shows one; its fit and its share."""
    if spec.background == "none":
        return made, best, 0.0
    families = len(spec.families)
    column = pile_up_column(total, response.energy, spec.channels)
    piled = _with_terms(made, np.insert(made.columns[:, families:], 0, column, axis=1))
    fitted = _fit(total, spec, piled)
    share = float(fitted.coefficients[0, families] / total[spec.channels].sum())
    # With more than that the column stands for something else, such as elements that were not named.
    if share > _MOST_PILE_UP or not _is_worth(best, fitted, spec):
        return made, best, 0.0
    return piled, fitted, share


def _is_worth(without: Solution, with_it: Solution, spec: ModelSpec) -> bool:
    """Tell whether a global term explains clearly more than its share of what is left to explain."""
    channels = spec.channels.stop - spec.channels.start
    gain = (without.deviance[0] - with_it.deviance[0]) * channels
    return bool(gain > _WORTH * max(1.0, with_it.deviance[0]))


def _with_terms(made: Design, terms: Array) -> Design:
    """Return the design with other terms behind the families; one in front of the old ones is non-negative."""
    families = len(made.alpha_fractions)
    more = families + terms.shape[1] - made.columns.shape[1]
    return replace(
        made,
        columns=np.concatenate([made.columns[:, :families], terms], axis=1),
        nonnegative=np.insert(made.nonnegative, families, np.ones(more, bool)),
    )


def _condensed(spec: ModelSpec, response: Response, made: Design, best: Solution, pile_up: bool) -> Design:
    """Return the design for single spectra: the continuum of the sum and its tilts instead of all its terms."""
    if spec.background != "physical":
        return made
    kept = len(spec.families) + pile_up
    continuum = made.columns[:, kept:] @ best.coefficients[0, kept:]
    if continuum.sum() > 0:
        terms = tilted_terms(continuum, spec.centres_kev(response))
    else:
        terms = made.columns[:, kept : kept + len(POWERS)]  # those without self-absorption
    columns = np.concatenate([made.columns[:, :kept], terms], axis=1)
    return replace(made, columns=columns, nonnegative=np.ones(columns.shape[1], bool))


def _refined(
    total: Array, spec: ModelSpec, response: Response, made: Design, fitted: Solution
) -> tuple[LineFamily, ...]:
    """Return the families with the proportions of their subshells as the sum shows them, held near the table's."""
    y = total[spec.channels]
    parts: list[tuple[LineFamily, float, float]] = []
    owners: list[int] = []
    for index, family in enumerate(spec.families):
        split = _subshells(family) if fitted.coefficients[0, index] >= _REFINED_COUNTS else [(family, 1.0, 0.0)]
        parts += split
        owners += [index] * len(split)
    columns = peak_columns(response, spec.channels, [detected_lines(part) for part, _, _ in parts])
    columns = np.concatenate([columns, made.columns[:, len(spec.families) :]], axis=1)
    amounts = _held_fit(y, columns, made, fitted, parts, np.array(owners))
    return tuple(
        _rebuilt(
            family, [p for p, o in zip(parts, owners, strict=True) if o == index], amounts[np.array(owners) == index]
        )
        for index, family in enumerate(spec.families)
    )


def _held_fit(
    y: Array,
    columns: Array,
    made: Design,
    fitted: Solution,
    parts: Sequence[tuple[LineFamily, float, float]],
    owners: Array,
) -> Array:
    """Return the counts of each part, each held near its share of its family by a Gaussian prior."""
    model = np.maximum(made.columns @ fitted.coefficients[0], 1e-3 * y.mean())
    nonnegative = np.concatenate([np.ones(len(parts), bool), made.nonnegative[len(made.alpha_fractions) :]])
    prior = np.zeros((columns.shape[1],) * 2)
    for k, (_, share, trust) in enumerate(parts):
        if trust:
            row = np.zeros(columns.shape[1])
            row[: len(parts)][owners == owners[k]] = -share
            row[k] += 1.0
            prior += np.outer(row, row) / (trust * share * fitted.coefficients[0, owners[k]]) ** 2
    for _ in range(4):
        weighted = columns.T / model
        solution = bounded((weighted @ columns + prior)[None], (weighted @ y)[None], nonnegative)[0]
        model = np.maximum(columns @ solution, 1e-3 * y.mean())
    return solution[: len(parts)]


def _subshells(family: LineFamily) -> list[tuple[LineFamily, float, float]]:
    """Return the parts of an L or M family that may stand in another proportion: part, share, trust in the share."""
    if family.shell == "K" or not family.transitions:
        return [(family, 1.0, 0.0)]
    groups: dict[str, list[int]] = {}
    for k, (name, energy) in enumerate(zip(family.transitions, family.energies_kev, strict=True)):
        groups.setdefault(_subshell(name, energy), []).append(k)
    detected = np.asarray(family.weights) * efficiency(np.asarray(family.energies_kev))
    is_3d = family.shell == "L" and 20 <= atomic_number(family.element) <= 30
    out = []
    for name, members in groups.items():
        weights = np.asarray(family.weights)[members]
        part = replace(
            family,
            energies_kev=tuple(np.asarray(family.energies_kev)[members].tolist()),
            weights=tuple((weights / weights.sum()).tolist()),
            alpha=tuple(family.alpha[m] for m in members),
            transitions=tuple(family.transitions[m] for m in members),
        )
        share = float(detected[members].sum() / detected.sum())
        out.append((part, share, _TRUST_3D if is_3d and name == "M1" else _TRUST))
    return out


def _subshell(transition: str, energy_kev: float) -> str:
    """Return the group of lines that stands in a proportion of its own.

    That of a line's vacancy, but Ll and Ln (2p-3s) go together, and L1 goes with L3 where it lies under a light
    element's K line, as that of Ti under O K: a free L1 takes what is oxygen's. Elsewhere it stays free, as the 3d
    metals have less of it than the tables say (Ni a tenth, measured).
    """
    if transition in ("L2M1", "L3M1"):
        return "M1"
    hidden = transition.startswith("L1") and any(abs(energy_kev - light) < _HIDDEN_KEV for light in _LIGHT_KEV)
    return "L3" if hidden else transition[:2]


def _rebuilt(family: LineFamily, parts: list[tuple[LineFamily, float, float]], amounts: Array) -> LineFamily:
    """Return the family with the proportions of `amounts` (detected counts of each part)."""
    if len(parts) == 1 or not amounts.sum() > 0:
        return family
    least = _LEAST * amounts.sum() * np.array([share for _, share, _ in parts])
    emitted = []
    for (part, _, _), amount in zip(parts, np.maximum(amounts, least).tolist(), strict=True):
        passed = float(np.dot(part.weights, efficiency(np.asarray(part.energies_kev))))
        emitted.append(amount / passed)
    total = sum(emitted)
    return replace(
        family,
        energies_kev=tuple(e for part, _, _ in parts for e in part.energies_kev),
        weights=tuple(w * e / total for (part, _, _), e in zip(parts, emitted, strict=True) for w in part.weights),
        alpha=tuple(a for part, _, _ in parts for a in part.alpha),
        transitions=tuple(t for part, _, _ in parts for t in part.transitions),
        table=f"{family.table}, proportions found on the sum",
    )

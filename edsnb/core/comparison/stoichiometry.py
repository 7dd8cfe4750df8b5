"""Phases beside what they should be: mean composition, normalised over the formula's elements, and its error.

Glossary
--------
summed : mean at% over the chips of a phase, as the method gives it: other elements share the 100 %.
normalised : the formula's elements alone sharing the 100 %.
error_percent : ``|normalised - expected| / expected * 100``.
standard error : of the mean over the chips, once from their scatter and once from counting statistics alone; both go
    through the normalisation with their covariance. Scatter well above counting says that the phase is not uniform, or
    that the fit errs differently from chip to chip. Neither knows what all chips share, such as errors of k-factors:
    `sd_k` does, where edsnb knows those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.formula import expected_percent
from edsnb.core.comparison.normalise import covariance_of, sum_note
from edsnb.core.comparison.phase_mean import COLUMNS, PhaseResult, off, phase_result
from edsnb.core.comparison.phase_search import phases_of
from edsnb.core.comparison.phases import Phases, range_text
from edsnb.core.comparison.printed import printed
from edsnb.core.comparison.remarks import overlap_note
from edsnb.core.comparison.samples import Found, Samples, named_samples
from edsnb.core.comparison.tables import SHOWN, to_html, to_latex, to_markdown
from edsnb.errors import ElementError, InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Stoichiometry:
    """Phases of one sample or several, by one method or several, beside their formulae."""

    results: tuple[PhaseResult, ...]
    """By sample, phase and method, in the order asked for."""
    where: dict[tuple[str, str], Phases] = field(default_factory=dict)
    """{(sample, method): phases}: the chips that were averaged."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""

    def __iter__(self) -> Iterator[PhaseResult]:
        """Iterate over the results."""
        return iter(self.results)

    def result(self, phase: str, method: str | None = None, sample: str | None = None) -> PhaseResult:
        """Return one result, or raise InputError where none or several are meant."""
        met = [
            r for r in self.results
            if r.phase == phase and method in (None, r.method) and sample in (None, r.sample)
        ]  # fmt: skip
        if len(met) != 1:
            there = "; ".join(f"{r.phase}, {r.method}" + (f", {r.sample}" if r.sample else "") for r in self.results)
            raise InputError(f"{len(met)} results are {phase}, {method}, {sample}; there are {there}.")
        return met[0]

    def best(self, sample: str, phase: str, element: str) -> tuple[str, ...]:
        """Return the method with the smallest error, several where they tie as printed; none where only one is."""
        met = [r for r in self.results if (r.sample, r.phase) == (sample, phase) and element in r.elements]
        errors = {r.method: round(float(r.error_percent[r.elements.index(element)]), SHOWN) for r in met}
        known = {method: error for method, error in errors.items() if np.isfinite(error)}
        return tuple(m for m, error in known.items() if error == min(known.values())) if len(known) > 1 else ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each sample, phase, method and element; at% and percent, `best` for the smallest error."""
        import pandas as pd

        rows = [
            {
                **{"sample": r.sample, "phase": r.phase, "formula": r.formula, "method": r.method},
                **{"element": element, "chips": r.chips},
                **{name: float(getattr(r, name)[k]) for name in COLUMNS},
                "best": r.method in self.best(r.sample, r.phase, element),
            }
            for r in self.results
            for k, element in enumerate(r.elements)
        ]
        return pd.DataFrame(rows)

    def to_html(self) -> str:
        """Return the table as HTML; the smallest error of each element is bold."""
        return to_html(printed(self))

    def to_latex(self) -> str:
        """Return the table as LaTeX (package booktabs)."""
        return to_latex(printed(self))

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        return to_markdown(printed(self))

    def describe(self) -> str:
        """Say in a few sentences what was averaged and what came out."""
        sentences = []
        for r in self.results:
            of = f"{r.sample}, {r.method}" if r.sample else r.method
            values = ", ".join(
                f"{e} {x:.2f} ± {s:.2f} (expected {w:.2f}, off by {d:.1f} %)"
                for e, x, s, w, d in zip(
                    r.elements, r.normalised, r.se_scatter, r.expected, r.error_percent, strict=True
                )
            )
            sentences.append(f"{r.phase} as {r.formula} by {of}, {r.chips} chips: {values}.")
        return " ".join([*sentences, *self.notes])


def stoichiometry(
    found: Found,
    phases: Mapping[str, str],
    *,
    where: Phases | Mapping[str, Phases] | None = None,
) -> Stoichiometry:
    """Compare the mean composition of phases with their formulae.

    Parameters
    ----------
    found
        A quantification or composition; several as a list, or as {method: ...}; of several samples as
        {sample: {method: ...}}.
    phases
        {phase: formula}, such as ``{"STO": "SrTiO3", "LFO": "LaFeO3"}``.
    where
        Which chips belong to which phase, from `find_phases`; for several samples {sample: ...}. None: in each sample,
        the first method's chips in which every element that stands in this formula alone exceeds a quarter of its
        expected at%; chips that fulfil the rules of two phases are in none (`edsnb.core.comparison.phase_search`).
        Other methods are averaged over the same chips; where theirs are other ones, they look for the phases
        themselves.

    Returns
    -------
    Stoichiometry. A method that finds no chip of a phase, or lacks one of its elements, has NaN there and a note.

    Raises
    ------
    InputError
        A formula does not parse; a phase has no chips in any method of any sample; phases cannot be told apart.
    """
    if not isinstance(phases, Mapping) or not phases:
        raise InputError(f"phases must be {{name: formula}}, such as {{'STO': 'SrTiO3'}}; found {phases!r}.")
    expected = {name: expected_percent(formula) for name, formula in phases.items()}
    results: list[PhaseResult] = []
    chosen: dict[tuple[str, str], Phases] = {}
    notes: list[str] = []
    samples = named_samples(found)
    for sample, methods in samples.items():
        here, said = phases_of(sample, methods, where, expected)
        notes += [*said, *_notes(methods, expected)]
        chosen |= {(sample, method): mine for method, mine in here.items()}
        results += [
            phase_result(sample, name, phases[name], method, composition, here[method].mask(name))
            for name in phases
            for method, composition in methods.items()
        ]
    notes += [*_chip_notes(results, chosen, samples), *_factor_notes(results)]
    return Stoichiometry(tuple(results), chosen, tuple(dict.fromkeys(notes)))


def stoichiometry_errors(summed: Mapping[str, float], formula: str) -> pd.DataFrame:
    """Compare at% typed by hand with a formula.

    Parameters
    ----------
    summed
        {element: at%}; elements that are not in the formula are left out.
    formula
        Such as ``SrTiO3``.

    Returns
    -------
    A row for each element of the formula: ``summed``, ``normalised`` over these elements, ``expected`` (at%), and
    ``error_percent`` as above.

    Raises
    ------
    InputError
        The formula does not parse, or a value is negative or no number.
    ElementError
        An element of the formula has no value.
    """
    import pandas as pd

    expected = expected_percent(formula)
    if missing := [element for element in expected if element not in summed]:
        raise ElementError(
            f"{', '.join(missing)} of {formula} has no at%; given are {', '.join(summed) or 'none'}. Give one for each "
            "element of the formula."
        )
    values = np.array([float(summed[element]) for element in expected])
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        given = ", ".join(f"{e} {x:g}" for e, x in zip(expected, values.tolist(), strict=True))
        raise InputError(f"at% must be numbers of 0 or more, not all 0; found {given}.")
    normalised = 100 * values / values.sum()
    wanted = np.array(list(expected.values()))
    columns = {"summed": values, "normalised": normalised, "expected": wanted, "error_percent": off(normalised, wanted)}
    return pd.DataFrame(columns, index=pd.Index(list(expected), name="element"))


def _notes(methods: Mapping[str, Composition], expected: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return notes on what shares the 100 %, on elements that are missing, and on errors that are assumed."""
    notes: list[str] = []
    formulas = list(dict.fromkeys(e for own in expected.values() for e in own))
    for method, composition in methods.items():
        if others := [e for e in composition.elements if e not in formulas]:
            notes.append(f"In {method}, {', '.join(others)} share the 100 % too; normalised values are without them.")
        if missing := [e for e in formulas if e not in composition.elements]:
            notes.append(f"{method} has no {', '.join(missing)}: a phase with it cannot be normalised.")
        if not covariance_of(composition)[1] and np.isfinite(composition.sd["atomic"]).any():
            notes.append(f"{method}: counting errors of its elements are taken as independent, which is not known.")
        notes += sum_note(composition)
    return [*notes, *overlap_note(*methods.values())]


def _factor_notes(results: list[PhaseResult]) -> list[str]:
    """Return a note for each method whose k-factors are uncertain: what that alone does to normalised values."""
    notes = []
    for method in dict.fromkeys(r.method for r in results):
        sd = np.concatenate([r.sd_k for r in results if r.method == method])
        if np.isfinite(sd).any():
            notes.append(
                f"The k-factors of {method} are uncertain: that alone moves normalised values by up to "
                f"{np.nanmax(sd):.1f} at% (one sd, shared by all chips), which no scatter shows."
            )
    return notes


def _chip_notes(results: list[PhaseResult], where: Mapping[tuple[str, str], Phases], samples: Samples) -> list[str]:
    """Return notes on phases without chips; raise InputError for one that has none anywhere."""
    notes = []
    for phase in dict.fromkeys(r.phase for r in results):
        none = [_why_none(r, where, samples) for r in results if r.phase == phase and not r.chips]
        if len(none) == sum(r.phase == phase for r in results):
            raise InputError(f"phase {phase} has no chips: {'; '.join(none)}. Say where= it is, or check its formula.")
        notes += [f"No chip of {phase}: {why}." for why in none]
    return notes


def _why_none(r: PhaseResult, where: Mapping[tuple[str, str], Phases], samples: Samples) -> str:
    """Say by which rule a phase was looked for, and what there was."""
    composition, phases = samples[r.sample][r.method], where[r.sample, r.method]
    there = [
        (e, composition.values["atomic"][:, composition.column(e)]) for e in r.elements if e in composition.elements
    ]
    found = ", ".join(f"{element} {range_text(values)}" for element, values in there)
    of = f"{r.sample}, {r.method}" if r.sample else r.method
    left_out = "".join(f"; {mask.sum()} chips left out as {why}" for why, mask in phases.left_out.items() if mask.any())
    return f"{of} ({phases.how[r.phase]}; at% found: {found or 'none of its elements'}{left_out})"

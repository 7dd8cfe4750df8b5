"""What a reader of a comparison should know: sentences on what was left out, what shares the 100 %, what z is worth."""

from __future__ import annotations

import numpy as np

from edsnb.core.comparison.agreement import Agreement
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.matching import Matched
from edsnb.core.comparison.normalise import sum_note
from edsnb.core.events import Array

_SHOWN = 5
"""Names of regions that a sentence lists."""


def percent_notes(one: Composition, two: Composition, quantity: str) -> tuple[str, ...]:
    """Return notes where different elements share the 100 %, or percentages do not add up to it."""
    if quantity == "counts":
        return ()
    notes = []
    if set(one.elements) != set(two.elements):
        notes.append(
            f"Different elements share the 100 %: those of {one.method} are {', '.join(one.elements)}, those of "
            f"{two.method} {', '.join(two.elements)}. The same film then has different percentages; renormalise=True "
            "brings both to the elements they have in common."
        )
    return *notes, *sum_note(one, quantity), *sum_note(two, quantity)


def left_out_notes(
    one: Composition,
    two: Composition,
    only_in: tuple[tuple[str, ...], ...],
    left_out: tuple[tuple[str, ...], ...],
    pairs: Matched,
) -> tuple[str, ...]:
    """Return notes on elements and regions that were left out, and on how the rest was matched."""
    notes = []
    for composition, elements, names in zip((one, two), only_in, left_out, strict=True):
        if elements:
            notes.append(f"Only {composition.method} has {', '.join(elements)}.")
        if names:
            shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
            regions = "1 region" if len(names) == 1 else f"{len(names)} regions"
            notes.append(f"Without a partner: {regions} of {composition.method} ({shown}).")
    if np.isnan(pairs.apart_px):
        notes.append("Regions were matched by their names alone: positions are not known on both sides.")
    elif pairs.apart_px > 0:
        notes.append(f"Some matched regions are up to {pairs.apart_px:g} px apart.")
    return (*notes, *_family_notes(one, two))


def error_notes(one: Composition, two: Composition, z: Array, by_element: dict[str, Agreement]) -> tuple[str, ...]:
    """Return notes on what errors and z are worth."""
    notes = []
    if empty := [element for element, found in by_element.items() if not found.n]:
        notes.append(f"No region has values of {', '.join(empty)} on both sides.")
    if np.isfinite(z).any():
        notes.append(_xray_note(one, two))
    elif unknown := [c.method for c in (one, two) if not any(np.isfinite(sd).any() for sd in c.sd.values())]:
        notes.append(f"Errors of {' and '.join(unknown)} are not known, so z is not either.")
    return *notes, *overlap_note(one, two)


def overlap_note(*compositions: Composition) -> tuple[str, ...]:
    """Return a note where chips overlap: what is averaged over them scatters more than it seems."""
    grids = [c.regions.grid for c in compositions if c.regions is not None and c.regions.grid is not None]
    if not any(grid.step < grid.size for grid in grids):
        return ()
    return ("The chips overlap, so they are not independent: standard errors from their scatter are too small.",)


def _family_notes(one: Composition, two: Composition) -> tuple[str, ...]:
    """Return a note where elements were quantified by different families."""
    mine, theirs = (dict(zip(c.elements, c.families, strict=False)) for c in (one, two))
    pairs = [(family, theirs.get(element)) for element, family in mine.items()]
    other = [f"{a} and {b}" for a, b in pairs if a and b and a != b]
    return (f"Other families were used: {', '.join(other)}.",) if other else ()


def _xray_note(one: Composition, two: Composition) -> str:
    """Say what z is worth, by what is known of the X-rays of both sides."""
    digests = [c.quantification.fit.spectra.digest for c in (one, two) if c.quantification is not None]
    if len(digests) == 2 and digests[0] and digests[0] == digests[1]:
        return (
            "Both methods saw the same X-rays, so their errors go together: the sd of a difference is not known from "
            "the two alone. z takes them as independent and is then too small: a large z is a real difference, as far "
            "as both sd are right, but a small z proves nothing. The scatter of the differences (sd) is measured."
        )
    differ = len(digests) == 2 and all(digests)
    seen = "The two come from different files" if differ else "Whether both methods saw the same X-rays is not known"
    return f"{seen}: z takes their errors as independent; for the same X-rays it would be too small."

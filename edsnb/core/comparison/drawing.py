"""What may tell a phase, in one plain form each: text, a polygon, a mask, or chips by name.

The plain form is what is recorded, and what is evaluated: so a record that was written down finds the same chips again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.images import mean_over
from edsnb.core.comparison.rules import names_in
from edsnb.core.events import Array
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Regions
from edsnb.core.runs import from_runs, to_runs
from edsnb.errors import InputError

MARKER = 5.0
"""at% that an element given as a marker has to exceed."""
_FORMS = (
    "a rule such as 'La > 5 and Fe > 5', markers such as ['La', 'Fe'], a mask of True and False (ny, nx), Regions, "
    "a polygon of (y, x) corners, or {'chips': [names]}"
)
Rule = str | Sequence[str] | Sequence[tuple[float, float]] | Array | Regions | Mapping[str, Any]
"""What `find_phases` takes for a phase."""
Plain = str | dict[str, Any]
"""The plain form of it: text, or ``{"polygon": ...}``, ``{"runs": ..., "shape": ...}``, ``{"chips": ...}``."""


def plain(phase: str, rule: Rule) -> Plain:
    """Return the plain form of what tells a phase; raise InputError for what cannot."""
    match rule:
        case str():
            names_in(rule)
            return rule
        case Regions():
            return _runs(_one_region(phase, rule))
        case Mapping():
            return _checked(phase, dict(rule))
        case np.ndarray() if rule.ndim == 2 and rule.dtype == bool:
            return _runs(rule)
        case [str(), *_] if all(isinstance(part, str) for part in rule):
            return " and ".join(f"{element} > {MARKER:g}" for element in rule)
        case np.ndarray() | list() | tuple() if len(rule) > 2 and all(np.shape(corner) == (2,) for corner in rule):
            return {"polygon": np.asarray(rule, float).tolist()}
        case _:
            raise InputError(f"phase {phase}: {_short(rule)} tells no phase. Give {_FORMS}.")


def inside(phase: str, rule: dict[str, Any], composition: Composition, share: float) -> tuple[Array, str]:
    """Return the chips (n,) bool of a drawn region or of a list of names, and how they were found.

    Parameters
    ----------
    phase, rule
        The phase, and the plain form.
    composition
        Whose regions are meant.
    share
        Of a chip's pixels that have to lie inside.
    """
    if "chips" in rule:
        rows = rows_of(rule["chips"], composition.names)
        return np.isin(np.arange(len(composition)), rows), f"{len(rows)} chips named"
    regions = composition.regions
    if regions is None:
        raise InputError(
            f"phase {phase}: a drawn region needs to know where the chips lie, which {composition.method} does not say."
        )
    if "polygon" in rule:
        mask = Regions.from_polygons({phase: rule["polygon"]}, regions.shape).mask(phase)
        drawn = f"polygon of {len(rule['polygon'])} corners"
    else:
        mask = from_runs(rule["runs"], rule["shape"]).astype(bool)
        drawn = f"mask of {int(mask.sum())} pixels"
    part = mean_over(mask, regions)
    return np.nan_to_num(part) >= share, f"drawn: at least {share:.0%} of the chip inside a {drawn}"


def rows_of(chips: Sequence[str | int], names: tuple[str, ...]) -> Array:
    """Return the rows of chips given by name or by number; raise InputError for one that is not there."""
    if isinstance(chips, str):
        raise InputError(f"chips must be a list of names, such as ['R0C1']; found {chips!r}.")
    at = {name: i for i, name in enumerate(names)}
    rows = [at.get(chip, -1) if isinstance(chip, str) else int(chip) for chip in chips]
    if wrong := [repr(c) for c, r in zip(chips, rows, strict=True) if not 0 <= r < len(names)]:
        raise InputError(
            f"no chip {', '.join(wrong[:5])}: there are {len(names)}, {', '.join(names[:3])} ... {names[-1]}."
            if names
            else "there are no chips to name."
        )
    return np.array(rows, np.int64)


def survey_of(image: SpectrumImage | Array | None, regions: Regions | None) -> Array:
    """Return the mean of the HAADF image over each region (n,); raise InputError where that is not known."""
    if image is None:
        raise InputError("a rule with haadf needs the image: give image=, the opened map or an array (ny, nx).")
    if regions is None:
        raise InputError("a rule with haadf needs to know where the chips lie; this composition has no regions.")
    if not isinstance(image, SpectrumImage):
        return mean_over(np.asarray(image), regions)
    if image.haadf is None:
        raise InputError(f"{image.source or 'the map'} has no HAADF image on its own raster. Leave haadf out.")
    return mean_over(image.haadf.image, regions)


def _one_region(phase: str, regions: Regions) -> Array:
    """Return the mask of the region that is meant: the one named like the phase, else the only one."""
    if phase in regions.names:
        return regions.mask(phase)
    if len(regions) == 1:
        return regions.mask(0)
    raise InputError(
        f"phase {phase}: which of the {len(regions)} regions is meant? Name one of them {phase}, or give one alone; "
        f"they are {', '.join(regions.names[:5])}."
    )


def _runs(mask: Array) -> dict[str, Any]:
    """Return a mask as runs."""
    return {"runs": [list(run) for run in to_runs(mask.astype(np.uint8))], "shape": list(mask.shape)}


def _checked(phase: str, rule: dict[str, Any]) -> dict[str, Any]:
    """Return a plain form that was written down, or raise InputError."""
    try:
        match rule:
            case {"polygon": corners, **rest} if not rest and len(corners) > 2:
                return {"polygon": np.asarray(corners, float).reshape(-1, 2).tolist()}
            case {"runs": runs, "shape": shape, **rest} if not rest:
                return _runs(from_runs(runs, shape).astype(bool))
            case {"chips": list() | tuple() as chips, **rest} if not rest:
                return {"chips": list(chips)}
    except (TypeError, ValueError) as error:
        raise InputError(f"phase {phase}: what was drawn cannot be read ({error}). Give {_FORMS}.") from None
    raise InputError(f"phase {phase}: {_short(rule)} tells no phase. Give {_FORMS}.")


def _short(value: object) -> str:
    """Return a value as text, not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."

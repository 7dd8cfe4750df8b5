"""A spectrum that is searched for elements, and the columns of all that could be in it.

Channels are added together up to a fifth of a peak's width, wide peaks have fewer: they say no more one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.background import THRESHOLDS_KEV, discriminated, physical_terms
from edsnb.core.fitting.candidates import Candidate
from edsnb.core.fitting.lines import LineFamily, usual_family
from edsnb.core.fitting.model import detected_lines, pile_up_column
from edsnb.core.fitting.peaks import Response, added_together, fwhm_ev, peak_columns
from edsnb.core.fitting.slack import continuum_slack, family_slack, knots
from edsnb.core.quant.ktheory import absolute_k
from edsnb.errors import KFactorError

_FINEST_KEV = 0.01
_PER_WIDTH = 0.2
"""Widest channel, in widths of a peak."""
_STRONG = 300.0
"""Families with fewer counts need no slack."""
_DISCRIMINATED_KEV = 0.45
"""The pulse discriminator matters for ranges that begin below this."""
_LEAST_WEIGHT = 0.005
"""Elements below this share of the mass do not count for the absorption of the continuum."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A spectrum and all that could be in it, on channels as wide as peaks allow."""

    y: Array
    """(E',) counts."""
    response: Response
    """Of channels of equal width, before those of wide peaks are added together."""
    starts: Array
    """(E',) first channel of each group of them."""
    energy_kev: Array
    """(E',) mean energy of each."""
    beam_kev: float
    take_off_deg: float
    chosen: tuple[str, ...]
    """Elements that are in the model whatever the evidence, each family by itself."""
    candidates: Mapping[str, Candidate]
    families: Mapping[str, Array]
    """{element: (E', F)} columns of each family of each element."""
    cones: Mapping[str, Array]
    """{element: (E', R)} columns of the edges of its cone."""
    pile_up: Array
    """(E', 1)."""
    probes: Array
    """(E', G) a peak at every half width."""
    loose: bool = False
    """The axis is not calibrated."""
    slack: dict[str, Array] = field(default_factory=dict)
    """Slack of families, made when it is first needed."""

    @property
    def channels(self) -> slice:
        """All channels of `response`."""
        return slice(0, self.response.energy.size)

    def gather(self, columns: Array) -> Array:
        """Return columns on channels of equal width (size, n) as columns on those of `y` (E', n)."""
        return np.add.reduceat(columns, self.starts, axis=0)


def make_scene(
    counts: Array,
    response: Response,
    channels: slice,
    chosen: tuple[str, ...],
    candidates: Mapping[str, Candidate],
    *,
    beam_kev: float,
    take_off_deg: float,
    loose: bool = False,
) -> Scene:
    """Return the scene of a spectrum (E,), of which `channels` are searched; `candidates` hold the chosen ones too."""
    scale = response.energy.scale_kev
    together = min(max(1, round(_FINEST_KEV / scale)), channels.stop - channels.start)
    size = (channels.stop - channels.start) // together
    even = added_together(response, channels.start, together, size)
    energy = even.energy.centres_kev
    starts = _groups(energy, even)
    equal = np.asarray(counts, np.float64)[channels][: size * together].reshape(size, together).sum(axis=1)
    families = _family_columns(candidates, even, starts)
    places = _probes(energy, even)
    probes = peak_columns(even, slice(0, size), [(np.array([place]), np.ones(1)) for place in places])
    return Scene(
        y=np.add.reduceat(equal, starts),
        response=even,
        starts=starts,
        energy_kev=np.add.reduceat(energy, starts) / np.diff(np.append(starts, size)),
        beam_kev=beam_kev,
        take_off_deg=take_off_deg,
        chosen=chosen,
        candidates=candidates,
        families=families,
        cones={element: columns @ candidates[element].edges.T for element, columns in families.items()},
        pile_up=np.add.reduceat(pile_up_column(equal, even.energy, slice(0, size))[:, None], starts, axis=0),
        probes=np.add.reduceat(probes, starts, axis=0),
        loose=loose,
    )


def _family_columns(candidates: Mapping[str, Candidate], response: Response, starts: Array) -> dict[str, Array]:
    """Return the columns (E', F) of each family of each element."""
    lines = [detected_lines(family) for candidate in candidates.values() for family in candidate.families]
    columns = np.add.reduceat(peak_columns(response, slice(0, response.energy.size), lines), starts, axis=0)
    ends = np.cumsum([len(candidate.families) for candidate in candidates.values()])
    return dict(zip(candidates, np.split(columns, ends[:-1], axis=1), strict=True)) if candidates else {}


def _groups(energy_kev: Array, response: Response) -> Array:
    """Return the first channel of each group, none of which is wider than `_PER_WIDTH` of a peak there."""
    starts, first = [], 0
    wide = _PER_WIDTH * fwhm_ev(energy_kev, response.fwhm_mn_ev) / 1e3 / response.energy.scale_kev
    while first < len(energy_kev):
        starts.append(first)
        first += max(1, int(wide[first]))
    return np.array(starts)


def _probes(energy_kev: Array, response: Response) -> Array:
    """Return energies (G,) a half width of a peak apart."""
    places = [float(energy_kev[0])]
    while places[-1] < energy_kev[-1]:
        places.append(places[-1] + 0.5 * float(fwhm_ev(places[-1], response.fwhm_mn_ev)) / 1e3)
    return np.array(places[:-1] or places)


def continuum_columns(scene: Scene, composition: Mapping[str, float]) -> Array:
    """Return the terms of the continuum (E', B), with and without a discriminator."""
    energy = scene.response.energy.centres_kev
    terms = physical_terms(energy, scene.beam_kev, absorber=composition, take_off_deg=scene.take_off_deg)
    plain = physical_terms(energy, scene.beam_kev)
    cut = [discriminated(plain, energy, t) for t in THRESHOLDS_KEV if energy[0] < _DISCRIMINATED_KEV]
    return scene.gather(np.concatenate([terms, *cut], axis=1))


def rough_composition(scene: Scene, counts: Mapping[str, float]) -> dict[str, float]:
    """Return rough weight fractions of the elements in a model, for the absorption of the continuum."""
    weights = {}
    for element in dict.fromkeys(name.split("_")[0] for name in counts):
        family = usual_family(element, scene.candidates[element].families)
        try:
            weights[element] = counts[family.name] * absolute_k(family, scene.beam_kev)
        except KFactorError:
            continue
    total = sum(weights.values())
    return {element: w / total for element, w in weights.items() if w > _LEAST_WEIGHT * total}


def slack_columns(scene: Scene, counts: Mapping[str, float], continuum: Array | None) -> Array:
    """Return the slack (E', q) of a model: of its strong families, and of its continuum (E',)."""
    out = [np.empty((len(scene.y), 0))]
    for element in dict.fromkeys(name.split("_")[0] for name in counts):
        for family in scene.candidates[element].families:
            if counts[family.name] > _STRONG:
                out.append(counts[family.name] * _unit_slack(scene, family))
    if continuum is not None:
        out.append(continuum_slack(knots(scene.energy_kev), continuum))
    return np.concatenate(out, axis=1)


def _unit_slack(scene: Scene, family: LineFamily) -> Array:
    """Return the slack of one count of a family."""
    if family.name not in scene.slack:
        made = family_slack(family, scene.response, scene.channels, loose=scene.loose)
        scene.slack[family.name] = scene.gather(made)
    return scene.slack[family.name]

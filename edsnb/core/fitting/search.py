"""The search for elements in one spectrum: forward by evidence, backward again, with misfits measured in between.

forward : the candidate that explains most joins the model, and with it those that explain other peaks.
backward : the least certain element leaves as long as it is less certain than asked for.
absent : an element whose families could not be told by the cone alone, because one that it must show is not there.
misfit : what is left over once every peak is explained is negative where the model claims too much. How negative, on
    the scale of a peak, tells how far counting statistics can be trusted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from edsnb.core.events import Array
from edsnb.core.fitting.candidates import CREDIT
from edsnb.core.fitting.evidence import Form, Held, fit_held, form, freed, tries
from edsnb.core.fitting.scene import Scene, continuum_columns, rough_composition, slack_columns

MOST = 25
"""Elements that are taken in at most."""
_APART = 0.05
"""Two candidates whose evidence overlaps by less explain different peaks."""
_NEAR = 0.05
"""Those that overlap by more could be taken for each other."""
_TOGETHER = 0.4
"""Candidates join together if each has at least this share of the best one's significance."""
_RIVAL = 0.8
"""A rival explains at least this share of what the element explains, ..."""
_RIVAL_SIGMA = 3.0
"""... or is no worse by more than this, and explains at least ..."""
_LEAST_SHARE = 0.5
"""... this share."""
_MOST_RIVALS = 4
_ABSENT, _ABSENT_SIGMA = 0.5, 3.0
"""A family is absent where less than this share of what the cone asks for is found, by so many deviations."""
_SEEN_KEV = 1.0
"""Softer families may be absorbed, and are not missed."""
_SPREAD = 6
"""Misfits speak for their surroundings: so many half widths of a peak, standard deviation."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A scene as explained by the chosen elements and those found."""

    scene: Scene
    found: tuple[str, ...]
    trust: Array
    """(E',) share of counting statistics that each channel is trusted with."""
    held: Held
    near: Form
    """With the columns of the model, then of all candidates that are not in it."""
    own: tuple[str, ...]
    """Whose each column is: an element, or nothing for continuum and pile-up."""
    models: int
    """The first so many columns are the model's."""
    continuum: Array
    """(E',) counts."""

    def counts(self) -> dict[str, float]:
        """Return the counts of each family in the model, by name."""
        return _counts(self.scene, self.found, self.own[: self.models], self.held)

    def members(self, element: str) -> Array:
        """Return the numbers of an element's columns."""
        first = self.own.index(element)
        return np.arange(first, first + self.own.count(element))

    def others(self) -> list[str]:
        """Return the candidates that are not in the model."""
        return [element for element in self.scene.candidates if element not in (*self.scene.chosen, *self.found)]


def look(scene: Scene, found: tuple[str, ...], trust: Array | None = None, before: View | None = None) -> View:
    """Fit a scene with the chosen elements and those found; `before` is a view of it from which to begin."""
    trust = np.ones(len(scene.y)) if trust is None else trust
    if before is None:
        before = _view(scene, found, trust, {}, None, None)
    # Slack goes with the counts of the families, and changes them: two rounds are enough.
    before = _view(scene, found, trust, before.counts(), before.continuum, before.held.model)
    return _view(scene, found, trust, before.counts(), before.continuum, before.held.model, whole=True)


def _view(
    scene: Scene,
    found: tuple[str, ...],
    trust: Array,
    counts: Mapping[str, float],
    continuum: Array | None,
    start: Array | None,
    *,
    whole: bool = False,
) -> View:
    """Return a fit whose slack is that of earlier `counts` and `continuum`; the candidates only where `whole`."""
    columns, own = _columns(scene, found, continuum_columns(scene, rough_composition(scene, counts)))
    slack = slack_columns(scene, counts, continuum)
    held = fit_held(scene.y, columns, slack, trust, start)
    terms = own.count("") - 1  # the last ones, behind pile-up
    bent = np.asarray(columns[:, -terms:] @ held.amounts[-terms:])
    models, blocks = len(own), [columns]
    for element in scene.candidates if whole else ():
        if element not in (*scene.chosen, *found):
            blocks.append(scene.cones[element])
            own += (element,) * scene.cones[element].shape[1]
    near = form(scene.y, np.concatenate(blocks, axis=1), slack, trust, held.model)
    return View(scene, found, trust, held, near, own, models, bent)


def _counts(scene: Scene, found: tuple[str, ...], own: tuple[str, ...], held: Held) -> dict[str, float]:
    """Return the counts of each family in the model, by name."""
    out: dict[str, float] = {}
    for element in (*scene.chosen, *found):
        amounts = held.amounts[[name == element for name in own]]
        candidate = scene.candidates[element]
        counts = amounts if element in scene.chosen else amounts @ candidate.edges
        out |= {f.name: float(c) for f, c in zip(candidate.families, counts, strict=True)}
    return out


def _columns(scene: Scene, found: tuple[str, ...], continuum: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the columns of a model and whose they are."""
    blocks = [(element, scene.families[element]) for element in scene.chosen]
    blocks += [(element, scene.cones[element]) for element in found]
    blocks += [("", scene.pile_up), ("", continuum)]
    own = tuple(name for name, block in blocks for _ in range(block.shape[1]))
    return np.concatenate([block for _, block in blocks], axis=1), own


def gains(view: View) -> tuple[list[str], Array, Array]:
    """Return the other candidates (n), by how much each would lower the objective (n,), and its evidence (n, E').

    Evidence is where in the spectrum it would change the model, in squared standard deviations.
    """
    others, model = view.others(), np.arange(view.models)
    sets = [np.concatenate([model, view.members(element)]) for element in others]
    objective, amounts = tries(view.near, sets)
    changed = view.near.model(amounts)[0] - view.held.model
    return others, view.held.objective - objective, changed**2 * view.trust / view.held.model


def losses(view: View) -> Array:
    """Return by how much the objective would rise without each of the elements found (n,)."""
    model = np.arange(view.models)
    sets = [np.setdiff1d(model, view.members(element)) for element in view.found]
    return tries(view.near, sets)[0] - view.held.objective


def credited(elements: Iterable[str], gain: Array) -> Array:
    """Return the standard deviations (n,) that count for each element: rare ones get less credit."""
    return np.sqrt(np.maximum(gain, 0.0)) * np.array([CREDIT.get(element, 1.0) for element in elements])


def forward(view: View, needed: float, *, share: float = 0.0, most: int = MOST) -> View:
    """Take in elements until none is left that is significant by `needed` standard deviations.

    Parameters
    ----------
    share
        Elements must explain at least this share of what the first one explains.
    most
        Elements that may be found.
    """
    first, banned = 0.0, set[str]()
    while len(view.found) < most:
        others, gain, evidence = gains(view)
        sigma = credited(others, gain)
        sigma[[element in banned for element in others]] = 0.0
        sigma[gain < share * first] = 0.0
        first = first or float(gain.max(initial=0.0))
        joining: list[int] = []
        for k in np.argsort(-sigma)[: most - len(view.found)]:
            if sigma[k] < max(needed, _TOGETHER * sigma.max()):
                break
            if all(_overlap(evidence[k], evidence[j]) < _APART for j in joining):
                joining.append(int(k))
        if not joining:
            return view
        view = look(view.scene, (*view.found, *(others[k] for k in joining)), view.trust, view)
        if missed := [element for element in view.found if is_absent(view, element)]:
            banned.update(missed)
            view = look(view.scene, tuple(e for e in view.found if e not in missed), view.trust, view)
    return view


def backward(view: View, needed: float) -> View:
    """Give up the least certain element until all are significant by `needed` standard deviations."""
    while view.found:
        sigma = credited(view.found, losses(view))
        absent = [is_absent(view, element) for element in view.found]
        worst = int(np.argmin(np.where(absent, -1.0, sigma)))
        if sigma[worst] >= needed and not absent[worst]:
            break
        view = look(view.scene, tuple(e for e in view.found if e != view.found[worst]), view.trust, view)
    return view


def _overlap(one: Array, other: Array) -> float:
    """Return how far two distributions of evidence (E',) lie in the same channels, 0 to 1."""
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-300))


def is_absent(view: View, element: str) -> bool:
    """Tell whether a family that the element must show is missing: with its families free, it has far less counts."""
    candidate, own = view.scene.candidates[element], view.members(element)
    if len(candidate.families) < 2:
        return False
    members = np.arange(view.models)
    amounts, covariance = freed(view.near, members, own)
    place = np.searchsorted(members, own)
    edges = candidate.edges.T / view.near.scale[own]
    asked = view.held.amounts[own] @ candidate.edges
    found = edges @ amounts[place]
    sd = np.sqrt(np.einsum("fr,rs,fs->f", edges, covariance[np.ix_(place, place)], edges))
    hard = np.array([family.alpha_kev > _SEEN_KEV for family in candidate.families])
    return bool((hard & (found < _ABSENT * asked) & (asked - found > _ABSENT_SIGMA * sd)).any())


def distrust(view: View) -> Array:
    """Return the share of counting statistics (E',) that can be trusted, from what the view leaves over.

    Pulls of a peak at every half width, profiled over the model, have a standard deviation of 1 where the model is
    right. Those below zero are taken, as those above may be elements that are not in it, and averaged around each.
    """
    scene = view.scene
    here = look(scene, view.found, None, view)
    p = here.models
    everything = np.concatenate([here.near.columns[:, :p] * here.near.scale[:p], scene.probes], axis=1)
    near = form(scene.y, everything, here.near.slack, here.trust, here.held.model)
    used = np.flatnonzero(here.held.amounts > 0)
    matrix, probes = near.matrix, np.arange(p, near.matrix.shape[0] - 1)
    cross = np.linalg.solve(matrix[np.ix_(used, used)], matrix[np.ix_(used, probes)])
    left = near.vector[probes] - matrix[np.ix_(probes, used)] @ (here.held.amounts * here.near.scale[:p])[used]
    information = matrix[probes, probes] - np.einsum("up,up->p", matrix[np.ix_(used, probes)], cross)
    least = 1e-3 * matrix[probes, probes] + 1e-300
    pulls = np.where(information > least, left / np.sqrt(np.maximum(information, least)), 0.0)
    spread = np.maximum(1.0, gaussian_filter1d(2.0 * np.minimum(pulls, 0.0) ** 2, _SPREAD, mode="nearest"))
    heights = scene.probes / np.maximum(scene.probes.sum(axis=1, keepdims=True), 1e-300)
    return 1.0 / np.maximum(1.0, heights @ spread)


def strength(view: View, element: str) -> tuple[int, Array, Array]:
    """Return the number of an element's clearest family, and counts and standard deviations (F,) of all of them."""
    candidate, own = view.scene.candidates[element], view.members(element)
    members = np.union1d(np.arange(view.models), own)
    amounts, covariance = freed(view.near, members, np.empty(0, int))
    place = np.searchsorted(members, own)
    edges = candidate.edges.T / view.near.scale[own]
    counts = edges @ amounts[place]
    sd = np.sqrt(np.einsum("fr,rs,fs->f", edges, covariance[np.ix_(place, place)], edges))
    seen = (view.trust / view.held.model) @ view.scene.families[element] ** 2
    return int(np.argmax(counts**2 * seen)), counts, sd


def rivals(view: View, element: str) -> tuple[str, ...]:
    """Return the candidates not found that would explain nearly as much in the place of one that is, best first."""
    without = np.setdiff1d(np.arange(view.models), view.members(element))
    others = [e for e in view.others() if _overlap(_traces(view, element), _traces(view, e)) > _NEAR]
    sets = [without, *(np.concatenate([without, view.members(e)]) for e in others)]
    objective = tries(view.near, sets)[0]
    explained, worse = objective[0] - objective[1:], objective[1:] - view.held.objective
    share = explained / max(float(objective[0] - view.held.objective), 1e-300)
    as_good = (share > _RIVAL) | (worse < _RIVAL_SIGMA**2) & (share > _LEAST_SHARE)
    order = np.argsort(-explained)
    return tuple(others[k] for k in order if as_good[k])[:_MOST_RIVALS]


def _traces(view: View, element: str) -> Array:
    """Return where in the spectrum (E',) an element would show."""
    return np.asarray((view.near.columns[:, view.members(element)] ** 2).sum(axis=1) / view.held.model)

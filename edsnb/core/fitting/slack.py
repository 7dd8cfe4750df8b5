"""How far the model of a strong peak may be from the truth.

With a hundred thousand counts a fit sees more than counting statistics: proportions of lines from tables, line
energies, peak shapes and the continuum are each a little off. Whoever looks for a weak line beside a strong one must
not take such a misfit for it. Here the misfits are columns, of which each may be there in any amount around zero, with
a Gaussian prior as wide as tables and detectors differ in that respect: what they can explain is no evidence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edsnb.core.events import Array
from edsnb.core.fitting.detector import SI_KA_KEV, escape_fraction
from edsnb.core.fitting.lines import LineFamily
from edsnb.core.fitting.model import detected_lines, detected_weights
from edsnb.core.fitting.peaks import Lines, Response, fwhm_ev, peak_columns

_SHIFT_EV = {"K": 1.5, "L": 3.0, "M": 6.0}
"""Energies of a family's lines, all together."""
_SOFT_SHIFT_EV = 4.0
"""The same below `_SOFT_KEV`, where bonding moves lines."""
_SOFT_KEV = 1.2
_WIDTH_EV, _WIDE_EV = 2.0, 6.0
"""Width (at Mn Ka) of K and L peaks, and of M peaks and soft ones, whose lines are bands."""
_TAIL = 0.01
"""Share of a peak in its low-energy tail."""
_SHARE = {"K": 0.05, "L": 0.3, "M": 0.6}
"""Each resolved line's share of its family, relative."""
_ESCAPE = 0.3
"""Escape peaks, relative."""
_LOOSE_EV, _LOOSE_GAIN, _LOOSE_WIDTH = 20.0, 0.002, 4.0
"""Shift (offset, and share of the energy) and factor on the widths before the axis is calibrated."""
_RESOLVED = 0.4
"""Lines further apart than this, in widths of the peak, are told apart."""
_WEAKEST = 2e-3
"""Groups of lines with a smaller share of the family are left out."""
_CONTINUUM = 0.1
"""Continuum, relative, at each knot."""
_KNOT_KEV = 0.3
"""Distance of the knots over the root of the energy: several widths of a peak everywhere."""


def family_slack(family: LineFamily, response: Response, channels: slice, *, loose: bool = False) -> Array:
    """Return the misfits (E', m) of one count of a family, each scaled to one standard deviation of its prior.

    Parameters
    ----------
    response
        The detector response that the model uses.
    channels
        Channels to evaluate, E' of them.
    loose
        The axis is not calibrated: peaks may lie where the instrument may have drifted.
    """
    energies, weights = detected_lines(family)
    lines = [(energies, weights), (energies + 1e-3, weights), *_groups(family, response), *_escapes(family)]
    columns = peak_columns(response, channels, lines)
    plain, moved, others = columns[:, :1], columns[:, 1:2], columns[:, 2:]
    wider, tailed = (
        peak_columns(_varied(response, wider_ev, tail), channels, lines[:1]) - plain
        for wider_ev, tail in ((1.0, 0.0), (0.0, _TAIL))
    )
    soft = family.alpha_kev < _SOFT_KEV
    shift = _SOFT_SHIFT_EV if soft else _SHIFT_EV[family.shell]
    width = _WIDE_EV if soft or family.shell == "M" else _WIDTH_EV
    if loose:
        shift, width = _LOOSE_EV + _LOOSE_GAIN * 1e3 * family.alpha_kev, _LOOSE_WIDTH * width
    return np.concatenate([(moved - plain) * shift, wider * width, tailed, others], axis=1)


def _groups(family: LineFamily, response: Response) -> list[Lines]:
    """Return what one standard deviation of each resolved group's share adds to the family, and takes from the rest."""
    energies, weights = np.asarray(family.energies_kev), detected_weights(family)
    order = np.argsort(energies)
    apart = np.diff(energies[order]) > _RESOLVED * fwhm_ev(energies[order][1:], response.fwhm_mn_ev) / 1e3
    groups = np.split(order, np.flatnonzero(apart) + 1)
    if len(groups) == 1:
        return []
    out = []
    for members in groups:
        share = float(weights[members].sum())
        if share >= _WEAKEST:
            change = -share * weights
            change[members] += weights[members]
            out.append((energies, change * _SHARE[family.shell]))
    return out


def _escapes(family: LineFamily) -> list[Lines]:
    """Return one standard deviation of the family's escape peaks; nothing where it has none."""
    energies = np.asarray(family.energies_kev)
    escaped = detected_weights(family) * escape_fraction(energies)
    there = escaped > 0
    return [(energies[there] - SI_KA_KEV, _ESCAPE * escaped[there])] if there.any() else []


def _varied(response: Response, wider_ev: float, tail: float) -> Response:
    """Return a response with wider peaks and a larger tail, its segments likewise."""
    parts = tuple((share, _varied(part, wider_ev, tail)) for share, part in response.parts)
    return replace(response, fwhm_mn_ev=response.fwhm_mn_ev + wider_ev, tail=response.tail + tail, parts=parts)


def knots(energy_kev: Array) -> Array:
    """Return triangles (E', m) over the root of the energy that add up to 1: where a continuum may bend."""
    root = np.sqrt(np.maximum(energy_kev, 0.0))
    count = max(2, 1 + round((root[-1] - root[0]) / _KNOT_KEV))
    places, distance = np.linspace(root[0], root[-1], count, retstep=True)
    heights = np.maximum(0.0, 1.0 - np.abs(root[:, None] - places) / max(float(distance), 1e-9))
    return np.asarray(heights / heights.sum(axis=1, keepdims=True))


def continuum_slack(bends: Array, continuum: Array) -> Array:
    """Return the misfits (E', m) of a continuum (E',) that may bend at each of the `knots`, one deviation each."""
    return _CONTINUUM * bends * continuum[:, None]

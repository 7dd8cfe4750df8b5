"""Quantification by Cliff-Lorimer: family intensities in, atomic and weight percent with covariance out.

With counts I_i, k-factors k_i and atomic weights A_i of the K quantified elements,
``wt%_i = 100 k_i I_i / sum_j k_j I_j`` and ``at%_i = 100 (k_i/A_i) I_i / sum_j (k_j/A_j) I_j``; how errors and
absorption go through stands in `edsnb.core.quant.composition`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitResult
from edsnb.core.fitting.lines import LineFamily, atomic_number, usual_family
from edsnb.core.quant.absorption import LARGEST, Absorption, Film, find_take_off
from edsnb.core.quant.composition import DETECTED, Masses, masses_of, shares, weights_of
from edsnb.core.quant.kfactors import Convention, KFactors, check_convention
from edsnb.core.quant.quantification import Quantification, deviations
from edsnb.errors import EdsnbWarning, ElementError, InputError, KFactorError

__all__ = ["DETECTED", "Quantification", "pool", "quantify", "shares"]

TILTED_DEG = 2.0
"""Tilt of the stage from which a take-off angle taken from the file is remarked upon."""


def quantify(
    fit: FitResult,
    lines: Iterable[str] | None = None,
    *,
    kfactors: KFactors | str = "theory",
    convention: Convention | None = None,
    deconvolve: Iterable[str] = (),
    beam_kev: float | None = None,
    absorption: Absorption | None = None,
) -> Quantification:
    """Turn fitted intensities into composition by Cliff-Lorimer.

    Parameters
    ----------
    fit
        From `edsnb.fit`.
    lines
        The line or family that quantifies each element (``La_La`` or ``La_L``). None: each fitted element's family as
        set in the vendor's software, else the usual one, without the elements set there as deconvolution only.
    kfactors
        ``theory``, or KFactors such as ``KFactors.from_velox("k.csv")``.
    convention
        What theoretical k-factors count as (``family`` by default). KFactors carry their own; naming another is an
        error.
    deconvolve
        Fitted elements to keep out of the 100 %.
    beam_kev
        Beam energy for theory; None for the one in the file.
    absorption
        The film to correct for, such as ``Absorption(thickness_nm=50, density_g_cm3=5.12)``; only the quantified
        elements absorb. None: no correction.

    Returns
    -------
    Quantification of the same n spectra. Spectra without a fit, or in which no quantified line
    rises above its uncertainty (3 sd), as in vacuum, are NaN rows.

    Raises
    ------
    ElementError
        A line or element was not fitted.
    KFactorError
        A k-factor is missing or of another convention.
    InputError
        An element is asked for twice, or none is left; theory without a beam energy; absorption without a take-off
        angle, or with thicknesses that do not fit the spectra.

    Warns
    -----
    EdsnbWarning
        A correction for absorption exceeds 2: the film is not thin.
    """
    deconvolved = tuple(deconvolve)
    families = chosen_families(fit, lines, deconvolved)
    used = _kfactors(fit, [family.name for family in families], kfactors, convention, beam_kev)
    if absorption is None:
        return assemble(fit, families, used, masses_of(fit, families, used))
    angle = find_take_off(absorption.take_off_deg, fit.spectra.acquisition)
    film = film_of(families, angle, used.convention)
    masses = masses_of(fit, families, used, film=film, mass_thickness=absorption.mass_thickness(len(fit)))
    notes = absorption_notes(fit, families, masses, angle_of_file=absorption.take_off_deg is None)
    return assemble(fit, families, used, masses, absorption=replace(absorption, take_off_deg=angle), notes=notes)


def pool(quant: Quantification, chosen: ArrayLike) -> tuple[Array, Array]:
    """Return the composition of several spectra together, from their summed counts.

    Fractions are never averaged where counts can be summed: a chip counts by its X-rays. Corrections for absorption
    are kept as they were found for each spectrum.

    Parameters
    ----------
    quant
        Quantification of n spectra.
    chosen
        (n,) bool, or indices.

    Returns
    -------
    (K,) at% and its (K,) standard deviation from counting statistics; NaN where nothing was chosen.
    """
    select, columns = np.asarray(chosen), quant.columns
    correction = quant.correction[select]
    total = (quant.fit.intensities[select][:, columns] * correction).sum(axis=0)[None]
    spread = quant.fit.covariance[select][:, columns][:, :, columns]
    spread = (spread * (correction[:, :, None] * correction[:, None, :])).sum(axis=0)[None]
    factors = quant.atoms_per_count
    atomic, atomic_covariance = shares(total, spread, factors, (total * factors).sum(axis=1) > 0)
    return atomic[0], deviations(atomic_covariance)[0]


def assemble(
    fit: FitResult,
    families: list[LineFamily],
    used: KFactors,
    masses: Masses,
    *,
    absorption: Absorption | None = None,
    method: str = "Cliff-Lorimer",
    notes: tuple[str, ...] = (),
) -> Quantification:
    """Return the record of what the masses amount to."""
    per_atom = 1.0 / weights_of(families)
    atomic, atomic_covariance, atomic_covariance_k = masses.shares(per_atom)
    weight, weight_covariance, _ = masses.shares(np.ones(len(families)))
    elements = tuple(family.element for family in families)
    return Quantification(
        elements=elements,
        families=tuple(family.name for family in families),
        atomic=atomic,
        weight=weight,
        atomic_covariance=atomic_covariance,
        weight_covariance=weight_covariance,
        atomic_covariance_k=atomic_covariance_k,
        detection_limit=masses.limit_shares(per_atom),
        correction=masses.correction,
        status=masses.status,
        kfactors=used,
        deconvolved=tuple(e for e in _fitted_elements(fit) if e not in elements),
        fit=fit,
        absorption=absorption,
        method=method,
        notes=notes,
    )


def film_of(families: list[LineFamily], take_off_deg: float, convention: Convention) -> Film:
    """Return the film that consists of the quantified elements, seen under the take-off angle."""
    return Film.of([family.element for family in families], families, take_off_deg, convention)


def absorption_notes(
    fit: FitResult, families: list[LineFamily], masses: Masses, *, angle_of_file: bool
) -> tuple[str, ...]:
    """Return what to know of a correction; warn where it is large."""
    notes = []
    tilt = fit.spectra.acquisition.tilt_deg
    if angle_of_file and tilt is not None and abs(tilt) > TILTED_DEG:
        notes.append(
            f"The stage was tilted by {tilt:.1f} degrees, which the take-off angle of the file does not contain."
        )
    large = np.asarray(masses.correction > LARGEST)
    if large.any():
        names = ", ".join(families[i].name for i in np.flatnonzero(large.any(axis=0)))
        message = (
            f"The correction for absorption of {names} reaches {np.nanmax(masses.correction):.1f} and exceeds "
            f"{LARGEST:g} in {int(large.any(axis=1).sum())} of {len(large)} spectra: the film is not thin. Check "
            "thickness, density and take-off angle, or use a harder line."
        )
        warnings.warn(message, EdsnbWarning, stacklevel=3)
        notes.append(message)
    return tuple(notes)


def chosen_families(fit: FitResult, lines: Iterable[str] | None, deconvolved: tuple[str, ...]) -> list[LineFamily]:
    """Return the family that quantifies each element; see `quantify` for what is refused."""
    fitted = _fitted_elements(fit)
    for symbol in deconvolved:
        atomic_number(symbol)
        if symbol not in fitted:
            raise ElementError(
                f"{symbol} is to be kept out of the 100 %, but it was not fitted; fitted are {', '.join(fitted)}. "
                "Add it to the elements of the fit or leave it out here."
            )
    if lines is None:
        families = [_default_family(fit, symbol) for symbol in _default_elements(fit) if symbol not in deconvolved]
    else:
        families = [fit.families[fit.column(line)] for line in lines]
    elements = [family.element for family in families]
    if double := sorted({e for e in elements if elements.count(e) > 1}):
        asked = ", ".join(family.name for family in families if family.element in double)
        raise InputError(f"{', '.join(double)} asked for more than once ({asked}): give one line for each element.")
    if both := sorted(set(elements) & set(deconvolved)):
        raise InputError(
            f"{', '.join(both)} cannot be quantified and only deconvolved at once: "
            "take it out of the lines or out of deconvolve."
        )
    if not families:
        raise InputError(
            f"no element is left to quantify; fitted are {', '.join(fitted)}, "
            f"of which {', '.join(deconvolved) or 'none'} only to deconvolve. Name lines, such as lines=['{fitted[0]}_"
            f"{usual_family(fitted[0], fit.families).shell}a']."
        )
    return families


def _fitted_elements(fit: FitResult) -> list[str]:
    """Return the fitted elements, in the order of the fit."""
    return list(dict.fromkeys(family.element for family in fit.families))


def _default_elements(fit: FitResult) -> list[str]:
    """Return the fitted elements without those set as deconvolution only in the vendor's software."""
    kept_out = {setting.symbol for setting in fit.spectra.elements if not setting.quantify}
    return [symbol for symbol in _fitted_elements(fit) if symbol not in kept_out]


def _default_family(fit: FitResult, symbol: str) -> LineFamily:
    """Return the family set for an element in the vendor's software if it was fitted, else the usual one."""
    shells = {setting.symbol: setting.family for setting in fit.spectra.elements}
    own = [f for f in fit.families if f.element == symbol and f.shell == shells.get(symbol)]
    return own[0] if own else usual_family(symbol, fit.families)


def _kfactors(
    fit: FitResult,
    names: Iterable[str],
    kfactors: KFactors | str,
    convention: Convention | None,
    beam_kev: float | None,
) -> KFactors:
    """Return the k-factors of these families, of the convention asked for."""
    if convention is not None:
        check_convention(convention)
    if isinstance(kfactors, KFactors):
        if convention not in (None, kfactors.convention):
            raise KFactorError(
                f"{convention} k-factors were asked for, but those of {kfactors.source} are {kfactors.convention} "
                f"k-factors. If they are really {convention}, say so: kfactors.with_convention('{convention}')."
            )
        return kfactors.for_families(names)
    if kfactors != "theory":
        raise InputError(
            f"kfactors={kfactors!r} is not understood: give 'theory' or KFactors, such as KFactors.from_velox('k.csv')."
        )
    beam_kev = fit.spectra.acquisition.beam_kev if beam_kev is None else beam_kev
    if beam_kev is None:
        raise InputError(
            "theoretical k-factors need the beam energy and the file does not say it: give it, such as beam_kev=200, "
            "or give k-factors."
        )
    return KFactors.theory(names, beam_kev=beam_kev, convention=convention or "family")

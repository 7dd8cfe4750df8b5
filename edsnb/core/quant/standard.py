"""k-factors measured where the composition is known: the counts of a standard in, k and their errors out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from edsnb.core.events import Array
from edsnb.core.fitting.lines import atomic_weight, parse_line, usual_family
from edsnb.core.quant.absorption import Film
from edsnb.core.quant.ktheory import absolute_k, family_of, is_known, relative_sd
from edsnb.core.quant.limits import SIGMAS
from edsnb.errors import KFactorError

if TYPE_CHECKING:
    from edsnb.core.quant.quantification import Quantification


class _Measured(NamedTuple):
    """Family k-factors of a standard, relative to the first."""

    names: list[str]
    """The families that quantify its elements, then others of the same elements."""
    main: int
    """How many of them quantify."""
    k: Array
    covariance: Array
    """Of ln k, from counting; NaN where the fit gave none."""
    source: str


def measured(
    quant: Quantification,
    composition: Mapping[str, float],
    regions: ArrayLike | None,
    others: str | Iterable[str] | None,
) -> dict[str, Any]:
    """Return the fields of `KFactors.from_standard`."""
    standard = _measure(quant, _checked(composition), regions)
    sd = np.sqrt(np.diag(standard.covariance))
    found = {name: (float(k), float(s)) for name, k, s in zip(standard.names, standard.k, sd, strict=True)}
    added, note = _by_theory(quant, standard, others)
    every = found | added
    alpha = _alpha_fractions(quant, every)
    factors = {name: k / alpha[name] for name, (k, _) in every.items() if alpha[name] > 0}
    return {
        "factors": factors,
        "sd": {name: k * every[name][1] for name, k in factors.items() if math.isfinite(every[name][1])},
        "convention": quant.convention,
        "source": standard.source + note,
        "beam_kev": _beam_kev(quant),
    }


def _measure(quant: Quantification, atoms: Mapping[str, float], regions: ArrayLike | None) -> _Measured:
    """Return ``k = C / I`` of every fitted family of the standard's elements that is there."""
    main = [_family_name(quant, element) for element in atoms]
    names = main + [f.name for f in quant.fit.families if f.element in atoms and f.name not in main]
    mass = {element: n * atomic_weight(element) for element, n in atoms.items()}
    total = sum(mass.values())
    counts, covariance, n = _counts(quant, names, {element: m / total for element, m in mass.items()}, regions)
    sd = np.sqrt(np.diag(covariance))
    # A fit without uncertainties (NaN) cannot tell what is noise.
    there = (counts > 0) & ~(counts <= SIGMAS * sd)
    for name, count, error, is_there in zip(main, counts, sd, there, strict=False):
        if not is_there:
            raise KFactorError(
                f"standard: {name} was not found in the region ({count:.0f} ± {error:.0f} counts in {n} spectra), so "
                "it gives no k-factor. Choose a region that holds all elements of the standard."
            )
    names, counts = [name for name, is_there in zip(names, there, strict=True) if is_there], counts[there]
    k = np.array([mass[parse_line(name)[0]] for name in names]) / counts
    source = f"standard {_formula(atoms)} ({counts[: len(main)].sum():.0f} X-rays in {n} spectra)"
    return _Measured(names, len(main), k / k[0], covariance[there][:, there] / np.outer(counts, counts), source)


def _checked(composition: Mapping[str, float]) -> dict[str, float]:
    """Return atoms by element; raise KFactorError where they cannot be a standard."""
    atoms = {element: float(n) for element, n in composition.items()}
    if wrong := [f"{element} = {n:g}" for element, n in atoms.items() if not (math.isfinite(n) and n > 0)]:
        raise KFactorError(f"standard: {', '.join(wrong)} atoms cannot be; give a positive number for each element.")
    if len(atoms) < 2:
        raise KFactorError(
            f"standard: {_formula(atoms) or 'no element'} gives no ratio; a standard needs two elements or more, such "
            "as {'Sr': 1, 'Ti': 1, 'O': 3}."
        )
    return atoms


def _family_name(quant: Quantification, element: str) -> str:
    """Return the family that quantified an element, else the usual one of those fitted."""
    if element in quant.elements:
        return quant.families[quant.elements.index(element)]
    return usual_family(element, quant.fit.families).name


def _counts(
    quant: Quantification, names: list[str], weight: Mapping[str, float], regions: ArrayLike | None
) -> tuple[Array, Array, int]:
    """Return the standard's summed counts of each family (F,), their covariance (F, F), and how many spectra."""
    fit = quant.fit
    columns = [fit.column(name) for name in names]
    rows = np.arange(len(quant))[slice(None) if regions is None else np.asarray(regions)]
    rows = rows[np.isfinite(fit.intensities[rows][:, columns]).all(axis=1)]
    if not len(rows):
        raise KFactorError("standard: the region holds no spectrum that was fitted. Choose other chips.")
    counts, covariance = fit.intensities[rows][:, columns], fit.covariance[rows][:, columns][:, :, columns]
    if quant.absorption is not None and quant.absorption.take_off_deg is not None:
        film = Film.of(list(weight), [fit.families[c] for c in columns], quant.absorption.take_off_deg, "family")
        mass_thickness = quant.absorption.mass_thickness(len(quant))[rows]
        factors = film.factors(mass_thickness[:, None] * np.array(list(weight.values())))
        counts, covariance = counts * factors, covariance * (factors[:, :, None] * factors[:, None, :])
    return counts.sum(axis=0), covariance.sum(axis=0), len(rows)


def _by_theory(
    quant: Quantification, standard: _Measured, others: str | Iterable[str] | None
) -> tuple[dict[str, tuple[float, float]], str]:
    """Return (k, relative sd) of the other families: theory scaled to the standard; and a note that says so."""
    if others is None:
        return {}, ""
    beam_kev = _beam_kev(quant)
    if beam_kev is None:
        raise KFactorError(
            "standard: theory needs the beam energy for the other elements, and the file does not say it. Quantify "
            "with beam_kev, or leave them out with others=None."
        )
    if others == "theory":
        wanted = [f.name for f in quant.fit.families if is_known(f.name, beam_kev)]
    else:
        wanted = ["_".join(parse_line(line)) for line in others]
    added = [family_of(name) for name in wanted if name not in standard.names]
    if not added:
        return {}, ""
    main = [family_of(name) for name in standard.names[: standard.main]]
    ratios = standard.k[: standard.main] / [absolute_k(family, beam_kev) for family in main]
    mean = float(np.exp(np.log(ratios).mean()))
    spread = np.diag([relative_sd(family) ** 2 for family in main])
    spread += np.nan_to_num(standard.covariance[: standard.main, : standard.main])
    sd = math.sqrt(spread.sum()) / standard.main
    found = {f.name: (absolute_k(f, beam_kev) * mean, math.hypot(relative_sd(f), sd)) for f in added}
    each = ", ".join(f"{family.name} {ratio / mean:.3f}" for family, ratio in zip(main, ratios, strict=True))
    return found, (
        f"; {', '.join(found)} by theory (Brown-Powell, {beam_kev:g} keV) scaled to it, measured over scaled theory "
        f"being {each}"
    )


def _alpha_fractions(quant: Quantification, names: Iterable[str]) -> dict[str, float]:
    """Return what to divide family k by: 1, or with alpha k-factors each family's alpha fraction."""
    if quant.convention == "family":
        return dict.fromkeys(names, 1.0)
    fitted = {f.name: float(a) for f, a in zip(quant.fit.families, quant.fit.alpha_fractions, strict=True)}
    return {name: fitted[name] if name in fitted else family_of(name).alpha_fraction for name in names}


def _beam_kev(quant: Quantification) -> float | None:
    """Return the beam energy that was given with the k-factors, else that of the file."""
    return quant.kfactors.beam_kev or quant.fit.spectra.acquisition.beam_kev


def _formula(atoms: Mapping[str, float]) -> str:
    """Return ``SrTiO3``."""
    return "".join(element + (f"{n:g}" if n != 1 else "") for element, n in atoms.items())

"""The methods that `accuracy.py` compares: chips in, at% and its standard deviation out.

Every method is given the same chips, elements, energy range (0.2 to 20 keV) and the true k-factors.

edsnb : as it comes; with `refine=True`; with its calibration off.
HyperSpy : `create_model()` and `multifit(bounded=True)`, as published. Its alpha intensities with family k, which is
    what the published recipe does; the sums of all lines of the same fit; and both on the axis that edsnb calibrated.
    It takes seconds a spectrum, so it gets the sum of each phase's chips.
PyMca : zero, gain and noise fitted on the sum of all chips, then `FastXRFLinearFit` of every chip, as its manual has
    it: SNIP background, mean weights, escapes, edsnb's detector layers. Its family areas hold all lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from systems import Array, Case, true_k

from edsnb.core.fitting.calibrate import calibrate
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.detector import ALUMINIUM_CM, DEAD_SILICON_CM, SILICON_CM
from edsnb.core.fitting.fit import FitResult, fit, model_spec
from edsnb.core.fitting.lines import atomic_weight
from edsnb.core.quant.kfactors import Convention
from edsnb.core.quant.quantify import quantify, shares
from edsnb.core.regions import Spectra
from edsnb.io.hyperspy_engine import fit_hyperspy

RANGE_KEV = (0.2, 20.0)
_NOISE_KEV = float(np.sqrt(0.130**2 - 2.5e-3 * 5.8987))
_FANO = 0.1171
"""With PyMca's 3.85 eV per pair: 2.5 eV of squared width per eV."""


@dataclass(frozen=True)
class Found:
    """What a method found in n spectra; the first half is film, the second substrate."""

    atomic: Array
    """(n, K) at%."""
    sd: Array
    """(n, K) its standard deviation."""


def edsnb_methods(case: Case, spectra: Spectra) -> dict[str, Found]:
    """Return what edsnb finds in every chip, by method."""
    found = calibrated(case, spectra)
    ways: dict[str, dict[str, Any]] = {
        "edsnb": {"calibration": found},
        "edsnb, refine": {"calibration": found, "refine": True},
        "edsnb, calibration off": {"calibration": False},
    }
    fitted = {name: fit(spectra, _elements(case), energy=RANGE_KEV, **options) for name, options in ways.items()}
    return {name: _quantified(case, result) for name, result in fitted.items()}


def calibrated(case: Case, spectra: Spectra) -> Calibration:
    """Return edsnb's calibration on the sum of all chips."""
    total = spectra.counts.sum(axis=0, dtype=np.float64)
    return calibrate(total, spectra.energy, model_spec(spectra, _elements(case), energy=RANGE_KEV))


def hyperspy_methods(case: Case, spectra: Spectra, calibration: Calibration) -> dict[str, Found]:
    """Return what HyperSpy finds in `spectra`, by method."""
    out = {}
    for axis, response in (("", None), (", calibrated", calibration.response)):
        fitted = fit_hyperspy(spectra, _elements(case), RANGE_KEV, recipe="published", response=response)
        out[f"HyperSpy alpha{axis}"] = _quantified(case, fitted, "alpha")
        out[f"HyperSpy family sums{axis}"] = _quantified(case, fitted, "family")
    return out


def sums(spectra: Spectra) -> Spectra:
    """Return the sum of the film's chips and that of the substrate's."""
    counts = spectra.counts.reshape(2, -1, spectra.energy.size).sum(axis=1)
    return replace(spectra, counts=counts, names=("film", "substrate"))


def some(spectra: Spectra, n: int) -> Spectra:
    """Return the first n chips of film and of substrate."""
    half = len(spectra) // 2
    chosen = [*range(n), *range(half, half + n)]
    return replace(spectra, counts=spectra.counts[chosen], names=tuple(spectra.names[i] for i in chosen))


def pymca_method(case: Case, spectra: Spectra) -> dict[str, Found]:
    """Return what PyMca finds in every chip."""
    from PyMca5.PyMcaPhysics.xrf.ClassMcaTheory import McaTheory
    from PyMca5.PyMcaPhysics.xrf.FastXRFLinearFit import FastXRFLinearFit

    theory = McaTheory()
    settings = _pymca_settings(theory.getConfiguration(), case, spectra)
    x = np.arange(spectra.energy.size, dtype=float)
    theory.setConfiguration(settings)
    theory.setData(x, spectra.counts.sum(axis=0, dtype=float))
    theory.estimate()
    best = dict(zip(theory.PARAMETERS, theory.startFit(digest=0)[0], strict=True))
    settings["detector"] |= {"zero": best["Zero"], "gain": best["Gain"], "noise": best["Noise"]}
    settings["fit"]["linearfitflag"] = 1
    nothing = {"save": False, "saveFit": False, "saveData": False, "saveResiduals": False, "saveFOM": False}
    found = FastXRFLinearFit().fitMultipleSpectra(
        x=x, y=spectra.counts.astype(float)[None], configuration=settings, weight=1, **nothing
    )
    names = [name.replace("_", " ") for name in found.labels("parameters")]
    columns = [names.index(line.replace("_", " ")) for line in case.film_system.lines]
    counts, sd = found["parameters"][columns, 0].T, found["uncertainties"][columns, 0].T
    factors = np.array([true_k(case.film_system).factors[line] for line in case.film_system.lines])
    per_atom = factors / np.array([atomic_weight(element) for element in case.elements])
    covariance = np.einsum("nk,kl->nkl", sd**2, np.eye(len(columns)))
    atomic, spread = shares(counts, covariance, per_atom, np.ones(len(counts), bool))
    return {"PyMca": Found(atomic, np.sqrt(np.einsum("nkk->nk", spread)))}


def _pymca_settings(settings: dict[str, Any], case: Case, spectra: Spectra) -> dict[str, Any]:
    """Return PyMca's default settings with this detector, these elements and all that drifts free."""
    spec, axis = model_spec(spectra, _elements(case), energy=RANGE_KEV), spectra.energy
    peaks: dict[str, list[str]] = {}
    for family in spec.families:
        peaks.setdefault(family.element, []).append(family.shell)
    settings["peaks"] = peaks
    settings["attenuators"] = {
        "deadlayer": [1, "Si1", 2.33, DEAD_SILICON_CM, 1.0],
        "contact": [1, "Al1", 2.70, ALUMINIUM_CM, 1.0],
        "Detector": [1, "Si1", 2.33, SILICON_CM, 1.0],
    }
    settings["detector"] |= {"zero": axis.offset_kev, "gain": axis.scale_kev, "noise": _NOISE_KEV, "fano": _FANO}
    settings["detector"] |= {"sum": 0.0, "fixedfano": 1, "fixedsum": 1, "fixedzero": 0, "fixedgain": 0, "fixednoise": 0}
    settings["fit"] |= {"use_limit": 1, "xmin": spec.channels.start, "xmax": spec.channels.stop - 1}
    settings["fit"] |= {"energy": None, "energyweight": [1.0], "energyflag": [1], "energyscatter": [0]}
    settings["fit"] |= {"stripflag": 1, "stripalgorithm": 1, "snipwidth": 30, "continuum": 0, "maxiter": 30}
    settings["fit"] |= {"hypermetflag": 1, "fitfunction": 0, "linearfitflag": 0, "escapeflag": 1, "scatterflag": 0}
    return settings


def _elements(case: Case) -> tuple[str, ...]:
    """Return all elements that are fitted."""
    return (*case.elements, *case.contaminants)


def _quantified(case: Case, fitted: FitResult, convention: Convention = "family") -> Found:
    """Return the composition, with the true k counted as k of this convention."""
    k = true_k(case.film_system).with_convention(convention)
    found = quantify(fitted, case.film_system.lines, kfactors=k, deconvolve=case.contaminants)
    return Found(found.atomic, found.sd_atomic)

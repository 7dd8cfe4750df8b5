"""edsnb beside HyperSpy on the simulated film: what a comparison is for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import edsnb
from edsnb.core.comparison.composition import Composition
from tests.simulated import RECIPE, analysed, small

PHASES = {"STO": "SrTiO3", "LFO": "LaFeO3"}


def test_the_wrong_convention_shows_as_a_ratio():
    """Family k with alpha counts makes La low by its alpha fraction over iron's, as in the published tables."""
    hyperspy = edsnb.analyse(small().image, replace(RECIPE, engine="hyperspy-lstsq"))
    k = hyperspy.quantification.kfactors
    wrong_k = edsnb.KFactors(dict(k.factors), "alpha", "family k taken for alpha k")
    wrong = edsnb.quantify(hyperspy.fit, hyperspy.quantification.families, kfactors=wrong_k, deconvolve=["Cu", "C"])
    methods = {
        "edsnb": Composition.of(analysed().quantification),
        "family": Composition.of(hyperspy.quantification, "HyperSpy"),
        "alpha": Composition.of(wrong, "HyperSpy, alpha with family k"),
    }
    where = edsnb.find_phases(methods["edsnb"], {"STO": "Sr > 5", "LFO": "La > 18.5"})
    table = edsnb.compare(methods["alpha"], methods["family"]).statistics(where)
    alpha = dict(zip((f.name for f in hyperspy.fit.families), hyperspy.fit.alpha_fractions, strict=True))
    ratio = table.loc[("LFO", "La"), "ratio"] / table.loc[("LFO", "Fe"), "ratio"]
    np.testing.assert_allclose(ratio, alpha["La_L"] / alpha["Fe_K"], rtol=0.01)
    np.testing.assert_allclose(ratio, 0.56, atol=0.01)

    got = edsnb.stoichiometry(methods, PHASES, where=where)
    assert got.best("", "LFO", "La") == ("edsnb",)
    assert 35 < got.result("LFO", "alpha").error_percent[0] < 55
    assert got.result("LFO", "edsnb").error_percent.max() < 3
    assert np.isnan(got.result("LFO", "family").se_counting).all()

    beside = edsnb.compare(methods["edsnb"], methods["family"])
    assert beside.statistics(where).loc[("STO", "Sr"), "bias"] > 0.5
    assert any("Errors of HyperSpy are not known" in note for note in beside.notes)
    assert beside.maps("La").difference.shape == (4, 4)

"""Zeta-factors and cross-sections: numbers worked by hand, closed loops, the dose, and what must be refused."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edsnb.core.events import Events
from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.lines import atomic_weight, parse_line, xraylib_family
from edsnb.core.image import Acquisition, EnergyAxis, SpectrumImage
from edsnb.core.quant.absorption import Film
from edsnb.core.quant.dose import DoseQuantification, dose_of, quantify_zeta
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, chip
from edsnb.errors import EdsnbWarning, InputError, KFactorError
from tests.fits import fitted

TITANATE = ["Sr_L", "Ti_K", "O_K"]
ZETA = KFactors({"Sr_L": 910.0, "Ti_K": 640.0, "O_K": 590.0}, kind="zeta", sd={"Sr_L": 90, "Ti_K": 30, "O_K": 60})


def test_two_elements_by_hand():
    # 700 * 300 and 350 * 800 over 3.5e9 electrons: 6e-5 and 8e-5 kg/m2, of 14e-5: 42.857 and 57.143 wt%.
    zeta = KFactors({"Fe_K": 700.0, "O_K": 350.0}, kind="zeta")
    found = quantify_zeta(fitted(["Fe_K", "O_K"], [[300, 800]]), zeta, dose_e=3.5e9)
    assert isinstance(found, DoseQuantification)
    assert found.quantification.weight[0] == pytest.approx([300 / 7, 400 / 7])
    assert found.areal_mass_kg_m2[0] == pytest.approx([6e-5, 8e-5])
    assert found.mass_thickness_kg_m2[0] == pytest.approx(14e-5)
    # 14e-5 kg/m2 of 5 g/cm3 are 28 nm; 6e-5 kg of iron per m2 are 6e-5 / 0.055845 mol.
    assert found.thickness_nm(5.0)[0] == pytest.approx(28.0)
    assert found.atoms_per_nm2[0, 0] == pytest.approx(6e-5 / 0.055845 * 6.02214e23 / 1e18, rel=1e-4)
    # Poisson: sd of the sum is sqrt(700^2 300 + 350^2 800) / D.
    assert found.mass_thickness_sd[0] == pytest.approx(math.sqrt(700**2 * 300 + 350**2 * 800) / 3.5e9)


def test_composition_is_that_of_k_factors():
    fit = fitted(TITANATE, [[3170.0, 2590.0, 4410.0]])
    found = quantify_zeta(fit, ZETA, dose_e=1e10).quantification
    same = quantify(fit, kfactors=KFactors(ZETA.factors, sd=ZETA.sd))
    np.testing.assert_allclose(found.atomic, same.atomic)
    np.testing.assert_allclose(found.atomic_covariance, same.atomic_covariance)
    np.testing.assert_allclose(found.sd_atomic_k, same.sd_atomic_k)
    assert found.describe().startswith("Zeta-factor method with family zeta-factors (given by hand)")


def sent(areal_g_cm2, dose_e, take_off_deg):
    """Return the counts that a film of these areal masses (K,) sends."""
    families = [xraylib_family(*parse_line(name)) for name in TITANATE]
    film = Film.of(["Sr", "Ti", "O"], families, take_off_deg, "family")
    return (
        np.array([10 * m * dose_e / z for m, z in zip(areal_g_cm2, ZETA.factors.values(), strict=True)])
        / (film.factors(areal_g_cm2[None])[0])
    )


def test_absorption_follows_from_the_mass_that_is_found():
    mass = np.array([1.3e-5, 8e-6, 8.5e-6])  # 58 nm of SrTiO3
    counts = sent(mass, 4e10, 18.0)
    fit = fitted(TITANATE, [counts, 0.5 * counts], acquisition=Acquisition(take_off_deg=18.0))
    found = quantify_zeta(fit, ZETA, dose_e=[4e10, 2e10], absorption=True)
    np.testing.assert_allclose(found.areal_mass_kg_m2[0], 10 * mass, rtol=1e-5)
    np.testing.assert_allclose(found.areal_mass_kg_m2[1], 10 * mass, rtol=1e-5)
    assert "take-off 18 degrees" in found.quantification.describe()
    assert quantify_zeta(fit, ZETA, dose_e=4e10).mass_thickness_kg_m2[0] < 0.9 * 10 * mass.sum()


def test_error_of_the_mass_equals_numerical_derivatives():
    counts = sent(np.array([1.3e-5, 8e-6, 8.5e-6]), 4e10, 18.0)
    covariance = np.diag(counts) + 50.0

    def total(values):
        fit = fitted(TITANATE, [values], covariance=covariance[None])
        return quantify_zeta(fit, ZETA, dose_e=4e10, absorption=True, take_off_deg=18.0)

    slope = []
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-3 * counts[i]
        ends = [total(counts + s).mass_thickness_kg_m2[0] for s in (step, -step)]
        slope.append((ends[0] - ends[1]) / (2 * step[i]))
    assert total(counts).mass_thickness_sd[0] == pytest.approx(math.sqrt(slope @ covariance @ slope), rel=1e-4)


def test_counts_that_no_film_can_send():
    fit = fitted(TITANATE, [[3170.0, 2590.0, 4410.0]] * 2)
    with pytest.warns(EdsnbWarning, match="is not thin"):
        found = quantify_zeta(fit, ZETA, dose_e=[1.3e10, 1e8], absorption=True, take_off_deg=18.0)
    assert found.quantification.status.tolist() == [Status.OK, Status.TOO_THICK]
    assert np.isfinite(found.mass_thickness_kg_m2).tolist() == [True, False]
    assert Status.TOO_THICK.sentence


def test_cross_sections_are_zeta_factors():
    # zeta = A / (N_A sigma): 55.845e-3 / (6.02214e23 * 12.5e-28) kg/m2.
    zeta = KFactors.from_cross_sections({"Fe_Ka": 12.5, "O_K": 1.5}, convention="alpha", source="notebook")
    assert zeta.factors["Fe_K"] == pytest.approx(55.845e-3 / (6.02214e23 * 12.5e-28), rel=1e-4)
    assert (zeta.kind, zeta.convention, zeta.source) == ("zeta", "alpha", "cross-sections (notebook)")
    # Atoms per area are I / (sigma D): 600 / (12.5e-28 m2 * 2e9).
    found = quantify_zeta(fitted(["Fe_K", "O_K"], [[600, 300]], alpha={"Fe_K": 1, "O_K": 1}), zeta, dose_e=2e9)
    assert found.atoms_per_nm2[0, 0] == pytest.approx(600 / (12.5e-28 * 2e9) * 1e-18)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(KFactorError, match=r"Fe_K = .*must be positive"):
            KFactors.from_cross_sections({"Fe_K": wrong})


def test_dose_is_shared_by_the_pixels():
    # 130 pA for 2 s are 1.6228e9 electrons, of which a chip of 2 x 2 in 5 x 7 pixels has 4/35.
    acquisition = Acquisition(current_pa=130.0, live_time_s=2.0, beam_kev=200)
    cube = np.ones((35, 8), np.uint16)
    image = SpectrumImage((5, 7), EnergyAxis(8, 0.1), Events.from_dense(cube), acquisition=acquisition)
    spectra = chip(image, ChipGrid(2))
    np.testing.assert_allclose(dose_of(spectra), np.full(6, 260e-12 / 1.602176634e-19 * 4 / 35))
    assert dose_of(replace(spectra, regions=None))[0] == pytest.approx(260e-12 / 1.602176634e-19)
    fit = replace(fitted(TITANATE, np.ones((6, 3)) * 1e3), spectra=spectra)
    np.testing.assert_allclose(quantify_zeta(fit, ZETA).dose_e, dose_of(spectra))


def test_table():
    found = quantify_zeta(fitted(["Fe_K", "O_K"], [[300, 800]] * 2), KFactors({"Fe_K": 700, "O_K": 350}, kind="zeta"),
                          dose_e=[1e9, 2e9])  # fmt: skip
    table = found.to_frame()
    assert list(table)[-5:] == ["dose_e", "rho_t_kg_m2", "sd_rho_t_kg_m2", "atoms_nm2_Fe", "atoms_nm2_O"]
    assert table["rho_t_kg_m2"][0] == pytest.approx(2 * table["rho_t_kg_m2"][1])
    with pytest.raises(ValueError, match="read-only"):
        found.dose_e[0] = 1


def test_atoms_and_percent_agree():
    found = quantify_zeta(fitted(TITANATE, [[3170.0, 2590.0, 4410.0]]), ZETA, dose_e=1e10)
    share = found.atoms_per_nm2 / found.atoms_per_nm2.sum()
    np.testing.assert_allclose(100 * share, found.quantification.atomic)
    molar = np.array([atomic_weight(e) for e in ("Sr", "Ti", "O")])
    total = (found.atoms_per_nm2 * molar).sum() / 6.02214076e23 * 1e18 * 1e-3
    assert total == pytest.approx(found.mass_thickness_kg_m2[0])


# Misuse


def test_misuse_is_refused():
    fit = fitted(TITANATE, [[3170.0, 2590.0, 4410.0]] * 2)
    with pytest.raises(KFactorError, match=r"needs zeta-factors in kg/m2, but those of given by hand are k-factors"):
        quantify_zeta(fit, KFactors(ZETA.factors), dose_e=1e9)
    with pytest.raises(KFactorError, match="kind 'beta' is unknown"):
        KFactors({"O_K": 1.0}, kind="beta")
    with pytest.raises(KFactorError, match="no k-factor for O_K"):
        quantify_zeta(fit, ZETA.for_families(["Sr_L", "Ti_K"]), dose_e=1e9)
    with pytest.raises(InputError, match="file gives no beam current and no live time"):
        quantify_zeta(fit, ZETA)
    with pytest.raises(InputError, match="file gives no live time"):
        dose_of(replace(fit.spectra, acquisition=Acquisition(current_pa=100.0)))
    for wrong in (0.0, -1.0, math.nan, [1e9, math.inf]):
        with pytest.raises(InputError, match="must be positive numbers of electrons"):
            quantify_zeta(fit, ZETA, dose_e=wrong)
    with pytest.raises(InputError, match=r"shape \(3,\) for 2 spectra"):
        quantify_zeta(fit, ZETA, dose_e=[1e9] * 3)
    with pytest.raises(InputError, match="take-off angle and the file does not say it"):
        quantify_zeta(fit, ZETA, dose_e=1e9, absorption=True)
    with pytest.raises(InputError, match="density of 0 g/cm3"):
        quantify_zeta(fit, ZETA, dose_e=1e9).thickness_nm(0)

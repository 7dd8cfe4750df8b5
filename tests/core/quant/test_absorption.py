"""Absorption in a thin film: a step-by-step twin, closed loops, derivatives, and what must be refused."""

import math

import numpy as np
import pytest
import xraylib

from edsnb.core.fitting.detector import efficiency
from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.lines import atomic_weight, parse_line, xraylib_family
from edsnb.core.image import Acquisition
from edsnb.core.quant.absorption import Absorption, Film, _escaping, _escaping_slope, correct
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import pool, quantify
from edsnb.errors import EdsnbWarning, InputError
from tests.fits import fitted

TITANATE = ["Sr_L", "Ti_K", "O_K"]
K = KFactors({"Sr_L": 1.75, "Ti_K": 1.17, "O_K": 1.15}, sd={"Sr_L": 0.2, "Ti_K": 0.05, "O_K": 0.1})
FILM = Absorption(37.0, 5.12, 18.0)
COUNTS = np.array([[3170.0, 2590.0, 4410.0], [9.1e3, 8.3e3, 1.7e4]])


def escaping_by_hand(name, weight, mass_thickness, take_off_deg, *, alpha=False):
    """Return the share of a family's detected X-rays that get out, line by line."""
    family = xraylib_family(*parse_line(name))
    out = total = 0.0
    for energy, emitted, is_alpha in zip(family.energies_kev, family.weights, family.alpha, strict=True):
        if alpha and not is_alpha:
            continue
        mu = sum(w * xraylib.CS_Total(xraylib.SymbolToAtomicNumber(e), max(energy, 0.1)) for e, w in weight.items())
        x = mu * mass_thickness / math.sin(math.radians(take_off_deg))
        counted = emitted * float(efficiency(energy))
        out += counted * (1 - math.exp(-x)) / x
        total += counted
    return out / total


def atomic_by_hand(counts, thickness_nm, *, alpha=1.0, only_alpha=False):
    """Return at% of one spectrum by plain repetition."""
    elements = [name.split("_")[0] for name in TITANATE]
    raw = np.array([K.factors[name] for name in TITANATE]) * counts * alpha
    weight = raw / raw.sum()
    for _ in range(200):
        shares = dict(zip(elements, weight, strict=True))
        rho_t = 5.12 * thickness_nm * 1e-7
        factors = [1 / escaping_by_hand(name, shares, rho_t, 18.0, alpha=only_alpha) for name in TITANATE]
        weight = raw * factors / (raw * factors).sum()
    moles = weight / [atomic_weight(e) for e in elements]
    return 100 * moles / moles.sum()


def test_equals_plain_repetition():
    found = quantify(fitted(TITANATE, COUNTS), TITANATE, kfactors=K, absorption=FILM)
    for row, counts in zip(found.atomic, COUNTS, strict=True):
        np.testing.assert_allclose(row, atomic_by_hand(counts, 37.0), rtol=2e-6)
    assert found.atomic[0, 2] > quantify(fitted(TITANATE, COUNTS), TITANATE, kfactors=K).atomic[0, 2] + 3


def test_one_element_by_hand():
    # Si K (1.74 keV) in Si: mu = 350 cm2/g by xraylib; 233 nm * 2.33 g/cm3 / sin 22 degrees make x = 0.0507.
    found = quantify(fitted(["Si_K"], [[1000.0]]), absorption=Absorption(233.0, 2.33, 22.0))
    x = xraylib.CS_Total(14, 1.74) * 2.33 * 233e-7 / math.sin(math.radians(22.0))
    assert found.correction[0, 0] == pytest.approx(x / (1 - math.exp(-x)), rel=2e-3)
    assert found.correction[0, 0] == pytest.approx(1.0256, abs=2e-3)
    assert found.atomic.tolist() == [[100.0]]


def test_what_is_emitted_comes_back():
    atoms = {"Sr": 1.0, "Ti": 1.3, "O": 2.9}
    mass = {e: n * atomic_weight(e) for e, n in atoms.items()}
    weight = {e: m / sum(mass.values()) for e, m in mass.items()}
    rho_t = 4.7 * 83e-7
    sent = [1e5 * weight[n[: n.index("_")]] / K.factors[n] * escaping_by_hand(n, weight, rho_t, 22.0) for n in TITANATE]
    found = quantify(fitted(TITANATE, [sent]), TITANATE, kfactors=K, absorption=Absorption(83, 4.7, 22))
    expected = np.array(list(atoms.values()))
    np.testing.assert_allclose(found.atomic[0], 100 * expected / expected.sum(), rtol=2e-6)


def test_alpha_lines_alone():
    alpha = {"Sr_L": 0.8, "Ti_K": 0.9, "O_K": 1.0}
    found = quantify(
        fitted(TITANATE, COUNTS, alpha=alpha), TITANATE, kfactors=K.with_convention("alpha"), absorption=FILM
    )
    by_hand = atomic_by_hand(COUNTS[0], 37.0, alpha=list(alpha.values()), only_alpha=True)
    np.testing.assert_allclose(found.atomic[0], by_hand, rtol=2e-6)


def test_no_thickness_is_no_correction():
    plain = quantify(fitted(TITANATE, COUNTS), TITANATE, kfactors=K)
    found = quantify(fitted(TITANATE, COUNTS), TITANATE, kfactors=K, absorption=Absorption(0, 5.12, 18))
    np.testing.assert_allclose(found.atomic, plain.atomic)
    np.testing.assert_allclose(found.atomic_covariance, plain.atomic_covariance)
    np.testing.assert_array_equal(plain.correction, np.ones((2, 3)))
    assert plain.absorption is None


def test_a_thickness_for_each_spectrum():
    found = quantify(fitted(TITANATE, COUNTS), kfactors=K, absorption=Absorption(np.array([21.0, 67.0]), 5.12, 18))
    for i, thickness in enumerate([21.0, 67.0]):
        alone = quantify(fitted(TITANATE, COUNTS), kfactors=K, absorption=Absorption(thickness, 5.12, 18))
        np.testing.assert_allclose(found.atomic[i], alone.atomic[i], rtol=1e-6)
    with pytest.raises(InputError, match="3 thicknesses for 2 spectra"):
        quantify(fitted(TITANATE, COUNTS), kfactors=K, absorption=Absorption((1, 2, 3), 5.12, 18))


def test_elements_only_deconvolved_do_not_absorb():
    fit = fitted([*TITANATE, "Cu_K"], np.column_stack([COUNTS, [5e3, 5e3]]))
    with_copper = quantify(fit, TITANATE, kfactors=K, absorption=FILM)
    without = quantify(fitted(TITANATE, COUNTS), TITANATE, kfactors=K, absorption=FILM)
    np.testing.assert_allclose(with_copper.atomic, without.atomic)


# Errors


def numerical(function, values):
    """Return d function / d values (outputs, inputs) by central differences."""
    columns = []
    for i, value in enumerate(values):
        step = np.zeros(len(values))
        step[i] = 1e-3 * value
        columns.append((function(values + step) - function(values - step)) / (2 * step[i]))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("thickness_nm", [0.1, 37.0, 90.0])
def test_covariances_equal_numerical_derivatives(thickness_nm):
    rng = np.random.default_rng(5)
    mixing = rng.normal(0, 60, (3, 3))
    covariance = mixing @ mixing.T + np.diag([900.0, 700.0, 800.0])
    film = Absorption(thickness_nm, 5.12, 18)
    found = quantify(fitted(TITANATE, COUNTS[:1], covariance=covariance[None]), TITANATE, kfactors=K, absorption=film)

    def of_counts(counts):
        fit = fitted(TITANATE, counts, covariance=covariance[None])
        return quantify(fit, TITANATE, kfactors=K, absorption=film).atomic[0]

    def of_k(k):
        factors = KFactors(dict(zip(TITANATE, k, strict=True)))
        return quantify(fitted(TITANATE, COUNTS[:1]), TITANATE, kfactors=factors, absorption=film).atomic[0]

    slope = numerical(of_counts, COUNTS[0])
    np.testing.assert_allclose(found.atomic_covariance[0], slope @ covariance @ slope.T, rtol=3e-4, atol=1e-9)
    slope = numerical(of_k, np.array(list(K.factors.values())))
    expected = slope @ np.diag(np.square(list(K.sd.values()))) @ slope.T
    np.testing.assert_allclose(found.atomic_covariance_k[0], expected, rtol=3e-4, atol=1e-9)


def test_areal_masses_equal_their_own_derivatives():
    families = [xraylib_family(*parse_line(name)) for name in TITANATE]
    film = Film.of(["Sr", "Ti", "O"], families, 18.0, "family")
    parts = np.array([[3e-5, 2e-5, 2.5e-5]])
    found = correct(parts, film)
    slope = numerical(lambda p: correct(p[None], film).masses[0], parts[0])
    np.testing.assert_allclose(found.slope[0], slope, rtol=1e-4)
    np.testing.assert_allclose(found.masses, parts * film.factors(found.masses), rtol=2e-6)


def test_shares_that_escape_are_smooth_at_zero():
    x = np.array([-1e-3, -1e-5, 0.0, 1e-12, 1e-9, 2e-9, 1e-6, 9.9e-4, 1.01e-3, 0.1, 1.0, 30.0])
    np.testing.assert_allclose(_escaping(x), series(x), rtol=1e-9)
    step = np.maximum(1e-4, 1e-4 * np.abs(x))
    slope = (_escaping(x + step) - _escaping(x - step)) / (2 * step)
    np.testing.assert_allclose(_escaping_slope(x), slope, rtol=1e-6)


def series(x):
    """Return (1 - exp(-x)) / x term by term; 1/x where x is large."""
    return np.array([sum((-v) ** n / math.factorial(n + 1) for n in range(40)) if v < 2 else 1 / v for v in x])


# What a reader must know


def test_take_off_comes_from_the_file():
    acquisition = Acquisition(beam_kev=200, take_off_deg=22.0)
    fit = fitted(TITANATE, COUNTS, acquisition=acquisition)
    found = quantify(fit, kfactors=K, absorption=Absorption(37, 5.12))
    given = quantify(fit, kfactors=K, absorption=Absorption(37, 5.12, 22))
    np.testing.assert_array_equal(found.atomic, given.atomic)
    assert found.absorption.take_off_deg == 22.0
    assert "37 nm of 5.12 g/cm3, take-off 22 degrees" in found.describe()
    assert found.notes == ()
    steeper = quantify(fit, kfactors=K, absorption=Absorption(37, 5.12, 40))
    assert (steeper.correction < found.correction).all()
    with pytest.raises(InputError, match="take-off angle and the file does not say it"):
        quantify(fitted(TITANATE, COUNTS), kfactors=K, absorption=Absorption(37, 5.12))


def test_a_tilted_stage_is_noted_where_the_angle_is_the_files():
    fit = fitted(TITANATE, COUNTS, acquisition=Acquisition(take_off_deg=22.0, tilt_deg=-14.25))
    assert "tilted by -14.2 degrees" in quantify(fit, kfactors=K, absorption=Absorption(37, 5.12)).describe()
    assert quantify(fit, kfactors=K, absorption=Absorption(37, 5.12, 8)).notes == ()


def test_a_film_that_is_not_thin_warns():
    with pytest.warns(EdsnbWarning, match=r"absorption of O_K reaches 2\.\d and exceeds 2 in 1 of 2 spectra"):
        found = quantify(fitted(TITANATE, COUNTS), kfactors=K, absorption=Absorption((20, 170), 5.12, 18))
    assert "is not thin" in found.describe()
    assert found.status.tolist() == [Status.OK, Status.OK]
    assert "20 to 170 nm" in found.describe()


def test_spectra_without_a_result_stay_as_they_are():
    counts = np.vstack([COUNTS, [[0.0, 0.0, 0.0], [np.nan] * 3]])
    fit = fitted(TITANATE, counts, status=[Status.OK, Status.OK, Status.OK, Status.SINGULAR])
    found = quantify(fit, kfactors=K, absorption=FILM)
    assert found.status.tolist() == [Status.OK, Status.OK, Status.NOTHING_FOUND, Status.SINGULAR]
    assert np.isnan(found.atomic[2:]).all()
    np.testing.assert_array_equal(found.correction[2:], 1)
    assert found.to_frame()["abs_O"].tolist() == found.correction[:, 2].tolist()


def test_pooled_counts_are_corrected_too():
    same = fitted(TITANATE, np.repeat(COUNTS[:1], 4, axis=0))
    found = quantify(same, kfactors=K, absorption=FILM)
    atomic, sd = pool(found, np.array([True, True, False, True]))
    np.testing.assert_allclose(atomic, found.atomic[0])
    assert (sd < found.sd_atomic[0]).all()


# Misuse


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "thickness_nm is missing"),
        ({"density_g_cm3": 5.12}, "thickness_nm is missing"),
        ({"thickness_nm": 50}, r"density_g_cm3 is missing.*do not add up to an oxide's"),
        ({"thickness_nm": -1, "density_g_cm3": 5.12}, "thickness of -1 nm cannot be"),
        ({"thickness_nm": math.nan, "density_g_cm3": 5.12}, "cannot be"),
        ({"thickness_nm": [[1, 2]], "density_g_cm3": 5.12}, "cannot be"),
        ({"thickness_nm": 50, "density_g_cm3": 0}, "density of 0 g/cm3"),
        ({"thickness_nm": 50, "density_g_cm3": 5, "take_off_deg": 0}, "take-off angle of 0 degrees"),
        ({"thickness_nm": 50, "density_g_cm3": 5, "take_off_deg": 91}, "take-off angle of 91 degrees"),
    ],
)
def test_misuse_is_refused(settings, message):
    with pytest.raises(InputError, match=message) as caught:
        Absorption(**settings)
    assert "\n" not in str(caught.value)


def test_settings_can_be_compared():
    assert Absorption(np.array([1.0, 2.0]), 5) == Absorption((1, 2), 5)
    assert len({Absorption(1, 5), Absorption(1.0, 5)}) == 1

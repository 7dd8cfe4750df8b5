"""Cliff-Lorimer: numbers worked by hand, closed loops, propagation of errors, and what must be refused."""

from dataclasses import replace

import numpy as np
import pytest
import xraylib
from hypothesis import given, settings
from hypothesis import strategies as st

from edsnb.core.events import Events
from edsnb.core.fitting.detector import efficiency
from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.lines import atomic_weight, parse_line, xraylib_family
from edsnb.core.image import Acquisition, ElementSetting, EnergyAxis, SpectrumImage
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.ktheory import fluorescence_yield
from edsnb.core.quant.quantify import Quantification, pool, quantify
from edsnb.core.regions import ChipGrid, chip
from edsnb.errors import ElementError, InputError, KFactorError
from tests.fits import fitted

# Shares of the alpha line in eXSpy's table: one over the sum of the family's weights.
EXSPY_ALPHA = {"La_L": 1 / 2.01106, "Fe_K": 1 / 1.1272, "O_K": 1.0}

PEROVSKITE = ["La_L", "Fe_K", "O_K"]
ONES = KFactors({"La_L": 1.0, "Fe_K": 1.0, "O_K": 1.0, "Sr_K": 4.3, "Sr_L": 1.7, "Cu_K": 1.6})


# Numbers worked by hand


def test_two_elements_by_hand():
    # k I = 2 * 300 and 1 * 400: 60 and 40 wt%. Moles 60/55.845 and 40/15.9994: 1.07440 and 2.50009.
    k = KFactors({"Fe_K": 2.0, "O_K": 1.0})
    found = quantify(fitted(["Fe_K", "O_K"], [[300, 400]]), kfactors=k)
    assert found.weight[0] == pytest.approx([60, 40])
    assert found.atomic[0] == pytest.approx([30.057, 69.943], abs=2e-3)
    assert found.elements == ("Fe", "O")
    assert found.families == ("Fe_K", "O_K")
    assert found.status.tolist() == [Status.OK]


def test_errors_by_hand():
    # Equal k, counts a and b: w = a/(a+b), dw = (b da - a db)/(a+b)^2, so sd = 100 sqrt(b^2 a + a^2 b)/(a+b)^2.
    found = quantify(fitted(["Fe_K", "O_K"], [[900, 100]]), kfactors=KFactors({"Fe_K": 1.0, "O_K": 1.0}))
    assert found.sd_weight[0] == pytest.approx([0.948683, 0.948683], rel=1e-5)
    assert found.weight_covariance[0, 0, 1] == pytest.approx(-0.9)


def test_a_covariance_between_lines_counts():
    # Counts that err together, in proportion to themselves, leave the shares alone.
    counts = np.array([900.0, 100.0])
    found = quantify(
        fitted(["Fe_K", "O_K"], counts, covariance=1e-4 * np.outer(counts, counts)),
        kfactors=KFactors({"Fe_K": 1.0, "O_K": 1.0}),
    )
    assert found.sd_atomic[0] == pytest.approx([0, 0], abs=1e-6)


def test_one_element_is_all_there_is():
    found = quantify(fitted(["Fe_K"], [[10.0]]))
    assert found.atomic.tolist() == [[100.0]]
    assert found.sd_atomic.tolist() == [[0.0]]


# Direction and convention


@pytest.mark.parametrize("beam_kev", [80, 200, 300])
def test_what_is_emitted_comes_back(beam_kev):
    # PHYSICS: an element of weight fraction C sends C/A Q w X-rays, of which eps a lie in the alpha line.
    names = ["La_L", "Fe_K", "Sr_K", "Ti_K", "O_K", "Pt_M"]
    true = np.array([0.3, 0.2, 0.15, 0.1, 0.2, 0.05])
    edges = [xraylib.L3_SHELL, *[xraylib.K_SHELL] * 4, xraylib.M5_SHELL]
    sizes = [(8, 0.44, 0.002), *[(2, 0.52, 0.0029)] * 4, (18, 1, 0)]
    counts, alphas = [], []
    for name, share, edge, (electrons, b0, b1) in zip(names, true, edges, sizes, strict=True):
        family = xraylib_family(*parse_line(name))
        z = xraylib.SymbolToAtomicNumber(family.element)
        ec = xraylib.EdgeEnergy(z, edge)
        ionised = electrons * (b0 + b1 * z) * np.log(beam_kev / ec) / (beam_kev * ec)
        emitted = share / atomic_weight(family.element) * ionised * fluorescence_yield(z, family.shell)
        counted = np.array(family.weights) * efficiency(family.energies_kev)
        counts.append(1e6 * emitted * counted.sum())
        alphas.append(counted[list(family.alpha)].sum() / counted.sum())
    fit = fitted(names, counts, beam_kev=beam_kev, alpha=dict(zip(names, alphas, strict=True)))
    assert quantify(fit).weight[0] == pytest.approx(100 * true)

    # k of the alpha line: a stands beside eps in the denominator.
    family_k = KFactors.theory(names, beam_kev=beam_kev)
    alpha_k = KFactors({n: family_k.factors[n] / a for n, a in zip(names, alphas, strict=True)}, "alpha")
    assert quantify(fit, kfactors=alpha_k).weight[0] == pytest.approx(100 * true)


def test_family_k_with_alpha_counts_make_the_published_la_to_fe():
    fit = fitted(PEROVSKITE, [[1000, 800, 1200]], alpha=EXSPY_ALPHA)
    right = quantify(fit, PEROVSKITE).atomic[0]
    wrong = quantify(fit, PEROVSKITE, convention="alpha").atomic[0]
    signature = (wrong[0] / wrong[1]) / (right[0] / right[1])
    published = (8.40 / 19.33) / (13.51 / 17.35)
    assert published == pytest.approx(0.558, abs=5e-4)
    assert signature == pytest.approx(0.560, abs=1e-3)
    assert signature == pytest.approx(EXSPY_ALPHA["La_L"] / EXSPY_ALPHA["Fe_K"])


def test_convention_is_recorded_and_a_mismatch_refused():
    fit = fitted(PEROVSKITE, [[1000, 800, 1200]])
    assert quantify(fit).convention == "family"
    assert quantify(fit, convention="alpha").convention == "alpha"
    assert quantify(fit, kfactors=ONES, convention="family").convention == "family"
    assert quantify(fit, kfactors=ONES.with_convention("alpha")).convention == "alpha"
    with pytest.raises(KFactorError, match=r"alpha k-factors were asked for.*are family k-factors.*with_convention"):
        quantify(fit, kfactors=ONES, convention="alpha")
    with pytest.raises(KFactorError, match="'beta' is unknown"):
        quantify(fit, convention="beta")


def test_alpha_counts_carry_their_errors():
    alpha = {"La_L": 0.5, "Fe_K": 0.9, "O_K": 1.0}
    fit = fitted(PEROVSKITE, [[1000, 800, 1200]], alpha=alpha)
    halves = fitted(PEROVSKITE, [[500, 720, 1200]], covariance=np.diag([250, 648, 1200.0])[None])
    alpha_k = ONES.with_convention("alpha")
    found, twin = quantify(fit, kfactors=alpha_k), quantify(halves, kfactors=ONES)
    np.testing.assert_allclose(found.atomic, twin.atomic)
    np.testing.assert_allclose(found.atomic_covariance, twin.atomic_covariance)


def test_a_family_without_alpha_line_cannot_be_alpha():
    fit = fitted(PEROVSKITE, [[1000, 800, 1200]], alpha={**EXSPY_ALPHA, "La_L": 0.0})
    with pytest.raises(KFactorError, match="cannot be used for La_L: no alpha line"):
        quantify(fit, kfactors=ONES.with_convention("alpha"))


# Errors against two twins


def shares_one_by_one(counts, k, weights):
    """Return at% of one spectrum, element by element."""
    moles = [k[i] * counts[i] / weights[i] for i in range(len(counts))]
    return np.array([100 * m / sum(moles) for m in moles])


@pytest.fixture
def random_fit():
    rng = np.random.default_rng(3)
    counts = rng.uniform(2e4, 1e5, (5, 4))
    mixing = rng.normal(0, 100, (5, 4, 4))
    covariance = mixing @ mixing.transpose(0, 2, 1) + 1e3 * np.eye(4)
    return fitted(["La_L", "Fe_K", "Sr_K", "O_K"], counts, covariance=covariance)


@pytest.mark.parametrize("unit", ["atomic", "weight"])
def test_covariance_equals_numerical_derivatives(random_fit, unit):
    found = quantify(random_fit, kfactors=ONES)
    k = [1.0, 1.0, 4.3, 1.0]
    weights = [atomic_weight(e) for e in ("La", "Fe", "Sr", "O")] if unit == "atomic" else [1.0] * 4
    for i, counts in enumerate(random_fit.intensities):
        np.testing.assert_allclose(getattr(found, unit)[i], shares_one_by_one(counts, k, weights))
        slope = np.empty((4, 4))
        for j in range(4):
            step = np.zeros(4)
            step[j] = 1e-3 * counts[j]
            up, down = (shares_one_by_one(counts + s, k, weights) for s in (step, -step))
            slope[:, j] = (up - down) / (2 * step[j])
        expected = slope @ random_fit.covariance[i] @ slope.T
        np.testing.assert_allclose(getattr(found, f"{unit}_covariance")[i], expected, rtol=1e-5, atol=1e-12)


def test_covariance_is_the_spread_of_repeated_measurements(random_fit):
    rng = np.random.default_rng(11)
    drawn = rng.multivariate_normal(random_fit.intensities[0], random_fit.covariance[0], 40_000)
    spread = np.cov(quantify(fitted(["La_L", "Fe_K", "Sr_K", "O_K"], drawn), kfactors=ONES).atomic.T)
    found = quantify(random_fit, kfactors=ONES)
    scale = np.outer(found.sd_atomic[0], found.sd_atomic[0])
    np.testing.assert_allclose(found.atomic_covariance[0] / scale, spread / scale, atol=0.03)


def test_errors_of_k_by_hand():
    # 10 % more k of iron alone moves its share x by x (1 - x) 10 %: 0.30057 * 0.69943 * 0.1.
    fit = fitted(["Fe_K", "O_K"], [[300, 400], [np.nan] * 2], status=[Status.OK, Status.EMPTY])
    found = quantify(fit, kfactors=KFactors({"Fe_K": 2.0, "O_K": 1.0}, sd={"Fe_K": 0.2, "O_K": 0.0}))
    assert found.sd_atomic_k[0] == pytest.approx([2.1023, 2.1023], abs=2e-3)
    assert found.atomic_covariance_k[0, 0, 1] == pytest.approx(-(2.1023**2), abs=1e-2)
    assert np.isnan(found.sd_atomic_k[1]).all()
    # They stay apart from those of counting, and more counts do not make them smaller.
    plain = quantify(fit, kfactors=KFactors({"Fe_K": 2.0, "O_K": 1.0}))
    np.testing.assert_array_equal(found.atomic_covariance, plain.atomic_covariance)
    more = quantify(fitted(["Fe_K", "O_K"], [[3e5, 4e5]]), kfactors=found.kfactors)
    np.testing.assert_allclose(more.sd_atomic_k[0], found.sd_atomic_k[0])
    assert found.to_frame()["sdk_at_Fe"][0] == found.sd_atomic_k[0, 0]
    assert "those of the k-factors stand apart" in found.describe()


def test_errors_of_k_that_are_not_known_are_not_made_up():
    for sd in ({}, {"Fe_K": 0.2}):
        found = quantify(fitted(["Fe_K", "O_K"], [[300, 400]]), kfactors=KFactors({"Fe_K": 2.0, "O_K": 1.0}, sd=sd))
        assert found.atomic_covariance_k is None
        assert found.sd_atomic_k is None
        assert not [name for name in found.to_frame() if name.startswith("sdk")]
        assert "k is taken as exact" in found.describe()


def test_errors_of_k_equal_numerical_derivatives(random_fit):
    names = ["La_L", "Fe_K", "Sr_K", "O_K"]
    k = np.array([1.6, 1.3, 4.3, 1.1])
    sd = k * [0.2, 0.05, 0.07, 0.16]

    def of(values):
        return quantify(random_fit, kfactors=KFactors(dict(zip(names, values, strict=True)))).atomic[2]

    slope = np.stack([(of(k + s) - of(k - s)) / (2 * s.sum()) for s in 1e-4 * np.diag(k)], axis=1)
    factors = KFactors(dict(zip(names, k, strict=True)), sd=dict(zip(names, sd, strict=True)))
    found = quantify(random_fit, kfactors=factors)
    np.testing.assert_allclose(found.atomic_covariance_k[2], slope @ np.diag(sd**2) @ slope.T, rtol=1e-5, atol=1e-9)


counts_of_three = st.lists(st.floats(12, 1e6), min_size=3, max_size=3)


@settings(max_examples=30)
@given(counts_of_three, st.floats(1, 1e3), st.permutations(PEROVSKITE))
def test_what_does_not_matter_does_not_matter(counts, factor, order):
    found = quantify(fitted(PEROVSKITE, counts), PEROVSKITE, kfactors=ONES)
    assert found.atomic.sum() == pytest.approx(100)
    np.testing.assert_allclose(found.atomic_covariance.sum(axis=1), 0, atol=1e-8)

    relative_to_another = KFactors({name: k * factor for name, k in ONES.factors.items()})
    again = quantify(fitted(PEROVSKITE, counts), PEROVSKITE, kfactors=relative_to_another)
    np.testing.assert_allclose(again.weight, found.weight)

    more = quantify(fitted(PEROVSKITE, np.multiply(counts, factor)), PEROVSKITE, kfactors=ONES)
    np.testing.assert_allclose(more.atomic, found.atomic)
    np.testing.assert_allclose(more.sd_atomic * np.sqrt(factor), found.sd_atomic, rtol=1e-6, atol=1e-9)

    permuted = quantify(fitted(PEROVSKITE, counts), order, kfactors=ONES)
    columns = [PEROVSKITE.index(name) for name in order]
    np.testing.assert_allclose(permuted.atomic, found.atomic[:, columns])
    np.testing.assert_allclose(permuted.atomic_covariance, found.atomic_covariance[:, columns][:, :, columns])


# Rows that cannot be quantified


def test_bad_chips_are_nan_rows_with_their_status():
    counts = [[100, 50, 200], [np.nan] * 3, [0, 0, 0], [10, 20, 30], [7, 8, 9], [-5, 1, 1], [0, 5, 0]]
    status = [Status.OK, Status.EMPTY, Status.OK, Status.SINGULAR, Status.NOT_CONVERGED, Status.OK, Status.OK]
    found = quantify(fitted(PEROVSKITE, counts, status=status), kfactors=ONES)
    expected = list(status)
    expected[2] = expected[5] = Status.NOTHING_FOUND
    assert found.status.tolist() == expected
    bad = np.array([False, True, True, True, False, True, False])
    for values in (found.atomic, found.weight, found.sd_atomic, found.sd_weight):
        assert np.isnan(values[bad]).all()
        assert np.isfinite(values[~bad]).all()
    assert found.weight[6] == pytest.approx([0, 100, 0])
    assert Status.NOTHING_FOUND.sentence


def test_no_spectra_at_all():
    found = quantify(fitted(PEROVSKITE, np.empty((0, 3))), kfactors=ONES)
    assert found.atomic.shape == (0, 3)
    assert found.atomic_covariance.shape == (0, 3, 3)
    assert len(found) == 0


def test_results_cannot_be_changed():
    found = quantify(fitted(PEROVSKITE, [[1, 2, 3]]), kfactors=ONES)
    assert isinstance(found, Quantification)
    with pytest.raises(ValueError, match="read-only"):
        found.atomic[0, 0] = 1


# Which lines are quantified

MANY = ["La_L", "La_M", "Fe_K", "Fe_L", "Sr_K", "Sr_L", "O_K", "Cu_K", "C_K"]


def test_lines_or_families_name_the_columns():
    fit = fitted(MANY, [np.arange(1, 10)])
    by_line = quantify(fit, ["La_La", "Fe_Ka", "O_Ka"], kfactors=ONES)
    by_family = quantify(fit, ["La_L", "Fe_K", "O_K"], kfactors=ONES)
    np.testing.assert_array_equal(by_line.atomic, by_family.atomic)
    np.testing.assert_allclose(by_line.weight, [100 * np.array([1, 3, 7]) / 11])
    assert by_line.deconvolved == ("Sr", "Cu", "C")
    assert list(by_line.kfactors.factors) == ["La_L", "Fe_K", "O_K"]


def test_default_lines_are_the_usual_ones():
    found = quantify(fitted(MANY, [np.ones(9)]), deconvolve=["Cu", "C"])
    assert found.families == ("La_L", "Fe_K", "Sr_K", "O_K")
    assert found.deconvolved == ("Cu", "C")


def test_default_lines_follow_the_vendors_settings():
    chosen = (
        ElementSetting("Sr", "L"),
        ElementSetting("Fe", None),
        ElementSetting("La", "K"),  # not fitted: the usual family stands in
        ElementSetting("Cu", "K", quantify=False),
        ElementSetting("Mo", "L"),  # not fitted at all
    )
    found = quantify(fitted(MANY, [np.ones(9)], elements=chosen), deconvolve=["C"])
    assert found.families == ("La_L", "Fe_K", "Sr_L", "O_K")
    asked = quantify(fitted(MANY, [np.ones(9)], elements=chosen), ["Cu_Ka", "Fe_Ka"])
    assert asked.elements == ("Cu", "Fe")


def test_it_says_what_the_numbers_are():
    found = quantify(fitted(MANY, [np.ones(9)]), ["La_L", "Fe_K", "O_K"], convention="alpha")
    assert found.normalisation == (
        "La, Fe and O share the 100 %; Sr, Cu and C were fitted only to be told apart from them."
    )
    text = found.describe()
    for part in ("alpha k-factors", "theory (Brown-Powell, 200 keV), counted as alpha", "alpha line of each", "La_L"):
        assert part in text
    assert quantify(fitted(["O_K"], [[1]])).normalisation == "O has the 100 %."


# Several spectra together


def test_pooled_composition_is_that_of_the_summed_counts(random_fit):
    found = quantify(random_fit, kfactors=ONES)
    chosen = np.array([True, False, True, True, False])
    summed = fitted(
        ["La_L", "Fe_K", "Sr_K", "O_K"],
        random_fit.intensities[chosen].sum(axis=0),
        covariance=random_fit.covariance[chosen].sum(axis=0),
    )
    together = quantify(summed, kfactors=ONES)
    for asked in (chosen, [0, 2, 3]):
        atomic, sd = pool(found, asked)
        np.testing.assert_allclose(atomic, together.atomic[0])
        np.testing.assert_allclose(sd, together.sd_atomic[0])
    for values in pool(found, np.zeros(5, bool)):
        assert np.isnan(values).all()


# The table


def test_table_has_one_row_a_chip(tmp_path):
    cube = np.random.default_rng(1).poisson(3, (35, 64)).astype(np.uint16)  # 5 x 7 pixels
    image = SpectrumImage((5, 7), EnergyAxis(64, 0.1), Events.from_dense(cube), acquisition=Acquisition(beam_kev=200))
    spectra = chip(image, ChipGrid(2))
    made = fitted(["Fe_K", "O_K"], [[1.0, 2.0]] * 5 + [[np.nan] * 2], status=[0, 1, 0, 0, 0, 3])
    found = quantify(replace(made, spectra=spectra, channels=slice(10, 60)), kfactors=ONES)
    frame = found.to_frame()
    assert ",".join(frame) == (
        "chip,row,col,y0,y1,x0,x1,pixels,counts,status,chi2,I_Fe_K,sd_I_Fe_K,I_O_K,sd_I_O_K,"
        "at_Fe,sd_at_Fe,wt_Fe,sd_wt_Fe,dl_Fe,at_O,sd_at_O,wt_O,sd_wt_O,dl_O"
    )
    row = frame.iloc[4]
    assert row[["chip", "row", "col", "y0", "y1", "x0", "x1", "pixels"]].tolist() == ["R1C1", 1, 1, 2, 4, 2, 4, 4]
    assert row["counts"] == cube.reshape(5, 7, 64)[2:4, 2:4, 10:60].sum()
    assert (row["wt_Fe"], row["I_O_K"], row["status"]) == (pytest.approx(100 / 3), 2.0, "ok")
    assert frame["status"].tolist() == ["ok", "not_converged", "ok", "ok", "ok", "singular"]
    assert frame.iloc[5][["I_Fe_K", "at_O", "sd_wt_Fe"]].isna().all()
    np.testing.assert_array_equal(frame["sd_at_O"], found.sd_atomic[:, 1])
    frame.to_parquet(tmp_path / "chips.parquet")


def test_table_of_spectra_without_regions(tmp_path):
    frame = quantify(fitted(["Fe_K", "O_K"], [[1.0, 2.0]] * 2)).to_frame()
    assert frame["chip"].tolist() == ["R0C0", "R0C1"]
    assert frame[["row", "col", "y0", "x1", "pixels"]].isna().all(axis=None)
    frame.to_parquet(tmp_path / "chips.parquet")


# Misuse


def test_misuse_is_refused():
    fit = fitted(MANY, [np.ones(9)])
    with pytest.raises(InputError, match=r"La asked for more than once \(La_L, La_M\)"):
        quantify(fit, ["La_La", "La_Ma", "O_Ka"])
    with pytest.raises(InputError, match="O asked for more than once"):
        quantify(fit, ["O_Ka", "O_K"])
    with pytest.raises(InputError, match="Cu cannot be quantified and only deconvolved at once"):
        quantify(fit, ["Cu_Ka", "O_Ka"], deconvolve=["Cu"])
    with pytest.raises(InputError, match="no element is left to quantify; fitted are La, Fe, Sr, O, Cu, C"):
        quantify(fit, [])
    with pytest.raises(InputError, match=r"no element is left.*lines=\['La_La'\]"):
        quantify(fit, deconvolve=["La", "Fe", "Sr", "O", "Cu", "C"])
    with pytest.raises(ElementError, match="line Ti_Ka was not fitted"):
        quantify(fit, ["Ti_Ka"])
    with pytest.raises(ElementError, match="Ga is to be kept out of the 100 %, but it was not fitted"):
        quantify(fit, deconvolve=["Ga"])
    with pytest.raises(ElementError, match="unknown element 'Xx'"):
        quantify(fit, deconvolve=["Xx"])
    with pytest.raises(KFactorError, match="no k-factor for C_K in given by hand"):
        quantify(fit, ["O_K", "C_K"], kfactors=ONES)
    with pytest.raises(InputError, match=r"kfactors='k\.csv' is not understood.*from_velox"):
        quantify(fit, kfactors="k.csv")


def test_theory_needs_a_beam_energy():
    fit = fitted(["Fe_K", "O_K"], [[300, 400]], beam_kev=None)
    with pytest.raises(InputError, match="need the beam energy and the file does not say it"):
        quantify(fit)
    found = quantify(fit, beam_kev=300)
    assert found.kfactors.beam_kev == 300
    assert quantify(fitted(["Fe_K", "O_K"], [[300, 400]]), beam_kev=80).kfactors.beam_kev == 80
    assert quantify(fit, kfactors=ONES).weight[0] == pytest.approx([300 / 7, 400 / 7])


def test_a_spectrum_without_a_detected_line_is_not_quantified():
    # 2.9 and 3.1 standard deviations above nothing: the second is found, the first may be noise.
    found = quantify(fitted(["Fe_K", "O_K"], [[2.9, 1.0], [3.1, 1.0]], covariance=np.eye(2)))
    assert found.status.tolist() == [Status.NOTHING_FOUND, Status.OK]
    assert np.isnan(found.atomic[0]).all()
    assert np.isfinite(found.atomic[1]).all()

"""Phases beside their formulae: published tables reproduced, errors against slow twins, bad input."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edsnb
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.formula import expected_percent
from edsnb.core.comparison.phase_search import default_rules
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid
from edsnb.errors import ElementError, InputError
from tests.core.comparison.made import film, made
from tests.fits import fitted
from tests.simulated import analysed, small

PHASES = {"STO": "SrTiO3", "LFO": "LaFeO3"}
ELEMENTS = ("La", "Fe", "Sr", "Ti", "O")
PUBLISHED = {
    ("HyperSpy", "s1", "STO"): ([21.15, 24.12, 45.60], [23.27, 26.55, 50.18], [16.35, 32.73, 16.36]),
    ("Velox", "s1", "STO"): ([22.47, 23.22, 42.63], [25.44, 26.29, 48.27], [27.18, 31.46, 19.55]),
    ("HyperSpy", "s7", "STO"): ([20.68, 23.49, 43.26], [23.65, 26.87, 49.48], [18.26, 34.33, 17.53]),
    ("HyperSpy", "s1", "LFO"): ([8.40, 19.33, 49.72], [10.85, 24.96, 64.19], [45.77, 24.81, 6.99]),
    ("Velox", "s1", "LFO"): ([13.51, 17.35, 44.27], [17.98, 23.09, 58.92], [10.09, 15.47, 1.79]),
    ("HyperSpy", "s7", "LFO"): ([8.37, 19.00, 46.08], [11.40, 25.86, 62.74], [43.01, 29.32, 4.56]),
}
"""Method, sample, phase: summed at%, normalised at%, percent error, as printed from unrounded sums."""


@pytest.mark.parametrize(("method", "sample", "phase"), PUBLISHED)
def test_published_columns(method, sample, phase):
    summed, normalised, error = PUBLISHED[method, sample, phase]
    elements = list(expected_percent(PHASES[phase]))
    got = edsnb.stoichiometry_errors(dict(zip(elements, summed, strict=True)), PHASES[phase])
    assert list(got.index) == elements
    assert list(got.columns) == ["summed", "normalised", "expected", "error_percent"]
    np.testing.assert_allclose(got["normalised"], normalised, atol=0.02)
    np.testing.assert_allclose(got["error_percent"], error, atol=0.04)
    np.testing.assert_allclose(got["expected"], [20, 20, 60])


def published(method: str, sample: str) -> Composition:
    """Return two chips, one a phase, with the printed sums; what is missing to 100 % is Cu's."""
    rows = []
    for phase, places in (("STO", [2, 3, 4]), ("LFO", [0, 1, 4])):
        row = np.zeros(6)
        row[places] = PUBLISHED[method, sample, phase][0]
        row[5] = 100 - row.sum()
        rows.append(row)
    return made(method, (*ELEMENTS, "Cu"), rows)


def test_published_tables_from_compositions():
    samples = {
        "s1": {"HyperSpy": published("HyperSpy", "s1"), "Velox": published("Velox", "s1")},
        "s7": {"HyperSpy": published("HyperSpy", "s7")},
    }
    got = edsnb.stoichiometry(samples, PHASES)
    assert len(got.results) == 6
    for result in got:
        _, normalised, error = PUBLISHED[result.method, result.sample, result.phase]
        np.testing.assert_allclose(result.normalised, normalised, atol=0.02)
        np.testing.assert_allclose(result.error_percent, error, atol=0.04)
        assert result.chips == 1
        assert np.isnan(result.se_scatter).all()
    assert got.best("s1", "STO", "Sr") == ("HyperSpy",)
    assert got.best("s1", "LFO", "La") == ("Velox",)
    assert got.best("s7", "LFO", "La") == ()
    assert any(note.startswith("In Velox, Cu share the 100 % too") for note in got.notes)


def by_hand() -> Composition:
    """Two chips of a phase: means 20, 30, 50 in a sum of 100, beside a chip of something else."""
    values = [[18.0, 31, 51], [22, 29, 49], [0, 0, 100]]
    return made("Velox", ("Sr", "Ti", "O"), values, [[1.0, 2, 0], [3, 0, 0], [5, 5, 5]])


def test_numbers_by_hand():
    got = edsnb.stoichiometry(by_hand(), {"STO": "SrTiO3"}).result("STO")
    assert (got.chips, got.method, got.formula, got.elements) == (2, "Velox", "SrTiO3", ("Sr", "Ti", "O"))
    np.testing.assert_allclose(got.summed, [20, 30, 50])
    np.testing.assert_allclose(got.normalised, [20, 30, 50])
    np.testing.assert_allclose(got.error_percent, [0, 50, 100 / 6])
    # Deviations (-2, 1, 1) and (2, -1, -1): variances 8, 2, 2 over 2 chips; the sum does not scatter.
    np.testing.assert_allclose(got.summed_se, [2, 1, 1])
    np.testing.assert_allclose(got.se_scatter, [2, 1, 1])
    # Of the mean: sd(Sr) = sqrt(1 + 9)/2, sd(Ti) = 2/2; through x = 100 m_i / sum m with sum 100.
    sr, ti = np.sqrt(10) / 2, 1.0
    expected = [np.hypot(0.8 * sr, 0.2 * ti), np.hypot(0.3 * sr, 0.7 * ti), np.hypot(0.5 * sr, 0.5 * ti)]
    np.testing.assert_allclose(got.se_counting, expected)
    assert np.isnan(got.sd_k).all()


def test_errors_against_a_slow_twin():
    """Differences of a hair in each mean stand in for derivatives; covariance from the fit and from k."""
    rng = np.random.default_rng(2)
    root = rng.normal(0, 9, (6, 4, 4))
    fit = fitted(
        ["Sr_K", "Ti_K", "O_K", "Cu_K"], rng.uniform(2000, 3000, (6, 4)), covariance=root @ root.transpose(0, 2, 1)
    )
    quant = quantify(fit)
    got = edsnb.stoichiometry(quant, {"STO": "SrTiO3"}, where=everything(quant)).result("STO")
    mean = quant.atomic[:, :3].mean(axis=0)

    def normalised(values):
        return 100 * values / values.sum()

    slope = np.array([(normalised(mean + h) - normalised(mean - h)) / 2e-4 for h in 1e-4 * np.eye(3)]).T
    scatter = sum(np.outer(d, d) for d in quant.atomic[:, :3] - mean) / 5 / 6
    counting = sum(quant.atomic_covariance[i][:3, :3] for i in range(6)) / 36
    assert quant.atomic_covariance_k is not None
    by_k = sum(quant.atomic_covariance_k[i][:3, :3] for i in range(6)) / 6
    for found, covariance in ((got.se_scatter, scatter), (got.se_counting, counting), (got.sd_k, by_k)):
        np.testing.assert_allclose(found, np.sqrt(np.diag(slope @ covariance @ slope.T)), rtol=1e-5)
    np.testing.assert_allclose(got.normalised, normalised(mean))
    notes = edsnb.stoichiometry(quant, {"STO": "SrTiO3"}, where=everything(quant)).notes
    assert any(f"moves normalised values by up to {got.sd_k.max():.1f} at%" in note for note in notes)


def everything(quant):
    """Return a phase STO of all chips."""
    return edsnb.find_phases(quant, {"STO": {"chips": list(range(len(quant)))}}, vacuum=0)


def test_counting_error_is_the_scatter_of_repeats():
    """Poisson counts of one composition: both standard errors agree, and the mean is off by about as much."""
    rng = np.random.default_rng(4)
    true = np.array([4000.0, 3000, 2500])
    fit = fitted(["Sr_K", "Ti_K", "O_K"], rng.poisson(true, (400, 3)))
    quant = quantify(fit, kfactors=KFactors(dict.fromkeys(("Sr_K", "Ti_K", "O_K"), 1.0), "family", "ones"))
    got = edsnb.stoichiometry(quant, {"STO": "SrTiO3"}, where=everything(quant)).result("STO")
    np.testing.assert_allclose(got.se_scatter / got.se_counting, 1, atol=0.15)
    truth = quantify(fitted(["Sr_K", "Ti_K", "O_K"], [true]), kfactors=quant.kfactors).atomic[0]
    assert (np.abs(got.normalised - truth) < 4 * got.se_counting).all()
    assert got.sd_k.shape == (3,)


def test_default_rules():
    expected = {name: expected_percent(formula) for name, formula in PHASES.items()}
    assert default_rules(expected, ELEMENTS) == {"STO": "Sr > 5 and Ti > 5", "LFO": "La > 5 and Fe > 5"}
    assert default_rules(expected, ("Ti", "La", "Fe", "O"))["STO"] == "Ti > 5"
    nested = {"SrO": expected_percent("SrO"), "STO": expected_percent("SrTiO3")}
    assert default_rules(nested, ELEMENTS) == {"SrO": "Sr > 12.5 and O > 12.5 and Ti < 5", "STO": "Ti > 5"}
    assert default_rules({"STO": expected_percent("SrTiO3")}, ELEMENTS) == {"STO": "Sr > 5 and Ti > 5 and O > 15"}
    iron = {"metal": expected_percent("Fe"), "rust": expected_percent("Fe2O3")}
    assert default_rules(iron, ELEMENTS) == {"metal": "Fe > 25 and O < 15", "rust": "O > 15"}
    with pytest.raises(ElementError, match="phase STO: none of Sr, Ti was quantified"):
        default_rules(expected, ("La", "Fe", "O"))
    oxides = {"FeO": expected_percent("FeO"), "also": expected_percent("OFe")}
    with pytest.raises(InputError, match="phases FeO, also consist of the same elements, so none tells them apart"):
        default_rules(oxides, ELEMENTS)
    chain = {"AB": {"La": 40.0, "Fe": 60.0}, "BC": {"Fe": 50.0, "O": 50.0}, "ABC": {"La": 20.0, "Fe": 20.0, "O": 60.0}}
    assert default_rules(chain, ELEMENTS) == {
        "AB": "La > 10 and Fe > 15 and O < 12.5",
        "BC": "Fe > 12.5 and O > 12.5 and La < 5",
        "ABC": "La > 5 and Fe > 5 and O > 15",
    }


def test_all_methods_are_averaged_over_the_same_chips():
    """The second finds so little La that its own rule would find no chip; the first says where the film is."""
    first = film()
    weak = np.array(first.values["atomic"])
    weak[:10] = [4, 25, 0, 0, 71]
    second = replace(first, method="HyperSpy", values={"atomic": weak})
    got = edsnb.stoichiometry([first, second], PHASES)
    assert got.result("LFO", "HyperSpy").chips == got.result("LFO", "edsnb").chips == 10
    np.testing.assert_allclose(got.result("LFO", "HyperSpy").normalised, [4, 25, 71])
    assert got.best("", "LFO", "La") == ("edsnb",)
    assert got.where["", "HyperSpy"].chips("LFO") == got.where["", "edsnb"].chips("LFO")
    assert any(note.startswith("Chips by the at% of edsnb. STO: 10 chips") for note in got.notes)


def test_methods_with_other_chips_look_for_themselves():
    areas = made("Velox", ELEMENTS, [[19, 21, 0, 0, 60], [0, 0, 18, 22, 60]], names=["film", "substrate"])
    got = edsnb.stoichiometry([film(), areas], PHASES)
    assert got.where["", "Velox"].chips("LFO") == ("film",)
    np.testing.assert_allclose(got.result("STO", "Velox").summed, [18, 22, 60])
    assert any("Velox has other chips" in note and "its own at% tell the phases" in note for note in got.notes)


def test_where_is_taken_at_its_word():
    phases = edsnb.find_phases(film(), {"STO": {"chips": ["R3C0"]}, "LFO": {"chips": ["R0C0", "R2C0"]}})
    got = edsnb.stoichiometry({"a": film(), "b": film()}, PHASES, where=phases)
    assert got.result("STO", "a").chips == 1
    np.testing.assert_allclose(got.result("LFO", "b").summed, [10, 10, 60])
    np.testing.assert_allclose(got.result("LFO", "b").summed_se, [10, 10, 0])
    assert any(note.startswith("STO: 1 chips (1 chips named).") for note in got.notes)
    nested = {"s1": {"a": film()}, "s2": {"a": film()}}
    other = edsnb.find_phases(film(), {"STO": "Sr > 5", "LFO": "La > 5"})
    got = edsnb.stoichiometry(nested, PHASES, where={"s1": phases, "s2": other})
    assert (got.result("STO", sample="s1").chips, got.result("STO", sample="s2").chips) == (1, 10)
    with pytest.raises(InputError, match="where= says nothing of sample 's2'"):
        edsnb.stoichiometry(nested, PHASES, where={"s1": phases})
    with pytest.raises(InputError, match="no phase 'LFO'; there are STO"):
        edsnb.stoichiometry(film(), PHASES, where=replace(phases, masks={"STO": phases.mask("STO")}))


def test_a_phase_without_chips():
    with pytest.raises(InputError) as caught:
        edsnb.stoichiometry(film(), {**PHASES, "molybdate": "SrMoO4"})
    assert "none of Mo was quantified" in str(caught.value)
    with pytest.raises(InputError) as caught:
        edsnb.stoichiometry(film(film_rows=0), PHASES)
    text = str(caught.value)
    assert (
        "phase LFO has no chips: edsnb (rule 'La > 5 and Fe > 5', at%; at% found: La 0 to 0, Fe 0 to 0, O 60 to 60)"
        in text
    )
    assert "Say where= it is" in text
    mixed = made("a", ELEMENTS, [[10.0, 10, 10, 10, 60]] * 2)
    with pytest.raises(InputError, match=r"phase STO has no chips: .*; 2 chips left out as ambiguous"):
        edsnb.stoichiometry(mixed, PHASES)


def test_a_sample_without_a_phase_is_data():
    got = edsnb.stoichiometry({"s1": {"edsnb": film()}, "bare": {"edsnb": film(film_rows=0)}}, PHASES)
    bare = got.result("LFO", sample="bare")
    assert bare.chips == 0
    assert np.isnan(bare.normalised).all()
    assert any(note.startswith("No chip of LFO: bare, edsnb (rule") for note in got.notes)
    assert "–" in got.to_markdown()


def test_all_nan():
    nothing = made("a", ELEMENTS, np.full((4, 5), np.nan))
    with pytest.raises(InputError, match=r"phase STO has no chips: a .*Sr in no chip \(all NaN\)"):
        edsnb.stoichiometry(nothing, PHASES)


def test_chips_without_values_do_not_count():
    values = np.array(film().values["atomic"])
    values[0] = np.nan
    values[1, 4] = np.nan
    got = edsnb.stoichiometry(replace(film(), values={"atomic": values}), PHASES).result("LFO")
    assert got.chips == 8
    np.testing.assert_allclose(got.normalised, [20, 20, 60])


def test_an_element_that_a_method_lacks():
    no_oxygen = made("Velox", ("La", "Fe", "Sr", "Ti"), [[50, 50, 0, 0], [0, 0, 40, 60], [0, 0, 50, 50]])
    got = edsnb.stoichiometry(no_oxygen, PHASES)
    sto = got.result("STO")
    np.testing.assert_allclose(sto.summed, [45, 55, np.nan])
    np.testing.assert_allclose(sto.summed_se, [5, 5, np.nan])
    assert np.isnan(sto.normalised).all()
    assert sto.chips == 2
    assert any("Velox has no O: a phase with it cannot be normalised" in note for note in got.notes)
    assert "nan" not in got.to_html()


def test_sums_off_100_and_overlap_are_told():
    short = made(
        "Velox", ("Sr", "Ti", "O"), np.tile([18.0, 18, 54], (9, 1)), grid=ChipGrid(10, stride=5), shape=(20, 20)
    )
    got = edsnb.stoichiometry(short, {"STO": "SrTiO3"})
    assert any("at% of Velox do not add up to 100 in 9 of 9 regions (90.0 to 90.0)" in note for note in got.notes)
    assert any("The chips overlap" in note for note in got.notes)
    np.testing.assert_allclose(got.result("STO").normalised, [20, 20, 60])


@pytest.mark.parametrize(
    ("found", "phases", "reason"),
    [
        (film(), {}, "phases must be {name: formula}"),
        (film(), "SrTiO3", "phases must be {name: formula}"),
        (film(), {"STO": "SrTiO3)"}, ") closes no bracket (character 7)"),
        (film(), {"STO": ""}, "a chemical formula such as SrTiO3 is needed"),
        ([], PHASES, "no composition was given"),
        ({}, PHASES, "no composition was given"),
        ({"s1": {}}, PHASES, "no composition was given"),
        ([film(), film()], PHASES, "several are called edsnb: name them yourself"),
        ({"a": film(), "s": {"a": film()}}, PHASES, "not both in one"),
        ("film", PHASES, "a Composition or a Quantification is needed, not str"),
        ({"a": 3}, PHASES, "a Composition or a Quantification is needed, not int"),
        (made("w", ("Sr", "O"), [[1, 2.0]], quantity="weight"), {"x": "SrO"}, "w has no at%; it has wt%"),
    ],
)
def test_misuse(found, phases, reason):
    with pytest.raises(InputError, match=re.escape(reason)):
        edsnb.stoichiometry(found, phases)


@pytest.mark.parametrize(
    ("summed", "error", "reason"),
    [
        ({"Sr": 20, "O": 60}, ElementError, "Ti of SrTiO3 has no at%; given are Sr, O"),
        ({"Sr": 20, "Ti": float("nan"), "O": 60}, InputError, "found Sr 20, Ti nan, O 60"),
        ({"Sr": -1, "Ti": 20, "O": 60}, InputError, "at% must be numbers of 0 or more"),
        ({"Sr": 0, "Ti": 0, "O": 0}, InputError, "not all 0"),
    ],
)
def test_numbers_that_cannot_be(summed, error, reason):
    with pytest.raises(error, match=re.escape(reason)):
        edsnb.stoichiometry_errors(summed, "SrTiO3")


def test_other_elements_are_left_out():
    got = edsnb.stoichiometry_errors({"Cu": 50, "Sr": 10, "Ti": 10, "O": 30}, "SrTiO3")
    np.testing.assert_allclose(got["error_percent"], 0, atol=1e-12)


def test_result_must_be_one():
    got = edsnb.stoichiometry({"a": film(), "b": film()}, PHASES)
    with pytest.raises(InputError, match="2 results are STO, None, None; there are STO, a; STO, b; LFO, a; LFO, b"):
        got.result("STO")
    with pytest.raises(InputError, match="0 results are XYZ"):
        got.result("XYZ")


def test_frame():
    frame = edsnb.stoichiometry({"a": film(), "b": film()}, PHASES).to_frame()
    assert len(frame) == 2 * 2 * 3
    assert frame["best"].all(), "a tie marks both"
    assert frame.loc[0, ["phase", "formula", "method", "element", "chips"]].tolist() == ["STO", "SrTiO3", "a", "Sr", 10]
    assert frame.loc[0, ["summed", "normalised", "expected", "error_percent"]].tolist() == [20, 20, 20, 0]


def test_the_simulated_film_is_stoichiometric():
    """Within what theory's k-factors are worth."""
    quant = analysed().quantification
    clean = edsnb.find_phases(quant, {"STO": "Sr > 19", "LFO": "La > 18.5"})
    got = edsnb.stoichiometry(quant, PHASES, where=clean)
    for result in got:
        assert result.chips >= 4
        assert (np.abs(result.normalised - result.expected) < 3 * np.hypot(result.sd_k, result.se_scatter)).all()
        assert (result.se_counting < 1).all()
    assert small().truth.names[1:3] == ("LaFeO3", "SrTiO3")


@given(st.integers(0, 10**6), st.permutations(range(5)), st.floats(0.1, 10))
@settings(max_examples=60)
def test_order_and_scale_do_not_matter(seed, order, scale):
    """Normalised values forget what else shares the 100 %; standard errors scale with the values."""
    rng = np.random.default_rng(seed)
    values = np.array(film().values["atomic"]) + rng.uniform(0, 2, (20, 5))
    sd = rng.uniform(0.1, 1, (20, 5))
    one = made("a", ELEMENTS, values, sd)
    other = made("a", [ELEMENTS[k] for k in order], scale * values[:, order], scale * sd[:, order])
    where = edsnb.find_phases(one, {"STO": "Sr > 5", "LFO": "La > 5"})
    first, second = (edsnb.stoichiometry(c, PHASES, where=where) for c in (one, other))
    for a, b in zip(first, second, strict=True):
        for name in ("normalised", "se_scatter", "se_counting", "error_percent"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-6, atol=1e-9)
        assert a.normalised.sum() == pytest.approx(100)
        np.testing.assert_allclose(a.summed * scale, b.summed)

"""Two compositions side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edsnb
from edsnb.core.comparison.agreement import Agreement
from edsnb.core.comparison.composition import Composition
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import ElementError, InputError
from tests.core.comparison.made import film, made
from tests.fits import fitted

ABC = ("La", "Fe", "O")
GRID = ChipGrid(10)
SHAPE = (20, 20)
FIRST = np.array([[20.0, 20, 60], [21, 19, 60], [18, 22, 60], [np.nan, np.nan, np.nan]])
SECOND = np.array([[60.0, 17, 23], [60, 19, 21], [60, 21, 19], [60, 20, 20]])


def two(**options):
    first = made("edsnb", ABC, FIRST, [[3.0, 0.0, 1.0]], grid=GRID, shape=SHAPE)
    second = made("Velox", ("O", "Fe", "La"), SECOND, [[2.0, 0.0, 4.0]], grid=GRID, shape=SHAPE)
    return edsnb.compare(first, second, **options)


def test_differences_and_z_by_hand():
    got = two()
    assert got.methods == ("edsnb", "Velox")
    assert (got.elements, got.unit, len(got)) == (ABC, "at%", 4)
    np.testing.assert_array_equal(got.difference[:, 0], [-3, 0, -1, np.nan])
    np.testing.assert_array_equal(got.difference[:, 1], [3, 0, 1, np.nan])
    # 3 and 4 make 5; both Fe errors are 0, so that z is not known.
    np.testing.assert_allclose(got.z[:, 0], [-0.6, 0, -0.2, np.nan])
    assert np.isnan(got.z[:, 1]).all()
    la = got.by_element["La"]
    assert (la.n, la.bias) == (3, pytest.approx(-4 / 3))
    assert got.only_in == ((), ())
    assert got.left_out == ((), ())
    assert not got.first.flags.writeable


def test_maps_stand_on_the_chip_grid():
    maps = two().maps("La")
    np.testing.assert_array_equal(maps.first, [[20, 21], [18, np.nan]])
    np.testing.assert_array_equal(maps.second, [[23, 21], [19, 20]])
    np.testing.assert_array_equal(maps.difference, [[-3, 0], [-1, np.nan]])


def test_maps_of_a_part_keep_the_grid():
    """Chips without a partner are holes in the map, whose shape stays that of the first's grid."""
    first = made("edsnb", ("La",), np.arange(4.0)[:, None], grid=GRID, shape=SHAPE)
    second = made("Velox", ("La",), [[1.0], [5.0]], grid=ChipGrid(10, crop=(10, 20, 0, 20)), shape=SHAPE)
    got = edsnb.compare(first, second)
    assert got.names == ("R1C0", "R1C1")
    assert got.left_out == (("R0C0", "R0C1"), ())
    np.testing.assert_array_equal(got.maps("La").difference, [[np.nan, np.nan], [1, -2]])
    assert got.matched_by == "position"
    assert any("2 regions of edsnb (R0C0, R0C1)" in note for note in got.notes)


def test_maps_of_irregular_regions_stand_on_the_pixels():
    labels = np.array([[0, 0, -1], [1, 1, 1]])
    regions = Regions.from_labels(labels)
    one, other = (made(m, ("La",), v, regions=regions) for m, v in (("a", [[3.0], [5.0]]), ("b", [[1.0], [6.0]])))
    np.testing.assert_array_equal(edsnb.compare(one, other).maps("La").difference, [[2, 2, np.nan], [-1, -1, -1]])


def test_maps_by_name_alone():
    named = {"names": ("R1C0", "R0C2")}
    one, other = made("a", ("La",), [[3.0], [5.0]], **named), made("b", ("La",), [[1.0], [6.0]], **named)
    got = edsnb.compare(one, other)
    np.testing.assert_array_equal(got.maps("La").first, [[np.nan, np.nan, 5], [3, np.nan, np.nan]])
    assert "matched by their names alone" in got.describe()
    areas = edsnb.compare(*(replace(c, names=("Area 1", "Area 2")) for c in (one, other)))
    with pytest.raises(InputError, match="nobody knows where the regions Area 1, Area 2 lie"):
        areas.maps("La")


def test_elements_of_one_side_are_kept_and_told():
    first = made("edsnb", ("La", "Cu", "O"), [[20, 20, 60.0]])
    second = made("Velox", ("O", "C", "La"), [[50, 30, 20.0]])
    got = edsnb.compare(first, second)
    assert got.elements == ("La", "O")
    assert got.only_in == (("Cu",), ("C",))
    assert got.compositions == (first, second)
    assert any(note.startswith("Different elements share the 100 %") for note in got.notes)
    with pytest.raises(ElementError, match="Cu was not compared: only edsnb has it; compared are La, O"):
        got.maps("Cu")
    with pytest.raises(ElementError, match="neither method has it"):
        got.column("Xe")


def test_renormalised_the_trap_is_gone():
    """Both found La : O = 1 : 3; one has Cu in its 100 %."""
    first = made("edsnb", ("La", "Cu", "O"), [[20, 20, 60.0]], 1.0)
    second = made("Velox", ("O", "La"), [[75, 25.0]], 1.0)
    np.testing.assert_allclose(edsnb.compare(first, second).difference, [[-5, -15]])
    got = edsnb.compare(first, second, renormalise=True)
    np.testing.assert_allclose(got.difference, 0, atol=1e-12)
    # x = 100 La / (La + O): derivatives 75/80 and -25/80 of a percent a percent.
    np.testing.assert_allclose(got.first_sd, np.hypot(0.75, 0.25) / 0.8)
    np.testing.assert_allclose(got.second_sd, 1.0)
    assert "La + O = 100 % on both sides." in got.notes
    assert any(note.startswith("edsnb: errors went through the normalisation as if") for note in got.notes)
    assert not any("Different elements" in note for note in got.notes)
    chosen = edsnb.compare(first, second, renormalise=["O", "La"])
    assert chosen.elements == ("O", "La")


def test_renormalise_needs_elements_of_both():
    first, second = made("edsnb", ("La", "Cu"), [[20, 80.0]]), made("Velox", ("La", "O"), [[20, 80.0]])
    with pytest.raises(ElementError, match="Velox has no Cu"):
        edsnb.compare(first, second, renormalise=["La", "Cu"])
    with pytest.raises(InputError, match="name each once; found none"):
        edsnb.compare(first, second, renormalise=[])


def test_quantifications_of_the_same_x_rays():
    """Errors go together: z is told to be too small. Covariances go through renormalisation."""
    fit = fitted(["La_L", "Fe_K", "O_K", "Cu_K"], [[1000, 900, 1500, 400], [1100, 850, 1400, 500]])
    fit = replace(fit, spectra=replace(fit.spectra, digest="d1"))
    one, other = quantify(fit, deconvolve=["Cu"]), quantify(fit)
    got = edsnb.compare(one, other, renormalise=True)
    np.testing.assert_allclose(got.difference, 0, atol=1e-9)
    np.testing.assert_allclose(got.first_sd, got.second_sd)
    assert any(note.startswith("Both methods saw the same X-rays") for note in got.notes)
    elsewhere = replace(fit, spectra=replace(fit.spectra, digest="d2"))
    assert any("come from different files" in note for note in edsnb.compare(one, quantify(elsewhere)).notes)
    assert any("is not known: z takes" in note for note in two().notes)


def test_counts_of_other_families_are_told():
    counts = {"quantity": "counts"}
    first = made("edsnb", ("La", "O"), [[900.0, 300]], families=("La_L", "O_K"), **counts)
    second = made("Velox", ("O", "La"), [[300.0, 500]], families=("O_K", "La_M"), **counts)
    got = edsnb.compare(first, second, quantity="counts")
    assert any(note == "Other families were used: La_L and La_M." for note in got.notes)
    assert got.to_frame()["diff_I_La"].tolist() == [400]
    with pytest.raises(InputError, match="edsnb has no at%; it has counts"):
        edsnb.compare(first, second)
    with pytest.raises(InputError, match="counts cannot be normalised"):
        edsnb.compare(first, second, quantity="counts", renormalise=True)
    with pytest.raises(InputError, match="quantity='mass' is unknown; choose atomic, weight, counts"):
        edsnb.compare(first, second, quantity="mass")


def test_sums_off_100_are_told():
    first, second = made("edsnb", ("La", "O"), [[40, 60.0]]), made("Velox", ("La", "O"), [[38, 57.0]])
    got = edsnb.compare(first, second)
    assert any("at% of Velox do not add up to 100 in 1 of 1 regions (95.0 to 95.0)" in note for note in got.notes)
    np.testing.assert_allclose(edsnb.compare(first, second, renormalise=True).difference, 0, atol=1e-12)


def test_all_nan():
    nothing = np.full((4, 3), np.nan)
    got = edsnb.compare(made("a", ABC, nothing, nothing, grid=GRID, shape=SHAPE), two().compositions[1])
    assert got.statistics()["n"].tolist() == [0, 0, 0]
    assert np.isnan(got.difference).all()
    assert got.worst().empty
    assert any("No region has values of La, Fe, O on both sides" in note for note in got.notes)
    assert "La: " in got.describe()


def test_no_element_in_common():
    with pytest.raises(ElementError, match="no element in common: edsnb has La, Velox has Sr, Ti"):
        edsnb.compare(made("edsnb", ("La",), [[1.0]]), made("Velox", ("Sr", "Ti"), [[1.0, 2.0]]))


def test_what_is_no_composition():
    with pytest.raises(InputError, match="a Composition or a Quantification is needed, not list"):
        edsnb.compare([1, 2], [3])  # type: ignore[arg-type]


def test_worst_chips():
    got = two().worst(2)
    assert got["chip"].tolist() == ["R0C0", "R1C0"]
    np.testing.assert_allclose(got["rms"], [np.sqrt(6), np.sqrt(2 / 3)])
    assert got["element"].tolist() == ["La", "La"]
    assert got["difference"].tolist() == [-3, -1]
    np.testing.assert_allclose(got["z"], [-0.6, -0.2])
    by_iron = two().worst(element="Fe")
    assert by_iron["chip"].tolist() == ["R0C0", "R1C0", "R0C1"]
    assert by_iron["difference"].tolist() == [3, 1, 0]
    assert len(two().worst(0)) == 0


def test_worst_by_the_elements_that_are_there():
    """A chip without oxygen on one side ranks by the others."""
    first = made("a", ("La", "O"), [[20, np.nan], [20, 60]])
    second = made("b", ("La", "O"), [[26, 60], [22, 68]])
    got = edsnb.compare(first, second).worst()
    np.testing.assert_allclose(got["rms"], [6, np.sqrt(34)])
    assert got["element"].tolist() == ["La", "O"]


def test_tables():
    got = two()
    frame = got.to_frame()
    assert list(frame.columns[:3]) == ["chip", "row", "col"]
    assert frame[["row", "col"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    one = frame.iloc[0]
    assert (one["first_at_La"], one["second_at_La"], one["diff_at_La"]) == (20, 23, -3)
    assert (one["first_sd_at_La"], one["second_sd_at_La"], one["z_La"]) == (3, 4, pytest.approx(-0.6))
    statistics = got.statistics()
    assert list(statistics.index) == list(ABC)
    assert list(statistics.columns) == list(Agreement.__slots__)
    assert statistics.loc["La", "bias"] == pytest.approx(-4 / 3)
    lone = replace(made("a", ("La",), [[1.0]]), names=("Area 1",))
    assert edsnb.compare(lone, lone).to_frame()["row"].isna().all()


def test_statistics_by_phase():
    """Over the map the two phases make a correlation of 1; within each there is only the offset."""
    first = film()
    values = first.values["atomic"] + [1.0, 0, 2, 0, -3]
    second = replace(first, method="Velox", values={"atomic": values})
    got = edsnb.compare(first, second)
    phases = edsnb.find_phases(first, {"LFO": ["La"], "STO": ["Sr"]})
    table = got.statistics(phases)
    assert table.index.names == ["phase", "element"]
    assert table.loc[("LFO", "La"), "n"] == 10
    assert table.loc[("STO", "Sr"), "bias"] == pytest.approx(-2)
    assert got.statistics().loc["La", "pearson"] == pytest.approx(1)
    assert np.isnan(table.loc[("LFO", "La"), "pearson"])


def test_overlapping_chips_are_told():
    grid = ChipGrid(10, stride=5)
    chips = made("a", ("La",), np.ones((9, 1)), grid=grid, shape=SHAPE)
    assert any("The chips overlap" in note for note in edsnb.compare(chips, chips).notes)
    assert not any("overlap" in note for note in two().notes)


def test_unknown_errors_are_told():
    bare = made("HyperSpy", ABC, FIRST, grid=GRID, shape=SHAPE)
    assert any("Errors of HyperSpy are not known" in n for n in edsnb.compare(two().compositions[0], bare).notes)


def test_describe_says_what_came_out():
    text = two().describe()
    assert text.startswith("edsnb minus Velox, at%, in 4 regions matched by name. La: -1.33 ± 0.88 at%")


tables = st.integers(0, 2**32 - 1)


def random_pair(seed: int) -> tuple[Composition, Composition]:
    rng = np.random.default_rng(seed)
    values, sd = rng.uniform(1, 60, (2, 4, 3)), rng.uniform(0.1, 3, (2, 4, 3))
    values[rng.random(values.shape) < 0.15] = np.nan
    sd[rng.random(sd.shape) < 0.15] = np.nan
    return tuple(made(m, ABC, v, s, grid=GRID, shape=SHAPE) for m, v, s in zip("ab", values, sd, strict=True))


@given(tables, st.sampled_from([False, True, ["O", "La"]]))
@settings(max_examples=60)
def test_swapping_turns_the_sign(seed, renormalise):
    one, other = random_pair(seed)
    there = edsnb.compare(one, other, renormalise=renormalise)
    back = edsnb.compare(other, one, renormalise=renormalise)
    np.testing.assert_array_equal(there.difference, -back.difference)
    np.testing.assert_array_equal(there.z, -back.z)
    np.testing.assert_allclose(there.statistics()["bias"], -back.statistics()["bias"])
    np.testing.assert_allclose(there.statistics()["concordance"], back.statistics()["concordance"])
    assert there.worst()["chip"].tolist() == back.worst()["chip"].tolist()


@given(tables)
@settings(max_examples=60)
def test_a_composition_agrees_with_itself(seed):
    one, _ = random_pair(seed)
    got = edsnb.compare(one, one)
    np.testing.assert_array_equal(got.difference[np.isfinite(one.values["atomic"])], 0)
    assert (got.statistics()["bias"].dropna() == 0).all()
    np.testing.assert_allclose(got.statistics()["concordance"].dropna(), 1)


@given(tables, st.permutations(range(3)), st.permutations(range(4)))
@settings(max_examples=60)
def test_order_of_elements_and_chips_does_not_matter(seed, columns, rows):
    one, other = random_pair(seed)
    names = [one.names[r] for r in rows]
    mixed = made(
        "b",
        [ABC[k] for k in columns],
        other.values["atomic"][rows][:, columns],
        other.sd["atomic"][rows][:, columns],
        names=names,
    )
    straight = edsnb.compare(replace(one, regions=None), replace(other, regions=None))
    got = edsnb.compare(replace(one, regions=None), mixed)
    np.testing.assert_array_equal(got.difference, straight.difference)
    np.testing.assert_array_equal(got.z, straight.z)
    turned = edsnb.compare(mixed, replace(one, regions=None))
    assert turned.elements == tuple(ABC[k] for k in columns)
    np.testing.assert_array_equal(-turned.difference, straight.difference[rows][:, columns])

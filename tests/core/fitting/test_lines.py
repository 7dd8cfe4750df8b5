"""Line families: weights, energies, names, and which of them lie in a range."""

from __future__ import annotations

import pytest
import xraylib

from edsnb.core.fitting.lines import (
    SHELLS,
    LineFamily,
    atomic_number,
    atomic_weight,
    families_in,
    parse_line,
    symbol_of,
    usual_family,
    xraylib_family,
)
from edsnb.errors import ElementError


def family(name: str) -> LineFamily:
    found = xraylib_family(*name.split("_"))
    assert found is not None
    return found


def made_up(element: str, shell: str) -> LineFamily | None:
    """Return a table of one family, so that nothing depends on xraylib."""
    lines = {("Fe", "K"): (6.4, 7.06), ("Fe", "L"): (0.7, 0.72), ("O", "K"): (0.525, 0.53)}
    energies = lines.get((element, shell))
    return energies and LineFamily(element, shell, energies, (0.75, 0.25), (True, False), "made up")


@pytest.mark.parametrize("shell", SHELLS)
def test_weights_of_every_family_sum_to_one(shell):
    found = [f for f in (xraylib_family(symbol_of(z), shell) for z in range(1, 99)) if f is not None]
    assert len(found) > 40
    for f in found:
        assert sum(f.weights) == pytest.approx(1.0, abs=1e-12)
        assert min(f.weights) > 9e-4
        assert min(f.energies_kev) > 0
        assert len(f.energies_kev) == len(f.weights) == len(f.alpha)
        assert f.table.startswith("xraylib ")
        # Transitions between subshells of one shell are below a few tenths of a keV and no part of a family.
        edge = xraylib.EdgeEnergy(
            atomic_number(f.element), getattr(xraylib, f"{shell}{'' if shell == 'K' else 1}_SHELL")
        )
        assert max(f.energies_kev) <= edge + 1e-3, f.name


@pytest.mark.parametrize(
    ("name", "published"), [("Sr_K", 0.87), ("Ti_K", 0.895), ("Fe_K", 0.887), ("O_K", 1.0), ("La_L", 0.497)]
)
def test_alpha_fractions_are_near_those_of_the_published_fits(name, published):
    # The published ones are eXSpy's, which rounds Kb/Ka to 0.15 for Sr; xraylib's rates are Scofield's. They differ
    # by 0.021 for Sr K and 0.010 or less for the rest.
    assert family(name).alpha_fraction == pytest.approx(published, abs=0.022)


@pytest.mark.parametrize(
    ("name", "alpha_kev"),
    [  # Bearden, Rev. Mod. Phys. 39 (1967) 78; Ka is (2 Ka1 + Ka2) / 3
        ("O_K", 0.5249),
        ("Ti_K", 4.5089),
        ("Fe_K", 6.3996),
        ("Cu_K", 8.0411),
        ("Sr_K", 14.1421),
        ("Sr_L", 1.8063),
        ("Fe_L", 0.7045),
        ("La_L", 4.6494),
        ("Pt_L", 9.4349),
        ("Au_M", 2.1222),
    ],
)
def test_alpha_energies(name, alpha_kev):
    found = family(name)
    assert found.alpha_kev == pytest.approx(alpha_kev, abs=0.002)
    assert found.name == name
    assert found.alpha_line == f"{name}a"


@pytest.mark.parametrize(
    ("symbol", "alpha_kev"), [("La", 0.833), ("Ce", 0.883), ("Nd", 0.978), ("Sm", 1.081), ("Eu", 1.131), ("Gd", 1.185)]
)
def test_light_lanthanides_have_an_m_alpha(symbol, alpha_kev):
    """The atomic tables give La to Eu nothing but M-zeta and weaker, 0.2 keV too low."""
    found = family(f"{symbol}_M")
    assert found.alpha_kev == pytest.approx(alpha_kev, abs=0.003)
    strongest = found.energies_kev[found.weights.index(max(found.weights))]
    assert strongest == pytest.approx(alpha_kev, abs=0.003)
    assert found.alpha_fraction == pytest.approx(family("Gd_M").alpha_fraction, abs=0.01)


def test_l_weights_by_hand():
    """Vacancies 1:1:2, moved by Coster-Kronig transitions, times yield times rate, for two lines of lanthanum."""
    z = 57
    f12, f13, f23 = (
        xraylib.CosKronTransProb(z, c) for c in (xraylib.FL12_TRANS, xraylib.FL13_TRANS, xraylib.FL23_TRANS)
    )
    l2 = 1 + f12
    l3 = 2 + f13 + l2 * f23
    a1 = l3 * xraylib.FluorYield(z, xraylib.L3_SHELL) * xraylib.RadRate(z, xraylib.L3M5_LINE)
    b1 = l2 * xraylib.FluorYield(z, xraylib.L2_SHELL) * xraylib.RadRate(z, xraylib.L2M4_LINE)
    found = family("La_L")
    weight = dict(zip(found.energies_kev, found.weights, strict=True))
    ratio = weight[xraylib.LineEnergy(z, xraylib.L3M5_LINE)] / weight[xraylib.LineEnergy(z, xraylib.L2M4_LINE)]
    assert ratio == pytest.approx(a1 / b1, rel=1e-12)
    assert 1.5 < ratio < 2.5


def test_elements_without_lines():
    assert xraylib_family("H", "K") is None
    assert xraylib_family("O", "L") is None
    assert xraylib_family("Fe", "M") is None


def test_alpha_of_a_family_without_one_is_its_strongest_line():
    plain = LineFamily("X", "L", (0.2, 0.3, 0.1), (0.3, 0.6, 0.1), (False, False, False), "made up")
    assert plain.alpha_kev == 0.3
    assert plain.alpha_fraction == 0.0
    two = LineFamily("X", "K", (2.0, 3.0, 4.0), (0.2, 0.6, 0.2), (True, True, False), "made up")
    assert two.alpha_kev == pytest.approx((0.2 * 2 + 0.6 * 3) / 0.8)
    assert two.alpha_fraction == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("La_La", ("La", "L")),
        ("La_L", ("La", "L")),
        ("La-La1", ("La", "L")),
        ("La La", ("La", "L")),
        (" Fe_Ka ", ("Fe", "K")),
        ("Fe_Kb", ("Fe", "K")),
        ("O_K", ("O", "K")),
        ("O-Ka", ("O", "K")),
        ("Au_Ma", ("Au", "M")),
        ("Sr_Lb2", ("Sr", "L")),
        ("Sr_Ll", ("Sr", "L")),
        ("Au_M2N4", ("Au", "M")),
        ("Au_M3O5", ("Au", "M")),
        ("K_Ka", ("K", "K")),
    ],
)
def test_line_names(name, expected):
    assert parse_line(name) == expected


@pytest.mark.parametrize(
    "name", ["", "La", "LaLa", "La_", "La_N", "la_La", "LA_La", "La_la", "La_L_a", "La_La,", "_La", "La_5"]
)
def test_line_names_that_are_not_understood(name):
    with pytest.raises(ElementError, match=r"is not understood: write element and line as La_La"):
        parse_line(name)


@pytest.mark.parametrize("name", ["Xx_Ka", "Q_L", "J_K"])
def test_lines_of_unknown_elements(name):
    with pytest.raises(ElementError, match=f"unknown element '{name.split('_')[0]}'"):
        parse_line(name)


@pytest.mark.parametrize("symbol", ["Xx", "", "fe", "FE", "Iron", "26", " Fe"])
def test_unknown_elements_are_named(symbol):
    with pytest.raises(ElementError, match=f"unknown element '{symbol}': give symbols as in the periodic table"):
        atomic_number(symbol)


def test_element_numbers_and_weights():
    assert [atomic_number(s) for s in ("H", "O", "Fe", "U")] == [1, 8, 26, 92]
    assert [symbol_of(z) for z in (1, 8, 26, 92)] == ["H", "O", "Fe", "U"]
    with pytest.raises(ElementError, match="unknown element 'Xx'"):
        atomic_weight("Xx")
    with pytest.raises(ElementError, match="no element has the atomic number 0"):
        symbol_of(0)


@pytest.mark.parametrize(
    ("symbol", "weight"),
    [
        *[("C", 12.011), ("O", 15.999), ("Mg", 24.305), ("Al", 26.982), ("Si", 28.085), ("Ti", 47.867), ("Mn", 54.938)],
        *[("Fe", 55.845), ("Cu", 63.546), ("Ga", 69.723), ("Ge", 72.630), ("Sr", 87.62), ("Ba", 137.327)],
        *[("La", 138.905), ("Tm", 168.934), ("Pt", 195.084), ("Au", 196.967), ("U", 238.029)],
    ],
)
def test_atomic_weights(symbol, weight):
    """Standard atomic weights (IUPAC 2021); xraylib alone has thulium 1 % and gold 0.1 % off."""
    assert atomic_weight(symbol) == pytest.approx(weight, rel=3e-4)


def names(elements, energy, **options):
    return [f.name for f in families_in(elements, energy, table=made_up, **options)]


def test_families_in_a_range_are_those_whose_strongest_line_lies_in_it():
    assert names(["O", "Fe"], (0.2, 20)) == ["O_K", "Fe_K", "Fe_L"]
    assert names(["Fe"], (0.71, 20)) == ["Fe_K"]  # 0.72 lies inside, but the strongest, 0.7, does not
    assert names(["Fe"], (0.2, 6.4)) == ["Fe_K", "Fe_L"]  # and here 7.06 outside does no harm
    assert names(["Fe"], (0.2, 20), beam_kev=5.0) == ["Fe_L"]
    assert names([], (0.2, 20)) == []
    assert [f.table for f in families_in(iter(["Fe"]), (0.2, 20))] == [family("Fe_K").table] * 2


@pytest.mark.parametrize(
    ("elements", "options", "message"),
    [
        (["Fe", "Xx"], {}, "unknown element 'Xx'"),
        (["Fe", "O", "Fe"], {}, "elements stand twice: Fe"),
        (["Fe", "H"], {}, r"H has no line between 1 and 10 keV \(its families: none in the table keV\)"),
        (["O"], {}, r"O has no line between 1 and 10 keV \(its families: O_K at 0\.525 keV\)\. Leave .* or widen"),
        (["Fe"], {"beam_kev": 6.0}, r"Fe has no line between 1 and 6 keV \(.*Fe_K at 6\.400, Fe_L at 0\.700 keV\)"),
    ],
)
def test_elements_that_cannot_be_fitted_are_named(elements, options, message):
    with pytest.raises(ElementError, match=message):
        names(elements, (1, 10), **options)


@pytest.mark.parametrize(
    ("element", "energy", "expected"),
    [
        ("O", (0.2, 20), "O_K"),
        ("Fe", (0.2, 20), "Fe_K"),
        ("Sr", (0.2, 20), "Sr_K"),
        ("Sr", (0.2, 10), "Sr_L"),
        ("Zr", (0.2, 20), "Zr_K"),
        ("Nb", (0.2, 20), "Nb_L"),
        ("Nb", (10, 20), "Nb_K"),
        ("La", (0.2, 40), "La_L"),
        ("La", (0.2, 2), "La_M"),
        ("Au", (0.2, 20), "Au_L"),
    ],
)
def test_usual_family(element, energy, expected):
    families = (
        families_in(["Si", element], energy) if energy[0] < 1 < 1.8 < energy[1] else families_in([element], energy)
    )
    assert usual_family(element, families).name == expected


def test_usual_family_of_an_element_that_was_not_fitted():
    with pytest.raises(ElementError, match="Mg was not fitted: add it"):
        usual_family("Mg", families_in(["Fe"], (0.2, 20)))

"""k-factors: theory against literature and a twin, tables in every dress, and everything that must be refused."""

import itertools
import math

import pytest
import xraylib

from edsnb.core.kfactors import KFactors
from edsnb.core.ktheory import absolute_k, fluorescence_yield
from edsnb.core.lines import atomic_weight, xraylib_family
from edsnb.errors import ElementError, KFactorError

# Thermo Fisher, 200 kV, relative to Si K.
PUBLISHED = {
    "O_K": 1.145,
    "Ti_K": 1.168,
    "Fe_K": 1.333,
    "Cu_K": 1.581,
    "Sr_K": 4.308,
    "Sr_L": 1.754,
    "Ba_L": 1.645,
    "La_L": 1.643,
    "Pt_L": 2.340,
    "Au_L": 2.418,
}


def k_by_hand(symbol: str, shell: str, beam_kev: float) -> float:
    """Return the k-factor step by step, without the code under test except the tables of lines and atomic weights."""
    z = xraylib.SymbolToAtomicNumber(symbol)
    if shell == "K":
        edge, electrons, b, root = xraylib.K_SHELL, 2, 0.52 + 0.0029 * z, 0.015 + 0.0327 * z - 0.64e-6 * z**3
    elif shell == "L":
        edge, electrons, b, root = xraylib.L3_SHELL, 8, 0.44 + 0.002 * z, -0.11107 + 0.01368 * z - 2.1772e-7 * z**3
    else:
        edge, electrons, b, root = xraylib.M5_SHELL, 18, 1.0, -0.00036 + 0.00386 * z + 2.0101e-7 * z**3
    edge_kev = xraylib.EdgeEnergy(z, edge)
    cross_section = electrons * b * math.log(beam_kev / edge_kev) / beam_kev / edge_kev
    fluorescence = root**4 / (1 + root**4)
    family = xraylib_family(symbol, shell)
    counted = 0.0
    for energy, share in zip(family.energies_kev, family.weights, strict=True):
        silicon = xraylib.CS_Total(14, max(energy, 0.1)) * 2.33
        aluminium = xraylib.CS_Total(13, max(energy, 0.1)) * 2.6989
        counted += share * (1 - math.exp(-silicon * 0.0437)) * math.exp(-silicon * 20e-7 - aluminium * 33e-7)
    return atomic_weight(symbol) / (cross_section * fluorescence * counted)


@pytest.mark.parametrize("beam_kev", [80, 200, 300])
@pytest.mark.parametrize("name", ["B_K", "O_K", "Fe_K", "Sr_K", "Sr_L", "La_L", "Au_L", "La_M", "Au_M", "U_M"])
def test_equals_the_formula_step_by_step(name, beam_kev):
    expected = k_by_hand(*name.split("_"), beam_kev) / k_by_hand("Si", "K", beam_kev)
    assert KFactors.theory([name], beam_kev=beam_kev).factors[name] == pytest.approx(expected, rel=1e-6)


def test_agrees_with_a_published_table_to_one_percent():
    found = KFactors.theory(PUBLISHED, beam_kev=200).factors
    for name, published in PUBLISHED.items():
        assert found[name] == pytest.approx(published, rel=0.01), name


def test_yields_are_those_of_the_literature():
    # Bambynek et al. (1972), fitted values for K; measured M yields are 0.02 to 0.03 for Au and 0.06 for U.
    for z, published in {8: 0.00579, 22: 0.219, 26: 0.347, 29: 0.446, 38: 0.691}.items():
        assert fluorescence_yield(z, "K") == pytest.approx(published, rel=2e-3)
    for z in (78, 79, 82, 92):
        assert fluorescence_yield(z, "M") == pytest.approx(xraylib.FluorYield(z, xraylib.M5_SHELL), rel=0.15)


def test_cross_section_constants_are_browns():
    # Brown (1974) gives C in units of 7.92e-20 cm2 keV2, Powell (1976) n b in 6.51e-20.
    for z in (8, 26, 79):
        assert 2 * (0.52 + 0.0029 * z) * 6.51e-20 == pytest.approx((0.85 + 0.0047 * z) * 7.92e-20, rel=0.01)
        assert 6 * (0.44 + 0.0020 * z) * 6.51e-20 == pytest.approx((2.19 + 0.0098 * z) * 7.92e-20, rel=0.01)


def test_reference_and_names():
    k = KFactors.theory(["La_La", "Fe_K"], beam_kev=300, reference="Fe_Ka")
    assert list(k.factors) == ["La_L", "Fe_K"]
    assert k.factors["Fe_K"] == 1
    assert (k.convention, k.beam_kev) == ("family", 300)
    assert "300 keV" in k.source


def test_alpha_is_a_label_and_says_so():
    family = KFactors.theory(["La_L"], beam_kev=200)
    alpha = KFactors.theory(["La_L"], beam_kev=200, convention="alpha")
    assert alpha.factors == family.factors
    assert alpha.convention == "alpha"
    assert "counted as alpha" in alpha.source


def test_refuses_what_it_cannot_know():
    with pytest.raises(KFactorError, match=r"5 keV cannot excite Fe_K, whose edge lies at 7\.1"):
        KFactors.theory(["Fe_K"], beam_kev=5)
    with pytest.raises(KFactorError, match="cannot excite"):
        KFactors.theory(["O_K"], beam_kev=math.nan)
    with pytest.raises(KFactorError, match="O has no L lines"):
        KFactors.theory(["O_L"], beam_kev=200)
    with pytest.raises(KFactorError, match="hold from Z = 4 to 95"):
        absolute_k(xraylib_family("Cm", "K"), 300)
    with pytest.raises(ElementError, match="unknown element 'Xx'"):
        KFactors.theory(["Xx_K"], beam_kev=200)


def test_lines_become_families():
    k = KFactors({"La_La": 1.6, "Fe_K": 1.3}, sd={"La-La1": 0.1})
    assert dict(k.factors) == {"La_L": 1.6, "Fe_K": 1.3}
    assert dict(k.sd) == {"La_L": 0.1}


def test_cannot_be_changed():
    with pytest.raises(TypeError):
        KFactors({"O_K": 1.0}).factors["O_K"] = 2.0


@pytest.mark.parametrize("k", [0, -1.5, math.nan, math.inf])
def test_refuses_values_that_cannot_be(k):
    with pytest.raises(KFactorError, match=r"O_K = .*k must be a positive number"):
        KFactors({"Fe_K": 1.0, "O_K": k})


def test_refuses_everything_else():
    with pytest.raises(KFactorError, match="k-factor of O_K is 'much'"):
        KFactors({"O_K": "much"})
    with pytest.raises(KFactorError, match="two values for La_L: 1 and 2"):
        KFactors({"La_L": 1.0, "La_La": 2.0})
    with pytest.raises(KFactorError, match="sd of O_K = -1"):
        KFactors({"O_K": 1.0}, sd={"O_K": -1})
    with pytest.raises(KFactorError, match="sd given for Fe_K"):
        KFactors({"O_K": 1.0}, sd={"Fe_K": 0.1})
    with pytest.raises(KFactorError, match="'beta' is unknown"):
        KFactors({"O_K": 1.0}, "beta")
    with pytest.raises(ElementError, match="not understood"):
        KFactors({"oxygen": 1.0})


def test_for_families_keeps_the_order_asked_for():
    k = KFactors({"O_K": 1.0, "Fe_K": 2.0, "La_L": 3.0}, sd={"Fe_K": 0.1}).for_families(["La_La", "Fe_Ka"])
    assert list(k.factors.items()) == [("La_L", 3.0), ("Fe_K", 2.0)]
    assert dict(k.sd) == {"Fe_K": 0.1}


def test_a_missing_family_names_what_is_there():
    k = KFactors({"O_K": 1.0, "Fe_K": 2.0, "Sr_L": 3.0}, source="my table")
    with pytest.raises(KFactorError, match=r"no k-factor for Sr_K in my table, which has Sr_L and 2 others\."):
        k.for_families(["O_K", "Sr_Ka"])
    with pytest.raises(KFactorError, match=r"no k-factor for Ti_K, La_L in my table, which has O_K, Fe_K, Sr_L\."):
        k.for_families(["Ti_K", "La_L"])
    with pytest.raises(KFactorError, match="which has none"):
        KFactors({}).for_families(["Ti_K"])


def test_another_convention_leaves_the_numbers():
    k = KFactors({"La_L": 1.6}, source="table")
    alpha = k.with_convention("alpha")
    assert (alpha.convention, alpha.factors) == ("alpha", k.factors)
    assert alpha.source == "table, counted as alpha k-factors"
    assert k.with_convention("family") is k


def test_plain_values_give_the_record_back():
    k = KFactors({"O_K": 1.0}, "alpha", "table", 200.0, {"O_K": 0.2})
    assert KFactors(**k.to_dict()) == k


def table(rows, *, separator=",", decimal=".", blank=True, newline="\r\n", header=("Line identifier", "K-factor")):
    """Return a k-factor table as Velox writes it."""

    def cell(value):
        text = str(value).replace(".", decimal) if isinstance(value, float) else str(value)
        return f'"{text}"' if separator in text else text

    lines = [separator.join(header), *([""] if blank else [])]
    return newline.join(lines + [separator.join(map(cell, row)) for row in rows]) + newline


ROWS = [("B-Ka1", 1.0), ("O-Ka1", 0.6214), ("Sr-Ka1", 2.338), ("Sr-La1", 0.952), ("La-La1", 0.8916), ("Pt-Ma1", 0.71)]
EXPECTED = {"B_K": 1.0, "O_K": 0.6214, "Sr_K": 2.338, "Sr_L": 0.952, "La_L": 0.8916, "Pt_M": 0.71}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_every_dress_gives_the_same_numbers(tmp_path, encoding, separator, decimal):
    path = tmp_path / "k.csv"
    for blank, newline in itertools.product([True, False], ["\r\n", "\n", "\r"]):
        text = table(ROWS, separator=separator, decimal=decimal, blank=blank, newline=newline)
        path.write_bytes(text.encode(encoding))
        k = KFactors.from_velox(path)
        assert dict(k.factors) == EXPECTED
        assert (k.convention, k.source, k.beam_kev) == ("family", "Velox table k.csv", None)


@pytest.mark.parametrize(
    "header",
    [("line identifier", "k-factor"), ("LINE", "K factor"), ("Line_ID", "kFactor (wt)"), ("X-ray line", "k")],
)
def test_headings_in_other_spellings(tmp_path, header):
    path = tmp_path / "k.csv"
    path.write_text(table(ROWS, header=header))
    assert dict(KFactors.from_velox(path).factors) == EXPECTED


def test_other_columns_and_lines_before_the_heading(tmp_path):
    path = tmp_path / "k.csv"
    text = "k-factors;;;\n200 kV\n\nZ;K-factor;Line identifier;Model\n;;;\n8;1,5;O-Ka1;Brown-Powell\n"
    path.write_text(text)
    assert dict(KFactors.from_velox(path).factors) == {"O_K": 1.5}


def test_cp1252_letters_outside_ascii(tmp_path):
    path = tmp_path / "k.csv"
    path.write_bytes("Line identifier;K-factor;Größe µm\nO-Ka1;1,5;\n".encode("cp1252"))
    assert dict(KFactors.from_velox(path).factors) == {"O_K": 1.5}


def test_greek_lines(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table([("Sr-Kα1", 2.0), ("Sr-Kβ1", 9.0)]), encoding="utf-8")
    assert dict(KFactors.from_velox(path).factors) == {"Sr_K": 2.0}


def test_convention_is_what_the_caller_says(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table(ROWS))
    assert KFactors.from_velox(str(path), convention="alpha").convention == "alpha"


@pytest.mark.parametrize("name", ["Sr-Ka1", "Sr-Ka", "Sr_Ka", "Sr Ka1", "Sr-K"])
def test_the_alpha_line_is_the_familys(tmp_path, name):
    path = tmp_path / "k.csv"
    for rows in ([(name, 2.0), ("Sr-Kb1", 9.0)], [("Sr-Kb1", 9.0), (name, 2.0)]):
        path.write_text(table(rows))
        assert dict(KFactors.from_velox(path).factors) == {"Sr_K": 2.0}


def test_a_family_without_alpha_takes_what_there_is(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table([("Ca-Ll", 9.0), ("Ca-Ka1", 2.0)]))
    assert dict(KFactors.from_velox(path).factors) == {"Ca_L": 9.0, "Ca_K": 2.0}


def test_lines_without_a_value_are_left_out(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table([("O-Ka1", 2.0), ("Fe-Ka1", "")]))
    assert dict(KFactors.from_velox(path).factors) == {"O_K": 2.0}


def test_doubles(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table([("O-Ka1", 2.0), ("Fe-Ka1", 1.0), ("O-Ka1", 2.0)]))
    assert dict(KFactors.from_velox(path).factors) == {"O_K": 2.0, "Fe_K": 1.0}
    path.write_text(table([("O-Ka1", 2.0), ("Fe-Ka1", 1.0), ("O-Ka1", 2.5)]))
    message = r"k\.csv gives O_K different values: O-Ka1 = 2\.0 \(line 3\), O-Ka1 = 2\.5 \(line 5\)"
    with pytest.raises(KFactorError, match=message):
        KFactors.from_velox(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Fe-Ka1", "high"), "line 4: 'high' stands where a number belongs"),
        (("Fe-Ka1", "1.2.3"), "line 4: '1.2.3' stands"),
        (("Fe-Ka1", "nan"), "line 4: Fe-Ka1 has k = nan; k must be positive"),
        (("Fe-Ka1", 0.0), "line 4: Fe-Ka1 has k = 0.0"),
        (("Fe-Ka1", -1.5), "line 4: Fe-Ka1 has k = -1.5"),
        (("Iron", 1.5), "line 4: line 'Iron' is not understood"),
        (("", 1.5), "line 4: line '' is not understood"),
        (("Xx-Ka1", 1.5), "line 4: unknown element 'Xx'"),
        (("Fe-Ka1", 1, 333), "line 4 has 3 cells where the heading has 2"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = tmp_path / "k.csv"
    path.write_text(table([("O-Ka1", 1.0), row]))
    with pytest.raises(KFactorError, match=message) as caught:
        KFactors.from_velox(path)
    assert "k.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b" \r\n\r\n", "an empty file"),
        (b"Element,Value\nO,1\n", "no such columns"),
        (b"Line identifier,K-factor\n\n", "no "),
        (b"Line identifier,K-factor\nO-Ka1,\n", "no values"),
        (b"\x89HDF\r\n\x1a\n\x00\x00\xff\xfe" * 20, "no such columns"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, found):
    path = tmp_path / "k.csv"
    path.write_bytes(content)
    with pytest.raises(KFactorError, match=rf"expected the columns 'Line identifier' and 'K-factor'.*found {found}"):
        KFactors.from_velox(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(KFactorError, match="cannot be read"):
        KFactors.from_velox(tmp_path / "absent.csv")
    with pytest.raises(KFactorError, match="cannot be read"):
        KFactors.from_velox(tmp_path)

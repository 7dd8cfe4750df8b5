"""k-factors: theory against literature and a twin, tables in every dress, and everything that must be refused."""

import contextlib
import itertools
import math
import tomllib

import numpy as np
import pytest
import xraylib

from edsnb.core.fitting.fit import Status
from edsnb.core.fitting.lines import atomic_weight, xraylib_family
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.kfactors import KFactors, kfactor_table
from edsnb.core.quant.ktheory import absolute_k, fluorescence_yield, relative_sd
from edsnb.core.quant.quantify import quantify
from edsnb.errors import ElementError, KFactorError, OutputError
from tests.fits import fitted

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
    "Gd_M": 1.206,
    "W_M": 1.052,
    "Au_M": 0.984,
    "U_M": 0.850,
}
# The same instrument at 60 kV, which nothing was fitted to.
PUBLISHED_60 = {
    "O_K": 1.068,
    "Ti_K": 1.287,
    "Fe_K": 1.550,
    "Cu_K": 1.919,
    "Sr_K": 6.133,
    "Sr_L": 1.761,
    "Ba_L": 1.826,
    "La_L": 1.835,
    "Pt_L": 3.011,
    "Au_L": 3.136,
    "Gd_M": 1.172,
    "W_M": 1.051,
    "Au_M": 0.998,
    "U_M": 0.901,
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
        layers = silicon * 13.9e-7 + aluminium * 35.1e-7 + xraylib.CS_Total(8, max(energy, 0.1)) * 5e-6
        counted += share * (1 - math.exp(-silicon * 0.0433)) * math.exp(-layers)
    return atomic_weight(symbol) / (cross_section * fluorescence * counted)


@pytest.mark.parametrize("beam_kev", [80, 200, 300])
@pytest.mark.parametrize("name", ["B_K", "O_K", "Fe_K", "Sr_K", "Sr_L", "La_L", "Au_L", "La_M", "Au_M", "U_M"])
def test_equals_the_formula_step_by_step(name, beam_kev):
    expected = k_by_hand(*name.split("_"), beam_kev) / k_by_hand("Si", "K", beam_kev)
    assert KFactors.theory([name], beam_kev=beam_kev).factors[name] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("beam_kev", "table"), [(200, PUBLISHED), (60, PUBLISHED_60)])
def test_agrees_with_published_tables(beam_kev, table):
    found = KFactors.theory(table, beam_kev=beam_kev).factors
    for name, published in table.items():
        assert found[name] == pytest.approx(published, rel=0.007), name


@pytest.mark.parametrize(("shell", "first", "last"), [("K", 5, 10), ("K", 11, 45), ("L", 22, 37), ("L", 38, 92),
                                                      ("M", 57, 69), ("M", 70, 92)])  # fmt: skip
def test_its_error_is_the_spread_of_two_tables_of_yields(shell, first, last):
    def ratio(z, shell):
        """Return the yield used over xraylib's, averaged over the vacancies of the shell."""
        subshells = {
            "K": {"K": 1},
            "L": {"L1": 1, "L2": 1, "L3": 2},
            "M": {"M1": 1, "M2": 1, "M3": 2, "M4": 2, "M5": 3},
        }[shell]
        vacancies, total = dict(subshells), 0.0
        for upper, lower in itertools.combinations(vacancies, 2):
            with contextlib.suppress(ValueError):
                moved = xraylib.CosKronTransProb(z, getattr(xraylib, f"F{upper}{lower[1]}_TRANS"))
                vacancies[lower] += vacancies[upper] * moved
        for name, n in vacancies.items():
            with contextlib.suppress(ValueError):
                total += n * xraylib.FluorYield(z, getattr(xraylib, f"{name}_SHELL"))
        return fluorescence_yield(z, shell) / total * sum(subshells.values())

    spread = [math.log(ratio(z, shell) / ratio(14, "K")) for z in range(first, last + 1)]
    rms = math.sqrt(sum(v * v for v in spread) / len(spread))
    for z in (first, last):
        stated = relative_sd(xraylib_family(xraylib.AtomicNumberToSymbol(z), shell))
        assert stated == pytest.approx(rms, rel=0.1)


def test_theory_states_its_errors():
    k = KFactors.theory(["O_K", "Fe_K", "La_L"], beam_kev=200)
    relative = {name: k.sd[name] / value for name, value in k.factors.items()}
    assert relative == pytest.approx({"O_K": 0.16, "Fe_K": 0.05, "La_L": 0.20})


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
    k = KFactors({"O_K": 1.0}, "alpha", "table", 200.0, {"O_K": 0.2}, "zeta")
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


# Tables of edsnb's own


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "k.toml"
    odd = 'standard "SrTiO3" \\ 20 µm;\tR0C1, R0C2\x7f\n'
    k = KFactors({"Sr_L": 1 / 3, "O_K": 1e-7, "La_L": 3e22}, "alpha", odd, 299.5, {"O_K": 1.1e-9}, "zeta")
    k.save(path)
    assert KFactors.load(path) == k
    assert tomllib.loads(path.read_text(encoding="utf-8"))["factors"]["Sr_L"] == 1 / 3
    bare = KFactors({"O_K": 1.0})
    bare.save(str(path), overwrite=True)
    assert KFactors.load(str(path)) == bare
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert KFactors.load(path) == bare


def test_any_other_name_is_a_table_of_velox(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text(table(ROWS))
    assert KFactors.load(path) == KFactors.from_velox(path)


def test_nothing_is_overwritten_unasked(tmp_path):
    k, path = KFactors({"O_K": 1.0}), tmp_path / "k.toml"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        k.save(path)
    assert path.read_text() == "mine"
    with pytest.raises(OutputError, match=r"'k\.csv' a name that ends in \.toml"):
        k.save(tmp_path / "k.csv")
    with pytest.raises(OutputError, match="cannot be written"):
        k.save(tmp_path / "absent" / "k.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("factors = ", "not valid TOML"),
        ("[factors]\nO_K = 1.0\n[more]\n", "expected factors, convention"),
        ("k = 1", "expected factors, convention"),
        ("factors = 1", "expected factors, convention"),
        ("[factors]\nO_K = -1.0", "O_K = -1.0"),
        ("[factors]\nO_K = 'x'", "O_K is 'x'"),
        ("convention = 'both'\n[factors]\nO_K = 1.0", "'both' is unknown"),
    ],
)
def test_files_that_are_no_k_factors(tmp_path, text, message):
    path = tmp_path / "k.toml"
    path.write_text(text)
    with pytest.raises(KFactorError, match=message) as caught:
        KFactors.load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(KFactorError, match="cannot be read"):
        KFactors.load(tmp_path / "absent.toml")


def test_table_of_the_k_used():
    frame = KFactors({"Sr_L": 1.7, "O_K": 1.1}, "alpha", "mine", sd={"O_K": 0.1}).to_frame()
    assert list(frame) == ["family", "k", "sd", "convention", "source"]
    assert frame["family"].tolist() == ["Sr_L", "O_K"]
    assert (math.isnan(frame["sd"][0]), frame["sd"][1]) == (True, 0.1)
    assert set(frame["convention"]) == {"alpha"}
    assert "zeta" in KFactors({"O_K": 1.1}, kind="zeta").to_frame()


def test_table_of_theory():
    frame = kfactor_table(["Sr", "O", "La"], 300).set_index("family")
    assert list(frame.index) == ["Sr_K", "Sr_L", "O_K", "La_K", "La_L", "La_M"]
    assert frame["k"]["La_L"] == KFactors.theory(["La_L"], beam_kev=300).factors["La_L"]
    assert frame["alpha_kev"]["La_L"] == pytest.approx(4.65, abs=0.01)
    assert frame["alpha_fraction"]["O_K"] == pytest.approx(1)
    assert "300 keV" in frame["source"]["O_K"]
    assert kfactor_table(["La"], 20)["family"].tolist() == ["La_L", "La_M"]  # K lies at 38.9 keV
    assert kfactor_table([], 300, ["La_La", "O_K"])["family"].tolist() == ["La_L", "O_K"]
    with pytest.raises(KFactorError, match="excites no family of these elements"):
        kfactor_table(["O"], 0.3)
    with pytest.raises(ElementError, match="unknown element 'Xx'"):
        kfactor_table(["Xx"], 300)


# Standards

TITANATE = {"Sr": 1, "Ti": 1, "O": 3}
FITTED = ["Sr_L", "Ti_K", "O_K", "La_L", "Fe_K"]


def standard(counts, *, names=FITTED, **settings):
    return quantify(fitted(names, counts, **settings), names)


def test_standard_by_hand():
    # Counts 1000, 800 and 1200: k = 87.62/1000, 47.867/800 and 47.997/1200, over the first 1, 0.68287 and 0.45648.
    quant = standard([[400, 300, 700, 5, 9], [600, 500, 500, 2, 3]])
    k = KFactors.from_standard(quant, TITANATE, others=None)
    assert dict(k.factors) == pytest.approx({"Sr_L": 1, "Ti_K": 0.68287, "O_K": 0.45648}, rel=1e-4)
    assert dict(k.sd) == pytest.approx({"Sr_L": 1 / math.sqrt(1000), "Ti_K": 0.68287 / math.sqrt(800),
                                        "O_K": 0.45648 / math.sqrt(1200)}, rel=1e-4)  # fmt: skip
    assert (k.convention, k.beam_kev) == ("family", 200.0)
    assert k.source == "standard SrTiO3 (3000 X-rays in 2 spectra)"


def test_the_standard_comes_out_as_it_is():
    quant = standard([[400, 300, 700, 5, 9], [600, 500, 500, 2, 3], [9e3, 1, 1, 1, 1]])
    k = KFactors.from_standard(quant, TITANATE, regions=[0, 1])
    summed = quantify(fitted(FITTED, [[1000, 800, 1200, 7, 12]]), ["Sr_L", "Ti_K", "O_K"], kfactors=k)
    assert summed.atomic[0] == pytest.approx([20, 20, 60])
    mask = KFactors.from_standard(quant, TITANATE, regions=np.array([True, True, False]))
    assert mask == k


def test_others_follow_theory_scaled_to_the_standard():
    theory = KFactors.theory(FITTED, beam_kev=200).factors
    mass = {"Sr_L": 87.62, "Ti_K": 47.867, "O_K": 3 * 15.999}
    off = {"Sr_L": 1.21, "Ti_K": 1.0, "O_K": 1.0}  # k measured / theory, of mean 1.21^(1/3)
    counts = [1e5 * m / (theory[n] * off[n]) for n, m in mass.items()]
    k = KFactors.from_standard(standard([[*counts, 50, 50]]), TITANATE)
    scale = k.factors["Ti_K"] / theory["Ti_K"] * 1.21 ** (1 / 3)
    assert k.factors["La_L"] == pytest.approx(theory["La_L"] * scale, rel=1e-4)
    assert k.factors["Fe_K"] == pytest.approx(theory["Fe_K"] * scale, rel=1e-4)
    # 20 % for La L itself, and the mean of Sr L (20 %), Ti K (5 %) and O K (16 %).
    mean = math.sqrt(0.2**2 + 0.05**2 + 0.16**2) / 3
    assert k.sd["La_L"] / k.factors["La_L"] == pytest.approx(math.hypot(0.2, mean), rel=1e-3)
    assert "La_L, Fe_K by theory (Brown-Powell, 200 keV) scaled to it" in k.source
    assert "Sr_L 1.135, Ti_K 0.938, O_K 0.938" in k.source
    named = KFactors.from_standard(standard([[*counts, 50, 50]]), TITANATE, others=["Mn_Ka", "Sr_L"])
    assert list(named.factors) == ["Sr_L", "Ti_K", "O_K", "Mn_K"]
    with pytest.raises(KFactorError, match="O has no L lines"):
        KFactors.from_standard(standard([[*counts, 50, 50]]), TITANATE, others=["O_L"])


def test_other_families_of_its_elements_are_measured_too():
    names = ["Sr_L", "Sr_K", "Ti_K", "Ti_L", "O_K"]
    made = fitted(names, [[1000, 300, 800, 2, 1200]], covariance=np.diag([1000, 300, 800, 4, 1200.0])[None])
    k = KFactors.from_standard(quantify(made, ["Sr_L", "Ti_K", "O_K"]), TITANATE)
    assert k.factors["Sr_K"] == pytest.approx(1000 / 300)
    # Ti L was not found: theory stands in.
    assert k.sd["Ti_L"] / k.factors["Ti_L"] > 0.3


def test_alpha_counts_give_alpha_k():
    alpha = {"Sr_L": 0.8, "Ti_K": 0.9, "O_K": 1.0, "La_L": 0.5, "Fe_K": 0.9}
    made = fitted(FITTED, [[1000, 800, 1200, 700, 900]], alpha=alpha)
    family = KFactors.from_standard(quantify(made, FITTED), TITANATE)
    k = KFactors.from_standard(quantify(made, FITTED, convention="alpha"), TITANATE)
    assert k.convention == "alpha"
    for name in FITTED:
        assert k.factors[name] == pytest.approx(family.factors[name] / alpha[name])
        assert k.sd[name] / k.factors[name] == pytest.approx(family.sd[name] / family.factors[name])
    again = [quantify(made, FITTED, kfactors=factors) for factors in (family, k)]
    np.testing.assert_allclose(again[0].atomic, again[1].atomic)


def test_absorption_in_the_standard_is_undone():
    made = fitted(FITTED, [[1000, 800, 1200, 7, 9]])
    film = Absorption(60, 5.12, 18)
    k = KFactors.from_standard(quantify(made, ["Sr_L", "Ti_K", "O_K"], absorption=film), TITANATE)
    found = quantify(made, ["Sr_L", "Ti_K", "O_K"], kfactors=k, absorption=film)
    assert found.atomic[0] == pytest.approx([20, 20, 60], rel=1e-5)
    assert k.factors["O_K"] < 0.8 * KFactors.from_standard(quantify(made), TITANATE).factors["O_K"]


def test_its_errors_are_the_spread_of_repeated_measurements():
    rng = np.random.default_rng(8)
    drawn = rng.poisson([900, 700, 1500], (2000, 3)).astype(float)
    made = quantify(fitted(FITTED[:3], drawn), FITTED[:3])
    found = [KFactors.from_standard(made, TITANATE, regions=[i], others=None).factors for i in range(300)]
    ratio = np.log([k["O_K"] / k["Ti_K"] for k in found])
    stated = KFactors.from_standard(standard([[900, 700, 1500]], names=FITTED[:3]), TITANATE)
    expected = math.hypot(*(stated.sd[name] / stated.factors[name] for name in ("O_K", "Ti_K")))
    assert ratio.std() == pytest.approx(expected, rel=0.1)


def test_standards_that_are_refused():
    quant = standard([[1000, 800, 1200, 5, 9], [np.nan] * 5], status=[Status.OK, Status.EMPTY])
    with pytest.raises(ElementError, match="Ba was not fitted"):
        KFactors.from_standard(quant, {"Ba": 1, "Ti": 1, "O": 3})
    with pytest.raises(KFactorError, match="holds no spectrum that was fitted"):
        KFactors.from_standard(quant, TITANATE, regions=[1])
    with pytest.raises(KFactorError, match="holds no spectrum that was fitted"):
        KFactors.from_standard(quant, TITANATE, regions=[False, False])
    for wrong in (0, -1, math.nan):
        with pytest.raises(KFactorError, match="atoms cannot be"):
            KFactors.from_standard(quant, {"Sr": 1, "Ti": wrong, "O": 3})
    with pytest.raises(KFactorError, match="O gives no ratio"):
        KFactors.from_standard(quant, {"O": 1})
    with pytest.raises(KFactorError, match="no element gives no ratio"):
        KFactors.from_standard(quant, {})
    for lost in (0, -5, 1):
        noise = np.diag([1000.0, 4.0, 1200.0])[None]
        poor = standard([[1000, lost, 1200]], names=FITTED[:3], covariance=noise)
        with pytest.raises(KFactorError, match=rf"Ti_K was not found in the region \({lost} ± 2 counts in 1 spectra\)"):
            KFactors.from_standard(poor, TITANATE)
    unknown = quantify(
        fitted(FITTED, [[1000, 800, 1200, 5, 9]], beam_kev=None), kfactors=KFactors(dict.fromkeys(FITTED, 1))
    )
    with pytest.raises(KFactorError, match="needs the beam energy for the other elements"):
        KFactors.from_standard(unknown, TITANATE)
    assert KFactors.from_standard(unknown, TITANATE, others=None).beam_kev is None


def test_a_fit_without_errors_gives_k_without_errors():
    blind = standard([[1000, 800, 1200, 700, 900]], covariance=np.full((1, 5, 5), np.nan))
    k = KFactors.from_standard(blind, TITANATE)
    assert set(k.sd) == {"La_L", "Fe_K"}
    assert k.factors["Sr_L"] == 1

"""The report of a comparison: complete in one page, its numbers those of the records, all or nothing."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edsnb
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.tables import to_html
from edsnb.errors import InputError, OutputError
from edsnb.report.record import Report, shown_chips
from edsnb.report.tables import Numbers, agreement_table, phase_tables, plain
from edsnb.report.write import page_of, tables_of, write_report
from tests.core.comparison.made import film, made
from tests.core.comparison.test_stoichiometry import PHASES, PUBLISHED, published
from tests.simulated import RECIPE, analysed, small


class Page(HTMLParser):
    """What a page refers to, its tables and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [v or "" for name, v in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._cell:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def compared():
    """Return edsnb beside window integration on the small map, and what a report shows of them."""
    windows = edsnb.analyse(small().image, replace(RECIPE, engine="window"))
    other = Composition.of(windows.quantification, "windows <b>&")
    comparison = edsnb.compare(analysed().quantification, other)
    phases = edsnb.find_phases(analysed().quantification, {"STO": "Sr > 5", "LFO": "La > 18.5"})
    stoichiometry = edsnb.stoichiometry([analysed().quantification, other], PHASES, where=phases)
    return comparison, stoichiometry, phases


@pytest.fixture(scope="module")
def folder(compared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    comparison, stoichiometry, phases = compared
    return edsnb.write_report(
        comparison, stoichiometry, tmp_path_factory.mktemp("r") / "report", phases=phases, notes=["a note of mine"],
        analyses={"edsnb": analysed()}, command="edsnb compare map.emd --phase-rules 'A=La > 5'",
    )  # fmt: skip


def read(path: Path) -> pd.DataFrame:
    """Read a table with each number exactly as it is written."""
    return pd.read_csv(path, dtype=str, keep_default_na=False).map(_number)


def _number(text: str) -> float | str:
    try:
        return float(text or "nan")
    except ValueError:
        return text


def test_the_page_needs_nothing_else(folder: Path):
    text = page_of(folder).read_text(encoding="utf-8")
    page = Page(text)
    assert "link" not in page.tags
    assert "script" not in page.tags
    assert "iframe" not in page.tags
    assert page.references
    assert all(r.startswith(("data:image/png;base64,", "#")) for r in page.references)
    assert not re.search(r"url\(|@import|http-equiv=.refresh", text, re.IGNORECASE)
    assert "default-src 'none'" in text
    anchors = {r[1:] for r in page.references if r.startswith("#")}
    assert anchors == set(re.findall(r'id="(\w+)"', text))
    for picture in (r for r in page.references if r.startswith("data:")):
        assert b64decode(picture.partition(",")[2]).startswith(b"\x89PNG")
    # Names of methods come from files, and cannot break the page.
    assert "windows <b>&" not in text
    assert "windows <b>&" in page.text


def test_it_says_what_it_rests_on(folder: Path, compared):
    page = Page(page_of(folder).read_text(encoding="utf-8"))
    comparison, stoichiometry, _ = compared
    assert page_of(folder).name == "simulated-report.html"
    assert "Simulation, no measurement" in page.text
    for said in (
        "a note of mine", "--phase-rules 'A=La > 5'", small().image.digest, edsnb.__version__, *comparison.notes,
        *stoichiometry.notes, *(c.convention for c in comparison.compositions), analysed().recipe.to_toml(),
    ):  # fmt: skip
        assert said in page.text
    mark = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert mark["kind"] == "comparison"
    assert mark["label"] == "Simulation, no measurement"
    assert mark["input"]["sha256"] == small().image.digest
    assert mark["analyses"]["edsnb"]["engine"] == "edsnb"
    assert set(mark["methods"]) == set(comparison.methods)


def test_every_number_in_the_tables_is_the_records(folder: Path, compared):
    comparison, stoichiometry, phases = compared
    chips = read(folder / "simulated-chips.csv")
    assert list(chips["chip"]) == list(comparison.names)
    for k, element in enumerate(comparison.elements):
        for column, values in {
            "first_at": comparison.first, "first_sd_at": comparison.first_sd, "second_at": comparison.second,
            "second_sd_at": comparison.second_sd, "diff_at": comparison.difference, "z": comparison.z,
        }.items():  # fmt: skip
            np.testing.assert_array_equal(chips[f"{column}_{element}"], values[:, k])
    statistics = read(folder / "simulated-statistics.csv")
    over = statistics[statistics["phase"].isna()].set_index("element")
    for element, found in comparison.by_element.items():
        for name in found.__slots__:
            np.testing.assert_array_equal(over.loc[element, name], getattr(found, name))
    by_phase = statistics[statistics["phase"].notna()].set_index(["phase", "element"])
    expected = comparison.statistics(phases)
    np.testing.assert_array_equal(by_phase[expected.columns].to_numpy(float), expected.to_numpy(float))
    found = read(folder / "simulated-stoichiometry.csv").set_index(["phase", "method", "element"])
    for result in stoichiometry:
        for name in ("summed", "normalised", "se_scatter", "se_counting", "expected", "error_percent"):
            got = [found.loc[(result.phase, result.method, element), name] for element in result.elements]
            np.testing.assert_array_equal(got, getattr(result, name))
    of = read(folder / "simulated-phases.csv").set_index("chip")["phase"]
    assert {name: [c for c in of.index if of[c] == name] for name in phases.masks} == {
        name: list(phases.chips(name)) for name in phases.masks
    }


def test_figures_and_settings_lie_beside_it(folder: Path):
    names = {"maps", "agreement", "phases", "fit-typical", "fit-worst"}
    files = {p.name for p in (folder / "figures").iterdir()}
    assert files == {f"simulated-{name}.{form}" for name in names for form in ("png", "svg")}
    assert (folder / "figures" / "simulated-maps.svg").read_text("utf-8").count("Simulation, no measurement") == 1
    again = edsnb.Recipe.from_toml(folder / "recipe-edsnb.toml")
    assert again.elements == RECIPE.elements
    from edsnb.comparing import read_rules

    assert read_rules(str(folder / "phases.toml"))["rules"] == {"STO": "Sr > 5", "LFO": "La > 18.5"}


def test_the_same_comparison_gives_the_same_bytes(folder: Path, compared, tmp_path: Path):
    comparison, stoichiometry, phases = compared
    again = write_report(
        comparison, stoichiometry, tmp_path / "again", phases=phases, notes=["a note of mine"],
        analyses={"edsnb": analysed()}, command="edsnb compare map.emd --phase-rules 'A=La > 5'",
    )  # fmt: skip
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert (again / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


def test_published_sums_give_the_published_tables():
    """Tables 2 and 3 of the publication: a table a phase, a row a method."""
    samples = {"s1": {m: published(m, "s1") for m in ("HyperSpy", "Velox")}}
    found = edsnb.stoichiometry(samples, PHASES)
    tables = {t.caption: t for t in phase_tables(found)}
    assert list(tables) == [
        "s1, STO as SrTiO3; expected Sr 20.00, Ti 20.00, O 60.00 at%.",
        "s1, LFO as LaFeO3; expected La 20.00, Fe 20.00, O 60.00 at%.",
    ]
    for table, phase in zip(tables.values(), ("STO", "LFO"), strict=True):
        assert [text for text, _ in table.groups[1:]] == list(found.result(phase, "Velox").elements)
        rows = Page(to_html(table)).tables[0][2:]
        for row, method in zip(rows, ("HyperSpy", "Velox"), strict=True):
            summed, normalised, error = PUBLISHED[method, "s1", phase]
            assert row[:2] == [method, "1"]
            numbers = np.array(row[2:], float).reshape(3, 3)
            np.testing.assert_allclose(numbers[:, 0], summed, atol=1e-9)
            np.testing.assert_allclose(numbers[:, 1], normalised, atol=0.021)
            np.testing.assert_allclose(numbers[:, 2], error, atol=0.041)
    bold = [[cell.bold for cell in row[4::3]] for row in tables["s1, LFO as LaFeO3; expected La 20.00, Fe 20.00, O "
                                                                "60.00 at%."].rows]  # fmt: skip
    assert bold == [[False] * 3, [True] * 3]


def test_several_methods_stand_beside_one(compared, tmp_path: Path):
    comparison, _, _ = compared
    third = edsnb.compare(comparison.compositions[0], replace(comparison.compositions[1], method="third"))
    report = Report((comparison, third))
    assert list(tables_of(report)) == ["chips-1.csv", "statistics-1.csv", "chips-2.csv", "statistics-2.csv"]
    folder = write_report([comparison, third], None, tmp_path / "both", label="")
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.text.count("Agreement: edsnb beside") == 2
    assert (folder / "figures" / "maps-2.svg").exists()
    with pytest.raises(InputError, match="share first side"):
        write_report([comparison, edsnb.compare(*comparison.compositions[::-1])], None, tmp_path / "no")
    with pytest.raises(InputError, match="needs a comparison"):
        write_report([], None, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_numbers_nobody_knows_are_left_out(tmp_path: Path):
    """One spectrum without a place: no limits, no maps, no empty columns."""
    one = made("a", ("O", "Sr"), [[60.0, 40.0]], names=("Summed",))
    two = made("b", ("O", "Sr"), [[58.0, 42.0]], names=("Summed",))
    comparison = edsnb.compare(one, two)
    table = agreement_table(comparison)
    assert table.columns == ("Element", "chips", "first", "second", "bias ± s.e.", "rms", "ratio")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["O", "1", "60.00", "58.00", "+2.00", "2.00", "1.034"],
        ["Sr", "1", "40.00", "42.00", "−2.00", "2.00", "0.952"],
    ]
    assert sum(span for _, span in table.groups) == len(table.columns)
    folder = write_report(comparison, None, tmp_path / "one")
    assert {p.stem for p in (folder / "figures").iterdir()} == {"bars"}
    assert "Neither side has fitted spectra to show" in (folder / "report.html").read_text(encoding="utf-8")


def test_numbers_are_printed_as_they_deserve():
    percent, counts = Numbers(counted=False), Numbers(counted=True)
    assert percent.value(-0.126) == "−0.13"
    assert percent.signed(0.654, 0.00213) == "+0.65 ± 0.002"
    assert percent.with_error(20.04, 0.021) == "20.04 ± 0.02"
    assert percent.signed(1.0, 0.0) == "+1.00 ± 0.00"
    assert percent.signed(1.0, float("nan")) == "+1.00"
    assert percent.value(float("nan")) == "–"
    # Nothing has no sign before it that was rounded away.
    assert (percent.value(-0.004), percent.signed(-0.004, 0.1), counts.value(-0.04)) == ("0.00", "+0.00 ± 0.10", "0.0")
    assert (plain(-0.0004), plain(-0.0005001)) == ("0.000", "−0.001")
    assert percent.ends(-1, 2) == "−1.00 to 2.00"
    assert counts.value(12345.6) == "12,346"
    assert counts.value(2.06) == "2.1"


def test_shown_chips_are_typical_and_worst():
    a = film(4, 5)
    values = a.values["atomic"].copy()
    values[:, 4] += np.arange(20)
    b = replace(a, method="b", values={"atomic": values})
    comparison = edsnb.compare(a, b)
    assert shown_chips(comparison) == {"typical": 9, "worst": 19}
    phases = edsnb.find_phases(a, {"LFO": "La > 5"})
    assert shown_chips(comparison, phases) == {"typical": 4, "worst": 9}
    nothing = replace(a, method="c", values={"atomic": np.full((20, 5), np.nan)})
    assert shown_chips(edsnb.compare(a, nothing)) == {}
    one = np.full((20, 5), np.nan)
    one[3] = 20.0
    assert shown_chips(edsnb.compare(a, replace(a, method="d", values={"atomic": one}))) == {"only": 3}


def test_nothing_is_half_written_or_replaced(compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    comparison, *_ = compared
    place = tmp_path / "report"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edsnb.report.write._write_figures", full)
        with pytest.raises(OutputError, match="No space left"):
            write_report(comparison, None, place)
    assert not list(tmp_path.iterdir())
    write_report(comparison, None, place)
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    with pytest.raises(OutputError, match="--overwrite"):
        write_report(comparison, None, place)
    assert {p: p.stat().st_mtime_ns for p in place.rglob("*")} == before
    write_report(comparison, None, place, overwrite=True, title="mine")
    assert "<title>mine</title>" in page_of(place).read_text(encoding="utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "provenance.json").write_text("{}")
    with pytest.raises(OutputError, match="holds a result, which a comparison never replaces"):
        write_report(comparison, None, tmp_path / "run", overwrite=True)

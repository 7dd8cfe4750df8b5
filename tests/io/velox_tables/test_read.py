"""Exported and hand-made tables: every form, dialect and batch, and everything that can be wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edsnb
from edsnb.core.comparison.composition import Composition
from edsnb.core.regions import ChipGrid, Regions
from edsnb.errors import FileFormatError, InputError
from edsnb.io.velox_tables.read import read_velox_tables
from tests.io.velox_tables import exports
from tests.io.velox_tables.exports import DIALECTS, HEADERS, PLAIN, Dialect, Truth, truth

SMALL = truth(2, 3)
GRID = truth()
ALL = range(len(SMALL.names))
FIELDS = {"atomic": ("atomic", "sd_atomic"), "weight": ("weight", "sd_weight"), "counts": ("counts", "sd_counts")}


def own_name(made: Truth):
    return lambda i, _: made.names[i]


def check(found: Composition, made: Truth, quantities=("atomic", "weight"), *, errors=True, rows=None) -> None:
    """Assert that what was read are the numbers of the truth, to the last digit."""
    assert set(found.values) == set(quantities)
    assert found.names == made.names
    columns = [found.column(e) for e in made.elements]
    chosen = range(len(made.names)) if rows is None else rows
    for quantity in quantities:
        value, sd = (getattr(made, name)[chosen] for name in FIELDS[quantity])
        np.testing.assert_allclose(found.values[quantity][chosen][:, columns], value, rtol=1e-9)
        expected = sd if errors else np.full(sd.shape, np.nan)
        np.testing.assert_allclose(found.sd[quantity][chosen][:, columns], expected, rtol=1e-9)


# Forms


@pytest.mark.parametrize("header", HEADERS)
def test_a_table_a_region_in_every_spelling(header: str, tmp_path: Path) -> None:
    rows = exports.region_tables(SMALL, ALL, own_name(SMALL), HEADERS[header])
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    check(found, SMALL)
    assert found.families == ("O_K", "Ti_K", "Fe_K", "Sr_K", "La_L")
    assert found.regions is SMALL.regions
    assert "O, Ti, Fe, Sr, La share the 100 %" in found.normalisation
    assert found.source.endswith("t.csv")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_and_encoding(dialect: str, tmp_path: Path) -> None:
    rows = exports.region_tables(SMALL, ALL, own_name(SMALL))
    check(read_velox_tables(DIALECTS[dialect].write(tmp_path / "t.csv", rows), SMALL.regions), SMALL)


def test_letters_beyond_ascii_in_cp1252(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", f"{e} ±"))
    path = Dialect(";", ",", "cp1252").write(tmp_path / "t.csv", [["# grün"], *rows])
    found = read_velox_tables(path, SMALL.regions)
    check(found, SMALL, ("atomic",))
    assert "comment in the table: grün" in found.notes


@pytest.mark.parametrize(
    "title",
    [
        lambda i, p: f"Analysis of spectrum: {SMALL.names[i]}",
        lambda i, p: f"Spectrum: {SMALL.names[i]}",
        lambda i, p: ("Region", SMALL.names[i]),
        lambda i, p: f"row {i // 3}, col {i % 3}",
        lambda i, p: f"Region {i + 1}",
        lambda i, p: f"Area #{i + 1}",
        lambda i, p: f"#{i + 1}",
        lambda i, p: f"Spectra from Area {i + 1}",
        lambda i, p: "",
    ],
)
def test_names_above_a_table(title, tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, title))
    check(read_velox_tables(path, SMALL.regions), SMALL)


def test_lines_of_other_text_above_the_first_table(tmp_path: Path) -> None:
    rows = [["Velox 3.10"], ["Beam", "200 kV"], [], *exports.region_tables(SMALL, ALL, own_name(SMALL))]
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL)


@pytest.mark.parametrize("merged", [False, True])
def test_long_form(merged: bool, tmp_path: Path) -> None:
    rows = exports.long_table(SMALL, ALL, own_name(SMALL), merged=merged)
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL)


@pytest.mark.parametrize(
    "heading",
    [
        lambda e: (f"{e} (at%)", f"{e} error (at%)"),
        lambda e: (f"at_{e}", f"sd_at_{e}"),
        lambda e: (f"{e} at.%", "±"),
        lambda e: (f"{e} [at%]", f"{e} sd"),
        lambda e: (f"Atomic % {e}", f"{e} uncertainty"),
        lambda e: (f"{e}_at", f"{e}_at_sd"),
        lambda e: (f"{e} {exports.FAMILIES[e]} (at%)", "sigma"),
    ],
)
@pytest.mark.parametrize("first", [("chip",), ("row", "col"), ("Row", "Column")])
def test_wide_form(heading, first, tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, heading, first)
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL, ("atomic",))


def test_a_wide_table_in_any_order_of_rows(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±"))
    path = PLAIN.write(tmp_path / "t.csv", [rows[0], *rows[:0:-1]])
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",))


def test_the_index_of_a_pandas_table_has_no_heading(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±"))
    path = PLAIN.write(tmp_path / "t.csv", [["", *rows[0][1:]], *rows[1:]])
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",))


def test_elements_without_a_unit_need_the_caller_to_say_it(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(SMALL, ALL, lambda e: (e,), errors=False))
    with pytest.raises(InputError, match=r"column 'O', 'Ti', 'Fe', 'Sr', 'La' has no unit.*quantity='atomic'"):
        read_velox_tables(path, SMALL.regions)
    found = read_velox_tables(path, SMALL.regions, quantity="at%")
    check(found, SMALL, ("atomic",), errors=False)
    assert any("percent, as their sums show" in note for note in found.notes)


def test_a_line_of_units_below_the_heading(tmp_path: Path) -> None:
    rows = exports.region_tables(SMALL, ALL, own_name(SMALL), exports.BARE, units=exports.UNITS)
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL)


def test_elements_above_quantities_as_in_merged_cells(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (e, ""))
    units = ["", *["at%", "error"] * len(SMALL.elements)]
    path = exports.workbook(tmp_path / "t.xlsx", {"Sheet": [rows[0], units, *rows[1:]]})
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",))


def test_columns_of_regions(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.turned_table(SMALL, ALL))
    check(read_velox_tables(path, SMALL.regions, quantity="atomic"), SMALL, ("atomic",), errors=False)
    with pytest.raises(InputError, match="the columns are regions, and nothing says"):
        read_velox_tables(path, SMALL.regions)


@pytest.mark.parametrize("sign", [" ± ", "+/-", "+-"])
def test_value_and_error_in_one_cell(sign: str, tmp_path: Path) -> None:
    rows: list[list[object]] = [["chip", *(f"{e} (at%)" for e in SMALL.elements)]]
    for i, name in enumerate(SMALL.names):
        pairs = zip(SMALL.atomic[i], SMALL.sd_atomic[i], strict=True)
        rows.append([name, *(f"{v:g}{sign}{s:g}" for v, s in pairs)])
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL, ("atomic",))


def test_relative_errors(tmp_path: Path) -> None:
    relative = replace(SMALL, sd_atomic=100 * SMALL.sd_atomic / SMALL.atomic)
    rows = exports.wide_table(relative, ALL, lambda e: (f"{e} (at%)", f"{e} rel. error (%)"))
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    np.testing.assert_allclose(found.sd["atomic"], SMALL.sd_atomic, rtol=1e-8)


@pytest.mark.parametrize("heading", ["Atomic Fraction (0..1)", "Atomic Fraction"])
def test_fractions_of_one(heading: str, tmp_path: Path) -> None:
    header = [*exports.NEW]
    header[3:7] = heading, "Atomic Error", "Mass Fraction (0-1)", "Mass Error"
    rows = exports.region_tables(SMALL, ALL, own_name(SMALL), header, scale=0.01)
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    check(found, SMALL)
    assert any("fractions of 1" in note for note in found.notes) == (heading == "Atomic Fraction")


def test_percent_signs_in_the_cells(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} Atomic Fraction",), errors=False)
    for row in rows[1:]:
        row[1:] = [f"{v} %" for v in row[1:]]
    path = PLAIN.write(tmp_path / "t.csv", rows)
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",), errors=False)


def test_summary_lines_are_no_regions(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)",), errors=False)
    mean = ["Mean", *(float(v) for v in SMALL.atomic.mean(axis=0))]
    path = PLAIN.write(tmp_path / "t.csv", [*rows, [], mean])
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",), errors=False)


def test_a_total_below_the_elements_is_no_element(tmp_path: Path) -> None:
    rows: list[list[object]] = []
    for i, name in enumerate(SMALL.names):
        rows += [[name], list(exports.NEW), *exports.element_rows(SMALL, i), ["", "Total", "", 100.0], []]
    check(read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions), SMALL)


# Workbooks


def test_a_workbook(tmp_path: Path) -> None:
    rows = exports.long_table(SMALL, ALL, own_name(SMALL))
    check(read_velox_tables(exports.workbook(tmp_path / "t.xlsx", {"A": rows}), SMALL.regions), SMALL)


def test_cells_shown_in_percent(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} Atomic Fraction",), errors=False)
    cells = {f"{'BCDEF'[k]}{line}": "0.00%" for k in range(5) for line in range(2, 8)}
    scaled = [rows[0], *([row[0], *(v / 100 for v in row[1:])] for row in rows[1:])]
    path = exports.workbook(tmp_path / "t.xlsx", {"A": scaled}, cells)
    check(read_velox_tables(path, SMALL.regions), SMALL, ("atomic",), errors=False)


def test_several_sheets_need_a_choice(tmp_path: Path) -> None:
    halves = {f"Sheet {k}": exports.region_tables(SMALL, range(3 * k, 3 * k + 3), lambda i, p: "") for k in range(2)}
    path = exports.workbook(tmp_path / "t.xlsx", {**halves, "Notes": [["taken on Monday"]]})
    with pytest.raises(InputError, match=r"tables on several sheets: 'Sheet 0', 'Sheet 1'.*sheet="):
        read_velox_tables(path, SMALL.regions)
    found = read_velox_tables(path, SMALL.regions, sheet="all")
    check(found, SMALL)
    assert any("sheets without a table" in note for note in found.notes)
    one = read_velox_tables(path, sheet="Sheet 1")
    np.testing.assert_array_equal(one.values["atomic"], SMALL.atomic[3:])
    with pytest.raises(InputError, match="no sheet 'Sheet 7'; it has Sheet 0, Sheet 1, Notes"):
        read_velox_tables(path, sheet="Sheet 7")


def test_one_table_among_other_sheets_is_taken(tmp_path: Path) -> None:
    sheets = {"Notes": [["taken", "on Monday"]], "Data": exports.long_table(SMALL, ALL, own_name(SMALL))}
    check(read_velox_tables(exports.workbook(tmp_path / "t.xlsx", sheets), SMALL.regions), SMALL)


def test_a_formula_without_a_value(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)",), errors=False)
    rows[2][3] = "=1+2"
    with pytest.raises(FileFormatError, match=r"cell D3 is a formula whose value was not saved"):
        read_velox_tables(exports.workbook(tmp_path / "t.xlsx", {"A": rows}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"plain text"])
def test_a_damaged_workbook(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="empty" if not content else "cannot be read as a workbook"):
        read_velox_tables(path)


# Details in two files


def details(folder: Path, name, made: Truth = SMALL) -> Path:
    folder.mkdir()
    which = range(len(made.names))
    PLAIN.write(folder / "composition.csv", exports.region_tables(made, which, name))
    PLAIN.write(folder / "line intensities.csv", exports.intensities(made, which, name))
    return folder


@pytest.mark.parametrize(
    "name", [own_name(SMALL), lambda i, p: f"Area {p + 1}", lambda i, p: f"Spectrum: Area {p + 1}"]
)
@pytest.mark.parametrize("regions", [SMALL.regions, None])
def test_composition_and_line_intensities(name, regions, tmp_path: Path) -> None:
    found = read_velox_tables(details(tmp_path / "d", name), regions)
    named = replace(SMALL, regions=replace(SMALL.regions, names=found.names))
    check(found, named, ("atomic", "weight", "counts"))


def test_line_intensities_in_the_same_file_as_the_composition(tmp_path: Path) -> None:
    rows = []
    for i in ALL:
        rows += exports.region_tables(SMALL, [i], own_name(SMALL)) + exports.intensities(SMALL, [i], own_name(SMALL))
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    check(found, SMALL, ("atomic", "weight", "counts"))


def test_line_intensities_alone(tmp_path: Path) -> None:
    rows = exports.intensities(SMALL, ALL, own_name(SMALL))
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    assert set(found.values) == {"counts"}
    for element in ("Sr", "La"):
        assert np.isnan(found.values["counts"][:, found.column(element)]).all()
        assert any(f"counts of {element} left out: nothing says which of {element}-" in note for note in found.notes)
    for element in ("O", "Ti", "Fe"):
        k = SMALL.elements.index(element)
        np.testing.assert_array_equal(found.values["counts"][:, found.column(element)], SMALL.counts[:, k])


def test_several_lines_of_the_family_are_summed(tmp_path: Path) -> None:
    table = [
        ["R0C0"],
        ["Element", "Line", "Intensity (counts)", "Intensity error"],
        ["Sr", "Sr-Ka1", 300, 30],
        ["Sr", "Sr-Kb1", 50, 40],
        ["Ti", "Ti-Ka1", 10, 3],
    ]
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", table))
    assert found.values["counts"].tolist() == [[350, 10]]
    assert found.sd["counts"].tolist() == [[50, 3]]
    assert found.families == ("Sr_K", "Ti_K")
    assert "counts of Sr are the sum of Sr-Ka1, Sr-Kb1." in found.notes


# Batches


@pytest.mark.parametrize(
    "name",
    [
        lambda i, p: f"Area {p + 1}",
        lambda i, p: f"Region {p}",
        lambda i, p: f"Region {i + 1}",
        lambda i, p: f"R{i // 8}C{i % 8}",
        lambda i, p: "",
    ],
)
def test_a_grid_in_batches_of_eight(name, tmp_path: Path) -> None:
    found = read_velox_tables(exports.batches(GRID, tmp_path / "b", name=name), GRID.regions)
    check(found, GRID)
    assert not any("missing" in note for note in found.notes)


@pytest.mark.parametrize("size", [1, 5, 8, 10])
def test_batches_of_any_size(size: int, tmp_path: Path) -> None:
    """Ten and more files: ``batch 10`` follows ``batch 9``."""
    check(read_velox_tables(exports.batches(GRID, tmp_path / "b", size), GRID.regions), GRID)


def test_named_chips_in_files_of_any_order(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", name=own_name(GRID), file=lambda k: f"{'hgfedcba'[k]}.csv")
    check(read_velox_tables(folder, GRID.regions), GRID)


def test_names_from_one(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", name=lambda i, p: f"R{i // 8 + 1}C{i % 8 + 1}")
    with pytest.raises(InputError, match=r"R\dC8.* not among the map's 64 regions R0C0 to R7C7. .*say first=1"):
        read_velox_tables(folder, GRID.regions)
    check(read_velox_tables(folder, GRID.regions, first=1), GRID)
    check(read_velox_tables(folder, first=1), GRID)


def test_a_list_of_files_that_differ_by_numbers_is_sorted(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", 5)
    files = sorted(folder.iterdir())
    assert [p.name for p in files[:3]] == ["batch 1.csv", "batch 10.csv", "batch 11.csv"]
    check(read_velox_tables(files, GRID.regions), GRID)
    check(read_velox_tables([str(p) for p in files[::-1]], GRID.regions), GRID)


def test_a_list_of_other_files_keeps_its_order(tmp_path: Path) -> None:
    made = truth(2, 3)
    for name, which in (("top", range(3)), ("bottom", range(3, 6))):
        PLAIN.write(tmp_path / f"{name}.csv", exports.region_tables(made, which, lambda i, p: f"Area {p + 1}"))
    check(read_velox_tables([tmp_path / "top.csv", tmp_path / "bottom.csv"], made.regions), made)


def test_one_file_a_region_named_as_the_chip(tmp_path: Path) -> None:
    for i in ALL:
        PLAIN.write(tmp_path / f"{SMALL.names[i]}.csv", exports.region_tables(SMALL, [i], lambda *_: ""))
    check(read_velox_tables(tmp_path, SMALL.regions), SMALL)


def test_workbooks_in_batches(tmp_path: Path) -> None:
    for k in range(2):
        rows = exports.region_tables(SMALL, range(3 * k, 3 * k + 3), lambda i, p: f"Area {p + 1}")
        exports.workbook(tmp_path / f"row {k}.xlsx", {"Sheet1": rows})
    check(read_velox_tables(tmp_path, SMALL.regions), SMALL)


def test_other_files_in_the_folder(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b")
    (folder / "README.txt").write_text("made on Monday", encoding="utf-8")
    (folder / ".hidden.csv").write_text("", encoding="utf-8")
    (folder / "~$batch 1.xlsx").write_text("", encoding="utf-8")
    (folder / "map.png").write_bytes(b"\x89PNG")
    found = read_velox_tables(folder, GRID.regions)
    check(found, GRID)
    assert "left out, being text beside tables: README.txt." in found.notes


def test_a_folder_of_text_files(tmp_path: Path) -> None:
    folder = exports.batches(
        SMALL, tmp_path / "b", 3, file=lambda k: f"row {k}.TXT", dialect=DIALECTS["utf-16 with mark"]
    )
    check(read_velox_tables(folder, SMALL.regions), SMALL)


@pytest.mark.parametrize("lost", [0, 3, 7])
def test_a_missing_batch_is_told_by_the_names_of_the_others(lost: int, tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", leave_out=[lost], file=lambda k: f"row_{k + 1}_2026.csv")
    if lost == 7:
        # 1 to 7 of eight may also be a count from 0 that lacks none but the first.
        for k in range(7):
            (folder / f"row_{k + 1}_2026.csv").rename(folder / f"row_{k}_2026.csv")
    read = read_velox_tables(folder, GRID.regions)
    rows = [i for i in range(64) if i // 8 != lost]
    check(read, GRID, rows=rows)
    assert np.isnan(read.values["atomic"][8 * lost : 8 * lost + 8]).all()
    first = ", ".join(f"R{lost}C{c}" for c in range(6))
    assert f"missing: {first} and 2 more (8 of 64 chips) are NaN." in read.notes


def test_a_missing_batch_that_numbers_do_not_tell(tmp_path: Path) -> None:
    """Files 1 to 7 of eight: the eighth is missing, or the first of a count from 0."""
    folder = exports.batches(GRID, tmp_path / "b", leave_out=[7])
    with pytest.raises(InputError, match=r"need 8 files, there are 7, and their numbers do not tell which is missing"):
        read_velox_tables(folder, GRID.regions)


def test_a_missing_batch_without_numbers(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", leave_out=[2], file=lambda k: f"{'abcdefgh'[k]}.csv")
    with pytest.raises(InputError, match=r"need 8 files, there are 7, and their names have no numbers"):
        read_velox_tables(folder, GRID.regions)


def test_missing_chips_by_name(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, [0, 1, 3, 5], own_name(SMALL)))
    for regions in (SMALL.regions, None):
        found = read_velox_tables(path, regions)
        check(found, SMALL, rows=[0, 1, 3, 5])
        assert np.isnan(found.values["atomic"][[2, 4]]).all()
        assert "missing: R0C2, R1C1 (2 of 6 chips) are NaN." in found.notes


def test_missing_chips_by_number(tmp_path: Path) -> None:
    name = lambda i, p: f"Region {i % 8 + 1}"  # noqa: E731
    folder = exports.batches(GRID, tmp_path / "b")
    PLAIN.write(folder / "batch 3.csv", exports.region_tables(GRID, [16, 17, 19, 20, 21, 22, 23], name))
    found = read_velox_tables(folder, GRID.regions)
    check(found, GRID, rows=[i for i in range(64) if i != 18])
    assert "missing: R2C2 (1 of 64 chips) are NaN." in found.notes


def test_one_batch_alone_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """Regions 1 to 8 of 64 chips: the name of the file tells which batch they are, or nothing does."""
    name = lambda i, p: f"Area {p + 1}"  # noqa: E731
    rows = exports.region_tables(GRID, range(56, 64), name)
    found = read_velox_tables(PLAIN.write(tmp_path / "batch 8.csv", rows), GRID.regions)
    check(found, GRID, rows=range(56, 64))
    for file in ("batch 4.csv", "fourth row.csv"):
        with pytest.raises(InputError, match=r"need 8 files, there are 1.*by='name' if the regions' own numbers"):
            read_velox_tables(PLAIN.write(tmp_path / file, rows), GRID.regions)
    path = PLAIN.write(tmp_path / "first.csv", exports.region_tables(GRID, range(8), name))
    check(read_velox_tables(path, GRID.regions, by="name"), GRID, rows=range(8))


def test_how_regions_were_placed_is_told(tmp_path: Path) -> None:
    notes = read_velox_tables(exports.batches(GRID, tmp_path / "a"), GRID.regions).notes
    assert any("by their number in each file, row by row; files in order: batch 1.csv, batch 2.csv" in n for n in notes)
    notes = read_velox_tables(exports.batches(GRID, tmp_path / "b", name=lambda i, p: ""), GRID.regions).notes
    assert any("by their order in each file" in n for n in notes)
    folder = exports.batches(GRID, tmp_path / "c", name=lambda i, p: f"Region {i + 1}")
    assert (
        "regions were given to chips by the numbers in their names, row by row."
        in read_velox_tables(folder, GRID.regions).notes
    )


def test_a_short_batch_without_names(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", name=lambda i, p: "")
    PLAIN.write(folder / "batch 3.csv", exports.region_tables(GRID, range(16, 23), lambda i, p: ""))
    with pytest.raises(InputError, match=r"batch 3.csv has 7 regions where 8 are due, and nothing says which"):
        read_velox_tables(folder, GRID.regions)


def test_a_double_chip_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", name=own_name(GRID))
    other = truth(seed=5)
    PLAIN.write(folder / "batch 9.csv", exports.region_tables(other, [12], own_name(GRID)))
    with pytest.raises(
        InputError, match=r"R1C4 stands twice with different values: batch 2.csv, line \d+ and batch 9.csv"
    ):
        read_velox_tables(folder, GRID.regions)


def test_a_chip_exported_twice_is_kept_once(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b", name=own_name(GRID))
    PLAIN.write(folder / "batch 9.csv", exports.region_tables(GRID, [12], own_name(GRID)))
    found = read_velox_tables(folder, GRID.regions)
    check(found, GRID)
    assert any(note.startswith("R1C4 stands twice with the same values") for note in found.notes)


def test_a_batch_exported_twice_is_kept_once(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b")
    (folder / "batch 3 copy.csv").write_bytes((folder / "batch 3.csv").read_bytes())
    found = read_velox_tables(folder, GRID.regions)
    check(found, GRID)
    assert "batch 3.csv holds the same as batch 3 copy.csv and was left out." in found.notes


def test_too_many_batches(tmp_path: Path) -> None:
    folder = exports.batches(GRID, tmp_path / "b")
    with pytest.raises(InputError, match="32 chips in batches of 8 need 4 files, there are 8"):
        read_velox_tables(folder, truth(4, 8).regions)


def test_more_regions_than_chips(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, lambda i, p: f"Region {i + 1}"))
    with pytest.raises(InputError, match=r"numbered up to 6, but the map has 4"):
        read_velox_tables(path, truth(2, 2).regions)
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, lambda i, p: ""))
    with pytest.raises(InputError, match=r"t.csv has 6 regions where 4 are left"):
        read_velox_tables(path, truth(2, 2).regions)


def test_names_that_are_no_chips(tmp_path: Path) -> None:
    names = ["R0C0", "R0C1", "grain", "R1C0", "R1C1", "R1C2"]
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, lambda i, p: f"Region: {names[i]}"))
    with pytest.raises(InputError, match=r"grain is not among the map's 6 regions R0C0 to R1C2. .*by='order'"):
        read_velox_tables(path, SMALL.regions)
    check(read_velox_tables(path, SMALL.regions, by="order"), SMALL)


def test_some_regions_without_a_number(tmp_path: Path) -> None:
    path = PLAIN.write(
        tmp_path / "t.csv", exports.region_tables(SMALL, ALL, lambda i, p: f"Region {i + 1}" if i else "")
    )
    with pytest.raises(InputError, match=r"have a number in their name, but not those of t.csv, line 1"):
        read_velox_tables(path, SMALL.regions)


def test_regions_that_are_no_grid(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 8).reshape(4, 4)
    regions = Regions.from_labels(labels, ["La film", "substrate"])
    names = ["substrate", "la_film"]
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, [0, 1], lambda i, p: names[i]))
    found = read_velox_tables(path, regions)
    assert found.names == ("La film", "substrate")
    np.testing.assert_array_equal(found.values["atomic"], SMALL.atomic[[1, 0]])


def test_by_name_never_uses_the_order(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, lambda i, p: ""))
    with pytest.raises(InputError, match=r"by='name': t.csv, line 1.* have no name"):
        read_velox_tables(path, SMALL.regions, by="name")


@pytest.mark.parametrize("options", [{"by": "luck"}, {"first": 2}, {"batch": 0}])
def test_rules_that_cannot_be(options, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batches: by="):
        read_velox_tables(exports.batches(GRID, tmp_path / "b"), GRID.regions, **options)


def test_without_regions_names_come_from_the_tables(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "film.csv", exports.region_tables(SMALL, [0, 1], lambda i, p: ["film", "gate"][i]))
    assert read_velox_tables(path).names == ("film", "gate")
    assert read_velox_tables(path).regions is None
    path = PLAIN.write(tmp_path / "film.csv", exports.region_tables(SMALL, [0], lambda i, p: ""))
    assert read_velox_tables(path).names == ("film",)
    path = PLAIN.write(tmp_path / "film.csv", exports.region_tables(SMALL, [0, 1], lambda i, p: ""))
    assert read_velox_tables(path).names == ("1", "2")
    found = read_velox_tables(exports.batches(truth(2, 2), tmp_path / "b", 2))
    assert found.names == ("batch 1: Area 1", "batch 1: Area 2", "batch 2: Area 1", "batch 2: Area 2")


def test_a_place_that_contradicts_the_name(tmp_path: Path) -> None:
    rows: list[list[object]] = [["chip", "row", "col", "O (at%)", "Sr (at%)"], ["R0C1", 1, 0, 60.0, 40.0]]
    with pytest.raises(InputError, match="R0C1 stands in row 1, col 0"):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows))


@pytest.mark.parametrize(
    ("row", "message"), [("a", "not two numbers"), ("0.5", "whole numbers"), ("-1", "whole numbers")]
)
def test_a_row_that_is_no_number(row: str, message: str, tmp_path: Path) -> None:
    rows: list[list[object]] = [["row", "col", "O (at%)", "Sr (at%)"], [row, 0, 60.0, 40.0]]
    with pytest.raises(InputError, match=message):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows))


def test_a_grid_alone_is_no_regions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"grid.regions\(image.shape\)"):
        read_velox_tables(tmp_path, ChipGrid(4))  # type: ignore[arg-type]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 4), columns=st.integers(1, 4), size=st.integers(1, 10), seed=st.integers(0, 99),
    dialect=st.sampled_from(sorted(DIALECTS)), named=st.booleans(),
)  # fmt: skip
def test_any_grid_in_any_batches_comes_back(rows, columns, size, seed, dialect, named, tmp_path_factory) -> None:
    made = truth(rows, columns, seed=seed)
    name = own_name(made) if named else lambda i, p: f"Area {p + 1}"
    folder = exports.batches(made, tmp_path_factory.mktemp("b"), size, name, dialect=DIALECTS[dialect])
    check(read_velox_tables(folder, made.regions), made)


# What may be in a table


def test_an_element_that_only_some_regions_have(tmp_path: Path) -> None:
    rows = exports.region_tables(SMALL, ALL, own_name(SMALL))
    rows = [row for i, row in enumerate(rows) if not (len(row) > 1 and row[1] == "Ti" and i < 10)]
    # Without Ti the first region no longer sums to 100.
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    assert np.isnan(found.values["atomic"][0, found.column("Ti")])
    assert "Ti is not in the table of R0C0: it is NaN there, not 0." in found.notes
    assert "not to 100 in 1 of 6 regions: other elements share it" in found.normalisation
    assert found.normalisation in found.notes


def test_an_empty_table_of_a_region(tmp_path: Path) -> None:
    rows = exports.region_tables(SMALL, ALL, lambda i, p: f"Area {p + 1}", empty=[2])
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    check(found, SMALL, rows=[0, 1, 3, 4, 5])
    assert np.isnan(found.values["atomic"][2]).all()
    assert "the table of R0C2 is empty: nothing is known of it." in found.notes


@pytest.mark.parametrize("nothing", ["", "-", "n/a", "NaN", "n.d."])
def test_cells_without_a_value(nothing: str, tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±"))
    rows[3][1:] = [nothing] * (len(rows[3]) - 1)
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    assert np.isnan(found.values["atomic"][2]).all()
    check(found, SMALL, ("atomic",), rows=[0, 1, 3, 4, 5])


def test_a_region_of_zeros_is_not_known(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±"))
    rows[3][1:] = [0.0] * (len(rows[3]) - 1)
    found = read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows), SMALL.regions)
    assert np.isnan(found.values["atomic"][2]).all()
    assert "R0C2: all at% are 0, so nothing is known of it." in found.notes


def partial(tmp_path: Path, scale: float) -> Path:
    made = replace(SMALL, atomic=np.round(SMALL.atomic * scale, 4))
    return PLAIN.write(tmp_path / "t.csv", exports.wide_table(made, ALL, lambda e: (f"{e} (at%)", "±")))


def test_sums_that_miss_100_are_noted(tmp_path: Path) -> None:
    found = read_velox_tables(partial(tmp_path, 0.78), SMALL.regions)
    assert any("at% of O, Ti, Fe, Sr, La sum to 78.00 to 78.00, not to 100 in 6 of 6" in note for note in found.notes)
    assert "share the 100 %" not in found.normalisation
    found = read_velox_tables(partial(tmp_path, 0.995), SMALL.regions)
    assert not any("not to 100" in note for note in found.notes)
    assert "share the 100 %" in found.normalisation


@pytest.mark.parametrize(("scale", "message"), [(1.03, "More than 102 cannot be"), (0.3, "Less than 50 is too little")])
def test_sums_that_cannot_be_are_refused(scale: float, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"t.csv, line 2 \(R0C0\): at% sum to {100 * scale:.4g}. {message}"):
        read_velox_tables(partial(tmp_path, scale), SMALL.regions)


def test_the_least_sum_is_the_callers(tmp_path: Path) -> None:
    found = read_velox_tables(partial(tmp_path, 0.3), SMALL.regions, least_sum=25)
    np.testing.assert_allclose(found.values["atomic"].sum(axis=1), 30, atol=0.01)


def test_a_unit_that_the_sums_contradict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="look like fractions of 1: write"):
        read_velox_tables(partial(tmp_path, 0.01), SMALL.regions)
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(SMALL, ALL, lambda e: (f"{e} at (0..1)", "±")))
    with pytest.raises(InputError, match="look like percent that the headings call fractions"):
        read_velox_tables(path, SMALL.regions)


def test_a_unit_that_the_sums_do_not_show(tmp_path: Path) -> None:
    made = replace(SMALL, atomic=SMALL.atomic * 0.1)
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(made, ALL, lambda e: (f"{e} at", "±")))
    with pytest.raises(InputError, match="sum to 10 to 10, so they are neither clearly percent nor clearly fractions"):
        read_velox_tables(path, SMALL.regions)


# at% and wt%


def test_columns_of_atomic_and_weight_mixed_up(tmp_path: Path) -> None:
    header = [*exports.NEW[:3], *exports.NEW[5:7], *exports.NEW[3:5], exports.NEW[7]]
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(SMALL, ALL, own_name(SMALL), header))
    with pytest.raises(InputError, match="at% and wt% are mixed up"):
        read_velox_tables(path, SMALL.regions)


def test_columns_of_atomic_and_weight_that_do_not_go_together(tmp_path: Path) -> None:
    made = replace(SMALL, weight=SMALL.weight[::-1])
    path = PLAIN.write(tmp_path / "t.csv", exports.region_tables(made, ALL, own_name(made)))
    found = read_velox_tables(path, SMALL.regions)
    assert any("at% and wt% of the table do not go together" in note for note in found.notes)


def composition(made: Truth) -> Composition:
    return Composition(
        "edsnb", made.names, made.elements, {"atomic": made.atomic, "weight": made.weight}, {}, made.regions
    )


def test_weight_percent_called_atomic_beside_a_known_composition(tmp_path: Path) -> None:
    wrong = replace(SMALL, atomic=SMALL.weight)
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(wrong, ALL, lambda e: (f"{e} (at%)", "±")))
    with pytest.raises(InputError, match=r"what is called at% looks like wt%.*quantity='weight'"):
        read_velox_tables(path, SMALL.regions, own=composition(SMALL))
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±")))
    found = read_velox_tables(path, SMALL.regions, own=composition(SMALL))
    assert "the unit was checked beside edsnb: at% lie 0.0 from its at%" in found.notes[-1]


def test_a_caller_who_contradicts_the_headings(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)", "±")))
    with pytest.raises(InputError, match="asked to be read as wt%, but the headings say at%"):
        read_velox_tables(path, SMALL.regions, quantity="weight")
    with pytest.raises(InputError, match="quantity 'volume' is not known"):
        read_velox_tables(path, SMALL.regions, quantity="volume")


# Tables that are none, and headings that are not understood


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (";;\n", "is empty"),
        ("some words\nand more words\n", "holds no table of composition.*begins with 'some words'"),
        ("a,b,c\n1,2,3\n", "holds no table of composition.*'a \\| b \\| c'"),
        ("Element,Atomic Fraction (%)\n", "headings and names, but no values"),
        ("chip,Sr (at%)\n", "headings alone, no values"),
    ],
)
def test_files_that_hold_no_table(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileFormatError, match=message):
        read_velox_tables(path)


@pytest.mark.parametrize("three_rows", [False, True])
def test_a_line_profile_is_refused(three_rows: bool, tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.line_profile(three_rows))
    with pytest.raises(FileFormatError, match="this is a line profile"):
        read_velox_tables(path)


def test_k_factors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"k-factors. Read it with edsnb.KFactors.from_velox"):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", exports.k_factors()))


def test_folders_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_velox_tables(tmp_path / "none.csv")
    with pytest.raises(FileFormatError, match="holds no table"):
        read_velox_tables(tmp_path)
    (tmp_path / "old.xls").write_bytes(b"x")
    with pytest.raises(FileFormatError, match=r"old.xls is in Excel's old format"):
        read_velox_tables(tmp_path)
    (tmp_path / "map.emd").write_bytes(b"x")
    with pytest.raises(FileFormatError, match=r"a table is read from \.csv"):
        read_velox_tables(tmp_path / "map.emd")
    with pytest.raises(InputError, match="no file was given"):
        read_velox_tables([])
    with pytest.raises(InputError, match="is no workbook"):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", exports.turned_table(SMALL, ALL)), sheet="A")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["chip", "Sr (at%)", "thickness"], "heading 'thickness' is not understood"),
        (["chip", "Sr (at%)", "Xx (at%)"], "heading 'Xx \\(at%\\)' is not understood"),
        (["chip", "SR (at%)", "O (at%)"], "heading 'SR \\(at%\\)' is not understood"),
        (["chip", "Sr (at%)", "Sr at.%"], "'Sr \\(at%\\)' and 'Sr at.%' hold the same quantity"),
        (["chip", "Sr (at%)", "Error (%)"], "may be in at% or in percent of the value"),
        (["chip", "Sr (at%)", "Ti error"], "belong to no column of values"),
        (["chip", "±", "Sr (at%)"], "'±' belong to no column of values"),
        (["chip", "Sr (at%)", "at%"], "column 'at%' names no element"),
        (["Element", "Sr (at%)", "O (at%)"], "named both by a column and by headings"),
        (["chip", "Sr (at%)", "relative error"], "say in which unit 'relative error' is"),
        (["Element", "Percent", "Z"], "column 'Percent' has no unit"),
    ],
)
def test_headings_that_are_not_understood(header, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", [header, ["R0C0", 1.0, 2.0]]))


def test_columns_left_out_on_request(tmp_path: Path) -> None:
    rows = exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)",), errors=False)
    rows = [[*row, "thickness" if k == 0 else 12.5] for k, row in enumerate(rows)]
    path = PLAIN.write(tmp_path / "t.csv", rows)
    check(read_velox_tables(path, SMALL.regions, ignore=["thickness"]), SMALL, ("atomic",), errors=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([9, "O", "K", 60.0, 1.0], "line 3: O has Z = 8, the table says 9"),
        ([8, "Ox", "K", 60.0, 1.0], "line 3: 'Ox' stands where an element belongs"),
        ([8, "O", "K", "many", 1.0], "line 3, column 'Atomic Fraction \\(%\\)': 'many' stands where a number belongs"),
        ([8, "O", "K", 60.0, 1.0, 1, 1, 1, 1], "line 3 has 9 cells where the heading has 8"),
    ],
)
def test_lines_that_are_not_understood(line, message: str, tmp_path: Path) -> None:
    rows = [["R0C0"], list(exports.NEW), line]
    with pytest.raises(InputError, match=message):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows))


def test_an_element_twice_in_a_region(tmp_path: Path) -> None:
    rows = [["R0C0"], list(exports.NEW), [8, "O", "K", 60.0, 1.0], [8, "O", "K", 40.0, 1.0]]
    with pytest.raises(InputError, match="line 4: O stands twice in one region"):
        read_velox_tables(PLAIN.write(tmp_path / "t.csv", rows))


def test_marks_for_thousands(tmp_path: Path) -> None:
    rows: list[list[object]] = [["R0C0"], ["Element", "Line", "Counts"], ["O", "K", "12,345"], ["Ti", "K", "17.5"]]
    path = Dialect(";").write(tmp_path / "t.csv", rows)
    with pytest.raises(
        FileFormatError, match=r"both with a point and with a comma, 17.5 \(line 4\) and 12,345 \(line 3\)"
    ):
        read_velox_tables(path)


def test_a_decimal_comma_between_commas(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("chip,Sr (at%),O (at%)\nR0C0,20,5,79,5\n", encoding="utf-8")
    with pytest.raises(InputError, match="decimal comma need semicolons"):
        read_velox_tables(path)


# What a result is


def test_no_value_stands_without_an_error_known_or_not(tmp_path: Path) -> None:
    path = PLAIN.write(tmp_path / "t.csv", exports.wide_table(SMALL, ALL, lambda e: (f"{e} (at%)",), errors=False))
    found = read_velox_tables(path, SMALL.regions)
    assert np.isnan(found.sd["atomic"]).all()
    assert found.convention
    assert found.method == "Velox (exported tables)"
    with_errors = read_velox_tables(exports.batches(GRID, tmp_path / "b"), GRID.regions)
    assert any("what they are it does not say" in note for note in with_errors.notes)


def test_edsnb_reads_its_own_table(tmp_path: Path) -> None:
    from tests.simulated import analysed

    quant = analysed().quantification
    path = tmp_path / "chips.csv"
    quant.to_frame().to_csv(path, index=False)
    found = read_velox_tables(path, quant.fit.spectra.regions, own=Composition.of(quant))
    columns = [found.column(e) for e in quant.elements]
    for name in ("atomic", "weight"):
        np.testing.assert_allclose(found.values[name][:, columns], getattr(quant, name), rtol=1e-12)
        np.testing.assert_allclose(found.sd[name][:, columns], getattr(quant, f"sd_{name}"), rtol=1e-9, atol=1e-12)


def test_it_is_public() -> None:
    assert edsnb.read_velox_tables is read_velox_tables

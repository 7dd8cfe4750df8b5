"""``edsnb compare``: two or more methods on one map, as a page that can be sent."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edsnb.commands.options import Commands, add_recipe, recipe_of, watcher
from edsnb.core.counted import counted
from edsnb.errors import InputError
from edsnb.io.words import names

if TYPE_CHECKING:
    from edsnb.comparing import Compared

_EPILOG = """\
sources:
  edsnb, window, hyperspy, hyperspy-lstsq,   fitted here, with the options below
  hyperspy-published
  recipe:FILE.toml                           fitted here, with the settings of a recipe
  velox, velox-log:FILE.emd                  the experiment log of this file, of another one
  velox-maps, velox-maps:FILE.emd            element maps that Velox stored
  velox:PATH                                 a table that Velox exported, or a folder of its batches
  table:PATH                                 a table compiled by hand, CSV or XLSX, or edsnb's chips.csv

how tables are read, where a message asks for it (docs/velox-exports.md):
  --table by=name|order     regions are told by their names, or by their order alone
  --table batch=8           regions in a file
  --table first=1           rows and columns are counted from 1
  --table sheet=NAME|all    which sheet of a workbook
  --table ignore=A,B        columns to leave out
  --table least_sum=30      smallest sum of a region's percentages

examples:
  edsnb compare map.emd --first edsnb --second velox:exports --phases STO=SrTiO3,LFO=LaFeO3 --out report
  edsnb compare spectrum.emd --second velox --out report
"""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    compare = commands.add_parser(
        "compare", help="compare methods chip by chip and beside formulae: a report to read and send",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    compare.add_argument("file", type=Path, metavar="FILE")
    compare.add_argument("--first", default="edsnb", metavar="SOURCE", help="see below (default edsnb)")
    compare.add_argument("--second", action="append", required=True, metavar="SOURCE",
                         help="see below; several times for several methods beside the first")  # fmt: skip
    compare.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")
    compare.add_argument("--quantity", choices=("atomic", "weight", "counts"),
                         help="what is compared (default atomic); unlabelled columns hold it")  # fmt: skip
    compare.add_argument("--table", action="append", default=[], metavar="NAME=VALUE",
                         help="how tables are read; see below")  # fmt: skip
    compare.add_argument("--renormalise", nargs="?", const=True, default=False, type=names, metavar="Sr,Ti,O",
                         help="elements to share the 100 %% on both sides (default: common ones)")  # fmt: skip
    compare.add_argument("--phases", metavar="A=FORMULA,B=FORMULA",
                         help="phases and their formulae, such as STO=SrTiO3,LFO=LaFeO3")  # fmt: skip
    compare.add_argument("--phase-rules", metavar="'A=RULE; B=RULE'|FILE.toml",
                         help="what tells phases, such as 'LFO=La > 5; STO=Sr > 5' (default: formulae)")  # fmt: skip
    compare.add_argument("--border", type=int, metavar="CHIPS", help="leave out chips so near to another phase")
    compare.add_argument("--title", default="", help="title of the page")
    add_recipe(compare, engine=False)
    compare.add_argument("--overwrite", action="store_true", help="replace an earlier report")
    compare.add_argument("--quiet", action="store_true", help="no progress bars and no table")
    compare.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> int:
    """Compare, and write the report."""
    from edsnb.batch import check_writable
    from edsnb.comparing import compare_file, read_formulas, read_rules
    from edsnb.io.compositions import table_settings
    from edsnb.io.export import check_free
    from edsnb.report.write import KIND, page_of

    # What can be refused is refused before the work.
    if options.border is not None and options.phases is None and options.phase_rules is None:
        raise InputError("--border has no use without --phases or --phase-rules.")
    formulas = None if options.phases is None else read_formulas(options.phases)
    rules = None if options.phase_rules is None else read_rules(options.phase_rules)
    tables = table_settings(options.table)
    check_writable(options.out)
    check_free(options.out, overwrite=options.overwrite, kind=KIND)
    compared = compare_file(
        options.file, options.first, options.second, recipe_of(options), quantity=options.quantity,
        renormalise=options.renormalise, formulas=formulas, rules=rules, border=options.border,
        tables=tables, watch=watcher(options.quiet),
    )  # fmt: skip
    folder = compared.save(
        options.out, title=options.title, command=_command(sys.argv, options), overwrite=options.overwrite
    )
    if not options.quiet:
        print("\n".join(_lines(compared)))
        print(f"report: {page_of(folder)}")
    return 0


def _command(words: Sequence[str], options: argparse.Namespace) -> str:
    """Return the command as it was typed; the sources alone where it was not typed in a shell."""
    if words[1:2] == ["compare"]:
        return shlex.join(["edsnb", *words[1:]])
    seconds = [word for text in options.second for word in ("--second", text)]
    return shlex.join(["edsnb", "compare", str(options.file), "--first", options.first, *seconds])


def _lines(compared: Compared) -> list[str]:
    """Return the outcome in a few lines."""
    from edsnb.report.tables import Numbers, plain

    lines: list[str] = []
    for comparison in compared.comparisons:
        unit = "X-rays" if comparison.quantity == "counts" else comparison.unit
        lines.append(
            f"{comparison.methods[0]} minus {comparison.methods[1]}, {counted(len(comparison), 'region')}, {unit}"
        )
        shown = Numbers(comparison.quantity == "counts")
        lines += [
            f"  {element:<3}{shown.signed(a.bias, a.bias_se):>18}   ratio {plain(a.ratio)}   "
            f"concordance {plain(a.concordance)}   {counted(a.n, 'chip')}"
            for element, a in comparison.by_element.items()
        ]
    for r in compared.stoichiometry or ():
        known = all(map(math.isfinite, r.normalised))
        found = ", ".join(
            f"{e} {x:.2f} ({d:.1f} % off)" for e, x, d in zip(r.elements, r.normalised, r.error_percent, strict=True)
        )
        outcome = found if known else "not known, an element or every chip is missing"
        lines.append(f"{r.phase} as {r.formula}, {r.method}, {counted(r.chips, 'chip')}: {outcome}")
    return [*lines, *_notes(compared)]


def _notes(compared: Compared) -> list[str]:
    """Return what was left out, is missing or was found out of what was read; what fits say stands in the report."""
    notes = [*compared.notes, *(note for comparison in compared.comparisons for note in comparison.notes)]
    lines = [f"note: {note}" for note in dict.fromkeys(notes)]
    sides = {side.method: side for comparison in compared.comparisons for side in comparison.compositions}
    for method, side in sides.items():
        if method not in compared.analyses and side.notes:
            lines += [f"notes on {method}:", *(f"  {note}" for note in side.notes)]
    return lines

"""``edsnb run``: cut maps into chips, fit and quantify them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edsnb.commands.options import Commands, add_recipe, recipe_of, watcher

_EPILOG = """\
Lines are named as HyperSpy does (La_La); the family they belong to is quantified (La_L).
example:  edsnb run map.emd --elements La,Fe,Sr,Ti,O --deconvolve Cu,C --chip 15 --crop 0:500,0:500 --out result
"""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    run = commands.add_parser(
        "run", help="cut maps into chips, fit and quantify them",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    run.add_argument("files", nargs="+", type=Path, metavar="FILE")
    run.add_argument("--out", type=Path, required=True, metavar="DIR", help="result folder; one inside it per file")
    add_recipe(run)
    run.add_argument("--pixel-maps", type=int, dest="pixel_kernel", metavar="PX",
                     help="map every pixel too, averaged over a box of PX pixels a side")  # fmt: skip
    run.add_argument("--overwrite", action="store_true", help="replace results that exist")
    run.add_argument("--quiet", action="store_true", help="no progress bars and no table")
    run.add_argument("--json", action="store_true", help="print the summary as JSON")
    run.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    """Analyse one or several files."""
    from edsnb.batch import run_batch, summary_lines

    recipe = recipe_of(options)
    quiet = options.quiet or options.json
    outcome = run_batch(options.files, recipe, options.out, overwrite=options.overwrite, watch=watcher(quiet))
    if options.json:
        print(json.dumps(outcome.to_dict(), indent=2, ensure_ascii=False))
    elif not options.quiet:
        print("\n".join(summary_lines(outcome)))
    for path, message in outcome.failures.items():
        print(f"edsnb: {message if path in message else f'{path}: {message}'}", file=sys.stderr)
    return 2 if outcome.failures else 0

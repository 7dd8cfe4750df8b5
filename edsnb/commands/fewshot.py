"""``edsnb export | labels``: chips to a few-shot model, and its answer back onto the map."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from edsnb.commands.options import Commands, add_grid, add_recipe, recipe_of, watcher
from edsnb.errors import EdsnbWarning
from edsnb.io.fewshot.formats import format_lines, parse_formats
from edsnb.io.fewshot.names import NAMINGS, Naming


def add(commands: Commands) -> None:
    """Add the commands and their options."""
    export = commands.add_parser(
        "export", help="hand chips to few-shot models: patches, spectra, composition, features",
        epilog=_export_epilog(), formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the export")
    export.add_argument("--format", default="parquet", metavar="A,B",
                        help="one or several formats, see below (default parquet)")  # fmt: skip
    export.add_argument("--labels", type=Path, metavar="FILE.json",
                        help='labelled chips as {"film": ["R0C1", "R0C2"], ...}')  # fmt: skip
    export.add_argument("--naming", choices=tuple(map(str, Naming)), default=str(Naming.GUI),
                        help="how pychip calls the chips, see below (default gui)")  # fmt: skip
    export.add_argument("--name", help="what pychip calls the map (default: the file's name)")
    export.add_argument("--energy-bin", type=int, metavar="N",
                        help="channels summed into one of pychipclassifier's eds.npy (default: so that it stays below "
                             "450 MB)")  # fmt: skip
    add_recipe(export)
    export.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    export.add_argument("--quiet", action="store_true", help="no progress bars and no list of files")
    export.set_defaults(command=_export)

    labels = commands.add_parser(
        "labels", help="lay the classes that a few-shot model predicted onto the map: picture and table",
        epilog="example:  edsnb labels fewshot_result.csv map.emd --recipe export/recipe.toml --out classes\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    labels.add_argument(
        "result", type=Path, metavar="RESULT.csv", help="fewshot_result.csv: chips, classes, prediction"
    )
    labels.add_argument("file", type=Path, metavar="FILE", help="the map that the chips were cut from")
    labels.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for labels.csv and labels.png")
    labels.add_argument("--recipe", type=Path, metavar="FILE.toml", help="recipe.toml of the export; options below win")
    add_grid(labels)
    labels.add_argument("--overwrite", action="store_true", help="replace earlier labels")
    labels.add_argument("--quiet", action="store_true", help="no progress bars and no table")
    labels.set_defaults(command=_labels)


def _export_epilog() -> str:
    """Return the formats and namings for people."""
    namings = (f"{naming:<18}{preset.template} ({preset.meaning})" for naming, preset in NAMINGS.items())
    example = "example:  edsnb export map.emd --chip 15 --format parquet,pychip --labels support.json --out export"
    return "\n  ".join(["formats:", *format_lines()]) + "\n" + "\n  ".join(["namings:", *namings]) + f"\n{example}\n"


def _export(options: argparse.Namespace) -> int:
    """Analyse a file, and write its chips for others."""
    from edsnb.batch import check_writable
    from edsnb.io.export import check_free
    from edsnb.io.fewshot.read import read_support
    from edsnb.io.fewshot.write import KIND
    from edsnb.pipeline import analyse

    # What can be refused is refused before the work.
    formats = parse_formats(options.format)
    check_writable(options.out)
    check_free(options.out, overwrite=options.overwrite, kind=KIND)
    labels = read_support(options.labels) if options.labels else None
    watch = watcher(options.quiet)
    analysis = analyse(options.file, recipe_of(options), progress=watch(options.file.name))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", EdsnbWarning)
        folder = analysis.export(
            options.out, formats, labels=labels, naming=options.naming, energy_bin=options.energy_bin,
            name=options.name, overwrite=options.overwrite, progress=watch("eds.npy"),
        )  # fmt: skip
    if not options.quiet:
        print("\n".join(_listed(folder)))
        print(
            "\n".join(f"note: {note}" for note in dict.fromkeys(str(w.message) for w in caught)),
            end="\n" * bool(caught),
        )
    return 0


def _listed(folder: Path) -> list[str]:
    """Return what lies in a folder, with sizes."""
    lines = [f"{folder}: see README.txt in it"]
    for path in sorted(folder.iterdir()):
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        number = "" if path.is_file() else f", {len(files)} files"
        lines.append(
            f"  {path.name + '/' * path.is_dir():<20}{sum(p.stat().st_size for p in files) / 1e6:8.2f} MB{number}"
        )
    return lines


def _labels(options: argparse.Namespace) -> int:
    """Read a few-shot result onto the chips of a map."""
    from edsnb.io.fewshot.read import read_labels
    from edsnb.io.fewshot.write import save_labels
    from edsnb.io.opening import open_file
    from edsnb.plots.labels import draw_labels

    recipe = recipe_of(options)
    image = open_file(options.file, spectrum_image=recipe.spectrum_image, progress=watcher(options.quiet)("map"))
    labels = read_labels(options.result, recipe.grid.regions(image.shape))
    save_labels(labels, image, options.out, draw_labels, overwrite=options.overwrite)
    if not options.quiet:
        predicted = labels.predicted
        for name in labels.classes:
            print(f"{name:<24}{predicted.count(name):6} chips {100 * predicted.count(name) / len(labels):6.1f} %")
        print(f"least certain, worth labelling next: {', '.join(labels.uncertain()) or 'none'}")
        print(f"results: {options.out}")
    return 0

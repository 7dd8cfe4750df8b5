"""The command line: ``edsnb info | run | advise | kfactors | simulate | demo``.

Heavy modules are imported inside the commands, so that ``edsnb --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb import __version__
from edsnb.errors import EdsnbError, InputError

if TYPE_CHECKING:
    from edsnb.core.fitting.solve import Progress
    from edsnb.recipe import Recipe

_RUN_EPILOG = """\
Lines are named as HyperSpy does (La_La); the family they belong to is quantified (La_L).
example:  edsnb run map.emd --elements La,Fe,Sr,Ti,O --deconvolve Cu,C --chip 15 --crop 0:500,0:500 --out result
"""

_BAR = "{desc} {percentage:3.0f} % |{bar}| {elapsed} < {remaining}"

_PICK_HELP = "which map of a file that holds several: its number from 0, or its name"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line on standard error for anything the user can mend."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without χ or ± shows ? instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        code = int(options.command(options))
        sys.stdout.flush()
        return code
    except EdsnbError as error:
        print(f"edsnb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("edsnb: stopped; results that were finished stay, nothing is left half done.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output, such as head, has had enough; what is left must not be flushed into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="edsnb", description="From a STEM-EDS map to quantified chips, with error bars."
    )
    parser.add_argument("--version", action="version", version=f"edsnb {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="what is in a file and what can be done with it")
    info.add_argument("file", type=Path)
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument("--spectrum-image", type=_pick, metavar="N", help=_PICK_HELP)
    info.set_defaults(command=_info)

    run = commands.add_parser(
        "run", help="cut maps into chips, fit and quantify them",
        epilog=_RUN_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_run(run)
    run.set_defaults(command=_run)

    _add_kfactors(commands.add_parser("kfactors", help="print theoretical k-factors with their uncertainty"))
    _add_advise(commands.add_parser("advise", help="predict the precision of each element against chip size"))

    simulate = commands.add_parser("simulate", help="write a simulated LaFeO3/SrTiO3 map as a Velox .emd")
    simulate.add_argument("out", type=Path, metavar="OUT.emd")
    simulate.add_argument("--size", type=int, default=512, help="pixels a side (default 512)")
    simulate.add_argument("--frames", type=int, default=30, help="frames summed (default 30)")
    simulate.add_argument("--counts", type=float, default=120.0, help="mean X-rays per pixel of material (default 120)")
    simulate.add_argument("--seed", type=int, default=0, help="same seed, same map (default 0)")
    simulate.add_argument("--overwrite", action="store_true", help="replace an existing file")
    simulate.set_defaults(command=_simulate)

    demo = commands.add_parser("demo", help="simulate the published case, quantify it, and hold it against the truth")
    demo.add_argument("--out", type=Path, default=Path("edsnb-demo"), metavar="DIR", help="default: edsnb-demo")
    demo.add_argument("--overwrite", action="store_true", help="replace an earlier demo")
    demo.add_argument("--quiet", action="store_true", help="no progress bars")
    demo.set_defaults(command=_demo)
    return parser


def _add_kfactors(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``edsnb kfactors``."""
    parser.add_argument("--elements", type=_names, metavar="La,Fe", help="all families that the beam excites")
    parser.add_argument("--lines", type=_names, metavar="La_La,Fe_Ka", help="these families instead")
    parser.add_argument("--kv", type=float, default=200.0, metavar="KV", help="beam energy in keV (default 200)")
    parser.set_defaults(command=_kfactors)


def _add_advise(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``edsnb advise``."""
    parser.add_argument("file", type=Path)
    parser.add_argument("--elements", type=_names, metavar="La,Fe", help="default: those selected in the file")
    parser.add_argument("--deconvolve", type=_names, default=(), metavar="Cu,C", help="kept out of the 100 %%")
    parser.add_argument("--crop", type=_crop, metavar="Y0:Y1,X0:X1", help="part of the map, ends excluded")
    parser.add_argument("--wanted", type=float, default=1.0, metavar="AT%", help="standard deviation (default 1 at%%)")
    parser.set_defaults(command=_advise)


def _add_run(run: argparse.ArgumentParser) -> None:
    """Add the options of ``edsnb run``; each sets the recipe's field of its name."""
    run.add_argument("files", nargs="+", type=Path, metavar="FILE")
    run.add_argument("--out", type=Path, required=True, metavar="DIR", help="result folder; one inside it per file")
    run.add_argument("--recipe", type=Path, metavar="FILE.toml", help="settings from a recipe; options below win")
    run.add_argument(
        "--elements", type=_names, metavar="La,Fe", help="elements to quantify (default: those in the file)"
    )
    run.add_argument("--deconvolve", type=_names, metavar="Cu,C", help="elements fitted but kept out of the 100 %%")
    run.add_argument("--lines", type=_names, metavar="La_La,Fe_Ka", help="line that quantifies each element")
    run.add_argument("--spectrum-image", type=_pick, metavar="N", help=_PICK_HELP)
    run.add_argument("--chip", type=int, metavar="PX", help="edge of a chip in pixels (default 16)")
    run.add_argument("--stride", type=int, metavar="PX", help="pixels from chip to chip (default: the chip's edge)")
    run.add_argument("--crop", type=_crop, metavar="Y0:Y1,X0:X1", help="part of the map, ends excluded")
    run.add_argument("--energy", type=_energy, metavar="LOW:HIGH", help="fitted range in keV (default 0.2:20)")
    run.add_argument("--background", choices=("physical", "polynomial", "none"))
    run.add_argument("--refine", action="store_true", default=None,
                     help="find proportions of L and M subshells on the summed spectrum")  # fmt: skip
    run.add_argument("--kfactors", metavar="theory|FILE", help="k-factors: theory (default), a Velox CSV, a saved TOML")
    run.add_argument("--k-convention", choices=("family", "alpha"), help="what k-factors belong to (default family)")
    run.add_argument("--beam-kev", type=float, metavar="KEV", help="beam energy, where the file gives none")
    run.add_argument("--thickness-nm", type=float, metavar="NM", help="film thickness, to correct for absorption")
    run.add_argument("--density", type=float, dest="density_g_cm3", metavar="G/CM3", help="its density, for the same")
    run.add_argument("--take-off-deg", type=float, metavar="DEG", help="take-off angle, where the file gives none")
    run.add_argument("--pixel-maps", type=int, dest="pixel_kernel", metavar="PX",
                     help="map every pixel too, averaged over a box of PX pixels a side")  # fmt: skip
    run.add_argument("--no-calibrate", dest="calibrate", action="store_false", default=None,
                     help="use the file's energy axis as it is")  # fmt: skip
    run.add_argument("--engine", choices=("edsnb", "window", "hyperspy", "hyperspy-published", "hyperspy-lstsq"))
    run.add_argument("--overwrite", action="store_true", help="replace results that exist")
    run.add_argument("--quiet", action="store_true", help="no progress bars and no table")
    run.add_argument("--json", action="store_true", help="print the summary as JSON")


def _pick(text: str) -> int | str:
    """Read the number or name of a map."""
    return int(text) if text.isdecimal() else text


def _names(text: str) -> tuple[str, ...]:
    """Read ``La,Fe``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _crop(text: str) -> tuple[int, int, int, int]:
    """Read ``0:500,0:500`` as (y0, y1, x0, x1)."""
    try:
        (y0, y1), (x0, x1) = (part.split(":") for part in text.split(","))
        return int(y0), int(y1), int(x0), int(x1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not y0:y1,x0:x1 in pixels, such as 0:500,0:500") from None


def _energy(text: str) -> tuple[float, float]:
    """Read ``0.2:20``."""
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not low:high in keV, such as 0.2:20") from None
    return low, high


def _info(options: argparse.Namespace) -> int:
    """Print what a file holds."""
    from edsnb.io.describe import describe, describe_text
    from edsnb.io.opening import open_file

    image = open_file(options.file, spectrum_image=options.spectrum_image)
    print(json.dumps(describe(image), indent=2, ensure_ascii=False) if options.json else describe_text(image))
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe of the options given, over those of ``--recipe``."""
    from dataclasses import replace

    from edsnb.recipe import Recipe

    base = Recipe.from_toml(options.recipe) if options.recipe else Recipe()
    given = {f.name: getattr(options, f.name, None) for f in fields(Recipe)}
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def _run(options: argparse.Namespace) -> int:
    """Analyse one or several files."""
    from edsnb.batch import run_batch, summary_lines

    recipe = _recipe(options)
    quiet = options.quiet or options.json
    outcome = run_batch(options.files, recipe, options.out, overwrite=options.overwrite, watch=_watcher(quiet))
    if options.json:
        print(json.dumps(outcome.to_dict(), indent=2, ensure_ascii=False))
    elif not options.quiet:
        print("\n".join(summary_lines(outcome)))
    for path, message in outcome.failures.items():
        print(f"edsnb: {message if path in message else f'{path}: {message}'}", file=sys.stderr)
    return 2 if outcome.failures else 0


def _kfactors(options: argparse.Namespace) -> int:
    """Print theoretical k-factors."""
    from edsnb.core.quant.kfactors import kfactor_table

    if not options.elements and not options.lines:
        raise InputError("kfactors: name elements or lines, such as --elements Sr,Ti,O or --lines Sr_Ka,Ti_Ka,O_Ka.")
    table = kfactor_table(options.elements or (), options.kv, options.lines)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    return 0


def _advise(options: argparse.Namespace) -> int:
    """Print the predicted precision against chip size."""
    from edsnb.core.advise import advise
    from edsnb.io.opening import open_file

    image = open_file(options.file)
    chosen = options.elements or tuple(e.symbol for e in image.elements if e.quantify)
    if not chosen:
        raise InputError(f"{options.file}: no elements are selected in the file, so name them: --elements Sr,Ti,O.")
    kept_out = options.deconvolve or tuple(e.symbol for e in image.elements if e.symbol not in chosen)
    advice = advise(image, (*chosen, *kept_out), deconvolve=kept_out, crop=options.crop, wanted=options.wanted)
    print(advice.to_frame().to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    print(advice.describe())
    return 0


def _simulate(options: argparse.Namespace) -> int:
    """Write a simulated map and its truth."""
    from edsnb.core.simulation.simulate import simulate
    from edsnb.io.velox_write import truth_path, write_velox

    if options.out.suffix.lower() != ".emd":
        raise InputError(f"{options.out}: the simulated map is a Velox file; give a name that ends in .emd.")
    made = simulate(size=options.size, frames=options.frames, counts=options.counts, seed=options.seed)
    write_velox(made, options.out, overwrite=options.overwrite)
    total = made.image.require_events().total()
    print(f"{options.out}: {options.size} x {options.size} pixels, {total / 1e6:.1f} M X-rays; "
          f"what is true of it: {truth_path(options.out)}")  # fmt: skip
    return 0


def _demo(options: argparse.Namespace) -> int:
    """Run the published case on the built-in example."""
    from edsnb.demo import run_demo

    print("\n".join(run_demo(options.out, overwrite=options.overwrite, watch=_watcher(options.quiet))))
    return 0


def _watcher(quiet: bool) -> Callable[[str], Progress | None]:
    """Return a function that makes a progress bar for a job of a given name."""

    def bar(name: str) -> Progress:
        shown: Any = None

        def update(done: int, total: int) -> None:
            nonlocal shown
            # Reading and fitting each count from zero to a total of their own, and may tell of the end twice.
            if shown is None and done < total:
                from tqdm import tqdm

                shown = tqdm(desc=name, total=total, file=sys.stderr, leave=False, disable=None, bar_format=_BAR)
            if shown is not None:
                shown.update(done - shown.n)
            if shown is not None and done >= total:
                shown.close()
                shown = None

        return update

    return (lambda _: None) if quiet else bar


if __name__ == "__main__":
    sys.exit(main())

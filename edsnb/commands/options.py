"""What several commands share: how options are read, those of a recipe, progress bars."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from edsnb.errors import InputError
from edsnb.io import words
from edsnb.io.words import names, pick

if TYPE_CHECKING:
    from edsnb.core.fitting.solve import Progress
    from edsnb.recipe import Recipe

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
T = TypeVar("T")
PICK_HELP = "which map of a file that holds several: its number from 0, or its name"
_BAR = "{desc} {percentage:3.0f} % |{bar}| {elapsed} < {remaining}"


def add_recipe(parser: argparse.ArgumentParser, *, engine: bool = True) -> None:
    """Add the settings of an analysis; each sets the recipe's field of its name."""
    parser.add_argument("--recipe", type=Path, metavar="FILE.toml", help="settings from a recipe; options below win")
    parser.add_argument(
        "--elements", type=names, metavar="La,Fe", help="elements to quantify (default: those in the file)"
    )
    parser.add_argument("--deconvolve", type=names, metavar="Cu,C", help="elements fitted but kept out of the 100 %%")
    parser.add_argument("--lines", type=names, metavar="La_La,Fe_Ka", help="line that quantifies each element")
    add_grid(parser)
    parser.add_argument("--energy", type=_energy, metavar="LOW:HIGH", help="fitted range in keV (default 0.2:20)")
    parser.add_argument("--background", choices=("physical", "polynomial", "none"))
    parser.add_argument("--refine", action="store_true", default=None,
                        help="find proportions of L and M subshells on the summed spectrum")  # fmt: skip
    parser.add_argument("--kfactors", metavar="theory|FILE",
                        help="k-factors: theory (default), a Velox CSV, a saved TOML")  # fmt: skip
    parser.add_argument("--k-convention", choices=("family", "alpha"), help="what k-factors belong to (default family)")
    parser.add_argument("--beam-kev", type=float, metavar="KEV", help="beam energy, where the file gives none")
    parser.add_argument("--thickness-nm", type=float, metavar="NM", help="film thickness, to correct for absorption")
    density = "its density, for the same"
    parser.add_argument("--density", type=float, dest="density_g_cm3", metavar="G/CM3", help=density)
    parser.add_argument("--take-off-deg", type=float, metavar="DEG", help="take-off angle, where the file gives none")
    parser.add_argument("--no-calibrate", dest="calibrate", action="store_false", default=None,
                        help="use the file's energy axis as it is")  # fmt: skip
    if engine:
        parser.add_argument("--engine", choices=("edsnb", "window", "hyperspy", "hyperspy-published", "hyperspy-lstsq"))


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Add the settings that say which map is cut, and how."""
    parser.add_argument("--spectrum-image", type=pick, metavar="N", help=PICK_HELP)
    parser.add_argument("--chip", type=int, metavar="PX", help="edge of a chip in pixels (default 16)")
    parser.add_argument("--stride", type=int, metavar="PX", help="pixels from chip to chip (default: the chip's edge)")
    parser.add_argument("--crop", type=crop, metavar="Y0:Y1,X0:X1", help="part of the map, ends excluded")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe of the options given, over those of ``--recipe``."""
    from dataclasses import replace

    from edsnb.recipe import Recipe

    base = Recipe.from_toml(options.recipe) if options.recipe else Recipe()
    given = {f.name: getattr(options, f.name, None) for f in fields(Recipe)}
    return replace(base, **{name: value for name, value in given.items() if value is not None})


def crop(text: str) -> tuple[int, int, int, int]:
    """Read ``0:500,0:500`` as (y0, y1, x0, x1)."""
    return _told(words.crop, text)


def _energy(text: str) -> tuple[float, float]:
    """Read ``0.2:20``."""
    return _told(words.energy, text)


def _told(read: Callable[[str], T], text: str) -> T:
    """Read an option; its own message is printed instead of argparse's."""
    try:
        return read(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def watcher(quiet: bool) -> Callable[[str], Progress | None]:
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

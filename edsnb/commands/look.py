"""``edsnb info | advise | kfactors``: what is known before a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from edsnb.commands.options import PICK_HELP, Commands, crop
from edsnb.errors import InputError
from edsnb.io.words import names, pick


def add(commands: Commands) -> None:
    """Add the commands and their options."""
    info = commands.add_parser("info", help="what is in a file and what can be done with it")
    info.add_argument("file", type=Path)
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument("--spectrum-image", type=pick, metavar="N", help=PICK_HELP)
    info.set_defaults(command=_info)

    kfactors = commands.add_parser("kfactors", help="print theoretical k-factors with their uncertainty")
    kfactors.add_argument("--elements", type=names, metavar="La,Fe", help="all families that the beam excites")
    kfactors.add_argument("--lines", type=names, metavar="La_La,Fe_Ka", help="these families instead")
    kfactors.add_argument("--kv", type=float, default=200.0, metavar="KV", help="beam energy in keV (default 200)")
    kfactors.set_defaults(command=_kfactors)

    advise = commands.add_parser("advise", help="predict the precision of each element against chip size")
    advise.add_argument("file", type=Path)
    advise.add_argument("--elements", type=names, metavar="La,Fe", help="default: those selected in the file")
    advise.add_argument("--deconvolve", type=names, default=(), metavar="Cu,C", help="kept out of the 100 %%")
    advise.add_argument("--crop", type=crop, metavar="Y0:Y1,X0:X1", help="part of the map, ends excluded")
    advise.add_argument("--wanted", type=float, default=1.0, metavar="AT%", help="standard deviation (default 1 at%%)")
    advise.set_defaults(command=_advise)


def _info(options: argparse.Namespace) -> int:
    """Print what a file holds."""
    from edsnb.io.describe import describe, describe_text
    from edsnb.io.opening import open_file

    image = open_file(options.file, spectrum_image=options.spectrum_image)
    print(json.dumps(describe(image), indent=2, ensure_ascii=False) if options.json else describe_text(image))
    return 0


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

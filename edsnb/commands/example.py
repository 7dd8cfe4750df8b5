"""``edsnb simulate | demo``: a map whose truth is known, and the published case on it."""

from __future__ import annotations

import argparse
from pathlib import Path

from edsnb.commands.options import Commands, watcher
from edsnb.errors import InputError


def add(commands: Commands) -> None:
    """Add the commands and their options."""
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
    demo.add_argument("--no-compare", dest="comparing", action="store_false",
                      help="leave out the comparison with HyperSpy's published recipe (half a minute)")  # fmt: skip
    demo.add_argument("--overwrite", action="store_true", help="replace an earlier demo")
    demo.add_argument("--quiet", action="store_true", help="no progress bars")
    demo.set_defaults(command=_demo)


def _simulate(options: argparse.Namespace) -> int:
    """Write a simulated map and its truth."""
    from edsnb.core.simulation.simulate import simulate
    from edsnb.io.velox.write import truth_path, write_velox

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

    lines = run_demo(
        options.out, overwrite=options.overwrite, comparing=options.comparing, watch=watcher(options.quiet)
    )
    print("\n".join(lines))
    return 0

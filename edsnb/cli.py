"""The command line: ``edsnb run | serve | compare | info | kfactors | advise | export | labels | simulate | demo``.

The commands themselves are in `edsnb.commands`.
Heavy modules are imported inside the commands, so that ``edsnb --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from edsnb import __version__
from edsnb.commands import compare, example, fewshot, look, run, serve
from edsnb.errors import EdsnbError

_GROUPS = (run, serve, compare, look, fewshot, example)
"""Modules of commands, in the order of ``edsnb --help``."""


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
    for group in _GROUPS:
        group.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""``edsnb serve``: the Workbench in a browser, for one or for several people."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from edsnb.commands.options import Commands

_EPILOG = """\
Only the files named, and those below the folders named, can be opened by whoever uses the page; nobody but this
computer can reach it unless --address says so. Put a proxy with TLS in front of a server that others use, and name its
host with --allow-origin. With --oauth PROVIDER, key and secret come from PANEL_OAUTH_KEY and PANEL_OAUTH_SECRET.

example:  edsnb serve measurements/ --auth users.json --address 0.0.0.0 --allow-origin eds.example.org
"""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    serve = commands.add_parser(
        "serve", help="the Workbench in a browser: files, chips, fits, composition, code",
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    serve.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, or folders of files")
    serve.add_argument("--port", type=int, default=5006, help="default 5006; 0 for any free one")
    serve.add_argument("--address", default="127.0.0.1", metavar="IP", help="default 127.0.0.1: this computer only")
    serve.add_argument("--allow-origin", action="append", default=[], metavar="HOST[:PORT]",
                       help="host under which a proxy shows the page; may be given several times")  # fmt: skip
    serve.add_argument("--prefix", default="", metavar="/PATH", help="path under which a proxy shows the page")
    serve.add_argument("--auth", type=Path, metavar="FILE", help='people who may sign in: JSON, {"name": "password"}')
    serve.add_argument("--oauth", metavar="PROVIDER", help="sign in with github, google, azure, okta, ...")
    serve.add_argument("--upload", type=int, default=200, metavar="MB",
                       help="files sent in one session together (default 200; 0 for none)")  # fmt: skip
    serve.add_argument("--sessions", type=int, default=20, metavar="N", help="people at once (default 20)")
    serve.add_argument("--idle", type=float, default=120.0, metavar="MIN",
                       help="minutes until an unused page gives its memory back (default 120)")  # fmt: skip
    serve.add_argument("--linger", type=float, default=15.0, metavar="S",
                       help="seconds that a session outlives its browser (default 15)")  # fmt: skip
    serve.add_argument("--show", action="store_true", help="open the page in a browser")
    serve.set_defaults(command=_serve)


def _serve(options: argparse.Namespace) -> int:
    """Serve until the user stops it."""
    from edsnb.io.roots import Roots
    from edsnb.widgets.serving.server import LOOPBACK, Serving, address_of, make_server, read_users, run
    from edsnb.widgets.serving.session import Site

    site = Site(Roots.of(options.files), options.upload, options.sessions, options.idle * 60.0)
    users = None if options.auth is None else read_users(options.auth)
    serving = Serving(
        options.port, options.address, tuple(options.allow_origin), users, options.oauth, options.prefix, options.linger
    )
    server = make_server(site, serving)
    url = address_of(server, serving)
    print(f"edsnb: {url} (stop with Ctrl+C)", flush=True)
    if options.address not in LOOPBACK and users is None and options.oauth is None:
        print("edsnb: anybody who reaches this address can open these files; --auth asks for a name.", file=sys.stderr)
    if options.show:
        webbrowser.open(url)
    site.open_ahead()
    run(server)
    return 0

"""The server of ``edsnb serve``: one process, many sessions over shared read-only maps."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokeh.settings import settings
from panel.io.server import get_server
from tornado.web import RequestHandler

import edsnb
from edsnb.errors import InputError
from edsnb.state.shared import SHARED
from edsnb.state.work import cancel_all, under_way
from edsnb.widgets.serving.session import LOGIN_PAGE, Site
from edsnb.widgets.setup import setup

if TYPE_CHECKING:
    from bokeh.server.server import Server

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and to whom the site is served."""

    port: int = 5006
    """0 for any free one."""
    address: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    """Further hosts, ``name`` or ``name:port``, whose pages may talk to this server, such as that of a proxy."""
    users: Mapping[str, str] | None = None
    """{name: password}; None for no login."""
    oauth_provider: str | None = None
    """One that Panel knows; key and secret come from PANEL_OAUTH_KEY and PANEL_OAUTH_SECRET."""
    prefix: str = ""
    """Path under which a proxy shows the server."""
    linger_s: float = 15.0
    """A session outlives its browser by so much, so that a short loss of the network does not end it."""


class Health(RequestHandler):
    """Tells whether the server is well, how many use it, what it is busy with, and how much memory it takes."""

    def initialize(self, site: Site) -> None:
        """Take the site."""
        self.site = site

    def get(self) -> None:
        """Answer with JSON."""
        self.set_header("Cache-Control", "no-store")
        self.write(
            {
                "status": "ok",
                "version": edsnb.__version__,
                "sessions": len(self.site.sessions),
                "maps": len(SHARED),
                "works": under_way(),
                "memory_mb": memory_mb(),
            }
        )


def make_server(site: Site, serving: Serving) -> Server:
    """Return the server, not yet started.

    Raises
    ------
    InputError
        The port is taken, or the address is not this computer's.
    """
    if serving.users is not None and serving.oauth_provider is not None:
        raise InputError("serve: users of a file and OAuth cannot both sign in; choose one of them.")
    login: dict[str, Any] = {}
    if serving.users is not None:
        login = {"basic_auth": dict(serving.users), "login_template": str(LOGIN_PAGE)}
    elif serving.oauth_provider is not None:
        login = {"oauth_provider": serving.oauth_provider}
    if login and not os.environ.get("PANEL_COOKIE_SECRET"):
        # Whoever is signed in has to do so again when the server is started anew.
        login["cookie_secret"] = secrets.token_hex(32)
    if not serving.port:
        serving = replace(serving, port=_free_port(serving.address))
    linger_ms = max(1, round(1000 * serving.linger_s))
    try:
        server: Server = get_server(
            {"/": site.page},
            port=serving.port,
            address=serving.address,
            websocket_origin=_origins(serving),
            title="edsnb",
            prefix=serving.prefix,
            extra_patterns=[(f"{serving.prefix}/health", Health, {"site": site})],
            unused_session_lifetime_milliseconds=linger_ms,
            check_unused_sessions_milliseconds=max(1, min(3000, linger_ms // 2)),
            **login,
        )
    except OSError as error:
        raise InputError(
            f"serve: {serving.address}:{serving.port} cannot be used ({error.strerror or error}). Choose another "
            "--port, or end the program that has this one."
        ) from error
    return server


def run(server: Server) -> None:
    """Serve until the process is told to end; then cancel all work and free what sessions hold."""
    loop = server.io_loop

    def stop(*_: object) -> None:
        loop.asyncio_loop.call_soon_threadsafe(loop.stop)  # type: ignore[attr-defined]

    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), stop)
    _prepare()
    server.start()
    loop.start()
    cancel_all()
    server.stop()


def _prepare() -> None:
    """Do what pages would else wait for."""
    setup()
    # A page is built a fifth faster without Bokeh's checks, which are meant for those who write pages.
    settings.perform_document_validation = False
    # What is loaded stays to the end: no need to look through it again while a page is built.
    gc.collect()
    gc.freeze()


def address_of(server: Server, serving: Serving) -> str:
    """Return the address to open in a browser."""
    host = "localhost" if serving.address in LOOPBACK else serving.address
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}{serving.prefix}/"


def read_users(path: Path) -> dict[str, str]:
    """Return the users of a file as Panel keeps them: JSON, {name: password}.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else.
    """
    try:
        users = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"serve: the users' file {path} cannot be read: {error}.") from None
    fine = isinstance(users, dict) and users and all(isinstance(p, str) and p for p in users.values())
    if not fine:
        raise InputError(f'serve: the users\' file {path} must hold names and passwords: {{"name": "password"}}.')
    return {str(name): str(password) for name, password in users.items()}


def memory_mb() -> float | None:
    """Return the memory this process takes; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except (OSError, ValueError, AttributeError, IndexError):
        return None


def _origins(serving: Serving) -> list[str]:
    """Return the hosts whose pages may open a websocket."""
    own = LOOPBACK[:2] if serving.address in LOOPBACK else (serving.address,)
    return [*(f"{host}:{serving.port}" for host in own), *serving.origins]


def _free_port(address: str) -> int:
    """Return a port that nobody listens on: it must be known before the server is made, as the origins name it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as free:
        free.bind((address, 0))
        return int(free.getsockname()[1])

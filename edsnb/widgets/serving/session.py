"""One visitor's session: the Workbench as a page, its link, its end; and the pages shown where there is none."""

from __future__ import annotations

import logging
import time
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import panel as pn
import panel_material_ui as pmui
import param
from panel.custom import JSComponent
from panel.io.resources import LOCAL_DIST

from edsnb.core.fitting.solve import Progress
from edsnb.state.bench.shelf import Shelf
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.jobs import read_map
from edsnb.state.shared import Held
from edsnb.state.work import Work, at_once
from edsnb.widgets.bench.workbench import Workbench
from edsnb.widgets.parts.fields import alert
from edsnb.widgets.parts.page import Page, make_page
from edsnb.widgets.parts.upload import Upload
from edsnb.widgets.scripts import SCRIPTS, script
from edsnb.widgets.setup import setup

if TYPE_CHECKING:
    from edsnb.io.roots import Roots

_LOG = logging.getLogger("edsnb")
_CHECK_MS = 15_000
"""How often a session looks whether anybody uses it."""
_RELOAD = "window.location.reload()"


@dataclass
class Site:
    """What all sessions share."""

    roots: Roots
    upload_mb: int = 200
    """Files sent in one session may have as much together; 0 for none."""
    most_sessions: int = 20
    idle_s: float = 7200.0
    """A session that nobody has used for so long gives its memory back."""
    sessions: set[WorkbenchState] = field(default_factory=set)
    """Those that are open."""
    kept: Held | None = None
    """The map that all come for, where there is one alone."""
    ahead: Work = field(default_factory=partial(Work, deliver=at_once))
    """Opening it."""

    def open_ahead(self) -> None:
        """Open the one file there is, while the first visitor is still on the way; it stays open for all."""
        only = Shelf(self.roots).only
        if only is not None:
            # What is wrong with the file is said to whoever opens it.
            self.ahead.start(f"Opening {only}", lambda progress: self._read(only, progress), self._keep)

    def _read(self, name: str, progress: Progress) -> Held:
        return read_map(self.roots.find(name), name, None, local=False, progress=progress)[0]

    def _keep(self, held: Held) -> None:
        self.kept = held

    def page(self) -> Any:
        """Return the page of a new session; whatever goes wrong is said on it."""
        try:
            setup()
            _use_own_files(pn.state.curdoc)
            if len(self.sessions) >= self.most_sessions:
                return notice(
                    f"{len(self.sessions)} people are using this server, as many as it takes at once. "
                    "Please try again in a few minutes."
                )
            return self._session()
        except Exception as error:  # noqa: BLE001 - a blank page would tell nobody
            _LOG.exception("a session could not be started")
            return notice(f"edsnb could not start here: {type(error).__name__}: {error}", severity="error")

    def _session(self) -> Page:
        state = WorkbenchState(self.roots, local=False)
        document = pn.state.curdoc
        if document is not None:
            _end_with(document, state, self.sessions)
        pn.config.exception_handler = partial(_report, weakref.ref(state))
        bench = Workbench(state=state, upload=self._upload(state))
        link = Address.of(state)
        # A map that is open already is then on the page from the start.
        state.follow(_query())
        state.begin()
        page = bench.page()
        # Only now: what fails before leaves no session behind.
        self.sessions.add(state)
        page.main = [*page.main, link]
        self._end_when_idle(state, page, document)
        return page

    def _upload(self, state: WorkbenchState) -> Upload | None:
        if not self.upload_mb:
            return None
        return Upload(
            lambda: state.shelf.uploads,
            state.receive,
            limit_mb=self.upload_mb,
            endings=list(state.shelf.endings),
            sizing_mode="stretch_width",
            margin=(6, 4),
        )

    def _end_when_idle(self, state: WorkbenchState, page: Page, document: Any) -> None:
        """Free what a session holds when nobody has used it for long; its page says so."""
        used = [time.monotonic()]

        def touched(_: object) -> None:
            used[0] = time.monotonic()

        def check() -> None:
            busy = any(work.running for work in state.works)
            if busy or time.monotonic() - used[0] < self.idle_s:
                return
            timer.stop()
            end(state, self.sessions)
            text = "This page was not used for long, so its memory was freed. Your settings are kept in the link."
            page.main = [_notice_box(text, "info", "Go on")]

        if document is not None:
            document.on_change(touched)
            timer = pn.state.add_periodic_callback(check, min(_CHECK_MS, int(1000 * self.idle_s / 4) + 1))


def _use_own_files(document: Any) -> None:
    """Let style sheets come from this server also where a browser comes back to a session that has ended.

    Panel says so when it renders a page; a new session for a page that is already there would take them from a CDN.
    """
    if document is not None:
        document._template_variables.setdefault("dist_url", LOCAL_DIST)


def notice(text: str, *, severity: str = "info") -> Page:
    """Return a page that says one thing."""
    return make_page(_notice_box(text, severity, "Try again"))


def _notice_box(text: str, severity: str, label: str) -> pn.Column:
    button = pmui.Button(label=label, variant="contained", margin=(10, 0))
    button.js_on_click(code=_RELOAD)
    return pn.Column(alert(text, severity, max_width=700), button, margin=24)


def _query() -> dict[str, str]:
    """Return the query of the address that was opened."""
    arguments = pn.state.session_args or {}
    return {name: values[-1].decode("utf-8", errors="replace") for name, values in arguments.items() if values}


class Address(JSComponent):
    """The address in the browser: a link to what is shown."""

    query = param.String(default="")

    _esm = script("address.js")

    @classmethod
    def of(cls, state: WorkbenchState) -> Address:
        """Return what follows a state."""
        made = cls(width=0, height=0, margin=0)

        def write(*_: object) -> None:
            made.query = "?" + urlencode(state.query(), safe=":,/")

        state.param.watch(write, ["file", "settings", "tab", "quantity", "selected"])
        return made


def _report(state: weakref.ref[WorkbenchState], error: BaseException) -> None:
    """Show what went wrong while something was clicked, and log it."""
    _LOG.error("a click was not answered", exc_info=error)
    found = state()
    if found is not None:
        found.tell(f"This did not work: {type(error).__name__}: {error}")


def end(state: WorkbenchState, sessions: set[WorkbenchState]) -> None:
    """Cancel the work of a session and free its memory."""
    sessions.discard(state)
    state.close()


def _end_with(document: Any, state: WorkbenchState, sessions: set[WorkbenchState]) -> None:
    """End a session with its document; what that needs is bound here, as much else is gone by then."""

    def ended(session_context: object) -> None:
        end(state, sessions)

    document.on_session_destroyed(ended)


LOGIN_PAGE = SCRIPTS / "login.html"
"""Panel's own takes its icon from a network."""

"""The server: which files it gives out, who may come in, what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener, urlopen

import pytest
from bokeh.models import ImportedStyleSheet

from edsnb.errors import CancelledError, InputError
from edsnb.io.roots import Roots
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.shared import SHARED
from edsnb.state.work import cancel_all
from edsnb.widgets.parts.texts import LiveText
from edsnb.widgets.serving import session as pages
from edsnb.widgets.serving.server import Serving, make_server, memory_mb, read_users
from edsnb.widgets.serving.session import Site
from tests.io.test_roots import foreign_files
from tests.served import serving


def texts(page) -> str:
    """Return all that alerts on a page say, as HTML."""
    return " ".join(text for part in page.main for line in part.select(LiveText) for text in line.lines)


@pytest.fixture(scope="module")
def root(tmp_path_factory, example) -> Path:
    """Return a served folder, with a secret beside it and links to that secret."""
    place = tmp_path_factory.mktemp("place")
    inside = place / "inside"
    inside.mkdir()
    shutil.copy(example, inside / "map.emd")
    shutil.copy(example, place / "secret.emd")
    try:
        (inside / "link.emd").symlink_to(place / "secret.emd")
        (inside / "up").symlink_to(place, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    return inside


def test_the_one_file_is_opened_ahead_and_kept(root):
    site = Site(Roots.of([root / "map.emd"]))
    site.open_ahead()
    # Nobody waits for it: it is kept by the thread that has opened it.
    deadline = time.monotonic() + 30
    while site.kept is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert site.kept.image.shape == (64, 64)
    assert (site.ahead.running, site.ahead.message) == (False, "")


def test_opening_ahead_stops_with_the_server(root, monkeypatch):
    """A thread that goes on to read HDF5 while the process ends keeps it from ending."""
    begun, stopped = threading.Event(), threading.Event()

    def read(path, name, which, *, local, progress):
        begun.set()
        while progress(0, 1) is not False:
            time.sleep(0.01)
        stopped.set()
        raise CancelledError("reading was cancelled; nothing was kept.")

    monkeypatch.setattr(pages, "read_map", read)
    site = Site(Roots.of([root / "map.emd"]))
    site.open_ahead()
    assert site.ahead.running
    assert begun.wait(10)
    cancel_all()
    assert stopped.wait(10)
    assert site.kept is None


OUTSIDE = (
    "../../etc/passwd", "../secret.emd", "/etc/passwd", "{place}/secret.emd", "file://{place}/secret.emd",
    "..%2Fsecret.emd", "%2e%2e/secret.emd", "..%252Fsecret.emd", "..\\secret.emd", "..%5Csecret.emd",
    "C:\\Windows\\win.ini", "\\\\host\\share\\secret.emd", "link.emd", "up/secret.emd", "up/inside/../secret.emd",
    "map.emd/../../secret.emd", "./../secret.emd", "....//secret.emd", "map.emd\0.txt", "", " ", "uploaded/map.emd",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_in_a_link_leads_outside(root, name):
    asked = name.replace("{place}", str(root.parent))
    for text in {asked, unquote(asked), unquote(unquote(asked))}:
        state = WorkbenchState(Roots.of([root]), local=False)
        state.follow({"file": text, "tab": "code"})
        state.opening.wait() if state.opening._future else None
        assert state.image is None
        assert state.file == ""
        if text:
            assert "not among the files" in state.message
        assert "root:" not in state.message
        assert "secret" not in " ".join(state.shelf.names())
        state.close()
    assert len(SHARED) == 0


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_files_that_read_other_files_are_not_opened(tmp_path, kind):
    made = foreign_files(tmp_path)[kind]
    state = WorkbenchState(Roots.of([tmp_path]), local=False)
    state.open(made.name)
    state.opening.wait()
    assert "kept in another file" in state.opening.message
    assert str(tmp_path) not in state.opening.message
    assert state.image is None
    state.close()


# In this process


def test_a_page_that_cannot_be_made_says_so(root, monkeypatch, caplog):
    def broken(**_):
        raise RuntimeError("out of <b>order</b>")

    monkeypatch.setattr(pages, "Workbench", broken)
    site = Site(Roots.of([root]))
    assert "out of <b>order</b>" in texts(site.page())
    assert "a session could not be started" in caplog.text
    assert not site.sessions


def test_when_all_places_are_taken(root):
    site = Site(Roots.of([root]), most_sessions=0)
    assert "as many as it takes" in texts(site.page())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "must hold names"),
        ("{}", "must hold names"),
        ('{"anna": 1}', "must hold names"),
        ('{"anna": ""}', "must hold names"),
    ],
)
def test_users_files_that_cannot_be_used(tmp_path, text, said):
    path = tmp_path / "users.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_users(path)


def test_users_and_oauth_together_are_refused(root):
    with pytest.raises(InputError, match="choose one"):
        make_server(Site(Roots.of([root])), Serving(users={"anna": "x"}, oauth_provider="github"))


def test_what_cannot_be_served_is_said_in_a_line(root):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port} cannot be used" in refused(root, "--port", port)
    assert "does not exist" in refused(root / "nothing")
    assert "cannot be read" in refused(root, "--auth", root / "nothing.json")


def refused(*arguments: object) -> str:
    """Return the one line that `edsnb serve` ends with."""
    command = [sys.executable, "-m", "edsnb.cli", "serve", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    return line


def test_memory_is_told():
    assert memory_mb() is None or 50 < memory_mb() < 50_000


def test_help_is_quick_because_panel_stays_out():
    code = "import sys, edsnb.cli\ntry: edsnb.cli.main(['serve', '--help'])\nexcept SystemExit: pass\n"
    code += "print('loaded:', sorted({n.split('.')[0] for n in sys.modules} & {'panel', 'bokeh', 'numpy', 'param'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
    assert "--allow-origin" in done.stdout


# The real thing


@pytest.fixture(scope="module")
def server(root):
    with serving(root, "--upload", "1", "--linger", "1") as running:
        yield running


def test_health(server):
    found = server.health()
    assert found["status"] == "ok"
    assert {"version", "sessions", "maps", "works", "memory_mb"} <= set(found)


def test_a_browser_that_comes_back_to_an_ended_session_fetches_nothing_elsewhere(server):
    """Bokeh makes a new session then, for a page that is already there."""
    from bokeh.client import pull_session

    session = pull_session(url=server.url)
    addresses = [sheet.url for sheet in session.document.select({"type": ImportedStyleSheet})]
    session.close()
    assert addresses
    assert not [address for address in addresses if "://" in address]
    server.until_sessions(0)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..%2Fsecret.emd", "link.emd", "map.emd"])
def test_every_link_gets_a_page_and_no_path(server, root, name):
    with urlopen(f"{server.url}?{urlencode({'file': name, 'chip': 'x', 'crop': '<script>'})}", timeout=120) as answer:
        text = answer.read().decode()
    assert answer.status == 200
    assert str(root.parent) not in text
    assert "https://cdn" not in text
    assert "<script>alert" not in text
    server.until_sessions(0)


@pytest.mark.parametrize(
    "path",
    ["../secret.emd", "..%2f..%2fetc/passwd", "static/../../secret.emd", "map.emd", "rest/session_info", "metrics",
     "admin", "static/extensions/panel/..%2f..%2f..%2f..%2f..%2fetc/passwd", "liveness"],
)  # fmt: skip
def test_nothing_else_is_served(server, path):
    with pytest.raises(HTTPError) as found:
        urlopen(Request(server.url + quote(path, safe="/%."), headers={"Accept": "*/*"}), timeout=60)
    found.value.close()
    assert found.value.code in (400, 403, 404)


async def _websocket(url: str, origin: str, token: str) -> str:
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import websocket_connect

    request = HTTPRequest(url.replace("http", "ws") + "ws", headers={"Origin": origin})
    try:
        connection = await websocket_connect(request, subprotocols=["bokeh", token])
    except HTTPClientError as error:
        return str(error.code)
    connection.close()
    while await connection.read_message() is not None:
        pass
    return "open"


def test_pages_of_other_hosts_cannot_talk_to_it(server):
    import asyncio
    import re

    with urlopen(server.url, timeout=120) as answer:
        token = re.search(r'"token":\s*"([^"]+)"', answer.read().decode())[1]
    assert asyncio.run(_websocket(server.url, "http://evil.example", token)) == "403"
    assert asyncio.run(_websocket(server.url, server.url.rstrip("/"), token)) == "open"


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def test_with_users_nobody_comes_in_without_a_name(root, tmp_path):
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"anna": "secret word"}), encoding="utf-8")
    opener = build_opener(_NoRedirect)

    def ask(path, data=None, cookie=""):
        body = None if data is None else urlencode(data).encode()
        try:
            answer = opener.open(Request(server.url + path, body, {"Cookie": cookie}), timeout=120)
        except HTTPError as error:
            answer = error
        with answer:
            return answer.code, answer.headers, answer.read().decode()

    with serving(root, "--auth", users) as server:
        code, headers, _ = ask("")
        assert code in (302, 303)
        assert "/login" in headers["Location"]
        _, _, page = ask("login")
        assert "password" in page
        assert "http" not in page
        _, headers, _ = ask("login", {"username": "anna", "password": str(users)})
        assert "error" in headers["Location"]
        _, headers, _ = ask("login", {"username": "anna", "password": "secret word"})
        cookies = "; ".join(value.split(";")[0] for value in headers.get_all("Set-Cookie"))
        assert ask("", cookie=cookies)[0] == 200
        assert server.health()["status"] == "ok"

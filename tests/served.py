"""The real ``edsnb serve`` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]

_LEFT = re.compile(
    r"Task exception was never retrieved\nfuture: .*ClosedError\(.*\n(?:.*\n)*?[\w.]*WebSocketClosedError\b"
)


@dataclass
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def health(self) -> dict[str, Any]:
        with urlopen(f"{self.url}health", timeout=60) as answer:
            return dict(json.load(answer))

    def until_sessions(self, number: int, seconds: float = 60.0) -> None:
        """Wait until so many sessions are open."""
        deadline = time.monotonic() + seconds
        while (found := self.health()["sessions"]) != number:
            assert time.monotonic() < deadline, f"{found} sessions instead of {number}; {self.said()}"
            time.sleep(0.2)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def serving(*arguments: object, env: dict[str, str] | None = None) -> Iterator[Served]:
    """Serve with these arguments on a free port; whatever it logged as an error fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "edsnb.cli", "serve", "--port", "0", *map(str, arguments)],
                stdout=file, stderr=subprocess.STDOUT, text=True, cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            )  # fmt: skip
            try:
                yield Served(_url(process, log), process, log)
                process.terminate()
                assert process.wait(30) == 0, log.read_text(encoding="utf-8")
            finally:
                process.kill()
                process.wait()
        assert "Traceback" not in _ours(log.read_text(encoding="utf-8")), log.read_text(encoding="utf-8")


def _url(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"http://\S+", log.read_text(encoding="utf-8")):
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"edsnb serve did not start: {log.read_text(encoding='utf-8')}")


def _ours(text: str) -> str:
    """Return a log without what tornado says of browsers that left in the middle of a message."""
    return _LEFT.sub("", text)

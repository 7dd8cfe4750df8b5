"""README and docs tell the truth: their code runs, their commands work, the output they show is what comes out."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edsnb.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.exists()]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = (
    "make ",
    "pip ",
    "python ",
    "git ",
    "sudo ",
    "jupyter ",
    "edsnb demo",
    "edsnb serve",
    "curl ",
    "systemctl ",
)
"""Commands that other tests or CI itself run, or that belong to another machine."""

pytestmark = pytest.mark.skipif(not PAGES, reason="not a checkout: no documents")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return (language, text) of each fenced block."""
    return BLOCK.findall(page.read_text("utf-8"))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the edsnb commands of a console block, continued lines joined, remarks left out."""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.split(" #")[0].strip()
        if stripped and not stripped.startswith(ELSEWHERE):
            assert stripped.startswith("edsnb "), f"not run by anybody: {stripped}"
            yield shlex.split(stripped)[1:]


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built-in example as a file: 512 x 512 pixels, 31 million X-rays."""
    path = tmp_path_factory.mktemp("big") / "map.emd"
    assert main(["simulate", str(path)]) == 0
    return path


@pytest.fixture
def desk(big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a ``map.emd`` and a recipe, in which documents are tried."""
    (tmp_path / "map.emd").hardlink_to(big)
    for page in PAGES:
        if recipe := next((text for language, text in blocks(page) if language == "toml"), None):
            (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_code_runs_and_prints_what_is_shown(document: Path, desk: Path):
    found, names = blocks(document), {"__name__": "__main__"}
    for (language, text), (next_language, shown) in pairwise([*found, ("", "")]):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(text, str(document), "exec"), names)
            if next_language == "text":
                assert printed.getvalue().split() == shown.split()


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_commands_work(document: Path, desk: Path, capsys: pytest.CaptureFixture[str]):
    for language, text in blocks(document):
        if language == "console":
            for arguments in commands(text):
                assert main(expanded(arguments)) == 0, capsys.readouterr().err


def expanded(arguments: list[str]) -> list[str]:
    """Return the arguments with ``*.emd`` expanded as a shell would."""
    return [part for a in arguments for part in (sorted(map(str, Path().glob(a))) if "*" in a else [a])]


def test_languages_are_known():
    """A block in another language would never be run."""
    known = {"python", "console", "text", "toml", "ini", "nginx", "json"}
    assert {language for page in PAGES for language, _ in blocks(page)} <= known


@pytest.mark.skipif(not (ROOT / "mkdocs.yml").exists(), reason="not a checkout: no documents")
def test_documents_build_without_warnings(tmp_path: Path):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    assert (tmp_path / "site" / "index.html").stat().st_size > 1000
    made = "".join(path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "cdn" not in made.lower()

"""The project's own files agree with each other, and hold nothing of the machine they were written on."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import edsnb

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("edsnb", "tests", "benchmarks", "notebooks", "binder", ".ci")
"""Where the project's files lie, beside those at the top."""
FOREIGN = {
    "a path of one machine": re.compile(r"(?<![\w.])/" + r"(?:work|opt|home|root)/\w"),
    "the address of a registry": re.compile(r"pypi" + r"\.org|python" + r"hosted|://\S+/sim" + r"ple\b"),
    "an option that names a registry": re.compile(r"--(?:extra-)?index" + r"-url|--find" + r"-links"),
}
"""What no file may hold; written in pieces, so that this one does not."""

pytestmark = pytest.mark.skipif(not (ROOT / "constraints.txt").exists(), reason="not a checkout: no constraints.txt")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pins() -> dict[str, tuple[str, list[str]]]:
    """Return {name: (version, hashes)} of the lock file, one logical line a pin."""
    text = (ROOT / "constraints.txt").read_text("utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        parsed = Requirement(requirement)
        (pin,) = parsed.specifier
        assert pin.operator == "==", line
        found[canonicalize_name(parsed.name)] = (pin.version, hashes)
    return found


def text_files() -> list[Path]:
    """Return every text file of the project."""
    inside = chain.from_iterable((ROOT / folder).rglob("*") for folder in FOLDERS)
    files = [path for path in chain(ROOT.iterdir(), inside) if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in files if b"\0" not in path.read_bytes()]


def test_version_is_the_same_everywhere():
    assert project()["project"]["version"] == edsnb.__version__
    assert f"## [{edsnb.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_pin_has_a_hash():
    locked = pins()
    assert len(locked) > 50
    for name, (version, hashes) in locked.items():
        assert hashes, f"{name}=={version} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), name


def test_lock_names_no_address():
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)


def test_dependencies_are_locked_in_the_asked_versions():
    locked = pins()
    table = project()["project"]
    extras = table["optional-dependencies"]
    asked = table["dependencies"] + extras["test"] + extras["dev"] + project()["build-system"]["requires"]
    for requirement in map(Requirement, asked):
        if canonicalize_name(requirement.name) != "edsnb":
            version, _ = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(Version(version)), f"{requirement}: locked at {version}"


def test_licence_is_the_whole_gpl_3():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert project()["project"]["license"] == "GPL-3.0-or-later"
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "17. Interpretation of Sections 15 and 16" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_checks_run_lint_then_tests_and_pytest_speaks_last():
    commands = [line for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert commands[0] == "set -euo pipefail"
    assert [line for line in commands if line.startswith("make")] == ["make lint", "make test"]
    assert commands[-1] == "make test"


def test_make_has_the_promised_targets():
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    assert targets >= {"demo", "test", "lint", "bench", "lock", "clean", "help"}
    assert "--require-hashes -r constraints.txt" in text
    assert "--no-deps --no-build-isolation -e ." in text


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names(what: str):
    files = text_files()
    assert ROOT / "pyproject.toml" in files
    assert Path(__file__).resolve() in files
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if FOREIGN[what].search(line)
    ]
    assert not named, f"{what} stands in\n" + "\n".join(named)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of one machine", "open('/" + "work/main/x.emd')"),
        ("the address of a registry", "https://files.python" + "hosted.org/packages"),
        ("the address of a registry", "https://mirror.example/sim" + "ple/numpy"),
        ("an option that names a registry", "pip install --find" + "-links wheels"),
    ],
)
def test_the_search_can_find(what: str, text: str):
    assert FOREIGN[what].search(text)

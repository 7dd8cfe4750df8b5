"""The wheel and the sdist: what is in them, and that the demo runs from a clean installation."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 200_000

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not a checkout")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both into a folder."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(out)], cwd=ROOT, check=True, capture_output=True
    )
    return out


def test_wheel_holds_the_package_and_no_data(dist: Path):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        sizes = {info.filename: info.file_size for info in wheel.infolist()}
    modules = {
        str(path.relative_to(ROOT)) for path in (ROOT / "edsnb").rglob("*") if path.suffix in (".py", ".js", ".css")
    }
    assert {Path(name).as_posix() for name in modules} <= set(sizes)
    assert not [name for name in sizes if not name.startswith(("edsnb/", "edsnb-"))]
    assert not [name for name, size in sizes.items() if size > LARGEST]


def test_sdist_holds_the_tests(dist: Path):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        names = [name.split("/", 1)[-1] for name in sdist.getnames()]
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"} <= set(names)


def test_demo_runs_from_a_clean_installation(dist: Path, tmp_path: Path):
    """Dependencies are those of this environment; edsnb itself comes from the wheel alone."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, capture_output=True)
    place = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    scripts, library = (Path(sysconfig.get_path(name, "venv", place)) for name in ("scripts", "purelib"))
    wheel = next(dist.glob("*.whl"))
    python = scripts / Path(sys.executable).name
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (library / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = [str(python), "-c", "import edsnb; print(edsnb.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(tmp_path)
    demo = [str(scripts / "edsnb"), "demo", "--quiet", "--out", "demo"]
    done = subprocess.run(demo, cwd=tmp_path, env=clean, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "sample-7" / "chips.csv").stat().st_size > 100_000

"""The built-in example is made once, and is a map like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

import edsnb
from edsnb.errors import OutputError
from tests.simulated import small


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the cache in a folder of the test's, and simulate a small map."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr("edsnb.examples.simulate", small)
    return tmp_path / "cache"


def test_example_is_made_once(cache: Path):
    path = edsnb.example()
    assert path.is_relative_to(cache)
    first = path.stat().st_mtime_ns
    assert edsnb.example() == path
    assert path.stat().st_mtime_ns == first
    assert edsnb.open(path).shape == small().image.shape


def test_half_an_example_is_made_anew(cache: Path):
    path = edsnb.example()
    path.with_suffix(".truth.json").unlink()
    assert edsnb.example().with_suffix(".truth.json").exists()


def test_cache_that_cannot_be_written(cache: Path):
    cache.write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be kept in"):
        edsnb.example()

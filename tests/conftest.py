"""Fixtures that several files of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine with other work. Where CI is set, Hypothesis itself draws the same
# examples at each run.
settings.register_profile("edsnb", deadline=None)
settings.load_profile("edsnb")


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small simulated map as a Velox file."""
    from edsnb.io.velox.write import write_velox
    from tests.simulated import small

    return write_velox(small(), tmp_path_factory.mktemp("example") / "example.emd")


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing out, which takes most of the time of a small run."""
    monkeypatch.setattr("edsnb.plots.summary.draw_summary", lambda _, path: path.write_bytes(b"picture"))

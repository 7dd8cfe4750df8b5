"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"


def real_file(name: str) -> Path:
    """Return a real file's path, or skip the test naming the file that is absent."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"real file {name} is not at hand")
    return path

"""What the tests of chips share."""

from __future__ import annotations

import pytest

from edsnb.state.chips.state import ChipState
from tests.simulated import small


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Let long work begin without waiting for the hand to be still."""
    for module in ("state", "precision", "pictures"):
        monkeypatch.setattr(f"edsnb.state.chips.{module}._PAUSE_S", 0.0)


@pytest.fixture
def coarse(at_once) -> ChipState:
    """Return the state of the small map in 16 chips."""
    made = ChipState(small().image, size=16)
    made.wait()
    return made

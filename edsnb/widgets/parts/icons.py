"""Icons as drawings: named ones come from a font, which a notebook without a network does not have."""

from __future__ import annotations


def _drawn(path: str, *, filled: bool = False) -> str:
    """Return a drawing of 24 by 24 units; its colour is the text's."""
    style = "fill='black'" if filled else "fill='none' stroke='black' stroke-width='2.2' stroke-linecap='round'"
    return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path {style} d='{path}'/></svg>"


PLAY = _drawn("M7 4 L20 12 L7 20 Z", filled=True)
SWAP = _drawn("M3 8 H20 M16 4 L20 8 L16 12 M21 16 H4 M8 12 L4 16 L8 20")
REMOVE = _drawn("M5 5 L19 19 M19 5 L5 19")
REFRESH = _drawn("M19 8 A8 8 0 1 0 20 13 M19 3 V8 H14")

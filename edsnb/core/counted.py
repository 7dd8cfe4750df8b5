"""Numbers of things in words."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return ``1 chip`` or ``1,089 chips``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

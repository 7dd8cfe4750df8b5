"""Settings as short texts that people type and read, on the command line and in links: ``La,Fe`` or ``0:500,0:500``."""

from __future__ import annotations

from collections.abc import Iterable

from edsnb.errors import InputError


def pick(text: str) -> int | str:
    """Read the number or name of a map."""
    return int(text) if text.isdecimal() else text


def names(text: str) -> tuple[str, ...]:
    """Read ``La,Fe``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text!r} is not a number") from None


def crop(text: str) -> tuple[int, int, int, int]:
    """Read ``0:500,0:500`` as (y0, y1, x0, x1)."""
    try:
        (y0, y1), (x0, x1) = (part.split(":") for part in text.split(","))
        return int(y0), int(y1), int(x0), int(x1)
    except ValueError:
        raise InputError(f"{text!r} is not y0:y1,x0:x1 in pixels, such as 0:500,0:500") from None


def energy(text: str) -> tuple[float, float]:
    """Read ``0.2:20``."""
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise InputError(f"{text!r} is not low:high in keV, such as 0.2:20") from None
    return low, high


def origin(text: str) -> tuple[int, int]:
    """Read ``3,4`` as (y, x)."""
    try:
        y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{text!r} is not y,x in pixels, such as 0,8") from None
    return y, x


def flag(text: str) -> bool:
    """Read ``yes`` or ``no``."""
    if text not in ("yes", "no"):
        raise InputError(f"{text!r} is neither yes nor no")
    return text == "yes"


def joined(values: Iterable[object], by: str = ",") -> str:
    """Return values as a text, numbers as short as they can be: what `names`, `origin` and `energy` read."""
    return by.join(f"{v:.12g}" if isinstance(v, float) else str(v) for v in values)


def crop_text(value: tuple[int, int, int, int]) -> str:
    """Return a crop as `crop` reads it."""
    y0, y1, x0, x1 = value
    return f"{y0}:{y1},{x0}:{x1}"

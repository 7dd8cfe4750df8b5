"""Settings and place as the query of a link: readable, as long as what differs from the defaults, and without data.

``?file=day1/map.emd&chip=15&crop=0:500,0:500&elements=La,Fe,O&deconvolve=Cu&tab=fit&at=R3C4``
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from edsnb.core.fitting.calibration import Calibration
from edsnb.core.quant.kfactors import KFactors
from edsnb.errors import InputError
from edsnb.io import words
from edsnb.recipe import Recipe

_PACKED = "packed."
"""Begins k-factors that are not theory and calibrations that were set: their records, as compressed JSON."""
_MOST_SELECTED = 20
_MOST_BYTES = 100_000
"""No such record is larger; a link that unpacks to more is refused."""


def to_query(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings of a recipe as query parameters; those at their defaults are left out."""
    defaults = {spec.name: spec.default for spec in fields(Recipe)}
    given = {name: value for name, value in settings.items() if value is not None and value != defaults[name]}
    return {name: _FORMS[name][1](given[name]) for name in _FORMS if name in given}


def place_query(tab: str, usual: str, quantity: str, selected: Sequence[str]) -> dict[str, str]:
    """Return what is looked at as query parameters; the `usual` tab and quantity, and no chip, are left out."""
    query = {"tab": tab} if tab != usual else {}
    if quantity != "atomic":
        query["show"] = quantity
    if selected:
        query["at"] = ",".join(selected[:_MOST_SELECTED])
    return query


def from_query(query: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings in a query, and a sentence for each that cannot be used; other parameters are passed over."""
    settings: dict[str, Any] = {}
    problems = []
    for name, (read, _) in _FORMS.items():
        if name not in query:
            continue
        try:
            value = read(query[name])
            # The recipe knows best what a setting may be.
            _ = Recipe(**_completed(name, value))
        except InputError as error:
            reason = str(error).removeprefix("recipe: ").rstrip(".")
            problems.append(f"The link's {name} is left out: {reason}.")
        else:
            settings[name] = value
    return settings, tuple(problems)


def _completed(name: str, value: Any) -> dict[str, Any]:
    """Return settings among which one can be checked by itself."""
    film = {"thickness_nm": 1.0, "density_g_cm3": 1.0} if name in ("thickness_nm", "density_g_cm3") else {}
    return {**film, name: value}


def _packed(record: KFactors | Calibration) -> str:
    """Return a record as text."""
    data = json.dumps(record.to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
    return _PACKED + base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")


def _unpacked(text: str) -> Any:
    """Read what `_packed` wrote, as plain values; nothing in it names a file."""
    packed = text.removeprefix(_PACKED)
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), _MOST_BYTES)
        values = json.loads(data) if unpack.eof else None
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        raise InputError("it is damaged; set it again") from None
    if not isinstance(values, dict):
        raise InputError("it is cut off or too long; set it again")
    return values


def _kfactors(text: str) -> str | KFactors:
    """Read theory, or packed k-factors."""
    if text == "theory":
        return text
    if not text.startswith(_PACKED):
        raise InputError(f"{text[:40]!r} is neither theory nor a packed table; choose the table again")
    try:
        return KFactors(**_unpacked(text))
    except (TypeError, AttributeError):
        raise InputError("it is damaged; choose the table again") from None


def _calibrate(text: str) -> bool | Calibration:
    """Read yes, no, or a packed calibration."""
    return Calibration.from_dict(_unpacked(text)) if text.startswith(_PACKED) else words.flag(text)


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _short(value: float) -> str:
    return words.joined([value])


_FORMS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "spectrum_image": (words.pick, str),
    "chip": (words.whole, str),
    "stride": (words.whole, str),
    "crop": (words.crop, words.crop_text),
    "origin": (words.origin, words.joined),
    "elements": (words.names, words.joined),
    "deconvolve": (words.names, words.joined),
    "lines": (words.names, words.joined),
    "energy": (words.energy, lambda value: words.joined(map(float, value), ":")),
    "background": (str, str),
    "order": (words.whole, str),
    "calibrate": (_calibrate, lambda value: _packed(value) if isinstance(value, Calibration) else _yes(value)),
    "line_table": (str, str),
    "refine": (words.flag, _yes),
    "kfactors": (_kfactors, lambda value: _packed(value) if isinstance(value, KFactors) else str(value)),
    "k_convention": (str, str),
    "beam_kev": (words.number, _short),
    "thickness_nm": (words.number, _short),
    "density_g_cm3": (words.number, _short),
    "take_off_deg": (words.number, _short),
    "pixel_kernel": (words.whole, str),
    "engine": (str, str),
}
"""How each setting is read and written, in the order of a link."""

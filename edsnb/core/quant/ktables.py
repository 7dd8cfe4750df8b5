"""k-factor tables as files: what Velox exports, and edsnb's own, which keeps everything that is known of them."""

from __future__ import annotations

import json
import math
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edsnb.core.fitting.lines import parse_line
from edsnb.core.quant.tables import Row, number, read_table
from edsnb.errors import ElementError, InputError, KFactorError, OutputError

_COLUMNS = {
    "line": frozenset({"lineidentifier", "lineid", "line", "identifier", "xrayline"}),
    "k": frozenset({"kfactor", "kfactors", "k"}),
}
_GREEK = str.maketrans("αβγζη", "abgzn")


def read_velox(path: Path) -> dict[str, float]:
    """Return k of each family in a table that Velox exported; see `KFactors.from_velox`."""
    data = _bytes(path, "Give the CSV that Velox exports.")
    try:
        rows = read_table(data, _COLUMNS)
    except InputError as error:
        raise KFactorError(f"k-factor table {path}: {error}") from None
    factors = _unique(rows, path)
    if not factors:
        found = "no such columns" if data.strip() else "an empty file"
        raise KFactorError(
            f"k-factor table {path}: expected the columns 'Line identifier' and 'K-factor' with values below them, "
            f"found {found if not rows else 'no values'}. Export it from Velox as CSV."
        )
    return factors


def read_toml(path: Path) -> dict[str, Any]:
    """Return the values that `write_toml` wrote; raise KFactorError for any other file."""
    try:
        # Editors on Windows may put a byte-order mark first.
        return tomllib.loads(_bytes(path, "Give a file that KFactors.save wrote.").decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KFactorError(f"k-factors {path} are not valid TOML: {error}.") from None


def write_toml(values: Mapping[str, Any], path: Path, *, overwrite: bool) -> None:
    """Write plain values and tables of numbers; see `KFactors.save`."""
    if path.suffix.lower() != ".toml":
        raise OutputError(f"k-factors are saved as TOML; give {path.name!r} a name that ends in .toml.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name, or say overwrite=True to replace it.")
    # A table must come after all plain values.
    plain = [f"{name} = {_text(v)}" for name, v in values.items() if v is not None and not isinstance(v, Mapping)]
    tables = [
        f"\n[{name}]\n" + "\n".join(f"{key} = {_text(v)}" for key, v in table.items())
        for name, table in values.items()
        if isinstance(table, Mapping)
    ]
    try:
        # Under another name first, so that a full disk leaves no half table.
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True
        ) as folder:
            made = Path(folder) / path.name
            made.write_text("\n".join([*plain, *tables]) + "\n", encoding="utf-8")
            made.replace(path)
    except OSError as error:
        raise OutputError(f"k-factors cannot be written to {path}: {error.strerror or error}.") from error


def _text(value: Any) -> str:
    """Return a string or number as TOML writes it: as JSON does, but for the one control character JSON lets pass."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bytes(path: Path, advice: str) -> bytes:
    """Return a file's bytes; raise KFactorError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KFactorError(f"k-factor table {path} cannot be read ({error.strerror or error}). {advice}") from error


def _unique(rows: list[Row], path: Path) -> dict[str, float]:
    """Return one k for each family of a table's rows."""
    found: dict[str, list[tuple[bool, float, str]]] = {}
    for line_number, cells in rows:
        line, text = cells["line"].translate(_GREEK), cells["k"]
        if not text:
            continue
        try:
            name = "_".join(parse_line(line))
            k = number(text)
        except (ElementError, ValueError) as error:
            raise KFactorError(f"k-factor table {path}, line {line_number}: {error}") from None
        if not (math.isfinite(k) and k > 0):
            raise KFactorError(f"k-factor table {path}, line {line_number}: {line} has k = {text}; k must be positive.")
        # "Sr-Ka1" is an alpha line, and "Sr-K" names the family itself.
        is_alpha = re.search(r"[KLM]a?\d*\s*$", line) is not None
        found.setdefault(name, []).append((is_alpha, k, f"{line} = {text} (line {line_number})"))
    out = {}
    for name, entries in found.items():
        best = [entry for entry in entries if entry[0]] or entries
        if len({k for _, k, _ in best}) > 1:
            listed = ", ".join(text for *_, text in best)
            raise KFactorError(f"k-factor table {path} gives {name} different values: {listed}. Keep one of them.")
        out[name] = best[0][1]
    return out

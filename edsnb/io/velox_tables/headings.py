"""Headings of tables of composition: what Velox, its users and edsnb write over a column, and what is read from it.

A heading is compared word by word, without regard to case, blanks, dots, dashes and brackets: ``At.%``, ``at %`` and
``[at%]`` are the same. A heading either is one of the words of the first part, or is made of the words of the second
part alone, with or without an element (``Sr``) and a line or family (``K``, ``Ka1``, ``La_L``) among them. Any other
heading is an error that names it: nothing is guessed.

========== ==================================================================================================
column     headings
========== ==================================================================================================
region     region, area, roi, chip, spectrum, name, label, chip id, region name, area name, spectrum name,
           region number, area number, number, no, nr, #: name or number of the region
row        row, chip row, grid row: row of the chip in the grid
col        col, column, chip col, chip column, grid col, grid column: column of the chip in the grid
element    element, el, symbol, element symbol: symbol of the element, alone or with its line (O, Sr-Ka1,
           La_L)
z          z, atomic number: checked against the element
family     family, line, lines, series, shell, line identifier, x ray line, xray line: family or line of the
           element
fit_error  fit error: misfit of the peaks; not used
k_factor   k factor, k factors, kfactor: not used
position   position, distance: marks a line profile, which is refused
ignored    comment, comments, note, notes, phase, status, pixels, chi2, y0, y1, x0, x1, file: not used
========== ==================================================================================================

========== ==================================================================================================
meaning    words
========== ==================================================================================================
atomic     at, atomic, atom, atoms: at%
weight     wt, weight, mass: wt%
counts     counts, count, cts, intensity, intensities, i: X-rays of a line or family
error      error, errors, err, sd, std, stdev, deviation, sigma, σ, ±, uncertainty, unc: error of a value, in
           the unit of the value; without element and quantity, of the column on its left
relative   rel, relative: the error is in percent of the value
percent    %, percent, pct: unit
share      0to1: unit; spelt 0..1, 0-1 or 0 to 1
filler     fraction, content, concentration, conc, composition, net, abs, absolute, normalised, normalized,
           norm, standard, percentage: says nothing more
========== ==================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from textwrap import wrap

from edsnb.core.fitting.lines import atomic_number, parse_line
from edsnb.errors import ElementError


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that stand for one thing."""

    words: tuple[str, ...]
    says: str
    """What is read from it."""


def _rule(words: str, says: str) -> Rule:
    return Rule(tuple(words.split(", ")), says)


COLUMNS: Mapping[str, Rule] = {
    "region": _rule(
        "region, area, roi, chip, spectrum, name, label, chip id, region name, area name, spectrum name, "
        "region number, area number, number, no, nr, #",
        "name or number of the region",
    ),
    "row": _rule("row, chip row, grid row", "row of the chip in the grid"),
    "col": _rule("col, column, chip col, chip column, grid col, grid column", "column of the chip in the grid"),
    "element": _rule(
        "element, el, symbol, element symbol", "symbol of the element, alone or with its line (O, Sr-Ka1, La_L)"
    ),
    "z": _rule("z, atomic number", "checked against the element"),
    "family": _rule(
        "family, line, lines, series, shell, line identifier, x ray line, xray line", "family or line of the element"
    ),
    "fit_error": _rule("fit error", "misfit of the peaks; not used"),
    "k_factor": _rule("k factor, k factors, kfactor", "not used"),
    "position": _rule("position, distance", "marks a line profile, which is refused"),
    "ignored": _rule("comment, comments, note, notes, phase, status, pixels, chi2, y0, y1, x0, x1, file", "not used"),
}
"""Headings that are one of these words, and the column they mark."""
WORDS: Mapping[str, Rule] = {
    "atomic": _rule("at, atomic, atom, atoms", "at%"),
    "weight": _rule("wt, weight, mass", "wt%"),
    "counts": _rule("counts, count, cts, intensity, intensities, i", "X-rays of a line or family"),
    "error": _rule(
        "error, errors, err, sd, std, stdev, deviation, sigma, σ, ±, uncertainty, unc",
        "error of a value, in the unit of the value; without element and quantity, of the column on its left",
    ),
    "relative": _rule("rel, relative", "the error is in percent of the value"),
    "percent": _rule("%, percent, pct", "unit"),
    "share": _rule("0to1", "unit; spelt 0..1, 0-1 or 0 to 1"),
    "filler": _rule(
        "fraction, content, concentration, conc, composition, net, abs, absolute, normalised, normalized, norm, "
        "standard, percentage",
        "says nothing more",
    ),
}
"""Words that make up the heading of a column of values."""
_COLUMN_OF = {word: name for name, rule in COLUMNS.items() for word in rule.words}
_MEANING_OF = {word: name for name, rule in WORDS.items() for word in rule.words}
_EDSNB_ONLY = re.compile(r"(dl|sdk_at|abs)_[A-Z][a-z]?")
"""Columns of edsnb's own ``chips.csv`` that are not read: detection limits, errors of k, absorption."""
_HEAVIEST = 98
"""No heading means an element beyond californium: ``No`` is a number, not nobelium."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a heading says of its column."""

    text: str
    column: str
    """A key of `COLUMNS`, ``value``, ``blank`` or ``unknown``."""
    quantity: str | None = None
    """``atomic``, ``weight`` or ``counts``; None where the heading does not say."""
    unit: str | None = None
    """``percent`` or ``share`` (0 to 1); None where the heading does not say."""
    element: str | None = None
    family: str | None = None
    """Shell of the family (K, L or M)."""
    error: bool = False
    relative: bool = False

    def with_unit(self, below: Heading) -> Heading:
        """Return this heading with what the line of units below it adds; ``unknown`` where they contradict."""
        pairs = [(self.quantity, below.quantity), (self.unit, below.unit)]
        if any(one and other and one != other for one, other in pairs):
            return replace(self, text=f"{self.text} / {below.text}", column="unknown")
        return replace(
            self,
            quantity=self.quantity or below.quantity,
            unit=self.unit or below.unit,
            error=self.error or below.error,
            relative=self.relative or below.relative,
        )


def read_heading(text: str) -> Heading:
    """Return what a heading says; see the module's tables."""
    words = split_words(text)
    if not words:
        return Heading(text, "blank")
    # Units in brackets belong to the word before them: "Position (m)", "Fit Error (%)".
    whole = " ".join(split_words(re.sub(r"\([^)]*\)|\[[^\]]*\]|%", " ", text))).casefold()
    if whole in _COLUMN_OF:
        return Heading(text, _COLUMN_OF[whole])
    if _EDSNB_ONLY.fullmatch(text.strip()):
        return Heading(text, "ignored")
    element, family, rest = _without_element(words)
    meanings = [_MEANING_OF.get(w.casefold(), "unknown") for w in rest]
    quantities = {m for m in meanings if m in ("atomic", "weight", "counts")}
    units = {m for m in meanings if m in ("percent", "share")}
    # "fraction" alone is nobody's column.
    empty = element is None and not set(meanings) - {"filler"}
    if "unknown" in meanings or len(quantities) > 1 or len(units) > 1 or empty:
        return Heading(text, "unknown")
    return Heading(
        text,
        "value",
        quantity=next(iter(quantities), None),
        unit=next(iter(units), None),
        element=element,
        family=family,
        error="error" in meanings,
        relative="relative" in meanings,
    )


def split_words(text: str) -> list[str]:
    """Return the words of a heading: letters and digits, and the signs ``% ± σ #``."""
    spelt = re.sub(r"\b0\s*(?:\.\.+|…|-|–|to)\s*1\b", " 0to1 ", text)
    spelt = spelt.replace("+/-", " ± ").replace("+-", " ± ").replace("σ", " σ ")
    return re.findall(r"[%±#]|[^\W_]+", spelt)


def is_element(text: str) -> bool:
    """Say whether a text is the symbol of an element that may be in a specimen."""
    try:
        return text.isalpha() and text[:1].isupper() and atomic_number(text) <= _HEAVIEST
    except ElementError:
        return False


def element_and_family(text: str) -> tuple[str, str | None]:
    """Return element and shell of ``Sr``, ``Sr K``, ``Sr-Ka1``, ``Sr (K)`` or ``La_L``; raise ElementError if none."""
    cell = text.strip()
    if is_element(cell):
        return cell, None
    return parse_line(re.sub(r"\s*\(([^)]*)\)", r" \1", cell).translate(GREEK))


def family_of(text: str) -> str | None:
    """Return the shell that ``K``, ``K ``, ``Ka1``, ``L-series`` or ``Sr-Ka1`` names; None for anything else."""
    words = split_words(text.translate(GREEK))
    named = [w for w in words if re.fullmatch(r"[KLM]([abgzln]?\d*)?", w)]
    return named[-1][0] if named else None


GREEK = str.maketrans("αβγζη", "abgzn")


def _without_element(words: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Take the first element, and the family right after it, out of a heading's words."""
    elements = [i for i, word in enumerate(words) if is_element(word) and word.casefold() not in _MEANING_OF]
    # "I" is an intensity before another element (I_La_L), else iodine, and in I_I_L it is both.
    elements = elements or [i for i, word in enumerate(words) if word == "I"][-1:]
    if not elements:
        return None, None, words
    at = elements[0]
    family = family_of(words[at + 1]) if at + 1 < len(words) else None
    return words[at], family, words[:at] + words[at + 1 + (family is not None) :]


def rules_table(width: int = 98) -> str:
    """Return both tables of rules as text; they stand in this module's docstring and in ``docs/velox-exports.md``."""
    blocks = []
    for title, rules in ((("column", "headings"), COLUMNS), (("meaning", "words"), WORDS)):
        line = f"{'=' * 10} {'=' * width}"
        rows = [line, f"{title[0]:<10} {title[1]}", line]
        for name, rule in rules.items():
            said = wrap(f"{', '.join(rule.words)}: {rule.says}", width)
            rows += [f"{name if k == 0 else '':<10} {text}".rstrip() for k, text in enumerate(said)]
        blocks.append("\n".join([*rows, line]))
    return "\n\n".join(blocks)

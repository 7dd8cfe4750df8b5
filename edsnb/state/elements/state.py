"""Which elements are quantified, which are only told apart (deconvolution), and by which line each is quantified.

The hand's choice is kept apart from what holds of it: an element whose lines leave the energy range is left out of
`ElementState.elements`, and is back when the range holds one of its lines again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import param
from param.parameterized import batch_call_watchers

from edsnb.core.fitting.fit import default_range
from edsnb.core.fitting.lines import SHELLS, LineFamily, families_in, parse_line, usual_family, xraylib_family
from edsnb.core.fitting.suggest import Suggestion, Suggestions, find_lines
from edsnb.core.image import SpectrumImage
from edsnb.core.regions import Spectra
from edsnb.errors import ElementError
from edsnb.state.elements.periodic import BY_SYMBOL, find_elements
from edsnb.state.shared import SHARED, Held
from edsnb.state.work import Work


class Role(Enum):
    """What an element is to the fit."""

    QUANTIFIED = "quantified"
    DECONVOLVED = "deconvolution only"
    OFF = "not chosen"
    NO_LINE = "no line in range"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What was chosen for one element."""

    quantify: bool = True
    line: str | None = None
    """Family (``La_L``); None for the usual one."""


def line_label(family: LineFamily) -> str:
    """Return a family as it is read on a spectrum: ``Lα 4.65 keV``; without α where the table has no alpha line."""
    return f"{family.shell}{'α' if any(family.alpha) else ''} {family.alpha_kev:.2f} keV"


class ElementState(param.Parameterized):
    """Elements to fit; whatever is asked of it, it says in `message` what came of it, and raises nothing."""

    elements = param.Parameter(default=(), doc="Symbols to quantify, a tuple.")
    deconvolve = param.Parameter(default=(), doc="Symbols fitted too, but kept out of the 100 %, a tuple.")
    lines = param.Parameter(default={}, doc="{symbol: family (``La_L``)} of every quantified element.")
    energy = param.NumericTuple(default=(0.2, 20.0), length=2, doc="Fitted range, keV.")
    beam_kev = param.Number(default=None, allow_None=True, doc="Beam energy, above which no line is excited, keV.")
    message = param.String(default="", doc="What came of the last change, in plain words.")
    data = param.Parameter(default=None, constant=True, doc="The map or spectra in which elements are looked for.")
    suggestions = param.Parameter(default=None, constant=True, doc="What the last search found; None before it.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.work = Work()
        """Opening a file, and the search for further elements."""
        self._held: Held | None = None
        self._chosen: dict[str, _Choice] = {}
        self._absent: dict[str, str] = {}
        self._published: tuple[object, ...] = ((), (), {})
        if self.elements or self.deconvolve or self.lines:
            self._adopt()

    @classmethod
    def of(cls, data: SpectrumImage | Spectra) -> ElementState:
        """Return a state with the range of the data and the elements selected in the vendor's software."""
        state = cls()
        state.load(data)
        return state

    def load(self, data: SpectrumImage | Spectra) -> None:
        """Forget what was chosen; take the range of other data, and the elements selected in its file."""
        self._chosen = {
            e.symbol: _Choice(e.quantify, f"{e.symbol}_{e.family}" if e.family else None) for e in data.elements
        }
        self._absent = {}
        self.work.cancel()
        with batch_call_watchers(self), param.edit_constant(self):
            self.param.update(data=data, suggestions=None)
            self.param.update(energy=default_range(data), beam_kev=data.acquisition.beam_kev)
            self._publish("Elements as selected in the file." if self._chosen else "The file has no elements selected.")

    def open(self, path: str | PathLike[str]) -> None:
        """Open a file in the background and `load` it; `work` says where that fails."""

        def opened(held: Held) -> None:
            self._held = held
            self.load(held.image)

        self.work.start(
            f"Opening {Path(path).name}", lambda progress: SHARED.open(Path(path), progress=progress), opened
        )

    def choose(
        self, elements: Iterable[str], deconvolve: Iterable[str] = (), lines: Iterable[str] | Mapping[str, str] = ()
    ) -> None:
        """Replace the whole choice, as by the fields of a Recipe; `lines` may name those of some elements only."""
        quantified, kept_out = _listed(elements), _listed(deconvolve)
        notes = [f"{symbol!r} is no element." for symbol in (*quantified, *kept_out) if symbol not in BY_SYMBOL]
        if both := [symbol for symbol in kept_out if symbol in quantified]:
            notes.append(f"{', '.join(both)}: quantified, so not for deconvolution only as well.")
        chosen = {s: _Choice(s in quantified) for s in (*quantified, *kept_out) if s in BY_SYMBOL}
        asked = lines.items() if isinstance(lines, Mapping) else [("", line) for line in _listed(lines)]
        for symbol, line in asked:
            name = _family_name(symbol, line)
            element = name.partition("_")[0]
            if element in chosen:
                chosen[element] = replace(chosen[element], line=name)
            else:
                notes.append(f"{line!r} is no line of a chosen element.")
        self._chosen, self._absent = chosen, {}
        self._publish(*notes)

    def families(self, symbol: str) -> tuple[LineFamily, ...]:
        """Return the families of an element in the range; none where it has none."""
        low, high = self.energy
        return _families_between(symbol, low, high, self.beam_kev)

    def line_labels(self, symbol: str) -> dict[str, str]:
        """Return {family: label} of an element's families in the range, such as ``{"La_L": "Lα 4.65 keV"}``."""
        return {family.name: line_label(family) for family in self.families(symbol)}

    def role(self, symbol: str) -> Role:
        """Return what an element is to the fit."""
        if symbol in self.elements:
            return Role.QUANTIFIED
        if symbol in self.deconvolve:
            return Role.DECONVOLVED
        return Role.OFF if self.families(symbol) else Role.NO_LINE

    @property
    def ready(self) -> bool:
        """Whether there is an element to quantify."""
        return bool(self.elements)

    def add(self, text: str, *, quantify: bool = True) -> None:
        """Add the elements that a typed text means: symbols, names or their beginnings, atomic numbers."""
        found, unknown = find_elements(text)
        notes = [self._put(symbol, quantify) for symbol in found]
        if unknown:
            words = ", ".join(repr(word) for word in unknown)
            notes.append(f"{words} names no element, or several: type a symbol (La) or a name (lanthanum).")
        self._publish(*notes)

    def toggle(self, symbol: str) -> None:
        """Take an element to its next role: not chosen, quantified, deconvolution only, not chosen."""
        if symbol not in self._chosen:
            self.add(symbol)
        elif symbol in self.elements:
            self.set_deconvolve(symbol, True)
        else:
            self.remove(symbol)

    def remove(self, symbol: str) -> None:
        """Take an element out of the fit."""
        known = self._chosen.pop(symbol, None)
        self._publish(f"{symbol} removed." if known else f"{symbol} was not chosen.")

    def set_deconvolve(self, symbol: str, only: bool) -> None:
        """Fit an element for deconvolution only, or quantify it."""
        if symbol not in self._chosen:
            self.add(symbol, quantify=not only)
            return
        self._chosen[symbol] = replace(self._chosen[symbol], quantify=not only)
        self._publish(self._said(symbol))

    def set_line(self, symbol: str, line: str) -> None:
        """Quantify a chosen element by one of its families: ``La_L``, ``La_La`` or just ``L``."""
        name, possible = _family_name(symbol, line), self.line_labels(symbol)
        if symbol not in self._chosen:
            self._publish(f"{symbol} is not chosen: add it before its line.")
        elif name not in possible:
            self._publish(f"{line!r} is no line of {symbol} {self._range()}; it has {', '.join(possible) or 'none'}.")
        else:
            self._chosen[symbol] = replace(self._chosen[symbol], line=name)
            self._publish(self._said(symbol))

    def suggest(self, data: SpectrumImage | Spectra | None = None) -> None:
        """Look for further elements in the sum of the loaded data, or of others, while all else goes on."""
        searched = self.data if data is None else data
        if searched is None:
            self._publish("No spectrum is loaded in which elements could be looked for.")
            return
        low, high = self.energy
        chosen = (*self.elements, *self.deconvolve)

        def found(suggestions: Suggestions) -> None:
            with param.edit_constant(self):
                self.suggestions = suggestions

        self.work.start(
            "Looking for further elements",
            lambda progress: find_lines(_to_search(searched), chosen, energy=(low, high)),
            found,
        )

    def suggested(self) -> tuple[tuple[Suggestion, bool], ...]:
        """Return what was found and is not chosen yet, and whether it is significant; the most significant first."""
        if self.suggestions is None:
            return ()
        groups = ((self.suggestions.found, True), (self.suggestions.weaker, False))
        return tuple((s, clear) for group, clear in groups for s in group if s.element not in self._chosen)

    def recipe_fields(self) -> dict[str, Any]:
        """Return `elements`, `deconvolve` and `lines` for a Recipe, which refuses them where none is quantified."""
        lines = tuple(self.lines[symbol] for symbol in self.elements)
        return {"elements": self.elements, "deconvolve": self.deconvolve, "lines": lines or None}

    def code(self) -> str:
        """Return Python that makes a recipe with these elements."""
        if not self.ready:
            return "import edsnb\n\nrecipe = edsnb.Recipe()  # no element is chosen to be quantified\n"
        fields = "".join(f"    {name}={value!r},\n" for name, value in self.recipe_fields().items() if value)
        return f"import edsnb\n\nrecipe = edsnb.Recipe(\n{fields})\n"

    def _put(self, symbol: str, quantify: bool) -> str:
        """Add one element to the choice, and say so, or why not."""
        if symbol in self._chosen:
            return f"{symbol} is chosen already."
        if not self.families(symbol):
            return self._why_not(symbol)
        self._chosen[symbol] = _Choice(quantify)
        return self._said(symbol)

    def _said(self, symbol: str) -> str:
        """Say what is chosen for an element; nothing where `_publish` says that it is left out."""
        if not self.families(symbol):
            return ""
        if not self._chosen[symbol].quantify:
            return f"{symbol}: deconvolution only."
        return f"{symbol}: quantified by {self.line_labels(symbol)[self._line(symbol)]}."

    def _line(self, symbol: str) -> str:
        """Return the family that quantifies an element: the chosen one where it is in range, else the usual one."""
        families, wanted = self.families(symbol), self._chosen[symbol].line
        return next((f.name for f in families if f.name == wanted), usual_family(symbol, families).name)

    def _why_not(self, symbol: str) -> str:
        """Say why an element cannot be fitted."""
        lines = [line_label(family) for family in _families(symbol)]
        if not lines:
            return f"{symbol} has no X-ray line that could be fitted."
        return f"{symbol} has no line {self._range()}, only {', '.join(lines)}."

    def _range(self) -> str:
        low, high = self.energy
        return f"between {low:g} and {high if self.beam_kev is None else min(high, self.beam_kev):g} keV"

    @param.depends("elements", "deconvolve", "lines", watch=True)
    def _adopt(self) -> None:
        """Take over what was set from outside, as far as it holds; param calls this before other watchers."""
        if (self.elements, self.deconvolve, self.lines) == self._published:
            return
        lines = self.lines
        if lines == self._published[2]:
            # They are those of the choice before, of which some elements may be gone.
            kept = [*_listed(self.elements), *_listed(self.deconvolve)]
            lines = {symbol: choice.line for symbol, choice in self._chosen.items() if choice.line and symbol in kept}
        self.choose(self.elements, self.deconvolve, lines)

    @param.depends("energy", "beam_kev", watch=True)
    def _new_range(self) -> None:
        self._publish()

    def _publish(self, *notes: str) -> None:
        """Make public what holds of the choice in this range, and say what does not, or does again."""
        absent = {symbol: note for symbol in self._chosen if (note := self._lacks(symbol))}
        said = [*notes, *(note for symbol, note in absent.items() if self._absent.get(symbol) != note)]
        said += [f"{s}: its line is back in range." for s in self._absent if s in self._chosen and s not in absent]
        self._absent = absent
        present = [symbol for symbol in self._chosen if self.families(symbol)]
        quantified = tuple(symbol for symbol in present if self._chosen[symbol].quantify)
        if not quantified and (said or self.elements):
            said.append("No element is quantified: choose at least one.")
        kept_out = tuple(symbol for symbol in present if symbol not in quantified)
        lines = {symbol: self._line(symbol) for symbol in quantified}
        self._published = (quantified, kept_out, lines)
        message = " ".join(filter(None, said)) or self.message
        self.param.update(elements=quantified, deconvolve=kept_out, lines=lines, message=message)

    def _lacks(self, symbol: str) -> str:
        """Say what of the choice of an element does not hold in the range; nothing where all does."""
        choice, families = self._chosen[symbol], [family.name for family in self.families(symbol)]
        if not families:
            return f"{self._why_not(symbol)} It is left out."
        if choice.quantify and choice.line not in (None, *families):
            return f"{choice.line} does not lie {self._range()}: {self._line(symbol)} is used."
        return ""


def _to_search(data: SpectrumImage | Spectra) -> SpectrumImage | Spectra:
    """Return what a search may sum up: of stored spectra the one that holds all others, if there is one."""
    spectra = data.spectra if isinstance(data, SpectrumImage) and data.events is None else data
    if not isinstance(spectra, Spectra) or spectra.regions is not None:
        return data
    most = int(spectra.counts.sum(axis=1, dtype=float).argmax())
    # Where others are parts of it, it has at least their counts in every channel; independent ones scatter.
    if (spectra.counts[most] < spectra.counts).any():
        return spectra
    return replace(spectra, counts=spectra.counts[most : most + 1], names=spectra.names[most : most + 1])


def _listed(value: Any) -> list[Any]:
    """Return a list of what may be a tuple, one name or None."""
    return [value] if isinstance(value, str) else list(value or ())


def _family_name(symbol: str, line: str) -> str:
    """Return the family (``La_L``) that a line names, with or without its element; the text itself where it is none."""
    try:
        return "_".join(parse_line(line if "_" in line or "-" in line else f"{symbol}_{line}"))
    except ElementError:
        return line


@lru_cache(4096)
def _families_between(symbol: str, low: float, high: float, beam_kev: float | None) -> tuple[LineFamily, ...]:
    """Return the families of an element in a range; none where it has none."""
    try:
        return families_in([symbol], (low, high), beam_kev=beam_kev)
    except ElementError:
        return ()


def _families(symbol: str) -> list[LineFamily]:
    """Return every family of an element, at whatever energy; none beyond the table."""
    try:
        return [family for shell in SHELLS if (family := xraylib_family(symbol, shell)) is not None]
    except ElementError:
        return []

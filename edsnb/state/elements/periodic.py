"""The periodic table as a person reads it: symbols, English names and places of the 118 elements (IUPAC 2016)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = """
H Hydrogen, He Helium, Li Lithium, Be Beryllium, B Boron, C Carbon, N Nitrogen, O Oxygen, F Fluorine, Ne Neon,
Na Sodium, Mg Magnesium, Al Aluminium, Si Silicon, P Phosphorus, S Sulfur, Cl Chlorine, Ar Argon, K Potassium,
Ca Calcium, Sc Scandium, Ti Titanium, V Vanadium, Cr Chromium, Mn Manganese, Fe Iron, Co Cobalt, Ni Nickel,
Cu Copper, Zn Zinc, Ga Gallium, Ge Germanium, As Arsenic, Se Selenium, Br Bromine, Kr Krypton, Rb Rubidium,
Sr Strontium, Y Yttrium, Zr Zirconium, Nb Niobium, Mo Molybdenum, Tc Technetium, Ru Ruthenium, Rh Rhodium,
Pd Palladium, Ag Silver, Cd Cadmium, In Indium, Sn Tin, Sb Antimony, Te Tellurium, I Iodine, Xe Xenon, Cs Caesium,
Ba Barium, La Lanthanum, Ce Cerium, Pr Praseodymium, Nd Neodymium, Pm Promethium, Sm Samarium, Eu Europium,
Gd Gadolinium, Tb Terbium, Dy Dysprosium, Ho Holmium, Er Erbium, Tm Thulium, Yb Ytterbium, Lu Lutetium, Hf Hafnium,
Ta Tantalum, W Tungsten, Re Rhenium, Os Osmium, Ir Iridium, Pt Platinum, Au Gold, Hg Mercury, Tl Thallium, Pb Lead,
Bi Bismuth, Po Polonium, At Astatine, Rn Radon, Fr Francium, Ra Radium, Ac Actinium, Th Thorium, Pa Protactinium,
U Uranium, Np Neptunium, Pu Plutonium, Am Americium, Cm Curium, Bk Berkelium, Cf Californium, Es Einsteinium,
Fm Fermium, Md Mendelevium, No Nobelium, Lr Lawrencium, Rf Rutherfordium, Db Dubnium, Sg Seaborgium, Bh Bohrium,
Hs Hassium, Mt Meitnerium, Ds Darmstadtium, Rg Roentgenium, Cn Copernicium, Nh Nihonium, Fl Flerovium,
Mc Moscovium, Lv Livermorium, Ts Tennessine, Og Oganesson
"""
_OTHER_NAMES = {"aluminum": "Al", "sulphur": "S", "cesium": "Cs", "wolfram": "W", "columbium": "Nb"}
"""Spellings in use beside IUPAC's."""
_NOBLE = (2, 10, 18, 36, 54, 86, 118)
"""Z at the end of each period."""


@dataclass(frozen=True, slots=True)
class Element:
    """One place of the periodic table."""

    z: int
    symbol: str
    name: str
    row: int
    """Row of the picture, from 1; 8 and 9 are those of the lanthanides and actinides beneath the table."""
    column: int
    """Column of the picture, 1 to 18."""


def _place(z: int) -> tuple[int, int]:
    """Return (row, column) of an element in the 18-column picture; La to Yb and Ac to No stand beneath it."""
    period = next(i for i, last in enumerate(_NOBLE) if z <= last)
    first, last = ((0, *_NOBLE)[period] + 1, _NOBLE[period])
    if period >= 5 and first + 2 <= z < first + 16:
        return period + 3, z - first + 1
    # Helium, and the p-block of each period, stand at the right; the others from the left.
    from_left = z - first < (1 if period == 0 else 2)
    return period + 1, z - first + 1 if from_left else 18 - (last - z)


def _table() -> tuple[Element, ...]:
    pairs = (entry.split() for entry in _NAMES.split(","))
    return tuple(Element(z, symbol, name, *_place(z)) for z, (symbol, name) in enumerate(pairs, 1))


ELEMENTS = _table()
"""All elements, hydrogen first."""
BY_SYMBOL = {element.symbol: element for element in ELEMENTS}
_BY_LOWER_NAME = {element.name.lower(): element.symbol for element in ELEMENTS} | _OTHER_NAMES


def find_elements(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the symbols that a typed text means, and the words that mean none.

    Words are separated by commas, blanks or semicolons. A word is a symbol in any case (``la``), an atomic number, or
    the beginning of an English name that is of one element alone (``lanth``).
    """
    found: list[str] = []
    unknown = []
    for word in re.split(r"[\s,;]+", text.strip()):
        symbol = _symbol_of_word(word)
        if symbol is not None:
            found.append(symbol)
        elif word:
            unknown.append(word)
    return tuple(dict.fromkeys(found)), tuple(unknown)


def _symbol_of_word(word: str) -> str | None:
    """Return the one element that a word means; None where it means none or several."""
    if word.capitalize() in BY_SYMBOL:
        return word.capitalize()
    if word.isdecimal():
        return ELEMENTS[int(word) - 1].symbol if 1 <= int(word) <= len(ELEMENTS) else None
    lower = word.lower()
    if len(lower) < 3:
        return None
    if lower in _BY_LOWER_NAME:
        return _BY_LOWER_NAME[lower]
    begun = {symbol for name, symbol in _BY_LOWER_NAME.items() if name.startswith(lower)}
    return begun.pop() if len(begun) == 1 else None

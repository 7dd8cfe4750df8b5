"""README.txt of an export: what each file is, in plain words, with units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Any

from edsnb import __version__
from edsnb.io.fewshot.chips import Chips
from edsnb.io.fewshot.formats import FORMATS, Format
from edsnb.io.fewshot.names import NAMINGS, Naming
from edsnb.io.fewshot.tables import UNITS

_WIDTH = 110


def readme(chips: Chips, details: Mapping[str, Any]) -> str:
    """Return what each file is, with units, in plain text."""
    analysis = chips.analysis
    grid = analysis.spectra.regions.grid if analysis.spectra.regions is not None else None
    what = grid.describe(analysis.image.shape) if grid else f"{len(chips)} regions or spectra"
    lines = [
        f"Chips of {analysis.image.source or 'a spectrum image'}, handed over by edsnb {__version__}",
        "",
        f"{what}. All files hold the chips in one order (row by row), except where chips.csv beside them says another.",
        "The place of a chip (row, col, y0, x0, height, width) is the truth, whatever it is called.",
        *_picture_lines(chips),
        *chips.notes,
        "",
        "FILES",
    ]
    for name, made in details.items():
        info = FORMATS[Format(name)]
        lines += [f"{info.path}", f"    {info.summary}", f"    read it: {info.reader}", *_details(name, made)]
    lines += ["recipe.toml", "    the settings: edsnb run FILE --recipe recipe.toml repeats the numbers"]
    lines += ["provenance.json", "    input, versions, conventions, limits, labels, SHA-256 of the files"]
    lines += ["", "COLUMNS AND UNITS", *(f"{name}: {meaning}" for name, meaning in UNITS.items())]
    lines += ["", "COMPOSITION", analysis.quantification.describe(), "", "FEATURES", *_feature_lines(chips)]
    return "\n".join(_wrapped(lines)) + "\n"


def _picture_lines(chips: Chips) -> list[str]:
    """Say what the patches are, and how grey levels are made of their values."""
    if (patches := chips.patches) is None:
        return []
    (low8, high8), (low16, high16) = patches.limits(8), patches.limits(16)
    return [
        f"Patches are cut from {patches.name}; haadf holds its true values. Grey levels are the same for all chips: in "
        f"8 bits {low8:.6g} is black and {high8:.6g} white (the 0.1st and 99.9th percentile), in 16 bits {low16:.6g} "
        f"and {high16:.6g} (the lowest and highest), so value = black + level / 255 (or 65535) * (white - black)."
    ]


def _details(name: str, made: Mapping[str, Any]) -> list[str]:
    """Say what is particular about a format here."""
    if name == Format.PYCHIP:
        preset = NAMINGS[Naming(made["naming"])]
        return [f"    naming: {preset.template} ({preset.meaning}); chips.csv says which chip each is, in its order"]
    if name == Format.PYCHIPCLASSIFIER:
        eds = made["eds"]
        left = f"; {eds['channels_left_out']} channels at its upper end fill no bin" * (eds["channels_left_out"] > 0)
        return [
            f"    chips_genesis({made['chips_genesis']}) cuts the same chips; eds.npy is {eds['dtype']} "
            f"{tuple(eds['shape'])}, X-rays of each pixel in bins of {eds['bin_ev']:g} eV, centred on the energies of "
            f"energy_kev.npy ({eds['energy_kev'][0]:.3f} to {eds['energy_kev'][1]:.3f} keV), the fitted range{left}",
            "    support.json is {label: [chips]} for support_genesis; without labels there is none",
        ]
    return []


def _feature_lines(chips: Chips) -> list[str]:
    """Say what the features are."""
    made = chips.features
    weights = ", ".join(f"{block} {weight:.3g}" for block, weight in made.weights.items()) or "no block"
    unknown = {block: int((~known).sum()) for block, known in made.known.items() if not known.all()}
    lines = [
        f"{len(made.names)} features in blocks of mean squared norm 1, times their weights: {weights} ({made.note}). "
        f"They are: {', '.join(made.names)}."
    ]
    lines += [f"{block} is not known for {count} chips: it stands at the mean, 0." for block, count in unknown.items()]
    return lines


def _wrapped(lines: Iterable[str]) -> list[str]:
    """Break long lines, the continuation as far in as the line, or a little further."""
    out: list[str] = []
    for line in lines:
        inset = " " * (len(line) - len(line.lstrip()))
        broken = wrap(line, _WIDTH, subsequent_indent=f"{inset}  ", break_long_words=False, break_on_hyphens=False)
        out += broken or [""]
    return out

"""The main path in one call: open -> chips -> fit -> quantify -> table, driven by a recipe."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb.core.events import Array
from edsnb.core.fit import FitResult, default_range, fit
from edsnb.core.image import SpectrumImage
from edsnb.core.kfactors import KFactors
from edsnb.core.lines import LineTable, xraylib_family
from edsnb.core.quantify import Quantification, quantify
from edsnb.core.regions import ChipGrid, Regions, Spectra, chip
from edsnb.core.solve import Progress
from edsnb.errors import InputError
from edsnb.io.opening import open_file

if TYPE_CHECKING:
    import pandas as pd

ENGINES = ("edsnb", "hyperspy", "hyperspy-published", "hyperspy-lstsq")
LINE_TABLES = ("xraylib", "exspy")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every setting of an analysis; as TOML it repeats the numbers."""

    elements: tuple[str, ...] | None = None
    """Elements to quantify. None: those selected in the file."""
    deconvolve: tuple[str, ...] = ()
    """Elements fitted too, but kept out of the 100 %."""
    lines: tuple[str, ...] | None = None
    """Line or family that quantifies each element. None: the file's choice, else the usual one."""
    chip: int = 16
    """Edge of a chip, pixels."""
    stride: int | None = None
    """Pixels from chip to chip; None for chips side by side."""
    crop: tuple[int, int, int, int] | None = None
    """y0, y1, x0, x1 in pixels, ends excluded; None for the whole map."""
    origin: tuple[int, int] = (0, 0)
    """y, x of the first chip's corner inside the crop."""
    energy: tuple[float, float] | None = None
    """Fitted range, keV. None: 0.2 to 20, but above the noise peak."""
    background: str = "physical"
    order: int = 6
    """Order of a polynomial background."""
    calibrate: bool = True
    """Calibrate the energy axis on the summed spectrum before the fit."""
    line_table: str = "xraylib"
    """Source of line energies and weights: xraylib or exspy."""
    kfactors: str | KFactors = "theory"
    """theory, the path of a Velox k-factor CSV, or the factors themselves."""
    k_convention: str = "family"
    """What the k-factors belong to: the whole family or its alpha line."""
    beam_kev: float | None = None
    """Beam energy where the file gives none, or a wrong one."""
    engine: str = "edsnb"
    """edsnb, or a HyperSpy fit for comparison: hyperspy (default multifit), hyperspy-published, hyperspy-lstsq."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be."""
        for name, allowed in (("engine", ENGINES), ("line_table", LINE_TABLES), ("k_convention", ("family", "alpha"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"recipe: {name} = {getattr(self, name)!r} is unknown; choose {', '.join(allowed)}.")
        if self.elements is not None and (both := set(self.elements) & set(self.deconvolve)):
            raise InputError(
                f"recipe: {', '.join(sorted(both))} cannot be quantified and only deconvolved at once; "
                "name each element in one place."
            )

    @property
    def grid(self) -> ChipGrid:
        """The chip grid of this recipe."""
        return ChipGrid(self.chip, self.crop, self.stride, self.origin)

    def to_toml(self) -> str:
        """Return the recipe as TOML; settings left at None are left out."""
        import tomli_w

        values: dict[str, Any] = {}
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, KFactors):
                values[spec.name] = {k: v for k, v in value.to_dict().items() if v is not None}
            elif value is not None:
                values[spec.name] = list(value) if isinstance(value, tuple) else value
        # A table must come after all plain values.
        ordered = dict(sorted(values.items(), key=lambda item: isinstance(item[1], dict)))
        return tomli_w.dumps(ordered)

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> Recipe:
        """Read a recipe; a k-factor path in it is taken relative to the recipe's folder.

        Raises
        ------
        InputError
            The file cannot be read, is no TOML, or holds a setting that does not exist or has the wrong type.
        """
        file = Path(path)
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"recipe {file} cannot be read: {error.strerror or error}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"recipe {file} is not valid TOML: {error}.") from None
        known = {spec.name for spec in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(
                f"recipe {file}: unknown setting {', '.join(unknown)}; settings are {', '.join(sorted(known))}."
            )
        source = values.get("kfactors")
        if isinstance(source, str) and source != "theory":
            values["kfactors"] = str(file.parent / source)
        return cls.from_dict(values, where=f"recipe {file}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
        """Make a recipe of plain values (lists for tuples, a table for k-factors)."""
        made: dict[str, Any] = {}
        for name, value in values.items():
            expected, wanted = _TYPES[name]
            right = isinstance(value, expected) and not (isinstance(value, bool) and bool not in expected)
            if right and isinstance(value, list | tuple) and name in _LENGTHS:
                right = len(value) == _LENGTHS[name] and all(isinstance(v, int | float) for v in value)
            if not right:
                raise InputError(f"{where}: {name} must be {wanted}; found {value!r}.")
            if isinstance(value, Mapping):
                value = KFactors(**value)
            made[name] = tuple(value) if isinstance(value, list) else value
        return cls(**made)


_NAMES = ((list, tuple), "a list of names")
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "elements": _NAMES,
    "deconvolve": _NAMES,
    "lines": _NAMES,
    "chip": ((int,), "a whole number of pixels"),
    "stride": ((int,), "a whole number of pixels"),
    "crop": ((list, tuple), "four whole numbers [y0, y1, x0, x1]"),
    "origin": ((list, tuple), "two whole numbers [y, x]"),
    "energy": ((list, tuple), "two numbers [low, high] in keV"),
    "background": ((str,), "a name"),
    "order": ((int,), "a whole number"),
    "calibrate": ((bool,), "true or false"),
    "line_table": ((str,), "a name"),
    "kfactors": ((str, dict, KFactors), "'theory', a path or a table"),
    "k_convention": ((str,), "a name"),
    "beam_kev": ((int, float), "a number"),
    "engine": ((str,), "a name"),
}
_LENGTHS = {"crop": 4, "origin": 2, "energy": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """All that one run made, from the opened file to the composition."""

    image: SpectrumImage
    spectra: Spectra
    fit: FitResult
    quantification: Quantification
    recipe: Recipe
    """The recipe with everything that was left open filled in."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each step."""

    def to_frame(self) -> pd.DataFrame:
        """Return one row a chip; see `Quantification.to_frame`."""
        return self.quantification.to_frame()

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write table, spectra, recipe, provenance and summary picture; see `edsnb.io.export`.

        Raises
        ------
        OutputError
            The folder exists and `overwrite` is False, or it cannot be written; nothing is left half done.
        """
        from edsnb.io.export import save_analysis
        from edsnb.plots.summary import draw_summary

        return save_analysis(self, folder, overwrite=overwrite, pictures={"summary.png": draw_summary})


def analyse(
    source: str | PathLike[str] | SpectrumImage,
    recipe: Recipe | None = None,
    *,
    regions: Regions | Array | Mapping[str, Array] | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Open, cut, fit and quantify.

    Parameters
    ----------
    source
        A file, or an image that is open already. A file without a map has its stored spectra analysed.
    recipe
        Settings; the defaults where None.
    regions
        Irregular chips instead of the recipe's grid: Regions, a label image, a mask, {name: mask}.
    progress
        Told (done, total) during the fit; returning False stops it.

    Returns
    -------
    Analysis
    """
    recipe = recipe or Recipe()
    clock = _Clock()
    image = source if isinstance(source, SpectrumImage) else open_file(source)
    if recipe.beam_kev is not None:
        image = replace(image, acquisition=replace(image.acquisition, beam_kev=recipe.beam_kev))
    clock.lap("open")
    if image.events is None and regions is None and image.spectra is not None:
        spectra = replace(image.spectra, acquisition=image.acquisition, elements=image.elements)
    else:
        spectra = chip(image, recipe.grid if regions is None else regions)
    clock.lap("chip")
    quantified, kept_out = _elements(recipe, spectra)
    fitted = _fit(spectra, (*quantified, *kept_out), recipe, progress)
    clock.lap("fit")
    kfactors = _kfactors(recipe)
    lines = recipe.lines
    if lines is not None:
        kept_out = tuple(e for e in (*quantified, *kept_out) if e not in {line.split("_")[0] for line in lines})
    result = quantify(
        fitted,
        lines,
        kfactors=kfactors,
        convention=recipe.k_convention if kfactors == "theory" else None,  # type: ignore[arg-type]
        deconvolve=kept_out,
        beam_kev=recipe.beam_kev,
    )
    clock.lap("quantify")
    filled = replace(
        recipe, elements=quantified, deconvolve=kept_out, lines=result.families, kfactors=result.kfactors,
        energy=recipe.energy or tuple(fitted.settings["energy_kev"]),  # type: ignore[arg-type]
    )  # fmt: skip
    return Analysis(image, spectra, fitted, result, filled, clock.seconds)


def _elements(recipe: Recipe, spectra: Spectra) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the elements to quantify and those to fit besides."""
    if recipe.elements is not None:
        return tuple(recipe.elements), tuple(recipe.deconvolve)
    chosen = [e for e in spectra.elements if e.symbol not in recipe.deconvolve]
    kept_out = dict.fromkeys((*recipe.deconvolve, *(e.symbol for e in chosen if not e.quantify)))
    quantified = tuple(e.symbol for e in chosen if e.quantify)
    if not quantified:
        raise InputError(
            f"{spectra.source or 'the data'}: no elements are selected in the file, so name them: "
            "--elements Sr,Ti,O on the command line, elements=('Sr', 'Ti', 'O') in a Recipe."
        )
    return quantified, tuple(kept_out)


def _fit(spectra: Spectra, elements: tuple[str, ...], recipe: Recipe, progress: Progress | None) -> FitResult:
    """Fit with the engine the recipe names."""
    if recipe.engine != "edsnb":
        from edsnb.io.hyperspy_engine import fit_hyperspy

        kind = recipe.engine.removeprefix("hyperspy").removeprefix("-") or "default"
        return fit_hyperspy(spectra, elements, recipe.energy or default_range(spectra), recipe=kind, progress=progress)
    return fit(
        spectra,
        elements,
        energy=recipe.energy,
        background=recipe.background,
        order=recipe.order,
        calibration=recipe.calibrate,
        table=_table(recipe.line_table),
        progress=progress,
    )


def _table(name: str) -> LineTable:
    """Return the line table of this name."""
    if name == "xraylib":
        return xraylib_family
    from edsnb.io.hyperspy import exspy_family

    return exspy_family


def _kfactors(recipe: Recipe) -> KFactors | str:
    """Return the recipe's k-factors, read from the file it names."""
    if isinstance(recipe.kfactors, KFactors) or recipe.kfactors == "theory":
        return recipe.kfactors
    return KFactors.from_velox(recipe.kfactors, convention=recipe.k_convention)  # type: ignore[arg-type]


class _Clock:
    """Wall time of one step after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now

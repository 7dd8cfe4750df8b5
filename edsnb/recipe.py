"""Every setting of an analysis in one record, which survives as TOML."""

from __future__ import annotations

import math
import operator
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

from edsnb.core.fitting.background import BACKGROUNDS
from edsnb.core.fitting.calibration import Calibration
from edsnb.core.fitting.lines import parse_line
from edsnb.core.quant.absorption import Absorption
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.regions import ChipGrid
from edsnb.errors import InputError, KFactorError

ENGINES = ("edsnb", "window", "hyperspy", "hyperspy-published", "hyperspy-lstsq")
_CHOICES = {
    "background": BACKGROUNDS,
    "line_table": ("xraylib", "exspy"),
    "k_convention": ("family", "alpha"),
    "engine": ENGINES,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every setting of an analysis; as TOML it repeats the numbers."""

    elements: tuple[str, ...] | None = None
    """Elements to quantify. None: those of `lines`, else those selected in the file."""
    deconvolve: tuple[str, ...] = ()
    """Elements fitted too, but kept out of the 100 %."""
    lines: tuple[str, ...] | None = None
    """One line or family for each element to quantify. None: the file's choice, else the usual one."""
    spectrum_image: int | str | None = None
    """Which map of a file that holds several: its number from 0, or its name."""
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
    """physical, polynomial or none; see `edsnb.core.fitting.model`."""
    order: int = 6
    """Order of a polynomial background."""
    calibrate: bool | Calibration = True
    """Calibrate the energy axis on the summed spectrum before the fit; or the calibration to use."""
    line_table: str = "xraylib"
    """Source of line energies and weights: xraylib or exspy."""
    refine: bool = False
    """Take the proportions of L and M subshells from the summed spectrum, near the table's, instead of the table's."""
    kfactors: str | KFactors = "theory"
    """theory, the path of a table (a Velox CSV, or TOML as KFactors.save writes it), or the factors themselves;
    zeta-factors give mass thickness too."""
    k_convention: str | None = None
    """What k-factors belong to: the whole ``family`` or its ``alpha`` line. None: what a KFactors record says of
    itself, family for theory and tables of Velox."""
    beam_kev: float | None = None
    """Beam energy where the file gives none, or a wrong one."""
    thickness_nm: float | None = None
    """Thickness of the film, to correct for absorption; None for no correction. Needs the density."""
    density_g_cm3: float | None = None
    """Density of the film, for the same."""
    take_off_deg: float | None = None
    """Take-off angle where the file gives none, or a wrong one."""
    pixel_kernel: int | None = None
    """Edge in pixels of the box over which maps of every pixel are averaged; None for no such maps."""
    engine: str = "edsnb"
    """edsnb; for comparison ``window`` (net counts in windows) or a HyperSpy fit: hyperspy (default multifit),
    hyperspy-published, hyperspy-lstsq."""

    def __post_init__(self) -> None:
        """Turn lists into tuples, and refuse settings that cannot be."""
        for spec in fields(self):
            value = getattr(self, spec.name)
            if value is not None or spec.default is not None:
                object.__setattr__(self, spec.name, _checked(spec.name, value))
        _check_elements(self.elements, self.deconvolve, self.lines)
        _check_convention(self.kfactors, self.k_convention)
        _ = self.absorption
        # A grid refuses sizes that cannot be.
        _ = self.grid

    @property
    def grid(self) -> ChipGrid:
        """The chip grid of this recipe."""
        return ChipGrid(self.chip, self.crop, self.stride, self.origin)

    @property
    def absorption(self) -> Absorption | None:
        """The film's absorption; None for no correction."""
        if self.thickness_nm is None and self.density_g_cm3 is None:
            return None
        if self.thickness_nm is None or self.density_g_cm3 is None:
            raise InputError(
                f"recipe: thickness_nm is {self.thickness_nm} and density_g_cm3 is {self.density_g_cm3}; to correct for"
                " absorption both are needed. Give both, or leave both out for no correction."
            )
        return Absorption(thickness_nm=self.thickness_nm, density_g_cm3=self.density_g_cm3)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, such that ``Recipe(**values)`` is this recipe; those at None are left out."""
        values: dict[str, Any] = {}
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, KFactors | Calibration):
                values[spec.name] = {k: v for k, v in value.to_dict().items() if v is not None}
            elif value is not None:
                values[spec.name] = list(value) if isinstance(value, tuple) else value
        return values

    def to_toml(self) -> str:
        """Return the recipe as TOML."""
        import tomli_w

        # A table must come after all plain values.
        return tomli_w.dumps(dict(sorted(self.to_dict().items(), key=lambda item: isinstance(item[1], dict))))

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
            values = read_settings(file.read_bytes(), f"recipe {file}")
        except OSError as error:
            raise InputError(f"recipe {file} cannot be read: {error.strerror or error}.") from error
        source = values.get("kfactors")
        if isinstance(source, str) and source != "theory":
            values["kfactors"] = str(file.parent / source)
        try:
            return cls(**values)
        except InputError as error:
            raise type(error)(f"{file}: {error}") from None


def read_settings(data: bytes, where: str) -> dict[str, Any]:
    """Return the settings in the TOML of a recipe, by name; `where` says in messages what it is.

    Raises
    ------
    InputError
        It is no TOML, or holds a setting that does not exist. Values are checked when a Recipe is made of them.
    """
    try:
        # Editors on Windows may put a byte-order mark first.
        values = tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where} is not valid TOML: {error}.") from None
    known = {spec.name for spec in fields(Recipe)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"{where}: unknown setting {', '.join(unknown)}; settings are {', '.join(sorted(known))}.")
    return values


def with_kfactors(recipe: Recipe) -> Recipe:
    """Return the recipe with the k-factors that its table holds, in place of the table's path.

    Raises
    ------
    KFactorError
        The table cannot be used.
    """
    if isinstance(recipe.kfactors, KFactors) or recipe.kfactors == "theory":
        return recipe
    if Path(recipe.kfactors).suffix.lower() == ".toml":
        return replace(recipe, kfactors=KFactors.load(recipe.kfactors))
    convention: Any = recipe.k_convention or "family"
    return replace(recipe, kfactors=KFactors.from_velox(recipe.kfactors, convention=convention))


def _names(value: Any) -> tuple[str, ...]:
    """Return a list of names as a tuple."""
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_name(part) for part in value)


def _whole(value: Any) -> int:
    """Return a whole number; True and 1.0 are none."""
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _real(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise TypeError
    return float(value)


def _pick(value: Any) -> int | str:
    """Return a number or a name."""
    return value if isinstance(value, str) else _whole(value)


def _several(kind: Callable[[Any], Any], length: int) -> Callable[[Any], tuple[Any, ...]]:
    """Return what checks `length` values of a kind."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) != length:
            raise TypeError
        return tuple(kind(part) for part in value)

    return check


def _name(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def _axis(value: Any) -> bool | Calibration:
    """Return True, False or a calibration, also one as plain numbers."""
    if isinstance(value, dict):
        return Calibration.from_dict(value)
    return value if isinstance(value, Calibration) else _flag(value)


def _record(value: Any) -> str | KFactors:
    """Return KFactors, also those of a table, or a name or path as text."""
    if isinstance(value, dict):
        return KFactors(**value)
    return value if isinstance(value, KFactors) else os.fspath(value)


_CHECKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "elements": (_names, "a list of names"),
    "deconvolve": (_names, "a list of names"),
    "lines": (_names, "a list of names"),
    "spectrum_image": (_pick, "the number or the name of a map"),
    "chip": (_whole, "a whole number of pixels"),
    "stride": (_whole, "a whole number of pixels"),
    "crop": (_several(_whole, 4), "four whole numbers y0, y1, x0, x1"),
    "origin": (_several(_whole, 2), "two whole numbers y, x"),
    "energy": (_several(_real, 2), "two numbers low, high in keV"),
    "background": (_name, "a name"),
    "order": (_whole, "a whole number"),
    "calibrate": (_axis, "true, false, or a calibration (channels, offset_kev, scale_kev, fwhm_mn_ev, ...)"),
    "line_table": (_name, "a name"),
    "kfactors": (_record, "'theory', the path of a table, or k-factors (factors, convention, source, beam_kev, sd)"),
    "k_convention": (_name, "a name"),
    "beam_kev": (_real, "a number"),
    "refine": (_flag, "true or false"),
    "thickness_nm": (_real, "a number"),
    "density_g_cm3": (_real, "a number"),
    "take_off_deg": (_real, "a number"),
    "pixel_kernel": (_whole, "a whole number of pixels"),
    "engine": (_name, "a name"),
}
"""What each setting is turned into, and how to say it."""


def _checked(name: str, value: Any) -> Any:
    """Return a setting in its own type, or raise InputError."""
    check, wanted = _CHECKS[name]
    try:
        value = check(value)
    except InputError as error:
        raise InputError(f"recipe: {error}") from None
    except (TypeError, AttributeError):
        raise InputError(f"recipe: {name} must be {wanted}; found {value!r}.") from None
    allowed = _CHOICES.get(name)
    if allowed and value not in allowed:
        raise InputError(f"recipe: {name} = {value!r} is unknown; choose {', '.join(allowed)}.")
    return value


def _check_elements(
    elements: tuple[str, ...] | None, deconvolve: tuple[str, ...], lines: tuple[str, ...] | None
) -> None:
    """Raise InputError where elements, those for deconvolution and lines contradict each other."""
    for name, value in (("elements", elements), ("lines", lines)):
        if value == ():
            raise InputError(f"recipe: {name} is empty; name some, or leave it out for those of the file.")
    of_lines = [parse_line(line)[0] for line in lines or ()]
    if both := sorted({*(elements or ()), *of_lines} & set(deconvolve)):
        raise InputError(
            f"recipe: {', '.join(both)} cannot be quantified and only deconvolved at once; name each in one place."
        )
    if elements is None or lines is None:
        return
    if without := [e for e in elements if e not in of_lines]:
        raise InputError(
            f"recipe: lines names none for {', '.join(without)}; name one for each element, or leave lines out for "
            "the usual ones. Elements that are only to be told apart belong under deconvolve."
        )
    if foreign := [e for e in of_lines if e not in elements]:
        raise InputError(f"recipe: lines names one of {', '.join(foreign)}, which is not among the elements; add it.")


def _check_convention(kfactors: str | KFactors, convention: str | None) -> None:
    """Raise KFactorError where k-factors say another convention of themselves than is asked for."""
    if isinstance(kfactors, KFactors) and convention not in (None, kfactors.convention):
        raise KFactorError(
            f"recipe: {convention} k-factors are asked for, but those of {kfactors.source} are {kfactors.convention} "
            f"k-factors. Leave k_convention out; if they are really {convention}, change it in the k-factors' record."
        )

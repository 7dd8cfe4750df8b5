"""The main path in one call: open -> chips -> fit -> quantify -> table, driven by a recipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb.core.events import Array
from edsnb.core.fitting.fit import FitPlan, FitResult, carry_out, default_range, plan_fit
from edsnb.core.fitting.lines import LineTable, parse_line, usual_family, xraylib_family
from edsnb.core.fitting.solve import Progress
from edsnb.core.fitting.window import window_intensities
from edsnb.core.image import SpectrumImage
from edsnb.core.maps import PixelMaps, pixel_maps
from edsnb.core.quant.dose import DoseQuantification, quantify_zeta
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import ChipGrid, Regions, Spectra, chip
from edsnb.errors import InputError, KFactorError
from edsnb.io.opening import open_file
from edsnb.recipe import Recipe, with_kfactors

if TYPE_CHECKING:
    import pandas as pd

    from edsnb.core.features import Features

_OF_THE_FIT = ("energy", "background", "order", "calibrate", "line_table", "refine", "engine")
"""Settings that the fit depends on, beside chips and elements."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """All that one run made, from the opened file to the composition."""

    image: SpectrumImage
    spectra: Spectra
    fit: FitResult
    quantification: Quantification
    asked: Recipe
    """The recipe as it was given."""
    recipe: Recipe
    """The recipe with everything that was left open filled in."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each step."""
    maps: PixelMaps | None = None
    """Maps of every pixel, where the recipe asks for them."""
    dose: DoseQuantification | None = None
    """Mass thickness too, where the recipe has zeta-factors."""

    def to_frame(self) -> pd.DataFrame:
        """Return one row a chip; see `Quantification.to_frame`, with zeta-factors `DoseQuantification.to_frame`."""
        return self.quantification.to_frame() if self.dose is None else self.dose.to_frame()

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write table, spectra, recipe, provenance and summary picture; see `edsnb.io.export`.

        Raises
        ------
        OutputError
            The folder exists and `overwrite` is False, or it cannot be written; nothing is left half done.
        """
        from edsnb.io.export import save_analysis
        from edsnb.plots.maps import draw_maps
        from edsnb.plots.summary import draw_summary

        pictures = {"summary.png": draw_summary, **({"maps.png": draw_maps} if self.maps is not None else {})}
        return save_analysis(self, folder, overwrite=overwrite, pictures=pictures)

    def export(
        self,
        folder: str | PathLike[str],
        format: str | Iterable[str] = "parquet",
        *,
        overwrite: bool = False,
        labels: Mapping[str, Sequence[str]] | None = None,
        naming: str = "gui",
        energy_bin: int | None = None,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Write the chips for few-shot models and other tools; see `edsnb.io.fewshot.write.export_analysis`.

        `format` names one or several of ``parquet, npz, imagefolder, imagefolder16, classes, pychip, pychipclassifier,
        published``; `labels` is {class: [names of chips]}.

        Raises
        ------
        InputError
            A format, a label or a setting cannot be used with these chips.
        OutputError
            The folder holds something and `overwrite` is False, or it cannot be written; nothing is left half done.
        """  # fmt: skip
        from edsnb.io.fewshot.write import export_analysis

        return export_analysis(
            self, folder, format, labels=labels, naming=naming, energy_bin=energy_bin, name=name, overwrite=overwrite,
            progress=progress,
        )  # fmt: skip

    def features(
        self, *, labels: Mapping[str, Sequence[str]] | None = None, weights: Mapping[str, float] | None = None
    ) -> Features:
        """Return features of each chip for nearest-prototype models; see `edsnb.core.features.features`."""
        from edsnb.core.features import features
        from edsnb.core.patches import cut

        regions = self.spectra.regions
        patches = cut(self.image, regions) if regions is not None else None
        return features(self.quantification, patches, labels=labels, weights=weights)


def analyse(
    source: str | PathLike[str] | SpectrumImage,
    recipe: Recipe | None = None,
    *,
    regions: Regions | Array | Mapping[str, Array] | None = None,
    previous: Analysis | None = None,
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
    previous
        An earlier analysis, of which chips and fit are taken over where they would come out the same: those of the
        same map, grid (or Regions) and settings of the fit. The numbers are those of a new run.
    progress
        Told (done, total) while the file is read, then anew during the fit; returning False stops the work.

    Returns
    -------
    Analysis

    Raises
    ------
    EdsnbError
        The file cannot be read, a setting cannot be used with it, or `progress` returned False.
    """
    asked = recipe or Recipe()
    recipe = with_kfactors(asked)
    clock = _Clock()
    if isinstance(source, SpectrumImage):
        image = source
    else:
        image = open_file(source, spectrum_image=recipe.spectrum_image, progress=progress)
    given = {"beam_kev": recipe.beam_kev, "take_off_deg": recipe.take_off_deg}
    known: Any = {name: value for name, value in given.items() if value is not None}
    image = replace(image, acquisition=replace(image.acquisition, **known))
    _check_beam(recipe, image)
    clock.lap("open")
    spectra = _spectra(image, recipe.grid if regions is None else regions, previous)
    clock.lap("chip")
    quantified, kept_out = elements_of(recipe, spectra)
    if previous is not None and _fits_alike(previous, spectra, (*quantified, *kept_out), recipe):
        fitted = previous.fit
    else:
        fitted = fit_chips(spectra, (*quantified, *kept_out), recipe, progress)
    clock.lap("fit")
    dosed = quantify_chips(fitted, recipe, quantified, kept_out)
    result = dosed.quantification if isinstance(dosed, DoseQuantification) else dosed
    clock.lap("quantify")
    maps = None
    if recipe.pixel_kernel is not None:
        maps = pixel_maps(image, result, kernel=recipe.pixel_kernel, progress=progress)
        clock.lap("maps")
    filled = replace(
        recipe, elements=quantified, deconvolve=kept_out, lines=result.families, kfactors=result.kfactors,
        k_convention=result.convention, energy=recipe.energy or tuple(fitted.settings["energy_kev"]),  # type: ignore
    )  # fmt: skip
    dose = dosed if isinstance(dosed, DoseQuantification) else None
    return Analysis(image, spectra, fitted, result, asked, filled, clock.seconds, maps, dose)


def _spectra(
    image: SpectrumImage, chosen: ChipGrid | Regions | Array | Mapping[str, Array], previous: Analysis | None
) -> Spectra:
    """Return the spectra of the chips: those of the previous analysis where they are the same."""
    stored = image.events is None and image.spectra is not None and isinstance(chosen, ChipGrid)
    if previous is not None and _is_of(previous.image, image):
        known = previous.spectra.regions
        cut_alike = chosen is known or (isinstance(chosen, ChipGrid) and known is not None and chosen == known.grid)
        if cut_alike or (stored and known is None):
            return previous.spectra
    if stored and image.spectra is not None:
        return replace(image.spectra, acquisition=image.acquisition, elements=image.elements)
    return chip(image, chosen)


def _is_of(known: SpectrumImage, image: SpectrumImage) -> bool:
    """Tell whether two records are of the same opened map, with the same beam and detector."""
    return known.events is image.events and known.spectra is image.spectra and known.acquisition == image.acquisition


def _fits_alike(previous: Analysis, spectra: Spectra, elements: tuple[str, ...], recipe: Recipe) -> bool:
    """Tell whether the previous analysis has the fit that is to be made."""
    fitted = (*(previous.recipe.elements or ()), *previous.recipe.deconvolve)
    same = previous.spectra is spectra and fitted == elements
    return same and all(getattr(previous.asked, name) == getattr(recipe, name) for name in _OF_THE_FIT)


def _check_beam(recipe: Recipe, image: SpectrumImage) -> None:
    """Raise KFactorError where k-factors were made for another beam energy, as those in another file's recipe are."""
    beam = image.acquisition.beam_kev
    if not isinstance(recipe.kfactors, KFactors) or recipe.kfactors.beam_kev is None or beam is None:
        return
    if abs(recipe.kfactors.beam_kev - beam) > 0.01 * beam:
        raise KFactorError(
            f"the k-factors ({recipe.kfactors.source}) hold for {recipe.kfactors.beam_kev:g} keV, but the beam had "
            f"{beam:g} keV. Use kfactors 'theory' or a table for {beam:g} keV."
        )


def elements_of(recipe: Recipe, data: Spectra | SpectrumImage) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the elements to quantify and those to fit besides: the recipe's, else those selected in the file.

    Raises
    ------
    InputError
        Neither names any.
    """
    if recipe.elements is not None:
        return recipe.elements, recipe.deconvolve
    chosen = [e for e in data.elements if e.symbol not in recipe.deconvolve]
    if recipe.lines is not None:
        quantified = tuple(parse_line(line)[0] for line in recipe.lines)
        others = (e.symbol for e in chosen if e.symbol not in quantified)
        return quantified, tuple(dict.fromkeys((*recipe.deconvolve, *others)))
    quantified = tuple(e.symbol for e in chosen if e.quantify)
    if not quantified:
        raise InputError(
            f"{data.source or 'the data'}: no elements are selected in the file, so name them: "
            "--elements Sr,Ti,O on the command line, elements=('Sr', 'Ti', 'O') in a Recipe."
        )
    others = (e.symbol for e in chosen if not e.quantify)
    return quantified, tuple(dict.fromkeys((*recipe.deconvolve, *others)))


def _lines(fitted: FitResult, elements: tuple[str, ...]) -> tuple[str, ...]:
    """Return the family that quantifies each element: the file's choice where it was fitted, else the usual one."""
    chosen = {f"{e.symbol}_{e.family}" for e in fitted.spectra.elements}
    named = {f.element: f.name for f in fitted.families if f.name in chosen}
    return tuple(named.get(e) or usual_family(e, fitted.families).name for e in elements)


def quantify_chips(
    fitted: FitResult, recipe: Recipe, quantified: tuple[str, ...], kept_out: tuple[str, ...]
) -> Quantification | DoseQuantification:
    """Quantify by Cliff-Lorimer, or with zeta-factors where the recipe has them."""
    lines, kfactors = recipe.lines or _lines(fitted, quantified), recipe.kfactors
    if isinstance(kfactors, KFactors) and kfactors.kind == "zeta":
        # Zeta-factors find the film's mass themselves; that a film is given says to correct for its absorption.
        corrected = recipe.absorption is not None
        return quantify_zeta(fitted, kfactors, lines, absorption=corrected, deconvolve=kept_out)
    return quantify(
        fitted,
        lines,
        kfactors=kfactors,
        convention=recipe.k_convention,  # type: ignore[arg-type]
        deconvolve=kept_out,
        beam_kev=recipe.beam_kev,
        absorption=recipe.absorption,
    )


def plan_chips(spectra: Spectra, elements: tuple[str, ...], recipe: Recipe) -> FitPlan:
    """Prepare what edsnb's own engine does to every spectrum with the settings of a recipe."""
    return plan_fit(
        spectra,
        elements,
        energy=recipe.energy,
        background=recipe.background,
        order=recipe.order,
        calibration=recipe.calibrate,
        table=_table(recipe.line_table),
        refine=recipe.refine,
    )


def fit_chips(
    spectra: Spectra, elements: tuple[str, ...], recipe: Recipe, progress: Progress | None = None
) -> FitResult:
    """Fit with the engine the recipe names."""
    if recipe.engine == "window":
        return window_intensities(
            spectra, elements, energy=recipe.energy, calibration=recipe.calibrate, table=_table(recipe.line_table)
        )
    if recipe.engine != "edsnb":
        from edsnb.io.hyperspy_engine import fit_hyperspy

        kind = recipe.engine.removeprefix("hyperspy").removeprefix("-") or "default"
        return fit_hyperspy(spectra, elements, recipe.energy or default_range(spectra), recipe=kind, progress=progress)
    return carry_out(plan_chips(spectra, elements, recipe), spectra, progress=progress)


def _table(name: str) -> LineTable:
    """Return the line table of this name."""
    if name == "xraylib":
        return xraylib_family
    from edsnb.io.hyperspy import exspy_family

    return exspy_family


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

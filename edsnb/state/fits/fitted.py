"""A fit with its quantification, whichever record it came in, with the recipe that repeats it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edsnb.core.events import Array
from edsnb.core.fitting.background import BACKGROUNDS
from edsnb.core.fitting.fit import FitPlan, FitResult, Status, carry_out
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.dose import DoseQuantification, quantify_zeta
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantification import Quantification
from edsnb.core.quant.quantify import quantify
from edsnb.core.regions import Regions
from edsnb.errors import EdsnbError, InputError
from edsnb.pipeline import Analysis, analyse, elements_of, fit_chips, plan_chips, quantify_chips
from edsnb.recipe import Recipe, with_kfactors

_HYPERSPY = {"default": "hyperspy", "published": "hyperspy-published", "lstsq": "hyperspy-lstsq"}


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """n spectra, fitted and perhaps quantified."""

    fit: FitResult
    quantification: Quantification | None
    """None where only a fit was given."""
    recipe: Recipe
    """Settings that repeat it, as far as a recipe can hold them."""
    dose: DoseQuantification | None = None
    image: SpectrumImage | None = None
    """The map; None where only its spectra are known."""
    analysis: Analysis | None = None

    @classmethod
    def of(cls, source: object, image: SpectrumImage | None = None) -> Fitted:
        """Return what an Analysis, a Quantification (with dose or without) or a FitResult holds.

        Raises
        ------
        InputError
            It is none of these, or the image is another map's.
        """
        if isinstance(source, Fitted):
            return source
        if isinstance(source, Analysis):
            found = cls(source.fit, source.quantification, _open_ended(source), source.dose, source.image, source)
            return _checked(found)
        dose = source if isinstance(source, DoseQuantification) else None
        quant = source.quantification if isinstance(source, DoseQuantification) else source
        if isinstance(quant, Quantification):
            found = cls(quant.fit, quant, recipe_of(quant.fit, quant), dose, image)
        elif isinstance(quant, FitResult):
            found = cls(quant, None, recipe_of(quant, None), None, image)
        else:
            raise InputError(
                f"an Analysis, a Quantification or a FitResult can be looked at, not {type(source).__name__}: give "
                "what edsnb.analyse, edsnb.quantify or edsnb.fit returned."
            )
        return _checked(found)

    def __len__(self) -> int:
        """Return n."""
        return len(self.fit)

    @property
    def names(self) -> tuple[str, ...]:
        """N names."""
        return self.fit.spectra.names

    @property
    def regions(self) -> Regions | None:
        """Where the spectra come from; None for those stored in a file."""
        return self.fit.spectra.regions

    @property
    def status(self) -> Array:
        """(n,) Status values."""
        return self.fit.status if self.quantification is None else self.quantification.status

    def status_of(self, index: int) -> Status:
        """Return what became of one spectrum."""
        return Status(int(self.status[index]))

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of all fitted elements, in the order of the fit."""
        return tuple(dict.fromkeys(family.element for family in self.fit.families))


def _checked(found: Fitted) -> Fitted:
    """Return the record, or raise InputError where there is nothing in it, or the image is another map's."""
    if not len(found):
        raise InputError("there is no spectrum in this result, so there is nothing to look at.")
    image, regions = found.image, found.regions
    if image is not None and regions is not None and image.shape != regions.shape:
        raise InputError(
            f"the image has {image.shape[0]} x {image.shape[1]} pixels, the chips were cut from a map of "
            f"{regions.shape[0]} x {regions.shape[1]}. Give the map that was cut, or no image."
        )
    return found


def plan_of(found: Fitted, recipe: Recipe) -> FitPlan:
    """Prepare a fit of these spectra with other settings."""
    return plan_chips(found.fit.spectra, _fitted_elements(found, recipe), recipe)


def refit_one(found: Fitted, recipe: Recipe, plan: FitPlan, index: int) -> Fitted:
    """Return one spectrum fitted as planned and quantified by the recipe: row `index` of what `refit` gives."""
    one = carry_out(plan, found.fit.spectra.only(index))
    return quantified_as(found, one, recipe, index)


def refit(found: Fitted, recipe: Recipe, progress: Progress | None = None) -> Fitted:
    """Return all spectra fitted and quantified by another recipe.

    Raises
    ------
    EdsnbError
        A setting cannot be used with them, or `progress` returned False.
    """
    if found.analysis is not None and found.image is not None:
        # A grid is what the recipe says; other regions must be handed over.
        regions = found.regions if found.regions is not None and found.regions.grid is None else None
        return Fitted.of(
            analyse(found.image, recipe, regions=regions, previous=found.analysis, progress=progress), found.image
        )
    fitted = fit_chips(found.fit.spectra, _fitted_elements(found, recipe), recipe, progress)
    return quantified_as(found, fitted, recipe, None)


def recipe_of(fit: FitResult, quant: Quantification | None) -> Recipe:
    """Return the recipe that repeats a fit and its quantification, as far as a recipe can hold it.

    Not in it: unweighted fits, thicknesses that differ from chip to chip, a dose given by hand, irregular regions.
    """
    elements = tuple(dict.fromkeys(family.element for family in fit.families))
    settings = fit.settings
    # "polynomial of order 6"; an engine that has none of these is refitted with the usual one.
    background, _, order = str(settings.get("background", "")).partition(" of order ")
    energy = settings.get("energy_kev")
    low, high = energy if isinstance(energy, list | tuple) else fit.spectra.energy.range_kev
    recipe = Recipe(
        elements=elements if quant is None else quant.elements,
        deconvolve=() if quant is None else quant.deconvolved,
        energy=(low, high),
        background=background if background in BACKGROUNDS else Recipe().background,
        order=int(order or Recipe().order),
        calibrate=fit.calibration or False,
        line_table="exspy" if str(settings.get("table", "")).startswith("eXSpy") else "xraylib",
        refine=bool(settings.get("refine", False)),
        engine=_HYPERSPY[str(settings["recipe"])] if fit.engine == "hyperspy" else fit.engine,
    )
    grid = fit.spectra.regions.grid if fit.spectra.regions is not None else None
    if grid is not None:
        recipe = replace(recipe, chip=grid.size, stride=grid.stride, crop=grid.crop, origin=grid.origin)
    return recipe if quant is None else _with_quantification(recipe, fit, quant)


def _with_quantification(recipe: Recipe, fit: FitResult, quant: Quantification) -> Recipe:
    """Return the recipe with lines, k-factors and film of a quantification."""
    used, film = quant.kfactors, quant.absorption
    theory = used.kind == "k" and used.source.startswith("theory")
    recipe = replace(
        recipe,
        lines=quant.families,
        kfactors="theory" if theory else used,
        k_convention=used.convention,
        beam_kev=used.beam_kev if fit.spectra.acquisition.beam_kev is None else None,
    )
    if film is None or isinstance(film.thickness_nm, tuple):
        return recipe
    angle = film.take_off_deg if film.take_off_deg != fit.spectra.acquisition.take_off_deg else None
    return replace(recipe, thickness_nm=film.thickness_nm, density_g_cm3=film.density_g_cm3, take_off_deg=angle)


def _open_ended(analysis: Analysis) -> Recipe:
    """Return the filled recipe, but with the k-factors that were asked for: other elements need others of them."""
    try:
        asked = with_kfactors(analysis.asked)
    except EdsnbError:
        # The table's file is gone: those that were used are still there.
        return analysis.recipe
    return replace(analysis.recipe, kfactors=asked.kfactors)


def _fitted_elements(found: Fitted, recipe: Recipe) -> tuple[str, ...]:
    """Return all elements that are fitted by a recipe."""
    quantified, kept_out = elements_of(recipe, found.fit.spectra)
    return *quantified, *kept_out


def quantified_as(found: Fitted, fitted: FitResult, recipe: Recipe, index: int | None) -> Fitted:
    """Return a new fit of the spectra, or of number `index` alone, quantified as they were."""
    quant, dose, rows = found.quantification, found.dose, slice(None) if index is None else [index]
    if quant is None:
        return replace(found, fit=fitted, recipe=recipe, analysis=None)
    quantified, kept_out = elements_of(recipe, fitted.spectra)
    film = quant.absorption
    made: Quantification | DoseQuantification
    if dose is not None and isinstance(recipe.kfactors, KFactors):
        made = quantify_zeta(
            fitted, recipe.kfactors, recipe.lines, dose_e=dose.dose_e[rows],
            absorption=bool((quant.correction != 1).any()), deconvolve=kept_out,
        )  # fmt: skip
    elif film is not None and isinstance(film.thickness_nm, tuple):
        thickness = film.thickness_nm if index is None else (film.thickness_nm[index],)
        made = quantify(
            fitted, recipe.lines, kfactors=recipe.kfactors, deconvolve=kept_out,
            convention=recipe.k_convention, absorption=replace(film, thickness_nm=thickness),  # type: ignore[arg-type]
        )  # fmt: skip
    else:
        made = quantify_chips(fitted, recipe, quantified, kept_out)
    with_dose = made if isinstance(made, DoseQuantification) else None
    result = made.quantification if isinstance(made, DoseQuantification) else made
    return Fitted(fitted, result, recipe, with_dose, found.image)

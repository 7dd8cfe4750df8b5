"""What a FitExplorer shows, as Python that makes it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edsnb.core.fitting.calibration import Calibration
from edsnb.state.fits.fitted import Fitted
from edsnb.state.scripts import opened, recipe_code

if TYPE_CHECKING:
    from edsnb.state.fits.state import FitState

_DEFAULTS = {"rank_kind": "chi-square", "rank_part": "", "rank_order": "highest first", "scale": "sqrt",
             "components": True, "together": 1}  # fmt: skip


def fit_code(state: FitState) -> str:
    """Return Python that fits and quantifies as the result was, and looks at the same chip in the same way."""
    found = state.result
    lines = ["import edsnb", "", *_source(found)]
    if found.quantification is None:
        lines += [*_fit(found), f"explorer = edsnb.FitExplorer(fitted, image{_options(state)})"]
    else:
        lines += [*_analysis(found), f"explorer = edsnb.FitExplorer(analysis{_options(state)})"]
    if state.trial.result is not None:
        lines += ["", "# Tried on this chip alone; explorer.state.apply() fits all of them so."]
        lines += [f"trial = {recipe_code(state.trial.recipe)}", "explorer.state.trial.adopt(trial)"]
    return "\n".join([*lines, "explorer", ""])


def _source(found: Fitted) -> Iterator[str]:
    """Open the file, or say what must be there."""
    source = found.image.source if found.image is not None else found.fit.spectra.source
    yield opened(source, found.recipe.spectrum_image)
    if found.regions is not None and found.regions.grid is None:
        yield "# regions: those it was cut into, which are no grid"


def _analysis(found: Fitted) -> Iterator[str]:
    for gap in _gaps(found):
        yield f"# Not in the recipe: {gap}."
    yield f"recipe = {recipe_code(found.recipe)}"
    irregular = found.regions is not None and found.regions.grid is None
    yield f"analysis = edsnb.analyse(image, recipe{', regions=regions' if irregular else ''})"


def _gaps(found: Fitted) -> Iterator[str]:
    """Say what a recipe cannot hold of the result."""
    if found.analysis is not None:
        return
    if found.fit.engine == "edsnb" and found.fit.settings.get("weights") == "none":
        yield "the fit was made without weights (edsnb.fit(..., weighted=False))"
    film = found.quantification.absorption if found.quantification is not None else None
    if film is not None and isinstance(film.thickness_nm, tuple):
        yield "the film's thickness, which differs from chip to chip (edsnb.quantify(..., absorption=...))"
    if found.dose is not None:
        yield "the dose, where it was given by hand (edsnb.quantify_zeta(..., dose_e=...))"


def _fit(found: Fitted) -> Iterator[str]:
    """Cut and fit, without a quantification."""
    recipe, grid = found.recipe, found.regions.grid if found.regions is not None else None
    if found.regions is None:
        yield "spectra = image.spectra"
    else:
        yield f"spectra = edsnb.chip(image, {'regions' if grid is None else f'edsnb.{grid!r}'})"
    common = f"spectra, {recipe.elements!r}, energy={recipe.energy!r}"
    kept = recipe.calibrate
    calibration = f"edsnb.Calibration.from_dict({kept.to_dict()!r})" if isinstance(kept, Calibration) else repr(kept)
    if recipe.engine == "window":
        yield f"fitted = edsnb.window_intensities({common}, calibration={calibration})"
    elif recipe.engine != "edsnb":
        kind = recipe.engine.removeprefix("hyperspy").removeprefix("-") or "default"
        yield "from edsnb.io.hyperspy_engine import fit_hyperspy"
        yield f"fitted = fit_hyperspy({common}, recipe={kind!r})"
    else:
        weights = ", weighted=False" if found.fit.settings.get("weights") == "none" else ""
        table = ", table=exspy_family" if recipe.line_table == "exspy" else ""
        if table:
            yield "from edsnb.io.hyperspy import exspy_family"
        yield f"calibration = {calibration}"
        yield (
            f"fitted = edsnb.fit({common}, background={recipe.background!r}, order={recipe.order}, "
            f"calibration=calibration, refine={recipe.refine}{table}{weights})"
        )


def _options(state: FitState) -> str:
    """Return what is looked at, as arguments of FitExplorer."""
    options = {"chip": state.name_of(state.chip)}
    if state.other is not None:
        options["other"] = state.name_of(state.other)
    options["kind"] = state.kind
    if state.part:
        options["part"] = state.part
    options |= {name: value for name, usual in _DEFAULTS.items() if (value := getattr(state, name)) != usual}
    return "".join(f", {name}={value!r}" for name, value in options.items())

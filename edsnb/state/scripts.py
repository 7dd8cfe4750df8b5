"""Settings as code: Python, the recipe's TOML, the command; each gives the numbers that the widgets show."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from edsnb.core.fitting.calibration import Calibration
from edsnb.core.quant.kfactors import KFactors
from edsnb.recipe import Recipe
from edsnb.state.links import to_query

_WIDTH = 100
"""Characters of a line of code, where it can be broken."""


def python(source: str, recipe: Recipe) -> str:
    """Return Python that analyses a file with this recipe and prints the table."""
    return (
        "import edsnb\n\n"
        f"recipe = {recipe_code(recipe)}\n"
        f"analysis = edsnb.analyse({_literal(source)}, recipe)\n"
        "print(analysis.to_frame())\n"
        '# analysis.save("result")  # table, spectra, recipe, provenance and picture\n'
    )


def opened(source: str, spectrum_image: int | str | None = None) -> str:
    """Return the line that opens a map; one that says what it is where it came from no file."""
    if not (source and Path(source).is_file()):
        return f"# image: the map in use{f', {source}' if source else ''}"
    which = f", spectrum_image={spectrum_image!r}" if spectrum_image is not None else ""
    return f"image = edsnb.open({source!r}{which})"


def python_regions(preface: str, recipe: Recipe) -> str:
    """Return Python that analyses drawn regions: `preface` makes ``image`` and ``regions``."""
    return (
        f"{preface.rstrip()}\n\n"
        f"recipe = {recipe_code(recipe)}\n"
        "analysis = edsnb.analyse(image, recipe, regions=regions)\n"
        "print(analysis.to_frame())\n"
    )


def recipe_code(recipe: Recipe) -> str:
    """Return the call that makes a recipe, with the settings that differ from the defaults."""
    lines = list(_arguments(recipe))
    return "edsnb.Recipe()" if not lines else "edsnb.Recipe(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def command(source: str, recipe: Recipe) -> str:
    """Return the commands that run the recipe, saved as recipe.toml, on a file, and on others like it."""
    choice = [] if recipe.spectrum_image is None else [f"--spectrum-image {recipe.spectrum_image}"]
    return " ".join(["edsnb run", shlex.quote(source), *choice, "--recipe recipe.toml --out result"])


def recipe_toml(recipe: Recipe) -> str:
    """Return the recipe as TOML; which map of a file it was is left to each file."""
    return replace(recipe, spectrum_image=None).to_toml()


def _arguments(recipe: Recipe) -> Iterator[str]:
    for spec in fields(Recipe):
        value = getattr(recipe, spec.name)
        if value == spec.default:
            continue
        if isinstance(value, KFactors):
            yield f"{spec.name}={_call('edsnb.KFactors', value.to_dict())}"
        elif isinstance(value, Calibration):
            numbers = value.to_dict()
            yield f"{spec.name}=edsnb.Calibration.from_dict({_call('dict', numbers)})"
        else:
            yield f"{spec.name}={_literal(value)}"


def _call(name: str, arguments: Mapping[str, object]) -> str:
    """Return a call with named arguments, each in a line of its own; those that hold nothing are left out."""
    lines = []
    for argument, value in arguments.items():
        if value is None or value in ({}, []):
            continue
        text = f"{argument}={_literal(value)}"
        if isinstance(value, dict) and len(text) > _WIDTH - 8:
            text = (
                f"{argument}={{\n"
                + "".join(f"            {_literal(k)}: {v!r},\n" for k, v in value.items())
                + "        }"
            )
        lines.append(f"        {text},\n")
    return f"{name}(\n{''.join(lines)}    )"


def _literal(value: object) -> str:
    """Return a value as Python, texts in double quotes, as formatters write them."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return repr(value)


def settings_said(recipe: Recipe, names: tuple[str, ...]) -> str:
    """Return some settings of a recipe in a line: ``chip 15, crop 0:500,0:500``."""
    shown: dict[str, Any] = to_query({name: getattr(recipe, name) for name in names})
    return ", ".join(f"{name.replace('_', ' ')} {shown.get(name, 'default')[:40]}" for name in names)

"""A notebook's output holds the library of its widgets once, and none where the page has it already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bokeh.core.serialization import Serializer
from panel.models.esm import ReactiveESM

_WHOLE = 10_000
"""Scripts of so many characters are whole libraries; in a served page they are short addresses."""


def use_loaded_scripts(viewable: Any, root: Any, changed: Any, old_models: Any) -> None:
    """Leave the library out of all widgets but the one that the browser makes first; a hook of Panel's.

    In a notebook each Material widget carries the whole library, 1.5 MB, and the notebook's file would hold all of
    them. The browser keeps a library by its `bundle`, and does not look at the text of the second one.
    """
    if changed is viewable or old_models is None:
        whole = _with_library(root)
        if whole:
            first = _first_made(root, whole)
            _empty(model for name, model in whole.items() if name != first)
        return
    ref = root.ref["id"]
    if ref not in changed._models:
        return
    place = changed._models[ref][0]
    kind = {"type": ReactiveESM}
    here = {model for old in old_models for model in old.select(kind)} | {place}
    added = {model for model in place.select(kind) if model not in here}
    heavy = [model for model in added if _carries(model)]
    # A page that is served fetches the library by its address: nothing to look for in what may be thousands of models.
    if heavy:
        loaded = {model.bundle for model in root.select(kind) if model not in added}
        _empty(model for model in heavy if model.bundle in loaded)


def _carries(model: Any) -> bool:
    return model.bundle is not None and len(model.esm) > _WHOLE


def _with_library(root: Any) -> dict[str, Any]:
    """Return {id: model} of those that carry a library; there is one library, Material's."""
    found = [model for model in root.select({"type": ReactiveESM}) if _carries(model)]
    return {model.id: model for model in found if model.bundle == found[0].bundle}


def _first_made(root: Any, whole: dict[str, Any]) -> str:
    """Return the id of that model which the browser makes first: it makes what a model holds before the model."""
    encoded: Any = Serializer(deferred=True).encode(root)
    return next(name for name in _ids(encoded) if name in whole)


def _ids(encoded: Any) -> Iterator[str]:
    """Return the ids of encoded models, what they hold before themselves."""
    if isinstance(encoded, dict):
        for value in encoded.values():
            yield from _ids(value)
        if encoded.get("type") == "object" and "id" in encoded:
            yield encoded["id"]
    elif isinstance(encoded, (list, tuple)):
        for value in encoded:
            yield from _ids(value)


def _empty(models: Iterator[Any]) -> None:
    for model in models:
        model.esm = ""

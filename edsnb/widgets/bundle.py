"""What is shown later than the rest of a notebook's output takes its scripts from what is on the page already."""

from __future__ import annotations

from typing import Any

from panel.models.esm import ReactiveESM

_WHOLE = 10_000
"""Scripts of so many characters are whole libraries; in a served page they are short addresses."""


def use_loaded_scripts(viewable: Any, root: Any, changed: Any, old_models: Any) -> None:
    """Leave out the library of widgets that are added to what is on the page; a hook of Panel's.

    In a notebook each Material widget carries the whole library, 1.5 MB, and the browser sends what it was sent back
    to Python: a tab of some ten widgets is more than Jupyter lets through its socket, and ends the connection. The
    browser keeps a library by its `bundle`, and does not look at the text of the second one.
    """
    if changed is viewable or old_models is None:
        return
    ref = root.ref["id"]
    if ref not in changed._models:
        return
    whole = {"type": ReactiveESM}
    place = changed._models[ref][0]
    here = {model for old in old_models for model in old.select(whole)} | {place}
    added = [model for model in place.select(whole) if model not in here]
    loaded = {model.bundle for model in root.select(whole) if model.esm and model not in added}
    for model in added:
        if model.bundle is not None and model.bundle in loaded and len(model.esm) > _WHOLE:
            model.esm = ""

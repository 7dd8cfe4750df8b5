"""The one place where Panel, HoloViews and Bokeh are set up: from local files only, without WebGL."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import holoviews as hv
import panel as pn
from bokeh.model import Model
from panel.io import resources
from panel.reactive import Syncable
from panel.util import classproperty

from edsnb.widgets.bundle import use_loaded_scripts
from edsnb.widgets.notebook import prepare_notebook
from edsnb.widgets.scripts import mends

_PAGE_SCRIPT = f"data:text/javascript;base64,{base64.b64encode(mends('page.js').encode()).decode()}"


class PageScript(Model):  # type: ignore[misc]  # Bokeh is not typed here
    """Never a part of a page: Bokeh loads the scripts of all kinds of models into each page that it serves."""

    @classproperty
    def __javascript__(cls) -> list[str]:  # noqa: N805 - of the class
        # A notebook gets it as text: with an address to load, Panel would wait there for style sheets that never come.
        return [_PAGE_SCRIPT] if resources.RESOURCE_MODE == "server" else []


@cache
def setup() -> None:
    """Prepare a notebook or a script for edsnb's widgets; each of them calls it by itself.

    All scripts and styles are put into the notebook (``inline``), so that nothing is fetched from a network. Call it in
    a cell of its own where you want these six megabytes to stand.
    """
    # hv.extension would load Bokeh from a CDN; importing the backend is enough.
    import holoviews.plotting.bokeh  # noqa: F401

    # Importing it gives every Panel widget its design.
    import panel_material_ui  # noqa: F401

    hv.Store.set_current_backend("bokeh")
    # Without a graphics card WebGL is drawn in software, up to five times slower than the canvas.
    hv.renderer("bokeh").webgl = False
    # A click that follows a change at once is answered by Panel without the document's lock, and Bokeh then refuses
    # whatever is changed in its models.
    for answer in (Syncable._event_coroutine, Syncable._change_coroutine):
        answer.__dict__["lock"] = True
    hooks: list[Any] = pn.viewable.Viewable._preprocessing_hooks
    hooks.append(use_loaded_scripts)
    pn.extension("tabulator", "filedropper", inline=True)
    prepare_notebook()

"""A page of edsnb's own in a browser: its look, and nothing that ties one session to another."""

from __future__ import annotations

from typing import Any

from panel.io.state import state
from panel.util.parameters import edit_readonly
from panel_material_ui.template.base import Page as Page

from edsnb.widgets.viewer import BLUE

THEME = {
    "palette": {"primary": {"main": BLUE}},
    "typography": {"fontSize": 13, "button": {"textTransform": "none"}, "h3": {"fontSize": "0.95rem"}},
    "components": {
        "MuiToolbar": {"styleOverrides": {"root": {"minHeight": "44px !important"}}},
        "MuiTab": {"styleOverrides": {"root": {"minHeight": 40, "paddingTop": 6, "paddingBottom": 6}}},
        "MuiTabs": {"styleOverrides": {"root": {"minHeight": 40}}},
        "MuiToggleButton": {"styleOverrides": {"root": {"whiteSpace": "nowrap"}}},
        "MuiAccordionSummary": {"styleOverrides": {"root": {"minHeight": "40px !important"}}},
        "MuiAlert": {"styleOverrides": {"root": {"paddingTop": 0, "paddingBottom": 0}}},
    },
}
"""Smaller than Material's usual, for a page that shows much."""


def make_page(*main: Any, title: str = "edsnb", **params: Any) -> Page:
    """Return a page that shows `main`; further keywords go to panel-material-ui's ``Page``.

    panel-material-ui shows whether the server is busy, with whoever: each page then follows every click of all the
    others, outside its own document's lock, and a click of one user can be lost. A page is freed of that here; long
    work of edsnb shows its own progress.
    """
    page = Page(title=title, main=list(main), theme_config=THEME, busy_indicator=None, **params)
    with edit_readonly(page):
        page.busy = False
    for _, watcher in page._param__private.ref_watchers:
        state.param.unwatch(watcher)
    return page

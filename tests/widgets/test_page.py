"""The page of the served app."""

from __future__ import annotations

import gc
import weakref

import panel as pn
from panel.io.state import state

from edsnb.widgets.parts.page import make_page


def test_a_page_follows_no_other_session():
    page = make_page(pn.pane.Markdown("Text"))
    state._add_busy_event("somebody else's click")
    try:
        assert state.busy
        assert not page.busy
    finally:
        state._remove_busy_event("somebody else's click")


def test_a_page_is_not_kept_by_what_all_sessions_share():
    page = make_page(pn.pane.Markdown("Text"))
    left = weakref.ref(page)
    del page
    gc.collect()
    assert left() is None

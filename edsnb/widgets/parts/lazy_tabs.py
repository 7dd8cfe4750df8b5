"""Tabs whose pages are made when they are first looked at: together they are slow to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui


def lazy_tabs(pages: Mapping[str, Callable[[], Any]], **params: Any) -> pmui.Tabs:
    """Return tabs, and what makes the page of each by its title; a page stays as it was when it is left.

    Not Tabs that are ``dynamic``: in a notebook Panel sends their pages with style sheets of a network's address.
    """
    places = [pn.Column(sizing_mode="stretch_width", min_height=200, margin=0) for _ in pages]
    tabs = pmui.Tabs(*zip(pages, places, strict=True), sx={"& .MuiTab-root": {"textTransform": "none"}}, **params)
    makers = list(pages.values())

    def fill(*_: object) -> None:
        if not len(places[tabs.active]):
            places[tabs.active].append(makers[tabs.active]())

    tabs.param.watch(fill, "active")
    fill()
    return tabs

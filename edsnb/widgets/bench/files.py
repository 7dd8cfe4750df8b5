"""Which file is looked at: the list, what is in it, and files brought along."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.parts.fields import DENSE, TEXT, note
from edsnb.widgets.parts.icons import REFRESH

_WIDTH = 460


class FilePanel:
    """The view `view`: a field to find a file by its name, a place to drop one, and what the opened one holds."""

    def __init__(self, state: WorkbenchState, upload: pn.viewable.Viewable | None = None) -> None:
        self.state = state
        self.field = pmui.AutocompleteInput(
            label="File", options=[], restrict=False, case_sensitive=False, search_strategy="includes",
            min_characters=0, placeholder="type a part of its name", **DENSE,
        )  # fmt: skip
        again = pmui.IconButton(
            icon=REFRESH, description="Look for files again", size="small", margin=(14, 0),
            on_click=lambda _: state.look(),
        )  # fmt: skip
        state.param.watch(self._fill, ["files", "file"])
        self.field.param.watch(self._chosen, "value")
        self._fill()
        left = pn.Column(
            pn.Row(self.field, again, sizing_mode="stretch_width"),
            note(pn.bind(_found, state.param.files, state.listing.param.running)),
            *([] if upload is None else [upload]),
            width=_WIDTH,
        )
        self.view = pn.FlexBox(left, self._facts(), gap="16px", align_items="flex-start")

    def _fill(self, *_: object) -> None:
        self.field.options = list(self.state.files)
        if self.state.file:
            self.field.value = self.state.file

    def _chosen(self, event: Any) -> None:
        if event.new and event.new != self.state.file:
            self.state.open(str(event.new))

    def _facts(self) -> pn.widgets.StaticText:
        def text(facts: str) -> str:
            style = "margin:0; font-size:12px; line-height:1.45; white-space:pre-wrap; overflow-wrap:anywhere"
            return f'<pre style="{style}">{escape(facts)}</pre>' if facts else ""

        return pn.widgets.StaticText(value=pn.bind(text, self.state.param.facts), width=560, styles=TEXT)


def _found(files: tuple[str, ...], looking: bool) -> str:
    """Say how many files there are to choose from."""
    if looking:
        return "Looking for files ..."
    if not files:
        return "No file that could be opened was found here."
    return f"{len(files):,} file{'s' if len(files) != 1 else ''} to choose from."


def headline(image: Any, file: str) -> str:
    """Say in a line what was opened."""
    if image is None:
        return "No file is open."
    beam = image.acquisition.beam_kev
    parts = ["no map, stored spectra"]
    if image.events is not None:
        parts = [f"{image.shape[0]} × {image.shape[1]} px", f"{image.events.total() / 1e6:.3g} M X-rays"]
    if image.pixel_nm:
        parts.insert(1, f"{image.pixel_nm:.3g} nm/px")
    return " · ".join([file, *parts, *([f"{beam:g} kV"] if beam else [])])

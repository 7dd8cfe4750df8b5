"""Which file is looked at: the list, what is in it, and files brought along."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.workbench import WorkbenchState
from edsnb.widgets.bench_fields import DENSE
from edsnb.widgets.viewer import live_text


class FilePanel:
    """The column `view`: a field to find a file by its name, what it holds, and with `upload` a place to drop one."""

    def __init__(self, state: WorkbenchState, upload: pn.viewable.Viewable | None = None) -> None:
        self.state = state
        self.field = pmui.AutocompleteInput(
            label="File", options=[], restrict=False, case_sensitive=False, search_strategy="includes",
            min_characters=0, placeholder="type a part of its name", **DENSE,
        )  # fmt: skip
        again = pmui.IconButton(
            icon="refresh", label="Look for files again", size="small", margin=(14, 0), on_click=lambda _: state.look()
        )
        state.param.watch(self._fill, ["files", "file"])
        self.field.param.watch(self._chosen, "value")
        self._fill()
        parts: list[Any] = [
            pn.Row(self.field, again, sizing_mode="stretch_width"),
            live_text(pn.bind(headline, state.param.image)),
            pmui.Details(self._facts(), title="What is in it", sizing_mode="stretch_width", margin=(0, 4)),
        ]
        if upload is not None:
            parts.append(upload)
        self.view = pn.Column(*parts, sizing_mode="stretch_width")

    def _fill(self, *_: object) -> None:
        self.field.options = list(self.state.files)
        if self.state.file:
            self.field.value = self.state.file

    def _chosen(self, event: Any) -> None:
        if event.new and event.new != self.state.file:
            self.state.open(str(event.new))

    def _facts(self) -> Any:
        def text(facts: str) -> str:
            style = "margin:0; font-size:11px; line-height:1.4; white-space:pre-wrap; overflow-wrap:anywhere"
            return f'<pre style="{style}">{escape(facts)}</pre>'

        return pn.widgets.StaticText(value=pn.bind(text, self.state.param.facts), sizing_mode="stretch_width")


def headline(image: Any) -> str:
    """Say in a line what was opened."""
    if image is None:
        return "No file is open."
    beam = image.acquisition.beam_kev
    parts = ["no map, stored spectra"]
    if image.events is not None:
        parts = [f"{image.shape[0]} × {image.shape[1]} px", f"{image.events.total() / 1e6:.3g} M X-rays"]
    if image.pixel_nm:
        parts.insert(1, f"{image.pixel_nm:.3g} nm/px")
    return " · ".join([*parts, *([f"{beam:g} kV"] if beam else [])])

"""Recipe and results to take along, and the link that shows the same."""

from __future__ import annotations

import io
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.archive import CHOICES
from edsnb.state.workbench import WorkbenchState
from edsnb.widgets.bench_fields import DENSE
from edsnb.widgets.viewer import live_text, work_bar


class ExportPanel:
    """Two columns of controls: `recipe` and `results`."""

    def __init__(self, state: WorkbenchState) -> None:
        self.state = state
        self.recipe = self._recipe()
        self.results = self._results()

    def _recipe(self) -> pn.Column:
        state = self.state
        save = pmui.FileDownload(
            callback=lambda: io.BytesIO(state.toml().encode()), filename="recipe.toml", label="Save the recipe",
            embed=False, auto=True, variant="outlined", disabled=pn.bind(_is_none, state.param.recipe), **DENSE,
        )  # fmt: skip
        load = pmui.FileInput(label="Load a recipe", accept=".toml", variant="outlined", **DENSE)

        def loaded(event: Any) -> None:
            if event.new:
                state.load_toml(event.new, str(load.filename or "recipe.toml"))

        load.param.watch(loaded, "value")
        return pn.Column(save, load, sizing_mode="stretch_width")

    def _results(self) -> pn.Column:
        state = self.state
        formats = pmui.CheckBoxGroup(options=CHOICES, value=["result"], label="What", margin=(2, 8), size="small")
        without = pn.bind(_is_none, state.param.analysis, state.exporting.param.running)
        make = pmui.Button(
            label="Make a ZIP",
            variant="outlined",
            disabled=without,
            on_click=lambda _: state.export(formats.value or []),
            **DENSE,
        )
        download = pmui.FileDownload(
            label="Download", embed=False, auto=True, visible=False, color="primary", variant="contained", **DENSE
        )

        def ready(*_: object) -> None:
            archive = state.archive
            download.visible = archive is not None
            if archive is not None:
                megabytes = archive.path.stat().st_size / 1e6
                download.param.update(
                    file=str(archive.path), filename=archive.path.name,
                    label=f"Download {archive.path.name} ({megabytes:.1f} MB)",
                )  # fmt: skip

        state.param.watch(ready, "archive")
        parts: list[Any] = [
            formats,
            make,
            work_bar(state.exporting),
            live_text(state.exporting.param.message),
            download,
        ]
        if state.local:
            parts += self._to_folder(formats, without)
        return pn.Column(*parts, sizing_mode="stretch_width")

    def _to_folder(self, formats: pmui.CheckBoxGroup, without: Any) -> list[Any]:
        """Return the controls that write into a folder of this computer."""
        folder = pmui.TextInput(label="Folder", value="result", **DENSE)
        over = pmui.Checkbox(label="Replace an earlier result", margin=(0, 8), size="small")
        save = pmui.Button(
            label="Save to the folder", variant="outlined", disabled=without,
            on_click=lambda _: self.state.export(formats.value or [], folder.value, overwrite=over.value), **DENSE,
        )  # fmt: skip
        return [folder, over, save]


def _is_none(value: object, busy: bool = False) -> bool:
    return value is None or busy

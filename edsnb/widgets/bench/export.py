"""Recipe and results to take along, and the link that shows the same."""

from __future__ import annotations

import io
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.bench.archive import CHOICES
from edsnb.state.bench.state import WorkbenchState
from edsnb.widgets.parts.fields import DENSE, note
from edsnb.widgets.parts.texts import WorkBar


class ExportPanel:
    """The column `results`."""

    def __init__(self, state: WorkbenchState) -> None:
        self.state = state
        self.results = self._results()

    def _results(self) -> pn.Column:
        state, exports = self.state, self.state.exports
        formats = pmui.CheckBoxGroup(options=CHOICES, value=["result"], label="What", margin=(2, 8), size="small")
        without = pn.bind(_is_none, state.param.analysis, exports.work.param.running)
        make = pmui.Button(
            label="Make a ZIP",
            variant="outlined",
            disabled=without,
            on_click=lambda _: state.export(formats.value or []),
            **DENSE,
        )
        download = _download(label="Download", visible=False, **DENSE)
        download.param.update(color="primary", variant="contained")

        def ready(*_: object) -> None:
            archive = exports.archive
            download.visible = archive is not None
            if archive is not None:
                megabytes = archive.path.stat().st_size / 1e6
                download.param.update(
                    file=str(archive.path), filename=archive.path.name,
                    label=f"Download {archive.path.name} ({megabytes:.1f} MB)",
                )  # fmt: skip

        exports.param.watch(ready, "archive")
        parts: list[Any] = [
            formats,
            make,
            WorkBar(exports.work),
            note(exports.work.param.message),
            note(exports.param.message),
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


def recipe_buttons(state: WorkbenchState) -> tuple[Any, Any]:
    """Return what saves the recipe and what loads one."""
    small: dict[str, Any] = {"size": "small", "margin": (2, 4)}
    save = _download(
        callback=lambda: io.BytesIO(state.toml().encode()), filename="recipe.toml", label="Save",
        disabled=pn.bind(_is_none, state.param.recipe), **small,
    )  # fmt: skip
    load = pmui.FileInput(label="Load", accept=".toml", variant="outlined", **small)

    def loaded(event: Any) -> None:
        if event.new:
            state.load_toml(event.new, str(load.filename or "recipe.toml"))

    load.param.watch(loaded, "value")
    return save, load


def _download(**params: Any) -> pmui.FileDownload:
    """Return a button that sends a file when it is clicked.

    Its looks are set afterwards: given at once, they make Panel warn of itself.
    """
    made = pmui.FileDownload(embed=False, auto=True, **params)
    made.variant = "outlined"
    return made


def _is_none(value: object, busy: bool = False) -> bool:
    return value is None or busy

"""The Workbench: one map from file to composition, in a notebook cell or as a page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import Any

import panel as pn
import panel_material_ui as pmui

from edsnb.state.bench.results import summary
from edsnb.state.bench.start import workbench_state
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.bench.ties import chip_state, compare_state, fit_state
from edsnb.widgets.bench.composition import CompositionView
from edsnb.widgets.bench.export import ExportPanel, recipe_buttons
from edsnb.widgets.bench.files import FilePanel, headline
from edsnb.widgets.bench.settings import SettingsPanel
from edsnb.widgets.chips.explorer import ChipExplorer
from edsnb.widgets.compare.view import CompareView
from edsnb.widgets.elements.picker import ElementPicker
from edsnb.widgets.fits.explorer import FitExplorer
from edsnb.widgets.parts.code_view import code_block
from edsnb.widgets.parts.fields import TEXT, alert
from edsnb.widgets.parts.icons import PLAY
from edsnb.widgets.parts.page import THEME, Page, make_page
from edsnb.widgets.parts.texts import WorkBar, live_text
from edsnb.widgets.viewer import EdsnbViewer, session_loop

TITLES = {
    "file": "File",
    "chips": "Chips",
    "elements": "Elements",
    "fit": "Fit",
    "composition": "Composition",
    "compare": "Compare",
    "code": "Code",
}
"""What the tabs are called; `Workbench.add_tab` adds others."""
_SIDE = 286
_LINE = {"margin": (4, 8, 4, 4), "styles": TEXT, "sizing_mode": None}
_MAKING = "One moment …"
_WAITING = "Nothing is fitted yet: the chips appear here as soon as they are."
_LOG = logging.getLogger("edsnb")


class Workbench(EdsnbViewer):
    """File, chips, elements, fits, composition and code of one map, over one recipe.

    >>> edsnb.Workbench("map.emd", chip=15)                                   # doctest: +SKIP

    Parameters
    ----------
    path
        A map, or a folder of maps to choose from; None for the current folder. Only files given here, or below a folder
        given here, can be opened.
    recipe
        Settings to begin with: a Recipe, or the path of one.
    state
        A `WorkbenchState` that others use too; instead of a path.
    settings
        Settings of a recipe by name, such as ``chip=15``; they win over those of `recipe`.
    """

    def __init__(
        self,
        path: str | PathLike[str] | None = None,
        *,
        recipe: Any = None,
        state: WorkbenchState | None = None,
        upload: pn.viewable.Viewable | None = None,
        **settings: Any,
    ) -> None:
        found = state or workbench_state(path, recipe, settings)
        super().__init__(state=found)
        found.deliver_to(session_loop())
        self._tabs: list[tuple[str, Callable[[], Any]]] = [
            ("file", lambda: FilePanel(found, upload).view),
            ("chips", lambda: ChipExplorer(state=chip_state(found, tab="chips"))),
            ("elements", lambda: ElementPicker(found.elements)),
            ("fit", lambda: self._when_run(lambda: FitExplorer(state=fit_state(found, tab="fit")))),
            ("composition", self._composition),
            ("compare", lambda: self._when_run(lambda: self._compare())),
            ("code", self._code),
        ]
        self._titles = dict(TITLES)
        if state is None:
            found.begin()

    def add_tab(self, name: str, title: str, make: Callable[[], Any], *, before: str = "code") -> None:
        """Add a tab before another one; `make` returns what is in it, and is called when it is first looked at.

        `name` is one of `edsnb.state.bench.state.TABS`. To be called before the Workbench is shown.
        """
        self._tabs.insert([known for known, _ in self._tabs].index(before), (name, make))
        self._titles[name] = title

    def build(self) -> pn.viewable.Viewable:
        """Return the layout for a notebook."""
        return pmui.Column(*self._parts(), sizing_mode="stretch_width", theme_config=THEME)

    def page(self, **params: Any) -> Page:
        """Return the layout for a page of its own."""
        main = pn.Column(*self._parts(), sizing_mode="stretch_width", margin=(0, 16))
        return make_page(main, **params)

    def _parts(self) -> list[Any]:
        return [self._run_line(), *self._make_tabs()]

    def _composition(self) -> pn.FlexBox:
        """Return the settings of the quantification, and the maps and the table that follow from them."""
        settings, exports = SettingsPanel(self.state), ExportPanel(self.state)
        side = pmui.Accordion(
            ("Quantification", settings.quantification), ("Fit", settings.fitting), ("Export", exports.results),
            active=[0], toggle=True, width=_SIDE, margin=(4, 0),
        )  # fmt: skip
        view = CompositionView(self.state, beside=_SIDE + 12, tab="composition").view
        view.styles = {"flex": "1 1 600px", "min-width": "0"}
        return pn.FlexBox(side, view, gap="12px", flex_wrap="wrap", align_items="flex-start")

    def _compare(self) -> CompareView:
        """Return the last run beside other methods."""
        return CompareView(state=compare_state(self.state, tab="compare"), local=self.state.local)

    def _run_line(self) -> pn.Column:
        """Return what runs the analysis, and says how it went."""
        state = self.state
        run = pmui.Button(
            label="Run", icon=PLAY, color="primary", variant="contained", size="small", margin=(6, 4),
            on_click=lambda _: state.run(), disabled=pn.bind(_is_none, state.param.image),
        )  # fmt: skip
        auto = pmui.Switch.from_param(state.param.auto, description="", margin=(10, 8))
        line = pn.bind(_said, state.param.analysis, state.param.stale)
        return pn.Column(
            pn.FlexBox(
                run,
                auto,
                live_text(pn.bind(headline, state.param.image, state.param.file), **_LINE),
                live_text(line, **_LINE),
                align_items="center",
                sizing_mode="stretch_width",
            ),
            WorkBar(state.opening),
            WorkBar(state.running),
            *(alert(text, kind) for text, kind in self._texts()),
            sizing_mode="stretch_width",
        )

    def _texts(self) -> list[tuple[Any, str]]:
        """Return what may have to be said, and how serious it is."""
        state = self.state
        return [
            (state.param.problem, "warning"),
            (state.opening.param.message, "error"),
            (state.running.param.message, "error"),
            (state.param.message, "info"),
        ]

    def _make_tabs(self) -> list[Any]:
        """Return the tabs and what they stand for; that is made when it is first looked at, and stays."""
        names = [name for name, _ in self._tabs]
        # Shown and hidden instead of put in and taken out, which would draw everything anew each time.
        boxes = [
            pn.Column(live_text(_MAKING), sizing_mode="stretch_width", min_height=200, visible=False) for _ in names
        ]
        strip = pmui.Tabs(
            *((self._titles[name], pn.Spacer(height=0)) for name in names),
            sizing_mode="stretch_width", active=names.index(self.state.tab),
        )  # fmt: skip
        soon = session_loop()
        filled = {strip.active}

        def fill(k: int) -> None:
            boxes[k][:] = [_made(self._tabs[k][1])]

        def look() -> None:
            self.state.tab = names[strip.active]
            with pn.io.hold():
                for k, box in enumerate(boxes):
                    box.visible = k == strip.active
            if strip.active not in filled:
                filled.add(strip.active)
                soon(partial(fill, strip.active))

        def show(*_: object) -> None:
            if self.state.tab in names:
                strip.active = names.index(self.state.tab)

        strip.param.watch(lambda _: look(), "active")
        self.state.param.watch(show, "tab")
        boxes[strip.active].visible = True
        fill(strip.active)
        return [strip, *boxes]

    def _when_run(self, make: Callable[[], Any]) -> pn.Column:
        """Return a place for what needs a run: it is made as soon as there is one."""
        state = self.state
        box = pn.Column(sizing_mode="stretch_width")

        def fill(*_: object) -> None:
            if state.analysis is None:
                if not len(box):
                    box.append(live_text(_WAITING))
            elif not made:
                made.append(_made(make))
                box[:] = made

        made: list[Any] = []
        state.param.watch(fill, "analysis")
        fill()
        return box

    def _code(self) -> pn.Column:
        """Return Python, recipe and command, to be copied."""
        state = self.state
        on = [state.param.recipe, state.param.file, state.param.problem]
        return pn.Column(
            code_block("Python", pn.bind(lambda *_: state.code(), *on)),
            code_block("recipe.toml", pn.bind(lambda *_: state.toml(), *on), more=recipe_buttons(state)),
            code_block("In a terminal, with recipe.toml saved", pn.bind(lambda *_: state.command(), *on), height=120),
            sizing_mode="stretch_width",
        )


def _said(analysis: Any, stale: tuple[str, ...]) -> str:
    """Say in a line what is shown, and what has changed since."""
    if analysis is None:
        return ""
    changed = f"; changed since: {', '.join(name.replace('_', ' ') for name in stale)}" if stale else ""
    return f"{summary(analysis)}{changed}"


def _made(make: Callable[[], Any]) -> Any:
    """Return what a tab holds, or the error that came instead: the others stay usable."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen in its place
        _LOG.exception("a tab could not be made")
        return alert(f"This part cannot be shown: {type(error).__name__}: {error}", "error")


def _is_none(value: object) -> bool:
    return value is None

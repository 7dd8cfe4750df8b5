"""The Workbench: one map from file to composition, in a notebook cell or as a page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from os import PathLike
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel_material_ui.template.base import Page

from edsnb.state.results import summary
from edsnb.state.start import workbench_state
from edsnb.state.workbench import WorkbenchState
from edsnb.widgets.bench_export import ExportPanel
from edsnb.widgets.bench_files import FilePanel
from edsnb.widgets.bench_settings import SettingsPanel
from edsnb.widgets.code_view import code_block
from edsnb.widgets.composition_view import CompositionView
from edsnb.widgets.viewer import BLUE, EdsnbViewer, live_text, session_loop, work_bar

TITLES = {"chips": "Chips", "elements": "Elements", "fit": "Fit", "composition": "Composition", "code": "Code"}
"""What the tabs are called; `Workbench.add_tab` adds others."""
_SIDEBAR = 310
THEME = {
    "palette": {"primary": {"main": BLUE}},
    "typography": {"fontSize": 13, "button": {"textTransform": "none"}, "h3": {"fontSize": "0.95rem"}},
    "components": {
        "MuiToolbar": {"styleOverrides": {"root": {"minHeight": "44px !important"}}},
        "MuiTab": {"styleOverrides": {"root": {"minHeight": 40, "paddingTop": 6, "paddingBottom": 6}}},
        "MuiTabs": {"styleOverrides": {"root": {"minHeight": 40}}},
        "MuiAccordionSummary": {"styleOverrides": {"root": {"minHeight": "40px !important"}}},
        "MuiAlert": {"styleOverrides": {"root": {"paddingTop": 0, "paddingBottom": 0}}},
    },
}
"""Smaller than Material's usual, for a page that shows much."""
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
        found.deliver_by(session_loop())
        self._upload = upload
        self._tabs: list[tuple[str, str, Callable[[], Any]]] = [
            (TITLES["composition"], "composition", lambda: CompositionView(found).view),
            (TITLES["code"], "code", self._code),
        ]
        if state is None:
            found.begin()

    def add_tab(self, name: str, title: str, make: Callable[[], Any], *, before: str = "code") -> None:
        """Add a tab before another one; `make` returns what is in it, and is called when it is first looked at.

        `name` is one of `edsnb.state.workbench.TABS`. To be called before the Workbench is shown.
        """
        at = [known for _, known, _ in self._tabs].index(before)
        self._tabs.insert(at, (title, name, make))

    def build(self) -> pn.viewable.Viewable:
        """Return the layout for a notebook: the settings are a tab of their own."""
        settings = pn.FlexBox(
            *(
                pn.Column(pmui.Typography(title, variant="subtitle2"), view, width=_SIDEBAR)
                for title, view in self._settings()
            ),
            gap="12px",
        )
        tabs = self._make_tabs([("Settings", None, lambda: settings)])
        return pn.Column(self._files().view, self._run_line(), tabs, sizing_mode="stretch_width", max_width=1050)

    def page(self, **params: Any) -> Page:
        """Return the layout for a page of its own: the settings stand at the side."""
        sections = self._settings()
        side = pmui.Accordion(*sections, active=[0], toggle=False, sizing_mode="stretch_width", margin=(4, 0))
        return Page(
            title="edsnb",
            sidebar=[self._files().view, side],
            sidebar_width=_SIDEBAR,
            main=[pn.Column(self._run_line(), self._make_tabs([]), sizing_mode="stretch_width", margin=(4, 16))],
            theme_config=THEME,
            **params,
        )

    def _files(self) -> FilePanel:
        return FilePanel(self.state, self._upload)

    def _settings(self) -> list[tuple[str, Any]]:
        """Return the groups of settings, each with its title."""
        settings, exports = SettingsPanel(self.state), ExportPanel(self.state)
        return [
            ("Quantification", settings.quantification),
            ("Fit", settings.fitting),
            ("Recipe", exports.recipe),
            ("Export", exports.results),
        ]

    def _run_line(self) -> pn.Column:
        """Return what runs the analysis, and says how it went."""
        state = self.state
        run = pmui.Button(
            label="Run", icon="play_arrow", color="primary", variant="contained", size="small", margin=(6, 4),
            on_click=lambda _: state.run(), disabled=pn.bind(_is_none, state.param.image),
        )  # fmt: skip
        auto = pmui.Switch.from_param(state.param.auto, description="", margin=(10, 8))
        line = pn.bind(_said, state.param.analysis, state.param.stale, state.param.file)
        return pn.Column(
            pn.Row(run, auto, live_text(line, margin=(12, 4, 0, 4)), sizing_mode="stretch_width"),
            work_bar(state.opening),
            work_bar(state.running),
            *(_alert(text, kind) for text, kind in self._texts()),
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

    def _make_tabs(self, first: list[tuple[str, str | None, Callable[[], Any]]]) -> pmui.Tabs:
        """Return the tabs; each is made when it is first looked at."""
        entries = [*first, *self._tabs]
        boxes = [pn.Column(sizing_mode="stretch_width", min_height=200) for _ in entries]
        names = [name for _, name, _ in entries]
        tabs = pmui.Tabs(
            *((title, box) for (title, _, _), box in zip(entries, boxes, strict=True)),
            dynamic=True, sizing_mode="stretch_width", active=self._index(names),
        )  # fmt: skip

        def fill() -> None:
            box, (_, name, make) = boxes[tabs.active], entries[tabs.active]
            if not len(box):
                box.append(_made(make))
            if name is not None:
                self.state.tab = name

        tabs.param.watch(lambda _: fill(), "active")
        self.state.param.watch(lambda _: setattr(tabs, "active", self._index(names)), "tab")
        fill()
        return tabs

    def _index(self, names: list[str | None]) -> int:
        return names.index(self.state.tab) if self.state.tab in names else 0

    def _code(self) -> pn.Column:
        """Return Python, recipe and command, to be copied."""
        state = self.state
        on = [state.param.recipe, state.param.file, state.param.problem]
        return pn.Column(
            code_block("Python", pn.bind(lambda *_: state.code(), *on)),
            code_block("recipe.toml", pn.bind(lambda *_: state.toml(), *on)),
            code_block("In a terminal, with recipe.toml saved", pn.bind(lambda *_: state.command(), *on), height=120),
            sizing_mode="stretch_width",
        )


def _said(analysis: Any, stale: tuple[str, ...], file: str) -> str:
    """Say in a line what is shown, and what has changed since."""
    if analysis is None:
        return file
    changed = f"; changed since: {', '.join(name.replace('_', ' ') for name in stale)}" if stale else ""
    return f"{summary(analysis)}{changed}"


def _alert(text: Any, severity: str) -> Any:
    """Return a framed sentence that is only there while there is something to say."""
    box = pmui.Alert(object=text, severity=severity, margin=(2, 4), sizing_mode="stretch_width", closeable=False)
    box.visible = pn.bind(bool, text)
    return box


def _made(make: Callable[[], Any]) -> Any:
    """Return what a tab holds, or the error that came instead: the others stay usable."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be seen in its place
        _LOG.exception("a tab could not be made")
        return pmui.Alert(object=f"This part cannot be shown: {type(error).__name__}: {error}", severity="error")


def _is_none(value: object) -> bool:
    return value is None

"""What a CompareView shows as files: figures for print, tables, and all of it as one archive."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from edsnb.core.comparison.framed import table_of
from edsnb.core.comparison.printed import printed
from edsnb.core.comparison.tables import Table, to_html, to_latex, to_markdown
from edsnb.errors import EdsnbError, InputError
from edsnb.plots.comparison import agreement_figure, bars_figure, fit_figure, maps_figure, phases_figure
from edsnb.plots.page import figure_bytes
from edsnb.state.compare.state import CompareState

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURES = {"Maps": "maps", "Agreement": "agreement", "Phases": "phases", "Fit of the chip": "fit"}
TABLES = {
    "Table of chips": "chips", "Table of agreement": "statistics", "Table of stoichiometry": "stoichiometry",
    "Chips that disagree most": "worst",
}  # fmt: skip
EVERYTHING = {"Everything (ZIP)": "everything"}
FIGURE_FORMATS = {"PNG": "png", "SVG": "svg", "PDF": "pdf"}
TABLE_FORMATS = {"CSV": "csv", "HTML": "html", "LaTeX": "tex", "Markdown": "md"}
_HEAD = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>\n'


def make(state: CompareState, what: str, form: str) -> bytes:
    """Return a figure, a table or the archive of all of them as a file.

    Raises
    ------
    InputError
        There is nothing of that kind yet.
    """
    if state.comparison is None:
        raise InputError(f"there is nothing to export: {state.problem}")
    if what == "everything":
        return _archive(state)
    if what in FIGURES.values():
        return figure_bytes(_figure(state, what), form)
    return _table(state, what, form).encode("utf-8")


def _figure(state: CompareState, what: str) -> Figure:
    """Return what is shown as a figure for print."""
    comparison, phases = state.comparison, state.phases.found.phases
    if what == "maps" and state.frame is None:
        return bars_figure(comparison, state.shown)
    if what == "maps":
        return maps_figure(
            comparison, state.shown, pixel_nm=state.pixel_nm, together=state.together, everything=state.everything
        )
    if what == "agreement":
        return agreement_figure(comparison, state.shown, phases=phases)
    if what == "phases":
        if phases is None:
            raise InputError(state.phases.found.problem or "no phases were looked for.")
        return phases_figure(phases, pixel_nm=state.pixel_nm)
    fits = state.fits()
    if not fits:
        raise InputError("no chip with a fitted spectrum is selected: click one.")
    (fit, row), *_ = fits.values()
    return fit_figure({name: one for name, (one, _) in fits.items()}, fit.spectra.names[row])


def _table(state: CompareState, what: str, form: str) -> str:
    """Return a table as text."""
    found = state.phases.found
    if what == "stoichiometry":
        if found.table is None:
            raise InputError(found.problem or "no phase has a formula.")
        return _text(printed(found.table), found.table.to_frame(), form, "Phases beside their formulas")
    comparison = state.comparison
    frames: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
        "chips": (comparison.to_frame, "Values of each chip"),
        "statistics": (lambda: comparison.statistics(found.phases), "Agreement"),
        "worst": (lambda: comparison.worst(20), "Chips that disagree most"),
    }
    get, title = frames[what]
    frame = get()
    caption = f"{title}: {' and '.join(comparison.methods)}, {comparison.unit}."
    return _text(table_of(frame, caption), frame, form, title)


def _text(table: Table, frame: pd.DataFrame, form: str, title: str) -> str:
    """Return a table in one of the formats."""
    if form == "csv":
        return str(frame.to_csv(index=any(name is not None for name in frame.index.names), lineterminator="\n"))
    if form == "html":
        return _HEAD.format(title=title) + to_html(table) + "</body></html>\n"
    if form in ("tex", "md"):
        return to_latex(table) if form == "tex" else to_markdown(table)
    raise InputError(f"tables are written as {', '.join(TABLE_FORMATS)}, not {form!r}.")


def _archive(state: CompareState) -> bytes:
    """Return a ZIP of everything there is, each in every format, with the code and what should be known."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for kinds, forms in ((FIGURES, ("png", "svg")), (TABLES, tuple(TABLE_FORMATS.values()))):
            for what in kinds.values():
                for form in forms:
                    try:
                        archive.writestr(f"{what}.{form}", make(state, what, form))
                    except InputError:
                        # What was not asked for, such as phases, is not in it.
                        break
        archive.writestr("comparison.py", state.code())
        archive.writestr("readme.txt", state.comparison.describe() + "\n")
    return made.getvalue()


def export_controls(state: CompareState, say: Callable[[str], object]) -> pn.viewable.Viewable:
    """Return the choice of what to save and how, with a button that downloads it; `say` is told what went wrong."""
    small: dict[str, Any] = {"size": "small", "margin": (4, 6)}
    what = pmui.Select(label="Save", options={**FIGURES, **TABLES, **EVERYTHING}, width=240, **small)
    form = pmui.Select(label="Format", options=FIGURE_FORMATS, width=120, **small)

    async def data() -> BytesIO:
        asked, of = what.value, form.value
        try:
            # Drawing takes up to seconds: others are served meanwhile.
            made = await asyncio.get_running_loop().run_in_executor(None, make, state, asked, of)
            say("")
        except EdsnbError as error:
            say(f"{_name(what)} cannot be saved: {error}")
            made = f"{error}\n".encode()
            button.filename = "nothing.txt"
        return BytesIO(made)

    button = pmui.FileDownload(
        callback=data, filename="maps.png", label="Download", auto=True, embed=False, size="small",
        margin=(10, 6),
    )  # fmt: skip

    def follow(*_: object) -> None:
        forms: Mapping[str, str] = FIGURE_FORMATS if what.value in FIGURES.values() else TABLE_FORMATS
        if what.value == "everything":
            forms = {"ZIP": "zip"}
        if list(form.options.values()) != list(forms.values()):
            form.param.update(options=dict(forms), value=next(iter(forms.values())))
        name = "comparison" if what.value == "everything" else what.value
        button.filename = f"{name}.{form.value}"

    what.param.watch(follow, "value")
    form.param.watch(follow, "value")
    return pn.Row(what, form, button)


def _name(what: Any) -> str:
    """Return what a select shows."""
    return next(label for label, value in what.options.items() if value == what.value)

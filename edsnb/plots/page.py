"""Figures on paper: axes at a place in inches, and files of them."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb.errors import InputError, OutputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
"""What figures can be written as."""
DPI = 300
"""Pixels per inch of a PNG, as journals ask for."""
_STYLE = {
    **{"font.size": 7.0, "axes.titlesize": 8.0, "axes.labelsize": 7.0, "xtick.labelsize": 6.5, "ytick.labelsize": 6.5},
    **{"axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "legend.fontsize": 6.5},
    **{"xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.titlepad": 4.0, "lines.linewidth": 0.8},
    # Text stays text, and the same figure gives the same bytes.
    **{"svg.fonttype": "none", "svg.hashsalt": "edsnb", "pdf.fonttype": 42},
}


def paper() -> Any:
    """Return a context in which figures are drawn in the sizes of a printed column."""
    import matplotlib as mpl

    return mpl.rc_context(_STYLE)  # type: ignore[arg-type]


def axes_at(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes at a place given in inches from the figure's upper left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def figure_bytes(figure: Figure, form: str = "png") -> bytes:
    """Return a figure as a file of one of `FORMATS`; InputError for another."""
    if form not in FORMATS:
        raise InputError(f"figures are written as {', '.join(FORMATS)}, not {form!r}.")
    metadata: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[form]
    made = BytesIO()
    with paper():
        figure.savefig(made, format=form, dpi=DPI, metadata=metadata)
    return made.getvalue()


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in one step, in the format that its ending names; OutputError where that fails."""
    data = figure_bytes(figure, path.suffix.lower().lstrip("."))
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)

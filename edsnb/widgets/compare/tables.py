"""Tables below the figures of a comparison, as HTML in the colours of the page."""

from __future__ import annotations

from html import escape

from edsnb.core.comparison.framed import table_of
from edsnb.core.comparison.tables import Cell, Table, to_html
from edsnb.state.compare.state import CompareState

TABLE_STYLE = (
    "<style>.edsnb-table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    ".edsnb-table th,.edsnb-table td{padding:4px 9px;border-bottom:1px solid rgba(128,128,128,.35)}"
    ".edsnb-table thead tr:first-child th{border-bottom:none}.edsnb-table caption{text-align:left;font-weight:600;"
    "padding:4px 0}p{font-size:12px;margin:6px 0;max-width:1000px}</style>"
)


def statistics_html(state: CompareState) -> str:
    """Return the table of agreement as HTML: by element, and by phase where phases are known."""
    comparison = state.comparison
    head = (
        ("chips", lambda a: f"{a['n']:.0f}"), ("bias", lambda a: f"{a['bias']:+z.2f} ± {a['bias_se']:.2f}"),
        ("limits of agreement", lambda a: f"{a['lower']:+z.2f} to {a['upper']:+z.2f}"),
        ("ratio", lambda a: f"{a['ratio']:.3f}"), ("slope", lambda a: f"{a['slope']:.3f}"),
        ("Pearson's r", lambda a: f"{a['pearson']:.3f}"), ("concordance", lambda a: f"{a['concordance']:.3f}"),
        ("rms of z", lambda a: f"{a['z_rms']:.2f}"),
    )  # fmt: skip
    rows = []
    frames = [("all chips", comparison.statistics())]
    found = state.phases.found.phases
    if found is not None:
        by_phase = comparison.statistics(found)
        frames += [(name, by_phase.loc[name]) for name in found.masks if found.masks[name].any()]
    for group, frame in frames:
        for i, (element, row) in enumerate(frame.iterrows()):
            cells = [Cell(text(row).replace("nan", "–")) for _, text in head]
            rows.append((Cell(group if i == 0 else "", number=False), Cell(str(element), number=False), *cells))
    columns = ("", "", *(name for name, _ in head))
    caption = f"{comparison.methods[0]} minus {comparison.methods[1]}, {comparison.unit}"
    notes = (
        "± is one standard error from the scatter between chips; limits are bias ± 1.96 sd of the differences.",
        "Over all chips, the difference between phases counts as scatter and as correlation.",
    )
    return TABLE_STYLE + to_html(Table((("", len(columns)),), columns, tuple(rows), caption, notes))


def notes_html(state: CompareState) -> str:
    """Return what a reader should know, and the chips that disagree most."""
    comparison = state.comparison
    matched = f"{len(comparison)} regions matched by {comparison.matched_by}."
    conventions = [f"{c.method}: {c.convention} {c.normalisation}" for c in comparison.compositions if c.convention]
    lines = "".join(f"<li>{escape(note)}</li>" for note in (matched, *comparison.notes, *conventions))
    worst = to_html(table_of(comparison.worst(10).round(3), "Chips that disagree most"))
    return f"{TABLE_STYLE}<ul style='font-size:13px;line-height:1.5;max-width:1000px'>{lines}</ul>{worst}"

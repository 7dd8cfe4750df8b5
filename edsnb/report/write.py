"""Write the report of a comparison: a folder with the page, the numbers as CSV, the figures, and where they come from.

====================== ===============================================================================================
file                   what it holds
====================== ===============================================================================================
report.html            everything, in one page that needs no other file and no network
chips.csv              a row a chip: both methods, their errors, difference, z
statistics.csv         a row a phase and element: the fields of `Agreement`; the phase is empty for all chips
stoichiometry.csv      a row a phase, method and element
phases.csv             the phase of each chip
phases.toml            how they were found; ``edsnb compare --phase-rules phases.toml`` finds them again
recipe-METHOD.toml     settings of each fit
figures/               every figure, PNG and SVG
provenance.json        input, conventions, versions
====================== ===============================================================================================

Names are numbered (``chips-1.csv``) where several comparisons stand in one report, and begin with ``simulated-`` where
the numbers are not measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edsnb import __version__
from edsnb.core.comparison.compare import Comparison
from edsnb.core.comparison.phases import Phases
from edsnb.core.comparison.stoichiometry import Stoichiometry
from edsnb.core.image import SpectrumImage
from edsnb.errors import InputError
from edsnb.io.export import PACKAGES, new_folder, provenance, versions, write_mark
from edsnb.io.files import sha256
from edsnb.report.figures import Picture, phases_picture, pictures_of
from edsnb.report.page import html_page
from edsnb.report.record import Report, label_of, title_of

if TYPE_CHECKING:
    import pandas as pd

    from edsnb.pipeline import Analysis

KIND = "comparison"
"""What the folder says that it holds."""
PAGE = "report.html"


def write_report(
    comparison: Comparison | Sequence[Comparison],
    stoichiometry: Stoichiometry | None,
    folder: str | PathLike[str],
    *,
    phases: Phases | None = None,
    image: SpectrumImage | None = None,
    analyses: Mapping[str, Analysis] | None = None,
    title: str = "",
    label: str | None = None,
    notes: Sequence[str] = (),
    command: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a comparison as a page that can be sent, with its numbers and figures beside it.

    Parameters
    ----------
    comparison
        From `edsnb.compare`; several with the same first side stand in one report.
    stoichiometry
        From `edsnb.stoichiometry`; None for none.
    folder
        A new folder. It is written as a whole or not at all.
    phases
        From `edsnb.find_phases`: statistics by phase, and their map. None: those of the stoichiometry's first method.
    image
        The map, for its pixel size, digest and notes; None: that of the first analysis.
    analyses
        {method: Analysis} of methods that were fitted here: recipes and provenance.
    title, label
        Title, and a label that stands over everything. None: the label is found, where the map or a side says that it
        is simulated.
    notes
        Further sentences.
    command
        The command that repeats it.
    overwrite
        Replace an earlier report.

    Returns
    -------
    The folder; the page in it is ``report.html`` (``simulated-report.html`` where it is labelled).

    Raises
    ------
    InputError
        There is no comparison, or several that do not share their first side.
    OutputError
        The folder holds something and `overwrite` is False, or cannot be written; nothing is left half done.
    """
    comparisons = (comparison,) if isinstance(comparison, Comparison) else tuple(comparison)
    _check(comparisons)
    analyses = dict(analyses or {})
    image = image or next((a.image for a in analyses.values()), None)
    if phases is None and stoichiometry is not None:
        phases = next(iter(stoichiometry.where.values()), None)
    report = Report(
        comparisons=comparisons,
        stoichiometry=stoichiometry,
        phases=phases,
        image=image,
        analyses=analyses,
        title=title or title_of(comparisons, image),
        command=command,
        notes=tuple(notes),
    )
    report = _labelled(report, label)
    with new_folder(folder, overwrite=overwrite, kind=KIND) as made:
        _write(report, made)
    return Path(folder)


def page_of(folder: str | PathLike[str]) -> Path:
    """Return the page in the folder of a report."""
    return next(iter(sorted(Path(folder).glob(f"*{PAGE}"))), Path(folder) / PAGE)


def _check(comparisons: tuple[Comparison, ...]) -> None:
    """Raise InputError unless there are comparisons with one first side."""
    if not comparisons or not all(isinstance(c, Comparison) for c in comparisons):
        raise InputError("a report needs a comparison from edsnb.compare, or several.")
    firsts = list(dict.fromkeys(c.methods[0] for c in comparisons))
    if len(firsts) > 1 or len({c.quantity for c in comparisons}) > 1:
        raise InputError(
            f"comparisons in one report must share first side and quantity; found {', '.join(firsts)} and "
            f"{', '.join(dict.fromkeys(c.quantity for c in comparisons))}."
        )


def _labelled(report: Report, label: str | None) -> Report:
    """Return the report with its label: the one given, else what the records say of themselves."""
    return replace(report, label=label_of(report.image, report.compositions) if label is None else label)


def _write(report: Report, folder: Path) -> None:
    """Write every file."""
    for name, frame in tables_of(report).items():
        frame.to_csv(folder / name, index=False, lineterminator="\n")
    for name, text in _settings(report).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    pictures = [pictures_of(report, k) for k in range(len(report.comparisons))]
    phases = phases_picture(report)
    _write_figures([p for of in pictures for some in of.values() for p in some] + ([phases] if phases else []), folder)
    said = _provenance(report)
    page = html_page(report, pictures, phases, said)
    (folder / f"{report.prefix}{PAGE}").write_text(page, encoding="utf-8", newline="")
    # Last, because it marks the folder as complete.
    write_mark(folder, said)


def tables_of(report: Report) -> dict[str, pd.DataFrame]:
    """Return every table by the name of its file, with full numbers."""
    import pandas as pd

    tables: dict[str, pd.DataFrame] = {}
    for k, comparison in enumerate(report.comparisons):
        tables[report.numbered("chips.csv", k)] = comparison.to_frame()
        over = comparison.statistics().reset_index()
        over.insert(0, "phase", "")
        parts = [over]
        if (phases := report.phases_of(comparison)) is not None:
            parts.append(comparison.statistics(phases).reset_index())
        table = pd.concat(parts, ignore_index=True)
        for place, (name, text) in enumerate(
            {"first": comparison.methods[0], "second": comparison.methods[1], "quantity": comparison.quantity}.items()
        ):
            table.insert(place, name, text)
        tables[report.numbered("statistics.csv", k)] = table
    if report.stoichiometry is not None:
        tables[f"{report.prefix}stoichiometry.csv"] = report.stoichiometry.to_frame()
    if report.phases is not None:
        number = report.phases.numbers().tolist()
        names = [*report.phases.masks, ""]
        frame = pd.DataFrame({"chip": list(report.phases.names), "phase": [names[k] for k in number]})
        tables[f"{report.prefix}phases.csv"] = frame
    return tables


def _settings(report: Report) -> dict[str, str]:
    """Return recipes and the settings of phases as TOML, by the name of their file."""
    import tomli_w

    files = {f"recipe-{_slug(method)}.toml": a.recipe.to_toml() for method, a in report.analyses.items()}
    if report.phases is not None and report.phases.settings:
        files["phases.toml"] = tomli_w.dumps(report.phases.settings)
    return files


def _slug(text: str) -> str:
    """Return a text that may name a file everywhere."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "method"


def _write_figures(pictures: Sequence[Picture], folder: Path) -> None:
    """Write the figures into a folder of their own."""
    place = folder / "figures"
    place.mkdir()
    for picture in pictures:
        (place / f"{picture.name}.png").write_bytes(picture.png)
        (place / f"{picture.name}.svg").write_bytes(picture.svg)


def _provenance(report: Report) -> dict[str, Any]:
    """Return where everything comes from, in plain values."""
    image = report.image
    raster = "" if image is None or image.shape == (0, 0) else f"{image.shape[0]} x {image.shape[1]} pixels"
    return {
        "kind": KIND,
        "edsnb": __version__,
        "label": report.label,
        "command": report.command,
        "input": {
            "path": "" if image is None else image.source,
            "sha256": "" if image is None else image.digest,
            "software": "" if image is None else image.software,
            "raster": raster,
            "pixel": "" if report.pixel_nm is None else f"{report.pixel_nm:g} nm",
        },
        "files": _digests(report),
        "methods": {
            c.method: {
                "source": c.source,
                "elements": c.elements,
                "families": c.families,
                "normalisation": c.normalisation,
                "convention": c.convention,
                "notes": c.notes,
            }
            for c in report.compositions
        },
        "comparisons": [
            {"methods": c.methods, "quantity": c.quantity, "matched_by": c.matched_by, "only_in": c.only_in,
             "left_out": c.left_out, "confidence": c.confidence, "notes": c.notes}
            for c in report.comparisons
        ],
        "phases": None if report.phases is None else report.phases.settings,
        "notes": report.notes,
        "analyses": {method: provenance(analysis) for method, analysis in report.analyses.items()},
        "versions": versions(PACKAGES),
    }  # fmt: skip


def _digests(report: Report) -> dict[str, str]:
    """Return SHA-256 of the files that a side was read from, the opened one apart."""
    paths: list[Path] = []
    for composition in report.compositions:
        source = Path(composition.source) if composition.source else None
        opened = report.image is not None and composition.source == report.image.source
        if source is None or opened or composition.method in report.analyses:
            continue
        paths += [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    return {path.name: sha256(path) for path in paths if path.is_file()}

"""What is in a file, for people and for programs: `edsnb info`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from textwrap import fill
from typing import Any

import numpy as np

from edsnb.core.events import Array
from edsnb.core.image import EnergyAxis, SpectrumImage, Survey

CHIP_COUNTS = 10_000
"""X-rays of a chip from which at% of the main elements is good to about a percent: sets the suggested chip size."""
WIDTH = 100
LABELS = {
    "beam_kev": ("beam", "{:g} kV", 1),
    "detector": ("detector", "{}", None),
    "take_off_deg": ("take-off angle", "{:.1f} deg", 1),
    "azimuth_deg": ("detector azimuth", "{:.1f} deg", 1),
    "tilt_deg": ("stage tilt", "{:.1f} deg", 1),
    "solid_angle_sr": ("solid angle", "{:.3g} sr", 1),
    "resolution_ev": ("resolution, Mn Ka", "{:.1f} eV", 1),
    "begin_energy_kev": ("noise peak below", "{:g} keV", 1),
    "live_time_s": ("live time", "{:.4g} s", 1),
    "real_time_s": ("real time", "{:.4g} s", 1),
    "dwell_time_s": ("dwell time", "{:.4g} us", 1e6),
    "frames": ("frames summed", "{:d}", 1),
    "current_pa": ("screen current", "{:.4g} pA", 1),
}
"""Label, format and factor of each field of an Acquisition."""


def describe(image: SpectrumImage) -> dict[str, Any]:
    """Return what a file holds and what can be done with it, as plain numbers, texts and lists (for JSON)."""
    total, above = _counts(image)
    return {
        "source": image.source,
        "software": image.software,
        "digest": image.digest,
        "shape": list(image.shape),
        "map": None if image.events is None else _map(image, total, above),
        "pixel_nm": image.pixel_nm,
        "energy": _axis(image.energy),
        "floor_kev": image.floor_kev,
        "acquisition": asdict(image.acquisition),
        "segments": [
            {"name": s.name, **_axis(s.energy), "counts": int(s.counts.sum()), "live_time_s": s.live_time_s}
            for s in image.segments
        ],
        "surveys": [_survey(s, image) for s in image.surveys.values()],
        "maps": [
            {"name": m.name, "element": m.element, "quantity": m.quantity, "mode": m.mode, "shape": list(m.image.shape)}
            for m in image.maps
        ],
        "spectra": _spectra(image),
        "elements": [asdict(element) for element in image.elements],
        "possible": possible(image),
        "notes": list(image.notes),
    }


def _above(counts: Array, energy: EnergyAxis, floor_kev: float) -> float:
    """Return the X-rays above the noise peak in a spectrum (..., E)."""
    return float(counts[..., energy.channels(floor_kev, energy.range_kev[1])].sum())


def _counts(image: SpectrumImage) -> tuple[float, float]:
    """Return the X-rays of the map, all and above the noise peak."""
    if image.events is None:
        return 0.0, 0.0
    if image.segments:
        total = np.sum([s.counts for s in image.segments], axis=0)
    else:
        total = np.bincount(image.events.channel, image.events.count, image.energy.size)
    return float(total.sum()), _above(total, image.energy, image.floor_kev)


def _map(image: SpectrumImage, total: float, above: float) -> dict[str, Any]:
    ny, nx = image.shape
    return {"shape": [ny, nx], "counts": total, "counts_above_noise": above, "counts_per_pixel": above / (ny * nx)}


def _axis(energy: EnergyAxis) -> dict[str, Any]:
    low, high = energy.range_kev
    return {"channels": energy.size, "scale_kev": energy.scale_kev, "offset_kev": low, "end_kev": high}


def _survey(survey: Survey, image: SpectrumImage) -> dict[str, Any]:
    shape = list(survey.image.shape)
    on_map = survey.image.shape == image.shape
    return {"name": survey.name, "shape": shape, "pixel_nm": survey.pixel_nm, "frames": survey.frames, "on_map": on_map}


def _spectra(image: SpectrumImage) -> list[dict[str, Any]]:
    if image.spectra is None:
        return []
    return [
        {
            "name": name,
            "counts": float(counts.sum()),
            "counts_above_noise": _above(counts, image.energy, image.floor_kev),
        }
        for name, counts in zip(image.spectra.names, image.spectra.counts, strict=True)
    ]


def possible(image: SpectrumImage) -> list[str]:
    """Return plain sentences saying what can be done with an image."""
    found = []
    if image.events is not None:
        found.append(_chips(image))
    if image.spectra is not None:
        found.append(f"fit and quantify its stored spectra ({len(image.spectra)}): edsnb.fit(image.spectra, ...)")
    if image.maps:
        kinds = ", ".join(sorted({m.quantity.replace("_", " ") for m in image.maps}))
        found.append(f"show and compare its {len(image.maps)} stored element maps ({kinds})")
    if image.surveys and image.events is None:
        found.append("show its images")
    if image.elements and (image.events is not None or image.spectra is not None):
        names = ", ".join(_element(asdict(e)) for e in image.elements)
        found.append(f"start from the elements selected in the file: {names}")
    return found


def _chips(image: SpectrumImage) -> str:
    """Say what chips the counts are enough for."""
    ny, nx = image.shape
    _, above = _counts(image)
    mean = above / (ny * nx)
    if above == 0:
        return "cut the map into chips, though it has no X-rays above the noise peak"
    if mean >= CHIP_COUNTS:
        return f"fit and quantify single pixels ({_grouped(mean)} X-rays each), or chips of any size"
    size = int(np.ceil(np.sqrt(CHIP_COUNTS / mean)))
    if size > min(ny, nx):
        return f"cut the map into chips; all of it has {_grouped(above)} X-rays, so results will be rough"
    chips = (ny // size) * (nx // size)
    return f"cut the map into chips: {size} px gives {chips} chips of about {_grouped(mean * size**2)} X-rays each"


def describe_text(image: SpectrumImage) -> str:
    """Return the same as a page of plain text."""
    facts = describe(image)
    blocks = [
        _block("", _head(facts)),
        _block("Acquisition", _acquisition(facts["acquisition"])),
        _table("Segments", ["", "eV/channel", "offset eV", "X-rays", "live s"], _segment_rows(facts["segments"])),
        _table("Images", ["", "y x x", "pixel nm", "frames", ""], [_survey_row(s) for s in facts["surveys"]]),
        _table("Element maps stored in the file", ["", "holds", "y x x"], [_map_row(m) for m in facts["maps"]]),
        _table(
            "Spectra stored in the file",
            ["", "X-rays", f"above {facts['floor_kev']:g} keV"],
            [[s["name"], _grouped(s["counts"]), _grouped(s["counts_above_noise"])] for s in facts["spectra"]],
        ),
        _list("What you can do", facts["possible"]),
        _list("Notes", facts["notes"]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _head(facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("file", facts["source"]), ("written by", facts["software"])]
    energy, found, above = facts["energy"], facts["map"], f"above {facts['floor_kev']:g} keV"
    if found:
        ny, nx = found["shape"]
        pixel = f", {facts['pixel_nm']:.4g} nm a pixel" if facts["pixel_nm"] else ""
        share = f" ({found['counts_above_noise'] / found['counts']:.1%})" if found["counts"] else ""
        lines += [
            ("map", f"{ny} x {nx} pixels (y x x){pixel}"),
            ("X-rays", f"{_grouped(found['counts'])}, of which {_grouped(found['counts_above_noise'])}{share} {above}"),
            ("", f"{_grouped(found['counts_per_pixel'])} a pixel {above}"),
        ]
    else:
        ny, nx = facts["shape"]
        lines.append(("map", f"none left of {ny} x {nx} pixels" if ny else "none"))
    lines.append(
        (
            "energy",
            f"{energy['channels']} channels of {energy['scale_kev'] * 1000:g} eV, "
            f"{energy['offset_kev']:.4g} to {energy['end_kev']:.4g} keV",
        )
    )
    lines.append(("elements", ", ".join(_element(e) for e in facts["elements"]) or "none selected in the file"))
    return [line for line in lines if line[1]]


def _element(element: dict[str, Any]) -> str:
    family = f" {element['family']}" if element["family"] else ""
    return f"{element['symbol']}{family}{'' if element['quantify'] else ' (deconvolution only)'}"


def _acquisition(values: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key, (label, form, factor) in LABELS.items():
        value = values[key]
        if value is not None:
            found.append((label, form.format(value if factor is None else value * factor)))
    return found


def _segment_rows(segments: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            s["name"],
            f"{s['scale_kev'] * 1000:g}",
            f"{s['offset_kev'] * 1000:g}",
            _grouped(s["counts"]),
            "" if s["live_time_s"] is None else f"{s['live_time_s']:.4g}",
        ]
        for s in segments
    ]


def _survey_row(survey: dict[str, Any]) -> list[str]:
    ny, nx = survey["shape"]
    pixel = "" if survey["pixel_nm"] is None else f"{survey['pixel_nm']:.4g}"
    return [
        survey["name"],
        f"{ny} x {nx}",
        pixel,
        str(survey["frames"]),
        "same raster as the map" if survey["on_map"] else "",
    ]


def _map_row(stored: dict[str, Any]) -> list[str]:
    ny, nx = stored["shape"]
    return [stored["name"], f"{stored['quantity'].replace('_', ' ')} ({stored['mode']})", f"{ny} x {nx}"]


def _block(title: str, lines: Sequence[tuple[str, str]]) -> str:
    """Return label and value, aligned; "" where there are none."""
    width = max((len(label) for label, _ in lines), default=0)
    rows = [f"  {label:<{width}}  {value}" for label, value in lines]
    return "\n".join(([title] if title else []) + rows) if rows else ""


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, names to the left and numbers to the right; "" where there are no rows."""
    if not rows:
        return ""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [
            f"{c:<{w}}" if k == 0 or not _numeric(rows, k) else f"{c:>{w}}"
            for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join([title, *lines])


def _numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(row[column][:1] in "-0123456789" for row in rows)


def _list(title: str, sentences: Iterable[str]) -> str:
    lines = [fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    ") for text in sentences]
    return "\n".join([title, *lines]) if lines else ""

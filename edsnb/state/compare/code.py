"""A comparison as Python that repeats it."""

from __future__ import annotations

from pprint import pformat
from typing import TYPE_CHECKING

from edsnb.pipeline import Analysis
from edsnb.state.compare.methods import Kind, analysis_code, drawn
from edsnb.state.scripts import opened

if TYPE_CHECKING:
    from edsnb.state.compare.state import CompareState

_WIDTH = 100


def compare_code(state: CompareState) -> str:
    """Return Python that makes the comparison, phases, tables and figures that are shown.

    What came from no file is a variable that a remark names: ``first``, ``image`` or ``regions``.
    """
    if state.comparison is None:
        return f"# {state.problem}\n"
    body = [*_data(state), "", *_comparison(state), *_phases(state), *_figures(state)]
    return "\n".join([*_imports(body), "", *body]) + "\n"


def _imports(body: list[str]) -> list[str]:
    """Return the imports that the code needs."""
    text = "\n".join(body)
    lines = ["from dataclasses import replace", ""] if "replace(" in text else []
    lines.append("import edsnb")
    if "Composition." in text:
        lines.append("from edsnb.core.comparison.composition import Composition")
    if "open_composition(" in text:
        lines.append("from edsnb.io.compositions import open_composition")
    used = sorted(name for name in ("draw_agreement", "draw_fit", "draw_maps", "draw_phases") if f"{name}(" in text)
    return [*lines, f"from edsnb.plots.comparison import {', '.join(used)}"]


def _data(state: CompareState) -> list[str]:
    """Return the lines that make both compositions."""
    pair = [state.methods[name] for name in state.pair()]
    base = state.base
    lines = []
    if base is not None and any(isinstance(m.what, Analysis) or m.kind is not Kind.READY for m in pair):
        lines.append(opened(base.image.source, base.asked.spectrum_image))
        if drawn(base) is not None:
            lines.append("# regions: those that were drawn")
        needed = any(m.what is base or m.kind is Kind.READ for m in pair)
        lines += analysis_code("analysis", base.asked, base) if needed else []
    for variable, method in zip(("first", "second"), pair, strict=True):
        lines += method.code(variable, base, state.quantity)
    return lines


def _comparison(state: CompareState) -> list[str]:
    """Return the lines that compare."""
    options = [f"quantity={state.quantity!r}"]
    options += ["renormalise=True"] if state.renormalise else []
    options += [f"tolerance_px={state.tolerance_px!r}"] if state.tolerance_px else []
    return [
        f"comparison = edsnb.compare(first, second, {', '.join(options)})",
        "print(comparison.describe())",
        "print(comparison.statistics())",
    ]


def _phases(state: CompareState) -> list[str]:
    """Return the lines that find phases and compare them with their formulas."""
    found = state.phases.found
    if found.phases is None or found.settings is None:
        return []
    methods = [state.methods[name] for name in state.pair()]
    by_atomic = state.quantity == "counts"
    lines = [""]
    names = ["first", "second"]
    if by_atomic:
        names = ["first_at", "second_at"]
        lines += [x for v, m in zip(names, methods, strict=True) for x in _in_atomic(state, v, m.name)]
    image = "image=image" if state.base is not None and "haadf" in str(found.settings.get("rules", "")) else ""
    lines += ["phases = edsnb.find_phases(", f"    {names[0]},"]
    for name, value in found.settings.items():
        text = pformat(value, width=_WIDTH - 8 - len(name), sort_dicts=False).replace(
            "\n", "\n" + " " * (5 + len(name))
        )
        lines.append(f"    {name}={text},")
    lines += [f"    {image},"] if image else []
    lines.append(")")
    lines.append("print(phases.describe())")
    if found.table is not None and found.formulas is not None:
        shown = {r.method for r in found.table.results}
        methods_code = ", ".join(f"{m.name!r}: {v}" for v, m in zip(names, methods, strict=True) if m.name in shown)
        lines.append("table = edsnb.stoichiometry(")
        lines.append(f"    {{{methods_code}}},")
        lines.append(f"    {dict(found.formulas)!r},")
        lines += ["    where=phases,", ")"]
        lines.append("print(table.to_markdown())")
    return lines


def _in_atomic(state: CompareState, variable: str, name: str) -> list[str]:
    """Return the line that makes the at% of a method whose counts are compared."""
    method = state.methods[name]
    code = method.code(variable, state.base, "atomic")
    side = "first" if name == next(iter(state.pair())) else "second"
    # The analysis was made for the counts already.
    return [code[-1].replace(f"{variable}_analysis", f"{side}_analysis")]


def _figures(state: CompareState) -> list[str]:
    """Return the lines that draw what is shown."""
    elements = list(state.shown)
    pixel = f", pixel_nm={state.pixel_nm!r}" if state.pixel_nm else ""
    colours = ", together=True" if state.together else ""
    colours += ", everything=True" if state.everything else ""
    phases = ", phases=phases" if state.phases.found.phases is not None else ""
    lines = [
        "",
        f'draw_maps(comparison, {elements!r}, "maps.png"{pixel}{colours})',
        f'draw_agreement(comparison, {elements!r}, "agreement.png"{phases})',
    ]
    if phases and state.frame is not None:
        lines.append(f'draw_phases(phases, "phases.png"{pixel})')
    return lines

"""The published case on the built-in example: simulate, cut, fit, quantify, and hold against the truth."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edsnb.batch import Watch, check_writable
from edsnb.core.quant.quantify import pool
from edsnb.core.simulation.simulate import simulate
from edsnb.core.simulation.truth import Truth
from edsnb.errors import OutputError
from edsnb.io.export import check_free
from edsnb.io.velox_write import write_velox
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe

_COMMON = Recipe(
    elements=("La", "Fe", "Sr", "Ti", "O"),
    deconvolve=("Cu", "C"),
    lines=("La_La", "Fe_Ka", "Sr_Ka", "Ti_Ka", "O_Ka"),
    energy=(0.2, 20.0),
)
SAMPLES = (
    ("sample-1", "6 min", 64, None),
    ("sample-7", "2 h", 15, (0, 500, 0, 500)),
)
"""Folder, time published for the HyperSpy script, chip size and crop of the published samples 1 and 7."""


def run_demo(out: Path, *, overwrite: bool = False, watch: Watch = lambda _: None) -> list[str]:
    """Run the demo into `out` and return what to print.

    Raises
    ------
    OutputError
        The folder holds an earlier demo and `overwrite` is False.
    """
    check_writable(out)
    for name, *_ in SAMPLES:
        check_free(out / name, overwrite=overwrite)
    example = out / "example.emd"
    if example.exists() and not overwrite:
        raise OutputError(f"{example} exists already. Choose another folder, or say --overwrite to replace it.")
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    made = simulate()
    write_velox(made, example, overwrite=overwrite)
    truth = made.truth
    lines = [
        f"example: {example}, a simulated LaFeO3 film on SrTiO3, {made.image.shape[0]} x {made.image.shape[1]} pixels, "
        f"{made.image.require_events().total() / 1e6:.1f} M X-rays ({time.perf_counter() - began:.1f} s to make)",
    ]
    del made
    for name, published, size, crop in SAMPLES:
        began = time.perf_counter()
        recipe = replace(_COMMON, chip=size, crop=crop)
        analysis = analyse(example, recipe, progress=watch(name))
        computed = time.perf_counter() - began
        analysis.save(out / name, overwrite=overwrite)
        lines += ["", *_report(analysis, truth, name, computed, published)]
    lines += ["", f"pictures: {', '.join(str(out / name / 'summary.png') for name, *_ in SAMPLES)}"]
    return lines


def _report(analysis: Analysis, truth: Truth, name: str, seconds: float, published: str) -> list[str]:
    """Return the table of one sample: found beside true at% for each phase."""
    quant, regions = analysis.quantification, analysis.spectra.regions
    if regions is None or regions.grid is None:
        raise TypeError("the demo analyses a chip grid")
    lines = [
        f"{name}: {regions.grid.describe(analysis.image.shape)}",
        f"  file to composition with errors in {seconds:.2f} s (the published HyperSpy script: {published})",
        f"  {'at%':<26}" + "".join(f"{e:>8}       " for e in quant.elements).rstrip(),
    ]
    phases = np.array([phase or "" for phase in truth.phase_of(regions)])
    for phase, composition in truth.phases.items():
        chosen = (phases == phase) & np.isfinite(quant.atomic).all(axis=1)
        if not composition or not chosen.any():
            continue
        found, sd = pool(quant, chosen)
        values = "".join(f"{a:8.2f} ± {s:.2f}" for a, s in zip(found, sd, strict=True))
        lines += [
            f"  {phase + ', ' + str(chosen.sum()) + ' chips':<26}{values}",
            f"  {'true':<26}" + "".join(f"{composition.get(e, 0.0):8.2f}       " for e in quant.elements).rstrip(),
        ]
    return lines

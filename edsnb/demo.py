"""The published case on the built-in example: simulate, cut, fit, quantify, and hold against the truth.

Its third part stands beside each other what the publication compared: HyperSpy by the published recipe, and Velox, for
which a stand-in is made (`published_case`), since Velox never saw a simulated map.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edsnb.batch import Watch, check_writable
from edsnb.core.comparison.compare import Comparison, compare
from edsnb.core.comparison.composition import Composition
from edsnb.core.comparison.phases import Phases, find_phases
from edsnb.core.comparison.stoichiometry import Stoichiometry, stoichiometry
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.kfactors import KFactors
from edsnb.core.quant.quantify import pool
from edsnb.core.simulation.simulate import simulate
from edsnb.core.simulation.truth import Truth
from edsnb.errors import OutputError
from edsnb.io.export import check_free
from edsnb.io.opening import open_file
from edsnb.io.velox.write import read_truth, write_velox
from edsnb.io.velox_tables.read import read_velox_tables
from edsnb.io.velox_tables.write import KIND as EXPORT
from edsnb.io.velox_tables.write import write_velox_batches
from edsnb.pipeline import Analysis, analyse
from edsnb.recipe import Recipe
from edsnb.report.write import KIND as REPORT
from edsnb.report.write import page_of, write_report

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


PHASES = {"LFO": "LaFeO3", "STO": "SrTiO3"}
"""Phases of the film and of its substrate."""
EDSNB, HYPERSPY, VELOX = "edsnb", "HyperSpy (published recipe)", "window integration (stand-in for Velox)"
"""The methods of the published case."""
_STAND_IN, _COMPARISON = "velox-stand-in", "comparison"
_NOTES = (
    "HyperSpy fits by the published recipe: a polynomial of order 6, all families of the elements, "
    "multifit(bounded=True); here with the 7 elements of this film (11 in the publication), up to 20 keV.",
    "As in the published script, HyperSpy's counts of the alpha lines alone meet k-factors of whole families. This "
    "explains the published lanthanum (La/Fe of HyperSpy over that of Velox: 0.558 published, 0.560 by the alpha "
    "fractions). It does not explain oxygen (O/Fe 1.008 published, 1.127 by the alpha fractions) nor all of strontium "
    "(Sr/Ti 0.906 published, 0.971 by the alpha fractions).",
    "Phases are the chips that lie wholly in one, as the truth of the simulation says.",
    f"{VELOX}: net counts in windows with family k-factors, written in the layout of Velox's exports, eight regions a "
    "file, and read back from there. It shows that such exports are read; it says nothing about Velox.",
)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedCase:
    """The published case on a simulated map: three methods on the same chips, and what is true."""

    image: SpectrumImage
    truth: Truth
    compositions: Mapping[str, Composition]
    """{method: composition}: `EDSNB`, `HYPERSPY`, `VELOX`."""
    analyses: Mapping[str, Analysis]
    """{method: analysis} of edsnb and HyperSpy."""

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Edsnb beside each of the others."""
        own = self.compositions[EDSNB]
        return tuple(compare(own, other) for name, other in self.compositions.items() if name != EDSNB)

    @property
    def phases(self) -> Phases:
        """Chips that lie wholly in one phase; the truth says which."""
        own = self.compositions[EDSNB]
        if own.regions is None:
            raise TypeError("the published case analyses a chip grid")
        pure = self.truth.phase_of(own.regions)
        chips = {
            name: [chip for chip, phase in zip(own.names, pure, strict=True) if phase == formula]
            for name, formula in PHASES.items()
        }
        return find_phases(own, {name: {"chips": held} for name, held in chips.items()})

    @property
    def stoichiometry(self) -> Stoichiometry:
        """All methods beside the formulae of film and substrate, over the chips of one phase."""
        return stoichiometry(self.compositions, PHASES, where=self.phases)

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the report; see `edsnb.write_report`."""
        return write_report(
            self.comparisons, self.stoichiometry, folder, phases=self.phases, image=self.image, analyses=self.analyses,
            title="The published comparison on a simulated film", notes=_NOTES, command="edsnb demo",
            overwrite=overwrite,
        )  # fmt: skip


def published_case(
    source: str | PathLike[str] | None = None,
    folder: str | PathLike[str] | None = None,
    *,
    chip: int = SAMPLES[0][2],
    engine: str = "hyperspy-published",
    overwrite: bool = False,
    watch: Watch = lambda _: None,
) -> PublishedCase:
    """Quantify a simulated film by edsnb, by HyperSpy as published, and by a stand-in for Velox.

    HyperSpy takes half a minute for the 64 chips of sample 1; ``engine="hyperspy-lstsq"`` takes seconds, and finds much
    the same.

    Parameters
    ----------
    source
        A simulated LaFeO3 film on SrTiO3 with its truth beside it, as `edsnb simulate` writes it; None: the built-in
        example.
    folder
        Where the stand-in for Velox's export is written; None: into a temporary folder.
    chip
        Edge of a chip, pixels.
    engine
        Which of HyperSpy's fits.
    overwrite
        Replace an earlier stand-in in `folder`.
    watch
        Makes progress functions.

    Raises
    ------
    EdsnbError
        The map or its truth cannot be read, or the folder cannot be written.
    """
    from edsnb.examples import example

    path = example() if source is None else Path(source)
    truth, image = read_truth(path), open_file(path, progress=watch("map"))
    recipe = replace(_COMMON, chip=chip)
    own = analyse(image, recipe)
    family_k = KFactors.theory(_COMMON.lines or (), beam_kev=float(image.acquisition.beam_kev or 0.0))
    as_published = replace(recipe, engine=engine, kfactors=family_k.with_convention("alpha"))
    hyperspy = analyse(image, as_published, previous=own, progress=watch(HYPERSPY))
    windows = analyse(image, replace(recipe, engine="window"), previous=own)
    ours = Composition.of(own.quantification, EDSNB)
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(TemporaryDirectory(prefix="edsnb-"))) / _STAND_IN
        write_velox_batches(Composition.of(windows.quantification, VELOX), place, overwrite=overwrite)
        velox = read_velox_tables(place, own.spectra.regions, own=ours, method=VELOX)
    kept = velox.source if folder else "an export made for this comparison, not kept"
    made = "Net counts in windows with family k-factors; made by edsnb, not by Velox."
    velox = replace(velox, convention=made, source=kept)
    found = {EDSNB: ours, HYPERSPY: Composition.of(hyperspy.quantification, HYPERSPY), VELOX: velox}
    return PublishedCase(image, truth, found, {EDSNB: own, HYPERSPY: hyperspy})


def run_demo(out: Path, *, overwrite: bool = False, comparing: bool = True, watch: Watch = lambda _: None) -> list[str]:
    """Run the demo into `out` and return what to print; `comparing` adds the published comparison.

    Raises
    ------
    OutputError
        The folder holds an earlier demo and `overwrite` is False.
    """
    check_writable(out)
    for name, *_ in SAMPLES:
        check_free(out / name, overwrite=overwrite)
    for name, kind in ((_STAND_IN, EXPORT), (_COMPARISON, REPORT)) if comparing else ():
        check_free(out / name, overwrite=overwrite, kind=kind)
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
    if comparing:
        lines += ["", *_compare(example, out, overwrite, watch)]
    lines += ["", f"pictures: {', '.join(str(out / name / 'summary.png') for name, *_ in SAMPLES)}"]
    return lines


def _compare(example: Path, out: Path, overwrite: bool, watch: Watch) -> list[str]:
    """Write the published comparison of sample 1, and return its table."""
    began = time.perf_counter()
    case = published_case(example, out / _STAND_IN, chip=SAMPLES[0][2], overwrite=overwrite, watch=watch)
    folder = case.save(out / _COMPARISON, overwrite=overwrite)
    lines = [
        f"comparison on {SAMPLES[0][0]}, simulated, in {time.perf_counter() - began:.0f} s; at% of the formula's "
        "elements, in brackets the error in percent of 20 : 20 : 60"
    ]
    for r in case.stoichiometry:
        values = zip(r.elements, r.normalised, r.error_percent, strict=True)
        found = "".join(f"{e:>4} {x:5.2f} ({d:4.1f})" for e, x, d in values)
        lines.append(f"  {r.phase}, {r.chips} chips, {r.method:<40}{found}")
    return [*lines, f"report: {page_of(folder)}"]


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

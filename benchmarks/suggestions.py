"""How many of the elements in a spectrum `edsnb.find_lines` suggests, and how many that are not there.

    python benchmarks/suggestions.py                       # all of it, about five minutes on two cores
    python benchmarks/suggestions.py --quick               # one dose, from nothing

Specimens are the phases of `systems.py` and those below, which hold overlaps and traces. Emission, detector and axis
are those of `systems.py`: lines of three tables, of which the fit knows one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from systems import ACQUISITION, AXIS, TABLES, Case, expected

from edsnb.core.fitting.suggest import find_lines
from edsnb.core.regions import Spectra
from edsnb.core.simulation.phantom import SYSTEMS, Contaminant, FilmSystem, Phase

DOSES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SIGNIFICANT = 1.0
"""at% from which on an element should be found."""
_MIXED = {
    "superalloy": {"Ni": 55, "Cr": 15, "Co": 10, "Al": 8, "Ti": 4, "Mo": 2, "W": 1.5, "Ta": 1.5, "Nb": 1, "Fe": 2},
    "steel": {"Fe": 70, "Cr": 18, "Ni": 8, "Mn": 2, "Mo": 1, "Si": 1},
    "CIGS": {"Cu": 24, "In": 18, "Ga": 7, "Se": 50, "Na": 1},
    "PZT": {"Pb": 20, "Zr": 10, "Ti": 9, "Nb": 1, "O": 60},
    "BST": {"Ba": 14, "Sr": 5, "Ca": 2, "Ti": 20, "O": 60},
    "SrRuO3": {"Sr": 20, "Ru": 20, "Y": 1.2, "O": 60},
    "MoS2": {"Mo": 33, "S": 66, "Re": 2},
    "WSe2": {"W": 33, "Se": 66, "Nb": 1.6},
    "glass": {"Si": 26, "O": 60, "Na": 8, "Ca": 3, "Mg": 2, "Al": 1.5, "K": 1},
    "battery": {"Ni": 19, "Mn": 6.4, "Co": 6.4, "O": 64, "F": 3.2, "P": 1.3},
    "gate stack": {"Hf": 20, "O": 39, "Ti": 10, "N": 10, "Si": 20, "W": 2},
    "YSZ": {"Zr": 26, "Y": 5, "Ce": 3, "Gd": 1.6, "O": 65},
    "CoFeB": {"Co": 38, "Fe": 38, "Mg": 9, "O": 9, "Ta": 5, "Ru": 3},
    "PtCo on C": {"Pt": 8, "Co": 4, "C": 85, "Ru": 1.7, "S": 1.3},
    "AuPd on C": {"Au": 10, "Pd": 7.5, "C": 76, "N": 5, "Ag": 1.5},
    "GaAs": {"Ga": 43, "As": 48, "Al": 5, "In": 2, "P": 3},
    "BiFeO3": {"Bi": 20, "Fe": 18, "La": 2, "Mn": 2, "O": 60},
    "CdTe": {"Cd": 47, "Te": 45, "Cl": 1.4, "Zn": 2, "S": 5},
    "apatite": {"Ca": 22, "P": 13, "O": 58, "F": 2.2, "Cl": 1.6, "Na": 1.3, "Mg": 1.6},
    "NdFeB": {"Nd": 12, "Fe": 76, "Dy": 2, "Co": 3, "Cu": 1, "Pr": 2},
    "brass": {"Cu": 62, "Zn": 34, "Pb": 1.5, "Sn": 1.5, "Fe": 1},
    "Ti alloy": {"Ti": 84, "Al": 10, "V": 4, "Fe": 1, "Cr": 1.5},
}
_FISX_LACKS = ("BST", "YSZ", "NdFeB")
"""fisx has no M lines of barium and the rare earths that any spectrum shows."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One specimen at one dose, with or without its elements chosen."""

    specimen: str
    phase: int
    table: str
    dose: int
    chosen: bool
    miscalibration: str = "bow"


def _system(name: str) -> FilmSystem:
    """Return a film system of `systems.py`, or a mixture as one: with carbon or copper that is not the specimen's."""
    if name not in SYSTEMS:
        phase = Phase(name, tuple(_MIXED[name].items()), 5.0)
        other = Contaminant("Cu", 0.03, 0.1) if "C" in _MIXED[name] else Contaminant("C", 0.03, 0.05)
        SYSTEMS[name] = FilmSystem(name, phase, phase, (other,), ())
    return SYSTEMS[name]


def run(job: Job) -> Record | None:
    """Return what was suggested and what not; None where a table lacks lines of the specimen."""
    system = _system(job.specimen)
    if job.table == "fisx" and job.specimen in _FISX_LACKS:
        return None
    try:
        mean = expected(Case(job.specimen, job.table, job.miscalibration, job.dose))[job.phase]
    except (ValueError, ZeroDivisionError):
        return None
    content = {e: 100 * share for e, share in (system.film, system.substrate)[job.phase].atomic.items()}
    there = {**dict.fromkeys((c.element for c in system.contaminants), np.nan), **content}
    key = [job.dose, job.phase, *map(ord, job.specimen + job.table)]
    counts = np.random.default_rng(key).poisson(mean)
    spectra = Spectra(counts[None].astype(np.uint64), AXIS, ("sum",), ACQUISITION, source="simulation")
    clock = time.process_time()
    found = find_lines(spectra, tuple(there) if job.chosen else ())
    return {
        **asdict(job),
        "cpu_s": round(time.process_time() - clock, 3),
        "false": {s.element: round(s.significance, 1) for s in found if s.element not in there},
        "missed": {e: a for e, a in there.items() if e not in (*found.elements, *found.chosen)},
        "there": len(there),
    }


def jobs(quick: bool) -> Iterator[Job]:
    """Return all that is run."""
    specimens = [(name, phase) for name in SYSTEMS for phase in (0, 1)] + [(name, 0) for name in _MIXED]
    for table in TABLES:
        for dose in (100_000,) if quick else DOSES:
            for chosen in (False,) if quick else (True, False):
                yield from (Job(name, phase, table, dose, chosen) for name, phase in specimens)


def markdown(records: Sequence[Record]) -> str:
    """Return the table for the README."""
    rows = [
        "| lines of | X-rays | false, all chosen | false, from nothing | found of elements above 1 at% | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for table, dose in dict.fromkeys((r["table"], r["dose"]) for r in records):
        own = [r for r in records if (r["table"], r["dose"]) == (table, dose)]
        cells = []
        for chosen in (True, False):
            some = [r for r in own if r["chosen"] == chosen]
            cells.append(f"{sum(len(r['false']) for r in some)} in {len(some)}" if some else "")
        nothing = [r for r in own if not r["chosen"]]
        there = sum(len(_main(r)) for r in nothing)
        missed = sum(sum(a >= SIGNIFICANT for a in r["missed"].values()) for r in nothing)
        seconds = [r["cpu_s"] for r in nothing]
        cells += [f"{there - missed} of {there}", f"{np.median(seconds):.2f}, at most {max(seconds):.1f}"]
        rows.append(f"| {table} | {dose:,} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _main(record: Record) -> list[str]:
    """Return the elements of a specimen above 1 at%."""
    system = _system(record["specimen"])
    atomic: dict[str, float] = (system.film, system.substrate)[record["phase"]].atomic
    return [element for element, share in atomic.items() if 100 * share >= SIGNIFICANT]


def main() -> int:
    """Run everything, print the table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one dose, from nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write the results")
    options = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        records = [record for record in pool.map(run, jobs(options.quick), chunksize=8) if record is not None]
    print(markdown(records))
    for record in records:
        if record["false"]:
            print(*(record[k] for k in ("specimen", "phase", "table", "dose", "chosen", "false")))
    if options.out:
        options.out.write_text(json.dumps(records, indent=0), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure edsnb beside HyperSpy, on one simulated map: time, peak memory, and that both count the same.

    python benchmarks/peers.py --out benchmarks/results.json     # about three minutes
    python benchmarks/peers.py --quick                           # a small map, to see that it all runs
    python benchmarks/peers.py --full                            # HyperSpy's default fit on every chip as well

Every job runs in a process of its own, so that memory and imports are its own; this parent imports the standard
library alone, because a process' peak memory is never below that of the one that started it. Kernels are compiled,
and files read, once before anything is measured. Seconds are medians.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import operator
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from jobs import ELEMENTS, ENERGY_KEV, JOBS, Result, Setup

LINES = "La_La,Fe_Ka,Sr_Ka,Ti_Ka,O_Ka"
PACKAGES = ("edsnb", "numpy", "scipy", "numba", "h5py", "xraylib", "hyperspy", "exspy", "rosettasciio", "numexpr")

QUICK = Setup(size=128, frames=8, crop=125, subset=8, repeats=2, peer_repeats=1)


def run_timed(command: list[str]) -> tuple[float, float | None]:
    """Run a command; return its wall time in seconds and its peak memory in GB (None where unknown, as on Windows)."""
    with tempfile.TemporaryFile() as output:
        clock = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            # Linux counts kibibytes, macOS bytes.
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        else:
            child.wait()
            peak = None
        seconds = time.perf_counter() - clock
        if child.returncode:
            output.seek(0)
            print(output.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise SystemExit(f"benchmark: {' '.join(command[:4])} ... ended with {child.returncode}")
    return seconds, peak


def run_job(name: str, setup: Setup, example: Path, work: Path, *, times: int = 1, warm: bool = False) -> Result:
    """Run a job in processes of its own; return its median time and highest memory."""
    script = Path(__file__).with_name("jobs.py")
    command = [sys.executable, str(script), name, json.dumps(asdict(setup)), str(example), str(work)]
    results = []
    for _ in range(times + warm):
        _, peak = run_timed(command)
        results.append({**json.loads((work / f"{name}.json").read_text("utf-8")), "peak_gb": peak})
    return _summary(name, results[warm:])


def run_command(name: str, command: list[str], *, times: int) -> Result:
    """Run one of edsnb's commands once before, then several times; return its median wall time."""
    results = [dict(zip(("seconds", "peak_gb"), run_timed(command), strict=True)) for _ in range(times + 1)]
    return _summary(name, results[1:])


def _summary(name: str, results: list[Result]) -> Result:
    """Return the last run, with the median times and the highest memory of all."""
    chosen = dict(results[-1])
    for key in ("seconds", "first_s", "cpu_s"):
        if key in chosen:
            chosen[key] = median(result[key] for result in results)
    chosen["all_seconds"] = [result.get("all_seconds", round(result["seconds"], 4)) for result in results]
    if chosen["peak_gb"] is not None:
        chosen["peak_gb"] = max(result["peak_gb"] for result in results)
    first = f"   first call {_seconds(chosen['first_s'])}" if "first_s" in chosen else ""
    print(f"  {name:16s} {_seconds(chosen['seconds']):>9s}   {_memory(chosen):>8s}{first}", flush=True)
    return chosen


def measure(setup: Setup, example: Path, work: Path) -> dict[str, Result]:
    """Run every job."""
    edsnb = shutil.which("edsnb", path=str(Path(sys.executable).parent)) or "edsnb"
    if not example.exists():
        example.parent.mkdir(parents=True, exist_ok=True)
        print(f"making {example}", flush=True)
        options = ["--size", str(setup.size), "--frames", str(setup.frames), "--counts", str(setup.counts)]
        run_timed([edsnb, "simulate", str(example), *options])
    run = [edsnb, "run", str(example), "--elements", ",".join(ELEMENTS[:5]), "--deconvolve", ",".join(ELEMENTS[5:])]
    run += ["--lines", LINES, "--chip", str(setup.chip), "--crop", f"0:{setup.crop},0:{setup.crop}"]
    run += ["--energy", "{}:{}".format(*ENERGY_KEV), "--quiet", "--overwrite", "--out", str(work / "run")]
    warm = {"chips_edsnb", "fit_edsnb"}
    several = dict.fromkeys(("chips_edsnb", "import_edsnb", "load_edsnb"), setup.repeats)
    several |= dict.fromkeys(("chips_hyperspy", "import_hyperspy"), setup.peer_repeats)
    jobs = {name: run_job(name, setup, example, work, times=several.get(name, 1), warm=name in warm) for name in JOBS}
    jobs["run"] = run_command("edsnb run", run, times=setup.repeats)
    jobs["help"] = run_command("edsnb --help", [edsnb, "--help"], times=setup.repeats)
    jobs["chips_hyperspy"]["same_counts"] = same_counts(work)
    return jobs


def same_counts(work: Path) -> bool:
    """Say whether edsnb and HyperSpy found the same counts in every channel of every chip."""
    import numpy as np

    with np.load(work / "chips.npz") as stored:
        return bool(np.array_equal(stored["counts"], np.load(work / "peer.npy")))


def targets(jobs: dict[str, Result]) -> list[Result]:
    """Hold the results against what edsnb promises; they are meant for the full case on a quiet machine."""

    def faster(ours: str, peer: str, key: str = "seconds") -> float:
        return jobs[peer][key] / jobs[ours][key]

    chips = ("chips_edsnb", "chips_hyperspy")
    found = [
        ("same counts as HyperSpy in every chip", jobs["chips_hyperspy"]["same_counts"], "is", True),
        ("file to chips, first call: times faster than hs.load + rebin", faster(*chips, "first_s"), ">=", 30),
        ("file to chips, later calls: times faster than hs.load + rebin", faster(*chips), ">=", 30),
        ("file to chips: peak memory, GB", jobs["chips_edsnb"]["peak_gb"], "<=", 0.6),
        ("fit: times faster than multifit()", faster("fit_edsnb", "fit_default"), ">=", 300),
        ("fit: times faster than create_model + lstsq", faster("fit_edsnb", "fit_lstsq"), ">=", 1),
        ("edsnb run, s", jobs["run"]["seconds"], "<=", 6),
        ("edsnb --help, s", jobs["help"]["seconds"], "<=", 1),
        ("import edsnb, s", jobs["import_edsnb"]["seconds"], "<=", 0.5),
        ("heavy libraries loaded by import edsnb", len(jobs["import_edsnb"]["heavy"]), "<=", 0),
    ]
    met = {">=": operator.ge, "<=": operator.le, "is": operator.is_}
    return [
        {
            "what": what,
            "found": value,
            "target": f"{sign} {wanted}",
            "met": None if value is None else met[sign](value, wanted),
        }
        for what, value, sign, wanted in found
    ]


def version(name: str) -> str:
    """Return the version of a package; HyperSpy is faster with numexpr, which it does not install by itself."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def machine() -> Result:
    """Describe the machine; a busy one shows in the load."""
    found: Result = {"system": platform.system(), "machine": platform.machine(), "python": platform.python_version()}
    found["cores"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(AttributeError, ValueError, OSError):
        found["memory_gb"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    with suppress(AttributeError, OSError):
        found["load"] = round(os.getloadavg()[0], 2)
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        found["processor"] = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "unknown")
    return found


def markdown(setup: Setup, jobs: dict[str, Result]) -> str:
    """Return the table for the README."""
    first = {f"first {name}": {**job, "seconds": job["first_s"]} for name, job in jobs.items() if "first_s" in job}
    jobs = jobs | first
    scaled = jobs["fit_default"]["measured_chips"]
    note = f", measured on {scaled} chips and scaled" if scaled < setup.chips else ""
    xrays = f"{jobs['chips_edsnb']['xrays'] / 1e6:.0f} M X-rays"
    load = "`hs.load` + `inav` + `rebin`"
    pairs = [
        (f".emd ({setup.size} x {setup.size}, {xrays}) to {setup.chips} chip spectra, in a new process",
         "first chips_edsnb", load, "first chips_hyperspy"),
        ("the same once more", "chips_edsnb", load, "chips_hyperspy"),
        (f"fit {setup.chips} chips, {len(ELEMENTS)} elements, with uncertainties",
         "fit_edsnb", f"`multifit()`{note}", "fit_default"),
        ("the same, HyperSpy unweighted and without uncertainties",
         "fit_edsnb", '`create_model()` + `multifit(optimizer="lstsq")`', "fit_lstsq"),
        ("import all that is needed", "load_edsnb", "`import hyperspy.api, exspy`", "import_hyperspy"),
        ("`import edsnb`, the rest on first use", "import_edsnb", "", None),
        ("`edsnb run`: file to table, spectra and picture", "run", "", None),
        ("`edsnb --help`", "help", "", None),
    ]  # fmt: skip
    rows = ["| job | edsnb | HyperSpy | times faster |", "|---|---|---|---|"]
    for what, ours, peer, theirs in pairs:
        cells = [what, _cell(jobs[ours]), "", ""]
        if theirs:
            ratio = jobs[theirs]["seconds"] / jobs[ours]["seconds"]
            cells[2:] = [f"{_cell(jobs[theirs])}: {peer}", f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(job: Result) -> str:
    return ", ".join(part for part in (_seconds(job["seconds"]), _memory(job)) if part)


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s" if value >= 0.01 else f"{value * 1000:.1f} ms"


def _memory(job: Result) -> str:
    return "" if job["peak_gb"] is None else f"{job['peak_gb']:.2f} GB"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small map and few repeats: numbers mean nothing")
    parser.add_argument("--full", action="store_true", help="HyperSpy's default fit on every chip, not on a subset")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write the results")
    parser.add_argument("--example", type=Path, metavar="FILE.emd", help="kept in results/benchmark; made if absent")
    found = parser.parse_args()
    found.example = found.example or Path("results", "benchmark", "quick.emd" if found.quick else "example.emd")
    return found


def main() -> None:
    """Run all jobs, print the table and write the results."""
    arguments = parse()
    setup = QUICK if arguments.quick else Setup()
    if arguments.full:
        setup = replace(setup, subset=setup.chips)
    described = machine()
    with tempfile.TemporaryDirectory() as folder:
        jobs = measure(setup, arguments.example, Path(folder))
    results = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": arguments.quick,
        "machine": described,
        "versions": {name: version(name) for name in PACKAGES},
        "setup": asdict(setup) | {"chips": setup.chips, "elements": ELEMENTS, "energy_kev": ENERGY_KEV},
        "jobs": jobs,
        "targets": targets(jobs),
    }
    print("\n" + markdown(setup, jobs) + "\n")
    if arguments.quick:
        print("The targets are meant for the full case:")
    for target in results["targets"]:
        value = target["found"]
        shown = f"{value:.3g}" if isinstance(value, float) else value
        verdict = {True: "met", False: "NOT MET", None: "unknown"}[target["met"]]
        print(f"{verdict:8s}{target['what']}: {shown} ({target['target']})")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
        print(f"\nwritten: {arguments.out}")
    if not jobs["chips_hyperspy"]["same_counts"]:
        raise SystemExit("benchmark: edsnb and HyperSpy do not count the same; the times mean nothing.")


if __name__ == "__main__":
    main()

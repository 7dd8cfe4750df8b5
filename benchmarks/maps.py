"""Measure pixel maps beside HyperSpy's `lstsq` and PyMca's `FastXRFLinearFit`: time and peak memory.

    python benchmarks/maps.py --out benchmarks/maps.json     # about four minutes; needs the `bench` extra
    python benchmarks/maps.py --quick                        # a small map, to see that it all runs

edsnb makes intensities, at% and their standard deviations for every pixel of the map, from the events. The peers need
spectra summed over each pixel's kernel; they fit those of a quarter of the map, as all would take many GB, and their
time is scaled by the number of pixels. It is told without the summing and with it, done here in the fastest way that
was found, and without quantification. As in `peers.py`, every job has a process of its own. The best of several calls
counts, on both sides: PyMca's first calls took ten times as long as its best, while the system gave it memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs import ELEMENTS, ENERGY_KEV, Result, _multifit, _timed
from peers import PACKAGES, _cell, machine, run_timed, version


@dataclass(frozen=True)
class Setup:
    """Size of the measured case."""

    size: int = 512
    frames: int = 30
    counts: int = 120
    """X-rays per pixel."""
    kernel: int = 15
    tile: int = 256
    """Edge of the part in the middle of the map that the peers fit."""
    repeats: int = 5
    """Calls of edsnb, after the first."""
    peer_repeats: int = 4
    """Calls of the peers, after the first."""

    @property
    def share(self) -> float:
        """Pixels of the map over those of the tile."""
        return (self.size / self.tile) ** 2


QUICK = Setup(size=128, frames=8, tile=64, repeats=2)


def maps_edsnb(setup: Setup, example: Path, work: Path) -> Result:
    """Make the maps of all pixels of an opened file; the fit of its sum, which they rest on, is told apart."""
    import numpy as np

    import edsnb
    from edsnb.core.maps import pixel_maps

    image = edsnb.open(example)
    clock = time.perf_counter()
    total = edsnb.chip(image, np.ones(image.shape, bool))
    quant = edsnb.quantify(edsnb.fit(total, ELEMENTS, energy=ENERGY_KEV), deconvolve=ELEMENTS[5:])
    fitted = time.perf_counter() - clock
    timed, maps = _timed(lambda: pixel_maps(image, quant, kernel=setup.kernel), setup.repeats)
    inside = np.s_[:, *_tile(setup)]
    np.savez(
        work / "maps.npz",
        intensities=maps.intensities[inside],
        sd=maps.sd[inside],
        columns=quant.fit.columns,
        model=quant.fit.model(0),
    )
    return {**_best(timed), "fit_of_sum_s": fitted, "pixels": maps.counts.size, "masked": float(maps.masked.mean())}


def kernel_sums(setup: Setup, example: Path, work: Path) -> Result:
    """Sum the spectra that the peers fit, and see that edsnb's maps are the fits of these very spectra."""
    import numpy as np

    import edsnb

    image = edsnb.open(example)
    events, channels = image.require_events(), image.energy.channels(*ENERGY_KEV)
    rows, columns = _tile(setup)
    reach = setup.kernel // 2
    sums = np.empty((setup.tile, setup.tile, channels.stop - channels.start), np.uint16)

    def line(y: int) -> Any:
        start = y * setup.size
        dense = events.to_dense(slice(start + columns.start - reach, start + columns.stop + reach))[:, channels]
        return dense.astype(np.int64)

    clock = time.perf_counter()
    window = sum(line(y) for y in range(rows.start - reach, rows.start + reach))
    for i, y in enumerate(range(rows.start, rows.stop)):
        window = window + line(y + reach)
        along = np.concatenate([np.zeros((1, window.shape[1]), np.int64), window.cumsum(axis=0)])
        sums[i] = along[setup.kernel :] - along[: -setup.kernel]
        window = window - line(y - reach)
    seconds = time.perf_counter() - clock
    np.save(work / "sums.npy", sums.reshape(-1, sums.shape[2]))
    axis = [image.energy.scale_kev, image.energy.offset_kev + channels.start * image.energy.scale_kev]
    (work / "axis.json").write_text(json.dumps([axis, image.acquisition.beam_kev]), "utf-8")
    difference = _difference(sums.reshape(-1, sums.shape[2]), work)
    return {"seconds": seconds * setup.share, "measured_s": seconds, "largest_difference": difference}


def maps_lstsq(setup: Setup, example: Path, work: Path) -> Result:
    """HyperSpy's `create_model` and `multifit(optimizer="lstsq")`: no weights, bounds or uncertainties."""
    counts, axis, beam = _stored(work)
    timed, (created, _) = _timed(lambda: _multifit(counts, axis, beam, optimizer="lstsq"), setup.peer_repeats)
    return _scaled(setup, timed, created)


def maps_pymca(setup: Setup, example: Path, work: Path) -> Result:
    """PyMca's fast linear fit, without weights, and without fitting negative areas once more: its fastest way."""
    counts, axis, _ = _stored(work)
    _pymca(counts[:2], axis)
    timed, _ = _timed(lambda: _pymca(counts, axis), setup.peer_repeats)
    return _scaled(setup, timed, 0.0)


JOBS = {job.__name__: job for job in (maps_edsnb, kernel_sums, maps_lstsq, maps_pymca)}


def _tile(setup: Setup) -> tuple[slice, slice]:
    """Return the rows and columns that the peers fit."""
    first = (setup.size - setup.tile) // 2
    return slice(first, first + setup.tile), slice(first, first + setup.tile)


def _difference(sums: Any, work: Path) -> float:
    """Return how far maps and weighted fits of summed spectra differ at most, over the larger of value and sd."""
    import numpy as np

    with np.load(work / "maps.npz") as stored:
        intensities, sd, columns, model = (stored[name] for name in ("intensities", "sd", "columns", "model"))
    chosen = np.linspace(0, len(sums) - 1, 1000).astype(int)
    root, scale = 1 / np.sqrt(model)[:, None], np.linalg.norm(columns, axis=0)
    # The maps put a floor under the model; far from it here.
    if model.min() < 1e-3 * model.mean():
        raise SystemExit("benchmark: the model falls below the floor of the weights; the comparison means nothing.")
    twin = np.linalg.lstsq(root * columns / scale, root * sums[chosen].T, rcond=None)[0] / scale[:, None]
    found, spread = (a.reshape(len(a), -1)[:, chosen].astype(float) for a in (intensities, sd))
    return float((np.abs(found - twin[: len(found)]) / np.maximum(np.abs(found), spread)).max())


def _stored(work: Path) -> tuple[Any, list[float], float]:
    """Return the summed spectra (n, E'), scale and offset in keV, and the beam energy in keV."""
    import numpy as np

    return np.load(work / "sums.npy"), *json.loads((work / "axis.json").read_text("utf-8"))


def _best(timed: Result) -> Result:
    """Return times with that of the best call."""
    return {**timed, "seconds": min(timed["first_s"], *timed["all_seconds"])}


def _scaled(setup: Setup, timed: Result, prepared: float) -> Result:
    """Return the best time for all pixels: what prepares the fit once, and the rest scaled."""
    measured = _best(timed)["seconds"]
    seconds = prepared + (measured - prepared) * setup.share
    return {**timed, "seconds": seconds, "prepared_s": prepared, "measured_s": measured}


def _pymca(counts: Any, axis: list[float]) -> Any:
    """Fit all spectra with the same families as edsnb, a polynomial of order 6, and no attenuators."""
    import numpy as np
    from PyMca5.PyMcaPhysics.xrf.FastXRFLinearFit import FastXRFLinearFit

    fit = FastXRFLinearFit()
    settings = fit._mcaTheory.getConfiguration()
    shells = {"O": ["K"], "C": ["K"], "La": ["L", "M"]}
    settings["peaks"] = {element: shells.get(element, ["K", "L"]) for element in ELEMENTS}
    settings["fit"].update(linearfitflag=1, continuum=4, linpolorder=6, escapeflag=0, fitweight=0, energy=[200.0])
    settings["fit"].update(use_limit=1, xmin=0, xmax=counts.shape[1] - 1)
    settings["detector"].update(gain=axis[0], zero=axis[1], noise=0.06, fano=0.12)
    for attenuator in settings["attenuators"].values():
        attenuator[0] = 0
    channels = np.arange(counts.shape[1])
    return fit.fitMultipleSpectra(x=channels, y=counts, weight=0, configuration=settings, refit=False)


def measure(setup: Setup, example: Path, work: Path) -> dict[str, Result]:
    """Run every job in a process of its own; edsnb's twice, as the first may compile."""
    if not example.exists():
        example.parent.mkdir(parents=True, exist_ok=True)
        edsnb = shutil.which("edsnb", path=str(Path(sys.executable).parent)) or "edsnb"
        options = ["--size", str(setup.size), "--frames", str(setup.frames), "--counts", str(setup.counts)]
        print(f"making {example}", flush=True)
        run_timed([edsnb, "simulate", str(example), *options])
    jobs = {}
    for name in ("maps_edsnb", *JOBS):
        _, peak = run_timed(
            [sys.executable, __file__, "--job", name, json.dumps(asdict(setup)), str(example), str(work)]
        )
        jobs[name] = {**json.loads((work / f"{name}.json").read_text("utf-8")), "peak_gb": peak}
        if "seconds" in jobs[name]:
            print(f"  {name:20s} {_cell(jobs[name])}", flush=True)
    return jobs


def ratios(jobs: dict[str, Result], peer: str) -> tuple[float, float]:
    """Return how many times faster edsnb is than a peer's fit alone, and than its fit with the summing."""
    ours, fit, sums = (jobs[name]["seconds"] for name in ("maps_edsnb", peer, "kernel_sums"))
    return fit / ours, (sums + fit) / ours


def targets(jobs: dict[str, Result]) -> list[Result]:
    """Hold the results against what edsnb promises; they are meant for the full case on a quiet machine."""
    found = [
        ("pixel maps: times faster than HyperSpy lstsq, fit alone", ratios(jobs, "maps_lstsq")[0], 80, True),
        ("pixel maps: times faster than PyMca FastXRFLinearFit, fit alone", ratios(jobs, "maps_pymca")[0], 20, True),
        ("pixel maps: times faster than PyMca with the summing", ratios(jobs, "maps_pymca")[1], 20, True),
        ("pixel maps: peak memory, GB", jobs["maps_edsnb"]["peak_gb"], 1.0, False),
        (
            "pixel maps against fits of summed spectra: largest difference",
            *(jobs["kernel_sums"]["largest_difference"], 1e-6, False),
        ),
    ]
    return [
        {
            "what": what,
            "found": value,
            "target": f"{'>=' if least else '<='} {wanted:g}",
            "met": None if value is None else (value >= wanted if least else value <= wanted),
        }
        for what, value, wanted, least in found
    ]


def markdown(setup: Setup, jobs: dict[str, Result]) -> str:
    """Return the table for the README."""
    ours = jobs["maps_edsnb"]
    what = f"composition of {ours['pixels']:,} pixels, kernel {setup.kernel} px, {len(ELEMENTS)} elements, with errors"
    rows = [
        "| job | edsnb | peer, time scaled from a quarter of the map | times faster: fit alone | with the summing |",
        "|---|---|---|---|---|",
    ]
    peers = {
        "maps_lstsq": 'HyperSpy `multifit(optimizer="lstsq")`, no uncertainties',
        "maps_pymca": "PyMca `FastXRFLinearFit`, `refit=False`",
    }
    for name, title in peers.items():
        alone, summed = (f"{ratio:.0f}" for ratio in ratios(jobs, name))
        rows.append(f"| {what} | {_cell(ours)} | {_cell(jobs[name])}: {title} | {alone} | {summed} |")
        what = "the same"
    return "\n".join(rows)


def main() -> None:
    """Run all jobs, print the table and write the results; with --job, run that one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small map and few repeats: numbers mean nothing")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write the results")
    parser.add_argument("--example", type=Path, metavar="FILE.emd", help="kept in results/benchmark; made if absent")
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        warnings.simplefilter("ignore")
        name, setup, example, work = arguments.job
        result = JOBS[name](Setup(**json.loads(setup)), Path(example), Path(work))
        Path(work, f"{name}.json").write_text(json.dumps(result), "utf-8")
        return
    setup = QUICK if arguments.quick else Setup()
    example = arguments.example or Path("results", "benchmark", "quick.emd" if arguments.quick else "example.emd")
    described = machine()
    with tempfile.TemporaryDirectory() as folder:
        jobs = measure(setup, example, Path(folder))
    results = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": arguments.quick,
        "machine": described,
        "versions": {name: version(name) for name in (*PACKAGES, "PyMca5")},
        "setup": asdict(setup) | {"elements": ELEMENTS, "energy_kev": ENERGY_KEV},
        "jobs": jobs,
        "targets": targets(jobs),
    }
    print("\n" + markdown(setup, jobs) + "\n")
    for target in results["targets"]:
        verdict = {True: "met", False: "NOT MET", None: "unknown"}[target["met"]]
        print(f"{verdict:8s}{target['what']}: {target['found']:.3g} ({target['target']})")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
        print(f"\nwritten: {arguments.out}")


if __name__ == "__main__":
    main()

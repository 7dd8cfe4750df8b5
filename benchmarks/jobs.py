"""The jobs that `peers.py` measures; each is run in a process of its own and returns its numbers.

    python jobs.py NAME SETUP.json EXAMPLE.emd WORK_DIR     # writes WORK_DIR/NAME.json

Two times are told: `first_s`, the first call in a new process, with libraries imported and kernels compiled, and
`seconds`, the median of later calls in that process. On a busy machine `cpu_s`, the time of all threads, is
steadier. Imports are measured by themselves.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ELEMENTS = ("La", "Fe", "Sr", "Ti", "O", "Cu", "C")
ENERGY_KEV = (0.2, 20.0)
HEAVY = ("hyperspy", "exspy", "panel")
"""What `import edsnb` must not load."""
Result = dict[str, Any]


@dataclass(frozen=True)
class Setup:
    """Size of the measured case."""

    size: int = 512
    frames: int = 30
    counts: int = 120
    """X-rays per pixel."""
    chip: int = 15
    crop: int = 500
    """Edge of the part of the map that is cut."""
    subset: int = 40
    """Chips given to HyperSpy's default fit, whose time is scaled to all of them."""
    repeats: int = 3
    """Calls, and processes, a job of edsnb is measured over."""
    peer_repeats: int = 2

    @property
    def cells(self) -> int:
        """Chips a side."""
        return self.crop // self.chip

    @property
    def chips(self) -> int:
        """Chips in all."""
        return self.cells**2


def chips_edsnb(setup: Setup, example: Path, work: Path) -> Result:
    """File to chip spectra."""
    import h5py  # noqa: F401 - loaded before the clock starts, like HyperSpy's below
    import numpy as np

    import edsnb

    grid = edsnb.ChipGrid(size=setup.chip, crop=(0, setup.crop, 0, setup.crop))
    open_file, chip = edsnb.open, edsnb.chip
    timed, spectra = _timed(lambda: chip(open_file(example), grid), setup.repeats)
    np.savez(
        work / "chips.npz",
        counts=spectra.counts,
        axis=np.array([spectra.energy.scale_kev, spectra.energy.offset_kev]),
        beam_kev=spectra.acquisition.beam_kev,
    )
    return {**timed, "xrays": int(edsnb.open(example).events.total())}


def chips_hyperspy(setup: Setup, example: Path, work: Path) -> Result:
    """Do the same with `hs.load`, `inav` and `rebin`; only the map is asked for."""
    import exspy.signals  # noqa: F401
    import hyperspy.api as hs
    import numpy as np
    import rsciio.emd  # noqa: F401

    load = hs.load
    kept = setup.cells * setup.chip

    def cut() -> Any:
        loaded = load(example, select_type="spectrum_image")
        signal = loaded[-1] if isinstance(loaded, list) else loaded
        return signal.inav[:kept, :kept].rebin(new_shape=(setup.cells, setup.cells, signal.data.shape[-1])).data

    timed, counts = _timed(cut, setup.peer_repeats)
    np.save(work / "peer.npy", counts.reshape(setup.chips, -1))
    return timed


def fit_edsnb(setup: Setup, example: Path, work: Path) -> Result:
    """Fit every chip: calibration, model, Poisson weights, non-negative, covariance."""
    import numpy as np

    import edsnb

    counts, axis, beam = _stored_chips(work)
    energy = edsnb.EnergyAxis(counts.shape[1], *axis)
    names = tuple(map(str, range(len(counts))))
    spectra = edsnb.Spectra(counts, energy, names, edsnb.Acquisition(beam_kev=beam))
    timed, result = _timed(lambda: edsnb.fit(spectra, elements=ELEMENTS, energy=ENERGY_KEV), setup.repeats)
    good = result.status == edsnb.Status.OK
    return {
        **timed,
        "fitted": int(good.sum()),
        "median_chi2": float(np.nanmedian(result.chi2)),
        "with_uncertainties": bool(np.isfinite(result.sd[good]).all()),
    }


def fit_default(setup: Setup, example: Path, work: Path) -> Result:
    """HyperSpy's `multifit()` with its defaults, on a subset, scaled to all chips; the model is made beforehand."""
    import numpy as np

    counts, axis, beam = _stored_chips(work)
    chosen = np.linspace(0, len(counts) - 1, setup.subset).astype(int)
    _multifit(counts[:2], axis, beam)
    create, fit = _multifit(counts[chosen], axis, beam)
    scaled = fit * len(counts) / len(chosen)
    return {"seconds": scaled, "create_s": create, "measured_s": fit, "measured_chips": len(chosen)}


def fit_lstsq(setup: Setup, example: Path, work: Path) -> Result:
    """HyperSpy's `create_model` and `multifit(optimizer="lstsq")`, every chip."""
    counts, axis, beam = _stored_chips(work)
    timed, _ = _timed(lambda: _multifit(counts, axis, beam, optimizer="lstsq"), setup.peer_repeats)
    return timed


def import_edsnb(setup: Setup, example: Path, work: Path) -> Result:
    """Import edsnb, and see what else came with it."""
    clock = time.perf_counter()
    import edsnb  # noqa: F401

    return {"seconds": time.perf_counter() - clock, "heavy": [name for name in HEAVY if name in sys.modules]}


def load_edsnb(setup: Setup, example: Path, work: Path) -> Result:
    """Import edsnb with what is otherwise loaded on first use."""
    clock = time.perf_counter()
    from edsnb import chip, fit, open, quantify  # noqa: F401

    return {"seconds": time.perf_counter() - clock}


def import_hyperspy(setup: Setup, example: Path, work: Path) -> Result:
    """Import HyperSpy and eXSpy."""
    clock = time.perf_counter()
    import exspy  # noqa: F401
    import hyperspy.api  # noqa: F401

    return {"seconds": time.perf_counter() - clock}


JOBS: dict[str, Callable[[Setup, Path, Path], Result]] = {
    job.__name__: job
    for job in (
        chips_edsnb,
        chips_hyperspy,
        fit_edsnb,
        fit_default,
        fit_lstsq,
        import_edsnb,
        load_edsnb,
        import_hyperspy,
    )
}


def _timed(action: Callable[[], Any], repeats: int) -> tuple[Result, Any]:
    """Return the median times of an action, beside that of its first call, and what it returned last."""
    wall, cpu = [], []
    for _ in range(repeats + 1):
        value = None  # with collect: free the one before, so that memory never holds two
        gc.collect()
        clocks = time.perf_counter(), time.process_time()
        value = action()
        wall.append(round(time.perf_counter() - clocks[0], 4))
        cpu.append(round(time.process_time() - clocks[1], 4))
    return {"seconds": median(wall[1:]), "cpu_s": median(cpu[1:]), "all_seconds": wall[1:], "first_s": wall[0]}, value


def _stored_chips(work: Path) -> tuple[Any, list[float], float]:
    """Return the chip spectra (n, E), scale and offset in keV, and the beam energy in keV."""
    import numpy as np

    with np.load(work / "chips.npz") as stored:
        return stored["counts"], stored["axis"].tolist(), float(stored["beam_kev"])


def _multifit(counts: Any, axis: list[float], beam_kev: float, **options: str) -> tuple[float, float]:
    """Return the seconds HyperSpy takes to create the model, and to fit it."""
    import exspy

    signal = exspy.signals.EDSTEMSpectrum(counts)
    energy = signal.axes_manager[-1]
    energy.scale, energy.offset, energy.units, energy.name = *axis, "keV", "Energy"
    signal.set_microscope_parameters(beam_energy=beam_kev)
    signal.set_elements(list(ELEMENTS))
    signal = signal.isig[ENERGY_KEV[0] : ENERGY_KEV[1]]
    clock = time.perf_counter()
    model = signal.create_model()
    created = time.perf_counter()
    model.multifit(show_progressbar=False, **options)
    return created - clock, time.perf_counter() - created


def main() -> None:
    """Run one job."""
    name, setup, example, work = sys.argv[1:]
    warnings.simplefilter("ignore")
    result = JOBS[name](Setup(**json.loads(setup)), Path(example), Path(work))
    Path(work, f"{name}.json").write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()

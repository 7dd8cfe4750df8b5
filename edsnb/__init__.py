"""edsnb: from a STEM-EDS map to quantified chips, with error bars.

>>> import edsnb
>>> image = edsnb.open("map.emd")                                # doctest: +SKIP
>>> spectra = edsnb.chip(image, edsnb.ChipGrid(size=15))         # doctest: +SKIP
>>> fit = edsnb.fit(spectra, ["Sr", "Ti", "O", "Cu"])            # doctest: +SKIP
>>> quant = edsnb.quantify(fit, deconvolve=["Cu"])               # doctest: +SKIP
>>> quant.to_frame()                                             # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edsnb.core.advise import Advice, advise
    from edsnb.core.comparison.compare import Comparison, compare
    from edsnb.core.comparison.composition import Composition
    from edsnb.core.comparison.phases import Phases, find_phases
    from edsnb.core.comparison.stoichiometry import Stoichiometry, stoichiometry, stoichiometry_errors
    from edsnb.core.fitting.calibrate import calibrate
    from edsnb.core.fitting.calibration import Calibration
    from edsnb.core.fitting.fit import FitResult, Status, fit
    from edsnb.core.fitting.suggest import Suggestion, Suggestions, find_lines
    from edsnb.core.fitting.window import window_intensities
    from edsnb.core.image import Acquisition, EnergyAxis, SpectrumImage
    from edsnb.core.labels import Labels
    from edsnb.core.maps import PixelMaps, pixel_maps
    from edsnb.core.quant.absorption import Absorption
    from edsnb.core.quant.dose import DoseQuantification, quantify_zeta
    from edsnb.core.quant.kfactors import KFactors, kfactor_table
    from edsnb.core.quant.quantification import Quantification
    from edsnb.core.quant.quantify import pool, quantify
    from edsnb.core.regions import ChipGrid, Regions, Spectra, chip
    from edsnb.core.simulation.simulate import simulate
    from edsnb.errors import EdsnbError, EdsnbWarning
    from edsnb.examples import example
    from edsnb.io.fewshot.read import read_labels
    from edsnb.io.hyperspy import from_signal, to_signal
    from edsnb.io.opening import open_file as open
    from edsnb.io.velox.log import read_velox_results, velox_log
    from edsnb.io.velox.maps import velox_maps
    from edsnb.io.velox_tables.read import read_velox_tables
    from edsnb.pipeline import Analysis, analyse
    from edsnb.recipe import Recipe
    from edsnb.report.write import write_report
    from edsnb.widgets.bench.workbench import Workbench
    from edsnb.widgets.chips.explorer import ChipExplorer
    from edsnb.widgets.compare.view import CompareView
    from edsnb.widgets.elements.picker import ElementPicker
    from edsnb.widgets.fits.explorer import FitExplorer
    from edsnb.widgets.setup import setup

__version__ = "0.1.0"

# Loaded on first use (SPEC 1), so that `import edsnb` and `edsnb --help` are quick.
_HOMES = {
    "edsnb.core.quant.absorption": ("Absorption",),
    "edsnb.core.advise": ("Advice", "advise"),
    "edsnb.core.comparison.compare": ("Comparison", "compare"),
    "edsnb.core.comparison.composition": ("Composition",),
    "edsnb.core.comparison.phases": ("Phases", "find_phases"),
    "edsnb.core.comparison.stoichiometry": ("Stoichiometry", "stoichiometry", "stoichiometry_errors"),
    "edsnb.core.fitting.calibrate": ("calibrate",),
    "edsnb.core.fitting.calibration": ("Calibration",),
    "edsnb.core.quant.dose": ("DoseQuantification", "quantify_zeta"),
    "edsnb.core.fitting.fit": ("FitResult", "Status", "fit"),
    "edsnb.core.image": ("Acquisition", "EnergyAxis", "SpectrumImage"),
    "edsnb.core.labels": ("Labels",),
    "edsnb.core.quant.kfactors": ("KFactors", "kfactor_table"),
    "edsnb.core.maps": ("PixelMaps", "pixel_maps"),
    "edsnb.core.quant.quantification": ("Quantification",),
    "edsnb.core.quant.quantify": ("pool", "quantify"),
    "edsnb.core.regions": ("ChipGrid", "Regions", "Spectra", "chip"),
    "edsnb.core.simulation.simulate": ("simulate",),
    "edsnb.core.fitting.suggest": ("Suggestion", "Suggestions", "find_lines"),
    "edsnb.core.fitting.window": ("window_intensities",),
    "edsnb.errors": ("EdsnbError", "EdsnbWarning"),
    "edsnb.examples": ("example",),
    "edsnb.io.fewshot.read": ("read_labels",),
    "edsnb.io.hyperspy": ("from_signal", "to_signal"),
    "edsnb.io.velox.log": ("read_velox_results", "velox_log"),
    "edsnb.io.velox.maps": ("velox_maps",),
    "edsnb.io.velox_tables.read": ("read_velox_tables",),
    "edsnb.pipeline": ("Analysis", "analyse"),
    "edsnb.recipe": ("Recipe",),
    "edsnb.report.write": ("write_report",),
    "edsnb.widgets.chips.explorer": ("ChipExplorer",),
    "edsnb.widgets.compare.view": ("CompareView",),
    "edsnb.widgets.elements.picker": ("ElementPicker",),
    "edsnb.widgets.fits.explorer": ("FitExplorer",),
    "edsnb.widgets.setup": ("setup",),
    "edsnb.widgets.bench.workbench": ("Workbench",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [  # noqa: RUF022 - in the order of use
    "open", "from_signal", "to_signal", "SpectrumImage", "EnergyAxis", "Acquisition",
    "ChipGrid", "Regions", "Spectra", "chip",
    "calibrate", "Calibration", "fit", "FitResult", "Status", "window_intensities",
    "find_lines", "Suggestions", "Suggestion",
    "KFactors", "kfactor_table", "Absorption", "quantify", "Quantification", "pool",
    "quantify_zeta", "DoseQuantification", "pixel_maps", "PixelMaps", "advise", "Advice",
    "read_velox_results", "velox_log", "velox_maps", "read_velox_tables",
    "Composition", "compare", "Comparison", "find_phases", "Phases",
    "stoichiometry", "Stoichiometry", "stoichiometry_errors", "write_report",
    "Recipe", "analyse", "Analysis", "read_labels", "Labels", "simulate", "example", "EdsnbError", "EdsnbWarning",
    "setup", "ChipExplorer", "ElementPicker", "FitExplorer", "CompareView", "Workbench",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name == "open":
        value = import_module("edsnb.io.opening").open_file
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'edsnb' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})

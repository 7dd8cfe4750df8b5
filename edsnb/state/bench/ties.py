"""The explorers' states tied to the Workbench's: one grid, one set of elements, one selection, one result.

Each takes the name of the tab that it stands in, if any: what is costly then waits until the tab is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edsnb.state.bench.following import follow
from edsnb.state.bench.intent import DEFAULTS
from edsnb.state.bench.state import WorkbenchState
from edsnb.state.chips.state import ChipState
from edsnb.state.compare.state import CompareState
from edsnb.state.fits.state import FitState

_GRID = ("chip", "stride", "crop", "origin")


class _Once:
    """Keeps a change from coming back to where it began."""

    def __init__(self) -> None:
        self._busy = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def watcher(self, function: Callable[[], object]) -> Callable[..., None]:
        def called(*_: object) -> None:
            if not self._busy:
                with self.hold():
                    function()

        return called


def chip_state(bench: WorkbenchState, *, tab: str | None = None) -> ChipState:
    """Return a ChipState over the Workbench's map, elements, grid and selection."""
    chips = ChipState(bench.image, recipe=bench.recipe, elements=bench.elements)
    chips.drawn.local = bench.local
    once = _Once()

    def grid_to_bench() -> None:
        bench.use_regions(None if chips.use == "grid" else chips.regions, chips if chips.use != "grid" else None)
        if chips.grid is not None:
            grid = chips.grid
            bench.set(chip=grid.size, stride=grid.stride, crop=grid.crop, origin=grid.origin)

    def grid_to_chips() -> None:
        wanted = _wanted(bench, chips)
        if any(getattr(chips, name) != value for name, value in wanted.items()):
            chips.param.update(**wanted)

    def image_to_chips() -> None:
        chips.image = bench.image
        grid_to_chips()

    def chosen_to_bench() -> None:
        if chips.regions is not None:
            bench.select([chips.regions.names[k] for k in chips.selected])

    def chosen_to_chips() -> None:
        names = chips.regions.names if chips.regions is not None else ()
        for k, name in enumerate(n for n in bench.selected if n in names):
            chips.select_named(name, add=k > 0)

    chosen_to_chips()
    chips.param.watch(once.watcher(grid_to_bench), ["grid", "regions", "use"])
    chips.param.watch(once.watcher(chosen_to_bench), "selected")
    bench.param.watch(once.watcher(image_to_chips), "image")
    bench.param.watch(once.watcher(grid_to_chips), "settings")
    follow(bench, ["selected"], once.watcher(chosen_to_chips), tab=tab)
    return chips


def _wanted(bench: WorkbenchState, chips: ChipState) -> dict[str, Any]:
    """Return the parameters of the chips that the Workbench's settings mean."""
    setting = {name: bench.settings.get(name, DEFAULTS[name]) for name in _GRID}
    ny, nx = chips.shape
    y0, y1, x0, x1 = setting["crop"] or (0, max(ny, 1), 0, max(nx, 1))
    return {
        "size": setting["chip"],
        "side_by_side": setting["stride"] is None,
        "stride": setting["stride"] or setting["chip"],
        "origin_y": setting["origin"][0],
        "origin_x": setting["origin"][1],
        "crop_y": (y0, y1),
        "crop_x": (x0, x1),
    }


def fit_state(bench: WorkbenchState, *, tab: str | None = None) -> FitState:
    """Return a FitState over the Workbench's last run and selection; another fit applied there is the bench's too."""
    fits = FitState(bench.analysis)
    once = _Once()

    def result_to_fits() -> None:
        if bench.analysis is not None and fits.analysis is not bench.analysis:
            fits.load(bench.analysis)
            chosen_to_fits()

    def result_to_bench() -> None:
        if fits.analysis is not None and fits.analysis is not bench.analysis:
            bench.adopt(fits.analysis)

    def chosen_to_fits() -> None:
        if bench.selected and bench.selected[-1] in fits.result.names:
            fits.chip = fits.result.names.index(bench.selected[-1])

    def chosen_to_bench() -> None:
        bench.select([fits.name_of(fits.chip)])

    chosen_to_fits()
    follow(bench, ["analysis"], once.watcher(result_to_fits), tab=tab)
    follow(bench, ["selected"], once.watcher(chosen_to_fits), tab=tab)
    fits.param.watch(once.watcher(result_to_bench), "result")
    fits.param.watch(once.watcher(chosen_to_bench), "chip")
    return fits


def compare_state(bench: WorkbenchState, *, tab: str | None = None) -> CompareState:
    """Return a CompareState over the Workbench's last run and selection."""
    compared = CompareState(bench.analysis, local=bench.local)
    once = _Once()

    def result_to_compared() -> None:
        if compared.base is not bench.analysis:
            compared.load(bench.analysis)

    def chosen_to_compared() -> None:
        if bench.selected != compared.selected:
            compared.select(bench.selected)

    def chosen_to_bench() -> None:
        # Nothing is selected while there is nothing to compare: that is nobody's choice.
        if compared.selected:
            bench.select(compared.selected)

    def compared_anew() -> None:
        if compared.comparison is not None:
            compared.select(bench.selected)

    follow(bench, ["analysis"], once.watcher(result_to_compared), tab=tab)
    follow(bench, ["selected"], once.watcher(chosen_to_compared), tab=tab)
    compared.param.watch(once.watcher(compared_anew), "comparison")
    compared.param.watch(once.watcher(chosen_to_bench), "selected")
    return compared

"""What follows the Workbench, and may wait until it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edsnb.state.bench.state import WorkbenchState


def follow(
    bench: WorkbenchState, names: Sequence[str], function: Callable[[], object], *, tab: str | None = None
) -> None:
    """Call a function after each change of the parameters `names`.

    Where a tab is named, the function is called only while that is looked at, or as soon as it is: what is hidden
    follows a run once, not each of a dozen.
    """
    late: list[bool] = []

    def changed(*_: object) -> None:
        late[:] = [] if tab in (None, bench.tab) else [True]
        if not late:
            function()

    def looked_at(*_: object) -> None:
        if late and bench.tab == tab:
            late.clear()
            function()

    bench.param.watch(changed, list(names))
    if tab is not None:
        bench.param.watch(looked_at, "tab")

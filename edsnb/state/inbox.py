"""Results of long work for states without an event loop: kept until the thread that owns the state takes them."""

from __future__ import annotations

import queue
from collections.abc import Callable


class Inbox:
    """A `Work.deliver` for scripts and tests: nothing of a state changes but while its owner waits."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def __call__(self, function: Callable[[], None]) -> None:
        """Keep what is to be called."""
        self._waiting.put(function)

    def take(self) -> int:
        """Call what has been kept, and return how many there were."""
        taken = 0
        while True:
            try:
                function = self._waiting.get_nowait()
            except queue.Empty:
                return taken
            function()
            taken += 1

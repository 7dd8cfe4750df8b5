"""Results of long work for states without an event loop: kept until the thread that owns the state takes them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Call = Callable[[], None]


class Inbox:
    """A `Work.deliver` for scripts and tests: nothing of a state changes but while its owner waits."""

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()
        self._onward: Callable[[Call], object] | None = None
        self._lock = threading.RLock()

    def __call__(self, function: Call) -> None:
        """Keep what is to be called, or hand it on."""
        with self._lock:
            if self._onward is None:
                self._waiting.append(function)
            else:
                self._onward(function)

    def take(self) -> int:
        """Call what has been kept, and return how many there were."""
        taken = 0
        while self._waiting:
            self._waiting.popleft()()
            taken += 1
        return taken

    def hand_on(self, deliver: Callable[[Call], object]) -> None:
        """From now on let another deliver, in order, what has been kept and what is still to come."""
        with self._lock:
            self._onward = deliver
            while self._waiting:
                deliver(self._waiting.popleft())

"""How many threads BLAS takes: one, while anything is fitted.

Blocks of spectra share the cores already, and BLAS threads of their own would fight for them (measured: 2.5 times
slower). Besides, the last digits of a matrix product depend on how many threads make it.
"""

from __future__ import annotations

from functools import cache
from threading import Event, Lock, Thread

import scipy.linalg  # noqa: F401 - brings a BLAS beside NumPy's, which has to be there to be told
from threadpoolctl import ThreadpoolController


class _OneThread:
    """Keeps BLAS to one thread from the first of the fits that run at a time to the last.

    The number of threads is the process's: a fit that gave it back at its own end would give it to all others too.
    Besides, threadpoolctl listens to one thread at a time, the first that asks; so a thread of its own does so here,
    from the beginning to the end, as the fit that ends last need not be the one that began first.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._within = 0
        self._last_ended = Event()
        self._keeper = Thread()

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                begun, self._last_ended = Event(), Event()
                self._keeper = Thread(target=_limit, args=(begun, self._last_ended), name="edsnb-blas", daemon=True)
                self._keeper.start()
                begun.wait()
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                self._last_ended.set()
                self._keeper.join()


def _limit(begun: Event, ended: Event) -> None:
    """Keep BLAS to one thread from one event to the other."""
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            begun.set()
            ended.wait()
    finally:
        # Whoever waits goes on without a limit where it cannot be set.
        begun.set()


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries with threads of their own; looking for them takes a millisecond."""
    return ThreadpoolController()


ONE_BLAS_THREAD = _OneThread()
"""A context for fits of any thread: ``with ONE_BLAS_THREAD:``."""

"""How many threads BLAS takes: one, while anything is fitted.

Blocks of spectra share the cores already, and BLAS threads of their own would fight for them (measured: 2.5 times
slower). Besides, the last digits of a matrix product depend on how many threads make it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from threading import Lock

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
        self._keeper: ThreadPoolExecutor | None = None
        self._limit = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._keeper is None:
                keeper = ThreadPoolExecutor(1, thread_name_prefix="edsnb-blas")
                keeper.submit(lambda: self._limit.enter_context(_libraries().limit(limits=1, user_api="blas"))).result()
                self._keeper = keeper
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._keeper is not None and not self._within:
                self._keeper.submit(self._limit.close).result()
                self._keeper.shutdown()
                self._keeper = None


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries with threads of their own; looking for them takes a millisecond."""
    return ThreadpoolController()


ONE_BLAS_THREAD = _OneThread()
"""A context for fits of any thread: ``with ONE_BLAS_THREAD:``."""

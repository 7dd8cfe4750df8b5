"""Long work off the event loop: it tells how far it is, can be cancelled, and the newest request wins.

A widget owns a `Work` for each kind of work it does. `Work.start` runs a function in a thread of a small pool; its
result is delivered to the thread that owns the state, unless a newer request has been made meanwhile: then it is told
to stop at its next progress report, and what it brings is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import param

from edsnb.core.fitting.solve import Progress
from edsnb.errors import CancelledError, EdsnbError
from edsnb.state.inbox import Inbox

T = TypeVar("T")
Deliver = Callable[[Callable[[], None]], object]
"""Calls a function in the thread that owns the state, now or soon."""

_POOL = ThreadPoolExecutor(max_workers=4, thread_name_prefix="edsnb")
"""Shared by all sessions: four pieces of work at a time, the others wait. Numba and BLAS use all cores anyway."""
_ALIVE: weakref.WeakSet[Work] = weakref.WeakSet()
_SUBMITTED: weakref.WeakSet[Future[None]] = weakref.WeakSet()
_LOG = logging.getLogger("edsnb")
_TELL_S = 0.1
"""Progress is told no more often: to show it costs more than many a step."""


def at_once(function: Callable[[], None]) -> None:
    """Deliver by calling, in whatever thread that is."""
    function()


class Work(param.Parameterized):
    """One kind of long work; all parameters but `deliver` are results, changed by the work alone."""

    running = param.Boolean(default=False, constant=True, doc="Whether work is under way.")
    what = param.String(default="", constant=True, doc="What is being done, in a few words.")
    done = param.Integer(default=0, constant=True, doc="Steps done.")
    total = param.Integer(default=0, constant=True, doc="Steps in all; 0 while that is not known.")
    message = param.String(
        default="", constant=True, doc="Why the last work ended without a result; empty if it did not."
    )
    deliver = param.Callable(doc="How results reach the thread that owns the state; in `wait` if not given.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        if self.deliver is None:
            self.deliver = Inbox()
        self._newest = 0
        self._stop = threading.Event()
        self._future: Future[None] | None = None
        _ALIVE.add(self)

    def start(
        self, what: str, function: Callable[[Progress], T], then: Callable[[T], object], *, here: bool = False
    ) -> None:
        """Run ``function(progress)`` in a thread, then deliver ``then(result)``; whatever ran before is told to stop.

        An EdsnbError becomes `message`. Any other exception does so too, with its kind, and is logged with a traceback.
        With `here` all that is done before this returns: for what is known to be quick.
        """
        deliver = at_once if here else self.deliver
        self._stop.set()
        self._newest += 1
        mine, stop = self._newest, threading.Event()
        self._stop = stop
        self._set(running=True, what=what, done=0, total=0, message="")

        told = [-_TELL_S]

        def progress(done: int, total: int) -> bool:
            now = time.monotonic()
            if not stop.is_set() and (now - told[0] >= _TELL_S or 0 < done == total):
                told[0] = now
                deliver(lambda: self._step(mine, done, total))
            return not stop.is_set()

        def run() -> None:
            message = ""
            after: Callable[[], object] = _nothing
            if stop.is_set():
                return
            try:
                result = function(progress)
                after = lambda: then(result)  # noqa: E731 - the branch without a result has nothing to call
            except CancelledError:
                message = f"{what}: cancelled."
            except EdsnbError as error:
                message = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the widget must stay usable and say it
                if not stop.is_set():
                    # Work that nobody waits for any more may fail in any way, as when the program ends.
                    _LOG.exception("%s failed", what)
                message = f"{what} failed: {type(error).__name__}: {error}"
            deliver(lambda: self._finish(mine, message, after))

        if here:
            run()
        else:
            self._future = _POOL.submit(run)
            _SUBMITTED.add(self._future)

    def cancel(self) -> None:
        """Tell the work to stop; nothing it brings is kept."""
        if self.running:
            self._stop.set()
            self._newest += 1
            self._set(running=False, message=f"{self.what}: cancelled.")

    def deliver_to(self, deliver: Deliver) -> None:
        """Say how results reach the thread that owns the state, those too of what is under way."""
        if isinstance(self.deliver, Inbox):
            self.deliver.hand_on(deliver)
        self.deliver = deliver

    def wait(self, seconds: float = 60.0) -> bool:
        """Block until the newest work has ended, and take what came through an `Inbox`: for scripts and tests.

        Returns whether something came, of which more work may follow.
        """
        if self._future is not None:
            self._future.result(seconds)
        return isinstance(self.deliver, Inbox) and self.deliver.take() > 0

    def _step(self, mine: int, done: int, total: int) -> None:
        if mine == self._newest:
            self._set(done=done, total=total)

    def _finish(self, mine: int, message: str, after: Callable[[], object]) -> None:
        if mine != self._newest:
            return
        # What follows may start new work, which is then the one that is running.
        self._set(running=False, message=message)
        after()

    def _set(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)


class Working:
    """A state that does long work."""

    @property
    def works(self) -> tuple[Work, ...]:
        """All kinds of it."""
        raise NotImplementedError

    def deliver_to(self, deliver: Deliver) -> None:
        """Say how results reach the thread that owns the state, those too of what is under way."""
        for work in self.works:
            work.deliver_to(deliver)

    def wait(self) -> None:
        """Block until all that was asked for is there: for scripts."""
        while any(work.wait() for work in self.works):
            pass


def cancel_all() -> None:
    """Tell all work of this process to stop, as when a server shuts down."""
    for work in list(_ALIVE):
        work.cancel()


def under_way() -> int:
    """Return how many pieces of work run or wait in this process, those that were cancelled until they have stopped."""
    return sum(not future.done() for future in list(_SUBMITTED))


def _nothing() -> None:
    """Do nothing: what follows work without a result."""

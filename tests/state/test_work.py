"""Long work: delivered results, progress, cancelling, and the newest request wins."""

from __future__ import annotations

import logging
import threading

import pytest

from edsnb.errors import CancelledError, InputError
from edsnb.state.work import Work, Working, cancel_all


def stepping(progress, steps=3):
    for i in range(steps):
        if progress(i + 1, steps) is False:
            raise CancelledError("told to stop")
    return steps


def test_result_is_delivered_with_progress(monkeypatch):
    work, seen, got = Work(), [], []
    work.param.watch(lambda event: seen.append(work.done), "done")
    monkeypatch.setattr("edsnb.state.work._TELL_S", 0.0)
    work.start("Counting", stepping, got.append)
    work.wait()
    assert got == [3]
    assert seen == [1, 2, 3]
    monkeypatch.setattr("edsnb.state.work._TELL_S", 3600.0)
    work.start("Counting", stepping, got.append)
    work.wait()
    assert seen[3:] == [0, 1, 3], "the first and the last step are told"
    assert (work.running, work.message, work.what) == (False, "", "Counting")


def test_newest_request_wins():
    work, got, gate, begun = Work(), [], threading.Event(), threading.Event()

    def slow(progress):
        begun.set()
        gate.wait(10)
        return "old"

    work.start("Slow", slow, got.append)
    first = work._future
    assert begun.wait(10)
    work.start("Quick", lambda progress: "new", got.append)
    work.wait()
    gate.set()
    first.result(10)
    assert got == ["new"]
    assert not work.running


def test_cancel_stops_at_the_next_report():
    work, got, begun, gate, told = Work(), [], threading.Event(), threading.Event(), []

    def slow(progress):
        begun.set()
        gate.wait(10)
        told.append(progress(1, 2))
        raise CancelledError("stopped")

    work.start("Slow", slow, got.append)
    assert begun.wait(10)
    cancel_all()
    gate.set()
    work.wait()
    assert told == [False]
    assert got == []
    assert (work.running, work.message) == (False, "Slow: cancelled.")


FAILURES = [
    (InputError("asked, found, do."), "asked, found, do."),
    (ZeroDivisionError("x"), "Work failed: ZeroDivisionError: x"),
]


@pytest.mark.parametrize(("error", "message"), FAILURES)
def test_failure_becomes_a_message(error, message, caplog):
    def fail(progress):
        raise error

    work, got = Work(), []
    with caplog.at_level(logging.CRITICAL, logger="edsnb"):
        work.start("Work", fail, got.append)
        work.wait()
    assert (work.running, work.message, got) == (False, message, [])
    work.start("Again", lambda progress: 1, got.append)
    work.wait()
    assert (got, work.message) == ([1], "")


def test_results_come_through_deliver():
    """Nothing of the state changes in the worker's thread."""
    pending, threads = [], set()
    work = Work(deliver=pending.append)
    work.param.watch(lambda event: threads.add(threading.current_thread()), ["done", "running"])
    got = []
    work.start("Counting", stepping, got.append)
    work.wait()
    assert got == []
    for function in pending:
        function()
    assert got == [3]
    assert threads == {threading.current_thread()}


def test_without_a_loop_results_come_in_wait_and_in_its_thread():
    first, then, got = Work(), Work(), []

    class Both(Working):
        works = (first, then)

    def follow(result):
        got.append((result, threading.current_thread()))
        then.start("Counting on", lambda progress: stepping(progress, 5), lambda r: got.append((r, None)))

    first.start("Counting", stepping, follow)
    first._future.result(60)
    assert got == []
    assert first.running
    Both().wait()
    assert got == [(3, threading.current_thread()), (5, None)]
    assert not first.running
    assert not then.running
    assert not first.wait()


def test_who_delivers_from_now_on_gets_what_is_kept_and_what_is_under_way():
    work, got, later, gate = Work(), [], [], threading.Event()
    work.start("Counting", stepping, lambda r: got.append(("kept", r)))
    work._future.result(60)
    work.deliver_to(later.append)
    assert got == []
    while later:
        later.pop(0)()
    assert got == [("kept", 3)]

    under_way = Work()

    def slow(progress):
        assert gate.wait(60)
        return stepping(progress)

    under_way.start("Counting", slow, lambda r: got.append(("under way", r)))
    under_way.deliver_to(later.append)
    gate.set()
    under_way._future.result(60)
    assert got == [("kept", 3)]
    while later:
        later.pop(0)()
    assert got[1:] == [("under way", 3)]
    assert not under_way.wait()

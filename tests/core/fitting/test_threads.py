"""BLAS keeps to one thread while anything is fitted, in whatever thread, and gets its own back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from edsnb.core.fitting.threads import ONE_BLAS_THREAD
from edsnb.pipeline import analyse
from edsnb.recipe import Recipe
from tests.simulated import small


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def some_threads():
    """Return what BLAS has to begin with, and see that it has it afterwards."""
    before = threads()
    yield before
    assert threads() == before


def test_one_inside_and_one_within_another(some_threads):
    with ONE_BLAS_THREAD:
        assert set(threads()) == {1}
        with ONE_BLAS_THREAD:
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == some_threads


def test_an_error_gives_them_back(some_threads):
    with pytest.raises(ZeroDivisionError), ONE_BLAS_THREAD:
        raise ZeroDivisionError
    assert threads() == some_threads


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_fits_that_overlap(some_threads, first_to_end):
    ends = [threading.Event(), threading.Event()]
    begun = [threading.Event(), threading.Event()]

    def fit(k: int) -> None:
        with ONE_BLAS_THREAD:
            begun[k].set()
            assert ends[k].wait(60)

    with ThreadPoolExecutor(2) as pool:
        fits = []
        for k in range(2):
            fits.append(pool.submit(fit, k))
            assert begun[k].wait(60)
        for k in (first_to_end, 1 - first_to_end):
            assert set(threads()) == {1}
            ends[k].set()
            fits[k].result(60)
    assert threads() == some_threads


def test_a_fit_is_the_same_to_the_last_digit_beside_others():
    image, stop = small().image, threading.Event()
    alone = analyse(image, Recipe(chip=16)).quantification.atomic

    def others() -> None:
        while not stop.is_set():
            analyse(image, Recipe(chip=32))

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(others)
        try:
            for _ in range(10):
                np.testing.assert_array_equal(analyse(image, Recipe(chip=16)).quantification.atomic, alone)
        finally:
            stop.set()
        beside.result(60)

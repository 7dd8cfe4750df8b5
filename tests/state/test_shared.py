"""One copy of a map for many sessions, freed with the last of them."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from edsnb.errors import CancelledError, FileFormatError
from edsnb.state import shared
from edsnb.state.shared import SharedImages


@pytest.fixture
def slow(monkeypatch):
    """Return a list to which each reading of a file is added; reading takes a while and can be cancelled."""
    read = []
    real = shared.open_file

    def reading(path, *, spectrum_image=None, progress=None):
        read.append(path)
        for _ in range(10):
            time.sleep(0.02)
            if progress is not None and progress(0, 1) is False:
                raise CancelledError("stopped")
        return real(path, spectrum_image=spectrum_image)

    monkeypatch.setattr(shared, "open_file", reading)
    return read


def test_many_ask_at_once_and_one_reads(example, slow):
    images = SharedImages()
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda _: images.open(example), range(4)))
    assert len(slow) == 1
    assert len(images) == 1
    assert all(h.image is held[0].image for h in held)
    assert not held[0].image.require_events().channel.flags.writeable


def test_the_last_hold_frees_it(example):
    images = SharedImages()
    first, second = images.open(example), images.open(example)
    assert first is second
    del first
    gc.collect()
    assert len(images) == 1
    del second
    gc.collect()
    assert len(images) == 0


def test_a_changed_file_is_read_anew(example, tmp_path, slow):
    path = tmp_path / "map.emd"
    shutil.copy(example, path)
    images = SharedImages()
    old = images.open(path)
    os.utime(path, ns=(1, 1))
    new = images.open(path)
    assert len(slow) == 2
    assert old.image is not new.image


def test_who_waits_can_give_up_and_the_first_goes_on(example, slow):
    images = SharedImages()
    waits = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(images.open, example)
        while not slow:
            time.sleep(0.005)
        second = pool.submit(images.open, example, progress=lambda *_: waits.set() or False)
        assert waits.wait(5)
        with pytest.raises(CancelledError):
            second.result()
        assert first.result().image.shape == (64, 64)


def test_who_comes_after_a_cancelled_one_reads(example, slow):
    images = SharedImages()
    with pytest.raises(CancelledError):
        images.open(example, progress=lambda *_: False)
    assert len(images) == 0
    assert images.open(example).image.shape == (64, 64)


def test_refused_and_vanished_files(example, tmp_path):
    def refuse(path):
        raise FileFormatError("not this one")

    images = SharedImages()
    with pytest.raises(FileFormatError, match="not this one"):
        images.open(example, check=refuse)
    with pytest.raises(FileFormatError, match=r"gone.emd cannot be read: .*Is it still there"):
        images.open(tmp_path / "gone.emd")

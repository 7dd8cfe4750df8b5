"""Files that arrive in pieces, and all that can go wrong with them."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
import pytest

from edsnb.errors import InputError
from edsnb.state import received
from edsnb.state.received import Receiver


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(received, "PIECE_BYTES", 100)


def pieces_of(data: bytes, step: int = 100):
    return [data[k : k + step] for k in range(0, len(data), step)] or [b""]


def send(receiver, name, data, *, damage=(), size=None):
    """Send a file as the browser does; pieces whose turns are in `damage` are changed on the way."""
    pieces, k, turn, path = pieces_of(data), 0, 0, None
    while k < len(pieces):
        sent = pieces[k]
        crc = zlib.crc32(sent)
        if turn in damage:
            sent = bytes(b ^ 1 for b in sent)
        k, path = receiver.take(name, len(data) if size is None else size, k, len(pieces), crc, sent)
        turn += 1
    return path


DATA = np.random.default_rng(0).integers(0, 256, 1234, np.uint8).tobytes()


@pytest.mark.parametrize("length", [1, 99, 100, 101, 1234])
def test_a_file_arrives_whole(tmp_path, small_pieces, length):
    receiver = Receiver(tmp_path, 10_000)
    path = send(receiver, "map.emd", DATA[:length])
    assert path == tmp_path / "map.emd"
    assert path.read_bytes() == DATA[:length]
    assert receiver.sha256 == hashlib.sha256(DATA[:length]).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["map.emd"]


def test_damaged_pieces_are_sent_again(tmp_path, small_pieces):
    path = send(Receiver(tmp_path, 10_000), "map.emd", DATA, damage={0, 1, 5, 9})
    assert path.read_bytes() == DATA


def test_a_bad_line_is_given_up(tmp_path, small_pieces):
    with pytest.raises(InputError, match="damages"):
        send(Receiver(tmp_path, 10_000), "map.emd", DATA, damage=set(range(50)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/cron.d/x.emd", "x.emd"),
        ("..\\..\\x.emd", "x.emd"),
        ("C:\\x.emd", "x.emd"),
        ("/etc/x.emd", "x.emd"),
        ("a\0b<>|.emd", "a_b___.emd"),
        ("..emd", None),
        (".hidden.emd", "hidden.emd"),
        ("Übung 1 (a).emd", "Übung 1 (a).emd"),
        ("x" * 300 + ".emd", "x" * 96 + ".emd"),
        ("passwd", None),
        ("x.emd/", "x.emd"),
        ("", None),
    ],
)
def test_names_stay_in_the_folder(tmp_path, small_pieces, name, stored):
    receiver = Receiver(tmp_path / "in", 10_000)
    (tmp_path / "in").mkdir()
    if stored is None:
        with pytest.raises(InputError, match="end in"):
            send(receiver, name, DATA)
        assert not list((tmp_path / "in").iterdir())
    else:
        assert send(receiver, name, DATA) == tmp_path / "in" / stored
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_limits_hold_for_all_files_together_and_whatever_is_announced(tmp_path, small_pieces):
    receiver = Receiver(tmp_path, 2000)
    send(receiver, "a.emd", DATA)
    with pytest.raises(InputError, match="together"):
        send(receiver, "b.emd", DATA)
    send(receiver, "a.emd", DATA)
    with pytest.raises(InputError, match=r"more arrived|cannot have"):
        send(receiver, "c.emd", DATA, size=150)
    with pytest.raises(InputError, match="cannot have"):
        receiver.take("d.emd", 100, 0, 10**9, 0, b"")
    assert [p.name for p in tmp_path.iterdir()] == ["a.emd"]


def test_pieces_out_of_turn_and_cancelled_files_leave_nothing(tmp_path, small_pieces):
    receiver = Receiver(tmp_path, 10_000)
    pieces = pieces_of(DATA)
    receiver.take("a.emd", len(DATA), 0, len(pieces), zlib.crc32(pieces[0]), pieces[0])
    with pytest.raises(InputError, match="out of turn"):
        receiver.take("a.emd", len(DATA), 2, len(pieces), zlib.crc32(pieces[2]), pieces[2])
    with pytest.raises(InputError, match="out of turn"):
        receiver.take("a.emd", len(DATA), 1, len(pieces), zlib.crc32(pieces[1]), pieces[1])
    receiver.take("a.emd", len(DATA), 0, len(pieces), zlib.crc32(pieces[0]), pieces[0])
    receiver.cancel()
    receiver.cancel()
    assert not list(tmp_path.iterdir())
    receiver.take("a.emd", len(DATA), 0, len(pieces), zlib.crc32(pieces[0]), pieces[0])
    assert send(receiver, "b.emd", DATA[:50]).read_bytes() == DATA[:50]
    assert [p.name for p in tmp_path.iterdir()] == ["b.emd"]


def test_too_few_bytes(tmp_path, small_pieces):
    receiver = Receiver(tmp_path, 10_000)
    with pytest.raises(InputError, match="50 of 80 bytes"):
        receiver.take("a.emd", 80, 0, 1, zlib.crc32(DATA[:50]), DATA[:50])
    assert not list(tmp_path.iterdir())

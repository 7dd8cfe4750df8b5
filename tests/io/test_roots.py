"""Files that may be opened, and all the ways to ask for others."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edsnb.errors import FileFormatError, InputError
from edsnb.io.roots import TABLES, Roots, check_self_contained

SECRET = "secret.emd"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder ``open`` with files, and what lies beside it and must stay closed."""
    place = tmp_path_factory.mktemp("tree")
    root = place / "open"
    (root / "day 1").mkdir(parents=True)
    for name in ("a.emd", "day 1/b (50%).EMD", "day 1/k.csv", "notes.md", ".hidden.emd"):
        (root / name).write_text("x", encoding="utf-8")
    (place / SECRET).write_text("s", encoding="utf-8")
    (place / "opener").mkdir()
    (place / "opener" / "c.emd").write_text("s", encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def linked(tree: Path) -> Path:
    """Return the folder with links that lead outside, and one that stays inside."""
    root = tree / "open"
    try:
        (root / "out.emd").symlink_to(tree / SECRET)
        (root / "up").symlink_to(tree, target_is_directory=True)
        (root / "circle.emd").symlink_to(root / "circle.emd")
        (root / "inside.emd").symlink_to(root / "a.emd")
    except OSError:
        pytest.skip("this system does not let us make symbolic links")
    return root


def test_lists_and_finds_what_is_below(tree):
    roots = Roots.of([tree / "open"])
    names = roots.names()
    assert {"a.emd", "day 1/b (50%).EMD"} <= set(names)
    assert not {".hidden.emd", "notes.md", "day 1/k.csv", "out.emd"} & set(names)
    assert all(roots.name_of(roots.find(name)) == name for name in names if name != "inside.emd")
    assert roots.names(TABLES) == ("day 1/k.csv",)
    assert roots.find("day 1/k.csv", TABLES).name == "k.csv"


def test_several_roots_and_single_files(tree):
    roots = Roots.of([tree / "open", tree / "opener", tree / SECRET])
    assert {"open/a.emd", "opener/c.emd", SECRET} <= set(roots.names())
    assert roots.find(SECRET) == tree / SECRET
    assert roots.find("opener/c.emd") == tree / "opener" / "c.emd"
    for name in ("a.emd", "c.emd", "open/../opener/c.emd", "opener", "open/c.emd"):
        with pytest.raises(InputError):
            roots.find(name)
    same = Roots.of([tree / "open" / "a.emd", tree / "opener", tree / "open" / "a.emd"])
    assert [name for name, _ in same.files] == ["a.emd", "a.emd 2"]
    with pytest.raises(FileFormatError, match="does not exist"):
        Roots.of([tree / "nothing"])


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "../secret.emd", "../../etc/passwd", "day 1/../../secret.emd", "../opener/c.emd"),
        *("{place}/secret.emd", "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "~/secret.emd"),
        *("%2e%2e/secret.emd", "..%2fsecret.emd", "%252e%252e%252fsecret.emd", "day%201/..%2f..%2fsecret.emd"),
        *(
            "..\\secret.emd",
            "day 1\\..\\..\\secret.emd",
            "C:\\secret.emd",
            "\\\\host\\share\\secret.emd",
            "C:secret.emd",
        ),
        *("out.emd", "up/secret.emd", "up/open/../secret.emd", "circle.emd", ".hidden.emd", "./a.emd/../../secret.emd"),
        *("a.emd/", "a.emd/.", "a.emd\0", "a.emd\n", "notes.md", "day 1", "day 1/k.csv", "x" * 5000),
    ],
)
def test_nothing_else_can_be_asked_for(tree, linked, name):
    roots = Roots.of([linked])
    asked = name.replace("{place}", str(tree))
    for text in {asked, unquote(asked), unquote(unquote(asked))}:
        if text in ("a.emd/", "a.emd/."):
            continue
        with pytest.raises(InputError, match="not among the files"):
            roots.find(text)


def test_links_inside_are_followed(linked):
    roots = Roots.of([linked])
    assert roots.find("inside.emd") == linked / "a.emd"
    assert "inside.emd" in roots.names()
    assert not {"out.emd", "up/secret.emd", "circle.emd"} & set(roots.names())


def test_a_root_may_be_a_link(linked, tree):
    link = tree / "link"
    if not link.exists():
        link.symlink_to(linked, target_is_directory=True)
    assert Roots.of([link]).find("a.emd") == linked / "a.emd"


PIECES = st.lists(st.sampled_from(["..", ".", "", "/", "\\", "a.emd", "secret.emd", "open", "up", "%2e", "day 1"]))


@given(PIECES)
def test_whatever_is_found_lies_below(tmp_path_factory, tree, linked, pieces):
    roots = Roots.of([linked])
    for name in ("/".join(pieces), "".join(pieces)):
        try:
            found = roots.find(name)
        except InputError:
            continue
        assert found.resolve().is_relative_to(linked.resolve())
        assert found.name != SECRET


def test_list_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("edsnb.io.roots.MOST", 3)
    for k in range(5):
        (tmp_path / f"{k}.emd").touch()
    assert len(Roots.of([tmp_path]).names()) == 3


def foreign_files(folder: Path) -> dict[str, Path]:
    """Return HDF5 files that take data from others in each way there is."""
    other = folder / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(4)
    raw = folder / "passwd"
    raw.write_bytes(b"root:x:0:0")
    made = {name: folder / f"{name}.emd" for name in ("link", "external", "virtual", "deep")}
    with h5py.File(made["link"], "w") as file:
        file["Data"] = h5py.ExternalLink(str(other), "x")
    with h5py.File(made["external"], "w") as file:
        file.create_dataset("Data", (10,), np.uint8, external=[(str(raw), 0, 10)])
    with h5py.File(made["virtual"], "w") as file:
        layout = h5py.VirtualLayout((4,), int)
        layout[:] = h5py.VirtualSource(other, "x", (4,))
        file.create_virtual_dataset("Data", layout)
    with h5py.File(made["deep"], "w") as file:
        deep = file.create_group("a/b/c")
        deep["circle"] = file["a"]
        deep["soft"] = h5py.SoftLink("/a/b")
        deep["out"] = h5py.ExternalLink(str(other), "x")
    return made


@pytest.mark.parametrize("kind", ["link", "external", "virtual", "deep"])
def test_files_that_read_others_are_refused(tmp_path, kind):
    with pytest.raises(FileFormatError, match="kept in another file"):
        check_self_contained(foreign_files(tmp_path)[kind])


def test_plain_files_are_not(tmp_path, example):
    check_self_contained(example)
    text = tmp_path / "a.msa"
    text.write_text("no HDF5", encoding="utf-8")
    check_self_contained(text)
    assert Roots.of([example]).find(example.name).samefile(example)

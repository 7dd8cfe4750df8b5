"""Notebooks are kept as they were written: without outputs, and with nothing of the machine they last ran on.

Whether they run, and whether what they claim is true, is tested by running them: ``pytest --nbmake notebooks``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="not a checkout: no notebooks")


def left_by_a_run(notebook: Any) -> list[str]:
    """Return what a notebook holds besides its cells' text, in words; nothing for one as it should be kept."""
    found = []
    for cell in notebook.cells:
        if cell.get("outputs"):
            found.append(f"cell {cell.id} has outputs")
        if cell.get("execution_count") is not None:
            found.append(f"cell {cell.id} has an execution count")
        if set(cell.metadata) - {"tags"}:
            found.append(f"cell {cell.id} has metadata {', '.join(cell.metadata)}")
    expected = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    found += [f"metadata {name}: {value}" for name, value in notebook.metadata.items() if expected.get(name) != value]
    return found


def test_there_are_notebooks_and_all_are_described():
    text = (FOLDER / "README.md").read_text("utf-8")
    assert NOTEBOOKS
    assert not [path.name for path in NOTEBOOKS if path.name not in text]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_kept_clean(path: Path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert not left_by_a_run(notebook), "clear the notebook's outputs before committing it"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_has_text_and_claims(path: Path):
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert any(line.startswith("assert ") for cell in cells for line in cell.source.splitlines())


def test_leftovers_are_found():
    new, output = nbformat.v4, nbformat.v4.new_output("stream", text="1")
    cells = [
        new.new_code_cell("1", id="ran", outputs=[output], execution_count=3),
        new.new_code_cell("2", id="folded", metadata={"collapsed": True}),
        new.new_markdown_cell("text", id="text"),
    ]
    metadata = {"kernelspec": {**KERNEL, "name": "mine"}, "language_info": {"name": "python", "version": "3.11.2"}}
    found = left_by_a_run(new.new_notebook(cells=cells, metadata=metadata))
    assert found[:3] == [
        "cell ran has outputs",
        "cell ran has an execution count",
        "cell folded has metadata collapsed",
    ]
    assert [text.split(":")[0] for text in found[3:]] == ["metadata kernelspec", "metadata language_info"]

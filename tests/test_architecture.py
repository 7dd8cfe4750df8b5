"""The shape of the package: imports point one way, heavy libraries stay in their rooms, modules stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edsnb

ROOT = Path(edsnb.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

BELOW: dict[str, set[str]] = {
    "edsnb": set(),
    "errors": set(),
    "core": {"errors"},
    "recipe": {"core", "errors"},
    "io": {"edsnb", "core", "errors"},
    "plots": {"edsnb", "core", "errors"},
    "pipeline": {"edsnb", "core", "errors", "recipe", "io", "plots"},
    "state": {"edsnb", "core", "errors", "recipe", "io", "pipeline"},
    "widgets": {"edsnb", "core", "errors", "plots", "state"},
    "batch": {"edsnb", "core", "errors", "recipe", "io", "plots", "pipeline"},
    "report": {"edsnb", "core", "errors", "io", "plots"},
    "sources": {"core", "errors", "recipe", "io", "pipeline"},
    "comparing": {"core", "errors", "recipe", "io", "pipeline", "report", "sources"},
    "examples": {"edsnb", "core", "errors", "io"},
    "demo": {"edsnb", "core", "errors", "recipe", "io", "plots", "pipeline", "batch", "report", "examples"},
    "commands": {
        *{"edsnb", "core", "errors", "recipe", "io", "plots", "pipeline", "batch", "demo", "state", "widgets"},
        *{"report", "comparing"},
    },
    "__main__": {"cli"},
    "proxy": set(),
    "cli": {"edsnb", "errors", "commands"},
}
"""What each room may import, itself apart. ``edsnb`` is the package's own __init__, which loads names on demand."""
CORE_LIBRARIES = {"numpy", "scipy", "numba", "xraylib", "threadpoolctl", "skimage", "pandas"}
"""Core knows no files, no HyperSpy and no Panel; pandas only where a result becomes a table."""
HEAVY = {
    *{"hyperspy", "exspy", "rsciio", "dask", "distributed", "panel", "holoviews", "bokeh", "sklearn", "skimage"},
    *{"panel_material_ui", "param", "ipywidgets"},
    *{"matplotlib", "pandas", "pyarrow"},
}
"""Libraries that take long to load: only ever inside the function that needs them, but in the rooms built on them."""
BUILT_ON = {
    "widgets": {"panel", "panel_material_ui", "holoviews", "bokeh", "param"},
    "state": {"param"},
}
"""Rooms that are never loaded without these, and so name them on top."""


def room_of(module: str) -> str:
    """Return the room of a dotted name: ``edsnb.io.velox`` is in ``io``, ``edsnb.cli`` in ``cli``."""
    return module.split(".")[1] if "." in module else "edsnb"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def statements(node: ast.AST, inside: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the import statements below `node`, and whether each is inside a function; not those for types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        else:
            yield from statements(child, inside or isinstance(child, ast.FunctionDef | ast.Lambda))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (dotted name, inside a function) of everything a module imports."""
    for statement, inside in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            yield from ((alias.name, inside) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert not statement.level, f"{name_of(path)}: relative imports hide the direction"
            assert statement.module is not None
            for alias in statement.names:
                below = ROOT.parent.joinpath(*statement.module.split("."), alias.name)
                is_module = below.is_dir() or below.with_suffix(".py").exists()
                yield f"{statement.module}.{alias.name}" if is_module else statement.module, inside


def test_every_room_is_drawn():
    rooms = {room_of(name_of(path)) for path in MODULES}
    assert len(MODULES) > 15
    assert rooms <= set(BELOW), "a new room: say in BELOW what it may import"


def test_what_may_be_imported_is_a_tree():
    """No room may import one that may import it."""
    for room, below in BELOW.items():
        for other in below:
            assert room not in BELOW[other]


def test_imports_point_one_way():
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in MODULES
        for name, _ in imports(path)
        if name.split(".")[0] == "edsnb"
        and room_of(name) not in BELOW[room_of(name_of(path))] | {room_of(name_of(path))}
    ]
    assert not wrong, "\n".join(wrong)


def test_core_knows_few_libraries():
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in sorted(ROOT.glob("core/**/*.py"))
        for name, _ in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, *CORE_LIBRARIES, "edsnb"}
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_are_imported_inside_functions():
    wrong = [
        f"{name_of(path)} imports {name} on top"
        for path in MODULES
        for name, inside in imports(path)
        if name.split(".")[0] in HEAVY - BUILT_ON.get(room_of(name_of(path)), set()) and not inside
    ]
    assert not wrong, "\n".join(wrong)


def loaded_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter; return the top names of all modules it loaded."""
    show = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_package_loads_nothing_by_itself():
    assert not loaded_after("import edsnb") & (HEAVY | CORE_LIBRARIES | {"h5py"})


def test_core_and_command_line_load_no_heavy_library():
    names = [name_of(path) for path in MODULES if room_of(name_of(path)) == "core"]
    loaded = loaded_after("\n".join(f"import {name}" for name in [*names, "edsnb.cli"]))
    assert {"numpy", "numba"} <= loaded
    assert not loaded & HEAVY


def test_public_names_can_be_loaded():
    for name in edsnb.__all__:
        assert getattr(edsnb, name) is not None
        assert name in dir(edsnb)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = edsnb.nothing


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield name and lines of each function, from the first statement after the docstring to the last."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_modules_and_functions_are_small():
    """No module over 400 lines, no function over 40."""
    long = [
        f"{name_of(path)}: {lines} lines"
        for path in MODULES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    long += [f"{name_of(path)}.{name}: {n} lines" for path in MODULES for name, n in functions(path) if n > 40]
    assert not long, "\n".join(long)

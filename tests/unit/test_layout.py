"""How large the parts of the package may be: a function is one screen, a file or a folder one idea."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import airflow_mirrordb

PACKAGE = Path(airflow_mirrordb.__file__).parent
FILES = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
FOLDERS = {str(path.parent.relative_to(PACKAGE)): path.parent for path in FILES.values()}

LONGEST_FUNCTION = 50  # lines, from its decorators to its end
LONGEST_FILE = 400  # lines
LARGEST_FOLDER = 12  # modules, its __init__ included

#: Functions that are longer, and why: by file, then as ``Class.function``.
LONGER = {
    # each of 24 arguments takes a line where it is named and one where it is kept
    ("sensors/mirrordb.py", "MirrorDBSensor.__init__"),
}


def lengths(tree: ast.AST, place: str = "") -> dict[str, int]:
    """Return how many lines each function of some code takes, with the classes and functions around it."""
    found = dict[str, int]()
    for node in ast.iter_child_nodes(tree):
        inner = place
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{place}.{node.name}".lstrip(".")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            begin = min(line.lineno for line in (node, *node.decorator_list))
            found[inner] = (node.end_lineno or begin) - begin + 1
        found |= lengths(node, inner)
    return found


def too_long(source: str) -> set[str]:
    """Return the functions of some code that are longer than a screen."""
    return {name for name, lines in lengths(ast.parse(source)).items() if lines > LONGEST_FUNCTION}


@pytest.mark.parametrize("file", FILES)
def test_functions_and_files_are_short(file: str) -> None:
    """What is allowed to be longer is still longer, too."""
    source = FILES[file].read_text()
    assert too_long(source) == {name for place, name in LONGER if place == file}
    assert len(source.splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_are_small(folder: str) -> None:
    """Whoever opens a folder sees at a glance what is in it."""
    assert len(list(FOLDERS[folder].glob("*.py"))) <= LARGEST_FOLDER


def test_what_is_measured_is_there() -> None:
    """All of it is looked at, and what is named here exists."""
    assert {"client/calls/sender.py", "devserver/store.py"} < FILES.keys()
    assert {".", "client/wire/aiohttp", "task/memory"} < FOLDERS.keys()
    assert {file for file, _ in LONGER} < FILES.keys()


def test_a_function_that_is_too_long_is_seen() -> None:
    """Wherever it stands, with its decorators."""
    body = "\n".join(f"            x = {number}" for number in range(LONGEST_FUNCTION - 3))
    code = f"class A:\n    @staticmethod\n    async def f():\n        if A:\n{body}"
    assert too_long(code) == set()
    assert too_long(f"{code}\n            x = 0") == {"A.f"}

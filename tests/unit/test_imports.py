"""The direction of imports: from the operators down to the client, never up, and never in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_mirrordb

PACKAGE = Path(airflow_mirrordb.__file__).parent
#: From the lowest layer to the highest one; a module of none of them is in the lowest.
LAYERS = ("client", "assets", "hooks", "task", "triggers", "operators", "sensors")
#: Layers that know nothing of each other.
BESIDE = {"operators": "sensors", "sensors": "operators"}


def modules() -> dict[str, Path]:
    """Return all modules of the package but those of the embedded backend, by name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if not name.startswith("devserver"):
            found[name] = path
    return found


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it, save those that only type checkers import."""
    tree, ignored, found = ast.parse(path.read_text()), set[ast.AST](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            ignored.update(child for statement in node.body for child in ast.walk(statement))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node in ignored:
            continue
        package, _, module = (node.module or "").partition(".")
        if package != PACKAGE.name:
            continue
        for alias in node.names:
            inner = f"{module}.{alias.name}".lstrip(".")
            found.add(inner if inner in MODULES else module)
    return found


IMPORTS = {name: imports_of(path) for name, path in MODULES.items()}


def layer_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_what_is_imported_is_known() -> None:
    """The graph has the modules and arrows that are there."""
    assert "operators.mirrordb" in MODULES
    assert "client.errors" in IMPORTS["operators.mirrordb"]
    assert {target for targets in IMPORTS.values() for target in targets} <= set(MODULES)


def test_no_import_leads_in_a_circle() -> None:
    """There is an order in which all modules could be read, each after those that it imports."""
    assert len(list(TopologicalSorter(IMPORTS).static_order())) == len(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_leads_up(module: str) -> None:
    """A layer knows those below it, and a module of no layer knows only such modules."""
    layer = layer_of(module)
    height = LAYERS.index(layer) if layer in LAYERS else -1
    for target in IMPORTS[module]:
        other = layer_of(target)
        assert other not in LAYERS or LAYERS.index(other) <= height, target
        assert BESIDE.get(layer) != other, target

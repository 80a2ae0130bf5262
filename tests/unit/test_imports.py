"""The direction of imports: from the operators down to the client, never up, and never in a circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import airflow_mirrordb

PACKAGE = Path(airflow_mirrordb.__file__).parent
#: From the lowest layer to the highest one; a module of none of them is in the lowest.
LAYERS = (
    "client",
    "assets",
    "hooks",
    "task",
    "triggers",
    "operators",
    "sensors",
    "decorators",
    "notifications",
)
#: Layers that know nothing of each other.
BESIDE = ("operators", "sensors", "decorators", "notifications")

#: The only modules that may use what aiohttp does not document, or change a class of it; the second looks
#: at what the first one uses.
WALL = ("client.wire.aiohttp.private", "client.wire.aiohttp.changes")
#: What the others use of aiohttp: names that its reference documents
#: (https://docs.aiohttp.org/en/stable/client_reference.html, abc.html and web_reference.html).
DOCUMENTED = {
    "abc.AbstractResolver",
    "abc.ResolveResult",
    "ClientConnectorCertificateError",
    "ClientConnectorError",
    "ClientError",
    "ClientHttpProxyError",
    "ClientPayloadError",
    "ClientResponseError",
    "ClientSSLError",
    "InvalidURL",
    "RequestInfo",
    "ServerDisconnectedError",
}
DOCUMENTED_MODULES = {"hdrs", "web"}


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


def aiohttp_names_of(tree: ast.AST) -> set[str]:
    """Return what some code names of aiohttp, with its way there, as ``web`` and ``abc.AbstractResolver``."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiohttp":
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("aiohttp."))
        elif isinstance(node, ast.Attribute) and ast.unparse(node).startswith("aiohttp."):
            found.add(ast.unparse(node))
    return {name.removeprefix("aiohttp.") for name in found}


IMPORTS = {name: imports_of(path) for name, path in MODULES.items()}


def layer_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_what_is_imported_is_known() -> None:
    """The graph has the modules and arrows that are there."""
    assert "operators.mirrordb" in MODULES
    assert "client.errors" in IMPORTS["operators.bulk"]
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
        assert layer == other or not {layer, other} <= {*BESIDE}, target


@pytest.mark.parametrize("module", [module for module in MODULES if module not in WALL])
def test_what_aiohttp_does_not_document_stands_behind_one_wall(module: str) -> None:
    """The linter says so where it may: in rooms that import Airflow it looks for no forbidden name."""
    for name in aiohttp_names_of(ast.parse(MODULES[module].read_text())):
        assert name in DOCUMENTED or name.split(".")[0] in DOCUMENTED_MODULES, name


def test_a_breach_of_the_wall_is_seen() -> None:
    """However it is written, as the wall itself, which has many."""
    code = "import aiohttp.http\nfrom aiohttp.connector import Connection\naiohttp.TCPConnector._get"
    assert aiohttp_names_of(ast.parse(code)) >= {"http", "connector.Connection", "TCPConnector._get"}
    assert len(aiohttp_names_of(ast.parse(MODULES[WALL[0]].read_text())) - DOCUMENTED) > 5

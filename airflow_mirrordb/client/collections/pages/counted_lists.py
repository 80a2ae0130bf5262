"""By which list of a page its records are counted, where an expression chooses them. Pure.

An expression may leave records out (https://jmespath.org/specification.html, "Filter Expressions",
"Projections"), or put them into order; the backend counts those that it sent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from airflow_mirrordb.paths import nodes_of, parse_path

Node = dict[str, Any]

_PROJECTIONS = ("projection", "filter_projection", "value_projection", "flatten")
#: Functions that return all of a list, and which of their arguments it is.
_WHOLE = {"sort": 0, "sort_by": 0, "reverse": 0, "map": 1}


class UnclearError(ValueError):
    """Nothing tells which list of a page is counted."""


def counted_in(records: str, body: object) -> int | None:
    """Return how many records a page has, with those that an expression leaves out.

    :param records: path to the records
    :return: None if that is how many it finds
    :raises UnclearError: if nothing tells by which list they are counted
    """
    search = counted_list(records)
    found = None if search is None else search(body)
    return len(found) if isinstance(found, list) else None


@functools.lru_cache(maxsize=256)
def counted_list(records: str) -> Callable[[Any], Any] | None:
    """Return what finds the list that records are counted by; None if it is that of the records.

    :raises UnclearError: if nothing tells which one it is, as where lists in a list are made one
    """
    tree = parse_path(records).tree
    node: Any = None if tree is None else _source(tree)
    if node is None:
        return None
    from jmespath.parser import ParsedResult  # noqa: PLC0415  # few collections need it

    search: Callable[[Any], Any] = ParsedResult(records, node).search
    return search


def _source(node: Node) -> Node | None:
    kind, children = node["type"], node["children"]
    if kind in ("projection", "filter_projection"):
        return _projected(children[0])
    if kind in ("subexpression", "pipe"):
        return _piped(node, *children)
    if kind == "function_expression" and node["value"] in _WHOLE:
        whole: Node = children[_WHOLE[node["value"]]]
        return _source(whole) or whole
    if kind == "or_expression" and children[1]["type"] == "literal":
        return _source(children[0])
    is_whole = kind == "index_expression" or (
        kind == "value_projection" and children[1]["type"] == "identity"
    )
    if not is_whole and _projects(node):
        raise UnclearError
    return None


def _projected(left: Node) -> Node:
    if left["type"] == "flatten":
        if _projects(left["children"][0]):
            raise UnclearError  # the lists may be counted, or what is in them
        return left
    if left["type"] == "index_expression" and left["children"][-1]["type"] == "slice":
        left = left["children"][0]
    return _source(left) or left


def _piped(node: Node, left: Node, right: Node) -> Node | None:
    before, after = _source(left), _source(right)
    if after is None and right["type"] in ("identity", "current"):
        return before
    if after is not None and after["type"] in ("identity", "current"):
        return before or left
    if after is not None and before is not None and after["type"] == "flatten":
        raise UnclearError
    return None if after is None else {**node, "children": [left, after]}


def _projects(node: Node) -> bool:
    return any(inner["type"] in _PROJECTIONS for inner in nodes_of(node))

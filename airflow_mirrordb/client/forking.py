"""What a forked process inherits, and must leave alone.

Sockets and the epoll of an event loop are those of the parent, too (fork(2), epoll(7)). What the child
writes, as the ``close_notify`` of TLS, is part of the parent's connection, and what it takes out of the
epoll never wakes the parent again. Both happen when such an object is closed, or only garbage-collected.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet
from typing import Any

generation = 0
"""How many forks made this process out of the first one; whoever notes it knows later of another."""

Registry = MutableMapping[Any, Any] | MutableSequence[Any] | MutableSet[Any]

_registries: list[Registry] = []


def empty_when_forked(registry: Registry) -> None:
    """Empty a registry in each forked process, where what it holds is kept as it is for ever."""
    _registries.append(registry)


def _after_fork() -> None:
    global generation  # noqa: PLW0603  # a process has one
    generation += 1
    for registry in _registries:
        _keep(list(registry.items() if isinstance(registry, Mapping) else registry))
        registry.clear()


def _keep(inherited: list[Any]) -> None:
    """Keep objects even from the garbage collection at the end of the process, which empties all modules."""
    if inherited:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


os.register_at_fork(after_in_child=_after_fork)

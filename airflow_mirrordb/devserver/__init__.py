"""An embedded MirrorDB: a small REST backend on aiohttp.web and SQLite.

For development and tests only: it listens on 127.0.0.1, serves one process, and keeps its request log
for ever. ``DevServer`` runs it on a thread of the caller's process, ``python -m airflow_mirrordb.devserver``
as a process of its own, and ``airflow_mirrordb.devserver.fixtures`` inside a pytest session.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_mirrordb.devserver.app import create_app
    from airflow_mirrordb.devserver.jobs import Jobs
    from airflow_mirrordb.devserver.server import DevServer

__all__ = ["DevServer", "Jobs", "create_app"]

_MODULES = {"DevServer": "server", "Jobs": "jobs", "create_app": "app"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562).

    :raises AttributeError: this package has no such name
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

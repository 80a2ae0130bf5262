"""Whether the aiohttp that is installed does what the client needs of it beyond its documentation."""

from __future__ import annotations

import functools
import sys
from contextlib import suppress

from airflow_mirrordb.client.errors import InstallationError

#: The versions with which all tests pass; also in pyproject.toml and the README.
WORKING = "aiohttp>=3.12.15,<3.16"


def import_aiohttp() -> None:
    """Import aiohttp and what uses it; to be called in a thread, before an event loop needs it.

    It takes 0.2 s of CPU, for which the event loop would answer nobody. :func:`check_aiohttp` tells what is
    wrong with it.
    """
    with suppress(Exception):
        from airflow_mirrordb.client.wire import transport  # noqa: F401, PLC0415
        from airflow_mirrordb.client.wire.aiohttp import changes  # noqa: F401, PLC0415


@functools.cache  # of a success
def check_aiohttp() -> None:
    """Check aiohttp before its first use; to be called inside an event loop.

    Not when a DAG file is imported: it may never use the client.

    :raises InstallationError: if it does not; names the versions that do
    """
    cause: Exception | None = None
    try:
        from airflow_mirrordb.client.wire.aiohttp.changes import changes_of_aiohttp  # noqa: PLC0415

        change = next(changes_of_aiohttp(), "")
    except Exception as error:  # noqa: BLE001  # whatever comes of a name that means something else
        change, cause = f"{type(error).__name__}: {error}", error
    if change:
        raise InstallationError(
            message=f"aiohttp {_installed()} does not work with this client ({change}):"
            f" install a version that does, as by pip install '{WORKING}'"
        ) from cause


def _installed() -> str:
    found = sys.modules.get("aiohttp")  # to look at its metadata would block the event loop
    return getattr(found, "__version__", "is not installed, or")

"""The connection test, and what its failure means to whoever filled in the form, in the form's own words."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    AuthenticationError,
    ConnectError,
    DisconnectedError,
    EndpointNotAllowedError,
    ForbiddenError,
    MirrorDBError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    TLSError,
)
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.client.wire.threads import in_thread

TEST_TIMEOUT = 9.0  # seconds, ten with what comes around it; somebody is looking at the button
LEAST_PROBE = 1.0  # seconds of them that are for the backend, however long the look-up takes

_CERTIFICATE = (
    "Certificate not trusted: set Verify certificate to the file of the authority that issued it,"
    " and check the name in Host."
)
_NO_HTTPS = "No https there: if the backend speaks plain http, say so in Host or Schema."
_MEANINGS: dict[type[MirrorDBError], str] = {
    EndpointNotAllowedError: "Not allowed: the test endpoint is none of Allowed endpoints.",
    RequestTimeoutError: "No answer in time: {who} was reached, but is slow or stuck.",
    DisconnectedError: "Broken off: the backend closed the connection."
    " If it speaks https, say so in Host or Schema.",
    AuthenticationError: "Key rejected: check API key / token / secret, and whether the backend wants it"
    " sent as {auth} (Authentication type).",
    ForbiddenError: "Key rejected, or not allowed to read this: check API key / token / secret, its rights,"
    " and Test endpoint.",
    NotFoundError: "Test endpoint not found: the backend is there, but has no {endpoint}."
    " Check Test endpoint, and the path in Host.",
    ServerError: "The backend itself fails: it was reached, but answered with an error of its own."
    " Try again later, or look into its logs.",
}


async def check_connection(look_up: Callable[[], MirrorDBConfig]) -> tuple[bool, str]:
    """Ask the backend of a connection once whether it is there and takes the key.

    Takes :data:`TEST_TIMEOUT` at most, also if the look-up hangs, which then ends by itself, in a thread.

    :param look_up: looks the connection up
    :return: whether it worked, and in words what was found, and what to do about it
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + TEST_TIMEOUT
    longest = TEST_TIMEOUT - LEAST_PROBE
    try:
        config = await asyncio.wait_for(in_thread(look_up), longest)
    except asyncio.TimeoutError:
        return False, (
            f"Connection not found: its look-up did not end within {longest:g} s."
            " Check Airflow's secrets backends and its database."
        )
    except MirrorDBError as error:
        return False, str(error)
    try:
        left = max(math.floor(10 * (end - loop.time())), 1) / 10
        quick = config.changed({"timeout": min(config.timeout, left)})
        async with GenericMirrorDB(quick) as client:
            status = await client.probe()
    except MirrorDBError as error:
        return False, diagnosis(error, config)
    return True, f"{config.base_url} answered {status}, authentication: {config.auth}"


def diagnosis(error: MirrorDBError, config: MirrorDBConfig) -> str:
    """Return what is wrong and what to check, followed by the reason as the client has it."""
    error.method = None  # the sentence says what was asked for
    return f"{_meaning(error, config)} ({error})"


def _meaning(error: MirrorDBError, config: MirrorDBConfig) -> str:
    if isinstance(error, TLSError):
        return _NO_HTTPS if error.retryable else _CERTIFICATE
    if isinstance(error, ConnectError):
        return _unreachable(getattr(error.__cause__, "os_error", None), config)
    if isinstance(error, AuthenticationError) and config.auth == "none":
        return "Key wanted: fill in API key / token / secret."
    words = next((words for kind, words in _MEANINGS.items() if isinstance(error, kind)), "It failed.")
    who = "the backend, or the authorization server," if config.auth == "oauth2" else "the backend"
    return words.format(auth=config.auth, endpoint=config.test_endpoint, who=who)


def _unreachable(reason: OSError | None, config: MirrorDBConfig) -> str:
    place = "Proxy" if config.proxy else "Host"
    if isinstance(reason, socket.gaierror):
        return f"Name not found: check the spelling of {place}."
    if isinstance(reason, ConnectionRefusedError):
        return f"Refused: nothing listens there. Check {place} and port, and that the server runs."
    return f"Not reached: check {place} and port, and what may block the way."

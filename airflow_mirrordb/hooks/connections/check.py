"""The connection test, and what its failure means to whoever filled in the form, in the form's own words."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from http import HTTPStatus

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    DisconnectedError,
    EndpointNotAllowedError,
    ForbiddenError,
    InvalidDataError,
    InvalidResponseError,
    MirrorDBError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ResponseError,
    ServerError,
    TLSError,
)
from airflow_mirrordb.client.messages.answer_errors import REDIRECTS
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.messages.response import SUCCESS
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.client.wire.threads import in_thread
from airflow_mirrordb.client.wire.tls.contexts import tls_context, tls_servers, tls_settings
from airflow_mirrordb.hooks.connections.refresh_tokens import RefreshTokenVariables

TEST_TIMEOUT = 9.0  # seconds, ten with what comes around it; somebody is looking at the button
LEAST_PROBE = 1.0  # seconds of them that are for the backend, however long the look-up takes

_KEY = "API key / token / secret"
#: What the failure of any server means; ``{server}`` is which, ``{place}`` the field that says where it is.
_FAILURES: dict[type[MirrorDBError], str] = {
    TLSError: "TLS failed.",
    RequestTimeoutError: "No answer in time: {server} was reached, but is slow or stuck.",
    ServerError: "{Server} itself fails: it was reached, but answered with an error of its own."
    " Try again later, or look into its logs.",
    RateLimitError: "{Server} takes no more requests for now: the key is not checked. Try again later.",
}
#: What the answer of the backend means.
_MEANINGS: dict[type[MirrorDBError], str] = {
    AuthenticationError: f"Key rejected: check {_KEY}, and whether the backend wants it"
    " sent as {auth} (Authentication type).",
    ForbiddenError: f"Key rejected, or not allowed to read this: check {_KEY}, its rights,"
    " and Test endpoint.",
    NotFoundError: "Test endpoint not found: the backend is there, but has no {endpoint}."
    " Check Test endpoint, Trailing slash, and the path in Host.",
    InvalidResponseError: "Reached, key not checked: Test endpoint gave no JSON, perhaps a page for people."
    " Set Test endpoint to one that gives JSON, and check the path in Host.",
    ResponseError: "Reached, key not checked: Test endpoint gave no success. Set Test endpoint to one that"
    " can be read.",
}
_TOO_LARGE = (
    "Reached, key not checked: the answer of Test endpoint is larger than Largest answer ({most:,} bytes)."
    " Set Test endpoint to one item, or raise that."
)
_NOT_READ = (
    "Not asked: Verify certificate, Client certificate and Client key are files that were not read within"
    " {seconds:g} s. Check the disk that they are on."
)
_ELSEWHERE = (
    "Reached, key not checked: Test endpoint leads elsewhere. Check Test endpoint, Trailing slash, and Host."
)
#: What the answer of the authorization server means.
_TOKEN_MEANINGS: dict[type[MirrorDBError], str] = {
    NotFoundError: "Token URL not found: the authorization server is there, but has nothing at that path."
    " Check Token URL.",
    ResponseError: f"No token: check Login / client id, {_KEY}, Scope and Token URL.",
}

_REFUSED = f"Login refused: check Login / client id, {_KEY}, Login URL and Login body."
#: What the answer of a login endpoint means.
_LOGIN_MEANINGS: dict[type[MirrorDBError], str] = {
    NotFoundError: "Login URL not found: the server is there, but has nothing at that path."
    " Check Login URL, also the slash at its end.",
    AuthenticationError: _REFUSED,
    ForbiddenError: _REFUSED,
    InvalidDataError: _REFUSED,
    ResponseError: "No token: check Login URL and Login body.",
}
_REJECTED = (
    "Token rejected: the login gave one, but the backend does not take it. Check Token path, and Name of the"
    " key and Prefix of the key, which say how it is sent."
)
_NOTHING_GIVEN = "No token in the answer to the login: check Login URL, and Token path or Token cookie."


async def check_connection(look_up: Callable[[], MirrorDBConfig]) -> tuple[bool, str]:
    """Ask the backend of a connection once whether it is there and takes the key.

    Only JSON of ``test_endpoint`` shows that: a base URL may be a page that anybody may read.
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
        await _check_certificates(config, end - loop.time())
        left = max(math.floor(10 * (end - loop.time())), 1) / 10
        quick = config.changed({"timeout": min(config.timeout, left)})
        async with GenericMirrorDB(quick, refresh_tokens=RefreshTokenVariables()) as client:
            return await _ask(client, config)
    except ConfigError as error:
        return False, str(error)
    except EndpointNotAllowedError as error:
        return False, f"Not allowed: the test endpoint is none of Allowed endpoints. ({_facts(error)})"
    except MirrorDBError as error:
        return False, f"{_meaning(error, config)} ({_facts(error)})"


async def _check_certificates(config: MirrorDBConfig, seconds: float) -> None:
    """Read the files of certificates as they are now: requests would go on with what was read before.

    :raises ConfigError: if one cannot be used, or read in time
    """
    if tls_servers(config):
        try:
            await asyncio.wait_for(in_thread(tls_context, **tls_settings(config)), seconds)
        except asyncio.TimeoutError:
            raise ConfigError(message=_NOT_READ.format(seconds=TEST_TIMEOUT), field="verify") from None


async def _ask(client: GenericMirrorDB, config: MirrorDBConfig) -> tuple[bool, str]:
    """Return what the backend answers.

    :raises MirrorDBError: if it does not, or refuses the request
    """
    url = config.base_url
    if config.test_endpoint:
        url = client.prepare(MirrorDBRequest(method="GET", endpoint=config.test_endpoint)).url
    asked = client.without_secrets(f"GET {url}")
    try:
        answer = f"{asked} answered {await client.probe()}"
    except (ResponseError, InvalidResponseError) as error:
        if error.method == "POST":
            raise
        error.message = f"{asked} answered {error.message}"
        if config.test_endpoint or _tells_more_than_reached(error):
            raise
        answer = _facts(error)
    if config.test_endpoint:
        return True, f"{answer}, authentication: {_auth(config)}"
    return False, f"Reached, key not checked: {_advice(config)} ({answer})"


def _tells_more_than_reached(error: ResponseError | InvalidResponseError) -> bool:
    """Whether an answer of the base URL tells of what is wrong with the connection, or the backend."""
    refusals = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return error.status in refusals or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _advice(config: MirrorDBConfig) -> str:
    """Return what to set so that the key is checked, with an endpoint of this connection, if one is plain."""
    plain = (name for name in config.endpoints or () if not any(mark in name for mark in " {"))
    example = next(plain, "")
    return (
        "set Test endpoint to one of Allowed endpoints that a GET answers with JSON"
        f"{', as ' if example else ''}{example}."
    )


def _facts(error: MirrorDBError) -> str:
    """Return an error without its request, which the sentence before it tells."""
    error.method = None
    return str(error)


def _meaning(error: MirrorDBError, config: MirrorDBConfig) -> str:
    """Return what is wrong and what to check."""
    is_token, is_login = error.method == "POST", config.auth == "login"
    server = ("the login endpoint" if is_login else "the authorization server") if is_token else "the backend"
    if isinstance(error, ConnectError):
        return _unreachable(getattr(error.__cause__, "os_error", None), config, is_token=is_token)
    if isinstance(error, DisconnectedError):
        return f"Broken off: {server} closed the connection. {_way_of_tls(config, is_token=is_token)}"
    if isinstance(error, AuthenticationError | ForbiddenError) and config.auth == "none":
        return _key_wanted(error, config)
    meanings = {**_FAILURES, **(_of_token(config) if is_token else _MEANINGS)}
    words = next((words for kind, words in meanings.items() if isinstance(error, kind)), "It failed.")
    if isinstance(error, ResponseError) and error.status in REDIRECTS and not is_token:
        words = _ELSEWHERE
    if isinstance(error, AuthenticationError) and is_login and not is_token:
        words = _REJECTED
    if is_token and is_login and isinstance(error, ResponseError) and error.status in SUCCESS:
        words = _NOTHING_GIVEN
    if isinstance(error, InvalidResponseError) and error.too_large:
        words = _TOO_LARGE
    return words.format(
        most=config.max_response_bytes,
        auth=_auth(config),
        endpoint=config.test_endpoint,
        server=server,
        Server=f"{server[0].upper()}{server[1:]}",
    )


def _auth(config: MirrorDBConfig) -> str:
    """Return how the key is sent, as the form says it."""
    if config.auth != "api_key" or config.key_in == "header":
        return config.auth
    return f"{config.auth}, in the {config.key_in} {config.key_name}"


def _of_token(config: MirrorDBConfig) -> dict[type[MirrorDBError], str]:
    return _LOGIN_MEANINGS if config.auth == "login" else _TOKEN_MEANINGS


def _key_wanted(error: ResponseError, config: MirrorDBConfig) -> str:
    """Return what a backend wants that was sent no key."""
    wanted = "Key wanted" if isinstance(error, AuthenticationError) else "Not allowed without a key, perhaps"
    if config.api_key is None:
        return f"{wanted}: none is sent. Fill in {_KEY}."
    return f"{wanted}: none is sent, since Authentication type is none. Choose another one."


def _way_of_tls(config: MirrorDBConfig, *, is_token: bool) -> str:
    """Return what about TLS ends a connection that was made."""
    url, place = _place(config, is_token=is_token)
    if not url.startswith("https:"):
        return f"If it speaks https, say so in {place if is_token else 'Host or Schema'}."
    if config.client_cert:
        return "It may not accept Client certificate, or speak only a TLS older than 1.2."
    return "It may want a Client certificate, or speak only a TLS older than 1.2."


def _place(config: MirrorDBConfig, *, is_token: bool) -> tuple[str, str]:
    """Return the URL of a server, and the field that says it."""
    if not is_token or not config.says_token_host:
        return config.base_url, "Host"
    return config.token_url, "Login URL" if config.auth == "login" else "Token URL"


def _unreachable(reason: OSError | None, config: MirrorDBConfig, *, is_token: bool) -> str:
    url, place = _place(config, is_token=is_token)
    place = "Proxy" if config.proxy else place
    where = f"{place} and port" if place == "Host" else place
    if isinstance(reason, socket.gaierror):
        return f"Name not found: check the spelling of {place}."
    if isinstance(reason, ConnectionRefusedError):
        return f"Refused: nothing listens there. Check {where}, and that the server runs."
    if isinstance(reason, ConnectionResetError) and url.startswith("https:"):
        return f"Broken off in the TLS handshake: check {where}. {_way_of_tls(config, is_token=is_token)}"
    return f"Not reached: check {where}, and what may block the way."

"""From an Airflow connection to the client's configuration. Pure; no look-up."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Protocol

from airflow import __version__ as airflow_version

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.urls import MAX_PORT, is_port, split_url
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.messages.headers import header_key
from airflow_mirrordb.client.messages.request_headers import USER_AGENT

log = logging.getLogger(__name__)

#: Characters of what else is wrong with a connection of another type.
MAX_OF_OTHER_TYPES = 80
_PREFIX = "extra__mirrordb__"  # of extras that Airflow's older forms saved
_NO_COMMENT = re.compile(r"[^ -~]|[()\\]")  # what would have to be quoted in a comment
_STANDARD_FIELDS = {"base_url": "Host", "login": "Login", "api_key": "Password"}
_FIELDS = {**_STANDARD_FIELDS, "host": "Host", "password": "Password", "port": "Port", "schema": "Schema"}
# A message may tell of several settings; each of its parts begins with the name of one, or with a pattern.
_PART = re.compile(rf"(^|; )((?:{'|'.join(MirrorDBConfig.model_fields)})(?=: )|endpoint pattern(?= '))")


class ConnectionLike(Protocol):
    """What is read of an Airflow connection, whichever version of Airflow it comes from."""

    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None

    @property
    def conn_id(self) -> str | None: ...
    @property
    def conn_type(self) -> str | None: ...
    @property
    def extra(self) -> str | None: ...


def auth_conn_of(connection: ConnectionLike) -> str | None:
    """Return the id of the connection that has the Login and Password of this one; None if it has its own.

    :raises ConfigError: if it names itself, or has a Password as well
    """
    try:
        return _conn_id_in(connection)
    except ConfigError as error:
        raise _explained(error, connection) from error.__cause__


def _conn_id_in(connection: ConnectionLike) -> str | None:
    conn_id = str(_extra(connection.extra).get("auth_conn_id") or "").strip()
    if conn_id and conn_id == connection.conn_id:
        raise ConfigError(message="auth_conn_id: it names this connection itself", field="auth_conn_id")
    if conn_id and connection.password:
        message = "auth_conn_id: there is a Password as well; leave one of the two"
        raise ConfigError(message=message, field="auth_conn_id")
    return conn_id or None


def config_from(
    connection: ConnectionLike, credentials: ConnectionLike | None = None, *, ignore_unknown: bool = False
) -> MirrorDBConfig:
    """Return the configuration that a connection describes.

    :param credentials: the connection of :func:`auth_conn_of`
    :param ignore_unknown: True to warn about unknown extras only; for triggers, which may be older
        than the connection while an upgrade is rolled out
    :raises ConfigError: names the connection, its field or extra, what is wrong with it, and the nearest
        valid name
    """
    try:
        return _config_from(connection, credentials or connection, ignore_unknown=ignore_unknown)
    except ConfigError as error:
        raise _explained(error, connection) from error.__cause__


def _config_from(
    connection: ConnectionLike, credentials: ConnectionLike, *, ignore_unknown: bool
) -> MirrorDBConfig:
    if credentials is not connection and not credentials.password:
        message = f"auth_conn_id: the connection {credentials.conn_id!r} has no Password"
        raise ConfigError(message=message, field="auth_conn_id")
    settings = _extra(connection.extra)
    if ignore_unknown and (unknown := settings.keys() - MirrorDBConfig.model_fields.keys()):
        log.warning("Unknown extras of the connection are ignored: %s", ", ".join(sorted(unknown)))
        settings = {name: value for name, value in settings.items() if name not in unknown}
    return MirrorDBConfig.model_validate(
        {
            **settings,
            "base_url": base_url(connection.host, connection.schema, connection.port),
            "login": credentials.login or connection.login,
            "api_key": credentials.password,
        },
        context=_FIELDS,
    )


def _explained(error: ConfigError, connection: ConnectionLike) -> ConfigError:
    """Return an error that names the connection, and its field or extra as its form does."""
    error.conn_id = connection.conn_id
    error.message = _PART.sub(_named, error.message).replace("unknown setting", "unknown extra")
    if connection.conn_type != "mirrordb":
        error.message = (
            f"its type is {connection.conn_type!r}, and should be 'mirrordb' (MirrorDB);"
            f" {shortened(error.message, MAX_OF_OTHER_TYPES)}"
        )
    return error


def _named(part: re.Match[str]) -> str:
    start, name = part.groups()
    return f"{start}{_STANDARD_FIELDS.get(name, f'extra {name}')}"


def base_url(host: str | None, schema: str | None, port: int | None) -> str:
    """Return the URL that Host, Schema and Port stand for; ``https`` unless ``http`` is said.

    :param host: a host name, or a whole URL, with a path prefix or without
    :raises ConfigError: if the parts are missing or contradict each other
    """
    host, schema = (host or "").strip(), (schema or "").strip().lower()
    if not host:
        raise ConfigError(
            message="host: it is missing; as example.com or https://example.com/v1", field="host"
        )
    if schema not in ("", "http", "https"):
        message = f"schema: {schema!r} is neither http nor https; a path prefix belongs in Host"
        raise ConfigError(message=message, field="schema")
    if "://" not in host:
        is_ipv6 = host.count(":") > 1 and not host.startswith("[") and "@" not in host
        host = f"{schema or 'https'}://{f'[{host}]' if is_ipv6 else host}"
    try:
        parts = split_url(host)
    except ValueError as error:
        raise ConfigError(message=f"host: {error}", field="host") from None
    if schema and parts.scheme != schema:
        message = f"schema: {schema!r} contradicts the URL in Host, which begins with {parts.scheme!r}"
        raise ConfigError(message=message, field="schema")
    own_port, port = parts.port, _port(port)
    if port and own_port and port != own_port:
        message = f"port: {port} contradicts the URL in Host, which has {own_port}"
        raise ConfigError(message=message, field="port")
    if port and not own_port:
        return parts._replace(netloc=f"{parts.netloc.removesuffix(':')}:{port}").geturl()
    return host


def _port(port: object) -> int | None:
    """Return the number of a port; None stands for the scheme's own, as does 0.

    Airflow's forms save it as a number; who writes a connection as JSON may have it as text.
    """
    text = str(port or "").strip()
    if text in ("", "0"):
        return None
    if isinstance(port, bool) or not is_port(text):
        raise ConfigError(message=f"port: it must be a number from 1 to {MAX_PORT:,}", field="port")
    return int(text)


def with_user_agent(config: MirrorDBConfig, operator: str | None) -> MirrorDBConfig:
    """Say in the User-Agent which Airflow and operator sends, unless the connection has one of its own.

    It is a list of products and a comment (RFC 9110, section 10.1.5).

    :param operator: name of the operator, as it shows in Airflow's UI
    """
    if any(header_key(name) == "user-agent" for name in config.headers):
        return config
    comment = f" ({_NO_COMMENT.sub('?', operator)})" if operator else ""
    agent = f"{USER_AGENT} airflow/{airflow_version}{comment}"
    return config.model_copy(update={"headers": {**config.headers, "User-Agent": agent}})


def _extra(text: str | None) -> dict[str, Any]:
    if not (text or "").strip():
        return {}
    try:
        extra = json.loads(text or "")
    except ValueError as error:
        raise ConfigError(message=f"extra: it is not JSON: {error}", field="extra") from None
    if not isinstance(extra, Mapping):
        message = f"extra: it must be a JSON object, not {type(extra).__name__}"
        raise ConfigError(message=message, field="extra")
    settings = {name.removeprefix(_PREFIX): value for name, value in extra.items()}
    for name, field in _STANDARD_FIELDS.items():
        if name in settings:
            message = f"extra: {name!r} is no extra; it is the connection's field {field!r}"
            raise ConfigError(message=message, field=name)
    return settings

"""The API key, in each of the places where clients send one."""

import base64
import hmac
from collections.abc import Iterator, Mapping

from airflow_mirrordb.devserver.answer import RefusedError


def check_api_key(headers: Mapping[str, str], api_key: str | None) -> None:
    """Pass if no key is needed, or if the request brings the right one.

    A key is accepted as a bearer token (RFC 6750, section 2.1), as ``X-API-Key``, and as the password
    of basic authentication with any user (RFC 7617).

    :raises RefusedError: 401
    """
    if api_key is None:
        return
    expected = api_key.encode()
    if not any(hmac.compare_digest(given, expected) for given in _given_keys(headers)):
        raise RefusedError(401, "the API key is missing or wrong", {"WWW-Authenticate": "Bearer"})


def _given_keys(headers: Mapping[str, str]) -> Iterator[bytes]:
    if "X-API-Key" in headers:
        yield _octets(headers["X-API-Key"])
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield _octets(credentials.strip())
    elif scheme.lower() == "basic":
        try:
            _user, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
        except ValueError:
            return
        yield password


def _octets(header: str) -> bytes:
    return header.encode("utf-8", "surrogateescape")  # as aiohttp decoded it

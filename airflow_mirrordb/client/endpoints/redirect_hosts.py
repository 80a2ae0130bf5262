"""The hosts of files that a backend's redirects lead to, as presigned URLs do. Pure; no I/O."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from ipaddress import ip_address

from yarl import URL

from airflow_mirrordb.client.endpoints.urls import joined, origin_of, split_url

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ABSOLUTE = re.compile(r"(https?://[^/?#]*)([^#]*)", re.IGNORECASE)
_VISIBLE = re.compile(r"[!-~]*")  # what RFC 3986 allows in a URL, and some more that servers send

HOST_WANTED = "it must be a host, as files.example.com, files.example.com:8443 or *.s3.amazonaws.com"
_TOO_WIDE = "behind '*.' are at least two names, or it would be nearly any host"


def checked_host(value: str) -> str:
    """Return an entry of ``redirect_hosts`` as it is compared: in lower case, in ASCII.

    ``*.`` stands for any number of names in front, so ``*.example.com`` is not ``example.com`` itself.

    :raises ValueError: with the reason
    """
    wildcard, name = ("*.", value[2:]) if value.startswith("*.") else ("", value)
    if not name or re.search(r"[*/\\?#@\s]", name):
        raise ValueError(HOST_WANTED if "@" in value else f"{HOST_WANTED}, not {value!r:.200}")
    try:
        parts = split_url(f"https://{name}")
        host = origin_of(parts).raw_host or ""
    except ValueError as error:
        raise ValueError(f"{HOST_WANTED}, not {value!r:.200}: {error}") from None
    if wildcard and ("." not in host.strip(".") or _is_address(host)):
        raise ValueError(f"{HOST_WANTED}, not {value!r:.200}: {_TOO_WIDE}")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{wildcard}{f'[{host}]' if ':' in host else host}{port}"


def is_listed(url: URL, hosts: Iterable[str]) -> bool:
    """Whether a URL leads to one of some hosts; one without a port stands for the default port alone.

    :param hosts: as :func:`checked_host` returns them
    """
    return any(_is_at(url, *_parsed(host)) for host in hosts)


def split_location(location: str, current: URL) -> tuple[URL, str] | None:
    """Return the origin of a redirect's target, and its path and query as they are sent.

    Of an absolute URL these are sent byte for byte: a signature may be of exactly them.

    :param current: the URL that answered, to which others are relative (RFC 9110, section 10.2.2)
    :return: None if it is no URL of HTTP, or has a user name
    """
    absolute = _ABSOLUTE.fullmatch(location.partition("#")[0])
    if absolute is None or not _VISIBLE.fullmatch(absolute[2]):
        target = joined(current, location)
        absolute = _ABSOLUTE.fullmatch(str(target).partition("#")[0]) if target is not None else None
    if absolute is None:
        return None
    try:
        parts = split_url(absolute[1])
        origin = origin_of(parts)
    except ValueError:
        return None
    if parts.username is not None or parts.password is not None:
        return None
    return origin, absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"


@functools.lru_cache(maxsize=256)
def _parsed(host: str) -> tuple[str, int | None]:
    """Return the name of an entry, with a dot in front if others may be before it, and its port."""
    url = URL(f"https://{host.removeprefix('*.')}", encoded=True)
    return ("." if host.startswith("*.") else "") + (url.raw_host or ""), url.explicit_port


def _is_at(url: URL, name: str, port: int | None) -> bool:
    host = (url.raw_host or "").lower()
    is_there = host.endswith(name) and host != name if name.startswith(".") else host == name
    return is_there and url.port == (port or _DEFAULT_PORTS.get(url.scheme))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

"""URLs that come from outside, taken apart without doubt. Pure.

No error here quotes any of a URL: where one is malformed, any part of it may be one of a password.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from yarl import URL

MAX_URL_LENGTH = 2048
MAX_PORT = 65535
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[^\s%\\<>\"{}|^`\[\]:]*")
_ENCODE = "in a user name or password '/' is written %2F, '?' %3F, '#' %23 and '@' %40"


def split_url(value: str) -> SplitResult:
    """Split a URL that means the same to everybody who reads it.

    urlsplit itself drops tabs and line breaks, and what stands beside the brackets of an address.

    :return: whose ``port`` can be read; None is the scheme's own
    :raises ValueError: with the reason, which quotes nothing of the URL
    """
    if len(value) > MAX_URL_LENGTH:  # encoding an international name takes time that grows faster than it
        raise ValueError(f"it is longer than {MAX_URL_LENGTH:,} characters")
    parts = _split(value)
    if parts is None:
        raise ValueError("the host is neither a host name nor an address; as https://example.com/v1")
    host_and_port = parts.netloc.rpartition("@")[2]
    end = _HOST.match(host_and_port)
    rest = host_and_port[end.end() if end else 0 :]
    if _CONTROL.search(value) or (rest and not rest.startswith(":")):
        raise ValueError("the host holds a character that no host name has")
    if rest and not is_port(rest[1:] or "443"):  # RFC 3986, section 3.2.3: an empty one is the default
        raise ValueError(f"the port must be a number from 1 to {MAX_PORT:,} ({_ENCODE})")
    if rest and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # The host may be a user name and the port a password, of which the rest was cut off.
        raise ValueError(f"there is an '@' behind the port ({_ENCODE})")
    return parts


def is_port(text: str) -> bool:
    """Whether a text is the number of a port that can be connected to."""
    return text.isascii() and text.isdigit() and 0 < int(text) <= MAX_PORT


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query and fragment.

    A presigned URL holds its signature in the query, and some servers a session behind a semicolon.
    """
    place, mark, _ = re.split(r"([?#;])", f"{url}?", maxsplit=1)
    hidden = f"{mark}…" if len(place) < len(url) else ""
    before, at, behind = place.rpartition("@")  # in an odd URL the password may reach into the path
    if at:
        scheme = _SCHEME.match(before)
        place = f"{scheme[0] if scheme else ''}…@{behind}"
    return f"{place}{hidden}"


def origin_of(parts: SplitResult) -> URL:
    """Return scheme, host and port of a URL, as they are connected to.

    :raises ValueError: with the reason, which quotes nothing of the URL
    """
    origin = _build(parts)
    labels = str(origin.raw_host).removesuffix(".").split(".") if origin else [""]
    if origin is None or not all(0 < len(label) <= 63 for label in labels):  # noqa: PLR2004  # RFC 1035, 2.3.4
        raise ValueError("the host is no host name; none has a part that is empty or over 63 characters")
    return origin


def is_absolute(url: str) -> bool:
    """Whether a URL says its scheme and host itself."""
    return _SCHEME.match(url) is not None


def below(base_url: str, reference: str) -> str:
    """Return the URL that a reference of the user's means: a URL, or a path relative to the base URL.

    One that begins with a slash is relative to the host (RFC 3986, section 4.2).
    """
    if is_absolute(reference):
        return reference
    if reference.startswith("/"):
        return f"{URL(base_url).origin()}{reference}"
    return f"{base_url}/{reference}"


def joined(current: URL, reference: str) -> URL | None:
    """Return the URL that a reference of a server's means where another was asked for; None if it means none.

    What is wrong with it is not told: the words for it would quote it.
    """
    try:
        target = current.join(URL(reference))
        has_port = target.port is not None  # yarl looks at some ports only when it is asked
    except (ValueError, IndexError):  # the second of '//[]@', which yarl does not foresee
        return None
    return target if has_port else None


def _split(value: str) -> SplitResult | None:
    try:
        return urlsplit(value)
    except ValueError:  # whose words quote the URL
        return None


def _build(parts: SplitResult) -> URL | None:
    try:
        return URL.build(scheme=parts.scheme, host=parts.hostname or "", port=parts.port)
    except ValueError:  # whose words quote the host
        return None

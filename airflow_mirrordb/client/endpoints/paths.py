"""What the path of an endpoint means, to whoever reads it: decoded for patterns, encoded to be sent. Pure.

An endpoint goes out as it is written. Only what has one meaning anyway is made uniform: characters that
no path may hold are percent-encoded, escaped letters and digits are not (RFC 3986, section 6.2.2).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

#: The endpoint that is the base URL itself. An empty one is what an empty id looks like, and refused.
BASE_URL = "/"
MAX_ENDPOINT_LENGTH = 2048
MAX_ENCODINGS = 8
#: Stands in a decoded path for a slash that is percent-encoded and therefore separates no segments; an
#: endpoint cannot hold this character otherwise.
ENCODED_SLASH = "\x00"

# What means the same to everybody: most segments are so, and need no other check.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED_SLASH = re.compile(r"%2[Ff]")
_ESCAPED_DOT_OR_SLASH = re.compile(r"%(?:2[EeFf]|5[Cc])")
# A path of RFC 3986, section 3.3, less '+' (read as a space by some servers) and ';' (cut off by others).
_SAFE = "/!$&'()*,=:@"
# Escapes of those characters, and of a slash: not the same as the character (RFC 3986, section 2.2).
_ESCAPED_RESERVED = re.compile(r"(%(?:2[1467-9AaCcFf]|3[AaDd]|40))")
# What a person, and a lenient reader, takes for a URL: a scheme, or user and password.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|(?:https?|wss?|ftp|file):|[^/]*:[^/]*@", re.IGNORECASE)
# A segment that is a placeholder: of Express and Rails, of Flask, and of patterns here, which is also what is
# left of a template, or a formatted string, of which half was forgotten.
_PLACEHOLDER = re.compile(r":[A-Za-z_]\w*|<(?:\w+:)?[A-Za-z_]\w*>|[^{}]*\{ *[A-Za-z_][\w .:'\"\[\]]*\}[^{}]*")
# What means more than itself in a path, once a reader has brought its characters into a normal form.
_STRUCTURE = frozenset("/\\%?#;")


def decode_endpoint(endpoint: str, *, written: str | None = None) -> str:
    """Return a decoded endpoint, a relative path whose meaning is beyond doubt; "" for the base URL.

    Percent-escapes are decoded once; a character that a path cannot hold as it is may be given
    either way. A slash that is percent-encoded becomes ``ENCODED_SLASH``, for patterns to decide on.
    Everything else that servers or proxies are known to read differently is refused.

    :param written: what its author wrote, for the words of an error; a pattern has placeholders
    :raises ValueError: with the reason
    """
    if not isinstance(endpoint, str):
        raise ValueError(f"it must be a string, not {type(endpoint).__name__}")  # noqa: TRY004
    if len(endpoint) > MAX_ENDPOINT_LENGTH:
        raise ValueError(f"it is longer than {MAX_ENDPOINT_LENGTH:,} characters")
    if endpoint == BASE_URL:
        return ""
    if not endpoint:
        raise ValueError(f"it is empty; the base URL itself is {BASE_URL!r}")
    if endpoint.startswith("/"):
        raise ValueError("it must be relative to the connection's base URL, without a leading slash")
    if "\\" in endpoint:
        raise ValueError("backslashes are refused")
    if "?" in endpoint or "#" in endpoint:
        raise ValueError("'?' and '#' are refused; a query goes into the argument 'query'")
    if _LONE_PERCENT.search(endpoint):
        raise ValueError("a literal '%' is written '%25'")
    if _URL.match(endpoint):
        raise ValueError(
            "it must be relative to the connection's base URL, not a URL of its own"
            " (in a name that only looks like one ':' is written '%3A')"
        )
    _refuse_empty_names(written or endpoint)
    return "/".join(_decode_segment(segment) for segment in endpoint.split("/"))


def _refuse_empty_names(endpoint: str) -> None:
    """Refuse an endpoint, or a pattern, with an empty name, which is what an empty id looks like.

    :raises ValueError: says where it is, and what would be right
    """
    if "//" in endpoint:
        raise ValueError("it has an empty name between two slashes, which is what an empty id looks like")
    if endpoint.endswith("/"):
        raise ValueError(
            f"it ends with a slash, as before an empty id: write {endpoint[:-1]!r:.200} (for a backend that"
            " wants the slash set the extra 'trailing_slash')"
        )


def refuse_placeholders(endpoint: str) -> None:
    """Refuse an endpoint with a placeholder, which is sent as it is, and met 404, or something of that name.

    :raises ValueError: names the placeholder, and what would be right
    """
    for segment in endpoint.split("/"):
        if _PLACEHOLDER.fullmatch(segment):
            raise ValueError(
                f"{segment!r} is a placeholder, which only a pattern has; an endpoint has the value in its"
                f" place, as by f'users/{{user_id}}' (a name that is meant so is written {quote(segment)!r})"
            )


def encode_endpoint(endpoint: str) -> str:
    """Return the percent-encoded path that is sent for an endpoint; "" for the base URL.

    :param endpoint: one that :func:`decode_endpoint` takes
    """
    if endpoint == BASE_URL:
        return ""
    if "%" not in endpoint:
        return quote(endpoint, safe=_SAFE)
    parts = _ESCAPED_RESERVED.split(endpoint)
    return "".join(
        part.upper() if escaped else quote(unquote(part), safe=_SAFE)
        for escaped, part in zip([False, True] * len(parts), parts, strict=False)
    )


def endpoint_at(address: str, base_url: str) -> str:
    """Return the endpoint that an absolute URL has under a base URL; a slash at its end says nothing.

    :param address: a URL without query and fragment
    :raises ValueError: if it lies elsewhere
    """
    if address.removesuffix("/") == base_url:
        return BASE_URL
    if not address.startswith(f"{base_url}/"):
        raise ValueError("it does not lie under the base URL")
    return address[len(base_url) + 1 :].removesuffix("/")


def quote_path(path: str) -> str:
    """Return a decoded path as a percent-encoded one, the same for each way to write it."""
    quoted = quote(path, safe=_SAFE).replace(quote(ENCODED_SLASH), "%2F")
    if _URL.match(quoted):
        first, slash, rest = quoted.partition("/")
        return f"{first.replace(':', '%3A')}{slash}{rest}"
    return quoted


def _decode_segment(segment: str) -> str:
    """Decode a segment; each part between its encoded slashes has to be a name as any segment is."""
    if _PLAIN.fullmatch(segment):
        return segment
    names = [_decode(name) for name in _ESCAPED_SLASH.split(segment)]
    if "" in names:
        raise ValueError("it has an empty name beside a slash in percent-encoding (%2F)")
    return ENCODED_SLASH.join(names)


def _decode(name: str) -> str:
    try:
        text = unquote(name, errors="strict")
        text.encode()
    except UnicodeError:
        raise ValueError("it is not valid UTF-8") from None
    _refuse_what_is_hidden(name)
    if text in (".", ".."):
        raise ValueError("'.' and '..' are refused")
    if text != text.strip():
        raise ValueError("white space at the start or end of a segment is refused")
    return text


def _refuse_what_is_hidden(name: str) -> None:
    """Decode as often as a chain of proxies might, and look at each stage.

    :raises ValueError: with the reason
    """
    for _ in range(MAX_ENCODINGS):
        if _ESCAPED_DOT_OR_SLASH.search(name):
            raise ValueError(
                "dots, slashes and backslashes in percent-encoding are refused: a dot is written as it is,"
                " and a slash as %2F only, once, where a pattern has {name:quoted}"
            )
        decoded = unquote(name)
        if not (decoded.isascii() and decoded.isprintable()):
            _refuse_odd_characters(decoded)
        if decoded == name:
            return
        name = decoded
    raise ValueError(f"it is percent-encoded more than {MAX_ENCODINGS} times over")


def _refuse_odd_characters(text: str) -> None:
    """Refuse what breaks lines, and what a normal form (UAX 15) turns into structure, as a fullwidth slash.

    A name in another form than most, as macOS writes it, is a name like any other. NFKC is the form to look
    at: what none of its characters becomes there, none becomes in NFC, NFD or NFKD.
    """
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise ValueError("control characters and line breaks are refused")
    reading = unicodedata.normalize("NFKC", text)
    if reading == text:
        return
    found = [mark for mark in sorted(_STRUCTURE) if reading.count(mark) > text.count(mark)]
    if found or reading.strip() in (".", ".."):
        turned = found[0] if found else reading.strip()
        raise ValueError(
            f"Unicode normalisation (NFKC) turns a character of it into {turned!r},"
            " which would change what the path means"
        )

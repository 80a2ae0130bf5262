"""What an answer says beside its body, as plain values that may be stored. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from yarl import URL

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.signatures import (
    GOES_ON,
    in_references,
    signatures_of,
    without_signatures,
)
from airflow_mirrordb.client.bodies.errors.details import encodable
from airflow_mirrordb.client.endpoints.paths import BASE_URL
from airflow_mirrordb.client.endpoints.urls import joined, shown

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.response import MirrorDBResponse

#: In the names of headers that hold credentials, or belong to them, but not where they only go on.
_CREDENTIALS = re.compile(
    r"cookie|authori[sz]|authent|x-auth(?:-|$)|token|secret|passw|passphrase|pwd|credential|jwt|signature|session"
    r"|(?:api|access|private|subscription|application)[-_]?key|^client$",  # devise_token_auth has the last
    re.IGNORECASE,
)
#: A JSON Web Token (RFC 7519, section 3): the first two parts are JSON objects in base64url.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.")
#: Headers of a file whose values its presigned URL may ask for, as ``response-content-type`` (S3, GetObject).
_TOLD_BY_URL = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)


class FullResponse(TypedDict):
    """An answer as plain JSON, without cookies and credentials.

    ``status`` is the HTTP status. ``headers`` have names in lower case; those with the same name are one,
    with commas between their values (RFC 9110, section 5.3). ``etag`` is the entity tag, as ``if_match``
    takes it. ``location`` is what the ``Location`` header names, as an ``endpoint`` takes it where it lies
    under the connection's base URL, else its URL, without the query, which may be a signature. So are all
    URLs in headers; one at the backend is without the values that are called secrets. ``data`` is what the
    result is without ``full_response``.
    """

    status: int
    headers: dict[str, str]
    etag: str | None
    location: str | None
    data: Any


def full_response(
    response: MirrorDBResponse, requested: URL, base_url: str, hide: Callable[[str], str]
) -> FullResponse:
    """Return all of an answer.

    :param requested: URL that was asked for; to that, or to where a redirect led from it, a ``Location`` may
        be relative (RFC 9110, section 10.2.2)
    :param hide: takes secrets out of a text
    """
    base = URL(base_url, encoded=True)
    hide_more = hide
    if response.redirected is not None:
        requested = response.redirected.url
        if response.redirected.anonymous:
            signatures = Redaction(signatures_of(response.redirected))

            def hide_more(text: str) -> str:
                return signatures.text(hide(text))

    return FullResponse(
        status=response.status,
        headers=_headers(response.headers, requested, base, hide, hide_more),
        etag=response.etag and hide(response.etag),
        location=_location(response.headers.get("Location", ""), requested, base, hide_more),
        data=response.data,
    )


def _headers(
    headers: Mapping[str, str],
    requested: URL,
    base: URL,
    hide: Callable[[str], str],
    hide_more: Callable[[str], str],
) -> dict[str, str]:
    def mentioned(reference: str) -> str:
        # a name, as that of a profile, may have a fragment
        is_bare = "?" not in reference and "@" not in reference
        return without_signatures(reference) if is_bare else _public(reference, requested, base)

    kept: dict[str, str] = {}
    for given, value in headers.items():
        name, text = encodable(given).lower(), encodable(value)
        if (_CREDENTIALS.search(name) or _JWT.search(text)) and not GOES_ON.search(name):
            continue
        is_reference = name in ("location", "content-location")
        text = _public(text, requested, base) if is_reference else in_references(text, mentioned)
        text = hide(text) if name in _TOLD_BY_URL else hide_more(text)
        kept[name] = f"{kept[name]}, {text}" if name in kept else text
    return kept


def _location(given: str, requested: URL, base: URL, hide: Callable[[str], str]) -> str | None:
    target = joined(requested, encodable(given)) if given else None
    if target is None:
        return None
    if not _is_here(target, base):
        return hide(shown(str(target)))
    # A backend behind a gateway that adds the prefix does not know of it.
    prefix = base.raw_path.rstrip("/")
    path = target.raw_path.removeprefix(f"{prefix}/").strip("/") if target.raw_path != prefix else ""
    path = path or BASE_URL
    return hide(without_signatures(f"{path}?{target.raw_query_string}" if target.raw_query_string else path))


def _public(reference: str, requested: URL, base: URL) -> str:
    """Return a reference as it was given, without its signatures, or its query if it leads elsewhere."""
    target = joined(requested, reference)
    is_here = target is not None and _is_here(target, base) and target.raw_user is target.raw_password is None
    return without_signatures(reference) if is_here else shown(reference)


def _is_here(target: URL, base: URL) -> bool:
    """Whether a URL leads to the backend; behind a gateway it may know of neither TLS nor the port."""
    return target.host == base.host and (target.port == base.port or target.is_default_port())

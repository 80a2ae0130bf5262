"""Links to the next page: how they are told, and what of them is sent. Pure.

A backend's URL is opaque: its path and query go out byte for byte as they were given, once it is checked
that they lie under the base URL and at a registered endpoint. Only what no request can hold, as a blank or a
letter that is not ASCII, is percent-encoded (RFC 3986, section 2.1). A path with characters in which some
servers read more than their text, as ``;``, goes out encoded as any endpoint does: what was checked is what
is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from multidict import MultiMapping
from yarl import URL

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.endpoints.paths import BASE_URL
from airflow_mirrordb.client.endpoints.urls import origin_of, shown, split_url
from airflow_mirrordb.client.messages.headers import CONDITIONS_OF_READS, CONTROL, header_key
from airflow_mirrordb.client.messages.request import MirrorDBRequest, WireRequest
from airflow_mirrordb.client.messages.request_target import base_of

#: The target of a link in a Link header, its parameters, and what is neither (RFC 8288, B.2 and B.3).
_LINK_TARGET = re.compile(r"[\s,]*<([^>]*)>")
_LINK_PARAMETER = re.compile(
    r"[^;,]*;\s*([^\s=;,]*)\s*(?:=\s*(?:\"((?:[^\"\\]|\\.)*)\\?(?:\"|$)|([^;,]*)))?", re.DOTALL
)
_LINK_REST = re.compile(r"(?:\"(?:[^\"\\]|\\.)*\\?(?:\"|$)|[^,\"])*[\s,]*", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)  # RFC 9110, section 5.6.4
#: What is sent of ASCII as it is: all but what ends a request line, or the URL in most texts (WHATWG URL,
#: "query percent-encode set").
_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>')
#: A path that means its text to everybody who reads it.
_PLAIN_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*,=:@/]|%[0-9A-Fa-f]{2})*")


class BadLinkError(Exception):
    """A link cannot be followed; its text says why, and quotes no query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The request of one page.

    :param request: a read without ``paginate``
    :param target: path and query as a link of the backend's gave them; None if ``request`` says all
    :param conditional: whether the conditions of the request go along, and those of the connection: a page
        after the first one would be compared with what the caller has of the first one
    """

    request: MirrorDBRequest
    target: str | None = None
    conditional: bool = True

    def sent(self, checked: WireRequest) -> WireRequest:
        """Return what is sent, now that the request is checked.

        :param checked: the request of the endpoint, as it would be sent of its own
        """
        if not self.conditional:
            headers = checked.headers.copy()
            for name in checked.headers:
                if header_key(name) in CONDITIONS_OF_READS:
                    headers.popall(name, None)
            checked = replace(checked, headers=headers)
        if self.target is None:
            return checked
        path, mark, query = self.target.partition("?")
        if not _PLAIN_PATH.fullmatch(path):
            slash = "/" if path.endswith("/") else ""
            path = f"{checked.target.partition('?')[0].removesuffix('/')}{slash}"
        return replace(checked, target=f"{path}{mark}{query}", is_linked=True)

    @property
    def key(self) -> str:
        """What tells it from the request of another page."""
        request = self.request
        told = repr(
            (request.method, request.endpoint, request.query, request.data, request.headers, self.target)
        )
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()  # as a body may be long


def next_link(header: str) -> str | None:
    """Return the URL that a Link header names as the next one.

    One with ``results="false"`` leads to an empty page, which has such a link, too (Sentry, "Paginating
    Results").
    """
    for url, parameters in _links(header):
        if "next" in parameters["rel"].lower().split() and parameters.get("results", "").lower() != "false":
            return url
    return None


def _links(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the target and the parameters of each link (RFC 8288, appendix B.2 and B.3).

    A member of the list that is no link is passed over.
    """
    position, last = 0, header.rfind(">")
    while position < last:
        target = _LINK_TARGET.match(header, position)
        parameters: dict[str, str] = {}
        position = target.end() if target else position
        while target and (parameter := _LINK_PARAMETER.match(header, position)):
            position = parameter.end()
            quoted = parameter[2]
            value = parameter[3] or "" if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
            parameters.setdefault(parameter[1].lower(), value)  # those after the first are ignored
        if target and "rel" in parameters:
            yield target[1], parameters
        rest = _LINK_REST.match(header, position)
        position = rest.end() if rest and rest.end() > position else position + 1


def next_link_of(headers: Mapping[str, str]) -> str | None:
    """Return the URL that an answer's Link headers name as the next one.

    A header that is a list may come as several fields, which mean the same as one (RFC 9110, section 5.3).
    """
    fields = headers.getall("Link", ()) if isinstance(headers, MultiMapping) else [headers.get("Link", "")]
    return next_link(", ".join(fields))


def followed(
    page: PageRequest,
    sent: str,
    reference: str,
    base_url: str,
    *,
    rebase: bool,
    redirected: WireRequest | None = None,
    what: str = "the next page",
    remedy: str = "set 'rebase': True in paginate",
) -> PageRequest:
    """Return the request of a link, absolute or relative to the page that it was found on.

    A link is got, be it on the page of a read by a body (RFC 8288, section 3.1), unless it leads to the very
    path that this was sent to, as Azure's "Query - Usage" has it: what reads by a body there is asked by it
    again.

    :param page: the request of that page
    :param sent: the path and query that it was sent to, as ``/v1/users?limit=2``
    :param rebase: whether scheme, host and port of the link are those that the backend has inside, and the
        page is to be asked from the base URL's all the same
    :param redirected: what the page answers, if a redirect led to that: a relative link begins there (RFC
        3986, section 5.1.3)
    :param what: what is there, for the error
    :param remedy: what mends it that this is another host, if the backend is behind a proxy
    :raises BadLinkError: if it is no URL, or leads elsewhere
    """
    origin, prefix = base_of(base_url)
    asked_from, found = (origin, sent) if redirected is None else (redirected.origin, redirected.target)
    parts = _parts_of(reference, asked_from, found, origin, rebase=rebase, words=(what, remedy))
    path = quote(parts.path, safe=_AS_IT_IS)
    query = f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else ""
    # A backend behind a gateway that adds the prefix does not know of it.
    inner = path.removeprefix(f"{prefix}/").removeprefix("/") if prefix else path.removeprefix("/")
    if path.removesuffix("/") == prefix:
        endpoint, target = BASE_URL, f"{path or '/'}{query}"
    else:
        endpoint, target = inner.removesuffix("/"), f"{prefix}/{inner}{query}"
    request = replace(page.request, endpoint=endpoint)
    asked = {sent.partition("?")[0]}
    if redirected is not None:
        found_at = {found.partition("?")[0]}
        asked = asked - found_at if redirected.method == "GET" else asked | found_at
    if path not in asked:
        request = replace(request, method="GET", data=None)
    return PageRequest(request=request, target=target)


def _parts_of(
    reference: str, asked_from: URL, target: str, origin: URL, *, rebase: bool, words: tuple[str, str]
) -> SplitResult:
    """Return the parts of the URL that a link on a page means, which leads to the backend.

    :param asked_from: where the page came from, and ``target`` what was asked for there
    :param origin: of the backend
    :raises BadLinkError: if it is no URL, or leads elsewhere
    """
    link, (what, remedy) = _joined(f"{asked_from}{target}", reference), words
    if link is None:
        raise BadLinkError(f"{what} is told as {shortened(shown(reference), 200)!r}, which is no URL")
    parts, place = link
    if _address(place) == _address(asked_from) != _address(origin):  # its query may be a signature
        raise BadLinkError(
            f"a redirect led to {asked_from}, and {what} is there: requests for it stay at {origin}"
        )
    if not rebase and _address(place) != _address(origin):
        elsewhere = shortened(str(place), 300)
        raise BadLinkError(
            f"{what} is at {elsewhere}, and requests stay at {origin}; if that is the same backend"
            f" behind a proxy, {remedy}"
        )
    return parts


def _address(origin: URL) -> tuple[str, str | None, int | None]:
    """Return what is connected to; an explicit default port is the same (RFC 9110, section 4.2.3)."""
    return origin.scheme, origin.raw_host, origin.port


def _joined(url: str, reference: str) -> tuple[SplitResult, URL] | None:
    """Return what a reference means in the place of a URL (RFC 3986, section 5), and its origin."""
    if CONTROL.search(reference) or "\t" in reference:
        return None
    try:
        reference.encode()  # half of a surrogate pair cannot be
        parts = urlsplit(urljoin(url, reference))
        if parts.scheme not in ("http", "https"):
            return None
        return parts, origin_of(split_url(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"))
    except ValueError:  # whose words may quote the reference, which may hold a signature
        return None

"""What a request says, as a short text: the same in each try of a task, and in a list of any order. Pure."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.client.bodies.encoding import fingerprint, text_of
from airflow_mirrordb.client.messages.headers import header_key
from airflow_mirrordb.client.messages.request import MirrorDBRequest

#: Length of a name in bytes: of a million records two have the same once in ten thousand million bulks.
NAME_BYTES = 9
#: Characters of a name; nine bytes need no padding.
NAME_LENGTH = 12

#: What a record may ask for otherwise than those beside it, but for its query and body.
OWN = ("headers", "accept", "if_match", "if_none_match")
#: Headers that tell of a request, and are others when the same is asked for again: ids for traces and logs
#: (W3C "Trace Context" and "Baggage"; B3; those of AWS, Azure and Google), the time, and who asks.
_OF_THE_REQUEST = frozenset(
    {
        "b3",
        "baggage",
        "client-request-id",
        "correlation-id",
        "date",
        "request-id",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-amzn-trace-id",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-spanid",
        "x-b3-traceid",
        "x-cloud-trace-context",
        "x-correlation-id",
        "x-ms-client-request-id",
        "x-request-id",
    }
)


def content_of(request: MirrorDBRequest, own: Mapping[str, Any] | None = None) -> str:
    """Return what tells requests apart that ask for something else: method, endpoint, query and body.

    :param own: of a record, what it asks for by :data:`OWN` otherwise than those beside it
    :return: a SHA-256 of what is sent, as 64 hexadecimal digits
    :raises InvalidRequestError: if JSON cannot hold one of them; names it
    """
    said = {
        "method": request.method,
        "endpoint": request.endpoint,
        "query": request.query or None,
        "data": request.data,
    }
    files = {"files": request.files, "input_path": request.input_path}
    more = {"form": request.form, "content_type": request.content_type, "digest": request.digest}
    more |= {} if request.digest else files
    said |= {name: value for name, value in more.items() if value is not None}
    said |= own or {}
    return fingerprint(said, place="")


class RecordNames:
    """Names the requests of a bulk by their content, so that in another order they have the same names.

    Of equal ones each has a name of its own, which tells how many came before it.

    :param common: what is said for all of them, by name; of :data:`OWN` that tells none apart
    """

    def __init__(self, common: Mapping[str, Any] | None = None) -> None:
        self._seen = Counter[str]()
        self._common = {name: (common or {}).get(name) for name in OWN}

    def of(self, request: MirrorDBRequest) -> str:
        """Return the name of the next request, :data:`NAME_LENGTH` letters, digits, ``-`` and ``_``.

        :raises InvalidRequestError: as :func:`content_of`
        """
        content = self.content_of(request)
        name = name_of(content, self._seen[content])
        self._seen[content] += 1
        return name

    def content_of(self, request: MirrorDBRequest) -> str:
        """Return what :func:`content_of` does, of a record beside others.

        :raises InvalidRequestError: as :func:`content_of`
        """
        own = {
            name: asked
            for name, common in self._common.items()
            if (given := getattr(request, name)) is not common and (asked := _asked(given)) != _asked(common)
        }
        return content_of(request, own)


def name_of(content: str, number: int) -> str:
    """Return the name of one of several requests of a content, :data:`NAME_LENGTH` characters.

    :param number: counted from 0
    """
    digest = hashlib.sha256(f"{content} {number}".encode()).digest()
    return urlsafe_b64encode(digest[:NAME_BYTES]).decode()


def split_names(names: str) -> list[str]:
    """Return the names in a text that has nothing between them."""
    return [names[start : start + NAME_LENGTH] for start in range(0, len(names), NAME_LENGTH)]


def _asked(given: Any) -> Any:
    """Return what headers ask for, however their names are written (RFC 9110, 5.1); else what is given.

    :raises InvalidRequestError: if a header has no text; names it
    """
    if not isinstance(given, Mapping):
        return given
    asked = {
        name.lower(): text_of(value, f"headers[{name!r}]")
        for name, value in given.items()
        if isinstance(name, str) and header_key(name) not in _OF_THE_REQUEST
    }
    return asked or None

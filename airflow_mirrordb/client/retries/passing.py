"""Which answers may be others later, so that a task's own retries can help. Pure.

Whether the client itself sends a request again is said in :meth:`RetryPolicy.repeats`.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from http import HTTPStatus

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.media_types import is_html_type, is_json_type, takes_page

#: 4xx that say nothing against the request itself: a time-out, a lock that somebody else holds (RFC 4918,
#: section 11.3), too early, too many.
_PASSING = frozenset({408, 423, 425, 429})
#: 5xx that will be the same at any time (RFC 9110, sections 15.6.2 and 15.6.6).
_FINAL = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED})
#: How a page for people begins.
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body|title|h\d|center)\b", re.IGNORECASE)


def may_pass(status: int, config: MirrorDBConfig, *, asks_to_wait: bool) -> bool:
    """Return whether a failure may pass by itself: the backend asks to come back, or its status says so.

    Gateways have statuses of their own, as 520 to 530, so any 5xx may pass that does not say otherwise.

    :param asks_to_wait: whether the answer says when to come back, as by Retry-After
    """
    if status in config.retry_statuses or status in _PASSING:
        return True
    if asks_to_wait and status >= HTTPStatus.BAD_REQUEST:
        return True
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in _FINAL


def is_web_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether an answer that should be JSON is a page for people, as proxies send for maintenance."""
    return "html" in headers.get("Content-Type", "").lower() or _PAGE.match(body) is not None


def is_unasked_page(headers: Mapping[str, str], body: bytes, accept: str | None) -> bool:
    """Return whether an answer is a page for people where something else was asked for, as ``text/csv``.

    It calls itself HTML and looks like that: many frameworks call each text HTML that an author gives no
    type. Or it calls itself nothing, or JSON, and begins as a page does.

    :param body: its beginning
    :param accept: what was asked for; None for JSON
    """
    if accept is not None and takes_page(accept):
        return False
    content_type, text = headers.get("Content-Type"), body.removeprefix(BOM_UTF8)
    if content_type is None or is_json_type(content_type):
        return _PAGE.match(text) is not None
    return is_html_type(content_type) and text.lstrip().startswith(b"<")

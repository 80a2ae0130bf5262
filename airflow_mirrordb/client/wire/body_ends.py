"""Where the head and the body of an answer end, and whether it came whole (RFC 9112, sections 6.3 and 8)."""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE, TRANSFER_ENCODING

from airflow_mirrordb.client.auth.redaction import shortened

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.request import WireRequest
    from airflow_mirrordb.client.wire.aiohttp.private import Response

#: Answers that end with their head, whatever it announces (RFC 9112, section 6.3); a 205 has no body either
#: (RFC 9110, section 15.3.6).
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r\n]")
# to look a member of an enum up takes longer than to compare it
_OK, _SWITCHING_PROTOCOLS = HTTPStatus.OK, HTTPStatus.SWITCHING_PROTOCOLS
_PARTIAL_CONTENT = HTTPStatus.PARTIAL_CONTENT
_IN_BYTES, _OF_ALL_BYTES = re.compile(r"bytes\b", re.IGNORECASE), re.compile(r"bytes 0-(\d+)/(\d+)")


def is_final(status: int) -> bool:
    """Whether no other answer follows (RFC 9110, section 15.2)."""
    return status >= _OK or status == _SWITCHING_PROTOCOLS


def split_head(raw: bytes) -> tuple[bytes, bytes] | None:
    """Return the head of the final answer in some bytes, and what follows it; None if it is not all there."""
    status, start = final_status(raw)
    end = raw.find(b"\r\n\r\n", start) + 4
    if status is None or end < 4:  # noqa: PLR2004  # there is no end
        return None
    return raw[start:end], raw[end:]


def final_status(raw: bytes) -> tuple[int | None, int]:
    """Return the status of the final answer in some bytes, if it is there, and where its head begins."""
    start = 0
    while found := _STATUS_LINE.match(raw, start):
        if is_final(status := int(found[1])):
            return status, start
        end = raw.find(b"\r\n\r\n", start)
        if end < 0:
            break
        start = end + 4
    return None, start


def is_body_to_come(response: Response) -> bool:
    """Whether an answer that must not have a body announces one, which would be taken for the next answer.

    A 304 says in Content-Length how long the body is that it does not have (RFC 9110, section 8.6).
    """
    if response.status not in WITHOUT_BODY or response.status == HTTPStatus.RESET_CONTENT:
        return False  # of a 205 the body is parsed, though not read
    length = response.headers.get(CONTENT_LENGTH, "0") if response.status == HTTPStatus.NO_CONTENT else "0"
    return length != "0" or TRANSFER_ENCODING in response.headers


def unasked_part(response: Response, request: WireRequest) -> str:
    """Return why the answer to a read is only a part of what was asked for; "" if it is not.

    A range of bytes answers who asked for one (RFC 9110, section 15.3.7). Ranges of other units, as
    ``items``, are pages of a list on some backends, and come unasked.
    """
    if response.status != _PARTIAL_CONTENT or not request.reads:
        return ""
    if _IN_BYTES.match(request.headers.get(RANGE, "")):
        return ""
    told = response.headers.get(CONTENT_RANGE, "").strip()
    if (all_of_it := _OF_ALL_BYTES.fullmatch(told)) and int(all_of_it[1]) + 1 == int(all_of_it[2]):
        return ""
    if _IN_BYTES.match(told):
        return f"it is a part of the body (Content-Range: {shortened(told, 100)}), and no Range was asked for"
    if response.headers.get(CONTENT_TYPE, "").lower().startswith("multipart/byteranges"):
        return "it is several parts of the body (multipart/byteranges), and no Range was asked for"
    return ""


def check_end(response: Response) -> None:
    """Check a body that ends with its connection. Only how that ended tells whether it is whole.

    A reset cuts it off. Over TLS so does an end without a closure alert, which anybody on the way can
    cause (RFC 9112, sections 8 and 9.8; RFC 8446, section 6.1).

    :raises aiohttp.ClientError: if it was cut off
    """
    has_end = CONTENT_LENGTH in response.headers or TRANSFER_ENCODING in response.headers
    if has_end or response.status in WITHOUT_BODY:
        return
    end = response.connection_error()
    if end is None:  # the connection goes on: there is no body
        return
    if not isinstance(end, aiohttp.ServerDisconnectedError):
        raise end
    if (tls := response.tls()) is not None and not has_closure_alert(tls):
        raise aiohttp.ClientPayloadError("it ended without a closure alert of TLS")


def has_closure_alert(tls: ssl.SSLObject) -> bool:
    """Whether the other side said that nothing more comes."""
    try:
        tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
    return False

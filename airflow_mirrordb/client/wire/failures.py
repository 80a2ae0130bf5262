"""What aiohttp raises, as errors of the client, without the secrets that it shows."""

from __future__ import annotations

import asyncio
import re
import ssl
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.compression import CompressionError
from airflow_mirrordb.client.errors import (
    ConnectError,
    DisconnectedError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from airflow_mirrordb.client.retries.retry import RETRY_STATUSES
from airflow_mirrordb.client.retries.wait_headers import wait_asked
from airflow_mirrordb.client.wire.aiohttp.private import UnparsableError

#: How aiohttp quotes what it received, on a line of its own, up to the end of its message.
_QUOTED = re.compile(r":?\s*(?:\bbytearray\()?\bb['\"].*", re.DOTALL)

#: What mends a certificate that was refused, by OpenSSL's code for why (``X509_V_ERR_*`` in x509_vfy.h).
_SET_VERIFY = (
    "set the extra 'verify' (Verify certificate in the form) to the file of the authority that issued it"
)
_CERTIFICATE_MENDS = {
    **dict.fromkeys((2, 18, 19, 20, 21, 27), _SET_VERIFY),
    9: "check the clock of this machine, and then the certificate",
    10: "whoever runs that server has to renew it, unless the clock of this machine is wrong",
    **dict.fromkeys((62, 64), "use the name that the certificate is for"),
}
#: OpenSSL's words for bytes in the place of a handshake that are none of TLS, as those of an HTTP answer.
_NO_TLS = ("wrong version number", "record layer failure", "unknown protocol", "http request")
_NO_TLS_MEND = (
    "no TLS is spoken there: if it is plain http, say http in Host or Schema (in the URI of a connection as"
    " its path, mirrordb://HOST:PORT/http), else check the port"
)
#: What aiohttp says of a body that was cut off, around it an error with the status 400, which nobody sent.
_RECEIVED = re.compile(r"\(received (\d{1,18}) of (\d{1,18}) bytes\)")
_PARSER_ERROR = re.compile(r"<\w+: 400, message=(['\"])(.+)\1>")
#: What mends a connection over plain http that was closed before anything ever came on one.
NO_ANSWER_MEND = "; if it speaks https, say so in Host or Schema"
_NO_CERTIFICATE = (
    "it may want a client certificate: set the extras 'client_cert' and 'client_key' (Client certificate and"
    " Client key in the form)"
)
_OTHER_CERTIFICATE = "it does not accept the certificate in the extra 'client_cert' (Client certificate)"
#: What mends an alert by which a server ends TLS (RFC 8446, section 6.2), by OpenSSL's words for it.
_ALERT_MENDS = {
    "alert handshake failure": _NO_CERTIFICATE,
    "alert certificate required": _NO_CERTIFICATE,
    "alert bad certificate": _OTHER_CERTIFICATE,
    "alert unsupported certificate": _OTHER_CERTIFICATE,
    "alert certificate revoked": _OTHER_CERTIFICATE,
    "alert certificate expired": _OTHER_CERTIFICATE,
    "alert certificate unknown": _OTHER_CERTIFICATE,
    "alert unknown ca": _OTHER_CERTIFICATE,
}


def own_error(  # noqa: PLR0911  # one a kind
    error: BaseException,
    backend: URL,
    seconds: float,
    *,
    sent: bool,
    now: float,
    through_proxy: bool = False,
    verify: bool | str = True,
) -> TransportError | None:
    """Return the client's error for one of aiohttp's; None if it is none of those.

    :param seconds: the request had
    :param sent: whether there was a connection to send it on
    :param now: unix time, for a Retry-After that is a date
    :param through_proxy: whether there is a proxy between
    :param verify: the setting by which certificates were checked
    """
    origin = str(backend)
    no_connection = f"cannot connect to {origin}{' through the proxy' if through_proxy else ''}"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLCertVerificationError):
        is_proxy = through_proxy and _is_elsewhere(error, backend)
        return _tls_error(error, "the proxy" if is_proxy else origin, verify)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        passes = not isinstance(error, aiohttp.InvalidURL)  # a host that only looks like an address
        return ConnectError(message=f"{no_connection}: {_words(error)}", retryable=passes)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(error, origin, now)
    if isinstance(error, asyncio.TimeoutError):
        return _timed_out(origin, seconds, sent=sent)
    if isinstance(error, CompressionError):
        return DisconnectedError(message=f"the answer of {origin} is damaged: {error}", sent=True)
    if not sent and isinstance(error, aiohttp.ClientError | UnparsableError | OSError):
        return ConnectError(message=f"{no_connection}: {_words(error)}")
    if isinstance(error, UnparsableError):
        return DisconnectedError(
            message=f"the answer of {origin} cannot be parsed: {_words(error)}", sent=sent
        )
    if isinstance(error, aiohttp.ClientError | OSError):
        broke = f"the connection to {origin} broke before the whole answer was there"
        words = _words(error)
        return DisconnectedError(message=f"{broke}: {words}{_mend_of_alert(words)}", sent=sent)
    return None


def _tls_error(
    error: aiohttp.ClientSSLError | ssl.SSLCertVerificationError, server: str, verify: bool | str
) -> TLSError:
    """Return the error of a handshake that failed; the next one would fail alike, unless it broke off."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        reason = getattr(error, "certificate_error", error)
        words = getattr(reason, "verify_message", "") or str(reason)
        mend = _CERTIFICATE_MENDS.get(getattr(reason, "verify_code", 0), "")
        if mend == _SET_VERIFY and isinstance(verify, str):
            mend = (
                f"no authority in the extra 'verify' ({verify!r:.200}) issued it: name the file of that one"
            )
        told = f"{words.rstrip('.')}{'; ' if mend else ''}{mend}"
        return TLSError(message=f"the certificate of {server} was refused: {told}", retryable=False)
    words = _words(error)
    failed = f"the TLS handshake with {server} failed: {words}"
    if any(sign in words.lower() for sign in _NO_TLS):
        return TLSError(message=f"{failed}; {_NO_TLS_MEND}", retryable=False)
    return TLSError(message=f"{failed}{_mend_of_alert(words)}")


def _is_elsewhere(error: BaseException, backend: URL) -> bool:
    """Whether the other end was not the backend, but the proxy."""
    place = getattr(error, "host", backend.host), getattr(error, "port", backend.port)
    return place != (backend.host, backend.port)


def _mend_of_alert(words: str) -> str:
    mend = next((mend for alert, mend in _ALERT_MENDS.items() if alert in words.lower()), "")
    return f"; {mend}" if mend else ""


def forget_credentials(error: BaseException) -> None:
    """Take out of aiohttp's errors what they show: the headers sent, the proxy's user, and bytes received.

    A server that repeats what it was sent would have the key in its garbage.
    """
    link: BaseException | None = error
    for _ in range(10):  # a chain may be a ring
        if link is None:
            break
        _forget(link)
        link = link.__cause__ or link.__context__


def _forget(error: BaseException) -> None:
    if isinstance(error, aiohttp.ClientConnectorError):
        # below aiohttp 3.13 that of a certificate has no os_error
        error.args = (getattr(error, "certificate_error", None) or error.os_error,)
    elif isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        nothing = CIMultiDictProxy(CIMultiDict[str]())
        url = info.real_url.with_user(None)
        error.request_info = aiohttp.RequestInfo(url, info.method, nothing, url)
        error.args = (error.request_info, error.history)
        error.message = _without_quotes(error.message)
    elif isinstance(error, aiohttp.ClientError | UnparsableError):
        error.args = tuple(_without_quotes(part) if isinstance(part, str) else part for part in error.args)
        if hasattr(error, "message"):
            received_head = not isinstance(error.message, str)  # of a server that disconnected after it
            error.message = "Server disconnected" if received_head else _without_quotes(error.message)
            error.args = (error.message,)


def _without_quotes(text: str) -> str:
    return shortened(" ".join(_QUOTED.sub("", text).split()) or "…", 500)


def _refused_by_proxy(error: aiohttp.ClientHttpProxyError, origin: str, now: float) -> ConnectError:
    """Return the error of a CONNECT that was refused; its status is judged as that of a backend."""
    passes = error.status in RETRY_STATUSES or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    wait = wait_asked(error.headers or {}, error.status, now) if passes else None
    told = wait.end_of_message if wait else ""
    return ConnectError(
        message=f"the proxy refused the connection to {origin}: {error.status} {error.message}{told}",
        retryable=passes,
        retry_after=wait.seconds if wait else None,
    )


def _timed_out(origin: str, timeout: float, *, sent: bool) -> TransportError:
    if sent:
        return RequestTimeoutError(message=f"{origin} did not answer within {timeout:g} s", sent=True)
    return ConnectError(message=f"cannot connect to {origin} within {timeout:g} s")


def _words(error: BaseException) -> str:
    reason = getattr(error, "os_error", None) or getattr(error, "message", None) or error
    words = str(reason) or type(reason).__name__
    if not isinstance(error, aiohttp.ClientPayloadError):
        return words
    if counts := _RECEIVED.search(words):
        return f"{int(counts[1]):,} of {int(counts[2]):,} bytes came"
    inner = _PARSER_ERROR.search(words)
    return inner[2] if inner else words

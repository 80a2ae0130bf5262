"""All errors of the client, in one tree.

::

    MirrorDBError
    ├── ConfigError              a setting is wrong; names the field
    ├── InstallationError        aiohttp is installed in a version that does not work; names those that do
    ├── InvalidRequestError      an argument cannot be sent; nothing was
    ├── EndpointNotAllowedError  no registered pattern allows the request; nothing was sent
    ├── TransportError           no answer
    │   ├── ConnectError             the connection was never made
    │   ├── TLSError                 the handshake failed; final when it was the certificate
    │   ├── RequestTimeoutError      no answer in time
    │   └── DisconnectedError        the connection broke before the whole answer was there, or it is damaged
    ├── ResponseError            an answer that is no success; a redirect that is not followed too
    │   ├── InvalidDataError         400, 422
    │   ├── AuthenticationError      401
    │   ├── ForbiddenError           403
    │   ├── NotFoundError            404, 410
    │   ├── ConflictError            409, 412, 428
    │   ├── NotReadyError            202 to a read: what it asks for is still being made
    │   ├── RefusedError             a 2xx whose body tells of an error, at error_path
    │   ├── RateLimitError           429
    │   └── ServerError              5xx
    ├── InvalidResponseError     a success whose body is too large, not whole, a page, or, of a read, not JSON
    ├── FailedStateError         a resource will never be what a sensor waits for
    │   └── JobFailedError           a job failed, was cancelled, or is gone
    ├── JobTimeoutError          a job was not done in time
    ├── InputError               a file that could not be read to be sent, or was changed meanwhile
    ├── OutputError              an answer that could not be written where it should be
    ├── AmbiguousWriteError      a write that may or may not have been applied
    └── BulkError                records of a bulk failed; carries the report of all

Every error is plain data: :meth:`MirrorDBError.to_dict` gives JSON values and
:func:`MirrorDBError.from_dict` the same error again, in another process too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

#: What is said of a request that ended because its client did.
DISCONNECTED = "the client was disconnected"


@dataclass(eq=False, kw_only=True)
class MirrorDBError(Exception):
    """Any failure of a MirrorDB request.

    :param message: what went wrong and what would be right, for a person
    :param method: HTTP method, as ``GET``; None if the error came before there was a request
    :param endpoint: the endpoint as the caller gave it
    :param method_name: the caller's label for the request
    :param conn_id: id of the Airflow connection; None of a client that was given none
    :param attempts: requests sent before giving up; 0 when nothing was sent
    :param retryable: whether the same request may be sent again later without harm, and with hope
    :param maybe_applied: whether the backend may have applied the write, by this attempt or one before it
    """

    message: str
    method: str | None = None
    endpoint: str | None = None
    method_name: str | None = None
    conn_id: str | None = None
    attempts: int = 0
    retryable: bool = False
    maybe_applied: bool = False
    #: Whether the message of this class says so itself.
    _tells_what_is_applied: ClassVar[bool] = False

    def __str__(self) -> str:
        request = ""
        if self.method:
            request = named(self.method, self.endpoint, self.method_name, self.conn_id) + ": "
        elif self.conn_id:
            request = f"connection {_printable(self.conn_id)}: "
        facts = [f"{self.attempts} attempts"] if self.attempts > 1 else []
        if self.maybe_applied and not self._tells_what_is_applied:
            facts.append("the write may have been applied")
        told = f" ({', '.join(facts)})" if facts else ""
        return f"{request}{one_line(self.message)}{told}"

    def __reduce__(self) -> tuple[Callable[..., MirrorDBError], tuple[dict[str, Any]]]:
        return MirrorDBError.from_dict, (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as plain JSON values; ``type`` is the name of its class."""
        return {"type": type(self).__name__, **asdict(self)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> MirrorDBError:
        """Return the error that :meth:`to_dict` described.

        Made for events that another version of this package wrote: a class not known here becomes
        a plain :class:`MirrorDBError`, a fact not known here is left out.
        """
        error_class = _classes().get(data.get("type", ""), MirrorDBError)
        known = {field.name for field in fields(error_class)}
        facts = {name: value for name, value in data.items() if name in known}
        return error_class(**{"message": "unknown error", **facts})


@dataclass(eq=False, kw_only=True)
class ConfigError(MirrorDBError):
    """A setting of the connection is wrong.

    :param field: the setting, as the connection's extra names it
    """

    field: str = ""


class InstallationError(MirrorDBError):
    """The installed version of aiohttp does not work; the message names the versions that do."""


@dataclass(eq=False, kw_only=True)
class InvalidRequestError(MirrorDBError):
    """An argument of the request cannot be sent; nothing was.

    :param field: the argument, with the way into it, as ``data.items[3].price``
    """

    field: str = ""


@dataclass(eq=False, kw_only=True)
class EndpointNotAllowedError(MirrorDBError):
    """No registered pattern allows this method on this endpoint; nothing was sent.

    :param reason: what is wrong with the endpoint
    :param pattern: the pattern that would allow it, if one could
    """

    reason: str = ""
    pattern: str | None = None


@dataclass(eq=False, kw_only=True)
class TransportError(MirrorDBError):
    """There was no answer, or no whole one.

    :param sent: whether the request may have reached the backend
    :param status: of an answer whose body did not come whole; None if there was no answer at all
    """

    retryable: bool = True
    sent: bool = False
    status: int | None = None


@dataclass(eq=False, kw_only=True)
class ConnectError(TransportError):
    """The connection was never made: name not found, refused, unreachable, timed out.

    :param retry_after: seconds that the proxy asked us to wait
    """

    retry_after: float | None = None


class TLSError(TransportError):
    """The TLS handshake failed; not retryable when the certificate was the reason."""


class RequestTimeoutError(TransportError):
    """There was no answer within ``timeout``."""


class DisconnectedError(TransportError):
    """The connection broke before the whole answer was there, or what came of it is damaged."""


@dataclass(eq=False, kw_only=True)
class ResponseError(MirrorDBError):
    """The backend answered, and not with a success.

    :param status: HTTP status; a plain int, since gateways also send 520
    :param code: the backend's own machine-readable code, if its body has one
    :param detail: the backend's own words, at most 2 kB
    :param request_id: the id under which the backend logged the request
    :param retry_after: seconds that the backend asked us to wait
    :param answered_by: origin of another host, of ``redirect_hosts``, if it was that which answered
    """

    status: int = 0
    code: str | None = None
    detail: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    answered_by: str | None = None


class InvalidDataError(ResponseError):
    """400 or 422: the backend does not accept the data."""


class AuthenticationError(ResponseError):
    """401: the backend does not accept the key."""


class ForbiddenError(ResponseError):
    """403: the key may not do this."""


@dataclass(eq=False, kw_only=True)
class NotFoundError(ResponseError):
    """404, or 410: there is no such resource, or no more.

    :param url: what was asked for; without its query, if that may hold a secret
    """

    url: str | None = None

    def __str__(self) -> str:
        return f"{super().__str__()} (asked for {one_line(self.url)})" if self.url else super().__str__()


class ConflictError(ResponseError):
    """409, 412 or 428: the resource is in another state than the request assumes."""


class NotReadyError(ResponseError):
    """A read was answered 202, or another of ``pending_statuses``: what it asks for is not ready yet."""


@dataclass(eq=False, kw_only=True)
class RefusedError(ResponseError):
    """A 2xx whose body tells of an error, at the connection's ``error_path``: the request was refused.

    Of a 207 some parts were refused, and others may have been applied.

    :param parts: the places in the body of those that were refused, as ``results[1]``
    """

    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        #: The whole answer, a ``MirrorDBResponse``, where the error was raised; it goes nowhere else.
        self.response: Any = None


class RateLimitError(ResponseError):
    """429: too many requests; ``retry_after`` says when to come back.

    The client itself raises it as well, for a request whose turn would come too late, which is not sent; its
    status is 429 then, though nobody answered.
    """


class ServerError(ResponseError):
    """5xx: the backend failed."""


@dataclass(eq=False, kw_only=True)
class InvalidResponseError(MirrorDBError):
    """A success whose body is too large, not whole, a page, or, of a read, not JSON; a write was applied.

    :param status: HTTP status of the answer
    :param request_id: the id under which the backend logged the request
    :param too_large: whether the body is larger than ``max_response_bytes``
    :param is_page: whether it is a page (HTML) that was not asked for, which tells nothing of a write
    """

    status: int = 0
    request_id: str | None = None
    too_large: bool = False
    is_page: bool = False
    _tells_what_is_applied: ClassVar[bool] = True


@dataclass(eq=False, kw_only=True)
class FailedStateError(MirrorDBError):
    """A resource is in a state by which it will never be what is waited for.

    :param field: the path of the state in the body
    :param state: the state
    :param detail: the backend's own words about it, at most 2 kB
    """

    field: str = ""
    state: Any = None
    detail: str = ""


@dataclass(eq=False, kw_only=True)
class JobFailedError(FailedStateError):
    """A remote job failed, was cancelled, or is gone; another one may do better.

    :param job: its endpoint
    """

    job: str = ""
    retryable: bool = True


@dataclass(eq=False, kw_only=True)
class JobTimeoutError(MirrorDBError):
    """A remote job was not done in time.

    :param job: its endpoint
    :param cancelled: whether it was cancelled; None if there is no request that does
    """

    job: str = ""
    cancelled: bool | None = None
    retryable: bool = True


@dataclass(eq=False, kw_only=True)
class InputError(MirrorDBError):
    """A file that was to be sent could not be read, or was changed; no whole body was sent.

    :param path: where it lies
    """

    path: str = ""


@dataclass(eq=False, kw_only=True)
class OutputError(MirrorDBError):
    """An answer could not be written where it should be; what was there before is unchanged.

    Where a storage does not say what became of its copy, that is not sure; the message tells where the
    whole file is.

    :param path: where that is
    """

    path: str = ""


@dataclass(eq=False, kw_only=True)
class AmbiguousWriteError(MirrorDBError):
    """A write that may or may not have been applied, and must not be repeated blindly.

    :param idempotency_key: the key the write was sent with, if any
    :param cause: the error that hid the outcome, as :meth:`MirrorDBError.to_dict` gives it
    """

    maybe_applied: bool = True
    idempotency_key: str | None = None
    cause: dict[str, Any] | None = None
    _tells_what_is_applied: ClassVar[bool] = True


@dataclass(eq=False, kw_only=True)
class BulkError(MirrorDBError):
    """Records of a bulk failed; what else this error says is of the first of them.

    ``retryable`` if all failures are. Whoever repeats the bulk repeats what is done too, unless
    idempotency keys, or he himself, see to it.

    Or the items, or ``response_filter``, raised an error, which is its ``__cause__`` then, and writes were
    done, or may be. It is only ``retryable`` then if nothing is doubled by who repeats the bulk.

    :param report: what became of each record, as :meth:`BulkReport.to_dict` gives it
    :param retry_after: longest time in seconds that the backend asked a failed record to wait
    """

    report: dict[str, Any] = field(default_factory=dict, repr=False)
    retry_after: float | None = None
    _tells_what_is_applied: ClassVar[bool] = True


def remedy(name: object, known: Iterable[str]) -> str:
    """Return what a message advises about a name that is not known: the nearest one, or all."""
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def named(method: str, endpoint: str | None, method_name: str | None, conn_id: str | None) -> str:
    """Return the name of a request, or of several, as ``GET api/users [list] through connection crm``."""
    to = "" if endpoint is None else f" {_printable(endpoint)}"
    label = f" [{_printable(method_name)}]" if method_name else ""
    through = f" through connection {_printable(conn_id)}" if conn_id else ""
    return f"{method}{to}{label}{through}"


def _printable(text: str | None) -> str:
    """A line break in a log line would forge another one."""
    return text if text and text.isprintable() else repr(text)


def one_line(message: str) -> str:
    """Return a message without line breaks, as a line of a log has to be."""
    if message.isprintable():
        return message
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in message)


def _classes(root: type[MirrorDBError] = MirrorDBError) -> dict[str, type[MirrorDBError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_classes(child))
    return found

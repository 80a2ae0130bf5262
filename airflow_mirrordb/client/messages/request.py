"""From a request as its author means it to what goes over the wire. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, TypedDict, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.requests import body_of
from airflow_mirrordb.client.calls.argument_names import remedy_for
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.paths import MAX_ENDPOINT_LENGTH
from airflow_mirrordb.client.endpoints.patterns import READS, Method
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.endpoints.urls import shown
from airflow_mirrordb.client.errors import (
    EndpointNotAllowedError,
    InputError,
    InvalidRequestError,
    MirrorDBError,
)
from airflow_mirrordb.client.messages.request_headers import add_headers, has_plain_headers, plain_headers
from airflow_mirrordb.client.messages.request_target import base_of, query_of, target_of
from airflow_mirrordb.client.messages.write_mark import WriteMark
from airflow_mirrordb.client.uploads.sources import LocalFile, OpenSource
from airflow_mirrordb.client.uploads.upload import Upload
from airflow_mirrordb.client.values import value_class

AnyError = TypeVar("AnyError", bound=MirrorDBError)

#: The methods that an idempotency key goes with.
KEYED = ("POST", "PATCH")
#: Characters of a label, which is in each line of the log; Airflow's task ids have at most 250.
MAX_LABEL_LENGTH = 500


class RequestOptions(TypedDict, total=False):
    """What any request may say beyond its method, endpoint and data; see :class:`MirrorDBRequest`."""

    query: Mapping[str, Any] | None
    headers: Mapping[str, str] | None
    timeout: float | None
    if_match: str | Sequence[str] | None
    if_none_match: str | Sequence[str] | None
    idempotency_key: str | None
    once: bool
    accept: str | None
    full_response: bool


class BodyOptions(RequestOptions, total=False):
    """What a request that writes may say beyond its data; see :class:`MirrorDBRequest`."""

    form: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    input_path: str | None
    content_type: str | None


@value_class
class MirrorDBRequest:
    """One request as its author means it; plain values, so that it can be stored and sent elsewhere.

    :param method: HTTP method; ``QUERY`` is a read by a body, sent by the connection's ``query_method``
    :param endpoint: path relative to the connection's base URL; ``/`` is that URL itself
    :param method_name: label in logs and errors
    :param data: JSON value for the body, without the connection's envelope, which a QUERY has none of;
        None sends no body
    :param form: fields of a form in the place of data, as ``{"name": "Ada", "tags": ["a", "b"]}``
    :param files: paths of files by the names of their fields, each one or a list, which are sent as a
        multipart form, behind the fields of ``form`` if there are any; a file is read anew for each attempt
    :param input_path: path of a file that is sent as it is, likewise
    :param content_type: what ``input_path`` holds, as ``text/csv``; or what the data is called instead of
        ``application/json``, as ``application/merge-patch+json``
    :param digest: of the files, as :meth:`PreparedRequest.read_digest` returns it; other content is not sent
    :param versions: of the files, as attempts before saw them (:attr:`PreparedRequest.to_be_resumed`); files
        that were changed since then are not sent
    :param query: values of the query; lists repeat the name; None is left out of a GET, and refused else
    :param headers: further headers; strings or numbers
    :param timeout: longest time that one attempt may take, in seconds; the connection's if None
    :param if_match: entity tag which the resource must still have (RFC 9110, section 13.1.1), as ``"v1"``,
        or a list of them; ``*`` for any
    :param if_none_match: entity tag which the resource must no longer have (section 13.1.2), likewise
    :param idempotency_key: key by which the backend knows a repeated POST or PATCH, sent if the
        connection has an ``idempotency_header``
    :param once: whether a write that may not be repeated is sent by one try of a task alone: the next one
        raises :class:`~airflow_mirrordb.client.AmbiguousWriteError`; False sends it in each. Only a client
        that a hook made in a running task heeds it, from Airflow 3.3 on.
    :param missing_ok: whether a DELETE or a GET that meets 404 or 410 is a success, which has no data; not
        with ``paginate``
    :param accept: media types that the answer shall have, as ``text/csv`` (RFC 9110, section 12.5.1), instead
        of JSON; an answer whose content type is not JSON is its text then
    :param full_response: whether the result is a :class:`~airflow_mirrordb.client.FullResponse`
    :param any_body: whether a GET is only asked if there is something: a body that is not JSON is None then
    :param paginate: how a GET goes on to further pages: the arguments of
        :class:`~airflow_mirrordb.client.Pagination`; None if one answer is all
    """

    method: Method
    endpoint: str
    method_name: str | None = None
    data: Any = None
    form: Mapping[str, Any] | None = None
    files: Mapping[str, Any] | None = None
    input_path: str | None = None
    content_type: str | None = None
    digest: str | None = None
    versions: Mapping[str, str] | None = None
    query: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    timeout: float | None = None
    if_match: str | Sequence[str] | None = None
    if_none_match: str | Sequence[str] | None = None
    idempotency_key: str | None = None
    once: bool = True
    missing_ok: bool = False
    accept: str | None = None
    full_response: bool = False
    any_body: bool = False
    paginate: Mapping[str, Any] | None = None

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method in READS


Headers = CIMultiDict[str] | CIMultiDictProxy[str]


@value_class
class WireRequest:
    """One HTTP request, checked and complete but for the credentials; what is sent is exactly this, and them.

    :param origin: of the backend: scheme, host and port
    :param target: percent-encoded path and query (RFC 9112, section 3.2.1)
    :param repeatable: whether sending it twice leaves what sending it once does
    :param anonymous: whether it goes to another host than the backend's, which must not know who sends it
    :param is_linked: whether the backend gave its target, as a link or a redirect: its query may be a secret
    :param reads: whether it changes nothing, so that its loss is no loss
    :param is_other: whether a 303 led to it: another resource, which answers in the place of the one that was
        asked for (RFC 9110, section 15.4.4)
    """

    method: Method
    origin: URL
    target: str = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes | Upload | None = field(repr=False)
    timeout: float
    repeatable: bool
    anonymous: bool = False
    is_linked: bool = False
    reads: bool = False
    is_other: bool = False

    @property
    def url(self) -> URL:
        """The target as a URL."""
        return URL(f"{self.origin}{self.target}", encoded=True)


@value_class
class PreparedRequest:
    """A request that is checked and encoded, for who looks at it before it is sent.

    :param request: what its author means, with the idempotency key that it is sent with
    :param wire: what is sent
    :param base_url: of the backend that it is for
    :param mark: of a write, by which the next run of the caller knows of it, if it has to
    """

    request: MirrorDBRequest
    wire: WireRequest = field(repr=False)
    base_url: str = field(repr=False)
    mark: WriteMark | None = field(default=None, repr=False)

    def is_for(self, base_url: str) -> bool:
        """Whether it goes to the backend whose key it would be sent with."""
        return self.base_url == base_url

    def check_backend(self, base_url: str) -> None:
        """Check that it goes to the backend of a base URL.

        :raises InvalidRequestError: if not
        """
        if not self.is_for(base_url):
            message = (
                "base_url: it was changed after this request was prepared, or its bulk begun; begin anew"
            )
            raise attach_request(InvalidRequestError(message=message, field="base_url"), self.request)

    @property
    def url(self) -> str:
        """The URL of its resource, without the query."""
        return str(self.wire.url.with_query(None))

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice leaves what sending it once does."""
        return self.wire.repeatable

    @property
    def body(self) -> bytes | Upload | None:
        """The body as it is sent, or the files that it is read from; None if there is none."""
        return self.wire.body

    @property
    def is_upload(self) -> bool:
        """Whether the body is read from files."""
        return isinstance(self.wire.body, Upload)

    @property
    def to_be_resumed(self) -> MirrorDBRequest:
        """The request, with the versions of the files that were looked at, for who goes on with it.

        A digest tells more.
        """
        is_told = self.request.digest is not None
        if not is_told and isinstance(self.wire.body, Upload) and self.wire.body.versions:
            return replace(self.request, versions=self.wire.body.versions)
        return self.request

    def read_digest(self) -> str | None:
        """Read all files of the body, and return what tells their content; None if there are none; blocks.

        :raises InputError: if one cannot be read
        """
        if not isinstance(self.wire.body, Upload):
            return None
        try:
            return self.wire.body.read_digest()
        except InputError as error:
            raise attach_request(error, self.request) from error.__cause__


def update_method(config: MirrorDBConfig, body: object, *, partial: bool) -> Method:
    """Return the method of an update.

    :raises InvalidRequestError: if there is nothing to update by; a :class:`MirrorDBRequest` may do so
    """
    if body is None:
        raise _bad("data", "it is None, and an update without a body could empty the resource")
    return "PATCH" if partial else config.update_method


def read_method(data: object) -> Method:
    """Return the method of a read: with data, which may be empty, it is a QUERY."""
    return "GET" if data is None else "QUERY"


def prepare(
    request: MirrorDBRequest,
    config: MirrorDBConfig,
    registry: EndpointRegistry,
    open_source: OpenSource = LocalFile,
    plain: CIMultiDictProxy[str] | None = None,
) -> WireRequest:
    """Check a request and build what will be sent.

    :param open_source: returns the file of a path
    :param plain: the :func:`plain_headers` of the settings, if they are known

    :raises EndpointNotAllowedError: if no registered pattern allows it
    :raises InvalidRequestError: if an argument cannot be sent; names it
    """
    method = request.method
    try:
        if request.method_name is not None:
            _check_label(request.method_name)
        if request.missing_ok and request.paginate is not None:
            raise _bad("missing_ok", "a page that is missing is no end of a collection; leave one of the two")
        path = registry.path_for(method, request.endpoint)
        headers, body = _headers_and_body(request, config, open_source, plain)
        if method == "QUERY" and body is None:
            raise _bad("data", "it is None, and a QUERY says there what it wants; read without data is a GET")
        if request.query and config.query_key is not None and config.query_key in request.query:
            raise _bad(f"query[{config.query_key!r}]", "the connection sets it: it carries the key")
        query = "" if request.query is None else query_of(request.query, method)
        timeout = _timeout(request.timeout, config.timeout)
    except (EndpointNotAllowedError, InvalidRequestError) as error:
        raise attach_request(error, request) from None
    return WireRequest(
        method=config.query_method if method == "QUERY" else method,
        origin=base_of(config.base_url)[0],
        target=f"{target_of(path, config, slash=config.trailing_slash)}{query}",
        headers=headers,
        body=body,
        timeout=timeout,
        repeatable=_is_repeatable(method, headers, config),
        reads=request.reads,
    )


def _headers_and_body(
    request: MirrorDBRequest,
    config: MirrorDBConfig,
    open_source: OpenSource,
    plain: CIMultiDictProxy[str] | None,
) -> tuple[Headers, bytes | Upload | None]:
    if plain is not None and has_plain_headers(request):
        return plain, None
    headers = (plain or plain_headers(config)).copy()
    add_headers(headers, request, config, is_keyed=request.method in KEYED)
    envelope = None if request.method == "QUERY" else config.request_envelope
    return headers, body_of(request, envelope, headers, open_source)


def request_of_base_url(config: MirrorDBConfig) -> WireRequest:
    """Return a GET of the base URL itself, for the connection test; the registry does not apply."""
    return WireRequest(
        method="GET",
        origin=base_of(config.base_url)[0],
        target=target_of("", config, slash=False),
        headers=plain_headers(config),
        body=None,
        timeout=config.timeout,
        repeatable=True,
        reads=True,
    )


def request_of_token(config: MirrorDBConfig) -> MirrorDBRequest:
    """Return what names the request for a token in errors of the connection test."""
    return MirrorDBRequest(method="POST", endpoint=shown(config.token_url), method_name="test")


def without_body(wire: WireRequest) -> WireRequest:
    """Return a request as the GET of its target."""
    headers = wire.headers.copy()
    headers.pop("Content-Type", None)
    return replace(wire, method="GET", headers=headers, body=None)


def request_of(method: Method, endpoint: str, options: Mapping[str, Any]) -> MirrorDBRequest:
    """Return the request that the arguments of a call describe.

    :raises InvalidRequestError: names an argument that does not exist, and the nearest one that does
    """
    try:
        return MirrorDBRequest(method=method, endpoint=endpoint, **options)
    except TypeError:  # only then, since to look costs something
        name = min(options.keys() - {one.name for one in fields(MirrorDBRequest)}, default=None)
        if name is None:
            raise
        raise _bad(name, f"there is no such argument; {remedy_for(name, _arguments_of(method))}") from None


def _arguments_of(method: Method) -> tuple[str, ...]:
    """Return the arguments of what sends a method, for who gives one that there is not."""
    if method in READS:
        return ("data", "paginate", "method_name", *RequestOptions.__annotations__)
    if method == "DELETE":
        return ("missing_ok", "method_name", *RequestOptions.__annotations__)
    options = {**BodyOptions.__annotations__, **RequestOptions.__annotations__}
    return ("data", *(("partial",) if method != "POST" else ()), "method_name", *options)


def attach_request(error: AnyError, request: MirrorDBRequest) -> AnyError:
    """Write into an error which request it belongs to."""
    error.method, error.endpoint, error.method_name = (
        request.method,
        shortened(str(request.endpoint), MAX_ENDPOINT_LENGTH),
        shortened(label, MAX_LABEL_LENGTH) if isinstance(label := request.method_name, str) else label,
    )
    return error


def _check_label(label: object) -> None:
    if not isinstance(label, str) or not label.isprintable() or len(label) > MAX_LABEL_LENGTH:
        limit = f"of at most {MAX_LABEL_LENGTH} characters"
        raise _bad("method_name", f"it must be one line of printable text {limit}; it appears in logs")


def _is_repeatable(method: Method, headers: Mapping[str, str], config: MirrorDBConfig) -> bool:
    if method in KEYED:
        return config.idempotency_header is not None
    return method in READS or not ("If-Match" in headers or "If-None-Match" in headers)


def _timeout(value: float | None, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise _bad("timeout", f"it must be a number of seconds above 0, not {value!r}")
    return value


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)

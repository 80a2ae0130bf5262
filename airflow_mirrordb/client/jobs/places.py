"""Where a job, its result and its cancel are: what the backend names, checked as any endpoint. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from http import HTTPStatus
from itertools import islice, product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.missing import MOST_NAMES
from airflow_mirrordb.client.collections.pages.next_links import BadLinkError, PageRequest, followed
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.errors import EndpointNotAllowedError, InvalidResponseError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, PreparedRequest, attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.client.retries.wait_headers import retry_after
from airflow_mirrordb.job_arguments import (
    LOCATIONS,
    MONITORS,
    PLACEHOLDER,
    JobArguments,
    JobRequest,
    job_request_of,
    placeholder,
)
from airflow_mirrordb.paths import ABSENT, PathError

if TYPE_CHECKING:
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB

#: Characters of a value that an error quotes.
MAX_SHOWN = 100
#: How it is said where the job, its result or its cancel is.
_PLACES = {
    "job": "job='api/jobs/{id}'",
    "result": "result='api/jobs/{id}/rows'",
    "cancel": "cancel='POST api/jobs/{id}/cancel'",
}
#: Characters of a value that is kept for later.
MAX_KEPT = 4_000
#: Names that placeholders of patterns take, each of some kind, and how many endpoints are made of them.
_NAMES = ("1", "a", "00000000-0000-4000-8000-000000000000")
MOST_EXAMPLES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """A job that was submitted; plain values, which outlive the process that submitted it.

    :param endpoint: path relative to the base URL
    :param query: values of the query
    :param target: path and query as a URL of the backend's gave them, byte for byte
    :param values: what of the answer to the submit fills the placeholders of ``result`` and ``cancel``
    :param base_url: of the backend that it was submitted to
    :param is_monitor: whether it is a status monitor of Azure's, found by a header
    :param submitted: unix time of the answer to the submit
    :param poll_from: unix time before which the backend asked not to be polled
    :param deadline: unix time of the last poll
    """

    endpoint: str
    query: Mapping[str, Any] | None = None
    target: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    base_url: str = ""
    is_monitor: bool = False
    submitted: float = 0.0
    poll_from: float = 0.0
    deadline: float = 0.0


class PlaceError(Exception):
    """A place cannot be made of what the backend said; its text says why."""


Lookup = Callable[[str], Any]


def job_of(
    response: MirrorDBResponse,
    prepared: PreparedRequest,
    arguments: JobArguments,
    now: float,
    hide: Callable[[str], str],
) -> RemoteJob | None:
    """Return the job that the answer to a submit names; None if that says that it is done.

    :param response: the answer
    :param prepared: the submit
    :param now: unix time
    :param hide: takes secrets out of a text
    :raises InvalidResponseError: if it names none, or one that may not be asked for; the job may run
    """

    def found(text: str) -> Any:
        return _found(text, response)

    job = RemoteJob(
        endpoint="",
        base_url=prepared.base_url,
        values=values_of(arguments, response, hide),
        submitted=now,
        poll_from=now + (retry_after(response.headers, now) or 0.0),
        deadline=now + arguments.timeout,
    )
    sent = replace(prepared, request=MirrorDBRequest(method="GET", endpoint=""))
    said = job_request_of("job", arguments.job)
    try:
        if said is not None:
            page = _page_of("job", said, found, sent)
            query = filled_values(said.query, found)
            return replace(job, endpoint=page.request.endpoint, query=query, target=page.target)
        for name in LOCATIONS:
            if url := response.headers.get(name):
                page = _linked("job", url, sent)
                endpoint, is_monitor = page.request.endpoint, name in MONITORS
                return replace(job, endpoint=endpoint, target=page.target, is_monitor=is_monitor)
    except (PlaceError, BadLinkError) as error:
        raise _unknown(hide(f"job: {error}"), response, prepared.request) from error
    if response.status == HTTPStatus.ACCEPTED or arguments.state is not None:
        names = ", ".join(LOCATIONS)
        message = f"it has none of the headers {names}; say where the job is, as {_PLACES['job']}"
        raise _unknown(message, response, prepared.request)
    return None


def check_places(client: GenericMirrorDB, arguments: JobArguments, submit: MirrorDBRequest) -> None:
    """Check that a job which is to be submitted may be polled, read and cancelled, as far as that is known.

    :param submit: names the request in the error
    :raises EndpointNotAllowedError: if no registered pattern allows one of these, whatever its names are
    """
    for name in ("job", "result", "cancel"):
        said = job_request_of(name, getattr(arguments, name))
        if said is None or not _is_known(said.endpoint):
            continue
        method: Method = said.method if name == "cancel" else "GET"
        refused = [_refusal(client, method, endpoint) for endpoint in _examples(said.endpoint or "")]
        if (error := refused[0]) is not None and None not in refused:
            error.message = f"{name}: {said.endpoint!r:.200}: {error.message}; nothing was submitted"
            raise attach_request(error, submit)


def result_of(said: JobRequest, body: Any, job: RemoteJob, prepared: PreparedRequest) -> PageRequest:
    """Return the read of a job's result.

    :param body: the job's
    :param prepared: how a result is read, sent where the body came from, to which a URL in it is relative
    :raises PlaceError: if a placeholder finds nothing that may stand there
    :raises BadLinkError: if its URL leads elsewhere
    """

    def found(text: str) -> Any:
        value = _in_body(text, body)
        return job.values.get(text, ABSENT) if value is ABSENT else value

    page = _page_of("result", said, found, prepared)
    query, accept = filled_values(said.query, found), said.accept or page.request.accept
    return replace(page, request=replace(page.request, query=query, accept=accept))


def cancel_of(said: JobRequest, body: Any, job: RemoteJob, prepared: PreparedRequest) -> PageRequest:
    """Return the request that cancels a job.

    :param body: the job's, if it is known
    :param prepared: its poll

    The errors are those of :func:`result_of`.
    """

    def found(text: str) -> Any:
        value = job.values.get(text, ABSENT)  # first: the job that was submitted, whatever a body says later
        return _in_body(text, body) if value is ABSENT else value

    if said.endpoint is None:
        own = replace(prepared.request, query=job.query)
        page = PageRequest(request=own, target=job.target)
    else:
        page = _page_of("cancel", said, found, prepared)
        page = replace(page, request=replace(page.request, query=filled_values(said.query, found)))
    data = filled_values(said.data, found)
    request = replace(page.request, method=said.method, data=data, accept=None, full_response=False)
    return replace(page, request=request)


def filled_values(value: Any, found: Lookup) -> Any:
    """Return a value with what its placeholders find: as it is where a text is one and nothing else.

    :raises PlaceError: if one finds nothing that may stand there
    """
    if isinstance(value, str):
        if whole := PLACEHOLDER.fullmatch(value):
            return _plain(whole[1], found)
        return PLACEHOLDER.sub(lambda match: str(_plain(match[1], found)), value)
    if isinstance(value, Mapping):
        return {name: filled_values(item, found) for name, item in value.items()}
    return [filled_values(item, found) for item in value] if isinstance(value, (list, tuple)) else value


def _page_of(name: str, said: JobRequest, found: Lookup, prepared: PreparedRequest) -> PageRequest:
    """Return the read of an endpoint with placeholders, or of the URL that one of them finds."""
    endpoint = said.endpoint or ""
    whole = PLACEHOLDER.fullmatch(endpoint)
    if whole and not placeholder(whole[1]).is_segments:
        return _linked(name, str(_plain(whole[1], found)), prepared)
    filled = PLACEHOLDER.sub(lambda match: _segments(match[1], found), endpoint)
    return PageRequest(request=replace(prepared.request, endpoint=filled))


def _linked(name: str, url: str, prepared: PreparedRequest) -> PageRequest:
    """Return the request of a URL of the backend's, which is that of the job, its result or its cancel."""
    base, remedy = (
        PageRequest(request=prepared.request),
        f"say where by an id of its answer, as {_PLACES[name]}",
    )
    target = prepared.wire.target
    return followed(base, target, url, prepared.base_url, rebase=False, what=f"the {name}", remedy=remedy)


def _is_known(endpoint: str | None) -> bool:
    """Whether all of an endpoint is known but single names."""
    if endpoint is None or PLACEHOLDER.fullmatch(endpoint):
        return False
    return not any(placeholder(text).is_segments for text in PLACEHOLDER.findall(endpoint))


def _examples(endpoint: str) -> list[str]:
    """Return what an endpoint may be when its placeholders are filled."""
    count = len(PLACEHOLDER.findall(endpoint))
    return [
        reduce(lambda text, name: PLACEHOLDER.sub(name, text, count=1), names, endpoint)
        for names in islice(product(_NAMES, repeat=count), MOST_EXAMPLES)
    ]


def _refusal(client: GenericMirrorDB, method: Method, endpoint: str) -> EndpointNotAllowedError | None:
    try:
        client.prepare(MirrorDBRequest(method=method, endpoint=endpoint))
    except EndpointNotAllowedError as error:
        return error
    return None


def _plain(text: str, found: Lookup) -> str | int:
    """Return the text or whole number that a placeholder finds."""
    value = found(text)
    if value is ABSENT:
        raise PlaceError(f"there is nothing at {{{text:.{MAX_SHOWN}}}}")
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise PlaceError(
            f"at {{{text:.{MAX_SHOWN}}}} is {value!r:.{MAX_SHOWN}}; only a text or a whole number names a job"
        )
    return value


def _segments(text: str, found: Lookup) -> str:
    value = str(_plain(text, found))
    if placeholder(text).is_segments:
        return "/".join(quote(segment, safe="") for segment in value.removeprefix("/").split("/"))
    if "/" in value:
        raise PlaceError(
            f"at {{{text:.{MAX_SHOWN}}}} is {value!r:.{MAX_SHOWN}}, which is several segments; if that is"
            f" right, write {{{text:.{MAX_SHOWN}}:path}}"
        )
    return quote(value, safe="")


def _found(text: str, response: MirrorDBResponse) -> Any:
    path, header, _ = placeholder(text)
    if header is not None:
        return response.headers.get(header, ABSENT)
    assert path is not None  # noqa: S101  # it is one or the other
    try:
        return path.value_in(response.data)
    except PathError as error:
        raise PlaceError(str(error)) from None


def _in_body(text: str, body: Any) -> Any:
    """Return what a placeholder finds in a job's body; null is nothing."""
    path = placeholder(text).path
    try:
        value = ABSENT if path is None else path.value_in(body)
    except PathError:
        return ABSENT
    return ABSENT if value is None else value


def values_of(
    arguments: JobArguments, response: MirrorDBResponse, hide: Callable[[str], str]
) -> dict[str, Any]:
    """Return what of the answer to a submit is kept for later: names, and no secrets.

    :param hide: takes secrets out of a text
    """
    said = [job_request_of(name, getattr(arguments, name)) for name in ("result", "cancel")]
    values = dict[str, Any]()
    for text in (text for one in said if one is not None for text in one.placeholders):
        try:
            value = _found(text, response)
        except PlaceError:
            continue
        if isinstance(value, str | int) and len(shown := str(value)) <= MAX_KEPT and hide(shown) == shown:
            values[text] = value
    return values


def _unknown(reason: str, response: MirrorDBResponse, request: MirrorDBRequest) -> InvalidResponseError:
    names = [*response.data][:MOST_NAMES] if isinstance(response.data, dict) else []
    there = f"; its body has {', '.join(map(str, names))}" if names else ""
    message = "the job was submitted, and may run, but the answer does not say where"
    error = InvalidResponseError(
        message=f"{response.status}: {message}: {shortened(f'{reason}{there}', 1_000)}",
        status=response.status,
        request_id=response.request_id,
        attempts=response.attempts,
        maybe_applied=True,
    )
    return attach_request(error, request)

"""What the documentation of an API says, as a table that the emulator serves."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

KEY: Final = "zoo-key-0123456789"
"""The password or key of every connection; opens nothing."""


class _Omitted:
    """A key of a body, or a header, that is not there."""

    def __repr__(self) -> str:
        return "OMITTED"


OMITTED: Final = _Omitted()


@dataclass(frozen=True, slots=True)
class InSeconds:
    """A moment in a header, so many seconds from now.

    :param form: how the header writes it: epoch in seconds or milliseconds, or ISO 8601
    """

    seconds: float
    form: Literal["epoch", "epoch ms", "iso"] = "epoch"


def basic(login: str, password: str = KEY) -> str:
    """Return the credentials of RFC 7617."""
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers: a body that is a text goes out as it is, any other as JSON.

    :param body: the body; OMITTED for none
    :param content_type: of the body
    """

    status: int
    body: Any = OMITTED
    headers: Mapping[str, str | InSeconds] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that the next requests meet, as a window of the given length.

    :param answer: what they are answered
    :param seconds: how long the window still lasts at the first of them
    """

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; the first of an API's table that fits is the one.

    :param path: below the base path, as it is on the wire
    :param sent: the decoded body that must come: JSON, or the fields of a form; OMITTED for any
    :param media: the content type that the body must have
    :param query: parameters that must come, others may
    :param needs: headers that must come (``*``: any value; None: that must not come), so that a later
        exchange answers without them
    :param public: whether it is answered without credentials
    """

    method: str
    path: str
    answer: Answer
    sent: Any = OMITTED
    media: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str | None] = field(default_factory=dict)
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """A collection and how it comes in pages.

    In ``body``, ``headers`` and ``each`` these stand for their values: ``$records``, ``$record``,
    ``$next`` (what the next request gives), ``$next_url``, ``$next_path`` (the same without origin),
    ``$total``, ``$page``, ``$pages``, ``$size``, ``$start``, ``$last`` (the position of the last record
    of the page), ``$count``, ``$more``, ``$done``, ``$number`` (of a record).

    :param path: of the collection, below the base path
    :param kind: what ``param`` counts or holds: pages, records, a token, or ``by`` of the last record
    :param param: name of the parameter; with ``place="body"`` its path in the body, with dots
    :param first: number of the first page
    :param by: keys that lead to what the last record is known by, for ``last``
    :param size: records of a page, unless the request asks for another number
    :param size_param: parameter that asks for one
    :param max_size: what may be asked for at most; None where nothing is said of it
    :param cap: what the server gives at most, whatever is asked for, if that is less
    :param chunks: sizes of the pages, where a server gives fewer than were asked for (also none)
    :param token: how a token looks; ``{}`` is the position
    :param end: what stands for ``$next``, ``$next_url`` and ``$next_path`` on the last page
    :param always_next: whether the last page has a next one all the same
    :param at_end: keys of the last page's body that hold something else
    :param beyond: the answer to a position after the last record; an empty page unless given
    :param content_type: of each page
    :param query: parameters that must come with each request
    :param sent: keys and values that the body of each request must have
    :param next_query: whether the next URL repeats the query of the request
    """

    path: str
    records: Sequence[Any]
    kind: Literal["page", "offset", "token", "last"]
    param: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    each: Any = "$record"
    method: str = "GET"
    place: Literal["query", "body"] = "query"
    first: int = 1
    by: Sequence[str] = ()
    size: int = 3
    size_param: str | None = None
    max_size: int | None = None
    cap: int | None = None
    chunks: Sequence[int] = ()
    token: str = "t{}"
    end: Any = OMITTED
    always_next: bool = False
    at_end: Mapping[str, Any] = field(default_factory=dict)
    beyond: Answer | None = None
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)
    next_query: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """What the documentation of one API says.

    :param name: the API
    :param documentation: addresses of the pages that say it
    :param base: path of the base URL
    :param credentials: headers that each request needs
    :param refused: the answer without them
    :param headers: further headers that each request needs, as a version
    :param missing: the answer where nothing is
    """

    name: str
    documentation: Sequence[str]
    refused: Answer
    base: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    collections: Sequence[Pages] = ()
    exchanges: Sequence[Exchange] = ()
    missing: Answer = field(default_factory=lambda: Answer(404, {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    """The error that a call must end with.

    :param error: name of its class
    :param words: what its message must hold
    :param without: what it must not hold
    :param code: the backend's own code
    """

    error: str
    code: str | None = None
    words: Sequence[str] = ()
    without: Sequence[str] = ()


def fails(error: str, *words: str, code: str | None = None, without: Sequence[str] = ()) -> Fails:
    """Return what must come of a call that fails."""
    return Fails(error=error, words=words, code=code, without=without)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the hook and what must come of it.

    :param method: ``create``, ``read``, ``update`` or ``delete``
    :param result: what it must return, if it must not fail
    :param arguments: further arguments of the call
    :param limit: a limit that it must outlive
    :param requests: how many requests it may take; as many as it likes unless given
    :param warns: what each warning in the log says; none may be there unless given
    """

    what: str
    method: str
    endpoint: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Any = OMITTED
    fails: Fails | None = None
    limit: Limit | None = None
    requests: int | None = None
    warns: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that goes on at the API, and what its states mean.

    :param field: path to the state in the body
    :param body: of the answer; ``$state`` is the state
    :param ready: the state that is waited for
    :param running: those before it
    :param failed: those after which it will never come
    :param words: what the body says of a failure
    """

    endpoint: str
    field: str
    body: Any
    ready: str
    running: Sequence[str | None]
    failed: Sequence[str]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API: what is documented, the connection that fits it, and calls with their results.

    :param connection: of an Airflow connection as JSON, without ``conn_type`` and ``host``; in a text of its
        extras ``$origin`` is the server's origin, and ``$files`` the host to which it redirects
    :param host: what stands in the connection's Host in the real world
    :param paginate: how its collections are read, each way once
    :param real: what ``$origin`` and ``$files`` are in the real world, if not the origin of ``host``
    :param job: what a sensor can wait for
    :param notes: what else its user should know
    :param does_not_work: what cannot be said, and why
    """

    documented: Documented
    host: str
    connection: Mapping[str, Any]
    paginate: Sequence[Mapping[str, Any]]
    calls: Sequence[Call]
    real: Mapping[str, str] = field(default_factory=dict)
    job: Job | None = None
    notes: Sequence[str] = ()
    does_not_work: Sequence[str] = ()

"""What the emulated backends of jobs have in common: they note what comes, and go on with each look."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, ClassVar, Final

from aiohttp import web

from tests.support.clocks import FakeClock
from tests.zoo.tables import KEY, OMITTED, Answer

BEARER: Final = {"Authorization": f"Bearer {KEY}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that came.

    :param path: below the base path, with its percent-encoding undone
    :param raw_path: of the whole request, as it was on the wire
    :param body: the decoded JSON; None for no body
    :param at: when it came, by the test's clock, in seconds of unix time
    """

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    at: float

    @property
    def line(self) -> str:
        """Return method, path and query, as the tests write them."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}{'?' if query else ''}{query}"


class JobBackend:
    """A backend that runs one job, whose states are those of a script, one for each look at it.

    :param clock: by which it says when to come back
    :param states: what the looks find, one after the other; the last one stays
    """

    base: ClassVar[str] = ""
    refused: ClassVar[Answer] = Answer(401, {"message": "Unauthorized"})

    def __init__(self, clock: FakeClock, states: Sequence[Any]) -> None:
        self.clock = clock
        self.origin = ""
        self.asked: list[Asked] = []
        self._left = list(states)
        self._ends_at: float | None = None

    @property
    def lines(self) -> list[str]:
        return [asked.line for asked in self.asked]

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    def answer(self, asked: Asked) -> Answer:
        """Return what the documentation says of a request."""
        raise NotImplementedError

    def next_state(self) -> Any:
        """Return what this look finds."""
        if self._ends_at is not None:
            return self._left[-1 if self.clock.now() >= self._ends_at else 0]
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    def ends_in(self, seconds: float) -> None:
        """Let all looks find the first state until so much time has passed, and then the last one."""
        self._ends_at = self.clock.now() + seconds

    def goes_on_with(self, *states: Any) -> None:
        """Let the next looks find these, as after a cancel."""
        self._left = list(states)

    def date_in(self, seconds: float) -> str:
        """Return a moment as headers write it (RFC 9110, section 5.6.7)."""
        return formatdate(self.clock.now() + seconds, usegmt=True)

    async def _handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        path = urllib.parse.unquote(request.rel_url.raw_path).removeprefix(self.base).lstrip("/")
        asked = Asked(
            method=request.method,
            path=path,
            raw_path=request.rel_url.raw_path,
            query=dict(request.query),
            headers=dict(request.headers),
            body=json.loads(text) if text else None,
            at=self.clock.now(),
        )
        self.asked.append(asked)
        known = all(request.headers.get(name) == value for name, value in BEARER.items())
        return self._response(self.answer(asked) if known else self.refused)

    def _response(self, answer: Answer) -> web.Response:
        headers = {name: self._placed(str(value)) for name, value in answer.headers.items()}
        headers["Date"] = self.date_in(0)  # a moment in Retry-After may be read beside it
        if answer.body is OMITTED:
            return web.Response(status=answer.status, headers=headers)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(
            status=answer.status, headers=headers, text=self._placed(text), content_type=answer.content_type
        )

    def _placed(self, text: str) -> str:
        """Return a text with where the server is, and for ``$elsewhere`` another name of its host."""
        port = self.origin.rpartition(":")[2]
        return text.replace("$origin", self.origin).replace("$elsewhere", f"localhost:{port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The error that a job ends with.

    :param error: name of its class, or of one above it
    :param words: what its text has: the state, what the backend says, and which job it was
    :param without: what its text has not
    """

    error: str = "JobFailedError"
    words: Sequence[str] = ()
    without: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCase:
    """One job and what must come of it.

    :param states: what the looks find
    :param requests: all that must come, in this order
    :param result: what the call returns, if the job does not fail
    :param arguments: of the call, in place of the backend's
    :param waits: for how many seconds, at least, the client stays away after a request, by its position
    """

    what: str
    states: Sequence[Any]
    requests: Sequence[str]
    result: Any = OMITTED
    fails: Failure | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    waits: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobApi:
    """A backend, what its user writes, and jobs with their ends.

    :param documented: addresses of pages, and what each says
    :param backend: what emulates it
    :param extras: of the connection
    :param endpoint: of the submit
    :param data: of the submit, as it must arrive
    :param arguments: further ones of ``run_job``
    :param running: a state in which a job stays, for the time-out
    :param cancel: the request that must end it, and its body
    """

    name: str
    documented: Mapping[str, str]
    backend: type[JobBackend]
    extras: Mapping[str, Any]
    endpoint: str
    data: Any
    arguments: Mapping[str, Any]
    running: Any
    cancel: tuple[str, Any]
    cases: Sequence[JobCase]

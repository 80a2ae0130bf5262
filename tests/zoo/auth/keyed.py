"""A backend that lets in who shows the key as its documentation says, and notes what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from aiohttp import web

from tests.zoo.auth.names import Serving
from tests.zoo.auth.seen import Seen, note
from tests.zoo.auth.ways import Way

RECORDS: Final = [{"id": number} for number in range(1, 8)]
PER_PAGE: Final = 3
Handler = Callable[[web.Request], web.StreamResponse]


class KeyedBackend:
    """A backend with one key at a time.

    :param way: where and how the key is shown
    :param key: the key that is good; after ``rotate_after`` answers it is ``next_key``
    """

    def __init__(self, way: Way, key: str) -> None:
        self.way, self.key = way, key
        self.next_key, self.rotate_after = "", -1
        self.rotated: Callable[[], None] = lambda: None
        self.seen: list[Seen] = []
        self.look_ups = 0
        self.routes: dict[str, Handler] = {}
        self.application = web.Application()
        self.application.router.add_route("*", "/{path:.*}", self._answer)

    @property
    def admitted(self) -> int:
        """How many requests were let in."""
        return sum(seen.status not in (self.way.status, 599) for seen in self.seen)

    @property
    def refused(self) -> int:
        """How many requests were not."""
        return sum(seen.status == self.way.status for seen in self.seen)

    async def look_up(self) -> Mapping[str, Any]:
        """Return the key that is good now, as where it is kept would."""
        self.look_ups += 1
        return {"api_key": self.key}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if 0 <= self.rotate_after <= self.admitted:
            self.key, self.rotate_after = self.next_key, -1
            self.rotated()
        if self.way.shown(request, self.key):
            answer = self.routes.get(request.path, _records)(request)
        else:
            answer = web.json_response(self.way.refusal, status=self.way.status)
        self.seen.append(note(request, body, answer.status))
        return answer


def _records(_request: web.Request) -> web.StreamResponse:
    return web.json_response(RECORDS)


def pages(next_url: Callable[[web.Request, int], str], *, in_header: bool = False) -> Handler:
    """Return what answers with one page of the records, and the URL of the next one in the body or a Link.

    :param next_url: returns that URL for a request and the number of the next page
    """

    def page(request: web.Request) -> web.StreamResponse:
        number = int(request.query.get("page", "0"))
        rows = RECORDS[number * PER_PAGE :][:PER_PAGE]
        more = len(RECORDS) > (number + 1) * PER_PAGE
        url = next_url(request, number + 1) if more else None
        if in_header:
            return web.json_response(rows, headers={"Link": f'<{url}>; rel="next"'} if url else {})
        return web.json_response({"rows": rows, "links": {"next": url}})

    return page


def query_without(request: web.Request, *names: str) -> str:
    """Return the query of a request, encoded anew, without some of its parameters."""
    pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs if name not in names)


def file_host(serving: Serving) -> tuple[str, list[Seen]]:
    """Serve ``/files/1`` at another host; return its origin, and what it is asked."""
    asked: list[Seen] = []

    async def give(request: web.Request) -> web.Response:
        asked.append(note(request, b"", 200))
        return web.json_response([7])

    application = web.Application()
    application.router.add_get("/files/1", give)
    return serving(application).replace("127.0.0.1", "localhost"), asked

"""Sending the requests of pages, all of them to the backend that the collection was begun on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from airflow_mirrordb.client.calls.call import Snapshot
from airflow_mirrordb.client.calls.route import Route, Routes
from airflow_mirrordb.client.calls.sender import Sender
from airflow_mirrordb.client.collections.pages.next_links import PageRequest
from airflow_mirrordb.client.errors import DISCONNECTED, DisconnectedError, MirrorDBError, NotFoundError
from airflow_mirrordb.client.messages.request import attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.client.retries.retry import Progress

Sent = tuple[str, MirrorDBResponse]


class PageSender:
    """Sends the requests of one collection, by the settings that held when it was begun.

    As any request has the snapshot that it started with, whatever is changed meanwhile: pages of two
    backends, or by two sets of patterns, would be no collection. Only the credentials are those of the
    moment, as long as they are meant for the same backend: a key that was renewed is used by the next page.

    :param current: returns the settings that hold now
    :param progress: where an earlier run left the first page
    :param options: of each request, as :meth:`Sender.send` takes them
    """

    def __init__(
        self,
        sender: Sender,
        current: Callable[[], Snapshot],
        routes: Routes,
        progress: Progress | None,
        **options: Any,
    ) -> None:
        self._sender, self._current, self._routes, self._options = sender, current, routes, options
        self._first = iter([progress])
        self._begun, self._route = current(), routes.here()
        self._latest = self._snapshot = self._begun

    @property
    def base_url(self) -> str:
        """Which all pages lie under."""
        return self._begun.config.base_url

    async def send(self, page: PageRequest, ahead: int) -> Sent:
        """Send the request of a page; return the path and query that it was sent to, and the answer.

        :param ahead: how many pages were begun that come before it
        """
        snapshot, route = self._settings(page)
        prepared = self._sender.prepare(page.request, snapshot)
        prepared = replace(prepared, wire=page.sent(prepared.wire))
        answer = self._sender.send(
            prepared, snapshot, route, next(self._first, None), ahead=ahead, **self._options
        )
        return prepared.wire.target, await answer

    def _settings(self, page: PageRequest) -> tuple[Snapshot, Route]:
        """Return what the next page is sent by, and the way that it takes.

        :raises DisconnectedError: if the client was disconnected meanwhile, and leads elsewhere now
        :raises RuntimeError: if it is not connected, or in another event loop
        """
        route, latest = self._routes.here(), self._current()
        begun, now = self._begun.config, latest.config
        if latest is not self._latest and now.base_url == begun.base_url:
            credentials = {"login": now.login, "api_key": now.api_key}
            self._snapshot = replace(self._begun, config=begun.model_copy(update=credentials))
        self._latest = latest
        if self._route.transport.closing:
            if now.base_url != begun.base_url:
                message = f"{DISCONNECTED}, and its base URL was changed, while a collection was read"
                error = DisconnectedError(message=message, retryable=False)
                raise attach_request(error, page.request)
            self._route = route
        return self._snapshot, self._route


def is_end(error: MirrorDBError) -> bool:
    """Whether an error is how a backend says of counted pages that there is none of this number.

    Of a file at another host, to which a redirect led, the backend itself says nothing.
    """
    return (
        isinstance(error, NotFoundError)
        and error.status == HTTPStatus.NOT_FOUND
        and error.answered_by is None
    )

"""Backends that answer what a test says, and remember what they were asked."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from aiohttp import web

from tests.support.clocks import loop_time, turns


class Serve(Protocol):
    """Start an application on a free port of 127.0.0.1 and return its base URL."""

    async def __call__(self, app: web.Application, *, ssl_context: ssl.SSLContext | None = None) -> str: ...


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Backend:
    """A server that answers what the test says, one answer a request, and remembers the requests."""

    base_url: str
    requests: list[Seen] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


Answer = web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answering(Protocol):
    """Start a backend that gives these answers, in this order; further requests get a 599."""

    async def __call__(self, *answers: Answer, ssl_context: ssl.SSLContext | None = None) -> Backend: ...


class Crowd:
    """Requests that are being answered: as many as there should be come together, before any has its answer.

    :param size: how many at a time; ``most`` were there
    """

    def __init__(self, size: int) -> None:
        self.size, self.running, self.most = size, 0, 0
        self._is_full = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.Response:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.size:
            self._is_full.set()
        await self._is_full.wait()
        await turns()  # one more that has been sent comes now
        self.running -= 1
        return web.json_response({})


@contextmanager
def silent_backend(seconds: float) -> Iterator[str]:
    """Yield the address of a backend that takes each request, and answers none: so many seconds pass."""
    kept: list[socket.socket] = []

    def take() -> None:
        with suppress(OSError):  # it is shut down
            while True:
                connection, _ = listener.accept()
                kept.append(connection)
                connection.recv(65536)
                loop_time.advance(seconds)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


class ScriptedBackend:
    """A backend on a thread of its own, for synchronous callers; gives its answers one after the other.

    An answer is a status, a JSON value (bytes are sent as they are) and headers; after the last one
    comes 599. ``requests`` are the lines and headers that arrived, ``connections`` counts sockets.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, Mapping[str, str]]] = []
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a body that follows its headers waits for 40 ms

            def setup(self) -> None:
                super().setup()
                backend.connections += 1

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                backend.requests.append(f"{self.command} {self.path}")
                backend.headers.append(dict(self.headers))
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                backend.bodies.append(sent)
                status, body, headers = backend.next_answer(self.path, sent)
                data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_answer(self, _path: str, _sent: bytes) -> tuple[int, Any, Mapping[str, str]]:
        return self.answers.pop(0) if self.answers else (599, None, {})

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

"""What all tests share: real servers on 127.0.0.1, a throw-away authority, a clock nobody waits for."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar
from weakref import WeakSet, WeakValueDictionary

import pytest
import trustme
from aiohttp import web
from hypothesis import HealthCheck, settings

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.client.rules import rate_limiter

# The gate tries the same examples every time; `--hypothesis-profile explore` tries many new ones.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=3000,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gate")

LONGEST_SLEEP = 0.05
TIMEOUT = 30.0  # seconds that an answer may take; no test waits for them: loop_time lets them pass
_RESET_ON_CLOSE = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
TINY_DELAYS: dict[str, Any] = {"initial_delay": 0.001, "max_delay": 0.001, "timeout": TIMEOUT}


class Serve(Protocol):
    """Start an application on a free port of 127.0.0.1 and return its base URL."""

    async def __call__(self, app: web.Application, *, ssl_context: ssl.SSLContext | None = None) -> str: ...


class ConfigFor(Protocol):
    """Return the configuration of a connection that hardly waits between attempts."""

    def __call__(self, base_url: str, **settings: Any) -> MirrorDBConfig: ...


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


@dataclass(frozen=True)
class Reply:
    """What the raw server does with one request: sends bytes, then keeps or ends the connection.

    After ``silence`` nothing ever comes; ``time-out`` is the same, and ``TIMEOUT`` passes as soon as the
    client has the bytes.
    """

    data: bytes = b""
    then: Literal["keep", "close", "reset", "silence", "time-out"] = "keep"


class RawServer:
    """A plain socket: records each byte and connection, and answers what the test says.

    ``replies`` are used one a request; when they are used up, ``default`` is sent.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()
        self.replies: list[Reply] = []
        self.default = Reply(json_answer("{}"))
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # cancelled by stop(), and by nobody else
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.requests.append(head + await reader.readexactly(int(lengths[0]) if lengths else 0))
        self.arrived.set()
        reply = self.replies.pop(0) if self.replies else self.default
        if reply.data:
            writer.write(reply.data)
            await writer.drain()
        if reply.then == "time-out":
            await turns()
            loop_time.advance(TIMEOUT)
        if reply.then in ("silence", "time-out"):
            await asyncio.Event().wait()
        if reply.then == "reset":
            writer.transport.get_extra_info("socket").setsockopt(*_RESET_ON_CLOSE)
        return reply.then == "keep"


class LoopTime:
    """The time of all event loops: it passes as ever, and a test lets more of it pass when there is cause.

    So a time-out of half a minute is over when the server has the request, and never before, however
    long a busy machine takes until then.
    """

    def __init__(self) -> None:
        self._passed = 0.0
        self._loops: WeakSet[asyncio.BaseEventLoop] = WeakSet()
        self._lock = threading.Lock()  # a hook has its loop in another thread

    def time(self, loop: asyncio.BaseEventLoop) -> float:
        """What :meth:`asyncio.loop.time` returns."""
        if loop not in self._loops:
            with self._lock:
                self._loops.add(loop)
        return time.monotonic() + self._passed

    def advance(self, seconds: float) -> None:
        """Let so much time pass; what is due then happens in the next turn of each loop."""
        with self._lock:
            self._passed += seconds
            loops = list(self._loops)
        for loop in loops:
            with suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(int)  # wakes it, so that it looks at its timers


loop_time = LoopTime()


async def turns(number: int = 10) -> None:
    """Let the event loop go round: what one end of a connection has sent reaches the other in this loop."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds, for what tells nobody that it has happened."""
    while not condition():  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.001)


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
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in kept:
        connection.close()


class FakeClock:
    """Unix time that only passes when somebody sleeps on it; remembers each sleep."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


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


def json_answer(body: str, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", body]).encode()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.AppRunner] = []

    async def start(app: web.Application, *, ssl_context: ssl.SSLContext | None = None) -> str:
        runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
        await site.start()
        port = runner.addresses[0][1]
        return f"https://localhost:{port}" if ssl_context else f"http://127.0.0.1:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def config_for() -> ConfigFor:
    def build(base_url: str, **settings: Any) -> MirrorDBConfig:
        return MirrorDBConfig.model_validate({"base_url": base_url, **TINY_DELAYS, **settings})

    return build


@pytest.fixture
def answering(serve: Serve) -> Answering:
    async def start(*answers: Answer, ssl_context: ssl.SSLContext | None = None) -> Backend:
        backend = Backend("")
        left = iter(answers)

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            backend.requests.append(Seen(request.method, request.raw_path, dict(request.headers), body))
            planned = next(left, None)
            if planned is None:
                return web.Response(status=599, text="no further answer was planned")
            return planned if isinstance(planned, web.StreamResponse) else await planned(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        backend.base_url = await serve(app, ssl_context=ssl_context)
        return backend

    return start


AnyRawServer = TypeVar("AnyRawServer", bound=RawServer)


@asynccontextmanager
async def listening(raw: AnyRawServer) -> AsyncIterator[AnyRawServer]:
    """Let a raw server listen on a free port."""
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield raw
    server.close()
    await raw.stop()
    await server.wait_closed()


@pytest.fixture
async def raw_server() -> AsyncIterator[RawServer]:
    async with listening(RawServer()) as raw:
        yield raw


@pytest.fixture(scope="session")
def dead_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def idling(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time for which connections have idled, which aiohttp tells by a clock of its own."""
    monkeypatch.setattr("aiohttp.connector.monotonic", clock.now)
    return clock


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS for a server that is really ``localhost``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session", autouse=True)
def _loops_have_our_time() -> Iterator[None]:
    """For all tests, as a loop of one test may be used by the next: its time must not go back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "time", lambda loop: loop_time.time(loop))  # noqa: PLW0108  # binds
        yield


@pytest.fixture(autouse=True)
def _no_limits_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests learned of a backend: another one may get its port."""
    monkeypatch.setattr(rate_limiter, "_limiters", WeakValueDictionary())


@pytest.fixture(autouse=True)
def _no_real_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a unit or integration test that sleeps for real; the fake clock is the way to wait."""
    if not {"unit", "integration"} & set(Path(request.path).parts):
        yield
        return
    slept: list[float] = []

    def note(seconds: float) -> None:
        if seconds > LONGEST_SLEEP:
            slept.append(seconds)
            raise AssertionError(f"the test sleeps for {seconds} s; use the fake clock")

    time_sleep, call_later = time.sleep, asyncio.BaseEventLoop.call_later

    def sleep(seconds: float) -> None:
        note(seconds)
        time_sleep(seconds)

    def later(loop: asyncio.BaseEventLoop, delay: float, callback: Any, *args: Any, **options: Any) -> Any:
        # what asyncio.sleep waits for, also where somebody holds on to the function itself
        if getattr(callback, "__name__", "") == "_set_result_unless_cancelled":
            note(delay)
        return call_later(loop, delay, callback, *args, **options)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", later)
    yield
    assert not slept, f"the test slept for {slept} s"

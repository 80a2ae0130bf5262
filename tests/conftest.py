"""The fixtures of all tests: real servers on 127.0.0.1, a throw-away authority, a clock nobody waits for."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import pytest
import trustme
from aiohttp import web
from hypothesis import HealthCheck, settings

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.client.limits import rate_limiter
from tests.support import blocking
from tests.support.backends import Answer, Answering, Backend, Seen, Serve
from tests.support.clocks import FakeClock, loop_time
from tests.support.connections import TINY_DELAYS, ConfigFor
from tests.support.raw_server import RawServer, listening

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="leave out what is marked slow or e2e, unless tests are named"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let ``poe test`` be quick, and ``poe test FILE`` run all of a file."""
    if config.option.fast and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.option.markexpr = config.option.markexpr or "not slow and not e2e"


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


@pytest.fixture(scope="session", autouse=True)
def _blocking_is_refused() -> Iterator[None]:
    with blocking.refused():
        yield


@pytest.fixture(autouse=True)
def _nothing_blocks(_blocking_is_refused: None) -> Iterator[None]:
    """Fail a test in which the package blocks an event loop, also where the error for it was caught."""
    yield
    blocked = list(blocking.blocking_calls)
    blocking.blocking_calls.clear()
    assert not blocked, f"these calls blocked an event loop: {blocked}"


@pytest.fixture(autouse=True)
def _no_limits_known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests learned of a backend: another one may get its port.

    Where the clock is real, a few requests before a refusal are no reason to send the next ones slowly.
    """
    monkeypatch.setattr(rate_limiter, "_limiters", WeakValueDictionary())
    if "unit" not in Path(request.path).parts:
        monkeypatch.setattr(rate_limiter, "FIRST_GUESS", rate_limiter.START_RATE)


@pytest.fixture(autouse=True)
def _no_real_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a unit or integration test that sleeps for real; the fake clock is the way to wait."""
    if not {"unit", "integration", "zoo"} & set(Path(request.path).parts):
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

"""Refresh tokens that rotate: the next one is in the Variable before the old one is forgotten."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.clocks import FakeClock
from tests.zoo.auth.authorizing import RECORDS, AuthorizationServer, Refused, TokenRequest
from tests.zoo.auth.names import Connect, Serving
from tests.zoo.auth.refreshing import SERVERS, VARIABLE, Rotating, Variables, settings_for
from tests.zoo.auth.seen import assert_hidden, logged, texts_of

pytestmark = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="the messages are those of Airflow 3.1")
each_server = pytest.mark.parametrize("name", SERVERS)


class Running:
    """A server whose refresh tokens rotate, and a connection to it, on one clock."""

    def __init__(self, serving: Serving, connect: Connect, clock: FakeClock, variables: Variables) -> None:
        self._serving, self._connect = serving, connect
        self.clock, self.variables = clock, variables

    def start(self, name: str) -> tuple[AuthorizationServer, Rotating]:
        make, method = SERVERS[name]
        server, rotating = make()
        server.now = self.clock.now
        server.origin = self._serving(server.application())
        self.variables.kept[VARIABLE] = rotating.last
        extra = settings_for(server.origin, method)
        self._connect(server.origin, login="xero-client", password="xer0-cl1ent-s3cret", extra=extra)
        return server, rotating


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """The Variables of the supervisor, as the process of a task has them."""
    from airflow.sdk.execution_time import task_runner

    variables = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", variables, raising=False)
    return variables


@pytest.fixture
def running(
    serving: Serving,
    connect: Connect,
    clock: FakeClock,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> Running:
    monkeypatch.setattr(
        "airflow_mirrordb.hooks.connected.GenericMirrorDB", partial(GenericMirrorDB, clock=clock.as_clock())
    )
    return Running(serving, connect, clock, variables)


def secrets_of(server: AuthorizationServer, rotating: Rotating) -> list[str]:
    return ["xer0-cl1ent-s3cret", *rotating.tokens, *server.issued]


@each_server
async def test_the_next_refresh_token_is_kept(
    name: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 6749, section 6: the client must discard the old one and replace it; the Variable has it."""
    server, rotating = running.start(name)
    async with MirrorDBHook() as client:
        for number in range(1, 4):
            reads = (client.read_function("read", "api/things") for _ in range(20))
            assert await asyncio.gather(*reads) == [RECORDS] * 20
            assert running.variables.kept[VARIABLE] == rotating.last
            assert len(rotating.tokens) == number + 1
            running.clock.time += (server.lifetime or 0) - 30
    assert running.variables.stored == rotating.tokens[1:]
    assert (len(server.asked), server.refused, rotating.revoked) == (3, 0, False)
    assert_hidden(secrets_of(server, rotating), logged(caplog))


@each_server
def test_a_process_after_another_goes_on_with_it(name: str, running: Running) -> None:
    """What a hook finds is what the hook before it left."""
    server, rotating = running.start(name)
    for _ in range(3):
        with MirrorDBHook() as hook:
            assert hook.read("api/things") == RECORDS
        running.clock.time += (server.lifetime or 0) + 1
    assert (len(rotating.used), rotating.revoked) == (3, False)


async def test_a_refresh_token_that_stays(running: Running) -> None:
    """RFC 6749, section 6: a new one may be given; where none is, as of Google, nothing is written."""
    server, rotating = running.start("QuickBooks")
    first = rotating.last
    server.refresh = lambda request: None if request.form["refresh_token"] == first else "?"
    async with MirrorDBHook() as client:
        for _ in range(2):
            assert await client.read_function("read", "api/things") == RECORDS
            running.clock.time += 1800
    assert running.variables.stored == []
    assert [asked.form["refresh_token"] for asked in server.asked] == [first] * 2


@each_server
async def test_two_clients_at_once_do_not_lock_each_other_out(name: str, running: Running) -> None:
    """Two clients of one process, one Variable, and tokens that end together: each is used once."""
    server, rotating = running.start(name)
    async with MirrorDBHook() as one, MirrorDBHook() as other:
        for _ in range(3):
            reads = [client.read_function("read", "api/things") for client in (one, other, one, other)]
            assert await asyncio.gather(*reads) == [RECORDS] * 4
            running.clock.time += (server.lifetime or 0) + 1
    assert not rotating.revoked
    assert running.variables.kept[VARIABLE] == rotating.last


@pytest.mark.parametrize("name", ["Xero", "QuickBooks"])
async def test_another_process_that_was_quicker(name: str, running: Running) -> None:
    """It used the refresh token and kept the next one while this request was on its way."""
    server, rotating = running.start(name)

    def meanwhile() -> None:
        running.variables.kept[VARIABLE] = rotating.next()

    rotating.meanwhile = meanwhile
    async with MirrorDBHook() as client:
        assert await client.read_function("read", "api/things") == RECORDS
        assert await client.create_function("new", "api/things", {}) == RECORDS
    assert running.variables.kept[VARIABLE] == rotating.last
    assert len(server.asked) <= 2


@each_server
async def test_a_renewal_takes_what_another_process_kept(name: str, running: Running) -> None:
    """Hours after: a refresh token that this process had before would end all of them at Auth0."""
    server, rotating = running.start(name)
    async with MirrorDBHook() as client:
        assert await client.read_function("read", "api/things") == RECORDS
        running.clock.time += (server.lifetime or 0) + 1
        running.variables.kept[VARIABLE] = rotating.next()
        assert await client.read_function("read", "api/things") == RECORDS
    assert (server.refused, rotating.revoked) == (0, False)
    assert running.variables.kept[VARIABLE] == rotating.last


@each_server
async def test_a_variable_that_cannot_be_written(
    name: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """The only valid refresh token is not lost: it is held, said to be unwritten, and written by the next."""
    server, rotating = running.start(name)
    running.variables.fails = 1
    async with MirrorDBHook() as client:
        try:
            await client.read_function("read", "api/things")
        except MirrorDBError as error:
            assert_hidden(secrets_of(server, rotating), texts_of(error))
        running.clock.time += (server.lifetime or 0) + 1
        assert await client.read_function("read", "api/things") == RECORDS
    assert running.variables.kept[VARIABLE] == rotating.last
    assert not rotating.revoked
    told = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert any(VARIABLE in record.getMessage() for record in told)
    assert_hidden(secrets_of(server, rotating), logged(caplog))


@each_server
async def test_refresh_tokens_that_are_all_revoked(
    name: str, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the server's words, with the Variable that needs a new one; there is no second try."""
    server, rotating = running.start(name)
    rotating.revoked = True
    async with MirrorDBHook() as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things")
    assert rotating.refusal[1].rstrip(".") in str(caught.value)
    assert VARIABLE in str(caught.value)
    assert not caught.value.retryable
    assert len(server.asked) == 1
    shown = [*texts_of(caught.value), *logged(caplog)]
    assert_hidden(secrets_of(server, rotating), shown)


@pytest.mark.parametrize("value", [None, "", "a\nb"])
async def test_a_variable_without_a_refresh_token(
    running: Running, caplog: pytest.LogCaptureFixture, value: str | None
) -> None:
    """Not there, empty, or what no token is (RFC 6749, appendix A.17): it is named, and nothing is sent."""
    server, _rotating = running.start("QuickBooks")
    del running.variables.kept[VARIABLE]
    if value is not None:
        running.variables.kept[VARIABLE] = value
    with pytest.raises(MirrorDBError) as caught:  # it may be told when the client is made
        async with MirrorDBHook() as client:
            await client.read_function("read", "api/things")
    assert VARIABLE in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize("goes_on", [True, False])
@each_server
async def test_a_request_that_is_cancelled_in_its_renewal(name: str, running: Running, goes_on: bool) -> None:
    """The server has used the old refresh token by then: the next one is kept all the same.

    :param goes_on: whether the client is used again, or closed at once and another one is made
    """
    server, rotating = running.start(name)
    loop = asyncio.get_running_loop()
    async with MirrorDBHook() as client:
        reading = asyncio.create_task(client.read_function("read", "api/things"))

        def meanwhile() -> None:
            loop.call_soon_threadsafe(reading.cancel)

        rotating.meanwhile = meanwhile
        with pytest.raises(asyncio.CancelledError):
            await reading
        if goes_on:
            assert await client.read_function("read", "api/things") == RECORDS
    async with MirrorDBHook() as client:
        assert await client.read_function("read", "api/things") == RECORDS
    assert not rotating.revoked
    assert running.variables.kept[VARIABLE] == rotating.last
    assert server.refused == 0


async def test_a_connection_that_breaks_in_the_renewal(running: Running) -> None:
    """The answer with the next refresh token is lost; within its grace Xero gives it again."""
    server, rotating = running.start("Xero")
    failed: list[int] = []
    give = server.refresh

    def lose(request: TokenRequest) -> str | None:
        token = give(request)
        if not failed:
            failed.append(1)
            raise Refused("temporarily_unavailable", "the gateway lost it", 502)
        return token

    server.refresh = lose
    async with MirrorDBHook() as client:
        assert await client.create_function("new", "api/things", {}) == RECORDS
    assert running.variables.kept[VARIABLE] == rotating.last

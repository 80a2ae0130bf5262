"""The key of another Airflow connection, in whatever place the backend wants it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_mirrordb.client import MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.zoo.auth.keyed import RECORDS, KeyedBackend
from tests.zoo.auth.names import Connect, Serving
from tests.zoo.auth.seen import assert_hidden, logged, texts_of
from tests.zoo.auth.ways import COOKIE, DATADOG, KEY, NASA, ROTATED, WRONG, Way

each_way = pytest.mark.parametrize("way", [DATADOG, NASA, COOKIE], ids=lambda way: way.name)


def keep(monkeypatch: pytest.MonkeyPatch, key: str | None, **fields: Any) -> None:
    """Define the connection ``token``, which is of another type and leads elsewhere."""
    other = {"conn_type": "http", "host": "https://elsewhere.example", "password": key, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_TOKEN", json.dumps(other))


@each_way
async def test_a_key_that_rotates_in_the_other_connection(
    way: Way,
    serving: Serving,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only that one changes, in the middle of many requests: none fails, and no log has either key."""
    backend = KeyedBackend(way, KEY)
    origin = serving(backend.application)
    backend.next_key, backend.rotate_after = ROTATED, 50
    backend.rotated = lambda: keep(monkeypatch, ROTATED)
    keep(monkeypatch, KEY, extra={"headers": "not ours"})
    connect(origin, extra={**way.noticing, "auth_conn_id": "token"})
    slots = asyncio.Semaphore(10)
    async with MirrorDBHook() as client:

        async def read() -> None:
            async with slots:
                assert await client.read_function("read", "api/things") == RECORDS

        await asyncio.gather(*(read() for _ in range(100)))
        assert_hidden([KEY, ROTATED], [repr(client), json.dumps(await client.get_config())])
    assert backend.admitted == 100
    assert 1 <= backend.refused <= 10
    assert_hidden([KEY, ROTATED], logged(caplog))


@each_way
def test_a_wrong_key_in_the_other_connection(
    way: Way,
    serving: Serving,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The connection test says what the backend says, without it."""
    backend = KeyedBackend(way, KEY)
    keep(monkeypatch, WRONG)
    extra = {**way.extra, "auth_conn_id": "token", "test_endpoint": "api/things"}
    connect(serving(backend.application), extra=extra)
    worked, message = MirrorDBHook().test_connection()
    assert not worked
    assert way.words in message
    keep(monkeypatch, KEY)
    assert MirrorDBHook().test_connection()[0]
    assert_hidden([WRONG, KEY], [message, *logged(caplog)])


@pytest.mark.parametrize("key", [None, ""])
def test_another_connection_without_a_key(
    serving: Serving, connect: Connect, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Nothing is sent, and the error names both the setting and what it leads to."""
    backend = KeyedBackend(NASA, KEY)
    keep(monkeypatch, key)
    connect(serving(backend.application), extra={**NASA.extra, "auth_conn_id": "token"})
    with pytest.raises(MirrorDBError) as caught, MirrorDBHook() as hook:
        hook.read("api/things")
    assert "auth_conn_id" in str(caught.value)
    assert "'token'" in str(caught.value)
    assert not backend.seen


@pytest.mark.parametrize("other", ["nosuch", "mirrordb_default"])
def test_a_connection_that_is_not_there_or_is_the_same(
    serving: Serving, connect: Connect, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends with words, and neither in a loop nor with a request without a key."""
    backend = KeyedBackend(NASA, KEY)
    connect(serving(backend.application), extra={**NASA.extra, "auth_conn_id": other})
    with pytest.raises(Exception, match=other) as caught, MirrorDBHook() as hook:
        hook.read("api/things")
    assert_hidden([KEY], [*texts_of(caught.value), *logged(caplog)])
    assert not backend.seen

"""Keys in headers, in queries and in cookies, as public APIs want them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_mirrordb.client import ConfigError, GenericMirrorDB, MirrorDBConfig, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.zoo.auth.keyed import RECORDS, KeyedBackend
from tests.zoo.auth.names import TINY, Connect, Serving
from tests.zoo.auth.seen import assert_hidden, logged, shown_by, texts_of
from tests.zoo.auth.ways import (
    COOKIE,
    DATADOG,
    KEY,
    NASA,
    OPENWEATHER,
    ROTATED,
    SECOND,
    SUPABASE,
    WAYS,
    WRONG,
    Way,
)

each_way = pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS])
LOAD = 1000


def client_of(way: Way, origin: str, key: str = KEY, **options: Any) -> GenericMirrorDB:
    return GenericMirrorDB({"base_url": origin, "api_key": key, **TINY, **way.noticing}, **options)


@each_way
async def test_a_right_key_is_accepted(way: Way, serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """It is shown where and as the page says that :attr:`Way.source` names, once, and nowhere else."""
    backend = KeyedBackend(way, KEY)
    async with client_of(way, serving(backend.application)) as client:
        assert await client.read_function("read", "api/things") == RECORDS
        assert await client.create_function("create", "api/things", {"id": 9}) == RECORDS
        assert_hidden([KEY, *way.secrets], [*logged(caplog), *await shown_by(client)])
    assert (backend.admitted, backend.refused) == (2, 0)


@each_way
def test_a_right_key_by_the_hook(
    way: Way, serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Password is the key; the rest is extras."""
    backend = KeyedBackend(way, KEY)
    connect(serving(backend.application), password=KEY, extra=way.extra)
    with MirrorDBHook() as hook:
        assert hook.read("api/things", query={"q": "a b"}) == RECORDS
        assert_hidden([KEY, *way.secrets], [repr(hook)])
    assert (backend.admitted, backend.refused) == (1, 0)
    assert_hidden([KEY, *way.secrets], logged(caplog))


@each_way
async def test_a_wrong_key_is_told_in_words(
    way: Way, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the backend's own, as its documentation has them; no secret is among them."""
    backend = KeyedBackend(way, KEY)
    async with client_of(way, serving(backend.application), key=WRONG) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things")
        assert type(caught.value).__name__ == way.error
        assert not caught.value.retryable
        assert way.words in str(caught.value)
        secrets = [WRONG, *way.secrets]
        assert_hidden(secrets, [*texts_of(caught.value), *logged(caplog), *await shown_by(client)])
    assert (backend.admitted, backend.refused) == (0, 1)


@each_way
def test_a_wrong_key_by_the_hook(
    way: Way, serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The task's error has the same words, and the connection test, too."""
    backend = KeyedBackend(way, KEY)
    connect(serving(backend.application), password=WRONG, extra={**way.extra, "test_endpoint": "api/things"})
    with MirrorDBHook() as hook, pytest.raises(MirrorDBError) as caught:
        hook.read("api/things")
    assert way.words in str(caught.value)
    worked, message = MirrorDBHook().test_connection()
    assert not worked
    assert way.words in message
    assert_hidden([WRONG, *way.secrets], [*texts_of(caught.value), message, *logged(caplog)])


@each_way
async def test_a_key_that_rotates_is_looked_up_once(way: Way, serving: Serving) -> None:
    """Fifty requests at once meet the refusal; they share one look-up, and none of them fails."""
    backend = KeyedBackend(way, ROTATED)
    origin = serving(backend.application)
    async with client_of(way, origin, key=KEY, look_up=backend.look_up) as client:
        reads = (client.read_function("read", "api/things") for _ in range(50))
        assert await asyncio.gather(*reads) == [RECORDS] * 50
        assert (backend.admitted, backend.look_ups) == (50, 1)
        assert 1 <= backend.refused <= 50


@pytest.mark.parametrize("way", [DATADOG, OPENWEATHER, COOKIE], ids=lambda way: way.name)
async def test_a_key_that_rotates_in_the_middle_of_a_thousand_requests(way: Way, serving: Serving) -> None:
    """In a header of an API that says 403, in the query, and in a cookie."""
    backend = KeyedBackend(way, KEY)
    backend.next_key, backend.rotate_after = ROTATED, LOAD // 2
    slots = asyncio.Semaphore(50)
    async with client_of(way, serving(backend.application), look_up=backend.look_up) as client:

        async def read() -> None:
            async with slots:
                assert await client.read_function("read", "api/things") == RECORDS

        await asyncio.gather(*(read() for _ in range(LOAD)))
    assert (backend.admitted, backend.look_ups) == (LOAD, 1)
    assert 1 <= backend.refused <= 50


@pytest.mark.parametrize("way", [DATADOG, NASA, COOKIE], ids=lambda way: way.name)
async def test_a_key_that_rotates_in_the_connection(way: Way, serving: Serving, connect: Connect) -> None:
    """The client of a hook that is at work takes it from there; of many requests none fails."""
    backend = KeyedBackend(way, KEY)
    origin = serving(backend.application)
    backend.next_key, backend.rotate_after = ROTATED, 50
    backend.rotated = lambda: connect(origin, password=ROTATED, extra=way.noticing)
    connect(origin, password=KEY, extra=way.noticing)
    async with MirrorDBHook() as client:
        slots = asyncio.Semaphore(10)

        async def read() -> None:
            async with slots:
                assert await client.read_function("read", "api/things") == RECORDS

        await asyncio.gather(*(read() for _ in range(100)))
    assert backend.admitted == 100
    assert 1 <= backend.refused <= 10


# -- auth_statuses -------------------------------------------------------------------------------


async def test_a_status_that_is_not_named_looks_nothing_up(serving: Serving) -> None:
    """Datadog says 403 to a wrong key; without the extra that is a refusal as any other."""
    backend = KeyedBackend(DATADOG, ROTATED)
    settings = {"base_url": serving(backend.application), "api_key": KEY, **TINY, **DATADOG.extra}
    async with GenericMirrorDB(settings, look_up=backend.look_up) as client:
        with pytest.raises(MirrorDBError, match="Forbidden"):
            await client.read_function("read", "api/things")
    assert (backend.refused, backend.look_ups) == (1, 0)


@pytest.mark.parametrize("way", [DATADOG, SUPABASE], ids=lambda way: way.name)
@pytest.mark.parametrize("statuses", [[401, 403], "401, 403"], ids=["list", "text"])
async def test_both_statuses_look_the_key_up(way: Way, serving: Serving, statuses: Any) -> None:
    """A backend that says 401 of one thing and 403 of another, as Airflow's own API does."""
    backend = KeyedBackend(way, ROTATED)
    settings = {"base_url": serving(backend.application), "api_key": KEY, **TINY, **way.extra}
    settings["auth_statuses"] = statuses
    async with GenericMirrorDB(settings, look_up=backend.look_up) as client:
        assert await client.create_function("create", "api/things", {}) == RECORDS
    assert (backend.refused, backend.admitted, backend.look_ups) == (1, 1, 1)


async def test_what_the_key_may_not_do_stays_forbidden(serving: Serving) -> None:
    """A 403 to a key that is good, for what it may not do: one look-up, the same key, and the error."""
    backend = KeyedBackend(DATADOG, ROTATED)

    async def same() -> dict[str, Any]:
        backend.look_ups += 1
        return {"api_key": KEY}

    async with client_of(DATADOG, serving(backend.application), look_up=same) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things")
    assert type(caught.value).__name__ == "ForbiddenError"
    assert (backend.refused, backend.look_ups) == (1, 1)


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"auth_type": "api_key", "key_in": "query"}, "key_name"),
        ({"auth_type": "api_key", "key_in": "cookie"}, "key_name"),
        ({"auth_type": "api_key", "key_in": "body", "key_name": "k"}, "key_in"),
        ({"auth_type": "api_key", "key_in": "path", "key_name": "k"}, "key_in"),
        ({"login": "ada", "key_in": "query", "key_name": "k"}, "key_in"),
        ({"login": "ada", "key_prefix": "Token"}, "key_prefix"),
        ({"key_prefix": "Token"}, "key_prefix"),
        ({"key_in": "cookie", "key_name": "session"}, "key_in"),
        ({"auth_type": "api_key", "key_in": "cookie", "key_name": "a b"}, "key_name"),
        ({"auth_type": "api_key", "key_in": "cookie", "key_name": "a=b"}, "key_name"),
        ({"auth_type": "api_key", "key_in": "header", "key_name": "a:b"}, "key_name"),
        ({"auth_type": "api_key", "key_prefix": "a\r\nb"}, "key_prefix"),
        ({"auth_type": "bearer", "secret_headers": ["a"]}, "secret_headers"),
        ({"auth_type": "bearer", "secret_headers": {"a b": SECOND}}, "secret_headers"),
        (
            {"auth_type": "bearer", "secret_headers": {"X": f"{SECOND}\r\nY: 1"}},
            "secret_headers",
        ),
        ({"auth_type": "bearer", "secret_headers": {"Authorization": SECOND}}, "secret_headers"),
        ({"auth_type": "api_key", "secret_headers": {"x-api-key": SECOND}}, "secret_headers"),
        ({"auth_statuses": [200]}, "auth_statuses"),
        ({"auth_statuses": ["x"]}, "auth_statuses"),
    ],
)
def test_a_setting_that_cannot_be_meant(settings: dict[str, Any], named: str) -> None:
    """It is refused by name, and what is secret of it is not repeated.

    A cookie's name is a token, and so is a header's (RFC 6265, section 4.1.1; RFC 9110, section 5.1).
    """
    with pytest.raises(ConfigError) as caught:
        MirrorDBConfig.model_validate({"base_url": "https://backend.example", "api_key": KEY, **settings})
    assert named in str(caught.value)
    assert_hidden([KEY, SECOND], texts_of(caught.value))


@pytest.mark.parametrize("sign", ['"', ",", ";", "\\", " ", "é", "\x7f"])
async def test_a_key_that_no_cookie_can_hold(serving: Serving, sign: str) -> None:
    """RFC 6265, section 4.1.1, cookie-octet; a semicolon would begin another cookie. It is not sent cut."""
    key = f"{KEY}{sign}{KEY}"
    backend = KeyedBackend(COOKIE, KEY)
    with pytest.raises(MirrorDBError) as caught:  # it may be told when the client is made
        async with client_of(COOKIE, serving(backend.application), key=key) as client:
            await client.read_function("read", "api/things")
    assert not backend.seen
    assert_hidden([KEY], texts_of(caught.value))


@pytest.mark.parametrize("sign", ["&", "#", "%41", "+", " ", "é", "=", "/?"])
async def test_any_key_can_be_in_a_query(serving: Serving, sign: str) -> None:
    """It is percent-encoded (RFC 3986, section 2.1), so that the backend reads it as it is."""
    key = f"{KEY}{sign}{KEY}"
    backend = KeyedBackend(OPENWEATHER, key)
    async with client_of(OPENWEATHER, serving(backend.application), key=key) as client:
        assert await client.read_function("read", "api/things", query={"q": "Köln & co"}) == RECORDS


@pytest.mark.parametrize("way", [DATADOG, SUPABASE], ids=lambda way: way.name)
async def test_get_config_shows_the_names_of_secret_headers(way: Way, serving: Serving) -> None:
    """Which there are may be seen; what is in them may not, also after it was changed."""
    async with client_of(way, serving(KeyedBackend(way, KEY).application)) as client:
        names = set(way.extra["secret_headers"])
        for value in (None, "an0ther-s3cret-0f-this-b4ckend"):
            if value is not None:
                await client.update_config(secret_headers=dict.fromkeys(names, value))
            shown = await client.get_config()
            assert set(shown["secret_headers"]) == names
            assert_hidden([*way.secrets, *filter(None, [value])], [json.dumps(shown), repr(client)])


@pytest.mark.parametrize("given", ["DD-APPLICATION-KEY", "dd-application-key", "DD-API-KEY"])
async def test_a_call_cannot_set_a_secret_header(serving: Serving, given: str) -> None:
    """Nor the header of the key, in any spelling; as the page on security says of the key's."""
    backend = KeyedBackend(DATADOG, KEY)
    async with client_of(DATADOG, serving(backend.application)) as client:
        with pytest.raises(MirrorDBError, match=given):
            await client.read_function("read", "api/things", headers={given: "x"})
    assert not backend.seen

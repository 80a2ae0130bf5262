"""Connections whose key is another connection's, and tokens that tasks would hand on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_mirrordb.client import ConfigError, InvalidRequestError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

TOKEN = "t0ken-of-nobody"


@pytest.fixture
def set_token(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Define the connection ``the_token``, as another team keeps it."""

    def define(password: str | None, **fields: Any) -> None:
        connection = {"conn_type": "generic", "password": password, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_THE_TOKEN", json.dumps(connection))

    return define


@pytest.mark.parametrize(
    ("own", "other", "sent"),
    [
        ({}, {}, f"Bearer {TOKEN}"),
        ({"auth_type": "api_key", "key_name": "Authorization", "key_prefix": "Token"}, {}, f"Token {TOKEN}"),
        ({}, {"login": "ada"}, "Basic YWRhOnQwa2VuLW9mLW5vYm9keQ=="),
        ({"auth_type": "bearer"}, {"login": "ada"}, f"Bearer {TOKEN}"),
    ],
)
async def test_login_and_key_may_be_those_of_another_connection(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    set_token: Any,
    own: dict[str, Any],
    other: dict[str, Any],
    sent: str,
) -> None:
    set_token(TOKEN, **other)
    set_connection(scripted.url, extra={"auth_conn_id": "the_token", **own})
    scripted.answer(200, {})
    async with MirrorDBHook() as client:
        await client.read_function("read", "api/users")
        assert (await client.get_config())["api_key"] == "***"
    assert scripted.headers[0]["Authorization"] == sent


def test_a_plain_task_looks_both_up_again_when_the_key_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, set_token: Any
) -> None:
    """The token rotates in its own connection alone."""
    set_token("older")
    set_connection(scripted.url, extra={"auth_conn_id": "the_token"})
    scripted.answer(401)
    scripted.answer(200, {"id": "1"})
    with MirrorDBHook() as hook:
        hook.get_conn()
        set_token(TOKEN)
        assert hook.read("api/users/1") == {"id": "1"}
    assert [headers["Authorization"] for headers in scripted.headers] == ["Bearer older", f"Bearer {TOKEN}"]


async def test_a_trigger_looks_both_up_again_when_the_key_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, set_token: Any
) -> None:
    set_token("older")
    set_connection(scripted.url, extra={"auth_conn_id": "the_token"})
    scripted.answer(401)
    scripted.answer(200, {"id": "1"})
    async with MirrorDBHook() as client:
        set_token(TOKEN)
        assert await client.read_function("read", "api/users/1") == {"id": "1"}


@pytest.mark.parametrize(
    ("fields", "password", "message"),
    [
        ({"password": "own"}, TOKEN, "extra auth_conn_id: there is a Password as well; leave one of the two"),
        ({}, None, "extra auth_conn_id: the connection 'the_token' has no Password"),
        ({}, "", "extra auth_conn_id: the connection 'the_token' has no Password"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_is_wrong_is_told_of_the_connection_that_names_the_other(
    set_connection: SetConnection,
    set_token: Any,
    fields: dict[str, Any],
    password: str | None,
    message: str,
    is_async: bool,
) -> None:
    set_token(password)
    set_connection("http://127.0.0.1:1", extra={"auth_conn_id": "the_token"}, **fields)
    with pytest.raises(ConfigError, match=message) as caught:
        await _use(is_async=is_async)
    assert caught.value.conn_id == "mirrordb_default"


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_connection_that_is_not_there_is_told_with_who_names_it(
    set_connection: SetConnection, is_async: bool
) -> None:
    set_connection("http://127.0.0.1:1", extra={"auth_conn_id": "nobody_has_it"})
    named = "nobody_has_it.*; the extra 'auth_conn_id' of connection 'mirrordb_default' names it"
    with pytest.raises(Exception, match=named):
        await _use(is_async=is_async)


async def test_a_connection_cannot_have_its_own_credentials(set_connection: SetConnection) -> None:
    set_connection("http://127.0.0.1:1", extra={"auth_conn_id": "mirrordb_default"})
    with pytest.raises(ConfigError, match="extra auth_conn_id: it names this connection itself"):
        await _use(is_async=True)


async def _use(*, is_async: bool) -> None:
    if is_async:
        async with MirrorDBHook():
            pass
    else:
        await asyncio.to_thread(MirrorDBHook().get_conn)


def test_a_token_of_a_task_before_is_refused_with_what_to_do_instead() -> None:
    """XCom keeps it in clear text (Airflow, "XComs": they are not for secrets)."""
    with pytest.raises(TypeError, match=r"token_from.*XCom in clear text; let the connection fetch it"):
        MirrorDBReadOperator(task_id="t", endpoint="api/users", token_from="log_in")


def test_a_header_of_an_earlier_token_is_refused_with_what_to_do_instead(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    set_connection(scripted.url)
    with (
        MirrorDBHook() as hook,
        pytest.raises(InvalidRequestError, match=r"XCom in clear text.*auth_conn_id"),
    ):
        hook.read("api/users", headers={"Authorization": "Bearer from-a-task"})

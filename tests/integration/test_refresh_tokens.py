"""Refresh tokens that are good for one use (RFC 6749, section 6; RFC 9700, section 4.14.2)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import ConfigError, GenericMirrorDB, MirrorDBError
from airflow_mirrordb.hooks.connections import refresh_tokens as variables
from airflow_mirrordb.hooks.connections.refresh_tokens import RefreshTokenVariables
from tests.integration.test_secrets_forms import answer, texts_of
from tests.support.clocks import FakeClock, until
from tests.support.raw_server import RawServer, listening

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor

NAME = "crm_refresh_token"


class RotatingServer(RawServer):
    """Takes each refresh token once; answers any other request with its own Authorization.

    :ivar held: set while it answers
    """

    lifetime = 3600
    words = "it was used"

    def __init__(self) -> None:
        super().__init__()
        self.held = asyncio.Event()
        self.held.set()
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self.last = "SECRET-REFRESH-0"
        self.used: list[str] = []
        self.requests.clear()

    async def _exchange(self, reader: Any, writer: Any) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        form = dict(parse_qsl((await reader.readexactly(int(length or 0))).decode()))
        self.requests.append(head)
        sent = head.partition(b"Authorization: ")[2].split(b"\r\n")[0].decode()
        if head.startswith(b"POST"):
            given = self._token(form["refresh_token"])
            await self.held.wait()
            writer.write(given)
        else:
            writer.write(answer(200, json.dumps(sent)))
        await writer.drain()
        return True

    def _token(self, given: str) -> bytes:
        self.used.append(given)
        if given != self.last:
            body = {"error": "invalid_grant", "error_description": f"{self.words}: {given}"}
            return answer(400, json.dumps(body))
        return answer(200, json.dumps(self.next()))

    def next(self) -> dict[str, Any]:
        """Use the last one, as another process may."""
        number = int(self.last.rpartition("-")[2]) + 1
        self.last = f"SECRET-REFRESH-{number}"
        token = f"SECRET-ACCESS-{number}"
        return {"access_token": token, "expires_in": self.lifetime, "refresh_token": self.last}


class Store:
    """Keeps refresh tokens in memory."""

    def __init__(self, **kept: str) -> None:
        self.kept = kept
        self.fails = False

    async def load(self, name: str) -> str | None:
        return self.kept.get(name)

    async def save(self, name: str, new: str, used: str) -> None:
        if self.fails:
            raise OSError(f"UPDATE variable SET val={new!r} failed")
        if self.kept.get(name) == used:
            self.kept[name] = new


@pytest.fixture
async def rotating() -> AsyncIterator[RotatingServer]:
    async with listening(RotatingServer()) as raw:
        yield raw


def refreshing(config_for: ConfigFor, server: RawServer, **settings: Any) -> Any:
    own = {
        "auth_type": "oauth2",
        "oauth_url": f"{server.base_url}/token",
        "grant_type": "refresh_token",
        "refresh_token_variable": NAME,
        "login": "id",
        "api_key": "client-s3cret",
    }
    return config_for(server.base_url, **{**own, **settings})


def read(client: GenericMirrorDB) -> Any:
    return client.read_function("read", "api/users")


# -- renewals ------------------------------------------------------------------------------------


async def test_the_next_one_is_kept_before_the_access_token_is_used(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """Else a process that ends in between would leave a refresh token that nobody takes."""
    store, clock = Store(**{NAME: rotating.last}), FakeClock()
    async with GenericMirrorDB(
        refreshing(config_for, rotating), refresh_tokens=store, clock=clock.as_clock()
    ) as client:
        for number in (1, 2):
            store.fails = False
            assert await read(client) == f"Bearer SECRET-ACCESS-{number}"
            assert store.kept == {NAME: f"SECRET-REFRESH-{number}"}
            clock.time += rotating.lifetime
    assert [head.split()[0] for head in rotating.requests] == [b"POST", b"GET"] * 2


async def test_clients_of_an_event_loop_share_a_renewal(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """Whichever asks first, and when the backend refuses the token of all."""
    store, config = Store(**{NAME: rotating.last}), refreshing(config_for, rotating)
    async with (
        GenericMirrorDB(config, refresh_tokens=store) as one,
        GenericMirrorDB(config, refresh_tokens=store) as other,
    ):
        answers = await asyncio.gather(*(read(client) for client in (one, other) * 5))
        assert answers == ["Bearer SECRET-ACCESS-1"] * 10
        for client in (one, other):
            client._authenticator.forget_token()  # as one of auth_statuses does
        answers = await asyncio.gather(*(read(client) for client in (one, other) * 5))
    assert answers == ["Bearer SECRET-ACCESS-2"] * 10
    assert rotating.used == ["SECRET-REFRESH-0", "SECRET-REFRESH-1"]


async def test_what_was_refused_is_given_to_no_other_client(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """Also where the renewal failed."""
    store, config = Store(**{NAME: rotating.last}), refreshing(config_for, rotating)
    clock = FakeClock().as_clock()
    async with GenericMirrorDB(config, refresh_tokens=store, clock=clock) as one:
        await read(one)
        one._authenticator.forget_token()
        rotating.last = "SECRET-REFRESH-77"
        with pytest.raises(MirrorDBError, match="it was used"):
            await read(one)
        store.kept[NAME] = rotating.last
        async with GenericMirrorDB(config, refresh_tokens=store, clock=clock) as other:
            assert await read(other) == "Bearer SECRET-ACCESS-78"


async def test_a_request_that_is_given_up_loses_no_refresh_token(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """The authorization server has ended the old one by then."""
    store = Store(**{NAME: rotating.last})
    rotating.held.clear()
    async with GenericMirrorDB(refreshing(config_for, rotating), refresh_tokens=store) as client:
        asked = asyncio.create_task(read(client))
        await until(lambda: rotating.used)
        asked.cancel()
        await asyncio.wait([asked])
        rotating.held.set()
        assert await read(client) == "Bearer SECRET-ACCESS-1"
    assert (rotating.used, store.kept) == (["SECRET-REFRESH-0"], {NAME: "SECRET-REFRESH-1"})


async def test_a_process_that_is_about_to_keep_what_it_got(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """Both used the same one at once: the other one has not written it yet when this one is refused."""
    store, clock = Store(**{NAME: rotating.last}), FakeClock()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        store.kept[NAME] = rotating.last

    rotating.next()
    config = refreshing(config_for, rotating)
    async with GenericMirrorDB(config, refresh_tokens=store, clock=clock.as_clock(sleep=sleep)) as client:
        assert await read(client) == "Bearer SECRET-ACCESS-2"
    assert rotating.used == ["SECRET-REFRESH-0", "SECRET-REFRESH-1"]
    assert store.kept == {NAME: "SECRET-REFRESH-2"}


# -- what goes wrong -----------------------------------------------------------------------------


async def test_one_that_cannot_be_kept(
    config_for: ConfigFor, rotating: RotatingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is used all the same, by any client of the process, and written by the next renewal."""
    store, clock = Store(**{NAME: rotating.last}), FakeClock()
    store.fails = True
    config = refreshing(config_for, rotating)
    make = partial(GenericMirrorDB, config, refresh_tokens=store, clock=clock.as_clock())
    async with make() as client:
        assert await read(client) == "Bearer SECRET-ACCESS-1"
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"could not be kept in {NAME!r}, and only this process has it: OSError" in told.getMessage()
    assert "SECRET" not in caplog.text
    clock.time += rotating.lifetime
    store.fails = False
    async with make() as client:
        assert await read(client) == "Bearer SECRET-ACCESS-2"
    assert store.kept == {NAME: "SECRET-REFRESH-2"}


async def test_one_that_a_person_replaced_wins_over_one_that_was_not_kept(
    config_for: ConfigFor, rotating: RotatingServer
) -> None:
    """Whoever writes the Variable knows more."""
    store, clock = Store(**{NAME: rotating.last}), FakeClock()
    store.fails = True
    config = refreshing(config_for, rotating)
    async with GenericMirrorDB(config, refresh_tokens=store, clock=clock.as_clock()) as client:
        await read(client)
        clock.time += rotating.lifetime
        rotating.last = store.kept[NAME] = "SECRET-REFRESH-77"
        assert await read(client) == "Bearer SECRET-ACCESS-78"


async def test_one_that_is_refused(
    config_for: ConfigFor, rotating: RotatingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It says where to put a new one, and shows none, though the server repeats it."""
    caplog.set_level(logging.DEBUG)
    store = Store(**{NAME: "SECRET-REFRESH-OLD"})
    clock = FakeClock().as_clock()
    async with GenericMirrorDB(refreshing(config_for, rotating), refresh_tokens=store, clock=clock) as client:
        with pytest.raises(MirrorDBError) as caught:
            await read(client)
    assert "it was used: ***" in str(caught.value)
    assert f"that of {NAME!r}, the refresh_token_variable" in str(caught.value)
    assert (rotating.used, caught.value.retryable) == (["SECRET-REFRESH-OLD"], False)
    assert "SECRET" not in "".join([*texts_of(caught.value), caplog.text])


@pytest.mark.parametrize("kept", [{}, {NAME: " "}, {NAME: "a\nb"}, {NAME: "é"}])
async def test_nothing_that_could_be_one(
    config_for: ConfigFor, rotating: RotatingServer, kept: dict[str, str]
) -> None:
    """Nothing is sent then."""
    config = refreshing(config_for, rotating)
    async with GenericMirrorDB(config, refresh_tokens=Store(**kept)) as client:
        with pytest.raises(ConfigError, match=f": refresh_token_variable: .*{NAME}"):
            await read(client)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConfigError, match="the argument refresh_tokens, which keeps it"):
            await read(client)
    assert rotating.requests == []


# -- Airflow's Variables -------------------------------------------------------------------------


class Variables:
    """Has the Variables of a task, as Airflow 3 does."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Begin again."""
        self.kept[NAME] = "SECRET-REFRESH-0"

    def send(self, message: Any) -> Any:
        from airflow.sdk.execution_time import comms

        if isinstance(message, comms.GetVariable):
            return comms.VariableResult(key=message.key, value=self.kept[message.key])
        if isinstance(message, comms.PutVariable):
            self.kept[message.key] = message.value or ""
        return None


@pytest.fixture
def airflow_variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    if not AIRFLOW_V_3_0_PLUS:
        pytest.skip("the messages are those of Airflow 3")
    from airflow.sdk.execution_time import task_runner

    found = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    return found


async def test_a_variable_that_airflow_remembers_is_read_anew(
    airflow_variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow may cache Variables ([secrets] use_cache), for a quarter of an hour by default."""
    from datetime import timedelta

    from airflow.sdk.execution_time.cache import SecretCache

    monkeypatch.setattr(SecretCache, "_cache", {})
    monkeypatch.setattr(SecretCache, "_ttl", timedelta(minutes=15), raising=False)
    store = RefreshTokenVariables()
    assert await store.load(NAME) == "SECRET-REFRESH-0"
    assert SecretCache.get_variable(NAME) == "SECRET-REFRESH-0"
    airflow_variables.kept[NAME] = "SECRET-REFRESH-1"
    assert await store.load(NAME) == "SECRET-REFRESH-1"


async def test_a_variable_that_somebody_else_wrote_stays(airflow_variables: Variables) -> None:
    """It is the refresh token of another process, or a new one that a person was given."""
    store = RefreshTokenVariables()
    await store.save(NAME, "SECRET-REFRESH-1", "SECRET-REFRESH-OLD")
    assert airflow_variables.kept[NAME] == "SECRET-REFRESH-0"
    await store.save(NAME, "SECRET-REFRESH-1", "SECRET-REFRESH-0")
    assert airflow_variables.kept[NAME] == "SECRET-REFRESH-1"


async def test_a_variable_that_airflow_cannot_write(
    airflow_variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow only warns that a Variable of the environment hides the one that it writes."""
    monkeypatch.setenv(f"AIRFLOW_VAR_{NAME.upper()}", "SECRET-REFRESH-0")
    with pytest.raises(MirrorDBError, match="which Airflow reads first and cannot write"):
        await RefreshTokenVariables().save(NAME, "SECRET-REFRESH-1", "SECRET-REFRESH-0")
    assert airflow_variables.kept


async def test_airflow_masks_each_refresh_token(
    airflow_variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is written, and as it was read: a task may print it."""
    masked: list[str] = []

    async def mask(secrets: list[str]) -> None:
        masked.extend(secrets)
        assert airflow_variables.kept[NAME] == "SECRET-REFRESH-0"

    monkeypatch.setattr(variables, "amask_secrets", mask)
    store = RefreshTokenVariables()
    await store.load(NAME)
    await store.save(NAME, "SECRET-REFRESH-1", "SECRET-REFRESH-0")
    assert masked == ["SECRET-REFRESH-0", "SECRET-REFRESH-1"]

"""What hook and client say to who knows another one: of methods, of arguments, and of how they are made."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from airflow_mirrordb.client import ConfigError, GenericMirrorDB, InvalidRequestError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

Hook: Any = MirrorDBHook  # a type checker knows that these are wrong
Client: Any = GenericMirrorDB
CLIENT = {"base_url": "https://example.com"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "read_function",
            "that is of the client, which 'async with' gives; of a hook it is hook.read('api/us",
        ),
        ("get", "did you mean hook.read('api/users/7')?"),
        ("post", "did you mean hook.create('api/users', {'name': 'Ada'})?"),
        ("patch", "did you mean hook.update('api/users/7', {'name': 'Ada'})?"),
        ("get_records", "did you mean hook.records('api/users', paginate={'style': 'link'})?"),
        ("run", "did you mean hook.request()?"),
        ("session", "did you mean hook.get_conn()?"),
    ],
)
def test_a_hook_tells_what_was_meant(name: str, says: str) -> None:
    """The names are those of requests, of HttpHook (``run``) and of the client."""
    with pytest.raises(AttributeError) as raised:
        getattr(MirrorDBHook("crm"), name)
    assert str(raised.value).startswith(f"'MirrorDBHook' object has no attribute '{name}'; {says}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("read", "did you mean await client.read_function(method_name, endpoint)?"),
        ("create", "did you mean await client.create_function(method_name, endpoint, data)?"),
        ("get", "did you mean await client.read_function(method_name, endpoint)?"),
        ("put", "did you mean await client.update_function(method_name, endpoint, data)?"),
        ("session", "a client is one: use 'async with', or await connect()"),
        ("list", "did you mean client.records()?"),
    ],
)
def test_a_client_tells_what_was_meant(name: str, says: str) -> None:
    """The names are those of requests and httpx, and of the hook."""
    with pytest.raises(AttributeError) as raised:
        getattr(GenericMirrorDB(CLIENT), name)
    assert str(raised.value) == f"'GenericMirrorDB' object has no attribute '{name}'; {says}"


@pytest.mark.parametrize("make", [lambda: MirrorDBHook("crm"), lambda: GenericMirrorDB(CLIENT)])
def test_what_is_not_there_is_not_there(make: Callable[[], Any]) -> None:
    """For ``hasattr`` and whatever asks for an attribute nothing changes."""
    made = make()
    assert not hasattr(made, "get")
    assert getattr(made, "nothing", 7) == 7
    with pytest.raises(AttributeError, match=r"object has no attribute 'nothing'$"):
        made.nothing  # noqa: B018  # it is asked for
    empty = object.__new__(type(made))  # as copy and pickle make one
    with pytest.raises(AttributeError):
        empty.anything  # noqa: B018
    assert not hasattr(empty, "__deepcopy__")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Hook(conn_id="x"),
            "MirrorDBHook has no argument 'conn_id'; did you mean 'mirrordb_c",
        ),
        (
            lambda: Hook(http_conn_id="x"),
            "MirrorDBHook has no argument 'http_conn_id'; did you mean ",
        ),
        (lambda: Hook("a", "b"), "MirrorDBHook: too many positional arguments"),
        (
            Client,
            "GenericMirrorDB takes its settings as one mapping, as GenericMirrorDB({",
        ),
        (lambda: Client(base_url="https://h"), "GenericMirrorDB takes its settings as one mapping"),
        (
            lambda: Client({"base_url": "https://h"}, clok=None),
            "GenericMirrorDB has no argument 'clok'; did you mean 'clock'?",
        ),
    ],
)
def test_who_is_made_wrongly_is_named(make: Callable[[], Any], says: str) -> None:
    """By the class that its user knows."""
    with pytest.raises(TypeError) as raised:
        make()
    assert str(raised.value).startswith(says)


def test_the_signatures_stay() -> None:
    """Editors and documentation show the arguments."""
    assert list(inspect.signature(MirrorDBHook).parameters) == [
        "mirrordb_conn_id",
        "ignore_unknown_extras",
        "operator",
        "once",
    ]
    assert next(iter(inspect.signature(GenericMirrorDB).parameters)) == "config"


def test_another_error_of_a_constructor_stays_as_it_is() -> None:
    """A wrong setting is no wrong argument."""
    with pytest.raises(ConfigError, match="base_url"):
        GenericMirrorDB({})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"params": {"limit": 2}}, "params: there is no such argument; did you mean 'query'?"),
        (
            {"limit": 2},
            "limit: there is no such argument; a parameter of the URL goes into 'query', as query={'li",
        ),
        ({"etag": '"v1"'}, "etag: there is no such argument; did you mean 'if_match'?"),
        ({"json": {}}, "json: there is no such argument; did you mean 'data'?"),
        (
            {"auth_type": "basic"},
            "auth_type: there is no such argument; that is said in the connection, by its extra",
        ),
        (
            {"user_id": 7},
            "user_id: there is no such argument; known are data, paginate, method_name, query, headers,",
        ),
    ],
)
def test_a_read_tells_its_own_arguments(
    set_connection: SetConnection, wrong: dict[str, Any], says: str
) -> None:
    """None that only what writes has, and none that only this package gives itself."""
    set_connection("https://example.com")
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError) as raised:
        hook.read("api/users", **wrong)
    assert raised.value.message.startswith(says)
    assert "digest" not in raised.value.message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("GET", "api/users/7"), "MirrorDBRequest(method='GET', endpoint='api/users/7')"),
        (("DELETE",), "MirrorDBRequest(method='DELETE', endpoint='api/users/7')"),
        (("api/users",), "MirrorDBRequest(method='GET', endpoint='api/users')"),
    ],
)
def test_a_request_is_one_value(given: tuple[Any, ...], says: str) -> None:
    """Others take a method and a URL there, as requests and httpx."""
    with pytest.raises(InvalidRequestError, match="request: it takes one request") as raised:
        MirrorDBHook("crm").request(*given)
    assert says in raised.value.message


def test_the_text_of_an_object_is_warned_of(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Operators parse it, as templates make texts; hook and client send what they are given."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {})] * 6
    with MirrorDBHook() as hook:
        with pytest.warns(UserWarning, match="data: the text of an object goes out as a JSON text") as told:
            hook.create("api/users", '{"name": "Ada"}')
        assert told[0].filename == __file__
        with pytest.warns(UserWarning, match="data: the text of a list"):
            hook.update("api/users/7", "[1]")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for text in ("{name}", "Ada", "", "[draft]"):
                hook.create("api/users", text)


async def test_an_empty_key_is_refused() -> None:
    """It would be sent as none, or as an empty one; who has no key says so by auth_type."""
    client = GenericMirrorDB({**CLIENT, "api_key": "k1"})
    with pytest.raises(ConfigError, match="api_key: it is empty"):
        await client.update_api_key("")
    assert (await client.get_config())["api_key"] == "***"

"""The same tables against the real servers, where these can be installed: what the emulator says is so."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.installed import free_port, json_server_at, kinto_at, running, venv
from tests.zoo.real import check, connect, records_of
from tests.zoo.tables import KEY, Api

# each installs its server first
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JSON_SERVER: Final = "json-server@1.0.0-beta.15"
DJANGO: Final = (
    *("django==5.2.8", "djangorestframework==3.16.1"),
    *("djangorestframework-jsonapi==8.0.0", "djangorestframework-simplejwt==5.5.1"),
)


@contextmanager
def json_server(api: Api, folder: Path) -> Iterator[str]:
    with json_server_at(folder, JSON_SERVER, "lib/bin.js", {"posts": records_of(api)}) as base_url:
        yield base_url


@contextmanager
def kinto(api: Api, folder: Path) -> Iterator[str]:
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    endpoints = ["buckets", "buckets/blog/collections/articles/records"]
    connection = {**api.connection, "extra": {**api.connection["extra"], "endpoints": endpoints}}
    with kinto_at(folder) as base_url:
        with pytest.MonkeyPatch.context() as patch:  # ends before the test sets a connection of its own
            connect(patch, connection, base_url)
            with MirrorDBHook() as hook:
                hook.create("buckets", {"id": "blog"})
                hook.create("buckets/blog/collections", {"id": "articles"})
                for record in records_of(api):
                    hook.create("buckets/blog/collections/articles/records", record)
        yield base_url


@contextmanager
def django(api: Api, folder: Path) -> Iterator[str]:
    home, port = venv(folder / "django", *DJANGO), free_port()
    app = str(Path(__file__).with_name("django_app.py"))
    with running(str(home / "bin" / "python"), app, str(port), KEY, cwd=home, port=port):
        yield f"http://127.0.0.1:{port}"


#: Each server, and the calls that it cannot be asked: it has no such limit, or no such rule.
REAL: Final = {
    "json_server": (json_server, set()),
    "kinto": (kinto, {"an error in words", "a limit"}),
    "django": (django, {"a limit", "a method that is not allowed"}),
    "jsonapi": (django, {"an error in words"}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_server(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of the table has the same result, but for what the server chooses by itself."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    api: Api = importlib.import_module(f"tests.zoo.apis.{name}").API
    start, without = REAL[name]
    with tempfile.TemporaryDirectory(prefix="mirrordb-zoo-") as folder, start(api, Path(folder)) as base_url:
        connect(monkeypatch, api.connection, base_url)
        with MirrorDBHook() as hook:
            for call in api.calls:
                if call.what not in without:
                    check(getattr(hook, call.method), call)


def test_a_real_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simple JWT and the tokens of Django REST framework, by the extras that the README has for them.

    A new password ends all tokens of its user at once, as CHECK_REVOKE_TOKEN of Simple JWT says.
    """
    from airflow_mirrordb.client import AuthenticationError, InvalidDataError
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    simple_jwt = {"login_url": "api/token/", "token_path": "access"}
    tokens = {"login_url": "api-token-auth/", "token_path": "token", "key_prefix": "Token"}
    common = {"auth_type": "login", "trailing_slash": True, "endpoints": ["accounts", "PUT password"]}

    def log_in(password: str, extra: dict[str, str]) -> MirrorDBHook:
        connection = {"login": "zoo", "password": password, "extra": {**common, **extra}}
        connect(monkeypatch, connection, base_url)
        return MirrorDBHook()

    api: Api = importlib.import_module("tests.zoo.apis.django").API
    with tempfile.TemporaryDirectory(prefix="mirrordb-zoo-") as folder, django(api, Path(folder)) as base_url:
        with log_in(KEY, tokens) as hook:
            assert hook.read("accounts")["count"] == 7
        with log_in("wr0ng", tokens) as hook, pytest.raises(InvalidDataError, match="Unable to log in with"):
            hook.read("accounts")
        with (
            log_in("wr0ng", simple_jwt) as hook,
            pytest.raises(AuthenticationError, match="No active acc"),
        ):
            hook.read("accounts")
        with log_in(KEY, simple_jwt) as hook:
            assert hook.read("accounts")["count"] == 7
            hook.update("password", {"password": "an0ther-p4ssword"})
            log_in("an0ther-p4ssword", simple_jwt)
            assert hook.read("accounts")["count"] == 7

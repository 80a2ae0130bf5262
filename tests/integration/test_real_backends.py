"""Two backends that nobody here wrote, as their registries have them: json-server (npm) and Kinto (PyPI)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    AuthenticationError,
    ConflictError,
    InvalidDataError,
    MirrorDBRequest,
    NotFoundError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.connections import SetConnection
from tests.support.installed import json_server_at, kinto_at

# the first test installs what it needs, maybe node as well
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JSON_SERVER = "json-server@0.17.4"
KINTO_EXTRA: dict[str, Any] = {
    "endpoints": ["buckets", "buckets/{bucket}/collections/{collection}/records"],
    "request_envelope": "data",
    "response_envelope": "data",
}
SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


# -- installing and running ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mirrordb-backends-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module")
def json_server(folder: Path) -> Iterator[str]:
    """The base URL of a json-server with nothing in it."""
    with json_server_at(folder, JSON_SERVER, "lib/cli/bin.js", {"posts": [], "tags": []}) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def kinto(folder: Path) -> Iterator[str]:
    """The base URL of a Kinto that keeps everything in memory."""
    with kinto_at(folder) as base_url:
        yield base_url


# -- json-server ---------------------------------------------------------------------------------


def test_json_server_crud(json_server: str, set_connection: SetConnection) -> None:
    """Bare bodies, numbers for ids, PUT that replaces, PATCH that merges, a DELETE that answers {}."""
    set_connection(json_server, extra={"endpoints": ["posts"]})
    with MirrorDBHook() as hook:
        created = hook.create("posts", {"title": "a", "views": 1})
        assert created == {"id": 1, "title": "a", "views": 1}
        assert hook.read("posts/1") == created
        assert hook.read("posts", query={"title": "a"}) == [created]
        assert hook.update("posts/1", {"title": "b"}) == {"id": 1, "title": "b"}
        assert hook.update("posts/1", {"views": 2}, partial=True) == {"id": 1, "title": "b", "views": 2}
        assert hook.delete("posts/1") == {}
        with pytest.raises(NotFoundError):
            hook.read("posts/1")
        with pytest.raises(NotFoundError):
            hook.update("posts/1", {"title": "c"})
        with pytest.raises(NotFoundError):
            hook.delete("posts/1")
        assert hook.delete("posts/1", missing_ok=True) is None
        assert hook.read("posts") == []


def test_json_server_updates_by_patch_where_told(json_server: str, set_connection: SetConnection) -> None:
    """With ``update_method`` the update that replaced merges; that is what the backend makes of PATCH."""
    set_connection(json_server, extra={"endpoints": ["posts"], "update_method": "PATCH"})
    with MirrorDBHook() as hook:
        post = hook.create("posts", {"title": "a"})
        assert hook.update(f"posts/{post['id']}", {"views": 1}) == {**post, "views": 1}
        hook.delete(f"posts/{post['id']}")


def test_json_server_validates_no_more_than_json(json_server: str, set_connection: SetConnection) -> None:
    """It knows no schema; what it refuses with 400 is a body that is neither object nor list."""
    set_connection(json_server, extra={"endpoints": ["posts"]})
    with MirrorDBHook() as hook:
        with pytest.raises(InvalidDataError, match="400 Bad Request") as caught:
            hook.create("posts", "no record")
        assert (caught.value.status, caught.value.attempts) == (400, 1)
        assert hook.read("posts") == []


def test_json_server_hides_a_conflict_in_a_500(json_server: str, set_connection: SetConnection) -> None:
    """An id that is taken is answered by 500: a create without a key is not sent again, but reported."""
    set_connection(json_server, extra={"endpoints": ["posts"]})
    with MirrorDBHook() as hook:
        hook.create("posts", {"id": "ada", "n": 1})
        with pytest.raises(AmbiguousWriteError, match="duplicate id") as caught:
            hook.create("posts", {"id": "ada", "n": 2})
        assert caught.value.attempts == 1
        assert hook.read("posts") == [{"id": "ada", "n": 1}]
        hook.delete("posts/ada")


def test_json_server_pages(json_server: str, set_connection: SetConnection) -> None:
    """Its Link header leads through all of them."""
    set_connection(json_server, extra={"endpoints": ["tags"]})
    with MirrorDBHook() as hook:
        tags = [hook.create("tags", {"name": name}) for name in "abcde"]
        assert hook.read("tags", paginate={"style": "link"}, query={"_page": 1, "_limit": 2}) == tags


# -- Kinto ---------------------------------------------------------------------------------------


@pytest.fixture
def users(kinto: str, set_connection: SetConnection) -> Iterator[str]:
    """The endpoint of a collection of users, each of which needs a name; it goes with the test."""
    set_connection(kinto, login="ada", password="any", extra=KINTO_EXTRA)
    with MirrorDBHook() as hook:
        assert hook.create("buckets", {"id": "shop"})["id"] == "shop"
        made = hook.create("buckets/shop/collections", {"id": "users", "schema": SCHEMA})
        assert made["schema"] == SCHEMA
        yield "buckets/shop/collections/users/records"
        assert hook.delete("buckets/shop")["deleted"] is True


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what Kinto adds to it."""
    return {name: value for name, value in record.items() if name not in ("schema", "last_modified")}


def test_kinto_crud(users: str) -> None:
    """Records in ``data``, both ways; PUT replaces, PATCH merges, DELETE answers with a tombstone."""
    with MirrorDBHook() as hook:
        created = hook.create(users, {"id": "ada", "name": "Ada"})
        assert facts(created) == {"id": "ada", "name": "Ada"}
        assert hook.read(f"{users}/ada") == created
        assert hook.read(users) == [created]
        replaced = hook.update(f"{users}/ada", {"name": "Ada", "age": 36})
        assert facts(replaced) == {"id": "ada", "name": "Ada", "age": 36}
        merged = hook.update(f"{users}/ada", {"age": 37}, partial=True)
        assert facts(merged) == {"id": "ada", "name": "Ada", "age": 37}
        assert facts(hook.delete(f"{users}/ada")) == {"id": "ada", "deleted": True}
        with pytest.raises(NotFoundError):
            hook.read(f"{users}/ada")
        with pytest.raises(NotFoundError):
            hook.delete(f"{users}/ada")
        assert hook.delete(f"{users}/ada", missing_ok=True) is None
        assert hook.read(users) == []


def test_kinto_updates_by_patch_where_told(users: str, kinto: str, set_connection: SetConnection) -> None:
    """The update that replaced merges."""
    set_connection(kinto, login="ada", password="any", extra={**KINTO_EXTRA, "update_method": "PATCH"})
    with MirrorDBHook() as hook:
        hook.create(users, {"id": "ada", "name": "Ada"})
        assert facts(hook.update(f"{users}/ada", {"age": 36})) == {"id": "ada", "name": "Ada", "age": 36}


def test_kinto_refuses_invalid_data(users: str) -> None:
    """The collection's schema is enforced, and the error says which field is wrong."""
    with MirrorDBHook() as hook:
        with pytest.raises(InvalidDataError, match="3 is not of type 'string'") as caught:
            hook.create(users, {"name": 3})
        assert (caught.value.status, caught.value.attempts) == (400, 1)
        assert hook.read(users) == []


def test_kinto_needs_the_envelope(users: str, kinto: str, set_connection: SetConnection) -> None:
    """Without the setting a record is refused, and answers come with everything that lies around one."""
    with MirrorDBHook() as hook:
        created = hook.create(users, {"id": "ada", "name": "Ada"})
    bare = {**KINTO_EXTRA, "request_envelope": None, "response_envelope": None}
    set_connection(kinto, login="ada", password="any", extra=bare)
    with MirrorDBHook() as hook:
        with pytest.raises(InvalidDataError, match="Unrecognized keys"):
            hook.create(users, {"name": "Bob"})
        answer = hook.read(f"{users}/ada")
        assert (answer.keys(), answer["data"]) == ({"data", "permissions"}, created)


def test_kinto_conflicts(users: str) -> None:
    """A write on a condition that does not hold changes nothing, one whose condition holds does."""
    with MirrorDBHook() as hook:
        hook.create(users, {"id": "ada", "name": "Ada"})
        found = hook.request(MirrorDBRequest(method="GET", endpoint=f"{users}/ada"))
        assert found.body["data"] == found.data
        with pytest.raises(ConflictError) as caught:
            hook.update(f"{users}/ada", {"name": "new"}, if_none_match="*")
        assert caught.value.status == 412
        newer = hook.update(f"{users}/ada", {"name": "Ada L."}, if_match=found.etag)
        with pytest.raises(ConflictError, match="modified meanwhile"):
            hook.update(f"{users}/ada", {"name": "too late"}, if_match=found.etag)
        with pytest.raises(ConflictError):
            hook.delete(f"{users}/ada", if_match=found.etag)
        assert hook.read(f"{users}/ada") == newer


def test_kinto_answers_a_create_of_what_is_there_with_what_is_there(users: str) -> None:
    """A POST whose id is taken is 200 with the old record there; no error tells of it."""
    with MirrorDBHook() as hook:
        first = hook.create(users, {"id": "ada", "name": "Ada"})
        assert hook.create(users, {"id": "ada", "name": "another"}) == first


def test_kinto_asks_who_it_is(users: str, kinto: str, set_connection: SetConnection) -> None:
    """A connection without a login is told so."""
    set_connection(kinto, extra=KINTO_EXTRA)
    with MirrorDBHook() as hook, pytest.raises(AuthenticationError):
        hook.read(users)


def test_kinto_pages(users: str) -> None:
    """Its Next-Page header leads through all of them, each in its envelope."""
    paginate = {"style": "header", "next": "Next-Page"}
    with MirrorDBHook() as hook:
        made = [hook.create(users, {"name": name}) for name in "abcde"]
        assert hook.read(users, paginate=paginate, query={"_limit": 2, "_sort": "name"}) == made

"""What goes over the wire is exactly what was asked for; what must not be asked never gets there."""

from __future__ import annotations

import string
import unicodedata
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from airflow_mirrordb.client import ConfigError, GenericMirrorDB, MirrorDBRequest

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

# The server is the same for all examples of a test; each one looks only at what it sent itself.
one_server = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

URL_CHARACTERS = set(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@%/?")
SEGMENTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="/\\?#%"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == unicodedata.normalize("NFKC", text).strip() and text not in (".", ".."))
QUERIES = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.text(max_size=12) | st.integers() | st.lists(st.text(max_size=5), min_size=1),
    max_size=4,
)
TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
HEADERS = st.dictionaries(
    TOKENS.map(lambda token: f"X-T-{token}".lower()),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
        lambda text: text == text.strip()
    ),
    max_size=4,
)


def parsed(request: bytes) -> tuple[str, str, dict[str, list[str]], bytes]:
    """Method, target, headers and body of a request, read byte by byte as RFC 9112 says."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, target, version = line.decode("ascii").split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, list[str]] = {}
    for field in fields:
        name, _, value = field.decode().partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return method, target, headers, body


@given(
    segments=st.lists(SEGMENTS, min_size=1, max_size=4),
    query=QUERIES,
    headers=HEADERS,
    prefix=st.sampled_from(["", "/v1", "/a b/ü"]),
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    slash=st.booleans(),
)
@one_server
async def test_exactly_one_request_arrives_as_it_was_meant(
    raw_server: RawServer,
    config_for: ConfigFor,
    segments: list[str],
    query: dict[str, Any],
    headers: dict[str, str],
    prefix: str,
    method: Any,
    slash: bool,
) -> None:
    """Request line, Host, prefix, segments, query and headers, and nothing beside them."""
    raw_server.requests.clear()
    config = config_for(raw_server.base_url + prefix, endpoints="files/{path:path}", trailing_slash=slash)
    request = MirrorDBRequest(
        method=method, endpoint="/".join(["files", *segments]), query=query, headers=headers
    )
    async with GenericMirrorDB(config) as client:
        await client.request(request)
    assert len(raw_server.requests) == 1
    sent_method, target, sent_headers, body = parsed(raw_server.requests[0])
    assert (sent_method, body) == (method, b"")
    assert set(target) <= URL_CHARACTERS
    path, _, sent_query = target.partition("?")
    wanted = [*prefix.split("/")[1:], "files", *segments, *([""] if slash else [])]
    assert [unquote(segment, errors="strict") for segment in path.split("/")] == ["", *wanted]
    pairs = [
        (n, str(v)) for n, value in query.items() for v in (value if isinstance(value, list) else [value])
    ]
    assert parse_qsl(sent_query, keep_blank_values=True) == pairs
    assert sent_headers["host"] == [urlsplit(raw_server.base_url).netloc]
    own = {"host", "accept", "user-agent", "accept-encoding"}
    assert {
        name: values for name, values in sent_headers.items() if name not in own | {"content-length"}
    } == {name: [value] for name, value in headers.items()}
    assert own <= sent_headers.keys()


@given(
    data=st.recursive(
        st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    )
)
@one_server
async def test_a_body_arrives_whole(raw_server: RawServer, config_for: ConfigFor, data: Any) -> None:
    """As many bytes as Content-Length says, which are the JSON of the data, in one request."""
    import json

    raw_server.requests.clear()
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.create_function("create", "api/users", data)
    assert len(raw_server.requests) == 1
    method, target, headers, body = parsed(raw_server.requests[0])
    assert (method, target) == ("POST", "/api/users")
    assert (headers["content-length"], headers["content-type"]) == ([str(len(body))], ["application/json"])
    assert json.loads(body) == data


CREATE = "create_function"
READ = "read_function"
WRONG_REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "endpoint not registered": (READ, {"endpoint": "admin/users"}),
    "version not registered": (READ, {"endpoint": "api/v1/users"}),
    "empty endpoint": (READ, {"endpoint": ""}),
    "empty id": ("delete_function", {"endpoint": "api/users/"}),
    "empty id inside": ("delete_function", {"endpoint": "api//7"}),
    "trailing slash": (CREATE, {"endpoint": "api/users/", "data": {}}),
    "absolute path": (READ, {"endpoint": "/api/users"}),
    "absolute URL": (READ, {"endpoint": "http://127.0.0.1/api/users"}),
    "network path": (READ, {"endpoint": "//127.0.0.1/api/users"}),
    "user info": (READ, {"endpoint": "@127.0.0.1/api/users"}),
    "dots": (READ, {"endpoint": "api/users/../admin"}),
    "encoded dots": (READ, {"endpoint": "api/users/%2e%2e/admin"}),
    "half encoded dots": (READ, {"endpoint": "api/users/.%2E/admin"}),
    "dots encoded twice": (READ, {"endpoint": "api/users/%252e%252e/admin"}),
    "dots encoded digit by digit": (READ, {"endpoint": "api/users/%25%32%65%25%32%65/admin"}),
    "fullwidth dots": (READ, {"endpoint": "api/users/\uff0e\uff0e/admin"}),
    "dots and an encoded slash": (READ, {"endpoint": "api/users/..%2fadmin"}),
    "dots and a backslash": (READ, {"endpoint": "api/users\\..\\admin"}),
    "line break in the endpoint": (READ, {"endpoint": "api/users/7 HTTP/1.1\r\nX: y"}),
    "encoded line break in the endpoint": (READ, {"endpoint": "api/users/7%0d%0aX: y"}),
    "query in the endpoint": (READ, {"endpoint": "api/users?admin=1"}),
    "fragment in the endpoint": (READ, {"endpoint": "api/users#x"}),
    "endpoint of a wrong type": (READ, {"endpoint": 7}),
    "endpoint of a megabyte": (READ, {"endpoint": "api/" + "u" * 2**20}),
    "line break in a header": (READ, {"headers": {"X-A": "b\r\nHost: evil"}}),
    "line break in a header name": (READ, {"headers": {"X-A: b\r\nHost": "evil"}}),
    "reserved header": (READ, {"headers": {"Host": "evil"}}),
    "headers of a wrong type": (READ, {"headers": "X-A: b"}),
    "line break in an entity tag": (READ, {"if_match": '"v"\r\nHost: evil'}),
    "line break in the label": (READ, {"method_name": "read\nGET api/users: attempt 1"}),
    "label of a wrong type": (READ, {"method_name": 7}),
    "query of a wrong type": (READ, {"query": "a=b"}),
    "timeout of a wrong type": (READ, {"timeout": "soon"}),
    "NaN": (CREATE, {"data": {"a": float("nan")}}),
    "datetime": (CREATE, {"data": {"a": datetime(2026, 1, 1, tzinfo=timezone.utc)}}),
    "half a surrogate pair": (CREATE, {"data": "\ud800"}),
    "unknown method": ("head_function", {}),
    "method that is no request": ("disconnect", {}),
    "unknown argument": (READ, {"params": {"a": 1}}),
    "no data": (CREATE, {}),
    "PUT on a collection": ("update_function", {"data": {}}),
    "PATCH on a collection": ("update_function", {"data": {}, "partial": True}),
    "DELETE on a collection": ("delete_function", {}),
    "POST on an item": (CREATE, {"endpoint": "api/users/7", "data": {}}),
}


@pytest.mark.parametrize("name", WRONG_REQUESTS)
async def test_a_wrong_request_makes_no_connection(
    raw_server: RawServer, config_for: ConfigFor, name: str
) -> None:
    """It is refused with an error that says that nothing was sent, and nothing was."""
    function, arguments = WRONG_REQUESTS[name]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        envelope = await client.call(function, **{"method_name": "x", "endpoint": "api/users", **arguments})
        assert envelope["error"]["type"] in ("EndpointNotAllowedError", "InvalidRequestError")
        assert (envelope["error"]["attempts"], envelope["error"]["retryable"]) == (0, False)
        assert raw_server.connections == 0
        await client.read_function("right", "api/users")  # it would have been noticed
    assert raw_server.connections == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"base_url": "http://"}, "base_url"),
        ({"base_url": "http:///v1"}, "base_url"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "gopher://127.0.0.1"}, "base_url"),
        ({"base_url": "127.0.0.1:8080"}, "base_url"),
        ({"no_such_setting": 1}, "no_such_setting"),
        ({"max_attemps": 3}, "max_attemps"),
        ({"max_attempts": "many"}, "max_attempts"),
        ({"timeout": [30]}, "timeout"),
        ({"headers": {"X-A": "b\r\nHost: evil"}}, "headers"),
        ({"api_key": "k\r\nHost: evil"}, "api_key"),
        ({"api_key": "***"}, "api_key"),
        ({"endpoints": "api/users/"}, "endpoints"),
    ],
)
async def test_a_wrong_setting_makes_no_connection(
    raw_server: RawServer, config_for: ConfigFor, changes: dict[str, Any], field: str
) -> None:
    """Neither at the start nor as a change at run time."""
    config = config_for(raw_server.base_url)
    with pytest.raises(ConfigError) as caught:
        GenericMirrorDB({**dict(config), **changes})
    assert caught.value.field == field
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConfigError) as caught:
            await client.update_config(**changes)
    assert caught.value.field == field
    assert raw_server.connections == 0


async def test_the_whole_request_as_bytes(raw_server: RawServer, config_for: ConfigFor) -> None:
    """One create, written out: nothing in it that nobody asked for."""
    from airflow_mirrordb import __version__

    config = config_for(f"{raw_server.base_url}/v1", api_key="k", idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        await client.create_function(
            "create", "api/users", {"a": "é"}, query={"b": 1}, idempotency_key="key-1"
        )
    host = urlsplit(raw_server.base_url).netloc
    lines = raw_server.requests[0].decode().split("\r\n")
    assert lines[0] == "POST /v1/api/users?b=1 HTTP/1.1"
    encodings, *rest = sorted(lines[1:-2], key=lambda line: not line.startswith("Accept-Encoding: gzip"))
    assert encodings.startswith("Accept-Encoding: gzip")  # and what else this aiohttp can decode
    assert sorted(rest) == sorted(
        [
            f"Host: {host}",
            "Accept: application/json, application/*+json;q=0.9, */*;q=0.1",
            f"User-Agent: airflow-mirrordb/{__version__}",
            "Idempotency-Key: key-1",
            "Authorization: Bearer k",
            "Content-Type: application/json",
            "Content-Length: 10",
        ]
    )
    assert lines[-2:] == ["", '{"a":"é"}']

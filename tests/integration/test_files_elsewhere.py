"""Files at another host, that redirects lead to: what goes there, and what is told of them."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from airflow_mirrordb.client import (
    ConnectError,
    ForbiddenError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import MODES, run
from tests.integration.test_transport import client_files
from tests.support.backends import Answering, Backend, ScriptedBackend
from tests.support.raw_server import RawServer, Reply, json_answer

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor, SetConnection

KEY = "k3y-that-nobody-may-see"
QUERY = "X-Amz-Credential=AKIA1234567890%2F20130524&X-Amz-Signature=deadbeefcafe0123"
PATH = f"/bucket/x.csv?{QUERY}"
EXTRAS: dict[str, Any] = {"headers": {"X-Tenant": "acme"}, "idempotency_header": "Idempotency-Key"}


def moved(url: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": url, "Set-Cookie": "sid=s1d-of-the-backend"})


def host_of(*backends: Backend) -> list[str]:
    return [backend.base_url.partition("://")[2] for backend in backends]


@pytest.mark.parametrize("auth_type", ["bearer", "api_key", "basic"])
async def test_a_file_is_read_without_any_credential(
    answering: Answering, config_for: ConfigFor, auth_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other host gets what a stranger would send; the query is in no log."""
    caplog.set_level(logging.DEBUG)
    files = await answering(web.json_response({"a": 1}), web.json_response({"a": 2}))
    backend = await answering(moved(f"{files.base_url}{PATH}"), moved(f"{files.base_url}{PATH}"))
    config = config_for(
        backend.base_url,
        api_key=KEY,
        login="user",
        auth_type=auth_type,
        redirect_hosts=host_of(files),
        **EXTRAS,
    )
    async with GenericMirrorDB(config) as client:
        own = {"X-Trace": "tr4ce", "Range": "bytes=0-9"}
        assert await client.read_function("m", "api/exports/7", headers=own) == {"a": 1}
        assert await client.read_function("m", "api/exports/7") == {"a": 2}
    assert files.lines == [f"GET {PATH}"] * 2
    headers = files.requests[0].headers
    assert sorted(headers) == ["Accept", "Accept-Encoding", "Host", "Range", "User-Agent"]
    assert headers["Host"] == host_of(files)[0]
    told = [
        record.getMessage() for record in caplog.records if record.name != "aiohttp.access"
    ]  # the servers'
    assert any("it lies at" in line for line in told)
    assert not [line for line in told if "deadbeefcafe" in line or "AKIA1234567890" in line]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


@pytest.fixture
def files() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    backend.start()
    yield backend
    backend.stop()


@pytest.mark.usefixtures("triggerer")
def test_a_file_goes_to_the_disk_in_every_mode(
    scripted: ScriptedBackend,
    files: ScriptedBackend,
    set_connection: SetConnection,
    mode: dict[str, Any],
    tmp_path: Path,
) -> None:
    """After a passing failure of the other host the backend is asked for a new URL."""
    extra = {"redirect_hosts": files.url.partition("//")[2]}
    set_connection(scripted.url, password=KEY, extra=extra)
    scripted.answers = [(303, None, {"Location": f"{files.url}/x?sig={number}"}) for number in (1, 2)]
    files.answers = [(503, None, {"Retry-After": "0"}), (200, b"a,b\n" * 100_000, {})]
    path = tmp_path / "x.csv"
    read = MirrorDBReadOperator(task_id="read", endpoint="api/exports/7", output_path=str(path), **mode)
    assert run(read)["bytes"] == 400_000
    assert path.read_bytes() == b"a,b\n" * 100_000
    assert files.requests == ["GET /x?sig=1", "GET /x?sig=2"]
    assert not [headers for headers in files.headers if "Authorization" in headers]


async def test_what_the_other_host_refuses_is_told_without_the_signature(
    answering: Answering, config_for: ConfigFor
) -> None:
    """S3 repeats what was signed ("Error responses" of its API reference); no key is renewed for it."""
    body = "<Error><Code>AccessDenied</Code><SignatureProvided>deadbeefcafe0123</SignatureProvided></Error>"
    files = await answering(*(web.Response(status=status, text=body) for status in (403, 401, 500)))
    backend = await answering(*(moved(f"{files.base_url}{PATH}") for _ in range(3)))
    looked_up = []

    async def look_up() -> dict[str, Any]:
        looked_up.append(1)
        return {"api_key": "another"}

    config = config_for(backend.base_url, api_key=KEY, redirect_hosts=host_of(files), max_attempts=1)
    async with GenericMirrorDB(config, look_up=look_up) as client:
        for error in (ForbiddenError, ResponseError, ServerError):
            with pytest.raises(error) as caught:
                await client.read_function("m", "api/exports/7")
            assert f"so answers {files.base_url}" in str(caught.value)
            assert "GET api/exports/7" in str(caught.value)
            assert "deadbeefcafe" not in str(caught.value.to_dict())
    assert looked_up == []


async def test_a_host_that_is_away_is_told_without_the_query(
    answering: Answering, config_for: ConfigFor, dead_port: int
) -> None:
    """By its origin alone, as often as any passing failure is tried."""
    away = f"http://127.0.0.1:{dead_port}"
    backend = await answering(*(moved(f"{away}{PATH}") for _ in range(2)))
    config = config_for(backend.base_url, redirect_hosts=f"127.0.0.1:{dead_port}", max_attempts=2)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConnectError, match=f"cannot connect to {away}") as caught:
            await client.read_function("m", "api/exports/7")
    assert caught.value.attempts == len(backend.requests) == 2
    assert "X-Amz" not in str(caught.value.to_dict())


async def test_its_refusal_does_not_pause_the_backend(answering: Answering, config_for: ConfigFor) -> None:
    """Another server's limit is its own."""
    files = await answering(web.Response(status=503, headers={"Retry-After": "3600"}))
    backend = await answering(moved(f"{files.base_url}{PATH}"), web.json_response({}))
    config = config_for(backend.base_url, redirect_hosts=host_of(files))
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ServerError) as caught:
            await client.read_function("m", "api/exports/7")
        assert caught.value.retry_after == 3600
        assert await client.read_function("m", "api/users") == {}


async def test_hosts_may_lead_on_and_a_loop_ends(answering: Answering, config_for: ConfigFor) -> None:
    """Five of them an attempt; the sixth is an error that does not come again by itself."""
    files, others = await answering(), await answering(web.json_response({"a": 1}))

    async def loop(request: web.Request) -> web.Response:
        return moved(str(request.url.with_query(sig="deadbeefcafe0123")))

    files = await answering(moved(f"{others.base_url}/y"), *[loop] * 5)
    backend = await answering(moved(f"{files.base_url}{PATH}"), moved(f"{files.base_url}{PATH}"))
    config = config_for(backend.base_url, redirect_hosts=host_of(files, others))
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("m", "api/exports/7") == {"a": 1}
        with pytest.raises(ResponseError, match="was not followed") as caught:
            await client.read_function("m", "api/exports/7")
    assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert len(files.requests) == 6
    assert "deadbeefcafe" not in str(caught.value.to_dict())


async def test_no_redirect_leads_back_to_the_backend(answering: Answering, config_for: ConfigFor) -> None:
    """It would go around its patterns."""
    files = await answering()
    backend = await answering(moved(f"{files.base_url}/x"))
    files = await answering(moved(f"{backend.base_url}/admin"))
    backend = await answering(moved(f"{files.base_url}/x"))
    config = config_for(backend.base_url, redirect_hosts=[*host_of(files, backend)])
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function("m", "api/exports/7")
    assert len(backend.requests) == 1


async def test_a_host_that_is_not_listed_is_advised(answering: Answering, config_for: ConfigFor) -> None:
    """With the extra that would follow, and without the signature."""
    files = await answering()
    backend = await answering(moved(f"{files.base_url}{PATH}"))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(
            ResponseError, match="if a file lies there, set the extra 'redirect_hosts'"
        ) as caught:
            await client.read_function("m", "api/exports/7")
    assert files.requests == []
    assert "deadbeefcafe" not in str(caught.value.to_dict())


@pytest.mark.parametrize("shared", [False, True])
async def test_no_client_certificate_is_shown_to_another_host(
    answering: Answering,
    config_for: ConfigFor,
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    *,
    shared: bool,
) -> None:
    """It proves who asks; the backend is shown it. TLS is checked all the same."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)
    shown: list[Any] = []

    async def look(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown.append(request.transport.get_extra_info("peercert"))
        return web.json_response({}) if request.path == "/x" else moved(f"{elsewhere.base_url}/x")

    elsewhere = await answering(look, ssl_context=context)
    backend = await answering(look, ssl_context=context)
    certificate = client_files(authority, tmp_path)[0]
    config = config_for(backend.base_url, verify=ca_file, redirect_hosts=host_of(elsewhere), **certificate)
    async with GenericMirrorDB(config, share_connections=shared) as client:
        assert await client.read_function("m", "api/exports/7") == {}
    assert [bool(certificate) for certificate in shown] == [True, False]


async def test_the_certificate_of_another_host_is_checked(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext
) -> None:
    """Also where the backend has none."""
    files = await answering(ssl_context=server_tls)
    backend = await answering(moved(f"{files.base_url}{PATH}"))
    config = config_for(backend.base_url, redirect_hosts=host_of(files))
    async with GenericMirrorDB(config) as client:
        with pytest.raises(MirrorDBError, match="certificate of https://localhost") as caught:
            await client.read_function("m", "api/exports/7")
    assert (files.requests, caught.value.retryable) == ([], False)


async def test_the_proxy_is_on_the_way_to_another_host(raw_server: RawServer, config_for: ConfigFor) -> None:
    """With what the proxy wants to know; the other host learns of it as little as of the key."""
    raw_server.replies = [
        Reply(json_answer("", "302 Found", "Location: http://files.example/x?sig=deadbeefcafe0123")),
        Reply(json_answer("{}")),
    ]
    proxy = raw_server.base_url.replace("://", "://user:pass@")
    config = config_for(
        "http://backend.example", proxy=proxy, api_key=KEY, redirect_hosts="files.example", max_attempts=1
    )
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("m", "api/exports/7") == {}
    first, second = (request.decode() for request in raw_server.requests)
    assert first.startswith("GET http://backend.example/api/exports/7 HTTP/1.1\r\n")
    assert second.startswith("GET http://files.example/x?sig=deadbeefcafe0123 HTTP/1.1\r\n")
    assert "\r\nHost: files.example\r\n" in second
    assert ("Proxy-Authorization" in first, "Proxy-Authorization" in second) == (True, True)
    assert (KEY in first, KEY in second) == (True, False)


@pytest.mark.parametrize("rebase", [False, True])
@pytest.mark.parametrize("start", ["", "/api/users", "http://{host}/api/users"])
async def test_the_next_page_of_a_file_is_not_asked_of_the_backend(
    answering: Answering, config_for: ConfigFor, start: str, *, rebase: bool
) -> None:
    """A relative link begins at the URL that was retrieved (RFC 3986, section 5.1.3).

    Its query is a signature for that host alone.
    """

    async def page(request: web.Request) -> web.Response:
        link = f"{start.format(host=request.host)}?part=2&X-Amz-Signature=deadbeefcafe0123"
        return web.json_response({"rows": [1], "next": link})

    files = await answering(page)
    backend = await answering(moved(f"{files.base_url}{PATH}"), web.json_response({"rows": [3]}))
    paginate = {"style": "body", "next": "next", "records": "rows", "rebase": rebase}
    config = config_for(backend.base_url, redirect_hosts=host_of(files))
    async with GenericMirrorDB(config) as client:
        with pytest.raises(InvalidResponseError, match="a redirect led to http") as caught:
            await client.read_function("m", "api/users", paginate=paginate)
    assert (len(backend.requests), len(files.requests)) == (1, 1)
    assert "deadbeefcafe" not in str(caught.value.to_dict())


async def test_the_backend_may_be_named_by_a_file(answering: Answering, config_for: ConfigFor) -> None:
    """An absolute link to the backend is one of the backend's, wherever it was found."""

    async def page(_: web.Request) -> web.Response:
        return web.json_response({"rows": [1], "next": f"{backend.base_url}/api/users?p=2"})

    files = await answering(page)
    backend = await answering(moved(f"{files.base_url}{PATH}"), web.json_response({"rows": [2]}))
    paginate = {"style": "body", "next": "next", "records": "rows"}
    async with GenericMirrorDB(config_for(backend.base_url, redirect_hosts=host_of(files))) as client:
        assert await client.read_function("m", "api/users", paginate=paginate) == [1, 2]
    assert backend.lines[1] == "GET /api/users?p=2"


async def test_a_full_response_has_no_signature(answering: Answering, config_for: ConfigFor) -> None:
    """A reference of a file is relative to the file's URL (RFC 9110, sections 8.7 and 10.2.2).

    What the URL itself asks for, as a content type, is no secret (Amazon S3 API, "GetObject").
    """
    path = f"{PATH}&response-content-type=application/json"
    told = {"Content-Location": path, "Location": path, "X-Original-Url": path, "Link": f"<{path}>; rel=self"}
    told["X-Signed-By"] = "deadbeefcafe0123"
    files = await answering(web.json_response({"a": 1}, headers=told))
    backend = await answering(moved(f"{files.base_url}{path}"))
    async with GenericMirrorDB(config_for(backend.base_url, redirect_hosts=host_of(files))) as client:
        full = await client.read_function("m", "api/exports/7", full_response=True)
    assert "deadbeefcafe" not in str(full)
    assert "AKIA1234567890" not in str(full)
    assert full["headers"]["content-location"] == "/bucket/x.csv?…"
    assert full["headers"]["content-type"].startswith("application/json")
    assert full["data"] == {"a": 1}


async def test_a_location_is_relative_to_where_a_redirect_led(
    answering: Answering, config_for: ConfigFor
) -> None:
    """RFC 9110, section 10.2.2: to the target URI, which a redirect within the backend changes."""
    backend = await answering(moved("/api/users/7"), web.json_response({}, headers={"Location": "8?v=1"}))
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=["latest", "api/users"])) as client:
        full = await client.read_function("m", "latest", full_response=True)
    assert full["location"] == "api/users/8?v=1"


def test_the_hosts_are_a_setting(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Shown by the client, and changed by it."""
    set_connection(scripted.url, extra={"redirect_hosts": "*.s3.amazonaws.com files.example.com"})
    with MirrorDBHook() as hook:
        client = hook.get_conn()
        config = hook._run(client.get_config()).value()
        assert config["redirect_hosts"] == ["*.s3.amazonaws.com", "files.example.com"]
        hook._run(client.update_config(redirect_hosts=None)).value()
        assert hook._run(client.get_config()).value()["redirect_hosts"] is None

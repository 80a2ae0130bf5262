"""What the connection test says of each failure: what happened, and which field of the form to look at."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

if TYPE_CHECKING:
    import trustme

    from tests.support.backends import Answering, ScriptedBackend
    from tests.support.connections import SetConnection

KEY = "API key / token / secret"
PAGE = b"<!doctype html><title>Welcome</title>"
HTML = {"Content_Type": "text/html"}


def failure() -> str:
    """Return what the test of the connection says, which must not be a success."""
    worked, message = MirrorDBHook().test_connection()
    assert not worked, message
    return message


# -- success -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "body"), [(200, {"id": 7}), (201, []), (204, None)])
def test_json_of_the_test_endpoint_is_a_success(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int, body: Any
) -> None:
    """It is one GET, which changes nothing, and the message says of what."""
    set_connection(scripted.url, password="s3cret", extra={"test_endpoint": "api/users"})
    scripted.answer(status, body)
    expected = f"GET {scripted.url}/api/users answered {status}, authentication: bearer"
    assert MirrorDBHook().test_connection() == (True, expected)
    assert scripted.requests == ["GET /api/users"]


@pytest.mark.parametrize(
    ("place", "how"), [({}, "api_key"), ({"key_in": "query", "key_name": "k"}, "api_key, in the query k")]
)
def test_the_place_of_the_key_is_told(
    scripted: ScriptedBackend, set_connection: SetConnection, place: dict[str, str], how: str
) -> None:
    """Whoever took the wrong one sees which it was; the URL that is shown has no key."""
    extra = {"test_endpoint": "api/users", "auth_type": "api_key", **place}
    set_connection(scripted.url, password="s3cret", extra=extra)
    scripted.answer(200, {})
    scripted.answer(401)
    expected = f"GET {scripted.url}/api/users answered 200, authentication: {how}"
    assert MirrorDBHook().test_connection() == (True, expected)
    refused = failure()
    assert refused.startswith(f"Key rejected: check {KEY}, and whether the backend wants it sent as {how} (")
    assert "s3cret" not in refused


@pytest.mark.parametrize("status", [200, 204, 307, 400, 404, 405, 413])
@pytest.mark.parametrize(
    ("endpoints", "example"),
    [("orders/{id}, GET api/audit, exports", ", as exports"), (None, "")],
    ids=["endpoints", "defaults"],
)
def test_a_base_url_says_nothing_of_the_key(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int, endpoints: str, example: str
) -> None:
    """Nobody knows what is behind it: a start page for everybody, or nothing; an endpoint tells."""
    set_connection(f"{scripted.url}/v1", password="s3cret", extra={"endpoints": endpoints})
    scripted.answer(status, PAGE if status != 204 else None, **HTML, Location="/welcome")
    message = failure()
    assert message.startswith(
        "Reached, key not checked: set Test endpoint to one of Allowed endpoints that a GET answers with"
        f" JSON{example}. (GET {scripted.url}/v1 answered {status}"
    )
    assert scripted.requests == ["GET /v1"]


# -- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "extra", "words"),
    [
        (401, {}, f"Key rejected: check {KEY}, and whether the backend wants it sent as bearer "),
        (403, {}, f"Key rejected, or not allowed to read this: check {KEY}, its rights, and Test"),
        (
            401,
            {"auth_type": "none"},
            "Key wanted: none is sent, since Authentication type is none. Choose another one.",
        ),
        (
            403,
            {"auth_type": "none"},
            "Not allowed without a key, perhaps: none is sent, since Authentication type is none.",
        ),
        (500, {}, "The backend itself fails: it was reached, but answered with an error of its own."),
        (503, {}, "The backend itself fails: "),
    ],
)
@pytest.mark.parametrize("endpoint", [None, "api/users"])
def test_an_answer_that_tells_what_is_wrong(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    status: int,
    extra: dict[str, Any],
    words: str,
    endpoint: str | None,
) -> None:
    """A refused key and a failing backend are told wherever they are met, asked once."""
    set_connection(scripted.url, password="wrong-key", extra={**extra, "test_endpoint": endpoint})
    scripted.answer(status, {"detail": "closed today"})
    message = failure()
    assert message.startswith(words)
    asked = f"{scripted.url}/{endpoint}" if endpoint else scripted.url
    assert re.search(rf" \(GET {re.escape(asked)} answered {status} [A-Za-z ]+: closed today", message)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_no_key_is_called_rejected_where_none_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int
) -> None:
    """There is none in the connection."""
    set_connection(scripted.url)
    scripted.answer(status, {})
    message = failure()
    assert f"none is sent. Fill in {KEY}. (GET {scripted.url} answered {status}" in message
    assert "rejected" not in message


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (
            404,
            {},
            {},
            (
                "Test endpoint not found: the backend is there, but has no api/users."
                " Check Test endpoint, Trailing slash, and the path in Host."
                " (GET {url} answered 404 Not Found"
            ),
        ),
        (410, {}, {}, "Test endpoint not found: "),
        (
            429,
            {},
            {"Retry_After": "3"},
            (
                "The backend takes no more requests for now: the key is not checked. Try again later."
                " (GET {url} answered 429 Too Many Requests"
            ),
        ),
        (
            307,
            b"",
            {"Location": "/sign-in"},
            (
                "Reached, key not checked: Test endpoint leads elsewhere."
                " Check Test endpoint, Trailing slash, and Host."
                " (GET {url} answered 307 Temporary Redirect; the redirect to '/sign-in' was not"
            ),
        ),
        (413, {}, {}, "Reached, key not checked: Test endpoint gave no success."),
        (202, {}, {}, "Reached, key not checked: Test endpoint gave no success."),
        (
            200,
            PAGE,
            HTML,
            (
                "Reached, key not checked: Test endpoint gave no JSON, perhaps a page for people."
                " Set Test endpoint to one that gives JSON, and check the path in Host."
                " (GET {url} answered 200, but the body"
            ),
        ),
        (200, b"OK", {"Content_Type": "text/plain"}, "Reached, key not checked: Test endpoint gave no JSON"),
        (
            200,
            b"[" + b"1," * 9_999 + b"1]",
            {},
            (
                "Reached, key not checked: the answer of Test endpoint is larger than Largest answer (10,000"
                " bytes). Set Test endpoint to one item, or raise that. (GET {url} answered 200, but the body"
            ),
        ),
    ],
)
def test_an_answer_of_the_test_endpoint_that_shows_no_key(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    status: int,
    body: Any,
    headers: Mapping[str, str],
    words: str,
) -> None:
    """Nothing but what a read would take proves that the connection works."""
    extra = {"test_endpoint": "api/users", "max_response_bytes": 10_000}
    set_connection(scripted.url, password="s3cret", extra=extra)
    scripted.answer(status, body, **headers)
    assert failure().startswith(words.format(url=f"{scripted.url}/api/users"))
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("has_slash", [False, True])
def test_a_slash_that_is_missing_or_too_many(
    scripted: ScriptedBackend, set_connection: SetConnection, has_slash: bool
) -> None:
    """The backend leads from one spelling of the path to the other; the words go in the same direction."""
    extra = {"test_endpoint": "api/users", "trailing_slash": has_slash}
    set_connection(scripted.url, password="s3cret", extra=extra)
    scripted.answer(308, None, Location="/api/users" if has_slash else "/api/users/")
    message = failure()
    mend = "' to false if only its slash is too many" if has_slash else "' if only a slash is missing"
    assert f"(set the extra 'trailing_slash{mend})" in message
    assert f" (GET {scripted.url}/api/users{'/' if has_slash else ''} answered 308 " in message


def test_a_test_endpoint_that_is_not_registered(set_connection: SetConnection) -> None:
    """It is told as what it is, and nothing is sent."""
    set_connection("http://127.0.0.1:1", extra={"endpoints": "api/users", "test_endpoint": "api/orders"})
    message = failure()
    assert message.startswith("Not allowed: the test endpoint is none of Allowed endpoints. (")
    assert "register 'api/orders'" in message


# -- the authorization server --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            404,
            {},
            (
                "Token URL not found: the authorization server is there, but has nothing at that path."
                " Check Token URL. (the authorization server answered 404 Not Found (asked for http"
            ),
        ),
        (
            401,
            {"error": "invalid_client"},
            (
                f"No token: check Login / client id, {KEY}, Scope and Token URL."
                " (the authorization server refused a token: 401 Unauthorized: invalid_client"
            ),
        ),
        (400, {"error": "invalid_scope"}, "No token: check "),
        (403, {}, "No token: check "),
        (200, PAGE, "No token: check "),
        (500, {}, "The authorization server itself fails: "),
        (429, {}, "The authorization server takes no more requests for now: "),
    ],
)
@pytest.mark.parametrize("endpoint", [None, "api/users"])
def test_a_token_that_is_refused(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    status: int,
    body: Any,
    words: str,
    endpoint: str | None,
) -> None:
    """The words name the fields that lead there, and nothing is sent to the backend, nor said of it."""
    oauth = {"auth_type": "oauth2", "oauth_url": f"{scripted.url}/token", "test_endpoint": endpoint}
    set_connection("http://127.0.0.1:1", login="id", password="s3cret", extra=oauth)
    scripted.answer(status, body)
    message = failure()
    assert message.startswith(words)
    assert "Test endpoint" not in message
    assert scripted.requests == ["POST /token"]


def test_a_token_endpoint_that_is_not_there(set_connection: SetConnection, dead_port: int) -> None:
    """The field of the form is the one that names it."""
    oauth = {"auth_type": "oauth2", "oauth_url": f"http://127.0.0.1:{dead_port}/token"}
    set_connection("http://127.0.0.1:1", login="id", password="s3cret", extra=oauth)
    assert failure().startswith(
        "Refused: nothing listens there. Check Token URL, and that the server runs. ("
    )
    set_connection("http://127.0.0.1:1", login="id", password="s3cret", extra={**oauth, "oauth_url": NOBODY})
    assert failure().startswith("Name not found: check the spelling of Token URL. (")


NOBODY = "https://nosuch.invalid/token"


# -- connections ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["host", "proxy"])
def test_a_dead_port(by: str, set_connection: SetConnection, dead_port: int) -> None:
    """Nobody listening is told in words, with the address, and with the field that is wrong."""
    url = f"http://127.0.0.1:{dead_port}"
    set_connection(url, extra={"proxy": url} if by == "proxy" else {})
    message = failure()
    field = "Host and port" if by == "host" else "Proxy"
    assert message.startswith(f"Refused: nothing listens there. Check {field}, and that the server runs. (")
    assert f"cannot connect to {url}" in message


def test_an_unknown_name(set_connection: SetConnection) -> None:
    """A host that nobody knows is a name not found, not a backend that is down."""
    set_connection("https://nosuch.invalid")
    message = failure()
    assert message.startswith("Name not found: check the spelling of Host. (")
    assert "https://nosuch.invalid" in message


def test_https_at_a_plain_server(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """A port that speaks http where https was said is told from a certificate that is not trusted."""
    set_connection(scripted.url.replace("http:", "https:"))
    message = failure()
    assert message.startswith("TLS failed. (the TLS handshake with https://127.0.0.1:")
    assert message.endswith(
        "; no TLS is spoken there: if it is plain http, say http in Host or Schema (in the URI of a"
        " connection as its path, mirrordb://HOST:PORT/http), else check the port)"
    )


async def test_http_at_a_server_of_tls(
    answering: Answering, server_tls: ssl.SSLContext, set_connection: SetConnection
) -> None:
    """It closes the connection."""
    backend = await answering(ssl_context=server_tls)
    set_connection(backend.base_url.replace("https:", "http:"))
    message = await asyncio.to_thread(failure)
    assert message.startswith(
        "Broken off: the backend closed the connection. If it speaks https, say so in Host or Schema. ("
    )


# -- certificates --------------------------------------------------------------------------------


def tls_for(authority: trustme.CA, name: str, **facts: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **facts).configure_cert(context)
    return context


AUTHORITY = "; set the extra 'verify' (Verify certificate in the form) to the file of the authority"
NOW = datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("name", "facts", "trusted", "reason"),
    [
        (
            "localhost",
            {"not_before": NOW - timedelta(days=9), "not_after": NOW - timedelta(days=1)},
            True,
            (
                "certificate has expired; whoever runs that server has to renew it, unless the clock of this"
                " machine is wrong"
            ),
        ),
        (
            "localhost",
            {"not_before": NOW + timedelta(days=1), "not_after": NOW + timedelta(days=9)},
            True,
            "certificate is not yet valid; check the clock of this machine, and then the certificate",
        ),
        (
            "other.example",
            {},
            True,
            (
                "Hostname mismatch, certificate is not valid for 'localhost'; use the name that the"
                " certificate is for"
            ),
        ),
        ("localhost", {}, False, f"unable to get local issuer certificate{AUTHORITY} that issued it"),
    ],
    ids=["expired", "not yet valid", "of another host", "of an unknown authority"],
)
async def test_a_certificate_that_is_refused(
    answering: Answering,
    authority: trustme.CA,
    ca_file: str,
    set_connection: SetConnection,
    name: str,
    facts: dict[str, Any],
    trusted: bool,
    reason: str,
) -> None:
    """Each for its own reason (OpenSSL's X509_V_ERR codes), which calls for its own mend; asked once."""
    backend = await answering(ssl_context=tls_for(authority, name, **facts))
    set_connection(backend.base_url, extra={"verify": ca_file if trusted else None})
    message = await asyncio.to_thread(failure)
    message = message.replace(" or the system clock is incorrect", "")  # which OpenSSL 3.6 adds
    assert message == f"TLS failed. (the certificate of {backend.base_url} was refused: {reason})"
    assert backend.requests == []


async def test_a_certificate_of_the_proxy_is_not_called_that_of_the_backend(
    answering: Answering, server_tls: ssl.SSLContext, set_connection: SetConnection
) -> None:
    """The two are other servers, of other people."""
    proxy = await answering(ssl_context=server_tls)
    set_connection("http://backend.example", extra={"proxy": proxy.base_url})
    message = await asyncio.to_thread(failure)
    assert message.startswith("TLS failed. (the certificate of the proxy was refused: ")


def test_a_file_of_a_certificate_that_is_not_there(set_connection: SetConnection) -> None:
    """It is a wrong setting, which the message names."""
    set_connection("https://127.0.0.1:1", extra={"client_cert": "/no/such/file.pem"})
    assert failure().startswith("client_cert: '/no/such/file.pem' cannot be read here: No such file")


@contextmanager
def openssl_server(context: ssl.SSLContext) -> Iterator[str]:
    """Yield the address of a server that ends a handshake by an alert, as asyncio's does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            tls = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            with tls, suppress(ssl.SSLError):
                tls.do_handshake()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("shown", [False, True], ids=["none is shown", "one of another authority"])
def test_an_alert_about_the_certificate_of_the_client(
    authority: trustme.CA, ca_file: str, set_connection: SetConnection, tmp_path: Path, shown: bool
) -> None:
    """TLS 1.2: handshake_failure where there is none, unknown_ca of an unknown one (RFC 5246, 7.2.2)."""
    import trustme

    context = tls_for(authority, "localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    certificate = tmp_path / "client.pem"
    trustme.CA().issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with openssl_server(context) as url:
        set_connection(url, extra={"verify": ca_file, "client_cert": str(certificate) if shown else None})
        message = failure()
    assert message.startswith(f"TLS failed. (the TLS handshake with {url} failed: ")
    words = (
        "; it does not accept the certificate in the extra 'client_cert' (Client certificate))"
        if shown
        else "; it may want a client certificate: set the extras 'client_cert' and 'client_key' (Client"
        " certificate and Client key in the form))"
    )
    assert message.endswith(words)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_that_is_missing_without_an_alert(
    answering: Answering,
    authority: trustme.CA,
    ca_file: str,
    set_connection: SetConnection,
    version: ssl.TLSVersion,
) -> None:
    """Some servers say no word: in TLS 1.3 the client has sent its request by then."""
    context = tls_for(authority, "localhost")
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    backend = await answering(ssl_context=context)
    set_connection(backend.base_url, extra={"verify": ca_file})
    message = await asyncio.to_thread(failure)
    assert message.startswith("Broken off")
    assert "It may want a Client certificate, or speak only a TLS older than 1.2." in message
    assert backend.requests == []

"""Which hosts of files a redirect may lead to, and what is sent there."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st
from yarl import URL

from airflow_mirrordb.client import ConfigError, EndpointRegistry, MirrorDBConfig, MirrorDBRequest
from airflow_mirrordb.client.calls.redirects import redirected_elsewhere
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.endpoints.redirect_hosts import checked_host, is_listed, split_location
from airflow_mirrordb.client.messages.request import WireRequest, prepare
from airflow_mirrordb.client.messages.response import Answer

BASE = "https://example.com/v1"
KEY = "k3y-that-nobody-may-see"
#: As S3 presigns one ("Authenticating Requests: Using Query Parameters", Amazon S3 API reference).
SIGNED = (
    "https://bucket.s3.amazonaws.com/a%2Fb/x%20y.csv?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIA123%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=deadbeef%7E~"
)


def sent_elsewhere(
    location: str,
    hosts: Any = "*.s3.amazonaws.com",
    *,
    status: int = 302,
    method: Method = "GET",
    base: str = BASE,
    current: str | None = None,
    **request: Any,
) -> WireRequest | None:
    config = MirrorDBConfig.model_validate(
        {
            "base_url": base,
            "api_key": KEY,
            "redirect_hosts": hosts,
            "headers": {"X-Tenant": "acme", "Accept-Language": "de"},
            "idempotency_header": "Idempotency-Key",
        }
    )
    endpoint = "api/exports" if method == "POST" else "api/exports/7"
    asked = MirrorDBRequest(method=method, endpoint=endpoint, **request)
    sent = prepare(asked, config, EndpointRegistry(declared=None))
    if current is not None:
        url = URL(current)
        object.__setattr__(sent, "origin", url.origin())
        object.__setattr__(sent, "target", url.raw_path_qs)
    answer = Answer(status=status, headers={"Location": location}, body=b"")
    return redirected_elsewhere(answer, asked, sent, config)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_presigned_url_is_followed_as_it_is(status: int) -> None:
    """Byte for byte, as a signature may be of exactly these bytes."""
    sent = sent_elsewhere(SIGNED, status=status)
    assert sent is not None
    assert f"{sent.origin}{sent.target}" == SIGNED
    assert (sent.method, sent.body, sent.anonymous) == ("GET", None, True)
    assert "deadbeef" not in repr(sent)


def test_nothing_goes_along_that_tells_who_asks() -> None:
    """Only what says what is wanted; the rest may be a credential, whatever it is called."""
    headers = {"X-Trace": "s3cret", "Range": "bytes=0-9", "User-Agent": "own"}
    sent = sent_elsewhere(SIGNED, headers=headers, if_none_match='"v1"', accept="text/csv")
    assert sent is not None
    assert dict(sent.headers) == {
        "Accept": "text/csv",
        "Accept-Language": "de",
        "Range": "bytes=0-9",
        "User-Agent": "own",
    }


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://bucket.s3.amazonaws.com/x",
        "https://s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com:8443/x",
        "https://bucket.s3.amazonaws.com.evil.example/x",
        "https://evils3.amazonaws.com/x",
        "https://evil.example/?bucket.s3.amazonaws.com",
        "https://evil.example/#.s3.amazonaws.com",
        "https://evil.example\\.s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com@evil.example/x",
        "https://user:pass@bucket.s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com\t/x",
        "https://[::1/x",
        "ftp://bucket.s3.amazonaws.com/x",
        "javascript:alert(1)//bucket.s3.amazonaws.com",
        "/x",
        "x",
    ],
)
def test_what_is_not_listed_is_not_followed(location: str) -> None:
    """Another host or port, from https to http, a user in the URL, or nothing that can be read."""
    assert sent_elsewhere(location) is None


def test_nothing_is_followed_without_hosts_and_from_no_write() -> None:
    """It is for who asks for it, and for reads."""
    assert sent_elsewhere(SIGNED, None) is None
    assert sent_elsewhere(SIGNED, status=200) is None
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert sent_elsewhere(SIGNED, method=method, data={} if method != "DELETE" else None) is None


def test_the_backend_itself_is_never_elsewhere() -> None:
    """There requests need a pattern, also where its host is listed."""
    assert sent_elsewhere("https://example.com/v1/admin", "example.com") is None
    assert sent_elsewhere("https://example.com:443/admin", "example.com:443") is None
    assert sent_elsewhere("https://example.com:8443/x", "example.com:8443") is not None


@pytest.mark.parametrize("location", ["/y?a=1", "y?a=1", "//files.example.com/y?a=1", "?a=1"])
def test_another_host_may_redirect_within_itself(location: str) -> None:
    """Relative to the URL that answered (RFC 9110, section 10.2.2)."""
    sent = sent_elsewhere(location, "files.example.com", current="https://files.example.com/x")
    assert sent is not None
    assert str(sent.origin) == "https://files.example.com"
    assert sent.target in ("/y?a=1", "/x?a=1")


def test_from_http_there_is_a_way_to_https() -> None:
    """And to http; but never back from https."""
    secure, plain = "https://files.example.com/x", "http://files.example.com/x"
    inner: dict[str, Any] = {"hosts": "files.example.com", "base": "http://example.com"}
    assert sent_elsewhere(secure, **inner) is not None
    assert sent_elsewhere(plain, **inner) is not None
    assert sent_elsewhere(plain, current=secure, **inner) is None


@pytest.mark.parametrize(
    ("host", "url", "listed"),
    [
        ("files.example.com", "https://files.example.com/", True),
        ("FILES.example.com", "https://files.EXAMPLE.com/", True),
        ("files.example.com", "http://files.example.com:80/", True),
        ("files.example.com", "https://files.example.com:80/", False),
        ("files.example.com:8443", "https://files.example.com:8443/", True),
        ("files.example.com:8443", "https://files.example.com/", False),
        ("files.example.com:443", "https://files.example.com/", True),
        ("files.example.com:443", "http://files.example.com/", False),
        ("files.example.com", "https://x.files.example.com/", False),
        ("*.example.com", "https://files.example.com/", True),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://.example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("*.example.com:8443", "https://a.example.com:8443/", True),
        ("bücher.example", "https://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "https://bücher.example/", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", True),
        ("[::1]:9000", "http://[::1]:9000/", True),
        ("[::1]", "https://[::1]/", True),
    ],
)
def test_hosts_and_ports_compare_as_what_they_are(host: str, url: str, listed: bool) -> None:
    """Without a port the scheme's own (RFC 9110, section 4.2); names are the same in any case."""
    assert is_listed(URL(url), [checked_host(host)]) is listed
    assert checked_host(checked_host(host)) == checked_host(host)


@pytest.mark.parametrize(
    "wrong",
    [
        "*",
        "*.com",
        "*.",
        "*.*.example.com",
        "a*.example.com",
        "a.*.example.com",
        "*.127.0.0.1",
        "https://files.example.com",
        "files.example.com/path",
        "files.example.com?x",
        "user@files.example.com",
        "files.example.com:port",
        "files.example.com:99999",
        "files..example.com",
        "[::1",
        "\\evil.example",
    ],
)
def test_what_is_no_host_is_refused_with_the_settings(wrong: str) -> None:
    """The error names the field, and what would be right."""
    with pytest.raises(
        ConfigError, match=r"redirect_hosts: it must be a host, as files.example.com"
    ) as caught:
        MirrorDBConfig.model_validate({"base_url": BASE, "redirect_hosts": [wrong]})
    assert caught.value.field == "redirect_hosts"


def test_hosts_may_be_written_in_several_ways() -> None:
    """As all lists among the settings."""
    for written in ("a.example, *.b.example", '["a.example", "*.b.example"]', ["A.example", "*.b.example"]):
        config = MirrorDBConfig.model_validate({"base_url": BASE, "redirect_hosts": written})
        assert config.redirect_hosts == ("a.example", "*.b.example")


@given(st.text())
def test_any_location_is_read_or_not(location: str) -> None:
    """Nothing is raised, whatever a backend sends; what is followed is on one line."""
    found = split_location(location, URL("https://files.example.com/x"))
    if found is not None:
        assert found[0].scheme in ("http", "https")
        assert found[1].startswith("/")
        assert found[1].isascii()
        assert found[1].isprintable()
        assert " " not in found[1]


def test_a_long_location_takes_no_time() -> None:
    """Nor do many hosts."""
    begin = time.thread_time()
    hosts = [checked_host(f"*.a{number}.example") for number in range(1000)]
    for location in ("https://" + "é" * 100_000, "https://a/" + "é%" * 10_000, "https:" * 10_000):
        assert sent_elsewhere(location, hosts) is None
    assert time.thread_time() - begin < 2

"""The base URL: normal once it is taken, and refused where it cannot be meant."""

from __future__ import annotations

import pytest

from airflow_mirrordb.client import ConfigError, MirrorDBConfig

KEY = "k3y-that-nobody-may-see"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("HTTP://EXAMPLE.com:8080/V1/", "http://example.com:8080/V1"),
        ("https://example.com/a/b///", "https://example.com/a/b"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443", "http://example.com:443"),
        ("https://10.0.0.1:8443", "https://10.0.0.1:8443"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("http://[::1]", "http://[::1]"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://example.com/büro", "https://example.com/b%C3%BCro"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://example.com/a%20b", "https://example.com/a%20b"),
        ("https://example.com/projects/a%2fb/", "https://example.com/projects/a%2Fb"),
        ("https://example.com/x HTTP/1.1", "https://example.com/x%20HTTP/1.1"),
        ("https://example.com./v1", "https://example.com./v1"),
        ("https://my_host/v1", "https://my_host/v1"),
        (" https://example.com ", "https://example.com"),
    ],
)
def test_a_base_url_is_normalised(given: str, url: str) -> None:
    """Scheme and host in lower case and ASCII, the prefix as it is sent, no slash at the end."""
    made = MirrorDBConfig(base_url=given)
    assert made.base_url == url
    assert made.changed({}) == made  # it is normal already


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("example.com", "scheme"),
        ("localhost:8080", "scheme"),
        ("ftp://example.com", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("//example.com", "scheme"),
        ("https://", "host"),
        ("https:///v1", "host"),
        ("https://:443", "host"),
        ("https:example.com", "host"),
        (f"https://user:{KEY}@example.com", "credentials"),
        ("https://user@example.com", "credentials"),
        ("https://@example.com", "credentials"),
        ("https://example.com?x=1", "'?'"),
        ("https://example.com/?", "'?'"),
        ("https://example.com/#top", "'#'"),
        ("https://example.com#", "'#'"),
        ("https://example.com:99999", "ort"),
        ("https://example.com:http", "ort"),
        ("https://example.com/../admin", "'.'"),
        ("https://example.com/%2e%2e/admin", "percent-encoding"),
        ("https://example.com/a//b", "empty name"),
        ("https://exa mple.com", "host"),
        ("https://exam\nple.com", "host"),
        ("https://exam\tple.com", "host"),
        ("ht\ttps://example.com", "host"),
        ("https://example.com/a\tb", "host"),
        ("https://evil.example[::1]", "host"),
        ("https://[::1].evil.example", "host"),
        ("https://[v1.example]", "host"),
        ("https://" + "é" * 2**20, "longer than 2,048"),
        ("https://example.com/" + "é" * 1000, "longer than 2,048"),
        ("https://example.com/\ud800", "surrogate"),
        ("https://example.com\\@evil.example", "credentials"),
        ("https://example.com\\.evil.example", "host"),
        ("https://example.com%2f.evil.example", "host"),
        ("https://[::1", "base_url"),
        (f"https://{'a' * 64}.example", "host"),
        ("https://a..b", "host"),
        ("https://a..", "host"),
        (None, "required"),
        ("", "required"),
        (7, "it must be text"),
    ],
)
def test_a_base_url_that_cannot_be_meant_is_refused(given: str, reason: str) -> None:
    """The error names base_url and says what is wrong, and repeats no credential."""
    with pytest.raises(ConfigError) as caught:
        MirrorDBConfig(base_url=given)
    error = caught.value
    assert error.field == "base_url"
    assert reason in error.message
    assert KEY not in str(error)

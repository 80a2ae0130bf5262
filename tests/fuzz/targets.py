"""What is fuzzed: each target takes bytes, makes an input of them, and checks what the client does.

A target raises AssertionError for a fault of ours, and any other error that ought not to escape.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from yarl import URL

from airflow_mirrordb.client import (
    ConfigError,
    EndpointNotAllowedError,
    EndpointRegistry,
    MirrorDBConfig,
    MirrorDBError,
    MirrorDBRequest,
)
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.calls.redirects import redirected
from airflow_mirrordb.client.collections.pages.next_links import BadLinkError, PageRequest, followed
from airflow_mirrordb.client.endpoints.patterns import METHODS
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages import response
from airflow_mirrordb.client.messages.request import prepare
from airflow_mirrordb.client.messages.request_headers import ACCEPT, USER_AGENT
from airflow_mirrordb.client.messages.response import Answer
from airflow_mirrordb.client.wire.aiohttp.private import serialize_headers
from tests.fuzz import oracle

KEY = "s3cret-k3y"
BASES = tuple(
    MirrorDBConfig(base_url=url, api_key=KEY)
    for url in ("https://example.com", "http://[::1]:8080/v1", "https://bücher.example/a b/é")
)
REGISTRIES = tuple(EndpointRegistry(declared=scene.patterns) for scene in oracle.SCENES)

#: What bytes above 127 stand for, so that a short input can say something nasty.
PIECES = (
    *(
        "api",
        "users",
        "7",
        "cache",
        "files",
        "/",
        "é",
        "0b1e6f2a-1c0e-4d51-9a55-2f6c0a9d7e11",
        "v1",
        "api/users/",
    ),
    *(
        "%",
        "%2e",
        "%2E",
        "%25",
        "%2f",
        "%5c",
        "%5C",
        "%00",
        "%0d%0a",
        "%20",
        "%c0%af",
        "%EF%BC%8E",
        "%E2%80%A8",
    ),
    *(
        "..",
        "../",
        ".",
        "\\",
        "//",
        "\uff0e",
        "\uff0f",
        "\uff3c",
        "\u2024",
        "\u2025",
        "\u2028",
        "\ud800",
        "\udc80",
    ),
    *(
        "\u0301",
        "\u200b",
        "\u00ad",
        "\u3002",
        "\u2100",
        "ß",
        "İ",
        "😀",
        "\x85",
        "\xa0",
        "٣",
        "\ufeff",
        "a" * 300,
    ),
    *(
        "http://",
        "https://",
        "HTTPS://",
        "example.com",
        "evil.example",
        "@",
        ":",
        ":443",
        ":80",
        ":8080",
        "[::1]",
    ),
    *(
        "xn--bcher-kva.example",
        "bücher.example",
        "/v1",
        "/a%20b/%C3%A9",
        "?",
        "#",
        ";",
        "+",
        "{id}",
        "javascript:",
    ),
    *(
        "user:pass@",
        "%252e%252e",
        "%25252f",
        "2e",
        "25",
        "\r\n",
        "\t",
        "\n",
        "\x00",
        " ",
        "host",
        "Host",
        "-",
        "_",
    ),
    *(
        "X-API-Key",
        "authorization",
        "cookie",
        "content",
        "length",
        "transfer",
        "encoding",
        KEY,
        "X-HTTP-Method-Override",
    ),
)
assert len(PIECES) <= 128


def text_of(data: bytes) -> str:
    return "".join(chr(byte) if byte < 128 else PIECES[(byte - 128) % len(PIECES)] for byte in data)


def bytes_of(text: str) -> bytes:
    """The bytes that stand for a text, for seeds."""
    out, longest = bytearray(), sorted(PIECES, key=len, reverse=True)
    while text:
        piece = next((piece for piece in longest if text.startswith(piece)), None)
        if piece is not None:
            out.append(128 + PIECES.index(piece))
        elif text[0].isascii():
            out.append(ord(text[0]))
        text = text[len(piece) if piece else 1 :]
    return bytes(out)


def choice(data: bytes, index: int) -> int:
    return data[index] if len(data) > index else 0


def asked(data: bytes) -> tuple[int, MirrorDBRequest]:
    """The number of a registry, and what is asked of it."""
    number, method = choice(data, 1) % len(REGISTRIES), METHODS[choice(data, 2) % len(METHODS)]
    given, _, query = text_of(data[3:]).partition("\x01")
    body = {"q": query} if method == "QUERY" else None
    return number, MirrorDBRequest(
        method=method, endpoint=given, query={"q": query} if query else None, data=body
    )


def endpoint(data: bytes) -> None:
    """Whatever is asked for is refused, or goes to the origin, under the prefix, to what is registered."""
    config = BASES[choice(data, 0) % len(BASES)]
    number, request = asked(data)
    try:
        wire = prepare(request, config, REGISTRIES[number])
    except (EndpointNotAllowedError, InvalidRequestError) as error:
        assert str(error).isprintable()
        return
    sent = f"{wire.origin}{wire.target}"
    oracle.check_url(sent, config.base_url, request.method, oracle.SCENES[number])


def location(given: bytes) -> None:
    """A redirect is followed by a read to the same origin, prefix and patterns, or not at all.

    A read by a body goes on with its body, save after a 303, which leads to its result.
    """
    config = BASES[choice(given, 0) % len(BASES)]
    number, method = choice(given, 1) % len(REGISTRIES), METHODS[choice(given, 2) % len(METHODS)]
    text = text_of(given[3:])
    reads_by_body = method == "QUERY"
    path = "api/users" if reads_by_body else "api/users/7"
    request = MirrorDBRequest(method=method, endpoint=path, data={"q": 1} if reads_by_body else None)
    try:
        sent = prepare(request, config, REGISTRIES[number])
    except EndpointNotAllowedError:
        return
    status = 303 if choice(given, 0) >= 128 else 302
    answer = Answer(status=status, headers={"Location": text}, body=b"")
    target = redirected(answer, request, sent, config, REGISTRIES[number])
    if target is None:
        return
    url = f"{target.origin}{target.target}"
    if reads_by_body and status != 303:
        assert (target.method, target.body) == ("POST", b'{"q":1}')
        oracle.check_url(url, config.base_url, "QUERY", oracle.SCENES[number])
        return
    assert method in ("GET", "QUERY")
    assert (target.method, target.body) == ("GET", None)
    oracle.check_url(url, config.base_url, "GET", oracle.SCENES[number])


def next_page(given: bytes) -> None:
    """A link to the next page is refused, or got from the same origin, prefix and patterns.

    With ``rebase`` it is the base URL's origin, whatever the link says.
    """
    config = BASES[choice(given, 0) % len(BASES)]
    number, rebase = choice(given, 1) % len(REGISTRIES), bool(choice(given, 2) % 2)
    page = PageRequest(request=MirrorDBRequest(method="GET", endpoint="api/users"))
    sent = f"{URL(config.base_url, encoded=True).raw_path.rstrip('/')}/api/users"
    try:
        following = followed(page, sent, text_of(given[3:]), config.base_url, rebase=rebase)
        wire = following.sent(prepare(following.request, config, REGISTRIES[number]))
    except (BadLinkError, EndpointNotAllowedError) as error:
        assert str(error).isprintable()
        return
    oracle.check_link(f"{wire.origin}{wire.target}", config.base_url, oracle.SCENES[number])


def base_url(data: bytes) -> None:
    """A base URL is refused, or keeps the host and port that a person reads in it."""
    text = text_of(data)
    try:
        taken = MirrorDBConfig(base_url=text).base_url
    except ConfigError:
        return
    oracle.check_base_url(text, taken)
    assert MirrorDBConfig(base_url=taken).base_url == taken
    assert str(URL(taken, encoded=True)).rstrip("/") == taken


def header(data: bytes) -> None:
    """A header is refused, or arrives as one line, under a name that is the caller's to set."""
    name, _, value = text_of(data).partition("\x01")
    request = MirrorDBRequest(method="GET", endpoint="api/users", headers={name: value})
    try:
        wire = prepare(request, BASES[0], REGISTRIES[0])
    except InvalidRequestError as error:
        assert str(error).isprintable()
        return
    oracle.check_names([name])
    head = serialize_headers("GET / HTTP/1.1", wire.headers.copy())
    own = {
        key: text
        for key, text in (("Accept", ACCEPT), ("User-Agent", USER_AGENT))
        if key.lower() != name.lower()
    }
    oracle.check_head(head, {**own, name: value})


def answer(data: bytes) -> None:
    """Any answer is a result or one of our errors, which is short, plain, and holds no key."""
    status = (200, 200, 201, 304, 400, 401, 404, 409, 429, 500, 503, 520)[choice(data, 0) % 12]
    split = choice(data, 1)
    text = text_of(data[2 : 2 + split])
    headers = {
        "Retry-After": text,
        "X-Request-ID": text,
        "Location": text,
        "Content-Type": text,
        "ETag": text,
    }
    body = data[2 + split :] if choice(data, 0) < 128 else text_of(data[2 + split :]).encode(errors="replace")
    received = Answer(status=status, headers=headers, body=body, refused="x" * (choice(data, 0) == 7))
    method = METHODS[split % len(METHODS)]
    request = MirrorDBRequest(method=method, endpoint="api/users")
    try:
        result = response.interpret(received, request, BASES[0], number=1, elapsed=0.0, now=1.7e9)
    except MirrorDBError as error:
        Redaction([KEY]).error(error)  # as where it leaves the client
        described = json.dumps(error.to_dict(), allow_nan=False, ensure_ascii=False)
        (str(error) + described).encode()
        assert KEY not in described + str(error) + repr(error)
        assert len(described) < 40_000
        assert len(getattr(error, "detail", "").encode()) <= 2048
    else:
        json.dumps(result.data, allow_nan=False)  # as an event


@dataclass(frozen=True)
class Target:
    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = ()


def _choosing(*texts: str) -> tuple[bytes, ...]:
    """Each text with each registry and a GET, and one of the base URLs."""
    return tuple(
        bytes([place % len(BASES), number, 0]) + bytes_of(text)
        for place, text in enumerate(texts)
        for number in range(len(REGISTRIES))
    )


TARGETS = {
    "endpoint": Target(
        endpoint,
        _choosing(
            "api/users/7",
            "api/users/7/orders",
            "files/a/b",
            "é/0b1e6f2a-1c0e-4d51-9a55-2f6c0a9d7e11",
            "api/users/../7",
            "api/users/%2e%2e/7",
            "api/users/%252e%252e/7",
            "api/users/\uff0e\uff0e/7",
            "api/users/7\r\nHost: evil.example",
            "api/users/7%0d%0a",
            "api/users//7",
            "api/users/7?a#b",
            "//evil.example/api",
            "https://evil.example/",
            "@evil.example",
            "api\\users",
            "api/users/%2f",
            "api/users/a b",
            "api/users/é",
            "admin/users",
            "api/v1/users",
            "api/users/7\x01a&b=c\r\n",
            "api/users/%25EF%25BC%258E%25EF%25BC%258E/7",
            "api/users/%250d%250a",
            "/",
            "files/a%2Fb",
            "files/a%2F..%2Fb",
            "files/%2Fb",
            "files/a%252Fb",
            "files/a%5Cb",
            "files/\uff0e\uff0e",
            "files/\u2025%2Fa",
            "files/\uff0f",
            "files/7:archive",
            "Orders(7)",
            "Orders('a b')",
            "api/users/e\u0301",
            "api/users/%EF%BC%8F",
            "api/users/7%2Forders",
        ),
    ),
    "location": Target(
        location,
        _choosing(
            "/api/users/8",
            "/v1/api/users/8/?a=b",
            "8",
            "../posts",
            "https://example.com/api/users",
            "https://evil.example/api/users/7",
            "//evil.example/v1/api/users",
            "http://example.com/api/users/7",
            "https://user:pass@example.com/api/users/7",
            "https://example.com:8080/api/users/7",
            "/admin",
            "https://example.com@evil.example/api/users",
            "\\\\evil.example/api/users",
            "/v1/api/users/%2e%2e/7",
            "http://[::1]:8080/v1/api/users/8",
            "http://[::1]:80/v1/api/users/8",
            "javascript:api/users",
            "https://bücher.example/a%20b/é/api/users/8",
            "?a=\r\n",
            "/",
            "/v1",
            "/v1/",
            "/v1//",
            "/v1/files/a%2Fb",
            "/files/a%2Fb/",
            "/files/a%2F..%2Fb",
            "/files/a%252Fb",
            "//[]@",
        )
        + tuple(bytes([0, number, 2]) + bytes_of("/api/users/8") for number in range(len(REGISTRIES)))
        + tuple(
            bytes([base, len(REGISTRIES) - 1, 1]) + bytes_of(text)
            for base in (0, 1, 129, 130)
            for text in ("/files/8", "/v1/files/8", "/api/users", "/", "/v1/", "/Orders(8)", "/files/a%2Fb")
        ),
    ),
    "next_page": Target(
        next_page,
        _choosing(
            "/api/users?page=2",
            "?a=1&flag&b=%E9&a=2",
            "/v1/api/users/?page[number]=2",
            "https://example.com:443/api/users?page=2",
            "http://[::1]:8080/v1/api/users?page=2",
            "http://inner.example:8000/api/users?page=2",
            "https://bücher.example/a%20b/%C3%A9/api/users?q=é b",
            "//evil.example/v1/api/users",
            "https://example.com@evil.example/api/users",
            "https://user:pass@example.com/api/users",
            "/api/users/..;/admin",
            "/api/users/%2e%2e/admin",
            "/files/a%2Fb",
            "/api/us%65rs",
            "../../admin",
            "\\\\evil.example/api/users",
            "/api/users\r\nHost: evil.example",
            "/api/users?a=\r\n",
            "#",
            "",
            "/",
            "//[]@",
        )
        + tuple(
            bytes([0, number, 1]) + bytes_of("http://inner.example/api/users/7")
            for number in range(len(REGISTRIES))
        ),
    ),
    "base_url": Target(
        base_url,
        tuple(
            map(
                bytes_of,
                (
                    "https://example.com/v1",
                    "http://[::1]:8080",
                    "https://bücher.example/é",
                    "https://user:pass@example.com",
                    "https://example.com\\@evil.example",
                    "https://exam\tple.com",
                    "https://x[::1]",
                    "https://example.com:443/..",
                    "https://example.com?#",
                    "https://example.com/" + "é" * 1000,
                    "https://a\u3002b",
                ),
            )
        ),
    ),
    "header": Target(
        header,
        tuple(
            map(
                bytes_of,
                (
                    "X-A\x01b",
                    "X-A\x01b\r\nHost: evil.example",
                    "X-A: b\r\nHost\x01evil",
                    "Host\x01evil",
                    "authorization\x01b",
                    "X-API-Key\x01b",
                    "X_API_Key\x01b",
                    "content_length\x017",
                    "accept\x01é\t",
                    "X-HTTP-Method-Override\x01DELETE",
                ),
            )
        ),
    ),
    "answer": Target(
        answer,
        (
            b'\x00\x00{"id": 7}',
            b"\x00\x00[1e999, NaN]",
            b"\x04\x00" + b'{"detail": "\\ud800"}',
            b"\x04\x03120<html>",
            b"\x00\x00" + b"[" * 2000,
            b"\x09\x00\xff\xfe\x00",
            b'\x00\x00{"a": 1, "a": 2}',
            b"\x08\x03120" + b'{"error": {"code": "s3cret-k3y", "message": ["s3cret-k3y"]}}',
            b"\x04\x01" + bytes_of(KEY),
            b"\x04\x01" + bytes_of("\ud800"),
            b"\x80\x00" + bytes_of("{}"),
        ),
    ),
}

"""What a request begins with, as it goes over the wire (RFC 9112, sections 2.1 and 3)."""

from __future__ import annotations

from dataclasses import replace

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from airflow_mirrordb.client.auth.schemes import Credentials
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.wire.aiohttp.heads import head_of, opener_to
from tests.support.clocks import TIMEOUT

ORIGIN = URL("https://localhost:8000")
PLAIN = CIMultiDictProxy(CIMultiDict({"X-All": "1"}))
KEY, OTHER_KEY = Credentials({"Authorization": "Bearer a"}), Credentials({"Authorization": "Bearer b"})


def request(target: str = "/api/users") -> WireRequest:
    return WireRequest(
        method="GET", origin=ORIGIN, target=target, headers=PLAIN, body=None, timeout=TIMEOUT, repeatable=True
    )


async def test_what_requests_have_in_common_is_written_once() -> None:
    """And again where anything of it differs: a key that was changed, headers of its own, a body."""
    opener = opener_to(ORIGIN, None, "identity")

    def lines(of: WireRequest, key: Credentials, framing: dict[str, str] | None = None) -> list[str]:
        head = head_of(of, opener, key, framing or {}).decode()
        assert head.endswith("\r\n\r\n")
        return [line for line in head.splitlines() if line.startswith(("GET", "X-", "Auth", "Content"))]

    first, all_have = "GET /api/users HTTP/1.1", "X-All: 1"
    assert lines(request(), KEY) == [first, all_have, "Authorization: Bearer a"]
    written = opener.plain_head
    assert lines(request("/?a=1"), KEY) == ["GET /?a=1 HTTP/1.1", all_have, "Authorization: Bearer a"]
    assert opener.plain_head is written
    own = replace(request(), headers=CIMultiDict({"X-Own": "2"}))
    assert lines(own, KEY) == [first, "X-Own: 2", "Authorization: Bearer a"]
    framed = [first, all_have, "Authorization: Bearer a", "Content-Length: 3"]
    assert lines(request(), KEY, {"Content-Length": "3"}) == framed
    assert lines(request(), OTHER_KEY) == [first, all_have, "Authorization: Bearer b"]
    others = replace(request(), headers=CIMultiDictProxy(CIMultiDict({"X-Others": "3"})))
    assert lines(others, OTHER_KEY) == [first, "X-Others: 3", "Authorization: Bearer b"]

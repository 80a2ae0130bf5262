"""Endpoints as real APIs have them, as they arrive at a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from airflow_mirrordb.client import EndpointNotAllowedError, GenericMirrorDB, ResponseError

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor

PATTERNS = [
    *("GET projects/{id:quoted}/issues", "POST places:searchText", "Orders({key})", "GET files/{name}"),
    *("POST /", "GET /"),
]


async def test_an_endpoint_arrives_as_it_was_written(answering: Answering, config_for: ConfigFor) -> None:
    """No encoding is added, and none is lost, on the way to the socket.

    https://docs.gitlab.com/api/rest/#namespaced-paths; https://google.aip.dev/136; OData 4.01, part 2 (URL
    conventions), section 2; UAX 15.
    """
    backend = await answering(*(web.json_response({}) for _ in range(8)))
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v4", endpoints=PATTERNS)) as client:
        await client.read_function(None, "projects/diaspora%2Fdiaspora/issues", query={"state": "a/b"})
        await client.create_function(None, "places:searchText", {"textQuery": "pizza"})
        await client.read_function(None, "Orders(7)")
        await client.read_function(None, "Orders('a b')")
        await client.read_function(None, "files/Jose\u0301.csv")
        await client.read_function(None, "files/Jos\u00e9.csv")
        await client.create_function(None, "/", {"query": "{me{id}}"})
        await client.read_function(None, "/", query={"a": 1})
    assert backend.lines == [
        "GET /v4/projects/diaspora%2Fdiaspora/issues?state=a%2Fb",
        "POST /v4/places:searchText",
        "GET /v4/Orders(7)",
        "GET /v4/Orders('a%20b')",
        "GET /v4/files/Jose%CC%81.csv",
        "GET /v4/files/Jos%C3%A9.csv",
        "POST /v4",
        "GET /v4?a=1",
    ]


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ("/v4", "GET /v4"),
        ("/v4/", "GET /v4/"),
        ("/v4?page=2", "GET /v4?page=2"),
        ("/v4/projects/a%2Fb/issues", "GET /v4/projects/a%2Fb/issues"),
        ("/v4/projects/a%2fb/issues/", "GET /v4/projects/a%2Fb/issues/"),
        ("/v4/Orders('a%20b')", "GET /v4/Orders('a%20b')"),
        ("/v4/files/Jose%CC%81", "GET /v4/files/Jose%CC%81"),
    ],
)
async def test_a_redirect_to_such_an_endpoint_is_followed(
    answering: Answering, config_for: ConfigFor, location: str, line: str
) -> None:
    """A GET, to what is registered."""
    moved = web.Response(status=302, headers={"Location": location})
    backend = await answering(moved, web.json_response({"id": 1}))
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v4", endpoints=PATTERNS)) as client:
        assert await client.read_function(None, "Orders(7)") == {"id": 1}
    assert backend.lines == ["GET /v4/Orders(7)", line]


@pytest.mark.parametrize(
    "location",
    ["/v4//", "/v4/projects/a%2F..%2Fb/issues", "/v4/projects/a%252Fb/issues", "/v4/Orders(a%2Fb)", "/"],
)
async def test_no_other_redirect_is(answering: Answering, config_for: ConfigFor, location: str) -> None:
    """The guards of endpoints hold for redirects."""
    backend = await answering(web.Response(status=302, headers={"Location": location}))
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v4", endpoints=PATTERNS)) as client:
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function(None, "Orders(7)")
    assert backend.lines == ["GET /v4/Orders(7)"]


async def test_a_lost_id_sends_nothing(answering: Answering, config_for: ConfigFor) -> None:
    """Also where the base URL may be deleted."""
    backend = await answering()
    config = config_for(backend.base_url, endpoints=["DELETE /", "api/users", "DELETE {all:path}"])
    async with GenericMirrorDB(config) as client:
        for endpoint in ("api/users/", "", "//", "api//", " "):
            with pytest.raises(
                EndpointNotAllowedError, match=r"refused|is empty|empty name|ends with a slash|leading slash"
            ):
                await client.delete_function(None, endpoint)
    assert backend.requests == []

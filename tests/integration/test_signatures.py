"""What of a URL that the backend gave is shown, when the backend repeats it in an error.

The query of such a URL may be all that is needed to read what it leads to, as with presigned URLs (AWS,
"Authenticating Requests: Using Query Parameters"; Azure, "Service SAS": ``sig``).
"""

from __future__ import annotations

import json
import logging
import traceback

import pytest
from aiohttp import web
from yarl import URL

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.client.auth.signatures import signatures_in
from tests.support.backends import Answering
from tests.support.connections import ConfigFor

SIGNATURE = "Sg9vZZqQ81LmNop2"
LINK = f"/api/users?p=2&status=suspended&sig={SIGNATURE}"
PAGINATE = {"style": "body", "next": "next", "records": "rows"}
REPEATED = {
    "a 500": web.Response(status=500, text=f"failed: {LINK}"),
    "a 400 of JSON": web.json_response({"detail": f"bad signature {SIGNATURE}", "url": LINK}, status=400),
    "no JSON": web.Response(text=f"x {LINK}"),
    "JSON that is none": web.Response(text=f"[{LINK}]", content_type="application/json"),
    "an error in a success": web.json_response({"errors": [{"message": f"cannot read {LINK}"}]}),
    "a page": web.Response(status=404, text=f"<p>No {LINK} here</p>", content_type="text/html"),
}


def all_told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    told = json.dumps(error.to_dict()) if isinstance(error, MirrorDBError) else ""
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_mirrordb")]
    return "\n".join([told, *traceback.format_exception(error), *lines])


@pytest.mark.parametrize("name", REPEATED)
async def test_what_a_page_repeats_of_its_link(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Message, dict, traceback and log are without the signature; all else of it is told."""
    caplog.set_level(logging.DEBUG)
    backend = await answering(web.json_response({"rows": [{"id": 1}], "next": LINK}), REPEATED[name])
    config = config_for(backend.base_url, max_attempts=1, error_path="errors")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("m", "api/users", paginate=PAGINATE)
    told = all_told(caught.value, caplog)
    assert SIGNATURE not in told
    assert "***" in told
    assert "suspended" in told or name == "a 400 of JSON"


async def test_what_the_author_asked_for_is_told(answering: Answering, config_for: ConfigFor) -> None:
    """A link repeats the query of the first page; who wrote that wants to read it in an error."""
    project = "550e8400-e29b-41d4-a716-446655440000"
    link = f"/api/users?project={project}&sig={SIGNATURE}"
    refusal = web.Response(status=404, text=f"{project} of {link}")
    backend = await answering(web.json_response({"rows": [{"id": 1}], "next": link}), refusal)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(MirrorDBError, match=rf"404 .*{project} of .*project={project}&sig=\*\*\*"):
            await client.read_function("m", "api/users", query={"project": project}, paginate=PAGINATE)


@pytest.mark.parametrize("leads_to", ["/api/users/8", "/elsewhere", "https://files.example.com/8"])
async def test_what_is_repeated_of_a_redirect(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, leads_to: str
) -> None:
    """Followed or not: the pages of many frameworks repeat where they lead (Flask)."""
    location = f"{leads_to}?X-Amz-Signature={SIGNATURE}"
    text = f"<p>You should be redirected automatically to {location}</p>"
    moved = web.Response(status=302, text=text, content_type="text/html", headers={"Location": location})
    backend = await answering(moved, web.Response(status=400, text=f"expired: {location}"))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("m", "api/users/7")
    assert SIGNATURE not in all_told(caught.value, caplog)


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("X-Amz-Signature=abcdefgh", ["abcdefgh"]),  # AWS Signature Version 4
        ("X-Goog-Signature=abcdefgh", ["abcdefgh"]),  # Google Cloud Storage, "Signed URLs"
        ("sv=2024-11-04&sig=abc%2Fdefghijk%3D", ["abc/defghijk=", "defghijk="]),  # Azure
        ("hdnts=exp~hmac", ["exp~hmac"]),  # Akamai
        ("access_token=abcdefgh&apiKey=12345678", ["12345678", "abcdefgh"]),
        ("cursor=eyJpZCI6IDd9LCJ4Ijo3fQ", ["eyJpZCI6IDd9LCJ4Ijo3fQ"]),
        ("page=2&limit=100&sort=created_at&status=suspended&author=john.smith", []),
        ("after=2026-11-26T12:00:00Z&before=2026-11-26 12:00:00.123456", []),
        ("total=12345678901234567890&names=abcdefghijklmnopqrstuvwxyz&sig=short", []),
    ],
)
def test_what_is_like_a_secret(query: str, hidden: list[str]) -> None:
    """By its name, or as nobody would write it; dates, numbers and words are none, and no short texts."""
    assert sorted(signatures_in(URL(f"https://backend.example.com/x?{query}"))) == hidden

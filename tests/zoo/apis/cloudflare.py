"""Cloudflare: a success flag and errors in each body, a page count."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": f"372e6795{number:024}", "name": f"www{number}.example.com"} for number in range(1, 8)]
CREATED = {"id": "023e105f4ecef8ad9ca31a8372d0c353", "name": "new.example.com"}
UPDATED = {"id": "372e6795000000000000000000000001", "name": "renamed.example.com"}
ZONE = "zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records"
SPEC = "https://github.com/cloudflare/api-schemas/blob/main"
LIMIT = Limit(
    Answer(
        429,
        {
            "success": False,
            "errors": [{"code": 971, "message": "Please wait and consider throttling your request speed"}],
            "messages": [],
            "result": None,
        },
        {"retry-after": "7"},
    ),
    7,
)


def done(result: object) -> dict[str, object]:
    """Return what a success looks like."""
    return {"success": True, "errors": [], "messages": [], "result": result}


DOCUMENTED = Documented(
    name="Cloudflare",
    documentation=(
        f"{SPEC}/common.yaml",
        f"{SPEC}/openapi.yaml",
        "https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/",
        "https://developers.cloudflare.com/fundamentals/api/reference/limits/",
    ),
    base="/client/v4",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {
            "success": False,
            "errors": [{"code": 10000, "message": "Authentication error"}],
            "messages": [],
            "result": None,
        },
    ),
    collections=[
        Pages(
            path=ZONE,
            records=RECORDS,
            kind="page",
            param="page",
            size=100,
            size_param="per_page",
            body={
                "success": True,
                "errors": [],
                "messages": [],
                "result": "$records",
                "result_info": {
                    "page": "$page",
                    "per_page": "$size",
                    "total_pages": "$pages",
                    "count": "$count",
                    "total_count": "$total",
                },
            },
        )
    ],
    exchanges=[
        Exchange("POST", ZONE, sent={"name": "new.example.com"}, answer=Answer(200, done(CREATED))),
        Exchange(
            "POST",
            ZONE,
            answer=Answer(
                400,
                {
                    "success": False,
                    "errors": [
                        {
                            "code": 1004,
                            "message": "DNS Validation Error",
                            "error_chain": [
                                {
                                    "code": 9005,
                                    "message": "Content for A record must be a valid IPv4 address.",
                                }
                            ],
                        }
                    ],
                    "messages": [],
                    "result": None,
                },
            ),
        ),
        Exchange(
            "PATCH",
            f"{ZONE}/372e6795000000000000000000000001",
            sent={"name": "renamed.example.com"},
            answer=Answer(200, done(UPDATED)),
        ),
        Exchange(
            "DELETE",
            f"{ZONE}/372e6795000000000000000000000001",
            answer=Answer(200, {"result": {"id": "372e6795000000000000000000000001"}}),
        ),
    ],
)


PAGES = {
    "style": "page",
    "param": "page",
    "size": 3,
    "size_param": "per_page",
    "records": "result",
    "total": "result_info.total_count",
}
API = Api(
    documented=DOCUMENTED,
    host="https://api.cloudflare.com/client/v4",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["zones/{zone}/dns_records"],
            "update_method": "PATCH",
            "response_envelope": "result",
            "error_path": "errors",
        },
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", ZONE, {"paginate": PAGES}, RECORDS, requests=3),
        Call("create", "create", ZONE, {"data": {"name": "new.example.com"}}, CREATED),
        Call(
            "update",
            "update",
            f"{ZONE}/372e6795000000000000000000000001",
            {"data": {"name": "renamed.example.com"}},
            UPDATED,
        ),
        Call(
            "delete",
            "delete",
            f"{ZONE}/372e6795000000000000000000000001",
            {},
            {"id": "372e6795000000000000000000000001"},
        ),
        Call(
            "an error in words",
            "create",
            ZONE,
            {"data": {"content": "x"}},
            fails=fails(
                "InvalidDataError", "Content for A record must be a valid IPv4 address.", code="1004"
            ),
        ),
        Call("a limit", "create", ZONE, {"data": {"name": "new.example.com"}}, CREATED, limit=LIMIT),
    ],
)

"""Kinto: a Next-Page header with a whole URL, an envelope, preconditions, Backoff on a success."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, basic, fails

RECORDS = [{"id": f"record-{number}", "last_modified": 1434646943900 + number} for number in range(1, 8)]
CREATED = {"id": "89881454-e4e9-4ef0-99a9-404d95900352", "foo": "bar", "last_modified": 1434646943915}
UPDATED = {"id": "record-1", "foo": "baz", "last_modified": 1434647782623}
ARTICLES = "buckets/blog/collections/articles/records"
PERMISSIONS = {"write": ["account:bob"]}
DOCS = "https://docs.kinto-storage.org/en/stable/api/1.x"
LIMIT = Limit(
    Answer(
        503,
        {
            "code": 503,
            "errno": 201,
            "error": "Service Unavailable",
            "message": "Service temporary unavailable due to overloading or maintenance, please retry later.",
        },
        {"Retry-After": "30"},
    ),
    30,
)
DOCUMENTED = Documented(
    name="Kinto",
    documentation=(
        f"{DOCS}/pagination.html",
        f"{DOCS}/errors.html",
        f"{DOCS}/backoff.html",
        f"{DOCS}/records.html",
    ),
    base="/v1",
    credentials={"Authorization": basic("bob")},
    refused=Answer(
        401,
        {
            "code": 401,
            "errno": 104,
            "error": "Unauthorized",
            "message": "Please authenticate yourself to use this endpoint.",
        },
        {"WWW-Authenticate": 'Basic realm="Kinto"'},
    ),
    missing=Answer(
        404,
        {
            "code": 404,
            "errno": 111,
            "error": "Not Found",
            "message": "The resource you are looking for could not be found.",
        },
    ),
    collections=[
        Pages(
            path=ARTICLES,
            records=RECORDS,
            kind="token",
            param="_token",
            token="eyJsYXN0{}",
            size=100,
            size_param="_limit",
            body={"data": "$records"},
            headers={"Next-Page": "$next_url"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            ARTICLES,
            sent={"data": {"foo": "bar"}},
            answer=Answer(201, {"data": CREATED, "permissions": PERMISSIONS}),
        ),
        Exchange(
            "POST",
            ARTICLES,
            answer=Answer(
                400,
                {
                    "code": 400,
                    "errno": 109,
                    "error": "Bad Request",
                    "message": "Invalid posted data",
                    "info": "https://server/docs/api.html#errors",
                    "details": [
                        {
                            "description": "42 is not a string: {'name': ''}",
                            "location": "body",
                            "name": "name",
                        }
                    ],
                },
            ),
        ),
        Exchange(
            "PUT",
            f"{ARTICLES}/record-1",
            sent={"data": {"foo": "baz"}},
            needs={"If-Match": '"1434646943901"'},
            answer=Answer(200, {"data": UPDATED, "permissions": PERMISSIONS}),
        ),
        Exchange(
            "PUT",
            f"{ARTICLES}/record-1",
            answer=Answer(
                412,
                {
                    "code": 412,
                    "errno": 114,
                    "error": "Precondition Failed",
                    "message": "Resource was modified meanwhile",
                    "info": "https://server/docs/api.html#errors",
                },
            ),
        ),
        Exchange(
            "DELETE",
            f"{ARTICLES}/record-1",
            answer=Answer(200, {"data": {"id": "record-1", "deleted": True}}, {"Backoff": "30"}),
        ),
    ],
)


PAGES = {"style": "header", "next": "Next-Page", "records": "data"}
API = Api(
    documented=DOCUMENTED,
    host="https://kinto.example.com/v1",
    connection={
        "login": "bob",
        "password": KEY,
        "extra": {
            "endpoints": ["buckets/{bucket}/collections/{collection}/records"],
            "request_envelope": "data",
            "response_envelope": "data",
        },
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", ARTICLES, {"paginate": PAGES, "query": {"_limit": 3}}, RECORDS, requests=3),
        Call("create", "create", ARTICLES, {"data": {"foo": "bar"}}, CREATED),
        Call(
            "update",
            "update",
            f"{ARTICLES}/record-1",
            {"data": {"foo": "baz"}, "if_match": '"1434646943901"'},
            UPDATED,
        ),
        Call(
            "an update of another version",
            "update",
            f"{ARTICLES}/record-1",
            {"data": {"foo": "baz"}, "if_match": '"1"'},
            fails=fails("ConflictError", "Resource was modified meanwhile"),
        ),
        Call("delete", "delete", f"{ARTICLES}/record-1", {}, {"id": "record-1", "deleted": True}),
        Call(
            "an error in words",
            "create",
            ARTICLES,
            {"data": {"name": ""}},
            fails=fails("InvalidDataError", "Invalid posted data", "name", "42 is not a string"),
        ),
        Call("a limit", "create", ARTICLES, {"data": {"foo": "bar"}}, CREATED, limit=LIMIT),
    ],
)

"""Notion: a version header, queries that are POSTs, cursors that are null at the end."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"object": "page", "id": f"59833787-2cf9-4fdf-8782-{number:012}"} for number in range(1, 6)]
USERS = [{"object": "user", "id": f"d40e767c-d7af-4b18-a86d-{number:012}"} for number in range(1, 5)]
CREATED = {"object": "page", "id": "b55c9c91-384d-452b-81db-d1ef79372b75"}
TRASHED = {"object": "page", "id": "59833787-2cf9-4fdf-8782-000000000001", "in_trash": True}
LIST = {"object": "list", "results": "$records", "next_cursor": "$next", "has_more": "$more"}
SOURCE = "d9824bdc-8445-4327-be8b-5b47500af6ce"
DOCS = "https://developers.notion.com/reference"
LIMIT = Limit(
    Answer(
        429,
        {"object": "error", "status": 429, "code": "rate_limited", "message": "You have been rate limited."},
        {"Retry-After": "2"},
    ),
    2,
)
DOCUMENTED = Documented(
    name="Notion",
    documentation=(
        f"{DOCS}/intro",
        f"{DOCS}/pagination",
        f"{DOCS}/request-limits",
        f"{DOCS}/status-codes",
        f"{DOCS}/versioning",
        "https://github.com/makenotion/notion-sdk-js",
    ),
    base="/v1",
    credentials={"Authorization": f"Bearer {KEY}"},
    headers={"Notion-Version": "2025-09-03"},
    refused=Answer(
        401, {"object": "error", "status": 401, "code": "unauthorized", "message": "API token is invalid."}
    ),
    collections=[
        Pages(
            path="users",
            records=USERS,
            kind="token",
            param="start_cursor",
            token="fe2cc560-036c-44cd-90e8-{:0>12}",
            size=100,
            size_param="page_size",
            end=None,
            body=LIST,
        ),
        Pages(
            method="POST",
            path=f"data_sources/{SOURCE}/query",
            records=RECORDS,
            kind="token",
            place="body",
            param="start_cursor",
            token="33e19cb9-751f-4993-b74d-{:0>12}",
            size=100,
            size_param="page_size",
            end=None,
            sent={"filter": {"property": "Done", "checkbox": {"equals": True}}},
            body=LIST,
        ),
    ],
    exchanges=[
        Exchange(
            "POST",
            "pages",
            sent={"parent": {"data_source_id": SOURCE}, "properties": {}},
            answer=Answer(200, CREATED),
        ),
        Exchange(
            "POST",
            "pages",
            answer=Answer(
                400,
                {
                    "object": "error",
                    "status": 400,
                    "code": "validation_error",
                    "message": "body failed validation: body.parent should be defined.",
                },
            ),
        ),
        Exchange(
            "PATCH",
            "pages/59833787-2cf9-4fdf-8782-000000000001",
            sent={"in_trash": True},
            answer=Answer(200, TRASHED),
        ),
    ],
)


BY_QUERY = {"style": "body", "next": "next_cursor", "param": "start_cursor", "records": "results"}
BY_BODY = {**BY_QUERY, "param_in": "body"}
DONE = {"filter": {"property": "Done", "checkbox": {"equals": True}}, "page_size": 2}
PAGE = {"parent": {"data_source_id": SOURCE}, "properties": {}}
API = Api(
    documented=DOCUMENTED,
    host="https://api.notion.com/v1",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["users", "pages", "QUERY data_sources/{source}/query"],
            "headers": {"Notion-Version": "2025-09-03"},
            "update_method": "PATCH",
        },
    },
    paginate=[BY_QUERY, BY_BODY],
    notes=["a page is deleted by an update with `in_trash`"],
    calls=[
        Call(
            "read all", "read", "users", {"paginate": BY_QUERY, "query": {"page_size": 2}}, USERS, requests=2
        ),
        Call(
            "query all",
            "read",
            f"data_sources/{SOURCE}/query",
            {"paginate": BY_BODY, "data": DONE},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "pages", {"data": PAGE}, CREATED),
        Call(
            "delete",
            "update",
            "pages/59833787-2cf9-4fdf-8782-000000000001",
            {"data": {"in_trash": True}},
            TRASHED,
        ),
        Call(
            "an error in words",
            "create",
            "pages",
            {"data": {"properties": {}}},
            fails=fails("InvalidDataError", "body.parent should be defined", code="validation_error"),
        ),
        Call("a limit", "create", "pages", {"data": PAGE}, CREATED, limit=LIMIT),
    ],
)

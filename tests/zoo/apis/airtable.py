"""Airtable: an offset that is a token; a limit that lasts 30 seconds and has no header."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": f"rec{number:014}", "fields": {"Name": f"Row {number}"}} for number in range(1, 8)]
CREATED = {"id": "rec00000000000008", "createdTime": "2022-09-12T21:03:48.000Z", "fields": {"Name": "New"}}
UPDATED = {"id": "rec00000000000001", "fields": {"Name": "Renamed"}}
DELETED = {"id": "rec00000000000001", "deleted": True}
DOCS = "https://airtable.com/developers/web/api"
LIMIT = Limit(Answer(429), 30)
DOCUMENTED = Documented(
    name="Airtable",
    documentation=(
        f"{DOCS}/list-records",
        f"{DOCS}/rate-limits",
        f"{DOCS}/errors",
        "https://support.airtable.com/docs/getting-started-with-airtables-web-api",
    ),
    base="/v0",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}}),
    missing=Answer(404, {"error": "NOT_FOUND"}),
    collections=[
        Pages(
            path="appEXAMPLE/Tasks",
            records=RECORDS,
            kind="token",
            param="offset",
            token="itrSJ1l4jlPyxEG6c/rec{}",
            size=100,
            size_param="pageSize",
            max_size=100,
            body={"records": "$records", "offset": "$next"},
        )
    ],
    exchanges=[
        Exchange("POST", "appEXAMPLE/Tasks", sent={"fields": {"Name": "New"}}, answer=Answer(200, CREATED)),
        Exchange(
            "POST",
            "appEXAMPLE/Tasks",
            answer=Answer(
                422, {"error": {"type": "UNKNOWN_FIELD_NAME", "message": 'Unknown field name: "Nmae"'}}
            ),
        ),
        Exchange(
            "PATCH",
            "appEXAMPLE/Tasks/rec00000000000001",
            sent={"fields": {"Name": "Renamed"}},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "appEXAMPLE/Tasks/rec00000000000001", answer=Answer(200, DELETED)),
    ],
)


PAGES = {"style": "body", "next": "offset", "param": "offset", "records": "records"}
TASKS = "appEXAMPLE/Tasks"
API = Api(
    documented=DOCUMENTED,
    host="https://api.airtable.com/v0",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["{base}/Tasks"], "update_method": "PATCH", "initial_delay": 60},
    },
    paginate=[PAGES],
    notes=["a 429 lasts 30 seconds and says nothing of it: `initial_delay` 60"],
    calls=[
        Call("read all", "read", TASKS, {"paginate": PAGES, "query": {"pageSize": 3}}, RECORDS, requests=3),
        Call("create", "create", TASKS, {"data": {"fields": {"Name": "New"}}}, CREATED),
        Call(
            "update",
            "update",
            f"{TASKS}/rec00000000000001",
            {"data": {"fields": {"Name": "Renamed"}}},
            UPDATED,
        ),
        Call("delete", "delete", f"{TASKS}/rec00000000000001", {}, DELETED),
        Call(
            "an error in words",
            "create",
            TASKS,
            {"data": {"fields": {"Nmae": "x"}}},
            fails=fails("InvalidDataError", 'Unknown field name: "Nmae"', code="UNKNOWN_FIELD_NAME"),
        ),
        Call(
            "a limit",
            "create",
            TASKS,
            {"data": {"fields": {"Name": "New"}}},
            CREATED,
            limit=LIMIT,
            requests=2,
        ),
    ],
)

"""Datadog: two keys, pages from 0 that only an empty one ends, errors that are texts."""

from __future__ import annotations

from tests.zoo.tables import KEY, OMITTED, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": 666486743 + number, "name": f"Monitor {number}"} for number in range(1, 7)]
CREATED = {"id": 666486750, "name": "New"}
UPDATED = {"id": 666486744, "name": "Renamed"}
DELETED = {"deleted_monitor_id": 666486744}
SPEC = "https://github.com/DataDog/datadog-api-client-python/blob/master/.generator/schemas/v1/openapi.yaml"
LIMIT = Limit(
    Answer(
        429,
        OMITTED,
        {
            "X-RateLimit-Limit": "100",
            "X-RateLimit-Period": "60",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "35",
        },
    ),
    35,
)
DOCUMENTED = Documented(
    name="Datadog",
    documentation=(
        SPEC,
        "https://docs.datadoghq.com/api/latest/rate-limits/",
        "https://docs.datadoghq.com/api/latest/authentication/",
        "https://docs.datadoghq.com/api/latest/monitors/",
    ),
    base="/api/v1",
    credentials={"DD-API-KEY": KEY, "DD-APPLICATION-KEY": KEY},
    refused=Answer(403, {"errors": ["Forbidden"]}),
    missing=Answer(404, {"errors": ["Monitor not found"]}),
    collections=[
        Pages(
            path="monitor",
            records=RECORDS,
            kind="page",
            param="page",
            first=0,
            size=100,
            size_param="page_size",
            max_size=1000,
            body="$records",
        )
    ],
    exchanges=[
        Exchange("POST", "monitor", sent={"name": "New"}, answer=Answer(200, CREATED)),
        Exchange(
            "POST",
            "monitor",
            answer=Answer(400, {"errors": ["The value provided for parameter 'query' is invalid"]}),
        ),
        Exchange("PUT", "monitor/666486744", sent={"name": "Renamed"}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", "monitor/666486744", answer=Answer(200, DELETED)),
    ],
)


PAGES = {"style": "page", "param": "page", "first": 0, "size": 3, "size_param": "page_size"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.datadoghq.com/api/v1",
    connection={
        "password": KEY,
        "extra": {
            "auth_type": "api_key",
            "key_name": "DD-API-KEY",
            "endpoints": ["monitor"],
            "headers": {"DD-APPLICATION-KEY": KEY},
        },
    },
    paginate=[PAGES],
    does_not_work=["the application key lies in `headers`, where nothing hides it"],
    calls=[
        Call("read all", "read", "monitor", {"paginate": PAGES}, RECORDS, requests=3),
        Call("create", "create", "monitor", {"data": {"name": "New"}}, CREATED),
        Call("update", "update", "monitor/666486744", {"data": {"name": "Renamed"}}, UPDATED),
        Call("delete", "delete", "monitor/666486744", {}, DELETED),
        Call(
            "an error in words",
            "create",
            "monitor",
            {"data": {"query": ""}},
            fails=fails("InvalidDataError", "The value provided for parameter 'query' is invalid"),
        ),
        Call("a limit", "create", "monitor", {"data": {"name": "New"}}, CREATED, limit=LIMIT),
    ],
)

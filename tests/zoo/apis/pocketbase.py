"""PocketBase: counted pages with totals, updates by PATCH alone, errors by field, a limit without header."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": f"ae40239d2bc44{number:02}", "title": f"Title {number}"} for number in range(1, 8)]
CREATED = {"id": "ae40239d2bc4477", "collectionName": "demo", "title": "Lorem ipsum"}
UPDATED = {"id": "ae40239d2bc4401", "collectionName": "demo", "title": "Renamed"}
DEMO = "api/collections/demo/records"
LIMIT = Limit(Answer(429, {"status": 429, "message": "Too many requests.", "data": {}}), 10)
DOCUMENTED = Documented(
    name="PocketBase",
    documentation=(
        "https://pocketbase.io/docs/api-records/",
        "https://pocketbase.io/docs/going-to-production/#enable-rate-limiter",
        "https://github.com/pocketbase/site/tree/master/src/routes/(app)/docs/api-records",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(403, {"status": 403, "message": "Only superusers can perform this action.", "data": {}}),
    missing=Answer(404, {"status": 404, "message": "The requested resource wasn't found.", "data": {}}),
    collections=[
        Pages(
            path=DEMO,
            records=RECORDS,
            kind="page",
            param="page",
            size=30,
            size_param="perPage",
            body={
                "page": "$page",
                "perPage": "$size",
                "totalItems": "$total",
                "totalPages": "$pages",
                "items": "$records",
            },
        )
    ],
    exchanges=[
        Exchange("POST", DEMO, sent={"title": "Lorem ipsum"}, answer=Answer(200, CREATED)),
        Exchange(
            "POST",
            DEMO,
            answer=Answer(
                400,
                {
                    "status": 400,
                    "message": "Failed to create record.",
                    "data": {"title": {"code": "validation_required", "message": "Missing required value."}},
                },
            ),
        ),
        Exchange("PATCH", f"{DEMO}/ae40239d2bc4401", sent={"title": "Renamed"}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", f"{DEMO}/ae40239d2bc4401", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "page",
    "param": "page",
    "size": 3,
    "size_param": "perPage",
    "records": "items",
    "total": "totalItems",
}
API = Api(
    documented=DOCUMENTED,
    host="https://pocketbase.example.com",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["api/collections/{collection}/records"], "update_method": "PATCH"},
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", DEMO, {"paginate": PAGES}, RECORDS, requests=3),
        Call("create", "create", DEMO, {"data": {"title": "Lorem ipsum"}}, CREATED),
        Call("update", "update", f"{DEMO}/ae40239d2bc4401", {"data": {"title": "Renamed"}}, UPDATED),
        Call("delete", "delete", f"{DEMO}/ae40239d2bc4401", {}, None),
        Call(
            "an error in words",
            "create",
            DEMO,
            {"data": {}},
            fails=fails("InvalidDataError", "Failed to create record.", "title", "Missing required value."),
        ),
        Call(
            "a limit without a header",
            "create",
            DEMO,
            {"data": {"title": "Lorem ipsum"}},
            CREATED,
            limit=LIMIT,
        ),
    ],
)

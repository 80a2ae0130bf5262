"""Contentful: skip and limit with a total, a version in a header, a limit in a header of its own."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"sys": {"id": f"entry{number}", "version": 1}} for number in range(1, 8)]
CREATED = {"sys": {"id": "entry8", "version": 1}, "fields": {"title": {"en-US": "New"}}}
UPDATED = {"sys": {"id": "entry1", "version": 2}, "fields": {"title": {"en-US": "Renamed"}}}
ENTRIES = "spaces/s/environments/master/entries"
MEDIA = "application/vnd.contentful.management.v1+json"
DOCS = "https://www.contentful.com/developers/docs/references"
LIMIT = Limit(
    Answer(429, {"sys": {"type": "Error", "id": "RateLimitExceeded"}}, {"X-Contentful-RateLimit-Reset": "1"}),
    1,
)
DOCUMENTED = Documented(
    name="Contentful",
    documentation=(
        f"{DOCS}/content-management-api/overview",
        f"{DOCS}/content-delivery-api/",
        f"{DOCS}/errors/",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {
            "sys": {"type": "Error", "id": "AccessTokenInvalid"},
            "message": "The access token you sent could not be found or is invalid.",
        },
    ),
    missing=Answer(
        404, {"sys": {"type": "Error", "id": "NotFound"}, "message": "The resource could not be found."}
    ),
    collections=[
        Pages(
            path=ENTRIES,
            records=RECORDS,
            kind="offset",
            param="skip",
            first=0,
            size=100,
            size_param="limit",
            max_size=1000,
            body={
                "sys": {"type": "Array"},
                "total": "$total",
                "skip": "$start",
                "limit": "$size",
                "items": "$records",
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            ENTRIES,
            media=MEDIA,
            sent={"fields": {"title": {"en-US": "New"}}},
            needs={"X-Contentful-Content-Type": "hfM9RCJIk0wIm06WkEOQY"},
            answer=Answer(201, CREATED),
        ),
        Exchange(
            "PUT",
            f"{ENTRIES}/entry1",
            media=MEDIA,
            sent={"fields": {"title": {"en-US": "Renamed"}}},
            needs={"X-Contentful-Version": "1"},
            answer=Answer(200, UPDATED),
        ),
        Exchange(
            "PUT",
            f"{ENTRIES}/entry1",
            answer=Answer(409, {"sys": {"type": "Error", "id": "VersionMismatch"}, "requestId": "85f-54f"}),
        ),
        Exchange("DELETE", f"{ENTRIES}/entry1", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "offset",
    "param": "skip",
    "size": 3,
    "size_param": "limit",
    "records": "items",
    "total": "total",
}
TITLE = {"fields": {"title": {"en-US": "New"}}}
RENAMED = {"fields": {"title": {"en-US": "Renamed"}}}
API = Api(
    documented=DOCUMENTED,
    host="https://api.contentful.com",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["spaces/{space}/environments/{environment}/entries"],
            "headers": {"Content-Type": MEDIA},
        },
    },
    paginate=[PAGES],
    notes=["an update needs the header `X-Contentful-Version`"],
    calls=[
        Call("read all", "read", ENTRIES, {"paginate": PAGES}, RECORDS, requests=3),
        Call(
            "create",
            "create",
            ENTRIES,
            {"data": TITLE, "headers": {"X-Contentful-Content-Type": "hfM9RCJIk0wIm06WkEOQY"}},
            CREATED,
        ),
        Call(
            "update",
            "update",
            f"{ENTRIES}/entry1",
            {"data": RENAMED, "headers": {"X-Contentful-Version": "1"}},
            UPDATED,
        ),
        Call(
            "an error in words",
            "update",
            f"{ENTRIES}/entry1",
            {"data": RENAMED, "headers": {"X-Contentful-Version": "0"}},
            fails=fails("ConflictError", "VersionMismatch"),
        ),
        Call("delete", "delete", f"{ENTRIES}/entry1", {}, None),
        Call("a limit", "read", ENTRIES, {"paginate": PAGES}, RECORDS, limit=LIMIT),
    ],
)

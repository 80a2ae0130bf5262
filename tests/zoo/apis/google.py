"""A Google API by the AIPs (Pub/Sub): page tokens, custom verbs, errors with typed details."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"name": f"projects/p/topics/t{number}"} for number in range(1, 6)]
CREATED = {"name": "projects/p/topics/new"}
UPDATED = {"name": "projects/p/topics/t1", "labels": {"team": "data"}}
PUBLISHED = {"messageIds": ["19916711285"]}
LIMIT = Limit(
    Answer(
        429,
        {
            "error": {
                "code": 429,
                "message": "Quota exceeded for quota metric 'Administrator operations'",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "RATE_LIMIT_EXCEEDED",
                        "domain": "googleapis.com",
                    }
                ],
            }
        },
    ),
    1,
)
DOCUMENTED = Documented(
    name="Google (AIP)",
    documentation=(
        "https://google.aip.dev/158",
        "https://google.aip.dev/193",
        "https://google.aip.dev/136",
        "https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics",
    ),
    base="/v1",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {
            "error": {
                "code": 401,
                "message": "Request had invalid authentication credentials.",
                "status": "UNAUTHENTICATED",
            }
        },
    ),
    missing=Answer(404, {"error": {"code": 404, "message": "Resource not found.", "status": "NOT_FOUND"}}),
    collections=[
        Pages(
            path="projects/p/topics",
            records=RECORDS,
            kind="token",
            param="pageToken",
            token="Cg5wcm9qZWN0{}",
            size=50,
            size_param="pageSize",
            chunks=(2, 0, 2, 1),
            end="",
            body={"topics": "$records", "nextPageToken": "$next"},
        )
    ],
    exchanges=[
        Exchange("PUT", "projects/p/topics/new", sent={}, answer=Answer(200, CREATED)),
        Exchange(
            "PATCH",
            "projects/p/topics/t1",
            sent={"topic": {"labels": {"team": "data"}}, "updateMask": "labels"},
            answer=Answer(200, UPDATED),
        ),
        Exchange(
            "POST",
            "projects/p/topics/t1:publish",
            sent={"messages": [{"data": "SGVsbG8="}]},
            answer=Answer(200, PUBLISHED),
        ),
        Exchange(
            "POST",
            "projects/p/topics/t1:publish",
            answer=Answer(
                400,
                {
                    "error": {
                        "code": 400,
                        "message": "Invalid JSON payload received.",
                        "status": "INVALID_ARGUMENT",
                        "details": [
                            {
                                "@type": "type.googleapis.com/google.rpc.BadRequest",
                                "fieldViolations": [
                                    {
                                        "field": "messages[0]",
                                        "description": 'Unknown name "dta": Cannot find field.',
                                    }
                                ],
                            }
                        ],
                    }
                },
            ),
        ),
        Exchange("DELETE", "projects/p/topics/t1", answer=Answer(200, {})),
    ],
)


PAGES = {"style": "body", "next": "nextPageToken", "param": "pageToken", "records": "topics"}
TOPICS = "projects/p/topics"
API = Api(
    documented=DOCUMENTED,
    host="https://pubsub.googleapis.com/v1",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["projects/{project}/topics", "POST projects/{project}/topics/{topic}:publish"]
        },
    },
    paginate=[PAGES],
    notes=["a custom verb, as `topics/t:publish`, is a `create`"],
    does_not_work=[
        "Password is an access token, which lives an hour: service accounts' JWTs are not signed here"
    ],
    calls=[
        Call("read all", "read", TOPICS, {"paginate": PAGES, "query": {"pageSize": 2}}, RECORDS, requests=4),
        Call("create", "update", f"{TOPICS}/new", {"data": {}}, CREATED),
        Call(
            "update",
            "update",
            f"{TOPICS}/t1",
            {"data": {"topic": {"labels": {"team": "data"}}, "updateMask": "labels"}, "partial": True},
            UPDATED,
        ),
        Call(
            "a custom verb",
            "create",
            f"{TOPICS}/t1:publish",
            {"data": {"messages": [{"data": "SGVsbG8="}]}},
            PUBLISHED,
        ),
        Call("delete", "delete", f"{TOPICS}/t1", {}, {}),
        Call(
            "an error in words",
            "create",
            f"{TOPICS}/t1:publish",
            {"data": {"messages": [{"dta": "x"}]}},
            fails=fails(
                "InvalidDataError",
                "Invalid JSON payload received.",
                "messages[0]",
                'Unknown name "dta": Cannot find field.',
            ),
        ),
        Call("a limit", "read", TOPICS, {"paginate": PAGES}, RECORDS, limit=LIMIT),
    ],
)

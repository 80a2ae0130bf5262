"""Jira Cloud's REST API v3: the last page lacks the token; errors by field; a reset in ISO 8601."""

from __future__ import annotations

from tests.zoo.tables import (
    KEY,
    Answer,
    Api,
    Call,
    Documented,
    Exchange,
    InSeconds,
    Limit,
    Pages,
    basic,
    fails,
)

RECORDS = [{"id": str(10000 + number), "key": f"ED-{number}"} for number in range(1, 8)]
CREATED = {"id": "10008", "key": "ED-8", "self": "https://your-domain.atlassian.net/rest/api/3/issue/10008"}
DOCS = "https://developer.atlassian.com/cloud/jira/platform"
LIMIT = Limit(
    Answer(
        429,
        {"errorMessages": ["Rate limit exceeded."], "errors": {}},
        {"Retry-After": "20", "X-RateLimit-Reset": InSeconds(20, "iso"), "X-RateLimit-Remaining": "0"},
    ),
    20,
)
DOCUMENTED = Documented(
    name="Jira Cloud",
    documentation=(
        f"{DOCS}/rest/v3/api-group-issue-search/",
        f"{DOCS}/rest/v3/api-group-issues/",
        f"{DOCS}/rate-limiting/",
        f"{DOCS}/basic-auth-for-rest-apis/",
    ),
    base="/rest/api/3",
    credentials={"Authorization": basic("fred@example.com")},
    refused=Answer(401, {"errorMessages": ["You are not authenticated."], "errors": {}}),
    missing=Answer(
        404,
        {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}},
    ),
    collections=[
        Pages(
            path="search/jql",
            records=RECORDS,
            kind="token",
            param="nextPageToken",
            token="CAEaAggD{}",
            size=50,
            size_param="maxResults",
            query={"jql": "project = ED"},
            body={"issues": "$records", "isLast": "$done", "nextPageToken": "$next"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "issue",
            sent={"fields": {"project": {"key": "ED"}, "summary": "New"}},
            answer=Answer(201, CREATED),
        ),
        Exchange(
            "POST",
            "issue",
            answer=Answer(400, {"errorMessages": [], "errors": {"project": "project is required"}}),
        ),
        Exchange("PUT", "issue/ED-1", sent={"fields": {"summary": "Renamed"}}, answer=Answer(204)),
        Exchange("DELETE", "issue/ED-1", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "nextPageToken", "param": "nextPageToken", "records": "issues"}
NEW = {"fields": {"project": {"key": "ED"}, "summary": "New"}}
API = Api(
    documented=DOCUMENTED,
    host="https://your-domain.atlassian.net/rest/api/3",
    connection={
        "login": "fred@example.com",
        "password": KEY,
        "extra": {"endpoints": ["GET search/jql", "issue"]},
    },
    paginate=[PAGES],
    calls=[
        Call(
            "read all",
            "read",
            "search/jql",
            {"paginate": PAGES, "query": {"jql": "project = ED", "maxResults": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "issue", {"data": NEW}, CREATED),
        Call("update", "update", "issue/ED-1", {"data": {"fields": {"summary": "Renamed"}}}, None),
        Call("delete", "delete", "issue/ED-1", {}, None),
        Call(
            "an error in words",
            "create",
            "issue",
            {"data": {"fields": {}}},
            fails=fails("InvalidDataError", "project", "project is required"),
        ),
        Call("a limit", "create", "issue", {"data": NEW}, CREATED, limit=LIMIT),
    ],
)

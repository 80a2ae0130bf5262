"""GitLab's REST API v4: names of projects with a slash; errors that are mappings; a limit in plain text."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"id": 40 + number, "iid": number, "title": f"Issue {number}"} for number in range(1, 6)]
CREATED = {"id": 46, "iid": 6, "title": "New"}
RENAMED = {"id": 41, "iid": 1, "title": "Renamed"}
DOCS = "https://docs.gitlab.com/api"
LIMIT = Limit(
    Answer(
        429,
        "Retry later",
        {"RateLimit-Remaining": "0", "RateLimit-Reset": InSeconds(30), "Retry-After": "30"},
        "text/plain",
    ),
    30,
)
PATH = "projects/diaspora%2Fdiaspora/issues"
DOCUMENTED = Documented(
    name="GitLab",
    documentation=(
        f"{DOCS}/rest/",
        f"{DOCS}/rest/troubleshooting/",
        f"{DOCS}/issues/",
        "https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/",
    ),
    base="/api/v4",
    credentials={"PRIVATE-TOKEN": KEY},
    refused=Answer(401, {"message": "401 Unauthorized"}),
    missing=Answer(404, {"message": "404 Project Not Found"}),
    collections=[
        Pages(
            path=PATH,
            records=RECORDS,
            kind="page",
            param="page",
            size=20,
            size_param="per_page",
            max_size=100,
            body="$records",
            headers={
                "link": '<$next_url>; rel="next"',
                "x-next-page": "$next",
                "x-total": "$total",
                "x-total-pages": "$pages",
            },
        )
    ],
    exchanges=[
        Exchange("POST", PATH, sent={"title": "New"}, answer=Answer(201, CREATED)),
        Exchange("POST", PATH, answer=Answer(400, {"message": '400 (Bad request) "title" not given'})),
        Exchange("PUT", f"{PATH}/1", sent={"title": "Renamed"}, answer=Answer(200, RENAMED)),
        Exchange(
            "PUT",
            "users/1",
            answer=Answer(400, {"message": {"bio": ["is too long (maximum is 255 characters)"]}}),
        ),
        Exchange("DELETE", f"{PATH}/1", answer=Answer(204)),
    ],
)


API = Api(
    documented=DOCUMENTED,
    host="https://gitlab.example.com/api/v4",
    connection={
        "password": KEY,
        "extra": {
            "auth_type": "api_key",
            "key_name": "PRIVATE-TOKEN",
            "endpoints": ["projects/{project:quoted}/issues", "users"],
        },
    },
    paginate=[
        {"style": "link"},
        {"style": "page", "param": "page", "size": 2, "size_param": "per_page", "total": "X-Total"},
    ],
    calls=[
        Call("read all", "read", PATH, {"paginate": {"style": "link"}, "query": {"per_page": 2}}, RECORDS),
        Call(
            "read all by the next page's number",
            "read",
            PATH,
            {
                "paginate": {"style": "header", "next": "X-Next-Page", "param": "page"},
                "query": {"per_page": 2},
            },
            RECORDS,
        ),
        Call(
            "read all at once",
            "read",
            PATH,
            {
                "paginate": {
                    "style": "page",
                    "param": "page",
                    "size": 2,
                    "size_param": "per_page",
                    "total": "X-Total",
                    "concurrency": 2,
                }
            },
            RECORDS,
            requests=3,
        ),
        Call("create", "create", PATH, {"data": {"title": "New"}}, CREATED),
        Call("update", "update", f"{PATH}/1", {"data": {"title": "Renamed"}}, RENAMED),
        Call("delete", "delete", f"{PATH}/1", {}, None),
        Call(
            "an error in words",
            "create",
            PATH,
            {"data": {}},
            fails=fails("InvalidDataError", '400 (Bad request) "title" not given'),
        ),
        Call(
            "an error of a field",
            "update",
            "users/1",
            {"data": {"bio": "..."}},
            fails=fails("InvalidDataError", "bio", "is too long (maximum is 255 characters)"),
        ),
        Call("a limit", "create", PATH, {"data": {"title": "New"}}, CREATED, limit=LIMIT),
    ],
)

"""Asana: an envelope both ways; an offset that is a token, and next_page that is null at the end."""

from __future__ import annotations

from tests.zoo.tables import KEY, OMITTED, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"gid": str(12345 + number), "name": f"Task {number}"} for number in range(1, 8)]
CREATED = {"gid": "12360", "name": "Buy catnip"}
UPDATED = {"gid": "12346", "name": "Renamed"}
DOCS = "https://developers.asana.com"
LIMIT = Limit(Answer(429, OMITTED, {"Retry-After": "30"}), 30)
DOCUMENTED = Documented(
    name="Asana",
    documentation=(
        "https://github.com/Asana/openapi/blob/master/defs/asana_oas.yaml",
        f"{DOCS}/docs/pagination",
        f"{DOCS}/docs/errors",
        f"{DOCS}/docs/rate-limits",
    ),
    base="/api/1.0",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"errors": [{"message": "Not Authorized"}]}),
    missing=Answer(404, {"errors": [{"message": "task: Unknown object: 1"}]}),
    collections=[
        Pages(
            path="tasks",
            records=RECORDS,
            kind="token",
            param="offset",
            token="eyJ0eXAiOJiKV1iQLCJhbGciOiJIUzI1NiJ9{}",
            size=20,
            size_param="limit",
            max_size=100,
            query={"project": "321654"},
            at_end={"next_page": None},
            body={
                "data": "$records",
                "next_page": {"offset": "$next", "path": "$next_path", "uri": "$next_url"},
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "tasks",
            sent={"data": {"name": "Buy catnip", "projects": ["321654"]}},
            answer=Answer(201, {"data": CREATED}),
        ),
        Exchange(
            "POST",
            "tasks",
            answer=Answer(
                400,
                {
                    "errors": [
                        {
                            "message": "project: Missing input",
                            "help": "For more information on API status codes and how to handle them, "
                            "read the docs on errors: https://asana.github.io/developer-docs/#errors'",
                        }
                    ]
                },
            ),
        ),
        Exchange(
            "PUT", "tasks/12346", sent={"data": {"name": "Renamed"}}, answer=Answer(200, {"data": UPDATED})
        ),
        Exchange("DELETE", "tasks/12346", answer=Answer(200, {"data": {}})),
    ],
)


PAGES = {"style": "body", "next": "next_page.offset", "param": "offset", "records": "data"}
TASK = {"name": "Buy catnip", "projects": ["321654"]}
API = Api(
    documented=DOCUMENTED,
    host="https://app.asana.com/api/1.0",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["tasks"], "request_envelope": "data", "response_envelope": "data"},
    },
    paginate=[PAGES],
    notes=["the query needs `limit`, or there is no `next_page`"],
    calls=[
        Call(
            "read all",
            "read",
            "tasks",
            {"paginate": PAGES, "query": {"project": "321654", "limit": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "tasks", {"data": TASK}, CREATED),
        Call("update", "update", "tasks/12346", {"data": {"name": "Renamed"}}, UPDATED),
        Call("delete", "delete", "tasks/12346", {}, {}),
        Call(
            "an error in words",
            "create",
            "tasks",
            {"data": {"name": "x"}},
            fails=fails("InvalidDataError", "project: Missing input"),
        ),
        Call("a limit", "create", "tasks", {"data": TASK}, CREATED, limit=LIMIT),
    ],
)

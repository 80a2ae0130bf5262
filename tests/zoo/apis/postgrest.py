"""PostgREST: a total in Content-Range, a 206 for a part, and filters instead of items."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [{"id": number, "name": f"Person {number}"} for number in range(1, 9)]
CREATED = [{"id": 33, "name": "x"}]
DOCS = "https://docs.postgrest.org/en/latest/references"
DOCUMENTED = Documented(
    name="PostgREST",
    documentation=(
        f"{DOCS}/api/pagination_count.html",
        f"{DOCS}/api/tables_views.html",
        f"{DOCS}/api/preferences.html",
        f"{DOCS}/errors.html",
        f"{DOCS}/auth.html",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {"code": "PGRST301", "details": None, "hint": None, "message": "No suitable key or wrong key type"},
    ),
    collections=[
        Pages(
            path="people",
            records=RECORDS,
            kind="offset",
            param="offset",
            first=0,
            size=100,
            size_param="limit",
            cap=3,
            body="$records",
            headers={"Range-Unit": "items", "Content-Range": "$start-$last/$total"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "people",
            sent={"name": "x"},
            needs={"Prefer": "return=representation"},
            answer=Answer(201, CREATED, {"Preference-Applied": "return=representation"}),
        ),
        Exchange("POST", "people", sent={"name": "x"}, answer=Answer(201)),
        Exchange(
            "POST",
            "people",
            answer=Answer(
                400,
                {
                    "code": "23502",
                    "details": "Failing row contains (null, foo, null).",
                    "hint": None,
                    "message": 'null value in column "id" violates not-null constraint',
                },
            ),
        ),
        Exchange("PATCH", "people", query={"id": "eq.1"}, sent={"name": "y"}, answer=Answer(204)),
        Exchange("DELETE", "people", query={"id": "eq.1"}, answer=Answer(204)),
    ],
)


PAGES = {"style": "offset", "param": "offset", "size": 100, "size_param": "limit", "total": "Content-Range"}
API = Api(
    documented=DOCUMENTED,
    host="https://backend.example.com",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["people", "PATCH people", "DELETE people"], "update_method": "PATCH"},
    },
    paginate=[PAGES],
    notes=["a total needs the header `Prefer: count=exact`; an update or delete is told what by `query`"],
    calls=[
        Call(
            "read all",
            "read",
            "people",
            {"paginate": PAGES, "headers": {"Prefer": "count=exact"}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "people", {"data": {"name": "x"}}, None),
        Call(
            "create and see",
            "create",
            "people",
            {"data": {"name": "x"}, "headers": {"Prefer": "return=representation"}},
            CREATED,
        ),
        Call("update", "update", "people", {"data": {"name": "y"}, "query": {"id": "eq.1"}}, None),
        Call("delete", "delete", "people", {"query": {"id": "eq.1"}}, None),
        Call(
            "an error in words",
            "create",
            "people",
            {"data": {"name": "foo"}},
            fails=fails(
                "InvalidDataError",
                'null value in column "id" violates not-null constraint',
                "Failing row contains (null, foo, null).",
                code="23502",
            ),
        ),
    ],
)

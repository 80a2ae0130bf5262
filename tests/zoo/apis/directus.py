"""Directus: a total only if it is asked for, one envelope, and 403 for what is not there."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [{"id": number, "title": f"Post {number}"} for number in range(1, 8)]
CREATED = {"id": 8, "title": "New"}
UPDATED = {"id": 1, "title": "Renamed"}
FORBIDDEN = {
    "errors": [{"message": "You don't have permission to access this.", "extensions": {"code": "FORBIDDEN"}}]
}
DOCS = "https://directus.io/docs"
DOCUMENTED = Documented(
    name="Directus",
    documentation=(
        f"{DOCS}/guides/connect/query-parameters",
        f"{DOCS}/guides/connect/errors",
        f"{DOCS}/api/items",
        "https://github.com/directus/directus/issues/10026",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(403, FORBIDDEN),
    missing=Answer(403, FORBIDDEN),
    collections=[
        Pages(
            path="items/posts",
            records=RECORDS,
            kind="page",
            param="page",
            size=100,
            size_param="limit",
            query={"meta": "filter_count"},
            body={"data": "$records", "meta": {"filter_count": "$total"}},
        )
    ],
    exchanges=[
        Exchange("POST", "items/posts", sent={"title": "New"}, answer=Answer(200, {"data": CREATED})),
        Exchange(
            "POST",
            "users",
            answer=Answer(
                400,
                {
                    "errors": [
                        {
                            "message": 'Field "email" has to be unique.',
                            "extensions": {
                                "code": "RECORD_NOT_UNIQUE",
                                "collection": "directus_users",
                                "field": "email",
                                "invalid": "duplicate@email.com",
                            },
                        }
                    ]
                },
            ),
        ),
        Exchange("PATCH", "items/posts/1", sent={"title": "Renamed"}, answer=Answer(200, {"data": UPDATED})),
        Exchange("DELETE", "items/posts/1", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "page",
    "param": "page",
    "size": 3,
    "size_param": "limit",
    "records": "data",
    "total": "meta.filter_count",
}
API = Api(
    documented=DOCUMENTED,
    host="https://directus.example.com",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["items/posts", "users"],
            "update_method": "PATCH",
            "response_envelope": "data",
        },
    },
    paginate=[PAGES],
    notes=["a total needs the query `meta=filter_count`; what is not there is a 403"],
    calls=[
        Call(
            "read all",
            "read",
            "items/posts",
            {"paginate": PAGES, "query": {"meta": "filter_count"}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "items/posts", {"data": {"title": "New"}}, CREATED),
        Call("update", "update", "items/posts/1", {"data": {"title": "Renamed"}}, UPDATED),
        Call("delete", "delete", "items/posts/1", {}, None),
        Call(
            "an error in words",
            "create",
            "users",
            {"data": {"email": "duplicate@email.com"}},
            fails=fails("InvalidDataError", 'Field "email" has to be unique.', code="RECORD_NOT_UNIQUE"),
        ),
        Call(
            "read what is not there",
            "read",
            "items/posts/99",
            {},
            fails=fails("ForbiddenError", "You don't have permission to access this."),
        ),
    ],
)

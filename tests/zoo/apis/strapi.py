"""Strapi 5: one envelope both ways, parameters in brackets, a page count, PUT that updates."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [
    {"id": number, "documentId": f"doc{number}", "Name": f"Restaurant {number}"} for number in range(1, 8)
]
CREATED = {"id": 8, "documentId": "doc8", "Name": "New"}
UPDATED = {"id": 1, "documentId": "doc1", "Name": "Renamed"}
DOCS = "https://docs.strapi.io/cms"
DOCUMENTED = Documented(
    name="Strapi",
    documentation=(
        f"{DOCS}/api/rest",
        f"{DOCS}/api/rest/sort-pagination",
        f"{DOCS}/error-handling",
        f"{DOCS}/features/api-tokens",
    ),
    base="/api",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {
            "data": None,
            "error": {
                "status": 401,
                "name": "UnauthorizedError",
                "message": "Missing or invalid credentials",
                "details": {},
            },
        },
    ),
    missing=Answer(
        404,
        {
            "data": None,
            "error": {"status": 404, "name": "NotFoundError", "message": "Not Found", "details": {}},
        },
    ),
    collections=[
        Pages(
            path="restaurants",
            records=RECORDS,
            kind="page",
            param="pagination[page]",
            size=25,
            size_param="pagination[pageSize]",
            max_size=100,
            body={
                "data": "$records",
                "meta": {
                    "pagination": {
                        "page": "$page",
                        "pageSize": "$size",
                        "pageCount": "$pages",
                        "total": "$total",
                    }
                },
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "restaurants",
            sent={"data": {"Name": "New"}},
            answer=Answer(201, {"data": CREATED, "meta": {}}),
        ),
        Exchange(
            "POST",
            "restaurants",
            answer=Answer(
                400,
                {
                    "data": None,
                    "error": {
                        "status": 400,
                        "name": "ValidationError",
                        "message": "Name must be defined.",
                        "details": {
                            "errors": [
                                {
                                    "path": ["Name"],
                                    "message": "Name must be defined.",
                                    "name": "ValidationError",
                                }
                            ]
                        },
                    },
                },
            ),
        ),
        Exchange(
            "PUT",
            "restaurants/doc1",
            sent={"data": {"Name": "Renamed"}},
            answer=Answer(200, {"data": UPDATED, "meta": {}}),
        ),
        Exchange("DELETE", "restaurants/doc1", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "page",
    "param": "pagination[page]",
    "size": 3,
    "size_param": "pagination[pageSize]",
    "records": "data",
    "total": "meta.pagination.total",
}
API = Api(
    documented=DOCUMENTED,
    host="https://strapi.example.com/api",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["restaurants"], "request_envelope": "data", "response_envelope": "data"},
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", "restaurants", {"paginate": PAGES}, RECORDS, requests=3),
        Call(
            "read all at once",
            "read",
            "restaurants",
            {"paginate": {**PAGES, "concurrency": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "restaurants", {"data": {"Name": "New"}}, CREATED),
        Call("update", "update", "restaurants/doc1", {"data": {"Name": "Renamed"}}, UPDATED),
        Call("delete", "delete", "restaurants/doc1", {}, None),
        Call(
            "an error in words",
            "create",
            "restaurants",
            {"data": {}},
            fails=fails("InvalidDataError", "Name must be defined."),
        ),
    ],
)

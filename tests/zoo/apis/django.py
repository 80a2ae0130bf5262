"""Django REST framework: slashes at the end, next links, errors under the names of fields."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": number, "amount": number * 10} for number in range(1, 8)]
CREATED = {"id": 8, "amount": 80}
UPDATED = {"id": 1, "amount": 11}
DOCS = "https://www.django-rest-framework.org/api-guide"
LIMIT = Limit(
    Answer(
        429, {"detail": "Request was throttled. Expected available in 12 seconds."}, {"Retry-After": "12"}
    ),
    12,
)
DOCUMENTED = Documented(
    name="Django REST framework",
    documentation=(
        f"{DOCS}/pagination/",
        f"{DOCS}/exceptions/",
        f"{DOCS}/throttling/",
        f"{DOCS}/authentication/#tokenauthentication",
    ),
    credentials={"Authorization": f"Token {KEY}"},
    refused=Answer(
        401, {"detail": "Authentication credentials were not provided."}, {"WWW-Authenticate": "Token"}
    ),
    missing=Answer(404, {"detail": "Not found."}),
    collections=[
        Pages(
            path="accounts/",
            records=RECORDS,
            kind="page",
            param="page",
            size=3,
            end=None,
            beyond=Answer(404, {"detail": "Invalid page."}),
            body={"count": "$total", "next": "$next_url", "previous": None, "results": "$records"},
        ),
        Pages(
            path="payments/",
            records=RECORDS,
            kind="offset",
            param="offset",
            first=0,
            size=100,
            size_param="limit",
            end=None,
            body={"count": "$total", "next": "$next_url", "previous": None, "results": "$records"},
        ),
    ],
    exchanges=[
        Exchange("POST", "accounts/", sent={"amount": 80}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            "accounts/",
            answer=Answer(
                400,
                {"amount": ["A valid integer is required."], "description": ["This field may not be blank."]},
            ),
        ),
        Exchange("PUT", "accounts/1/", sent={"amount": 11}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", "accounts/1/", answer=Answer(204)),
        Exchange(
            "DELETE",
            "accounts/2/",
            answer=Answer(
                405, {"detail": "Method 'DELETE' not allowed."}, {"Allow": "GET, PUT, PATCH, HEAD, OPTIONS"}
            ),
        ),
    ],
)


PAGES = {"style": "body", "next": "next", "records": "results", "total": "count"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.example.org",
    connection={
        "password": f"Token {KEY}",
        "extra": {
            "auth_type": "api_key",
            "key_name": "Authorization",
            "endpoints": ["accounts", "payments"],
            "trailing_slash": True,
        },
    },
    paginate=[PAGES, {"style": "page", "param": "page", "records": "results"}],
    notes=["Password is `Token …`"],
    calls=[
        Call("read all", "read", "accounts", {"paginate": PAGES}, RECORDS, requests=3),
        Call(
            "read all by numbers",
            "read",
            "accounts",
            {"paginate": {"style": "page", "param": "page", "records": "results"}},
            RECORDS,
        ),
        Call(
            "read all by limit and offset",
            "read",
            "payments",
            {"paginate": PAGES, "query": {"limit": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "accounts", {"data": {"amount": 80}}, CREATED),
        Call("update", "update", "accounts/1", {"data": {"amount": 11}}, UPDATED),
        Call("delete", "delete", "accounts/1", {}, None),
        Call(
            "an error in words",
            "create",
            "accounts",
            {"data": {"amount": "x", "description": ""}},
            fails=fails(
                "InvalidDataError",
                "amount",
                "A valid integer is required.",
                "description",
                "This field may not be blank.",
            ),
        ),
        Call(
            "a method that is not allowed",
            "delete",
            "accounts/2",
            {},
            fails=fails("ResponseError", "Method 'DELETE' not allowed.", "GET, PUT, PATCH"),
        ),
        Call("a limit", "create", "accounts", {"data": {"amount": 80}}, CREATED, limit=LIMIT),
    ],
)

"""Shopify's REST Admin API: a Link header that holds a token, and nothing of the first request's query."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": 632910390 + number, "title": f"Product {number}"} for number in range(1, 7)]
CREATED = {"id": 1072481062, "title": "Burton Custom Freestyle 151"}
UPDATED = {"id": 632910391, "title": "New title"}
DOCS = "https://shopify.dev/docs/api/admin-rest"
LIMIT = Limit(
    Answer(
        429,
        {
            "errors": "Exceeded 2 calls per second for api client. "
            "Reduce request rates to resume uninterrupted service."
        },
        {"Retry-After": "2.0"},
    ),
    2,
)
DOCUMENTED = Documented(
    name="Shopify (REST Admin)",
    documentation=(
        f"{DOCS}/usage/pagination",
        f"{DOCS}/usage/rate-limits",
        f"{DOCS}/usage/response-codes",
        f"{DOCS}/latest/resources/product",
    ),
    base="/admin/api/2026-07",
    credentials={"X-Shopify-Access-Token": KEY},
    refused=Answer(
        401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
    ),
    missing=Answer(404, {"errors": "Not Found"}),
    collections=[
        Pages(
            path="products.json",
            records=RECORDS,
            kind="token",
            param="page_info",
            token="eyJsYXN0X2lkIjoi{}",
            size=50,
            size_param="limit",
            max_size=250,
            next_query=False,
            body={"products": "$records"},
            headers={"Link": "<$next_url>; rel=next"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "products.json",
            sent={"product": {"title": "Burton Custom Freestyle 151"}},
            answer=Answer(201, {"product": CREATED}),
        ),
        Exchange("POST", "products.json", answer=Answer(422, {"errors": {"title": ["can't be blank"]}})),
        Exchange(
            "PUT",
            "products/632910391.json",
            sent={"product": {"title": "New title"}},
            answer=Answer(200, {"product": UPDATED}),
        ),
        Exchange("DELETE", "products/632910391.json", answer=Answer(200, {})),
    ],
)


API = Api(
    documented=DOCUMENTED,
    host="https://your-store.myshopify.com/admin/api/2026-07",
    connection={
        "password": KEY,
        "extra": {
            "auth_type": "api_key",
            "key_name": "X-Shopify-Access-Token",
            "endpoints": ["GET products.json", "POST products.json", "products/{product}.json"],
            "request_envelope": "product",
            "response_envelope": "product",
        },
    },
    paginate=[{"style": "link", "records": "products"}],
    notes=["the envelope is that of one resource; another resource needs a connection of its own"],
    calls=[
        Call(
            "read all",
            "read",
            "products.json",
            {"paginate": {"style": "link", "records": "products"}, "query": {"limit": 3}},
            RECORDS,
            requests=2,
        ),
        Call(
            "create", "create", "products.json", {"data": {"title": "Burton Custom Freestyle 151"}}, CREATED
        ),
        Call("update", "update", "products/632910391.json", {"data": {"title": "New title"}}, UPDATED),
        Call("delete", "delete", "products/632910391.json", {}, {}),
        Call(
            "an error in words",
            "create",
            "products.json",
            {"data": {"body_html": "x"}},
            fails=fails("InvalidDataError", "title", "can't be blank"),
        ),
        Call("a limit", "read", "products.json", {"query": {"limit": 6}}, {"products": RECORDS}, limit=LIMIT),
    ],
)

"""Stripe: bodies are forms, an update is a POST, the cursor is the last record's id, and has_more ends it."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": f"cus_{number}", "object": "customer"} for number in range(1, 9)]
CREATED = {"id": "cus_9", "object": "customer", "name": "Jenny Rosen"}
UPDATED = {"id": "cus_1", "object": "customer", "metadata": {"order_id": "6735"}}
DELETED = {"id": "cus_1", "object": "customer", "deleted": True}
DOCS = "https://docs.stripe.com"
LIMIT = Limit(Answer(429, {"error": {"message": "Too many requests", "type": "invalid_request_error"}}), 2)
DOCUMENTED = Documented(
    name="Stripe",
    documentation=(
        f"{DOCS}/api/pagination",
        f"{DOCS}/api/errors",
        f"{DOCS}/api/idempotent_requests",
        f"{DOCS}/api/customers",
        f"{DOCS}/rate-limits",
    ),
    base="/v1",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"error": {"message": "Invalid API Key provided", "type": "invalid_request_error"}}),
    collections=[
        Pages(
            path="customers",
            records=RECORDS,
            kind="last",
            param="starting_after",
            by=("id",),
            size=10,
            size_param="limit",
            max_size=100,
            body={"object": "list", "url": "/v1/customers", "has_more": "$more", "data": "$records"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "customers",
            media="application/x-www-form-urlencoded",
            needs={"Idempotency-Key": "*"},
            sent={"name": "Jenny Rosen", "metadata[order_id]": "6735"},
            answer=Answer(200, CREATED),
        ),
        Exchange(
            "POST",
            "charges",
            answer=Answer(
                400,
                {
                    "error": {
                        "code": "parameter_missing",
                        "doc_url": f"{DOCS}/error-codes/parameter-missing",
                        "message": "Missing required param: amount.",
                        "param": "amount",
                        "type": "invalid_request_error",
                    }
                },
            ),
        ),
        Exchange(
            "POST",
            "customers/cus_1",
            media="application/x-www-form-urlencoded",
            sent={"metadata[order_id]": "6735"},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "customers/cus_1", answer=Answer(200, DELETED)),
    ],
)


API = Api(
    documented=DOCUMENTED,
    host="https://api.stripe.com/v1",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["customers", "charges", "POST customers/{customer}"],
            "idempotency_header": "Idempotency-Key",
        },
    },
    paginate=[
        {
            "style": "body",
            "next": "data[-1].id",
            "param": "starting_after",
            "records": "data",
            "more": "has_more",
        }
    ],
    notes=["bodies by `form`; an update is a `create` on the item"],
    calls=[
        Call(
            "read all",
            "read",
            "customers",
            {
                "paginate": {
                    "style": "body",
                    "next": "data[-1].id",
                    "param": "starting_after",
                    "records": "data",
                    "more": "has_more",
                },
                "query": {"limit": 4},
            },
            RECORDS,
            requests=2,
        ),
        Call(
            "create",
            "create",
            "customers",
            {"form": {"name": "Jenny Rosen", "metadata[order_id]": "6735"}},
            CREATED,
        ),
        Call("update", "create", "customers/cus_1", {"form": {"metadata[order_id]": "6735"}}, UPDATED),
        Call("delete", "delete", "customers/cus_1", {}, DELETED),
        Call(
            "an error in words",
            "create",
            "charges",
            {"form": {"currency": "usd"}},
            fails=fails("InvalidDataError", "Missing required param: amount.", code="parameter_missing"),
        ),
        Call(
            "a limit",
            "create",
            "customers",
            {"form": {"name": "Jenny Rosen", "metadata[order_id]": "6735"}},
            CREATED,
            limit=LIMIT,
        ),
    ],
)

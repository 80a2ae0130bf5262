"""Auth0's Management API: pages from 0 with a total, a token by client credentials, a reset in unix time."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"user_id": f"auth0|507f1f77bcf86cd79943902{number}"} for number in range(1, 8)]
CREATED = {"user_id": "auth0|507f1f77bcf86cd799439020", "email": "john.doe@gmail.com"}
UPDATED = {"user_id": "auth0|507f1f77bcf86cd799439021", "blocked": True}
DOCS = "https://auth0.com/docs"
LIMIT = Limit(
    Answer(
        429,
        {
            "statusCode": 429,
            "error": "Too Many Requests",
            "message": "Global limit has been reached",
            "errorCode": "too_many_requests",
        },
        {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": InSeconds(6)},
    ),
    6,
)
DOCUMENTED = Documented(
    name="Auth0",
    documentation=(
        f"{DOCS}/manage-users/user-search/view-search-results-by-page",
        f"{DOCS}/troubleshoot/customer-support/operational-policies/rate-limit-policy",
        f"{DOCS}/api/management/v2/users/get-users",
        f"{DOCS}/secure/tokens/access-tokens/management-api-access-tokens",
    ),
    base="/api/v2",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"statusCode": 401, "error": "Unauthorized", "message": "Missing authentication"}),
    missing=Answer(
        404,
        {
            "statusCode": 404,
            "error": "Not Found",
            "message": "The user does not exist.",
            "errorCode": "inexistent_user",
        },
    ),
    collections=[
        Pages(
            path="users",
            records=RECORDS,
            kind="page",
            param="page",
            first=0,
            size=50,
            size_param="per_page",
            max_size=100,
            query={"include_totals": "true"},
            body={
                "start": "$start",
                "limit": "$size",
                "length": "$count",
                "users": "$records",
                "total": "$total",
            },
        )
    ],
    exchanges=[
        Exchange("POST", "users", sent={"email": "john.doe@gmail.com"}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            "users",
            answer=Answer(
                400,
                {
                    "statusCode": 400,
                    "error": "Bad Request",
                    "message": "Payload validation error: 'Missing required property: connection'.",
                    "errorCode": "invalid_body",
                },
            ),
        ),
        Exchange(
            "PATCH",
            "users/auth0%7C507f1f77bcf86cd799439021",
            sent={"blocked": True},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "users/auth0%7C507f1f77bcf86cd799439021", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "page",
    "param": "page",
    "first": 0,
    "size": 3,
    "size_param": "per_page",
    "records": "users",
    "total": "total",
}
API = Api(
    documented=DOCUMENTED,
    host="https://your-tenant.auth0.com/api/v2",
    connection={"password": KEY, "extra": {"endpoints": ["users"], "update_method": "PATCH"}},
    paginate=[PAGES],
    notes=["a total needs the query `include_totals=true`"],
    does_not_work=[
        "a token by OAuth 2.0 needs an `audience`, which is not sent: Password is a token",
        "users after the first thousand: the API refuses their pages",
    ],
    calls=[
        Call(
            "read all",
            "read",
            "users",
            {"paginate": PAGES, "query": {"include_totals": "true"}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "users", {"data": {"email": "john.doe@gmail.com"}}, CREATED),
        Call(
            "update", "update", "users/auth0|507f1f77bcf86cd799439021", {"data": {"blocked": True}}, UPDATED
        ),
        Call("delete", "delete", "users/auth0|507f1f77bcf86cd799439021", {}, None),
        Call(
            "an error in words",
            "create",
            "users",
            {"data": {}},
            fails=fails(
                "InvalidDataError",
                "Payload validation error: 'Missing required property: connection'.",
                code="invalid_body",
            ),
        ),
        Call("a limit", "create", "users", {"data": {"email": "john.doe@gmail.com"}}, CREATED, limit=LIMIT),
    ],
)

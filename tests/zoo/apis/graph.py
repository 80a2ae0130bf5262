"""Microsoft Graph: OData's next link, a key with a dot; pages without records; tokens of another host."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, basic, fails

RECORDS = [{"id": f"87d349ed-{number:04}", "displayName": f"User {number}"} for number in range(1, 6)]
CREATED = {"id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd", "displayName": "Adele Vance"}
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiEXAMPLE"
FORM = "application/x-www-form-urlencoded"
GRANT = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
DOCS = "https://learn.microsoft.com/graph"
LIMIT = Limit(
    Answer(
        429,
        {
            "error": {
                "code": "TooManyRequests",
                "message": "Too many requests",
                "innerError": {"code": "429", "date": "2020-08-18T12:51:51"},
            }
        },
        {"Retry-After": "10"},
    ),
    10,
)
DOCUMENTED = Documented(
    name="Microsoft Graph",
    documentation=(
        f"{DOCS}/paging",
        f"{DOCS}/errors",
        f"{DOCS}/throttling",
        f"{DOCS}/api/user-list",
        f"{DOCS}/api/user-post-users",
        "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow",
    ),
    base="/v1.0",
    credentials={"Authorization": f"Bearer {TOKEN}"},
    refused=Answer(
        401, {"error": {"code": "InvalidAuthenticationToken", "message": "Access token is empty."}}
    ),
    missing=Answer(
        404, {"error": {"code": "Request_ResourceNotFound", "message": "Resource does not exist."}}
    ),
    collections=[
        Pages(
            path="users",
            records=RECORDS,
            kind="token",
            param="$skiptoken",
            token="X'4453707{}'",
            size=100,
            size_param="$top",
            chunks=(2, 0, 3),
            body={
                "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users",
                "@odata.nextLink": "$next_url",
                "value": "$records",
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "contoso.onmicrosoft.com/oauth2/v2.0/token",
            public=True,
            needs={"Authorization": basic("client-id")},
            media=FORM,
            sent=GRANT,
            answer=Answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}),
        ),
        Exchange(
            "POST",
            "contoso.onmicrosoft.com/oauth2/v2.0/token",
            public=True,
            answer=Answer(
                401, {"error": "invalid_client", "error_description": "invalid client credentials"}
            ),
        ),
        Exchange("POST", "users", sent={"displayName": "Adele Vance"}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            "users",
            answer=Answer(
                400,
                {
                    "error": {
                        "code": "Request_BadRequest",
                        "message": "A value is required for property 'mailNickname' of resource 'User'.",
                        "innerError": {
                            "date": "2026-01-01T00:00:00",
                            "request-id": "44a3c5b1-7a6c-4bc4-8b0f-9d9b0d3f2a11",
                        },
                    }
                },
            ),
        ),
        Exchange("PATCH", "users/87d349ed-0001", sent={"displayName": "Renamed"}, answer=Answer(204)),
        Exchange("DELETE", "users/87d349ed-0001", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "@odata.nextLink", "records": "value"}
API = Api(
    documented=DOCUMENTED,
    host="https://graph.microsoft.com/v1.0",
    real={"$origin": "https://login.microsoftonline.com"},
    connection={
        "login": "client-id",
        "password": KEY,
        "extra": {
            "auth_type": "oauth2",
            "oauth_url": "$origin/contoso.onmicrosoft.com/oauth2/v2.0/token",
            "scope": "https://graph.microsoft.com/.default",
            "endpoints": ["users"],
            "update_method": "PATCH",
        },
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", "users", {"paginate": PAGES, "query": {"$top": 3}}, RECORDS, requests=4),
        Call("create", "create", "users", {"data": {"displayName": "Adele Vance"}}, CREATED),
        Call("update", "update", "users/87d349ed-0001", {"data": {"displayName": "Renamed"}}, None),
        Call("delete", "delete", "users/87d349ed-0001", {}, None),
        Call(
            "an error in words",
            "create",
            "users",
            {"data": {"displayName": "x"}},
            fails=fails(
                "InvalidDataError",
                "A value is required for property 'mailNickname'",
                code="Request_BadRequest",
            ),
        ),
        Call("a limit", "create", "users", {"data": {"displayName": "Adele Vance"}}, CREATED, limit=LIMIT),
    ],
)

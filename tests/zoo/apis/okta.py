"""Okta: a scheme of its own for its token, two Link headers, a limit by X-Rate-Limit-Reset."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"id": f"00ub0oNGTSWTBKO{number}", "status": "ACTIVE"} for number in range(1, 8)]
CREATED = {"id": "00ub0oNGTSWTBKOLGLNR", "status": "STAGED"}
UPDATED = {"id": "00ub0oNGTSWTBKO1", "status": "ACTIVE", "profile": {"firstName": "Isaac"}}
SOURCE = (
    "https://github.com/okta/okta-management-openapi-spec/blob/master/dist/2024.06.1/management-minimal.yaml"
)
LIMIT = Limit(
    Answer(
        429,
        {
            "errorCode": "E0000047",
            "errorSummary": "You exceeded the maximum number of requests. Try again in a while.",
            "errorLink": "E0000047",
            "errorId": "sampleQPivGUj_ND5v78vbYWW",
            "errorCauses": [],
        },
        {"X-Rate-Limit-Limit": "600", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": InSeconds(45)},
    ),
    45,
)
DOCUMENTED = Documented(
    name="Okta",
    documentation=(
        SOURCE,
        "https://developer.okta.com/docs/api/",
        "https://developer.okta.com/docs/reference/rl-best-practices/",
    ),
    base="/api/v1",
    credentials={"Authorization": f"SSWS {KEY}"},
    refused=Answer(
        401,
        {
            "errorCode": "E0000011",
            "errorSummary": "Invalid token provided",
            "errorLink": "E0000011",
            "errorId": "sampleQPivGUj_ND5v78vbYWW",
            "errorCauses": [],
        },
    ),
    missing=Answer(
        404,
        {
            "errorCode": "E0000007",
            "errorSummary": "Not found: Resource not found: 00uNone (User)",
            "errorLink": "E0000007",
            "errorId": "sampleMlLvGUj_YD5v16vkYWY",
            "errorCauses": [],
        },
    ),
    collections=[
        Pages(
            path="users",
            records=RECORDS,
            kind="last",
            by=("id",),
            param="after",
            size=200,
            size_param="limit",
            max_size=200,
            body="$records",
            headers={"Link": '<$origin/api/v1/users?limit=3>; rel="self"', "link": '<$next_url>; rel="next"'},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "users",
            sent={"profile": {"firstName": "Isaac", "login": "isaac@example.com"}},
            answer=Answer(200, CREATED),
        ),
        Exchange(
            "POST",
            "users",
            answer=Answer(
                400,
                {
                    "errorCode": "E0000001",
                    "errorSummary": "Api validation failed: login",
                    "errorLink": "E0000001",
                    "errorId": "sampleiCF-8D5rLW6myqiPItW",
                    "errorCauses": [{"errorSummary": "login: An object with this field already exists"}],
                },
            ),
        ),
        Exchange(
            "POST",
            "users/00ub0oNGTSWTBKO1",
            sent={"profile": {"firstName": "Isaac"}},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "users/00ub0oNGTSWTBKO1", answer=Answer(204)),
    ],
)


ISAAC = {"profile": {"firstName": "Isaac", "login": "isaac@example.com"}}
API = Api(
    documented=DOCUMENTED,
    host="https://subdomain.okta.com/api/v1",
    connection={
        "password": f"SSWS {KEY}",
        "extra": {
            "auth_type": "api_key",
            "key_name": "Authorization",
            "endpoints": ["users", "POST users/{user}"],
        },
    },
    paginate=[{"style": "link"}],
    notes=["Password is `SSWS …`; a partial update is a `create` on the user"],
    calls=[
        Call("read all", "read", "users", {"paginate": {"style": "link"}, "query": {"limit": 3}}, RECORDS),
        Call("create", "create", "users", {"data": ISAAC}, CREATED),
        Call(
            "update",
            "create",
            "users/00ub0oNGTSWTBKO1",
            {"data": {"profile": {"firstName": "Isaac"}}},
            UPDATED,
        ),
        Call("delete", "delete", "users/00ub0oNGTSWTBKO1", {}, None),
        Call(
            "an error in words",
            "create",
            "users",
            {"data": {"profile": {}}},
            fails=fails(
                "InvalidDataError",
                "Api validation failed: login",
                "login: An object with this field already exists",
                code="E0000001",
            ),
        ),
        Call("a limit", "read", "users", {"query": {"limit": 9}}, RECORDS, limit=LIMIT),
    ],
)

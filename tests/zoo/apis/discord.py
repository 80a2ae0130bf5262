"""Discord: the cursor is the id of the last record, only an empty page ends it; limits in fractions."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"user": {"id": str(80351110224678000 + number)}, "nick": f"n{number}"} for number in range(1, 7)]
CREATED = {"id": "41771983423143936", "name": "WE DEM BOYZZ!!!!!!"}
UPDATED = {"id": "41771983423143936", "name": "Renamed"}
DOCS = "https://docs.discord.com/developers"
LIMIT = Limit(
    Answer(
        429,
        {"message": "You are being rate limited.", "retry_after": 64.57, "global": False},
        {
            "Retry-After": "65",
            "X-RateLimit-Limit": "10",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset-After": "64.57",
            "X-RateLimit-Scope": "user",
        },
    ),
    64.57,
)
DOCUMENTED = Documented(
    name="Discord",
    documentation=(
        f"{DOCS}/reference",
        f"{DOCS}/topics/rate-limits",
        f"{DOCS}/resources/guild#list-guild-members",
        f"{DOCS}/resources/guild#create-guild-role",
    ),
    base="/api/v10",
    credentials={"Authorization": f"Bot {KEY}"},
    refused=Answer(401, {"message": "401: Unauthorized", "code": 0}),
    collections=[
        Pages(
            path="guilds/1/members",
            records=RECORDS,
            kind="last",
            by=("user", "id"),
            param="after",
            size=1,
            size_param="limit",
            max_size=1000,
            body="$records",
        )
    ],
    exchanges=[
        Exchange("POST", "guilds/1/roles", sent={"name": "WE DEM BOYZZ!!!!!!"}, answer=Answer(200, CREATED)),
        Exchange(
            "POST",
            "guilds/1/roles",
            answer=Answer(
                400,
                {
                    "code": 50035,
                    "errors": {
                        "activities": {
                            "0": {
                                "platform": {
                                    "_errors": [
                                        {
                                            "code": "BASE_TYPE_CHOICES",
                                            "message": "Value must be one of ('desktop', 'android', 'ios').",
                                        }
                                    ]
                                }
                            }
                        }
                    },
                    "message": "Invalid Form Body",
                },
            ),
        ),
        Exchange(
            "PATCH", "guilds/1/roles/41771983423143936", sent={"name": "Renamed"}, answer=Answer(200, UPDATED)
        ),
        Exchange("DELETE", "guilds/1/roles/41771983423143936", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "[-1].user.id", "param": "after"}
ROLE = "guilds/1/roles/41771983423143936"
API = Api(
    documented=DOCUMENTED,
    host="https://discord.com/api/v10",
    connection={
        "password": f"Bot {KEY}",
        "extra": {
            "auth_type": "api_key",
            "key_name": "Authorization",
            "endpoints": ["guilds/{guild}/members", "guilds/{guild}/roles"],
            "update_method": "PATCH",
        },
    },
    paginate=[PAGES],
    notes=["the query needs `limit`, or each page has one record", "Password is `Bot …`"],
    calls=[
        Call(
            "read all",
            "read",
            "guilds/1/members",
            {"paginate": PAGES, "query": {"limit": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "guilds/1/roles", {"data": {"name": "WE DEM BOYZZ!!!!!!"}}, CREATED),
        Call("update", "update", ROLE, {"data": {"name": "Renamed"}}, UPDATED),
        Call("delete", "delete", ROLE, {}, None),
        Call(
            "an error in words",
            "create",
            "guilds/1/roles",
            {"data": {"activities": [{"platform": "x"}]}},
            fails=fails(
                "InvalidDataError",
                "Invalid Form Body",
                "activities",
                "platform",
                "Value must be one of ('desktop', 'android', 'ios').",
                code="50035",
            ),
        ),
        Call(
            "a limit",
            "create",
            "guilds/1/roles",
            {"data": {"name": "WE DEM BOYZZ!!!!!!"}},
            CREATED,
            limit=LIMIT,
        ),
    ],
)

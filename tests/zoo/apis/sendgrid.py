"""SendGrid's marketing lists: the next page is an absolute URL in _metadata."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"id": f"abc12312-x3y4-{number:04}", "name": f"List {number}"} for number in range(1, 6)]
CREATED = {"id": "abc12312-x3y4-0006", "name": "New", "contact_count": 0}
UPDATED = {"id": "abc12312-x3y4-0001", "name": "Renamed", "contact_count": 0}
LISTS = "marketing/lists"
SPEC = "https://github.com/sendgrid/sendgrid-oai/blob/main/spec"
LIMIT = Limit(
    Answer(
        429,
        {"errors": [{"field": None, "message": "too many requests"}]},
        {"X-RateLimit-Limit": "500", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": InSeconds(9)},
    ),
    9,
)
DOCUMENTED = Documented(
    name="SendGrid",
    documentation=(
        f"{SPEC}/paths/new_marketing_campaigns/lists.json",
        f"{SPEC}/components/schemas.json",
        "https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits",
        "https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/authentication",
    ),
    base="/v3",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"errors": [{"field": None, "message": "authorization required"}]}),
    collections=[
        Pages(
            path=LISTS,
            records=RECORDS,
            kind="token",
            param="page_token",
            size=100,
            size_param="page_size",
            max_size=1000,
            body={
                "result": "$records",
                "_metadata": {"self": "$origin/v3/marketing/lists", "next": "$next_url"},
            },
        )
    ],
    exchanges=[
        Exchange("POST", LISTS, sent={"name": "New"}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            LISTS,
            answer=Answer(400, {"errors": [{"field": "name", "message": "a list with this name exists"}]}),
        ),
        Exchange(
            "PATCH", f"{LISTS}/abc12312-x3y4-0001", sent={"name": "Renamed"}, answer=Answer(200, UPDATED)
        ),
        Exchange("DELETE", f"{LISTS}/abc12312-x3y4-0001", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "_metadata.next", "records": "result"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.sendgrid.com/v3",
    connection={"password": KEY, "extra": {"endpoints": ["marketing/lists"], "update_method": "PATCH"}},
    paginate=[PAGES],
    calls=[
        Call("read all", "read", LISTS, {"paginate": PAGES, "query": {"page_size": 2}}, RECORDS, requests=3),
        Call("create", "create", LISTS, {"data": {"name": "New"}}, CREATED),
        Call("update", "update", f"{LISTS}/abc12312-x3y4-0001", {"data": {"name": "Renamed"}}, UPDATED),
        Call("delete", "delete", f"{LISTS}/abc12312-x3y4-0001", {}, None),
        Call(
            "an error in words",
            "create",
            LISTS,
            {"data": {"name": "List 1"}},
            fails=fails("InvalidDataError", "name", "a list with this name exists"),
        ),
        Call("a limit", "create", LISTS, {"data": {"name": "New"}}, CREATED, limit=LIMIT),
    ],
)

"""Zendesk's Ticketing API: a next link also on the last page, which only has_more ends."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, basic, fails

RECORDS = [{"id": number, "subject": f"Ticket {number}"} for number in range(1, 7)]
CREATED = {"id": 35436, "subject": "My printer is on fire!"}
UPDATED = {"id": 1, "status": "open"}
DOCS = "https://developer.zendesk.com/api-reference"
LIMIT = Limit(Answer(429, "Rate limit exceeded", {"Retry-After": "93"}, "text/plain"), 93)
DOCUMENTED = Documented(
    name="Zendesk",
    documentation=(
        f"{DOCS}/introduction/pagination/",
        f"{DOCS}/introduction/requests/",
        f"{DOCS}/introduction/rate-limits/",
        f"{DOCS}/introduction/security-and-auth/",
        f"{DOCS}/ticketing/tickets/tickets/",
    ),
    base="/api/v2",
    credentials={"Authorization": basic("jdoe@example.com/token")},
    refused=Answer(401, {"error": "Couldn't authenticate you"}),
    missing=Answer(404, {"error": "RecordNotFound", "description": "Not found"}),
    collections=[
        Pages(
            path="tickets",
            records=RECORDS,
            kind="token",
            param="page[after]",
            token="eyJvIjoi{}",
            size=100,
            size_param="page[size]",
            max_size=100,
            always_next=True,
            body={
                "tickets": "$records",
                "meta": {"has_more": "$more", "after_cursor": "$next"},
                "links": {"next": "$next_url"},
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "tickets",
            sent={"ticket": {"subject": "My printer is on fire!"}},
            answer=Answer(201, {"ticket": CREATED}, {"Location": "$origin/api/v2/tickets/35436.json"}),
        ),
        Exchange(
            "POST",
            "tickets",
            answer=Answer(
                422,
                {
                    "details": {
                        "value": [
                            {"type": "blank", "description": "can't be blank"},
                            {"type": "invalid", "description": "is not properly formatted"},
                        ]
                    },
                    "description": "RecordValidation errors",
                    "error": "RecordInvalid",
                },
            ),
        ),
        Exchange(
            "PUT", "tickets/1", sent={"ticket": {"status": "open"}}, answer=Answer(200, {"ticket": UPDATED})
        ),
        Exchange("DELETE", "tickets/1", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "links.next", "records": "tickets", "more": "meta.has_more"}
API = Api(
    documented=DOCUMENTED,
    host="https://example.zendesk.com/api/v2",
    connection={
        "login": "jdoe@example.com/token",
        "password": KEY,
        "extra": {"endpoints": ["tickets"], "request_envelope": "ticket", "response_envelope": "ticket"},
    },
    paginate=[PAGES],
    notes=["the query needs `page[size]`, or pages are counted"],
    calls=[
        Call(
            "read all",
            "read",
            "tickets",
            {"paginate": PAGES, "query": {"page[size]": 3}},
            RECORDS,
            requests=2,
        ),
        Call("create", "create", "tickets", {"data": {"subject": "My printer is on fire!"}}, CREATED),
        Call("update", "update", "tickets/1", {"data": {"status": "open"}}, UPDATED),
        Call("delete", "delete", "tickets/1", {}, None),
        Call(
            "an error in words",
            "create",
            "tickets",
            {"data": {"subject": ""}},
            fails=fails(
                "InvalidDataError",
                "RecordValidation errors",
                "value",
                "can't be blank",
                "is not properly formatted",
            ),
        ),
        Call("a limit", "update", "tickets/1", {"data": {"status": "open"}}, UPDATED, limit=LIMIT),
    ],
)

"""DigitalOcean: a next link deep in the body, a reset that is unix time in a header without X."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"id": 3352891 + number, "type": "A", "name": f"www{number}"} for number in range(1, 8)]
CREATED = {"id": 28448433, "type": "A", "name": "www"}
UPDATED = {"id": 3352892, "type": "A", "name": "blog"}
DOMAIN = "domains/example.com/records"
SPEC = "https://github.com/digitalocean/openapi/blob/main/specification"
HOURLY = Limit(
    Answer(
        429,
        {"id": "too_many_requests", "message": "API Rate limit exceeded."},
        {"ratelimit-limit": "1200", "ratelimit-remaining": "0", "ratelimit-reset": InSeconds(100)},
    ),
    100,
)
BURST = Limit(
    Answer(
        429,
        {"id": "too_many_requests", "message": "API Rate limit exceeded."},
        {"ratelimit-remaining": "0", "rateLimit-reset": InSeconds(3600), "retry-after": "29"},
    ),
    29,
)
DOCUMENTED = Documented(
    name="DigitalOcean",
    documentation=(
        f"{SPEC}/description.yml",
        f"{SPEC}/shared/responses/unprocessable_entity.yml",
        f"{SPEC}/resources/domains/domains_create_record.yml",
        f"{SPEC}/resources/domains/domains_update_record.yml",
    ),
    base="/v2",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"id": "unauthorized", "message": "Unable to authenticate you."}),
    missing=Answer(404, {"id": "not_found", "message": "The resource you requested could not be found."}),
    collections=[
        Pages(
            path=DOMAIN,
            records=RECORDS,
            kind="page",
            param="page",
            size=20,
            size_param="per_page",
            max_size=200,
            body={
                "domain_records": "$records",
                "links": {"pages": {"next": "$next_url"}},
                "meta": {"total": "$total"},
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST", DOMAIN, sent={"type": "A", "name": "www"}, answer=Answer(201, {"domain_record": CREATED})
        ),
        Exchange(
            "POST",
            DOMAIN,
            answer=Answer(
                422,
                {
                    "id": "unprocessable_entity",
                    "message": "request payload validation failed",
                    "request_id": "4851a473-1621-42ea-b2f9-5071c0ea8414",
                },
            ),
        ),
        Exchange(
            "PUT", f"{DOMAIN}/3352892", sent={"name": "blog"}, answer=Answer(200, {"domain_record": UPDATED})
        ),
        Exchange("DELETE", f"{DOMAIN}/3352892", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "links.pages.next", "records": "domain_records", "total": "meta.total"}
RECORD = {"type": "A", "name": "www"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.digitalocean.com/v2",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["domains/{domain}/records"], "response_envelope": "domain_record"},
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", DOMAIN, {"paginate": PAGES, "query": {"per_page": 3}}, RECORDS, requests=3),
        Call("create", "create", DOMAIN, {"data": RECORD}, CREATED),
        Call("update", "update", f"{DOMAIN}/3352892", {"data": {"name": "blog"}}, UPDATED),
        Call("delete", "delete", f"{DOMAIN}/3352892", {}, None),
        Call(
            "an error in words",
            "create",
            DOMAIN,
            {"data": {}},
            fails=fails("InvalidDataError", "request payload validation failed"),
        ),
        Call("the hourly limit", "create", DOMAIN, {"data": RECORD}, CREATED, limit=HOURLY),
        Call("the limit of a burst", "create", DOMAIN, {"data": RECORD}, CREATED, limit=BURST),
    ],
)

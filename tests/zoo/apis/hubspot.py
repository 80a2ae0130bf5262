"""HubSpot's CRM API v3: the last page has no paging; a search is a POST with its cursor in the body."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": str(number), "properties": {"email": f"c{number}@example.com"}} for number in range(1, 8)]
CREATED = {"id": "512", "properties": {"email": "ada@example.com"}}
UPDATED = {"id": "1", "properties": {"email": "one@example.com"}}
FILTER = {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}]}]}
SOURCE = "https://github.com/HubSpot/HubSpot-public-api-spec-collection"
LIMIT = Limit(
    Answer(
        429,
        {
            "status": "error",
            "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24",
            "policyName": "TEN_SECONDLY_ROLLING",
        },
    ),
    10,
)
DOCUMENTED = Documented(
    name="HubSpot",
    documentation=(
        f"{SOURCE}/blob/main/PublicApiSpecs/CRM/Contacts/Rollouts/424/v3/contacts.json",
        "https://developers.hubspot.com/docs/api-reference/error-handling",
        "https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {
            "status": "error",
            "message": "Authentication credentials not found.",
            "correlationId": "a43683b0-5717-4ceb-80b4-104d02915d8c",
            "category": "INVALID_AUTHENTICATION",
        },
    ),
    collections=[
        Pages(
            path="crm/v3/objects/contacts",
            records=RECORDS,
            kind="token",
            param="after",
            token="NTI1Cg%3D{}",
            size=10,
            size_param="limit",
            body={"results": "$records", "paging": {"next": {"after": "$next", "link": "$next_url"}}},
        ),
        Pages(
            method="POST",
            path="crm/v3/objects/contacts/search",
            records=RECORDS,
            kind="token",
            place="body",
            param="after",
            token="{}",
            size=10,
            size_param="limit",
            max_size=200,
            sent=FILTER,
            body={"total": "$total", "results": "$records", "paging": {"next": {"after": "$next"}}},
        ),
    ],
    exchanges=[
        Exchange(
            "POST",
            "crm/v3/objects/contacts",
            sent={"properties": {"email": "ada@example.com"}},
            answer=Answer(201, CREATED),
        ),
        Exchange(
            "POST",
            "crm/v3/objects/contacts",
            answer=Answer(
                400,
                {
                    "message": "Invalid input (details will vary based on the error)",
                    "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf",
                    "category": "VALIDATION_ERROR",
                    "errors": [{"message": 'Property "nosuch" does not exist', "in": "properties.nosuch"}],
                },
            ),
        ),
        Exchange(
            "PATCH",
            "crm/v3/objects/contacts/1",
            sent={"properties": {"email": "one@example.com"}},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "crm/v3/objects/contacts/1", answer=Answer(204)),
    ],
)


CONTACTS = "crm/v3/objects/contacts"
BY_QUERY = {"style": "body", "next": "paging.next.after", "param": "after", "records": "results"}
BY_BODY = {**BY_QUERY, "param_in": "body", "total": "total"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.hubapi.com",
    connection={
        "password": KEY,
        "extra": {"endpoints": [CONTACTS, f"QUERY {CONTACTS}/search"], "update_method": "PATCH"},
    },
    paginate=[BY_QUERY, BY_BODY],
    calls=[
        Call(
            "read all", "read", CONTACTS, {"paginate": BY_QUERY, "query": {"limit": 3}}, RECORDS, requests=3
        ),
        Call(
            "search all",
            "read",
            f"{CONTACTS}/search",
            {"paginate": BY_BODY, "data": {**FILTER, "limit": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", CONTACTS, {"data": {"properties": {"email": "ada@example.com"}}}, CREATED),
        Call(
            "update",
            "update",
            f"{CONTACTS}/1",
            {"data": {"properties": {"email": "one@example.com"}}},
            UPDATED,
        ),
        Call("delete", "delete", f"{CONTACTS}/1", {}, None),
        Call(
            "an error in words",
            "create",
            CONTACTS,
            {"data": {"properties": {"nosuch": 1}}},
            fails=fails(
                "InvalidDataError", "Invalid input", 'Property "nosuch" does not exist', "properties.nosuch"
            ),
        ),
        Call(
            "a limit without a header",
            "read",
            CONTACTS,
            {"paginate": BY_QUERY, "query": {"limit": 7}},
            RECORDS,
            limit=LIMIT,
        ),
    ],
)

"""Salesforce's REST API: OAuth 2.0, a next page as a path, errors that are a list, updates by PATCH."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, basic, fails

RECORDS = [{"Id": f"003RO000003{number}", "Name": f"Contact {number}"} for number in range(1, 6)]
CREATED = {"id": "001D000000IqhSLIAZ", "success": True, "errors": []}
QUERY = "SELECT Id, Name FROM Contact"
TOKEN = "00DE0X0A0M0PeLE!AQcAQH0dMHEXAMPLE"
FORM = "application/x-www-form-urlencoded"
GRANT = {"grant_type": "client_credentials"}
DOCS = "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest"
ACCOUNT = "services/data/v67.0/sobjects/Account"
DOCUMENTED = Documented(
    name="Salesforce",
    documentation=(
        f"{DOCS}/resources_query.htm",
        f"{DOCS}/errorcodes.htm",
        f"{DOCS}/dome_sobject_create.htm",
        f"{DOCS}/dome_update_fields.htm",
    ),
    credentials={"Authorization": f"Bearer {TOKEN}"},
    refused=Answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]),
    missing=Answer(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]),
    exchanges=[
        Exchange(
            "POST",
            "services/oauth2/token",
            public=True,
            needs={"Authorization": basic("client-id")},
            media=FORM,
            sent=GRANT,
            answer=Answer(200, {"access_token": TOKEN, "token_type": "Bearer"}),
        ),
        Exchange(
            "POST",
            "services/oauth2/token",
            public=True,
            answer=Answer(
                401, {"error": "invalid_client", "error_description": "invalid client credentials"}
            ),
        ),
        Exchange(
            "GET",
            "services/data/v67.0/query",
            query={"q": QUERY},
            answer=Answer(
                200,
                {
                    "totalSize": 5,
                    "done": False,
                    "nextRecordsUrl": "/services/data/v67.0/query/01gRO0000016PIAYA2-2",
                    "records": RECORDS[:2],
                },
            ),
        ),
        Exchange(
            "GET",
            "services/data/v67.0/query/01gRO0000016PIAYA2-2",
            answer=Answer(200, {"totalSize": 5, "done": True, "records": RECORDS[2:]}),
        ),
        Exchange("POST", ACCOUNT, sent={"Name": "Express Logistics"}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            ACCOUNT,
            answer=Answer(
                400,
                [
                    {
                        "message": "The Id field should not be specified in the sobject data.",
                        "errorCode": "INVALID_FIELD",
                    }
                ],
            ),
        ),
        Exchange(
            "PATCH", f"{ACCOUNT}/001D000000INjVe", sent={"BillingCity": "San Francisco"}, answer=Answer(204)
        ),
        Exchange("DELETE", f"{ACCOUNT}/001D000000INjVe", answer=Answer(204)),
    ],
)


API = Api(
    documented=DOCUMENTED,
    host="https://MyDomainName.my.salesforce.com",
    connection={
        "login": "client-id",
        "password": KEY,
        "extra": {
            "auth_type": "oauth2",
            "oauth_url": "$origin/services/oauth2/token",
            "endpoints": [
                "GET services/data/{version}/query",
                "GET services/data/{version}/query/{locator}",
                "POST services/data/{version}/sobjects/{object}",
                "services/data/{version}/sobjects/{object}/{id}",
            ],
            "update_method": "PATCH",
        },
    },
    paginate=[{"style": "body", "next": "nextRecordsUrl", "records": "records", "total": "totalSize"}],
    calls=[
        Call(
            "read all",
            "read",
            "services/data/v67.0/query",
            {
                "paginate": {
                    "style": "body",
                    "next": "nextRecordsUrl",
                    "records": "records",
                    "total": "totalSize",
                },
                "query": {"q": QUERY},
            },
            RECORDS,
        ),
        Call("create", "create", ACCOUNT, {"data": {"Name": "Express Logistics"}}, CREATED),
        Call(
            "update", "update", f"{ACCOUNT}/001D000000INjVe", {"data": {"BillingCity": "San Francisco"}}, None
        ),
        Call("delete", "delete", f"{ACCOUNT}/001D000000INjVe", {}, None),
        Call(
            "an error in words",
            "create",
            ACCOUNT,
            {"data": {"id": "1", "Name": "x"}},
            fails=fails(
                "InvalidDataError",
                "The Id field should not be specified in the sobject data.",
                code="INVALID_FIELD",
            ),
        ),
    ],
)

"""Twilio: bodies are forms, an update is a POST, the next page is a path or null."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Job, Pages, basic, fails

RECORDS = [{"sid": f"SM{number:032}", "body": f"Text {number}"} for number in range(1, 8)]
CREATED = {"sid": "SMded05904ccb347238880ca9264e8fe1c", "status": "queued"}
REDACTED = {"sid": "SMded05904ccb347238880ca9264e8fe1c", "body": ""}
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
MESSAGES = f"Accounts/{ACCOUNT}/Messages.json"
MESSAGE = f"Accounts/{ACCOUNT}/Messages/SMded05904ccb347238880ca9264e8fe1c.json"
FORM = "application/x-www-form-urlencoded"
DOCUMENTED = Documented(
    name="Twilio",
    documentation=(
        "https://github.com/twilio/twilio-oai/blob/main/spec/json/twilio_api_v2010.json",
        "https://www.twilio.com/docs/usage/twilios-response",
        "https://www.twilio.com/docs/usage/requests-to-twilio",
        "https://www.twilio.com/docs/api/errors/20003",
    ),
    base="/2010-04-01",
    credentials={"Authorization": basic(ACCOUNT)},
    refused=Answer(
        401,
        {
            "code": 20003,
            "message": "Authenticate",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        },
    ),
    missing=Answer(
        404,
        {
            "code": 20404,
            "message": "The requested resource was not found",
            "more_info": "https://www.twilio.com/docs/errors/20404",
            "status": 404,
        },
    ),
    collections=[
        Pages(
            path=MESSAGES,
            records=RECORDS,
            kind="token",
            param="PageToken",
            token="PAMMc26223853f8c46b4ab7dfaa6abba0a{}",
            size=50,
            size_param="PageSize",
            max_size=1000,
            end=None,
            body={
                "messages": "$records",
                "page": "$page",
                "page_size": "$size",
                "start": "$start",
                "end": "$last",
                "next_page_uri": "$next_path",
                "previous_page_uri": None,
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            MESSAGES,
            media=FORM,
            sent={"To": "+18182008801", "From": "+12019235161", "Body": "Hi"},
            answer=Answer(201, CREATED),
        ),
        Exchange(
            "POST",
            MESSAGES,
            answer=Answer(
                400,
                {
                    "code": 21604,
                    "message": "A 'To' phone number is required.",
                    "more_info": "https://www.twilio.com/docs/errors/21604",
                    "status": 400,
                },
            ),
        ),
        Exchange("POST", MESSAGE, media=FORM, sent={"Body": ""}, answer=Answer(200, REDACTED)),
        Exchange("DELETE", MESSAGE, answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "next_page_uri", "records": "messages"}
TEXT = {"To": "+18182008801", "From": "+12019235161", "Body": "Hi"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.twilio.com/2010-04-01",
    connection={
        "login": ACCOUNT,
        "password": KEY,
        "extra": {
            "endpoints": [
                "GET Accounts/{account}/Messages.json",
                "POST Accounts/{account}/Messages.json",
                "Accounts/{account}/Messages/{message}.json",
                "POST Accounts/{account}/Messages/{message}.json",
            ]
        },
    },
    paginate=[PAGES],
    notes=["bodies by `form`; an update is a `create` on the item"],
    job=Job(
        endpoint=MESSAGE,
        field="status",
        body={"status": "$state", "error_code": 30004, "error_message": "Message blocked"},
        ready="delivered",
        running=("accepted", "queued", "sending", "sent"),
        failed=("failed", "undelivered"),
        words="Message blocked",
    ),
    calls=[
        Call(
            "read all", "read", MESSAGES, {"paginate": PAGES, "query": {"PageSize": 3}}, RECORDS, requests=3
        ),
        Call("create", "create", MESSAGES, {"form": TEXT}, CREATED),
        Call("update", "create", MESSAGE, {"form": {"Body": ""}}, REDACTED),
        Call("delete", "delete", MESSAGE, {}, None),
        Call(
            "an error in words",
            "create",
            MESSAGES,
            {"form": {"Body": "Hi"}},
            fails=fails("InvalidDataError", "A 'To' phone number is required.", code="21604"),
        ),
    ],
)

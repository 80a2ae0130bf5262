"""Slack's Web API: every error is a 200 with ok: false; pages shrink at will; the last cursor is empty."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [{"id": f"C{number}", "name": f"channel-{number}"} for number in range(1, 7)]
POSTED = {"ok": True, "channel": "C1", "ts": "1503435956.000247", "message": {"text": "Hello"}}
UPDATED = {"ok": True, "channel": "C1", "ts": "1503435956.000247", "text": "Hi"}
DELETED = {"ok": True, "channel": "C1", "ts": "1503435956.000247"}
DOCS = "https://docs.slack.dev"
LIMIT = Limit(Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"}), 30)
DOCUMENTED = Documented(
    name="Slack",
    documentation=(
        f"{DOCS}/apis/web-api/pagination",
        f"{DOCS}/apis/web-api/rate-limits",
        f"{DOCS}/apis/web-api/",
        "https://github.com/slackapi/slack-api-specs/blob/master/web-api/slack_web_openapi_v2.json",
    ),
    base="/api",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(200, {"ok": False, "error": "not_authed"}),
    collections=[
        Pages(
            path="conversations.list",
            records=RECORDS,
            kind="token",
            param="cursor",
            token="dXNlcjpV{}=",
            size=100,
            size_param="limit",
            chunks=(3, 0, 1, 2),
            end="",
            body={"ok": True, "channels": "$records", "response_metadata": {"next_cursor": "$next"}},
        )
    ],
    exchanges=[
        Exchange(
            "POST", "chat.postMessage", sent={"channel": "C1", "text": "Hello"}, answer=Answer(200, POSTED)
        ),
        Exchange("POST", "chat.postMessage", answer=Answer(200, {"ok": False, "error": "channel_not_found"})),
        Exchange(
            "POST",
            "chat.update",
            sent={"channel": "C1", "ts": "1503435956.000247", "text": "Hi"},
            answer=Answer(200, UPDATED),
        ),
        Exchange(
            "POST",
            "chat.delete",
            sent={"channel": "C1", "ts": "1503435956.000247"},
            answer=Answer(200, DELETED),
        ),
    ],
)


API = Api(
    documented=DOCUMENTED,
    host="https://slack.com/api",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": [
                "GET conversations.list",
                "POST chat.postMessage",
                "POST chat.update",
                "POST chat.delete",
            ],
            "error_path": "error",
        },
    },
    paginate=[
        {"style": "body", "next": "response_metadata.next_cursor", "param": "cursor", "records": "channels"}
    ],
    notes=["every method but a read is a `create`"],
    calls=[
        Call(
            "read all",
            "read",
            "conversations.list",
            {
                "paginate": {
                    "style": "body",
                    "next": "response_metadata.next_cursor",
                    "param": "cursor",
                    "records": "channels",
                },
                "query": {"limit": 3},
            },
            RECORDS,
            requests=4,
        ),
        Call("create", "create", "chat.postMessage", {"data": {"channel": "C1", "text": "Hello"}}, POSTED),
        Call(
            "update",
            "create",
            "chat.update",
            {"data": {"channel": "C1", "ts": "1503435956.000247", "text": "Hi"}},
            UPDATED,
        ),
        Call(
            "delete", "create", "chat.delete", {"data": {"channel": "C1", "ts": "1503435956.000247"}}, DELETED
        ),
        Call(
            "an error in words",
            "create",
            "chat.postMessage",
            {"data": {"channel": "C99", "text": "Hello"}},
            fails=fails("ResponseError", "channel_not_found"),
        ),
        Call(
            "a limit",
            "create",
            "chat.postMessage",
            {"data": {"channel": "C1", "text": "Hello"}},
            POSTED,
            limit=LIMIT,
        ),
    ],
)

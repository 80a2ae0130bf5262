"""X's API v2: next_token becomes pagination_token, a last page without it; a limit by x-rate-limit-reset."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Limit, Pages, fails

RECORDS = [{"id": str(1234 + number), "text": f"Post {number}"} for number in range(1, 8)]
CREATED = {"data": {"id": "1445880548472328192", "text": "Hello world!"}}
DOCS = "https://docs.x.com/x-api"
LIMIT = Limit(
    Answer(
        429,
        {"errors": [{"code": 88, "message": "Rate limit exceeded"}]},
        {"x-rate-limit-limit": "900", "x-rate-limit-remaining": "0", "x-rate-limit-reset": InSeconds(200)},
    ),
    200,
)
DOCUMENTED = Documented(
    name="X",
    documentation=(
        f"{DOCS}/fundamentals/pagination",
        f"{DOCS}/fundamentals/rate-limits",
        f"{DOCS}/fundamentals/response-codes-and-errors",
        f"{DOCS}/posts/create-post",
    ),
    base="/2",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
    ),
    collections=[
        Pages(
            path="users/12345/tweets",
            records=RECORDS,
            kind="token",
            param="pagination_token",
            token="7140w9gefhslx{}",
            size=10,
            size_param="max_results",
            max_size=100,
            body={"data": "$records", "meta": {"result_count": "$count", "next_token": "$next"}},
        ),
        Pages(
            path="users/99/tweets",
            records=[],
            kind="token",
            param="pagination_token",
            body={"meta": {"result_count": 0}},
        ),
    ],
    exchanges=[
        Exchange("POST", "tweets", sent={"text": "Hello world!"}, answer=Answer(201, CREATED)),
        Exchange(
            "GET",
            "tweets/search/recent",
            answer=Answer(
                400,
                {
                    "title": "Invalid Request",
                    "detail": "The 'query' parameter is required.",
                    "type": "https://api.x.com/2/problems/invalid-request",
                },
            ),
        ),
        Exchange("DELETE", "tweets/1445880548472328192", answer=Answer(200, {"data": {"deleted": True}})),
    ],
)


PAGES = {"style": "body", "next": "meta.next_token", "param": "pagination_token", "records": "data"}
API = Api(
    documented=DOCUMENTED,
    host="https://api.x.com/2",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["GET users/{user}/tweets", "tweets", "GET tweets/search/recent"]},
    },
    paginate=[PAGES],
    does_not_work=["OAuth 1.0a, by which an app may act for a user: no signatures are made"],
    calls=[
        Call(
            "read all",
            "read",
            "users/12345/tweets",
            {"paginate": PAGES, "query": {"max_results": 5}},
            RECORDS,
            requests=2,
        ),
        Call("read an empty collection", "read", "users/99/tweets", {"paginate": PAGES}, []),
        Call("create", "create", "tweets", {"data": {"text": "Hello world!"}}, CREATED),
        Call("delete", "delete", "tweets/1445880548472328192", {}, {"data": {"deleted": True}}),
        Call(
            "an error in words",
            "read",
            "tweets/search/recent",
            {},
            fails=fails("InvalidDataError", "The 'query' parameter is required."),
        ),
        Call("a limit", "read", "users/12345/tweets", {"paginate": PAGES}, RECORDS, limit=LIMIT),
    ],
)

"""WordPress: totals in headers, a page after the last is a 400, updates by POST."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Pages, basic, fails

RECORDS = [{"id": number, "slug": f"post-{number}"} for number in range(1, 7)]
CREATED = {"id": 7, "status": "draft"}
UPDATED = {"id": 1, "slug": "renamed"}
DELETED = {"deleted": True, "previous": {"id": 1}}
POSTS = "wp/v2/posts"
DOCS = "https://developer.wordpress.org/rest-api"
DOCUMENTED = Documented(
    name="WordPress",
    documentation=(
        f"{DOCS}/using-the-rest-api/pagination/",
        f"{DOCS}/reference/posts/",
        f"{DOCS}/using-the-rest-api/authentication/",
        "https://github.com/WP-API/docs",
    ),
    base="/wp-json",
    credentials={"Authorization": basic("editor")},
    refused=Answer(
        401,
        {
            "code": "rest_cannot_create",
            "message": "Sorry, you are not allowed to create posts as this user.",
            "data": {"status": 401},
        },
    ),
    missing=Answer(
        404,
        {
            "code": "rest_no_route",
            "message": "No route was found matching the URL and request method.",
            "data": {"status": 404},
        },
    ),
    collections=[
        Pages(
            path=POSTS,
            records=RECORDS,
            kind="page",
            param="page",
            size=10,
            size_param="per_page",
            max_size=100,
            body="$records",
            headers={"X-WP-Total": "$total", "X-WP-TotalPages": "$pages"},
            beyond=Answer(
                400,
                {
                    "code": "rest_post_invalid_page_number",
                    "message": "The page number requested is larger than the number of pages available.",
                    "data": {"status": 400},
                },
            ),
        )
    ],
    exchanges=[
        Exchange("POST", POSTS, sent={"title": "New"}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            POSTS,
            answer=Answer(
                400,
                {
                    "code": "rest_invalid_param",
                    "message": "Invalid parameter(s): per_page",
                    "data": {
                        "status": 400,
                        "params": {"per_page": "per_page must be between 1 (inclusive) and 100 (inclusive)"},
                    },
                },
            ),
        ),
        Exchange("POST", f"{POSTS}/1", sent={"slug": "renamed"}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", f"{POSTS}/1", query={"force": "true"}, answer=Answer(200, DELETED)),
    ],
)


PAGES = {"style": "page", "param": "page", "size": 3, "size_param": "per_page", "total": "X-WP-Total"}
API = Api(
    documented=DOCUMENTED,
    host="https://example.com/wp-json",
    connection={
        "login": "editor",
        "password": KEY,
        "extra": {"endpoints": ["wp/v2/posts", "POST wp/v2/posts/{post}"], "update_method": "PATCH"},
    },
    paginate=[PAGES],
    notes=["Password is an application password; an update is a `create` on the item"],
    calls=[
        Call("read all", "read", POSTS, {"paginate": PAGES}, RECORDS, requests=2),
        Call("create", "create", POSTS, {"data": {"title": "New"}}, CREATED),
        Call("update", "create", f"{POSTS}/1", {"data": {"slug": "renamed"}}, UPDATED),
        Call("delete", "delete", f"{POSTS}/1", {"query": {"force": "true"}}, DELETED),
        Call(
            "an error in words",
            "create",
            POSTS,
            {"data": {"status": "x"}},
            fails=fails(
                "InvalidDataError",
                "Invalid parameter(s): per_page",
                "per_page must be between 1 (inclusive) and 100 (inclusive)",
                code="rest_invalid_param",
            ),
        ),
    ],
)

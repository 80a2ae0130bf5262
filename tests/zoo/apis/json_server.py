"""json-server 1.x: next is the number of the next page, or null."""

from __future__ import annotations

from tests.zoo.tables import Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [{"id": str(number), "title": f"Post {number}", "views": number * 100} for number in range(1, 8)]
CREATED = {"id": "8", "title": "New"}
UPDATED = {"id": "1", "title": "Post 1", "views": 150}
DOCUMENTED = Documented(
    name="json-server 1",
    documentation=("https://github.com/typicode/json-server#readme",),
    refused=Answer(401),
    missing=Answer(404, {"error": "Not Found"}),
    collections=[
        Pages(
            path="posts",
            records=RECORDS,
            kind="page",
            param="_page",
            size=10,
            size_param="_per_page",
            end=None,
            query={},
            body={
                "first": 1,
                "prev": None,
                "next": "$next",
                "last": "$pages",
                "pages": "$pages",
                "items": "$total",
                "data": "$records",
            },
        )
    ],
    exchanges=[
        Exchange("POST", "posts", sent={"title": "New"}, answer=Answer(201, CREATED)),
        Exchange("PATCH", "posts/1", sent={"views": 150}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", "posts/2", answer=Answer(200, RECORDS[1])),
    ],
)


PAGES = {"style": "body", "next": "next", "param": "_page", "records": "data"}
API = Api(
    documented=DOCUMENTED,
    host="http://localhost:3000",
    connection={"extra": {"endpoints": ["posts"]}},
    paginate=[PAGES],
    notes=["pages come where the query has `_page`; those of 0.17 are `style: link`, with `_limit`"],
    calls=[
        Call(
            "read all",
            "read",
            "posts",
            {"paginate": PAGES, "query": {"_page": 1, "_per_page": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "posts", {"data": {"title": "New"}}, CREATED),
        Call("update", "update", "posts/1", {"data": {"views": 150}, "partial": True}, UPDATED),
        Call("delete", "delete", "posts/2", {}, RECORDS[1]),
        Call("read what is not there", "read", "posts/99", {}, fails=fails("NotFoundError")),
    ],
)

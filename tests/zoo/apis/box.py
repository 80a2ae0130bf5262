"""Box: markers, If-Match with bare tags, a file that is not ready (202) or lies on another host (302)."""

from __future__ import annotations

from tests.zoo.tables import KEY, OMITTED, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

RECORDS = [
    {"type": "folder", "id": str(12345 + number), "name": f"Folder {number}"} for number in range(1, 8)
]
CREATED = {"type": "folder", "id": "12360", "etag": "1", "name": "New Folder"}
UPDATED = {"type": "folder", "id": "12346", "etag": "2", "name": "Renamed"}
DOCS = "https://developer.box.com"
SPEC = "https://github.com/box/box-openapi/blob/main/openapi.json"
LIMIT = Limit(Answer(429, OMITTED, {"retry-after": "5"}), 5)
NOT_READY = Limit(Answer(202, OMITTED, {"Retry-After": "10"}), 10)
DOCUMENTED = Documented(
    name="Box",
    documentation=(
        SPEC,
        f"{DOCS}/guides/api-calls/pagination/marker-based/",
        f"{DOCS}/guides/api-calls/permissions-and-errors/rate-limits/",
        f"{DOCS}/guides/downloads/file/",
    ),
    base="/2.0",
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401),
    missing=Answer(
        404,
        {
            "type": "error",
            "status": 404,
            "code": "not_found",
            "message": "Not Found",
            "request_id": "abcdef123456",
        },
    ),
    collections=[
        Pages(
            path="folders/0/items",
            records=RECORDS,
            kind="token",
            param="marker",
            token="JV9IRGZmieiBasejOG9yDCRNgd2ymoZIbjsxbJMjIs3kioVi{}",
            size=100,
            size_param="limit",
            max_size=1000,
            query={"usemarker": "true"},
            end=None,
            body={"entries": "$records", "limit": "$size", "next_marker": "$next"},
        )
    ],
    exchanges=[
        Exchange(
            "POST", "folders", sent={"name": "New Folder", "parent": {"id": "0"}}, answer=Answer(201, CREATED)
        ),
        Exchange(
            "POST",
            "folders",
            answer=Answer(
                400,
                {
                    "type": "error",
                    "status": 400,
                    "code": "bad_request",
                    "context_info": {
                        "errors": [
                            {"reason": "missing_parameter", "name": "name", "message": "'name' is required"}
                        ]
                    },
                    "help_url": f"{DOCS}/guides/api-calls/permissions-and-errors/common-errors/",
                    "message": "Bad Request",
                    "request_id": "abcdef123456",
                },
            ),
        ),
        Exchange(
            "PUT",
            "folders/12346",
            sent={"name": "Renamed"},
            needs={"If-Match": "1"},
            answer=Answer(200, UPDATED),
        ),
        Exchange(
            "PUT",
            "folders/12346",
            answer=Answer(
                412,
                {
                    "type": "error",
                    "status": 412,
                    "code": "precondition_failed",
                    "message": "The resource has been modified. Please retrieve the resource again and retry",
                },
            ),
        ),
        Exchange("DELETE", "folders/12346", answer=Answer(204)),
        Exchange(
            "GET",
            "files/5000948880/content",
            answer=Answer(302, OMITTED, {"Location": "http://$files/d/1/b1!abc/download?signature=x"}),
        ),
        Exchange(
            "GET",
            "d/1/b1!abc/download",
            public=True,
            query={"signature": "x"},
            needs={"Authorization": None},
            answer=Answer(200, {"report": 1}),
        ),
    ],
)


PAGES = {"style": "body", "next": "next_marker", "param": "marker", "records": "entries"}
FOLDER = {"name": "New Folder", "parent": {"id": "0"}}
API = Api(
    documented=DOCUMENTED,
    host="https://api.box.com/2.0",
    connection={
        "password": KEY,
        "extra": {"endpoints": ["folders", "GET files/{file}/content"], "redirect_hosts": ["$files"]},
    },
    real={"$files": "*.boxcloud.com"},
    paginate=[PAGES],
    notes=["the query needs `usemarker=true`", "`If-Match` is a bare number, given by `headers`"],
    calls=[
        Call(
            "read all",
            "read",
            "folders/0/items",
            {"paginate": PAGES, "query": {"usemarker": "true", "limit": 3}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "folders", {"data": FOLDER}, CREATED),
        Call(
            "update",
            "update",
            "folders/12346",
            {"data": {"name": "Renamed"}, "headers": {"If-Match": "1"}},
            UPDATED,
        ),
        Call(
            "an update of another version",
            "update",
            "folders/12346",
            {"data": {"name": "Renamed"}, "headers": {"If-Match": "0"}},
            fails=fails("ConflictError", "The resource has been modified", code="precondition_failed"),
        ),
        Call("delete", "delete", "folders/12346", {}, None),
        Call("a file on another host", "read", "files/5000948880/content", {}, {"report": 1}, requests=2),
        Call(
            "a file that is not ready", "read", "files/5000948880/content", {}, {"report": 1}, limit=NOT_READY
        ),
        Call(
            "an error in words",
            "create",
            "folders",
            {"data": {"parent": {"id": "0"}}},
            fails=fails("InvalidDataError", "'name' is required", code="bad_request"),
        ),
        Call("a limit", "create", "folders", {"data": FOLDER}, CREATED, limit=LIMIT),
    ],
)

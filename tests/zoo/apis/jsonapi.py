"""A JSON:API server: its media type both ways, a next link that is null at the end, errors with pointers."""

from __future__ import annotations

from tests.zoo.tables import Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [
    {"type": "articles", "id": str(number), "attributes": {"title": f"Article {number}"}}
    for number in range(1, 6)
]
MEDIA = "application/vnd.api+json"
NEW = {"data": {"type": "photos", "attributes": {"title": "Ember Hamster"}}}
CREATED = {"data": {"type": "photos", "id": "550e8400", "attributes": {"title": "Ember Hamster"}}}
CHANGE = {"data": {"type": "photos", "id": "550e8400", "attributes": {"title": "Renamed"}}}
ERRORS = {
    "errors": [
        {
            "status": "422",
            "source": {"pointer": "/data/attributes/firstName"},
            "title": "Invalid Attribute",
            "detail": "First name must contain at least two characters.",
        },
        {
            "status": "422",
            "source": {"pointer": "/data/attributes/volume"},
            "detail": "Volume does not, in fact, go to 11.",
        },
    ]
}
DOCS = "https://jsonapi.org"
DOCUMENTED = Documented(
    name="JSON:API",
    documentation=(
        f"{DOCS}/format/1.1/#fetching-pagination",
        f"{DOCS}/format/1.1/#crud",
        f"{DOCS}/examples/#pagination",
        f"{DOCS}/examples/#error-objects",
    ),
    headers={"Accept": MEDIA},
    refused=Answer(401, {"errors": [{"status": "401", "title": "Unauthorized"}]}, content_type=MEDIA),
    missing=Answer(404, {"errors": [{"status": "404", "title": "Not Found"}]}, content_type=MEDIA),
    collections=[
        Pages(
            path="articles",
            content_type=MEDIA,
            records=RECORDS,
            kind="page",
            param="page[number]",
            size=2,
            size_param="page[size]",
            end=None,
            body={
                "meta": {"totalPages": "$pages"},
                "data": "$records",
                "links": {"self": "https://example.com/articles", "next": "$next_url"},
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "photos",
            media=MEDIA,
            sent=NEW,
            answer=Answer(201, CREATED, {"Location": "$origin/photos/550e8400"}, MEDIA),
        ),
        Exchange("POST", "photos", answer=Answer(422, ERRORS, content_type=MEDIA)),
        Exchange(
            "PATCH",
            "photos/550e8400",
            media=MEDIA,
            sent=CHANGE,
            answer=Answer(200, CHANGE, content_type=MEDIA),
        ),
        Exchange("DELETE", "photos/550e8400", answer=Answer(204)),
    ],
)


PAGES = {"style": "body", "next": "links.next", "records": "data"}
API = Api(
    documented=DOCUMENTED,
    host="https://example.com",
    connection={
        "extra": {
            "endpoints": ["articles", "photos"],
            "update_method": "PATCH",
            "headers": {"Accept": MEDIA, "Content-Type": MEDIA},
        }
    },
    paginate=[PAGES],
    calls=[
        Call(
            "read all",
            "read",
            "articles",
            {"paginate": PAGES, "query": {"page[size]": 2}},
            RECORDS,
            requests=3,
        ),
        Call("create", "create", "photos", {"data": NEW}, CREATED),
        Call("update", "update", "photos/550e8400", {"data": CHANGE}, CHANGE),
        Call("delete", "delete", "photos/550e8400", {}, None),
        Call(
            "an error in words",
            "create",
            "photos",
            {"data": {"data": {}}},
            fails=fails(
                "InvalidDataError",
                "/data/attributes/firstName",
                "First name must contain at least two characters.",
                "/data/attributes/volume",
                "Volume does not, in fact, go to 11.",
            ),
        ),
    ],
)

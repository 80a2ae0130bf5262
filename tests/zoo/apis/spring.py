"""Spring Data REST: HAL, whose next link is a URI template, so pages are counted, from 0."""

from __future__ import annotations

from tests.zoo.tables import OMITTED, Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [
    {"firstName": f"Name {number}", "_links": {"self": {"href": f"/persons/{number}"}}}
    for number in range(1, 8)
]
CREATED = {"firstName": "Frodo", "_links": {"self": {"href": "$origin/persons/8"}}}
HAL = "application/hal+json"
DOCS = "https://docs.spring.io/spring-data/rest/reference"
SOURCE = "https://github.com/spring-projects/spring-data-rest/blob/main/spring-data-rest-webmvc/src/main/java"
DOCUMENTED = Documented(
    name="Spring Data REST (HAL)",
    documentation=(
        f"{DOCS}/paging-and-sorting.html",
        f"{DOCS}/repository-resources.html",
        f"{DOCS}/etags-and-other-conditionals.html",
        f"{SOURCE}/org/springframework/data/rest/webmvc/support/RepositoryConstraintViolationExceptionMessage.java",
    ),
    refused=Answer(401),
    missing=Answer(404),
    collections=[
        Pages(
            path="persons",
            content_type=HAL,
            records=RECORDS,
            kind="page",
            param="page",
            first=0,
            size=20,
            size_param="size",
            body={
                "_links": {
                    "self": {"href": "http://localhost:8080/persons{&sort,page,size}", "templated": True},
                    "next": {"href": "$next_url{&sort}", "templated": True},
                },
                "_embedded": {"persons": "$records"},
                "page": {
                    "size": "$size",
                    "totalElements": "$total",
                    "totalPages": "$pages",
                    "number": "$page",
                },
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "persons",
            sent={"firstName": "Frodo"},
            answer=Answer(201, CREATED, {"Location": "$origin/persons/8"}, HAL),
        ),
        Exchange(
            "POST",
            "persons",
            answer=Answer(
                400,
                {
                    "errors": [
                        {
                            "entity": "Person",
                            "property": "firstName",
                            "invalidValue": "",
                            "message": "must not be blank",
                        }
                    ]
                },
            ),
        ),
        Exchange(
            "PATCH",
            "persons/1",
            sent={"firstName": "Bilbo"},
            needs={"If-Match": '"1"'},
            answer=Answer(204, OMITTED, {"ETag": '"2"'}),
        ),
        Exchange("PATCH", "persons/1", answer=Answer(412)),
        Exchange("DELETE", "persons/1", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "page",
    "param": "page",
    "first": 0,
    "size": 3,
    "size_param": "size",
    "records": "_embedded.persons",
    "total": "page.totalElements",
}
API = Api(
    documented=DOCUMENTED,
    host="http://localhost:8080",
    connection={"extra": {"endpoints": ["persons"]}},
    paginate=[PAGES],
    notes=["`_links.next.href` may be a URI template, so pages are counted"],
    calls=[
        Call("read all", "read", "persons", {"paginate": PAGES}, RECORDS, requests=3),
        Call(
            "create",
            "create",
            "persons",
            {"data": {"firstName": "Frodo"}, "full_response": True},
            {
                "status": 201,
                "location": "persons/8",
                "data": {"firstName": "Frodo", "_links": {"self": {"href": "$origin/persons/8"}}},
            },
        ),
        Call(
            "update",
            "update",
            "persons/1",
            {"data": {"firstName": "Bilbo"}, "partial": True, "if_match": '"1"'},
            None,
        ),
        Call(
            "an update of another version",
            "update",
            "persons/1",
            {"data": {"firstName": "Bilbo"}, "partial": True, "if_match": '"0"'},
            fails=fails("ConflictError"),
        ),
        Call("delete", "delete", "persons/1", {}, None),
        Call(
            "an error in words",
            "create",
            "persons",
            {"data": {"firstName": ""}},
            fails=fails("InvalidDataError", "firstName", "must not be blank"),
        ),
    ],
)

"""Elasticsearch: a search is a POST whose cursor is a list in its body; errors repeat their cause."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Limit, Pages, fails

HITS = [
    {
        "_index": "books",
        "_id": str(number),
        "_source": {"page": number},
        "sort": [4098435132000 + number, str(number)],
    }
    for number in range(1, 8)
]
RECORDS = [{"page": number} for number in range(1, 8)]
CREATED = {"_index": "books", "_id": "W0tpsmIBdwcYyG50zbta", "_version": 1, "result": "created"}
UPDATED = {"_index": "books", "_id": "1", "_version": 2, "result": "updated"}
DELETED = {"_index": "books", "_id": "1", "_version": 2, "result": "deleted"}
REJECTED = {
    "type": "es_rejected_execution_exception",
    "reason": "rejected execution of coordinating operation",
}
CAUSE = {
    "type": "parsing_exception",
    "reason": "unknown query [mach] did you mean [match]?",
    "line": 1,
    "col": 20,
}
DOCS = "https://www.elastic.co/docs/reference/elasticsearch/rest-apis"
SPEC = "https://github.com/elastic/elasticsearch-specification/blob/main/specification"
LIMIT = Limit(Answer(429, {"error": {"root_cause": [REJECTED], **REJECTED}, "status": 429}), 1)
DOCUMENTED = Documented(
    name="Elasticsearch",
    documentation=(
        f"{DOCS}/paginate-search-results",
        f"{SPEC}/_types/Errors.ts",
        f"{SPEC}/_global/search/SearchRequest.ts",
        f"{SPEC}/_global/index/IndexRequest.ts",
    ),
    credentials={"Authorization": f"ApiKey {KEY}"},
    refused=Answer(
        401,
        {
            "error": {
                "root_cause": [
                    {"type": "security_exception", "reason": "missing authentication credentials"}
                ],
                "type": "security_exception",
                "reason": "missing authentication credentials",
            },
            "status": 401,
        },
    ),
    collections=[
        Pages(
            method="POST",
            path="books/_search",
            records=HITS,
            kind="last",
            place="body",
            param="search_after",
            by=("sort",),
            size=10,
            size_param="size",
            sent={"sort": [{"@timestamp": "asc"}, {"_id": "asc"}]},
            body={
                "took": 5,
                "timed_out": False,
                "hits": {"total": {"value": "$total", "relation": "eq"}, "hits": "$records"},
            },
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "books/_search",
            sent={"query": {"mach": {}}},
            answer=Answer(400, {"error": {"root_cause": [CAUSE], **CAUSE}, "status": 400}),
        ),
        Exchange("POST", "books/_doc", sent={"page": 8}, answer=Answer(201, CREATED)),
        Exchange("PUT", "books/_doc/1", sent={"page": 11}, answer=Answer(200, UPDATED)),
        Exchange("DELETE", "books/_doc/1", answer=Answer(200, DELETED)),
    ],
)


PAGES = {
    "style": "body",
    "next": "hits.hits[-1].sort",
    "param": "search_after",
    "param_in": "body",
    "records": "hits.hits[]._source",
    "total": "hits.total.value",
}
SEARCH = {"sort": [{"@timestamp": "asc"}, {"_id": "asc"}], "size": 3}
API = Api(
    documented=DOCUMENTED,
    host="https://localhost:9200",
    connection={
        "password": f"ApiKey {KEY}",
        "extra": {
            "auth_type": "api_key",
            "key_name": "Authorization",
            "endpoints": ["QUERY {index}/_search", "{index}/_doc"],
        },
    },
    paginate=[PAGES],
    notes=["Password is `ApiKey …`; `track_total_hits` for an exact total"],
    calls=[
        Call("read all", "read", "books/_search", {"paginate": PAGES, "data": SEARCH}, RECORDS, requests=4),
        Call("create", "create", "books/_doc", {"data": {"page": 8}}, CREATED),
        Call("update", "update", "books/_doc/1", {"data": {"page": 11}}, UPDATED),
        Call("delete", "delete", "books/_doc/1", {}, DELETED),
        Call(
            "an error in words",
            "read",
            "books/_search",
            {"data": {"query": {"mach": {}}}},
            fails=fails("InvalidDataError", "unknown query [mach] did you mean [match]?"),
        ),
        Call("a limit", "create", "books/_doc", {"data": {"page": 8}}, CREATED, limit=LIMIT),
    ],
)

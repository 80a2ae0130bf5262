"""A FHIR R4 server: Bundles with links in a list, its own media type, If-Match, 410 for what was deleted."""

from __future__ import annotations

from tests.zoo.tables import Answer, Api, Call, Documented, Exchange, Pages, fails

RECORDS = [{"resourceType": "Patient", "id": str(3120 + number)} for number in range(1, 6)]
JSON = "application/fhir+json"
CREATED = {"resourceType": "Patient", "id": "347", "meta": {"versionId": "1"}}
UPDATED = {"resourceType": "Patient", "id": "347", "meta": {"versionId": "2"}, "active": True}
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "required",
            "diagnostics": "Patient.name: minimum required = 1, but only found 0",
            "expression": ["Patient.name"],
        }
    ],
}
GONE = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "deleted", "diagnostics": "Resource was deleted"}],
}
CONFLICT = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "conflict", "diagnostics": "Version does not match"}],
}
DOCS = "https://hl7.org/fhir/R4"
DOCUMENTED = Documented(
    name="FHIR R4 (HAPI)",
    documentation=(
        f"{DOCS}/http.html",
        f"{DOCS}/bundle-example.json.html",
        f"{DOCS}/operationoutcome.html",
        f"{DOCS}/search.html",
    ),
    base="/fhir",
    refused=Answer(401, OUTCOME, content_type=JSON),
    missing=Answer(404, {"resourceType": "OperationOutcome", "issue": []}, content_type=JSON),
    collections=[
        Pages(
            path="Patient",
            content_type=JSON,
            records=RECORDS,
            kind="offset",
            param="_getpagesoffset",
            first=0,
            size=20,
            size_param="_count",
            each={"fullUrl": "https://example.com/base/Patient", "resource": "$record"},
            body={
                "resourceType": "Bundle",
                "type": "searchset",
                "total": "$total",
                "link": [
                    {"relation": "self", "url": "https://example.com/base/Patient"},
                    {"relation": "next", "url": "$next_url"},
                ],
                "entry": "$records",
            },
        ),
        Pages(
            path="Observation",
            content_type=JSON,
            records=[],
            kind="offset",
            param="_getpagesoffset",
            first=0,
            body={
                "resourceType": "Bundle",
                "type": "searchset",
                "total": 0,
                "link": [{"relation": "self", "url": "https://example.com/base/Observation"}],
            },
        ),
    ],
    exchanges=[
        Exchange(
            "POST",
            "Patient",
            media=JSON,
            sent={"resourceType": "Patient", "name": [{"family": "Chalmers"}]},
            answer=Answer(
                201, CREATED, {"Location": "$origin/fhir/Patient/347/_history/1", "ETag": 'W/"1"'}, JSON
            ),
        ),
        Exchange("POST", "Patient", answer=Answer(422, OUTCOME, content_type=JSON)),
        Exchange(
            "PUT",
            "Patient/347",
            media=JSON,
            sent={"resourceType": "Patient", "id": "347", "active": True},
            needs={"If-Match": 'W/"1"'},
            answer=Answer(200, UPDATED, {"ETag": 'W/"2"'}, JSON),
        ),
        Exchange("PUT", "Patient/347", answer=Answer(412, CONFLICT, content_type=JSON)),
        Exchange("GET", "Patient/999", answer=Answer(410, GONE, content_type=JSON)),
        Exchange("DELETE", "Patient/999", answer=Answer(410, GONE, content_type=JSON)),
        Exchange("DELETE", "Patient/347", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "body",
    "next": "link[?relation=='next'].url | [0]",
    "records": "entry[].resource",
    "total": "total",
}
ACTIVE = {"resourceType": "Patient", "id": "347", "active": True}
API = Api(
    documented=DOCUMENTED,
    host="https://hapi.fhir.org/baseR4",
    connection={
        "extra": {"endpoints": ["Patient", "Observation"], "headers": {"Accept": JSON, "Content-Type": JSON}}
    },
    paginate=[PAGES],
    calls=[
        Call("read all", "read", "Patient", {"paginate": PAGES, "query": {"_count": 2}}, RECORDS, requests=3),
        Call("read an empty search", "read", "Observation", {"paginate": PAGES}, []),
        Call(
            "create",
            "create",
            "Patient",
            {"data": {"resourceType": "Patient", "name": [{"family": "Chalmers"}]}, "full_response": True},
            {
                "status": 201,
                "etag": 'W/"1"',
                "location": "Patient/347/_history/1",
                "data": CREATED,
            },
        ),
        Call("update", "update", "Patient/347", {"data": ACTIVE, "if_match": 'W/"1"'}, UPDATED),
        Call(
            "an update of another version",
            "update",
            "Patient/347",
            {"data": ACTIVE, "if_match": 'W/"7"'},
            fails=fails("ConflictError", "Version does not match"),
        ),
        Call("delete", "delete", "Patient/347", {}, None),
        Call("delete what is gone", "delete", "Patient/999", {"missing_ok": True}, None),
        Call(
            "read what is gone",
            "read",
            "Patient/999",
            {},
            fails=fails("NotFoundError", "Resource was deleted"),
        ),
        Call(
            "an error in words",
            "create",
            "Patient",
            {"data": {"resourceType": "Patient"}},
            fails=fails("InvalidDataError", "Patient.name: minimum required = 1, but only found 0"),
        ),
    ],
)

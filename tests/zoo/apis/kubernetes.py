"""Kubernetes: chunks by limit and continue, a Status for each error, versions inside of objects."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Job, Limit, Pages, fails

RECORDS = [{"metadata": {"name": f"pod-{number}"}} for number in range(1, 8)]
PODS = "api/v1/namespaces/test/pods"
MAPS = "api/v1/namespaces/test/configmaps"
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "new"}}
CONFLICT = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": 'Operation cannot be fulfilled on configmaps "example": the object has been modified; '
    "please apply your changes to the latest version and try again",
    "reason": "Conflict",
    "details": {"name": "example", "kind": "configmaps"},
    "code": 409,
}
INVALID = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": 'Pod "new" is invalid: spec.containers: Required value',
    "reason": "Invalid",
    "details": {
        "name": "new",
        "kind": "Pod",
        "causes": [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers"}],
    },
    "code": 422,
}
EXPIRED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "The provided continue parameter is too old to display a consistent list result.",
    "reason": "Expired",
    "code": 410,
}
DOCS = "https://kubernetes.io/docs/reference"
LIMIT = Limit(
    Answer(429, "Too many requests, please try again later.\n", {"Retry-After": "1"}, "text/plain"), 1
)
DOCUMENTED = Documented(
    name="Kubernetes",
    documentation=(
        f"{DOCS}/using-api/api-concepts/",
        f"{DOCS}/access-authn-authz/authentication/",
        "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/",
        "https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(
        401,
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized", "code": 401},
    ),
    collections=[
        Pages(
            path=PODS,
            records=RECORDS,
            kind="token",
            param="continue",
            token="ENCODED_CONTINUE_TOKEN_{}",
            size=1000,
            size_param="limit",
            end="",
            body={
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": "10245", "continue": "$next"},
                "items": "$records",
            },
        )
    ],
    exchanges=[
        Exchange("GET", MAPS, query={"continue": "TOO_OLD"}, answer=Answer(410, EXPIRED)),
        Exchange(
            "GET",
            MAPS,
            answer=Answer(
                200,
                {"kind": "ConfigMapList", "metadata": {"continue": "TOO_OLD"}, "items": [{"metadata": {}}]},
            ),
        ),
        Exchange("POST", PODS, sent=POD, answer=Answer(201, POD)),
        Exchange("POST", PODS, answer=Answer(422, INVALID)),
        Exchange(
            "PUT",
            f"{MAPS}/example",
            sent={"metadata": {"name": "example", "resourceVersion": "1"}},
            answer=Answer(409, CONFLICT),
        ),
        Exchange(
            "PATCH",
            f"{MAPS}/example",
            media="application/merge-patch+json",
            sent={"data": {"key": "new value"}},
            answer=Answer(200, {"kind": "ConfigMap", "data": {"key": "new value"}}),
        ),
        Exchange("DELETE", f"{PODS}/new", answer=Answer(200, {"kind": "Status", "status": "Success"})),
    ],
)


PAGES = {"style": "body", "next": "metadata.continue", "param": "continue", "records": "items"}
API = Api(
    documented=DOCUMENTED,
    host="https://kubernetes.default.svc",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": ["api/v1/namespaces/{namespace}/pods", "api/v1/namespaces/{namespace}/configmaps"]
        },
    },
    paginate=[PAGES],
    notes=[
        "the query needs `limit`, or all comes at once",
        "a PATCH needs the header `Content-Type: application/merge-patch+json`",
    ],
    job=Job(
        endpoint=f"{PODS}/new",
        field="status.phase",
        body={
            "kind": "Pod",
            "status": {
                "phase": "$state",
                "reason": "Evicted",
                "message": "The node was low on resource: memory.",
            },
        },
        ready="Succeeded",
        running=("Pending", "Running"),
        failed=("Failed",),
        words="The node was low on resource: memory.",
    ),
    calls=[
        Call("read all", "read", PODS, {"paginate": PAGES, "query": {"limit": 3}}, RECORDS, requests=3),
        Call(
            "a continue token that is too old",
            "read",
            MAPS,
            {"paginate": PAGES},
            fails=fails("ResponseError", "410", "too old to display a consistent list"),
        ),
        Call("create", "create", PODS, {"data": POD}, POD),
        Call(
            "update",
            "update",
            f"{MAPS}/example",
            {
                "data": {"data": {"key": "new value"}},
                "partial": True,
                "headers": {"Content-Type": "application/merge-patch+json"},
            },
            {"kind": "ConfigMap", "data": {"key": "new value"}},
        ),
        Call(
            "an update of another version",
            "update",
            f"{MAPS}/example",
            {"data": {"metadata": {"name": "example", "resourceVersion": "1"}}},
            fails=fails("ConflictError", "the object has been modified", code="Conflict"),
        ),
        Call("delete", "delete", f"{PODS}/new", {}, {"kind": "Status", "status": "Success"}),
        Call(
            "an error in words",
            "create",
            PODS,
            {"data": {"kind": "Pod"}},
            fails=fails("InvalidDataError", "spec.containers", "Required value", without=("Failure",)),
        ),
        Call("a limit", "create", PODS, {"data": POD}, POD, limit=LIMIT),
    ],
)

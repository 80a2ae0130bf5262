"""GitHub's REST API: pages by the Link header; a limit is a 403."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, InSeconds, Job, Limit, Pages, fails

RECORDS = [{"id": 100 + number, "number": number, "title": f"Issue {number}"} for number in range(1, 8)]
CREATED = {"id": 108, "number": 8, "title": "Found a bug"}
CLOSED = {"id": 101, "number": 1, "title": "Issue 1", "state": "closed"}
DOCS = "https://docs.github.com/rest"
PRIMARY = Limit(
    Answer(
        403,
        {"message": "API rate limit exceeded for user ID 1.", "documentation_url": DOCS},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": InSeconds(120)},
    ),
    120,
)
SECONDARY = Limit(
    Answer(403, {"message": "You have exceeded a secondary rate limit."}, {"retry-after": "60"}), 60
)
DOCUMENTED = Documented(
    name="GitHub",
    documentation=(
        f"{DOCS}/using-the-rest-api/using-pagination-in-the-rest-api",
        f"{DOCS}/using-the-rest-api/troubleshooting-the-rest-api",
        f"{DOCS}/using-the-rest-api/rate-limits-for-the-rest-api",
        f"{DOCS}/issues/issues",
    ),
    credentials={"Authorization": f"Bearer {KEY}"},
    refused=Answer(401, {"message": "Requires authentication", "documentation_url": DOCS}),
    missing=Answer(404, {"message": "Not Found", "documentation_url": DOCS}),
    collections=[
        Pages(
            path="repos/octocat/Spoon-Knife/issues",
            records=RECORDS,
            kind="page",
            param="page",
            size=30,
            size_param="per_page",
            max_size=100,
            body="$records",
            headers={"link": '<$next_url>; rel="next"'},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "repos/octocat/Spoon-Knife/issues",
            sent={"title": "Found a bug"},
            answer=Answer(201, CREATED, {"Location": "$origin/repos/octocat/Spoon-Knife/issues/8"}),
        ),
        Exchange(
            "POST",
            "repos/octocat/Spoon-Knife/issues",
            answer=Answer(
                422,
                {
                    "message": "Validation Failed",
                    "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}],
                    "documentation_url": f"{DOCS}/issues/issues#create-an-issue",
                },
            ),
        ),
        Exchange(
            "PATCH",
            "repos/octocat/Spoon-Knife/issues/1",
            sent={"state": "closed"},
            answer=Answer(200, CLOSED),
        ),
        Exchange("DELETE", "repos/octocat/Spoon-Knife/labels/old", answer=Answer(204)),
    ],
)


ISSUES = "repos/octocat/Spoon-Knife/issues"
API = Api(
    documented=DOCUMENTED,
    host="https://api.github.com",
    connection={
        "password": KEY,
        "extra": {
            "endpoints": [
                "repos/{owner}/{repo}/issues",
                "repos/{owner}/{repo}/labels",
                "GET repos/{owner}/{repo}/actions/runs/{run}",
            ],
            "update_method": "PATCH",
        },
    },
    paginate=[{"style": "link"}],
    job=Job(
        endpoint="repos/octocat/Spoon-Knife/actions/runs/30433642",
        field="conclusion",
        body={"id": 30433642, "status": "completed", "conclusion": "$state"},
        ready="success",
        running=(None,),
        failed=("failure", "cancelled", "timed_out"),
        words="conclusion is",
    ),
    calls=[
        Call("read all", "read", ISSUES, {"paginate": {"style": "link"}, "query": {"per_page": 3}}, RECORDS),
        Call("create", "create", ISSUES, {"data": {"title": "Found a bug"}}, CREATED),
        Call("update", "update", f"{ISSUES}/1", {"data": {"state": "closed"}}, CLOSED),
        Call("delete", "delete", "repos/octocat/Spoon-Knife/labels/old", {}, None),
        Call(
            "an error in words",
            "create",
            ISSUES,
            {"data": {"body": "no title"}},
            fails=fails("InvalidDataError", "Validation Failed", "title", "missing_field"),
        ),
        Call("the primary limit", "read", ISSUES, {}, RECORDS, limit=PRIMARY),
        Call(
            "the secondary limit",
            "create",
            ISSUES,
            {"data": {"title": "Found a bug"}},
            CREATED,
            limit=SECONDARY,
        ),
    ],
)

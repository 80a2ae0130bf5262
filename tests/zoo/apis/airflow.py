"""Airflow's own API v2: limit and offset with a total, errors of FastAPI."""

from __future__ import annotations

from tests.zoo.tables import KEY, Answer, Api, Call, Documented, Exchange, Job, Pages, fails

TOKEN = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
RECORDS = [{"name": f"pool-{number}", "slots": number} for number in range(1, 8)]
CREATED = {"name": "new", "slots": 3}
UPDATED = {"name": "pool-1", "slots": 9, "include_deferred": False}
SOURCE = "https://github.com/apache/airflow/blob/main/airflow-core/src/airflow/api_fastapi"
DOCS = "https://airflow.apache.org/docs/apache-airflow/stable"
DOCUMENTED = Documented(
    name="Airflow API v2",
    documentation=(
        f"{DOCS}/stable-rest-api-ref.html",
        f"{DOCS}/security/api.html",
        f"{SOURCE}/core_api/openapi/v2-rest-api-generated.yaml",
    ),
    base="/api/v2",
    credentials={"Authorization": f"Bearer {TOKEN}"},
    refused=Answer(401, {"detail": "Not authenticated"}),
    missing=Answer(404, {"detail": "The Pool with name: `nosuch` was not found"}),
    collections=[
        Pages(
            path="pools",
            records=RECORDS,
            kind="offset",
            param="offset",
            first=0,
            size=50,
            size_param="limit",
            max_size=100,
            body={"pools": "$records", "total_entries": "$total"},
        )
    ],
    exchanges=[
        Exchange(
            "POST",
            "auth/token",
            public=True,
            sent={"username": "admin", "password": KEY},
            answer=Answer(201, {"access_token": TOKEN}),
        ),
        Exchange("POST", "auth/token", public=True, answer=Answer(401, {"detail": "Invalid credentials"})),
        Exchange("POST", "pools", sent={"name": "new", "slots": 3}, answer=Answer(201, CREATED)),
        Exchange(
            "POST",
            "pools",
            answer=Answer(
                422,
                {
                    "detail": [
                        {
                            "type": "missing",
                            "loc": ["body", "slots"],
                            "msg": "Field required",
                            "input": {"name": "new"},
                        }
                    ]
                },
            ),
        ),
        Exchange(
            "PATCH",
            "pools/pool-1",
            sent={"name": "pool-1", "slots": 9, "include_deferred": False},
            answer=Answer(200, UPDATED),
        ),
        Exchange("DELETE", "pools/pool-1", answer=Answer(204)),
    ],
)


PAGES = {
    "style": "offset",
    "param": "offset",
    "size": 3,
    "size_param": "limit",
    "records": "pools",
    "total": "total_entries",
}
API = Api(
    documented=DOCUMENTED,
    host="http://localhost:8080/api/v2",
    connection={
        "login": "admin",
        "password": KEY,
        "extra": {
            "auth_type": "login",
            "login_url": "/auth/token",
            "auth_statuses": [401, 403],
            "endpoints": ["pools", "GET dags/{dag}/dagRuns/{run}"],
            "update_method": "PATCH",
        },
    },
    paginate=[PAGES],
    notes=["Login and Password are a user's, for a token of `POST /auth/token`"],
    job=Job(
        endpoint="dags/etl/dagRuns/manual__1",
        field="state",
        body={"dag_run_id": "manual__1", "state": "$state"},
        ready="success",
        running=("queued", "running"),
        failed=("failed",),
        words="failed",
    ),
    calls=[
        Call(
            "read all",
            "read",
            "pools",
            {"paginate": PAGES, "query": {"pool_name_pattern": "pool-"}},
            RECORDS,
            requests=4,  # with the login
        ),
        Call("create", "create", "pools", {"data": {"name": "new", "slots": 3}}, CREATED),
        Call(
            "update",
            "update",
            "pools/pool-1",
            {"data": {"name": "pool-1", "slots": 9, "include_deferred": False}},
            UPDATED,
        ),
        Call("delete", "delete", "pools/pool-1", {}, None),
        Call(
            "an error in words",
            "create",
            "pools",
            {"data": {"name": "new"}},
            fails=fails("InvalidDataError", "slots", "Field required"),
        ),
        Call(
            "read what is not there",
            "read",
            "pools/nosuch",
            {},
            fails=fails("NotFoundError", "The Pool with name: `nosuch` was not found"),
        ),
    ],
)

"""What a resource says of its failure is told, and nothing else of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mirrordb.client.bodies.errors.details import MAX_DETAIL
from airflow_mirrordb.client.bodies.errors.failure_words import words_of_failure


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"state": "failed"}, ""),
        ({"state": "failed", "error": "no disk"}, "no disk"),
        ({"job": {"state": "failed", "error": {"code": "E7", "message": "no disk"}}}, "no disk"),
        (
            {"state": "failed", "errors": ["no disk", {"field": "size", "message": "too large"}]},
            "no disk; size: too large",
        ),
        ({"name": "error report", "failed_at": "on Monday at 10", "failed_count": 3}, ""),
        ({"message": "near", "steps": [{"message": "far"}]}, "near"),
        ({"errors": [], "steps": [{"ok": 1}, {"exception": "KeyError: x"}]}, "KeyError: x"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"error": "too deep"}}}}}}}, ""),
        (["x", {"error": "no disk"}], "no disk"),
        ("text", ""),
        (None, ""),
    ],
)
def test_words_are_those_nearest_to_the_top(body: Any, words: str) -> None:
    """A resource is mostly data: only fields named as failures are read, and of them the nearest."""
    assert words_of_failure(body) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (  # kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1, JobStatus
            {
                "spec": {"backoffLimit": 2},
                "status": {
                    "failed": 3,
                    "conditions": [
                        {
                            "type": "Failed",
                            "status": "True",
                            "reason": "BackoffLimitExceeded",
                            "message": "Job has reached the specified backoff limit",
                        }
                    ],
                },
            },
            "Job has reached the specified backoff limit",
        ),
        (  # cloud.google.com/bigquery/docs/reference/rest/v2/Job, JobStatus
            {"status": {"state": "DONE", "errorResult": {"reason": "invalid", "message": "no such table"}}},
            "no such table",
        ),
        (  # docs.databricks.com/api/workspace/jobs/getrun, RunState
            {"state": {"result_state": "FAILED", "state_message": "Workload failed, see run output"}},
            "Workload failed, see run output",
        ),
        (  # docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
            {"status": "FAILED", "statusReason": "Essential container in task exited"},
            "Essential container in task exited",
        ),
        (  # docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html
            {
                "QueryExecution": {
                    "Status": {
                        "State": "FAILED",
                        "StateChangeReason": "line 1:8: no column",
                        "AthenaError": {"ErrorCategory": 2, "ErrorMessage": "line 1:8: no column"},
                    }
                }
            },
            "line 1:8: no column",
        ),
    ],
)
def test_jobs_of_public_apis_say_why_they_failed(body: Any, words: str) -> None:
    """As their documentation shows them."""
    assert words_of_failure(body).endswith(words)


def test_they_are_bounded() -> None:
    """Long words are cut, and a large resource is not searched through."""
    assert len(words_of_failure({"error": "x" * 10_000}).encode()) <= MAX_DETAIL
    assert words_of_failure([[{}] * 10_000, {"a": {"b": {"error": "not reached"}}}]) == ""

"""The page about jobs: what it shows runs as it stands there; its tables are those of code and zoo."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_mirrordb.client import GenericMirrorDB
from airflow_mirrordb.devserver import DevServer, Jobs
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration import test_readme_snippets as readme
from tests.integration.test_operators import run
from tests.support.connections import ConfigFor, SetConnection
from tests.support.readmes import TEXTS
from tests.zoo.jobs import airbyte, airflow, azure, azure_arm, databricks, google, plain, salesforce
from tests.zoo.jobs.backend import JobApi

PAGE = TEXTS["airflow_mirrordb/operators/JOBS.md"]
PARAMS = {"name": "nightly"}
ROWS = [{"row": number, "job": "1"} for number in (1, 2, 3)]
#: A text of the row of each backend, and what it is emulated by.
BACKENDS: dict[str, JobApi] = {
    "202 and `Location`": plain.API,
    "`Operation-Location`": azure.API,
    "`Azure-AsyncOperation`": azure_arm.API,
    "AIP-151": google.API,
    "Salesforce": salesforce.API,
    "Databricks": databricks.API,
    "Airbyte": airbyte.API,
    "(Airflow)": airflow.API,
}


@pytest.fixture
def server(set_connection: SetConnection) -> Any:
    with DevServer(jobs=Jobs(["reports"], queued_for=0, running_for=0)) as server:
        set_connection(server.url, extra={"idempotency_header": "Idempotency-Key"})
        yield server


def test_the_operator(server: DevServer) -> None:
    """One task: the job is submitted, and its rows are the result."""
    with DAG("readme", schedule=None) as dag:
        readme.executed(readme.snippet(readme.JOB), MirrorDBJobOperator=MirrorDBJobOperator)
    report: Any = dag.get_task("report")
    report.render_template_fields({"params": PARAMS})
    assert run(report) == ROWS
    assert [job["name"] for job in server.records("reports")] == ["nightly"]


def test_what_it_replaces(server: DevServer) -> None:
    """Four tasks do the same where nothing goes wrong; one more is there for when something does."""
    with DAG("readme", schedule=None) as dag:
        names = {"MirrorDBSensor": MirrorDBSensor, "MirrorDBHook": MirrorDBHook}
        readme.executed(readme.snippet(readme.WITHOUT_JOB), task=task, **names)
    results: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids])
    for name in ("start", "wait", "read"):
        each: Any = dag.get_task(name)
        each.render_template_fields({"params": PARAMS, "ti": ti})
        results[name] = run(each)
    assert results["read"] == ROWS
    cancel: Any = dag.get_task("cancel")
    cancel.python_callable("1")
    assert [entry.path for entry in server.requests()][-1] == "/api/reports/1/cancel"


def test_the_hook(server: DevServer) -> None:
    """The method takes what the operator takes, and returns the same."""
    names = {"MirrorDBHook": MirrorDBHook, "Any": Any}
    assert readme.executed(readme.snippet(readme.JOB_OF_HOOK), **names)["report"].function("x") == ROWS


def test_the_client(server: DevServer, config_for: ConfigFor) -> None:
    """So does the client's."""

    async def client_runs() -> Any:
        async with GenericMirrorDB(config_for(server.url)) as client:
            names: dict[str, Any] = {"client": client}
            code = compile(
                readme.snippet(readme.JOB_OF_CLIENT), "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            await eval(code, names)
            return names["report"]

    assert asyncio.run(client_runs())["state"] == "succeeded"


def test_arguments_are_all_told() -> None:
    """The table names each argument that a create has not, with its default."""
    section = PAGE.partition("## Arguments")[2].partition("\n\nIn braces")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", section, re.MULTILINE)
    told = {name: default for cell, default in rows for name in re.findall(r"`(\w+)`", cell)}
    parameters = inspect.signature(MirrorDBJobOperator.__init__).parameters
    own = {name for name in parameters if name not in ("self", "kwargs")}
    assert told.keys() == own
    for name, default in told.items():
        known = parameters[name].default
        if known is not None:
            assert default == (str(known).lower() if isinstance(known, bool) else f"{known:g}"), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_to_set(backend: str) -> None:
    """Each row has what its backend was emulated with, whose documentation is named there."""
    section = PAGE.partition("## What the backend's documentation says")[2].partition("\n\nThe patterns")[0]
    (row,) = [line for line in section.splitlines() if backend in line]
    said = _arguments(row)
    proven = BACKENDS[backend].arguments
    assert said.keys() <= {*proven, "response_filter"}
    for name in said.keys() & proven.keys():
        assert _sorted(said[name]) == _sorted(proven[name]), name
    given = {**proven, **said}
    given.pop("idempotency_key", None)
    MirrorDBJobOperator(task_id="job", endpoint="api/jobs", data={}, **given)


def _arguments(row: str) -> dict[str, Any]:
    """Return what a row says to set, with the version that is left open."""
    cell = row.replace(r"\|", "¦").split("|")[2].replace("¦", "|")
    code = [text for text in re.findall("`(.+?)`", cell) if re.match(r"\w+=[\"\[{]", text)]
    calls = [ast.parse(f"f({text.replace('…', azure.VERSION)})", mode="eval").body for text in code]
    return {
        word.arg or "": ast.literal_eval(word.value)
        for call in calls
        if isinstance(call, ast.Call)
        for word in call.keywords
    }


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value

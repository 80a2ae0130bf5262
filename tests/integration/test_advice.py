"""What the error of a task advises: an argument that mends it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, XComArg

from airflow_mirrordb.client import InvalidRequestError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.storage_paths import fault_of
from airflow_mirrordb.task.json_data import json_of
from airflow_mirrordb.task.outcomes.result import filtered, filtered_result
from airflow_mirrordb.task.templates import _error
from tests.integration.test_operators import MODES, run
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

RECORDS = [{"name": "Ada"}, {"name": "Grace"}]
EACH = "; data is a list of 2, sent as one body: bulk=True sends each of them"
PAGE = {"rows": [{"id": 7, "name": "Ada"}], "meta": {"total": 1}}
PYTHONS = "a template made Python's text of a value"


def failure(task: MirrorDBOperator) -> str:
    with pytest.raises(AirflowFailException) as raised:
        run(task)
    return str(raised.value)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("data", [RECORDS, '[{"name": "Ada"}, {"name": "Grace"}]'])
def test_a_list_that_was_sent_as_one_body(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int, data: Any
) -> None:
    """The backend says that it wants an object, and not what sends each of a list as one."""
    set_connection(scripted.url)
    scripted.answers = [(status, {"detail": "must be an object"}, {})]
    assert failure(MirrorDBCreateOperator(task_id="t", endpoint="api/users", data=data)).endswith(EACH)


@pytest.mark.parametrize("data", [{"name": "Ada"}, [1, 2], []])
def test_what_is_no_list_of_records_is_not(
    scripted: ScriptedBackend, set_connection: SetConnection, data: Any
) -> None:
    """bulk=True would not mend it."""
    set_connection(scripted.url)
    scripted.answers = [(422, {"detail": "no"}, {})]
    assert "bulk" not in failure(MirrorDBCreateOperator(task_id="t", endpoint="api/users", data=data))


@pytest.mark.parametrize("mode", MODES.values())
def test_a_delete_of_what_is_gone(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """Most want no record to be there, whoever deleted it."""
    set_connection(scripted.url)
    scripted.answers = [(404, {"detail": "no user 9"}, {})]
    told = failure(MirrorDBDeleteOperator(task_id="t", endpoint="api/users/9", **mode))
    assert "404 Not Found: no user 9; missing_ok=True counts that as done (asked for " in told


@pytest.mark.parametrize(
    ("text", "says", "is_pythons"),
    [
        ('{"name": "Ada",}', "a comma before the end of a list or an object at name", False),
        ("{'name': 'Ada'}", "a single quote, as Python prints texts", True),
        ('{"on": True}', "a word that is not in JSON at on", True),
        ('{"user": {\'name\': "Ada"}}', "a single quote", True),
        ("name=Ada", "line 1, column 1", False),
    ],
)
def test_data_that_is_no_json(text: str, says: str, is_pythons: bool) -> None:
    """A template makes Python's text of a dict, and none makes a comma too many."""
    with pytest.raises(InvalidRequestError) as raised:
        json_of(text)
    assert says in raised.value.message
    assert (PYTHONS in raised.value.message) is is_pythons


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("out.json", "names no file: give the whole path, since each worker runs in another folder"),
        ("~/out.json", "names no file: '~' is not looked up, since each worker has another home"),
        ("s3:/bucket/x.json", "names no file: a storage has two slashes, 's3://'"),
        ("s3://bucket", "names no file: it is that of a bucket alone"),
        ("s3://bucket/a/", "names no file: it is that of a folder"),
        ("/data/", "names no file: it is that of a folder"),
        (7, "names no file: it is no text"),
    ],
)
def test_a_path_that_names_no_file(path: object, says: str) -> None:
    """Each tells what it is instead, and how a file is written."""
    assert fault_of(path).startswith(says)
    assert fault_of(path).endswith("as '/data/users.csv' or 's3://conn_id@bucket/key'")


@pytest.mark.parametrize(
    ("path", "provider"),
    [
        ("s3://bucket/x.json", "apache-airflow-providers-amazon[s3fs]"),
        ("gs://bucket/x.json", "apache-airflow-providers-google"),
        ("abfs://container/x.json", "apache-airflow-providers-microsoft-azure"),
    ],
)
@pytest.mark.parametrize("mode", MODES.values())
def test_a_storage_that_no_provider_knows(
    scripted: ScriptedBackend, set_connection: SetConnection, path: str, provider: str, mode: dict[str, Any]
) -> None:
    """Nothing is sent, and the provider is named (Airflow's providers, "Filesystems")."""
    set_connection(scripted.url)
    told = failure(MirrorDBReadOperator(task_id="t", endpoint="api/users", output_path=path, **mode))
    assert f"output_path: '{path}': no provider that is installed knows storages of" in told
    assert f"install '{provider}'" in told
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match=r"no provider .* install"):
        hook.run_job("api/jobs", {}, output_path=path)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("row", "there is nothing at 'row' of the answer, which has 'rows', 'meta'"),
        ("rows.id", "; rows is a list of 1, of whose items 'rows[].id' takes it"),
        ("meta.totl", "; meta has total"),
    ],
)
def test_a_filter_that_finds_nothing(path: str, says: str) -> None:
    """A list has no names; JMESPath takes one of each item by a projection ("Flatten Operator")."""
    with pytest.raises(ValueError, match="response_filter") as raised:
        filtered(path, PAGE)
    assert str(raised.value).endswith(says)


@pytest.mark.parametrize(
    ("path", "warned"),
    [("rows[*].idd", True), ("rows[].idd", True), ("rows[].id", False), ("rows[?id==`8`].id", False)],
)
def test_a_filter_that_keeps_nothing_of_any_record(
    path: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelt name in a projection finds nothing anywhere, which is no error; a filter may well."""
    task = SimpleNamespace(response_filter=path, log=logging.getLogger("task"))
    filtered_result(task, {"data": PAGE})
    words = f"response_filter: '{path}' keeps nothing; that is a list of 1, and its items have id, name"
    assert (words in caplog.text) is warned


def test_an_item_of_an_output_is_told() -> None:
    """``.output["id"]`` is the XCom of the key ``id`` (TaskFlow, "XComArg")."""
    first = MirrorDBReadOperator(task_id="first", endpoint="api/users/7")
    field = (
        "; .output['id'] is the XCom of that key, which the task 'first' has not; a field of its result is"
    )
    item = XComArg(first, key="id")
    for given in (f"users/{item}", item):
        assert f"{field} {{{{ ti.xcom_pull('first')['id'] }}}}" in str(_error("endpoint", given))
    for given in (f"users/{first.output}", first.output, "{{ params.id }}"):
        assert ".output[" not in str(_error("endpoint", given))


def test_the_task_is_named_where_it_cannot_start_in_the_triggerer() -> None:
    """Airflow cuts the traceback that would."""
    with pytest.raises(ValueError, match="task 'r': end_from_trigger: it needs start_from_trigger=True"):
        MirrorDBReadOperator(task_id="r", endpoint="api/users", end_from_trigger=True)
    with pytest.raises(ValueError, match="task 's': end_from_trigger: it needs start_from_trigger=True"):
        MirrorDBSensor(task_id="s", endpoint="api/users", end_from_trigger=True)

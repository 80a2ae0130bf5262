"""What type checkers say of a DAG file that uses everything of the provider."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

CHECKOUT = Path(__file__).parents[2]
DAG_FILE = CHECKOUT / "tests" / "support" / "typed_dag.py"


def test_mypy_takes_the_dag_file() -> None:
    """Strictly; an error that must be there and is not would be an unused comment."""
    api = pytest.importorskip("mypy.api")
    told, wrong, status = api.run(["--config-file", str(CHECKOUT / "pyproject.toml"), str(DAG_FILE)])
    assert status == 0, told + wrong


def test_pyright_takes_the_dag_file(tmp_path: Path) -> None:
    """As editors show it, in its standard mode; it looks at the ignored lines as mypy does."""
    pytest.importorskip("basedpyright")
    settings = {
        "include": [str(DAG_FILE)],
        "extraPaths": [str(CHECKOUT)],
        "typeCheckingMode": "standard",
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    command = ["basedpyright", "--project", str(project), "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == 1, done.stderr
    errors = [(one["range"]["start"]["line"] + 1, one["message"]) for one in told["generalDiagnostics"]]
    assert errors == []


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="assets are watched from Airflow 3.0 on")
def test_airflow_reads_the_dag_file() -> None:
    """What is right to type checkers is right to Airflow, too."""
    dag: Any = run_path(str(DAG_FILE))["dag"]
    assert {"write", "check", "count", "all", "named", "each", "two"} <= set(dag.task_ids)
    assert dag.get_task("write").upstream_task_ids == {"users"}
    assert dag.get_task("write").op_kwargs["limit"] == 5

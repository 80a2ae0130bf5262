"""The connection form as the installed Airflow serves it to its pages, from 3.0 on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_mirrordb.get_provider_info import get_provider_info

# Airflow below 3.2 replaces wtforms in the process that asks, so that is one of its own.
SERVED = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

(form,) = [form for form in HookMetaService.hook_meta_data() if form.connection_type == "mirrordb"]
print(form.model_dump_json())
"""


@pytest.mark.slow
def test_airflow_serves_every_setting() -> None:
    """Each setting arrives in its place, with its help text; secrets are hidden, nothing has a default."""
    pytest.importorskip(
        "airflow.api_fastapi.core_api.services.ui.connections", reason="Airflow 2 makes its pages itself"
    )
    done = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=True)
    form = json.loads(done.stdout.splitlines()[-1])
    connection_type = get_provider_info()["connection-types"][0]
    declared = connection_type["conn-fields"]

    assert form["standard_fields"]["password"]["title"] == "API key / token / secret"
    placeholders = connection_type["ui-field-behaviour"]["placeholders"]
    assert form["standard_fields"]["host"]["placeholder"] == placeholders["host"]
    assert list(form["extra_fields"]) == list(declared)
    for name, field in form["extra_fields"].items():
        assert field["value"] is None
        assert field["description"].startswith(declared[name]["description"])
        assert field["schema"]["title"].endswith(declared[name]["label"])
        assert (field["schema"].get("format") == "password") is (
            declared[name]["schema"].get("format") == "password"
        )

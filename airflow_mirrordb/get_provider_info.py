"""What Airflow is told about this package; data alone, as each Airflow process asks for it at its start."""

from typing import Any

from airflow_mirrordb.connection_form.fields import connection_fields, placeholders


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-mirrordb",
        "name": "MirrorDB",
        "description": "Create, read, update and delete resources of any REST backend through one validated,"
        " resilient connection.",
        "integrations": [
            {
                "integration-name": "MirrorDB",
                "external-doc-url": "https://www.rfc-editor.org/rfc/rfc9110",
                "tags": ["protocol"],
            }
        ],
        "operators": [
            {
                "integration-name": "MirrorDB",
                "python-modules": ["airflow_mirrordb.operators.mirrordb", "airflow_mirrordb.operators.job"],
            }
        ],
        "sensors": [
            {"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.sensors.mirrordb"]}
        ],
        "hooks": [{"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.hooks.mirrordb"]}],
        "task-decorators": [
            {"name": "mirrordb", "class-name": "airflow_mirrordb.decorators.mirrordb.mirrordb_task"}
        ],
        "triggers": [
            {
                "integration-name": "MirrorDB",
                "python-modules": [
                    "airflow_mirrordb.triggers.mirrordb",
                    "airflow_mirrordb.triggers.sensor",
                    "airflow_mirrordb.triggers.job",
                    "airflow_mirrordb.triggers.event",
                    "airflow_mirrordb.triggers.start",
                ],
            }
        ],
        "notifications": ["airflow_mirrordb.notifications.mirrordb.MirrorDBNotifier"],
        "extra-links": ["airflow_mirrordb.task.link.MirrorDBResourceLink"],
        "asset-uris": _asset_uris(),
        "dataset-uris": _asset_uris(),  # what Airflow 2 calls the same
        "connection-types": [_connection_type()],
    }


def _asset_uris() -> list[dict[str, Any]]:
    return [
        {
            "schemes": ["mirrordb"],
            "handler": "airflow_mirrordb.assets.sanitize_uri",
            "factory": "airflow_mirrordb.assets.create_asset",
            "to_openlineage_converter": "airflow_mirrordb.assets.convert_asset_to_openlineage",
        }
    ]


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "mirrordb",
        "hook-class-name": "airflow_mirrordb.hooks.mirrordb.MirrorDBHook",
        "hook-name": "MirrorDB",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {
                "host": "Host or base URL",
                "login": "Login / client id",
                "password": "API key / token / secret",
                "schema": "Schema (http, https)",
            },
            "placeholders": placeholders(),
        },
        "conn-fields": connection_fields(),
    }

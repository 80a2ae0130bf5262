"""What Airflow is told about this package; a literal, since every Airflow process imports it at its start."""


def get_provider_info() -> dict[str, object]:
    return {
        "package-name": "airflow-provider-mirrordb",
        "name": "MirrorDB",
        "description": "Create, read, update and delete resources of any REST backend.",
    }

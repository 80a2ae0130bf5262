"""Apache Airflow provider for REST backends: one declared, validated, resilient connection."""

__version__ = "0.1.0"

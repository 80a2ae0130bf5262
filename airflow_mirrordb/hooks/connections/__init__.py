"""The Airflow connection: its settings, form, look-up and test."""

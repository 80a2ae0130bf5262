"""TaskFlow tasks with a hook: ``@task.mirrordb``, and the same by a name that type checkers know."""

from airflow_mirrordb.decorators.mirrordb import mirrordb_task

__all__ = ["mirrordb_task"]

"""A pytest fixture for the tests of your own DAGs.

Import it in a conftest.py; DAGs that use ``mirrordb_default`` then talk to an embedded MirrorDB::

    from airflow_mirrordb.devserver.fixtures import mirrordb_server  # noqa: F401

    def test_dag_creates_the_user(mirrordb_server):
        dag.test()
        assert mirrordb_server.records("users") == [{"id": "1", "name": "Ada"}]
"""

import json
from collections.abc import Iterator

import pytest

from airflow_mirrordb.devserver.server import DevServer


@pytest.fixture
def mirrordb_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    """An empty MirrorDB in memory, which the connection ``mirrordb_default`` leads to.

    ``pytest.mark.parametrize`` with ``indirect=True`` gives it arguments of ``DevServer``.
    """
    with DevServer(**getattr(request, "param", {})) as server:
        monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(server.connection()))
        yield server

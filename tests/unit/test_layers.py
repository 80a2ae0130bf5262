"""The client stands alone: without Airflow, and without what a caller does not need."""

from __future__ import annotations

import subprocess
import sys

from airflow_mirrordb import client

BLOCK_AIRFLOW = """
import sys
class NoAirflow:
    def find_spec(self, name, path=None, target=None):
        if name == "airflow" or name.startswith("airflow."):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, NoAirflow())
"""


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_the_client_imports_without_airflow() -> None:
    """Every public name loads with Airflow blocked, and nothing tried to load it."""
    loaded = run(
        f"{BLOCK_AIRFLOW}\n"
        "from airflow_mirrordb import client\n"
        "for name in client.__all__: getattr(client, name)\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'airflow'])"
    )
    assert loaded == "[]"


def test_airflow_is_really_blocked_there() -> None:
    """The test above would notice an import of Airflow."""
    assert "is blocked" in run(
        f"{BLOCK_AIRFLOW}\ntry:\n    import airflow.sdk\nexcept ImportError as error:\n    print(error)"
    )


def test_every_public_name_exists() -> None:
    """`__all__` holds only names that import, each found where its class or function says it is."""
    assert len(client.__all__) == len(set(client.__all__)) > 20
    for name in client.__all__:
        assert getattr(client, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """It works as on any module: hasattr and `from ... import`."""
    assert not hasattr(client, "NoSuchName")


def test_importing_the_package_is_light() -> None:
    """The package, the client and its errors load neither aiohttp nor pydantic nor yarl."""
    heavy = run(
        "import sys, airflow_mirrordb, airflow_mirrordb.client\n"
        "from airflow_mirrordb.client import MirrorDBError, RetryPolicy, EndpointRegistry\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'aiohttp', 'pydantic', 'yarl', 'certifi'}))"
    )
    assert heavy == "[]"


def test_importing_the_client_imports_no_module_of_it() -> None:
    """The names are exported lazily: importing the client package loads nothing but itself."""
    loaded = run(
        "import sys, airflow_mirrordb.client\n"
        "print([m for m in sys.modules if m.startswith('airflow_mirrordb.client.')])"
    )
    assert loaded == "[]"

"""Backends that nobody here wrote: installed from their registries, and run as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from uv import find_uv_bin

from tests.support.debian import program

PYPROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"
STARTING: Final = 60.0  # seconds that a backend may take to listen
KINTO: Final = ("kinto==26.5", "setuptools<82")  # its pyramid imports pkg_resources, which newer ones lack

KINTO_INI: Final = """
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}

[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = of-no-use-to-anybody
kinto.bucket_create_principals = system.Authenticated
kinto.experimental_collection_schema_validation = true
multiauth.policies = basicauth
"""


@contextmanager
def json_server_at(folder: Path, package: str, script: str, records: dict[str, Any]) -> Iterator[str]:
    """Run a json-server with these records, and yield its base URL.

    :param package: with its version, as npm takes it
    :param script: the program, in the package
    """
    home, port = folder / "json-server", free_port()
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier")
    run(npm(), "install", "--prefix", str(home), *options, package, cwd=folder)
    (home / "db.json").write_text(json.dumps(records))
    program = str(home / "node_modules" / "json-server" / script)
    with running("node", program, "--host", "127.0.0.1", "--port", str(port), "db.json", cwd=home, port=port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def kinto_at(folder: Path) -> Iterator[str]:
    """Run a Kinto that keeps everything in memory, and yield its base URL."""
    home, port = venv(folder / "kinto", *KINTO), free_port()
    (home / "kinto.ini").write_text(KINTO_INI.format(port=port))
    with running(str(home / "bin" / "kinto"), "start", "--ini", "kinto.ini", cwd=home, port=port):
        yield f"http://127.0.0.1:{port}/v1"


def venv(home: Path, *packages: str) -> Path:
    """Install packages of PyPI, as old as those of the project, into an environment of their own."""
    uv, python = find_uv_bin(), str(home / "bin" / "python")
    (newest,) = re.findall(r'^exclude-newer = "(.+)"$', PYPROJECT.read_text(), re.MULTILINE)
    run(uv, "venv", "--quiet", "--python", sys.executable, str(home), cwd=home.parent)
    run(uv, "pip", "install", "--python", python, "--exclude-newer", newest, *packages, cwd=home.parent)
    return home


def npm() -> str:
    """Return the path of npm; some packages of node bring it along."""
    program("node", package="nodejs", needed_for="json-server")
    return program("npm", package="npm", needed_for="json-server")


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running(*command: str, cwd: Path, port: int) -> Iterator[None]:
    """Run a server in a process group of its own, which ends with the tests."""
    log = cwd / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + STARTING
        while not is_listening(port):
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
            assert time.monotonic() < deadline, f"{command[0]} does not listen: {log.read_text()}"
            time.sleep(0.05)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True

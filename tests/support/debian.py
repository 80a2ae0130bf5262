"""Programs that some tests need beside Python; where one is missing, root installs Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def program(name: str, *, package: str, needed_for: str) -> str:
    """Return the path of a program, which is installed first if it is missing; skip the test if it cannot be.

    :param package: what Debian calls it
    :param needed_for: what needs it, for the reason of a skipped test
    """
    if shutil.which(name) is None:
        _install(package, needed_for)
    return str(shutil.which(name))


def _install(package: str, needed_for: str) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(f"{needed_for} needs {package}, which only root on Debian or Ubuntu can install here")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update",), ("install", "-y", "--no-install-recommends", package)):
        done = subprocess.run(("apt-get", *command), env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(
                f"{needed_for} needs {package}, but apt-get {command[0]} failed: {done.stderr[-500:]}"
            )

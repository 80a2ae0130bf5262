"""Install the wheel on each supported Airflow, run the tests there, and print what works where.

``python -m tests.lanes [LANE ...]``: all lanes, or those whose names begin like that: ``2.11``,
``3.0-py3.12``. An Airflow has two: on the oldest of its Pythons that is installed here with the oldest
aiohttp and msgspec that are allowed, and on the newest with the newest. The last lane, ``canary``, has
the newest of all, whatever its date: it tells what the next release of a dependency would break.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from airflow_mirrordb.client.wire.aiohttp.check import WORKING

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Airflow:
    """One minor version of Airflow.

    :param pythons: which it supports, and we do, oldest first
    :param pins: what it needs beside its own requirements to work with today's packages
    """

    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()


AIRFLOWS = {
    "2.11": Airflow(pythons=("3.10", "3.11", "3.12")),
    "3.0": Airflow(
        pythons=("3.10", "3.11", "3.12"), pins=("fastapi<0.118", "universal-pathlib<0.3", "wtforms>=3.1")
    ),
    "3.1": Airflow(pythons=("3.10", "3.11", "3.12", "3.13")),
    "3.2": Airflow(pythons=("3.10", "3.11", "3.12", "3.13", "3.14"), pins=("svcs<26", "fastapi<0.138")),
    "3.3": Airflow(pythons=("3.10", "3.11", "3.12", "3.13", "3.14")),
}
#: The oldest that are allowed of what the client uses in depth.
OLDEST = (WORKING.partition(",")[0].replace(">=", "=="), "msgspec==0.19")
#: What the tests import beside the package, by the name of its group of dependencies.
TOOLS = ("--group", f"{CHECKOUT / 'pyproject.toml'}:tests")
TESTS = (
    "tests/e2e/test_every_version.py",
    "tests/e2e/test_demo.py",
    "tests/unit",
    "tests/integration",
    "tests/zoo",
    # the same on every version, and long
    "--ignore=tests/integration/test_guards.py",
    "--ignore=tests/integration/test_real_backends.py",
    "--ignore=tests/zoo/test_real_servers.py",
)
#: What is shown of the tests, one by one.
COLUMNS = {
    "provider": "test_discovery",
    "form": "test_form",
    "connection": "test_connection",
    "CRUD": "test_crud",
    "mapped": "test_pipeline",
    "sensor": "test_sensor",
    "failures": "test_failures",
    "masking": "test_masking",
}


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One Airflow on one Python with one aiohttp.

    :param python: the path of its interpreter
    :param wanted: what is installed beside the wheel and the tools
    :param is_pinned: whether nothing is installed that is newer than the checkout allows
    """

    name: str
    airflow: str
    python: str
    wanted: tuple[str, ...]
    is_pinned: bool = True


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a lane; ``cells`` is its row of the table, without its name."""

    succeeded: bool
    cells: tuple[str, ...]
    output: str


def lanes() -> Iterator[Lane]:
    """Yield all lanes that can be run here, oldest first."""
    found: dict[str, str] = {}
    for name, airflow in AIRFLOWS.items():
        found = {version: path for version in airflow.pythons if (path := interpreter(version))}
        if not found:
            continue
        wanted = (f"apache-airflow=={name}.*", *airflow.pins)
        oldest, newest = min(found, key=_order), max(found, key=_order)
        if oldest != newest:
            yield Lane(
                name=f"{name}-py{oldest}",
                airflow=name,
                python=found[oldest],
                wanted=(*wanted, *OLDEST),
            )
        yield Lane(name=f"{name}-py{newest}", airflow=name, python=found[newest], wanted=wanted)
    if found:
        newest = max(found, key=_order)
        wanted = (f"apache-airflow>={name}",)
        yield Lane(name="canary", airflow=name, python=found[newest], wanted=wanted, is_pinned=False)


def interpreter(version: str) -> str | None:
    """Return the path of a Python that is installed, also by pyenv, whose own commands need to be told."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    path = os.pathsep.join([*map(str, root.glob(f"versions/{version}*/bin")), os.environ["PATH"]])
    done = subprocess.run(
        [find_uv_bin(), "python", "find", "--system", "--no-project", "--no-python-downloads", version],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def build(folder: Path) -> Path:
    """Build the wheel into a folder and return its path."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def run(lane: Lane, wheel: Path, folder: Path, *, slow: bool = True) -> Outcome:
    """Install a lane in a folder and run its tests there, where the package is not but in the wheel.

    What they print is in ``LANE.log`` of the folder, as it comes.

    :param slow: False to leave out those that are marked slow
    """
    home = folder / lane.name
    home.mkdir()
    begin = time.monotonic()
    try:
        wanted = (str(wheel), *lane.wanted, *TOOLS)
        python = install(home / "venv", lane.python, *wanted, is_pinned=lane.is_pinned)
    except subprocess.CalledProcessError as error:
        return Outcome(succeeded=False, cells=("FAILED",), output=f"{error.stdout}\n{error.stderr}")
    installed = time.monotonic() - begin
    for name in ("tests", "example_dags", ".ci", ".github"):
        shutil.copytree(CHECKOUT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, home)
    options = ["-o", "addopts=--strict-markers", "-p", "no:cacheprovider", "-q", "--junitxml=report.xml"]
    # what older versions say of themselves is not our concern; all other warnings are still errors
    options += ["-W", "default::DeprecationWarning", "-W", "default::FutureWarning"]
    options += [] if slow else ["-m", "not slow"]
    log = folder / f"{lane.name}.log"
    with log.open("w") as written:
        done = subprocess.run(
            [python, "-m", "pytest", *options, *TESTS],
            cwd=home,
            env=environment(),
            stdout=written,
            stderr=subprocess.STDOUT,
            check=False,
        )
    cells = (
        aiohttp_of(python),
        f"{installed:.0f} s",
        *results(home / "report.xml"),
        f"{time.monotonic() - begin:.0f} s",
    )
    return Outcome(succeeded=done.returncode == 0, cells=cells, output=log.read_text(errors="replace"))


def install(venv: Path, python: str, *wanted: str, is_pinned: bool = True) -> str:
    """Make a virtual environment with what is wanted, and return its interpreter.

    :param python: whose environment it becomes
    :param is_pinned: whether nothing is installed that is newer than the checkout allows
    :raises subprocess.CalledProcessError: it cannot be made, or what it holds does not fit together
    """
    own = str(venv / "bin" / "python")
    (newest,) = re.findall(
        r'^exclude-newer = "(.+)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE
    )
    for command in (
        ["venv", "--python", python, str(venv)],
        ["pip", "install", "--python", own, *(["--exclude-newer", newest] if is_pinned else []), *wanted],
        ["pip", "check", "--python", own],
    ):
        subprocess.run(
            [find_uv_bin(), *command], env=environment(), check=True, capture_output=True, text=True
        )
    return own


def aiohttp_of(python: str) -> str:
    """Return the version of aiohttp that an interpreter has."""
    code = "from importlib.metadata import version; print(version('aiohttp'))"
    done = subprocess.run([python, "-c", code], env=environment(), check=True, capture_output=True, text=True)
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """Return an environment that knows neither this checkout nor any Airflow."""
    unwanted = ("AIRFLOW", "PYTHONPATH", "VIRTUAL_ENV", "UV_", "COV_", "PYTEST")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def results(report: Path) -> tuple[str, ...]:
    """Return what the report says: of each column whether its tests passed, and the numbers of all tests."""
    if not report.exists():
        return ("FAILED",)
    cases = list(ET.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]

    def told(test: str) -> str:
        own = [
            case
            for case in cases
            if case.get("name") == test and str(case.get("classname")).startswith("tests.e2e")
        ]
        return "FAILED" if not own or set(own) & {*bad, *skipped} else "ok"

    passed = len(cases) - len(bad) - len(skipped)
    total = f"{passed} passed, {len(bad)} failed, {len(skipped)} skipped"
    return (*map(told, COLUMNS.values()), total)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main() -> int:
    """Run the lanes that are asked for and return 0 if all tests of all of them passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.lanes", description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="LANE", nargs="*", help="as 2.11 or 3.0-py3.12; default: all")
    names = parser.parse_args().names
    every = list(lanes())
    chosen = [lane for lane in every if not names or any(lane.name.startswith(name) for name in names)]
    if not chosen:
        parser.error(f"there is no such lane here, only {', '.join(lane.name for lane in every)}")
    for name, airflow in AIRFLOWS.items():
        if not any(lane.airflow == name for lane in every):
            print(f"Airflow {name} is skipped: it needs one of Python {', '.join(airflow.pythons)}")

    folder = Path(tempfile.mkdtemp(prefix="mirrordb-lanes-")).resolve()
    print(f"What the tests print is in {folder}", flush=True)
    wheel = build(folder)

    def run_and_tidy(lane: Lane) -> Outcome:
        try:
            return run(lane, wheel, folder)
        finally:  # but for its log: a failure that comes seldom is known by that alone
            shutil.rmtree(folder / lane.name)

    # a lane itself runs two processes at a time
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2)) as pool:
        outcomes = list(pool.map(run_and_tidy, chosen))

    for lane, outcome in zip(chosen, outcomes, strict=True):
        if not outcome.succeeded:
            print(f"{lane.name}:\n{outcome.output[-20_000:]}\n", file=sys.stderr)
    rows = [("lane", "aiohttp", "install", *COLUMNS, "all tests", "time")]
    rows += [(lane.name, *outcome.cells) for lane, outcome in zip(chosen, outcomes, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<10}" for cell in row).rstrip())
    return 0 if all(outcome.succeeded for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
